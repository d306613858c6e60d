"""A run's folder: files that are whole or not there, and how a run goes on."""

import io
import json
import math
import os
import zipfile
from pathlib import Path

import torch
from filelock import FileLock

from going_modular.utils import blame


def write_file(path: Path, data: bytes) -> None:
    """Writes a file that is there completely or not at all, whenever it is killed."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # to the disk; only then it gets its name
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> dict:
    """Loads what ``Run.save`` saved, onto the CPU; no code in the file is run."""
    data = io.BytesIO(path.read_bytes() if path.is_file() else b"")  # no device, pipe
    with blame(f"{path}: missing, damaged, or no checkpoint of train.py"):
        with zipfile.ZipFile(data) as archive:
            size = sum(file.file_size for file in archive.infolist())
            if size > len(data.getbuffer()) or archive.testzip():
                raise ValueError("it was changed or packed")
        data.seek(0)
        state = torch.load(data, map_location="cpu", weights_only=True)
        classes, weights = state["settings"]["classes"], state["model"]
        right = [type(classes) is list, len(set(classes)) == len(classes) > 1]
        right += [type(name) is str for name in classes]
        right += [tensor.isfinite().all() for tensor in weights.values()]
        right += [state["settings"]["image_size"] > 3, (weights["0.std"] > 0).all()]
        right += [type(state["epoch"]) is int, state["epoch"] >= 0]
        if not (all(right) and state["best_loss"] >= 0):
            raise ValueError("its contents make no sense")
    return state


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
        with blame(f"{out} cannot be locked, is another training writing there"):
            self.lock.acquire(timeout=0)
        files = self.last, self.best, self.results, self.config
        if any(map(Path.exists, files)) and not (resume and self.last.exists()):
            raise ValueError(f"{out} holds a run: --resume its last.pt, or a new --out")

    def start(self, settings: dict, parts: dict, facts: dict) -> None:
        """Takes up what last.pt holds of these parts, or saves how they begin."""
        self.settings, self.parts = settings, parts
        if self.last.exists():
            old = load(self.last)
            was = old["settings"].get
            other = [key for key in settings if was(key) != settings[key]]
            if other:
                said = [f"{k} was {was(k)!r}, is {settings[k]!r}" for k in other]
                raise ValueError(f"{self.last} has other settings: {'; '.join(said)}")
            with blame(f"{self.last} does not fit"):
                for name, part in parts.items():
                    part.load_state_dict(old[name])
            self.epoch, self.best_loss = old["epoch"], old["best_loss"]
            if self.best_loss < math.inf and not self.best.exists():
                raise ValueError(f"{self.best} is gone: put it back, or use another")
        if not self.first:
            return
        text = self.results.read_bytes() if self.results.exists() else b""
        whole = [line for line in text.splitlines(True) if line.endswith(b"\n")]
        with blame(f"{self.results}: a line is damaged"):
            lines = [line for line in whole if json.loads(line)["epoch"] <= self.epoch]
        self.save(self.last)  # first of all: results are never without it
        write_file(self.results, b"".join(lines))
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
