"""What every program needs: a device, and numbers that repeat."""

import torch


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` is the accelerator, or the CPU without one."""
    if name != "auto":
        return torch.device(name)
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")


def set_seed(seed: int) -> None:
    """Seeds the random numbers of the CPU and of every accelerator."""
    torch.manual_seed(seed)
