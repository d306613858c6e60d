"""A run's folder: files that are whole or not there, and how a run goes on."""

import io
import json
import math
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from going_modular.utils import UsageError


def write_file(path: Path, data: bytes) -> None:
    """Writes a file that is there completely or not at all, whenever it is killed.

    The bytes go into a file beside it and to the disk; only then it gets its name.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":  # the new name has to reach the disk too
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def load(path: Path) -> dict:
    """Loads what ``Run.save`` saved, onto the CPU; no code in the file is run."""
    data, right = io.BytesIO(path.read_bytes()), [False]
    try:
        with zipfile.ZipFile(data) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Torch packs nothing, so what is larger inside is not its own; and it does
            # not look at the archive's sums, which tell of a single bit that changed.
            size = sum(file.file_size for file in archive.infolist())
            if size < len(data.getvalue()) and archive.testzip() is None:
                data.seek(0)
                checkpoint = torch.load(data, map_location="cpu", weights_only=True)
                classes, weights = (
                    checkpoint["settings"]["classes"],
                    checkpoint["model"],
                )
                right = [len(set(classes)) == len(classes) > 1, type(classes) is list]
                right += [type(name) is str for name in classes]
                whole = checkpoint["epoch"], checkpoint["settings"]["image_size"]
                right += [type(number) is int and number >= 0 for number in whole]
                right += [type(checkpoint["best_loss"]) is float]
                right += [tensor.isfinite().all() for tensor in weights.values()]
                right += [(weights["0.std"] > 0).all(), checkpoint["best_loss"] >= 0]
    except pickle.UnpicklingError:
        raise ValueError(f"{path}: refused, it asks to run code") from None
    except Exception:  # what is raised depends on the byte that is wrong
        right = [False]
    if not all(right):
        raise ValueError(f"{path}: damaged, or no checkpoint of going_modular.train")
    return checkpoint


class Run:
    """How far a training is, and the folder that keeps it, locked for all others."""

    def __init__(self, out: Path, resume: bool, first: bool = True):
        self.last, self.best = out / "last.pt", out / "best.pt"
        self.results, self.config = out / "results.jsonl", out / "config.json"
        self.epoch, self.best_loss, self.first = 0, math.inf, first
        if not first:  # of several processes, one writes
            return
        out.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(out / ".train.lock")
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"{out}: another training is writing there") from None
        if self.last.exists() and not resume:
            raise UsageError(f"{out} holds a run: use --resume, or another --out")
        rest = [self.best, self.results, self.config]
        if not self.last.exists() and any(path.exists() for path in rest):
            raise UsageError(f"{out} holds files of another run: use another --out")

    def start(self, settings: dict, parts: dict, facts: dict) -> None:
        """Takes up what last.pt holds, if there is one; or saves the beginning.

        Args:
            settings: What decides where the training leads; plain values.
            parts: What changes in training and has a state: the model, the optimizer.
            facts: What else is to be noted in config.json.
        """
        self.settings, self.parts, lines = settings, parts, []
        if self.last.exists():
            checkpoint = load(self.last)
            then = {key: checkpoint["settings"].get(key) for key in settings}
            said = [
                f"{k} was {then[k]!r}, is {v!r}"
                for k, v in settings.items()
                if v != then[k]
            ]
            if said:
                said = "; ".join(said)
                raise UsageError(f"{self.last} is of a run with other settings: {said}")
            try:
                for name, part in parts.items():
                    part.load_state_dict(checkpoint[name])
            except (AttributeError, LookupError, TypeError, ValueError, RuntimeError):
                raise ValueError(f"{self.last} does not fit this model") from None
            self.epoch, self.best_loss = checkpoint["epoch"], checkpoint["best_loss"]
            if self.best_loss < math.inf and not self.best.exists():
                raise ValueError(
                    f"{self.best} is gone: put it back, or use another --out"
                )
        if not self.first:
            return
        if self.results.exists():
            lines = self.results.read_bytes().splitlines(keepends=True)
        lines = [line for line in lines if line.endswith(b"\n")]
        try:
            known = [line for line in lines if json.loads(line)["epoch"] <= self.epoch]
        except (ValueError, LookupError, TypeError):
            raise ValueError(f"{self.results}: a line is damaged, mend it") from None
        self.save(self.last)  # first of all: results are never without it
        write_file(self.results, b"".join(known))
        write_file(self.config, json.dumps(facts, indent=1, default=str).encode())

    def save(self, path: Path) -> None:
        """Saves how far everything is, completely or not at all."""
        states = {name: part.state_dict() for name, part in self.parts.items()}
        states |= {"epoch": self.epoch, "best_loss": self.best_loss}
        buffer = io.BytesIO()
        torch.save({**states, "settings": self.settings}, buffer)
        write_file(path, buffer.getvalue())

    def keep(self, line: dict) -> None:
        """Writes down an epoch; killed before last.pt is new, it counts as not done."""
        self.epoch, loss = line["epoch"], line.get("val_loss", math.inf)
        if not self.first:
            return
        with open(self.results, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if loss < self.best_loss:
            self.best_loss = loss
            self.save(self.best)
        self.save(self.last)
