"""Checks for the exercises of notebook 02, classification."""

import copy
import functools
import math

import torch
from torch import nn
from torch.nn import functional as F

from learn_pytorch import planted
from learn_pytorch.exercises import exercise, fresh_generator, require, run, same
from learn_pytorch.planted import loader_of


@exercise("02.1", "A threshold for each question")
def check_thresholds(answer):
    """Thresholds on probabilities, one for each column; also for one row and for none."""
    g = fresh_generator()
    cases = ((50, [0.5, 0.9, 0.2]), (3, [0.9, 0.5, 0.05]), (1, [0.7, 0.3]), (20, [0.8]), (0, [0.5, 0.9]))
    for n, thresholds in cases:
        case = f"{n} rows and the thresholds {thresholds}"
        t = torch.tensor(thresholds)
        cut = torch.logit(t)
        z = 4 * torch.randn(n, len(t), generator=g)
        z = torch.where((z - cut).abs() < 0.01, z + 0.05, z)  # nothing that rounding could decide
        z[:1] = (t + cut) / 2 + 0.02  # between a threshold and its logit: they give different labels
        z[-1:] = torch.where(t == 0.5, 0.0, z[-1:])  # exactly at a threshold is not above it
        want = (z.sigmoid() > t).float()
        got = run(answer, z, thresholds, case=case)
        if n and isinstance(got, torch.Tensor) and got.shape == want.shape:
            wrong = {
                "a threshold was compared with the logit, not with the probability": z > t,
                "these are the labels for thresholds of one half": z > 0,
                "a probability that equals its threshold is not above it": z.sigmoid() >= t,
            }
            if n == len(t):
                wrong["each row got a threshold of its own, and each column should"] = (
                    z.sigmoid() > t[:, None]
                )
            for message, value in wrong.items():
                fooled = torch.equal(got.float(), value.float()) and not torch.equal(value.float(), want)
                require(not fooled, f"{message}, for {case}")
        same(got, want, case=case)


@exercise("02.2", "Find the bug: every model scores one half")
def check_report(answer):
    """Accuracy, precision and recall over batches; 0 where there is nothing to divide by."""
    g = fresh_generator()
    for sizes, kind in (((16, 16, 8), ""), ((5,), ""), ((7, 1), "nobody"), ((4, 4, 3), "no alarm")):
        n = sum(sizes)
        y = torch.arange(n) % 2 * 1.0 if kind != "nobody" else torch.zeros(n)
        right = torch.arange(n) % 5 != 1
        right[-sizes[-1] :] = True  # the whole last batch, so that it matters how much it counts
        size = 0.1 + 0.3 * torch.rand(n, generator=g) + 0.6 * (torch.arange(n) % 3 == 0)  # half of 1 between
        size[1::3] = 0.15  # never without a small one: a cut of 0.2 must show
        z = size * (2 * y - 1) * (2.0 * right - 1)
        z = -z.abs() if kind == "no alarm" else z
        case = f"batches of {', '.join(map(str, sizes))} rows"
        case += {"": "", "nobody": ", nobody of them ill", "no alarm": " and a model without alarms"}[kind]
        model, loader = planted.Moody().train(), loader_of(z[:, None], y, sizes)
        got = run(answer, model, loader, case=case)
        names = ("accuracy", "precision", "recall")
        good = isinstance(got, dict) and set(got) == set(names)
        require(good, f"expected a dictionary with accuracy, precision and recall, for {case}")
        said = [got[name] for name in names]
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in said)
        require(numbers, f"expected Python numbers in the dictionary, for {case}")
        asked = any(model.modes)
        simulate = functools.partial(planted.report, planted.Moody().train(asked), loader)
        want = planted.report(planted.Moody().eval(), loader, ())
        found = planted.remaining(said, simulate, planted.REPORT)
        if found or asked:
            lines = [line for line in zip(names, said, want, strict=True) if abs(line[1] - line[2]) > 1e-5]
            symptom = "the dashboard says {1:.3f} for the {0}, somebody who counts by hand gets {2:.3f}"
            cause = planted.REPORT[found[0]] if found else "the model was asked in training mode"
            require(False, f"{symptom.format(*lines[0])}, for {case}", cause)
        require(all(0 <= v <= 1 for v in said), f"shares from 0 to 1 are wanted, for {case}")
        for name, s, w in zip(names, said, want, strict=True):
            same(float(s), w, case=f"the {name}, {case}")


