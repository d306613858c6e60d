"""Answers to the exercises of notebook 02."""

import copy
import functools
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from answer_table import forbidden, right, wrong

# ------------------------------------------------------------------------ 02.1, several thresholds

right("02.1", lambda z, t: (z > torch.logit(torch.tensor(t))).float())
right("02.1", lambda z, t: torch.where(z.sigmoid() > z.new_tensor(t), 1.0, 0.0))


@right("02.1")
def by_column(z, t):
    out = torch.zeros(z.shape)
    for k, threshold in enumerate(t):
        out[:, k] = (1 / (1 + torch.exp(-z[:, k])) > threshold).float()
    return out


wrong("02.1", "not with the probability", lambda z, t: (z > torch.tensor(t)).float())
wrong("02.1", "thresholds of one half", lambda z, t: (z > 0).float())
wrong("02.1", "thresholds of one half", lambda z, t: z.sigmoid().round())
wrong("02.1", "equals its threshold is not above", lambda z, t: (z.sigmoid() >= torch.tensor(t)).float())
wrong("02.1", "dtype torch.bool", lambda z, t: z.sigmoid() > torch.tensor(t))
wrong("02.1", "dtype torch.int64", lambda z, t: (z.sigmoid() > torch.tensor(t)).long())
wrong("02.1", "values are not", lambda z, t: (z.sigmoid() > t[-1]).float())
wrong("02.1", "your code raised", lambda z, t: (z.sigmoid() > torch.tensor(t)[:, None]).float())
wrong("02.1", "your code raised TypeError", lambda z, t: (z.sigmoid() > t).float())
wrong("02.1", "shape", lambda z, t: (z.squeeze().sigmoid() > torch.tensor(t)).float())
wrong("02.1", "values are not", lambda z, t: (z.softmax(1) > torch.tensor(t)).float())


@wrong("02.1", "each row got a threshold of its own")
def by_row_where_it_fits(z, t):
    t = torch.tensor(t)
    return (z.sigmoid() > (t[:, None] if len(z) == len(t) else t)).float()


# ----------------------------------------------------------------------- 02.2, the program of reports


def report(model, loader, squeeze="dim", cut=0.0, mean=False, mode="eval", safe=True):
    if mode == "eval":
        model.eval()
    shares, right_, tp, fp, fn, n = [], 0, 0, 0, 0, 0
    with torch.inference_mode():
        for X, y in loader:
            logits = model(X)
            if squeeze:
                logits = logits.squeeze(dim=1) if squeeze == "dim" else logits.squeeze()
            preds = (logits > cut).float()
            shares.append((preds == y).float().mean().item())
            right_ += (preds == y).sum().item()
            n += len(y)
            tp += ((preds == 1) & (y == 1)).sum().item()
            fp += ((preds == 1) & (y == 0)).sum().item()
            fn += ((preds == 0) & (y == 1)).sum().item()
    called, positive = (max(tp + fp, 1), max(tp + fn, 1)) if safe else (tp + fp, tp + fn)
    accuracy = sum(shares) / len(shares) if mean else right_ / n
    return {"accuracy": accuracy, "precision": tp / called, "recall": tp / positive}


def part(function, **how):
    made = functools.partial(function, **how)
    made.__name__ = "_".join(f"{k}_{v}" for k, v in how.items()) or function.__name__
    return made


right("02.2", part(report))


@right("02.2")
def all_at_once(model, loader):
    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        z, y = (torch.cat(part) for part in zip(*((model(X)[:, 0], y) for X, y in loader), strict=True))
    hits = (z[y == 1] > 0).sum().item()
    called, positive = int((z > 0).sum()), int(y.sum())
    accuracy = ((z > 0) == (y == 1)).sum().item() / len(loader.dataset)
    return {
        "recall": hits / positive if positive else 0.0,
        "precision": hits / called if called else 0.0,
        "accuracy": accuracy,
    }


