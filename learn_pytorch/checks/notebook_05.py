"""Checks for the exercises of 05_going_modular."""

import argparse
import contextlib
import csv
import functools
import io
import json
import math
import random
import tempfile
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from learn_pytorch.exercises import NotYet, exercise, fresh_generator, require, run, same
from learn_pytorch.spies import Graphs


def _quietly(answer, *args, case: str = "", **how):
    """``run`` without what the answer (or argparse) writes to the terminal."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return run(answer, *args, case=case, **how)


def _outcome(answer, expected, *args, case: str = "") -> str:
    """``"raised"`` for one of the expected errors, ``"left"`` for an exit, else ``"returned"``."""
    require(callable(answer), f"expected a function, got {type(answer).__name__}")

    @functools.wraps(answer, updated=())  # so that other errors are reported with the learner's own line
    def call():
        try:
            answer(*args)
        except expected:
            return "raised"
        except SystemExit:
            return "left"
        return "returned"

    return _quietly(call, case=case)


DEFAULTS = {"lr": 0.002, "epochs": 16, "seed": 42, "augment": False}
_SETTINGS = {  # what a setting shows that is not what it should be: the symptom, and the cause
    "file": (
        "the file asks for {0} = {1}, and the run is one with {0} = {2}",
        "what nobody typed looks as if it had been typed: which value has an option then?",
    ),
    "seed": (
        "`--seed 0` gives the weights of seed {2}",
        "an `if` takes a number that is 0 for something that is not there",
    ),
    "False": (
        "`--augment False` mirrors the images",
        "a type is a function that is called with the text, and bool('False') is True",
    ),
    "other": (
        "nobody asks for another {0}, and it is {2}",
        "a run before this one, in the same process, has changed the dictionary of the defaults",
    ),
    "typed": ("{0} = {1} was asked for on the command line, and it is {2}", "what is typed comes last"),
}


@exercise("05.1", "Find the bug: settings from two places")
def check_settings(answer):
    """Defaults, then the file, then the command line; 0 and off are values like others."""
    own = {"epochs": 3, "lr": 0.01}
    drawn = {"lr": round(random.uniform(0.02, 0.09), 4), "epochs": random.randint(4, 9)}
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "own": own,
            "drawn": drawn,
            "on": {"augment": True, "lr": 0.5},
            "seeded": {"seed": 7},
            "off": {"lr": 0.0},
        }
        for name, content in files.items():
            files[name] = ["--config", str(Path(folder) / f"{name}.json")]
            Path(files[name][1]).write_text(json.dumps(content), encoding="utf-8")
        for argv, change, kind in (
            ([], {}, "typed"),
            (files["own"], own, "file"),
            (files["drawn"], drawn, "file"),
            (["--lr", "0.25", "--epochs", "3"], {"lr": 0.25, "epochs": 3}, "typed"),
            ([*files["own"], "--epochs", "1"], {**own, "epochs": 1}, "typed"),
            (["--epochs", "16", *files["own"]], {**own, "epochs": 16}, "typed"),  # the default, but typed
            (["--seed", "0"], {"seed": 0}, "seed"),
            ([*files["seeded"], "--seed", "0", "--lr", "0"], {"seed": 0, "lr": 0.0}, "seed"),
            (files["off"], {"lr": 0.0}, "file"),
            (["--augment"], {"augment": True}, "typed"),
            (files["on"], {"augment": True, "lr": 0.5}, "file"),
            ([], {}, "other"),
        ):
            shown = " ".join(argv).replace(folder, "").replace("\\", "").replace("/", "") or "nothing"
            case = f"the command line {shown}"
            left = _outcome(answer, (), argv, case=case) == "left"
            cause = "an option without a value has an action instead of a type"
            require(not left, f"it ends with exit code 2, for {case}", cause)
            got = _quietly(answer, argv, case=case)
            whole = isinstance(got, dict) and got.keys() == DEFAULTS.keys()
            require(whole, f"expected a dictionary with the keys {', '.join(DEFAULTS)}, for {case}")
            for name, value in {**DEFAULTS, **change}.items():
                symptom, cause = _SETTINGS[kind if name in change else "other"]
                good = type(got[name]) is type(value) and got[name] == value
                require(good, f"{symptom.format(name, value, got[name])}, for {case}", cause)
        argv = ["--augment", "False"]
        if _outcome(answer, (), argv, case="--augment False") == "returned":
            off = _quietly(answer, argv, case="--augment False").get("augment") is False
            require(off, *_SETTINGS["False"])


@exercise("05.2", "An option of two numbers")
def check_size(answer):
    """(height, width) from 64 or 64x48; anything else raises what argparse understands."""
    width, height = random.sample(range(5, 4000), 2)
    for text, want in (
        ("64", (64, 64)),
        ("64x48", (48, 64)),
        ("4x4096", (4096, 4)),
        (f"{width}x{height}", (height, width)),
        (f"{width}", (width, width)),
    ):
        case = f"the text {text!r}"
        got = run(answer, text, case=case)
        require(isinstance(got, tuple), f"expected a tuple, got {type(got).__name__}, for {case}")
        turned = got == (want[1], want[0]) and want[0] != want[1]
        require(not turned, f"the height comes first in the result, for {case}")
        same(got, want, case=case)
    errors = (argparse.ArgumentTypeError, ValueError, TypeError)
    texts = ["0", "3", "4097", "64x3", "3x64", "64x5000", "64x", "x64", "x", "64x48x32", "64x48x"]
    for text in [*texts, "64.0", "2.5x8", "many", "", "-64", "-64x48", "64,48", "64 48"]:
        case = f"the text {text!r}"
        outcome = _outcome(answer, Exception, text, case=case)
        require(outcome != "left", f"the function ends the program itself: argparse does that, for {case}")
        require(outcome == "raised", f"accepted, for {case}")
        try:
            _outcome(answer, errors, text, case=case)
        except NotYet:  # it would become a traceback
            raise NotYet(f"raised an error of a kind that argparse does not catch, for {case}") from None


@exercise("05.3", "Labels in a table", methods=("__init__", "__len__", "__getitem__"))
def check_labelled(answer):
    """Images whose classes stand in a CSV file, opened when they are asked for."""
    import numpy as np  # here: the other exercises do without them
    from PIL import Image

    dishes = ["pizza", "steak, rare", "sushi"]
    rows = [("c.png", 2), ("dinner, late.png", 0), ("a.png", 1), ('the "best".png', 0)]
    g = fresh_generator()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        with open(table, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("file", "dish"), *((name, dishes[k]) for name, k in rows)])
        case = "four photographs that do not exist yet"
        opened = _outcome(answer, FileNotFoundError, table, 8, case=case) == "raised"
        require(not opened, "a photograph is opened when the data set is made, not when it is asked for")
        data = run(answer, table, 8, case=case)
        whole = all(hasattr(data, name) for name in ("__len__", "__getitem__"))
        require(whole, "the result is no data set")
        require(run(data.__len__, case="len(data)") == 4, "len(data) is wrong, for a table of four files")
        classes = getattr(data, "classes", None)
        require(isinstance(classes, (list, tuple)), "the attribute classes is missing, or no list")
        case = "a table with commas and quotes in names"
        require(sorted(classes) == dishes, f"classes is {classes!r}, for {case}")
        require(list(classes) == dishes, f"classes is {classes!r}, which is not sorted")
        for i, (name, _) in enumerate(rows):
            shape = (6 + i, 12) if i == 2 else (6 + i, 12, 3)  # one of them is grey
            pixels = torch.randint(0, 256, shape, generator=g, dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(Path(folder) / name)
        wanted = []
        for i, (name, k) in enumerate(rows):
            case = f"the file {name!r}"
            got = run(data.__getitem__, i, case=case)
            pair = isinstance(got, tuple) and len(got) == 2 and isinstance(got[0], torch.Tensor)
            require(pair, f"expected a pair of a tensor and a class number, for {case}")
            with Image.open(Path(folder) / name) as image:
                image = image.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
            wanted.append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
            require(got[0].dtype == torch.uint8, f"the dtype is {got[0].dtype}, wanted uint8, for {case}")
            shape = tuple(got[0].shape)
            require(shape == (3, 8, 8), f"the shape is {shape}, wanted (3, 8, 8), for {case}")
            right = torch.equal(got[0], wanted[-1])
            require(right, f"other pixels than those of the resized image, for {case}")
            same(got[1], k, case=f"the class of {case}")
        run(lambda: next(iter(DataLoader(data, batch_size=4))), case="a DataLoader")
        X, y = next(iter(DataLoader(data, batch_size=4)))
        good = torch.equal(X, torch.stack(wanted)) and y.tolist() == [k for _, k in rows]
        require(good, "item by item it is right, and a batch of a DataLoader is not")


@exercise("05.5", "A block for every process")
def check_blocks(answer):
    """Neighbours, in the order of the ranks, every position once; sizes differ by one at most."""
    drawn = [(random.randint(9, 400), random.randint(2, 12)) for _ in range(6)]
    for n, world_size in ((10, 2), (11, 4), (3, 4), (5, 4), (50, 8), (300, 7), (0, 2), (8, 1), *drawn):
        case = f"{n} files and {world_size} processes"
        blocks = []
        for rank in range(world_size):
            got = run(answer, n, rank, world_size, case=case)
            got = got.tolist() if isinstance(got, torch.Tensor) else got
            listed = isinstance(got, (list, tuple, range))
            require(listed, f"expected a list of positions, got {type(got).__name__}, for {case}")
            whole = all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < n for i in got)
            require(whole, f"a block holds something that is no position from 0 to n - 1, for {case}")
            blocks.append(list(got))
        seen = [i for block in blocks for i in block]
        require(len(set(seen)) == n, f"some files belong to nobody, for {case}")
        require(len(seen) == n, f"some files belong to two processes, for {case}")
        sizes = [len(block) for block in blocks]
        require(max(sizes) - min(sizes) <= 1, f"the blocks have the sizes {sizes}, for {case}")
        neighbours = all(block == list(range(block[0], block[0] + len(block))) for block in blocks if block)
        require(neighbours, f"the files of a block are not neighbours, for {case}")
        require(seen == list(range(n)), f"the first process has not the first files, for {case}")


def _reports(counts, g) -> tuple[list, dict]:
    """Reports of processes that have seen so many images, and the report of all."""
    C, every, reports = 3, [], []
    for k, n in enumerate(counts):
        losses = torch.randperm(n, generator=g) / max(n, 1) + k + 0.01
        if k == 1 and counts[0] > 3:
            losses = torch.zeros(n)  # one process has got everything right
        labels = torch.randint(0, 2 if k else C, (n,), generator=g)
        preds = (labels + (torch.rand(n, generator=g) < 0.3)) % C
        own = [(loss, f"{k}_{i}.jpg") for i, loss in enumerate(losses.tolist())]
        confusion = torch.bincount(C * labels + preds, minlength=C * C).reshape(C, C)
        mean = losses.double().mean().item()  # the mean of nothing is NaN
        worst = sorted(own, reverse=True)[:3]
        reports.append({"count": n, "loss": mean, "confusion": confusion, "worst": worst})
        every += own
    confusion = sum(report["confusion"] for report in reports)
    want = {
        "loss": sum(loss for loss, _ in every) / len(every),
        "accuracy": (confusion.diag().sum() / confusion.sum()).item(),
        "recall": confusion.diag() / confusion.sum(dim=1).clamp(min=1),
        "worst": sorted(every, reverse=True)[:3],
    }
    return reports, want


@exercise("05.6", "Find the bug: one report from many")
def check_merged(answer):
    """Numbers over all images, whoever has seen them; also with a process that has seen none."""
    g, made = torch.Generator().manual_seed(4), []
    for counts in ((75, 40, 1), (60, 0, 30), (40, 40), (30,), (0, 50), (8, 2, 2)):
        case = f"processes that have seen {', '.join(map(str, counts))} images"
        reports, want = _reports(counts, g)
        g = fresh_generator()  # the first one is always the same, so that one can look closely
        got = run(answer, reports, case=case, may_change=(0,))
        keys = isinstance(got, dict) and got.keys() == want.keys()
        require(keys, f"expected a dictionary with the keys {', '.join(want)}, for {case}")
        made.append((case, counts, reports, want, got))
    single = "one process alone, with all the images, says"
    for case, _, _, want, got in made:
        kind = type(got["loss"]).__name__
        require(kind == "float", f"expected a Python number as the loss, got {kind}, for {case}")
        cause = "a process without images has a mean that is no number, and its weight is 0"
        require(got["loss"] == got["loss"], f"the loss is nan, for {case}", cause)
        cause = "a process counts as much as another, however many images it has seen"
        message = f"the loss is {got['loss']:.3f}, and {single} {want['loss']:.3f}, for {case}"
        require(math.isclose(got["loss"], want["loss"], rel_tol=1e-4), message, cause)
    for case, _, _, want, got in made:
        same(got["accuracy"], want["accuracy"], case=f"the accuracy, {case}")
        recall = got["recall"]
        require(
            isinstance(recall, torch.Tensor) and recall.shape == (3,), f"no recall of 3 classes, for {case}"
        )
        off = torch.where(recall.isfinite(), (recall - want["recall"]).abs(), 2.0)
        k = int(off.argmax())
        message = (
            f"the recall of class {k} is {recall[k]:.2f}, and {single} {want['recall'][k]:.2f}, for {case}"
        )
        cause = "rows are true classes: recall divides by the sum of a row, if it is not 0"
        require(off[k] < 1e-4, message, cause)
    for case, _, _, want, got in made:
        worst = isinstance(got["worst"], list) and [tuple(pair) for pair in got["worst"]]
        cause = "the worst have the largest losses, and the very worst comes first"
        require(worst == want["worst"], f"the images that it calls the worst are not, for {case}", cause)
    for case, counts, reports, _, got in made:
        again = run(answer, reports, case=case, may_change=(0,))
        alike = math.isclose(again["loss"], got["loss"]) and torch.equal(again["recall"], got["recall"])
        alike = alike and [r["confusion"].sum().item() for r in reports] == list(counts)
        alike = alike and [len(r["worst"]) for r in reports] == [min(n, 3) for n in counts]
        cause = "`+=` writes into the tensor or list of the first report itself"
        message = "asked again about the same reports, it has seen more images than before"
        require(alike, f"{message}, for {case}", cause)


@exercise("05.7", "A log that was interrupted")
def check_torn_log(answer):
    """The last whole line of each epoch up to the checkpoint's, in order."""
    losses = [round(random.uniform(0.1, 2), 6) for _ in range(23)]
    records = [{"epoch": k + 1, "loss": v, "best": k % 3 == 0, "note": None} for k, v in enumerate(losses)]
    lines = [json.dumps(record) + "\n" for record in records]
    again = [{**r, "loss": r["loss"] + 1} for r in records]
    others = [json.dumps({"lr": 0.1, **r}) + "\n" for r in again]
    cut, other = lines[12][:18], lines[12][: random.randint(1, len(lines[12]) - 3)]
    for text, epoch, want, case in (
        (lines[:6], 6, records[:6], "six whole lines and a checkpoint of epoch 6"),
        (lines, 4, records[:4], "23 lines and a checkpoint of epoch 4"),
        (lines, 12, records[:12], "23 lines and a checkpoint of epoch 12"),
        ([*lines[:12], cut], 12, records[:12], f"a last line {cut!r}"),
        ([*lines[:12], other], 13, records[:12], "a last line that is cut off elsewhere"),
        ([*lines[:12], cut + lines[12], *lines[13:]], 15, [*records[:12], *records[13:15]],
         "a cut line with the next one behind it"),
        (lines, 0, [], "no checkpoint, epoch 0"),
        ([], 3, [], "an empty file"),
        (lines[8:], 11, records[8:11], "a file that begins with epoch 9"),
        ([*lines[:2], "\n", *lines[2:]], 3, records[:3], "a file with an empty line"),
        ([line.rstrip("\n") for line in lines[:5]], 4, records[:4], "lines without line ends"),
        ([*lines[:5], *others[3:7]], 6, [*records[:3], *({"lr": 0.1, **r} for r in again[3:6])],
         "epochs 4 and 5 written twice"),
        ([*lines[9:12], *lines[:3]], 11, [*records[:3], *records[9:11]], "a file in another order"),
    ):  # fmt: skip
        got = run(answer, list(text), epoch, case=case)
        kinds = isinstance(got, list) and all(isinstance(r, dict) and "epoch" in r for r in got)
        require(kinds, f"expected a list of dictionaries, for {case}")
        epochs, wanted = [r["epoch"] for r in got], [r["epoch"] for r in want]
        require(epochs == wanted, f"the epochs {epochs} are kept, for {case}")
        earlier = "the epochs are right, but of one that stands there twice it is not the later line"
        twice = "twice" in case
        require(got == want, earlier if twice else f"the epochs are right, the values are not, for {case}")


