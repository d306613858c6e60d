"""Plotting, accuracy, timing, seeding and device choice, shared by all notebooks.

Every helper leaves its arguments as it found them: no model changes its device or mode, no
gradient is recorded or lost, and the global random state stays where it was (``train_epoch`` and
``seed_everything`` apart, whose job it is to change these). Plotting helpers draw on the ``ax`` they
are given or on a new one, and return it. Shares are fractions between 0 and 1 everywhere, never percent.
"""

import math
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

# Okabe and Ito's eight colours, told apart with every common kind of colour blindness.
# Source: M. Okabe, K. Ito, "Color Universal Design", 2008.
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
_LARGEST_DRAWING = 400  # boxes; beyond that the numbers in them cannot be read


# ------------------------------------------------------------------ style, device, seeds, time


def set_up() -> None:
    """Checks the version of PyTorch and sets the style of all figures.

    The setup cell of every notebook calls it. Programs that a notebook starts print without
    colours, which Python adds from 3.13 on. White figures, so that they read on a dark page
    as on a light one; the Okabe-Ito palette with a line style of its own for each colour, so
    that no line is known by colour alone.

    Raises:
        RuntimeError: PyTorch is too old; the message says what to do.

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

    # Jupyter sets FORCE_COLOR; the text of errors and help should be the same on every Python.
    os.environ.setdefault("PYTHON_COLORS", "0")

    dashes = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2))]
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=list(PALETTE.values()), linestyle=dashes),
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.figsize": (6.4, 4.0),
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "font.size": 11,
            "grid.alpha": 0.3,
            "image.cmap": "viridis",
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )


def pick_device() -> torch.device:
    """The fastest device of this machine: its accelerator if it has one, else the CPU.

    Taught in 00_fundamentals, section 13.

    Returns:
        ``cuda`` (NVIDIA and AMD), ``mps`` (Apple), ``xpu`` (Intel), ... or ``cpu``.

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

    Raises:
        ValueError: ``seed`` is no such number.

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
    goes ahead. Taught in 00_fundamentals, section 14.

    Args:
        fn: Called without arguments, ``repeats + 1`` times.
        repeats: How many timed calls the median is taken of, at least 1.

    Raises:
        TypeError: ``fn`` cannot be called (``time_call(f(x))`` instead of ``lambda: f(x)``).
        ValueError: ``repeats`` is smaller than 1.

    Example:
        >>> time_call(lambda: sum(range(1000))) > 0
        True
    """
    if not callable(fn):
        raise TypeError(
            f"fn must be a function without arguments, got {type(fn).__name__}: "
            "write time_call(lambda: f(x)), not time_call(f(x))"
        )
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")

    def wait() -> None:
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()

    fn()
    seconds = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        fn()
        wait()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


# ------------------------------------------------------------------------------------- accuracy


def accuracy(preds: torch.Tensor, labels: torch.Tensor) -> float:
    """The fraction of predictions that are right.

    Taught in 00_fundamentals, section 10.

    Args:
        preds: Predicted labels, shape (N,), on any device.
        labels: True labels, same shape; whole numbers or booleans, as ``preds``.

    Returns:
        A number between 0 and 1.

    Raises:
        TypeError: An argument is no tensor.
        ValueError: The shapes differ (they are never broadcast), there is nothing to compare,
            or the values are no labels (NaN, logits, probabilities).

    Example:
        >>> accuracy(torch.tensor([2, 0, 1, 1]), torch.tensor([2, 0, 1, 0]))
        0.75
    """
    for name, value in (("preds", preds), ("labels", labels)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if preds.shape != labels.shape:
        raise ValueError(
            f"preds has shape {tuple(preds.shape)}, labels has {tuple(labels.shape)}: "
            "they must be equal, one prediction for each label (see squeeze and argmax)"
        )
    if preds.numel() == 0:
        raise ValueError(f"preds is empty, shape {tuple(preds.shape)}: there is nothing to compare")
    preds, labels = preds.detach().cpu(), labels.detach().cpu()
    for name, value in (("preds", preds), ("labels", labels)):
        if value.is_complex() or (value.is_floating_point() and not (value == value.round()).all()):
            raise ValueError(
                f"{name} must hold labels (whole numbers), got {value.dtype} with other values: "
                "turn logits or probabilities into labels first, with argmax or round"
            )
    return (preds == labels).double().mean().item()


# ------------------------------------------------------------------------- training on batches


class TensorLoader:
    """Batches of images that lie in memory as one tensor, each fetched by a single index.

    The fast path of the course: used like a ``DataLoader``, without its work for each item.
    Taught in 03_computer_vision, section 3, and measured there in section 10.

    Args:
        images: Shape (N, ...), on any device; the batches come from there.
        labels: Class numbers from 0, whole numbers of shape (N,), on the same device.
        batch_size: Images in a batch; the last one may be shorter.
        shuffle: Whether each pass has a new random order.
        generator: Where the order comes from, a CPU generator; PyTorch's global one by default.

    Raises:
        TypeError: ``images`` or ``labels`` is no tensor.
        ValueError: They are empty, differ in length or device, or the labels are no class numbers.

    Example:
        >>> loader = TensorLoader(torch.rand(10, 1, 28, 28), torch.arange(10), batch_size=4)
        >>> [len(y) for X, y in loader]
        [4, 4, 2]
    """

    def __init__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        batch_size: int = 32,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ):
        for name, value in (("images", images), ("labels", labels)):
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
        whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
        if labels.ndim != 1 or not whole:
            raise ValueError(
                "labels must hold class numbers, whole numbers of shape (N,), "
                f"got {labels.dtype} of shape {tuple(labels.shape)}"
            )
        if images.ndim == 0 or len(images) != len(labels) or len(labels) == 0:
            raise ValueError(
                f"images has shape {tuple(images.shape)}, labels has {tuple(labels.shape)}: "
                "there must be one label for each image, and at least one"
            )
        if images.device != labels.device:
            raise ValueError(f"images is on {images.device}, labels on {labels.device}: move one of them")
        lowest = int(labels.min()) if labels.device.type != "meta" else 0
        if lowest < 0:
            raise ValueError(f"labels must be at least 0, got {lowest}")
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number from 1, got {batch_size!r}")
        self.images, self.labels = images, labels.long()
        self.batch_size, self.shuffle, self.generator = batch_size, shuffle, generator

    def __len__(self) -> int:
        """The number of batches."""
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self):
        """One pass: pairs (X, y)."""
        if not self.shuffle:
            yield from zip(
                self.images.split(self.batch_size), self.labels.split(self.batch_size), strict=True
            )
            return
        order = torch.randperm(len(self.labels), generator=self.generator).to(self.labels.device)
        # index_select takes half the time of images[rows], but would lose channels-last.
        contiguous = self.images.is_contiguous()
        for rows in order.split(self.batch_size):
            images = self.images.index_select(0, rows) if contiguous else self.images[rows]
            yield images, self.labels.index_select(0, rows)


def train_epoch(model: torch.nn.Module, loader, loss_fn, optimizer, device=None, *, scheduler=None) -> float:
    """Trains a model on each batch of a loader once.

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
        ValueError: The loader is empty, or labels do not fit the model's number of classes.
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
    for step, (X, y) in enumerate(loader, start=1):
        if device is not None:
            X, y = X.to(device), y.to(device)
        loss = loss_fn(_logits(model, X, y), y)
        value = loss.item()
        if not math.isfinite(value):
            data = "" if bool(X.isfinite().all()) else ", and the batch itself holds NaN or infinity"
            raise FloatingPointError(
                f"the loss is {value} in step {step} of the epoch{data}: training is stopped. Try a smaller "
                "learning rate, normalised inputs, or gradient clipping; check the data for NaN; "
                "then build model and optimizer anew, because these parameters may be spoilt"
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


def evaluate(model: torch.nn.Module, loader, loss_fn, device=None) -> tuple[float, float]:
    """Loss and accuracy of a classifier over a whole data set, whatever the size of the batches.

    Works in evaluation mode and inference mode; afterwards every module is in the mode it was in.
    Taught in 03_computer_vision, section 6.

    Args:
        model: Gives logits of shape (N, C) for a batch.
        loader: Yields pairs (X, y), y with class numbers of shape (N,).
        loss_fn: Mean loss over a batch, called as ``loss_fn(logits, y)``.
        device: Where each batch is moved first; by default it stays where it is.

    Returns:
        Mean loss over all examples, and the fraction that was predicted right.

    Raises:
        ValueError: The loader is empty, or labels do not fit the model's number of classes.
        RuntimeError: The model is on another device than the batch.

    Example:
        >>> loader = TensorLoader(torch.eye(3), torch.arange(3), batch_size=2)
        >>> evaluate(torch.nn.Identity(), loader, torch.nn.CrossEntropyLoss())[1]
        1.0
    """
    modes = [(module, module.training) for module in model.modules()]
    total, right, count = 0.0, 0, 0
    try:
        model.eval()
        with torch.inference_mode():
            for X, y in loader:
                if device is not None:
                    X, y = X.to(device), y.to(device)
                logits = _logits(model, X, y)
                total += loss_fn(logits, y).item() * len(y)
                right += int((logits.argmax(dim=1) == y).sum())
                count += len(y)
    finally:
        for module, mode in modes:
            module.training = mode
    if count == 0:
        raise ValueError("loader is empty: there is nothing to evaluate")
    return total / count, right / count


def count_parameters(model: torch.nn.Module) -> int:
    """How many numbers training may change in a model.

    Taught in 03_computer_vision, section 4.

    Args:
        model: Frozen parameters (``requires_grad=False``) are not counted.

    Raises:
        TypeError: ``model`` is no module.

    Example:
        >>> count_parameters(torch.nn.Linear(784, 10))
        7850
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _logits(model, X, y):
    """The model's logits for a batch, after the checks that make its errors readable."""
    own = next(model.parameters(), X).device
    if not own == X.device == y.device:
        raise RuntimeError(
            f"the model is on {own}, the images on {X.device}, the labels on {y.device}: "
            "move the model with model.to(device) and the batch with X.to(device), y.to(device)"
        )
    logits = model(X)
    if logits.ndim != 2 or y.ndim != 1 or len(logits) != len(y):
        raise ValueError(
            "the model must give logits of shape (N, C) for labels of shape (N,), "
            f"got {tuple(logits.shape)} and {tuple(y.shape)}"
        )
    low, high = (int(y.min()), int(y.max())) if len(y) else (0, 0)
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(
            f"labels must be from 0 to {logits.shape[1] - 1}, because the model has {logits.shape[1]} "
            f"outputs, got labels from {low} to {high}"
        )
    return logits


# --------------------------------------------------------------------------------------- figures


def draw_tensor(
    tensor: torch.Tensor,
    ax=None,
    *,
    title: str = "",
    highlight: torch.Tensor | None = None,
    faded: torch.Tensor | None = None,
    decimals: int | None = None,
):
    """Draws a tensor of up to three dimensions as boxes with a number in each.

    The last dimension runs to the right, the one before it downwards; a third shows as several
    grids side by side, each with its index. Used from 00_fundamentals, section 2.

    Args:
        tensor: 0 to 3 dimensions, 1 to 400 elements, on any device.
        ax: Axes to draw on; a new figure by default.
        title: Heading of the drawing; the shape is written below it in any case.
        highlight: Boolean tensor of the same shape; these boxes are orange.
        faded: Boolean tensor of the same shape; these boxes are pale and dashed.
        decimals: Digits behind the point; by default 0 for whole numbers, 2 for others.

    Returns:
        The matplotlib Axes.

    Raises:
        TypeError: ``tensor`` is no tensor.
        ValueError: It is empty, too large or has too many dimensions, or a mask's shape differs.

    Example:
        >>> draw_tensor(torch.arange(6).reshape(2, 3), title="grid").get_title()
        'grid\\nshape (2, 3)'
    """
    from matplotlib.patches import Rectangle

    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensor must be a tensor, got {type(tensor).__name__}")
    shape = tuple(tensor.shape)
    if tensor.ndim > 3 or not 1 <= tensor.numel() <= _LARGEST_DRAWING:
        raise ValueError(
            f"tensor has shape {shape}: 0 to 3 dimensions and 1 to {_LARGEST_DRAWING} elements can be drawn"
        )
    masks = {}
    for name, mask in (("highlight", highlight), ("faded", faded)):
        if mask is None:
            mask = torch.zeros(shape, dtype=torch.bool)
        if tuple(mask.shape) != shape or mask.dtype != torch.bool:
            raise ValueError(
                f"{name} must be a boolean tensor of shape {shape}, "
                f"got {mask.dtype} of shape {tuple(mask.shape)}"
            )
        masks[name] = mask.detach().cpu()

    grids, rows, columns = (1,) * (3 - tensor.ndim) + shape
    cells = tensor.detach().cpu().reshape(grids, rows, columns)
    highlight, faded = (masks[m].reshape(grids, rows, columns) for m in ("highlight", "faded"))
    whole = not tensor.is_floating_point() or bool((cells == cells.round()).all())
    decimals = (0 if whole else 2) if decimals is None else decimals

    ax = _axes(ax, figsize=(0.7 * grids * (columns + 0.6) + 0.4, 0.7 * rows + 0.9))
    for g in range(grids):
        left = g * (columns + 0.6)
        if tensor.ndim == 3:
            ax.text(left + columns / 2, -0.25, f"[{g}]", ha="center", va="bottom")
        for r in range(rows):
            for c in range(columns):
                pale = bool(faded[g, r, c])
                ax.add_patch(
                    Rectangle(
                        (left + c, r),
                        1,
                        1,
                        facecolor="#F6C667" if highlight[g, r, c] else "white" if pale else "#CFE6F5",
                        edgecolor="#8A8A8A" if pale else "#33424F",
                        linestyle="--" if pale else "-",
                        linewidth=1,
                    )
                )
                value = cells[g, r, c].item()
                text = str(value) if isinstance(value, bool) else f"{value:.{decimals}f}"
                colour = "#767676" if pale else "black"
                ax.text(left + c + 0.5, r + 0.5, text, ha="center", va="center", color=colour)
    ax.set_xlim(-0.1, grids * (columns + 0.6) - 0.5)
    ax.set_ylim(rows + 0.1, -0.9 if tensor.ndim == 3 else -0.1)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(f"{title}\nshape {shape}" if title else f"shape {shape}", fontsize=11)
    return ax


def draw_flow(steps: Sequence[str], ax=None, *, highlight: int | None = None):
    """Draws the steps of a procedure as a row of boxes joined by arrows.

    Used from 01_workflow, section 1.

    Args:
        steps: Two or more labels; a line break in a label is kept.
        ax: Axes to draw on; a new figure by default.
        highlight: Index of the step to colour, to say "you are here".

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: Fewer than two steps, or no such step to highlight.

    Example:
        >>> len(draw_flow(["data", "model", "loss"]).texts)
        5
    """
    if len(steps) < 2:
        raise ValueError(f"steps must hold at least 2 labels, got {len(steps)}")
    if highlight is not None and not 0 <= highlight < len(steps):
        raise ValueError(f"highlight must be from 0 to {len(steps) - 1}, got {highlight}")
    ax = _axes(ax, figsize=(1.5 * len(steps), 1.2))
    for i, step in enumerate(steps):
        box = {
            "boxstyle": "round,pad=0.5",
            "facecolor": "#F6C667" if i == highlight else "#CFE6F5",
            "edgecolor": "#33424F",
        }
        ax.text(i, 0, step, ha="center", va="center", bbox=box, fontsize=10)
        if i:
            arrow = {"arrowstyle": "-|>", "color": "#33424F", "lw": 1.5}
            ax.annotate("", xy=(i - 0.36, 0), xytext=(i - 0.64, 0), arrowprops=arrow)
    ax.set_xlim(-0.5, len(steps) - 0.5)
    ax.set_ylim(-0.5, 0.5)
    ax.axis("off")
    return ax


def show_image(image: torch.Tensor, ax=None, *, title: str = ""):
    """Shows one image tensor, channels first as PyTorch keeps them.

    Taught in 00_fundamentals, section 9 (why matplotlib wants the channels last).

    Args:
        image: Shape (H, W), (1, H, W) or (3, H, W), on any device; whole numbers from 0 to 255
            or floats from 0 to 1. One channel is shown in grey, from its smallest value (black)
            to its largest (white).
        ax: Axes to draw on; a new figure by default.
        title: Heading.

    Returns:
        The matplotlib Axes.

    Raises:
        TypeError: ``image`` is no tensor.
        ValueError: The shape is no image's (the message says what to permute), or it holds NaN.

    Example:
        >>> show_image(torch.rand(3, 8, 8), title="noise").get_title()
        'noise'
    """
    if not isinstance(image, torch.Tensor):
        raise TypeError(f"image must be a tensor, got {type(image).__name__}")
    shape = tuple(image.shape)
    good = image.ndim == 2 or (image.ndim == 3 and shape[0] in (1, 3))
    if not good or image.numel() == 0:
        advice = ""
        if image.ndim == 3 and shape[2] in (1, 3):
            advice = ": the channels come last here, image.permute(2, 0, 1) puts them first"
        elif image.ndim == 4:
            advice = ": this is a batch, pick one image of it, batch[0]"
        raise ValueError(f"image must be (H, W), (1, H, W) or (3, H, W), got {shape}{advice}")
    picture = image.detach().cpu()
    if picture.is_floating_point():
        if picture.isnan().any():
            raise ValueError("image holds NaN")
        picture = picture.float()
    if picture.ndim == 3:
        picture = picture.permute(1, 2, 0).squeeze(2)
    ax = _axes(ax, figsize=(3, 3))
    ax.imshow(picture.numpy(), cmap="gray")
    ax.axis("off")
    if title:
        ax.set_title(title, fontsize=10)
    return ax


def show_images(
    images: Sequence[torch.Tensor] | torch.Tensor,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 8,
):
    """Shows several images as a grid.

    Args:
        images: A batch of shape (N, H, W) or (N, C, H, W), or a list of images, each as
            ``show_image`` takes it.
        titles: One for each image.
        columns: Images in a row, at least 1.

    Returns:
        A list with the Axes of each image.

    Raises:
        ValueError: There is no image, or the number of titles differs.

    Example:
        >>> len(show_images(torch.rand(5, 8, 8), columns=3))
        5
    """
    import matplotlib.pyplot as plt

    count = len(images)
    if count == 0:
        raise ValueError("images is empty: there is nothing to show")
    if titles is not None and len(titles) != count:
        raise ValueError(f"titles must hold one title for each of {count} images, got {len(titles)}")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (1.3 * columns, (1.55 if titles is not None else 1.3) * rows)
    _, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    axes = list(grid.flat)
    for ax in axes[count:]:
        ax.axis("off")
    for i in range(count):
        show_image(images[i], axes[i], title="" if titles is None else str(titles[i]))
    return axes[:count]


def plot_predictions(
    X_train: torch.Tensor,
    y_train: torch.Tensor,
    X_test: torch.Tensor,
    y_test: torch.Tensor,
    preds: torch.Tensor | None = None,
    ax=None,
):
    """Plots data with one feature: training points, test points and, if given, predictions.

    Taught in 01_workflow, section 2.

    Args:
        X_train, y_train: Training inputs and targets, N values each, shape (N,) or (N, 1).
        X_test, y_test: Test inputs and targets, M values each.
        preds: Predictions for ``X_test``, M values.
        ax: Axes to draw on; a new figure by default.

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: An argument is empty, holds NaN, is not a single column, or differs in
            length from the one it belongs to.

    Example:
        >>> x = torch.arange(4.0)
        >>> plot_predictions(x, 2 * x, x + 4, 2 * x + 8).get_xlabel()
        'X'
    """
    columns = {
        name: _column(name, value)
        for name, value in [
            ("X_train", X_train),
            ("y_train", y_train),
            ("X_test", X_test),
            ("y_test", y_test),
            ("preds", preds),
        ]
        if value is not None
    }
    for first, second in [("X_train", "y_train"), ("X_test", "y_test"), ("X_test", "preds")]:
        if second in columns and len(columns[first]) != len(columns[second]):
            raise ValueError(
                f"{second} must hold one value for each of the {len(columns[first])} in {first}, "
                f"got {len(columns[second])}"
            )
    ax = _axes(ax)
    series = [("X_train", "y_train", "training", "blue"), ("X_test", "y_test", "test", "green")]
    if preds is not None:
        series.append(("X_test", "preds", "predictions", "vermillion"))
    for marker, (x, y, label, colour) in zip(_MARKERS, series, strict=False):
        ax.scatter(columns[x], columns[y], s=22, label=label, color=PALETTE[colour], marker=marker)
    ax.set_xlabel("X")
    ax.set_ylabel("y")
    ax.legend()
    return ax


def plot_curves(
    curves: Mapping[str, Sequence[float]],
    x: Sequence[float] | None = None,
    ax=None,
    *,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    log: bool = False,
):
    """Plots one line for each named series, such as training and test loss over the epochs.

    Taught in 01_workflow, section 9.

    Args:
        curves: Label to values; numbers, or tensors with one element each.
        x: Positions on the x axis, one for each value; 0, 1, 2, ... by default.
        ax: Axes to draw on; a new figure by default.
        xlabel, ylabel: Axis labels, with the unit where there is one.
        log: Whether the y axis is logarithmic.

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: No curve, an empty one, one that holds NaN, or one whose length is not that
            of ``x``.

    Example:
        >>> plot_curves({"training": [0.5, 0.2, 0.1]}).get_ylabel()
        'loss'
    """
    if not curves:
        raise ValueError("curves is empty: there is nothing to plot")
    series = {name: _column(f"curves[{name!r}]", values) for name, values in curves.items()}
    for name, values in series.items():
        if x is not None and len(x) != len(values):
            raise ValueError(
                f"curves[{name!r}] must hold one value for each of the {len(x)} positions in x, "
                f"got {len(values)}"
            )
    ax = _axes(ax)
    for name, values in series.items():
        positions = range(len(values)) if x is None else _column("x", x)
        marker = {"marker": _MARKERS[len(ax.lines) % 8], "markersize": 4} if len(values) <= 30 else {}
        ax.plot(positions, values, label=name, **marker)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if log:
        ax.set_yscale("log")
    ax.legend()
    return ax


def plot_decision_boundary(
    model: torch.nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    ax=None,
    *,
    title: str = "",
    legend: bool = True,
):
    """Colours the plane by the label that a model gives to each point, with the data on top.

    Taught in 02_classification, section 3. The model is asked in evaluation mode and inference
    mode; afterwards each of its modules is in the mode it was in.

    Args:
        model: Takes shape (M, 2), gives one logit for each row, (M,) or (M, 1), where above zero
            means class 1, or one for each row and class, (M, C). On any device.
        X: Inputs with two features, shape (N, 2), on any device.
        y: Labels from 0 to C - 1, shape (N,) or (N, 1).
        ax: Axes to draw on; a new figure by default.
        title: Heading.
        legend: Whether to name the classes.

    Returns:
        The matplotlib Axes.

    Raises:
        TypeError: ``model`` is no module, ``X`` or ``y`` no tensor.
        ValueError: ``X`` or ``y`` has another shape, holds NaN or infinite values, ``y`` holds no
            class of the model, or the model gives something else than logits.

    Example:
        >>> X, y = torch.rand(20, 2), torch.arange(20) % 2
        >>> plot_decision_boundary(torch.nn.Linear(2, 2), X, y, title="untrained").get_title()
        'untrained'
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    for name, value in (("X", X), ("y", y)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if X.ndim != 2 or X.shape[1] != 2 or len(X) == 0:
        raise ValueError(f"X must have two features, shape (N, 2), got {tuple(X.shape)}")
    points = X.detach().cpu().double()
    bad = (~points.isfinite()).any(dim=1).nonzero()
    if len(bad):
        raise ValueError(f"X holds NaN or infinity, first in row {int(bad[0])}")
    labels = _column("y", y)
    if len(labels) != len(points):
        raise ValueError(f"y must hold one label for each of the {len(points)} rows of X, got {len(labels)}")
    if (labels != labels.round()).any() or labels.min() < 0:
        raise ValueError("y must hold labels, the whole numbers 0, 1, 2, ...")

    low, high = points.min(dim=0).values, points.max(dim=0).values
    margin = 0.1 * torch.where(high > low, high - low, 1)
    edges = zip(low - margin, high + margin, strict=True)
    sides = [torch.linspace(a, b, 151, dtype=torch.double) for a, b in edges]
    across, up = torch.meshgrid(*sides, indexing="xy")
    grid = torch.stack([across.flatten(), up.flatten()], dim=1)
    own = next(model.parameters(), X)  # its device and dtype; a model without parameters has those of X
    grid = grid.to(own.dtype if own.is_floating_point() else torch.float32).to(own.device)

    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            logits = model(grid)
    finally:
        for module, mode in modes:
            module.training = mode
    if not isinstance(logits, torch.Tensor) or logits.ndim not in (1, 2) or len(logits) != len(grid):
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(f"model must give (M,), (M, 1) or (M, C) logits for M = {len(grid)} rows, got {got}")
    logits = logits.cpu()
    if logits.isnan().any():
        raise ValueError("model gives NaN")
    single = logits.ndim == 1 or logits.shape[1] == 1
    classes = 2 if single else logits.shape[1]
    if labels.max() >= classes:
        raise ValueError(f"y holds the label {int(labels.max())}, but the model knows {classes} classes only")
    regions = (logits.flatten() > 0).long() if single else logits.argmax(dim=1)

    ax = _axes(ax, figsize=(5, 4.6))
    colours = [list(PALETTE.values())[k % len(PALETTE)] for k in range(classes)]
    levels = [k - 0.5 for k in range(classes + 1)]
    area = regions.reshape(across.shape).numpy()
    ax.contourf(across.numpy(), up.numpy(), area, levels=levels, colors=colours, alpha=0.25)
    for k in range(classes):
        rows = labels == k
        x, marker = points.numpy()[rows], _MARKERS[k % len(_MARKERS)]
        ax.scatter(x[:, 0], x[:, 1], s=10, color=colours[k], marker=marker, label=f"class {k}")
    ax.set_xlabel("x1")
    ax.set_ylabel("x2")
    ax.grid(False)
    if legend:
        ax.legend(loc="upper right", frameon=True, fontsize=9)
    if title:
        ax.set_title(title, fontsize=11)
    return ax


def plot_confusion_matrix(matrix: torch.Tensor, class_names: Sequence[str] | None = None, ax=None):
    """Draws a confusion matrix: a row for each true class, a column for each predicted one.

    Taught in 02_classification, section 10. The shade of a box is its share of its row.

    Args:
        matrix: Counts, shape (C, C), on any device; element [i, j] says how many examples of
            class i were predicted as class j.
        class_names: C names; 0, 1, 2, ... by default.
        ax: Axes to draw on; a new figure by default.

    Returns:
        The matplotlib Axes.

    Raises:
        TypeError: ``matrix`` is no tensor.
        ValueError: It is not square, holds something else than counts, or the number of names
            differs.

    Example:
        >>> plot_confusion_matrix(torch.tensor([[5, 1], [0, 4]]), ["cat", "dog"]).get_ylabel()
        'true class'
    """
    if not isinstance(matrix, torch.Tensor):
        raise TypeError(f"matrix must be a tensor, got {type(matrix).__name__}")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.numel() == 0:
        raise ValueError(f"matrix must be square, shape (C, C), got {tuple(matrix.shape)}")
    counts = matrix.detach().cpu().double()
    if not (counts == counts.round()).all() or (counts < 0).any():
        raise ValueError("matrix must hold counts, whole numbers from 0")
    size = len(counts)
    if class_names is not None and len(class_names) != size:
        raise ValueError(f"class_names must hold one name for each of {size} classes, got {len(class_names)}")
    names = list(range(size)) if class_names is None else list(class_names)
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    ax = _axes(ax, figsize=(0.55 * size + 2.2, 0.5 * size + 1.7))
    ax.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    for i in range(size):
        for j in range(size):
            colour = "white" if shares[i, j] > 0.5 else "black"
            ax.text(j, i, int(counts[i, j]), ha="center", va="center", color=colour, fontsize=10)
    turned = max(len(str(n)) for n in names) > 5
    ax.set_xticks(range(size), names, rotation=45 if turned else 0, ha="right" if turned else "center")
    ax.set_yticks(range(size), names)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    ax.grid(False)
    return ax


def _axes(ax, figsize=None):
    """The Axes given, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=figsize)[1]


def _column(name: str, values):
    """``values`` as a NumPy array of shape (N,), or a ValueError that names the argument."""
    if not isinstance(values, torch.Tensor):
        values = torch.tensor([float(v) for v in values])
    values = values.detach().cpu()
    if values.ndim == 2 and values.shape[1] == 1:
        values = values.squeeze(1)
    if values.ndim != 1 or values.numel() == 0:
        raise ValueError(
            f"{name} must hold one column of at least one value, shape (N,) or (N, 1), "
            f"got {tuple(values.shape)}"
        )
    values = values.double()
    if values.isnan().any():
        first = int(values.isnan().nonzero()[0])
        raise ValueError(f"{name} holds NaN, first at index {first}")
    return values.numpy()
