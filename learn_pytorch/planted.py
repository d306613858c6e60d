"""What exercises hand to a learner's program: real loaders, models that notice, planted bugs.

Each program of *Find the bug* stands here once more, with a switch for each of its bugs. So a check
can say which of them would give just the numbers that came out.
"""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


def loader_of(X, y, sizes) -> DataLoader:
    """A real loader, with batches of just these sizes."""
    rows = torch.arange(len(X)).split(sizes)
    return DataLoader(TensorDataset(X, y), batch_sampler=[part.tolist() for part in rows])


def remaining(got, simulate, bugs):
    """Which of the bugs together give what came out: the smallest such set, None if no set does."""
    for count in range(len(bugs) + 1):
        for some in itertools.combinations(bugs, count):
            if torch.allclose(*map(torch.as_tensor, (simulate(some), got)), rtol=1e-4, atol=1e-5):
                return some
    return None


class Moody(nn.Module):
    """Gives the numbers it is fed; in training mode, as dropout might, it turns them round."""

    def __init__(self):
        super().__init__()
        self.weight, self.modes = nn.Parameter(torch.ones(())), []

    def forward(self, X):
        self.modes.append(self.training)
        return self.weight * (-X if self.training else X)


REPORT = {
    "pairs": "every prediction is compared with every label: print the shapes",
    "cut": "the threshold of one half is one for probabilities, and these are logits",
    "mean": "this is the mean of the accuracies of the batches, a small batch counts too much in it",
}


def report(model, loader, bugs) -> list[float]:
    """What the program says of a model as long as it contains these bugs."""
    shares, right, tp, fp, fn = [], 0, 0, 0, 0
    for X, y in loader:
        logits = model(X) if "pairs" in bugs else model(X).squeeze(dim=1)
        preds = (logits > (0.5 if "cut" in bugs else 0)).float()
        shares.append((preds == y).float().mean().item())
        right += (preds == y).sum().item()
        tp += ((preds == 1) & (y == 1)).sum().item()
        fp += ((preds == 1) & (y == 0)).sum().item()
        fn += ((preds == 0) & (y == 1)).sum().item()
    accuracy = sum(shares) / len(shares) if "mean" in bugs else right / len(loader.dataset)
    return [accuracy, tp / max(tp + fp, 1), tp / max(tp + fn, 1)]


FIT = {
    "tested": (
        "97 % on training, and {0:.0%} at most on test",
        "the right answers of the test set are divided by the number of training rows",
    ),
    "softmax": (
        "the loss comes down to about {1:.2f} and no further, while the accuracy is fine",
        "the loss takes a softmax itself, and gets numbers that have been through one",
    ),
    "zero": (
        "the loss jumps about as if the rate were ten times as high",
        "the gradients of earlier batches are still there when `step` is called",
    ),
    "mode": (
        "the first epoch is as it should be, the others train another kind of network",
        "after the first epoch the model stays in evaluation mode",
    ),
    "mean": (
        "the loss is {2:.0f} times smaller than what a colleague computes from the same logits",
        "means of batches are added up, and divided by a number of rows",
    ),
    "batches": (
        "the loss is a little off, and only if the last batch is short",
        "this is the mean of the batches' means: a short batch counts too much",
    ),
}


def fit(model, optimizer, train_loader, test_loader, num_epochs, bugs=()) -> list[float]:
    """The history of a run with these bugs, and the weights that it ends with."""
    history = []
    for epoch in range(num_epochs):
        model.train(epoch == 0 or "mode" not in bugs)
        total, count, right, tested = 0, 0, 0, 0
        for X, y in train_loader:
            logits = model(X)
            loss = F.cross_entropy(logits.softmax(dim=1) if "softmax" in bugs else logits, y)
            if "zero" not in bugs:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            size = 1 if {"mean", "batches"} & set(bugs) else len(y)
            total, count = total + loss.item() * size, count + size
            right += (logits.argmax(dim=1) == y).sum().item()
        model.eval()
        with torch.no_grad():
            for X, y in test_loader:
                tested += (model(X).argmax(dim=1) == y).sum().item()
        rows, others = len(train_loader.dataset), len(test_loader.dataset)
        history += [total / (count if "mean" not in bugs else rows), right / rows]
        history += [tested / (rows if "tested" in bugs else others)]
    return history + [w for p in model.parameters() for w in p.flatten().tolist()]


def small_net(features: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))