wrong("02.2", "every prediction is compared with every label", part(report, squeeze=None, cut=0.5, mean=True))
wrong("02.2", "every prediction is compared with every label", part(report, squeeze=None))
wrong("02.2", "one half is one for probabilities", part(report, cut=0.5))
wrong("02.2", "mean of the accuracies of the batches", part(report, mean=True))
wrong("02.2", "asked in training mode", part(report, mode=None))
wrong("02.2", "the value is not right", part(report, cut=0.2))
wrong("02.2", "ZeroDivisionError", part(report, safe=False))
wrong("02.2", "one half is one for probabilities", part(report, cut=0.5, mean=True))
wrong("02.2", "expected a dictionary", lambda m, loader: tuple(report(m, loader).values()))
wrong("02.2", "expected Python numbers", lambda m, x: {k: torch.tensor(v) for k, v in report(m, x).items()})
wrong("02.2", "from 0 to 1 are wanted", lambda m, x: {k: 100 * v for k, v in report(m, x).items()})

# --------------------------------------------------------------------------------- 02.3, NaN in a log


def old_loss(logits, targets):
    powers = torch.exp(logits)
    probs = powers / powers.sum(dim=1, keepdim=True)
    return -torch.log(probs[torch.arange(len(targets)), targets]).mean()


def stable(logits, targets):
    top = logits.amax(dim=1, keepdim=True)
    sums = torch.exp(logits - top).sum(dim=1).log() + top.squeeze(1)
    return (sums - logits[torch.arange(len(targets)), targets]).mean()


def bad_rows(logits, targets):
    return [
        i for i in range(len(logits)) if not old_loss(logits[i : i + 1], targets[i : i + 1]).isfinite().item()
    ]


@right("02.3")
def hunt(logits, targets):
    return bad_rows(logits, targets), stable(logits, targets)


@right("02.3")
def hunt_all_rows_at_once(logits, targets):
    powers = logits.exp()
    picked = (powers / powers.sum(1, keepdim=True)).gather(1, targets[:, None])
    losses = -picked.log().squeeze(1)
    gaps = logits - logits.gather(1, targets[:, None])
    top = gaps.amax(1).detach()
    loss = ((gaps - top[:, None]).exp().sum(1).log() + top).mean()
    return (~losses.isfinite()).nonzero().flatten().tolist(), loss


def hunt_with(rows=bad_rows, loss=stable):
    return lambda z, y: (rows(z, y), loss(z, y))


def softmax_then_log(z, y):
    powers = torch.exp(z - z.amax(dim=1, keepdim=True))
    probs = powers / powers.sum(dim=1, keepdim=True)
    return -probs[torch.arange(len(y)), y].log().mean()


wrong("02.3", "the loss is still nan or inf", hunt_with(loss=old_loss))
wrong("02.3", "still nan or inf", hunt_with(loss=softmax_then_log))
wrong(
    "02.3",
    "still nan or inf",
    hunt_with(loss=lambda z, y: old_loss(z - z.mean(1, keepdim=True), y)),
)
wrong("02.3", "values are not", hunt_with(loss=lambda z, y: old_loss(z.clamp(-80, 80), y)))
wrong("02.3", "values are not", hunt_with(loss=lambda z, y: stable(z, y) * len(z)))
wrong("02.3", "no gradient can flow back", hunt_with(loss=lambda z, y: stable(z, y).detach()))
wrong("02.3", "another row makes the old loss", hunt_with(rows=lambda z, y: []))
wrong("02.3", "another row makes the old loss", hunt_with(rows=lambda z, y: bad_rows(z, y)[:1]))
wrong(
    "02.3",
    "another row makes the old loss",
    hunt_with(rows=lambda z, y: [i for i in range(len(z)) if z[i].max() > 89]),
)
wrong("02.3", "alone does the old loss no harm", hunt_with(rows=lambda z, y: list(range(len(z)))))
wrong("02.3", "alone does the old loss no harm", hunt_with(rows=lambda z, y: [int(z.amax(1).argmax())]))
wrong("02.3", "list of whole numbers", hunt_with(rows=lambda z, y: torch.tensor(bad_rows(z, y))))
wrong("02.3", "expected two things", lambda z, y: stable(z, y))
wrong("02.3", "values are not", hunt_with(loss=lambda z, y: stable(z, y).nan_to_num() + 1e-2))
forbidden("02.3", hunt_with(loss=F.cross_entropy))
forbidden(
    "02.3", hunt_with(loss=lambda z, y: -torch.special.log_softmax(z, 1)[torch.arange(len(y)), y].mean())
)
forbidden("02.3", hunt_with(loss=lambda z, y: -z.log_softmax(1)[torch.arange(len(y)), y].mean()))
forbidden("02.3", hunt_with(loss=lambda z, y: (z.logsumexp(1) - z[torch.arange(len(y)), y]).mean()))
forbidden("02.3", hunt_with(loss=lambda z, y: -z.softmax(1)[torch.arange(len(y)), y].log().mean()))
forbidden("02.3", hunt_with(loss=lambda z, y: nn.CrossEntropyLoss()(z, y)))

