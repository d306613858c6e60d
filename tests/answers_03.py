"""Answers to the exercises of notebook 03."""

import copy
import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from answer_table import forbidden, right, wrong
from learn_pytorch.checks import capstone_03


def part(function, **how):
    made = functools.partial(function, **how)
    made.__name__ = "_".join(f"{k}_{v}" for k, v in how.items()) or function.__name__
    return made


# ---------------------------------------------------------------------------- 03.1, softened labels


@right("03.1")
def soft(labels, classes, smoothing):
    out = torch.full((len(labels), classes), smoothing / classes)
    known = labels >= 0
    out[~known] = 1 / classes
    out[known.nonzero().flatten(), labels[known]] += 1 - smoothing
    return out


@right("03.1")
def soft_by_loop(labels, classes, smoothing):
    rows = []
    for label in labels.tolist():
        s = 1.0 if label < 0 else smoothing
        rows.append([(1 - s) * (k == label) + s / classes for k in range(classes)])
    return torch.tensor(rows)


wrong("03.1", "unknown labels became the last class", lambda y, c, s: (1 - s) * torch.eye(c)[y] + s / c)
wrong("03.1", "your code raised", lambda y, c, s: (1 - s) * F.one_hot(y, c).float() + s / c)
wrong("03.1", "takes part in the sharing", lambda y, c, s: torch.where(
    (y < 0)[:, None], 1 / c, (1 - s - s / (c - 1)) * F.one_hot(y.clamp(min=0), c) + s / (c - 1)))  # fmt: skip
wrong("03.1", "same probability for every class", lambda y, c, s: soft(y, c, s) * (y >= 0)[:, None])
wrong("03.1", "as hard as before", lambda y, c, s: soft(y, c, 0.0))
wrong("03.1", "dtype torch.float64", lambda y, c, s: soft(y, c, s).double())
wrong("03.1", "shape", lambda y, c, s: soft(y, int(y.max()) + 1, s))
wrong("03.1", "shape", lambda y, c, s: soft(y, c, s).T)
wrong("03.1", "values are not", lambda y, c, s: soft(y, c, s / 2))
wrong("03.1", "shape", lambda y, c, s: soft(y[y >= 0], c, s))

# ------------------------------------------------------------------------ 03.2, pictures from the web


def to_batch(pictures, mean, std, order="permute", scale=True, each=True, contrast=False, place=False):
    batch = []
    for picture in pictures:
        x = torch.from_numpy(picture)
        x = x.float() if not place else x
        if contrast:
            x = (x - x.min()) / (x.max() - x.min()) * 255
        x = {
            "permute": lambda x: x.permute(2, 0, 1),
            "reshape": lambda x: x.reshape(3, *x.shape[:2]),
            "turn": lambda x: x.permute(2, 1, 0),
        }[order](x)
        batch.append(x / 255 if scale else x)
    mean, std = (torch.tensor(v if each else v[:1]).reshape(-1, 1, 1) for v in (mean, std))
    return (torch.stack(batch) - mean) / std


right("03.2", part(to_batch))


@right("03.2")
def in_numpy(pictures, mean, std):
    X = (np.stack(pictures) / 255 - np.array(mean)) / np.array(std)
    return torch.from_numpy(X.transpose(0, 3, 1, 2)).float().contiguous()


wrong("03.2", "in their old order", part(to_batch, order="reshape", scale=False, each=False))
wrong("03.2", "in their old order", part(to_batch, order="reshape"))
wrong("03.2", "pixels between 0 and 1", part(to_batch, scale=False))
wrong("03.2", "each channel has a mean", part(to_batch, each=False))
wrong("03.2", "own smallest and largest", part(to_batch, contrast=True))
wrong("03.2", "shape", part(to_batch, order="turn"))
wrong("03.2", "dtype torch.float64", lambda p, m, s: to_batch(p, m, s).double())


@wrong("03.2", "changed its argument")
def in_place(pictures, mean, std):
    for picture in pictures:
        picture //= 2
    return to_batch(pictures, mean, std)


# ------------------------------------------------------------------------- 03.3, photos of any size


