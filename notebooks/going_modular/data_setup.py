"""From a folder of images, one folder for each class, to a Dataset and its batches."""

from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from going_modular.utils import blame, process_share

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # others are seldom tested
CLUTTER = (".", "__macosx", "thumbs.db", "desktop.ini")  # how such names begin
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, less hidden files and clutter."""
    found = sorted(folder.iterdir(), key=lambda path: path.name)
    return [path for path in found if not path.name.lower().startswith(CLUTTER)]


def find_files(folder: Path, seen: set | None = None):
    """Yields every file below a folder; no folder twice, wherever links lead."""
    seen = set(folder.resolve().parents) if seen is None else seen
    if folder.resolve() not in seen:
        seen.add(folder.resolve())
        try:
            found = [(path, path.is_dir()) for path in list_folder(folder)]
        except OSError as error:  # reported like a bad file
            found = [(folder / f"({error.strerror})", False)]
        for path, inside in found:
            yield from find_files(path, seen) if inside else [path]


def find_images(folder: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """The names of the class folders, and the files below each, with its number."""
    classes = [path.name for path in list_folder(folder) if path.is_dir()]
    found = [find_files(folder / name) for name in classes]
    return classes, [(path, y) for y, paths in enumerate(found) for path in paths]


def split(files: list, share: float, seed: int) -> list[list]:
    """Holds out a share of each class at random: returns the rest and the share."""
    from sklearn.model_selection import train_test_split  # takes a second to import

    y = [label for _, label in files]
    with blame(f"too few images to hold out {share} of each class"):
        return train_test_split(files, test_size=share, stratify=y, random_state=seed)


def find_sets(folder: Path) -> tuple[list[str], list, list]:
    """The classes, the training files and the test files, which may be split off."""
    (classes, files), test = find_images(folder), None
    if classes == ["test", "train"]:
        classes, files = find_images(folder / "train")
        own, test = find_images(folder / "test")
        if classes != own or not test:
            raise ValueError(f"{folder}: train/ {classes}, test/ {len(test)} of {own}")
    if len(classes) < 2 or {name.lower() for name in classes} & PARTS:
        raise ValueError(f"{folder}: not train/ and test/, nor classes: {classes}")
    for label in set(range(len(classes))) - {label for _, label in files}:
        raise ValueError(f"{folder}: no training image of class {classes[label]!r}")
    return classes, *((files, test) if test else split(files, 0.25, 42))


def read_image(path: Path) -> Image.Image:
    """Reads an image as a viewer shows it: upright and in RGB; or a ValueError."""
    with blame(repr(str(path))):
        if not Path(path).is_file():
            raise ValueError("no such file, or not an ordinary one")
        with Image.open(path, formats=FORMATS) as image:
            if image.mode in ("I", "F") or np.prod(image.size) > Image.MAX_IMAGE_PIXELS:
                raise ValueError("too many pixels, or 32 bits in each")
            image = ImageOps.exif_transpose(image)  # as the camera was held
        if image.mode.startswith("I"):  # 16-bit grays: convert() would clip them at 255
            image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
        if image.has_transparency_data:  # on white
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


def to_tensor(image: Image.Image, size: int) -> torch.Tensor:
    """An RGB image, resized to a square: uint8 of shape (3, size, size)."""
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


class ImageFiles(Dataset):
    """Images with their class numbers: read when asked for, or kept in memory."""

    def __init__(self, files: list[tuple[Path, int]], size: int):
        self.files, self.size, self.kept, self.change = files, size, {}, None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        (index, seed), (path, label) = key, self.files[key[0]]
        if index in self.kept:
            image = torch.from_numpy(self.kept[index])
        else:
            image = to_tensor(read_image(path), self.size)
        if self.change is not None:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                image = self.change(image)
        return image, -100 if seed < 0 else label  # cross_entropy leaves out -100


def survey(sets: dict[str, ImageFiles], keep: bool = False) -> tuple:
    """Reads every image: mean and deviation of train's channels, and a hash of all."""
    bad, sums, digest = [], torch.zeros(2, 3, dtype=torch.long), sha256()
    places = [(part, index) for part in sets for index in range(len(sets[part]))]
    for part, index in tqdm(places, "looking", leave=False, disable=None):
        path, label = sets[part].files[index]
        try:
            image, _ = sets[part][index, 0]
        except ValueError as problem:
            bad.append(f"\n  {problem}")
            continue
        digest.update(f"{part} {label} ".encode() + sha256(path.read_bytes()).digest())
        if keep:
            sets[part].kept[index] = image.numpy()
        if part == "train":
            X = image.numpy().reshape(3, -1).astype(np.int64)  # exact, in any order
            sums += torch.from_numpy(np.stack([X.sum(axis=1), (X * X).sum(axis=1)]))
    if bad:
        raise ValueError(f"{len(bad)} of {len(places)} files are bad:{''.join(bad)}")
    mean, squares = sums.double() / (len(sets["train"]) * sets["train"].size ** 2)
    std = (squares - mean**2).clamp(min=0.1).sqrt()  # one colour has no spread
    return mean.float() / 255, std.float() / 255, digest.hexdigest()[:16]


class Batches:
    """A row and a seed for each image of a batch: by the seed and the epoch alone."""

    def __init__(self, count: int, batch_size: int, seed: int | None = None):
        self.count, self.batch_size, self.seed, self.epoch = count, batch_size, seed, 0

    def __iter__(self):
        (rank, world), rows = process_share(), np.arange(self.count)
        random = np.random.default_rng([self.seed or 0, self.epoch])
        if self.seed is not None:
            random.shuffle(rows)
        pairs = zip(rows, random.integers(2**63, size=self.count), strict=True)
        while batch := [(int(a), int(b)) for a, b in islice(pairs, self.batch_size)]:
            yield batch[rank::world] or [(batch[0][0], -1)]  # -1: it does not count


def make_loader(dataset: Dataset, batch_size, workers, device, seed=None) -> DataLoader:
    """Batches of a dataset, read by worker processes while the model computes."""
    batches = Batches(len(dataset), batch_size, seed)
    how = {"num_workers": workers, "persistent_workers": workers > 0}
    pin = device.type == "cuda"  # a faster way to the GPU
    return DataLoader(dataset, batch_sampler=batches, pin_memory=pin, **how)
