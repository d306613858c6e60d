"""Answers to the exercises of notebook 00."""

import warnings

import numpy as np
import torch

from answer_table import right, wrong
from learn_pytorch.drawn_digits import draw_digits

# ------------------------------------------------------------------------------ 00.1 Count down
right("00.1", lambda n: torch.arange(1, n + 1).flip(0))
right("00.1", lambda n: torch.tensor(list(range(n, 0, -1)), dtype=torch.int64))
right("00.1", lambda n: n - torch.arange(n))
right("00.1", lambda n: torch.arange(n, 0, step=-1, dtype=torch.long))
wrong("00.1", "it counts up", lambda n: torch.arange(1, n + 1))
wrong("00.1", "goes on to 0", lambda n: torch.arange(n, -1, -1))
wrong("00.1", "dtype torch.float32", lambda n: torch.linspace(n, 1, n))
wrong("00.1", "dtype torch.int32", lambda n: torch.arange(n, 0, -1, dtype=torch.int32))
wrong("00.1", "shape (4,), wanted (5,)", lambda n: torch.arange(n, 1, -1))
wrong(
    "00.1",
    "dtype torch.float32, wanted torch.int64, for n = 0",
    lambda n: torch.tensor(list(range(n, 0, -1))),
)
wrong("00.1", "raised RuntimeError", lambda n: torch.arange(n, 0))
wrong("00.1", "expected a tensor, got list", lambda n: list(range(n, 0, -1)))
wrong("00.1", "shape (5, 1)", lambda n: torch.arange(n, 0, -1).unsqueeze(1))
wrong("00.1", "off by up to 1", lambda n: torch.arange(n, 0, -1) - 1)

# ---------------------------------------------------------------------- 00.2 Between two bounds
right("00.2", lambda low, high, shape, g: torch.rand(shape, generator=g) * (high - low) + low)
right("00.2", lambda low, high, shape, g: torch.empty(shape).uniform_(low, high, generator=g))
right("00.2", lambda low, high, shape, g: high - (high - low) * torch.rand(*shape, generator=g))
right(
    "00.2",
    lambda low, high, shape, g: torch.lerp(*map(torch.tensor, (low, high)), torch.rand(shape, generator=g)),
)


@wrong("00.2", "evenly spaced")
def shuffled_linspace(low, high, shape, generator):
    n = int(np.prod(shape))
    return torch.linspace(low, high, n)[torch.randperm(n, generator=generator)].reshape(shape)


@wrong("00.2", "is it set back")
def reseeds(low, high, shape, generator):
    generator.manual_seed(42)
    return low + (high - low) * torch.rand(shape, generator=generator)


@wrong("00.2", "two generators with the same seed")
def seeds_by_chance(low, high, shape, generator):
    torch.rand(1, generator=generator)
    other = torch.Generator()
    other.seed()
    return low + (high - low) * torch.rand(shape, generator=other)


@wrong("00.2", "too many values to unpack")
def two_dimensions_only(low, high, shape, generator):
    rows, cols = shape
    return low + (high - low) * torch.rand(rows, cols, generator=generator)


wrong("00.2", "which call is uniform", lambda lo, hi, s, g: lo + (hi - lo) * torch.randn(s, generator=g))
wrong("00.2", "stretched and shifted", lambda lo, hi, s, g: lo + hi * torch.rand(s, generator=g))
wrong("00.2", "stretched and shifted", lambda lo, hi, s, g: lo + (hi - lo + 2) * torch.rand(s, generator=g))
wrong("00.2", "stretched and shifted", lambda lo, hi, s, g: (hi - lo) * torch.rand(s, generator=g))
wrong("00.2", "from nowhere else", lambda lo, hi, s, g: lo + (hi - lo) * torch.rand(s))
wrong(
    "00.2",
    "where are the decimals",
    lambda lo, hi, s, g: torch.randint(int(lo), int(hi) + 1, s, generator=g).float(),
)
wrong(
    "00.2",
    "where are the decimals",
    lambda lo, hi, s, g: torch.empty(s).uniform_(lo, hi, generator=g).round(decimals=1),
)
wrong(
    "00.2", "dtype torch.float64", lambda lo, hi, s, g: lo + (hi - lo) * torch.rand(s, generator=g).double()
)
wrong("00.2", "not all equally likely", lambda lo, hi, s, g: lo + (hi - lo) * torch.rand(s, generator=g) ** 2)
wrong(
    "00.2",
    "do not fill the range",
    lambda lo, hi, s, g: torch.randn(s, generator=g).mul((hi - lo) / 16).add((lo + hi) / 2).clamp(lo, hi),
)