# ----------------------------------------------------------------------- 02.4, answers nobody knows


@right("02.4")
def only_the_known(z, y, weight):
    known = ~y.isnan()
    w, z, y = weight.expand_as(z)[known], z[known], y[known]
    each = w * y * F.softplus(-z) + (1 - y) * F.softplus(z)
    return each.sum() / max(len(y), 1)


@right("02.4")
def all_with_zero_weight(z, y, weight):
    known = (~y.isnan()).float()
    y = y.nan_to_num()
    zero = torch.zeros_like(z)
    each = weight * y * torch.logaddexp(-z, zero) + (1 - y) * torch.logaddexp(z, zero)
    return ((known * each).sum() / known.sum().clamp(min=1)).reshape(1)


def partial_loss(z, y, weight, softplus=F.softplus, fill=False, divide="known", weigh="yes"):
    known = ~y.isnan()
    if fill:
        y = y.nan_to_num()
        known = torch.ones_like(known)
    no = weight if weigh == "both" else 1.0
    yes = 1.0 if weigh == "nothing" else weight
    each = torch.where(
        known, yes * y.nan_to_num() * softplus(-z) + no * (1 - y.nan_to_num()) * softplus(z), 0.0
    )
    count = {"known": max(int(known.sum()), 1), "all": y.numel(), "nothing": 1}[divide]
    return each.sum() / count


right("02.4", part(partial_loss))
wrong("02.4", "counted as a no", part(partial_loss, fill=True))
wrong("02.4", "the unknown ones included", part(partial_loss, divide="all"))
wrong("02.4", "the sum of the losses", part(partial_loss, divide="nothing"))
wrong("02.4", "the weights are not in it", part(partial_loss, weigh="nothing"))
wrong("02.4", "a no counts once", part(partial_loss, weigh="both"))
wrong("02.4", "nan or inf", part(partial_loss, softplus=lambda z: torch.log(1 + torch.exp(z))))
wrong("02.4", "nan or inf", lambda z, y, w: (F.softplus(z) - z * y).mean())
wrong(
    "02.4",
    "gradient is not",
    part(partial_loss, softplus=lambda z: z.clamp(min=0) + torch.log1p(torch.exp(-z.abs()))),
)
wrong("02.4", "no gradient can flow back", lambda z, y, w: partial_loss(z, y, w).detach())


@wrong("02.4", "its gradient holds nan")
def where_too_late(z, y, w):
    each = w * y * F.softplus(-z) + (1 - y) * F.softplus(z)
    return torch.where(y.isnan(), 0.0, each).sum() / max(int((~y.isnan()).sum()), 1)


@wrong("02.4", "nan or inf")
def through_the_probability(z, y, w):
    known, p = ~y.isnan(), z.sigmoid()
    each = -(w * y.nan_to_num() * p.log() + (1 - y.nan_to_num()) * (1 - p).log())
    return each[known].sum() / max(int(known.sum()), 1)


