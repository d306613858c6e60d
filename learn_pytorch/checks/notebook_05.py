"""Checks for the exercises of 05_going_modular."""

import argparse
import contextlib
import copy
import csv
import functools
import io
import json
import math
import tempfile
from pathlib import Path

import torch
from torch import nn

from learn_pytorch.exercises import NotYet, exercise, fresh_generator, require, run, same


def _quietly(answer, *args, case: str = ""):
    """``run`` without what the answer (or argparse) writes to the terminal."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return run(answer, *args, case=case)


def _outcome(answer, expected, *args, case: str = "") -> str:
    """``"raised"`` for one of the expected errors, ``"left"`` for an exit, else ``"returned"``."""

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


def _function(answer) -> None:
    """Requires something that can be called."""
    require(callable(answer), f"expected a function, got {type(answer).__name__}")


@exercise("05.1", "Find the bug: a flag that is always on")
def check_flag(answer):
    """The flag is on when it is given, off when not; `--augment False` never switches it on."""
    for argv, want in (
        ([], False),
        (["--augment"], True),
        (["--lr", "0.01", "--augment"], True),
        (["--lr", "0.01"], False),
    ):
        case = f"the arguments {' '.join(argv)!r}" if argv else "no arguments"
        _function(answer)
        left = _outcome(answer, (), argv, case=case) == "left"
        alone = argv[-1:] == ["--augment"]
        require(not (left and alone), f"--augment without a value is refused, for {case}")
        require(not left, f"these arguments are refused, for {case}")
        got = _quietly(answer, argv, case=case)
        fields = isinstance(got, argparse.Namespace) and {"augment", "lr"} <= set(vars(got))
        require(fields, f"expected the namespace of parse_args with augment and lr, for {case}")
        require(got.augment is want, f"augment is {got.augment!r}, for {case}")
        same(got.lr, 0.01 if "--lr" in argv else 0.001, case=f"lr, {case}")
    for argv in (["--augment", "False"], ["--augment", "maybe"]):
        case = f"the arguments {' '.join(argv)!r}"
        if _outcome(answer, (), argv, case=case) == "returned":
            on = _quietly(answer, argv, case=case).augment
            require(on is False, f"augment is {on!r}, for {case}")


@exercise("05.2", "A number that makes sense")
def check_positive_int(answer):
    """Whole numbers from 1 up; anything else raises what argparse understands."""
    for text in ("1", "32", "100000", str(int(torch.randint(2, 10**6, (), generator=fresh_generator())))):
        got = run(answer, text, case="a positive whole number")
        same(got, int(text), case="a positive whole number")
        require(isinstance(got, int), "a float, with which range() fails, for a positive whole number")
    errors = (argparse.ArgumentTypeError, ValueError, TypeError)
    for text in ("0", "-3", "2.5", "many", ""):
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

    rows = [("c.png", "sushi"), ("dinner, late.png", "pizza"), ("a.png", "steak"), ("b.png", "pizza")]
    g = fresh_generator()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "labels.csv"
        with open(table, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("file", "dish"), *rows])
        case = "four photographs that do not exist yet"
        opened = _outcome(answer, FileNotFoundError, table, 8, case=case) == "raised"
        require(not opened, "a photograph is opened when the data set is made, not when it is asked for")
        data = run(answer, table, 8, case=case)
        whole = all(hasattr(data, name) for name in ("__len__", "__getitem__"))
        require(whole, "the result is no data set")
        require(run(data.__len__, case="len(data)") == 4, "len(data) is wrong, for a table of four files")
        classes = getattr(data, "classes", None)
        require(classes is not None, "the attribute classes is missing")
        want = ["pizza", "steak", "sushi"]
        require(sorted(classes) == want, f"classes is {classes!r}, for a file name that holds a comma")
        require(list(classes) == want, f"classes is {classes!r}, which is not sorted")
        for i, (name, _) in enumerate(rows):
            shape = (6 + i, 12) if i == 2 else (6 + i, 12, 3)  # one of them is grey
            pixels = torch.randint(0, 256, shape, generator=g, dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(Path(folder) / name)
        for i, (name, dish) in enumerate(rows):
            case = f"the file {name!r}"
            got = run(data.__getitem__, i, case=case)
            pair = isinstance(got, tuple) and len(got) == 2 and isinstance(got[0], torch.Tensor)
            require(pair, f"expected a pair of a tensor and a class number, for {case}")
            with Image.open(Path(folder) / name) as image:
                image = image.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
            want = torch.from_numpy(np.array(image)).permute(2, 0, 1)
            require(got[0].dtype == torch.uint8, f"the dtype is {got[0].dtype}, wanted uint8, for {case}")
            shape = tuple(got[0].shape)
            require(shape == (3, 8, 8), f"the shape is {shape}, wanted (3, 8, 8), for {case}")
            require(torch.equal(got[0], want), f"other pixels than those of the resized image, for {case}")
            same(got[1], ["pizza", "steak", "sushi"].index(dish), case=f"the class of {case}")


class Interrupted(Exception):
    """What the check raises in the middle of writing."""


@exercise("05.4", "Whole or not at all")
def check_whole_or_not_at_all(answer):
    """The old file or the new one under the final name, whatever happens meanwhile; nothing is left over."""
    _function(answer)
    new = bytes(torch.randint(0, 256, (5000,), generator=fresh_generator(), dtype=torch.uint8).tolist())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.pt"
        during = {}

        def write(file, stop=False):
            file.write(new[:2500])
            file.flush()
            during["path"] = path.read_bytes() if path.exists() else None
            name = getattr(file, "name", None)  # bytes in memory have none, a descriptor has a number
            during["beside"] = (
                not isinstance(name, str) or Path(name).resolve().parent == path.resolve().parent
            )
            if stop:
                raise Interrupted("the disk is full")
            file.write(new[2500:])

        for old, stop in ((None, False), (b"the old file", False), (b"the old file", True), (None, True)):
            case = (
                f"{'an old file' if old else 'no file yet'} and {'an error half-way' if stop else 'no error'}"
            )
            path.unlink(missing_ok=True)
            if old:
                path.write_bytes(old)
            during.clear()
            identity = path.stat().st_ino if old else None
            if stop:
                outcome = _outcome(answer, Interrupted, functools.partial(write, stop=True), path, case=case)
            else:
                got = run(answer, write, path, case=case)
                require(
                    isinstance(got, (str, Path)) and Path(got) == path, f"path is to be returned, for {case}"
                )
            require("path" in during, f"write was not called, for {case}")
            require(during["path"] == old, f"half-written data already has the final name, for {case}")
            require(during["beside"], f"the unfinished file lies in another folder, for {case}")
            now = path.read_bytes() if path.exists() else None
            require(now == (old if stop else new), f"the file does not hold what it should, for {case}")
            copied = old and not stop and path.stat().st_ino == identity
            require(not copied, f"copied into the old file: copying can be interrupted too, for {case}")
            names = [p for p in Path(folder).iterdir() if p != path]
            require(not names, f"an unfinished file is left over, for {case}")
            require(not stop or outcome == "raised", f"nobody learns of the error, for {case}")


@exercise("05.5", "A share for every process")
def check_shares(answer):
    """Every sample belongs to one process, and the shares differ by one at most."""
    for n, world_size in ((10, 2), (11, 4), (3, 4), (5, 4), (50, 8), (300, 7), (0, 2), (8, 1)):
        case = f"{n} samples and {world_size} processes"
        shares = []
        for rank in range(world_size):
            got = run(answer, n, rank, world_size, case=case)
            got = got.tolist() if isinstance(got, torch.Tensor) else got
            listed = isinstance(got, (list, tuple, range))
            require(listed, f"expected a list of positions, got {type(got).__name__}, for {case}")
            whole = all(isinstance(i, int) and 0 <= i < n for i in got)
            require(whole, f"a share holds something that is no position from 0 to n - 1, for {case}")
            shares.append(list(got))
        seen = [i for share in shares for i in share]
        require(len(set(seen)) == n, f"some samples belong to nobody, for {case}")
        require(len(seen) == n, f"some samples belong to two processes, for {case}")
        sizes = [len(share) for share in shares]
        require(max(sizes) - min(sizes) <= 1, f"the shares have the sizes {sizes}, for {case}")


@exercise("05.6", "Find the bug: a mean over processes")
def check_mean_over_processes(answer):
    """The mean over all images, also with a process that has seen none."""
    g = fresh_generator()
    for counts in ((8, 8), (75, 74, 1), (5,), (6, 0, 3)):
        case = f"shares of {', '.join(map(str, counts))} images"
        losses = [torch.rand(n, generator=g).double() + k for k, n in enumerate(counts)]
        if len(counts) == 2:
            losses[1].zero_()  # a process may have got everything right
        parts = tuple((part.mean().item(), len(part)) for part in losses)  # the mean of nothing is NaN
        got = run(answer, parts, case=case)
        want = torch.cat(losses).mean().item()
        if isinstance(got, float) and not math.isclose(got, want, rel_tol=1e-6):
            require(got == got, f"NaN: a process without images has a mean that is no number, for {case}")
            means = [m for m, n in parts if n]
            plain = any(math.isclose(got, sum(means) / k) for k in (len(means), len(parts)))
            require(not plain, f"every process counts the same, whatever it has seen, for {case}")
            total = math.isclose(got, sum(m * n for m, n in parts if n))
            require(not total, f"this is the sum over all images, not their mean, for {case}")
        same(got, want, case=case)


@exercise("05.7", "The lines worth keeping")
def check_lines_worth_keeping(answer):
    """The epochs up to the checkpoint's, without a line that is cut off."""
    losses = torch.rand(6, generator=fresh_generator()).tolist()
    records = [{"epoch": k + 1, "loss": loss} for k, loss in enumerate(losses)]
    lines = [json.dumps(record) for record in records]
    for text, epoch, want, case in (
        (lines, 6, records, "six whole lines and a checkpoint of epoch 6"),
        (lines, 4, records[:4], "six lines and a checkpoint of epoch 4"),
        ([*lines[:4], lines[4][:9]], 4, records[:4], "a last line that is cut off"),
        (lines, 0, [], "no checkpoint, epoch 0"),
        ([], 0, [], "an empty file"),
        (lines[2:], 4, records[2:4], "a file that begins with epoch 3"),
        ([*lines[:2], "", *lines[2:]], 3, records[:3], "a file with an empty line"),
    ):
        got = run(answer, list(text), epoch, case=case)
        kinds = isinstance(got, list) and all(isinstance(r, dict) and "epoch" in r for r in got)
        require(kinds, f"expected a list of dictionaries, for {case}")
        epochs, wanted = [r["epoch"] for r in got], [r["epoch"] for r in want]
        require(epochs == wanted, f"the epochs {epochs} are kept, for {case}")
        require(got == want, f"the epochs are right, the values are not, for {case}")


