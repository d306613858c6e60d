"""Answers to the exercises of notebook 01."""

import copy
import os
import warnings

import torch
from torch import nn
from torch.nn import functional as F

from answer_table import forbidden, right, wrong

# ------------------------------------------------------------------------------ 01.1 A random split


def split(order=lambda n, g: torch.randperm(n, generator=g), back=None):
    def split_at_random(X, y, num_train, generator):
        rows = order(len(X), generator)
        train, test = rows[:num_train], rows[num_train:]
        parts = X[train], y[train], X[test], y[test]
        return parts if back is None else back(parts)

    return split_at_random


right("01.1", split())
right("01.1", split(lambda n, g: torch.rand(n, generator=g).argsort()))
right("01.1", split(back=list))


@right("01.1")
def by_a_mask(X, y, num_train, generator):
    train = torch.zeros(len(X), dtype=torch.bool)
    train[torch.randperm(len(X), generator=generator)[:num_train]] = True
    return X[train], y[train], X[~train], y[~train]


@right("01.1")
def by_random_split(X, y, num_train, generator):
    parts = torch.utils.data.random_split(range(len(X)), [num_train, len(X) - num_train], generator=generator)
    a, b = (torch.tensor(list(p), dtype=torch.int64) for p in parts)
    return X[a], y[a], X[b], y[b]


@wrong("01.1", "no longer belong together")
def two_orders(X, y, num_train, generator):
    X = X[torch.randperm(len(X), generator=generator)]
    y = y[torch.randperm(len(y), generator=generator)]
    return X[:num_train], y[:num_train], X[num_train:], y[num_train:]


wrong("01.1", "used exactly once", split(lambda n, g: torch.randint(0, n, (n,), generator=g)))
wrong("01.1", "two generators with the same seed", split(lambda n, g: torch.randperm(n)))
wrong("01.1", "a split by position", split(lambda n, g: torch.arange(n)))
wrong(
    "01.1",
    "rows for training are neighbours",
    split(lambda n, g: (torch.arange(n) + torch.randint(n, (), generator=g)) % n),
)
wrong(
    "01.1",
    "generators with different seeds",
    split(lambda n, g: torch.randperm(n, generator=torch.Generator().manual_seed(42))),
)
wrong(
    "01.1",
    "no longer where they were",
    split(lambda n, g: torch.randperm(n, generator=torch.manual_seed(g.initial_seed()))),
)
wrong(
    "01.1",
    "is where it was",
    split(lambda n, g: torch.randperm(n, generator=torch.Generator().manual_seed(g.initial_seed()))),
)
wrong("01.1", "inputs stand where targets should", split(back=lambda p: (p[0], p[2], p[1], p[3])))
wrong("01.1", "return the four parts", split(back=lambda p: p[:2]))
wrong("01.1", "X_train has shape (40,)", split(back=lambda p: [t.squeeze(1) for t in p]))
wrong("01.1", "X_train has shape (20, 1)", split(back=lambda p: (*p[2:], *p[:2])))


@wrong("01.1", "6 rows, 6 of them")
def from_the_end(X, y, num_train, generator):
    order, m = torch.randperm(len(X), generator=generator), len(X) - num_train
    train, test = order[:-m], order[-m:]
    return X[train], y[train], X[test], y[test]


# -------------------------------------------------- 01.2 Find the bug: perfect, and always wrong


def experiment(
    labels=lambda y, n: (y[:n], y[n:]), inputs=lambda X, n: (X[:n], X[n:]), report=None, lr=0.5, out=3
):
    def run_it(X, y, share):
        n = int(share * len(X))
        (X_train, X_test), (y_train, y_test) = inputs(X, n), labels(y, n)
        model = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for _ in range(500):
            loss = F.mse_loss(model(X_train), y_train)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
            test_loss = F.mse_loss(model(X_test), y_test).item() if report is None else report(model, X, y, n)
        return (model, loss.item(), test_loss)[:out]

    return run_it