@wrong("02.4", "values are not")
def clamped(z, y, w):
    known, p = ~y.isnan(), z.sigmoid().clamp(1e-7, 1 - 1e-7)
    each = -(w * y.nan_to_num() * p.log() + (1 - y.nan_to_num()) * (1 - p).log())
    return each[known].sum() / max(int(known.sum()), 1)


@wrong("02.4", "nan or inf")
def mean_of_nothing(z, y, w):
    known = ~y.isnan()
    y = y.nan_to_num()
    return (w * y * F.softplus(-z) + (1 - y) * F.softplus(z))[known].mean()


@forbidden("02.4")
def library(z, y, w):
    known = ~y.isnan()
    loss = F.binary_cross_entropy_with_logits(z, y.nan_to_num(), pos_weight=w, reduction="none")
    return loss[known].sum() / max(int(known.sum()), 1)


@forbidden("02.4")
def library_module(z, y, w):
    known = ~y.isnan()
    loss = nn.BCEWithLogitsLoss(pos_weight=w, reduction="none")(z, y.nan_to_num())
    return loss[known].sum() / max(int(known.sum()), 1)


@forbidden("02.4")
def two_classes(z, y, w):
    known = ~y.isnan()
    pair = torch.stack([torch.zeros_like(z), z], dim=-1)[known]
    sure = y[known]
    each = F.cross_entropy(pair, sure.long(), reduction="none")
    return (torch.where(sure == 1, w.expand_as(z)[known], 1.0) * each).sum() / max(len(sure), 1)


# -------------------------------------------------------------------------- 02.5, a run and its report


def fit(
    model, optimizer, train_loader, test_loader, num_epochs, *, zero="before", softmax=False, often=True,
    size="rows", tested="test", log=False, evaluate=True, grad=False, step=True,
):  # fmt: skip
    loss_fn, history = nn.CrossEntropyLoss(), []
    model.train()
    for _ in range(num_epochs):
        if often:
            model.train()
        total = right_ = rows = hits = others = 0
        for X, y in train_loader:
            logits = model(X)
            if softmax:
                logits = logits.softmax(dim=1)
            if log:
                logits = logits.log_softmax(dim=1)
            loss = loss_fn(logits, y)
            if zero == "before":
                optimizer.zero_grad()
            loss.backward()
            if zero == "between":
                optimizer.zero_grad()
            optimizer.step()
            total += loss.item() * (len(y) if size == "rows" else 1)
            right_ += (logits.argmax(dim=1) == y).sum().item()
            rows += len(y)
        if evaluate:
            model.eval()
        with torch.inference_mode():
            for X, y in test_loader:
                hits += (model(X).argmax(dim=1) == y).sum().item()
                others += len(y)
        count = len(train_loader) if size == "batches" else rows
        history.append((total / count, right_ / rows, hits / (others if tested == "test" else rows)))
    return history


broken = {"zero": None, "softmax": True, "often": False, "size": "mean", "tested": "train"}
right("02.5", part(fit))
right("02.5", part(fit, log=True))
wrong("02.5", "97 % on training", part(fit, **broken))
wrong("02.5", "divided by the number of training rows", part(fit, tested="train"))
wrong("02.5", "through one", part(fit, **{**broken, "tested": "test"}))
wrong("02.5", "gradients of earlier batches", part(fit, **{**broken, "tested": "test", "softmax": False}))
wrong("02.5", "stays in evaluation mode", part(fit, often=False))
wrong("02.5", "divided by a number of rows", part(fit, size="mean"))
wrong("02.5", "a short batch counts too much", part(fit, size="batches"))
wrong("02.5", "gradients of earlier batches", part(fit, zero=None))
wrong("02.5", "the value is not right", part(fit, zero="between"))
wrong("02.5", "scored in training mode", part(fit, evaluate=False))
wrong("02.5", "list of three triples", lambda *a: fit(*a)[-1:])

