"""What every program needs: types of options, one-line errors, devices, processes."""

import argparse
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

if "going_modular" in Path(sys.argv[0]).parts[-2:]:  # Ctrl-C during the slow imports
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import torch
import torch.distributed as dist


@contextmanager
def blame(text: str):
    """Whatever goes wrong inside becomes a ValueError of one line, after this text."""
    try:
        yield
    except Exception as error:  # damaged files make libraries raise nearly everything
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
        raise ValueError(f"{text}: {reason}") from error


def number(kind: type, low: float, high: float = 10**6):
    """A type for an option: a plain number from ``low`` to ``high``."""

    def plain_number(text: str):
        value = kind(text if text.isascii() and "_" not in text else "no number")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}: {text}")
        return value

    return plain_number


def path(text: str) -> Path:
    """A type for an option: no text at all would mean the working folder."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def run_command(name: str, run, args: argparse.Namespace) -> int:
    """Runs a program, says in one line what goes wrong, and returns the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(sys.stdout, "reconfigure"):  # for names that it has no letters for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = run(args) or 0
    except KeyboardInterrupt:
        print(f"{name}: stopped by Ctrl-C", file=sys.stderr)
        code = 130
    except Exception as error:
        loud = process_share()[0] == 0 or isinstance(error, RuntimeError)
        advice = " (try a smaller --batch-size)" if "emory" in repr(error) else ""
        code = 1
        if loud and not isinstance(error, BrokenPipeError):  # as head leaves, for one
            print(f"{name}: {str(error) or repr(error)}{advice}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # Python itself is not to try it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def process_share() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) without torchrun."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` is the accelerator, or the CPU without one."""
    several = "TORCHELASTIC_RUN_ID" in os.environ  # set by torchrun
    here = torch.accelerator.is_available()
    auto = torch.accelerator.current_accelerator() if here else "cpu"
    with blame(f"--device {name}"):
        device = torch.device(auto if name == "auto" else name)
        if several and device.type != "cpu":  # each process has its own
            device = torch.device(device.type, int(os.environ["LOCAL_RANK"]))
            torch.accelerator.set_device_index(device.index)
        torch.zeros(1, device=device).item()  # an error here, if there is none
    if several:
        dist.init_process_group(dist.get_default_backend_for_device(device))
    return device
