"""The course's pictures: fetched or, where nothing can be fetched, drawn by code.

``fashion_mnist()`` leaves the files where ``torchvision.datasets.FashionMNIST`` reads them,
``pizza_steak_sushi()`` leaves folders for ``torchvision.datasets.ImageFolder``. Three environment
variables steer both:

* ``COURSE_DATA``: ``auto`` (the default) takes FashionMNIST from disk, else from a mirror, else
  downloads it, else draws it, and draws the food, so that everybody sees the same pictures in the
  lessons; ``offline`` does that without any connection; ``real`` fetches the real pictures or says
  why it cannot; ``drawn`` draws.
* ``COURSE_DATA_DIR``: where the files go; by default the folder ``data`` in the course.
* ``COURSE_MIRROR``: a folder or an http address that holds the archives (a USB stick, a server in
  the classroom). It is read, never written.

``python -m learn_pytorch.data`` prepares both from a terminal.
"""

import io
import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from learn_pytorch.fetch import (
    DataError,
    InTheWay,
    calculate_blob,
    calculate_md5,
    check_blob,
    check_md5,
    download,
    is_complete,
    locked,
    made,
    make_folder,
    unpack_gzip,
    unpack_zip,
)
from learn_pytorch.progress_bar import progress_bar

CHOICES = ("auto", "real", "drawn", "offline")

# The files' names for training and test set: how many pictures, and the random numbers of drawn ones.
FASHION_COUNTS = {"train": 60_000, "t10k": 10_000}
FASHION_SEEDS = {"train": 0, "t10k": 1}
# What torchvision's FashionMNIST fetches, from where, and the MD5 sums. They stand here as well, because
# importing torchvision takes seconds, and most of the time the data is there already.
FASHION_ARCHIVES = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
FASHION_ADDRESSES = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)

# As many drawn pictures of each class as there are photographs: 225 and 75.
FOOD_COUNTS = {
    "train": {"pizza": 78, "steak": 75, "sushi": 72},
    "test": {"pizza": 25, "steak": 19, "sushi": 31},
}
FOOD_SEEDS = {"train": (2, 0), "test": (2, 1)}  # other seeds give other scenes
FOOD_QUALITY = 88  # of the JPEG files, out of 100
FOOD_ARCHIVE = "pizza_steak_sushi.zip"
FOOD_BLOB = "65f3915a380f5efd456a6a5750f0365350de8dd0"  # what git calls the archive's bytes
FOOD_ADDRESSES = (
    f"https://github.com/mrdbourke/pytorch-deep-learning/raw/baa27b6/data/{FOOD_ARCHIVE}",
    f"https://raw.githubusercontent.com/mrdbourke/pytorch-deep-learning/main/data/{FOOD_ARCHIVE}",
)
# What ``ImageFolder`` takes for a picture; again so that torchvision need not be imported.
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


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
    drawn_kind: str  # all that decides what is drawn, for ``is_complete``
    kind: str | None = None  # "real" or "drawn"; None: real where it can be had, else drawn
    to_draw: str = ""  # what the line of the real set says about the drawn one


# ------------------------------------------------------------------------------ what notebooks call


