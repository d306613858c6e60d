"""Checks for the exercises of notebook 06 in which a frozen body changes, or its features are not right."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same


class _Rows(list):
    """How many rows came each time; a copy of a body goes on counting here."""

    def __deepcopy__(self, memo):
        return self


class _Body(nn.Module):
    """Four features by batch norm and dropout, for rows of three numbers or pictures (N, 3, H, W)."""

    def __init__(self, g: torch.Generator):
        super().__init__()
        self.layer, self.norm, self.drop = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)
        self.rows = _Rows()
        for p in self.parameters():
            p.data = torch.rand(p.shape, generator=g) + 0.1

    def forward(self, x):
        self.rows.append(len(x))
        x = x.mean(dim=(2, 3)) if x.ndim == 4 else x
        return self.drop(self.norm(self.layer(x)))

    def truly(self, x: torch.Tensor) -> torch.Tensor:
        """The features in evaluation mode, in whatever mode it is."""
        x = x.mean(dim=(2, 3)) if x.ndim == 4 else x
        norm = self.norm
        with torch.no_grad():
            return F.batch_norm(
                self.layer(x), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )


_ATTRIBUTE = "a module has no `requires_grad` of its own: setting it there reaches none of its parameters"
_INSIDE = "every part of the body has a `training` of its own; batch norms that are in training mode move"


@exercise("06.5", "Find the bug: two heads on one body", wants="class")
def check_transfer(answer):
    """The head learns and the body stays, whoever asks; losses over all rows; train() like PyTorch's."""
    g = fresh_generator()
    for classes, size, count in ((3, 8, 19), (2, 5, 9)):
        case = f"{classes} classes and {count} rows in batches of {size}"
        body = _Body(g).train()
        X = torch.rand(count, 3, generator=g)
        y = torch.randint(0, classes, (count,), generator=g)
        batches = list(zip(X.split(size), y.split(size), strict=True))
        model = run(answer, body, 4, classes, case=case)
        require(isinstance(model, nn.Module), f"expected a model, an nn.Module, for {case}")
        lacking = [name for name in ("fit", "predict") if not callable(getattr(model, name, None))]
        require(not lacking, f"the method {' and '.join(lacking)} is missing")
        heads = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == classes]
        require(heads, f"there is no linear layer with {classes} outputs, for {case}")
        (*_, head) = heads
        weights = [p.detach().clone() for p in body.parameters()]
        means, first = body.norm.running_mean.clone(), head.weight.detach().clone()
        run(model.fit, batches, 3, case=f"fit, {case}")
        drinks = "nobody has touched the head for drinks, and since `fit` it gets every third cup wrong"
        kept = all(torch.equal(p, q) for p, q in zip(body.parameters(), weights, strict=True))
        require(kept, f"{drinks}, for {case}", f"the body's weights have been trained. {_ATTRIBUTE}")
        require(torch.equal(means, body.norm.running_mean), f"{drinks}, for {case}", _INSIDE)
        learned = not torch.equal(first, head.weight)
        frozen = "the head is frozen as well, or no optimizer has its parameters"
        require(learned, f"the loss is the same epoch after epoch, for {case}", frozen)
        own = sum(p.numel() for p in head.parameters())
        free = sum(p.numel() for p in model.parameters() if p.requires_grad)
        message = f"{free} numbers of the model can still be trained, and the head has {own}"
        require(free == own, f"{message}, for {case}", _ATTRIBUTE)
        _losses(model, head(body.truly(X)).detach(), X, y, size, batches, case)
        _modes(model, body, head, X, case)


def _losses(model, logits, X, y, size: int, batches: list, case: str) -> None:
    """With a rate of 0 nothing moves, so every epoch has the same loss, and it is known."""
    case = f"two epochs with lr=0, {case}"
    got = run(model.fit, batches, 2, lr=0.0, case=case)
    want = F.cross_entropy(logits, y).item()
    each = [F.cross_entropy(a, b).item() for a, b in zip(logits.split(size), y.split(size), strict=True)]
    listed = isinstance(got, (list, tuple)) and len(got) == 2
    require(listed, f"expected a list with a loss for each epoch, for {case}")
    got = [float(loss) for loss in got]
    same(got[1], got[0], case=f"the second epoch, {case}", hint="it is another loss than in the first")
    said = "the losses in the log are not those of all rows at once"
    cause = "the last batch is small, and its mean counts as much as that of a full one"
    means = abs(got[0] - sum(each) / len(each)) < 1e-5
    require(abs(got[0] - want) < 1e-5, f"{said}, for {case}", cause if means else "")


def _modes(model, body, head, X, case: str) -> None:
    """train() and eval() as PyTorch has them, but for the body; the answers do not depend on company."""
    back = "`model.train().to(device)` fails: 'NoneType' object has no attribute 'to'"
    cause = "PyTorch's own train() returns the module"
    for name, mode in (("train", True), ("eval", False)):
        got = []
        run(lambda name=name, got=got: got.append(getattr(model, name)()) or True, case=f"{name}(), {case}")
        require(got[0] is model, back.replace("train", name) + f", for {case}", cause)
        right = model.training == mode and head.training == mode
        require(right, f"after {name}(), the model or its head is in the other mode, for {case}")
        asleep = not any(m.training for m in body.modules())
        require(asleep, f"after {name}(), parts of the body are in training mode, for {case}", _INSIDE)
    model.train()
    logits = head(body.truly(X)).detach()
    same(run(model, X, case=case).detach(), logits, case=case, rtol=1e-3, atol=1e-4)
    want = logits.argmax(dim=1)
    for rows in (slice(None), slice(0, 1)):
        model.train()
        where = f"predict, {len(X[rows])} rows, {case}"
        got = run(model.predict, X[rows], case=where)
        same(got, want[rows], case=where, hint="these are not the classes with the highest logits")