# ------------------------------------------------------------------------------ 02.6, reading a matrix


def read(matrix, turn=False, safe=True, diagonal=False, pair="true", dtype=torch.float32, share=False):
    counts = matrix.to(dtype)
    found, called = counts.sum(dim=1), counts.sum(dim=0)
    if safe:
        found, called = found.clamp(min=1), called.clamp(min=1)
    recalls, precisions = counts.diagonal() / found, counts.diagonal() / called
    off = matrix.clone()
    if not diagonal:
        off.fill_diagonal_(-1)
    if share:
        off = off / found[:, None]
    i, j = divmod(off.argmax().item(), len(matrix))
    pair = (i, j) if pair == "true" else (j, i)
    return (precisions, recalls, pair) if turn else (recalls, precisions, pair)


right("02.6", part(read))


@right("02.6")
def by_loops(matrix):
    rows, n = matrix.tolist(), len(matrix)
    recalls = [rows[i][i] / sum(rows[i]) if sum(rows[i]) else 0.0 for i in range(n)]
    sums = [sum(row[j] for row in rows) for j in range(n)]
    precisions = [rows[j][j] / sums[j] if sums[j] else 0.0 for j in range(n)]
    _, pair = max((rows[i][j], (i, j)) for i in range(n) for j in range(n) if i != j)
    return torch.tensor(recalls), torch.tensor(precisions), pair


wrong("02.6", "the rows are the true classes", part(read, turn=True))
wrong("02.6", "NaN", part(read, safe=False))
wrong("02.6", "no mistake at all", part(read, diagonal=True))
wrong("02.6", "the true class comes first", part(read, pair="pred"))
wrong("02.6", "dtype torch.float64", part(read, dtype=torch.float64))
wrong("02.6", "pair as two whole numbers", lambda m: (*read(m)[:2], torch.tensor(read(m)[2])))
wrong("02.6", "expected three things", lambda m: read(m)[:2])


wrong("02.6", "other mistakes are more frequent", part(read, share=True))


@wrong("02.6", "changed its argument")
def in_place(matrix):
    result = read(matrix)
    matrix.fill_diagonal_(0)
    return result


@wrong("02.6", "the recalls")
def by_all(matrix):
    return (matrix.diagonal() / matrix.sum(), *read(matrix)[1:])


# ----------------------------------------------------------------------------- 02.7, a wanted precision


def alarms(val, labels, new, precision, *, order="all", strict=False, at=None, equal=True):
    best, cut = 0, math.inf
    grid = at if at is not None else sorted(set(val.tolist()), reverse=True)
    for t in grid:
        called = val >= t if equal else val > t
        hits = labels[called].sum().item()
        good = called.any() and (
            hits / called.sum().item() > precision if strict else hits >= precision * called.sum()
        )
        if good and hits > best:
            best, cut = hits, t
        if order == "stop" and not good:
            break
    return new >= cut if equal else new > cut


right("02.7", part(alarms))


@right("02.7")
def with_cumsum(val, labels, new, precision):
    order = val.argsort(descending=True, stable=True)
    scores, hits = val[order], labels[order].cumsum(0)
    last = torch.ones(len(scores), dtype=torch.bool)
    last[:-1] = scores[:-1] > scores[1:]  # of equal scores all or none
    good = last & (hits >= precision * torch.arange(1, len(val) + 1)) & (hits > 0)
    if not good.any():
        return torch.zeros(len(new), dtype=torch.bool)
    k = torch.where(good, hits, 0).argmax()
    return new >= scores[k]