right("01.2", experiment())
right("01.2", experiment(lambda y, n: y.split([n, len(y) - n])))
right("01.2", experiment(report=lambda m, X, y, n: (m(X[n:]) - y[n:]).square().mean().item()))
wrong("01.2", "do not belong together", experiment(lambda y, n: (y[:n], y[:n])))
wrong("01.2", "must match the size", experiment(lambda y, n: (y[:n], y[-n:])))
wrong("01.2", "has learned from", experiment(lambda y, n: (y, y[n:]), lambda X, n: (X, X[n:])))
wrong(
    "01.2",
    "the model has learned from",
    experiment(report=lambda m, X, y, n: F.mse_loss(m(X[:n]), y[:n]).item()),
)
wrong("01.2", "tested as well", experiment(report=lambda m, X, y, n: F.mse_loss(m(X), y).item()))
wrong("01.2", "a line fits them perfectly", experiment(lr=1e-4))
wrong("01.2", "no longer returns", experiment(out=2))
wrong("01.2", "Python numbers", experiment(report=lambda m, X, y, n: F.mse_loss(m(X[n:]), y[n:])))
wrong("01.2", "a line fits them perfectly", experiment(lambda y, n: (y[n : 2 * n], y[n:])))
wrong("01.2", "gets", experiment(report=lambda m, X, y, n: (m(X[n:]) - y[n:]).abs().sum().item() + 1))

# ---------------------------------------------------------------------------------- 01.3 A parabola


def parabola(
    start=lambda: nn.Parameter(torch.randn(1)), formula=lambda s, x: s.a * x**2 + s.b * x + s.c, names="abc"
):
    class Parabola(nn.Module):
        def __init__(self):
            super().__init__()
            for name in names:
                setattr(self, name, start())

        def forward(self, x):
            return formula(self, x)

    return Parabola


right("01.3", parabola())
right("01.3", parabola(lambda: nn.Parameter(torch.rand(1))))
right("01.3", parabola(formula=lambda s, x: (s.a * x + s.b) * x + s.c, names="cba"))
right(
    "01.3",
    parabola(
        lambda: nn.Parameter(torch.empty(1).uniform_(-1, 1)), lambda s, x: s.c + s.b * x + s.a * x.square()
    ),
)
wrong("01.3", "model.parameters() is empty", parabola(lambda: torch.randn(1, requires_grad=True)))
wrong(
    "01.3",
    "has a tensor become a number",
    parabola(formula=lambda s, x: s.a.item() * x**2 + s.b.item() * x + s.c.item()),
)
wrong("01.3", "which power belongs", parabola(formula=lambda s, x: s.a + s.b * x + s.c * x**2))
wrong("01.3", "c does not appear", parabola(formula=lambda s, x: s.a * x**2 + s.b * x))
wrong("01.3", "only x is squared", parabola(formula=lambda s, x: (s.a * x) ** 2 + s.b * x + s.c))
wrong("01.3", "the square is missing", parabola(formula=lambda s, x: s.a * x + s.b * x + s.c))
wrong("01.3", "the start must be random", parabola(lambda: nn.Parameter(torch.zeros(1))))
wrong("01.3", "wanted (1,) for each", parabola(lambda: nn.Parameter(torch.randn(()))))
wrong("01.3", "wanted ['a', 'b', 'c']", parabola(names="abcd"))
wrong(
    "01.3",
    "backward() reaches only ['a', 'b']",
    parabola(formula=lambda s, x: s.a * x**2 + s.b * x + s.c.detach()),
)
wrong("01.3", "the values are not: off by up to", parabola(formula=lambda s, x: s.a * x**3 + s.b * x + s.c))
wrong("01.3", "made already: pass the class itself", parabola()())
wrong("01.3", "expected a class, got function", lambda x: x**2)


@wrong("01.3", "start from the same number")
class OneNumber(nn.Module):
    def __init__(self):
        super().__init__()
        start = torch.randn(1)
        self.a, self.b, self.c = (nn.Parameter(start.clone()) for _ in range(3))

    def forward(self, x):
        return self.a * x**2 + self.b * x + self.c


