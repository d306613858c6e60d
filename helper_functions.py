"""Plotting, accuracy, timing, seeding and device choice, shared by all notebooks.

Every helper leaves its arguments as it found them: no model changes its device or mode, no
gradient is recorded or lost, and the global random state stays where it was (``train_epoch`` and
``seed_everything`` apart, whose job it is to change these). What a helper cannot work with is
refused by a message that names the argument: a ``TypeError`` for something of another kind, a
``ValueError`` for a shape, a length or values that do not fit (NaN always among them). Shares are
fractions between 0 and 1 everywhere, never percent.

Plotting helpers draw on the matplotlib ``ax`` that they are given, or else on that of a new figure,
and return it. A new figure is at most nine inches wide, as wide as a notebook's column.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from learn_pytorch.progress_bar import progress_bar

if TYPE_CHECKING:  # matplotlib is imported by what draws
    from matplotlib.axes import Axes

Batches = Iterable[tuple[Tensor, Tensor]]  # pairs (X, y)
Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and labels, the mean over a batch

# Told apart with every common kind of colour blindness: Okabe and Ito, "Color Universal Design", 2008.
PALETTE = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "orange": "#E69F00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}
_MARKERS = "osD^vPX*"
_BOX, _CHOSEN_BOX, _BOX_EDGE = "#CFE6F5", "#F6C667", "#33424F"
_WIDEST = 9  # inches


def set_up() -> None:
    """Refuses a PyTorch that is too old, and sets the style of all figures.

    The setup cell of every notebook calls it. Figures are white, to be read on a dark page as on a
    light one; each colour of the palette comes with a line style of its own, so that no line is
    known by its colour alone.

    Example:
        >>> set_up()
    """
    import matplotlib as mpl
    from cycler import cycler

    # torch.__version__ compares as a version, not as text: 2.10 is newer than 2.6.
    if torch.__version__ < (2, 6):
        raise RuntimeError(
            f"this course needs PyTorch 2.6 or newer, found {torch.__version__}: "
            'run %pip install --upgrade "torch>=2.6" torchvision and restart the kernel'
        )

    # Programs that a notebook starts print without colours, as they did before Python 3.13.
    os.environ.setdefault("PYTHON_COLORS", "0")

    dashes = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2))]
    mpl.rc("axes", grid=True, axisbelow=True, prop_cycle=cycler(color=[*PALETTE.values()], linestyle=dashes))
    mpl.rc("axes.spines", top=False, right=False)
    mpl.rc("figure", figsize=(6.4, 4.0), dpi=100, facecolor="white")
    mpl.rc("font", size=11)
    mpl.rc("grid", alpha=0.3)
    mpl.rc("legend", frameon=False)
    mpl.rc("lines", linewidth=2)


def pick_device() -> torch.device:
    """The fastest device of this machine: its accelerator if it has one, else the CPU.

    That is ``cuda`` (NVIDIA and AMD), ``mps`` (Apple), ``xpu`` (Intel), ... or ``cpu``.
    Taught in 00_fundamentals, section 13.

    Example:
        >>> isinstance(pick_device(), torch.device)
        True
    """
    # current_accelerator() names the accelerator torch was built for, even where there is none.
    if torch.accelerator.is_available():
        return torch.accelerator.current_accelerator()
    return torch.device("cpu")


def seed_everything(seed: int) -> None:
    """Seeds Python's ``random``, NumPy and PyTorch (the CPU and every accelerator).

    Taught in 00_fundamentals, section 12.

    Args:
        seed: A whole number from 0 to 2**32 - 1 (NumPy takes no larger one).

    Example:
        >>> seed_everything(42)
        >>> torch.rand(2)
        tensor([0.8823, 0.9150])
    """
    import numpy as np

    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1, got {seed!r}")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (NumPy's global state is what pandas and scikit-learn use)
    torch.manual_seed(seed)


def time_call(fn: Callable[[], object], repeats: int = 5) -> float:
    """Median time of one call of ``fn``, in seconds, after one call to warm up.

    Waits for the accelerator before it reads the clock, because a GPU works on while Python
    goes ahead. Taught in 00_fundamentals, section 19.5.

    Args:
        fn: Called without arguments, ``repeats + 1`` times.
        repeats: How many timed calls the median is taken of, at least 1.

    Example:
        >>> time_call(lambda: sum(range(1000))) > 0
        True
    """
    if not callable(fn):
        raise TypeError(f"fn must be a function without arguments, got {type(fn).__name__}: lambda: f(x)?")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")

    def now() -> float:
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        return time.perf_counter()

    fn()
    seconds = []
    for _ in range(repeats):
        start = now()
        fn()
        seconds.append(now() - start)
    return statistics.median(seconds)


def accuracy(preds: Tensor, labels: Tensor) -> float:
    """The fraction of predictions that are right, between 0 and 1.

    Taught in 00_fundamentals, section 10.

    Args:
        preds: Predicted labels, shape (N,), on any device.
        labels: True labels, same shape (nothing is broadcast); whole numbers or booleans, as ``preds``.

    Example:
        >>> accuracy(torch.tensor([2, 0, 1, 1]), torch.tensor([2, 0, 1, 0]))
        0.75
    """
    _check_type(Tensor, preds=preds, labels=labels)
    if preds.shape != labels.shape:
        shapes = f"preds has shape {tuple(preds.shape)}, labels has {tuple(labels.shape)}: they must be equal"
        raise ValueError(f"{shapes}, one prediction for each label (see squeeze and argmax)")
    if preds.numel() == 0:
        raise ValueError(f"preds is empty, shape {tuple(preds.shape)}: there is nothing to compare")
    preds, labels = preds.detach().cpu(), labels.detach().cpu()
    for name, value in (("preds", preds), ("labels", labels)):
        if value.is_floating_point() and (value != value.round()).any():
            got = f"{name} must hold labels (whole numbers), got {value.dtype} with other values"
            raise ValueError(f"{got}: turn logits or probabilities into labels first, with argmax or round")
    return (preds == labels).double().mean().item()


# ------------------------------------------------------------------------- training on batches


class TensorLoader:
    """Batches of images that lie in memory as one tensor, each fetched by a single index.

    The fast path of the course: used like a ``DataLoader``, without its work for each item.
    Taught in 03_computer_vision, section 3, and measured there in section 15.4.

    Args:
        images: Shape (N, ...), on any device; the batches come from there.
        labels: Class numbers from 0, whole numbers of shape (N,), on the same device.
        batch_size: Images in a batch; the last one may be shorter.
        shuffle: Whether each pass has a new random order.
        generator: Where the order comes from, a CPU generator; PyTorch's global one by default.

    Example:
        >>> loader = TensorLoader(torch.rand(10, 1, 28, 28), torch.arange(10), batch_size=4)
        >>> [len(y) for X, y in loader]
        [4, 4, 2]
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int = 32,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ):
        _check_type(Tensor, images=images, labels=labels)
        if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
            got = f"{labels.dtype} of shape {tuple(labels.shape)}"
            raise ValueError(f"labels must hold class numbers, whole numbers of shape (N,), got {got}")
        _check_length("labels", labels, "label", len(images), "images")
        if len(images) == 0:
            raise ValueError("images is empty: there must be at least one")
        if images.device != labels.device:
            raise ValueError(f"images is on {images.device}, labels on {labels.device}: move one of them")
        if labels.min() < 0:
            raise ValueError(f"labels must be at least 0, got {int(labels.min())}")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number from 1, got {batch_size!r}")
        self.images, self.labels = images, labels.long()
        self.batch_size, self.shuffle, self.generator = batch_size, shuffle, generator

    def __len__(self) -> int:
        """The number of batches."""
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass: pairs (X, y)."""
        images, labels, size = self.images, self.labels, self.batch_size
        if not self.shuffle:
            yield from zip(images.split(size), labels.split(size), strict=True)
            return
        order = torch.randperm(len(labels), generator=self.generator).to(labels.device)
        # index_select takes half the time of images[rows], but would lose channels-last.
        contiguous = images.is_contiguous()
        for rows in order.split(size):
            yield images.index_select(0, rows) if contiguous else images[rows], labels.index_select(0, rows)


def train_epoch(
    model: nn.Module,
    loader: Batches,
    loss_fn: Loss,
    optimizer: torch.optim.Optimizer,
    device: torch.device | str | None = None,
    *,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> float:
    """Trains a model on each batch of a loader once, with a progress bar if that takes a while.

    Leaves the model in training mode. Taught in 03_computer_vision, section 6.

    Args:
        model: Gives logits of shape (N, C) for a batch; its parameters are changed.
        loader: Yields pairs (X, y), y with class numbers of shape (N,).
        loss_fn: Mean loss over a batch, called as ``loss_fn(logits, y)``.
        optimizer: Of the model's parameters.
        device: Where each batch is moved first; by default it stays where it is.
        scheduler: Of the optimizer's learning rate; its ``step`` is called after every batch.

    Returns:
        The mean loss over all examples, each measured before the step that used it.

    Raises:
        RuntimeError: The model is on another device than the batch.
        FloatingPointError: The loss is NaN or infinite; the message says what to try.

    Example:
        >>> loader = TensorLoader(torch.rand(8, 4), torch.arange(8) % 2)
        >>> model = torch.nn.Linear(4, 2)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> train_epoch(model, loader, torch.nn.CrossEntropyLoss(), optimizer) > 0
        True
    """
    model.train()
    total, count = 0.0, 0
    with progress_bar(loader, "training", unit=" batches") as batches:
        for step, (X, y) in enumerate(batches, start=1):
            if device is not None:
                X, y = X.to(device), y.to(device)
            loss = loss_fn(_logits(model, X, y), y)
            value = loss.item()
            if not math.isfinite(value):
                data = "" if X.isfinite().all() else ", and the batch itself holds NaN or infinity"
                raise FloatingPointError(
                    f"the loss is {value} in step {step} of the epoch{data}: training is stopped. Try a "
                    "smaller learning rate, normalised inputs, or gradient clipping; check the data for "
                    "NaN; then build model and optimizer anew, because these parameters may be spoilt"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            total, count = total + value * len(y), count + len(y)
    if count == 0:
        raise ValueError("loader is empty: there is nothing to train on")
    return total / count


def evaluate(
    model: nn.Module, loader: Batches, loss_fn: Loss, device: torch.device | str | None = None
) -> tuple[float, float]:
    """Mean loss and accuracy of a classifier over all examples, whatever the size of the batches.

    Works in evaluation mode and inference mode. Taught in 03_computer_vision, section 6.

    Args:
        model, loader, loss_fn, device: As in ``train_epoch``.

    Example:
        >>> loader = TensorLoader(torch.eye(3), torch.arange(3), batch_size=2)
        >>> evaluate(torch.nn.Identity(), loader, torch.nn.CrossEntropyLoss())[1]
        1.0
    """
    total, right, count = 0.0, 0, 0
    with _evaluation(model), progress_bar(loader, "evaluating", unit=" batches") as batches:
        for X, y in batches:
            if device is not None:
                X, y = X.to(device), y.to(device)
            logits = _logits(model, X, y)
            total += loss_fn(logits, y).item() * len(y)
            right += int((logits.argmax(dim=1) == y).sum())
            count += len(y)
    if count == 0:
        raise ValueError("loader is empty: there is nothing to evaluate")
    return total / count, right / count


def count_parameters(model: nn.Module) -> int:
    """How many numbers training may change in a model.

    Taught in 03_computer_vision, section 4.

    Args:
        model: Frozen parameters (``requires_grad=False``) are not counted.

    Example:
        >>> count_parameters(torch.nn.Linear(784, 10))
        7850
    """
    _check_type(nn.Module, model=model)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@contextlib.contextmanager
def _evaluation(model):
    """Evaluation mode and inference mode; then every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _logits(model, X, y):
    """The model's logits for a batch, after the checks that make its errors readable."""
    own = next(model.parameters(), X).device
    if not own == X.device == y.device:
        where = f"the model is on {own}, the images on {X.device}, the labels on {y.device}"
        advice = "move the model with model.to(device) and the batch with X.to(device), y.to(device)"
        raise RuntimeError(f"{where}: {advice}")
    logits = model(X)
    if logits.ndim != 2 or y.ndim != 1 or len(logits) != len(y):
        got = f"{tuple(logits.shape)} and {tuple(y.shape)}"
        raise ValueError(f"the model must give logits of shape (N, C) for labels of shape (N,), got {got}")
    classes = logits.shape[1]
    low, high = (int(y.min()), int(y.max())) if len(y) else (0, 0)
    if low < 0 or high >= classes:
        wanted = f"from 0 to {classes - 1}, because the model has {classes} outputs"
        raise ValueError(f"labels must be {wanted}, got labels from {low} to {high}")
    return logits


