"""Files from elsewhere: downloaded, checked, unpacked, and put into folders that are complete or not.

``learn_pytorch.data`` says what is fetched; nothing here knows a data set.
"""

import contextlib
import gzip
import hashlib
import json
import os
import queue
import shutil
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from learn_pytorch.progress_bar import progress_bar

SILENCE = 15  # seconds without a byte after which a connection is given up
DOWNLOAD_LIMIT = 600  # seconds for one file
MAX_BYTES = 500_000_000  # for one download: its sum is known only when it has ended
LOCK_LIMIT = 900  # seconds to wait for another notebook that prepares the same data
_CHUNK = 1 << 16
_DONE = "complete.json"  # in each folder that the course made: what kind, and the sums of its files
_OWN = "the course deletes this folder"  # a file of this name: a folder in which the course works


class DataError(RuntimeError):
    """The data cannot be had. The message names the file or the address and says what to do."""


class InTheWay(DataError):
    """Something stands where the course wants to write, and may be the user's."""

    def __init__(self, path: Path):
        super().__init__(
            f"{path} is not as the course left it, so it may be yours: move it elsewhere, or delete it, "
            "or name another folder in COURSE_DATA_DIR"
        )


# ------------------------------------------------------------------------------ folders


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lets one process at a time work in a folder, which is made if need be; the others wait.

    Raises:
        DataError: The other one took too long.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    # The system frees it if a process dies. It is emptied, so nobody else's file may have its name.
    lock = FileLock(folder / ".learn_pytorch.lock", timeout=LOCK_LIMIT)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(
            f"another notebook has been preparing data in {folder} for more than {LOCK_LIMIT} s: "
            "wait for it or shut down its kernel, then run this again"
        ) from None
    try:
        yield
    finally:
        lock.release()


def make_folder(folder: Path, kind: str, fill: Callable[[Path], None]) -> None:
    """Makes a folder that ``is_complete`` with all its files or not at all. Hold the lock while it runs.

    ``fill`` writes the files into a folder beside it. Only when all of them are done, they take the
    place of what this function put there before. Nothing else is removed or overwritten, and what
    somebody put beside them stays where it is.

    Args:
        folder: What to make.
        kind: What it holds, for ``is_complete``: all that decides what ``fill`` writes.
        fill: Called with the folder to write to.

    Raises:
        InTheWay: Something that may be the user's would have to go.
    """
    old = made(folder)
    if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
        raise InTheWay(folder)
    if _mark(folder) is None and folder.is_dir() and any(folder.iterdir()):
        raise InTheWay(folder)
    _check_ours(folder, old, old)
    partial = folder.with_name(f"{folder.name}.partial")
    new = partial / "new"
    _clear(partial)  # left by a process that was killed
    try:
        partial.mkdir(parents=True, exist_ok=True)
        (partial / _OWN).touch()
        new.mkdir()
        fill(new)
        sums = {
            p.relative_to(new).as_posix(): calculate_md5(p) for p in sorted(new.rglob("*")) if p.is_file()
        }
        _check_ours(folder, {**old, **sums}, old)  # once more: filling takes a while

        def mark(kind: str, files: dict[str, str]) -> None:
            (new / _DONE).write_text(json.dumps({"kind": kind, "md5": files}, indent=1), encoding="utf-8")
            os.replace(new / _DONE, folder / _DONE)

        # Whoever is killed in between leaves a folder whose mark lists all that is the course's in it.
        folder.mkdir(exist_ok=True)
        mark("unfinished", old)
        for name in old:
            (folder / name).unlink()
        for place in sorted({p for name in old for p in _places(folder, name)[1:]}, reverse=True):
            with contextlib.suppress(OSError):  # it is not empty
                place.rmdir()
        mark("unfinished", sums)
        for name in sums:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(new / name, folder / name)
        mark(kind, sums)
    finally:
        _clear(partial)


def _places(folder: Path, name: str) -> list[Path]:
    """A file of a folder, and the folders between the two."""
    path = folder / name
    return [path, *(place for place in path.parents if folder in place.parents)]


def _check_ours(folder: Path, names: Iterable[str], old: dict[str, str]) -> None:
    """Raises ``InTheWay`` unless each of the files is as it was made, or not there."""
    for name in names:
        path, *between = _places(folder, name)
        for place in between:
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                raise InTheWay(place)
        if os.path.lexists(path) and (
            path.is_symlink() or not path.is_file() or calculate_md5(path) != old.get(name)
        ):
            raise InTheWay(path)


def _clear(partial: Path) -> None:
    """Removes the folder that ``make_folder`` works in, and leaves anybody else's alone."""
    if partial.is_symlink() or (partial.exists() and not partial.is_dir()):
        raise InTheWay(partial)
    if not (partial / _OWN).is_file():
        if partial.is_dir() and any(partial.iterdir()):
            raise InTheWay(partial)
        return
    shutil.rmtree(partial / "new", ignore_errors=True)
    if not (partial / "new").exists():  # else it is tried again next time
        (partial / _OWN).unlink()
        with contextlib.suppress(OSError):  # somebody put something beside it
            partial.rmdir()


