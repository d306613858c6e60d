"""The course's pictures: fetched or, where nothing can be fetched, drawn by code.

``fashion_mnist()`` leaves the files where ``torchvision.datasets.FashionMNIST`` reads them,
``pizza_steak_sushi()`` leaves folders for ``torchvision.datasets.ImageFolder``. Three environment
variables steer both:

* ``COURSE_DATA``: ``auto`` (the default) takes what is on disk, else a mirror, else downloads, else
  draws; ``offline`` never opens a connection; ``real`` fetches the real pictures or says why it
  cannot; ``drawn`` draws.
* ``COURSE_DATA_DIR``: where the files go; by default the folder ``data`` in the course.
* ``COURSE_MIRROR``: a folder or an http address that holds the archives (a USB stick, a server in
  the classroom). It is read, never written.

``python -m learn_pytorch.data`` prepares both from a terminal.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import sys
import time
import urllib.error
import urllib.request
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from learn_pytorch.progress_bar import progress_bar

CHOICES = ("auto", "real", "drawn", "offline")
COUNTS = {"train": 60_000, "t10k": 10_000}  # the files' names for training and test set
# As many drawn pictures of each class as there are photographs: 225 and 75.
FOOD_COUNTS = {
    "train": {"pizza": 78, "steak": 75, "sushi": 72},
    "test": {"pizza": 25, "steak": 19, "sushi": 31},
}
FOOD_SEED = 2  # other seeds give other scenes
FOOD_ARCHIVE = "pizza_steak_sushi.zip"
FOOD_BLOB = "65f3915a380f5efd456a6a5750f0365350de8dd0"  # what git calls the archive's bytes
FOOD_ADDRESSES = (
    f"https://github.com/mrdbourke/pytorch-deep-learning/raw/baa27b6/data/{FOOD_ARCHIVE}",
    f"https://raw.githubusercontent.com/mrdbourke/pytorch-deep-learning/main/data/{FOOD_ARCHIVE}",
)
SILENCE = 15  # seconds without a byte after which a connection is given up
DOWNLOAD_LIMIT = 600  # seconds for one file
MAX_BYTES = 500_000_000  # for one file, packed or unpacked
LOCK_LIMIT = 900  # seconds to wait for another notebook that prepares the same data
_CHUNK = 1 << 16
_DONE = "complete.json"  # written last: without it a folder counts as unfinished


class DataError(RuntimeError):
    """The data cannot be had. The message names the file or the address and says what to do."""


class DataSource(NamedTuple):
    """Where a data set lies, and whether it is the real one."""

    root: Path  # for FashionMNIST(root, train=..., download=False), or the folder of train and test
    kind: str  # "real" or "drawn"


class _DataSet(NamedTuple):
    """What differs between the data sets."""

    name: str  # in messages
    counts: tuple[int, int]  # training and test images
    megabytes: int  # needed at most
    archives: str  # what a mirror has to hold
    near: Callable[[], list[Path]]  # archives at hand
    unpack: Callable[[Path, bool], None]  # puts the real set into a folder, with or without a connection
    draw: Callable[[Path], None]  # puts the drawn set into a folder
    drawn_kind: str  # which drawing, for ``is_complete``


# ------------------------------------------------------------------------------ what notebooks call


def fashion_mnist(root: str | Path | None = None) -> DataSource:
    """Makes sure that FashionMNIST is on disk, and prints in one line whether it is real or drawn.

    Args:
        root: Folder for the files; by default ``$COURSE_DATA_DIR``, else ``data`` in the$
            course. The real and the drawn set have a folder each inside it.

    Returns:
        The folder for torchvision, and ``"real"`` or ``"drawn"``.

    Raises:
        ValueError: ``COURSE_DATA`` is none of the four choices.
        DataError: The real set was asked for and cannot be had, or the folder cannot be written.
    """
    from learn_pytorch import drawn_fashion

    root = _root(root)
    data_set = _DataSet(
        name="FashionMNIST",
        counts=(COUNTS["train"], COUNTS["t10k"]),
        megabytes=100,
        archives="the four archives, in it or in its FashionMNIST/raw",
        near=lambda: _folders_with_archives(root),
        unpack=lambda folder, connect: _unpack_real(folder, root, connect),
        draw=_draw,
        drawn_kind=f"drawn, version {drawn_fashion.VERSION}",
    )
    return _provide(data_set, root)


def pizza_steak_sushi(root: str | Path | None = None) -> DataSource:
    """Makes sure that pictures of three dishes are on disk, and prints whether they are real or drawn.

    Args:
        root: Folder for the files; by default ``$COURSE_DATA_DIR``, else ``data`` in the$
            course. The real and the drawn set have a folder each in its ``pizza_steak_sushi``.

    Returns:
        The folder that holds ``train`` and ``test``, each with one folder of JPEG files for each
        of pizza, steak and sushi; and ``"real"`` or ``"drawn"``.

    Raises:
        ValueError: ``COURSE_DATA`` is none of the four choices.
        DataError: The real set was asked for and cannot be had, the folder cannot be written, or
            somebody put pictures or folders of their own into it.
    """
    from learn_pytorch import drawn_food

    root = _root(root) / "pizza_steak_sushi"
    data_set = _DataSet(
        name="Pizza, steak, sushi",
        counts=_food_counts(),
        megabytes=50,
        archives=f"{FOOD_ARCHIVE}, in it or in its data",
        near=lambda: _food_archives(root),
        unpack=lambda folder, connect: _unpack_food(folder, root, connect),
        draw=_draw_food,
        drawn_kind=f"drawn, version {drawn_food.VERSION}",
    )
    source = _provide(data_set, root)
    check_nothing_added(source.root)
    return source


# ------------------------------------------------------------------------------ real or drawn


def _root(root: str | Path | None) -> Path:
    root = Path(root or os.environ.get("COURSE_DATA_DIR") or Path(__file__).parent.parent / "data")
    return root.expanduser().resolve()


def _provide(data_set: _DataSet, root: Path) -> DataSource:
    """Finds, fetches or draws a data set below ``root``, and prints what it is."""
    choice = os.environ.get("COURSE_DATA") or "auto"
    if choice not in CHOICES:
        raise ValueError(f"COURSE_DATA must be one of {', '.join(CHOICES)}, got {choice!r}")
    try:
        source = _on_disk(data_set, root, choice)
        if source is None:
            with locked(root):  # another notebook may have made it while this one waited
                source = _on_disk(data_set, root, choice) or _make(data_set, root, choice)
    except OSError as problem:
        raise DataError(
            f"{problem.filename or root}: {problem.strerror or problem}. The data needs about "
            f"{data_set.megabytes} MB in a folder that you can write: free some space, or name another "
            "folder in COURSE_DATA_DIR"
        ) from problem
    train, test = data_set.counts
    counts = f"{train:,} training and {test:,} test images"
    if source.kind == "real":
        print(f"{data_set.name}: real, {counts}")
    else:
        print(f"{data_set.name}: drawn by this course, {counts} (COURSE_DATA=real fetches the real ones)")
    return source


def _on_disk(data_set: _DataSet, root: Path, choice: str) -> DataSource | None:
    """What can be used as it is, without a connection and without writing anything."""
    if choice != "drawn" and is_complete(root / "real", "real"):
        return DataSource(root / "real", "real")
    # Real archives in a folder at hand are better than a drawn set from a day without them.
    prefer_real = choice == "real" or (choice != "drawn" and data_set.near())
    if not prefer_real and is_complete(root / "drawn", data_set.drawn_kind):
        return DataSource(root / "drawn", "drawn")
    return None


def _make(data_set: _DataSet, root: Path, choice: str) -> DataSource:
    mirror_failed = ""
    drawn_ready = is_complete(root / "drawn", data_set.drawn_kind)
    mirror = os.environ.get("COURSE_MIRROR")
    if choice != "drawn":
        connect = choice == "real" or (choice == "auto" and not drawn_ready)
        try:
            make_folder(root / "real", "real", lambda folder: data_set.unpack(folder, connect))
            return DataSource(root / "real", "real")
        except DataError as problem:
            if choice == "real":
                raise DataError(
                    f"the real {data_set.name} cannot be had: {problem}\n"
                    f"COURSE_MIRROR ({mirror or 'not set'}) can name a folder or an http address with "
                    f"{data_set.archives}; COURSE_DATA=drawn draws pictures"
                ) from problem
            # A mirror may hold one of the sets only; what it holds damaged, or not at all, is worth a word.
            other_set_only = not data_set.near() and (_folders_with_archives(root) or _food_archives(root))
            if mirror and not other_set_only and (connect or not _is_address(mirror)):
                mirror_failed = f"COURSE_MIRROR={mirror} did not help: {problem}"
    if not drawn_ready:
        make_folder(root / "drawn", data_set.drawn_kind, data_set.draw)
    if mirror_failed:
        warnings.warn(mirror_failed, stacklevel=4)
    return DataSource(root / "drawn", "drawn")


def _mirrors(*below: str) -> list[str]:
    """Addresses below a mirror that is a server, each with a slash at its end."""
    mirror = os.environ.get("COURSE_MIRROR", "").rstrip("/")
    return [f"{mirror}/{part}" for part in ("", *below)] if _is_address(mirror) else []


def _folders(root: Path, *below: str) -> list[Path]:
    """Folders at hand where archives may lie: a mirror that is a folder, the data, and parts of both."""
    mirror = os.environ.get("COURSE_MIRROR", "")
    places = [root] if not mirror or _is_address(mirror) else [Path(mirror).expanduser(), root]
    return [place / part for place in places for part in ("", *below)]


def _is_address(mirror: str) -> bool:
    return mirror.startswith(("http://", "https://"))


# ------------------------------------------------------------------------------ FashionMNIST


def _unpack_real(folder: Path, root: Path, connect: bool) -> None:
    """Unpacks torchvision's four archives, from folders at hand or from the network."""
    from torchvision.datasets import FashionMNIST

    near = _folders_with_archives(root)
    far = [*_mirrors("FashionMNIST/raw/"), *FashionMNIST.mirrors] if connect else []
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, md5 in FashionMNIST.resources:
        archive = next((f / name for f in near if calculate_md5(f / name) == md5), None)
        if archive is None:
            archive = raw / name
            try:
                download([place + name for place in far], archive, lambda path, md5=md5: check_md5(path, md5))
            except DataError as problem:
                damaged = "".join(f"\n  {f / name}: the MD5 sum is wrong, copy the file again" for f in near)
                raise DataError(f"{problem}{damaged}") from problem
        unpack_gzip(archive, raw / name.removesuffix(".gz"))
        (raw / name).unlink(missing_ok=True)
    for split, count in COUNTS.items():
        check_idx(raw / f"{split}-images-idx3-ubyte", (count, 28, 28))
        check_idx(raw / f"{split}-labels-idx1-ubyte", (count,))


