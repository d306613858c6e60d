"""Training and evaluation, in one process or in several that share the work.

The whole data set lies in memory: images as uint8 of shape (N, 3, S, S), labels as
int64 of shape (N,).
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

SLICE = 500  # images evaluated in one call; many more at once are slower


def process_share() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) without torchrun."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def sum_over_processes(*values: float, device: torch.device) -> list[float]:
    """Adds up each value over all processes; all of them get the sums."""
    if process_share()[1] == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return sums.tolist()


def channel_statistics(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of each channel of uint8 images, from 0 to 1; (3,) each."""
    std, mean = torch.std_mean(images.float() / 255, dim=(0, 2, 3))
    return mean, std.clamp_min(1e-3)  # images of one colour have no spread to divide by


def normalise(
    images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor
) -> torch.Tensor:
    """uint8 images as float32; this mean and deviation of a channel become 0 and 1."""
    return (images.float() / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def augment(images: torch.Tensor) -> torch.Tensor:
    """Varies each uint8 image by itself: mirrored or not, cropped to 60 % or more."""
    if len(images) == 0:  # a process without a share of the last batch
        return images
    from torchvision.transforms import v2  # takes seconds, and only this needs it

    size = images.shape[-1]
    change = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomResizedCrop((size, size), scale=(0.6, 1.0), antialias=True),
        ]
    )
    # Called on the whole batch, it would draw one choice for all of them.
    return torch.stack([change(image) for image in images])


def require_finite(loss: float, where: str) -> None:
    """Raises FloatingPointError if a loss is NaN or infinite."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} {where}: try a smaller --lr in a new --out"
        )


def train_step(
    model: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    count: int,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    amp: bool,
) -> float:
    """One step with this process's share of a batch; returns the share's summed loss.

    ``count`` is the size of the whole batch. With ``amp`` it computes in bfloat16 (CPU)
    or float16 (others) where that is safe; the scaler keeps small gradients alive.
    """
    low = torch.bfloat16 if X.device.type == "cpu" else torch.float16
    with torch.autocast(X.device.type, dtype=low, enabled=amp):
        logits = model(X)
    loss_sum = cross_entropy(logits.float(), y, reduction="sum")
    require_finite(loss_sum.item(), "while training")
    # DistributedDataParallel averages gradients over processes: make them sums again.
    loss = loss_sum / count * process_share()[1]
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    return loss_sum.item()


def train_epoch(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    batches: Sequence[torch.Tensor],
    prepare: Callable[[torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    amp: bool = False,
) -> float:
    """Trains a model on each batch once; several processes share every batch.

    Args:
        model: Gives logits of shape (B, C) for prepared images.
        images, labels: The training set, on one device.
        batches: The rows of each batch, int64 of shape (B,), the same in all processes.
        prepare: Turns uint8 images into the model's input.
        optimizer, scaler, amp: See ``train_step``.

    Returns:
        The mean loss over all images, each measured before the step that used it.
    """
    rank, world = process_share()
    model.train()
    total = 0.0
    silent = None if rank == 0 else True  # None: where nobody is watching
    for rows in tqdm(batches, "training", unit="batch", leave=False, disable=silent):
        own = rows[rank::world].to(images.device)
        X, y = prepare(images[own]), labels[own]
        total += train_step(model, X, y, len(rows), optimizer, scaler, amp)
    (total,) = sum_over_processes(total, device=images.device)
    return total / sum(len(rows) for rows in batches)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    prepare: Callable[[torch.Tensor], torch.Tensor],
) -> tuple[float, float]:
    """Loss and accuracy over a whole set: no image counts twice, and none is lost.

    Args:
        model: Gives logits of shape (B, C) for prepared images; left in eval mode.
        images, labels: The set, on one device.
        prepare: Turns uint8 images into the model's input.

    Returns:
        Mean loss, and the fraction of the images that was predicted right.
    """
    rank, world = process_share()
    model.eval()
    loss, right, count = 0.0, 0, 0
    parts = (whole[rank::world].split(SLICE) for whole in (images, labels))
    for X, y in zip(*parts, strict=True):
        logits = model(prepare(X))
        loss += cross_entropy(logits, y, reduction="sum").item()
        right += int((logits.argmax(dim=1) == y).sum())
        count += len(y)
    loss, right, count = sum_over_processes(loss, right, count, device=images.device)
    require_finite(loss, "in the evaluation")
    return loss / count, right / count
