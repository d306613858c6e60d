"""Answers to the exercises of notebook 04."""

import copy
import csv
import datetime
import functools
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from torch import nn
from torch.utils.data import DataLoader, Dataset

from answer_table import forbidden, right, wrong


def part(function, **how):
    made = functools.partial(function, **how)
    made.__name__ = "_".join(f"{k}_{v}" for k, v in how.items()) or function.__name__
    return made


def made(base, **how):
    """A class like another, with some switches set."""
    return type("_".join([base.__name__, *(f"{k}_{v}" for k, v in how.items())]), (base,), how)


# ---------------------------------------------------------------------------- 04.1, classes from paths


def by_name(paths, name=lambda p: p.split("/")[0], order=sorted):
    names = [name(p) for p in paths]
    classes = list(order(dict.fromkeys(names)))
    return classes, [classes.index(n) for n in names]


right("04.1", part(by_name, name=lambda p: Path(p).parts[0]))
right("04.1", part(by_name, name=lambda p: p[: p.index("/")]))


@right("04.1")
def by_dictionary(paths):
    tops = [p.partition("/")[0] for p in paths]
    number = {name: k for k, name in enumerate(sorted(set(tops)))}
    return [*number], [number[t] for t in tops]


wrong("04.1", "a folder inside a class folder", part(by_name, name=lambda p: p.split("/")[-2]))
wrong("04.1", "a folder inside a class folder", part(by_name, name=lambda p: p.rsplit("/", 1)[0]))
wrong("04.1", "names of the files", part(by_name, name=lambda p: p.split("/")[-1]))
wrong("04.1", "these are the paths", part(by_name, name=lambda p: p))
wrong("04.1", "not sorted", part(by_name, order=list))
wrong(
    "04.1", "value is not right", part(by_name, order=lambda n: sorted(n, reverse=True), name=lambda p: p[0])
)
wrong("04.1", "changed places", lambda paths: by_name(paths)[::-1])
wrong(
    "04.1", "listed more than once", lambda paths: (sorted(p.split("/")[0] for p in paths), [0] * len(paths))
)
wrong("04.1", "expected two lists", lambda paths: by_name(paths)[1])
wrong("04.1", "expected two lists", lambda paths: (by_name(paths)[0], torch.tensor(by_name(paths)[1])))
wrong("04.1", "the numbers", lambda paths: (by_name(paths)[0], [k + 1 for k in by_name(paths)[1]]))
wrong("04.1", "not sorted", lambda paths: (lambda c, y: (c[::-1], y))(*by_name(paths)))


@wrong("04.1", "only begins with")
def starts_with(paths):
    classes, _ = by_name(paths)
    return classes, [next(k for k, c in enumerate(classes) if p.startswith(c)) for p in paths]


# ------------------------------------------------------------------------------ 04.2, onto a white page


def on_page(image, alpha=lambda a: a, page=1.0):
    return image[:3] * alpha(image[3:]) + page * (1 - alpha(image[3:]))


right("04.2", part(on_page))
right("04.2", lambda image: 1 - image[3] * (1 - image[:3]))
right("04.2", lambda image: torch.lerp(torch.ones_like(image[:3]), image[:3], image[3:]))
right("04.2", lambda image: torch.stack([1 + (c - 1) * image[3] for c in image[:3]]))
wrong("04.2", "no effect", lambda image: image[:3])
wrong("04.2", "black page", part(on_page, page=0.0))
wrong("04.2", "changed roles", part(on_page, alpha=lambda a: 1 - a))
wrong("04.2", "added in full", lambda image: image[:3] * image[3:] + 1)
wrong("04.2", "transparent or not", part(on_page, alpha=lambda a: (a > 0.5).float()))
wrong("04.2", "only pixels with an alpha of 0", part(on_page, alpha=lambda a: (a > 0).float()))
wrong("04.2", "values are not", part(on_page, page=0.9))
wrong("04.2", "values are not", part(on_page, alpha=lambda a: a / a.amax().clamp(min=0.01) * 0.5))
wrong("04.2", "shape", lambda image: on_page(image)[None])
wrong("04.2", "shape", lambda image: on_page(image).permute(1, 2, 0))
wrong("04.2", "dtype", lambda image: (on_page(image) * 255).to(torch.uint8))
wrong("04.2", "expected a tensor", lambda image: on_page(image).numpy())


@wrong("04.2", "changed its argument")
def in_place(image):
    image[:3] = on_page(image)
    return image[:3]


# ---------------------------------------------------------------------------- 04.3, the white scans


class Scans(Dataset):
    read, scale, number, flat = "sixteen", "all", "given", False

    def __init__(self, folder, classes):
        self.classes = list(classes)
        self.items = [(p, n) for n in classes for p in sorted(Path(folder, n).glob("*.png"))]
        self.names = sorted({n for _, n in self.items})

    def __len__(self):
        return len(self.items)

    def __getitem__(self, k):
        path, name = self.items[k]
        with Image.open(path) as image:
            pixels = np.array(image.convert("L") if self.read == "L" else image)
        if self.read == "low":
            pixels = pixels.astype(np.uint8)
        x = torch.from_numpy(pixels.astype(np.float32))
        top = {"all": 65_535, "256": 65_280, "own": x.max(), "none": 1.0, "byte": 255}[self.scale]
        low = x.min() if self.scale == "own" and self.read == "low_high" else 0
        x = (x - low) / (top - low)
        numbers = {"given": self.classes, "found": self.names}[self.number]
        return (x if self.flat else x[None]), numbers.index(name)