# --------------------------------------------------------------------------------------- figures


def draw_tensor(
    tensor: Tensor,
    ax: Axes | None = None,
    *,
    title: str = "",
    highlight: Tensor | None = None,
    faded: Tensor | None = None,
    decimals: int | None = None,
) -> Axes:
    """Draws a tensor of up to three dimensions as boxes with a number in each.

    The last dimension runs to the right, the one before it downwards; a third shows as several
    grids side by side, each with its index. Used from 00_fundamentals, section 2.

    Args:
        tensor: 0 to 3 dimensions, 1 to 400 elements, on any device.
        title: Heading of the drawing; the shape is written below it in any case.
        highlight: Boolean tensor of the same shape; these boxes are orange.
        faded: Boolean tensor of the same shape; these boxes are pale and dashed.
        decimals: Digits behind the point; by default 0 for whole numbers, 2 for others.

    Example:
        >>> draw_tensor(torch.arange(6).reshape(2, 3), title="grid").get_title()
        'grid\\nshape (2, 3)'
    """
    from matplotlib.patches import Rectangle

    _check_type(Tensor, tensor=tensor)
    shape = tuple(tensor.shape)
    if tensor.ndim > 3 or not 1 <= tensor.numel() <= 400:  # the numbers in more boxes cannot be read
        raise ValueError(f"tensor has shape {shape}: 0 to 3 dimensions and 1 to 400 elements can be drawn")
    three = (1,) * (3 - tensor.ndim) + shape
    grids, rows, columns = three
    values = tensor.detach().cpu().reshape(three)
    chosen = _mask("highlight", highlight, shape).reshape(three)
    pale = _mask("faded", faded, shape).reshape(three)
    if decimals is None:
        decimals = 2 if tensor.is_floating_point() and (values != values.round()).any() else 0

    width = 0.7 * grids * (columns + 0.6) + 0.4
    fontsize = max(8, 11 * _WIDEST / width) if ax is None and width > _WIDEST else 11
    ax = _axes(ax, width, 0.7 * rows + 0.9)
    for g, r, c in torch.cartesian_prod(*map(torch.arange, three)).tolist():
        x, y = g * (columns + 0.6) + c, r
        style = {"facecolor": _BOX, "edgecolor": _BOX_EDGE, "linestyle": "-"}
        if pale[g, r, c]:
            style = {"facecolor": "white", "edgecolor": "#8A8A8A", "linestyle": "--"}
        if chosen[g, r, c]:
            style["facecolor"] = _CHOSEN_BOX
        ax.add_patch(Rectangle((x, y), 1, 1, linewidth=1, **style))
        value = values[g, r, c].item()
        text = str(value) if isinstance(value, bool) else f"{value:.{decimals}f}"
        colour = "#767676" if pale[g, r, c] else "black"
        ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=colour, fontsize=fontsize)
    for g in range(grids if tensor.ndim == 3 else 0):
        ax.text(g * (columns + 0.6) + columns / 2, -0.25, f"[{g}]", ha="center", va="bottom")
    top = -0.9 if tensor.ndim == 3 else -0.1
    ax.set(xlim=(-0.1, grids * (columns + 0.6) - 0.5), ylim=(rows + 0.1, top), aspect="equal")
    ax.axis("off")
    ax.set_title(f"{title}\nshape {shape}" if title else f"shape {shape}", fontsize=11)
    return ax


