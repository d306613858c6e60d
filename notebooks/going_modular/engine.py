"""Training and evaluation: one pass over the batches of a DataLoader."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader


def train_epoch(
    model: nn.Module,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> float:
    """Trains on every batch once; returns the mean loss over all images."""
    model.train()
    total, count = torch.zeros((), device=device), 0
    for X, y in loader:
        X, y = X.to(device), y.to(device)
        loss = cross_entropy(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(y)  # stays on the device: nobody has to wait
        count += len(y)
    return total.item() / count


@torch.inference_mode()
def evaluate(
    model: nn.Module, loader: DataLoader, device: torch.device
) -> tuple[float, float]:
    """Loss and accuracy over a whole set: summed over all images, then divided once."""
    model.eval()
    sums, count = torch.zeros(2, device=device), 0
    for X, y in loader:
        X, y = X.to(device), y.to(device)
        logits = model(X)
        sums[0] += cross_entropy(logits, y, reduction="sum")
        sums[1] += (logits.argmax(dim=1) == y).sum()
        count += len(y)
    loss, right = sums.tolist()
    return loss / count, right / count
