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
    """Uniform numbers of any shape from low to high, taken from the generator and from nowhere else."""
    for low, high, shape, case in [
        (-3.0, 5.0, (100, 200), "low = -3, high = 5"),
        (10.0, 11.0, (20, 10, 100), "low = 10, high = 11"),
        (0.0, 255.0, (20_000,), "low = 0, high = 255"),
    ]:
        generator, before = fresh_generator(), torch.get_rng_state()
        start = generator.get_state()
        got = run(answer, low, high, shape, generator, case=case)
        want = torch.zeros(shape)
        same(got, got if _fits(got, want) else want, case=case)
        used = not torch.equal(generator.get_state(), start)
        own = torch.equal(torch.get_rng_state(), before)
        require(used and own, "the random numbers must come from `generator` and from nowhere else")
        _is_uniform(got, low, high, case)
        again = run(answer, low, high, shape, generator, case=case)
        moved = not torch.equal(got, again)
        require(moved, "a second call with the same generator gives the same numbers: is it set back?")
    first, again = (
        run(answer, 0.0, 1.0, (50,), torch.Generator().manual_seed(7), case="seed 7") for _ in range(2)
    )
    require(torch.equal(first, again), "two generators with the same seed give different numbers")


def _is_uniform(got, low, high, case):
    # With 20,000 numbers all the margins below are some twenty times what chance can do.
    u = ((got - low) / (high - low)).flatten()
    few = got.unique().numel()
    require(few > 10_000, f"of 20,000 numbers only {few} are different, for {case}: where are the decimals?")
    inside = bool((u >= -1e-6).all() and (u <= 1 + 1e-6).all())
    gauss = u.max() - u.mean() > 3 * u.std()
    advice = "which call is uniform?" if gauss else "by what is the range stretched and shifted?"
    require(inside, f"some numbers are outside the bounds, for {case}: {advice}")
    whole = u.min() < 0.02 and u.max() > 0.98
    require(whole, f"the numbers do not fill the range, for {case}: by what is it stretched and shifted?")
    even = abs(u.mean() - 0.5) < 0.03 and abs(u.std() - 12**-0.5) < 0.03
    require(even, f"the numbers are in the range, but not all equally likely, for {case}")
    gaps = u.sort().values.diff()
    require(gaps.std() > 0.5 * gaps.mean(), f"the numbers are evenly spaced, not random, for {case}")


@exercise("00.3", "The doorbell")
def check_doorbell(answer):
    """Where a channel of two uint8 pictures differs by more than a threshold."""
    g = fresh_generator()
    for shape, threshold, case in [
        ((6, 8, 3), 40, "a picture of 6×8 pixels"),
        ((5, 4, 7, 3), 100, "5 pictures at once"),
        ((3, 3, 1), 0, "a grey picture, threshold = 0"),
        ((4, 4, 4, 3), 200, "threshold = 200"),
    ]:
        before = torch.randint(0, 256, shape, generator=g).to(torch.uint8)
        after = torch.where(torch.rand(shape, generator=g) < 0.6, before, before.flip(0))
        old, new = before.view(-1, shape[-1]), after.view(-1, shape[-1])
        new[:6] = old[:6]
        # One channel: from black to white and back; up and down by just the threshold.
        old[:4, 0] = torch.tensor([0, 255, 10, 10 + threshold], dtype=torch.uint8)
        new[:4, 0] = torch.tensor([255, 0, 10 + threshold, 10], dtype=torch.uint8)
        if threshold:  # all channels: a little less than the threshold; the sum of up and down is nothing
            old[4], new[4] = 20, 20 + threshold - 1
            old[5], new[5] = 20, 20
            old[5, :2], new[5, :2] = torch.tensor([[0, 240], [240, 0]], dtype=torch.uint8)
        rise = after.int() - before.int()
        want = (rise.abs() > threshold).any(dim=-1)
        wrapped, below = after - before, "uint8 has no numbers below 0: what is 10 - 20 there?"
        wrong = {
            f"{below}": (wrapped > threshold).any(dim=-1),
            f"{below} Either way round": (before - after > threshold).any(dim=-1),
            "what gets darker counts as well": (rise > threshold).any(dim=-1),
            "what gets brighter counts as well": (rise < -threshold).any(dim=-1),
            "a difference of just the threshold is not more than it": (rise.abs() >= threshold).any(dim=-1),
            "one channel is enough, not all of them are needed": (rise.abs() > threshold).all(dim=-1),
            "the channels were added up first": rise.abs().sum(dim=-1) > threshold,
            "the channels were averaged first": rise.abs().float().mean(dim=-1) > threshold,
            "differences of opposite sign cancel": rise.sum(dim=-1).abs() > threshold,
        }
        _same_or_why(run(answer, before, after, threshold, case=case), want, case, wrong)


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
        mean = batch.mean(dim=(0, 2, 3), keepdim=True)
        std = batch.std(dim=(0, 2, 3), keepdim=True)
        wrong["only the mean was taken off"] = batch - mean
        wrong["divide by the standard deviation, not by its square"] = (batch - mean) / std**2
        if shape[1] == shape[3]:
            flat = batch.std(dim=(0, 2, 3))
            wrong["the three numbers met the columns of the images, not the channels"] = (
                batch - mean.flatten()
            ) / flat
        # Both definitions of the standard deviation will do, the one with n and the one with n - 1.
        other = _standardised(batch, (0, 2, 3), correction=0)
        good = _fits(got, other) and torch.allclose(got, other, rtol=1e-3, atol=1e-3)
        _same_or_why(got, other if good else _standardised(batch, (0, 2, 3)), case, wrong, tolerance=1e-3)


