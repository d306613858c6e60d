"""Reads a folder of images, one folder for each class, into memory.

Real folders are dirty. Whatever lies in one either becomes an upright RGB image or is
reported with its path and the reason, all of them at once, before any training starts.
"""

import warnings
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

# No others are tried: some of Pillow's formats start programs or are seldom tested.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
CLUTTER = ("thumbs.db", "desktop.ini")  # of Windows; other systems' start with a dot


class ImageSet(NamedTuple):
    """A folder of images in memory."""

    images: torch.Tensor  # pixels from 0 to 255, uint8 of shape (N, 3, size, size)
    labels: torch.Tensor  # class numbers, int64 of shape (N,)
    classes: list[str]  # the names of classes 0, 1, ...
    paths: list[Path]  # the N files


def list_folder(folder: str | Path) -> list[Path]:
    """What lies in a folder, sorted by name, less hidden files and clutter."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    shown = [p for p in Path(folder).iterdir() if not p.name.startswith(".")]
    return sorted(
        (p for p in shown if p.name.lower() not in CLUTTER), key=lambda p: p.name
    )


def find_classes(folder: str | Path) -> list[str]:
    """The names of the class folders, sorted; a ValueError if there is none."""
    classes = [path.name for path in list_folder(folder) if path.is_dir()]
    if not classes:
        raise ValueError(
            f"{folder}: no class folder found, "
            "one folder with images is needed for each class"
        )
    return classes


def find_files(folder: str | Path) -> list[Path]:
    """Every file below a folder, however deep, by path; hidden ones are skipped."""
    files = []
    for path in list_folder(folder):
        files += find_files(path) if path.is_dir() else [path]
    return sorted(files, key=Path.as_posix)


def find_images(folder: str | Path, classes: list[str]) -> list[tuple[Path, int]]:
    """Every file below the class folders, with its class number; none is opened yet."""
    return [
        (path, label)
        for label, name in enumerate(classes)
        for path in find_files(Path(folder, name))
    ]


def to_rgb(image: Image.Image) -> Image.Image:
    """Any 8- or 16-bit image as 8-bit RGB, on white if transparent; or a ValueError."""
    if image.mode.startswith("I"):  # 16-bit grays: convert() would clip them at 255
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("32-bit pixels, save it with 8 or 16 bits")
        image = Image.fromarray((values // 256).astype(np.uint8))  # 65535 becomes 255
    if image.mode == "F":
        raise ValueError("floating-point pixels, save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def read_image(path: str | Path) -> Image.Image:
    """Reads an image as a viewer shows it: upright, 8-bit RGB, the first of several.

    Raises:
        ValueError: It cannot be read completely; the message is ``PATH: reason``.
    """
    try:
        if not Path(path).is_file():
            raise ValueError("no such file, or not an ordinary one")
        if Path(path).stat().st_size == 0:
            raise ValueError("the file is empty")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > Image.MAX_IMAGE_PIXELS:  # Pillow only warns
                raise ValueError("too many pixels, perhaps a decompression bomb")
            return to_rgb(ImageOps.exif_transpose(image))  # as the camera was held
    except UnidentifiedImageError:
        raise ValueError(
            f"{path}: not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image"
        ) from None
    except Exception as error:  # damaged files make Pillow raise nearly everything
        raise ValueError(f"{path}: {str(error) or type(error).__name__}") from error


def to_tensor(image: Image.Image, size: int) -> torch.Tensor:
    """An RGB image, resized to a square: uint8 of shape (3, size, size)."""
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def try_to_load(path: str | Path, size: int) -> torch.Tensor | str:
    """A file's image as uint8 of shape (3, size, size), or why there is none."""
    try:
        return to_tensor(read_image(path), size)
    except ValueError as problem:
        return str(problem)


def report_bad(
    folder: str | Path, loaded: list[torch.Tensor | str], skip_bad: bool
) -> None:
    """Names all bad files at once: an error, or a warning if they are to be skipped."""
    bad = [result for result in loaded if isinstance(result, str)]
    if bad:
        message = "\n  ".join(
            [f"{folder}: {len(bad)} of {len(loaded)} files cannot be used:", *bad]
        )
        if not skip_bad:
            raise ValueError(message)
        warnings.warn(message, stacklevel=3)


def load_images(
    folder: str | Path,
    size: int = 64,
    classes: list[str] | None = None,
    workers: int = 1,
    skip_bad: bool = False,
) -> ImageSet:
    """Reads, decodes and resizes all images below a folder; warns of empty classes.

    Args:
        folder: Holds one folder for each class.
        size: Height and width of the result in pixels.
        classes: The class folders there must be; by default those that are there.
        workers: Threads that decode at the same time.
        skip_bad: Whether files that are no good images are left out with a warning.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The classes differ, there is no image, or some are bad (all named).
    """
    found = find_classes(folder)
    if classes is not None and found != classes:
        raise ValueError(
            f"{folder}: the class folders must be {classes}, found {found}"
        )
    files = find_images(folder, found)
    with ThreadPool(workers) as pool:
        loaded = pool.map(partial(try_to_load, size=size), [path for path, _ in files])
    report_bad(folder, loaded, skip_bad)
    good = [
        (image, *file)
        for image, file in zip(loaded, files, strict=True)
        if not isinstance(image, str)
    ]
    if not good:
        raise ValueError(f"{folder}: no image found in the class folders {found}")
    images, paths, labels = zip(*good, strict=True)
    for label in sorted(set(range(len(found))) - set(labels)):
        warnings.warn(
            f"{Path(folder, found[label])}: no image found, the class is empty",
            stacklevel=2,
        )
    return ImageSet(torch.stack(images), torch.tensor(labels), found, list(paths))
