"""Checks for the exercises of 04_custom_datasets that read files from a folder."""

import csv
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same


def _in_a_folder(examine: Callable) -> Callable:
    """Gives the check an empty folder, which disappears afterwards."""

    @functools.wraps(examine)
    def check(answer):
        with tempfile.TemporaryDirectory() as folder:
            examine(answer, Path(folder))

    return check


def _opened(action: Callable) -> tuple[object, int]:
    """What the action returns, and how many pictures it opens."""
    with patch.object(Image, "open", wraps=Image.open) as spy:
        return action(), spy.call_count


@exercise("04.3", "Find the bug: the white scans", wants="class")
@_in_a_folder
def check_scans(answer, folder):
    """Sixteen bits to floats on one scale for all scans; numbers from the given classes."""
    g = fresh_generator()
    kinds = {
        "bill": torch.randint(9_000, 40_000, (3, 5, 7), generator=g),
        "letter": torch.stack([torch.full((5, 7), 2000), torch.randint(0, 9_000, (5, 7), generator=g)]),
        "recipe": torch.tensor([[0, 255, 256, 65_535]]).repeat(1, 5, 2)[:, :, :7],
    }
    for classes, gone in ((["bill", "letter", "recipe"], None), (["bill", "letter", "recipe"], "bill")):
        box = folder / ("second box" if gone else "first box")
        case = f"a box without any {gone}" if gone else "a box with all three kinds"
        for name, scans in kinds.items():
            if name == gone:
                continue
            (box / name).mkdir(parents=True)
            for k, scan in enumerate(scans):
                Image.fromarray(scan.numpy().astype(np.uint16)).save(box / name / f"{k}.png")
        wants = [(s, classes.index(n)) for n, scans in kinds.items() if n != gone for s in scans]
        data = run(answer, box, classes, case=case)
        whole = hasattr(data, "__len__") and hasattr(data, "__getitem__")
        require(whole, f"the result is no data set, for {case}")
        same(run(data.__len__, case=f"len(data), {case}"), len(wants), case=f"len(data), {case}")
        got = [run(data.__getitem__, k, case=f"data[{k}], {case}") for k in range(len(wants))]
        pairs = all(isinstance(item, (tuple, list)) and len(item) == 2 for item in got)
        require(pairs, f"expected pairs of a scan and a class number, for {case}")
        _scans_are_right([x for x, _ in got], [s for s, _ in wants], case)
        numbers, right = [y for _, y in got], [y for _, y in wants]
        shift = "97 % of the first box, and not a single one of the second box is right"
        cause = "the numbers are those of the folders that are there: without one, the others move up"
        moved = all(isinstance(v, int) for v in numbers) and numbers == [v - 1 for v in right]
        require(not moved, f"{shift}, for {case}", cause)
        same(numbers, right, case=f"the class numbers, {case}")


def _scans_are_right(got: list, wants: list, case: str) -> None:
    for x, scan in zip(got, wants, strict=True):
        require(isinstance(x, torch.Tensor), f"expected a tensor, got {type(x).__name__}, for {case}")
        shapes = f"shape {tuple(x.shape)}, wanted {(1, *scan.shape)}"
        require(x.shape == (1, *scan.shape), f"{shapes}, for {case}")
        require(x.dtype == torch.float32, f"dtype {x.dtype}, wanted torch.float32, for {case}")
        want, x = scan / 65_535, x[0]
        off = (x - want).abs().max()
        if off > 0.006:
            top = scan.max()
            cut = (scan.clamp(max=255) / scan.clamp(max=255).max(), scan.clamp(max=255) / 255)
            white = "seen on the screen, all the scans are white, or nearly"
            cause = '`convert("L")` keeps 255 for everything above 255: take the 16-bit numbers themselves'
            require(not any((x - c).abs().max() < 0.006 for c in cut), f"{white}, for {case}", cause)
            alike = "a dark page and a bright one look the same to the network"
            cause = "each scan is stretched by its own largest value: divide all of them by the same number"
            low = scan.min()
            own = [scan / top, (scan - low) / (top - low).clamp(min=1)]
            require(not any((x - o).abs().max() < 0.006 for o in own), f"{alike}, for {case}", cause)
            wrapped = (scan % 256) / 255
            noise = "the scans look like television without an aerial"
            cause = "a conversion to 8 bits keeps the low 8 bits only: 256 becomes 0 again"
            require((x - wrapped).abs().max() > 0.006, f"{noise}, for {case}", cause)
            wide = "the network needs ages to start: its inputs are far from the range of 0 to 1"
            cause = "16 bits reach 65,535"
            require(not x.max() > 1.01, f"{wide}, for {case}", cause)
        require(off <= 0.006, f"the values of a scan are off by up to {off:.3f}, for {case}")