grid = torch.linspace(0.01, 0.8, 80).tolist()
wrong("02.7", "more of the ill can be found", part(alarms, order="stop"))
wrong("02.7", "on the validation rows themselves", part(alarms, at=grid[::-1]))
wrong("02.7", "on the validation rows themselves", lambda v, y, new, p: new >= 0.5)
wrong("02.7", "on the validation rows themselves", lambda v, y, new, p: new >= p)
wrong("02.7", "more of the ill can be found", part(alarms, strict=True))
right("02.7", part(alarms, equal=False))
wrong("02.7", "expected a tensor of True and False", lambda v, y, new, p: alarms(v, y, new, p).float())
wrong("02.7", "too many of your alarms are false", lambda v, y, new, p: alarms(v, y, new, p - 0.1))
wrong(
    "02.7",
    "on the validation rows themselves",
    lambda v, y, new, p: new >= v[y == 1].quantile(0.1) if y.any() else new > 2,
)
wrong("02.7", "more of the ill can be found", lambda v, y, new, p: alarms(v, y, new, min(1.0, p + 0.05)))


@wrong("02.7", "is it the threshold of the validation rows")
def share_of_the_new_rows(v, y, new, p):
    """As many alarms, relatively, as on validation."""
    share = alarms(v, y, v, p).float().mean()
    return new >= new.quantile(1 - share) if share > 0 and not torch.equal(new, v) else alarms(v, y, new, p)


@wrong("02.7", "too many of your alarms are false")
def sorted_without_ties(v, y, new, p):
    order = v.argsort(descending=True, stable=True)
    hits = y[order].cumsum(0)
    good = (hits >= p * torch.arange(1, len(v) + 1)) & (hits > 0)
    return new >= v[order][torch.where(good, hits, 0).argmax()] if good.any() else new > 2


# ------------------------------------------------------------------------- 02.8, a scaler in production


class Scaler:
    """Right, with switches for what goes wrong."""

    whole, hole, spot, refit, limit, clone = False, "scaled", "range", False, 10.0, True
    wake = True

    def fit(self, X):
        known = ~X.isnan()
        X0 = torch.where(known, X, 0.0)
        count = known.sum(dim=0).clamp(min=1)
        if self.whole:
            self.mean, self.std = X[known].mean(), X[known].std()
            self.stuck = torch.zeros(X.shape[1], dtype=torch.bool)
            return self
        if self.hole == "zero first":
            known, count = torch.ones_like(known), torch.tensor(len(X))
        if self.hole == "nan":
            X0 = X
        self.mean = X0.sum(dim=0) / count
        self.std = (torch.where(known, X0 - self.mean, 0.0).square().sum(dim=0) / count).sqrt()
        known = ~X.isnan()
        low = torch.where(known, X, math.inf).amin(dim=0)
        high = torch.where(known, X, -math.inf).amax(dim=0)
        self.stuck = ~(high > low) if self.spot == "range" else self.std == 0
        if self.spot == "small":
            self.stuck = ~(self.std > 1e-6 * self.mean.abs())
        self.std = torch.where(self.stuck, 1.0, self.std)
        return self

    def transform(self, X):
        if self.refit and len(X) > 1:
            self.fit(X)
        if not self.clone:
            X[X.isnan()] = 0
        scaled = (X - self.mean) / self.std
        if self.wake:
            scaled = torch.where(self.stuck, 0.0, scaled)
        if self.hole != "nan":
            scaled = scaled.nan_to_num()
        return scaled.clamp(-self.limit, self.limit)


def scaler(**how):
    return type("Scaler_" + "_".join(map(str, how.values())), (Scaler,), how)


right("02.8", scaler())
right("02.8", scaler(spot="small"))


@right("02.8")
class ScalerInDouble:
    def fit(self, X):
        self.columns = []
        for column in X.double().T:
            known = column[~column.isnan()]
            moves = len(known.unique()) > 1
            self.columns.append((known.mean().item(), known.std().item()) if moves else None)
        return self

    def transform(self, X):
        out = torch.zeros(X.shape)
        for k, numbers in enumerate(self.columns):
            if numbers:
                out[:, k] = (
                    ((X[:, k].double() - numbers[0]) / numbers[1]).nan_to_num(0).clamp(-10, 10).float()
                )
        return out


