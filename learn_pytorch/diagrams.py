"""Pictures of ideas: neuron, network, matrix product, loop, split, convolution, stack of layers.

Each function draws on the ``ax`` it is given or on a new one, at most nine inches wide, and
returns it. The drawing code is no part of any lesson; what it shows is.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from helper_functions import PALETTE

INK = "#33424F"
PALE, WARM, COOL = "#CFE6F5", "#F6C667", "#BFE3D6"
SLOT = 1.7  # room of a layer in draw_layers
SHOWN = 6  # units of a layer that are drawn; larger layers show dots


def _canvas(ax, width: float, height: float):
    """Axes without ticks in which one unit is as long in both directions."""
    if ax is None:
        fig, ax = plt.subplots(figsize=(width, height))
        fig.subplots_adjust(0.01, 0.01, 0.99, 0.92)  # the picture fills the page
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def _circle(ax, x, y, text="", colour=PALE, radius=0.32, size=11):
    ax.add_patch(Circle((x, y), radius, facecolor=colour, edgecolor=INK, linewidth=1.3, zorder=3))
    ax.text(x, y, text, ha="center", va="center", fontsize=size, zorder=4)


def _box(ax, x, y, text, colour=PALE, width=1.5, height=0.7):
    style = "round,pad=0,rounding_size=0.12"
    corner = (x - width / 2, y - height / 2)
    look = {"facecolor": colour, "edgecolor": INK, "linewidth": 1.3, "zorder": 3}
    box = ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, **look))
    ax.text(x, y, text, ha="center", va="center", fontsize=10, zorder=4)
    return box


def _arrow(ax, start, end, bend=0.0, **ends):
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=12,
            connectionstyle=f"arc3,rad={bend}",
            color=INK,
            linewidth=1.4,
            shrinkA=0,
            shrinkB=3 if ends else 0,
            zorder=2,
            **ends,
        )
    )


def draw_neuron(
    inputs: Sequence[str] = ("$x_1$", "$x_2$", "$x_3$"),
    weights: Sequence[str] = ("$w_1$", "$w_2$", "$w_3$"),
    bias: str = "$b$",
    activation: str = "",
    output: str = "$y$",
    ax=None,
):
    """Draws one neuron: inputs times weights, summed with the bias, then perhaps bent.

    Args:
        inputs: The text in each input.
        weights: The text on each arrow, one for each input.
        bias: The text on the arrow from the constant 1.
        activation: Name of the function after the sum; none is drawn if it is empty.
        output: The text in the output.
        ax: Axes to draw on; a new figure by default.

    Raises:
        ValueError: There is not one weight for each input.

    Example:
        >>> draw_neuron(("3", "2"), ("0.5", "-1"), bias="4").get_title()
        ''
    """
    if len(inputs) != len(weights):
        raise ValueError(f"weights must hold one text for each of {len(inputs)} inputs, got {len(weights)}")
    rows = len(inputs) + 1
    ax = _canvas(ax, 8.5 if activation else 7, 0.75 * rows + 0.4)
    middle = -(rows - 1) / 2
    heights = [-float(row) for row in range(rows)]
    for y, text, weight in zip(heights, [*inputs, "1"], [*weights, bias], strict=True):
        constant = y == heights[-1]
        _circle(ax, 0, y, text, colour="white" if constant else PALE)
        _arrow(ax, (0.34, y), (3 - 0.5, middle + 0.25 * (y - middle) / rows))
        ax.text(
            1.15,
            y + (middle - y) * 0.38,
            weight,
            ha="center",
            va="center",
            fontsize=11,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
    _circle(ax, 3, middle, "sum", WARM, radius=0.5)
    x = 3
    if activation:
        _arrow(ax, (3.5, middle), (4.35, middle))
        _box(ax, 5.1, middle, activation, COOL)
        x = 5.35
    _arrow(ax, (x + 0.5, middle), (x + 1.5, middle))
    _circle(ax, x + 1.85, middle, output, PALE, radius=0.35)
    ax.set_xlim(-0.5, x + 2.4)
    ax.set_ylim(heights[-1] - 0.5, 0.5)
    return ax


def draw_network(sizes: Sequence[int], labels: Sequence[str] | None = None, weights=None, ax=None):
    """Draws a network of fully connected layers: a circle for each unit, a line for each weight.

    Args:
        sizes: Units of each layer, the inputs first. Of more than six, the first and the last
            three are drawn, with dots between.
        labels: A text below each layer; by default its number of units.
        weights: For each pair of layers a tensor of shape (units after, units before), as
            ``nn.Linear`` holds it: positive weights are drawn blue, negative ones orange and
            dashed, large ones thick. Only for layers of at most six units.
        ax: Axes to draw on; a new figure by default.

    Raises:
        ValueError: Fewer than two layers, or labels or weights that do not fit.

    Example:
        >>> len(draw_network([2, 5, 1]).lines)
        15
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must hold at least 2 layers of at least 1 unit, got {list(sizes)}")
    labels = [str(size) for size in sizes] if labels is None else list(labels)
    if len(labels) != len(sizes):
        raise ValueError(f"labels must hold one text for each of {len(sizes)} layers, got {len(labels)}")
    shapes = [(after, before) for before, after in itertools.pairwise(sizes)]
    if weights is not None:
        got = [tuple(w.shape) for w in weights]
        if got != shapes or max(sizes) > SHOWN:
            raise ValueError(f"weights must have the shapes {shapes}, of at most {SHOWN} units, got {got}")
        largest = max(float(w.detach().abs().max()) for w in weights) or 1.0

    gap = 2.2
    places = []
    for size in sizes:
        shown = min(size, SHOWN + 1)
        ys = [(shown - 1) / 2 - k for k in range(shown)]
        places.append(ys if size <= SHOWN else [y for k, y in enumerate(ys) if k != SHOWN // 2])
    height = max(max(ys) - min(ys) for ys in places)
    ax = _canvas(ax, min(9, 1.1 * gap * (len(sizes) - 1) + 1.6), min(5, 0.62 * height + 1.5))
    for layer, (left, right) in enumerate(itertools.pairwise(places)):
        for i, y0 in enumerate(left):
            for j, y1 in enumerate(right):
                style = {"color": "#7A8896", "linewidth": 0.8, "linestyle": "-"}
                if weights is not None:
                    value = float(weights[layer][j, i])
                    sign = ("blue", "-") if value >= 0 else ("vermillion", "--")
                    style = {
                        "color": PALETTE[sign[0]],
                        "linestyle": sign[1],
                        "linewidth": 0.4 + 3 * abs(value) / largest,
                    }
                ax.plot([layer * gap, (layer + 1) * gap], [y0, y1], zorder=1, **style)
    for layer, (size, ys, label) in enumerate(zip(sizes, places, labels, strict=True)):
        colour = PALE if layer == 0 else COOL if layer == len(sizes) - 1 else WARM
        for y in ys:
            _circle(ax, layer * gap, y, colour=colour, radius=0.3)
        if size > SHOWN:
            ax.text(layer * gap, 0, "⋮", ha="center", va="center", fontsize=16)
        ax.text(layer * gap, -height / 2 - 0.55, label, ha="center", va="top", fontsize=10)
    ax.set_xlim(-0.9, gap * (len(sizes) - 1) + 0.9)
    ax.set_ylim(-height / 2 - 0.75 - 0.45 * max(label.count("\n") + 1 for label in labels), height / 2 + 0.45)
    return ax


def draw_loop(steps: Sequence[str], highlight: int | None = None, centre: str = "", ax=None):
    """Draws steps that follow each other in a circle, as those of a training loop do.

    Args:
        steps: Three or more texts, clockwise from the top.
        highlight: Index of the step to colour, to say "you are here".
        centre: Text in the middle, such as ``"once for each epoch"``.
        ax: Axes to draw on; a new figure by default.

    Raises:
        ValueError: Fewer than three steps, or no such step to highlight.

    Example:
        >>> len(draw_loop(["forward", "loss", "backward", "step"]).texts)
        4
    """
    if len(steps) < 3:
        raise ValueError(f"steps must hold at least 3 texts, got {len(steps)}")
    if highlight is not None and not 0 <= highlight < len(steps):
        raise ValueError(f"highlight must be from 0 to {len(steps) - 1}, got {highlight}")
    ax = _canvas(ax, 7.5, 4.6)
    wide, high = 3.0, 1.75
    boxes = []
    for k, text in enumerate(steps):
        angle = math.pi / 2 - 2 * math.pi * k / len(steps)
        x, y = wide * math.cos(angle), high * math.sin(angle)
        boxes.append((_box(ax, x, y, text, WARM if k == highlight else PALE, 2.2, 0.85), (x, y)))
    for (box, start), (following, end) in zip(boxes, boxes[1:] + boxes[:1], strict=True):
        _arrow(ax, start, end, bend=-0.2, patchA=box, patchB=following)
    if centre:
        ax.text(0, 0, centre, ha="center", va="center", fontsize=11)
    ax.set_xlim(-wide - 1.2, wide + 1.2)
    ax.set_ylim(-high - 0.6, high + 0.6)
    return ax


def draw_split(parts: Mapping[str, float], notes: Sequence[str] = (), ax=None):
    """Draws how a data set is cut into parts, as one bar.

    Args:
        parts: The size of each part, in any unit, in order.
        notes: A text below each part: what it is used for.
        ax: Axes to draw on; a new figure by default.

    Raises:
        ValueError: No parts, a part without size, or notes that do not fit.

    Example:
        >>> draw_split({"train": 80, "test": 20}).texts[0].get_text()
        'train\\n80'
    """
    if not parts or min(parts.values()) <= 0:
        raise ValueError(f"parts must have sizes greater than 0, got {dict(parts)}")
    if notes and len(notes) != len(parts):
        raise ValueError(f"notes must hold one text for each of {len(parts)} parts, got {len(notes)}")
    ax = plt.subplots(figsize=(8.5, 1.4 if notes else 1.0))[1] if ax is None else ax
    total, left = sum(parts.values()), 0.0
    colours = [PALE, WARM, COOL, "#E9D5E3"]
    for k, (name, size) in enumerate(parts.items()):
        width = size / total
        ax.add_patch(Rectangle((left, 0), width, 1, facecolor=colours[k % 4], edgecolor=INK, linewidth=1.3))
        ax.text(left + width / 2, 0.5, f"{name}\n{size:g}", ha="center", va="center", fontsize=10)
        if notes:
            ax.text(left + width / 2, -0.2, notes[k], ha="center", va="top", fontsize=9)
        left += width
    ax.set_xlim(-0.005, 1.005)
    ax.set_ylim(-0.6 if notes else -0.05, 1.05)
    ax.axis("off")
    return ax


def _grid(ax, values: torch.Tensor, left: float, top: float, chosen=(), hidden=(), colour=WARM, size=11):
    """A matrix as boxes; ``chosen`` boxes are coloured, ``hidden`` ones are left empty."""
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            face = colour if (i, j) in chosen else "white" if (i, j) in hidden else PALE
            ax.add_patch(Rectangle((left + j, top - i - 1), 1, 1, facecolor=face, edgecolor=INK, linewidth=1))
            if (i, j) not in hidden:
                text = f"{value:.1f}".removesuffix(".0")
                ax.text(left + j + 0.5, top - i - 0.5, text, ha="center", va="center", fontsize=size)


def draw_product(A: torch.Tensor, B: torch.Tensor, row: int = 0, column: int = 0, ax=None):
    """Draws a matrix product: which row meets which column, and the number that comes of it.

    Args:
        A: Shape (n, k), drawn on the left.
        B: Shape (k, m), drawn above the product.
        row: The row of ``A`` to colour.
        column: The column of ``B`` to colour.
        ax: Axes to draw on; a new figure by default.

    Raises:
        ValueError: The shapes cannot be multiplied, or there is no such row or column.

    Example:
        >>> draw_product(torch.tensor([[1, 2]]), torch.tensor([[3], [4]])).get_title()
        '1 × 3  +  2 × 4  =  11'
    """
    if A.ndim != 2 or B.ndim != 2 or A.shape[1] != B.shape[0]:
        raise ValueError(
            f"A and B must have shapes (n, k) and (k, m), got {tuple(A.shape)} and {tuple(B.shape)}"
        )
    (n, k), m = A.shape, B.shape[1]
    if not (0 <= row < n and 0 <= column < m):
        raise ValueError(f"row must be below {n} and column below {m}, got {row} and {column}")
    C = A @ B
    ax = _canvas(ax, min(9, 0.55 * (k + m) + 2), min(6, 0.55 * (k + n) + 1.6))
    gap = 0.6
    _grid(ax, A, -k - gap, 0, {(row, j) for j in range(k)})
    _grid(ax, B, 0, k + gap, {(i, column) for i in range(k)})
    _grid(ax, C, 0, 0, {(row, column)}, colour=COOL)
    for text, x, y in (
        (f"A {tuple(A.shape)}", -k / 2 - gap, -n - 0.25),
        (f"A @ B {tuple(C.shape)}", m / 2, -n - 0.25),
    ):
        ax.text(x, y, text, ha="center", va="top", fontsize=10)
    ax.text(-0.3, k / 2 + gap, f"B {tuple(B.shape)}", ha="right", va="center", fontsize=10)
    terms = [f"{a:g} × {b:g}" for a, b in zip(A[row].tolist(), B[:, column].tolist(), strict=True)]
    ax.set_title(f"{'  +  '.join(terms)}  =  {C[row, column].item():g}", fontsize=11)
    ax.set_xlim(-k - gap - 0.2, m + 0.2)
    ax.set_ylim(-n - 0.9, k + gap + 0.2)
    return ax


def draw_convolution(image: torch.Tensor, kernel: torch.Tensor, step: int, ax=None):
    """Draws one step of a kernel that slides over an image: window, kernel, output so far.

    Args:
        image: Shape (H, W).
        kernel: Shape (h, w), not larger than the image.
        step: Which position of the window, row by row, from 0; what lies behind it is still empty.
        ax: Axes to draw on; a new figure by default.

    Raises:
        ValueError: The kernel does not fit into the image, or there is no such step.

    Example:
        >>> draw_convolution(torch.eye(4), torch.ones(3, 3), step=1).get_title()
        'step 2 of 4: sum of the products = 2'
    """
    if (
        image.ndim != 2
        or kernel.ndim != 2
        or any(k > s for k, s in zip(kernel.shape, image.shape, strict=True))
    ):
        raise ValueError(
            f"kernel must be a matrix that fits into the image {tuple(image.shape)}, "
            f"got {tuple(kernel.shape)}"
        )
    (H, W), (h, w) = image.shape, kernel.shape
    rows, columns = H - h + 1, W - w + 1
    if not 0 <= step < rows * columns:
        raise ValueError(f"step must be from 0 to {rows * columns - 1}, got {step}")
    out = torch.nn.functional.conv2d(image[None, None].float(), kernel[None, None].float())[0, 0]
    i, j = divmod(step, columns)
    ax = _canvas(ax, min(9, 0.42 * (W + w + columns + 4)), 0.42 * H + 0.9)
    _grid(ax, image, 0, H / 2, {(i + a, j + b) for a in range(h) for b in range(w)}, size=10)
    _grid(ax, kernel, W + 1.5, h / 2, {(a, b) for a in range(h) for b in range(w)}, colour="white", size=10)
    left = W + w + 3
    later = {divmod(k, columns) for k in range(step + 1, rows * columns)}
    _grid(ax, out, left, rows / 2, {(i, j)}, later, colour=COOL, size=10)
    for text, x in (("×", W + 0.75), ("=", W + w + 2.25)):
        ax.text(x, 0, text, ha="center", va="center", fontsize=16)
    for text, x in (("image", W / 2), ("kernel", W + 1.5 + w / 2), ("output", left + columns / 2)):
        ax.text(x, -H / 2 - 0.3, text, ha="center", va="top", fontsize=10)
    ax.set_title(
        f"step {step + 1} of {rows * columns}: sum of the products = {out[i, j].item():g}", fontsize=11
    )
    ax.set_xlim(-0.2, left + columns + 0.2)
    ax.set_ylim(-H / 2 - 1.1, H / 2 + 0.2)
    return ax


def draw_layers(model: torch.nn.Module, shape: Sequence[int], ax=None):
    """Draws what goes from layer to layer of a network, in the order of the computation.

    Feature maps are drawn as sheets, as high as they are and stacked as they are many; vectors as
    bars. The shapes come from running the model on zeros. Layers that leave the shape as it is
    (activations, normalisation, dropout) are written to the layer before.

    Args:
        model: Any module made of layers that each are called once.
        shape: Shape of one input without the batch, such as ``(1, 28, 28)``.
        ax: Axes to draw on; a new figure by default.

    Returns:
        The Axes. The model's mode and gradients are as before.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
        >>> [text.get_text() for text in draw_layers(net, (1, 8, 8)).texts]
        ['input\\n1 × 8 × 8', 'Conv2d\\nReLU\\n4 × 6 × 6', 'Flatten\\n144']
    """
    seen = []  # [names, shape of the output]

    def note(module, inputs, output):
        after = tuple(output.shape[1:])
        if seen and after == seen[-1][1] and not isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            seen[-1][0].append(type(module).__name__)
        else:
            seen.append([[type(module).__name__], after])

    layers = [module for module in model.modules() if not list(module.children())]
    handles = [layer.register_forward_hook(note) for layer in layers]
    modes = [(module, module.training) for module in model.modules()]
    seen.append([["input"], tuple(shape)])
    try:
        model.eval()
        parameter = next(model.parameters(), torch.empty(0))
        with torch.no_grad():
            model(torch.zeros(1, *shape, device=parameter.device, dtype=parameter.dtype))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode

    ax = _canvas(ax, 9, 3.2)
    largest = max(size[-1] for _, size in seen if len(size) == 3)
    lines = max(len(names) for names, _ in seen)
    right = None  # where the layer before ends
    for k, (names, size) in enumerate(seen):
        middle = SLOT * k
        if len(size) == 3:
            side, sheets = 2.0 * size[1] / largest, min(size[0], 5)
            wide = 0.45 * side + 0.12 * (sheets - 1)
            face = PALE if k == 0 else COOL if "Pool" in names[0] else WARM
            for s in range(sheets):
                corner = (middle - wide / 2 + 0.12 * s, -side / 2 + 0.08 * ((sheets - 1) / 2 - s))
                ax.add_patch(
                    Rectangle(corner, 0.45 * side, side, facecolor=face, edgecolor=INK, zorder=2 + s)
                )
        else:
            wide, high = 0.22, 2.2 if size[0] > 30 else 1.1
            corner = (middle - wide / 2, -high / 2)
            ax.add_patch(Rectangle(corner, wide, high, facecolor=COOL, edgecolor=INK, zorder=2))
        if right is not None:
            _arrow(ax, (right + 0.08, 0), (middle - wide / 2 - 0.08, 0))
        right = middle + wide / 2
        text = "\n".join([*names, " × ".join(map(str, size))])
        ax.text(middle, -1.45, text, ha="center", va="top", fontsize=8)
    ax.set_xlim(-SLOT / 2, SLOT * (len(seen) - 0.5))
    ax.set_ylim(-1.6 - 0.3 * (lines + 1), 1.4)
    return ax
