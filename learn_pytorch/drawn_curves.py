"""Curves that nobody knows, and measurements of them with noise and outliers, from a seed."""

import torch

NOISE = 0.2  # standard deviation, where the curve's own values go from about -1.5 to 1.5
OUTLIERS = 0.08  # the share of measurements that are plain wrong, all of them too high


class Curve:
    """One curve, in units of its own: its inputs and outputs may be tiny or huge.

    Args:
        seed: The same seed gives the same curve and the same measurements.

    Example:
        >>> X, y = Curve(seed=1).measure(800)
        >>> X.shape, y.shape, y.dtype
        (torch.Size([800, 1]), torch.Size([800, 1]), torch.float32)
    """

    def __init__(self, seed: int):
        self._generator = torch.Generator().manual_seed(seed)
        self._parts = [self._between(-1, 1) for _ in range(4)]
        self._waves = [
            self._between(2, 4.5),
            self._between(0, 6),
            self._between(0.2, 0.8),
            self._between(0, 6),
        ]
        self._bumpy = self._between(0, 1) < 0.5
        self.width, self.scale = 10 ** self._between(-2, 3), 10 ** self._between(-3, 3)
        self._left, self._low = self._between(-10, 10) * self.width, self._between(-100, 100) * self.scale
        values = self._shape(torch.linspace(-1, 1, 400).double())
        self._middle, self._size = values.mean(), values.std() + 0.2 * values.abs().max()

    def __call__(self, X):
        """The true values, without noise, for inputs of any shape."""
        t = (X.double() - self._left) / self.width
        return (self._low + self.scale * (self._shape(t) - self._middle) / self._size).float()

    def measure(self, n: int):
        """``n`` inputs and what was measured there, each of shape (n, 1)."""
        g = self._generator
        X = self._left + self.width * (2 * torch.rand(n, 1, generator=g) - 1)
        errors = NOISE * torch.randn(n, 1, generator=g)
        wrong = torch.rand(n, 1, generator=g) < OUTLIERS
        errors = torch.where(wrong, 3 + 4 * torch.rand(n, 1, generator=g), errors)
        return X, self(X) + self.scale * errors

    def _between(self, low, high) -> float:
        return low + (high - low) * torch.rand((), generator=self._generator).item()

    def _shape(self, t):
        if self._bumpy:
            fast, start, share, other = self._waves
            return (fast * t + start).sin() + share * (1.5 * t + other).cos()
        a, b, c, d = self._parts
        return a * t + b * (2 * t**2 - 1) + c * (4 * t**3 - 3 * t) + 0.7 * d * (8 * t**4 - 8 * t**2 + 1)