class PhotoNet(nn.Module):
    first_in, listed, ending, last, mode = 3, "modules", "mean", "linear", "plain"

    def __init__(self, num_classes, channels=8):
        super().__init__()
        self.first = nn.Conv2d(self.first_in, channels, 3, padding=1)
        blocks = [nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(2)]
        self.blocks = blocks if self.listed == "list" else nn.ModuleList(blocks)
        wide = {"fixed": 49, "two": 4}.get(self.ending, 1)
        self.output = nn.Linear(channels * wide, num_classes)

    def forward(self, x):
        x = self.first(x).relu() if self.mode != "bare" else self.first(x)
        for block in self.blocks:
            x = F.max_pool2d(block(x), 2)
        x = {
            "mean": lambda x: x.mean(dim=(2, 3)),
            "adaptive": lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1),
            "max": lambda x: x.amax(dim=(2, 3)),
            "fixed": lambda x: x.flatten(1),
            "two": lambda x: F.adaptive_avg_pool2d(x, 2).flatten(1),
            "squeeze": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(),
            "resize": lambda x: x.mean(dim=(2, 3)),
        }[self.ending](x)
        x = self.output(x)
        return {"linear": x, "relu": x.relu(), "softmax": x.softmax(-1)}[self.last]


def net(**how):
    return type("PhotoNet_" + "_".join(map(str, how.values())), (PhotoNet,), how)


right("03.3", net())
right("03.3", net(ending="adaptive"))


@right("03.3")
class OtherWay(nn.Module):
    def __init__(self, num_classes, channels=8):
        super().__init__()
        self.out = nn.Linear(channels, num_classes)
        self.features = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip

    def forward(self, x):
        return self.out(self.features(x))


wrong("03.3", "your code raised RuntimeError: Given groups=1", net(first_in=1))
wrong("03.3", "mat1 and mat2 shapes cannot be multiplied", net(ending="fixed"))
wrong("03.3", "nn.ModuleList", net(listed="list"))
wrong("03.3", "a logit that is below zero is cut off", net(last="relu"))
wrong("03.3", "the logits are not those", net(last="softmax"))
wrong("03.3", "the logits are not those", net(ending="max"))
wrong("03.3", "the logits are not those", net(mode="bare"))
wrong("03.3", "other shapes than the text", net(ending="two"))
wrong("03.3", "expected logits of shape", net(ending="squeeze"))
wrong("03.3", "made already", PhotoNet(5))


@wrong("03.3", "no gradient can flow back")
class Detached(PhotoNet):
    def forward(self, x):
        return super().forward(x).detach()


@wrong("03.3", "nn.ModuleList")
class OneBlockTwice(PhotoNet):
    def __init__(self, num_classes, channels=8):
        super().__init__(num_classes, channels)
        self.blocks = nn.ModuleList([self.blocks[0]] * 2)


@wrong("03.3", "in training mode the same photos get other numbers")
class SoftmaxInTraining(PhotoNet):
    def forward(self, x):
        logits = super().forward(x)
        return logits.softmax(dim=1) if self.training else logits


@wrong("03.3", "the logits are not those")
class Resizes(PhotoNet):
    def forward(self, x):
        return super().forward(F.interpolate(x, (28, 28)))


@wrong("03.3", "super().__init__()")
class Unmade(PhotoNet):
    def __init__(self, num_classes, channels=8):
        self.first = nn.Conv2d(3, channels, 3)


# ---------------------------------------------------------------- 03.4, a validation set that is too kind


def prepare(
    images, labels, generator, *, split="first", orders=1, stats="train", val_mirrored=False, random=True,
    doubled=True, drop=0,
):  # fmt: skip
    n = len(images)
    order = torch.randperm(n, generator=generator) if random else torch.arange(n)
    second = torch.randperm(n, generator=generator) if orders == 2 else order
    X, y, cut = images[order].float() / 255, labels[second], n // 5
    if split == "late":
        X, y = torch.cat([X, X.flip(3)]), torch.cat([y, y])
        mix = torch.randperm(2 * n, generator=generator)
        X, y = X[mix], y[mix]
        X_val, y_val, X_train, y_train = X[: 2 * cut], y[: 2 * cut], X[2 * cut :], y[2 * cut :]
    else:
        X_val, y_val, X_train, y_train = X[:cut], y[:cut], X[cut + drop :], y[cut + drop :]
        if doubled:
            X_train, y_train = torch.cat([X_train, X_train.flip(3)]), torch.cat([y_train, y_train])
        if val_mirrored:
            X_val = X_val.flip(3)
    source = {"train": X_train, "all": torch.cat([X_train, X_val]), "own": X_train}[stats]
    mean, std = source.mean(), source.std()
    own = (X_val.mean(), X_val.std()) if stats == "own" else (mean, std)
    return (X_train - mean) / std, y_train, (X_val - own[0]) / own[1], y_val


