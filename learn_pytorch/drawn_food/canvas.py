"""What a scene is painted on, and the random numbers that decide what it looks like."""

import numpy as np
from PIL import Image, ImageDraw

from learn_pytorch.drawn_food.outlines import oval, palette
from learn_pytorch.drawn_food.surfaces import SIZE

CANVAS = 2 * SIZE  # painted twice as large: four pixels become one with smooth edges
TALL = 0.5  # the height that fills its channel


class Canvas:
    """Two canvases, a camera and random numbers."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.colour = Image.new("RGB", (CANVAS, CANVAS))
        self.relief = Image.new("RGB", (CANVAS, CANVAS))  # height, gloss, roughness
        self._paint = ImageDraw.Draw(self.colour, "RGBA")
        self._model = ImageDraw.Draw(self.relief)
        zoom = 0.8 * 1.8 ** self.pick(0, 1)
        self.turn = zoom * self.direction()
        self.centre = self.inside(0.3 * max(1, zoom))
        self.flat = self.pick(0.55, 1)  # how much of a circle's height the camera sees
        self.lift = float(np.sqrt(1 - self.flat**2)) * zoom

    # -------------------------------------------------------------------------- random numbers

    def pick(self, low: float, high: float) -> float:
        """Uniform between ``low`` and ``high``."""
        return low + (high - low) * self.rng.random()

    def chance(self, p: float) -> bool:
        """True with probability ``p``."""
        return self.rng.random() < p

    def count(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int((high - low + 1) * self.rng.random())

    def one(self, *choices):
        """One of the choices."""
        return choices[int(len(choices) * self.rng.random())]

    def direction(self) -> complex:
        """A complex number of length 1."""
        return complex(np.exp(2j * np.pi * self.rng.random()))

    def around(self, low: float, high: float) -> complex:
        """A place at a distance between ``low`` and ``high`` from 0."""
        return self.pick(low, high) * self.direction()

    def inside(self, radius: float) -> complex:
        """A place in a disc, each as likely as the other."""
        return radius * self.rng.random() ** 0.5 * self.direction()

    def tint(self, colour, spread: float = 12) -> tuple[int, int, int]:
        """A colour near the one given."""
        light = self.pick(-spread, spread)
        return tuple(int(min(255, max(0, c + light + self.pick(-spread, spread) / 2))) for c in colour)

    def tone(self, colours: str, spread: float = 12) -> tuple[int, int, int]:
        """A colour near one of those given."""
        return self.tint(self.one(*palette(colours)), spread)

    def uneven(self, z: np.ndarray, amount: float, bumps: int = 5) -> np.ndarray:
        """An outline around 0 with bumps and dents."""
        angle = np.angle(z)
        factor = np.ones(len(z))
        for k in range(2, 2 + bumps):
            factor += amount / k * self.pick(-1, 1) * np.cos(k * angle + self.pick(0, 6.28)) * 1.5
        return z * factor

    # -------------------------------------------------------------------------------- painting

    def paint(self, z, colour, height=None, gloss=0.0, rough=0.0):
        """Paints an outline.

        Args:
            z: Corners, complex.
            colour: Red, green, blue (0 to 255) and, if it lets light through, opacity.
            height: Above the table; without it the relief stays as it is.
            gloss: From 0 (chalk) to 1 (wet).
            rough: From 0 (china) to 1 (crumbs).
        """
        place = z * self.turn + self.centre
        up = self.lift * (height or 0)
        x, y = place.real, place.imag * self.flat - up
        if x.max() < -1 or x.min() > 1 or y.max() < -1 or y.min() > 1:
            return
        corners = np.empty(2 * len(z))
        corners[::2], corners[1::2] = (x + 1) * SIZE, (y + 1) * SIZE
        corners = corners.tolist()
        self._paint.polygon(corners, colour)
        if height is not None:
            level = int(min(1, height / TALL) * 255)
            self._model.polygon(corners, (level, int(gloss * 255), int(rough * 255)))

    def slab(self, z, colour, low, high, side=None, soft=0.1, steps=4, gloss=0.0, rough=0.0):
        """Paints something thick: its side from ``low`` up, rounded by ``soft``, and its top."""
        middle = z.mean()
        steps = max(steps, int(self.lift * (high - low) * SIZE / 10))  # close up, none may show
        dark = side or tuple(int(0.75 * c) for c in colour[:3])
        for t in np.linspace(0, 1, steps):
            inset = 1 - soft * (1 - np.sqrt(1 - t * t))
            shade = colour if t == 1 else dark
            self.paint(middle + (z - middle) * inset, shade, low + (high - low) * t, gloss, rough)

    def spots(self, n, where, radius, colour, height=None, gloss=0.0, rough=0.0):
        """Small blots. ``where`` is called for each place, ``radius`` is a pair."""
        for _ in range(n):
            z = self.uneven(oval(self.pick(*radius), self.pick(*radius), 12), 0.2, 3)
            self.paint(z * self.direction() + where(), colour, height, gloss, rough)
