"""Writes down what happens in a run: results as JSON lines, checkpoints, curves for TensorBoard."""

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
    """Makes the folder; of results.jsonl it leaves the lines of the epochs that are in the checkpoint."""
    out.mkdir(parents=True, exist_ok=True)
    results = out / "results.jsonl"
    lines = results.read_bytes().splitlines(keepends=True) if results.exists() else []
    utils.write_file(results, b"".join(lines[:epoch]))


def keep(run: Run, line: dict, out: Path) -> None:
    """Writes an epoch's results and checkpoints; all processes call it, the first one writes.

    The results come first: killed in between, the line of the lost epoch is cut away on resuming.
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
        scores = {k.replace("_", " "): v for k, v in line.items() if k.endswith(("loss", "accuracy"))}
        print(f"epoch {line['epoch']:>3}:", ", ".join(f"{k} {v:.4f}" for k, v in scores.items()), flush=True)


class TensorBoard:
    """Logs a run for TensorBoard, from an epoch on; without a folder it does nothing."""

    def __init__(self, folder: str | None, epoch: int):
        self.writer = None
        if folder is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise ImportError("--log-dir needs TensorBoard: pip install tensorboard") from None
            self.writer = SummaryWriter(folder, purge_step=epoch)  # hides what was logged from there on

    def start(self, model: nn.Module, images: torch.Tensor, prepare: Callable) -> None:
        """Shows 16 of the uint8 images and the model's graph."""
        if self.writer is not None:
            self.writer.add_images("training images", images[:: max(1, len(images) // 16)][:16])
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*torch.jit")  # TensorBoard's writer still traces
                self.writer.add_graph(model.eval(), prepare(images[:1]))

    def log(self, line: dict) -> None:
        """Draws the numbers of a line of results.jsonl: ``train_loss`` becomes ``loss/train``."""
        if self.writer is not None:
            for key, value in line.items():
                self.writer.add_scalar("/".join(reversed(key.split("_"))), value, line["epoch"])
            self.writer.flush()

    def finish(self, settings: dict, line: dict) -> None:
        """Notes the settings beside the last epoch's numbers, for TensorBoard's table of runs."""
        if self.writer is not None:
            if line:
                plain = {k: v if isinstance(v, (int, float, str)) else str(v) for k, v in settings.items()}
                scores = {f"final/{k}": v for k, v in line.items() if k.endswith(("loss", "accuracy"))}
                self.writer.add_hparams(plain, scores, run_name=".")
            self.writer.close()
