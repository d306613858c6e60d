"""Answers to the exercises of notebook 05."""

import argparse
import contextlib
import copy
import csv
import functools
import io
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from answer_table import forbidden, right, wrong
from learn_pytorch.checks.option_05 import SCRIPTS


def part(function, **how):
    made = functools.partial(function, **how)
    made.__name__ = "_".join(f"{k}_{v}" for k, v in how.items()) or function.__name__
    return made


# ------------------------------------------------------------------------- 05.1, settings from two places

DEFAULTS = {"lr": 0.002, "epochs": 16, "seed": 42, "augment": False}


def settings_of(argv, lr=None, augment="none", test="none", order="line"):
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    how = {
        "none": {"action": "store_true", "default": None},
        "false": {"action": "store_true"},
        "bool": {"type": bool},
        "either": {"action": argparse.BooleanOptionalAction},
        "maybe": {"type": bool, "nargs": "?", "const": True},
    }[augment]
    parser.add_argument("--augment", **how)
    args = parser.parse_args(argv)
    settings = dict(DEFAULTS)
    values = {k: getattr(args, k) for k in DEFAULTS}
    typed = {k: v for k, v in values.items() if (v if test == "truth" else v is not None)}
    from_file = json.loads(args.config.read_text(encoding="utf-8")) if args.config else {}
    for source in (from_file, typed) if order == "line" else (typed, from_file):
        settings.update(source)
    return settings


right("05.1", part(settings_of))
right("05.1", part(settings_of, augment="either"))


@right("05.1")
def suppressed(argv):
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--augment", action="store_true")
    typed = vars(parser.parse_args(argv))
    file = typed.pop("config", None)
    return {**DEFAULTS, **(json.loads(file.read_text()) if file else {}), **typed}