@exercise("00.5", "Find the bug: everybody pays the average")
def check_fit(answer):
    """Gradient descent on weights and a bias: as good as the best, and its log tells the truth."""
    # The first flats are always the same: what the check says of them can be read again.
    for n, features, case, g in [
        (60, 3, "60 flats with 3 features", torch.Generator().manual_seed(11)),
        (60, 3, "60 other flats", fresh_generator()),
        (25, 1, "25 flats with 1 feature", fresh_generator()),
    ]:
        X = torch.randn(n, features, generator=g)
        truth = torch.where(torch.rand(features, 1, generator=g) < 0.5, -2.0, 2.0)
        truth = truth + 0.5 * torch.rand(features, 1, generator=g)
        y = (X @ truth).squeeze(1) + 25 + 0.2 * torch.randn(n, generator=g)
        got = run(answer, X, y, case=case)
        three = isinstance(got, (tuple, list)) and len(got) == 3
        require(three, f"it no longer returns weights, bias and losses, for {case}")
        w, b, losses = got
        tensors = all(isinstance(t, torch.Tensor) and not t.requires_grad for t in (w, b))
        require(tensors, f"weights and bias are tensors that need no gradient any more, for {case}")
        shapes = f"the weights have shape {tuple(w.shape)} and the bias {tuple(b.shape)}"
        fine = w.numel() == features and w.shape[0] == features and b.numel() == 1
        require(fine, f"{shapes}, for {case}")
        numbers = isinstance(losses, list) and len(losses) == 300 and all(type(v) is float for v in losses)
        require(numbers, f"the losses must be 300 Python numbers, one for each step, for {case}")
        preds = (X @ w.reshape(features, 1)).squeeze(1) + b.reshape(())
        loss = (preds - y).square().mean().item()
        columns = torch.cat([X, torch.ones(n, 1)], dim=1)
        best = (columns @ torch.linalg.lstsq(columns, y[:, None]).solution).squeeze(1)
        best = (best - y).square().mean().item()
        spread = f"the prices go from {_ends(y)}, and what is predicted from {_ends(preds)}"
        cause = "(N, 1) minus (N,) is a table of N × N errors, as if each flat had all prices at once"
        require(preds.std() > 0.3 * y.std(), f"{spread}, for {case}", cause=cause)
        found = f"after 300 steps the mean squared error is {loss:.2f}, a formula finds {best:.2f}"
        cause = "gradients that nobody clears add up: look at each of the two"
        require(loss < 1.1 * best + 1e-3, f"{found}, for {case}", cause=cause)
        said = f"the log ends at {losses[-1]:.2f}, and the mean squared error of its flats is {loss:.2f}"
        cause = "the loss is not the mean of N squared errors, one for each flat"
        require(abs(losses[-1] - loss) < 0.1 * loss + 1e-3, f"{said}, for {case}", cause=cause)


def _ends(values) -> str:
    return f"{values.min():.1f} to {values.max():.1f}"


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
    g = fresh_generator()
    for n, classes, empty, case in [
        (80, 4, (2,), "80 samples of 4 classes"),
        (300, 7, (6,), "300 samples of 7 classes, none of the last"),
        (200, 5, (0, 4), "200 samples of 5 classes, none of the first and the last"),
        (1, 3, (0, 2), "1 sample, of the middle one of 3 classes"),
        (0, 2, (0, 1), "no samples at all"),
    ]:
        there = torch.tensor([k for k in range(classes) if k not in empty], dtype=torch.int64)
        labels = there[torch.randint(0, max(len(there), 1), (n,), generator=g)] if n else there
        labels[: len(there)] = there[:n]
        guesses = torch.randint(0, classes, (n,), generator=g)
        preds = torch.where(torch.rand(n, generator=g) < 0.5, labels, guesses)
        if n >= classes:
            preds[:classes] = torch.arange(classes)  # each class is predicted, the empty ones wrongly
        hits = torch.bincount(labels[preds == labels], minlength=classes).float()
        want = hits / labels.bincount(minlength=classes)
        got = run(answer, preds, labels, classes, case=case)
        called = hits / preds.bincount(minlength=classes)
        wrong = {
            "divide by the samples of the class, not by all samples": hits / n,
            "this is the fraction among the samples *predicted* as the class": called,
            "a class without samples has no fraction, not even 0 (NaN)": want.nan_to_num(0),
            "a class without samples has no fraction, not even 1 (NaN)": want.nan_to_num(1),
        }
        _same_or_why(got, want, case, {} if n < classes else wrong)


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
            "the root was taken before the sum": difference.abs().sqrt().sum(dim=2),
            "this is the mean over the dimensions, not the sum": want / d**0.5,
        }
        if d == 1:
            wrong = {}
        _same_or_why(got, want, case, wrong, tolerance=1e-3)