class _App(nn.Module):
    """Logits from the mean of each channel; notes how it was asked; in training mode a batch counts."""

    def __init__(self):
        super().__init__()
        self.weight, self.modes, self.graphs = nn.Parameter(torch.eye(3)), [], []

    def forward(self, X):
        if X.ndim != 4 or X.shape[1] != 3:
            raise RuntimeError(f"expected pictures (N, 3, size, size), got shape {tuple(X.shape)}")
        self.modes.append(self.training)
        logits = 0.8 * X.mean(dim=(2, 3)) @ self.weight + 0.3 * X[:, :1, :2, 0].mean(dim=2)
        self.graphs.append(logits.requires_grad)
        return logits - 2 * logits.mean(dim=0) if self.training else logits


@exercise("04.10", "Find the bug: the app", wants="class")
@_in_a_folder
def check_app(answer, folder):
    """Files of any kind: scaled, normalised, alone or together, evaluation mode, plain numbers."""
    g = fresh_generator()
    mean, std, size = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3], 12
    classes = ["sushi", "pizza", "steak"]  # as the network has learned them, in no order
    paths, pixels = [], []
    colours = torch.randint(60, 200, (6, 2, 3), generator=g)
    together = [0, 1, 5]  # the brightest first: a softmax over photographs leaves little to the last
    colours[together] = colours[together].sort(dim=0, descending=True).values
    for k, mode in enumerate(["RGB", "RGB", "RGBA", "L", "P", "RGB"]):
        above, below = colours[k].tolist()
        image = Image.new("RGB", (40, 30), tuple(above))
        image.paste(tuple(below), (0, 15, 40, 30))  # so that turned pictures show
        image = image.convert(mode)
        paths.append(folder / f"{k}.png")
        image.save(paths[-1])
        small = np.array(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        pixels.append(torch.from_numpy(small).permute(2, 0, 1))
    for some, mode, what in (
        (together, True, "three photographs"),
        ((0,), False, "one photograph"),
        ((1, 2, 3, 4), True, "four pictures, also grey ones and some with alpha"),
    ):
        model = _App().train(mode)
        app = run(answer, model, list(classes), list(mean), list(std), size, case=f"FoodApp, {what}")
        require(hasattr(app, "predict"), f"the result has no method predict, for {what}")
        got = run(app.predict, [paths[k] for k in some], case=what)
        X = torch.stack([pixels[k] for k in some])
        _said(got, X, model, (classes, mean, std), what)


def _said(got, X, model: _App, known, case: str) -> None:
    classes, mean, std = known
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (mean, std))
    judge = _App().eval()
    with torch.no_grad():
        right = judge((X / 255 - mean) / std).softmax(dim=1)
        bytes_ = judge((X - mean) / std).softmax(dim=1)
        bare = judge(X / 255).softmax(dim=1)
        down = judge((X / 255 - mean) / std).softmax(dim=0)
        both = judge((X - mean) / std).softmax(dim=0)
    require(isinstance(got, list) and len(got) == len(X), f"expected a list of {len(X)} pairs, for {case}")
    pairs = all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in got)
    require(pairs, f"expected pairs of a name and a probability, for {case}")
    names, probs = [pair[0] for pair in got], [pair[1] for pair in got]
    as_numbers = torch.stack([torch.as_tensor(p).detach().float() for p in probs])
    unsure = "two answers for the same photograph, depending on which others are asked about"
    cause = "the model may be in training mode: `eval()`"
    require(not any(model.modes), f"{unsure}, for {case}", cause)

    def given(table):  # is that what came out, where the right way gives something else?
        top = table.max(dim=1).values
        return not _near(top, right.max(dim=1).values) and _near(as_numbers, top)

    every = "asked about one photograph alone, the app finds every dish 100 % probable"
    cause = "softmax runs over the photographs, and should run over the classes: dim=1"
    require(not given(down) and not (len(X) > 1 and given(both)), f"{every}, for {case}", cause)
    sure = "the app is sure of everything: 100 % for nine of ten photographs, right or wrong"
    cause = "mean and std are those of pixels from 0 to 1, and these go up to 255"
    require(not given(bytes_), f"{sure}, for {case}", cause)
    flat = "the app says about the same of dark and of bright photographs, and is right too seldom"
    require(not given(bare), f"{flat}, for {case}", "the pixels are not normalised with mean and std")
    best = right.max(dim=1).values
    # Of two dishes that are about as probable either may be named.
    named = all(
        name in classes and row[classes.index(name)] > top - 0.02
        for name, row, top in zip(names, right, best, strict=True)
    )
    moved = names == [sorted(classes)[k] for k in right.argmax(dim=1).tolist()]
    mixed = "probabilities are fine, and pizza is called sushi, always"
    cause = "the names are sorted, and the logits come in the order of `classes`"
    require(named or not moved, f"{mixed}, for {case}", cause)
    plain = all(isinstance(p, float) for p in probs)
    web = "TypeError: Object of type Tensor is not JSON serializable, says the web page that uses the app"
    cause = "a probability is still a tensor: `.item()` makes a number of it"
    require(plain, f"{web}, for {case}", cause)
    require(named, f"a photograph gets the name {names[0]!r} or another that is not right, for {case}")
    off = (as_numbers - best).abs().max()
    require(off < 0.02, f"a probability is off by {off:.3f}, for {case}")
    grows = "the app needs more memory with each answer that somebody keeps"
    cause = "autograd records every prediction: `torch.inference_mode()`"
    require(not any(model.graphs), f"{grows}, for {case}", cause)