right("03.4", part(prepare))


@right("03.4")
def prepare_with_rows(images, labels, generator):
    order = torch.randperm(len(images), generator=generator)
    cut = len(images) - len(images) // 5
    train, val = order[:cut], order[cut:]
    X = torch.stack([images[train], images[train].flip(-1)], dim=1).flatten(0, 1).double()
    mean, std = X.mean(), X.std(correction=0)
    y = labels[train].repeat_interleave(2)
    return ((X - mean) / std).float(), y, ((images[val].double() - mean) / std).float(), labels[val]


wrong("03.4", "its twin on the other", part(prepare, split="late", orders=2, stats="all"))
wrong("03.4", "its twin on the other", part(prepare, split="late"))
wrong("03.4", "shuffled by different orders", part(prepare, orders=2))
wrong("03.4", "only training gets mirrored", part(prepare, val_mirrored=True))
wrong("03.4", "a grey of 128", part(prepare, stats="own"))
wrong("03.4", "each set has its own", part(prepare, stats="all"))
wrong("03.4", "not a random fifth", part(prepare, random=False))
wrong("03.4", "the four lengths", part(prepare, doubled=False))
wrong("03.4", "the four lengths", part(prepare, drop=1))
wrong("03.4", "expected four tensors", lambda *a: prepare(*a)[:2])


@wrong("03.4", "more than the training pictures")
def statistics_of_validation(images, labels, generator):
    X_train, y_train, X_val, y_val = prepare(images, labels, generator)
    mean, std = X_val.mean(), X_val.std()
    return (X_train - mean) / std, y_train, (X_val - mean) / std, y_val


# -------------------------------------------------------------------------- 03.5, a network for a phone


def phone(h=12, pool=nn.AdaptiveMaxPool2d, norm=True, n_in=3, end=(), width=1):
    layers = []
    for a in (n_in, h, h):
        layers += [nn.Conv2d(a, h, 3, padding=1), *([nn.BatchNorm2d(h)] if norm else [])]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, pool(width), nn.Flatten(), nn.Linear(h * width**2, 5), *end)


right("03.5", part(phone), seconds=4)
right("03.5", part(phone, h=13), seconds=4)
wrong("03.5", "parameters are too many", part(phone, h=32))
wrong("03.5", "no convolution", lambda: nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(324, 5)))
wrong("03.5", "Given groups=1", part(phone, n_in=1))
wrong("03.5", "expected logits of shape", lambda: nn.Sequential(phone(), nn.Linear(5, 10)))
wrong("03.5", "expected a model", lambda: "TinyVGG")
wrong("03.5", "on new pictures", lambda: nn.Sequential(
    nn.Conv2d(3, 3, 1), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(324, 5)), seconds=1)  # fmt: skip


@wrong("03.5", "no gradient can flow back")
def frozen():
    return phone().requires_grad_(False)


# ------------------------------------------------------------------------------- 03.6, shifted pictures


@right("03.6")
def shifted(images, dx):
    out = torch.zeros_like(images)
    W = images.shape[3]
    if dx >= 0:
        out[..., dx:] = images[..., : max(W - dx, 0)]
    elif -dx < W:
        out[..., :dx] = images[..., -dx:]
    return out


@right("03.6")
def rolled_and_wiped(images, dx):
    columns = torch.arange(images.shape[3]) - dx
    inside = (columns >= 0) & (columns < images.shape[3])
    return images[..., columns.clamp(0, images.shape[3] - 1)] * inside


