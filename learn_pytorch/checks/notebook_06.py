"""Checks for the exercises of 06_transfer_learning."""

import itertools
import math

import torch
from torch import nn

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same


class _Net(nn.Module):
    """A body with batch norms, a head, and a part whose name begins like the head's."""

    def __init__(self, g: torch.Generator, classes: int = 3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.header = nn.Linear(6, 6)
        self.head = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, classes))
        for p in self.parameters():
            p.data = torch.rand(p.shape, generator=g)

    def forward(self, x):
        return self.head(self.header(self.body(x)))


def _trainable(model: nn.Module) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}


@exercise("06.1", "Freeze all but one part")
def check_freeze(answer):
    """One part is trainable and nothing else, however it was before; the count; the mode stays."""
    g = fresh_generator()
    for part, thawed, mode in (("head", True, True), ("head", False, False), ("header", True, False)):
        before = "trainable" if thawed else "frozen"
        case = f'a model that was all {before}, and the part "{part}"'
        model = _Net(g).requires_grad_(thawed).train(mode)
        values = {n: p.detach().clone() for n, p in model.named_parameters()}
        got = run(answer, model, part, case=case)
        for name, p in model.named_parameters():
            require(torch.equal(p, values[name]), f"the values of {name} have changed, for {case}")
        left = _trainable(model)
        wanted = {name for name in values if name.startswith(f"{part}.")}
        require(left != set(values), f"every parameter is still trainable, for {case}")
        missing = sorted(wanted - left)
        require(not missing, f"{', '.join(missing)} cannot be trained, for {case}")
        more = sorted(left - wanted)
        require(not more, f"{', '.join(more)} can still be trained, for {case}")
        require(model.training == mode, f"the model's mode has changed, for {case}")
        count = sum(p.numel() for p in getattr(model, part).parameters())
        number = isinstance(got, int) and not isinstance(got, bool)
        require(number, f"expected a whole number, got {type(got).__name__}, for {case}")
        tensors = got == len(wanted)
        require(not tensors, f"this counts the tensors; wanted are the numbers in them, for {case}")
        same(got, count, case=case)


@exercise("06.2", "Weights by other names")
def check_renamed(answer):
    """By order, with the own names; refused where number or shapes differ; nothing is copied or lost."""
    g = fresh_generator()
    shapes = [(4, 3), (4,), (4,), (2, 4), (2,)]
    theirs = {f"_fc{i}.weight": torch.rand(s, generator=g) for i, s in enumerate(shapes)}
    own = {f"layer.{i}": torch.zeros(s) for i, s in enumerate(shapes)}
    case = "five tensors that fit"
    got = run(answer, theirs, own, case=case)
    require(isinstance(got, dict), f"expected a dictionary, got {type(got).__name__}, for {case}")
    require(list(got) != list(theirs), f"these are their names, for {case}")
    require(list(got) == list(own), f"the names are not those of `own`, in order, for {case}")
    values = list(got.values())
    zeros = all(isinstance(v, torch.Tensor) and not v.any() for v in values)
    require(not zeros, f"the values are those of `own`, wanted are their weights, for {case}")
    for value, want in zip(values, theirs.values(), strict=True):
        same(value, want, case=case)
    spoiled = {
        "one tensor too few": (dict(list(theirs.items())[:-1]), own),
        "one tensor too many": (theirs | {"more": torch.zeros(2)}, own),
        "a tensor of another shape": (theirs | {"_fc3.weight": torch.rand(4, 2, generator=g)}, own),
        "a single number in place of a row": (theirs | {"_fc1.weight": torch.rand((), generator=g)}, own),
    }
    for case, arguments in spoiled.items():
        refused = _raises(answer, *arguments, case=case)
        require(refused, f"no ValueError, for {case}: the mistake would go unnoticed, or come up much later")


def _raises(answer, *args, case: str) -> bool:
    """Whether it raises a ValueError; another exception is a learner's mistake."""

    def attempt(*args):
        try:
            answer(*args)
        except ValueError:
            return True
        return False

    attempt.__wrapped__ = answer
    return run(attempt, *args, case=case)


