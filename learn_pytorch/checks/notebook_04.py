"""Checks for the exercises of 04_custom_datasets."""

import torch
from torch import nn

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same


def _tensor(got, case: str) -> None:
    kind = type(got).__name__
    require(isinstance(got, torch.Tensor), f"expected a tensor, got {kind}, for {case}")


def _close(a, b) -> bool:
    return torch.allclose(a.detach().double(), b.double(), rtol=1e-3, atol=1e-4)


@exercise("04.1", "Classes from paths")
def check_classes_from_paths(answer):
    """Sorted names of the first folders, and the number of each file's class."""
    number = int(torch.randint(100, 999, (1,), generator=fresh_generator()))
    for paths, case in (
        (["tea/1.jpg", "cake/2.jpg", "tea/3.png", f"bread/{number}.jpg"], "four files of three classes"),
        (
            ["sushi/close/3.jpg", "pizza/7.jpg", f"sushi/{number}.jpg"],
            "files in a folder inside a class folder",
        ),
        ([f"tart/{number}.jpg"], "one file"),
    ):
        tops = [p.split("/")[0] for p in paths]
        classes = sorted(set(tops))
        got = run(answer, paths, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair and all(isinstance(g, list) for g in got), f"expected two lists, for {case}")
        names, labels = got
        require(set(names) != set(paths), f"these are the paths, not the classes, for {case}")
        inner = {p.split("/")[-2] for p in paths}
        if inner != set(tops):
            require(set(names) != inner, f"a folder inside a class folder has become a class, for {case}")
        require(len(names) <= len(classes), f"a class is listed more than once, for {case}")
        if set(names) == set(classes):
            require(
                names == classes, f"the classes are not sorted, so their numbers depend on chance, for {case}"
            )
        same(names, classes, case=f"the classes, {case}")
        same(labels, [classes.index(top) for top in tops], case=f"the numbers, {case}")


@exercise("04.2", "Transparent pixels on white")
def check_on_white(answer):
    """Colours mixed with white by alpha, and not only where it is 0 or 1."""
    g = fresh_generator()
    for h, w in ((6, 5), (1, 1), (3, 8)):
        case = f"an image of {h}×{w} pixels"
        image = torch.rand(4, h, w, generator=g) * 0.8 + 0.1
        got = run(answer, image, case=case)
        _tensor(got, case)
        colour, alpha = image[:3], image[3:]
        if got.shape == colour.shape:
            wrong = {
                "the alpha channel has no effect": colour,
                "this is the image on a black page": colour * alpha,
                "colour and page have changed roles: alpha 1 must show the image": colour * (1 - alpha)
                + alpha,
                "the page has been added in full, so the sum is brighter than white": colour * alpha + 1,
                "a pixel is transparent or not here; alpha has values in between": torch.where(
                    alpha > 0.5, colour, 1
                ),
            }
            for message, value in wrong.items():
                require(not _close(got, value), f"{message}, for {case}")
        same(got, colour * alpha + 1 - alpha, case=case)


@exercise("04.3", "Find the bug: the white scan")
def check_white_scan(answer):
    """Sixteen bits to eight: 65,535 becomes 255, on one scale for all scans."""
    g = fresh_generator()
    middle = torch.randint(5_000, 40_000, (5, 7), generator=g, dtype=torch.int32)
    ends = torch.tensor([[0, 255, 256, 65_535]], dtype=torch.int32)
    for scan, case in ((middle, "a scan of 5×7 pixels"), (ends, "the values 0, 255, 256 and 65,535")):
        got = run(answer, scan, case=case)
        _tensor(got, case)
        require(got.dtype == torch.uint8, f"dtype {got.dtype}, wanted torch.uint8, for {case}")
        require(got.shape == scan.shape, f"shape {tuple(got.shape)}, wanted {tuple(scan.shape)}, for {case}")
        difference = (got.int() - scan / 257).abs().max()  # dividing by 256 or 257, rounded up or down
        cut = torch.equal(got, scan.clamp(0, 255).to(torch.uint8))
        require(not cut, f"every value above 255 is cut off, for {case}")
        wrapped = torch.equal(got, (scan % 256).to(torch.uint8))
        require(not wrapped, f"the conversion keeps the low 8 bits only: 256 becomes 0 again, for {case}")
        stretched = (scan - scan.min()) * 255 / (scan.max() - scan.min())
        own = (got.int() - stretched).abs().max() <= 1 < difference
        require(
            not own, f"each scan is stretched to its own range: a dark page would become bright, for {case}"
        )
        require(difference <= 1, f"the values are not right: 65,535 must become 255 and 0 stay 0, for {case}")


