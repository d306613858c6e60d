"""Checks for the exercises of notebook 01, a straight line: data, models, losses, one step."""

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
    # Targets are above 1,000, inputs below; an empty part tells nothing.
    swapped = any(
        (part >= 1000).any() != (name[0] == "y") for name, part in zip(PARTS, parts, strict=True) if len(part)
    )
    require(not swapped, f"inputs stand where targets should: the order is {', '.join(PARTS)}, for {case}")
    for name, part in zip(PARTS, parts, strict=True):
        wanted = (rows[name[2:]], 1)
        require(part.shape == wanted, f"{name} has shape {tuple(part.shape)}, wanted {wanted}, for {case}")


@exercise("01.1", "A random split")
def check_random_split(answer):
    """Each row once, pairs together, chosen by the generator and not by position."""
    for n, k in ((60, 40), (10, 7), (5, 0), (6, 6)):
        case = f"{n} rows, {k} of them for training"
        X = torch.arange(float(n)).unsqueeze(1)
        parts = run(answer, X, X + 1000, k, fresh_generator(), case=case)
        _four_columns(parts, {"train": k, "test": n - k}, case)
        X_train, y_train, X_test, y_test = parts
        torn = "inputs and targets no longer belong together: has each been shuffled in an order of its own?"
        pairs = torch.equal(y_train, X_train + 1000) and torch.equal(y_test, X_test + 1000)
        require(pairs, f"{torn}, for {case}")
        used = torch.cat([X_train, X_test]).flatten().sort().values
        once = torch.equal(used, X.flatten())
        require(once, f"every row must be used exactly once; some are used twice or not at all, for {case}")
    X = torch.arange(60.0).unsqueeze(1)
    before, generators = torch.get_rng_state(), [torch.Generator().manual_seed(s) for s in (1, 1, 2)]
    first, again, other = (run(answer, X, X + 1000, 30, g)[0] for g in generators)
    chosen = [part.flatten().sort().values for part in (first, other, X[:30])]
    by_position = torch.equal(chosen[0], chosen[2])
    require(not by_position, "the first rows always become the training set: that is a split by position")
    taken = torch.isin(X.flatten(), first.flatten()).int()
    neighbours = (taken.diff().abs().sum() + (taken[0] - taken[-1]).abs()) <= 2
    require(not neighbours, "the rows for training are neighbours: only where they begin is random")
    require(torch.equal(first, again), "two generators with the same seed give different splits: is it used?")
    require(not torch.equal(chosen[0], chosen[1]), "generators with different seeds give the same split")
    kept = torch.equal(torch.get_rng_state(), before)
    require(kept, "the global random numbers are no longer where they were: draw from `generator` only")
    still = torch.equal(generators[0].get_state(), torch.Generator().manual_seed(1).get_state())
    require(not still, "`generator` is where it was: draw from it, so that the next one who does gets others")


@exercise("01.2", "Find the bug: perfect, and always wrong")
def check_experiment(answer):
    """Trained on the first rows, tested on the rest, each with their own labels."""
    # Some rides are always the same: what the check says of them can be read again.
    same_rides = torch.Generator().manual_seed(3)
    for share, shift, case, g in (
        (0.5, 0.0, "50 rides, half of them for training", same_rides),
        (0.8, 0.0, "50 rides, 80 % for training", same_rides),
        (0.3, 4.0, "50 rides, 30 % for training and dearer ones for the test", same_rides),
        (0.6, 2.0, "50 other rides, 60 % for training", fresh_generator()),
    ):
        torch.manual_seed(0)  # where the model starts
        X = torch.rand(50, 1, generator=g)
        y, n = 3 * X + 1, int(share * 50)
        y[n:] += shift
        got = run(answer, X, y, share, case=case)
        triple = isinstance(got, (tuple, list)) and len(got) == 3 and isinstance(got[0], nn.Module)
        require(triple, f"it no longer returns the model and two losses, for {case}")
        model, train_loss, test_loss = got
        numbers = isinstance(train_loss, float) and isinstance(test_loss, float)
        require(numbers, f"the losses must be Python numbers, for {case}")
        with torch.no_grad():
            on_train, on_test, on_all = (
                F.mse_loss(model(X[rows]), y[rows]).item() for rows in (slice(n), slice(n, None), slice(None))
            )
        seen = f"its loss on the training rows is {on_train:.2f}, and a line fits them perfectly, for {case}"
        require(
            on_train < 0.01, seen, cause="it has learned from other rows, or other labels, than the first"
        )
        fair = abs(train_loss - on_train) < 0.01
        require(fair, f"it reports {train_loss:.2f} for training, the model says {on_train:.2f}, for {case}")
        seen = f"it reports {test_loss:.2f} for the test, and whoever asks the model for these rows"
        cause = "the rows in X_test and the labels in y_test do not belong together"
        if shift and abs(test_loss - on_all) < 0.01:
            cause = "the rows for training are tested as well"
        elif shift and test_loss < 0.01:
            cause = "the test is taken on rows that the model has learned from"
        same_loss = abs(test_loss - on_test) < 0.01
        require(same_loss, f"{seen} gets {on_test:.2f}, for {case}", cause=cause)