@wrong("01.3", "super().__init__()")
class NoSuper(nn.Module):
    def __init__(self):
        self.a, self.b, self.c = (nn.Parameter(torch.randn(1)) for _ in range(3))

    def forward(self, x):
        return self.a * x**2 + self.b * x + self.c


@wrong("01.3", "which method does calling run")
class OwnCall(OneNumber):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.randn(1)) for _ in range(3))

    def __call__(self, x):
        return self.a * x**2 + self.b * x + self.c


# ----------------------------------------------- 01.4 Find the bug: a model that comes back different


class Layers(nn.Module):
    """Layers as attributes, the unit as a parameter."""

    def __init__(self, hidden):
        super().__init__()
        self.first, self.second = nn.Linear(1, hidden), nn.Linear(hidden, 1)
        self.unit, self.shift = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.unit * self.second(torch.tanh(self.first(x))) + self.shift


right("01.4", Layers)


@right("01.4")
class InAList(Layers):
    def __init__(self, hidden):
        nn.Module.__init__(self)
        self.layers = nn.ModuleList([nn.Linear(1, hidden), nn.Linear(hidden, 1)])
        self.unit, self.shift = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.unit * self.layers[1](torch.tanh(self.layers[0](x))) + self.shift


@right("01.4")
class InSequence(Layers):
    def __init__(self, hidden):
        nn.Module.__init__(self)
        self.layers = nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.unit, self.shift = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.unit * self.layers(x) + self.shift


@wrong("01.4", "nor a plain tensor")
class PlainList(InAList):
    def __init__(self, hidden):
        nn.Module.__init__(self)
        self.layers = [nn.Linear(1, hidden), nn.Linear(hidden, 1)]
        self.unit, self.shift = torch.ones(1, requires_grad=True), nn.Parameter(torch.zeros(1))


@wrong("01.4", "an optimizer moves 14 of its 15")
class PlainTensor(Layers):
    def __init__(self, hidden):
        super().__init__(hidden)
        del self.unit
        self.unit = torch.ones(1, requires_grad=True)


@wrong("01.4", "an optimizer moves 14 of its 15")
class Buffer(Layers):
    def __init__(self, hidden):
        super().__init__(hidden)
        del self.unit
        self.register_buffer("unit", torch.ones(1))


@wrong("01.4", "far out it should be flat")
class Straight(Layers):
    def forward(self, x):
        return self.unit * self.second(self.first(x)) + self.shift


@wrong("01.4", "leaves 1 of its parameters")
class Unused(Layers):
    def forward(self, x):
        return self.second(torch.tanh(self.first(x))) + self.shift


@wrong("01.4", "which method does calling run")
class CallsItself(Layers):
    def __call__(self, x):
        return self.forward(x)


@wrong("01.4", "is no nn.Module")
class NoModule:
    def __init__(self, hidden):
        self.inner = Layers(hidden)

    def __call__(self, x):
        return self.inner(x)


wrong("01.4", "made already", Layers(4))
wrong("01.4", 'missing the required "forward"', type("NoForward", (Layers,), {"forward": nn.Module.forward}))

# --------------------------------------------------------------------- 01.5 A loss between L1 and MSE


def huber(
    small=lambda e, d: 0.5 * e**2,
    large=lambda e, d: d * (e.abs() - d / 2),
    which=lambda e, d: e.abs() <= d,
    end=torch.mean,
):
    def loss(preds, y, delta):
        error = preds - y
        return end(torch.where(which(error, delta), small(error, delta), large(error, delta)))

    return loss


right("01.5", huber())
right("01.5", huber(which=lambda e, d: e.abs() < d))


@right("01.5")
def by_clamp(preds, y, delta):
    size = (preds - y).abs()
    near = size.clamp(max=delta)
    return (near * (size - near / 2)).mean()


@right("01.5")
def by_masks(preds, y, delta):
    size = (preds - y).abs()
    small = size <= delta
    total = (size[small] ** 2 / 2).sum() + (delta * (size[~small] - delta / 2)).sum()
    return total / size.numel()