@right("05.1")
def by_set_defaults(argv):
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--config", type=Path)
    file, rest = first.parse_known_args(argv)
    parser = argparse.ArgumentParser()
    parser.set_defaults(**DEFAULTS)
    if file.config:
        parser.set_defaults(**json.loads(file.config.read_text()))
    for name, kind in (("--lr", float), ("--epochs", int), ("--seed", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("--augment", action="store_true", default=parser.get_default("augment"))
    return vars(parser.parse_args(rest))


wrong("05.1", "the file asks for lr", part(settings_of, lr=0.002, augment="bool", test="truth"))
wrong("05.1", "the file asks for lr", part(settings_of, lr=0.002))
wrong("05.1", "`--seed 0` gives the weights", part(settings_of, test="truth"))
wrong("05.1", "`--seed 0` gives the weights", part(settings_of, test="truth", augment="bool"))
wrong("05.1", "it ends with exit code 2", part(settings_of, augment="bool"))
wrong("05.1", "`--augment False` mirrors", part(settings_of, augment="maybe"))
wrong("05.1", "the file asks for augment = True", part(settings_of, augment="false"))
wrong("05.1", "it is", part(settings_of, order="file"))
wrong("05.1", "expected a dictionary", lambda argv: argparse.Namespace(**settings_of(argv)))
wrong("05.1", "expected a dictionary", lambda argv: {"lr": 0.002})


OWN = dict(DEFAULTS)


@wrong("05.1", "nobody asks for another")
def one_dictionary_for_all(argv):
    settings = OWN
    settings.update({k: v for k, v in settings_of(argv).items() if v != DEFAULTS[k]})
    return settings


# -------------------------------------------------------------------------- 05.2, an option of two numbers


def size(text, low=4, high=4096, kind=int, pieces=(1, 2), turned=False, error=argparse.ArgumentTypeError):
    numbers = [kind(piece) for piece in text.split("x")]
    if len(numbers) not in pieces or not all(low <= n <= high for n in numbers):
        raise error(f"{text} is no size")
    return (numbers[0], numbers[-1]) if turned else (numbers[-1], numbers[0])


right("05.2", part(size))
right("05.2", part(size, error=ValueError))


@right("05.2")
def by_pattern(text):
    import re

    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if not found:
        raise ValueError("no size")
    width, height = int(found[1]), int(found[2] or found[1])
    if min(width, height) < 4 or max(width, height) > 4096:
        raise argparse.ArgumentTypeError("must be from 4 to 4096")
    return height, width


wrong("05.2", "expected a whole number (int), got float", part(size, kind=float))
wrong("05.2", "the height comes first", part(size, turned=True))
wrong("05.2", "accepted", part(size, low=1))
wrong("05.2", "accepted", part(size, high=math.inf))
wrong("05.2", "accepted", part(size, pieces=(1, 2, 3)))
wrong("05.2", "accepted", part(size, low=-(10**9)))
wrong("05.2", "a kind that argparse does not catch", part(size, error=RuntimeError))
wrong("05.2", "the function ends the program itself", part(size, error=SystemExit))
wrong("05.2", "your code raised", part(size, pieces=(2,)))
wrong("05.2", "expected a tuple, got list", lambda text: list(size(text)))
wrong("05.2", "expected a tuple, got int", lambda text: size(text)[0])
wrong("05.2", "your code raised ValueError", lambda text: tuple(map(int, text.partition("x")[::-2])))


@wrong("05.2", "a kind that argparse does not catch")
def by_assert(text):
    height, width = size(text, low=-(10**9))
    assert min(height, width) >= 4
    return height, width


# --------------------------------------------------------------------------------- 05.3, labels in a table


class Labelled(Dataset):
    reader, ordered, first, colour, how, batch = "csv", True, True, "RGB", "bilinear", "int"

    def __init__(self, table, size):
        if self.reader == "csv":
            with open(table, encoding="utf-8", newline="") as file:
                rows = [(r["file"], r["dish"]) for r in csv.DictReader(file)]
        elif self.reader == "split":
            rows = [line.split(",")[:2] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
        else:
            with open(table, encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))
        names = dict.fromkeys(dish for _, dish in rows)
        self.classes = sorted(names) if self.ordered else list(names)
        self.rows, self.size, self.folder = rows, size, table.parent

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        name, dish = self.rows[index]
        with Image.open(self.folder / name) as image:
            image = image.convert(self.colour) if self.colour else image.copy()
        kinds = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
        image = image.resize((self.size, self.size), kinds[self.how])
        X = torch.from_numpy(np.array(image))
        X = X.permute(2, 0, 1) if self.first else X
        label = self.classes.index(dish)
        return (X, label) if self.batch == "int" else (X, dish)


def labelled(**how):
    return type("Labelled_" + "_".join(map(str, how.values())), (Labelled,), how)


right("05.3", labelled())


@right("05.3")
class NoDataset:
    """Whatever has a length and items is one."""

    def __init__(self, table, size):
        import pandas as pd

        frame = pd.read_csv(table)
        self.paths = [table.with_name(name) for name in frame["file"]]
        self.classes = sorted(frame["dish"].unique().tolist())
        self.labels = frame["dish"].map(self.classes.index).tolist()
        self.size = size

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = Image.open(self.paths[index]).convert("RGB").resize((self.size,) * 2, Image.BILINEAR)
        pixels = torch.tensor(list(image.tobytes()), dtype=torch.uint8)
        return pixels.view(self.size, self.size, 3).permute(2, 0, 1), self.labels[index]

    def close(self):
        pass


wrong("05.3", "classes is", labelled(reader="split"))
wrong("05.3", "len(data) is wrong", labelled(reader="header"))
wrong("05.3", "not sorted", labelled(ordered=False))
wrong("05.3", "the shape is", labelled(first=False))
wrong("05.3", "other pixels", labelled(how="nearest"))
wrong("05.3", "your code raised", labelled(colour=None))
wrong("05.3", "expected a Python number, got str", labelled(batch="name"))


@wrong("05.3", "opened when the data set is made")
class Eager(Labelled):
    def __init__(self, table, size):
        super().__init__(table, size)
        self.images = [Image.open(table.parent / name) for name, _ in self.rows]


@wrong("05.3", "other pixels")
class Blue(Labelled):
    def __getitem__(self, index):
        X, label = super().__getitem__(index)
        return X.flip(0), label


@wrong("05.3", "the dtype is")
class Floats(Labelled):
    def __getitem__(self, index):
        X, label = super().__getitem__(index)
        return X / 255, label


# ------------------------------------------------------------------- 05.4, whole, and the old one kept


def save_kept(write, path, keep="copy", new="beside", order="keep", tidy=True, back="path", where=None):
    kept = path.with_name(path.name + ".old")
    partial = path.with_name(path.name + ".partial")
    partial_kept = path.with_name(path.name + ".old.partial")
    try:
        with open(partial, "xb" if new == "fresh" else "wb") as file:
            write(file)
        if path.exists():
            if keep == "copy":
                shutil.copyfile(path, partial_kept)
                os.replace(partial_kept, kept)
            elif keep == "direct":
                shutil.copyfile(path, kept)
            elif keep == "bytes":
                kept.write_bytes(path.read_bytes())
            elif keep == "move":
                os.replace(path, kept)
            elif keep == "link":
                partial_kept.unlink(missing_ok=True)
                os.link(path, partial_kept)
                os.replace(partial_kept, kept)
        if new == "copy":
            shutil.copyfile(partial, path)
        elif new == "unlink":
            path.unlink(missing_ok=True)
            os.rename(partial, path)
        else:
            os.replace(partial, path)
    finally:
        if tidy:
            partial.unlink(missing_ok=True)
            partial_kept.unlink(missing_ok=True)
    return {"path": path, "partial": partial, "none": None}[back]


right("05.4", part(save_kept))
right("05.4", part(save_kept, keep="link"))


@right("05.4")
def by_mkstemp(write, path):
    kept = path.with_name(path.name + ".old")
    handle, name = tempfile.mkstemp(dir=path.parent)
    made = [name]
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        if path.exists():
            handle, other = tempfile.mkstemp(dir=path.parent)
            made.append(other)
            with os.fdopen(handle, "wb") as file:
                file.write(path.read_bytes())
            os.replace(other, kept)
        os.replace(name, path)
    except BaseException:
        for name in made:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
        raise
    return path


@right("05.4")
def in_memory_first(write, path):
    def whole(path, data):
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    buffer = io.BytesIO()
    write(buffer)
    if path.exists():
        whole(path.with_name(path.name + ".old"), path.read_bytes())
    whole(path, buffer.getvalue())
    return path


@right("05.4")
def in_a_folder_beside(write, path):
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new, old = Path(folder) / "new", Path(folder) / "old"
        with new.open("wb") as file:
            write(file)
        if path.exists():
            shutil.copy2(path, old)
            old.replace(path.with_name(path.name + ".old"))
        new.replace(path)
    return str(path)


wrong("05.4", "leaves nothing at last.pt", part(save_kept, keep="move"))
wrong("05.4", "a file at last.pt.old that is not whole", part(save_kept, keep="direct"))
wrong("05.4", "a file at last.pt.old that is not whole", part(save_kept, keep="bytes"))
wrong("05.4", "a file at last.pt that is not whole", part(save_kept, new="copy"))
wrong("05.4", "leaves nothing at last.pt", part(save_kept, new="unlink"))
wrong("05.4", "an unfinished file is left over", part(save_kept, tidy=False))
wrong("05.4", "does not hold what last.pt held before", part(save_kept, keep="nothing"))
wrong("05.4", "path is to be returned", part(save_kept, back="partial"))
wrong("05.4", "path is to be returned", lambda write, path: save_kept(write, path, back="none"))
wrong("05.4", "your code raised FileExistsError", part(save_kept, new="fresh"))
wrong("05.4", "write was not called", lambda write, path: path)


@wrong("05.4", "a file at last.pt that is not whole")
def directly(write, path):
    with open(path, "wb") as file:
        write(file)
    return path


@wrong("05.4", "a file at last.pt that is not whole")
def renamed_before_closed(write, path):
    kept, part = (path.with_name(path.name + end) for end in (".old", ".part"))
    try:
        with open(part, "wb") as file:
            write(file)
            if path.exists():
                shutil.copyfile(path, kept.with_suffix(".2"))
                os.replace(kept.with_suffix(".2"), kept)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


@wrong("05.4", "afterwards the two files are not what they were")
def old_one_first(write, path):
    kept, part = (path.with_name(path.name + end) for end in (".old", ".part"))
    try:
        if path.exists():
            shutil.copyfile(path, part)
            os.replace(part, kept)
        with open(part, "wb") as file:
            write(file)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


@wrong("05.4", "nobody learns of the error")
def silent(write, path):
    with contextlib.suppress(Exception):
        save_kept(write, path)
    return path


@wrong("05.4", "an unfinished file is left over, for a file and an older one, and Ctrl-C")
def not_after_ctrl_c(write, path):
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            write(file)
    except Exception:
        part.unlink()
        raise

    def again(file):
        file.write(part.read_bytes())

    save_kept(again, path)
    part.unlink()
    return path


@wrong("05.4", "Invalid cross-device link")
def from_the_temporary_folder(write, path):
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part"
        with open(part, "wb") as file:
            write(file)
        os.replace(part, path)
    return path


@wrong("05.4", "not whole")
def moved_from_the_temporary_folder(write, path):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        try:
            write(file)
        except BaseException:
            os.unlink(file.name)
            raise
    shutil.move(file.name, path)
    return path


# -------------------------------------------------------------------- 05.5, a block for every process


def blocks(n, rank, world, way="floor"):
    first = n // world
    return {
        "floor": lambda: list(range(rank * n // world, (rank + 1) * n // world)),
        "up": lambda: list(range(min(n, rank * -(-n // world)), min(n, (rank + 1) * -(-n // world)))),
        "down": lambda: list(range(rank * first, (rank + 1) * first)),
        "last": lambda: list(range(rank * first, n if rank == world - 1 else (rank + 1) * first)),
        "cards": lambda: list(range(n))[rank::world],
        "filled": lambda: [i % n for i in range(rank * -(-n // world), (rank + 1) * -(-n // world)) if n],
        "backwards": lambda: blocks(n, world - 1 - rank, world),
        "one": lambda: [i + 1 for i in blocks(n, rank, world)],
        "round": lambda: list(range(round(rank * n / world), round((rank + 1) * n / world) + 1)),
    }[way]()  # fmt: skip


right("05.5", part(blocks))
right("05.5", lambda n, rank, world: torch.arange(n).tensor_split(world)[rank])
right("05.5", lambda n, rank, world: np.array_split(range(n), world)[rank].astype(int).tolist())
right("05.5", lambda n, rank, world: range(round(rank * n / world), round((rank + 1) * n / world)))
right("05.5", lambda n, r, w: list(range(n))[r * (n // w) + min(r, n % w) :][: n // w + (r < n % w)])
wrong("05.5", "the blocks have the sizes", part(blocks, way="up"))
wrong("05.5", "the blocks have the sizes", part(blocks, way="last"))


@wrong("05.5", "the blocks have the sizes")
def two_apart(n, rank, world_size):
    """The first takes one more from the second, where each had the same."""
    ends = [r * n // world_size for r in range(world_size + 1)]
    ends[1] += world_size > 1 and n >= 2 * world_size and n % world_size == 0
    return list(range(ends[rank], ends[rank + 1]))


wrong("05.5", "belong to nobody", part(blocks, way="down"))
wrong("05.5", "are not neighbours", part(blocks, way="cards"))
wrong("05.5", "belong to two processes", part(blocks, way="filled"))
wrong("05.5", "the first process has not the first", part(blocks, way="backwards"))
wrong("05.5", "no position from 0 to n - 1", part(blocks, way="one"))
wrong("05.5", "no position from 0 to n - 1", part(blocks, way="round"))
wrong("05.5", "expected a list of positions, got slice", lambda n, r, w: slice(r * n // w, (r + 1) * n // w))
wrong("05.5", "expected a list of positions, got int", lambda n, r, w: len(blocks(n, r, w)))

# ----------------------------------------------------------------------- 05.6, one report from many


def merged(reports, mean="weighted", empty="skip", dim=1, inplace=False, worst="best", clamp=True):
    used = [r for r in reports if r["count"] > 0] if empty == "skip" else reports
    if empty == "zero":
        used = [r for r in reports if r["loss"] > 0]
    if mean == "weighted":
        loss = sum(r["loss"] * r["count"] for r in used) / sum(r["count"] for r in used)
    elif mean == "sum":
        loss = sum(r["loss"] * r["count"] for r in used)
    else:
        loss = sum(r["loss"] for r in used) / len(used)
    if inplace:
        confusion = reports[0]["confusion"]
        for r in reports[1:]:
            confusion += r["confusion"]
    else:
        confusion = sum(r["confusion"] for r in reports)
    every = [pair for r in reports for pair in r["worst"]]
    if inplace == "list":
        every = reports[0]["worst"]
        for r in reports[1:]:
            every += r["worst"]
    total = confusion.sum(dim=dim)
    best = {"best": sorted(every, reverse=True)[:3], "low": sorted(every)[:3], "turned": sorted(every)[-3:]}
    return {
        "loss": loss,
        "accuracy": (confusion.diag().sum() / confusion.sum()).item(),
        "recall": confusion.diag() / (total.clamp(min=1) if clamp else total),
        "worst": best[worst],
    }


right("05.6", part(merged))


@right("05.6")
def by_loops(reports):
    total = count = 0
    confusion, worst = torch.zeros_like(reports[0]["confusion"]), []
    for r in reports:
        if r["count"]:
            total += r["loss"] * r["count"]
            count += r["count"]
        confusion = confusion + r["confusion"]
        worst = sorted([*worst, *r["worst"]], key=lambda pair: -pair[0])[:3]
    recall = torch.nan_to_num(confusion.diag() / confusion.sum(1), nan=0.0)
    accuracy = confusion.diag().sum().item() / count
    return {"worst": worst, "recall": recall, "accuracy": accuracy, "loss": total / count}


wrong(
    "05.6",
    "and one process alone",
    part(merged, mean="plain", empty="all", dim=0, inplace="list", worst="turned"),
)
wrong("05.6", "the loss is nan", part(merged, empty="all"))
wrong("05.6", "the loss is", part(merged, mean="plain"))
wrong("05.6", "the loss is", part(merged, mean="sum"))
wrong("05.6", "the loss is", part(merged, empty="zero"))  # a mean of 0 counts too
wrong("05.6", "the recall of class", part(merged, dim=0))
wrong("05.6", "the recall of class", part(merged, clamp=False))
wrong("05.6", "asked again", part(merged, inplace=True))
wrong("05.6", "asked again", part(merged, inplace="list"))
wrong("05.6", "calls the worst", part(merged, worst="low"))
wrong("05.6", "calls the worst", part(merged, worst="turned"))
wrong("05.6", "expected a dictionary", lambda reports: merged(reports)["loss"])
wrong("05.6", "expected a Python number", lambda reports: {**merged(reports), "loss": torch.tensor(1.0)})

# -------------------------------------------------------------------- 05.7, a log that was interrupted


def log(lines, epoch, test="le", order=True, twice="later", load=json.loads, skip=json.JSONDecodeError):
    found = {}
    for line in lines:
        try:
            record = load(line)
        except skip:
            continue
        if twice == "later" or record["epoch"] not in found:
            found[record["epoch"]] = record
    fits = {
        "le": lambda n: n <= epoch,
        "lt": lambda n: n < epoch,
        "text": lambda n: str(n) <= str(epoch),
        "all": lambda n: True,
    }[test]
    numbers = sorted(found) if order else list(found)
    return [found[n] for n in numbers if fits(n)]


right("05.7", part(log))
right("05.7", part(log, skip=ValueError))


@right("05.7")
def from_behind(lines, epoch):
    kept = {}
    for line in reversed(lines):
        with contextlib.suppress(ValueError):
            record = json.loads(line.strip())
            kept.setdefault(record["epoch"], record)
    return sorted((r for n, r in kept.items() if n <= epoch), key=lambda r: r["epoch"])


wrong("05.7", "are kept", part(log, test="lt"))
wrong("05.7", "are kept", part(log, test="text"))
wrong("05.7", "are kept", part(log, test="all"))
wrong("05.7", "are kept", part(log, order=False))
wrong("05.7", "not the later line", part(log, twice="first"))
wrong("05.7", "your code raised NameError", part(log, load=eval, skip=SyntaxError))
wrong(
    "05.7",
    "your code raised JSONDecodeError",
    lambda ls, n: [r for r in map(json.loads, ls) if r["epoch"] <= n],
)
wrong("05.7", "expected a list of dictionaries", lambda ls, n: ls[:n])


@wrong("05.7", "are kept")
def by_position(lines, epoch):
    with contextlib.suppress(ValueError):
        return [json.loads(line) for line in lines[:epoch] if line.strip()]
    return log(lines[:epoch], 99)


@wrong("05.7", "are kept")
def stops_at_the_first_broken_line(lines, epoch):
    whole = []
    for line in filter(str.strip, lines):
        try:
            json.loads(line)
        except ValueError:
            break
        whole.append(line)
    return log(whole, epoch)


@wrong("05.7", "are kept")
def number_somewhere_in_the_line(lines, epoch):
    kept = {}
    for line in lines:
        for k in range(1, epoch + 1):
            if f'"epoch": {k}' in line:
                with contextlib.suppress(ValueError):
                    kept[json.loads(line)["epoch"]] = json.loads(line)
    return [kept[k] for k in sorted(kept)]


@wrong("05.7", "are kept")
def all_lines_that_end(lines, epoch):
    whole = [line for line in lines if line.endswith("\n")]
    return log(whole, epoch)


# ------------------------------------------------------------------ 05.8, resumed, and not the same


def train_until(file, make, train_epoch, validate, num_epochs, *, count=1, copied=True, kept=True, lost=(),
                tie="first", seeded=False, ends="best"):  # fmt: skip
    model, optimizer, schedule = make()
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    start, losses, best = 0, [], None
    if file.exists():
        state = torch.load(file, weights_only=True)
        for name in parts.keys() - set(lost):
            parts[name].load_state_dict(state[name])
        start, losses = state["epoch"], state["losses"]
        best = state["best"] if kept else None
        if "random" not in lost:
            torch.set_rng_state(state["random"])
    for epoch in range(start, num_epochs):
        if seeded:
            torch.manual_seed(epoch)
        train_epoch(model, optimizer)
        schedule.step()
        losses.append(validate(model))
        if losses[-1] == min(losses) and (tie == "last" or losses.count(losses[-1]) == 1):
            best = model.state_dict()
            best = copy.deepcopy(best) if copied else best
        state = {name: part.state_dict() for name, part in parts.items()}
        state |= {"epoch": epoch + count, "losses": losses, "best": best, "random": torch.get_rng_state()}
        torch.save(state, file)
    if ends == "best" and best is not None:
        model.load_state_dict(best)
    return model, losses


right("05.8", part(train_until))
right("05.8", part(train_until, lost=("random",), seeded=True))


@right("05.8")
def with_another_file(file, make, train_epoch, validate, num_epochs):
    """The best weights in a file of their own, as the scripts keep them."""
    model, optimizer, schedule = make()
    other, state = file.with_name(file.name + ".best"), {"epoch": 0, "losses": []}
    if file.exists():
        state = torch.load(file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
    while state["epoch"] < num_epochs:
        train_epoch(model, optimizer)
        schedule.step()
        loss = validate(model)
        if loss < min(state["losses"], default=math.inf):
            torch.save(model.state_dict(), other)
        state = {"epoch": state["epoch"] + 1, "losses": [*state["losses"], loss]}
        parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
        states = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**state, **states, "random": torch.get_rng_state()}, file)
    model.load_state_dict(torch.load(other, weights_only=True))
    return model, state["losses"]


wrong("05.8", "has the lowest loss, and the model returned", part(train_until, copied=False))
wrong("05.8", "has the lowest loss, and the model returned", part(
    train_until, copied=False, count=0, kept=False, lost=("schedule", "random")))  # fmt: skip
wrong("05.8", "has the lowest loss, and the model returned", part(train_until, tie="last"))
wrong("05.8", "has the lowest loss, and the model returned", part(train_until, ends="last"))
wrong("05.8", "forgotten when the program starts", part(train_until, kept=False))
wrong("05.8", "the epochs that are trained are", part(train_until, count=0))
wrong("05.8", "the learning rate is", part(train_until, lost=("schedule",)))
wrong("05.8", "the order of the images", part(train_until, lost=("random",)))
wrong("05.8", "the optimizer begins anew", part(train_until, lost=("optimizer",)))
wrong("05.8", "the epochs that are trained are", part(train_until, lost=("model",)))
wrong("05.8", "expected two things", lambda *a: train_until(*a)[0])
wrong("05.8", "the losses returned are", lambda *a: (train_until(*a)[0], []))


@wrong("05.8", "the epochs that are trained are")
def from_the_beginning(file, *args):
    file.unlink(missing_ok=True)
    return train_until(file, *args)


# ------------------------------------------------------------- 05.9, a table that survives commas


def table(
    paths, logits, classes, write="csv", probs="softmax", dim=1, digits=4, head=True, key=None, name=str
):
    p = {"softmax": logits.softmax(dim=dim), "logits": logits, "sigmoid": logits.sigmoid()}[probs]
    said = [f"{row.max().item():.{digits}f}" if digits else round(row.max().item(), 4) for row in p]
    best = [classes[int(row.argmax())] for row in p]
    rows = [[name(path), k, s] for path, k, s in zip(paths, best, said, strict=True)]
    rows = sorted(rows, key=key) if key else rows
    rows = [["path", "class", "probability"], *rows] if head else rows
    if write == "join":
        return "\n".join(",".join(map(str, row)) for row in rows)
    if write == "quoted":
        return "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    text = io.StringIO()
    csv.writer(text, delimiter=";" if write == "semicolon" else ",").writerows(rows)
    return text.getvalue()


right("05.9", part(table))


@right("05.9")
def by_pandas(paths, logits, classes):
    import pandas as pd

    probs, preds = logits.softmax(dim=1).max(dim=1) if len(paths) else (logits[:, 0], logits[:, 0].long())
    columns = {"path": paths, "class": [classes[k] for k in preds.tolist()], "probability": probs.tolist()}
    return pd.DataFrame(columns).to_csv(index=False, float_format="%.4f")


@right("05.9")
def by_doubled_quotes(paths, logits, classes):
    lines = ["path,class,probability"]
    for path, row in zip(paths, logits, strict=True):
        cells = [path, classes[row.argmax()], f"{row.softmax(0).max():.4f}"]
        lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
    return "\r\n".join(lines) + "\r\n"


wrong("05.9", "without exactly three columns", part(table, write="join"))
wrong("05.9", "reads", part(table, write="quoted"))
wrong("05.9", "not the header", part(table, write="semicolon"))
wrong("05.9", "not the header", part(table, head=False))
wrong("05.9", "a probability is", part(table, probs="logits"))
wrong("05.9", "not that of the softmax", part(table, probs="sigmoid"))
wrong("05.9", "a ", part(table, dim=0))
wrong("05.9", "not with four decimals", part(table, digits=3))
wrong("05.9", "not with four decimals", part(table, digits=0))
wrong("05.9", "in another order than the paths", part(table, key=lambda row: row[0]))
wrong("05.9", "in another order than the paths", part(table, key=lambda row: row[1]))
wrong("05.9", "in another order than the paths", part(table, key=lambda row: -float(row[2])))
wrong("05.9", "in another order than the paths", part(table, key=lambda row: float(row[2])))
wrong("05.9", "reads 'dinner; late.jpg' afterwards", part(table, name=lambda path: path.replace(",", ";")))
wrong("05.9", "expected text, got list", lambda *a: table(*a).splitlines())
wrong("05.9", "expected text, got bytes", lambda *a: table(*a).encode())

# ----------------------------------------------------------- 05.10, one gradient from several pieces


def accumulate(model, loss_fn, pieces, weights="share", clear="model", total="share", end="each", own=None):
    loss_fn = own or loss_fn
    if clear == "model":
        model.zero_grad()
    elif clear == "weight":
        model.line.weight.grad = None
    count = sum(len(y) for _, y in pieces)
    said, losses = 0.0, []
    for X, y in pieces:
        if clear == "each":
            model.zero_grad()
        share = {"share": len(y) / count, "even": 1 / len(pieces), "sum": 1.0}[weights]
        loss = loss_fn(model(X), y)
        if end == "each":
            (loss * share).backward()
        losses.append(loss * share)
        said += loss.item() * {"share": len(y) / count, "even": 1 / len(pieces), "sum": 1.0}[total]
        if end == "step":
            (loss * share).backward()
            torch.optim.SGD(model.parameters(), lr=0.01).step()
        losses = losses if end == "last" else []
    if end == "last":
        sum(losses).backward()
    return said


right("05.10", part(accumulate))


@right("05.10")
def scaled_afterwards(model, loss_fn, pieces):
    for p in model.parameters():
        p.grad = None
    total = n = 0
    for X, y in pieces:
        loss = loss_fn(model(X), y) * len(X)
        loss.backward()
        total, n = total + loss.item(), n + len(X)
    for p in model.parameters():
        p.grad /= n
    return total / n


@right("05.10")
def by_autograd_grad(model, loss_fn, pieces):
    parameters, n = list(model.parameters()), sum(len(y) for _, y in pieces)
    sums, said = [torch.zeros_like(p) for p in parameters], 0.0
    for X, y in pieces:
        loss = loss_fn(model(X), y) * (len(y) / n)
        for s, g in zip(sums, torch.autograd.grad(loss, parameters), strict=True):
            s += g
        said += loss.item()
    for p, s in zip(parameters, sums, strict=True):
        p.grad = s
    return said


def squares(preds, y):
    return (preds - y).square().mean()


wrong("05.10", "a sum of means", part(accumulate, weights="sum"))
wrong("05.10", "a small piece counts more", part(accumulate, weights="even"))
wrong("05.10", "of the step before", part(accumulate, clear="nothing"))
wrong("05.10", "the gradient", part(accumulate, clear="weight"))
wrong("05.10", "the last piece alone", part(accumulate, clear="each", weights="sum"))
wrong("05.10", "graphs of several pieces", part(accumulate, end="last"))
wrong("05.10", "the weights have moved", part(accumulate, end="step"))
wrong("05.10", "every piece counts the same", part(accumulate, total="even"))
wrong("05.10", "the loss that is returned", part(accumulate, total="sum"))
wrong("05.10", "off by", part(accumulate, own=squares))
wrong("05.10", "expected a Python number", lambda *a: torch.tensor(accumulate(*a)))
wrong("05.10", "has no gradient afterwards", lambda m, f, ps: (accumulate(m, f, ps), m.zero_grad())[0])


def together(model, loss_fn, pieces, join=torch.cat):
    X, y = (join([pair[k] for pair in pieces]) for k in (0, 1))
    model.zero_grad()
    loss = loss_fn(model(X), y)
    loss.backward()
    return loss.item()


def one_backward_of_logits(model, loss_fn, pieces):
    model.zero_grad()
    loss = loss_fn(torch.cat([model(X) for X, _ in pieces]), torch.cat([y for _, y in pieces]))
    loss.backward()
    return loss.item()


forbidden("05.10", together)
forbidden("05.10", part(together, join=torch.vstack))
forbidden("05.10", part(together, join=torch.concatenate))
forbidden("05.10", one_backward_of_logits)
wrong("05.10", "something else than one of the pieces", part(
    together, join=lambda parts: torch.tensor([row for p in parts for row in p.tolist()])))  # fmt: skip


# -------------------------------------------------------------------------- 05.11, an option of your own


def in_file(name):
    """Edits a file of the scripts: pairs of texts, the first occurrence of one becomes the other."""

    def edit(folder, *pairs):
        path = folder / "going_modular" / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")

    return edit


train, engine = in_file("train.py"), in_file("engine.py")
SEED = '    add("--seed"'
OPTION = '    add("--label-smoothing", type=number(float, 0, 1), default=0.0)\n' + SEED
LOSS = 'cross_entropy(model(X), y, reduction="sum")'
PASSED_ON = (("device, amp)", "device, amp, smoothing)"), ("amp: bool)", "amp: bool, smoothing: float)"))
CALLED = ("device, args.amp)", "device, args.amp, args.label_smoothing)")


class Edited(os.PathLike):
    """A folder with the scripts, made and edited when somebody asks for it."""

    def __init__(self, edit):
        self.edit, self.made, self.__name__ = edit, None, edit.__name__

    def __fspath__(self):
        if self.made is None:
            self.made = tempfile.TemporaryDirectory()
            folder = Path(self.made.name)
            shutil.copytree(SCRIPTS, folder / "going_modular", ignore=shutil.ignore_patterns("__pycache__"))
            self.edit(folder)
        return self.made.name


def edited(number, words=None):
    def note(edit):
        how = {"seconds": 6, "answer": Edited(edit)}
        right(number, **how) if words is None else wrong(number, words, **how)
        return edit

    return note


def smoothing(folder, option=OPTION, loss="label_smoothing=smoothing", free=False):
    train(folder, (SEED, option), *PASSED_ON, CALLED)
    engine(folder, ("amp=False)", "amp=False, smoothing=0.0)"), (LOSS, LOSS[:-1] + f", {loss})"))
    if free:
        train(folder, ('FREE = "', 'FREE = "label_smoothing '))


edited("05.11")(smoothing)


@edited("05.11")
def by_a_partial(folder):
    """The training's own loss, made in train.py."""
    option = '    add("--label-smoothing", default=0.0, type=number(float, 0.0, 1.0), help="from 0 to 1")\n'
    made = "    for epoch in range("
    train(folder, (SEED, option + SEED), (made, f"    engine.SMOOTHING = args.label_smoothing\n{made}"))
    engine(folder, ("def train_epoch", "SMOOTHING = 0.0\n\n\ndef train_epoch"))
    engine(folder, (LOSS, LOSS[:-1] + ", label_smoothing=SMOOTHING)"))


@edited("05.11", "train.py does not know --label-smoothing")
def untouched(folder):
    pass


@edited("05.11", "the training loss is")
def never_used(folder):
    train(folder, (SEED, OPTION))


@edited("05.11", "no smoothing there")
def in_the_scores_as_well(folder):
    by_a_partial(folder)
    line = 'cross_entropy(logits, y, reduction="sum")'
    engine(folder, (line, line[:-1] + ", label_smoothing=SMOOTHING)"))


@edited("05.11", "wrong usage is exit code 2")
def any_number(folder):
    smoothing(folder, option='    add("--label-smoothing", type=number(float, -9, 9), default=0)\n' + SEED)


@edited("05.11", "wrong usage is exit code 2")
def nan_is_a_float(folder):
    smoothing(folder, option='    add("--label-smoothing", type=float, default=0.0)\n' + SEED)


@edited("05.11", "goes on with --label-smoothing 0.1")
def resumes_with_any(folder):
    smoothing(folder, free=True)


@edited("05.11", "for no --label-smoothing")
def always_on(folder):
    smoothing(folder, option=OPTION.replace("default=0.0", "default=0.1"))


@edited("05.11", "the training loss is")
def half_of_it(folder):
    smoothing(folder, loss="label_smoothing=smoothing / 2")


@edited("05.11", "without the option the program ends with 1")
def needed(folder):
    smoothing(folder, option=OPTION.replace("default=0.0", "default=None"))


wrong("05.11", "there is no going_modular/train.py", Path("nowhere"))
wrong("05.11", "expected the folder", lambda folder: folder)


# ------------------------------------------------------ 05.C, a program for the lost property office


def example() -> str:
    """The program of the solutions notebook."""
    from stored import ROOT, code_cells, read

    cells = code_cells(read(ROOT / "notebooks" / "solutions" / "05_going_modular.ipynb"))
    (source,) = (c.source for c in cells if c.source.startswith("PROGRAM = r'''"))
    return source.split("'''")[1]


class Program(os.PathLike):
    """A file with the program, some of its lines changed, made when somebody asks for it."""

    def __init__(self, name, *changes):
        self.__name__, self.changes, self.made = name, changes, None

    def __fspath__(self):
        if self.made is None:
            self.made, text = tempfile.TemporaryDirectory(), example()
            for old, new in self.changes:
                assert text.count(old) == 1, old
                text = text.replace(old, new)
            Path(self.made.name, "office.py").write_text(text, encoding="utf-8")
        return os.path.join(self.made.name, "office.py")


def office(words, name, *changes):
    program = Program(name, *changes)
    right("05.C", program, seconds=25) if words is None else wrong("05.C", words, program, seconds=15)


LINEAR = "return nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, num_kinds))\n    last = "
ADAM = "torch.optim.AdamW(model.parameters(), lr=0.005, weight_decay=0.05)"
SGD = "torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)"
SAVE = "        write_whole(file, buffer.getvalue())\n"
office(None, "another_network", ("last = ", LINEAR), (ADAM, SGD))
office(
    None, "saves_beside_and_renames",
    ('"kinds": kinds}, buffer)', '"kinds": kinds}, file.with_suffix(".new"))'),
    (SAVE, '        os.replace(file.with_suffix(".new"), file)\n'),
)  # fmt: skip
office("where does it go on", "begins_anew", ("if file.exists():", "if False:"))
office(
    "the weights are not those",
    "without_the_optimizer",
    ("in parts.items():\n            part.load", 'in [("model", model)]:\n            part.load'),
)
office(
    "the weights are not those",
    "another_order",
    ("generator=torch.Generator().manual_seed(epoch))", "generator=None)"),
)
office(
    "the same command again ends with 1",
    "saves_in_place",
    ('"kinds": kinds}, buffer)', '"kinds": kinds}, file)'),
    (SAVE, ""),
)
office(
    "where does it go on",
    "saves_at_the_end",
    (
        "        buffer = io.BytesIO()\n",
        "        if epoch + 1 < EPOCHS:\n            continue\n        buffer = io.BytesIO()\n",
    ),
)
office(
    "it claims",
    "split_by_photo",
    ('torch.tensor([row["item"] in held for row in rows])', "torch.arange(len(rows)) % 4 == 0"),
)
office(
    "it claims",
    "judged_on_training",
    ("(prepare(X_val)).argmax(dim=1) == y_val", "(prepare(X)).argmax(dim=1) == y"),
)
office(
    "wanted exit code 1 and one line",
    "a_traceback",
    ("except (OSError, ValueError) as error:", "except KeyError as error:"),
)
office("ends with 0", "nobody_hears_of_bad_files", ("return 1 if bad else 0", "return 0"))
office(
    "without exactly three columns",
    "joined",
    (
        'table.writerow([path, state["kinds"][k], f"{prob.item():.4f}"])',
        'print(path, state["kinds"][k], f"{prob.item():.4f}", sep=",")',
    ),
)
office("it is right about", "never_trained", ("lr=0.005", "lr=0.0"))
wrong("05.C", "there is no file", "nowhere.py")
wrong("05.C", "expected the file of your program", lambda program: program)