_OWN_LOSS = ("softmax", "log_softmax", "logsumexp", "cross_entropy", "nll_loss", "logcumsumexp")


@exercise("02.3", "NaN in the log")
def check_hunt(answer):
    """The rows that break the old loss, and a loss that is finite and right, with its gradient."""
    g = fresh_generator()

    def rows(n):
        return 3 * torch.randn(n, 4, generator=g)

    def with_row(n, where, values):
        z = rows(n)
        z[where] = torch.tensor(values)
        return z

    cases = {
        "a batch like that of step 212": with_row(8, 5, [96.7, 2.0, -3.0, 11.5]),
        "a batch without trouble": rows(6),
        "its first row in trouble": with_row(5, 0, [-120.0, -130.0, -110.0, -119.0]),
        "one row, with logits far apart": torch.tensor([[0.0, 200.0, 3.0, -1.0]]),
        "four logits of 88, each of which exp survives": with_row(4, 3, [88.0, 88.5, 88.2, 88.1]),
        "logits near 1,000 and near -1,000": rows(3) + torch.tensor([[1000.0], [0.0], [-1000.0]]),
    }
    for case, z in cases.items():
        y = torch.randint(0, 4, (len(z),), generator=g)
        y[-1], y[5:6] = 0, 0
        bad = [i for i in range(len(z)) if not planted.old_loss(z[i : i + 1], y[i : i + 1]).isfinite()]
        mine, trusted = z.clone().requires_grad_(), z.double().requires_grad_()
        want = F.cross_entropy(trusted, y)
        want.backward()
        got = run(answer, mine, y, case=case, forbid=_OWN_LOSS)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair, f"expected two things, the rows and the loss, for {case}")
        found, loss = got
        numbers = isinstance(found, list) and all(type(i) is int for i in found)
        require(numbers, f"expected the rows as a list of whole numbers, for {case}")
        missing, extra = sorted(set(bad) - set(found)), sorted(set(found) - set(bad))
        require(not missing, f"another row makes the old loss nan or inf too, for {case}")
        require(not extra, f"one of your rows alone does the old loss no harm, for {case}")
        require(found == bad, f"each row once and in order, please, for {case}")
        one = isinstance(loss, torch.Tensor) and loss.numel() == 1
        require(one, f"expected the loss as a tensor with one element, for {case}")
        require(loss.isfinite().all(), f"the loss is still nan or inf, for {case}")
        same(loss.detach().reshape(()).float(), want.detach().float(), case=case)
        require(loss.requires_grad, f"no gradient can flow back from the loss, for {case}")
        loss.sum().backward()
        require(mine.grad.isfinite().all(), f"the loss is finite, its gradient is not, for {case}")
        close = torch.allclose(mine.grad.double(), trusted.grad, rtol=1e-3, atol=1e-5)
        require(close, f"the value of the loss is right, its gradient is not, for {case}")


_OWN_BCE = (
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy",
    "cross_entropy",
    "soft_margin_loss",
    "multilabel_soft_margin_loss",
)