def _folders_with_archives(root: Path) -> list[Path]:
    """The folders at hand that hold all four: a mirror, and what torchvision itself once downloaded."""
    from torchvision.datasets import FashionMNIST

    folders = _folders(root, "FashionMNIST/raw")
    return [f for f in folders if all((f / name).is_file() for name, _ in FashionMNIST.resources)]


def _draw(folder: Path) -> None:
    """Draws training and test set, each from random numbers of its own."""
    from learn_pytorch import drawn_fashion

    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    with progress_bar(what="drawing FashionMNIST", total=sum(COUNTS.values()), unit="image") as bar:
        for seed, (split, count) in enumerate(COUNTS.items()):
            images, labels = drawn_fashion.draw(count, seed, bar.update)
            write_idx(raw / f"{split}-images-idx3-ubyte", images)
            write_idx(raw / f"{split}-labels-idx1-ubyte", labels)


def write_idx(path: Path, array) -> None:
    """Writes an array of bytes as an IDX file: type, dimensions and sizes, then the values."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def check_idx(path: Path, shape: tuple[int, ...]) -> None:
    """Raises ``DataError`` unless the file holds bytes of this shape; of one dimension, labels 0 to 9."""
    data = path.read_bytes()
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    header = bytes([0, 0, 8, len(shape)]) + sizes
    count = 1
    for size in shape:
        count *= size
    values = data[len(header) :]
    if not data.startswith(header) or len(values) != count or (len(shape) == 1 and max(values) > 9):
        raise DataError(f"{path.name} is no IDX file of shape {shape}: the archive holds something else")


# ------------------------------------------------------------------------------ pizza, steak, sushi


def _food_counts() -> tuple[int, int]:
    return tuple(sum(classes.values()) for classes in FOOD_COUNTS.values())


def _food_archives(root: Path) -> list[Path]:
    """The archive, wherever it lies at hand."""
    return [f / FOOD_ARCHIVE for f in [*_folders(root, "data"), root.parent] if (f / FOOD_ARCHIVE).is_file()]


def _unpack_food(folder: Path, root: Path, connect: bool) -> None:
    """Unpacks the archive, from a folder at hand or from the network, and looks at what was in it."""
    near = _food_archives(root)
    archive = next((path for path in near if calculate_blob(path) == FOOD_BLOB), None)
    if archive is None:
        archive = folder / FOOD_ARCHIVE
        mirrors = [place + FOOD_ARCHIVE for place in _mirrors("data/")]
        far = [*mirrors, *FOOD_ADDRESSES] if connect else []
        try:
            download(far, archive, lambda path: check_blob(path, FOOD_BLOB))
        except DataError as problem:
            damaged = "".join(f"\n  {path}: the git blob id is wrong, copy the file again" for path in near)
            raise DataError(f"{problem}{damaged}") from problem
    unpacked = folder / "unpacked"
    unpack_zip(archive, unpacked)
    (folder / FOOD_ARCHIVE).unlink(missing_ok=True)
    top = unpacked / "pizza_steak_sushi"  # some pack the folder, some what is in it
    for split, classes in FOOD_COUNTS.items():
        (folder / split).mkdir()
        for name in classes:
            source = (top if top.is_dir() else unpacked) / split / name
            if not source.is_dir():
                raise DataError(
                    f"{archive.name} has no folder {split}/{name}: the archive holds something else"
                )
            os.replace(source, folder / split / name)
    shutil.rmtree(unpacked)
    check_images(folder)


def check_images(folder: Path) -> None:
    """Raises ``DataError`` unless the folder holds 225 and 75 pictures, and all begin as JPEG files do."""
    for split, count in zip(FOOD_COUNTS, _food_counts(), strict=True):
        images = sorted(path for path in (folder / split).rglob("*") if _is_image(path))
        if len(images) != count:
            raise DataError(
                f"{split} must hold {count} images, got {len(images)}: the archive holds something else"
            )
        for path in images:
            with open(path, "rb") as file:
                if file.read(3) != b"\xff\xd8\xff":
                    raise DataError(f"{path.relative_to(folder).as_posix()} is no JPEG file")


def _is_image(path: Path) -> bool:
    """Whether ``ImageFolder`` takes the file for a picture."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    return path.is_file() and path.suffix.lower() in IMG_EXTENSIONS