@exercise("05.8", "Find the bug: the best weights that were not")
def check_best_weights(answer):
    """A copy of the weights of the best epoch, buffers included."""
    g = fresh_generator()
    for scores, best in (([0.3, 0.8, 0.5], 1), ([0.2, 0.4, 0.9], 2), ([0.7, 0.7, 0.1], 0), ([0.0], 0)):
        case = f"the accuracies {', '.join(map(str, scores))}"
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        after = []

        def train_one(model, after=after):
            with torch.no_grad():
                for value in model.state_dict().values():
                    value.copy_(10 * torch.rand(value.shape, generator=g) + 1)
            after.append(copy.deepcopy(model.state_dict()))

        # The score of the epoch that was trained last.
        got = run(
            answer, model, train_one, lambda model, s=scores, a=after: s[len(a) - 1], len(scores), case=case
        )
        require(len(after) == len(scores), f"{len(after)} epochs were trained, for {case}")
        wanted = set(model.state_dict())
        require(isinstance(got, dict) and set(got) == wanted, f"expected a state dict, for {case}")
        tensors = all(isinstance(v, torch.Tensor) for v in got.values())
        require(tensors, f"expected a state dict with tensors, for {case}")

        def equals(state, got=got):
            return all(torch.equal(got[k].detach(), v) for k, v in state.items())

        last = equals(after[-1]) and best != len(scores) - 1
        require(not last, f"these are the weights of the last epoch, not of the best, for {case}")
        found = [k for k, state in enumerate(after) if equals(state)]
        require(found, f"these are the weights of no epoch: are all the entries copied, for {case}?")
        require(found == [best], f"these are the weights of epoch {found[0]} (counted from 0), for {case}")