def draw_flow(steps: Sequence[str], ax: Axes | None = None, *, highlight: int | None = None) -> Axes:
    """Draws the steps of a procedure as a row of boxes joined by arrows.

    Used from 00_fundamentals, section 14.

    Args:
        steps: Two or more labels; a line break in a label is kept.
        highlight: Index of the step to colour, to say "you are here".

    Example:
        >>> len(draw_flow(["data", "model", "loss"]).texts)
        5
    """
    if len(steps) < 2:
        raise ValueError(f"steps must hold at least 2 labels, got {len(steps)}")
    if highlight is not None and not 0 <= highlight < len(steps):
        raise ValueError(f"highlight must be from 0 to {len(steps) - 1}, got {highlight}")
    ax = _axes(ax, 1.5 * len(steps), 1.2)
    arrow = {"arrowstyle": "-|>", "color": _BOX_EDGE, "lw": 1.5}
    for i, step in enumerate(steps):
        colour = _CHOSEN_BOX if i == highlight else _BOX
        box = {"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": _BOX_EDGE}
        ax.text(i, 0, step, ha="center", va="center", bbox=box, fontsize=10 if len(steps) < 7 else 8)
        if i:
            ax.annotate("", xy=(i - 0.36, 0), xytext=(i - 0.64, 0), arrowprops=arrow)
    ax.set(xlim=(-0.5, len(steps) - 0.5), ylim=(-0.5, 0.5))
    ax.axis("off")
    return ax