@exercise("06.3", "From one network's input to another's")
def check_renormalise(answer):
    """Undo one normalisation, apply another: each channel its own; nothing is cut off."""
    g = fresh_generator()
    for shape, case in (((2, 3, 4, 5), "two pictures of 4×5"), ((1, 3, 1, 1), "one picture of 1×1")):
        old = [(0.3 + 0.4 * torch.rand(3, generator=g)).tolist() for _ in range(2)]
        new = [(0.3 + 0.4 * torch.rand(3, generator=g)).tolist() for _ in range(2)]
        pixels = torch.rand(shape, generator=g)

        def norm(x, mean, std):
            return (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

        x = norm(pixels, *old)
        want = norm(pixels, *new)
        got = run(answer, x, old, new, case=case)
        if isinstance(got, torch.Tensor) and got.shape == want.shape:
            wrong = {
                "the new normalisation is right, and the old one is still in it": norm(x, *new),
                "these are pixels from 0 to 1: the second half is missing": pixels,
                "old and new have changed places": (
                    (x * torch.tensor(new[1]).view(3, 1, 1) + torch.tensor(new[0]).view(3, 1, 1))
                    - torch.tensor(old[0]).view(3, 1, 1)
                )
                / torch.tensor(old[1]).view(3, 1, 1),
                "the mean is added before it is multiplied by the deviation": norm(
                    (x + torch.tensor(old[0]).view(3, 1, 1)) * torch.tensor(old[1]).view(3, 1, 1), *new
                ),
            }
            for message, value in wrong.items():
                hit = torch.allclose(got.float(), value, atol=1e-4)
                require(not hit or torch.allclose(value, want, atol=1e-3), f"{message}, for {case}")
        same(got, want, case=case, rtol=1e-3, atol=1e-4)


@exercise("06.4", "The first five answers")
def check_top_answers(answer):
    """Names with probabilities among all classes, the most probable first, as many as there are."""
    g = fresh_generator()
    for classes, k in ((10, 5), (8, 3), (3, 5)):
        case = f"{classes} classes and k = {k}"
        logits = torch.randn(classes, generator=g)
        names = [f"class {i}" for i in range(classes)]
        got = run(answer, logits, names, k, case=case)
        require(isinstance(got, list), f"expected a list, got {type(got).__name__}, for {case}")
        pairs = all(isinstance(p, (tuple, list)) and len(p) == 2 for p in got)
        require(pairs, f"expected pairs (name, probability), for {case}")
        shown = min(k, classes)
        require(len(got) == shown, f"{len(got)} answers, wanted {shown}, for {case}")
        probs = logits.softmax(dim=0)
        order = probs.argsort(descending=True)[:shown].tolist()
        said = [name for name, _ in got]
        require(all(isinstance(n, str) for n in said), f"expected names, for {case}")
        require(
            said != [names[i] for i in order[::-1]] or shown == 1, f"the least probable is first, for {case}"
        )
        require(said == [names[i] for i in order], f"these are not the most probable, in order, for {case}")
        numbers = [p for _, p in got]
        floats = all(isinstance(p, float) for p in numbers)
        require(floats, f"expected probabilities as Python numbers (.item(), .tolist()), for {case}")
        shared = abs(sum(numbers) - 1) < 1e-4 and probs[order].sum() < 0.99
        require(
            not shared, f"these add up to 1 among the first {shown}: the others have a share, too, for {case}"
        )
        same(numbers, probs[order].tolist(), case=case)


@exercise("06.6", "More like this")
def check_neighbours(answer):
    """Direction counts, not length; the nearest first; the picture itself is left out; no NaN."""
    g = fresh_generator()
    for n, width, k in ((30, 16, 5), (12, 4, 3), (7, 2, 6)):
        case = f"{n} rows of {width} features and k = {k}"
        unit = nn.functional.normalize(torch.randn(n, width, generator=g), dim=1)
        unit[0] = 0  # a picture without any feature
        row = int(torch.randint(1, n, (), generator=g))
        likeness = unit @ unit[row]
        likeness[row] = -2
        lengths = torch.rand(n, generator=g).mul(20).add(0.05)
        # The second is longer than the nearest, and much further away than the third.
        lengths[row], lengths[likeness.topk(3).indices] = 1.0, torch.tensor([1.0, 20.0, 0.05])
        X = unit * lengths[:, None]
        want = likeness.topk(k).indices
        got = run(answer, X, row, k, case=case)
        require(isinstance(got, torch.Tensor), f"expected a tensor, got {type(got).__name__}, for {case}")
        require(row not in got.flatten().tolist(), f"the picture itself is among its neighbours, for {case}")
        if got.shape == want.shape:
            products = X @ X[row]
            products[row] = -math.inf
            far = -(X - X[row]).norm(dim=1)
            far[row] = -math.inf
            wrong = {
                "long rows come first: only the direction should count": products.topk(k).indices,
                "these are nearest in distance: only the direction should count": far.topk(k).indices,
                "the least similar come first": likeness.masked_fill(
                    torch.arange(n) == row, 2
                ).topk(k, largest=False).indices,
            }  # fmt: skip
            for message, value in wrong.items():
                hit = torch.equal(got, value) and not torch.equal(value, want)
                require(not hit, f"{message}, for {case}")
        same(got, want, case=case, hint="these are not the nearest, in order")


@exercise("06.7", "Two learning rates")
def check_groups(answer):
    """Each trainable parameter once, the head with its own rate, the frozen ones nowhere."""
    g = fresh_generator()
    for lr, factor, freeze in ((0.001, 10, ()), (0.02, 5, ("body.0",)), (0.3, 2, ("body", "header"))):
        what = f"{' and '.join(freeze)} frozen" if freeze else "nothing frozen"
        case = f"a rate of {lr}, a factor of {factor} and {what}"
        model = _Net(g)
        for name in freeze:
            model.get_submodule(name).requires_grad_(False)
        got = run(answer, model, lr, factor, case=case)
        groups = isinstance(got, list) and all(isinstance(d, dict) and "params" in d for d in got)
        require(groups, f'expected a list of dictionaries with "params" and "lr", for {case}')
        rates = [d.get("lr") for d in got]
        require(None not in rates, f'a group has no "lr", for {case}')
        found: dict[int, float] = {}
        twice = False
        for group in got:
            params = group["params"]
            group["params"] = params = [params] if isinstance(params, torch.Tensor) else list(params)
            for p in params:
                twice |= id(p) in found
                found[id(p)] = group["lr"]
        require(not twice, f"a parameter is in two groups, which the optimizer refuses, for {case}")
        for name, p in model.named_parameters():
            if not p.requires_grad:
                require(id(p) not in found, f"{name} is frozen and in a group, for {case}")
                continue
            require(id(p) in found, f"{name} is in no group, so it is never trained, for {case}")
            want = lr * factor if name.startswith("head.") else lr
            same(float(found[id(p)]), want, case=f"the rate of {name}, {case}", rtol=1e-6, atol=0)
        require(all(d["params"] for d in got), f"a group is empty, which the optimizer refuses, for {case}")
        torch.optim.Adam(got)


@exercise("06.8", "Warm-up and decay")
def check_rate(answer):
    """A straight line up to the peak, half a cosine down to zero; no warm-up at all; a single step."""
    for steps, warm_up, peak in ((20, 5, 0.01), (9, 0, 1.0), (12, 11, 0.3), (100, 10, 0.002)):
        case = f"{steps} steps, {warm_up} of them warm-up, and a peak of {peak}"
        got = [run(answer, step, steps, warm_up, peak, case=f"step {step}, {case}") for step in range(steps)]
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in got)
        require(numbers, f"expected a Python number for each step, for {case}")
        rise = [peak * (step + 1) / warm_up for step in range(warm_up)]
        rest = steps - warm_up
        fall = [peak * 0.5 * (1 + math.cos(math.pi * i / rest)) for i in range(rest)]
        if warm_up:
            require(got[0] != 0, f"the first step has a rate of 0, so nothing is learned in it, for {case}")
            top = abs(got[warm_up - 1] - peak) < 1e-9
            require(top, f"the last step of the warm-up does not reach the peak, for {case}")
        highest = max(got) <= peak * (1 + 1e-9)
        require(highest, f"the rate climbs above its peak, for {case}")
        whole = [peak * 0.5 * (1 + math.cos(math.pi * s / steps)) for s in range(warm_up, steps)]
        over_all = all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(got[warm_up:], whole, strict=True))
        hint = "the cosine is stretched over all steps; it should begin after the warm-up"
        require(not over_all or not warm_up, f"{hint}, for {case}")
        lines = [peak * (1 - i / rest) for i in range(rest)]
        straight = rest > 2 and all(
            math.isclose(a, b, abs_tol=1e-9) for a, b in zip(got[warm_up:], lines, strict=True)
        )
        require(not straight, f"it falls in a straight line, wanted is half a cosine, for {case}")
        for step, (g, w) in enumerate(zip(got, rise + fall, strict=True)):
            same(float(g), w, case=f"step {step}, {case}", rtol=1e-6, atol=1e-9)