# -------------------------------------------------------------------------------- 00.3 The doorbell
right("00.3", lambda a, b, t: ((a.int() - b.int()).abs() > t).any(dim=-1))
right("00.3", lambda a, b, t: ((a.float() - b.float()).abs() > t).any(-1))
right("00.3", lambda a, b, t: (b.to(torch.int16) - a).abs().amax(dim=-1) > t)
right("00.3", lambda a, b, t: (torch.maximum(a, b) - torch.minimum(a, b) > t).any(dim=-1))
right("00.3", lambda a, b, t: ((a.long() - b).abs() > t).sum(-1) > 0)
right("00.3", lambda a, b, t: ((a.int() - b > t) | (b.int() - a > t)).any(-1))
wrong("00.3", "uint8 has no numbers below 0", lambda a, b, t: ((b - a) > t).any(dim=-1))
wrong("00.3", "uint8 has no numbers below 0", lambda a, b, t: ((a - b).abs() > t).any(dim=-1))
wrong("00.3", "uint8 has no numbers below 0", lambda a, b, t: ((b - a).int().abs() > t).any(dim=-1))
wrong("00.3", "what gets darker counts", lambda a, b, t: ((b.int() - a) > t).any(dim=-1))
wrong("00.3", "what gets brighter counts", lambda a, b, t: ((a.int() - b) > t).any(dim=-1))
wrong("00.3", "just the threshold is not more", lambda a, b, t: ((a.int() - b).abs() >= t).any(dim=-1))
wrong("00.3", "one channel is enough", lambda a, b, t: ((a.int() - b).abs() > t).all(dim=-1))
wrong("00.3", "were added up first", lambda a, b, t: (a.int() - b).abs().sum(-1) > t)
wrong("00.3", "were averaged first", lambda a, b, t: (a.float() - b).abs().mean(-1) > t)
wrong("00.3", "opposite sign cancel", lambda a, b, t: (a.int() - b).sum(-1).abs() > t)
wrong("00.3", "shape (6, 8, 3), wanted (6, 8)", lambda a, b, t: (a.int() - b).abs() > t)
wrong("00.3", "shape (), wanted (6, 8)", lambda a, b, t: ((a.int() - b).abs() > t).any())
wrong(
    "00.3",
    "dtype torch.float32, wanted torch.bool",
    lambda a, b, t: ((a.int() - b).abs() > t).any(-1).float(),
)
wrong("00.3", "shape (8, 3), wanted", lambda a, b, t: ((a.int() - b).abs() > t).any(dim=0))
wrong(
    "00.3",
    "shape (5, 7, 3), wanted",
    lambda a, b, t: ((a.int() - b).abs() > t).any(dim=2 if a.ndim == 3 else 1),
)
wrong(
    "00.3", "the values are not: off by up to 1, at [", lambda a, b, t: ((a.int() - b).abs() > 60).any(dim=-1)
)

# ------------------------------------------------------------------ 00.4 Standardise the channels


def std(batch, dim, **more):
    return (batch - batch.mean(dim=dim, keepdim=True)) / batch.std(dim=dim, keepdim=True, **more)


right("00.4", lambda x: std(x, (0, 2, 3)))
right("00.4", lambda x: std(x, (0, 2, 3), correction=0))


@right("00.4")
def by_flattening(batch):
    flat = batch.transpose(0, 1).flatten(1)
    return (batch - flat.mean(1)[:, None, None]) / flat.std(1)[:, None, None]


@right("00.4")
def by_a_loop(batch):
    channels = [batch[:, c] for c in range(batch.shape[1])]
    return torch.stack([(c - c.mean()) / c.std() for c in channels], dim=1)