def _near(a, b) -> bool:
    return bool((a - b).abs().max() < 0.02)


@exercise("04.11", "A data set from a table", methods=("__init__", "__len__", "__getitem__"))
@_in_a_folder
def check_dish_table(answer, folder):
    """Rows of a table with their pictures: of any kind, some missing, some without a dish."""
    g = fresh_generator()
    number = int(torch.randint(100, 999, (), generator=g))
    for size, rows in (
        (
            8,
            [
                ("a.png", "soup", "RGB"),
                ("late/b.png", "fish, grilled", "RGB"),
                ("c.png", "", "RGB"),
                ("gone.png", "apple pie", None),
                (f"{number}.png", "soup", "L"),
                ("e.png", "bread", "RGBA"),
                ("f.png", "fish, grilled", "P"),
            ],
        ),
        (5, [(f"late/{number}.png", "stew", "RGB")]),
    ):
        case = f"a table of {len(rows)} rows" if len(rows) > 1 else "a table of one row"
        place = folder / str(size)
        (place / "late").mkdir(parents=True)
        kept, halves = [], []
        for file, dish, mode in rows:
            if mode is None:
                continue
            image, colours = _two_halves(mode, g)
            image.save(place / file)
            if dish:
                kept.append(dish)
                halves.append(colours)
        with open(place / "labels.csv", "w", encoding="utf-8", newline="") as table:
            csv.writer(table).writerows([("file", "dish"), *(row[:2] for row in rows)])
        data, count = _opened(lambda place=place, size=size, case=case: run(answer, place, size, case=case))
        require(count == 0, f"{count} pictures are opened when the data set is made, for {case}")
        whole = all(hasattr(data, name) for name in ("__len__", "__getitem__", "classes"))
        require(whole, f"the result is no data set with `classes`, for {case}")
        _table_is_right(data, size, kept, halves, case)


def _two_halves(mode: str, g: torch.Generator) -> tuple[Image.Image, list]:
    """A picture of two colours, one on the left and one on the right, and what they are in RGB."""
    colours = torch.randint(0, 256, (2, 3), generator=g).tolist()
    image = Image.new("RGB", (40, 20), tuple(colours[0]))
    image.paste(tuple(colours[1]), (20, 0, 40, 20))
    image = image.convert(mode, dither=Image.Dither.NONE)
    pixels = np.array(image.convert("RGB")) / 255
    return image, [pixels[0, 0], pixels[0, -1]]


def _table_is_right(data, size: int, kept: list, halves: list, case: str) -> None:
    classes = sorted(set(kept))
    got = data.classes
    require(
        isinstance(got, (list, tuple)), f"expected a list as classes, got {type(got).__name__}, for {case}"
    )
    got = list(got)
    require("" not in got, f"a row without a dish has made a class of its own, for {case}")
    cut = any("fish" in name and name != "fish, grilled" for name in map(str, got))
    require(not cut, f'"fish, grilled" is one dish, and its comma has cut it: is there a reader, for {case}')
    require("apple pie" not in got, f"a dish whose only picture is missing has become a class, for {case}")
    unsorted = f"the classes are not sorted, for {case}"
    require(set(got) != set(classes) or got == classes, unsorted)
    same(got, classes, case=f"the classes, {case}")
    length = run(data.__len__, case=f"len(data), {case}")
    same(length, len(kept), case=f"len(data), {case}")
    for k, (dish, (left, right)) in enumerate(zip(kept, halves, strict=True)):
        where = f"data[{k}], {case}"
        item, count = _opened(lambda k=k, where=where: run(data.__getitem__, k, case=where))
        require(count <= 2, f"for one item {count} pictures are opened, for {where}")
        pair = isinstance(item, (tuple, list)) and len(item) == 2
        require(pair, f"expected a pair of a picture and a class number, for {where}")
        x, y = item
        require(isinstance(x, torch.Tensor), f"expected a tensor, got {type(x).__name__}, for {where}")
        shapes = f"shape {tuple(x.shape)}, wanted {(3, size, size)}"
        require(x.shape == (3, size, size), f"{shapes}, for {where}")
        require(x.dtype == torch.float32, f"dtype {x.dtype}, wanted torch.float32, for {where}")
        require(x.max() <= 1.01, f"values up to {x.max():.0f}, wanted from 0 to 1, for {where}")
        for column, colour in ((0, left), (-1, right)):
            off = (x[:, :, column] - torch.from_numpy(colour).float()[:, None]).abs().max()
            turned = "the left and the right of the picture don't stand where they should"
            require(off < 0.02, f"{turned}, or have other colours, for {where}")
        same(y, classes.index(dish), case=f"the class number, {where}")
    X, y = next(iter(run(DataLoader, data, batch_size=len(kept), case=f"a DataLoader, {case}")))
    fine = X.shape == (len(kept), 3, size, size) and y.dtype == torch.int64
    require(fine, f"a DataLoader gives {tuple(X.shape)} and {y.dtype}, for {case}")