_TRAIN = [f"train/{name}.jpg" for name in ("pizza/1", "pizza/2", "steak/1", "steak/2", "steak/3")]
_TEST = [f"test/{name}.jpg" for name in ("pizza/1", "pizza/4", "steak/2", "steak/1")]
_LATER = ["train/steak/7.jpg", "test/pizza/7.jpg"]
_ASKED = (  # in this order: what it is, which files, how many of them are new
    ("5 training pictures", _TRAIN, 5),
    ("5 training pictures, then 4 test pictures", _TEST, 4),
    ("5 pictures of which 3 are known already", [_LATER[0], _TRAIN[2], _TEST[0], _LATER[1], _TRAIN[0]], 2),
    ("9 pictures that are all known already", [*reversed(_TEST), *_TRAIN], 0),
    ("the same 9 once more", [*reversed(_TEST), *_TRAIN], 0),
)


@exercise("06.9", "Find the bug: features that are kept", wants="class")
def check_cache(answer):
    """The right row for each file, in order, once through the body; it is left as it was."""
    g = fresh_generator()
    for mode, size in ((True, 3), (False, 2)):
        came = "training" if mode else "evaluation"
        body = _Body(g).train(mode)
        body.drop.eval()
        before, means = [m.training for m in body.modules()], body.norm.running_mean.clone()
        names = _TRAIN + _TEST + _LATER
        bright = 3 * torch.randperm(len(names), generator=g)  # no two pictures have the same features
        pictures = {n: torch.rand(3, 2, 2, generator=g) + b for n, b in zip(names, bright, strict=True)}
        truth = {name: body.truly(picture[None])[0] for name, picture in pictures.items()}
        cache = run(answer, body, size, case=f"a batch size of {size}")
        require(callable(getattr(cache, "get", None)), "the method get is missing")
        returned = []
        for what, names, new in _ASKED:
            what = f"{what}, a body in {came} mode"
            del body.rows[:]
            given = [Path(n) for n in names], [pictures[n].clone() for n in names]
            got = run(cache.get, *given, case=what)
            cause = "eval() comes before the first picture: a batch norm in training mode moves its mean"
            moved = f"the body answers differently from now on, also to others who use it, for {what}"
            require(torch.equal(means, body.norm.running_mean), moved, cause)
            _rows(got, names, truth, what)
            seen, most = sum(body.rows), max(body.rows, default=0)
            require(seen == new, f"{seen} pictures went through the body, and {new} are new, for {what}")
            many = f"{most} pictures went through at once, wanted are at most {size}"
            require(most <= size, f"{many}, for {what}")
            returned.append((got, what))
            with torch.inference_mode():
                got.zero_()  # somebody scales features in place: what is kept must not hear of it
        for got, what in returned:
            _trainable(got, what)
        after = [m.training for m in body.modules()]
        cause = "what was in which mode is forgotten: note it for every module before eval()"
        left = f"the body came in {came} mode and is left in the other one"
        require(before[0] == after[0], left, cause)
        woken = "parts of the body that were frozen in evaluation mode have woken up"
        require(before == after, f"{woken}, for a body in {came} mode", cause)
        require(torch.is_grad_enabled(), "autograd is switched off from now on")


def _rows(got, names, truth: dict, case: str) -> None:
    """The rows of these files; where they belong to others, it says so."""
    want = torch.stack([truth[name] for name in names])
    require(isinstance(got, torch.Tensor), f"expected a tensor, got {type(got).__name__}, for {case}")
    shapes = f"shape {tuple(got.shape)}, wanted {tuple(want.shape)}"
    require(got.shape == want.shape, f"{shapes}, for {case}")
    near = {n: torch.isclose(got.detach(), t, rtol=1e-3, atol=1e-4).all(dim=1) for n, t in truth.items()}
    whose = [next((n for n, hit in near.items() if hit[k]), None) for k in range(len(names))]
    if None not in whose and whose != list(names):
        if sorted(whose) == sorted(names):
            message = "a head trained on these features only guesses, the evening before it was at 97 %"
            require(False, f"{message}, for {case}", "known ones come first: the rows have left their labels")
        message = "97 % on the training pictures, 41 % on the test pictures"
        k = next(k for k, name in enumerate(names) if whose[k] != name)
        cause = f"{names[k]} gets the features of {whose[k]}: what do the two files have in common?"
        require(False, f"{message}, for {case}", cause)
    message = "somebody scaled the rows that he had got, and now the cache gives other ones"
    require(got.any(), f"{message}, for {case}", "what is kept and what is returned share their memory")
    same(got.detach(), want, case=case, rtol=1e-3, atol=1e-4)


def _trainable(features: torch.Tensor, case: str) -> None:
    cause = "each row carries the graph of its whole batch: no_grad"
    require(not features.requires_grad, f"memory runs full after some hundred pictures, for {case}", cause)
    cause = "tensors made in inference mode cannot be trained on: no_grad, or a clone outside"
    failing = "the first step of training a head on these features raises an error"
    require(not features.is_inference(), f"{failing}, for {case}", cause)