def _hooked(model: nn.Module, x, case: str):
    """What the model says, and that calling it went the usual way."""
    called = []
    hook = model.register_forward_hook(lambda *_: called.append(1))
    got = run(model, x, case=case)
    hook.remove()
    require(called, f"tools that watch the model see nothing: which method does calling run, for {case}?")
    return got


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
    starts = [[p.item() for p in m.parameters()] for m in (model, run(answer, case="a second Parabola()"))]
    random = all(p != q for p, q in zip(*starts, strict=True))
    require(random, "two models start from the same values: the start must be random")
    require(len(set(starts[0])) == 3, "a, b and c start from the same number: draw one for each")
    g = fresh_generator()
    for shape in ((7, 1), (1, 1), (4,), (2, 3, 1)):
        case = f"inputs of shape {shape}"
        a, b, c = values = torch.randn(3, generator=g)
        with torch.no_grad():
            for name, value in zip("abc", values, strict=True):
                getattr(model, name).fill_(value)
        x = torch.randn(shape, generator=g)
        got = _hooked(model, x, case)
        wrong = {
            "which power belongs to which name?": a + b * x + c * x**2,
            "c does not appear in it": a * x**2 + b * x,
            "the square is missing: a line is no parabola": a * x + b * x + c,
            "only x is squared, not a": (a * x) ** 2 + b * x + c,
        }
        _same_or_why(got, a * x**2 + b * x + c, case, wrong)
    require(got.requires_grad, "the output has no graph to train with: has a tensor become a number?")
    got.sum().backward()
    reached = [name for name, p in model.named_parameters() if p.grad is not None]
    require(reached == list(found), f"backward() reaches only {reached}")


@exercise("01.4", "Find the bug: a model that comes back different", wants="class")
def check_curve(answer):
    """All numbers are registered: training moves them, a file brings them back."""
    for hidden in (4, 1):
        case, count = f"Curve({hidden})", 3 * hidden + 3
        torch.manual_seed(0)
        model = run(answer, hidden, case=case)
        require(isinstance(model, nn.Module), f"the result is no nn.Module, for {case}")
        g = torch.Generator().manual_seed(1)
        x = torch.randn(6, 1, generator=g)
        got = _hooked(model, x, case)
        column = isinstance(got, torch.Tensor) and got.shape == (6, 1)
        require(column, f"6 rows go in, and {tuple(getattr(got, 'shape', ()))} comes out, for {case}")
        found = sum(p.numel() for p in model.parameters())
        seen = f"an optimizer moves {found} of its {count} numbers, and the others stay as they began"
        cause = "a module notices parameters and modules that are assigned to it, not what a list holds"
        require(found == count, f"{seen}, for {case}", cause=f"{cause}, nor a plain tensor")
        other = run(answer, hidden, case=case)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randn(p.shape, generator=g))
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            before, after, far = model(x), other(x), model(1e4 * x.sign())
        different = "saved, loaded and asked for the same rows, it gives other answers"
        require(
            torch.equal(before, after), f"{different}, for {case}", cause="the file does not hold all of it"
        )
        bent = torch.allclose(far, model(1e5 * x.sign()).detach(), rtol=1e-3, atol=1e-3)
        require(bent, f"it is no longer the same curve: far out it should be flat, for {case}")
        model(x).sum().backward()
        idle = sum(p.grad is None or not p.grad.any() for p in model.parameters())
        require(not idle, f"training leaves {idle} of its parameters where they are, for {case}")