@exercise("05.9", "A table that survives commas")
def check_table(answer):
    """A table that a CSV reader reads as it was meant, with quotes and line breaks in names."""
    g = fresh_generator()
    classes = ["pizza", "steak, well done", "sushi"]
    for paths, case in (
        (["a.jpg", "b.jpg"], "two images"),
        (["dinner, late.jpg", 'the "best".jpg', "two\nlines.jpg"], "file names with commas and quotes"),
        ([], "no images"),
    ):
        logits = torch.rand(len(paths), 3, generator=g)
        logits[::2, 1] += 2  # the class with a comma
        logits[1::2, 0] += 2
        logits[:1, 1] += 100  # a probability of 1.0000
        got = run(answer, paths, logits, classes, case=case)
        require(isinstance(got, str), f"expected text, got {type(got).__name__}, for {case}")
        rows = list(csv.reader(io.StringIO(got, newline="")))
        require(
            rows[:1] == [["path", "class", "probability"]], f"the first line is not the header, for {case}"
        )
        rows = [row for row in rows[1:] if row]
        widths = all(len(row) == 3 for row in rows)
        require(widths, f"a program that reads this finds a row without exactly three columns, for {case}")
        require(len(rows) == len(paths), f"{len(rows)} rows for {len(paths)} paths, for {case}")
        probs, preds = logits.softmax(dim=1).max(dim=1) if len(paths) else (logits[:, 0], logits[:, 0])
        for row, path, prob, k in zip(rows, paths, probs.tolist(), preds.tolist(), strict=True):
            require(row[0] == path, f"a path reads differently afterwards, for {case}")
            require(row[1] == classes[int(k)], f"a class is not the one with the largest logit, for {case}")
            with contextlib.suppress(ValueError):
                require(abs(float(row[2])) <= 1, f"a probability is larger than 1, for {case}")
            digits = len(row[2].partition(".")[2]) == 4
            require(digits, f"a probability has not four decimals, for {case}")
            near = abs(float(row[2]) - prob) < 1e-3
            require(near, f"a probability is not that of the softmax, for {case}")