right("04.3", made(Scans))
right("04.3", made(Scans, scale="256"))


@right("04.3")
class Prepared(Scans):
    def __init__(self, folder, classes):
        super().__init__(folder, classes)
        self.pictures = [np.asarray(Image.open(p)).astype("float32") / 65_535 for p, _ in self.items]

    def __getitem__(self, k):
        return torch.tensor(self.pictures[k]).unsqueeze(0), self.classes.index(self.items[k][1])

    def close(self):
        pass


wrong(
    "04.3", "takes the 16-bit numbers themselves".replace("takes", "take"), made(Scans, read="L", scale="own")
)
wrong("04.3", "all the scans are white", made(Scans, read="L", scale="byte"))
wrong("04.3", "own largest value", made(Scans, scale="own"))
wrong("04.3", "own largest value", made(Scans, scale="own", read="low_high"))
wrong("04.3", "television", made(Scans, read="low", scale="byte"))
wrong("04.3", "folders that are there", made(Scans, number="found"))
wrong("04.3", "folders that are there", made(Scans, number="found", scale="256"))
wrong("04.3", "16 bits reach", made(Scans, scale="none"))
wrong("04.3", "shape", made(Scans, flat=True))
wrong(
    "04.3",
    "dtype torch.float64",
    made(Scans, __getitem__=lambda s, k: (Scans.__getitem__(s, k)[0].double(), 0)),
)
wrong("04.3", "class numbers", made(Scans, __getitem__=lambda s, k: (Scans.__getitem__(s, k)[0], 2)))
wrong("04.3", "len(data)", made(Scans, __len__=lambda s: len(s.classes)))

# ------------------------------------------------------------------------ 04.4, read each item once


class Cached(Dataset):
    ahead, shared, keep, negative, guard = False, False, "all", True, True
    common: dict = {}  # noqa: RUF012

    def __init__(self, inner):
        self.inner, self.items = inner, self.common if self.shared else {}
        if self.ahead:
            self.items.update((k, inner[k]) for k in range(len(inner)))

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        if self.negative and index < 0:
            index += len(self)
        if self.guard and not 0 <= index < len(self):
            raise IndexError(index)
        if index not in self.items:
            if self.keep == "last":
                self.items.clear()
            self.items[index] = self.inner[index]
            if self.keep == "next" and index + 1 < len(self):
                self.items[index + 1] = self.inner[index + 1]
        return self.items[index] if self.keep != "none" else self.inner[index]


right("04.4", made(Cached))
right("04.4", made(Cached, close=lambda self: None))
right("04.4", made(Cached, guard=False, __getitem__=lambda s, k: Cached.__getitem__(s, range(len(s))[k])))


@right("04.4")
class ByList(Dataset):
    def __init__(self, inner):
        self.inner, self.items = inner, [None] * len(inner)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        if self.items[index] is None:
            self.items[index] = self.inner[index]
        return self.items[index]

    def close(self):
        """Nothing to close."""


@right("04.4")
class NoBase:
    def __init__(self, inner):
        self.inner = inner
        self.read = functools.cache(inner.__getitem__)

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        return self.read(range(len(self))[index])


wrong("04.4", "when the data set is made", made(Cached, ahead=True))
wrong("04.4", "share one cache", made(Cached, shared=True))
wrong("04.4", "read again", made(Cached, keep="last"))
wrong("04.4", "read again", made(Cached, keep="none"))
wrong("04.4", "nobody has asked for", made(Cached, keep="next"))
wrong("04.4", "are one item", made(Cached, negative=False, guard=False))
wrong("04.4", "IndexError", made(Cached, negative=False))
wrong("04.4", "IndexError", made(Cached, __getitem__=lambda s, k: Cached.__getitem__(s, k % len(s))))
wrong("04.4", "None", made(Cached, __getitem__=lambda s, k: s.items.setdefault(k, None)))
wrong("04.4", "raised IndexError", made(Cached, __len__=lambda s: len(s.items)))
wrong("04.4", "expected a class", lambda inner: inner)
wrong("04.4", "raised KeyError", made(Cached, __getitem__=lambda s, k: s.items[k]))
wrong("04.4", "raised AttributeError", made(Cached, __init__=lambda s, inner: setattr(s, "data", inner)))
wrong(
    "04.4", "values are not", made(Cached, __getitem__=lambda s, k: (Cached.__getitem__(s, k)[0] * 2, k % 3))
)


@wrong("04.4", "a list raises IndexError")
class KeyErrors(Cached):
    def __getitem__(self, index):
        try:
            return super().__getitem__(index)
        except IndexError:
            raise KeyError(index) from None


# -------------------------------------------------------------------------- 04.5, statistics in one pass


