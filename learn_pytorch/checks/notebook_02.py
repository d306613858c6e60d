"""Checks for the exercises of notebook 02, classification."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same


@exercise("02.1", "Labels from logits")
def check_labels_from_logits(answer):
    """The threshold is one on the probability; also for no rows at all."""
    g = fresh_generator()
    for n, threshold in ((50, 0.5), (50, 0.9), (50, 0.2), (1, 0.5), (0, 0.5)):
        case = f"{n} rows and a threshold of {threshold}"
        # one logit between the threshold itself and its logit, so that they give different labels
        z = 4 * torch.randn(n, 1, generator=g)
        z[:1] = (threshold + math.log(threshold / (1 - threshold))) / 2
        z[1:2] = 0.3  # above one half, but below 0.9 as a probability and as a logit
        got = run(answer, z, threshold, case=case)
        flat = z[:, 0]
        as_logit, as_half = (flat > threshold).float(), (flat > 0).float()
        want = (flat.sigmoid() > threshold).float()
        shaped = isinstance(got, torch.Tensor) and got.shape == want.shape
        if shaped and n and not torch.equal(want, got.float()):
            compared = torch.equal(got.float(), as_logit)
            require(
                not compared, f"the threshold was compared with the logit, not the probability, for {case}"
            )
            rounded = torch.equal(got.float(), as_half)
            require(not rounded, f"these are the labels for a threshold of one half, for {case}")
        same(got, want, case=case)


@exercise("02.2", "Find the bug: better than perfect")
def check_ring_accuracy(answer):
    """Each prediction is compared with its own label."""
    g = fresh_generator()
    for n in (40, 7, 1):
        case = f"{n} rows"
        labels = (torch.arange(n) % 2).float()
        right = (torch.arange(n) < 0.7 * n).float()  # the first seven of ten are right
        z = (2 * labels - 1) * (2 * right - 1) * (0.1 + torch.rand(n, generator=g))
        got = run(answer, z.unsqueeze(1), labels, case=case)
        number = isinstance(got, (int, float)) and not isinstance(got, bool)
        require(number, f"expected a Python number between 0 and 1, for {case}")
        require(got <= 1, f"an accuracy above 1: how many comparisons are there, for {case}?")
        pairs = ((z.unsqueeze(1) > 0).float() == labels).float().mean().item()
        if abs(pairs - right.mean().item()) > 1e-3:
            strangers = abs(got - pairs) < 1e-6
            require(not strangers, f"every prediction is still compared with every label, for {case}")
        capped = got == 1 and right.mean() < 1
        require(not capped, f"1 is too good, some predictions are wrong: was the result cut off, for {case}?")
        same(got, right.mean().item(), case=case)


@exercise("02.3", "Softmax that survives")
def check_softmax(answer):
    """Rows add up to 1, with logits of a thousand as well."""
    g = fresh_generator()
    small = torch.randn(5, 4, generator=g)
    cases = {
        "5 rows of 4 small logits": small,
        "1 row of 3 logits": torch.randn(1, 3, generator=g),
        "logits near 1,000": small + 1000,
        "a row near -1,000 beside a row near 1,000": small[:2] + torch.tensor([[-1000.0], [1000.0]]),
    }
    for case, z in cases.items():
        got = run(answer, z, case=case)
        shaped = isinstance(got, torch.Tensor) and got.shape == z.shape
        nan = shaped and bool(got.isnan().any())
        require(not nan, f"the result holds nan: what does exp do there, for {case}?")
        if shaped and len(z) > 1:
            ones = torch.ones(z.shape[1])
            columns = torch.allclose(got.double().sum(0), ones.double(), atol=1e-3)
            require(not columns, f"the columns add up to 1, but the classes of one row should, for {case}")
        same(got, z.softmax(dim=1), case=case)


@exercise("02.4", "Binary cross-entropy from logits")
def check_binary_cross_entropy(answer):
    """The mean loss and its gradient, finite for logits of 200 and -200."""
    g = fresh_generator()
    extreme = torch.tensor([200.0, -200.0, 200.0, -200.0])
    cases = {
        "12 small logits": (torch.randn(12, generator=g), (torch.rand(12, generator=g) < 0.5).float()),
        "3×2 logits": (torch.randn(3, 2, generator=g), torch.rand(3, 2, generator=g).round()),
        "targets between 0 and 1": (torch.randn(6, generator=g), torch.rand(6, generator=g)),
        "logits of 200 and -200, all of them right": (extreme[:2], torch.tensor([1.0, 0.0])),
        "logits of 200 and -200, half of them wrong": (extreme, torch.tensor([1.0, 0.0, 0.0, 1.0])),
    }
    for case, (z, y) in cases.items():
        mine, trusted = z.clone().requires_grad_(), z.clone().requires_grad_()
        want = F.binary_cross_entropy_with_logits(trusted, y)
        got = run(answer, mine, y, case=case)
        require(isinstance(got, torch.Tensor), f"expected a tensor with one element, for {case}")
        require(got.numel() == 1, f"expected a mean, one element, got shape {tuple(got.shape)}, for {case}")
        finite = bool(got.isfinite().all())
        require(finite, f"the loss is inf or nan: of which number is the logarithm taken, for {case}?")
        summed = abs(got.item() - want.item() * y.numel()) < 1e-4 and want > 1e-3
        require(not summed, f"this is the sum of the losses, not their mean, for {case}")
        same(got.detach().reshape(()).float(), want.detach(), case=case)
        require(got.requires_grad, f"no gradient can flow back from the result, for {case}")
        got.sum().backward()
        want.backward()
        good = mine.grad is not None and torch.allclose(mine.grad, trusted.grad, rtol=1e-3, atol=1e-5)
        require(good, f"the value is right, but its gradient is not, for {case}")


def _step(model, optimizer, X, y) -> float:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(X), y)
    loss.backward()
    optimizer.step()
    return loss.item()


@exercise("02.5", "Find the bug: a loss that stops too high")
def check_step_with_logits(answer):
    """The loss and the step of cross-entropy on logits, three times in a row."""
    g = fresh_generator()
    for n, classes in ((12, 3), (1, 5)):
        X = torch.randn(n, 4, generator=g)
        y = torch.randint(0, classes, (n,), generator=g)
        model = nn.Linear(4, classes)
        right = copy.deepcopy(model)
        mine, trusted = (torch.optim.SGD(m.parameters(), lr=0.5) for m in (model, right))
        for number in ("first", "second", "third"):
            case = f"the {number} step, {n} rows and {classes} classes"
            before = model.weight.detach().clone()
            with torch.no_grad():
                twice = F.cross_entropy(model(X).softmax(dim=1), y).item()
            want = _step(right, trusted, X, y)
            got = run(answer, model, mine, X, y, case=case)
            squeezed = isinstance(got, float) and abs(got - twice) < 1e-5 and abs(want - twice) > 1e-4
            require(not squeezed, f"the loss is that of logits which have been through softmax, for {case}")
            same(got, want, case=case, hint="is it the cross-entropy of the logits?")
            moved = not torch.equal(model.weight, before)
            require(moved, f"the model has not changed, for {case}")
            good = torch.allclose(model.weight, right.weight, rtol=1e-4, atol=1e-5)
            require(good, f"the loss is right, but not the step: which gradients did it use, for {case}?")


@exercise("02.6", "A confusion matrix")
def check_confusion_matrix(answer):
    """Rows are true classes, each pair counts as often as it occurs."""
    g = fresh_generator()
    for n, classes in ((200, 4), (30, 3), (6, 5), (0, 2)):
        case = f"{n} examples and {classes} classes"
        seen = max(classes - 1, 1) if n < 10 else classes  # with few examples the last class never occurs
        labels = torch.randint(0, seen, (n,), generator=g)
        preds = torch.where(torch.rand(n, generator=g) < 0.5, labels, 0)
        labels[:3], preds[:3] = 1, 0  # so that no matrix is symmetric and one pair occurs several times
        labels[-1:], preds[-1:] = seen - 1, seen - 1
        want = torch.zeros(classes, classes, dtype=torch.long)
        for label, pred in zip(labels.tolist(), preds.tolist(), strict=True):
            want[label, pred] += 1
        got = run(answer, preds, labels, classes, case=case)
        if n and isinstance(got, torch.Tensor) and got.shape == want.shape:
            turned = torch.equal(got.double(), want.T.double())
            require(not turned, f"rows and columns are exchanged: a row belongs to a true class, for {case}")
            once = got.sum() < n and torch.equal(got.double(), want.clamp(max=1).double())
            require(not once, f"each pair is counted once, however often it occurs, for {case}")
        same(got, want, case=case)


@exercise("02.7", "Precision and recall")
def check_precision_and_recall(answer):
    """Both numbers, also where there is nothing to divide by."""
    g = fresh_generator()
    random = (torch.rand(60, generator=g) < 0.4).long()
    cases = {
        "60 random labels": (torch.where(torch.rand(60, generator=g) < 0.6, random, 1), random),
        "float labels": (torch.tensor([1.0, 1, 0, 0, 1, 0]), torch.tensor([1.0, 0, 0, 1, 0, 1])),
        "perfect predictions": (torch.tensor([1, 0, 1]), torch.tensor([1, 0, 1])),
        "a model that never says 1": (torch.zeros(5).long(), torch.tensor([1, 0, 0, 1, 0])),
        "labels without a single 1": (torch.tensor([1, 0, 1, 0]), torch.zeros(4).long()),
    }
    for case, (preds, labels) in cases.items():
        hits = int(((preds == 1) & (labels == 1)).sum())
        called, positive = int((preds == 1).sum()), int((labels == 1).sum())
        want = [hits / max(called, 1), hits / max(positive, 1)]
        got = run(answer, preds, labels, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair, f"expected two numbers, precision and recall, for {case}")
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in got)
        require(numbers, f"expected Python numbers (.item() makes one of a tensor), for {case}")
        if hits and called < len(preds):
            overall = abs(got[0] - hits / len(preds)) < 1e-6
            require(not overall, f"the precision divides by all examples, for {case}")
        swapped = abs(want[0] - want[1]) > 1e-3 and abs(got[0] - want[1]) + abs(got[1] - want[0]) < 1e-6
        require(not swapped, f"precision and recall are exchanged, for {case}")
        same(got, want, case=case)


@exercise("02.8", "Find the bug: knowledge of the future")
def check_standardised_sets(answer):
    """Both sets with the numbers of the training set, a constant feature included."""
    g = fresh_generator()
    for n, m, features in ((20, 8, 3), (50, 1, 2)):
        case = f"{n} training rows, {m} test rows, {features} features"
        scale = 10.0 ** torch.arange(features)
        X, X_test = (scale * (5 + torch.randn(k, features, generator=g)) for k in (n, m))
        X_test = X_test + 3 * scale  # the future is different
        for constant in (False, True):
            if constant:
                X, case = X.clone(), f"{case}, one of them constant"
                X[:, 0] = 7.0
            got = run(answer, X, X_test, case=case)
            good = isinstance(got, (tuple, list)) and len(got) == 2
            good = good and all(isinstance(part, torch.Tensor) for part in got)
            require(good, f"expected two tensors, for {case}")
            for part, shape, name in ((got[0], X.shape, "training"), (got[1], X_test.shape, "test")):
                shapes = f"the {name} set has shape {tuple(part.shape)}, wanted {tuple(shape)}"
                require(part.shape == shape and part.is_floating_point(), f"{shapes}, for {case}")
                finite = bool(part.isfinite().all())
                require(finite, f"the {name} set holds nan or inf: what was divided by, for {case}?")
            a, b = (part.double() for part in got)
            mean, std = X.double().mean(0), X.double().std(0)
            varying = slice(1, None) if constant else slice(None)
            centred = a.mean(0).abs().max() < 1e-3
            require(centred, f"the features of the training set do not have mean 0, for {case}")
            if constant:
                zero = a[:, 0].abs().max() < 1e-3
                require(zero, f"the constant feature is not 0 in the training set, for {case}")
            spread = a.std(0)[varying]
            one = bool(((spread - 1).abs() < 0.05).all())  # dividing by N or by N - 1 is equally right
            require(one, f"the features of the training set do not have standard deviation 1, for {case}")
            want = ((X_test - mean) / std)[:, varying]
            own = "the test set was not transformed with the numbers of the training set"
            require(torch.allclose(b[:, varying], want, rtol=0.05, atol=0.05), f"{own}, for {case}")


class _Moody(nn.Module):
    """Gives the logits it is fed, but turned round while it is in training mode; notes each call."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, X):
        self.calls.append(self.training)
        return -X if self.training else X