wrong("02.8", "predictions are nan", scaler(hole="nan"))
wrong("02.8", "a deviation of its own", scaler(whole=True))
wrong("02.8", "does not come out as 0", scaler(spot="exact", wake=False))
wrong("02.8", "always said", scaler(spot="exact"))
wrong("02.8", "the model is told something", scaler(wake=False))
wrong("02.8", "beyond 10", scaler(limit=1e12))
wrong("02.8", "changed its argument", scaler(clone=False))
wrong("02.8", "shifted or stretched", scaler(hole="zero first"))
wrong("02.8", "`transform` learns from the rows", scaler(refit=True))
wrong("02.8", "expected a class", Scaler())

# ----------------------------------------------------------------------------- 02.9, the best epoch


def keep_best(
    model, optimizer, loss_fn, train_loader, val_loader, num_epochs, *, copy_=True, size=True, mode=True,
    grad=False, zero=True, what="best", average=False, own=False,
):  # fmt: skip
    losses, best, state = [], math.inf, None
    for _ in range(num_epochs):
        model.train()
        for X, y in train_loader:
            loss = (nn.CrossEntropyLoss() if own else loss_fn)(model(X), y)
            if zero:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if mode:
            model.eval()
        total = 0.0
        with torch.set_grad_enabled(grad):
            for X, y in val_loader:
                total += loss_fn(model(X), y).item() * (len(y) if size else 1)
        losses.append(total / (len(val_loader.dataset) if size else len(val_loader)))
        if losses[-1] < best:
            best = losses[-1]
            state = copy.deepcopy(model.state_dict()) if copy_ else model.state_dict()
            if what == "parameters":
                state = {name: p.detach().clone() for name, p in model.named_parameters()}
    if what != "last":
        model.load_state_dict(state, strict=what == "best")
    return losses


right("02.9", part(keep_best))


@right("02.9")
def all_states(model, optimizer, loss_fn, train_loader, val_loader, num_epochs):
    losses, states = [], []
    for _ in range(num_epochs):
        losses += keep_best(model, optimizer, loss_fn, train_loader, val_loader, 1)
        states.append({k: v.clone() for k, v in model.state_dict().items()})
    model.load_state_dict(states[min(range(num_epochs), key=losses.__getitem__)])
    return losses


wrong("02.9", "does `state_dict()` copy the numbers", part(keep_best, copy_=False))
wrong("02.9", "the numbers of the last epoch", part(keep_best, what="last"))
wrong("02.9", "the running averages", part(keep_best, what="parameters"))
wrong("02.9", "mean over rows", part(keep_best, size=False))
wrong("02.9", "training mode during validation", part(keep_best, mode=False))
wrong("02.9", "autograd has recorded", part(keep_best, grad=True))
wrong("02.9", "gradients of its own", part(keep_best, zero=False))
wrong("02.9", "gradients of its own", part(keep_best, own=True))
wrong("02.9", "expected a list of 5", lambda *a: min(keep_best(*a)))
wrong("02.9", "expected a list", lambda m, o, f, t, v, n: keep_best(m, o, f, t, v, n - 1))

# --------------------------------------------------------------------------------- 02.10, the spiral


class Measured(nn.Module):
    def __init__(self, X, layers):
        super().__init__()
        self.register_buffer("mean", X.mean(dim=0))
        self.register_buffer("std", X.std(dim=0))
        self.layers = layers

    def forward(self, X):
        return self.layers((X - self.mean) / self.std)