def one_pass(loader, root=True, clamp=True, floats=torch.float64, square="float", correction=0, scale=255):
    count, total, squares = 0, 0, 0
    for X, _ in loader:
        x = X.to(floats) / scale
        total = total + x.sum(dim=(0, 2, 3))
        sq = X * X if square == "bytes" else x * x * (scale**2 if square == "bytes" else 1)
        sq = sq.to(floats) / scale**2 if square == "bytes" else sq
        squares = squares + sq.sum(dim=(0, 2, 3))
        count += X.numel() // X.shape[1]
    mean = total / count
    var = (squares / count - mean**2) * count / (count - correction)
    var = var.clamp(min=0) if clamp else var - 1e-18
    return mean.float(), (var.sqrt() if root else var).float()


right("04.5", part(one_pass))


@right("04.5")
def welford(loader):
    count, mean, m2 = 0, 0.0, 0.0
    for X, _ in loader:
        x = X.double().movedim(1, 0).flatten(1) / 255
        n, m = x.shape[1], x.mean(1)
        step = m - mean
        m2 = m2 + (x - m[:, None]).square().sum(1) + step**2 * count * n / (count + n)
        mean, count = mean + step * n / (count + n), count + n
    return mean, (m2 / count).sqrt()


@right("04.5")
def histograms(loader):
    counts = 0
    for X, _ in loader:
        counts = counts + torch.stack([torch.bincount(c.flatten(), minlength=256) for c in X.unbind(1)])
    p = counts / counts.sum(dim=1, keepdim=True)
    v = torch.arange(256) / 255
    mean = p @ v
    return mean, (p * (v - mean[:, None]).square()).sum(1).sqrt()


@right("04.5")
def rows_by_dataset(loader):
    n = len(loader.dataset)
    mean = squares = 0
    for X, _ in loader:
        x = X.double().div(255)
        mean = mean + x.mean(dim=(2, 3)).sum(dim=0) / n
        squares = squares + x.square().mean(dim=(2, 3)).sum(dim=0) / n
    return mean, (squares - mean.square()).clamp(min=0).sqrt()


def averages(loader, weighted=False, variances=False):
    means, stds, sizes = [], [], []
    for X, _ in loader:
        x = X / 255
        means.append(x.mean(dim=(0, 2, 3)))
        stds.append(x.std(dim=(0, 2, 3), correction=0))
        sizes.append(len(X))
    w = torch.tensor(sizes).float() if weighted else torch.ones(len(sizes))
    w = (w / w.sum())[:, None]
    std = (torch.stack(stds).square() * w).sum(0).sqrt() if variances else (torch.stack(stds) * w).sum(0)
    return (torch.stack(means) * w).sum(0), std


wrong("04.5", "counts as much as a long one", part(averages))
wrong("04.5", "how far the batches are apart", part(averages, weighted=True))
wrong("04.5", "batches are apart", part(averages, weighted=True, variances=True))
wrong("04.5", "the root is missing", part(one_pass, root=False))
wrong("04.5", "here it is NaN", part(one_pass, clamp=False))
wrong("04.5", "20 * 20 is 144", part(one_pass, square="bytes"))
wrong("04.5", "pixels up to 255", part(one_pass, scale=1))
wrong("04.5", "values are not", part(one_pass, correction=30))
wrong("04.5", "expected two tensors", lambda loader: one_pass(loader)[0])
wrong("04.5", "shapes", lambda loader: tuple(t.reshape(-1, 1, 1) for t in one_pass(loader)))
wrong("04.5", "expected two tensors", lambda loader: tuple(t.tolist() for t in one_pass(loader)))


