"""From a folder of images, one folder for each class, to a Dataset and its batches."""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

from going_modular.utils import process_share

# No others are tried: some of Pillow's formats start programs or are seldom tested.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
CLUTTER = ("__macosx", "thumbs.db", "desktop.ini")  # other clutter starts with a dot
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
TEST_SHARE, TEST_SEED = 0.25, 42  # of a folder that has no test/: always the same


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, less hidden files and clutter."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    found = [path for path in found if path.name.lower() not in CLUTTER]
    return sorted(found, key=lambda path: path.name)


def find_files(folder: Path, seen: set | None = None) -> Iterator[Path]:
    """Every file below a folder, however deep; no folder twice, wherever links lead."""
    real = folder.resolve()
    seen = set(real.parents) if seen is None else seen
    if real not in seen:
        seen.add(real)
        try:
            found = list_folder(folder)
        except OSError as error:  # reported like a bad file
            found = [folder / f"({error.strerror})"]
        for path in found:
            yield from find_files(path, seen) if path.is_dir() else [path]


def find_classes(folder: Path) -> list[str]:
    """The names of the class folders; the first is class 0."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    return [path.name for path in list_folder(folder) if path.is_dir()]


def find_images(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """Every file below the class folders, with its class number; none is opened yet."""
    found = [find_files(folder / name) for name in classes]
    return [(path, label) for label, paths in enumerate(found) for path in paths]


def find_sets(folder: Path) -> tuple[list[str], list, list | None]:
    """The classes, the training files and the test files below a folder.

    It holds train/ and test/ with a folder for each class; or just the class folders:
    then the test files have yet to be split off, and are None.
    """
    classes, test = find_classes(folder), None
    if classes == ["test", "train"]:
        classes, other = (find_classes(folder / part) for part in ("train", "test"))
        if classes != other:
            raise ValueError(f"{folder}: train/ has {classes}, but test/ has {other}")
        test, folder = find_images(folder / "test", classes), folder / "train"
    if len(classes) < 2 or {name.lower() for name in classes} & PARTS:
        raise ValueError(
            f"{folder}: found {classes}, but wanted are train/ and test/ with "
            "two or more class folders in each, or just two or more class folders"
        )
    return classes, find_images(folder, classes), test


def split(files: list, share: float, seed: int) -> tuple[list, list]:
    """Holds out a share of each class at random: returns the rest and the share."""
    from sklearn.model_selection import train_test_split  # takes a second to import

    how = {"stratify": [label for _, label in files], "random_state": seed}
    try:
        return train_test_split(files, test_size=share, **how)
    except ValueError:
        raise ValueError(
            f"too few images, {len(files)}, to hold out a share {share} of each class"
        ) from None


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
    """Reads an image as a viewer shows it: upright, 8-bit RGB; or a ValueError."""
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


def read_all(paths: Iterable[Path], size: int, workers: int) -> Iterator[tuple]:
    """Reads images in threads: yields each path with its image, or with a complaint."""

    def read(path: Path) -> tuple[Path, torch.Tensor | str]:
        try:
            return path, to_tensor(read_image(path), size)
        except ValueError as problem:
            return path, str(problem)

    paths = iter(paths)
    with ThreadPool(max(1, workers)) as pool:
        while some := list(islice(paths, 16)):  # of a million paths, only these
            yield from pool.map(read, some)


def survey(files: list, size: int, workers: int, keep: bool, skip_bad: bool) -> dict:
    """Looks into every file once, and names all bad ones.

    Returns:
        For each good file: a hash, sums over its pixels, the pixels if they are kept.
    """
    known, bad, images = {}, [], read_all([path for path, _ in files], size, workers)
    for path, image in tqdm(images, "looking", len(files), leave=False, disable=None):
        if isinstance(image, str):
            bad.append(image)
            continue
        X = image.flatten(1).long()  # whole numbers: exact in whatever order
        sums = X.sum(dim=1).tolist(), X.square().sum(dim=1).tolist()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        known[path] = digest, sums, image.numpy() if keep else None
    message = f"{len(bad)} of {len(files)} files cannot be used:"
    if bad and not skip_bad:
        raise ValueError("\n  ".join([message, *bad]))
    if bad:
        warnings.warn("\n  ".join([message, *bad]), stacklevel=1)
    return known


def channel_statistics(files: list, known: dict, size: int) -> list[torch.Tensor]:
    """Mean and deviation of each channel over all images, for pixels from 0 to 1."""
    sums = np.array([known[path][1] for path, _ in files]).sum(axis=0)
    mean, squares = sums / (len(files) * size * size)
    std = np.sqrt(np.maximum(squares - mean**2, 0.1))  # one colour has no spread
    return [torch.tensor(values / 255).float() for values in (mean, std)]


def fingerprint(files: dict, known: dict) -> str:
    """Stands for all files, their classes and their order."""
    lines = [f"{k} {label} {known[path][0]}" for k in files for path, label in files[k]]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


class ImageFiles(Dataset):
    """Images with their class numbers: read when asked for, or kept in memory."""

    def __init__(self, files: list, size: int, known: dict):
        self.files, self.size = files, size
        self.pixels = [known[path][2] for path, _ in files]
        self.change = None  # makes another image of one, at random

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        index, seed = key
        path, label = self.files[index]
        if self.pixels[index] is None:
            image = to_tensor(read_image(path), self.size)
        else:
            image = torch.from_numpy(self.pixels[index])
        if self.change is not None:
            # The same seed, the same change: whichever process reads the image.
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                image = self.change(image)
        return image, -100 if seed < 0 else label  # cross_entropy leaves out -100


class Batches(Sampler):
    """A row and a seed for each image of a batch: by the seed and the epoch alone."""

    def __init__(self, count: int, batch_size: int, seed: int | None = None):
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.epoch = 0  # train.py sets it

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rank, world = process_share()
        rows = np.arange(self.count)
        random = np.random.default_rng([self.seed or 0, self.epoch])
        if self.seed is not None:
            random.shuffle(rows)
        pairs = zip(rows, random.integers(2**63, size=self.count), strict=True)
        while batch := [(int(a), int(b)) for a, b in islice(pairs, self.batch_size)]:
            # A process without a share of it takes an image that does not count.
            yield batch[rank::world] or [(batch[0][0], -1)]


def make_loader(
    dataset: Dataset,
    batch_size: int,
    workers: int,
    device: torch.device,
    seed: int | None = None,
) -> DataLoader:
    """Batches of a dataset, read by worker processes while the model computes."""
    return DataLoader(
        dataset,
        batch_sampler=Batches(len(dataset), batch_size, seed),
        num_workers=workers,  # 0: this process reads them itself
        persistent_workers=workers > 0,  # not started anew for every epoch
        pin_memory=device.type == "cuda",  # a faster way to the GPU
    )


def augmentation(size: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """A random change of an image: mirrored or not, cropped to 60 % or more."""
    from torchvision.transforms import v2  # takes seconds, and only this needs it

    crop = v2.RandomResizedCrop((size, size), scale=(0.6, 1.0), antialias=True)
    return v2.Compose([v2.RandomHorizontalFlip(), crop])
