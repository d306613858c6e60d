"""What every program needs: options, a device, one-line errors, exit codes."""

import os
import signal
import sys
from pathlib import Path

if "going_modular" in Path(sys.argv[0]).parts[-2:]:  # Ctrl-C while imports run
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import argparse
import errno
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torch.distributed as dist

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None)}


class UsageError(ValueError):
    """The command asks for something that cannot be; exit code 2."""


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command; exit code 2."""

    def error(self, message: str):
        if os.environ.get("RANK", "0") == "0":  # of several processes, one speaks
            print(f"{self.prog}: {message} (--help explains all)", file=sys.stderr)
        sys.exit(2)


def number(kind: type, low: float, high: float = 10**6) -> Callable[[str], float]:
    """A type for an option: a plain number from ``low`` to ``high``."""

    def plain_number(text: str) -> float:  # argparse says "invalid plain_number value"
        value = kind(text if text.isascii() and "_" not in text else "no number")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"must be from {low} to {high}, got {text}"
            )
        return value

    return plain_number


def path(text: str) -> Path:
    """A type for an option: a file or folder; an empty text is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def printable(text: str) -> str:
    """Spells out what could mislead a terminal: line ends, escapes, broken letters."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def reason(error: Exception) -> str:
    """What went wrong, for whoever typed the command."""
    text, kind = str(error), type(error)
    if kind is MemoryError or (issubclass(kind, RuntimeError) and "memory" in text):
        return "out of memory: try a smaller --batch-size, --image-size, --hidden-units"
    if issubclass(kind, OSError) and error.errno in FULL:
        return f"{text}: nothing is lost, make room and start again"
    if issubclass(kind, RuntimeError) and ("gloo" in text or "NCCL" in text):
        return "another process has stopped"
    if issubclass(kind, (ValueError, OSError, FloatingPointError, ImportError)):
        return text
    return (
        f"{kind.__name__}: {text.strip().partition(chr(10))[0]} (--debug shows where)"
    )


def run_command(name: str, run: Callable, args: argparse.Namespace) -> int:
    """Runs a program; what goes wrong becomes one line on stderr, ``name: reason``.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.
    """

    def say(text: object, *_) -> None:
        lines = map(printable, str(text).split("\n"))
        print(f"{name}:", "\n".join(lines), file=sys.stderr)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(sys.stdout, "reconfigure"):  # for names that it has no letters for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = say
            run(args)
            sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        say("stopped by Ctrl-C")
        return 130
    except BrokenPipeError:  # the reader of the output, such as head, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if args.debug:
            raise
        # What is wrong for all processes alike, the first one says for them.
        if process_share()[0] == 0 or not isinstance(
            error, (ValueError, ArithmeticError)
        ):
            say(reason(error))
        return 2 if isinstance(error, UsageError) else 1


def process_share() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) without torchrun."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` is the accelerator, or the CPU without one.

    Processes that torchrun started find each other; each has an accelerator of its own.
    """
    best = torch.device("cpu")
    if torch.accelerator.is_available():
        best = torch.accelerator.current_accelerator()
    several = dist.is_available() and dist.is_torchelastic_launched()
    try:
        device = best if name == "auto" else torch.device(name)
        if device.type not in ("cpu", best.type):
            raise RuntimeError
        if several and device.type != "cpu":
            device = torch.device(device.type, int(os.environ["LOCAL_RANK"]))
            torch.accelerator.set_device_index(device.index)
        torch.zeros(1, device=device)
    except RuntimeError:
        here = " and ".join(dict.fromkeys(["cpu", best.type]))
        raise UsageError(f"--device {name}: this machine has {here}") from None
    if several:
        own = None if device.type == "cpu" else device
        dist.init_process_group(
            dist.get_default_backend_for_device(device), device_id=own
        )
    return device


def set_seed(seed: int, *more: int) -> None:
    """Seeds the random numbers of all devices; with an epoch, others in each epoch."""
    if more:
        seed = np.random.SeedSequence([seed, *more]).generate_state(1).item()
    torch.manual_seed(seed)