class _Counted(torch.utils.data.Dataset):
    """Random items; counts how often each was asked for."""

    def __init__(self, length: int):
        g = fresh_generator()
        self.items = [(torch.rand(2, 3, generator=g), k % 3) for k in range(length)]
        self.asked = [0] * length

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        self.asked[index] += 1
        return self.items[index]


@exercise("04.4", "Read each item once", methods=("__init__", "__len__", "__getitem__"))
def check_cached(answer):
    """Each item is read once, when it is asked for, and each data set has its own."""
    first, second = _Counted(2), _Counted(2)
    case = "two data sets at the same time"
    pair = [run(answer, inner, case=case) for inner in (first, second)]
    whole = all(hasattr(data, "__getitem__") and hasattr(data, "__len__") for data in pair)
    require(whole, "the result is no data set")
    run(pair[0].__getitem__, 0, case=case)
    got = run(pair[1].__getitem__, 0, case=case)
    mixed = isinstance(got, tuple) and got[0] is first.items[0][0]
    require(not mixed, "two data sets share one cache: the items of the first come out of the second")
    same(got, second.items[0], case=case)
    for length in (5, 1):
        case = f"a data set of {length} items" if length > 1 else "a data set of 1 item"
        inner = _Counted(length)
        data = run(answer, inner, case=f"Cached(inner), {case}")
        require(sum(inner.asked) == 0, f"items are read when the data set is made, for {case}")
        same(run(data.__len__, case=f"len(data), {case}"), length, case=f"len(data), {case}")
        order = [0, length - 1, 0, 0, length - 1]
        for index in order:
            got = run(data.__getitem__, index, case=f"data[{index}], {case}")
            same(got, inner.items[index], case=f"data[{index}], {case}")
        others = sum(inner.asked) - inner.asked[0] - (inner.asked[-1] if length > 1 else 0)
        require(others == 0, f"items are read that nobody has asked for, for {case}")
        for index in order + list(range(length)):
            same(run(data.__getitem__, index, case=case), inner.items[index], case=f"data[{index}], {case}")
        require(max(inner.asked) == 1, f"an item is read again when it is asked for again, for {case}")


@exercise("04.5", "Statistics over batches")
def check_statistics_over_batches(answer):
    """Mean and deviation of all images, whatever the batches' sizes."""
    g = fresh_generator()
    for sizes, channels in (((8, 8, 3), 3), ((1, 6), 2), ((5,), 1)):
        case = f"batches of {', '.join(map(str, sizes))} with {channels} channels"
        offset = torch.arange(1.0, channels + 1).reshape(1, channels, 1, 1)
        batches = [torch.rand(n, channels, 5, 4, generator=g) * offset + k for k, n in enumerate(sizes)]
        whole = torch.cat(batches)
        axes = (0, 2, 3)
        got = run(answer, batches, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair and all(isinstance(t, torch.Tensor) for t in got), f"expected two tensors, for {case}")
        shapes = [tuple(t.shape) for t in got]
        wanted = f"wanted ({channels},) twice"
        require(shapes == [(channels,)] * 2, f"shapes {shapes[0]} and {shapes[1]}, {wanted}, for {case}")
        mean, std = whole.mean(axes), whole.std(axes, correction=0)
        means = torch.stack([b.mean(axes) for b in batches])
        stds = torch.stack([b.std(axes, correction=0) for b in batches])
        if not _close(got[0], mean):
            averaged = _close(got[0], means.mean(dim=0))
            require(not averaged, f"a short batch counts as much as a long one in the mean, for {case}")
        if not _close(got[1], std):
            count = torch.tensor(sizes, dtype=torch.float32).unsqueeze(dim=1)
            average = (stds * count).sum(dim=0) / count.sum()
            simple = any(_close(got[1], a) for a in (stds.mean(dim=0), average))
            hint = "an average of the batches' deviations misses how far the batches are apart"
            require(not simple, f"{hint}, for {case}")
            require(not _close(got[1], std**2), f"this is the variance: the root is missing, for {case}")
        for name, value, want in (("mean", got[0], mean), ("standard deviation", got[1], std)):
            same(value.to(want.dtype), want, case=f"the {name}, {case}", rtol=1e-3, atol=1e-4)


