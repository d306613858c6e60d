"""Checks for the exercises of 03_computer_vision."""

import functools
import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from learn_pytorch import planted
from learn_pytorch.drawn_fashion import draw
from learn_pytorch.exercises import exercise, fresh_generator, require, run, same
from learn_pytorch.planted import loader_of
from learn_pytorch.spies import FAR, far_device, moved_far


@exercise("03.1", "Softened labels")
def check_soft_labels(answer):
    """A row for each label that adds up to 1; unknown labels; a last class that does not occur."""
    some = torch.randint(0, 9, (11,), generator=fresh_generator())
    for labels, classes, smoothing in (
        (torch.cat([some, torch.tensor([8, -1])]), 10, 0.1),  # the last class does not occur
        (torch.tensor([3, 3, 0, -1]), 4, 0.2),
        (torch.tensor([1]), 5, 0.0),
        (torch.tensor([-1, -1]), 3, 0.1),
    ):
        case = f"{len(labels)} labels of {classes} classes and a smoothing of {smoothing}"
        known = (labels >= 0)[:, None]
        hot = F.one_hot(labels.clamp(min=0), classes).float()
        want = torch.where(known, (1 - smoothing) * hot + smoothing / classes, 1 / classes)
        got = run(answer, labels, classes, smoothing, case=case)
        if isinstance(got, torch.Tensor) and got.shape == want.shape:
            other = (1 - smoothing) * hot + smoothing / (classes - 1) * (1 - hot)
            last = (1 - smoothing) * torch.eye(classes)[labels] + smoothing / classes
            wrong = {
                "-1 counts from the end, so unknown labels became the last class": last,
                "an unknown label gets the same probability for every class": torch.where(known, want, 0.0),
                "the right class takes part in the sharing as well": torch.where(known, other, 1 / classes),
                "these labels are as hard as before": torch.where(known, hot, 1 / classes),
            }
            for message, value in wrong.items():
                hit = torch.allclose(got.float(), value) and not torch.allclose(value, want)
                require(not hit, f"{message}, for {case}")
        same(got, want, case=case)


@exercise("03.2", "Find the bug: pictures from the web")
def check_to_batch(answer):
    """Pixels keep their places when the channels come first; mean and deviation of each channel."""
    g = fresh_generator()
    for count, height, width in ((3, 5, 7), (1, 6, 6), (2, 3, 3)):
        case = f"{count} pictures of {height}×{width} pixels"
        shape = (height, width, 3)
        pictures = [torch.randint(0, 256, shape, generator=g).byte().numpy() for _ in range(count)]
        mean, std = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
        got = run(answer, pictures, mean, std, case=case)
        want = planted.to_batch(pictures, mean, std, ())
        if isinstance(got, torch.Tensor) and got.shape == want.shape and got.is_floating_point():
            simulate = functools.partial(planted.to_batch, pictures, mean, std)
            found = planted.remaining(got.detach().float(), simulate, planted.TO_BATCH)
            if found:
                symptom, cause = planted.TO_BATCH[found[0]]
                require(False, f"{symptom}, for {case}", cause)
        same(got, want, case=case)


