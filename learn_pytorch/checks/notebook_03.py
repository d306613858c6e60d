"""Checks for the exercises of 03_computer_vision."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same


def _tensor(got, case: str) -> None:
    kind = type(got).__name__
    require(isinstance(got, torch.Tensor), f"expected a tensor, got {kind}, for {case}")


@exercise("03.1", "One-hot for a batch")
def check_one_hot(answer):
    """A row for each label, also where the last class does not occur."""
    some = torch.randint(0, 9, (11,), generator=fresh_generator())
    for labels, classes in (
        (torch.cat([some, torch.tensor([8])]), 10),  # the last class does not occur
        (torch.tensor([3, 3, 0]), 4),
        (torch.tensor([1]), 5),
    ):
        case = f"{len(labels)} labels of {classes} classes"
        got = run(answer, labels, classes, case=case)
        _tensor(got, case)
        turned = f"shape {tuple(got.shape)}: a row for each label is wanted, for {case}"
        require(got.ndim != 2 or len(labels) == classes or len(got) != classes, turned)
        ones = isinstance(got, torch.Tensor) and got.shape == (len(labels), classes)
        if ones:
            rows = got.double().sum(dim=1)
            require((rows == 1).all(), f"not every row has exactly one 1, for {case}")
        same(got, F.one_hot(labels, classes).float(), case=case, hint="is the 1 in the column of the label?")


@exercise("03.2", "Find the bug: a scrambled picture")
def check_to_hwc(answer):
    """Pixels keep their places when the channels go last."""
    g = fresh_generator()
    for shape in ((3, 5, 7), (3, 6, 6), (1, 4, 9), (3, 3, 3)):
        case = f"an image of shape {shape}"
        image = torch.rand(shape, generator=g)
        got = run(answer, image, case=case)
        _tensor(got, case)
        if got.shape == (shape[1], shape[2], shape[0]) and shape[0] > 1:
            order = torch.equal(got.reshape(-1), image.reshape(-1))
            require(
                not order, f"the shape is right, but the numbers are still in their old order, for {case}"
            )
        mirrored = got.shape == (shape[2], shape[1], shape[0]) and torch.equal(got, image.permute(2, 1, 0))
        require(
            not mirrored, f"height and width have changed places: the garment lies on its side, for {case}"
        )
        same(got, image.permute(1, 2, 0), case=case)


@exercise("03.3", "The size after many layers")
def check_size_after_layers(answer):
    """The size after convolutions and poolings, rounded down."""
    stacks = [
        (28, [(3, 1, 1), (3, 1, 1), (2, 2, 0), (3, 1, 1), (3, 1, 1), (2, 2, 0)]),
        (28, [(3, 1, 0), (2, 2, 0)]),
        (29, [(2, 2, 0), (5, 3, 2), (3, 1, 0)]),
        (7, []),
        (16, [(3, 2, 1), (3, 2, 1)]),
    ]
    for size, layers in stacks:
        case = f"{size} pixels and the layers {layers}"
        got = run(answer, size, layers, case=case)
        want, once, up = size, size, size
        for k, stride, padding in layers:
            want = (want + 2 * padding - k) // stride + 1
            once = (once + padding - k) // stride + 1
            up = -((k - up - 2 * padding) // stride) + 1
        whole = isinstance(got, int) and not isinstance(got, bool)
        require(whole, f"expected a whole number, got {type(got).__name__}, for {case}")
        if got != want:
            require(got != once, f"padding is added on both sides of the image, for {case}")
            require(got != up, f"a window that does not fit as a whole is left out, for {case}")
        same(got, want, case=case)


@exercise("03.4", "Find the bug: a test that is too kind")
def check_loaders(answer):
    """The training set in a new order each epoch, the test set as it is, each label with its image."""
    g = fresh_generator()
    for n, m, size in ((50, 23, 8), (12, 40, 5)):
        case = f"{n} training and {m} test examples in batches of {size}"
        X = torch.randperm(1000, generator=g)[: n + m]
        train, test = (X[:n], X[:n] % 10), (X[n:], X[n:] % 10)
        got = run(answer, TensorDataset(*train), TensorDataset(*test), size, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair and all(isinstance(t, DataLoader) for t in got), f"expected two DataLoaders, for {case}")

        def epoch(loader, case=case):
            return run(lambda: [torch.stack((X, y)) for X, y in loader], case=case)

        train, test = torch.stack(train), torch.stack(test)  # (2, N): inputs and labels
        first, second, tested = epoch(got[0]), epoch(got[0]), epoch(got[1])
        for name, parts, own, other in (("training", first, train, test), ("test", tested, test, train)):
            sizes = [part.shape[1] for part in parts]
            full = len(parts) > 0 and set(sizes[:-1]) == {size}
            require(full, f"the {name} batches have sizes that begin with {sizes[:4]}, for {case}")
            foreign = torch.isin(torch.cat(parts, dim=1)[0], other[0]).any()
            require(not foreign, f"the {name} loader hands out examples of the other set, for {case}")
            count = f"the {name} loader hands out {sum(sizes)} of {own.shape[1]} examples"
            require(sum(sizes) == own.shape[1], f"{count}, for {case}")
        first, second, tested = (torch.cat(parts, dim=1) for parts in (first, second, tested))
        require(not first.equal(second), f"the training loader has the same order in every epoch, for {case}")
        require(tested.equal(test), f"the test loader changes the order of the examples, for {case}")
        same(first[:, first[0].argsort()], train[:, train[0].argsort()], case=case)


@exercise("03.5", "The parameters of a convolution")
def check_parameter_count(answer):
    """What nn.Conv2d has, with and without bias, for kernels that are no squares."""
    settings = [
        (1, 10, 3, True),
        (10, 10, 3, True),
        (3, 8, 5, False),
        (4, 6, (3, 1), True),
        (2, 7, (1, 5), False),
    ]
    for n_in, n_out, kernel, bias in settings:
        case = f"{n_in} → {n_out} channels, kernel {kernel}, bias={bias}"
        got = run(answer, n_in, n_out, kernel, bias, case=case)
        want = sum(p.numel() for p in nn.Conv2d(n_in, n_out, kernel, bias=bias).parameters())
        weights = want - n_out * bias
        if isinstance(got, int) and got != want:
            require(got != weights or not bias, f"each output channel has a bias too, for {case}")
            require(got != weights + n_out or bias, f"with bias=False there is no bias, for {case}")
            single = got in (weights // n_in, weights // n_in + n_out * bias)
            require(not single, f"each kernel has a slice for every input channel, for {case}")
            require(got != weights + 1, f"one bias for the whole layer is too few, for {case}")
        same(got, want, case=case)


@exercise("03.6", "Find the bug: statistics of the wrong set")
def check_statistics(answer):
    """One mean and one deviation for each channel, from the training images alone."""
    g = fresh_generator()
    for n, m, channels in ((40, 20, 3), (30, 1, 1), (25, 10, 2)):
        case = f"{n} training and {m} test images with {channels} channels"
        scale = torch.arange(1.0, channels + 1).reshape(1, channels, 1, 1)
        A = torch.rand(n, channels, 6, 5, generator=g) * scale + scale
        B = torch.rand(m, channels, 6, 5, generator=g) * scale * 0.5  # darker
        got = run(answer, A, B, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair and all(isinstance(t, torch.Tensor) for t in got), f"expected two tensors, for {case}")
        shapes = f"shapes {tuple(got[0].shape)} and {tuple(got[1].shape)}, the images' shapes are wanted"
        require(got[0].shape == A.shape and got[1].shape == B.shape, f"{shapes}, for {case}")

        def by(source, dims, X):
            return (X - source.mean(dim=dims, keepdim=True)) / source.std(dim=dims, keepdim=True)

        axes = (0, 2, 3)
        wrong = {
            "the test images are standardised with their own statistics": by(B, axes, B),
            "the statistics come from training and test images together": by(torch.cat([A, B]), axes, B),
            "one mean for all channels": by(A, (0, 1, 2, 3), B) if channels > 1 else by(B, axes, B),
            "a mean for each pixel, wanted one for each channel": by(A, (0,), B),
        }
        for message, value in wrong.items():
            close = torch.allclose(got[1].detach().float(), value, rtol=1e-3, atol=1e-3)
            require(not close, f"{message}, for {case}")
        if channels > 1:
            close = torch.allclose(got[0].detach().float(), by(A, (0, 1, 2, 3), A), rtol=1e-3, atol=1e-3)
            require(not close, f"the training images have one mean for all channels, for {case}")
        for name, part, want in (("training", got[0], by(A, axes, A)), ("test", got[1], by(A, axes, B))):
            same(part, want, case=f"{case}, the {name} images", rtol=1e-2, atol=1e-2)


class _Counting(nn.Module):
    """Logits by table; in training mode they are wrong. Notes whether gradients were recorded."""

    def __init__(self, classes: int):
        super().__init__()
        self.weight, self.recorded = nn.Parameter(torch.eye(classes)), False

    def forward(self, X):
        logits = X @ self.weight
        self.recorded |= logits.requires_grad
        return -logits if self.training else logits


@exercise("03.7", "The accuracy of a set")
def check_accuracy_of_a_set(answer):
    """Every image counts the same, without gradients, and the mode is as it was."""
    g = fresh_generator()
    for sizes, mode in (((8, 8, 8, 1), True), ((5, 5), False), ((7,), True), ((10, 3), True)):
        case = f"batches of {', '.join(map(str, sizes))}"
        n = sum(sizes)
        labels = torch.randint(0, 4, (n,), generator=g)
        shown = labels.clone()
        shown[-1] = (shown[-1] + 1) % 4  # the last image is predicted wrongly
        X = F.one_hot(shown, 4).float() + 0.1 * torch.rand(n, 4, generator=g)
        loader = list(zip(X.split(sizes), labels.split(sizes), strict=True))
        model = _Counting(4).train(mode)
        got = run(answer, model, loader, case=case)
        want = (n - 1) / n
        parts = [(a.argmax(dim=1) == b).double().mean().item() for a, b in loader]
        if isinstance(got, (int, float)) and abs(got - want) > 1e-6:
            means = abs(got - sum(parts) / len(parts)) < 1e-6
            require(
                not means, f"this is the mean of batch accuracies: a short batch counts too much, for {case}"
            )
            percent = abs(got - 100 * want) < 1e-4 or abs(got - (n - 1)) < 1e-9
            require(not percent, f"a fraction from 0 to 1 is wanted, for {case}")
            trained = abs(got - sum((-a).argmax(dim=1).eq(b).sum().item() for a, b in loader) / n) < 1e-6
            require(not trained, f"the model was asked in training mode, for {case}")
        same(got, want, case=case)
        require(not model.recorded, f"autograd has recorded the predictions, for {case}")
        before, after = ("training" if m else "evaluation" for m in (mode, model.training))
        require(
            before == after, f"the model was in {before} mode before, and is in {after} mode now, for {case}"
        )


@exercise("03.8", "Find the bug: a model that cannot say no", wants="class")
def check_classifier(answer):
    """Logits: nothing after the last linear layer, a ReLU between the two."""
    model = run(answer, case="Classifier()")
    require(isinstance(model, nn.Module), "the result of Classifier() is no nn.Module")
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    shapes = [tuple(m.weight.shape) for m in linear]
    wanted = [(32, 784), (10, 32)]
    require(shapes == wanted, f"the linear layers have weights of shape {shapes}, wanted {wanted}")
    g = fresh_generator()
    for n in (16, 1):
        case = f"{n} images" if n > 1 else "1 image"
        X = 3 * torch.randn(n, 1, 28, 28, generator=g)
        got = run(model.eval(), X, case=case)
        _tensor(got, case)
        hidden = F.linear(X.flatten(start_dim=1), linear[0].weight, linear[0].bias)
        logits = F.linear(hidden.relu(), linear[1].weight, linear[1].bias)
        if got.shape == logits.shape:
            wrong = {
                "the rows add up to 1: CrossEntropyLoss takes the softmax itself": (
                    logits.softmax(dim=1),
                    logits.relu().softmax(dim=1),
                ),
                "no output is ever negative": (logits.relu(),),
                "these are log-probabilities, which NLLLoss wants": (logits.log_softmax(dim=1),),
                "the ReLU between the two layers is gone": (
                    F.linear(hidden, linear[1].weight, linear[1].bias),
                ),
            }
            for message, values in wrong.items():
                require(not any(torch.allclose(got, v, atol=1e-5) for v in values), f"{message}, for {case}")
        same(got, logits, case=case)


@exercise("03.9", "The most confident mistakes")
def check_confident_mistakes(answer):
    """Positions of the wrong predictions, the most probable first."""
    g = fresh_generator()
    for n, classes, k in ((60, 5, 4), (30, 3, 1), (12, 4, 50)):
        case = f"{n} examples and k = {k}"
        logits = torch.randn(n, classes, generator=g) * (1 + 3 * torch.rand(n, 1, generator=g))
        logits += 20 * torch.randn(n, 1, generator=g)  # shifts a row's logits, not its probabilities
        labels = torch.randint(0, classes, (n,), generator=g)
        logits[0, 1] += 99  # the most confident of all is right
        labels[:3], labels[3:6] = logits[:3].argmax(dim=1), (logits[3:6].argmax(dim=1) + 1) % classes
        got = run(answer, logits, labels, k, case=case)
        _tensor(got, case)
        prob, preds = logits.softmax(dim=1).max(dim=1)
        wrong = (preds != labels).nonzero().squeeze(dim=1)
        want = wrong[prob[wrong].argsort(descending=True)][:k]
        require(got.ndim == 1, f"shape {tuple(got.shape)}, wanted one dimension of positions, for {case}")
        require(
            got.dtype == torch.int64, f"dtype {got.dtype}, wanted whole numbers that can index, for {case}"
        )
        inside = bool(((got >= 0) & (got < n)).all())
        require(inside, f"there are positions that do not exist in the whole set, for {case}")
        right = bool((preds[got] == labels[got]).any())
        require(not right, f"some of these predictions are right, for {case}")
        require(len(got) == len(want), f"{len(got)} positions, wanted min(k, number of mistakes), for {case}")
        if not torch.equal(got, want):
            backwards = torch.equal(got, wrong[prob[wrong].argsort()][:k])
            require(not backwards, f"the most confident mistake must come first, for {case}")
            largest = wrong[logits.max(dim=1).values[wrong].argsort(descending=True)][:k]
            hint = "a large logit is not a large probability: it depends on the others in its row"
            require(not torch.equal(got, largest), f"{hint}, for {case}")
            true_prob = logits.softmax(dim=1)[torch.arange(n), labels]
            doubted = wrong[true_prob[wrong].argsort()][:k]
            hint = "sorted by the probability of the true class; the predicted one's is wanted"
            require(not torch.equal(got, doubted), f"{hint}, for {case}")
        same(got, want, case=case)


@exercise("03.10", "Max pooling by hand")
def check_max_pooling(answer):
    """The largest value of each window, as F.max_pool2d finds it."""
    g = fresh_generator()
    for shape, k in (((2, 3, 8, 8), 2), ((1, 1, 9, 6), 3), ((3, 2, 7, 9), 2), ((1, 4, 5, 5), 5)):
        case = f"images of shape {shape} and windows of {k}"
        images = torch.randn(shape, generator=g) - 5  # all negative, or nearly
        got = run(answer, images, k, case=case)
        want = F.max_pool2d(images, k)
        if isinstance(got, torch.Tensor) and got.shape == want.shape:
            mean = torch.allclose(got, F.avg_pool2d(images, k), atol=1e-4)
            require(not mean, f"this is the mean of each window, for {case}")
            require(not (got == 0).any(), f"zeros have got into the windows from somewhere, for {case}")
        if isinstance(got, torch.Tensor):
            sliding = got.shape == F.max_pool2d(images, k, stride=1).shape and got.shape != want.shape
            require(
                not sliding, f"the windows overlap: the next one must start where this one ends, for {case}"
            )
        same(got, want, case=case, hint="some windows hold pixels that are not neighbours")


@exercise("03.11", "A convolution with channels")
def check_convolution(answer):
    """The result of F.conv2d, for several channels and kernels."""
    g = fresh_generator()
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
        got = run(answer, images, weight, bias, case=case)
        want = F.conv2d(images, weight, bias)
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