wrong("03.6", "come in again", lambda x, dx: torch.roll(x, dx, 3))
wrong("03.6", "to the other side", lambda x, dx: shifted(x, -dx))
wrong("03.6", "up or down", lambda x, dx: shifted(x.mT, dx).mT)
wrong("03.6", "shape", lambda x, dx: F.pad(x, (dx, 0)) if dx > 0 else x)
wrong(
    "03.6",
    "for pictures of shape",
    lambda x, dx: torch.cat([torch.zeros_like(x[..., :dx]), x[..., :-dx]], dim=3),
)
wrong("03.6", "values are not", lambda x, dx: shifted(x, dx) if dx else torch.zeros_like(x))
wrong("03.6", "changed its argument", lambda x, dx: x.copy_(shifted(x, dx)))

# -------------------------------------------------------------------------------- 03.7, evaluate anywhere


def evaluate(
    model, loader, loss_fn, device, *, move="both", mode="parts", count="rows", guard=torch.inference_mode,
    number=True, copied=False,
):  # fmt: skip
    was = [m.training for m in model.modules()]
    if copied:
        model = copy.deepcopy(model)
    if mode != "ignore":
        model.eval()
    total = hits = n = 0
    losses, shares = [], []
    with guard():
        for X, y in loader:
            if move in ("both", "X"):
                X = X.to(device)
            if move == "both":
                y = y.to(device)
            logits = model(X)
            loss = loss_fn(logits, y).item()
            share = (logits.argmax(dim=1) == y).sum()
            total, hits, n = total + loss * len(y), hits + share, n + len(y)
            losses.append(loss)
            shares.append(share.item() / len(y))
    if mode == "parts":
        for m, training in zip(model.modules(), was, strict=True):
            m.training = training
    elif mode == "whole":
        model.train(was[0])
    elif mode == "train":
        model.train()
    if count == "batches":
        return sum(losses) / len(losses), sum(shares) / len(shares)
    if count == "loss by batches":
        return sum(losses) / len(losses), hits.item() / n
    return (total / n, hits.item() / n) if number else (total / n, hits / n)


right("03.7", part(evaluate))
right("03.7", part(evaluate, guard=torch.no_grad))
right("03.7", part(evaluate, copied=True))


@right("03.7")
def through_the_cpu(model, loader, loss_fn, device):
    device = next(model.parameters()).device
    was = {name: m.training for name, m in model.named_modules()}
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(X.to(device, non_blocking=True)).cpu() for X, _ in loader])
        labels = torch.cat([y for _, y in loader])
        loss = loss_fn(logits, labels).item()
    for name, m in model.named_modules():
        m.training = was[name]
    return loss, (logits.argmax(1) == labels).sum().item() / len(loader.dataset)


wrong("03.7", "Expected all tensors to be on the same device", part(evaluate, move="none"))
wrong("03.7", "Expected all tensors to be on the same device", part(evaluate, move="X"))
wrong("03.7", "asked in training mode", part(evaluate, mode="ignore"))
wrong("03.7", "frozen in evaluation mode is not frozen", part(evaluate, mode="whole"))
wrong("03.7", "is left in the other", part(evaluate, mode="leave"))
wrong("03.7", "is not frozen any more", part(evaluate, mode="train"))
wrong("03.7", "a short batch counts too much", part(evaluate, count="batches"))
wrong("03.7", "for the loss", part(evaluate, count="loss by batches"))
wrong("03.7", "autograd has recorded", part(evaluate, guard=torch.enable_grad))
wrong("03.7", "expected Python numbers", part(evaluate, number=False))
wrong(
    "03.7",
    "the accuracy",
    lambda m, loader, f, d: (evaluate(m, loader, f, d)[0], evaluate(m, loader, f, d)[1] // 1),
)
wrong("03.7", "your code raised", lambda m, loader, f, d: evaluate(m, loader, f, "cpu"))


@wrong("03.7", "will not be trained any more")
def freezes(model, loader, loss_fn, device):
    model.weight.requires_grad_(False)
    return evaluate(model, loader, loss_fn, device, guard=torch.enable_grad)


@wrong("03.7", "switched off from now on")
def for_ever(model, loader, loss_fn, device):
    torch.set_grad_enabled(False)
    return evaluate(model, loader, loss_fn, device)


# ------------------------------------------------------------------------------ 03.8, max pooling

right("03.8", lambda x, k: x.unfold(2, k, k).unfold(3, k, k).amax(dim=(4, 5)))


@right("03.8")
def by_reshape(x, k):
    n, c, h, w = x.shape
    return x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k).amax(dim=(3, 5))