forbidden("01.5", lambda p, y, d: F.huber_loss(p, y, delta=d))
forbidden("01.5", lambda p, y, d: nn.HuberLoss(delta=d)(p, y))
forbidden("01.5", lambda p, y, d: d * F.smooth_l1_loss(p, y, beta=d))
forbidden("01.5", lambda p, y, d: d * nn.SmoothL1Loss(beta=d)(p, y))
forbidden("01.5", lambda p, y, d: torch.nn.functional.huber_loss(p, y, reduction="none", delta=d).mean())
wrong("01.5", "this is the sum", huber(end=torch.sum))
wrong("01.5", "large errors are squared too", huber(which=lambda e, d: e.abs() > -1))
wrong("01.5", "small errors are not squared", huber(which=lambda e, d: e.abs() < -1))
wrong(
    "01.5",
    "always taken for small ones",
    huber(large=lambda e, d: d * (e - d / 2), which=lambda e, d: e <= d),
)
wrong("01.5", "one half is missing", huber(small=lambda e, d: e**2))
wrong("01.5", "do not meet at delta", huber(large=lambda e, d: d * e.abs()))
wrong("01.5", "have changed places", huber(which=lambda e, d: e.abs() > d))
wrong("01.5", "shape (9, 1), wanted ()", huber(end=lambda x: x))
wrong("01.5", "no graph", lambda p, y, d: huber()(p.detach(), y, d))
wrong("01.5", "does not reach the predictions", lambda p, y, d: huber()(p.detach().requires_grad_(), y, d))
wrong("01.5", "the values are not: off by up to", lambda p, y, d: huber()(p, y, d).detach() + 0 * p.sum())
wrong("01.5", "expected a tensor, got float", lambda p, y, d: huber()(p, y, d).item())
wrong("01.5", "the shape is right", huber(which=lambda e, d: e.abs() <= 1))
wrong(
    "01.5",
    "Boolean value of Tensor",
    lambda p, y, d: ((p - y) ** 2 / 2).mean() if (p - y).abs() <= d else None,
)

# ------------------------------------------------------------------------------- 01.6 One step by hand


def step(ask=lambda p: p.grad is not None, move=None, clear="none", count=True, quiet=torch.no_grad):
    def sgd_step(parameters, lr):
        moved = 0
        with quiet():
            for p in parameters:
                if ask(p):
                    if clear == "early":
                        p.grad = None if p.grad is None else torch.zeros_like(p.grad)
                    if move is None:
                        p -= lr * p.grad
                    else:
                        move(p, lr)
                    if clear == "none":
                        p.grad = None
                    elif clear == "zero":
                        p.grad.zero_()
                    moved += 1
        return moved if count is True else count

    return sgd_step


right("01.6", step())
right("01.6", step(clear="zero"))
right("01.6", step(move=lambda p, lr: p.sub_(lr * p.grad)))
right("01.6", step(move=lambda p, lr: p.data.add_(p.grad, alpha=-lr)))
right("01.6", step(move=lambda p, lr: p.copy_(p - lr * p.grad)))
wrong("01.6", "NoneType", step(ask=lambda p: True))
wrong("01.6", "NoneType", step(ask=lambda p: p.requires_grad))
wrong("01.6", "gives a new tensor", step(move=lambda p, lr: p - lr * p.grad, clear="no"))
wrong("01.6", "in which order", step(clear="early"))
wrong("01.6", "in which order", step(move=lambda p, lr: p - lr * p.grad))
wrong("01.6", "along the gradient", step(move=lambda p, lr: p.add_(lr * p.grad)))
wrong("01.6", "old gradients are still there", step(clear="no"))
wrong("01.6", "in new memory", step(move=lambda p, lr: setattr(p, "data", p.data - lr * p.grad)))
wrong("01.6", "the number of tensors moved", step(count=1))
wrong("01.6", "the number of tensors moved", step(ask=lambda p: p.grad is not None, count=6))
wrong("01.6", "leaf Variable", step(quiet=torch.enable_grad))
wrong("01.6", "a parameter, two layers", step(move=lambda p, lr: p.sub_(p.grad)))
wrong("01.6", "the result is None", step(count=None))