def check_nothing_added(folder: Path) -> None:
    """Raises ``DataError`` if there are pictures or folders that ``make_folder`` did not put there.

    ``ImageFolder`` would take each for a part of the data set. Other files do no harm, and what is
    refused is left where it is.
    """
    files = [folder / name for name in json.loads((folder / _DONE).read_text(encoding="utf-8"))["md5"]]
    known = {*files, *(parent for path in files for parent in path.parents)}
    for path in sorted(folder.rglob("*")):
        if path not in known and (path.is_dir() or _is_image(path)):
            raise DataError(f"{path} is no part of the data, but would be read with it: move it elsewhere")


def _draw_food(folder: Path) -> None:
    """Draws training and test set, each scene from random numbers of its own."""
    from learn_pytorch import drawn_food

    def draw(job: tuple[int, str, str, int]) -> None:
        part, split, name, index = job
        path = folder / split / name / f"{name}_{index + 1:03}.jpg"
        packed = io.BytesIO()
        drawn_food.picture(name, (FOOD_SEED, part, index)).save(packed, "JPEG", quality=88)
        path.write_bytes(packed.getvalue())  # unlike Pillow, it notices when the disk is full

    jobs = []
    for part, (split, classes) in enumerate(FOOD_COUNTS.items()):
        for name, count in classes.items():
            (folder / split / name).mkdir(parents=True)
            jobs += [(part, split, name, index) for index in range(count)]
    with (
        progress_bar(what="drawing pizza, steak and sushi", total=len(jobs), unit="image") as bar,
        ThreadPoolExecutor(2) as pool,
    ):
        for _ in pool.map(draw, jobs):
            bar.update()