@exercise("03.3", "Find the bug: photos of 64 by 48", wants="class")
def check_any_size(answer):
    """Colour, any size, one picture alone; all layers are part of the model; logits."""
    g = fresh_generator()
    for classes, channels in ((5, 8), (3, 6)):
        case = f"{classes} classes and {channels} channels"
        model = run(answer, classes, channels, case=case)
        require(isinstance(model, nn.Module), f"expected a model, an nn.Module, for {case}")
        model.eval()
        for n, height, width in ((2, 64, 48), (4, 28, 28), (1, 33, 50), (3, 16, 16)):
            where = f"{case}, {n} photos of {height}×{width}"
            X = torch.randn(n, 3, height, width, generator=g)
            got = run(model, X, case=where)
            tensor = isinstance(got, torch.Tensor) and got.shape == (n, classes)
            require(tensor, f"expected logits of shape {(n, classes)}, for {where}")
            convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
            outputs = [m for m in model.modules() if isinstance(m, nn.Linear)]
            frozen = "after a thousand steps of training some of the convolutions are as they were"
            cause = "a module in a Python list is not part of the model: nn.ModuleList or nn.Sequential is"
            require(len(convs) == 3 and len(outputs) == 1, f"{frozen}, for {where}", cause)
            first = [c for c in convs if c.in_channels == 3]
            fits = len(first) == 1 and outputs[0].weight.shape == (classes, channels)
            require(fits, f"the layers have other shapes than the text asks for, for {where}")
            others = [c for c in convs if c is not first[0]]
            with torch.no_grad():  # the means are not negative, so one logit is, whatever was drawn
                for p in outputs[0].parameters():
                    p[0] = -p[0].abs()
            got = run(model, X, case=where)

            def logits(order, pool=F.max_pool2d, X=X, first=first, outputs=outputs):
                x = first[0](X).relu()
                for conv in order:
                    x = pool(conv(x).relu(), 2)
                return outputs[0](x.mean(dim=(2, 3)))

            wants = [logits(order) for order in itertools.permutations(others)]
            cut = any((want < 0).any() and torch.allclose(got, want.relu(), atol=1e-5) for want in wants)
            cause = "a ReLU after the last layer: a logit that is below zero is cut off"
            require(not cut, f"some classes are never predicted any more, for {where}", cause)
            close = any(torch.allclose(got, want, rtol=1e-3, atol=1e-4) for want in wants)
            wrong = (
                "the logits are not those of convolution, ReLU, blocks, means of the channels, linear layer"
            )
            require(close, f"{wrong}, for {where}")
        model.train()
        X = torch.randn(8, 3, 32, 32, generator=g)
        logits_of_eight = run(model, X, case=case)
        alike = torch.allclose(logits_of_eight, model.eval()(X), rtol=1e-3, atol=1e-4)
        require(alike, f"in training mode the same photos get other numbers, for {case}")
        require(logits_of_eight.requires_grad, f"no gradient can flow back from the logits, for {case}")
        logits_of_eight.sum().backward()
        idle = [name for name, p in model.named_parameters() if p.grad is None]
        require(not idle, f"no gradient arrives at {', '.join(idle)}, for {case}")