@wrong("01.6", "a first weight that is frozen")
def stops_early(parameters, lr):
    n = 0
    try:
        with torch.no_grad():
            for p in parameters:
                p -= lr * p.grad
                p.grad = None
                n += 1
    except TypeError:
        pass
    return n


@wrong("01.6", "requires no gradient any more")
def freezes(parameters, lr):
    parameters = list(parameters)
    for p in parameters:
        p.requires_grad_(False)
    return step()(parameters, lr)


# --------------------------------------------------------------------------- 01.7 The best of all epochs


def best(
    keep=copy.deepcopy,
    train=True,
    evaluate=True,
    quiet=torch.inference_mode,
    rows=True,
    zero=True,
    less=None,
    load=True,
    number=True,
):
    def fit_best(model, loss_fn, optimizer, train_loader, val_loader, num_epochs):
        losses, state = [], None
        for _ in range(num_epochs):
            if train:
                model.train()
            for X, y in train_loader:
                loss = loss_fn(model(X), y)
                if zero:
                    optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if evaluate:
                model.eval()
            with quiet():
                total = [(loss_fn(model(X), y), len(X)) for X, y in val_loader]
            weigh = [n for _, n in total] if rows else [1] * len(total)
            mean = sum(v.item() * w for (v, _), w in zip(total, weigh, strict=True)) / sum(weigh)
            losses.append(mean if number else torch.tensor(mean, dtype=torch.float64))
            if (less or (lambda new, old: new <= min(old)))(mean, [float(v) for v in losses]):
                state = keep(model.state_dict())
        if load:
            model.load_state_dict(state)
        return losses

    return fit_best


right("01.7", best())
right("01.7", best(lambda s: {k: v.clone() for k, v in s.items()}, quiet=torch.no_grad))


@right("01.7")
def with_dataset(model, loss_fn, optimizer, train_loader, val_loader, num_epochs):
    losses, kept = [], None
    for _ in range(num_epochs):
        model.train()
        for X, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(X), y).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            total = sum(loss_fn(model(X), y).item() * len(y) for X, y in val_loader)
        losses.append(total / len(val_loader.dataset))
        if losses[-1] == min(losses):
            kept = [p.detach().clone() for p in model.parameters()]
    with torch.no_grad():
        for p, q in zip(model.parameters(), kept, strict=True):
            p.copy_(q)
    return losses


@wrong("01.7", "trained in evaluation mode")
def trusts_the_caller(model, loss_fn, optimizer, train_loader, val_loader, num_epochs):
    """The mode is right from the second epoch on."""
    inner = best(train=False)
    losses, lowest, state = [], float("inf"), None
    for _ in range(num_epochs):
        losses += inner(model, loss_fn, optimizer, train_loader, val_loader, 1)
        model.train()
        if losses[-1] < lowest:
            lowest, state = losses[-1], copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return losses


wrong("01.7", "those of the last epoch", best(keep=lambda s: s))
wrong("01.7", "those of the last epoch", best(keep=dict))
wrong("01.7", "those of the last epoch", best(load=False))
wrong("01.7", "trained in evaluation mode", best(train=False))
wrong("01.7", "evaluated in training mode", best(evaluate=False))
wrong("01.7", "validation records graphs", best(quiet=torch.enable_grad))
wrong("01.7", "a short batch counts", best(rows=False))
wrong("01.7", "validation losses", best(zero=False))
wrong("01.7", "not those of the best epoch", best(less=lambda new, old: new >= max(old)))
wrong("01.7", "list of Python numbers", best(number=False))
wrong("01.7", "validation losses", lambda m, f, *rest: best()(m, nn.MSELoss(), *rest))
wrong(
    "01.7",
    "validation losses",
    lambda m, f, o, *rest: best()(m, f, torch.optim.SGD(m.parameters(), lr=0.05), *rest),
)
wrong("01.7", "has 1 losses for 12 epochs", lambda *a: best()(*a)[-1:])

# ------------------------------------------------------------------------ 01.8 Find the bug: the silent log