@exercise("06.10", "A fair draw")
def check_draw(answer):
    """So many of each class, none twice, at random, by the generator; a class that has fewer."""
    g = fresh_generator()
    for counts, per_class in (((9, 12, 7), 4), ((3, 10), 5), ((6, 6, 6, 1), 1), ((40, 2), 20)):
        labels = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
        labels = labels[torch.randperm(len(labels), generator=g)]
        case = f"classes of {', '.join(map(str, counts))} pictures and {per_class} per class"
        draws = []
        for seed in (1, 1, 2, 3, 4, 5):
            got = run(answer, labels, per_class, torch.Generator().manual_seed(seed), case=case)
            require(isinstance(got, torch.Tensor), f"expected a tensor, got {type(got).__name__}, for {case}")
            whole = got.dtype == torch.int64 and got.ndim == 1
            require(whole, f"expected row numbers, int64 of shape (N,), for {case}")
            rows = got.tolist()
            require(len(set(rows)) == len(rows), f"a picture is drawn twice, for {case}")
            inside = all(0 <= r < len(labels) for r in rows)
            require(inside, f"there are numbers that are no rows, for {case}")
            drawn = torch.bincount(labels[got], minlength=len(counts)).tolist()
            wanted = [min(n, per_class) for n in counts]
            require(drawn == wanted, f"{drawn} pictures of the classes, wanted {wanted}, for {case}")
            draws.append(frozenset(rows))
        require(draws[0] == draws[1], f"the same seed gives another draw: is the generator used? For {case}")
        if max(counts) > per_class:
            firsts = frozenset(
                itertools.chain(
                    *((labels == k).nonzero().flatten()[:per_class].tolist() for k in range(len(counts)))
                )
            )
            require(set(draws) != {firsts}, f"it is always the first ones of each class, for {case}")
            require(len(set(draws)) > 1, f"it is always the same draw, for {case}")
