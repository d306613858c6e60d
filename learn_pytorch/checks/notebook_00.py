"""The checks of notebook 00, tensors."""

import numpy as np
import torch

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same


@exercise("00.1", "Count down")
def check_countdown(answer):
    """n, n - 1, ..., 1 as int64; nothing for 0."""
    some = int(torch.randint(20, 40, (), generator=fresh_generator()))
    for n, case in [(5, "n = 5"), (1, "n = 1"), (some, "a larger n"), (0, "n = 0")]:
        got, want = run(answer, n, case=case), torch.arange(n, 0, -1)
        if n > 1 and isinstance(got, torch.Tensor):
            values = got.tolist()
            require(values != list(range(1, n + 1)), f"it counts up, for {case}")
            require(values != list(range(n, -1, -1)), f"it should end at 1 and goes on to 0, for {case}")
        same(got, want, case=case)


@exercise("00.2", "Between two bounds")
def check_uniform(answer):
    """Uniform numbers from low to high, taken from the generator and from nowhere else."""
    for low, high, case in [(-3.0, 5.0, "low = -3, high = 5"), (10.0, 11.0, "low = 10, high = 11")]:
        shape, generator, before = (100, 200), fresh_generator(), torch.get_rng_state()
        start = generator.get_state()
        got = run(answer, low, high, shape, generator, case=case)
        want = torch.zeros(shape)
        same(got, got if _fits(got, want) else want, case=case)
        used = not torch.equal(generator.get_state(), start)
        own = torch.equal(torch.get_rng_state(), before)
        require(used and own, "the random numbers must come from `generator` and from nowhere else")
        # With 20,000 numbers all the margins below are some twenty times what chance can do.
        u = (got - low) / (high - low)
        inside = bool((u >= -1e-6).all() and (u <= 1 + 1e-6).all())
        require(inside, f"some numbers are outside the bounds, for {case}: which call is uniform?")
        whole = u.min() < 0.02 and u.max() > 0.98
        require(whole, f"the numbers do not fill the range, for {case}: by what is it stretched and shifted?")
        even = abs(u.mean() - 0.5) < 0.03 and abs(u.std() - 12**-0.5) < 0.03
        require(even, f"the numbers are in the range, but not all equally likely, for {case}")


@exercise("00.3", "Brighter")
def check_brighter(answer):
    """A uint8 image plus a number, limited to 0 ... 255."""
    for shape, amount, case in [
        ((3, 6, 8), 80, "a brighter image"),
        ((3, 6, 8), -80, "a darker image"),
        ((2, 3, 5, 4), 300, "a batch made all white"),
        ((7, 5), 0, "a grey image, amount = 0"),
    ]:
        image = torch.randint(0, 256, shape, generator=fresh_generator()).to(torch.uint8)
        image.view(-1)[:2] = torch.tensor([0, 255])
        total = image.int() + amount
        got, want = run(answer, image, amount, case=case), total.clamp(0, 255).byte()
        message = "beyond the limits they start again at the other end"
        _same_or_why(got, want, case, {message: total.remainder(256).byte()})


@exercise("00.4", "Standardise the channels")
def check_standardised_channels(answer):
    """Mean 0 and standard deviation 1 for each channel of a batch."""
    for shape, case in [
        ((4, 3, 5, 6), "a batch of 4 images of 3×5×6"),
        ((1, 2, 4, 7), "a batch of one image"),
        ((5, 3, 4, 3), "images as wide as they have channels"),
    ]:
        g = fresh_generator()
        scale = torch.rand((*shape[:2], 1, 1), generator=g) * 10 + 1
        batch = torch.randn(shape, generator=g) * scale + 20 * scale
        got = run(answer, batch, case=case)
        wrong = {
            "each image was standardised by itself, but a channel has one mean in all images": (2, 3),
            "all channels were treated as one": (0, 1, 2, 3),
            "each pixel was standardised by itself, but a channel has one mean": (0,),
        }
        # One image alone has no deviation between images; there the wrong ideas give NaN or are right.
        wrong = {m: _standardised(batch, dim) for m, dim in wrong.items() if shape[0] > 1}
        # Both definitions of the standard deviation will do, the one with n and the one with n - 1.
        other = _standardised(batch, (0, 2, 3), correction=0)
        good = _fits(got, other) and torch.allclose(got, other, rtol=1e-3, atol=1e-3)
        _same_or_why(got, other if good else _standardised(batch, (0, 2, 3)), case, wrong, tolerance=1e-3)