def log_it(
    when=0, train="in", evaluate=True, quiet=torch.inference_mode, rows=True, number="item", tensors=False
):
    def train_and_log(model, train_loader, val_loader, num_epochs):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        log = []
        model.train()
        for epoch in range(num_epochs):
            if train == "in":
                model.train()
            for X, y in train_loader:
                loss = F.mse_loss(model(X), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if evaluate:
                model.eval()
            total, count = 0, 0
            with quiet():
                for X, y in val_loader:
                    loss = F.mse_loss(model(X), y)
                    weight = len(X) if rows else 1
                    total = total + (loss.item() if number == "item" else loss) * weight
                    count += weight
            if epoch % 10 == when:
                mean = total / count
                log.append((epoch, mean.item() if number == "late" else mean))
        return log

    return train_and_log


right("01.8", log_it())
right("01.8", log_it(quiet=torch.no_grad))
right("01.8", log_it(number="late"))
right("01.8", log_it(quiet=torch.enable_grad))
wrong("01.8", "it is empty", log_it(when=100))
wrong("01.8", "the log has the epochs [1, 11, 21]", log_it(when=1))
wrong("01.8", "that stands before the loop", log_it(train="before"))
wrong("01.8", "cannot be written as JSON", log_it(number="tensor"))
wrong("01.8", "holds on to all of their graphs", log_it(number="late", quiet=torch.enable_grad))
wrong("01.8", "a short batch counts", log_it(rows=False))
wrong("01.8", "evaluated in training mode", log_it(evaluate=False))
wrong("01.8", "a list of pairs", lambda *a: [v for _, v in log_it()(*a)])

# ------------------------------------------------------------- 01.9 Evaluate, wherever the model lives


def evaluation(
    device=lambda m: next(m.parameters()).device,
    mode=True,
    quiet=torch.inference_mode,
    rows=True,
    item=True,
    signed=False,
    to=True,
):
    def evaluate(model, loader, loss_fn):
        where, was = device(model), model.training
        model.eval()
        total, count, worst = 0, 0, 0
        with quiet():
            for X, y in loader:
                if to:
                    X, y = X.to(where), y.to(where)
                preds = model(X)
                loss = loss_fn(preds, y)
                n = len(X) if rows else 1
                total += (loss.item() if item else loss) * n
                count += n
                error = preds - y if signed else (preds - y).abs()
                worst = max(worst, error.max().item())
        if mode:
            model.train(was)
        return total / count, worst

    return evaluate


right("01.9", evaluation())
right("01.9", evaluation(quiet=torch.no_grad))


@right("01.9")
def whole_set(model, loader, loss_fn):
    was, device = model.training, next(model.parameters()).device
    model.eval()
    losses, errors = [], []
    with torch.no_grad():
        for X, y in loader:
            preds = model(X.to(device)).cpu()
            losses.append(loss_fn(preds, y) * len(y))
            errors.append((preds - y).abs().max())
    model.train(was)
    return torch.stack(losses).sum().item() / len(loader.dataset), torch.stack(errors).max().item()


@right("01.9")
def on_a_copy(model, loader, loss_fn):
    return evaluation()(copy.deepcopy(model), loader, loss_fn)


@wrong("01.9", "asked in training mode")
def on_a_copy_in_training_mode(model, loader, loss_fn):
    copied = copy.deepcopy(model).train()
    copied.eval = lambda: copied
    return evaluation()(copied, loader, loss_fn)


@right("01.9")
def by_device_keyword(model, loader, loss_fn):
    was, device = model.training, next(model.parameters()).device
    model.eval()
    total, worst = torch.zeros((), device=device), torch.zeros(1, device=device)
    with torch.inference_mode():
        for X, y in loader:
            X, y = X.to(device=device), y.to(device, non_blocking=True)
            preds = model(X)
            total += loss_fn(preds, y) * len(y)
            worst = torch.maximum(worst, (preds - y).abs().amax(dim=0))
    model.train(was)
    return (total / len(loader.dataset)).item(), worst.item()


wrong("01.9", "Expected all tensors to be on the same device", evaluation(to=False))
wrong("01.9", "Expected all tensors to be on the same device", evaluation(device=lambda m: "cpu"))
wrong("01.9", "mean of batch means", evaluation(rows=False))
wrong("01.9", "graphs are recorded", evaluation(quiet=torch.enable_grad))
wrong("01.9", "the model's mode has changed", evaluation(mode=False))
wrong("01.9", "expected a Python number", evaluation(item=False))
wrong("01.9", "errors on the other side count", evaluation(signed=True))
wrong("01.9", "return two numbers", lambda *a: evaluation()(*a)[0])
wrong("01.9", "the mean loss", lambda m, loader, f: evaluation()(m, loader, nn.MSELoss()))


@wrong("01.9", "asked in training mode")
def trains(model, loader, loss_fn):
    result = evaluation()(model, [], loss_fn) if False else None
    X, y = next(iter(loader))
    device = next(model.parameters()).device
    with torch.no_grad():
        result = loss_fn(model(X.to(device)), y.to(device)).item(), 0.0
    return result


@wrong("01.9", "switched off that were on")
def freezes_the_model(model, loader, loss_fn):
    model.requires_grad_(False)
    return evaluation()(model, loader, loss_fn)


@wrong("01.9", "switched off that were on")
def switches_gradients_off(model, loader, loss_fn):
    torch.set_grad_enabled(False)
    return evaluation(quiet=torch.no_grad)(model, loader, loss_fn)


@wrong("01.9", "raised")
def first_layer_only(model, loader, loss_fn):
    return evaluation(device=lambda m: m.weight.device)(model, loader, loss_fn)


# ---------------------------------------------------------- 01.10 Train to a total, with interruptions


def train(
    keep=("model", "optimizer", "epoch"),
    top=True,
    told=None,
    saved=None,
    own=None,
    temporary=True,
    safe=True,
    start=None,
):
    def train_to(path, model, optimizer, X, y, num_epochs):
        optimizer = own(model) if own else optimizer
        done = 0
        if path.exists():
            state = torch.load(path, weights_only=safe)
            if "model" in keep:
                model.load_state_dict(state["model"])
            if "optimizer" in keep:
                optimizer.load_state_dict(state["optimizer"])
            done = state["epoch"] if "epoch" in keep else 0
        for _ in range(done, num_epochs):
            optimizer.zero_grad()
            nn.MSELoss()(model(X), y).backward()
            optimizer.step()
        total = max(done, num_epochs) if top else num_epochs
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": total}
        if not safe:
            state["object"] = model
        part = path.with_suffix(".tmp")
        torch.save(state, part)
        if temporary:
            os.replace(part, path)
        else:
            path.write_bytes(part.read_bytes())
        return told(num_epochs, done) if told else max(num_epochs - done, 0)

    return train_to


right("01.10", train())
right("01.10", train(told=lambda n, done: len(range(done, n))))


@right("01.10")
def straight_into_the_file(path, model, optimizer, X, y, num_epochs):
    saved = torch.load(path, weights_only=True) if path.exists() else {"done": 0}
    if "m" in saved:
        model.load_state_dict(saved["m"])
        optimizer.load_state_dict(saved["o"])
    count = 0
    while saved["done"] + count < num_epochs:
        optimizer.zero_grad()
        F.mse_loss(model(X), y).backward()
        optimizer.step()
        count += 1
    torch.save({"m": model.state_dict(), "o": optimizer.state_dict(), "done": saved["done"] + count}, path)
    return count


wrong("01.10", "optimizer has started anew", train(keep=("model", "epoch")))
wrong("01.10", "not those of an uninterrupted run", train(keep=("optimizer", "epoch")))
wrong("01.10", "not those of an uninterrupted run", train(keep=("model", "optimizer")))
wrong("01.10", "none cannot be less than 0", train(told=lambda n, done: n - done))
wrong("01.10", "how many did this call do *itself*", train(told=lambda n, done: n))
wrong("01.10", "not those of an uninterrupted run, for a call to 8 after that", train(top=False))
wrong("01.10", "are not those of", train(own=lambda m: torch.optim.Adam(m.parameters(), lr=0.1)))
wrong("01.10", "2 files are left", train(temporary=False))
wrong("01.10", "cannot be loaded with weights_only=True", train(safe=False))
wrong(
    "01.10",
    "no file at `path`",
    lambda path, m, o, X, y, n: train()(path.with_suffix(".other"), m, o, X, y, n),
)
wrong("01.10", "the result is None", train(told=lambda n, done: None))


# --------------------------------------------------------------------- 01.C Capstone: an unknown curve


def features(z):
    centres = torch.linspace(-1.8, 1.8, 12)
    return torch.cat([z, (-(((z - centres) / 0.35) ** 2)).exp()], dim=1)


def project(
    loss_fn=None, columns=features, centre=True, claim="median", save="all", steps=1000, robust=True, every=50
):
    """A whole project, and what can go wrong in it."""

    def fit(X, y, path):
        loss_fn_ = loss_fn or nn.HuberLoss(delta=0.5)
        x0, x1, y0 = X.mean(), X.std(), y.median()
        y1 = (y - y0).abs().median()
        if not robust:
            y0, y1 = y.mean(), y.std()
        if not centre:
            x0, x1, y0, y1 = 0.0, 1.0, 0.0, 1.0
        A, t = columns((X - x0) / x1), (y - y0) / y1
        held = torch.arange(len(X)) % 5 == 0
        model = nn.Linear(A.shape[1], 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        done = 0
        if path.exists() and save:
            state = torch.load(path, weights_only=True)
            if save == "all":
                for name, part in parts.items():
                    part.load_state_dict(state[name])
                done = state["done"]
            else:
                model.load_state_dict(state["model"])
        for step in range(done, steps):
            loss = loss_fn_(model(A[~held]), t[~held])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            if save and (step + 1) % every == 0:
                torch.save({**{n: p.state_dict() for n, p in parts.items()}, "done": step + 1}, path)

        def predict(new):
            with torch.no_grad():
                return model(columns((new - x0) / x1)) * y1 + y0

        errors = (predict(X[held]) - y[held]).abs()
        claims = {"median": errors.median(), "mean": errors.mean(), "units": errors.median() / y1}
        return predict, claims[claim].item()

    return fit


def powers(z):
    return torch.cat([(z / 2) ** k for k in range(1, 9)], dim=1)


right("01.C", project(), seconds=1)
right("01.C", project(nn.L1Loss(), steps=1500), seconds=1)
wrong("01.C", "times the noise away from the curve", project(nn.MSELoss()), seconds=1)
wrong("01.C", "times the noise away from the curve", project(columns=lambda z: z), seconds=1)
wrong("01.C", "times the noise away from the curve", project(centre=False), seconds=1)
wrong("01.C", "times the truth", project(claim="mean"), seconds=1)
wrong("01.C", "times the truth", project(claim="units"), seconds=1)
wrong("01.C", "there is no file at `path`", project(save=""), seconds=1)
wrong("01.C", "where does it go on", project(save="weights"), seconds=1)
wrong("01.C", "there is no file at `path`", project(every=1000), seconds=1)
wrong("01.C", "a function and your claim", lambda *a: project(steps=5)(*a)[0], seconds=1)


@wrong("01.C", "no optimizer of torch.optim", seconds=1)
def by_a_formula(X, y, path):
    """Least absolute deviations by weighted least squares: good, and nothing was trained."""
    x0, x1, keep = X.mean(), X.std(), torch.ones(len(y), dtype=torch.bool)
    for _ in range(8):
        A = features((X - x0) / x1)
        w = torch.linalg.lstsq(torch.cat([A, torch.ones(len(A), 1)], 1)[keep], y[keep]).solution
        errors = (torch.cat([A, torch.ones(len(A), 1)], 1) @ w - y).abs().squeeze(1)
        keep = errors < 4 * errors.median()

    def predict(new):
        A = features((new - x0) / x1)
        return torch.cat([A, torch.ones(len(A), 1)], 1) @ w

    return predict, errors.median().item()


@wrong("01.C", "there is no file at `path`", seconds=1)
def saves_when_it_fails(X, y, path):
    """No power, no last words."""
    inner = project(save="")
    try:
        return inner(X, y, path)
    except BaseException:
        torch.save({}, path)
        raise
