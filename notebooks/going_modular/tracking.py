"""Writes down what happens in a run: JSON lines, checkpoints, TensorBoard's curves."""

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from going_modular import engine, utils
from going_modular.training_run import Run


def prepare_out(out: Path, epoch: int) -> None:
    """Makes the folder; of results.jsonl it leaves what the checkpoint knows of."""
    out.mkdir(parents=True, exist_ok=True)
    results = out / "results.jsonl"
    lines = results.read_bytes().splitlines(keepends=True) if results.exists() else []
    utils.write_file(results, b"".join(lines[:epoch]))


def scores(line: dict) -> dict:
    """The losses and accuracies in a line of results.jsonl."""
    return {k: v for k, v in line.items() if k.endswith(("loss", "accuracy"))}


def keep(run: Run, line: dict, out: Path) -> None:
    """Writes an epoch's results and checkpoints; all processes call it, one writes.

    The results come first: killed in between, the lost epoch's line is cut on resuming.
    """
    best = line.get("val_loss", math.inf) < run.best_loss
    if best:
        run.best_loss = line["val_loss"]
    checkpoint = run.checkpoint()
    if engine.process_share()[0] == 0:
        with open(out / "results.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if best:
            utils.save_checkpoint(checkpoint, out / "best.pt")
        utils.save_checkpoint(checkpoint, out / "last.pt")
        parts = [f"{k.replace('_', ' ')} {v:.4f}" for k, v in scores(line).items()]
        print(f"epoch {line['epoch']:>3}:", ", ".join(parts), flush=True)


class TensorBoard:
    """Logs a run for TensorBoard, from an epoch on; without a folder, nothing."""

    def __init__(self, folder: str | None, epoch: int):
        self.writer = None
        if folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise ImportError(
                    "--log-dir needs TensorBoard: pip install tensorboard"
                ) from None
            # It hides what was logged from that epoch on.
            self.writer = SummaryWriter(folder, purge_step=epoch)

    def start(self, model: nn.Module, images: torch.Tensor, prepare: Callable) -> None:
        """Shows 16 of the uint8 images and the model's graph."""
        if self.writer is not None:
            some = images[:: max(1, len(images) // 16)][:16]
            self.writer.add_images("training images", some)
            with warnings.catch_warnings():  # TensorBoard's writer still traces
                warnings.filterwarnings("ignore", message=".*torch.jit")
                self.writer.add_graph(model.eval(), prepare(images[:1]))

    def log(self, line: dict) -> None:
        """Draws the numbers of a line of results: ``train_loss`` is ``loss/train``."""
        if self.writer is not None:
            for key, value in line.items():
                name = "/".join(reversed(key.split("_")))
                self.writer.add_scalar(name, value, line["epoch"])
            self.writer.flush()

    def finish(self, settings: dict, line: dict) -> None:
        """Notes the settings beside the last numbers, for a table of all runs."""
        if self.writer is not None:
            if line:
                kinds = (int, float, str)
                pairs = settings.items()
                plain = {k: v if isinstance(v, kinds) else str(v) for k, v in pairs}
                final = {f"final/{k}": v for k, v in scores(line).items()}
                self.writer.add_hparams(plain, final, run_name=".")
            self.writer.close()
