"""Checks for the exercises of notebook 05, programs that are killed: what is left, and how it goes on."""

import contextlib
import errno
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from learn_pytorch.exercises import exercise, require, run


class _Interrupted(Exception):
    """What the check raises in the middle of writing."""


_RENAMING = ("rename", "replace", "link")


@contextlib.contextmanager
def _disk_elsewhere(folder: str):
    """Inside, everything outside ``folder`` lies on another disk: renaming cannot cross over."""

    def guarded(real):
        def rename(src, dst, **how):
            inside = [Path(os.fspath(p)).resolve().is_relative_to(Path(folder).resolve()) for p in (src, dst)]
            if inside[0] != inside[1]:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            return real(src, dst, **how)

        return rename

    with contextlib.ExitStack() as stack:
        for name in _RENAMING:
            if hasattr(os, name):
                stack.enter_context(mock.patch.object(os, name, guarded(getattr(os, name))))
        yield


def _content(path: Path):
    """What somebody finds there who comes now: None for nothing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


class _Observer:
    """Looks at two files before and after each call of a function, Python's own or not.

    What is on the disk at such a moment is what a process leaves behind that is killed then: what it
    has not handed to the system is lost, what it has is there.
    """

    def __init__(self, *paths: Path):
        self.paths, self.found, self.busy = paths, {}, False

    def look(self, name: str) -> None:
        if not self.busy:
            self.busy = True
            try:
                self.found.setdefault(tuple(map(_content, self.paths)), name)
            finally:
                self.busy = False

    def _event(self, frame, event, arg):
        # What the learner's function calls, and what that calls in turn, but not the check's own.
        name = arg.__name__ if event.startswith("c_") else frame.f_code.co_name
        if frame.f_code.co_filename != __file__ or name in _RENAMING:
            self.look("close" if name == "__exit__" else name)

    @contextlib.contextmanager
    def on(self):
        before = sys.getprofile()
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(before)


def _save(answer, folder: Path, contents: list, present: int, error, case: str) -> None:
    """Saves once, with so many files there already, and requires whole ones at every moment."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    path, kept, (older, old, new) = folder / "last.pt", folder / "last.pt.old", contents
    if present:
        path.write_bytes(old)
    if present > 1:
        kept.write_bytes(older)
    first = _content(path), _content(kept)
    observer, outcome, leftover, calls = _Observer(path, kept), [], {}, []

    def write(file, error=error):
        calls.append(file)
        file.write(new[:1000])
        file.write(new[1000:2500])
        file.flush()
        observer.look("write")
        leftover.update({p.name: _content(p) for p in folder.iterdir() if p.is_file()})
        if error is not None:
            raise error
        file.write(new[2500:])

    def save():
        try:
            with observer.on():
                outcome.append(answer(write, path))
        except (_Interrupted, KeyboardInterrupt) as problem:
            outcome.append(problem)
        return "done"

    save.__wrapped__ = answer  # whose lines are quoted when something else is raised
    run(save, case=case)
    observer.look("everything")
    require(calls, f"write was not called, for {case}")
    possible = {path: {first[0], new}, kept: {first[1], first[0]} if present else {None}}
    for found, moment in observer.found.items():
        killed = f"killed at `{moment}`"
        for place, value in zip((path, kept), found, strict=True):
            gone = value is None and None not in possible[place]
            require(not gone, f"{killed}, it leaves nothing at {place.name}, for {case}")
            whole = value is None or value in contents
            require(whole, f"{killed}, it leaves a file at {place.name} that is not whole, for {case}")
            fits = value in possible[place]
            require(fits, f"{killed}, it leaves the wrong one of the files at {place.name}, for {case}")
    ending = _content(path), _content(kept)
    if error is not None:
        require(outcome == [error], f"nobody learns of the error, for {case}")
        require(ending == first, f"afterwards the two files are not what they were before, for {case}")
    else:
        require(ending[0] == new, f"the file does not hold what was written, for {case}")
        right = ending[1] == (first[0] if present else None)
        require(right, f"{kept.name} does not hold what {path.name} held before, for {case}")
        good = isinstance(outcome[0], (str, Path)) and Path(outcome[0]) == path
        require(good, f"path is to be returned, for {case}")
    names = sorted(p.name for p in folder.iterdir() if p not in (path, kept))
    require(not names, f"an unfinished file is left over, for {case}")
    if error is None:
        for name, value in leftover.items():  # as a process leaves it that is killed while it writes
            (folder / name).write_bytes(value)
        case = f"the save after one that was killed, {case}"
        run(answer, lambda file: file.write(new), path, case=case)
        require(_content(path) == new, f"nothing new is at {path.name}, for {case}")


@exercise("05.4", "Whole, and the old one kept")
def check_whole(answer):
    """Whatever happens, and at any moment: whole files under both names, or none where there was none."""
    require(callable(answer), f"expected a function, got {type(answer).__name__}")
    contents = [bytes(random.randrange(256) for _ in range(5000)) for _ in range(3)]
    with tempfile.TemporaryDirectory() as folder, _disk_elsewhere(folder):
        for present, error in (
            (0, None),
            (2, None),
            (1, None),
            (2, _Interrupted("the disk is full")),
            (0, _Interrupted("the disk is full")),
            (2, KeyboardInterrupt()),
        ):
            said = {2: "a file and an older one", 1: "a file and no older one", 0: "no file yet"}[present]
            how = "no error" if error is None else f"{'Ctrl-C' if error.args == () else 'an error'} half-way"
            _save(answer, Path(folder), contents, present, error, f"{said}, and {how}")