def fashion_mnist(root: str | Path | None = None) -> DataSource:
    """Makes sure that FashionMNIST is on disk, and prints in one line whether it is real or drawn.

    Args:
        root: Folder for the files; by default ``$COURSE_DATA_DIR``, else ``data`` in the
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
        counts=tuple(FASHION_COUNTS.values()),
        megabytes=100,
        archives="the four archives, in it or in its FashionMNIST/raw",
        near=lambda: _folders_with_archives(root),
        unpack=lambda folder, connect: _unpack_fashion(folder, root, connect),
        draw=_draw_fashion,
        drawn_kind=_drawn(drawn_fashion.VERSION, counts=FASHION_COUNTS, seeds=FASHION_SEEDS),
    )
    return _provide(data_set, root)


def pizza_steak_sushi(root: str | Path | None = None, *, kind: str | None = None) -> DataSource:
    """Makes sure that pictures of three dishes are on disk, and prints whether they are real or drawn.

    Args:
        root: Folder for the files; by default ``$COURSE_DATA_DIR``, else ``data`` in the
            course. The real and the drawn set have a folder each in its ``pizza_steak_sushi``.
        kind: ``"real"`` for photographs, ``"drawn"`` for pictures that the course draws; by default
            photographs with ``COURSE_DATA=real``, else drawn ones, whatever else is at hand.

    Returns:
        The folder that holds ``train`` and ``test``, each with one folder of JPEG files for each
        of pizza, steak and sushi; and ``"real"`` or ``"drawn"``.

    Raises:
        ValueError: ``COURSE_DATA`` is none of the four choices, or ``kind`` none of the two.
        DataError: The real set was asked for and cannot be had, the folder cannot be written, or
            somebody put pictures or folders of their own into it.
    """
    from learn_pytorch import drawn_food

    if kind not in (None, "real", "drawn"):
        raise ValueError(f'kind must be "real", "drawn" or None, got {kind!r}')
    root = _root(root) / "pizza_steak_sushi"
    data_set = _DataSet(
        name="Pizza, steak, sushi",
        counts=_food_counts(),
        megabytes=50,
        archives=f"{FOOD_ARCHIVE}, in it or in its data",
        near=lambda: _food_archives(root),
        unpack=lambda folder, connect: _unpack_food(folder, root, connect),
        draw=_draw_food,
        drawn_kind=_drawn(drawn_food.VERSION, counts=FOOD_COUNTS, seeds=FOOD_SEEDS, quality=FOOD_QUALITY),
        kind=kind or ("real" if _choice() == "real" else "drawn"),
        to_draw=" (COURSE_DATA=drawn draws them)",
    )
    source = _provide(data_set, root)
    check_nothing_added(source.root)
    return source


# ------------------------------------------------------------------------------ real or drawn


def _root(root: str | Path | None) -> Path:
    root = root or os.environ.get("COURSE_DATA_DIR") or Path(__file__).parent.parent / "data"
    return Path(os.path.expanduser(root)).resolve()


def _choice() -> str:
    choice = os.environ.get("COURSE_DATA") or "auto"
    if choice not in CHOICES:
        raise ValueError(f"COURSE_DATA must be one of {', '.join(CHOICES)}, got {choice!r}")
    return choice


def _drawn(version: int, **settings) -> str:
    """All that decides what is drawn, as a text: where it is another one, the set is drawn again."""
    return f"drawn, version {version}, {json.dumps(settings)}"


def _provide(data_set: _DataSet, root: Path) -> DataSource:
    """Finds, fetches or draws a data set below ``root``, and prints what it is."""
    choice = _choice()
    kind = data_set.kind or (choice if choice in ("real", "drawn") else None)
    try:
        source = _on_disk(data_set, root, kind)
        if source is None:
            with locked(root):  # another notebook may have made it while this one waited
                connect = choice != "offline"
                source = _on_disk(data_set, root, kind) or _make(data_set, root, kind, connect)
    except OSError as problem:
        raise DataError(
            f"{problem.filename or root}: {problem.strerror or problem}. The data needs about "
            f"{data_set.megabytes} MB in a folder that you can write: free some space, or name another "
            "folder in COURSE_DATA_DIR"
        ) from problem
    train, test = data_set.counts
    counts = f"{train:,} training and {test:,} test images"
    if source.kind == "real":
        print(f"{data_set.name}: real, {counts}{data_set.to_draw}")
    else:
        print(f"{data_set.name}: drawn by this course, {counts} (COURSE_DATA=real fetches the real ones)")
    return source


def _on_disk(data_set: _DataSet, root: Path, kind: str | None) -> DataSource | None:
    """What can be used as it is, without a connection and without writing anything."""
    if kind != "drawn" and is_complete(root / "real", "real"):
        return DataSource(root / "real", "real")
    # Real archives in a folder at hand are better than a drawn set from a day without them.
    prefer_real = kind == "real" or (kind is None and data_set.near())
    if not prefer_real and is_complete(root / "drawn", data_set.drawn_kind):
        return DataSource(root / "drawn", "drawn")
    return None


def _make(data_set: _DataSet, root: Path, kind: str | None, connect: bool) -> DataSource:
    mirror_failed = ""
    drawn_ready = is_complete(root / "drawn", data_set.drawn_kind)
    if kind != "drawn":
        connect = connect and (kind == "real" or not drawn_ready)
        try:
            make_folder(root / "real", "real", lambda folder: data_set.unpack(folder, connect))
            return DataSource(root / "real", "real")
        except InTheWay:
            raise
        except DataError as problem:
            fault = _mirror_fault()
            if kind == "real":
                raise DataError(
                    f"the real {data_set.name} cannot be had: {problem}\n"
                    f"COURSE_MIRROR ({_mirror_shown()}{fault and f': {fault}'}) can name a folder or an http "
                    f"address with {data_set.archives}; COURSE_DATA=drawn draws pictures"
                ) from problem
            # A mirror may hold one of the sets only; what it holds damaged, or not at all, is worth a word.
            other_set_only = not data_set.near() and (_folders_with_archives(root) or _food_archives(root))
            if fault or (_mirror() and not other_set_only and (connect or not _is_address(_mirror()))):
                mirror_failed = f"COURSE_MIRROR={_mirror_shown()} did not help: {fault or problem}"
    if not drawn_ready:
        make_folder(root / "drawn", data_set.drawn_kind, data_set.draw)
    if mirror_failed:
        warnings.warn(mirror_failed, stacklevel=4)
    return DataSource(root / "drawn", "drawn")


# ------------------------------------------------------------------------------ mirrors


_DAMAGED = "the {} is wrong, or it cannot be read: copy the file again"


def _is(path: Path, calculate: Callable[[Path], str], wanted: str) -> bool:
    """Whether an archive at hand is the right one."""
    try:
        return calculate(path) == wanted
    except OSError:
        return False


def _mirror() -> str:
    return os.environ.get("COURSE_MIRROR", "").strip()


def _mirror_shown() -> str:
    """For messages: what may be a password, all before an @, is left out."""
    return re.sub(r"^(\w+://)?[^/].*@", r"\1***@", _mirror()) or "not set"


def _mirror_fault() -> str:
    """What is wrong with the mirror's very name, in words; nothing if there is none."""
    mirror = _mirror()
    if "://" in mirror and not mirror.lower().startswith(("http://", "https://")):
        return "only http and https are understood, and folders"
    if "://" in mirror and "@" in mirror:
        return "an address with an @ in it, for a name or a password, is not understood"
    if mirror and "://" not in mirror and not os.path.isdir(os.path.expanduser(mirror)):
        return "no such folder; an address would begin with http:// or https://"
    return ""


