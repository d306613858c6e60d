"""Training and evaluation: one pass over the batches of a DataLoader."""

import math

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from going_modular.utils import process_share


def add_up(sums: torch.Tensor) -> list[float]:
    """The sums over all processes; only here, once in an epoch, anybody waits."""
    if process_share()[1] > 1:
        torch.distributed.all_reduce(sums)
        add_up.last = sums  # torch 2.6 hangs at the end if its own thread drops it last
    numbers = sums.tolist()
    if not math.isfinite(numbers[0]):
        raise FloatingPointError(f"the loss is {numbers[0]}: try a smaller --lr")
    return numbers


def train_epoch(model, loader, optimizer, device: torch.device, amp=False) -> float:
    """Trains on every batch once; returns the mean loss over all images."""
    total, count = torch.zeros(1, device=device), len(loader.dataset)
    world, whole = process_share()[1], loader.batch_sampler.batch_size
    bar = tqdm(loader, "training", math.ceil(count / whole), leave=False, disable=None)
    model.train()
    for step, (X, y) in enumerate(bar):
        X, y = X.to(device), y.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            loss = cross_entropy(model(X), y, reduction="sum")
        size = min(whole, count - step * whole)  # of the batch in all processes
        optimizer.zero_grad()
        (loss / size * world).backward()  # DistributedDataParallel divides by world
        optimizer.step()
        total += loss.detach()  # stays on the device: nobody has to wait
    return add_up(total)[0] / count


@torch.inference_mode()
def evaluate(model, loader, device: torch.device) -> list[float]:
    """Loss and accuracy over a whole set: summed over all images, then divided once."""
    model.eval()
    sums = torch.zeros(2, device=device)
    for X, y in loader:
        X, y = X.to(device), y.to(device)
        logits = model(X)
        sums[0] += cross_entropy(logits, y, reduction="sum")
        sums[1] += (logits.argmax(dim=1) == y).sum()
    return [number / len(loader.dataset) for number in add_up(sums)]