@exercise("00.9", "Find the bug: somebody else's photographs")
def check_somebody_elses_photographs(answer):
    """Photographs scaled to 0 ... 1 with a black frame, in a batch; the arrays untouched."""
    g = fresh_generator()
    for dtype, n, size, plain in [
        (np.float64, 3, (5, 6), False),
        (np.float32, 3, (5, 6), False),
        (np.uint8, 4, (7, 4), False),
        (np.uint8, 2, (4, 4), True),
        (np.int64, 1, (6, 6), False),
    ]:
        kind = np.dtype(dtype).name
        case = f"{n} {kind} photographs" + (" and one with the lens cap on" if plain else "")
        photos = [torch.randint(0, 251, size, generator=g).numpy().astype(dtype) for _ in range(n)]
        for photo in photos:
            photo[1, 1], photo[2, 2], photo[0, 0] = 3, 251, 252  # the brightest is under the frame
        if plain:
            photos.append(np.full(size, 7, dtype=dtype))
        kept = [photo.copy() for photo in photos]
        want = torch.stack([_framed(photo) for photo in kept]).unsqueeze(1)
        got = run(answer, photos, case=case, may_change=(0,))
        changed = sum((a != b).mean() for a, b in zip(photos, kept, strict=True)) > 0
        cause = "float() copies only where there is something to convert; lines in place write into the rest"
        seen = "a colleague who opens the same photographs after your program sees other ones"
        require(not changed, f"{seen}, for {case}", cause=cause)
        usable = isinstance(got, torch.Tensor) and got.shape == want.shape
        if usable and plain:
            cause = "where all pixels are equal the largest is 0 after the shift, and 0 / 0 is NaN"
            require(not got.isnan().any(), f"from this batch on the loss is NaN, for {case}", cause=cause)
        if usable and n > 1 and got.dtype == want.dtype:
            equal = all(torch.equal(image, got[-1]) for image in got)
            cause = "the list holds the same tensor many times: the next photograph overwrites it"
            require(not equal, f"the network sees the same picture {n} times, for {case}", cause=cause)
        hints = {
            "the frame belongs on the scaled image: it is not black": torch.stack(
                [_framed(photo, frame=False) for photo in kept]
            ).unsqueeze(1)
        }
        _same_or_why(got, want, case, hints)


def _framed(photo, frame=True):
    image = torch.tensor(photo.astype(np.float64))
    image = image - image.min()
    image = image / image.max() if image.max() > 0 else image
    if frame:
        image[[0, -1]] = 0
        image[:, [0, -1]] = 0
    return image.float()


@exercise("00.10", "Slopes")
def check_slopes(answer):
    """The derivative of a function at each element, by autograd, leaving x as it was."""
    for f, slope, name in [
        (lambda x: x**3, lambda x: 3 * x**2, "x³"),
        (lambda x: (2 * x).sin(), lambda x: 2 * (2 * x).cos(), "sin 2x"),
        (lambda x: _rounded(x) ** 2, lambda x: 2 * x.round(), "a function that rounds"),
    ]:
        for shape in [(50,), (2, 3), ()]:
            x = 3 * torch.rand(shape, generator=fresh_generator()) + 1
            want, case = slope(x), f"{name} and x of shape {shape}"
            _is_slope(run(answer, f, x, case=case), want, case)
            require(not x.requires_grad and x.grad is None, f"x requires gradients afterwards, for {case}")
            x.requires_grad_().grad = torch.ones(shape)
            case += " that has a gradient already"
            _is_slope(run(answer, f, x, case=case), want, case)
            require(x.requires_grad, f"x requires no gradients any more, for {case}")
            require(torch.equal(x.grad, torch.ones(shape)), f"x.grad has changed, for {case}")


def _rounded(x):
    """Rounds, and says to autograd that nothing happened, as networks of whole numbers are trained."""
    return x + (x.round() - x).detach()


def _is_slope(got, want, case):
    if "rounds" in case and _fits(got, want):
        # Values at neighbouring places differ by nothing, or by a jump; autograd follows its record.
        right = torch.allclose(got, want, rtol=1e-5, atol=1e-5)
        flat = (got == 0) | ((got - want).abs() > 5)
        tried = "the slope was found by trying out values of f, and the text asks for autograd"
        require(right or not flat.all(), f"{tried}, for {case}")
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
            close = torch.allclose(got.double(), values.double(), rtol=near, atol=near, equal_nan=True)
            hint = message if close else ""
    same(got, want, case=case, hint=hint, rtol=tolerance, atol=tolerance)
