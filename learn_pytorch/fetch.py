"""Files from elsewhere: downloaded, checked, unpacked, and put into folders that are whole or not there.

``learn_pytorch.data`` says what is fetched; nothing here knows a data set.
"""

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

from learn_pytorch.progress_bar import progress_bar

SILENCE = 15  # seconds without a byte after which a connection is given up
DOWNLOAD_LIMIT = 600  # seconds for one file
MAX_BYTES = 500_000_000  # for one download: its sum is known only when it has ended
LOCK_LIMIT = 900  # seconds to wait for another notebook that prepares the same data
_CHUNK = 1 << 16
_DONE = "complete.json"  # written last: without it a folder counts as unfinished


class DataError(RuntimeError):
    """The data cannot be had. The message names the file or the address and says what to do."""


# ------------------------------------------------------------------------------ folders


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lets one process at a time work in a folder, which is made if need be; the others wait.

    Raises:
        DataError: The other one took too long.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=LOCK_LIMIT)  # the system frees it if a process dies
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
    """Makes a folder that is there with all its files or not at all. Hold the lock while it runs.

    ``fill`` writes the files into a folder beside it. Only when all of them are done, they take the
    place of what this function put there before. Files of somebody else stay where they are.

    Args:
        folder: What to make.
        kind: What it holds, for ``is_complete``: all that decides what ``fill`` writes.
        fill: Called with the folder to write to.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
    try:
        partial.mkdir(parents=True)
        fill(partial)
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        sums = {path.relative_to(partial).as_posix(): calculate_md5(path) for path in files}
        (partial / _DONE).write_text(json.dumps({"kind": kind, "md5": sums}, indent=1), encoding="utf-8")
        _remove(folder)
        if not folder.exists():
            os.replace(partial, folder)
            return
        for name in [*sums, _DONE]:  # the mark comes last
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial / name, folder / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Removes what ``make_folder`` made, and the folders that are empty then; nothing else."""
    files = made(folder)
    for path in files:
        path.unlink()
    (folder / _DONE).unlink(missing_ok=True)  # last: whoever is killed here knows the rest next time
    for place in sorted(
        {parent for path in [*files, folder / _DONE] for parent in path.parents}, reverse=True
    ):
        if place.is_relative_to(folder):
            with contextlib.suppress(OSError):  # it is not empty
                place.rmdir()


def made(folder: Path) -> list[Path]:
    """The files in a folder that ``make_folder`` put there."""
    try:
        names = set(json.loads((folder / _DONE).read_text(encoding="utf-8"))["md5"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    # Looking what is there, instead of following the names, never leads out of the folder.
    return [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() in names]


def is_complete(folder: Path, kind: str) -> bool:
    """Whether ``make_folder`` finished this folder, of this kind, and every file is as it was then."""
    try:
        done = json.loads((folder / _DONE).read_text(encoding="utf-8"))
        if done["kind"] != kind:
            return False
        return all(calculate_md5(folder / name) == md5 for name, md5 in done["md5"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
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
                for chunk in _receive(url, path.name):
                    file.write(chunk)
            check(part)
            os.replace(part, path)
            return
        except DataError as problem:
            problems.append(f"\n  {url}: {problem}")
        finally:
            part.unlink(missing_ok=True)
    raise DataError(f"no download of {path.name}{''.join(problems) or ' (no address to fetch it from)'}")


def _receive(url: str, name: str) -> Iterator[bytes]:
    """The bytes of a download. Whatever the network does wrong is a ``DataError``."""
    deadline = time.monotonic() + DOWNLOAD_LIMIT
    received = 0
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "learn_pytorch"})
        with urllib.request.urlopen(request, timeout=SILENCE) as response:
            size = int(response.headers.get("Content-Length") or 0)
            with progress_bar(what=name, total=size, unit="B") as bar:
                # read1 returns what has come; read would wait for a server that drips for ever.
                while chunk := response.read1(_CHUNK):
                    if time.monotonic() > deadline:
                        raise DataError(f"not finished after {DOWNLOAD_LIMIT} s")
                    received += len(chunk)
                    if received > MAX_BYTES:
                        raise DataError(f"longer than {MAX_BYTES:,} bytes")
                    bar.update(len(chunk))
                    yield chunk
    except urllib.error.HTTPError as problem:
        problem.close()
        raise DataError(f"the server answers {problem.code} {problem.reason}") from None
    except (OSError, HTTPException, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        if isinstance(reason, TimeoutError):
            reason = f"no answer for {SILENCE} s"
        raise DataError(f"{reason or type(problem).__name__}") from None
    if received < size:
        raise DataError(f"cut off after {received:,} of {size:,} bytes")


# ------------------------------------------------------------------------------ archives


def unpack_gzip(archive: Path, path: Path) -> None:
    """Unpacks a file whose sum has been checked: what is in it is known."""
    with gzip.open(archive) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpacks an archive whose sum has been checked: what is in it is known."""
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