@exercise("03.4", "Find the bug: a validation set that is too kind")
def check_prepare(answer):
    """No picture on both sides, each with its label, a fifth as it is, statistics of training alone."""
    g = fresh_generator()
    for n, size in ((50, 6), (23, 5), (41, 6)):
        case = f"{n} pictures"
        bright = 0.1 + 0.9 * torch.rand(n, 1, 1, 1, generator=g)  # no two sets of them are alike
        images = (bright * torch.randint(1, 255, (n, 1, size, size), generator=g)).byte()
        images[:, :, 0], images[:, :, 1] = 0, 255  # tell how a picture was normalised
        labels = torch.randint(0, 10, (n,), generator=g)
        got = run(answer, images, labels, torch.Generator().manual_seed(int(labels.sum())), case=case)
        four = isinstance(got, (tuple, list)) and len(got) == 4
        require(four and all(isinstance(t, torch.Tensor) for t in got), f"expected four tensors, for {case}")
        X_train, y_train, X_val, y_val = got
        sizes = [len(part) for part in got]
        val = n // 5
        known = {picture.numpy().tobytes(): (i, False) for i, picture in enumerate(images.flip(3))}
        known |= {picture.numpy().tobytes(): (i, True) for i, picture in enumerate(images)}

        def who(X, case=case, known=known):
            require(
                X.ndim == 4 and X.is_floating_point(), f"expected floats of shape (N, 1, H, W), for {case}"
            )
            low, high = X[:, :, :1, :1], X[:, :, 1:2, :1]
            pixels = ((X - low) / (high - low) * 255).round().byte()
            found = [known.get(picture.numpy().tobytes()) for picture in pixels]
            require(None not in found, f"some pictures are not among those that came in, for {case}")
            return found

        trained, tested = who(X_train), who(X_val)
        both = {i for i, _ in trained} & {i for i, _ in tested}
        cause = "mirrored copies are made before the split: a picture lies on one side, its twin on the other"
        require(not both, f"97 % on validation, 71 % on pictures that are really new, for {case}", cause)
        pairs = [*zip(trained, y_train.tolist(), strict=False), *zip(tested, y_val.tolist(), strict=False)]
        strangers = sum(labels[i].item() != y for (i, _), y in pairs)
        cause = "pictures and labels are shuffled by different orders"
        require(not strangers, f"the loss stays at 2.3, and only memorising gets it down, for {case}", cause)
        upright = all(as_is for _, as_is in tested)
        cause = "the validation pictures should be as they are: only training gets mirrored copies"
        require(upright, f"half of the validation pictures face the other way, for {case}", cause)
        wanted = [2 * (n - val)] * 2 + [val] * 2
        require(sizes == wanted, f"the four lengths are {sizes}, wanted {wanted}, for {case}")
        complete = len(set(trained)) == 2 * (n - val) and len(set(tested)) == val
        require(complete, f"some pictures are there more than once, for {case}")
        near = abs(X_train.mean()) < 1e-3 and abs(X_train.std() - 1) < 2e-3
        cause = "mean and deviation come from more than the training pictures, or each set has its own"
        require(near, f"the training pictures do not have mean 0 and standard deviation 1, for {case}", cause)
        raw = torch.stack([images[i] if as_is else images[i].flip(2) for i, as_is in trained]).float()
        want = (images[[i for i, _ in tested]].float() - raw.mean()) / raw.std()
        own = torch.allclose(X_val, want, rtol=2e-3, atol=2e-3)
        require(own, f"a grey of 128 means something else on validation than in training, for {case}", cause)
        fifth = sorted(i for i, _ in tested)
        shuffled = n < 40 or fifth not in (list(range(val)), list(range(n - val, n)))
        require(shuffled, f"the validation pictures are not a random fifth, for {case}")


