"""From a folder of images to a Dataset: one folder for each class."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset, Sampler

CLUTTER = ("__macosx", "thumbs.db", "desktop.ini")  # other clutter starts with a dot
TEST_SHARE, TEST_SEED = 0.25, 42  # of a folder that has no test/: always the same


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, less hidden files and clutter."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(path for path in found if path.name.lower() not in CLUTTER)


def find_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, however deep; hidden ones and clutter are skipped."""
    for path in list_folder(folder):
        if path.is_dir():
            yield from find_files(path)
        else:
            yield path


def find_classes(folder: Path) -> list[str]:
    """The names of the class folders; the first is class 0."""
    return [path.name for path in list_folder(folder) if path.is_dir()]


def find_images(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """Every file below the class folders, with its class number; none is opened yet."""
    return [
        (path, label)
        for label, name in enumerate(classes)
        for path in find_files(folder / name)
    ]


def split(files: list[tuple[Path, int]], share: float, seed: int) -> tuple[list, list]:
    """Holds out a share of each class at random: returns the rest and the share."""
    from sklearn.model_selection import train_test_split  # takes a second to import

    labels = [label for _, label in files]
    return train_test_split(files, test_size=share, stratify=labels, random_state=seed)


def find_sets(folder: Path) -> tuple[list[str], list, list]:
    """The classes, the training files and the test files below a folder.

    It holds train/ and test/, with a folder for each class in both; or just a folder
    for each class, and a share of every class is held out for testing.
    """
    classes = find_classes(folder)
    if classes != ["test", "train"]:
        return classes, *split(find_images(folder, classes), TEST_SHARE, TEST_SEED)
    classes = find_classes(folder / "train")
    return classes, *(find_images(folder / part, classes) for part in ("train", "test"))


def read_image(path: Path) -> Image.Image:
    """Reads an image as a viewer shows it: upright, and in RGB."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # damaged files make Pillow raise nearly everything
        raise ValueError(f"{path}: {error}") from error


def to_tensor(image: Image.Image, size: int) -> torch.Tensor:
    """An RGB image, resized to a square: uint8 of shape (3, size, size)."""
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


class ImageFiles(Dataset):
    """Images that are read when they are asked for, each with its class number."""

    def __init__(self, files: list[tuple[Path, int]], size: int):
        self.files, self.size = files, size
        self.pixels = self.change = None  # kept in memory; a random change, if wanted

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        index, seed = key
        path, label = self.files[index]
        if self.pixels is not None:
            image = self.pixels[index]
        else:
            image = to_tensor(read_image(path), self.size)
        if self.change is not None:
            # The same seed, the same change: whichever process reads the image.
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                image = self.change(image)
        return image, label

    def keep_in_memory(self, workers: int) -> None:
        """Reads all images now; the resized pixels take 3 · size² bytes each."""
        batches = Batches(len(self), 16)
        loader = DataLoader(self, batch_sampler=batches, num_workers=workers)
        self.pixels = torch.cat([X for X, _ in loader])


class AnyImages(Dataset):
    """Images by their paths; of one that cannot be read, it gives the reason."""

    def __init__(self, size: int):
        self.size = size

    def __getitem__(self, path: Path) -> tuple[Path, torch.Tensor | str]:
        try:
            return path, to_tensor(read_image(path), self.size)
        except ValueError as problem:
            return path, str(problem)


class Batches(Sampler):
    """The row and a seed for each image of a batch.

    In order, or shuffled; both follow from the seed and the epoch, and nothing else.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None = None):
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.epoch = 0  # train.py sets it

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rows = np.arange(self.count)
        random = np.random.default_rng([self.seed or 0, self.epoch])
        if self.seed is not None:
            random.shuffle(rows)
        seeds = random.integers(2**63, size=self.count)
        for start in range(0, self.count, self.batch_size):
            part = slice(start, start + self.batch_size)
            yield list(zip(rows[part].tolist(), seeds[part].tolist(), strict=True))


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


def channel_statistics(
    dataset: Dataset, workers: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel, from 0 to 1, adding up batch by batch."""
    count, total, squares = 0, 0, 0
    batches = Batches(len(dataset), 16)
    for X, _ in DataLoader(dataset, batch_sampler=batches, num_workers=workers):
        X = X.long()  # whole numbers: exact, in whatever order they are added
        count += X[:, 0].numel()
        total += X.sum(dim=(0, 2, 3))
        squares += (X * X).sum(dim=(0, 2, 3))
    mean = total.double() / count
    std = (squares.double() / count - mean**2).sqrt()
    return mean.float() / 255, std.float() / 255