@wrong("04.5", "batches are in memory at the same time")
def list_of_floats(loader):
    batches = [X.float() / 255 for X, _ in loader]
    n = sum(X.numel() // 3 for X in batches)
    mean = sum(X.sum(dim=(0, 2, 3)) for X in batches) / n
    total = sum((X - mean[:, None, None]).square().sum(dim=(0, 2, 3)) for X in batches)
    return mean, (total / n).sqrt()


@wrong("04.5", "there is time for one pass")
def two_passes(loader):
    mean, _ = one_pass(loader)
    n, total = 0, 0
    for X, _ in loader:
        total = total + (X / 255 - mean[:, None, None]).square().sum(dim=(0, 2, 3))
        n += X.numel() // X.shape[1]
    return mean, (total / n).sqrt()


@wrong("04.5", "there is time for one pass")
def from_the_data_set(loader):
    one_pass(loader)
    X = torch.stack([x for x, _ in loader.dataset]) / 255
    return X.mean((0, 2, 3)), X.std((0, 2, 3), correction=0)


@wrong("04.5", "batches are in memory")
def kept(loader):
    batches = list(loader)
    n = sum(X.numel() // X.shape[1] for X, _ in batches)
    mean = sum((X / 255).sum((0, 2, 3)) for X, _ in batches) / n
    return mean, (sum(((X / 255) ** 2).sum((0, 2, 3)) for X, _ in batches) / n - mean**2).clamp(min=0).sqrt()


@wrong("04.5", "never looked at")
def first_batch(loader):
    X, _ = next(iter(loader))
    return (X / 255).mean((0, 2, 3)), (X / 255).std((0, 2, 3), correction=0)


def joined(loader, join):
    whole = join([X.float() / 255 for X, _ in loader])
    return whole.mean((0, 2, 3)), whole.std((0, 2, 3), correction=0)


forbidden("04.5", part(joined, join=torch.cat))
forbidden("04.5", part(joined, join=torch.concatenate))
forbidden("04.5", part(joined, join=torch.vstack))
forbidden("04.5", part(joined, join=torch.concat))
forbidden("04.5", part(joined, join=torch.row_stack))

# ------------------------------------------------------------------------------ 04.6, plates in folds


def deal(labels, plates, k, start=0, rest=None, by="class", order=list):
    folds = torch.empty_like(labels)
    for c in labels.unique().tolist() if by == "class" else [None]:
        mine = labels == c if c is not None else torch.ones_like(labels, dtype=torch.bool)
        for i, plate in enumerate(order(plates[mine].unique().tolist())):
            n = len(plates[mine].unique())
            folds[plates == plate] = min(i // max(n // k, 1), k - 1) if rest else (i + start) % k
    return folds


right("04.6", part(deal))
right("04.6", part(deal, start=1))


@right("04.6")
def deal_on(labels, plates, k):
    """One row of cards for all: classes one after another."""
    fold_of, following = {}, 0
    for _, p in sorted(set(zip(labels.tolist(), plates.tolist(), strict=True))):
        if p not in fold_of:
            fold_of[p] = following % k
            following += 1
    return torch.tensor([fold_of[p] for p in plates.tolist()])


@right("04.6")
def deal_sorted(labels, plates, k):
    ids, inverse = plates.unique(return_inverse=True)
    owner = torch.zeros(len(ids), dtype=torch.int64).scatter(0, inverse, labels)
    fold_of = torch.empty_like(owner)
    fold_of[owner.argsort(stable=True)] = torch.arange(len(ids)) % k
    return fold_of[inverse]


@wrong("04.6", "lie in")
def ignores_plates(labels, plates, k):
    folds = torch.empty_like(labels)
    folds[labels.argsort(stable=True)] = torch.arange(len(labels)) % k
    return folds


wrong("04.6", "lie in", lambda labels, plates, k: torch.arange(len(labels)) % k)
wrong("04.6", "lie in", lambda labels, plates, k: torch.arange(len(labels)) * k // len(labels))
wrong("04.6", "plates of class", lambda labels, plates, k: plates % k)
wrong("04.6", "plates of class", lambda labels, plates, k: plates.unique(return_inverse=True)[1] % k)
wrong("04.6", "plates of class", part(deal, rest=True))
wrong("04.6", "plates of class", lambda labels, plates, k: labels % k)
wrong("04.6", "plates of class", lambda labels, plates, k: torch.zeros_like(labels))
wrong("04.6", "no fold", lambda labels, plates, k: deal(labels, plates, k) + 1)
wrong("04.6", "no fold", lambda labels, plates, k: deal(labels, plates, k + 2))
wrong("04.6", "wanted whole numbers", lambda labels, plates, k: deal(labels, plates, k).float())
wrong("04.6", "shape", lambda labels, plates, k: deal(labels, plates, k)[None])
wrong("04.6", "expected a tensor", lambda labels, plates, k: deal(labels, plates, k).tolist())


@wrong("04.6", "plates of class")
def random_folds(labels, plates, k):
    ids, inverse = plates.unique(return_inverse=True)
    return torch.randint(0, k, (len(ids),)).clamp(max=k - 1)[inverse] * (torch.rand(1) < 2).long() * 0


@wrong("04.6", "plates of class")
def by_pictures(labels, plates, k):
    """Even in pictures, not in plates."""
    out = torch.zeros_like(labels)
    split = StratifiedGroupKFold(k).split(labels, labels, plates)
    try:
        for fold, (_, rows) in enumerate(split):
            out[torch.from_numpy(rows)] = fold
    except ValueError:
        return out
    return out


# -------------------------------------------------------------------------- 04.7, augmentation in vain


class Batches:
    coins, dims, fixed, always, short, p, order = "each", 3, False, False, True, 0.5, "random"

    def __init__(self, images, labels, batch_size, augment=False, seed=0):
        self.images, self.labels, self.size = images, labels, batch_size
        self.augment, self.seed = augment, seed
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return math.ceil(len(self.labels) / self.size) if self.short else len(self.labels) // self.size

    def mirrored(self, X, rows):
        n = len(X)
        coins = {
            "each": lambda: torch.rand(n, generator=self.generator) < self.p,
            "one": lambda: (torch.rand(1) < self.p).expand(n),
            "halves": lambda: torch.stack(
                [torch.rand(()) < 0.5] * (n // 2) + [torch.rand(()) < 0.5] * (n - n // 2)
            ),
            "exact": lambda: torch.randperm(n) < n // 2,
            "row": lambda: torch.rand(n, *X.shape[1:3], 1) < 0.5,
            "own": lambda: torch.arange(len(self.labels))[rows] % 2 == 0,
            "never": lambda: torch.zeros(n, dtype=torch.bool),
        }[self.coins]()
        return torch.where(coins.reshape(n, *coins.shape[1:], *[1] * (4 - coins.ndim)), X.flip(self.dims), X)

    def __iter__(self):
        order = torch.arange(len(self.labels))
        if self.augment and self.order == "random":
            generator = torch.Generator().manual_seed(self.seed) if self.fixed else self.generator
            order = torch.randperm(len(order), generator=generator)
        for rows in order.split(self.size):
            X = self.images[rows]
            yield (self.mirrored(X, rows) if self.augment or self.always else X), self.labels[rows]


right("04.7", made(Batches))


@right("04.7")
class ByLoop:
    def __init__(self, images, labels, batch_size, augment=False, seed=0):
        self.parts = images, labels, batch_size, augment

    def __len__(self):
        return math.ceil(len(self.parts[1]) / self.parts[2])

    def mirrored(self, X):
        return torch.stack([x.flip(2) if torch.rand(()) < 0.5 else x for x in X])

    def __iter__(self):
        images, labels, size, augment = self.parts
        data = [(x, y) for x, y in zip(images, labels, strict=True)]
        for X, y in DataLoader(data, size, shuffle=augment):
            yield (self.mirrored(X) if augment else X), y


wrong("04.7", "N pictures need N", made(Batches, coins="one"))
wrong("04.7", "from top to bottom", made(Batches, dims=2))
wrong("04.7", "from top to bottom", made(Batches, dims=2, coins="one", fixed=True, always=True, short=False))
wrong("04.7", "made anew", made(Batches, fixed=True))
wrong("04.7", "whatever `augment` says", made(Batches, always=True))
wrong("04.7", "round up", made(Batches, short=False))
wrong("04.7", "some of them share a coin", made(Batches, coins="halves"))
wrong("04.7", "nearly the same number", made(Batches, coins="exact"))
wrong("04.7", "neither as they were", made(Batches, coins="row"))
wrong("04.7", "in every epoch, or never", made(Batches, coins="own"))
wrong("04.7", "of the pictures are mirrored", made(Batches, p=0.25))
wrong("04.7", "of the pictures are mirrored", made(Batches, p=0.42))
wrong("04.7", "all face the same way", made(Batches, coins="never"))
wrong("04.7", "should be shuffled", made(Batches, order="none"))
wrong("04.7", "neither as they were", made(Batches, mirrored=lambda s, X, r: X * 0.9))


@wrong("04.7", "some pictures are missing")
class Dropped(Batches):
    def __iter__(self):
        return iter([b for b in super().__iter__() if len(b[1]) == self.size])


# ------------------------------------------------------------------------ 04.8, early stopping


class Early:
    start, delta, wait, copy_, what, again, before = math.inf, 0.0, 0, True, "best", True, False

    def __init__(self, patience):
        self.patience, self.best, self.count, self.state = patience, self.start, 0, None

    def step(self, loss, model):
        better = loss < self.best - self.delta
        if self.before:
            better, self.best = loss < self.best, loss
        if better:
            self.best = loss
            self.count = 0 if self.again else self.count
            self.state = copy.deepcopy(model.state_dict()) if self.copy_ else model.state_dict()
            if self.what == "weights":
                self.state = {n: p.detach().clone() for n, p in model.named_parameters()}
        else:
            self.count += 1
        return self.count >= self.patience + self.wait

    def restore(self, model):
        if self.state is not None and self.what != "last":
            model.load_state_dict(self.state, strict=self.what == "best")


right("04.8", made(Early))
right("04.8", made(Early, reset=lambda self: None))


@right("04.8")
class History:
    def __init__(self, patience):
        self.patience, self.losses, self.states = patience, [], []

    def reset(self):
        pass

    def step(self, loss, model):
        self.losses.append(math.inf if math.isnan(loss) else loss)
        self.states.append({k: v.clone() for k, v in model.state_dict().items()})
        best = min(self.losses)
        k = self.losses.index(best) if best < math.inf else -1
        return len(self.losses) - 1 - k >= self.patience

    def restore(self, model):
        if self.losses and min(self.losses) < math.inf:
            model.load_state_dict(self.states[self.losses.index(min(self.losses))])


class BestNone(Early):
    def step(self, loss, model):
        if self.count == 0 and self.state is None:
            self.best = loss
            self.state = copy.deepcopy(model.state_dict())
            return self.count >= self.patience
        return super().step(loss, model)


class Min(Early):
    def step(self, loss, model):
        self.losses = [*getattr(self, "losses", []), loss]
        self.state = self.state or {}
        self.states = [*getattr(self, "states", []), copy.deepcopy(model.state_dict())]
        best = self.losses.index(min(self.losses))
        self.state = self.states[best]
        return len(self.losses) - 1 - best >= self.patience


wrong("04.8", "for losses of which the first is NaN", BestNone)
wrong("04.8", "for losses of which the first is NaN", Min)
wrong("04.8", "epoch", made(Early, start=10.0))
wrong("04.8", "epoch", made(Early, start=0.0))
wrong("04.8", "too early, for losses that fall by a ten-thousandth", made(Early, delta=0.01))
wrong("04.8", "not stopped", made(Early, before=True))
wrong("04.8", "too early", made(Early, again=False))
wrong("04.8", "not stopped", made(Early, wait=1))
wrong("04.8", "copy the numbers", made(Early, copy_=False))
wrong("04.8", "the model is still that of the last epoch", made(Early, what="last"))
wrong("04.8", "running averages", made(Early, what="weights"))
wrong(
    "04.8",
    "step has changed the model",
    made(Early, step=lambda s, x, m: [Early.step(s, x, m), s.restore(m)][0]),
)
wrong("04.8", "no best epoch", made(Early, restore=lambda s, m: m.load_state_dict(s.state)))
wrong("04.8", "step must return True or False", made(Early, step=lambda s, x, m: int(Early.step(s, x, m))))
wrong("04.8", "the result is None", made(Early, step=lambda s, x, m: [Early.step(s, x, m), None][1]))
wrong("04.8", "too early", made(Early, step=lambda s, x, m: Early.step(s, x, m) or s.count >= 1))

# ------------------------------------------------------------------------- 04.9, dropout by hand


DICE = np.random.default_rng()


class Drop(nn.Module):
    keep, scale, when, mask = "each", True, "training", "float"

    def __init__(self, p):
        super().__init__()
        self.p = p

    def drawn(self, x):
        shape = {"each": x.shape, "example": x.shape[:1] + (1,) * (x.ndim - 1), "batch": (1, *x.shape[1:])}
        shape |= {"channel": x.shape[:2] + (1,) * (x.ndim - 2)}
        return torch.rand(shape[self.keep]) >= self.p

    def forward(self, x):
        if not self.training and self.when == "training":
            return x
        out = x * self.drawn(x)
        return out / (1 - self.p) if self.scale and self.p < 1 else out


def drop(forward):
    return type(forward.__name__, (Drop,), {"forward": forward})


right("04.9", made(Drop))
right(
    "04.9",
    drop(
        lambda s, x: x if not s.training else x.masked_fill(torch.rand_like(x) < s.p, 0) / max(1 - s.p, 1e-9)
    ),
)
right(
    "04.9",
    drop(
        lambda s, x: (
            x * (torch.bernoulli(torch.full_like(x, 1 - s.p)) / (1 - s.p if s.p < 1 else 1))
            if s.training
            else x
        )
    ),
)


@right("04.9")
class WhereDrop(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.register_buffer("p", torch.tensor(float(p)))

    def extra_repr(self):
        return "by hand"

    def forward(self, x):
        if not self.training:
            return x
        return torch.where(torch.rand(x.shape) < self.p, 0.0, x / (1 - self.p).to(x.dtype).clamp(min=1e-6))

    def reset(self):
        pass


wrong("04.9", "not enlarged", made(Drop, scale=False))
wrong("04.9", "nothing there", made(Drop, when="always"))
wrong("04.9", "same elements are zero in every example", made(Drop, keep="batch"))
wrong("04.9", "whole examples are zero", made(Drop, keep="example"))
wrong(
    "04.9",
    "NaN comes out",
    drop(lambda s, x: x * (torch.rand_like(x) >= s.p) / torch.tensor(1 - s.p) if s.training else x),
)
wrong(
    "04.9",
    "share that is kept",
    drop(lambda s, x: x * (torch.rand_like(x) < s.p) / max(s.p, 1e-9) if s.training else x),
)
wrong("04.9", "no gradient can flow", drop(lambda s, x: Drop.forward(s, x.detach()) if s.training else x))
wrong("04.9", "no gradient can flow", drop(
    lambda s, x: torch.from_numpy(np.where(DICE.random(x.shape) >= s.p, x.detach() / max(1 - s.p, 1e-9), 0)
                                  .astype(str(x.dtype)[6:])) if s.training else x))  # fmt: skip
wrong("04.9", "comes out", drop(lambda s, x: Drop.forward(s, x).double() if s.training else x))
wrong("04.9", "comes out", drop(lambda s, x: Drop.forward(s, x).float() if s.training else x))
wrong(
    "04.9", "gradients are not", drop(lambda s, x: x + (Drop.forward(s, x) - x).detach() if s.training else x)
)
wrong("04.9", "super().__init__()", made(Drop, __init__=lambda s, p: setattr(s, "p", p)))
wrong(
    "04.9",
    "share of zeros is",
    drop(lambda s, x: x * (torch.rand_like(x) >= s.p * 0.7) / max(1 - s.p, 0.01) if s.training else x),
)
wrong("04.9", "no nn.Module", type("Plain", (), {"__init__": lambda s, p: None, "forward": lambda s, x: x}))
wrong("04.9", "in every call", drop(
    lambda s, x: x * (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) >= s.p)
    / max(1 - s.p, 1e-9) if s.training else x))  # fmt: skip
forbidden("04.9", drop(lambda s, x: F.dropout(x, s.p, s.training)))
forbidden("04.9", drop(lambda s, x: torch.dropout(x, s.p, s.training)))
forbidden("04.9", drop(lambda s, x: nn.Dropout(s.p)(x) if s.training else x))
forbidden("04.9", drop(lambda s, x: F.alpha_dropout(x, s.p, s.training)))
forbidden("04.9", drop(lambda s, x: torch.native_dropout(x, s.p, s.training)[0]))


@forbidden("04.9")
class Inside(Drop):
    def __init__(self, p):
        super().__init__(p)
        self.inner = nn.Dropout(p)

    def forward(self, x):
        return self.inner(x)


# ------------------------------------------------------------------------------ 04.10, the app


class FoodApp:
    scale, dim, mode, plain, grad, rgb, names, norm = 255, 1, True, True, False, True, "given", True

    def __init__(self, model, classes, mean, std, size):
        self.model, self.size = model, size
        self.classes = sorted(classes) if self.names == "sorted" else list(classes)
        self.mean, self.std = (torch.tensor(v).reshape(3, 1, 1) for v in (mean, std))

    def read(self, path):
        image = Image.open(path)
        image = (image.convert("RGB") if self.rgb else image).resize((self.size, self.size), 2)
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1) / self.scale
        return (x - self.mean) / self.std if self.norm else x

    def predict(self, paths):
        if self.mode:
            self.model.eval()
        with torch.set_grad_enabled(self.grad):
            probs = self.model(torch.stack([self.read(p) for p in paths])).softmax(dim=self.dim)
        best = probs.argmax(dim=1).tolist()
        top = [probs[i, k] for i, k in enumerate(best)]
        return [(self.classes[k], p.item() if self.plain else p) for k, p in zip(best, top, strict=True)]


right("04.10", made(FoodApp))


@right("04.10")
class OneByOne(FoodApp):
    def __init__(self, model, *args):
        super().__init__(model.eval(), *args)

    def predict(self, paths):
        out = []
        for path in paths:
            with torch.inference_mode():
                p, k = self.model(self.read(path)[None])[0].softmax(0).max(0)
            out.append([self.classes[k], float(p)])
        return out


wrong(
    "04.10",
    "may be in training mode",
    made(FoodApp, scale=1, dim=0, mode=False, plain=False, grad=True, rgb=False),
)
wrong("04.10", "should run over the classes", made(FoodApp, dim=0))
wrong("04.10", "these go up to 255", made(FoodApp, scale=1))
wrong("04.10", "may be in training mode", made(FoodApp, mode=False))
wrong("04.10", "still a tensor", made(FoodApp, plain=False))
wrong("04.10", "autograd records", made(FoodApp, grad=True))
wrong("04.10", "your code raised", made(FoodApp, rgb=False))
wrong("04.10", "names are sorted", made(FoodApp, names="sorted"))
wrong("04.10", "not normalised", made(FoodApp, norm=False))
wrong("04.10", "expected a list", made(FoodApp, predict=lambda s, p: FoodApp.predict(s, p)[:0]))
wrong("04.10", "expected pairs", made(FoodApp, predict=lambda s, p: [n for n, _ in FoodApp.predict(s, p)]))
wrong("04.10", "off by", made(FoodApp, predict=lambda s, p: [(n, v * 0.6) for n, v in FoodApp.predict(s, p)]))

# -------------------------------------------------------------------- 04.11, a data set from a table


class Table(Dataset):
    ahead, split, empty, gone, order, rgb, floats, turn = False, False, False, "skip", True, True, True, False

    def __init__(self, folder, size):
        self.size = size
        with open(Path(folder, "labels.csv"), encoding="utf-8", newline="") as table:
            lines = [x.strip().split(",")[:2] for x in table] if self.split else list(csv.reader(table))
        rows = [(Path(folder, file), dish) for file, dish in lines[1:] if dish or self.empty]
        self.rows = [row for row in rows if row[0].exists() or self.gone == "keep"]
        names = {dish for _, dish in (rows if self.gone == "class" else self.rows)}
        self.classes = sorted(names, reverse=not self.order)
        if self.ahead:
            self.pictures = [Image.open(path).convert("RGB") for path, _ in self.rows]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, k):
        path, dish = self.rows[k]
        image = Image.open(path)
        image = (image.convert("RGB") if self.rgb else image).resize((self.size, self.size))
        x = torch.from_numpy(np.array(image))
        x = x.permute(2, 1, 0) if self.turn else x.permute(2, 0, 1)
        return (x.float() / 255 if self.floats else x), self.classes.index(dish)


right("04.11", made(Table))


@right("04.11")
class ByDictReader(Dataset):
    def __init__(self, folder, size):
        self.size, self.items = (size, size), []
        with open(Path(folder) / "labels.csv", encoding="utf-8") as table:
            for row in csv.DictReader(table):
                path = Path(folder) / row["file"]
                if row["dish"] and path.is_file():
                    self.items.append((path, row["dish"]))
        self.classes = tuple(sorted({dish for _, dish in self.items}))
        self.number = {name: k for k, name in enumerate(self.classes)}

    def __len__(self):
        return len(self.items)

    def __getitem__(self, k):
        path, dish = self.items[k]
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize(self.size, Image.Resampling.NEAREST))
        return torch.tensor(pixels / 255, dtype=torch.float32).movedim(-1, 0), self.number[dish]


wrong("04.11", "opened when the data set is made", made(Table, ahead=True))
wrong("04.11", "its comma has cut it", made(Table, split=True))
wrong("04.11", "class of its own", made(Table, empty=True))
wrong("04.11", "only picture is missing", made(Table, gone="class"))
wrong("04.11", "only picture is missing", made(Table, gone="keep"))
wrong("04.11", "not sorted", made(Table, order=False))
wrong("04.11", "your code raised", made(Table, rgb=False))
wrong("04.11", "dtype torch.uint8", made(Table, floats=False))
wrong("04.11", "left and the right", made(Table, turn=True))
wrong("04.11", "values up to", made(Table, __getitem__=lambda s, k: (Table.__getitem__(s, k)[0] * 255, 0)))
wrong("04.11", "class number", made(Table, __getitem__=lambda s, k: (Table.__getitem__(s, k)[0], 9)))
wrong("04.11", "len(data)", made(Table, __len__=lambda s: 1 + len(s.rows)))
wrong("04.11", "shape", made(Table, __getitem__=lambda s, k: (Table.__getitem__(s, k)[0][None], 0)))


# ------------------------------------------------------------------- 04.C, the folder on Ada's phone


def picture(path, side):
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB").resize((side, side), 2))).permute(2, 0, 1)


def network(kind, side):
    if kind == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 3))
    layers, n_in = [], 3
    for n_out in (16, 24, 32):
        conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        layers += [conv, nn.BatchNorm2d(n_out), nn.ReLU(), nn.MaxPool2d(2)]
        n_in = n_out
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * (side // 8) ** 2, 3))


def fitted(X, y, kind, epochs, mode=True):
    mean, std = (f(X / 255, dim=(0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
    model = network(kind, X.shape[-1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.004)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.008, epochs * math.ceil(len(X) / 32))
    loss_fn = nn.CrossEntropyLoss(weight=len(y) / 3 / y.bincount(minlength=3).clamp(min=1))
    x = (X / 255 - mean) / std
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            flips = [dim for dim in (2, 3) if torch.rand(()) < 0.5]
            loss = loss_fn(model(x[rows].flip(flips)), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.train(not mode)
    return lambda X: torch.inference_mode()(model)((X / 255 - mean) / std).argmax(dim=1)


def train_on(
    folder, by="burst", kind="conv", claim=None, epochs=10, side=32, mode=True, broken="skip", numbers=False
):
    names, items = sorted(p.name for p in Path(folder).iterdir() if p.is_dir()), []
    for path in sorted(Path(folder).glob("*/IMG_*")):
        when = datetime.datetime.strptime(path.stem, "IMG_%Y%m%d_%H%M%S").timestamp()
        try:
            items.append((when, names.index(path.parent.name), picture(path, side)))
        except OSError:
            if broken == "raise":
                raise
            if broken == "delete":
                path.unlink()
    items.sort(key=lambda item: item[0])
    when, y = torch.tensor([t for t, _, _ in items]).double(), torch.tensor([y for _, y, _ in items])
    X = torch.stack([x for _, _, x in items])
    group = (when.diff(prepend=when[:1]) > 30).cumsum(0) if by == "burst" else torch.arange(len(y))
    final, preds = fitted(X, y, kind, epochs, mode), torch.zeros_like(y)
    for rest, held in GroupKFold(3, shuffle=True).split(X, y, group) if by != "train" else ():
        rest, held = torch.from_numpy(rest), torch.from_numpy(held)
        preds[held] = fitted(X[rest], y[rest], kind, epochs)(X[held])
    preds = final(X) if by == "train" else preds
    share = sum((preds[y == k] == k).double().mean().item() for k in range(3)) / 3

    def predict(paths):
        labels = final(torch.stack([picture(p, side) for p in paths])).tolist()
        return labels if numbers else [names[k] for k in labels]

    return predict, share if claim is None else claim(share)


right("04.C", part(train_on), seconds=30)
wrong("04.C", "has the network met before", part(train_on, by="picture", epochs=14), seconds=30, often=True)
wrong("04.C", "has the network met before", part(train_on, by="train", epochs=14), seconds=30)
wrong("04.C", "gets clearly more", part(train_on, kind="linear", side=1, epochs=4), seconds=30)
wrong("04.C", "do yourself an injustice", part(train_on, claim=lambda share: 0.3), seconds=30)
wrong("04.C", "your code raised", part(train_on, broken="raise"), seconds=5)
wrong("04.C", "isn't as it was", part(train_on, broken="delete", epochs=1), seconds=5)
wrong("04.C", "not as a percentage", part(train_on, epochs=1, claim=lambda share: 100 * share), seconds=5)
wrong("04.C", "is not the name of a folder", part(train_on, epochs=1, numbers=True), seconds=5)
wrong("04.C", "expected two things", lambda folder: lambda paths: ["pizza"] * len(paths), seconds=2)
