"""Training and evaluation: one pass over the batches of a DataLoader."""

import math

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from tqdm import tqdm

from going_modular.utils import process_share

HELD = []  # torch 2.6 hangs in the end if a thread of its own drops a tensor last


def add_up(sums: torch.Tensor) -> list[float]:
    """The sums over all processes; only here, once in an epoch, anybody waits."""
    if process_share()[1] > 1:
        dist.all_reduce(sums)
        HELD[:] = [sums]
    numbers = sums.tolist()
    if not math.isfinite(numbers[0]):
        raise FloatingPointError(f"the loss is {numbers[0]}: try a smaller --lr")
    return numbers


def low_precision(device: torch.device) -> torch.dtype:
    """bfloat16; or float16, which needs a scaler, where a GPU is too old for it."""
    new = device.type != "cuda" or torch.cuda.is_bf16_supported(False)
    return torch.bfloat16 if new else torch.float16


def train_epoch(
    model: nn.Module,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    scaler: torch.amp.GradScaler,
    amp: bool,
) -> float:
    """Trains on every batch once; returns the mean loss over all images."""
    (rank, world), batches = process_share(), loader.batch_sampler
    model.train()
    total = torch.zeros(1, device=device)
    silent = None if rank == 0 else True  # None: where nobody is watching
    bar = tqdm(loader, "training", unit="batch", leave=False, disable=silent)
    for step, (X, y) in enumerate(bar):
        X, y = X.to(device, non_blocking=True), y.to(device, non_blocking=True)
        with torch.autocast(device.type, low_precision(device), enabled=amp):
            logits = model(X)
        loss = cross_entropy(logits.float(), y, reduction="sum")
        size = min(batches.batch_size, batches.count - step * batches.batch_size)
        optimizer.zero_grad()
        # DistributedDataParallel averages gradients over processes: make them sums.
        scaler.scale(loss / size * world).backward()
        scaler.step(optimizer)
        scaler.update()
        total += loss.detach()  # stays on the device: nobody has to wait
    return add_up(total)[0] / batches.count


@torch.inference_mode()
def evaluate(model: nn.Module, loader: DataLoader, device: torch.device) -> list[float]:
    """Loss and accuracy over a whole set: summed over all images, then divided once."""
    model.eval()
    for buffer in model.buffers() if process_share()[1] > 1 else []:
        dist.broadcast(buffer, 0)  # running means that each process has of its own
    sums = torch.zeros(2, device=device)
    for X, y in loader:
        X, y = X.to(device), y.to(device)
        logits = model(X)
        sums[0] += cross_entropy(logits, y, reduction="sum")
        sums[1] += (logits.argmax(dim=1) == y).sum()
    return [number / loader.batch_sampler.count for number in add_up(sums)]