def _is_address(mirror: str) -> bool:
    return "://" in mirror


def _mirrors(*below: str) -> list[str]:
    """Addresses below a mirror that is a server, each with a slash at its end."""
    mirror = _mirror().rstrip("/")
    usable = _is_address(mirror) and not _mirror_fault()
    return [f"{mirror}/{part}" for part in ("", *below)] if usable else []


def _folders(root: Path, *below: str) -> list[Path]:
    """Folders at hand where archives may lie: a mirror that is a folder, the data, and parts of both."""
    mirror = _mirror()
    places = [root] if not mirror or _is_address(mirror) else [Path(os.path.expanduser(mirror)), root]
    return [place / part for place in places for part in ("", *below)]


# ------------------------------------------------------------------------------ FashionMNIST


def _unpack_fashion(folder: Path, root: Path, connect: bool) -> None:
    """Unpacks torchvision's four archives, from folders at hand or from the network."""
    near = _folders_with_archives(root)
    far = [*_mirrors("FashionMNIST/raw/"), *FASHION_ADDRESSES] if connect else []
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, md5 in FASHION_ARCHIVES.items():
        archive = next((f / name for f in near if _is(f / name, calculate_md5, md5)), None)
        if archive is None:
            archive = raw / name
            try:
                download([place + name for place in far], archive, lambda path, md5=md5: check_md5(path, md5))
            except DataError as problem:
                damaged = "".join(f"\n  {f / name}: {_DAMAGED.format('MD5 sum')}" for f in near)
                raise DataError(f"{problem}{damaged}") from problem
        unpack_gzip(archive, raw / name.removesuffix(".gz"))
        (raw / name).unlink(missing_ok=True)