@exercise("02.9", "Accuracy over batches")
def check_accuracy_over_batches(answer):
    """Every row counts the same, and the model's mode is as it was."""
    g = fresh_generator()
    for sizes in ((8, 8, 8, 2), (5,), (16, 1)):
        total = sum(sizes)
        y = torch.randint(0, 3, (total,), generator=g)
        right = torch.arange(total) >= total - sizes[-1]  # the whole last batch is right ...
        right[: total // 4] = True  # ... and the first quarter
        X = F.one_hot(torch.where(right, y, (y + 1) % 3), 3) + torch.rand(total, 3, generator=g) / 2
        loader = list(zip(X.split(sizes), y.split(sizes), strict=True))
        shares = [part.double().mean().item() for part in right.split(sizes)]
        for mode in (True, False):
            came = "training" if mode else "evaluation"
            case = f"batches of {', '.join(map(str, sizes))} rows, a model in {came} mode"
            model = _Moody().train(mode)
            got = run(answer, model, loader, case=case)
            number = isinstance(got, (int, float)) and not isinstance(got, bool)
            require(number, f"expected a Python number between 0 and 1, for {case}")
            require(model.calls, f"the model was never asked, for {case}")
            require(not any(model.calls), f"the model was asked in training mode, for {case}")
            want = right.double().mean().item()
            mean = len(sizes) > 1 and abs(got - sum(shares) / len(shares)) < 1e-6
            averaged = "this is the mean of the batch accuracies: a small batch counts too much"
            require(not mean, f"{averaged}, for {case}")
            same(got, want, case=case)
            require(model.training == mode, f"the model was left in the other mode, for {case}")


def _spirals(n: int, classes: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(n) % classes
    r = torch.rand(n, generator=g)
    angle = 5 * r + 2 * math.pi * y / classes + 0.1 * torch.randn(n, generator=g)
    return 3 * torch.stack([r * angle.cos(), r * angle.sin()], dim=1), y


@exercise("02.10", "Untangle a spiral")
def check_spiral(answer):
    """A model that tells nine of ten new points right, with logits."""
    g = fresh_generator()
    for classes in (2, 3):
        case = f"{classes} arms"
        X, y = _spirals(300 * classes, classes, g)
        X_new, y_new = _spirals(200 * classes, classes, g)
        model = run(answer, X, y, classes, case=case)
        require(isinstance(model, nn.Module), f"expected a model, an nn.Module, for {case}")
        model.eval()
        with torch.no_grad():
            logits = run(model, X_new, case=f"{case}, new points")
        require(isinstance(logits, torch.Tensor), f"the model gives no tensor, for {case}")
        wanted = (len(X_new), classes)
        shapes = f"the model gives shape {tuple(logits.shape)}, wanted {wanted}"
        require(logits.shape == wanted, f"{shapes}, for {case}")
        require(bool(logits.isfinite().all()), f"the model gives nan or inf, for {case}")
        normal = bool((logits >= 0).all() and ((logits.sum(dim=1) - 1).abs() < 1e-3).all())
        require(not normal, f"the model gives probabilities, not logits: what is its last layer, for {case}?")
        share = (logits.argmax(dim=1) == y_new).float().mean()
        require(
            share > 0.75, f"not even three of four new points are right: can its boundary bend, for {case}?"
        )
        require(share > 0.9, f"not yet nine of ten new points are right, for {case}")
