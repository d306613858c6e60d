"""Checks for the exercises of notebook 01, a straight line, end to end."""

import copy
import tempfile
import weakref
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same

PARTS = ("X_train", "y_train", "X_test", "y_test")


def _four_columns(parts, rows: dict[str, int], case: str) -> None:
    """Requires X_train, y_train, X_test, y_test, in this order, as columns of so many rows."""
    good = isinstance(parts, (tuple, list)) and len(parts) == 4
    require(good, f"return the four parts {', '.join(PARTS)}, in this order, for {case}")
    for name, part in zip(PARTS, parts, strict=True):
        require(isinstance(part, torch.Tensor), f"{name} is no tensor, for {case}")
        wanted = (rows[name[2:]], 1)
        require(part.shape == wanted, f"{name} has shape {tuple(part.shape)}, wanted {wanted}, for {case}")


def _numbered(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs 0 to n - 1, each with a target that only it can have."""
    X = torch.arange(float(n)).unsqueeze(1)
    return X, 10 * X + 1


@exercise("01.1", "A random split")
def check_random_split(answer):
    """Each row once, pairs together, chosen by the generator and not by position."""
    for n, k in ((60, 40), (10, 7), (5, 0)):
        case = f"{n} rows, {k} of them for training"
        X, y = _numbered(n)
        parts = run(answer, X, y, k, fresh_generator(), case=case)
        _four_columns(parts, {"train": k, "test": n - k}, case)
        X_train, y_train, X_test, y_test = parts
        torn = "inputs and targets no longer belong together: has each been shuffled in an order of its own?"
        pairs = torch.equal(y_train, 10 * X_train + 1) and torch.equal(y_test, 10 * X_test + 1)
        require(pairs, f"{torn}, for {case}")
        used = torch.cat([X_train, X_test]).flatten().sort().values
        once = torch.equal(used, X.flatten())
        require(once, f"every row must be used exactly once; some are used twice or not at all, for {case}")
    X, y = _numbered(60)
    first, again, other = (run(answer, X, y, 30, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    chosen = [part.flatten().sort().values for part in (first, other, X[:30])]
    by_position = torch.equal(chosen[0], chosen[2])
    require(not by_position, "the first rows always become the training set: that is a split by position")
    require(torch.equal(first, again), "two generators with the same seed give different splits: is it used?")
    require(not torch.equal(chosen[0], chosen[1]), "generators with different seeds give the same split")


@exercise("01.2", "Find the bug: the labels of another set")
def check_split_by_position(answer):
    """Inputs and labels of one set belong together."""
    for n, share in ((50, 0.5), (50, 0.8), (7, 0.5)):
        case = f"{n} rows and a share of {share}"
        k = int(share * n)
        X, y = _numbered(n)
        parts = run(answer, X, y, share, case=case)
        good = isinstance(parts, (tuple, list)) and len(parts) == 4
        if good and all(isinstance(p, torch.Tensor) and p.ndim == 2 for p in parts):
            overlap = torch.isin(parts[2], parts[0]).any()
            require(not overlap, f"X_test holds rows that are in X_train too, for {case}")
            lengths = f"y_test has {len(parts[3])} values for the {len(parts[2])} rows of X_test"
            require(len(parts[3]) == len(parts[2]), f"{lengths}, for {case}")
        _four_columns(parts, {"train": k, "test": n - k}, case)
        for name, part, want in zip(PARTS, parts, (X[:k], y[:k], X[k:], y[k:]), strict=True):
            strangers = "the values in y_test are not the targets of the rows in X_test"
            message = strangers if name == "y_test" else f"{name} does not hold the right rows"
            require(torch.equal(part, want), f"{message}, for {case}")


@exercise("01.3", "A parabola", methods=("__init__", "forward"))
def check_parabola(answer):
    """Three registered parameters with random starts, the right formula, a graph that reaches all of them."""
    model = run(answer, case="Parabola()")
    require(isinstance(model, nn.Module), "the result of Parabola() is no nn.Module")
    found = {name: tuple(p.shape) for name, p in model.named_parameters()}
    require(found, "model.parameters() is empty: which class makes a module notice a tensor?")
    names = f"the registered parameters are {sorted(found)}, wanted ['a', 'b', 'c']"
    require(sorted(found) == ["a", "b", "c"], names)
    require(set(found.values()) == {(1,)}, f"the parameters have the shapes {found}, wanted (1,) for each")
    other = run(answer, case="a second Parabola()")
    random = all(not torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
    require(random, "two models start from the same values: the start must be random")
    g = fresh_generator()
    for shape in ((7, 1), (1, 1), (4,)):
        values = torch.randn(3, generator=g)
        with torch.no_grad():
            for name, value in zip("abc", values, strict=True):
                getattr(model, name).fill_(value)
        x = torch.randn(shape, generator=g)
        got = run(model, x, case=f"inputs of shape {shape}")
        a, b, c = values
        hint = "which power belongs to which name?"
        same(got, a * x**2 + b * x + c, case=f"inputs of shape {shape}", hint=hint)
    require(got.requires_grad, "the output has no graph to train with: has a tensor become a number?")
    got.sum().backward()
    reached = [name for name, p in model.named_parameters() if p.grad is not None]
    require(reached == list(found), f"backward() reaches only {reached}")


@exercise("01.4", "Find the bug: a module that is not one", wants="class")
def check_line(answer):
    """A module with one linear layer, called through forward."""
    model = run(answer, case="Line()")
    require(isinstance(model, nn.Module), "Line() works, but it is no nn.Module: parameters() is missing")
    count = sum(p.numel() for p in model.parameters())
    require(count == 2, f"the model has {count} registered parameters, wanted 2")
    for n in (6, 1):
        x = torch.randn(n, 1, generator=fresh_generator())
        layer = [m for m in model.modules() if isinstance(m, nn.Linear)]
        require(layer, "there is no nn.Linear in the model any more")
        same(run(model, x, case=f"{n} rows"), F.linear(x, layer[0].weight, layer[0].bias), case=f"{n} rows")


@exercise("01.5", "A loss between L1 and MSE")
def check_huber_loss(answer):
    """The value and the gradient of F.huber_loss."""
    g = fresh_generator()
    for shape, delta in (((9, 1), 1.0), ((50,), 0.5), ((4, 3), 2.0)):
        y = torch.randn(shape, generator=g)
        error = 3 * torch.randn(shape, generator=g)
        error.view(-1)[:4] = torch.tensor([-3.0, -0.1, 0.1, 3.0]) * delta  # both pieces, both signs
        preds = (y + error).requires_grad_()
        case = f"errors of shape {shape} and delta {delta}"
        got = run(answer, preds, y, delta, case=case)
        want = F.huber_loss(preds, y, delta=delta)
        if isinstance(got, torch.Tensor) and got.shape == want.shape:
            size, square = error.abs(), 0.5 * error**2
            wrong = {
                "this is the sum over all errors, wanted the mean": want * error.numel(),
                "large errors are squared too": square.mean(),
                "small errors are not squared": (delta * (size - 0.5 * delta)).mean(),
                "negative errors are always taken for small ones": torch.where(
                    error <= delta, square, delta * (error - 0.5 * delta)
                ).mean(),
            }
            for message, value in wrong.items():
                require(not torch.allclose(got.detach().float(), value), f"{message}, for {case}")
        same(got, want, case=case)
        require(got.requires_grad, f"the loss has no graph, so it cannot be minimised, for {case}")
        slope = torch.autograd.grad(got, preds, allow_unused=True)[0]
        right = torch.autograd.grad(want, preds)[0]
        require(slope is not None, f"the gradient does not reach the predictions, for {case}")
        same(slope, right, case=case, hint="the loss is right, but its gradient is not")


@exercise("01.6", "One step by hand")
def check_step_by_hand(answer):
    """Each parameter with a gradient moves against it, in place, and the gradients are cleared."""
    g = fresh_generator()
    for frozen in (False, True):
        case = "a layer whose bias has no gradient" if frozen else "nn.Linear(3, 2)"
        layer = nn.Linear(3, 2)
        layer.bias.requires_grad_(not frozen)
        layer(torch.randn(5, 3, generator=g)).square().mean().backward()
        before = [p.detach().clone() for p in layer.parameters()]
        grads = [torch.zeros(2) if p.grad is None else p.grad.clone() for p in layer.parameters()]
        moved = run(answer, layer.parameters(), 0.1, case=case)
        after = [p.detach() for p in layer.parameters()]
        if not frozen:
            still = all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
            require(not still, "the parameters are as they were: `p = p - ...` gives a new tensor the name p")
            up = all(torch.allclose(a, b + 0.1 * s) for a, b, s in zip(after, before, grads, strict=True))
            require(not up, "the parameters moved along the gradient, so the loss grew")
        for a, b, s in zip(after, before, grads, strict=True):
            require(a.shape == b.shape, f"the shape of a parameter has changed, for {case}")
            same(a, b - 0.1 * s, case=f"{case}, the parameters")
        kept = any(p.grad is not None and p.grad.any() for p in layer.parameters())
        require(not kept, f"the old gradients are still there, and backward() will add to them, for {case}")
        same(moved, 1 if frozen else 2, case=f"{case}, the number of tensors moved")


def _descend(model, X, y, lr, num_epochs, zero=True) -> float:
    """Gradient descent on the MSE, with or without zero_grad; the last loss."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(num_epochs):
        loss = F.mse_loss(model(X), y)
        if zero:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def _close(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.allclose(p, q, atol=1e-6) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@exercise("01.7", "Find the bug: a loop that does not learn")
def check_training_loop(answer):
    """The parameters that gradient descent gives, and the last loss."""
    g = fresh_generator()
    for n, epochs in ((20, 5), (3, 1), (8, 12)):
        case = f"{n} rows and {epochs} epochs"
        X = torch.rand(n, 1, generator=g)
        y = 3 * X + 5 + torch.rand(n, 1, generator=g)
        start = nn.Linear(1, 1)
        model, right, adding = (copy.deepcopy(start) for _ in range(3))
        got = run(answer, model, X, y, 0.05, epochs, case=case)
        want = _descend(right, X, y, 0.05, epochs)
        _descend(adding, X, y, 0.05, epochs, zero=False)
        require(not _close(model, start), f"the parameters have not moved, for {case}")
        if epochs > 1:
            message = "each step uses the gradients of all epochs so far, not of the last one"
            require(not _close(model, adding), f"{message}, for {case}")
        require(_close(model, right), f"the parameters are not those that gradient descent gives, for {case}")
        same(got, want, case=f"{case}, the last loss")


class _Watched(nn.Module):
    """A line that notes, at each call, how many rows came and in which mode it was."""

    def __init__(self):
        super().__init__()
        self.line, self.calls = nn.Linear(1, 1), []

    def forward(self, x):
        self.calls.append((len(x), self.training))
        return self.line(x)


@exercise("01.8", "Find the bug: the silent log")
def check_log(answer):
    """The test losses of every tenth epoch, from a model in evaluation mode."""
    g = fresh_generator()
    X, X_test = torch.rand(8, 1, generator=g), torch.rand(5, 1, generator=g)
    for epochs in (25, 10):
        case = f"{epochs} epochs"
        model = _Watched()
        right = copy.deepcopy(model.line)
        wanted = []
        for epoch in range(epochs):
            _descend(right, X, 2 * X, 0.01, 1)
            if epoch % 10 == 0:
                wanted.append((epoch, F.mse_loss(right(X_test), 2 * X_test).item()))
        log = run(answer, model, X, 2 * X, X_test, 2 * X_test, epochs, case=case)
        pairs = isinstance(log, list) and all(isinstance(e, (tuple, list)) and len(e) == 2 for e in log)
        require(pairs, f"the result must be a list of pairs (epoch, validation loss), for {case}")
        require(log, f"the log is empty: for which epochs is the condition true, for {case}?")
        noted, due = [e for e, _ in log], [e for e, _ in wanted]
        require(noted == due, f"the log has the epochs {noted}, wanted {due}, for {case}")
        training = [mode for rows, mode in model.calls if rows == 8]
        testing = [mode for rows, mode in model.calls if rows == 5]
        require(len(training) == epochs, f"{len(training)} forward passes over the training set, for {case}")
        off = f"{training.count(False)} of {epochs} epochs were trained in evaluation mode"
        require(all(training), f"{off}, for {case}")
        require(not any(testing), f"the validation set was evaluated in training mode, for {case}")
        same([loss for _, loss in log], [loss for _, loss in wanted], case=f"{case}, the validation losses")


class _Mark(torch.autograd.Function):
    """The identity; its node in the graph can be watched, to see how long the graph lives."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad


class _Graphs(nn.Module):
    """A line that counts how many graphs of earlier calls are alive when it is called."""

    def __init__(self):
        super().__init__()
        self.line, self.nodes, self.most = nn.Linear(1, 1), [], 0

    def forward(self, x):
        self.most = max(self.most, sum(node() is not None for node in self.nodes))
        out = _Mark.apply(self.line(x))
        if out.grad_fn is not None:
            self.nodes.append(weakref.ref(out.grad_fn))
        return out


@exercise("01.9", "Find the bug: the growing memory")
def check_memory(answer):
    """The mean loss over all rows, with no more than one graph alive."""
    g = fresh_generator()
    for sizes in ((4, 4, 4, 4), (6, 6, 6, 1), (3,)):
        case = f"batches of {', '.join(map(str, sizes))} rows"
        model = _Graphs()
        X = torch.randn(sum(sizes), 1, generator=g)
        y = X + torch.arange(float(len(X))).unsqueeze(1)  # the last rows have the largest errors
        loader = list(zip(X.split(sizes), y.split(sizes), strict=True))
        got = run(answer, model, loader, nn.MSELoss(), case=case)
        graph = isinstance(got, torch.Tensor) and got.requires_grad
        require(not graph, f"the result is a tensor that holds on to {len(sizes)} graphs, for {case}")
        message = "the result is a number, but during the loop the graphs of earlier batches are all kept"
        require(model.most <= 1, f"{message}, for {case}")
        with torch.no_grad():
            want = F.mse_loss(model.line(X), y).item()
            means = [F.mse_loss(model.line(a), b).item() for a, b in loader]
        if len(set(sizes)) > 1 and isinstance(got, float):
            mean = abs(got - sum(means) / len(means)) < 1e-3
            require(not mean, f"this is the mean of batch means: a small batch counts too much, for {case}")
        same(got, want, case=case)


@exercise("01.10", "Train to a total, with interruptions")
def check_resumed_training(answer):
    """A run in pieces ends like one in a single piece, optimizer included."""
    g = fresh_generator()
    X = torch.rand(20, 1, generator=g)
    y = 0.7 * X + 0.3

    def fresh():
        model = nn.Linear(1, 1)
        return model, torch.optim.Adam(model.parameters(), lr=0.1)

    def go_on(model, optimizer, epochs):
        for _ in range(epochs):
            optimizer.zero_grad()
            F.mse_loss(model(X), y).backward()
            optimizer.step()

    model, optimizer = fresh()
    right, amnesia = copy.deepcopy(model), copy.deepcopy(model)
    go_on(right, torch.optim.Adam(right.parameters(), lr=0.1), 8)
    for _ in range(2):  # the optimizer starts anew half-way
        go_on(amnesia, torch.optim.Adam(amnesia.parameters(), lr=0.1), 4)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pth"
        same(run(answer, path, model, optimizer, X, y, 4), 4, case="the first call, to 4 epochs")
        require(path.exists(), "after the first call there is no file at `path`")
        try:
            torch.load(path, weights_only=True)
        except Exception:
            require(False, "the checkpoint cannot be loaded with weights_only=True: what was saved?")
        for case, epochs in (("a second call, to 8 epochs in total", 4), ("a third call, to 8 again", 0)):
            model, optimizer = fresh()
            done = run(answer, path, model, optimizer, X, y, 8, case=case)
            counted = "does the checkpoint say how many epochs have been done?"
            same(done, epochs, case=case, hint=counted)
            forgot = "the optimizer has started anew: its own state was not restored"
            require(not _close(model, amnesia), f"{forgot}, for {case}")
            require(_close(model, right), f"the parameters are not those of an uninterrupted run, for {case}")
        left = len(list(Path(folder).iterdir()))
        require(left == 1, f"{left} files are left in the folder, wanted 1: remove or rename temporary ones")
