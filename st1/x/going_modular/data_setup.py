"""From a folder of images to a Dataset: one folder for each class."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

CLUTTER = ("__macosx", "thumbs.db", "desktop.ini")  # other clutter starts with a dot
TEST_SHARE, TEST_SEED = 0.25, 42  # of a folder that has no test/: always the same


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, less hidden files and clutter."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(path for path in found if path.name.lower() not in CLUTTER)


def find_classes(folder: Path) -> list[str]:
    """The names of the class folders; the first is class 0."""
    return [path.name for path in list_folder(folder) if path.is_dir()]


def find_images(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    """Every file in the class folders, with its class number; none is opened yet."""
    return [
        (path, label)
        for label, name in enumerate(classes)
        for path in list_folder(folder / name)
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

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.files[index]
        return to_tensor(read_image(path), self.size), label


def channel_statistics(dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel, from 0 to 1, adding up batch by batch."""
    count, total, squares = 0, 0, 0
    for X, _ in DataLoader(dataset, batch_size=16):
        X = X.long()  # whole numbers: exact, in whatever order they are added
        count += X[:, 0].numel()
        total += X.sum(dim=(0, 2, 3))
        squares += (X * X).sum(dim=(0, 2, 3))
    mean = total.double() / count
    std = (squares.double() / count - mean**2).sqrt()
    return mean.float() / 255, std.float() / 255
