"""A run's folder: files that are whole or not there, and how a run goes on."""

import io
import json
import math
import os
from pathlib import Path

import torch


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


def save(checkpoint: dict, path: Path) -> None:
    """Saves a dictionary of tensors and plain values, completely or not at all."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_file(path, buffer.getvalue())


def load(path: Path) -> dict:
    """Loads what ``save`` saved, onto the CPU; no code in the file is run."""
    return torch.load(path, map_location="cpu", weights_only=True)


class Run:
    """How far a training is, and the folder where that is kept.

    Args:
        out: The folder: last.pt, best.pt, results.jsonl.
        settings: What decides where the training leads; plain values.
        parts: What changes in training and has a state: the model, the optimizer.
    """

    def __init__(self, out: Path, settings: dict, **parts):
        self.settings, self.parts = settings, parts
        self.last, self.best = out / "last.pt", out / "best.pt"
        self.results = out / "results.jsonl"
        self.epoch, self.best_loss = 0, math.inf

    def restore(self) -> None:
        """Takes up the state in last.pt; refuses it if it is of other settings."""
        checkpoint = load(self.last)
        then, now = checkpoint["settings"], self.settings
        other = [
            f"{k} was {then.get(k)}, is {now[k]}" for k in now if then.get(k) != now[k]
        ]
        if other:
            raise SystemExit(f"{self.last} has other settings: {'; '.join(other)}")
        for name, part in self.parts.items():
            part.load_state_dict(checkpoint[name])
        self.epoch, self.best_loss = checkpoint["epoch"], checkpoint["best_loss"]

    def start(self) -> None:
        """Makes the folder; of results.jsonl, it leaves what last.pt knows of."""
        self.results.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        if self.results.exists():
            lines = self.results.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        known = [line for line in whole if json.loads(line)["epoch"] <= self.epoch]
        write_file(self.results, b"".join(known))

    def keep(self, line: dict) -> None:
        """Writes down an epoch: first its results, then the checkpoints.

        Killed in between, the epoch counts as not done and its line is cut off.
        """
        self.epoch, loss = line["epoch"], line.get("val_loss", math.inf)
        better, self.best_loss = loss < self.best_loss, min(loss, self.best_loss)
        with open(self.results, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        states = {name: part.state_dict() for name, part in self.parts.items()}
        states |= {"epoch": self.epoch, "best_loss": self.best_loss}
        states["settings"] = self.settings
        if better:
            save(states, self.best)
        save(states, self.last)