# ------------------------------------------------------------------------------ 05.8, a run that goes on


class _Counting(nn.Module):
    """Knows how many epochs it has been trained; its weights are the random numbers that it has seen."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))


class _Parts:
    """Makes a model, an optimizer and a schedule; trains, validates, and notes what it sees."""

    def __init__(self, losses: list[float]):
        self.losses, self.seen = losses, []

    def make(self):
        torch.manual_seed(0)
        self.model = _Counting()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=2, gamma=0.5)
        return self.model, self.optimizer, schedule

    def train_epoch(self, model, optimizer):
        noise, rate = torch.rand(3), optimizer.param_groups[0]["lr"]
        steps = optimizer.state_dict()["state"].get(0, {}).get("step", torch.zeros(()))
        self.seen.append((int(model.epochs), rate, noise.tolist(), int(steps)))
        optimizer.zero_grad()
        (model.weight * noise).sum().backward()
        optimizer.step()
        model.epochs += 1

    def validate(self, model):
        return self.losses[min(int(model.epochs), len(self.losses)) - 1]


def _trained(answer, file: Path, epochs: int, losses, case: str):
    """A run in what is a new process: a random state of its own, new parts."""
    parts = _Parts(losses)
    torch.seed()
    got = run(answer, file, parts.make, parts.train_epoch, parts.validate, epochs, case=case)
    good = isinstance(got, (tuple, list)) and len(got) == 2
    require(good, f"expected two things, the model and the list of losses, for {case}")
    model, history = got
    require(isinstance(model, _Counting), f"the first result is not the model, for {case}")
    return model, history, parts.seen


@exercise("05.8", "Find the bug: resumed, and not the same")
def check_resumed(answer):
    """A run in pieces is the run in one piece: epochs, rates, random numbers, and the best weights."""
    for losses, stops in (
        ([0.9, 0.5, 0.7, 0.4, 0.6, 0.8], (3, 6)),
        ([0.9, 0.2, 0.7, 0.4, 0.6, 0.8], (4, 6)),  # the best epoch is over when the run is killed
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], (1, 2, 5, 6)),
        ([0.5, 0.4, 0.4, 0.6], (2, 4)),
        ([0.5, 0.4, 0.6], (3, 3)),
    ):
        pieces = ", then ".join(map(str, stops))
        whole, case = len(losses), f"validation losses {', '.join(map(str, losses))}"
        best = losses.index(min(losses)) + 1
        with tempfile.TemporaryDirectory() as folder:
            straight = _trained(answer, Path(folder) / "straight.pt", whole, losses, case)
            model, history, seen = straight
            require(len(seen) == whole, f"{len(seen)} epochs are trained and not {whole}, for {case}")
            require(list(history) == losses, f"the losses returned are {history}, for {case}")
            cause = "a state dict holds the model's own tensors, and training goes on changing them"
            at = int(model.epochs)
            message = (
                f"epoch {best} has the lowest loss, and the model returned is that of epoch {at}, for {case}"
            )
            require(at == best, message, cause)
            where = f"{case}, up to epoch {pieces}"
            seen = []
            for stop in stops:
                own = _trained(answer, Path(folder) / "pieces.pt", stop, losses, where)
                seen += own[2]
            numbers = [s[0] + 1 for s in seen]
            cause = "`epoch` begins with 0: in the file it has to say how many are done"
            order = numbers == list(range(1, whole + 1))
            require(order, f"the epochs that are trained are {numbers}, for {where}", cause)
            require(list(own[1]) == losses, f"the losses returned are {own[1]}, for {where}")
            for k, (one, other) in enumerate(zip(straight[2], seen, strict=True)):
                steps = "the optimizer begins anew: its own state has not come along"
                require(one[3] == other[3], f"in epoch {k + 1} {steps}, for {where}")
                cause = "the schedule counts epochs too, and nobody has saved its state"
                rates = f"the learning rate is {other[1]:g}, and {one[1]:g} in a run that nobody stops"
                require(abs(one[1] - other[1]) < 1e-9, f"in epoch {k + 1} {rates}, for {where}", cause)
                cause = "random numbers go on from a state, and a new process begins with another one"
                noise = "the order of the images is another one than in a run that nobody stops"
                require(one[2] == other[2], f"in epoch {k + 1} {noise}, for {where}", cause)
            at, cause = int(own[0].epochs), "the best weights so far are forgotten when the program starts"
            message = (
                f"epoch {best} has the lowest loss, and the model returned is that of epoch {at}, for {where}"
            )
            require(at == best, message, cause)
            equal = torch.equal(own[0].weight, straight[0].weight)
            require(equal, f"the weights are not those of a run that nobody stops, for {where}")
