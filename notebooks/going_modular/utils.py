"""What every program needs: a device, numbers that repeat, a note of what was run."""

import argparse
import json
import platform
from datetime import datetime
from pathlib import Path

import numpy as np
import torch


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` is the accelerator, or the CPU without one."""
    if name != "auto":
        return torch.device(name)
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")


def set_seed(seed: int, *more: int) -> None:
    """Seeds the random numbers of all devices; with an epoch, others in each epoch."""
    if more:
        seed = np.random.SeedSequence([seed, *more]).generate_state(1).item()
    torch.manual_seed(seed)


def write_config(path: Path, args: argparse.Namespace, facts: dict) -> None:
    """Notes the time, the versions, all options and what else is known, as JSON."""
    config = {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "options": vars(args),
        **facts,
    }
    path.write_text(json.dumps(config, indent=1, default=str), encoding="utf-8")