def _folders_with_archives(root: Path) -> list[Path]:
    """The folders at hand that hold all four: a mirror, and what torchvision itself once downloaded."""
    folders = _folders(root, "FashionMNIST/raw")
    return [f for f in folders if all(os.path.isfile(f / name) for name in FASHION_ARCHIVES)]


def _draw_fashion(folder: Path) -> None:
    """Draws training and test set, each from random numbers of its own."""
    from learn_pytorch import drawn_fashion

    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    total = sum(FASHION_COUNTS.values())
    with progress_bar(what="drawing FashionMNIST", total=total, unit="image") as bar:
        for split, count in FASHION_COUNTS.items():
            images, labels = drawn_fashion.draw(count, FASHION_SEEDS[split], bar.update)
            write_idx(raw / f"{split}-images-idx3-ubyte", images)
            write_idx(raw / f"{split}-labels-idx1-ubyte", labels)


def write_idx(path: Path, array) -> None:
    """Writes an array of bytes as an IDX file: type, dimensions and sizes, then the values."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


# ------------------------------------------------------------------------------ pizza, steak, sushi


def _food_counts() -> tuple[int, int]:
    return tuple(sum(classes.values()) for classes in FOOD_COUNTS.values())


def _food_archives(root: Path) -> list[Path]:
    """The archive, wherever it lies at hand."""
    folders = [*_folders(root, "data"), root.parent]
    return [f / FOOD_ARCHIVE for f in folders if os.path.isfile(f / FOOD_ARCHIVE)]


def _unpack_food(folder: Path, root: Path, connect: bool) -> None:
    """Unpacks the archive, from a folder at hand or from the network."""
    near = _food_archives(root)
    archive = next((path for path in near if _is(path, calculate_blob, FOOD_BLOB)), None)
    if archive is None:
        archive = folder / FOOD_ARCHIVE
        mirrors = [place + FOOD_ARCHIVE for place in _mirrors("data/")]
        far = [*mirrors, *FOOD_ADDRESSES] if connect else []
        try:
            download(far, archive, lambda path: check_blob(path, FOOD_BLOB))
        except DataError as problem:
            damaged = "".join(f"\n  {path}: {_DAMAGED.format('git blob id')}" for path in near)
            raise DataError(f"{problem}{damaged}") from problem
    unpack_zip(archive, folder)
    (folder / FOOD_ARCHIVE).unlink(missing_ok=True)


def check_nothing_added(folder: Path) -> None:
    """Raises ``DataError`` if there are pictures or folders that ``make_folder`` did not put there.

    ``ImageFolder`` would take each for a part of the data set. Other files do no harm, and what is
    refused is left where it is.
    """
    files = [folder / name for name in made(folder)]
    known = {*files, *(parent for path in files for parent in path.parents)}
    for path in sorted(folder.rglob("*")):
        if path not in known and (path.is_dir() or path.suffix.lower() in IMAGE_ENDINGS):
            raise DataError(f"{path} is no part of the data, but would be read with it: move it elsewhere")


def _draw_food(folder: Path) -> None:
    """Draws training and test set, each scene from random numbers of its own."""
    from learn_pytorch import drawn_food

    def draw(job: tuple[str, str, int]) -> None:
        split, name, index = job
        path = folder / split / name / f"{name}_{index + 1:03}.jpg"
        packed = io.BytesIO()
        drawn_food.picture(name, (*FOOD_SEEDS[split], index)).save(packed, "JPEG", quality=FOOD_QUALITY)
        path.write_bytes(packed.getvalue())  # unlike Pillow, it notices when the disk is full

    jobs = []
    for split, classes in FOOD_COUNTS.items():
        for name, count in classes.items():
            (folder / split / name).mkdir(parents=True)
            jobs += [(split, name, index) for index in range(count)]
    with (
        progress_bar(what="drawing pizza, steak and sushi", total=len(jobs), unit="image") as bar,
        ThreadPoolExecutor(2) as pool,
    ):
        for _ in pool.map(draw, jobs):
            bar.update()


def main() -> None:
    """Prepares both sets and says where they are."""
    try:
        for prepare in (fashion_mnist, pizza_steak_sushi):
            print(f"in {prepare().root}")
    except (DataError, ValueError) as error:
        sys.exit(f"learn_pytorch.data: {error}")


if __name__ == "__main__":
    main()
