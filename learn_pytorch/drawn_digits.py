"""Handwritten digits that nobody wrote: as many new ones as one likes, from a seed.

They are drawn with strokes, each of them moved, turned, sheared, thinned and shaken by chance, and
photographed with an exposure that differs from picture to picture.
"""

import torch

SIDE = 12  # pixels


def _arc(cx, cy, rx, ry, start, end, steps=9):
    """Points of an ellipse's arc, angles in turns, 0 on the right, clockwise on the page."""
    angle = torch.linspace(start, end, steps) * 2 * torch.pi
    return torch.stack([cx + rx * angle.cos(), cy + ry * angle.sin()], dim=1)


def _line(*points):
    return torch.tensor(points, dtype=torch.float32)


# The strokes of each digit, as points (x, y) in a square from −1 to 1, y down.
STROKES = (
    [_arc(0, 0, 0.5, 0.8, 0, 1, 17)],
    [_line((-0.35, -0.45), (0.1, -0.8), (0.1, 0.8))],
    [_arc(0, -0.35, 0.45, 0.45, 0.5, 1.1), _line((0.36, -0.1), (-0.5, 0.8), (0.5, 0.8))],
    [_arc(-0.05, -0.4, 0.45, 0.4, 0.6, 1.25), _arc(-0.05, 0.4, 0.5, 0.42, 0.75, 1.4)],
    [_line((0.2, 0.8), (0.2, -0.8), (-0.5, 0.25), (0.5, 0.25))],
    [_line((0.45, -0.8), (-0.35, -0.8), (-0.4, -0.1)), _arc(-0.05, 0.3, 0.5, 0.5, 0.62, 1.4)],
    [_line((0.35, -0.8), (-0.25, -0.2), (-0.45, 0.35)), _arc(0, 0.35, 0.45, 0.45, 0, 1, 13)],
    [_line((-0.5, -0.8), (0.5, -0.8), (-0.1, 0.8))],
    [_arc(0, -0.4, 0.38, 0.4, 0, 1, 13), _arc(0, 0.4, 0.48, 0.4, 0, 1, 13)],
    [_arc(0, -0.35, 0.42, 0.45, 0, 1, 13), _line((0.42, -0.35), (0.35, 0.3), (0.1, 0.8))],
)


def _segments(digit):
    """The ends of all pieces of a digit, two tensors of shape (pieces, 2)."""
    return [torch.cat(parts) for parts in zip(*((s[:-1], s[1:]) for s in STROKES[digit]), strict=True)]


def draw_digits(n, seed, digits=range(10)):
    """Draws ``n`` pictures of digits, with their labels.

    Args:
        n: How many.
        seed: The same seed draws the same pictures.
        digits: Which digits may occur.

    Returns:
        Images, ``uint8`` of shape (n, 12, 12, 1), ink bright on dark; labels, ``int64`` of shape (n,).

    Example:
        >>> images, labels = draw_digits(5, seed=1)
        >>> images.shape, images.dtype, labels.shape
        (torch.Size([5, 12, 12, 1]), torch.uint8, torch.Size([5]))
    """
    g = torch.Generator().manual_seed(seed)
    some = torch.tensor(list(digits))
    labels = some[torch.randint(0, len(some), (n,), generator=g)]
    axis = torch.linspace(-1.15, 1.15, SIDE)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=2).reshape(1, 1, -1, 2)
    images = torch.empty(n, SIDE * SIDE)
    for digit in labels.unique().tolist():
        chosen = (labels == digit).nonzero().squeeze(1)
        images[chosen] = _drawn(digit, len(chosen), pixels, g)
    light = 0.35 + 0.65 * torch.rand(n, 1, generator=g)  # the exposure, and a grey of the paper
    dark = 0.4 * torch.rand(n, 1, generator=g)
    noise = 0.145 * torch.randn(images.shape, generator=g)
    images = dark + (1 - dark) * light * images + noise
    return (images.clamp(0, 1) * 255).to(torch.uint8).reshape(n, SIDE, SIDE, 1), labels


def _drawn(digit, n, pixels, g):
    """``n`` versions of one digit, ink 0 … 1, shape (n, pixels)."""

    def vary(spread):
        return spread * (2 * torch.rand(n, 1, 1, generator=g) - 1)

    turn, shear, wide, high = vary(0.3), vary(0.25), 1 + vary(0.25), 1 + vary(0.15)
    shift = torch.cat([vary(0.22), vary(0.18)], dim=2)
    bend_x, bend_y = vary(0.12), vary(0.12)

    def placed(points):
        x, y = points[:, 0] * wide[..., 0], points[:, 1] * high[..., 0]
        x, y = x + bend_x[..., 0] * (3 * y).sin() + shear[..., 0] * y, y + bend_y[..., 0] * (3 * x).cos()
        cos, sin = turn[..., 0].cos(), turn[..., 0].sin()
        return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=2) + shift

    a, b = (placed(ends).unsqueeze(2) for ends in _segments(digit))  # (n, pieces, 1, 2)
    along = ((pixels - a) * (b - a)).sum(3) / (b - a).square().sum(3).clamp(min=1e-6)
    nearest = a + along.clamp(0, 1).unsqueeze(3) * (b - a)
    distance = (pixels - nearest).square().sum(3).amin(1).sqrt()
    width = 0.13 + vary(0.05)[..., 0]
    return (1.5 - distance / width).clamp(0, 1)