def spiral(X, y, num_classes, *, act=nn.ReLU, end=None, scale="module", epochs=300, inside=True):
    last = [end] if end else []
    layers = nn.Sequential(
        nn.Linear(2, 64), act(), nn.Linear(64, 64), act(), nn.Linear(64, num_classes), *last
    )
    model = {
        "module": lambda: Measured(X, layers),
        "norm": lambda: nn.Sequential(nn.BatchNorm1d(2), *layers),
        "none": lambda: layers,
        "outside": lambda: layers,
    }[scale]()
    if scale == "outside":
        X = (X - X.mean(dim=0)) / X.std(dim=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(epochs):
        loss = F.cross_entropy(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


right("02.10", part(spiral, scale="norm"), seconds=2)
right("02.10", part(spiral, act=nn.Tanh, epochs=500), seconds=3)
wrong("02.10", "can its boundary bend", part(spiral, act=nn.Identity), seconds=1)
wrong("02.10", "can its boundary bend", part(spiral, scale="none"), seconds=1)
wrong("02.10", "can its boundary bend", part(spiral, scale="outside"), seconds=1)
wrong("02.10", "gives probabilities", part(spiral, end=nn.Softmax(dim=1)), seconds=1)
wrong("02.10", "ever below zero", part(spiral, end=nn.ReLU()), seconds=1)
wrong("02.10", "new points are right", part(spiral, epochs=10), seconds=1)
wrong("02.10", "expected a model", lambda *a: None or spiral(*a, epochs=1).forward)
wrong("02.10", "gives shape", lambda X, y, n: spiral(X, y, n + 1, epochs=1))


# ----------------------------------------------------------------------------------- 02.C, the capstone


def screen(
    X, y, names, ignored=("patient", "days_in_ward"), own=False, hidden=(32, 32), at=None, fill=True,
    claim="val", epochs=20,
):  # fmt: skip
    kept = [k for k, name in enumerate(names) if name not in ignored]
    val, train = torch.randperm(len(X)).split([len(X) // 4, len(X) - len(X) // 4])

    def numbers(rows):
        mean = rows.nanmean(dim=0)
        return mean, (rows - mean).square().nanmean(dim=0).sqrt()

    mean, std = numbers(X[train][:, kept])
    moves = std > 1e-6 * mean.abs()

    def prepare(rows):
        m, s = numbers(rows[:, kept]) if own else (mean, std)
        scaled = torch.where(moves, (rows[:, kept] - m) / s, 0.0)
        return scaled.nan_to_num(0.0) if fill else scaled

    widths = [len(kept), *hidden]
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    inputs = prepare(X)
    for _ in range(epochs):
        for rows in train[torch.randperm(len(train))].split(64):
            loss = F.binary_cross_entropy_with_logits(model(inputs[rows]).squeeze(1), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def score(rows):
        return model(prepare(rows)).squeeze(1)

    scores, labels = score(X[val]), y[val]
    order = scores.argsort(descending=True)
    hits = labels[order].cumsum(0)
    good = hits >= 0.8 * torch.arange(1, len(val) + 1)
    cut = scores[order][torch.where(good, hits, 0).argmax()] if at is None else at
    found = (scores[labels == 1] >= cut).float().mean().item()
    return (lambda rows: score(rows) >= cut), (found if claim == "val" else claim)


right("02.C", part(screen, hidden=(64,)), seconds=4)
wrong("02.C", "does not raise a single alarm", part(screen, ignored=("patient",)), seconds=4)
wrong("02.C", "next month", part(screen, ignored=("days_in_ward",)), seconds=4)
wrong("02.C", "what are they scaled with", part(screen, own=True), seconds=4)
wrong("02.C", "you claim a recall of 100%", part(screen, claim=1.0, at=2.0), seconds=4)
wrong("02.C", "you claim a recall of 100%", part(screen, claim=1.0), seconds=4)
wrong("02.C", "do yourself an injustice", part(screen, claim=0.3), seconds=4)
wrong("02.C", "does not raise a single alarm", part(screen, fill=False, epochs=2), seconds=2)
wrong("02.C", "next month", part(screen, hidden=()), seconds=3)
wrong("02.C", "of your alarms are false", part(screen, at=-5.0), seconds=4)
wrong("02.C", "expected two things", lambda X, y, names: lambda rows: rows[:, 0] > 0)
wrong("02.C", "for everybody", lambda X, y, n: ((lambda rows: torch.ones(len(rows), dtype=torch.bool)), 1.0))
wrong("02.C", "True and False", lambda X, y, n: ((lambda rows: torch.zeros(len(rows))), 0.0))