@exercise("00.5", "Find the bug: the error of perfect predictions")
def check_error_of_perfect_predictions(answer):
    """The mean squared error of predictions (N, 1) against targets (N,)."""
    g = fresh_generator()
    for n, case in [(5, "5 samples"), (1, "1 sample"), (64, "64 samples")]:
        targets, errors = torch.randn(n, generator=g), torch.randn(n, 1, generator=g) + 1
        perfect = targets.unsqueeze(1)
        got = run(answer, perfect, targets, case=case)
        zero = torch.tensor(0.0)
        same(got, got if _fits(got, zero) else zero, case=case)
        require(abs(got.item()) < 1e-6, f"for {case}, all predicted exactly, the error is not 0")
        preds = (perfect + errors).requires_grad_()
        got = run(answer, preds, targets, case=case)
        wrong = {
            "the errors are not squared": errors.abs().mean(),
            "it is the sum and not the mean": errors.square().sum(),
            "errors of opposite sign cancel, square each one first": errors.mean().square(),
        }
        _same_or_why(got, errors.square().mean(), case, wrong)
        require(got.requires_grad, "no gradient reaches `preds`: the result must be usable for training")


@exercise("00.6", "Channels first, without a copy")
def check_channels_first(answer):
    """(..., H, W, C) as (..., C, H, W), sharing memory."""
    for shape, case in [
        ((5, 7, 3), "one image"),
        ((2, 5, 7, 3), "a batch of 2 images"),
        ((2, 4, 6, 9, 1), "2 videos of 4 grey frames"),
        ((6, 6, 6), "an image of 6×6 pixels with 6 channels"),
    ]:
        images = torch.rand(shape, generator=fresh_generator())
        got, want, swapped = run(answer, images, case=case), images.movedim(-1, -3), images.transpose(-1, -3)
        turned = _fits(got, swapped) and torch.equal(got, swapped)
        require(not turned, f"height and width have changed places, for {case}")
        regrouped = {"the numbers were regrouped, no dimension has moved": images.reshape(want.shape)}
        _same_or_why(got, want, case, regrouped)
        shared = got.untyped_storage().data_ptr() == images.untyped_storage().data_ptr()
        require(shared, f"the values are right, but they are a copy, for {case}")


@exercise("00.7", "Right in each class")
def check_right_in_each_class(answer):
    """For each class, the fraction of its samples that were recognised."""
    for n, classes, case in [(80, 4, "80 samples of 4 classes"), (300, 7, "300 samples of 7 classes")]:
        g = fresh_generator()
        labels = torch.randint(0, classes, (n,), generator=g)
        labels[:classes] = torch.arange(classes)
        labels[labels == 2] = 1  # no sample of class 2, at least one of each other
        guesses = torch.randint(0, classes, (n,), generator=g)
        preds = torch.where(torch.rand(n, generator=g) < 0.5, labels, guesses)
        preds[:classes] = torch.arange(classes)  # each class is predicted, and 2 is wrong
        hits = torch.bincount(labels[preds == labels], minlength=classes).float()
        want = hits / labels.bincount(minlength=classes)
        got = run(answer, preds, labels, classes, case=case)
        wrong = {
            "divide by the samples of the class, not by all samples": hits / n,
            "this is the fraction among the samples *predicted* as the class": hits / preds.bincount(),
            "class 2 has no samples, so its fraction is unknown (NaN)": want.nan_to_num(0),
        }
        _same_or_why(got, want, case, wrong)