def _mark(folder: Path) -> tuple[str, dict[str, str]] | None:
    """What the course noted in a folder that it made: kind, and sums of the files; else None."""
    path = folder / _DONE
    try:
        done = json.loads(path.read_text(encoding="utf-8"))
        return None if path.is_symlink() else (done["kind"], dict(done["md5"].items()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def made(folder: Path) -> dict[str, str]:
    """The files in a folder that ``make_folder`` put there, and their sums then."""
    _, sums = _mark(folder) or ("", {})
    # Looking what is there, instead of following the names, never leads out of the folder.
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return {name: md5 for name, md5 in sums.items() if name in there}


def is_complete(folder: Path, kind: str) -> bool:
    """Whether ``make_folder`` finished this folder, of this kind, and every file is as it was then."""
    noted, sums = _mark(folder) or ("", {})
    try:
        return (
            noted == kind
            and bool(sums)
            and all((folder / n).is_file() and calculate_md5(folder / n) == sums[n] for n in sums)
        )
    except OSError:
        return False


# ------------------------------------------------------------------------------ sums


def calculate_md5(path: Path) -> str:
    """The MD5 sum of a file: good against accidents, not against forgers."""
    with open(path, "rb") as file:
        md5 = hashlib.md5(usedforsecurity=False)
        while chunk := file.read(1 << 20):
            md5.update(chunk)
    return md5.hexdigest()


def check_md5(path: Path, md5: str) -> None:
    """Raises ``DataError`` unless the file has this MD5 sum."""
    if calculate_md5(path) != md5:
        raise DataError("the MD5 sum is wrong, the file is damaged or another one")


def calculate_blob(path: Path) -> str:
    """What git calls a file's bytes: the SHA-1 sum of the word blob, their number, a zero, and them."""
    sha1 = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            sha1.update(chunk)
    return sha1.hexdigest()


def check_blob(path: Path, blob: str) -> None:
    """Raises ``DataError`` unless git would call the file so."""
    if calculate_blob(path) != blob:
        raise DataError("the git blob id is wrong, the file is damaged or another one")


# ------------------------------------------------------------------------------ the network


def download(urls: Sequence[str], path: Path, check: Callable[[Path], None]) -> None:
    """Downloads a file from the first address that delivers a good one.

    It is written beside ``path`` and renamed when it has passed the check, so that nothing
    half-finished or wrong ever has its name.

    Args:
        urls: Addresses (http or https), tried in turn.
        path: The file to write.
        check: Called with the finished file; raises ``DataError`` if it is not the right one.

    Raises:
        DataError: None of them did; the message says why for each.
    """
    problems = []
    part = path.with_name(path.name + ".part")
    for url in urls:
        try:
            with open(part, "wb") as file:
                _receive(url, file, path.name)
            check(part)
            os.replace(part, path)
            return
        except DataError as problem:
            problems.append(f"\n  {url}: {problem}")
        finally:
            part.unlink(missing_ok=True)
    raise DataError(f"no download of {path.name}{''.join(problems) or ' (no address to fetch it from)'}")


def _receive(url: str, file: BinaryIO, name: str) -> None:
    """Writes a download into a file. Whatever the network does wrong is a ``DataError``.

    A thread of its own reads: each byte that drips in, of a header too, would start a socket's time
    limit afresh, and looking up a name has none. Where the time is over, it is left to itself.
    """
    came, given_up = queue.SimpleQueue(), threading.Event()
    deadline = time.monotonic() + DOWNLOAD_LIMIT
    threading.Thread(target=_read, args=(url, came.put, given_up.is_set), daemon=True).start()
    try:
        size, received = _next(came, deadline), 0
        with progress_bar(what=name, total=size, unit="B") as bar:
            while chunk := _next(came, deadline):
                received += len(chunk)
                if received > MAX_BYTES:
                    raise DataError(f"longer than {MAX_BYTES:,} bytes")
                file.write(chunk)
                bar.update(len(chunk))
        if received < size:
            raise DataError(f"cut off after {received:,} of {size:,} bytes")
    finally:
        given_up.set()


def _next(came: queue.SimpleQueue, deadline: float) -> int | bytes:
    """What the reading thread delivers next; its errors are raised here."""
    try:
        item = came.get(timeout=max(deadline - time.monotonic(), 0))
    except queue.Empty:
        raise DataError(f"not finished after {DOWNLOAD_LIMIT} s") from None
    if isinstance(item, DataError):
        raise item
    return item


def _read(url: str, put: Callable[[int | bytes | DataError], None], given_up: Callable[[], bool]) -> None:
    """Delivers the number of bytes to come, or 0; then the bytes; then none, or what went wrong."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "learn_pytorch"})
        with urllib.request.urlopen(request, timeout=SILENCE) as response:
            put(int(response.headers.get("Content-Length") or 0))
            # read1 returns what has come; read would wait for a server that drips for ever.
            while (chunk := response.read1(_CHUNK)) and not given_up():
                put(chunk)
        put(b"")
    except urllib.error.HTTPError as problem:
        problem.close()
        put(DataError(f"the server answers {problem.code} {problem.reason}"))
    except Exception as problem:  # whatever it is: somebody waits for a word
        reason = getattr(problem, "reason", problem)
        if isinstance(reason, TimeoutError):
            reason = f"no answer for {SILENCE} s"
        put(DataError(f"{reason or type(problem).__name__}"))


# ------------------------------------------------------------------------------ archives


@contextlib.contextmanager
def _unpacking(archive: Path) -> Iterator[None]:
    """What is wrong with an archive is a ``DataError``; a full disk stays what it is."""
    try:
        yield
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as problem:
        raise DataError(f"{archive} cannot be unpacked: {problem}") from None


def unpack_gzip(archive: Path, path: Path) -> None:
    """Unpacks a file whose sum has been checked: what is in it is known."""
    with _unpacking(archive), gzip.open(archive) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpacks an archive whose sum has been checked: what is in it is known."""
    with _unpacking(archive), zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