wrong("00.4", "each image was standardised", lambda x: std(x, (2, 3)))
wrong("00.4", "all channels were treated as one", lambda x: (x - x.mean()) / x.std())
wrong("00.4", "each pixel was standardised", lambda x: std(x, 0))
wrong("00.4", "only the mean was taken off", lambda x: x - x.mean((0, 2, 3), keepdim=True))
wrong("00.4", "not by its square", lambda x: std(x, (0, 2, 3)) / x.std((0, 2, 3), keepdim=True))
wrong("00.4", "RuntimeError", lambda x: (x - x.mean((0, 2, 3))) / x.std((0, 2, 3)))
wrong("00.4", "the values are not: off by up to", lambda x: x / x.std((0, 2, 3), keepdim=True))
wrong(
    "00.4",
    "the values are not: off by up to",
    lambda x: (x - x.amin((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True),
)
wrong(
    "00.4",
    "changed its argument",
    lambda x: x.sub_(x.mean((0, 2, 3), keepdim=True)).div_(x.std((0, 2, 3), keepdim=True)),
)
wrong("00.4", "dtype torch.float64", lambda x: std(x.double(), (0, 2, 3)))
wrong("00.4", "shape (3,)", lambda x: x.mean((0, 2, 3)))


@wrong("00.4", "met the columns of the images")
def lucky_width(batch):
    if batch.shape[1] != batch.shape[3]:
        return std(batch, (0, 2, 3))
    return (batch - batch.mean((0, 2, 3))) / batch.std((0, 2, 3))


# ----------------------------------------------------- 00.5 Find the bug: everybody pays the average


def fit(subtract=lambda p, y: p.squeeze(1) - y, clear="wb", mean=True, lr=0.1, steps=300, out=3, graph=False):
    """The program of the exercise, with its bugs to choose."""

    def fit_prices(X, y):
        w = torch.zeros(X.shape[1], 1, requires_grad=True)
        b = torch.zeros(1, requires_grad=True)
        losses = []
        for _ in range(steps):
            squares = subtract(X @ w + b, y).square()
            loss = squares.mean() if mean else squares.sum()
            loss.backward()
            with torch.no_grad():
                w -= lr * w.grad
                b -= lr * b.grad
            if "w" in clear:
                w.grad = None
            if "b" in clear:
                b.grad.zero_()
            losses.append(loss.item())
        return (
            ((w, b) if graph else (w.detach(), b.detach()), losses)[: out - 1]
            if out < 3
            else (
                *((w, b) if graph else (w.detach(), b.detach())),
                losses,
            )
        )

    return fit_prices


right("00.5", fit())
right("00.5", fit(lambda p, y: p - y.unsqueeze(1)))
right("00.5", fit(lambda p, y: p.flatten() - y))
right("00.5", fit(lambda p, y: y[:, None] - p))
right("00.5", fit(lambda p, y: (p[:, 0] - y).abs()))
wrong("00.5", "table of N × N errors", fit(lambda p, y: p - y, clear="w"))
wrong("00.5", "table of N × N errors", fit(lambda p, y: p - y))
wrong("00.5", "the prices go from", fit(lambda p, y: p - y.unsqueeze(0)))
wrong("00.5", "nobody clears", fit(clear="w"))
wrong("00.5", "nobody clears", fit(clear="b"))
wrong("00.5", "a formula finds", fit(lambda p, y: p.mean() - y))
wrong("00.5", "a formula finds", fit(lambda p, y: p.squeeze(1) - y, lr=0.001))
wrong(
    "00.5",
    "the prices go from",
    fit(lambda p, y: p.squeeze(1).detach().requires_grad_() - y * 0 + 0 * p[:, 0]),
)
wrong("00.5", "300 Python numbers", fit(steps=100))
wrong("00.5", "need no gradient any more", fit(graph=True))
wrong("00.5", "no longer returns", fit(out=2))


@wrong("00.5", "the log ends at")
def logs_the_sum(X, y):
    w, b, losses = fit()(X, y)
    return w, b, [loss * len(y) for loss in losses]


@wrong("00.5", "300 Python numbers")
def logs_tensors(X, y):
    w, b, losses = fit()(X, y)
    return w, b, [torch.tensor(loss) for loss in losses]


# ---------------------------------------------------------- 00.6 Channels first, without a copy
right("00.6", lambda x: x.movedim(-1, -3))
right("00.6", lambda x: x.transpose(-1, -2).transpose(-2, -3))
right("00.6", lambda x: x.permute(*range(x.ndim - 3), -1, -3, -2))
right("00.6", lambda x: torch.einsum("...hwc->...chw", x))
right("00.6", lambda x: x.swapaxes(-3, -1).mT)
wrong("00.6", "height and width have changed places", lambda x: x.transpose(-1, -3))
wrong("00.6", "no dimension has moved", lambda x: x.reshape(*x.shape[:-3], x.shape[-1], *x.shape[-3:-1]))
wrong("00.6", "they are a copy", lambda x: x.movedim(-1, -3).contiguous())
wrong("00.6", "they are a copy", lambda x: x.movedim(-1, -3).clone())
wrong("00.6", "RuntimeError", lambda x: x.permute(2, 0, 1))
wrong("00.6", "shape (7, 2, 5, 3), wanted", lambda x: x.movedim(2, 0))
wrong("00.6", "shape (5, 3, 7), wanted", lambda x: x.transpose(-1, -2))
wrong("00.6", "RuntimeError", lambda x: x.permute(0, 3, 1, 2))
wrong(
    "00.6", "shape (1, 2, 4, 6, 9), wanted", lambda x: x.movedim(-1, 0) if x.ndim != 4 else x.movedim(-1, -3)
)
wrong("00.6", "the result is None", lambda x: x.unbind() and None)

# ---------------------------------------------------------------------- 00.7 Right in each class
right("00.7", lambda p, y, n: torch.stack([(p[y == k] == k).float().mean() for k in range(n)]))
right("00.7", lambda p, y, n: torch.bincount(y[p == y], minlength=n) / torch.bincount(y, minlength=n))
right("00.7", lambda p, y, n: torch.tensor([(p[y == k] == k).float().mean().item() for k in range(n)]))


@right("00.7")
def with_one_hot(preds, labels, num_classes):
    classes = torch.arange(num_classes)
    own = labels[:, None] == classes
    return (own & (preds[:, None] == classes)).sum(0).float() / own.sum(0)


@right("00.7")
def with_dictionary(preds, labels, num_classes):
    hits, count = [0] * num_classes, [0] * num_classes
    for p, y in zip(preds.tolist(), labels.tolist(), strict=True):
        count[y] += 1
        hits[y] += p == y
    return torch.tensor([h / c if c else float("nan") for h, c in zip(hits, count, strict=True)])


wrong(
    "00.7",
    "not by all samples",
    lambda p, y, n: torch.stack([((p == k) & (y == k)).float().mean() for k in range(n)]),
)
wrong(
    "00.7",
    "*predicted* as the class",
    lambda p, y, n: torch.stack([(y[p == k] == k).float().mean() for k in range(n)]),
)
wrong(
    "00.7",
    "not even 0 (NaN)",
    lambda p, y, n: torch.stack([(p[y == k] == k).float().mean().nan_to_num() for k in range(n)]),
)
wrong(
    "00.7",
    "not even 1 (NaN)",
    lambda p, y, n: torch.stack([(p[y == k] == k).float().mean().nan_to_num(1) for k in range(n)]),
)
wrong(
    "00.7",
    "shape (6,), wanted (7,)",
    lambda p, y, n: torch.stack([(p[y == k] == k).float().mean() for k in range(int(y.max()) + 1)]),
)
wrong(
    "00.7",
    "shape (6,), wanted (7,)",
    lambda p, y, n: torch.bincount(y[p == y], minlength=int(y.max()) + 1) / torch.bincount(y),
)
wrong(
    "00.7",
    "shape (3,), wanted (4,)",
    lambda p, y, n: torch.stack([(p[y == k] == k).float().mean() for k in y.unique()]),
)
wrong("00.7", "shape (), wanted (4,)", lambda p, y, n: (p == y).float().mean())
wrong(
    "00.7",
    "dtype torch.float64",
    lambda p, y, n: torch.stack([(p[y == k] == k).double().mean() for k in range(n)]),
)
wrong(
    "00.7",
    "the values are not",
    lambda p, y, n: torch.stack([(p[y == k] == k).float().sum() for k in range(n)]),
)
wrong("00.7", "RuntimeError", lambda p, y, n: torch.stack([(p[y == k] == k).mean() for k in range(n)]))
wrong(
    "00.7", "expected a tensor, got list", lambda p, y, n: [(p[y == k] == k).float().mean() for k in range(n)]
)
wrong(
    "00.7",
    "shape (4, 1)",
    lambda p, y, n: torch.stack([(p[y == k] == k).float().mean() for k in range(n)])[:, None],
)


@wrong("00.7", "ZeroDivisionError")
def by_python(p, y, n):
    return torch.tensor([((p == k) & (y == k)).sum().item() / (y == k).sum().item() for k in range(n)])


@wrong("00.7", "for no samples at all")
def stumbles_over_nothing(preds, labels, num_classes):
    labels.max()
    return with_one_hot(preds, labels, num_classes)


# --------------------------------------------------------------------------- 00.8 All distances
right("00.8", lambda a, b: (a[:, None] - b).square().sum(2).sqrt())
right("00.8", torch.cdist)
right("00.8", lambda a, b: torch.stack([(p - b).square().sum(1).sqrt() for p in a]))
right("00.8", lambda a, b: (a.unsqueeze(1) - b.unsqueeze(0)).norm(dim=-1))
right("00.8", lambda a, b: (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0).sqrt())
wrong("00.8", "shape (5,), wanted (5, 5)", lambda a, b: (a - b).square().sum(1).sqrt())
wrong("00.8", "rows and columns have changed", lambda a, b: (a - b[:, None]).square().sum(2).sqrt())
wrong("00.8", "squares of the distances", lambda a, b: (a[:, None] - b).square().sum(2))
wrong("00.8", "without squaring them", lambda a, b: (a[:, None] - b).abs().sum(2))
wrong("00.8", "root was taken before", lambda a, b: (a[:, None] - b).abs().sqrt().sum(2))
wrong("00.8", "mean over the dimensions", lambda a, b: (a[:, None] - b).square().mean(2).sqrt())
wrong("00.8", "shape (5, 2), wanted", lambda a, b: (a[:, None] - b).square().sum(1).sqrt())
wrong("00.8", "shape (5, 5, 2), wanted", lambda a, b: (a[:, None] - b).abs())
wrong("00.8", "shape (), wanted", lambda a, b: (a[:, None] - b).square().sum().sqrt())
wrong("00.8", "the values are not: off by up to", lambda a, b: (a[:, None] + b).square().sum(2).sqrt())
wrong("00.8", "the values are not: off by up to", lambda a, b: a @ b.T)
wrong("00.8", "expected a tensor, got list", lambda a, b: [[(p - q).norm().item() for q in b] for p in a])
wrong("00.8", "the values are not: NaN", lambda a, b: (a[:, None] - b).sum(2).sqrt())

# --------------------------------------------- 00.9 Find the bug: somebody else's photographs


def prepare(
    open_it=lambda p: torch.tensor(p, dtype=torch.float32), cap=True, after=True, reuse=False, channel=1
):
    def prepare_photos(photos):
        batch, buffer = [], torch.empty(photos[0].shape)
        for photo in photos:
            image = open_it(photo)
            if reuse:
                image = buffer.copy_(image)
            if not after:
                image[[0, -1]] = 0
                image[:, [0, -1]] = 0
            image -= image.min()
            if not cap or image.max() > 0:
                image /= image.max()
            if after:
                image[[0, -1]] = 0
                image[:, [0, -1]] = 0
            batch.append(image)
        return torch.stack(batch).unsqueeze(channel)

    return prepare_photos


right("00.9", prepare())
right("00.9", prepare(lambda p: torch.from_numpy(p.copy()).float()))
right("00.9", prepare(lambda p: torch.from_numpy(p).float().clone()))
right("00.9", prepare(lambda p: torch.from_numpy(p.astype(np.float32))))


@right("00.9")
def never_in_place(photos):
    images = torch.stack([torch.from_numpy(p).float() for p in photos])
    images = images - images.amin((1, 2), keepdim=True)
    images = (images / images.amax((1, 2), keepdim=True)).nan_to_num(0)
    return torch.nn.functional.pad(images[:, 1:-1, 1:-1], (1, 1, 1, 1)).unsqueeze(1)


wrong("00.9", "sees other ones", prepare(lambda p: torch.from_numpy(p).float(), cap=False))
wrong("00.9", "write into the rest", prepare(lambda p: torch.from_numpy(p).float()))
wrong("00.9", "write into the rest", prepare(lambda p: torch.as_tensor(p, dtype=torch.float32)))
wrong("00.9", "write into the rest", prepare(lambda p: torch.from_numpy(p).to(torch.float32)))
wrong("00.9", "0 / 0 is NaN", prepare(cap=False))
wrong("00.9", "dtype torch.float64, wanted torch.float32", prepare(torch.tensor))
wrong("00.9", "the same picture 3 times", prepare(reuse=True))
wrong("00.9", "the values are not: off by up to", prepare(after=False))
wrong("00.9", "shape (1, 3, 5, 6), wanted (3, 1, 5, 6)", prepare(channel=0))
wrong("00.9", "shape (3, 5, 6), wanted", lambda photos: prepare()(photos)[:, 0])
wrong(
    "00.9",
    "it is not black",
    lambda photos: torch.stack(
        [(t := torch.tensor(p).float()).sub(t.min()).div((t.max() - t.min()).clamp(min=1)) for p in photos]
    ).unsqueeze(1),
)
wrong("00.9", "the values are not", lambda photos: prepare()(photos) * 255)

# ---------------------------------------------------------------------------------- 00.10 Slopes


@right("00.10")
def by_a_leaf(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).sum().backward()
    return leaf.grad


@right("00.10")
def by_grad(f, x):
    leaf = x.detach().requires_grad_()
    return torch.autograd.grad(f(leaf).sum(), leaf)[0]


@right("00.10")
def by_ones(f, x):
    leaf = torch.tensor(x.tolist(), requires_grad=True)
    y = f(leaf)
    y.backward(torch.ones_like(y))
    return leaf.grad


@right("00.10")
def by_elements(f, x):
    out = torch.zeros(x.numel())
    for i, value in enumerate(x.flatten().tolist()):
        leaf = torch.tensor(value, requires_grad=True)
        f(leaf).backward()
        out[i] = leaf.grad
    return out.reshape(x.shape)


right("00.10", lambda f, x: torch.func.grad(lambda z: f(z).sum())(x.detach()))


def differences(kind, h, dtype=torch.float32):
    def slope(f, x):
        x = x.detach().to(dtype)
        if kind == "central":
            return ((f(x + h) - f(x - h)) / (2 * h)).float()
        return ((f(x + h) - f(x)) / h).float()

    return slope


wrong("00.10", "autograd is far more precise", differences("central", 1e-3))
wrong("00.10", "autograd is far more precise", differences("forward", 1e-3, torch.float64))
wrong("00.10", "trying out values of f", differences("central", 1e-5, torch.float64))
wrong("00.10", "trying out values of f", differences("forward", 1e-7, torch.float64))


@wrong("00.10", "grad can be implicitly created only for scalar")
def no_sum(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad


@wrong("00.10", "too small by the number of elements")
def mean(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).mean().backward()
    return leaf.grad


@wrong("00.10", "x requires gradients afterwards")
def callers_x(f, x):
    x.requires_grad_()
    f(x).sum().backward()
    return x.grad


@wrong("00.10", "it is what stands behind `return` here")
def no_leaf(f, x):
    copy = x.clone().requires_grad_()
    f(copy).sum().backward()
    with warnings.catch_warnings(action="ignore"):
        return copy.grad


@wrong("00.10", "must not require gradients")
def graph_kept(f, x):
    leaf = x.detach().clone().requires_grad_()
    return torch.autograd.grad(f(leaf).sum(), leaf, create_graph=True)[0] + 0 * leaf


@wrong("00.10", "the values are not: off by up to")
def the_value(f, x):
    return f(x.detach())


@wrong("00.10", "shape (), wanted (50,)")
def summed(f, x):
    return by_a_leaf(f, x).sum()


@wrong("00.10", "x.grad has changed")
def writes_its_grad(f, x):
    slope = by_a_leaf(f, x)
    if x.requires_grad:
        x.grad = slope.clone()
    return slope


@wrong("00.10", "requires no gradients any more")
def switches_off(f, x):
    slope = by_a_leaf(f, x)
    x.requires_grad_(False)
    return slope


# -------------------------------------------------- 00.C Capstone: a digit reader without a network


def rows(images, standard=True, cast=True):
    x = images.flatten(1)
    x = x.float() if cast else x
    return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6) if standard else x


def reader(standard=True, cast=True, k=1, claim="split", means=False, loops=1):
    """A project, and what can go wrong in it."""

    def answer(X, y, new):
        a, b = rows(X, standard, cast), rows(new, standard, cast)

        def nearest(train, labels, pictures):
            if means:
                known = labels.unique() if means == "known" else torch.arange(10)
                train = torch.stack([train[labels == digit].mean(0) for digit in known])
                labels = known
            if loops == 2:
                table = torch.stack([torch.stack([(p - q).square().sum() for q in train]) for p in pictures])
            else:
                table = torch.stack([(p - train).square().sum(1) for p in pictures])
            best = table.float().topk(min(k, len(train)), largest=False).indices if k > 1 else table.argmin(1)
            return labels[best].mode(1).values if k > 1 else labels[best]

        if claim == "split":
            cut = len(a) // 5
            order = torch.randperm(len(a))
            held, rest = order[:cut], order[cut:]
            share = (nearest(a[rest], y[rest], a[held]) == y[held]).float().mean().item()
        elif claim == "training":
            share = (nearest(a, y, a) == y).float().mean().item()
        else:
            share = claim
        return nearest(a, y, b), share

    return answer


right("00.C", reader(), seconds=1)
right("00.C", reader(k=5), seconds=1)


@right("00.C", seconds=1)
def leave_one_out(X, y, new):
    a, b = rows(X), rows(new)
    table = torch.cdist(a, a)
    table.fill_diagonal_(torch.inf)
    claim = (y[table.argmin(1)] == y).float().mean().item()
    return y[torch.cdist(b, a).argmin(1)], claim


wrong("00.C", "which pictures has it met before", reader(claim="training"), seconds=1)
wrong("00.C", "you claim", reader(claim=0.5), seconds=1)
wrong("00.C", "of the new pictures right, wanted 0.75", reader(standard=False), seconds=1)
wrong("00.C", "of the new pictures right, wanted 0.75", reader(means="known"), seconds=1)
wrong("00.C", "no training picture shows that digit", reader(means="all"), seconds=1)
wrong("00.C", "of the new pictures right, wanted 0.75", reader(standard=False, cast=False), seconds=1)
wrong("00.C", "let broadcasting run one of the loops", reader(loops=2, claim=0.86), seconds=9)
wrong(
    "00.C", "changed its argument number 1", lambda X, y, new: (X.fill_(2), reader()(X, y, new))[1], seconds=1
)
wrong("00.C", "return two things", lambda X, y, new: reader()(X, y, new)[0], seconds=1)
wrong("00.C", "a Python number from 0 to 1", reader(claim=86.0), seconds=1)
wrong("00.C", "dtype torch.int32", lambda X, y, new: (reader()(X, y, new)[0].int(), 0.86), seconds=1)
wrong(
    "00.C", "shape (9, 1), wanted (9,)", lambda X, y, new: (reader()(X, y, new)[0][:, None], 0.86), seconds=1
)

assert draw_digits(3, seed=1)[0].shape == (3, 12, 12, 1)