@exercise("02.4", "Answers that nobody knows")
def check_partial_labels(answer):
    """The mean over the known answers, with weights; value and gradient, also at 0 and at 200."""
    g = fresh_generator()

    def labels(n, columns):
        y = (torch.rand(n, columns, generator=g) < 0.4).float()
        y[torch.rand(n, columns, generator=g) < 0.3] = math.nan
        y[:2, 0] = torch.tensor([1.0, 0.0])
        return y

    nan = math.nan
    cases = {
        "12×3 logits": (torch.randn(12, 3, generator=g), labels(12, 3)),
        "all answers known": (torch.randn(4, 2, generator=g), torch.rand(4, 2, generator=g).round()),
        "logits of exactly 0": (torch.zeros(5, 2), labels(5, 2)),
        "logits of 200 and -200": (
            torch.tensor([[200.0, -200.0], [-200.0, 200.0], [200.0, 200.0]]),
            torch.tensor([[0.0, 1.0], [0.0, 1.0], [nan, 0.0]]),
        ),
        "a first row that nobody knows": (
            torch.randn(3, 1, generator=g),
            torch.tensor([[nan], [1.0], [0.0]]),
        ),
        "no known answer at all": (torch.randn(2, 2, generator=g), torch.full((2, 2), nan)),
    }
    for case, (z, y) in cases.items():
        weight = 1 + 4 * torch.rand(z.shape[1], generator=g)
        mine, trusted = z.clone().requires_grad_(), z.double().requires_grad_()
        known, sure = ~y.isnan(), y.nan_to_num().double()
        each = weight * sure * F.softplus(-trusted) + (1 - sure) * F.softplus(trusted)
        total = each[known].sum()
        want = total / max(int(known.sum()), 1)
        got = run(answer, mine, y, weight, case=case, forbid=_OWN_BCE)
        one = isinstance(got, torch.Tensor) and got.numel() == 1
        require(one, f"expected a tensor with one element, for {case}")
        require(got.isfinite().all(), f"the loss is nan or inf, for {case}")
        value = got.item()
        if abs(value - want.item()) > 1e-4:
            bare = sure * F.softplus(-trusted) + (1 - sure) * F.softplus(trusted)
            wrong = {
                "this is the sum of the losses, wanted their mean": total,
                "the mean divides by all answers, the unknown ones included": total / y.numel(),
                "an unknown answer was counted as a no": each.mean(),
                "the weights are not in it": bare[known].mean(),
                "the weights are for a yes, a no counts once": (weight * bare)[known].mean(),
            }
            for message, number in wrong.items():
                require(abs(value - number.item()) > 1e-4, f"{message}, for {case}")
        same(got.detach().reshape(()).float(), want.detach().float(), case=case)
        require(got.requires_grad, f"no gradient can flow back from the result, for {case}")
        got.sum().backward()
        want.backward()
        require(mine.grad is not None, f"no gradient arrives at the logits, for {case}")
        require(mine.grad.isfinite().all(), f"the loss is right, and its gradient holds nan, for {case}")
        close = torch.allclose(mine.grad.double(), trusted.grad, rtol=1e-3, atol=1e-5)
        require(close, f"the value is right, but its gradient is not, for {case}")