@exercise("01.5", "A loss between L1 and MSE")
def check_huber_loss(answer):
    """The value and the gradient of F.huber_loss, without calling it."""
    g = fresh_generator()
    for shape, delta in (((9, 1), 1.0), ((50,), 0.5), ((4, 3, 5), 2.0)):
        y = torch.randn(shape, generator=g)
        error = 3 * torch.randn(shape, generator=g)
        error.view(-1)[:5] = torch.tensor([-3.7, -0.1, 0.1, 3.0, 0.0]) * delta  # all pieces, both signs
        preds = (y + error).requires_grad_()
        case = f"errors of shape {shape} and delta {delta}"
        got = run(answer, preds, y, delta, case=case, forbid=("huber_loss", "smooth_l1_loss"))
        want, error = F.huber_loss(preds, y, delta=delta), preds.detach() - y
        size, square = error.abs(), 0.5 * error**2
        line = delta * (size - 0.5 * delta)
        wrong = {
            "this is the sum over all errors, wanted the mean": want * error.numel(),
            "large errors are squared too": square.mean(),
            "small errors are not squared": line.mean(),
            "negative errors are always taken for small ones": torch.where(
                error <= delta, square, delta * (error - 0.5 * delta)
            ).mean(),
            "one half is missing from the parabola": torch.where(size <= delta, error**2, line).mean(),
            "the two pieces do not meet at delta": torch.where(size <= delta, square, delta * size).mean(),
            "the two pieces have changed places": torch.where(size <= delta, line, square).mean(),
        }
        _same_or_why(got, want.detach(), case, wrong)
        require(got.requires_grad, f"the loss has no graph, so it cannot be minimised, for {case}")
        slope = torch.autograd.grad(got, preds, allow_unused=True)[0]
        right = torch.autograd.grad(want, preds)[0]
        require(slope is not None, f"the gradient does not reach the predictions, for {case}")
        same(slope, right, case=f"{case}, the gradient")


@exercise("01.6", "One step by hand")
def check_step_by_hand(answer):
    """Each parameter with a gradient moves against it, in place, and the gradients are cleared."""
    g = fresh_generator()
    for idle, case in (
        ((), "two layers"),
        ((3,), "a last bias that is frozen"),
        ((0,), "a first weight that is frozen"),
        ((1, 2), "parameters in the middle that the loss did not use"),
    ):
        model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
        params = list(model.parameters())
        for i in idle:
            params[i].requires_grad_(len(idle) == 2)  # alone it is frozen, two of them are unused
        loss = sum(
            (p * torch.randn(p.shape, generator=g)).sum() for i, p in enumerate(params) if i not in idle
        )
        loss.backward()
        before, places = [p.detach().clone() for p in params], [p.data_ptr() for p in params]
        grads = [None if p.grad is None else p.grad.clone() for p in params]
        moved = run(answer, model.parameters(), 0.1, case=case)
        still = all(torch.equal(a, b) for a, b in zip(params, before, strict=True))
        gone = not any(p.grad is not None and p.grad.any() for p in params)
        early = "no parameter has moved, and the gradients are gone: in which order?"
        require(not (still and gone), early)
        name = ": `p = p - ...` gives a new tensor the name p" if case == "two layers" else ""
        require(not still, f"the parameters are as they were{name}, for {case}")
        for p, b, s, place in zip(params, before, grads, places, strict=True):
            require(p.shape == b.shape, f"the shape of a parameter has changed, for {case}")
            up = s is not None and torch.allclose(p, b + 0.1 * s)
            require(not up, "the parameters moved along the gradient, so the loss grew")
            same(p.detach(), b if s is None else b - 0.1 * s, case=f"a parameter, {case}")
            in_place = p.data_ptr() == place
            require(in_place, f"the numbers are right, but in new memory: change them in place, for {case}")
        require(gone, f"the old gradients are still there, and backward() will add to them, for {case}")
        same(moved, 4 - len(idle), case=f"the number of tensors moved, {case}")
        trained = all(p.requires_grad or i in idle for i, p in enumerate(params))
        require(trained, f"a parameter requires no gradient any more, for {case}")


def _same_or_why(got, want, case, wrong):
    """``same``, where ``wrong`` maps what to say of a wrong idea to the values that it gives."""
    hint = ""
    for message, values in wrong.items():
        comparable = isinstance(got, torch.Tensor) and got.shape == values.shape and got.dtype == values.dtype
        if not hint and comparable and torch.allclose(got.detach(), values, rtol=1e-4, atol=1e-6):
            hint = message
    same(got, want, case=case, hint=hint)