def _scenes(n: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Colour pictures of 36×48 with one of five garments anywhere in them."""
    kinds = (1, 3, 5, 7, 8)
    images, labels = draw(2 * n + 20, seed=int(torch.randint(0, 10**6, (), generator=g)))
    kept = np.isin(labels, kinds)
    garments = torch.from_numpy(images[kept][:n]).float() / 255
    X = 0.15 * torch.rand(n, 3, 1, 1, generator=g) + 0.02 * torch.randn(n, 3, 36, 48, generator=g)
    tint = 0.5 + 0.5 * torch.rand(n, 3, 1, 1, generator=g)
    for i in range(n):
        r, c = (int(torch.randint(0, room, (), generator=g)) for room in (9, 21))
        X[i, :, r : r + 28, c : c + 28] += tint[i] * garments[i]
    return X, torch.from_numpy(np.searchsorted(kinds, labels[kept][:n]))


@exercise("03.5", "A network for a phone")
def check_phone_network(answer):
    """Small, made of convolutions, and good at garments that it finds anywhere in a picture."""
    g = fresh_generator()
    model = run(answer, case="make_network()")
    require(isinstance(model, nn.Module), "expected a model, an nn.Module")
    count = sum(p.numel() for p in model.parameters())
    require(count <= 4000, f"{count:,} parameters are too many for this phone, wanted at most 4,000")
    require(any(isinstance(m, nn.Conv2d) for m in model.modules()), "there is no convolution in it")
    (X, y), (X_new, y_new) = _scenes(600, g), _scenes(300, g)
    got = run(model, X[:4], case="4 pictures")
    shaped = isinstance(got, torch.Tensor) and got.shape == (4, 5)
    require(shaped, "expected logits of shape (4, 5) for 4 pictures")
    require(got.requires_grad, "no gradient can flow back from the logits")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 180)
    model.train()
    for _ in range(9):
        for rows in torch.randperm(len(X), generator=g).split(30):
            loss = F.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.no_grad():
        new = run(model, X_new, case="new pictures")
        kept, alone = new.argmax(dim=1), torch.cat([model(x[None]) for x in X_new[:20]]).argmax(dim=1)
    require((alone == kept[:20]).float().mean() > 0.8, "a picture alone gets another answer than in company")
    share = (kept == y_new).float().mean()
    lost = "it hardly learns: does the signal get through, and are these logits"
    require(share > 0.35, f"{lost}, for 180 steps of Adam?")
    stuck = "it is right too seldom on new pictures: can it find a garment wherever it is"
    require(share > 0.73, f"{stuck}, for 180 steps of Adam?")


@exercise("03.6", "Shifted, not rolled")
def check_shifted(answer):
    """To the right and to the left, by nothing and by more than the width; the rest is black."""
    g = fresh_generator()
    for shape, dx in (
        ((2, 3, 4, 6), 2),
        ((1, 1, 5, 5), -1),
        ((3, 1, 4, 6), 0),
        ((2, 1, 3, 4), 7),
        ((1, 2, 3, 4), -4),
    ):
        case = f"pictures of shape {shape} and dx = {dx}"
        X = torch.rand(shape, generator=g) + 0.5
        W = shape[3]
        want = F.pad(X, (W, W))[..., W - min(max(dx, -W), W) :][..., :W]
        got = run(answer, X, dx, case=case)
        if isinstance(got, torch.Tensor) and got.shape == want.shape and dx:
            wrong = {
                "what left the picture has come in again on the other side": torch.roll(X, dx, 3),
                "they have moved to the other side": F.pad(X, (W, W))[..., W + min(max(dx, -W), W) :][
                    ..., :W
                ],
                "they have moved up or down": F.pad(X, (0, 0, 9, 9))[:, :, 9 - dx :][:, :, : shape[2]],
            }
            for message, value in wrong.items():
                hit = value.shape == got.shape and not torch.equal(value, want) and torch.allclose(got, value)
                require(not hit, f"{message}, for {case}")
        same(got, want, case=case)


class _Distant(nn.Module):
    """A model elsewhere: gives the logits it is fed; turned round if one of its parts is in training mode."""

    def __init__(self, classes: int):
        super().__init__()
        self.frozen, self.rest, self.recorded, self.modes = nn.Dropout(), nn.Dropout(), [], []
        self.weight = nn.Parameter(torch.eye(classes))

    def __deepcopy__(self, memo):  # a copy notes for the original
        twin = moved_far(_Distant(len(self.weight)))
        twin.recorded, twin.modes = self.recorded, self.modes
        for copied, own in zip(twin.modules(), self.modules(), strict=True):
            copied.training = own.training
        return twin

    def forward(self, X):
        logits = X @ self.weight
        self.recorded.append(logits.requires_grad)
        self.modes.append(self.training or self.rest.training)
        return -logits if self.modes[-1] else logits


@exercise("03.7", "Evaluate anywhere")
def check_evaluate_anywhere(answer):
    """Loss and accuracy over all rows, on whatever device, and no trace of it afterwards."""
    g = fresh_generator()
    for sizes, mode, frozen in (((8, 8, 8, 1), True, True), ((5, 5), False, False), ((10, 3), True, False)):
        came = "training" if mode else "evaluation"
        case = f"batches of {', '.join(map(str, sizes))}, a model in {came} mode"
        n = sum(sizes)
        labels = torch.randint(0, 4, (n,), generator=g)
        shown = labels.clone()
        shown[-1] = (shown[-1] + 1) % 4  # the last picture is predicted wrongly
        X = 3 * F.one_hot(shown, 4).float() + torch.rand(n, 4, generator=g)
        loader, model = loader_of(X, labels, sizes), moved_far(_Distant(4)).train(mode)
        if frozen:
            model.frozen.eval()
        before = [m.training for m in model.modules()]
        losses = []

        def odd_loss(logits, y, losses=losses):
            losses.append((logits.softmax(dim=1) - F.one_hot(y, 4)).abs().mean())
            return losses[-1]

        with far_device():
            got = run(answer, model, loader, odd_loss, FAR, case=case)
        left = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        require(left, f"autograd is switched off from now on, for everybody, for {case}")
        require(model.weight.requires_grad, f"the parameters will not be trained any more, for {case}")
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair, f"expected two numbers, loss and accuracy, for {case}")
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in got)
        require(numbers, f"expected Python numbers (.item() makes one of a tensor), for {case}")
        require(not any(model.modes), f"the model was asked in training mode, for {case}")
        probs = X.softmax(dim=1)
        want = (probs - F.one_hot(labels, 4)).abs().mean().item(), (n - 1) / n
        parts = [
            (a == b).double().mean().item()
            for a, b in zip(shown.split(sizes), labels.split(sizes), strict=True)
        ]
        averaged = "this is the mean of the batches: a short batch counts too much"
        require(
            abs(got[1] - sum(parts) / len(parts)) > 1e-6 or len(set(sizes)) == 1, f"{averaged}, for {case}"
        )
        same(float(got[1]), want[1], case=f"the accuracy, {case}")
        each = [loss.item() for loss in losses]
        mean = len(each) == len(sizes) and abs(got[0] - sum(each) / len(each)) < 1e-7 and len(set(sizes)) > 1
        require(not mean, f"{averaged}, for the loss, {case}")
        same(float(got[0]), want[0], case=f"the loss, {case}")
        require(not any(model.recorded), f"autograd has recorded the predictions, for {case}")
        after = [m.training for m in model.modules()]
        whole = before[0] == after[0]
        require(whole, f"the model came in one mode and is left in the other, for {case}")
        cause = "a part that was frozen in evaluation mode is not frozen any more"
        require(before == after, f"{cause}, for {case}")


_POOLS = ("max_pool2d", "max_pool2d_with_indices", "max_pool1d", "max_pool3d", "adaptive_max_pool2d")
_POOLS += ("fractional_max_pool2d", "avg_pool2d", nn.MaxPool2d, nn.AdaptiveMaxPool2d)


@exercise("03.8", "Max pooling by hand")
def check_max_pooling(answer):
    """The largest value of each window, and where its gradient goes."""
    g = fresh_generator()
    for shape, k in (((2, 3, 8, 8), 2), ((1, 1, 9, 6), 3), ((3, 2, 7, 9), 2), ((1, 4, 5, 5), 5)):
        case = f"images of shape {shape} and windows of {k}"
        images = torch.randn(shape, generator=g) - 5  # all negative, or nearly
        mine, trusted = images.clone().requires_grad_(), images.clone().requires_grad_()
        got = run(answer, mine, k, case=case, forbid=_POOLS)
        want = F.max_pool2d(trusted, k)
        if isinstance(got, torch.Tensor):
            sliding = got.shape == F.max_pool2d(images, k, stride=1).shape and got.shape != want.shape
            message = "the windows overlap: the next one must start where this one ends"
            require(not sliding, f"{message}, for {case}")
        if isinstance(got, torch.Tensor) and got.shape == want.shape:
            n, c, h, w = shape
            rows = images[:, :, : h // k * k, : w // k * k]
            wrong = {
                "this is the mean of each window": F.avg_pool2d(images, k),
                "this is the smallest value of each window": -F.max_pool2d(-images, k),
                "this is one corner of each window": rows[:, :, ::k, ::k],
                "some windows hold pixels that are not neighbours": rows.reshape(
                    n, c, k, h // k, k, w // k
                ).amax(dim=(2, 4)),
            }
            for message, value in wrong.items():
                hit = torch.allclose(got, value, atol=1e-5) and not torch.allclose(value, want, atol=1e-5)
                require(not hit, f"{message}, for {case}")
            require(not (got == 0).any(), f"zeros have got into the windows from somewhere, for {case}")
        same(got, want, case=case)
        require(got.requires_grad, f"no gradient can flow back through it, for {case}")
        got.sum().backward()
        want.sum().backward()
        close = mine.grad is not None and torch.allclose(mine.grad, trusted.grad)
        require(close, f"the values are right, the gradients are not, for {case}")


@exercise("03.9", "Wrong labels among six hundred")
def check_suspects(answer):
    """Of 3 × 12 planted labels, most are among the suspects."""
    g, kinds = fresh_generator(), (0, 1, 3, 5, 7, 8, 9)
    hits = 0
    for number in ("first", "second", "third"):
        case = f"the {number} 600 pictures"
        images, labels = draw(900, seed=int(torch.randint(0, 10**6, (), generator=g)))
        kept = np.isin(labels, kinds)
        X = torch.from_numpy(images[kept][:600]).float().unsqueeze(dim=1) / 255
        y = torch.from_numpy(np.searchsorted(kinds, labels[kept][:600]))
        planted_ = torch.randperm(600, generator=g)[:12]
        y[planted_] = (y[planted_] + torch.randint(1, 7, (12,), generator=g)) % 7
        got = run(answer, X, y, 30, case=case, limit=20)
        rows = isinstance(got, torch.Tensor) and got.dtype == torch.int64 and got.ndim == 1
        require(rows, f"expected a tensor of positions, int64, one dimension, for {case}")
        good = len(got) == 30 and len(got.unique()) == 30 and bool(((got >= 0) & (got < 600)).all())
        require(good, f"expected 30 different positions from 0 to 599, for {case}")
        hits += int(torch.isin(planted_, got).sum())
    blind = "fewer than half of the planted labels are among the suspects"
    require(hits >= 18, f"{blind}: had the model learned these labels before it was asked about them?")
    # A network that has never seen the label finds 35 ± 1.2; one that has, 20 ± 3.
    few = "too few of the planted labels are among the suspects: how is each row's answer judged?"
    require(hits >= 30, few)


@exercise("03.10", "A convolution with channels")
def check_convolution(answer):
    """The result of F.conv2d, for several channels and kernels, and the gradient of its weights."""
    g = fresh_generator()
    forbid = ("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d", nn.Conv2d)
    for n, n_in, n_out, size, k in (
        (2, 3, 4, (7, 6), 3),
        (1, 1, 1, (5, 5), 3),
        (3, 2, 5, (6, 8), 2),
        (1, 2, 2, (4, 4), 1),
    ):
        case = f"{n} images of {n_in}×{size[0]}×{size[1]} and {n_out} kernels of {k}×{k}"
        images = torch.randn(n, n_in, *size, generator=g)
        weight = torch.randn(n_out, n_in, k, k, generator=g)
        bias = torch.randn(n_out, generator=g) + 3
        mine, trusted = weight.clone().requires_grad_(), weight.clone().requires_grad_()
        got = run(answer, images, mine, bias, case=case, forbid=forbid)
        want = F.conv2d(images, trusted, bias)
        if isinstance(got, torch.Tensor) and got.shape == want.shape:
            wrong = {
                "the bias is missing": F.conv2d(images, weight),
                "the kernel is flipped": F.conv2d(images, weight.flip(2, 3), bias),
                "rows and columns of the kernel have changed places": F.conv2d(images, weight.mT, bias),
                "only the first input channel is used": F.conv2d(images[:, :1], weight[:, :1], bias),
                "the input channels are averaged, wanted their sum": F.conv2d(images, weight / n_in, bias),
                "the bias is added once for each input channel": want + (n_in - 1) * bias[:, None, None],
            }
            for message, value in wrong.items():
                same_as_right = torch.allclose(value, want, atol=1e-4)
                hit = not same_as_right and torch.allclose(got.detach().float(), value, atol=1e-4)
                require(not hit, f"{message}, for {case}")
        same(got, want, case=case, rtol=1e-3, atol=1e-4)
        require(got.requires_grad, f"no gradient can flow back to the weight, for {case}")
        factor = torch.randn(got.shape, generator=g)
        (got * factor).sum().backward()
        (want * factor).sum().backward()
        close = mine.grad is not None and torch.allclose(mine.grad, trusted.grad, rtol=1e-3, atol=1e-3)
        require(close, f"the values are right, the weight's gradient is not, for {case}")