@exercise("05.9", "A table that survives commas")
def check_table(answer):
    """A table that a CSV reader reads as it was meant, with quotes and line breaks in names."""
    g = fresh_generator()
    classes = ["pizza", "steak, well done", "sushi"]
    for paths, case in (
        (["b.jpg", "c.jpg", "a.jpg", "d.jpg"], "four images"),
        (["dinner, late.jpg", 'the "best".jpg', "two\nlines.jpg", "7.jpg"], "names with commas and quotes"),
        (["one.jpg"], "one image"),
        ([], "no images"),
    ):
        n = len(paths)
        top = torch.tensor([1, 2, 0, 1])[:n]  # neither the paths nor these nor the numbers are in order
        # Four decimals, the last of them a 5: only the second is written shorter when it is rounded.
        steps = torch.randint(40, (n,), generator=g)
        probs = torch.tensor([0.7, 1.0, 0.45, 0.9])[:n] - 0.0005 - 0.001 * steps
        probs[1:2] = 1.0
        logits = ((1 - probs) / 2).clamp(min=1e-30).log()[:, None].expand(n, 3).clone()
        logits[torch.arange(n), top] = probs.log()
        shift = 5 * torch.randn(n, 1, generator=g)
        shift[:1] = shift[:1].abs() + 2  # a logit above 1 is no probability, whatever is drawn
        logits += shift
        got = run(answer, paths, logits, classes, case=case)
        require(isinstance(got, str), f"expected text, got {type(got).__name__}, for {case}")
        rows = list(csv.reader(io.StringIO(got, newline="")))
        header = rows[:1] == [["path", "class", "probability"]]
        require(header, f"the first line is not the header, for {case}")
        rows = [row for row in rows[1:] if row]
        widths = all(len(row) == 3 for row in rows)
        require(widths, f"a program that reads this finds a row without exactly three columns, for {case}")
        require(len(rows) == n, f"{len(rows)} rows for {n} paths, for {case}")
        read = [row[0] for row in rows]
        moved = read != paths and sorted(read) == sorted(paths)
        require(not moved, f"the rows stand in another order than the paths, for {case}")
        for row, path, prob, k in zip(rows, paths, probs.tolist(), top.tolist(), strict=True):
            require(row[0] == path, f"the path {path!r} reads {row[0]!r} afterwards, for {case}")
            require(row[1] == classes[k], f"a class is not the one with the largest logit, for {case}")
            with contextlib.suppress(ValueError):
                share = 0 <= float(row[2]) <= 1
                require(share, f"a probability is smaller than 0 or larger than 1, for {case}")
            digits = row[2].replace(".", "", 1).isdigit() and len(row[2].partition(".")[2]) == 4
            require(digits, f"a probability is written {row[2]!r}, not with four decimals, for {case}")
            value = float(row[2])
            close = abs(value - prob) < 1e-3
            require(close, f"a probability is not that of the softmax, for {case}")