@exercise("04.6", "Deal out folds")
def check_folds(answer):
    """Each class is dealt out evenly, in any order of the labels."""
    g = fresh_generator()
    mixed = torch.tensor([1, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    for labels, k, case in (
        (torch.arange(30) % 3, 3, "the labels 0, 1, 2, 0, 1, 2, … and 3 folds"),
        (torch.tensor([0] * 12 + [1] * 8 + [2] * 4), 4, "labels sorted by class and 4 folds"),
        (mixed, 2, "the labels 1, 0, 0, 1, 0, 0, … and 2 folds"),
        (torch.tensor([1, 0, 1, 0]), 2, "4 labels and 2 folds"),
        (torch.randint(0, 4, (37,), generator=g), 3, "37 labels in any order and 3 folds"),
    ):
        got = run(answer, labels, k, case=case)
        _tensor(got, case)
        require(
            got.shape == labels.shape, f"shape {tuple(got.shape)}, wanted {tuple(labels.shape)}, for {case}"
        )
        whole = not got.is_floating_point() and not got.is_complex() and got.dtype != torch.bool
        require(whole, f"dtype {got.dtype}, wanted whole numbers, for {case}")
        inside = bool(((got >= 0) & (got < k)).all())
        require(inside, f"there are numbers that are no fold from 0 to {k - 1}, for {case}")
        for label in labels.unique().tolist():
            counts = torch.bincount(got[labels == label].long(), minlength=k)
            even = counts.max() - counts.min() <= 1
            require(
                even, f"some class has more images in one fold than in another, by two or more, for {case}"
            )


@exercise("04.7", "Find the bug: one coin for all")
def check_mirrored_batch(answer):
    """Each image has a coin of its own, in every call."""
    g = fresh_generator()
    for shape in ((200, 3, 4, 5), (150, 1, 6, 6)):
        case = f"a batch of shape {shape}"
        images = torch.rand(shape, generator=g)
        upside = alike = 0
        passes = []
        for _ in range(20):
            got = run(answer, images, case=case)
            _tensor(got, case)
            shapes = f"shape {tuple(got.shape)}, wanted {shape}"
            require(got.shape == images.shape, f"{shapes}, for {case}")
            plain, mirrored, *turned = (
                (got == images.flip(dims)).flatten(start_dim=1).all(dim=1)
                for dims in ((), (3,), (2,), (2, 3))
            )
            upside += int((turned[0] | turned[1]).sum())
            alike += bool(plain.all() or mirrored.all())
            passes.append((plain, mirrored))
        message = "images are turned upside down; mirrored from left to right is wanted"
        require(not upside, f"{message}, for {case}")
        require(alike < 20, f"all images are treated alike, for {case}")
        whole = all((plain | mirrored).all() for plain, mirrored in passes)
        require(whole, f"some images are neither as they were nor mirrored, for {case}")
        per_image = torch.stack([mirrored for _, mirrored in passes]).float().mean(dim=0)
        fixed = bool(((per_image == 0) | (per_image == 1)).any())
        require(not fixed, f"some images are mirrored in every call, or never, for {case}")
        require(0.4 < per_image.mean() < 0.6, f"the probability is not one half, for {case}")


@exercise("04.8", "Early stopping", methods=("__init__", "step"))
def check_early_stopping(answer):
    """Patience counts epochs without a new lowest loss; NaN is none."""
    nan = float("nan")
    shift = float(torch.rand(1, generator=fresh_generator()))
    for losses, patience, case in (
        ([3, 2, 1, 0.5], 1, "losses that only fall and patience 1"),
        ([1, 0.8, 0.9, 0.85, 0.7, 0.75, 0.8, 0.9], 3, "losses that recover once and patience 3"),
        ([1, 2, 1.5, 1.2], 2, "losses that fall again, but not below the lowest, and patience 2"),
        ([1, 1, 1], 2, "losses that are all equal and patience 2"),
        ([2, nan, nan, 1, nan, nan, nan], 3, "losses of which some are NaN and patience 3"),
    ):
        stopper = run(answer, patience, case=f"EarlyStopping({patience})")
        require(hasattr(stopper, "step"), "the result has no method step")
        best, since = float("inf"), 0
        for epoch, loss in enumerate(losses):
            value = loss + shift
            best, since = (value, 0) if value < best else (best, since + 1)
            got = run(stopper.step, value, case=f"epoch {epoch} of {case}")
            require(isinstance(got, bool), f"step must return True or False, got {type(got).__name__}")
            early = f"stopped in epoch {epoch}, too early" if got else f"not stopped in epoch {epoch}"
            require(got == (since >= patience), f"{early}, for {case}")
            if got:
                break


@exercise("04.9", "Dropout by hand", methods=("__init__", "forward"))
def check_dropout(answer):
    """Each element has its own chance, the others grow by 1 / (1 - p), evaluation changes nothing."""
    g = fresh_generator()
    for p, shape in ((0.5, (100, 200)), (0.2, (40, 5, 10, 10)), (0.0, (3, 4))):
        case = f"p = {p} and an input of shape {shape}"
        layer = run(answer, p, case=f"MyDropout({p})")
        require(isinstance(layer, nn.Module), "the result of MyDropout(p) is no nn.Module")
        inside = any(isinstance(m, nn.modules.dropout._DropoutNd) for m in layer.modules())
        require(not inside, "nn.Dropout does the work")
        x = torch.rand(shape, generator=g) + 1
        layer.eval()
        got = run(layer, x, case=f"evaluation mode, {case}")
        _tensor(got, f"evaluation mode, {case}")
        same(got, x, case=f"evaluation mode, {case}", hint="it must do nothing there")
        layer.train()
        got = run(layer, x, case=case)
        _tensor(got, case)
        require(got.shape == x.shape, f"shape {tuple(got.shape)}, wanted {shape}, for {case}")
        zero = got == 0
        share = zero.float().mean().item()
        if p:
            require(share > 0, f"nothing is zero in training mode, for {case}")
            rows = zero.flatten(start_dim=1).float().mean(dim=1)
            per_row = ((rows == 0) | (rows == 1)).all()
            require(
                not per_row, f"whole examples are zero, each element must have its own chance, for {case}"
            )
            alike = (zero == zero[:1]).all()
            require(not alike, f"the same elements are zero in every example, for {case}")
            kept = abs(share - (1 - p)) < 0.05 and p != 0.5
            require(not kept, f"p is the share that becomes zero, not the share that is kept, for {case}")
        require(abs(share - p) < 0.05, f"the share of zeros is not p, for {case}")
        rest = got[~zero] / x[~zero]
        unscaled = bool(p) and torch.allclose(rest, torch.ones_like(rest))
        require(not unscaled, f"the elements that are left are not enlarged, for {case}")
        right = torch.allclose(rest, torch.full_like(rest, 1 / (1 - p)), rtol=1e-3)
        require(right, f"the elements that are left are not divided by 1 - p, for {case}")
        if p:
            again = run(layer, x, case=case)
            require(
                not torch.equal(again == 0, zero), f"the same elements are zero in every call, for {case}"
            )


class _Classifier(nn.Module):
    """Three logits from the mean of each channel; wrong in training mode."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.eye(3))

    def forward(self, X):
        logits = X.mean(dim=(2, 3)) @ self.weight
        return -logits if self.training else logits


@exercise("04.10", "Find the bug: one image")
def check_one_image(answer):
    """The class and its probability: scaled, normalised, a batch of one, evaluation mode."""
    g = fresh_generator()
    for size, mode in (((6, 5), False), ((4, 4), True), ((1, 1), False)):
        state = "training" if mode else "evaluation"
        case = f"an image of {size[0]}×{size[1]} pixels and a model in {state} mode"
        image = torch.randint(0, 80, (3, *size), generator=g)
        image[1] += 90
        image[2] += 40
        image = image.to(torch.uint8)
        mean = torch.tensor([0.5, 0.4, 0.3]).reshape(3, 1, 1)
        std = torch.tensor([0.2, 0.25, 0.3]).reshape(3, 1, 1)
        model = _Classifier().train(mode)
        got = run(answer, model, image, mean, std, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair, f"expected a class number and a probability, for {case}")
        label, prob = got
        for name, value, kinds in (("class number", label, int), ("probability", prob, float)):
            plain = isinstance(value, kinds) and not isinstance(value, bool)
            kind = type(value).__name__
            require(plain, f"the {name} must be a Python number, got {kind}, for {case}")

        def probs(x, sign=1):
            return (0.02 * sign * x.mean(dim=(1, 2))).softmax(dim=0)

        x = (image / 255 - mean) / std
        want = probs(x)
        wrong = {
            "softmax over the wrong dimension: every class gets probability 1": torch.ones(3),
            "the image is not divided by 255": probs((image - mean) / std),
            "the image is not normalised": probs(image / 255),
            "the model was asked in training mode": probs(x, -1),
        }
        if abs(prob - want.max().item()) > 1e-4:
            for message, values in wrong.items():
                require(abs(prob - values.max().item()) > 1e-4, f"{message}, for {case}")
        require(label == int(want.argmax()), f"the class is not right, for {case}")
        same(float(prob), want.max().item(), case=f"the probability, {case}", rtol=1e-3, atol=1e-4)