def show_image(image: Tensor, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Shows one image tensor, channels first as PyTorch keeps them.

    Taught in 00_fundamentals, section 9 (why matplotlib wants the channels last).

    Args:
        image: Shape (H, W), (1, H, W) or (3, H, W), on any device; whole numbers from 0 to 255
            or floats from 0 to 1. One channel is shown in grey, from its smallest value (black)
            to its largest (white).
        title: Heading.

    Example:
        >>> show_image(torch.rand(3, 8, 8), title="noise").get_title()
        'noise'
    """
    _check_type(Tensor, image=image)
    shape = tuple(image.shape)
    good = image.ndim == 2 or (image.ndim == 3 and shape[0] in (1, 3))
    if not good or image.numel() == 0:
        advice = ""
        if image.ndim == 3 and shape[2] in (1, 3):
            advice = ": the channels come last here, image.permute(2, 0, 1) puts them first"
        elif image.ndim == 4:
            advice = ": this is a batch, pick one image of it, batch[0]"
        raise ValueError(f"image must be (H, W), (1, H, W) or (3, H, W), got {shape}{advice}")
    if image.isnan().any():
        raise ValueError("image holds NaN")
    picture = image.detach().cpu()
    if picture.is_floating_point():
        picture = picture.float()  # matplotlib knows neither bfloat16 nor float16
    if picture.ndim == 3:
        picture = picture.permute(1, 2, 0).squeeze(2)
    ax = _axes(ax, 3, 3)
    ax.imshow(picture.numpy(), cmap="gray")
    ax.axis("off")
    if title:
        ax.set_title(title, fontsize=10)
    return ax


def show_images(
    images: Sequence[Tensor] | Tensor, titles: Sequence[str] | None = None, *, columns: int = 8
) -> list[Axes]:
    """Shows several images as a grid, and returns the Axes of each.

    Args:
        images: A batch of shape (N, H, W) or (N, C, H, W), or a list of images, each as
            ``show_image`` takes it.
        titles: One for each image.
        columns: Images in a row, at least 1.

    Example:
        >>> len(show_images(torch.rand(5, 8, 8), columns=3))
        5
    """
    import matplotlib.pyplot as plt

    count = len(images)
    if count == 0:
        raise ValueError("images is empty: there is nothing to show")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    if titles is not None:
        _check_length("titles", titles, "title", count, "images")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    side = min(1.3, _WIDEST / columns)
    size = (side * columns, (side if titles is None else side + 0.25) * rows)
    _, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    axes = list(grid.flat)
    for ax in axes[count:]:
        ax.axis("off")
    for i in range(count):
        show_image(images[i], axes[i], title="" if titles is None else str(titles[i]))
    return axes[:count]


def plot_predictions(
    X_train: Tensor,
    y_train: Tensor,
    X_test: Tensor,
    y_test: Tensor,
    preds: Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plots data with one feature: training points, test points and, if given, predictions.

    Taught in 01_workflow, section 13.

    Args:
        X_train, y_train: Training inputs and targets, N values each, shape (N,) or (N, 1).
        X_test, y_test: Test inputs and targets, M values each.
        preds: Predictions for ``X_test``, M values.

    Example:
        >>> x = torch.arange(4.0)
        >>> plot_predictions(x, 2 * x, x + 4, 2 * x + 8).get_xlabel()
        'X'
    """
    series = [("X_train", X_train, "y_train", y_train), ("X_test", X_test, "y_test", y_test)]
    if preds is not None:
        series.append(("X_test", X_test, "preds", preds))
    points = [(_column(x_name, x), _column(y_name, y)) for x_name, x, y_name, y in series]
    for x_name, x, y_name, y in series:
        _check_length(y_name, y, "value", len(x), f"in {x_name}")
    ax = _axes(ax)
    looks = [("training", "blue", "o"), ("test", "green", "s"), ("predictions", "vermillion", "D")]
    for (x, y), (label, colour, marker) in zip(points, looks, strict=False):
        ax.scatter(x, y, s=22, label=label, color=PALETTE[colour], marker=marker)
    ax.set(xlabel="X", ylabel="y")
    ax.legend()
    return ax


def plot_curves(
    curves: Mapping[str, Sequence[float]],
    x: Sequence[float] | None = None,
    ax: Axes | None = None,
    *,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    log: bool = False,
) -> Axes:
    """Plots one line for each named series, such as training and test loss over the epochs.

    Taught in 01_workflow, section 6.

    Args:
        curves: Label to values; numbers, or tensors with one element each.
        x: Positions on the x axis, one for each value; 0, 1, 2, ... by default.
        xlabel, ylabel: Axis labels, with the unit where there is one.
        log: Whether the y axis is logarithmic.

    Example:
        >>> plot_curves({"training": [0.5, 0.2, 0.1]}).get_ylabel()
        'loss'
    """
    if not curves:
        raise ValueError("curves is empty: there is nothing to plot")
    series = {}
    for name, values in curves.items():
        series[name] = _column(f"curves[{name!r}]", values)
        if x is not None:
            _check_length(f"curves[{name!r}]", values, "value", len(x), "positions in x")
    ax = _axes(ax)
    for name, values in series.items():
        positions = range(len(values)) if x is None else _column("x", x)
        marker = {"marker": _MARKERS[len(ax.lines) % 8], "markersize": 4} if len(values) <= 30 else {}
        ax.plot(positions, values, label=name, **marker)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        ax.set_yscale("log")
    ax.legend()
    return ax


def plot_decision_boundary(
    model: nn.Module, X: Tensor, y: Tensor, ax: Axes | None = None, *, title: str = "", legend: bool = True
) -> Axes:
    """Colours the plane by the label that a model gives to each point, with the data on top.

    Taught in 02_classification, section 3. The model is asked in evaluation mode.

    Args:
        model: Takes shape (M, 2), gives one logit for each row, (M,) or (M, 1), where above zero
            means class 1, or one for each row and class, (M, C). On any device.
        X: Inputs with two features, shape (N, 2), on any device.
        y: Labels from 0 to C - 1, shape (N,) or (N, 1).
        title: Heading.
        legend: Whether to name the classes.

    Example:
        >>> X, y = torch.rand(20, 2), torch.arange(20) % 2
        >>> plot_decision_boundary(torch.nn.Linear(2, 2), X, y, title="untrained").get_title()
        'untrained'
    """
    _check_type(nn.Module, model=model)
    _check_type(Tensor, X=X, y=y)
    if X.ndim != 2 or X.shape[1] != 2 or len(X) == 0:
        raise ValueError(f"X must have two features, shape (N, 2), got {tuple(X.shape)}")
    points = X.detach().cpu().double()
    if not points.isfinite().all():
        raise ValueError("X holds NaN or infinity")
    labels = _column("y", y)
    _check_length("y", labels, "label", len(points), "rows of X")
    if (labels != labels.round()).any() or labels.min() < 0:
        raise ValueError("y must hold labels, the whole numbers 0, 1, 2, ...")

    low, high = points.min(dim=0).values, points.max(dim=0).values
    margin = 0.1 * torch.where(high > low, high - low, 1)
    edges = zip(low - margin, high + margin, strict=True)
    sides = [torch.linspace(a, b, 151, dtype=torch.double) for a, b in edges]
    across, up = torch.meshgrid(*sides, indexing="xy")
    grid = torch.stack([across.flatten(), up.flatten()], dim=1)
    regions, classes = _predicted_labels(model, grid, like=X)
    if labels.max() >= classes:
        raise ValueError(f"y holds the label {int(labels.max())}, but the model knows {classes} classes only")

    ax = _axes(ax, 5, 4.6)
    colours = [list(PALETTE.values())[k % len(PALETTE)] for k in range(classes)]
    borders = [k - 0.5 for k in range(classes + 1)]
    ax.contourf(across, up, regions.reshape(across.shape), levels=borders, colors=colours, alpha=0.25)
    for k in range(classes):
        x, marker = points.numpy()[labels == k], _MARKERS[k % len(_MARKERS)]
        ax.scatter(x[:, 0], x[:, 1], s=10, color=colours[k], marker=marker, label=f"class {k}")
    ax.set(xlabel="x1", ylabel="x2")
    ax.grid(False)
    if legend:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    if title:
        ax.set_title(title, fontsize=11)
    return ax


def plot_confusion_matrix(
    matrix: Tensor, class_names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draws a confusion matrix: a row for each true class, a column for each predicted one.

    Taught in 02_classification, section 10. The shade of a box is its share of its row.

    Args:
        matrix: Counts, shape (C, C), on any device; element [i, j] says how many examples of
            class i were predicted as class j.
        class_names: C names; 0, 1, 2, ... by default.

    Example:
        >>> plot_confusion_matrix(torch.tensor([[5, 1], [0, 4]]), ["cat", "dog"]).get_ylabel()
        'true class'
    """
    _check_type(Tensor, matrix=matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.numel() == 0:
        raise ValueError(f"matrix must be square, shape (C, C), got {tuple(matrix.shape)}")
    counts = matrix.detach().cpu().double()
    if not (counts == counts.round()).all() or (counts < 0).any():
        raise ValueError("matrix must hold counts, whole numbers from 0")
    size = len(counts)
    names = list(range(size)) if class_names is None else list(class_names)
    _check_length("class_names", names, "name", size, "classes")
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    ax = _axes(ax, 0.55 * size + 2.2, 0.5 * size + 1.7)
    ax.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    for i in range(size):
        for j in range(size):
            style = {"color": "white" if shares[i, j] > 0.5 else "black", "fontsize": 10 if size < 16 else 8}
            ax.text(j, i, int(counts[i, j]), ha="center", va="center", **style)
    turned = max(len(str(n)) for n in names) > 5
    ax.set_xticks(range(size), names, rotation=45 if turned else 0, ha="right" if turned else "center")
    ax.set_yticks(range(size), names)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.grid(False)
    return ax


def _axes(ax, width=6.4, height=4.0):
    """The Axes given, or those of a new figure of so many inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(min(width, _WIDEST), height))[1]


def _check_type(kind, **arguments):
    """A TypeError that names the first argument that is not of its kind."""
    wanted = "a tensor" if kind is Tensor else "an nn.Module"
    for name, value in arguments.items():
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be {wanted}, got {type(value).__name__}")


def _check_length(name, values, what, count, of):
    """A ValueError that names the argument, unless it holds so many values."""
    if len(values) != count:
        raise ValueError(f"{name} must hold one {what} for each of {count} {of}, got {len(values)}")


def _mask(name, mask, shape):
    """A boolean tensor of that shape on the CPU, all False where none is given."""
    if mask is None:
        return torch.zeros(shape, dtype=torch.bool)
    if tuple(mask.shape) != shape or mask.dtype != torch.bool:
        got = f"{mask.dtype} of shape {tuple(mask.shape)}"
        raise ValueError(f"{name} must be a boolean tensor of shape {shape}, got {got}")
    return mask.detach().cpu()


def _column(name, values):
    """``values`` as a NumPy array of shape (N,), or a ValueError that names the argument."""
    if not isinstance(values, Tensor):
        values = torch.tensor([float(v) for v in values])
    values = values.detach().cpu().double()
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.squeeze(1)
    if values.ndim != 1 or values.numel() == 0:
        raise ValueError(f"{name} must hold one column of values, (N,) or (N, 1), got {tuple(values.shape)}")
    if values.isnan().any():
        raise ValueError(f"{name} holds NaN, first at index {int(values.isnan().nonzero()[0])}")
    return values.numpy()


def _predicted_labels(model, inputs, like):
    """The label that a model gives to each row, and the number of classes it knows."""
    own = next(model.parameters(), like)  # a model without parameters takes the device and dtype of the data
    inputs = inputs.to(own.dtype if own.is_floating_point() else torch.float32).to(own.device)
    with _evaluation(model), torch.random.fork_rng(devices=[]):
        logits = model(inputs)
    if not isinstance(logits, Tensor) or logits.ndim not in (1, 2) or len(logits) != len(inputs):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"model must give (M,), (M, 1) or (M, C) logits for {len(inputs)} rows, got {got}")
    logits = logits.cpu()
    if logits.isnan().any():
        raise ValueError("model gives NaN")
    if logits.ndim == 1 or logits.shape[1] == 1:
        return (logits.flatten() > 0).long(), 2
    return logits.argmax(dim=1), logits.shape[1]