@exercise("05.10", "One gradient from several pieces")
def check_accumulated_gradient(answer):
    """The gradient of the whole batch, from pieces of unequal size."""
    g = fresh_generator()
    for sizes in ((8,), (4, 4), (5, 2, 1), (1, 1, 6)):
        case = f"pieces of {', '.join(map(str, sizes))} samples"
        X, y = torch.randn(sum(sizes), 4, generator=g), torch.randint(0, 3, (sum(sizes),), generator=g)
        model, loss_fn = nn.Linear(4, 3), nn.CrossEntropyLoss()
        wanted = torch.autograd.grad(loss_fn(model(X), y), list(model.parameters()))
        model.weight.grad = torch.full((3, 4), 7.0)  # left over from the step before
        pieces = list(zip(X.split(sizes), y.split(sizes), strict=True))
        got = run(answer, model, loss_fn, pieces, case=case)
        whole = loss_fn(model(X), y).item()
        grads = [p.grad for p in model.parameters()]
        require(all(p is not None for p in grads), f"a parameter has no gradient afterwards, for {case}")
        weight, want = grads[0].detach(), wanted[0]
        if not torch.allclose(weight, want, atol=1e-5):
            old = torch.allclose(weight - 7, want, atol=1e-4)
            require(not old, f"the gradient of the step before is still in there, for {case}")
            means = [torch.autograd.grad(loss_fn(model(a), b), model.weight)[0] for a, b in pieces]
            total = torch.stack(means).sum(dim=0)
            require(not torch.allclose(weight, total, atol=1e-5), f"too large: a sum of means, for {case}")
            plain = torch.allclose(weight, total / len(pieces), atol=1e-5)
            require(not plain, f"a sample of a small piece counts more than others, for {case}")
            last = torch.allclose(weight, means[-1], atol=1e-5)
            require(not last, f"this is the gradient of the last piece alone, for {case}")
        for p, want in zip(grads, wanted, strict=True):
            same(p.detach(), want, case=case)
        same(got, whole, case=case, hint="the mean loss of all samples is to be returned")


def _two_steps(model, optimizer) -> None:
    """Two steps whose dropout masks come from the global random state."""
    for _ in range(2):
        loss = model(torch.ones(8, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@exercise("05.11", "Continue where you stopped")
def check_resumable_state(answer):
    """A state that torch.load reads safely and that continues as if nothing had happened."""

    def build():
        model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 1))
        return model, torch.optim.Adam(model.parameters(), lr=0.05)

    for epoch in (3, 12):
        case = f"a model after epoch {epoch}"
        torch.manual_seed(int(torch.randint(0, 10**6, (), generator=fresh_generator())))
        model, optimizer = build()
        _two_steps(model, optimizer)
        before = torch.get_rng_state()
        got = run(answer, model, optimizer, epoch, case=case)
        kept = torch.equal(torch.get_rng_state(), before)
        require(kept, f"your code changed PyTorch's random state, for {case}")
        require(isinstance(got, dict), f"expected a dictionary, got {type(got).__name__}, for {case}")
        for key in ("model", "optimizer", "random", "epoch"):
            require(key in got, f"the entry {key!r} is missing, for {case}")
        file = io.BytesIO()
        torch.save(got, file)
        file.seek(0)
        try:
            state = torch.load(file, weights_only=True)
        except Exception:
            raise NotYet(f"torch.load with weights_only=True refuses the file, for {case}") from None
        _two_steps(model, optimizer)  # the uninterrupted run goes on
        other, other_optimizer = build()
        for part, load in (
            ("model", other.load_state_dict),
            ("optimizer", other_optimizer.load_state_dict),
            ("random", torch.set_rng_state),
        ):
            try:
                load(state[part])
            except Exception:
                raise NotYet(f"the entry {part!r} cannot be loaded, for {case}") from None
        same(state["epoch"], epoch, case=case)
        kept = bool(other_optimizer.state_dict()["state"])
        require(kept, f"the optimizer's state is empty: Adam begins anew, for {case}")
        _two_steps(other, other_optimizer)
        equal = all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
        require(equal, f"after the same two steps the weights differ, for {case}")
