"""What every program needs: one-line errors, devices, files never half-written."""

import argparse
import io
import math
import os
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch


class UsageError(ValueError):
    """The command asks for something that cannot be; exit code 2."""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command; exit code 2."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (--help explains all options)\n")


def number(kind: type, low: float, high: float = math.inf) -> Callable[[str], float]:
    """A type for an option: a number of at least ``low`` and less than ``high``."""

    def parse(text: str) -> float:
        value = kind(text)
        if not low <= value < high:
            right = f"at least {low}" if value < low else f"a number less than {high:g}"
            raise argparse.ArgumentTypeError(f"must be {right}, got {text}")
        return value

    # argparse says "invalid whole number value: 'x'".
    parse.__name__ = "whole number" if kind is int else "number"
    return parse


FORESEEN = (ValueError, OSError, FloatingPointError, ImportError)


def run_command(name: str, run: Callable[[], None], debug: bool = False) -> int:
    """Runs a program; what goes wrong becomes one line on stderr, ``name: reason``.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """

    def say(message, *_):
        print(f"{name}: warning: {message}", file=sys.stderr)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = say
            run()
            sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print(f"{name}: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output, such as head, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if debug:
            raise
        text = str(error)
        if not isinstance(error, FORESEEN):
            first = text.strip().partition("\n")[0]
            text = f"{type(error).__name__}: {first} (--debug shows where)"
        print(f"{name}: {text}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` is the accelerator, or the CPU without one.

    Raises:
        UsageError: This machine has no such device.
    """
    best = torch.device("cpu")
    if torch.accelerator.is_available():
        best = torch.accelerator.current_accelerator()
    try:
        device = best if name == "auto" else torch.device(name)
        if device.type not in ("cpu", best.type):
            raise RuntimeError
        torch.zeros(1, device=device)
    except RuntimeError:
        raise UsageError(
            f"--device {name}: not here, this machine has cpu and {best.type}"
        ) from None
    return device


def write_file(path: str | Path, data: bytes) -> None:
    """Writes a file that is there completely or not at all, whenever it is killed.

    The bytes go into a file beside it and to the disk; only then it gets its name.
    """
    partial = Path(path).with_name(Path(path).name + ".partial")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":  # the new name has to reach the disk too
        folder = os.open(Path(path).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_checkpoint(checkpoint: dict, path: str | Path) -> None:
    """Saves a dictionary of tensors and plain values, completely or not at all."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_file(path, buffer.getvalue())


def load_checkpoint(path: str | Path) -> dict:
    """Loads what ``save_checkpoint`` saved, onto the CPU; runs no code from the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is cut off, no checkpoint of these scripts, or not safe to load.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    if not zipfile.is_zipfile(path):  # its end, which lists the contents, is missing
        raise ValueError(
            f"{path}: cut off, or no checkpoint at all; "
            "use one that going_modular.train wrote"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path}: refused, it asks to run code; do not use files you cannot trust"
        ) from None
    except Exception as error:  # what is raised depends on the byte that is wrong
        raise ValueError(
            f"{path}: damaged ({type(error).__name__}); use another checkpoint"
        ) from None
    keys = checkpoint.keys() if isinstance(checkpoint, dict) else set()
    if not {"model", "settings"} <= keys:
        raise ValueError(f"{path}: no checkpoint that going_modular.train wrote")
    return checkpoint


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of the random numbers of the CPU and of this device, by its kind."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def restore_random_states(
    states: dict[str, torch.Tensor], device: torch.device
) -> None:
    """Takes up random numbers where they were; another kind of device keeps its own."""
    torch.set_rng_state(states["cpu"])
    if device.type != "cpu" and device.type in states:
        torch.get_device_module(device).set_rng_state(states[device.type])