_TOGETHER = (
    "cat",
    "concat",
    "concatenate",
    "stack",
    "vstack",
    "hstack",
    "row_stack",
    "pad_sequence",
    "block_diag",
)


def _odd_loss(preds, y):
    """A mean over samples that PyTorch has not got."""
    return (preds - y).abs().pow(1.5).mean()


@exercise("05.10", "One gradient from several pieces")
def check_accumulated_gradient(answer):
    """The gradient of the whole batch, from pieces of unequal size, one at a time in memory."""
    g = fresh_generator()
    for sizes in ((8,), (4, 4), (5, 2, 1), (1, 1, 6), (3, 1, 4, 1, 5)):
        case = f"pieces of {', '.join(map(str, sizes))} samples"
        X = torch.rand(sum(sizes), 1, generator=g)
        y = torch.rand(sum(sizes), 1, generator=g) + 2 * torch.arange(sum(sizes))[:, None]
        model = Graphs()
        parameters = list(model.line.parameters())
        before = [p.detach().clone() for p in parameters]
        pieces = list(zip(X.split(sizes), y.split(sizes), strict=True))
        losses = [_odd_loss(model.line(a), b) for a, b in pieces]
        means = [torch.autograd.grad(loss, parameters[0])[0] for loss in losses]
        whole = _odd_loss(model.line(X), y)
        wanted = torch.autograd.grad(whole, parameters)
        for p in parameters:
            p.grad = torch.full_like(p, 7.0)  # left over from the step before
        got = run(answer, model, _odd_loss, pieces, case=case, forbid=_TOGETHER)
        moved = not all(torch.equal(p, b) for p, b in zip(parameters, before, strict=True))
        require(not moved, f"the weights have moved: a gradient is asked for, not a step, for {case}")
        kept = all(p.requires_grad for p in parameters) and torch.is_grad_enabled()
        require(kept, f"the model cannot be trained any more, for {case}")
        grads = [p.grad for p in parameters]
        require(all(p is not None for p in grads), f"a parameter has no gradient afterwards, for {case}")
        sums = {a.sum().item() for a, _ in pieces}
        together = len(pieces) > 1 and any(s not in sums for s, _, _ in model.calls)
        require(not together, f"the model was given something else than one of the pieces, for {case}")
        alive = "the graphs of several pieces are in memory at once, as if they were one batch"
        require(model.most <= 1, f"{alive}, for {case}")  # that of the last one may still have a name
        weight, want = grads[0].detach(), wanted[0]
        if not torch.allclose(weight, want, rtol=1e-4):
            wrong = {
                "the gradient of the step before is still in there": want + 7,
                "too large: a sum of means": sum(means),
                "a sample of a small piece counts more than others": sum(means) / len(means),
                "this is the gradient of the last piece alone": means[-1],
            }
            for message, value in wrong.items():
                require(not torch.allclose(weight, value, rtol=1e-4), f"{message}, for {case}")
        for p, want in zip(grads, wanted, strict=True):
            same(p.detach(), want, case=f"the gradient, {case}")
        plain = isinstance(got, float) and abs(got - sum(loss.item() for loss in losses) / len(losses)) < 1e-5
        hint = "every piece counts the same in it" if plain else ""
        same(got, whole.item(), case=f"the loss that is returned, {case}", hint=hint)