@exercise("02.5", "Find the bug: fine on training, poor on test")
def check_repaired_fit(answer):
    """The history and the weights of a run, next to a run of one's own with the same batches."""
    g = fresh_generator()
    for classes, sizes, tested in ((3, (16, 16, 16, 5), (12, 11)), (2, (10, 10, 3), (9,))):
        case = f"{sum(sizes)} training and {sum(tested)} test rows"
        train_loader = loader_of(*planted.clouds(sum(sizes), classes, g), sizes)
        test_loader = loader_of(*planted.clouds(sum(tested), classes, g), tested)
        start = planted.small_net(4, classes)

        def simulate(bugs, start=start, loaders=(train_loader, test_loader)):
            model = copy.deepcopy(start)
            return planted.fit(model, torch.optim.SGD(model.parameters(), lr=0.3), *loaders, 3, bugs)

        model = copy.deepcopy(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        got = run(answer, model, optimizer, train_loader, test_loader, 3, case=case)
        good = isinstance(got, list) and all(isinstance(t, (tuple, list)) and len(t) == 3 for t in got)
        require(good and len(got) == 3, f"expected a list of three triples, one for each epoch, for {case}")
        numbers = [v for triple in got for v in triple]
        good = all(isinstance(v, (int, float)) for v in numbers)
        require(good, f"expected Python numbers in the triples, for {case}")
        weights = [w for p in model.parameters() for w in p.flatten().tolist()]
        found = planted.remaining([*map(float, numbers), *weights], simulate, planted.FIT)
        if found:
            symptom, cause = planted.FIT[found[0]]
            facts = sum(tested) / sum(sizes), math.log(1 + (classes - 1) / math.e), sum(sizes) / len(sizes)
            require(False, f"{symptom.format(*facts)}, for {case}", cause)
        seen = model[1].num_batches_tracked <= 3 * len(train_loader)  # batch normalisation counts in training
        symptom = "the test score of a row depends on the rows beside it"
        require(seen, f"{symptom}, for {case}", "the test rows are scored in training mode")
        want = simulate(())
        for i, (value, right) in enumerate(zip(numbers, want, strict=False)):
            name = ("training loss", "training accuracy", "test accuracy")[i % 3]
            same(float(value), right, case=f"the {name} of epoch {i // 3}, {case}", rtol=1e-3)
        close = found is not None
        require(close, f"the history is right, the weights at the end are those of another run, for {case}")


@exercise("02.6", "Reading a confusion matrix")
def check_read_matrix(answer):
    """Recall and precision of each class, and the pair that is confused most often."""
    g = fresh_generator()
    missing = torch.randint(0, 9, (4, 4), generator=g)
    missing[3], missing[:, 0], missing[1, 2], missing[2, 1] = 0, 0, 30, 0
    cases = {
        "5 classes": torch.randint(1, 9, (5, 5), generator=g) + 40 * torch.eye(5, dtype=torch.long),
        "2 classes": torch.tensor([[90, 3], [4, 11]]),
        "a class that never occurs and one that is never predicted": missing,
        "a rare class that is nearly always confused": torch.tensor([[5000, 40, 3], [2, 1, 9], [1, 0, 3]]),
        "a model that is nearly always wrong": torch.tensor([[1, 60, 2], [3, 0, 80], [70, 5, 1]]),
    }
    cases["5 classes"][4, 1] += 20
    for case, matrix in cases.items():
        counts = matrix.double()
        recalls, precisions = (counts.diagonal() / counts.sum(dim=dim).clamp(min=1) for dim in (1, 0))
        off = matrix - torch.diag(matrix.diagonal())
        pair = divmod(int(off.argmax()), len(matrix))
        got = run(answer, matrix, case=case)
        good = isinstance(got, (tuple, list)) and len(got) == 3
        require(good, f"expected three things: recalls, precisions and a pair of classes, for {case}")
        swapped = isinstance(got[0], torch.Tensor) and got[0].shape == recalls.shape
        if swapped and not torch.allclose(recalls, precisions):
            swapped = torch.allclose(got[0].double(), precisions)
            require(not swapped, f"the rows are the true classes, the columns the predicted ones, for {case}")
        for name, part, want in (("recalls", got[0], recalls), ("precisions", got[1], precisions)):
            same(part, want.float(), case=f"the {name}, {case}")
        good = isinstance(got[2], (tuple, list)) and all(isinstance(k, int) for k in got[2])
        require(good and len(got[2]) == 2, f"expected the pair as two whole numbers, for {case}")
        require(got[2][0] != got[2][1], f"this pair lies on the diagonal: no mistake at all, for {case}")
        turned = tuple(got[2]) == pair[::-1]
        require(not turned, f"the true class comes first in the pair, for {case}")
        same(tuple(got[2]), pair, case=case, hint="other mistakes are more frequent")


@exercise("02.7", "An alarm you can rely on")
def check_alarms(answer):
    """The most hits at a wanted precision on validation, and the same threshold for new rows."""
    g = fresh_generator()
    for kind, precision in (
        ("a confident false alarm", 0.9),
        ("a good model", 0.9),
        ("a rare illness", 0.9),
        ("many equal scores", 0.8),
        ("a useless model", 0.9),
        ("nobody ill", 0.5),
        ("a good model", 1.0),
    ):
        case = f"{kind} and a precision of {precision}"
        scores, labels = planted.screening(kind, g)
        cut, hits = planted.cut(scores, labels, precision)
        got = run(answer, scores, labels, scores.clone(), precision, case=f"{case}, its own rows once more")
        mask = isinstance(got, torch.Tensor) and got.dtype == torch.bool and got.shape == scores.shape
        require(mask, f"expected a tensor of True and False, one for each row, for {case}")
        called, found = int(got.sum()), int(labels[got].sum())
        own = "on the validation rows themselves"
        reliable = found >= precision * called
        require(reliable, f"{own} too many of your alarms are false, for {case}")
        require(found >= hits, f"{own} more of the ill can be found at that precision, for {case}")
        extra = called > int((scores >= cut).sum())
        require(not extra, f"{own} a higher threshold finds as many, with fewer alarms, for {case}")
        below = scores[scores < cut]
        floor = below.max().item() if len(below) else -1.0
        new = torch.rand(60, generator=g) * scores.max() * 1.2
        new = new.clamp(max=1)[((new >= cut) | (new <= floor))]
        for part, name in ((new, "new rows"), (new[:1], "one new row"), (new[new < cut], "rows below")):
            got = run(answer, scores, labels, part, precision, case=f"{case}, {name}")
            same(got, part >= cut, case=f"{case}, {name}", hint="is it the threshold of the validation rows?")


@exercise("02.8", "Find the bug: a scaler in production", wants="class")
def check_scaler(answer):
    """Constant columns, missing cells, rows far away, one row at a time; the past alone counts."""
    g = fresh_generator()
    for n, features, constant in ((20, 5, 0.1), (50, 4, -7.0), (30, 4, 33.3)):
        case = f"{n} training rows with {features} columns"
        scale = 10.0 ** torch.arange(features)
        X, new = (scale * (5 + torch.randn(k, features, generator=g)) for k in (n, 6))
        new[:, 1:] += 3 * scale[1:]  # the future is different
        X[:, 0], new[:, 0] = constant, torch.tensor([constant, constant + 0.6, 0.0, -1.0, 5.0, constant])
        X[0, 1] = X[4, 1] = X[2, 2] = new[0, 1] = new[3, 3] = math.nan
        new[1, 2], new[2, 3] = 1e9, -1e9
        X[:, 4:] = math.nan  # a sensor that came later
        scaler = run(answer, case=case)
        ready = hasattr(scaler, "fit") and hasattr(scaler, "transform")
        require(ready, f"the class has lost `fit` or `transform`, for {case}")
        scaler = run(scaler.fit, X, case=f"{case}, fit")
        require(hasattr(scaler, "transform"), f"`fit` should return the scaler, for {case}")
        results = {}
        for name, rows in (("training", X), ("new", new), ("training again", X)):
            where = f"{case}, the {name} rows"
            results[name] = got = run(scaler.transform, rows.clone(), case=where, may_change=(0,))
            shaped = isinstance(got, torch.Tensor) and got.shape == rows.shape and got.is_floating_point()
            require(shaped, f"expected rows of shape {tuple(rows.shape)}, for {case}, the {name} rows")
            monday = "since one cell of the table was empty, predictions are nan"
            cause = "a mean with nan in it is nan: count only the cells that are there, and fill them later"
            require(got.isfinite().all(), f"{monday}, for {case}, the {name} rows", cause)
        a, want = results["training"].double(), planted.scaled(X, X)
        spread = (a[5:].amax(dim=0) - a[5:].amin(dim=0))[1:4].tolist()  # without holes
        sizes = (
            "some columns of the training rows come out much wider than others, and a model sees only them"
        )
        cause = "each column needs a mean and a deviation of its own"
        require(max(spread) < 4 * min(spread), f"{sizes}, for {case}", cause)
        cause = "`transform` learns from the rows that it is given; it should only use what `fit` has found"
        again = results["training again"].double()
        moved = f"the training rows come out differently after some new rows have passed, for {case}"
        require(torch.allclose(a, again, atol=1e-4), moved, cause)
        single = run(scaler.transform, new[3:4], case=f"{case}, one new row").double()
        company = f"the same row comes out differently alone and in company, for {case}"
        require(torch.allclose(single, results["new"].double()[3:4], atol=1e-4), company, cause)
        stuck = f"a sensor that has always said {constant} does not come out as 0, for {case}"
        cause = "in float32 the deviation of a constant column need not be exactly 0: ask for min and max"
        require(a[:, 0].abs().max() < 1e-3, stuck, cause)
        b, rows_want = results["new"].double(), planted.scaled(X, new)
        woke = f"that sensor says {new[1, 0]:.1f} today, and the model is told something, for {case}"
        require(b[:, 0].abs().max() < 1e-3, woke, "a column that never changed comes out as 0, always")
        far = f"a typing error, 1e9, reaches the model as a number beyond 10, for {case}"
        require(b.abs().max() <= 10.001, far, "the text limits what comes out to the range from -10 to 10")
        holes = f"a missing cell does not come out as 0, for {case}"
        require(max(abs(a[0, 1]), abs(b[0, 1])) < 1e-3, holes, "fill the holes after scaling")
        cause = "are the missing cells counted as zeros, or the new rows mixed in?"
        for part, right, name in ((a, want, "training"), (b, rows_want, "new")):
            close = torch.allclose(part, right, rtol=0.05, atol=0.05)  # by N or by N - 1 is equally right
            message = f"the {name} rows come out shifted or stretched, for {case}"
            require(close, message, cause)


@exercise("02.9", "The best epoch")
def check_best_state(answer):
    """Losses per row of the validation set, and the state of the best epoch, buffers included."""
    g = fresh_generator()
    for loss_fn, rate, name in (
        (nn.CrossEntropyLoss(), 2.0, "cross-entropy"),
        (planted.misses, 20.0, "an odd loss"),
    ):
        case = f"{name}, validation batches of 16, 16 and 3 rows"
        for _ in range(200):  # until the best epoch is neither the first nor the last
            loaders = [loader_of(*planted.clouds(sum(s), 3, g), s) for s in ((10, 10, 7), (16, 16, 3))]
            start = planted.small_net(4, 3)
            right = copy.deepcopy(start)
            optimizer = torch.optim.SGD(right.parameters(), lr=rate)
            losses, states = planted.best_epoch(right, optimizer, loss_fn, *loaders, 5)
            best = losses.index(min(losses))
            if 0 < best < 4 and sorted(losses)[1] > losses[best] + 1e-3:
                break
        calls, model = [], copy.deepcopy(start)
        model.register_forward_hook(
            lambda m, _, out, calls=calls: calls.append((m.training, out.requires_grad))
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        got = run(answer, model, optimizer, loss_fn, *loaders, 5, case=case)
        good = isinstance(got, list) and len(got) == 5
        require(good, f"expected a list of 5 validation losses, for {case}")
        trained = sum(mode for mode, _ in calls)
        require(trained >= 15, f"of 15 training batches {trained} met a model in training mode, for {case}")
        require(trained <= 15, f"the model was in training mode during validation, for {case}")
        recorded = any(grad for mode, grad in calls if not mode)
        require(not recorded, f"autograd has recorded the validation, for {case}")
        for i, (value, want) in enumerate(zip(got, losses, strict=True)):
            hint = "is it the mean over rows, and each step with gradients of its own?" if i == 0 else ""
            same(value, want, case=f"epoch {i}, {case}", hint=hint, rtol=1e-3)
        state = model.state_dict()

        def close(other, state=state, keys=tuple(state)):
            return all(
                torch.allclose(state[k].double(), other[k].double(), rtol=1e-3, atol=1e-4) for k in keys
            )

        names = [key for key, _ in model.named_parameters()]
        last = close(states[-1])
        advice = "does `state_dict()` copy the numbers, or show them?"
        require(not last, f"the model has the numbers of the last epoch, another was best: {advice}")
        parameters = close(states[best], keys=names)
        require(parameters, f"the parameters are not those of the best epoch, for {case}")
        require(
            close(states[best]), f"the running averages of the normalisation are of another epoch, for {case}"
        )


@exercise("02.10", "Untangle a spiral, as it was measured")
def check_spiral(answer):
    """A model that takes points as they are, tells nine of ten new ones right, and gives logits."""
    g = fresh_generator()
    for classes in (2, 3):
        case = f"{classes} arms"
        X, y = planted.spirals(300 * classes, classes, g)
        X_new, y_new = planted.spirals(200 * classes, classes, g)
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
        cut = bool((logits >= 0).all() and (logits == 0).any())
        require(not cut, f"no output is ever below zero: what comes after the last linear layer, for {case}?")
        share = (logits.argmax(dim=1) == y_new).float().mean()
        poor = "not even three of four new points are right: can its boundary bend, does it see both columns"
        require(share > 0.75, f"{poor}, for {case}?")
        require(share > 0.9, f"not yet nine of ten new points are right, for {case}")