@right("03.8")
def by_loops(x, k):
    rows = [
        torch.stack(
            [x[:, :, r : r + k, c : c + k].flatten(2).amax(2) for c in range(0, x.shape[3] - k + 1, k)], dim=2
        )
        for r in range(0, x.shape[2] - k + 1, k)
    ]
    return torch.stack(rows, dim=2)


wrong("03.8", "windows overlap", lambda x, k: x.unfold(2, k, 1).unfold(3, k, 1).amax(dim=(4, 5)))
wrong("03.8", "the mean of each window", lambda x, k: x.unfold(2, k, k).unfold(3, k, k).mean(dim=(4, 5)))
wrong("03.8", "the smallest value", lambda x, k: x.unfold(2, k, k).unfold(3, k, k).amin(dim=(4, 5)))
wrong("03.8", "one corner", lambda x, k: x.unfold(2, k, k).unfold(3, k, k)[..., 0, 0])
wrong("03.8", "no gradient", lambda x, k: by_reshape(x.detach(), k))
wrong("03.8", "shape", lambda x, k: by_reshape(F.pad(x, (0, -x.shape[3] % k, 0, -x.shape[2] % k)), k))
wrong(
    "03.8",
    "your code raised",
    lambda x, k: x.reshape(*x.shape[:2], x.shape[2] // k, k, -1, k).amax(dim=(3, 5)),
)


@wrong("03.8", "not neighbours")
def scattered(x, k):
    n, c, h, w = x.shape
    return x[:, :, : h // k * k, : w // k * k].reshape(n, c, k, h // k, k, w // k).amax(dim=(2, 4))


forbidden("03.8", lambda x, k: F.max_pool2d(x, k))
forbidden("03.8", lambda x, k: nn.MaxPool2d(k)(x))
forbidden("03.8", lambda x, k: torch.max_pool2d(x, k))
forbidden("03.8", lambda x, k: F.max_pool2d(x, k, return_indices=True)[0])

# ------------------------------------------------------------------------------- 03.9, planted labels


def suspects(X, y, k, folds=5, epochs=15, hidden=32, judge="given", insample=False):
    p = torch.zeros(len(y))
    X = (X - X.mean()) / X.std()
    for part in torch.randperm(len(y)).chunk(folds):
        mask = torch.ones(len(y), dtype=torch.bool)
        mask[part] = insample
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, 7))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.003, weight_decay=0 if insample else 1e-2)
        rows = mask.nonzero().flatten()
        for _ in range(epochs):
            for batch in rows[torch.randperm(len(rows))].split(32):
                loss = F.cross_entropy(model(X[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            probs = model(X[part]).softmax(dim=1)
        p[part] = probs[torch.arange(len(part)), y[part]]
        if judge == "unsure":
            p[part] = probs.amax(dim=1)
    return p.argsort()[:k]


right("03.9", part(suspects), seconds=3)
right("03.9", part(suspects, folds=10, hidden=64), seconds=6)
wrong("03.9", "of the planted labels", part(suspects, folds=1, insample=True, epochs=80), seconds=2)
wrong("03.9", "of the planted labels", part(suspects, judge="unsure"), seconds=3)
wrong("03.9", "fewer than half", lambda X, y, k: torch.randperm(len(y))[:k])
wrong("03.9", "expected 30 different", lambda X, y, k: torch.zeros(k, dtype=torch.long))
wrong("03.9", "expected 30 different", lambda X, y, k: torch.arange(k + 1))
wrong("03.9", "tensor of positions", lambda X, y, k: list(range(k)))

# --------------------------------------------------------------------------------- 03.10, convolution


def conv(images, weight, bias, flip=False, bias_in=1, channel=None, mean=False, cut=False):
    k = weight.shape[-1]
    windows = images.unfold(2, k, 1).unfold(3, k, 1)
    w = weight.flip(2, 3) if flip else weight
    w = w.detach() if cut else w
    if channel is not None:
        windows, w = windows[:, :1], w[:, :1]
    out = torch.einsum("nchwij,kcij->nkhw", windows, w)
    return (out / weight.shape[1] if mean else out) + bias_in * bias[:, None, None]


right("03.10", part(conv))


@right("03.10")
def conv_by_loops(images, weight, bias):
    k = weight.shape[-1]
    H, W = images.shape[2] - k + 1, images.shape[3] - k + 1
    out = torch.zeros(len(images), len(weight), H, W)
    for r in range(H):
        for c in range(W):
            window = images[:, :, r : r + k, c : c + k].flatten(1)
            out[:, :, r, c] = window @ weight.flatten(1).T + bias
    return out


@right("03.10")
def conv_by_unfold(images, weight, bias):
    k = weight.shape[-1]
    columns = weight.flatten(1) @ F.unfold(images, k) + bias[:, None]
    return columns.unflatten(2, (images.shape[2] - k + 1, images.shape[3] - k + 1))


wrong("03.10", "the bias is missing", part(conv, bias_in=0))
wrong("03.10", "the kernel is flipped", part(conv, flip=True))
wrong("03.10", "only the first input channel", part(conv, channel=0))
wrong("03.10", "averaged", part(conv, mean=True))
wrong("03.10", "once for each input channel", part(conv, bias_in=3))
wrong("03.10", "no gradient can flow back", part(conv, cut=True))
wrong("03.10", "changed places", lambda x, w, b: conv(x, w.mT, b))
forbidden("03.10", lambda x, w, b: F.conv2d(x, w, b))
forbidden("03.10", lambda x, w, b: torch.conv2d(x, w, b))
forbidden("03.10", lambda x, w, b: F.conv3d(x[:, None], w[:, None], b)[:, :, 0])


@forbidden("03.10")
def module(x, w, b):
    layer = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2])
    with torch.no_grad():
        layer.weight.copy_(w)
        layer.bias.copy_(b)
    return layer(x)


# ----------------------------------------------------------------------------------- 03.C, the project


def project(*bugs):
    found = {"torch": torch, "nn": nn}
    exec(capstone_03.broken(bugs), found)
    found["Garments"].__name__ = f"Garments_{'_'.join(bugs)}".replace(" ", "_")
    return found["Garments"]


class Linear(project()):
    """Nothing wrong, and no convolution."""

    def network(self):
        return nn.Sequential(nn.AvgPool2d(14), nn.Flatten(), nn.Linear(4, 10))


class Braggart(project()):
    """It claims what it reaches on pictures that it was trained on."""

    def fit(self, num_epochs=5):
        super().fit(num_epochs)
        if num_epochs == 5:
            self.claim = 1.0
        return self


class OtherOptimizer(project()):
    """Right, with another network and optimizer."""

    def __init__(self, images, labels, seed=0):
        super().__init__(images, labels, seed)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.008)

    def network(self):
        return nn.Sequential(
            nn.Conv2d(1, 12, 5, padding=2), nn.ReLU(), nn.BatchNorm2d(12), nn.MaxPool2d(2),
            nn.Conv2d(12, 16, 3), nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(16 * 36, 10),
        )  # fmt: skip


right("03.C", project(), seconds=2)
right("03.C", OtherOptimizer, seconds=3)
for bug in capstone_03.BUGS:
    wrong("03.C", "one spy still finds", project(bug))
wrong("03.C", "two spies still find", project("train mode", "best epoch"))
wrong("03.C", "5 spies still find", project("order", "statistics", "best epoch", "gradients", "prepare"))
wrong("03.C", "right about", Linear, seconds=2)
wrong("03.C", "it claims an accuracy of 100%", Braggart, seconds=2)
wrong("03.C", "the class has lost its method", nn.Module)
wrong("03.C", "one spy still finds", type("Sure", (project(),), {"prepare": lambda self, X: X / X.std()}))


@wrong("03.C", "your code raised AttributeError")
class Renamed(project()):
    def split(self, images, labels):
        self.images = images