def clouds(n: int, classes: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(n) % classes
    return torch.eye(4)[y] * 3 + torch.randn(n, 4, generator=g), y


def best_epoch(model, optimizer, loss_fn, train_loader, val_loader, num_epochs):
    """Validation losses of the epochs, and the model's state after each of them."""
    losses, states = [], []
    for _ in range(num_epochs):
        model.train()
        for X, y in train_loader:
            loss = loss_fn(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            total = sum(loss_fn(model(X), y).item() * len(y) for X, y in val_loader)
        losses.append(total / len(val_loader.dataset))
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    return losses, states


def old_loss(logits, targets):
    """The loss of the log, as the notebook has it."""
    powers = torch.exp(logits)
    probs = powers / powers.sum(dim=1, keepdim=True)
    picked = probs[torch.arange(len(targets)), targets]
    return -torch.log(picked).mean()


def cut(scores, labels, precision):
    """The threshold: the most hits at that precision, of several the highest; none at all: infinity."""
    best, cut = 0, math.inf
    for t in scores.unique(sorted=True).flip(0).tolist():
        alarms = scores >= t
        hits = int(labels[alarms].sum())
        if hits > best and hits >= precision * int(alarms.sum()):
            best, cut = hits, t
    return cut, best


def screening(kind: str, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    n = 300
    labels = (torch.rand(n, generator=g) < 0.25).long()
    scores = torch.sigmoid(torch.randn(n, generator=g) + 3.2 * labels - 1)
    if kind == "a confident false alarm":  # the surest of all is healthy
        labels[0], scores[0] = 0, 0.9999
    if kind == "a rare illness":
        scores = scores**2 / 200
    if kind == "many equal scores":  # six rows of 0.5 are alarms together, or not at all
        labels = torch.tensor([1] * 8 + [1, 0, 0, 0, 0, 1] + [0] * 20)
        scores = torch.tensor([0.9] * 8 + [0.5] * 6 + [0.1] * 20)
    if kind == "a useless model":
        scores = 1 - scores
    if kind == "nobody ill":
        labels = torch.zeros_like(labels)
    return scores, labels


def scaled(X, rows):
    """The rows with the numbers of X: cells that are missing and columns that never change become 0."""
    lowest, highest = X.nan_to_num(math.inf).amin(dim=0), X.nan_to_num(-math.inf).amax(dim=0)
    X, rows = X.double(), rows.double()
    mean = X.nanmean(dim=0)
    std = (X - mean).square().nanmean(dim=0).sqrt()
    scaled = torch.where(highest > lowest, (rows - mean) / std, 0.0)
    return scaled.nan_to_num(0.0).clamp(-10, 10)


def misses(logits, y):
    """An odd loss: nothing that anybody else would take for granted."""
    return (F.one_hot(y, logits.shape[1]) - logits.sigmoid()).abs().mean()


def spirals(n: int, classes: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(n) % classes
    r = torch.rand(n, generator=g)
    angle = 5 * r + 2 * math.pi * y / classes + 0.1 * torch.randn(n, generator=g)
    points = torch.stack([r * angle.cos(), r * angle.sin()], dim=1)
    return points * torch.tensor([6000.0, 0.15]) + torch.tensor([50_000.0, 0.4]), y


TO_BATCH = {
    "reshape": (
        "right about nine of ten grey pictures, and about four of ten coloured ones; drawn, they are stripes",
        "`reshape` cuts the numbers anew in their old order; the channels have to be moved to the front",
    ),
    "scale": (
        "the first loss is a few hundred, and the network needs ages to recover",
        "mean and deviation are those of pixels between 0 and 1, and these go up to 255",
    ),
    "first": (
        "a picture of nothing but the mean colour does not come out as 0 everywhere",
        "each channel has a mean and a deviation of its own, along dimension 1",
    ),
    "contrast": (
        "a dark picture and a bright one look the same to the network",
        "each picture is stretched by its own smallest and largest pixel",
    ),
}


def to_batch(pictures, mean, std, bugs) -> torch.Tensor:
    """The batch that the program makes as long as it contains these bugs."""
    batch = []
    for picture in pictures:
        x = torch.from_numpy(picture).float()
        if "contrast" in bugs:
            x = (x - x.min()) / (x.max() - x.min()) * 255
        x = x.reshape(3, *x.shape[:2]) if "reshape" in bugs else x.permute(2, 0, 1)
        batch.append(x if "scale" in bugs else x / 255)
    X, m, s = torch.stack(batch), torch.tensor(mean), torch.tensor(std)
    if "first" in bugs:
        m, s = m[:1], s[:1]
    return (X - m[:, None, None]) / s[:, None, None]