@exercise("00.8", "All distances")
def check_distances(answer):
    """The Euclidean distance of each row of a to each row of b."""
    for n, m, d, case in [
        (5, 5, 2, "5 points and 5 points"),
        (4, 6, 3, "4 points and 6 points"),
        (1, 7, 64, "1 point and 7 points"),
        (3, 2, 1, "points on a line"),
    ]:
        g = fresh_generator()
        a, b = torch.randn(n, d, generator=g), torch.randn(m, d, generator=g) + 3
        difference = a.unsqueeze(1) - b
        want = difference.square().sum(dim=2).sqrt()
        got = run(answer, a, b, case=case)
        turned = _fits(got, want.T) and torch.allclose(got, want.T, rtol=1e-3)
        require(not turned, f"rows and columns have changed places: one row for each point of a, for {case}")
        wrong = {
            "these are the squares of the distances": want.square(),
            "the differences are added up without squaring them": difference.abs().sum(dim=2),
        }
        _same_or_why(got, want, case, wrong, tolerance=1e-3)


@exercise("00.9", "Find the bug: somebody else's data")
def check_somebody_elses_data(answer):
    """An array scaled to 0 ... 1 as a float32 tensor, the array untouched."""
    for dtype in (np.float32, np.float64, np.uint8):
        case = f"a {np.dtype(dtype).name} array"
        array = torch.randint(2, 250, (4, 5), generator=fresh_generator()).numpy().astype(dtype)
        array[0, 0], array[1, 1] = 1, 251
        want = torch.tensor((array.astype(np.float64) - 1) / 250, dtype=torch.float32)
        got = run(answer, array, case=case)
        same(got, want, case=case, hint="the smallest becomes 0, the largest 1")


@exercise("00.10", "Slopes")
def check_slopes(answer):
    """The derivative of a function at each element, leaving x as it was."""
    for f, slope, name in [
        (lambda x: x**3, lambda x: 3 * x**2, "x³"),
        (lambda x: (2 * x).sin(), lambda x: 2 * (2 * x).cos(), "sin 2x"),
    ]:
        for shape in [(50,), (2, 3), ()]:
            x = torch.rand(shape, generator=fresh_generator()) + 1
            want, case = slope(x), f"{name} and x of shape {shape}"
            _is_slope(run(answer, f, x, case=case), want, case)
            require(not x.requires_grad and x.grad is None, f"x requires gradients afterwards, for {case}")
            x.requires_grad_().grad = torch.ones(shape)
            case += " that has a gradient already"
            _is_slope(run(answer, f, x, case=case), want, case)
            require(torch.equal(x.grad, torch.ones(shape)), f"x.grad has changed, for {case}")


def _is_slope(got, want, case):
    wrong = {
        "too small by the number of elements": want / want.numel(),
        "the old gradient was added": want + 1,
        "close, but autograd is far more precise": want,
    }
    _same_or_why(got, want, case, wrong, tolerance=1e-5, near=0.01)
    require(not got.requires_grad, f"the result must not require gradients itself, for {case}")


def _standardised(batch, dim, correction=1):
    mean = batch.mean(dim=dim, keepdim=True)
    return (batch - mean) / batch.std(dim=dim, keepdim=True, correction=correction)


def _fits(got, want):
    """Whether values can be compared: a tensor of the wanted shape, dtype and device."""
    if not isinstance(got, torch.Tensor):
        return False
    return (got.shape, got.dtype, got.device) == (want.shape, want.dtype, want.device)


def _same_or_why(got, want, case, wrong, tolerance=1e-4, near=1e-4):
    """``same``, where ``wrong`` maps what to say of a wrong idea to the values that it gives."""
    hint = ""
    for message, values in wrong.items():
        if not hint and _fits(got, values):
            hint = message if torch.allclose(got.double(), values.double(), rtol=near, atol=near) else ""
    same(got, want, case=case, hint=hint, rtol=tolerance, atol=tolerance)