# ------------------------------------------------------------------------------ for every data set


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

    ``fill`` writes the files into a folder beside it, which gets its name when all is done; what
    stood there before is replaced only then.

    Args:
        folder: What to make.
        kind: What it holds, for ``is_complete``.
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
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_complete(folder: Path, kind: str) -> bool:
    """Whether ``make_folder`` finished this folder, of this kind, and every file is as it was then."""
    try:
        done = json.loads((folder / _DONE).read_text(encoding="utf-8"))
        if done["kind"] != kind:
            return False
        return all(calculate_md5(folder / name) == md5 for name, md5 in done["md5"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


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


def unpack_gzip(archive: Path, path: Path) -> None:
    """Unpacks a file of at most ``MAX_BYTES``.

    Raises:
        DataError: The archive is damaged, or holds more.
    """
    try:
        with gzip.open(archive) as source, open(path, "wb") as target:
            left = MAX_BYTES
            while chunk := source.read(1 << 20):
                left -= len(chunk)
                if left < 0:
                    raise DataError(f"{archive} holds more than {MAX_BYTES:,} bytes")
                target.write(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise DataError(f"{archive} is damaged ({problem}): fetch it again") from problem


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpacks a zip archive of at most ``MAX_BYTES``, never outside ``folder``.

    All names are looked at first: an archive with one bad name is refused as a whole.

    Raises:
        DataError: The archive is damaged, holds more, or holds links or paths that lead outside.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = zipped.infolist()
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise DataError(f"{archive} holds more than {MAX_BYTES:,} bytes")
            for member in members:
                parts = member.filename.replace("\\", "/").split("/")
                outside = member.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]
                if outside or stat.S_ISLNK(member.external_attr >> 16):
                    raise DataError(f"{archive} is refused: {member.filename!r} leads out of its folder")
            zipped.extractall(folder)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as problem:
        raise DataError(f"{archive} is damaged ({problem}): fetch it again") from problem


if __name__ == "__main__":
    try:
        for prepare in (fashion_mnist, pizza_steak_sushi):
            print(f"in {prepare().root}")
    except (DataError, ValueError) as error:
        sys.exit(f"learn_pytorch.data: {error}")
