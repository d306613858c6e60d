"""Pizza, steak and sushi drawn by code, for a classroom that cannot reach the photographs.

A scene is painted as a stack of flat shapes on two canvases: one for colour, one for height, gloss
and roughness. Light from one side, shadows, highlights and the camera come afterwards and are the
same work for every scene. Shapes are arrays of complex numbers, because a product turns and scales
them and a sum moves them. The food lies around 0; a dish has a radius of about 1.
"""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

VERSION = 1  # goes up when the pictures change, so that older ones are drawn again
SIZE = 512  # pixels in a row and in a column
_CANVAS = 2 * SIZE  # painted twice as large: four pixels become one with smooth edges
_TALL = 0.5  # the height that fills its channel


def picture(name: str, seed: Sequence[int]) -> Image.Image:
    """Draws one scene.

    Args:
        name: ``"pizza"``, ``"steak"`` or ``"sushi"``.
        seed: Other numbers give other scenes; the same ones give the same scene.

    Returns:
        An RGB picture of 512×512 pixels.

    Raises:
        ValueError: There is no food of this name.

    Example:
        >>> picture("sushi", (42, 0)).size
        (512, 512)
    """
    if name not in FOODS:
        raise ValueError(f"name must be one of {', '.join(FOODS)}, got {name!r}")
    scene = Scene(np.random.default_rng([*seed, *name.encode()]))
    scene.table()
    for _ in range(scene.count(0, 2)):
        scene.clutter(scene.around(1.25, 2.1))
    FOODS[name](scene)
    for _ in range(scene.one(0, 0, 1, 1, 2)):
        scene.clutter(scene.around(0.85, 1.5), in_front=True)
    return scene.photograph()


# ------------------------------------------------------------------------------- outlines


def oval(rx: float, ry: float | None = None, n: int = 40) -> np.ndarray:
    """An ellipse around 0, as n corners."""
    angle = np.arange(n) * (2 * np.pi / n)
    return rx * np.cos(angle) + 1j * (rx if ry is None else ry) * np.sin(angle)


def box(rx: float, ry: float, square: float = 6.0, n: int = 72) -> np.ndarray:
    """A box around 0, as n corners evenly apart; it is rounder the smaller ``square`` is, 2 is an ellipse."""
    circle, power = oval(1, n=240), 2 / square
    x = rx * np.sign(circle.real) * np.abs(circle.real) ** power
    z = x + 1j * ry * np.sign(circle.imag) * np.abs(circle.imag) ** power
    z = np.append(z, z[0])
    way = np.concatenate([[0], np.cumsum(np.abs(np.diff(z)))])
    return np.interp(np.arange(n) * (way[-1] / n), way, z)


def ribbon(path: np.ndarray, width) -> np.ndarray:
    """A band along a path; the width may be one number or one for each point."""
    along = np.gradient(path)
    side = 0.5j * np.asarray(width) * along / np.maximum(np.abs(along), 1e-9)
    return np.concatenate([path + side, (path - side)[::-1]])


def line(start: complex, end: complex, n: int = 2) -> np.ndarray:
    """Points from start to end."""
    return start + (end - start) * np.linspace(0, 1, n)


def arc(radius: float, begin: float, end: float, n: int = 16) -> np.ndarray:
    """Points on a circle around 0, from angle to angle."""
    return radius * np.exp(1j * np.linspace(begin, end, n))


@functools.cache
def palette(colours: str) -> tuple[tuple[int, ...], ...]:
    """Colours from their usual names in six digits: ``"ff0000 0000ff"`` is red and blue."""
    return tuple(tuple(bytes.fromhex(colour)) for colour in colours.split())


# ------------------------------------------------------------------------------- a scene


class Scene:
    """Two canvases, a camera and random numbers."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.colour = Image.new("RGB", (_CANVAS, _CANVAS))
        self.relief = Image.new("RGB", (_CANVAS, _CANVAS))  # height, gloss, roughness
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
            level = int(min(1, height / _TALL) * 255)
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

    # ------------------------------------------------------------------------ table and dishes

    def table(self):
        """Wood, stone, cloth or paint."""
        kind = self.one("wood", "wood", "planks", "stone", "marble", "cloth", "checks", "paint")
        woods = "966842 5e3c26 c4a074 3c2c24 a89684 cdc4b4"
        paints = "e8e6e0 282a2e 466078 788270 963c34 ceaa5a "
        paints += "5e8680 beb6aa ecdccc 504660 d68c78 1e322c"
        grain, contrast = 0.3, 0.12
        if kind in ("wood", "planks"):
            base, grain, contrast = self.one(*palette(woods)), 0.02, 0.35
        elif kind == "stone":
            base, contrast = self.one(*palette("3a3c40 5a5a5c 28282a 96928c")), 0.3
        elif kind == "marble":
            base, contrast = self.one(*palette("e8e6e2 d2d4d8 363c3a ded0be")), 0.1
        else:
            base = self.one(*palette(paints))
        base = np.array(self.tint(base, 16))
        level = np.linspace(-1, 1, 256)[:, None]
        ramp = base * (1 + contrast * level)
        if kind == "marble":  # a vein wherever the noise crosses its middle
            ramp = base + (120 - base) * 0.7 * np.exp(-((level / 0.06) ** 2)) + 12 * level
        way = self.direction()
        along, across = self.pick(0.5, 1) * way * grain, self.pick(0.18, 0.3) * way
        # Which place of the clouds each pixel shows; the middle stays in the middle.
        move = (along.real, along.imag, SIZE / 2 - SIZE * (along.real + along.imag))
        move += (-across.imag, across.real, SIZE / 2 - SIZE * (across.real - across.imag))
        gray = _noise()[0].transform((_CANVAS, _CANVAS), Image.Transform.AFFINE, move)
        lookup = np.clip(ramp, 0, 255).astype(int).T.ravel().tolist()
        self.colour.paste(Image.merge("RGB", (gray,) * 3).point(lookup))
        rough = {"cloth": 0.35, "checks": 0.35, "stone": 0.3}.get(kind, 0.06)
        shine = int(255 * self.pick(0, 0.4)) if rough < 0.1 else 0
        self.relief.paste((0, shine, int(255 * rough)), (0, 0, _CANVAS, _CANVAS))
        if kind == "planks":
            for k in np.arange(-3, 3.5, self.pick(0.35, 0.8)):
                self.mark(ribbon(way * (k * 1j + line(-5, 5)), 0.025), (20, 12, 8, 200))
        if kind == "checks":
            other, period = (*self.one(*palette(paints)), 110), self.pick(0.2, 0.5)
            for k in np.arange(-4, 4, period):
                for u in (way, 1j * way):
                    self.mark(ribbon(u * (k * 1j + line(-6, 6)), period / 2), other)

    def mark(self, z, colour):
        """Paints on the table itself, which moves less than the food when the camera does."""
        x, y = (z.real + 1) * SIZE, (z.imag * self.flat + 1) * SIZE
        self._paint.polygon(np.stack([x, y], 1).ravel().tolist(), colour)

    def dish(self, radius: float = 1.0) -> float:
        """Something to eat from. Returns the height at which the food lies."""
        kinds = ["plate"] * 4 + ["board"] * 2 + ["oblong", "slate", "pan", "paper", "table"]
        kind = self.one(*kinds)
        china = "f0eee8 f0eee8 e2dcce 2c2e32 5c748c ba6e50 "
        china += "788878 ceced2 962828 e8c878 243c50 a0aab4"
        colour, r, at = self.tone(china), radius * self.pick(1.0, 1.3), self.inside(0.12)
        way = self.direction()
        if kind == "plate":
            gloss = self.pick(0.1, 0.8)
            self.slab(oval(r, n=64) + at, colour, 0, 0.07, steps=3, soft=0.04, gloss=gloss)
            if self.chance(0.4):
                ring = self.tone("283c78 aa3228 c8a046 3c3c3c")
                self.paint(oval(r * 0.95, n=64) + at, ring, 0.07, gloss)
                self.paint(oval(r * self.pick(0.85, 0.93), n=64) + at, colour, 0.07, gloss)
            inner = self.tint(colour, 8)
            self.paint(oval(r * self.pick(0.68, 0.85), n=64) + at, inner, 0.045, gloss)
            return 0.045
        if kind == "oblong":
            z = box(r * 1.25, r * self.pick(0.75, 1.1), self.pick(3, 12)) * way + at
            self.slab(z, colour, 0, 0.06, steps=3, soft=0.03, gloss=0.5)
            self.paint(at + (z - at) * 0.9, self.tint(colour, 8), 0.04, 0.5)
            return 0.04
        if kind == "board":
            wood = self.tone("b07e50 784e30 d6b282 503628")
            z = self.one(box(r * 1.2, r * 0.95, 12), oval(r * 1.1, n=64), box(r * 1.35, r * 0.85, 5))
            if self.chance(0.5):
                handle = ribbon(line(0, r * 1.9), 0.3)
                self.slab(handle * way + at, wood, 0, 0.08, steps=3, soft=0.02, rough=0.15)
            self.slab(z * way + at, wood, 0, 0.08, steps=3, soft=0.02, rough=0.15)
            for _ in range(14):
                y, x = self.pick(-0.7, 0.7) * r, self.pick(-0.5, 0.5) * r
                vein = ribbon(line(complex(x - 0.4 * r, y), complex(x + 0.4 * r, y)), self.pick(0.005, 0.02))
                self.paint(vein * way + at, (*[int(0.7 * c) for c in wood], 90))
            return 0.08
        if kind == "slate":
            z = self.uneven(box(r * 1.25, r * 0.9, 14), 0.02)
            self.slab(z * way + at, self.tint((52, 54, 58)), 0, 0.05, steps=2, soft=0.01, rough=0.4)
            return 0.05
        if kind == "pan":
            iron = self.tint((42, 40, 40), 10)
            handle = ribbon(line(0, 2.4 * r, 8), 0.2) * way + at
            self.slab(handle, iron, 0, 0.08, steps=2, soft=0.02, gloss=0.3)
            self.slab(oval(r * 1.12, n=64) + at, iron, 0, 0.16, steps=3, soft=0.02, gloss=0.4)
            self.paint(oval(r * 1.04, n=64) + at, tuple(int(0.8 * c) for c in iron), 0.04, 0.5, 0.1)
            return 0.04
        if kind == "paper":
            paper = self.tone("c49c70 e6e2d8 d6c4a0 e2e8ec")
            self.slab(box(r * 1.1, r * 1.1, 30) * way + at, paper, 0, 0.03, steps=2, soft=0.0, rough=0.2)
            self.paint(ribbon(line(-1.1 * r, 1.1 * r), 0.02) * way + at, (90, 70, 50, 90))
            return 0.03
        return 0.0

    # -------------------------------------------------------------------------- things that lie about

    def clutter(self, at: complex, in_front: bool = False):
        """One thing that may stand on any table; some of them only where they hide no food."""
        things = [self.cutlery, self.cutlery, self.chopsticks, self.bowl]
        things += [self.leaves, self.lemon, self.tomatoes]
        if in_front:
            things += [self.leaves]
        else:
            things += [self.napkin, self.napkin, self.glass, self.bottle, self.bowl]
        self.one(*things)(at)

    def cutlery(self, at):
        """A fork or a knife."""
        steel, way = self.tone("bec0c4 969698 ceaa6e 323234"), self.direction()
        grip = steel if self.chance(0.6) else self.tone("503222 1e1e1e beaa96")
        handle = ribbon(line(-0.75, 0, 6), [0.1, 0.1, 0.09, 0.07, 0.06, 0.05]) * way + at
        self.slab(handle, grip, 0.02, 0.06, steps=2, gloss=0.9)
        if self.chance(0.5):
            blade = ribbon(line(-0.05, 0.75, 6), [0.05, 0.12, 0.13, 0.13, 0.1, 0.02])
            self.slab(blade * way + at, steel, 0.02, 0.05, steps=2, gloss=1)
        else:
            self.slab(box(0.16, 0.09, 3) * way + at + 0.14 * way, steel, 0.02, 0.05, steps=2, gloss=1)
            for k in (-1.5, -0.5, 0.5, 1.5):
                tine = line(0.2 + 0.045j * k, 0.55 + 0.045j * k)
                self.slab(ribbon(tine, 0.025) * way + at, steel, 0.02, 0.05, steps=2, gloss=1)

    def chopsticks(self, at):
        """Two of them, side by side or crossed."""
        colour = self.tone("c8965a 281a18 8c1e1e e2ceaa")
        way = self.direction()
        for turn in (1, np.exp(1j * self.pick(-0.25, 0.25))):
            stick = ribbon(line(-1.2, 1.2, 4) + self.pick(-0.12, 0.12) * 1j, [0.075, 0.065, 0.05, 0.035])
            self.slab(stick * way * turn + at, colour, 0.04, 0.12, steps=3, soft=0.02, gloss=0.6)

    def glass(self, at):
        """A glass from above: two rims and a drink."""
        r = self.pick(0.3, 0.42)
        drink = self.one(*palette("f0f0f0 78141e c88c28 5a3214 bed2dc f0be78"))
        self.paint(oval(r) + at, (230, 236, 240, 90), 0.3, 0.6)
        self.paint(oval(r * 0.88) + at, (*self.tint(drink), 210), 0.16, 1)
        self.paint(oval(r * 0.35, r * 0.2) + at + 0.3 * r, (255, 255, 255, 90))

    def bowl(self, at):
        """A small bowl with a sauce, a dip, rice or soup."""
        r, china = self.pick(0.24, 0.45), self.tone("f0eee6 323236 964632 648296")
        self.slab(oval(r) + at, china, 0, 0.2, soft=0.03, steps=4, gloss=0.7)
        filling = self.one(*palette("281610 aa2818 ece6d6 788c3c dcaa3c 5a321e"))
        filling = self.tint(filling)
        self.paint(oval(r * 0.86) + at, tuple(int(0.8 * c) for c in filling), 0.12, 0.8)
        self.paint(self.uneven(oval(r * 0.72), 0.06) + at, filling, 0.13, 0.9, self.pick(0, 0.5))
        if self.chance(0.4):
            self.spots(8, lambda: at + self.inside(r * 0.5), (0.02, 0.04), self.tint((90, 130, 60)), 0.14)

    def napkin(self, at):
        """Folded cloth or paper."""
        colour, way = self.tone("ece8e2 a02828 3c506e d2be96 5a6e5a"), self.direction()
        z = box(self.pick(0.45, 0.7), self.pick(0.4, 0.8), 16) * way + at
        self.slab(z, colour, 0, 0.04, steps=2, soft=0.01, rough=0.25)
        self.paint(at + (z - at) * 0.92 + 0.03 * way, self.tint(colour, 6), 0.06, 0, 0.25)
        if self.chance(0.5):
            stripe = self.tone("a02828 283c6e 5a5a5a")
            for k in (-0.25, 0.25):
                self.paint(ribbon(line(-0.35 + k * 1j, 0.35 + k * 1j), 0.04) * way + at, (*stripe, 160))

    def leaves(self, at, n=None, low=0.02, size=(0.12, 0.24)):
        """Herbs or salad."""
        green = self.one(*palette("467832 285a28 78963c 5a3c50 96b45a"))
        for _ in range(n or self.count(2, 7)):
            length, way, place = self.pick(*size), self.direction(), at + self.inside(size[1] * 1.3)
            width = length * self.pick(0.3, 0.6) * np.sin(np.linspace(0.05, 3.1, 9))
            path = line(-length, length, 9) + 1j * self.pick(-0.3, 0.3) * length * np.linspace(-1, 1, 9) ** 2
            leaf, colour = ribbon(path, 2 * width), self.tint(green, 22)
            high, pale = low + self.pick(0.03, 0.08), tuple(min(255, c + 40) for c in colour)
            self.slab(leaf * way + place, colour, low, high, steps=2, gloss=0.3, rough=0.2)
            self.paint(ribbon(path, length * 0.05) * way + place, pale, low + 0.05)

    def lemon(self, at):
        """Wedges or slices."""
        skin, flesh = palette(self.one("ecc832 f6e68c", "6ea032 bed278"))
        for _ in range(self.count(1, 2)):
            r, place, way = self.pick(0.16, 0.22), at + self.inside(0.25), self.direction()
            half = arc(r, 0, self.one(3.14, 6.28), 30)
            self.slab(half * way + place, skin, 0.03, 0.1, steps=2, soft=0.04, gloss=0.5)
            self.paint(half * 0.86 * way + place, (246, 240, 214), 0.1, 0.5)
            for k in range(7):
                part = np.concatenate([[0.1 * r], arc(r * 0.76, k * 0.9 + 0.1, k * 0.9 + 0.75, 6)])
                if (np.abs(half[-1] - half[0]) < 0.1) or k < 3:
                    self.paint(part * way + place, flesh, 0.1, 0.9)

    def tomatoes(self, at):
        """Cherry tomatoes, olives or radishes."""
        colour = self.one(*palette("be281e d63c1e 3c3c28 be325a e6aa32"))
        for _ in range(self.count(2, 5)):
            self.ball(at + self.inside(0.32), self.pick(0.08, 0.13), self.tint(colour), 0.02)

    def ball(self, at, r, colour, low, gloss=0.9, rough=0.0, thick=1.3):
        """Anything round."""
        z = self.uneven(oval(r, r * self.pick(0.75, 1), 24), 0.06, 3) * self.direction()
        self.slab(z + at, colour, low, low + thick * r, colour, soft=0.75, steps=5, gloss=gloss, rough=rough)

    def bottle(self, at):
        """A salt cellar, a pepper mill or a bottle from above."""
        colour = self.tone("5a3c28 283c28 c8c8cd 1e1e1e")
        self.slab(oval(0.22) + at, colour, 0, 0.3, soft=0.3, gloss=0.8)
        self.paint(oval(0.08) + at, self.tint((160, 160, 160)), 0.4, 0.8)

    # ------------------------------------------------------------------------ light and camera

    def photograph(self) -> Image.Image:
        """Light, shadows, lens and film."""
        colour = np.asarray(self.colour.reduce(2), np.float32) / 255
        colour *= colour  # light adds up in squares of what a file stores
        _, gloss, rough = np.moveaxis(np.asarray(self.relief.reduce(2), np.float32) / 255, 2, 0)
        height = np.asarray(self.relief.getchannel(0), np.float32) * (_TALL / 255)
        height = Image.fromarray(height)
        coarse = height.reduce(8)
        fine = _grow(height.reduce(4))
        broad = _grow(height.reduce(16))

        noise = np.roll(_noise()[1], (self.count(0, SIZE), self.count(0, SIZE)), (0, 1))
        bumps = 0.65 * fine + 0.35 * broad + (0.03 * rough) * noise
        toward, strength = self.direction(), self.pick(0.6, 1.3)
        down, across = np.gradient(bumps)
        slope = -(across * toward.real + down * toward.imag) * (22 * strength)
        low = self.pick(0.35, 1.0)  # how low the light stands: long shadows
        shadow = _shadow(np.asarray(coarse), toward, low)
        hollow = np.clip(_grow(height.reduce(64)) - broad, 0, 0.2)
        light = 0.42 + self.pick(0.4, 0.62) * (1 - shadow) * np.clip(1 + slope, 0, 2.2) - 1.3 * hollow
        x = np.linspace(-1, 1, SIZE, dtype=np.float32)
        light *= 1 + self.pick(0, 0.35) * (toward.real * x + toward.imag * x[:, None])
        light *= 1 - self.pick(0, 0.4) * (x * x + (x * x)[:, None]) / 2
        shine = gloss * np.clip(slope - self.pick(0.25, 0.5), 0, 1) ** 2 * self.pick(0.6, 1.6)
        colour *= (np.clip(light, 0.08, 2.5) * (1 + 0.5 * rough * noise))[..., None]
        colour += (shine * (1 - shadow))[..., None]

        warm, green = self.pick(-0.14, 0.14), self.pick(-0.05, 0.05)  # the colour of the light
        cast = np.array([1 + warm, 1 + green, 1 - warm], np.float32)
        exposure = np.exp(self.pick(-0.35, 0.35)) * (0.3 / float(colour.mean())) ** 0.5  # cameras meter
        image = np.sqrt(np.clip(colour * (cast * exposure), 0, None))
        image = image / (1 + 0.25 * image * image) * 1.2  # film bends bright tones
        faded = self.pick(0, 1) ** 2 * 0.3
        image = image * (1 - faded) + faded * image.mean(2, keepdims=True)
        image += self.pick(0.004, 0.02) * np.roll(_noise()[2], self.count(0, SIZE), 0)[..., None]
        sharp = Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))
        half = sharp.reduce(2).filter(ImageFilter.GaussianBlur(self.pick(0.5, 2.5)))
        blurred = half.resize(sharp.size, Image.Resampling.BILINEAR)
        # In focus along a band across the picture, wide for most cameras.
        middle, depth = self.pick(-0.3, 0.3), self.pick(0.7, 3)
        away = np.clip((np.abs(x - middle) - 0.4) / depth, 0, 1)
        mask = np.broadcast_to((away[:, None] * 255).astype(np.uint8), (SIZE, SIZE))
        return Image.composite(blurred, sharp, Image.fromarray(np.ascontiguousarray(mask)))


def _grow(small: Image.Image) -> np.ndarray:
    """A small picture at full size, smoothly: a cheap wide blur."""
    return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def _shadow(height: np.ndarray, toward: complex, low: float) -> np.ndarray:
    """How much of each place lies in the shadow of something taller towards the light, 0 to 1."""
    n, reach = len(height), 12
    wide = np.pad(height, reach, mode="edge")
    over = np.zeros_like(height)
    for step in range(1, reach + 1):
        x, y = (reach + round(step * v) for v in (toward.real, toward.imag))
        over = np.maximum(over, wide[y : y + n, x : x + n] - height - step * 0.02 / low)
    soft = np.clip(over * 12, 0, 1) * 0.85
    return np.clip(_grow(Image.fromarray(soft.astype(np.float32))), 0, 1)


@functools.cache
def _noise() -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """Random surfaces, made once: clouds of all sizes, grains of some pixels, single pixels."""
    rng = np.random.default_rng(0)

    def layer(cells: int) -> np.ndarray:
        return _grow(Image.fromarray(rng.random((cells, cells), dtype=np.float32) - np.float32(0.5)))

    clouds = sum(layer(4 * 2**k) * 0.65**k for k in range(7))
    clouds = (clouds - clouds.min()) / (clouds.max() - clouds.min())
    grains = layer(150) + layer(70) + 0.7 * layer(256)
    return Image.fromarray((clouds * 255).astype(np.uint8)), grains, layer(SIZE) * 3


# ------------------------------------------------------------------------------- pizza


def pizza(s: Scene):
    """Whole, cut, in slices or square, with up to four toppings."""
    form = s.one("whole", "whole", "whole", "cut", "cut", "slices", "slices", "square")
    ground = s.dish()
    crust = s.tone("ce9654 b4743c deb478 965c32 c4a06e", 14)
    sauce = s.tone("aa3218 be461e 8c2416 dcc496 783c1e")
    cheese = s.tone("ecc878 f0deaa e2aa50 d69646 f4eace")
    toppings = [s.one(*TOPPINGS) for _ in range(s.one(0, 1, 2, 2, 3, 3, 4))]
    rim, covered, dark = s.pick(0.05, 0.14), s.pick(0.0, 1.0), s.pick(0, 1) ** 2
    low, top = ground, ground + s.pick(0.06, 0.12)
    size = s.pick(0.8, 1.0)
    n, missing = s.one(4, 6, 8), form == "cut" and s.chance(0.5)
    parts = [(s.inside(0.08), s.direction())]
    if form == "slices":
        slices, half = s.one(1, 2, 2, 3), s.pick(0.28, 0.45)
        first, step = s.direction(), np.exp(1j * s.pick(2 * half + 0.1, 2.1))
        size, tip = (s.pick(1.2, 1.5), -0.7) if slices == 1 else (s.pick(0.9, 1.15), s.pick(0.03, 0.15))
        parts = [(tip * first * step**k, first * step**k) for k in range(slices)]
    for at, way in parts:
        if form == "slices":
            edge = np.concatenate([[0], arc(size, -half, half, 20)])
            inner = np.concatenate([[0.02], arc(size - rim - 0.04, 0.03 - half, half - 0.03, 20)])
        else:
            if form == "square":
                edge = s.uneven(box(size, size * s.pick(0.6, 1), 10), 0.015)
            elif missing:
                edge = s.uneven(np.concatenate([[0], arc(size, 0, 2 * np.pi * (1 - 1 / n), 50)]), 0.04)
            else:
                edge = s.uneven(oval(size, n=56), 0.04)
            inner = edge * (1 - rim)
        edge, inner = edge * way + at, inner * way + at
        s.slab(edge, crust, low, top + 0.05, soft=0.05, steps=5, rough=0.25)
        for _ in range(int(dark * 26) + 4):
            place = edge[s.count(0, len(edge) - 1)] * s.pick(0.92, 1)
            blot = s.uneven(oval(s.pick(0.02, 0.08), s.pick(0.02, 0.05), 12), 0.3)
            s.paint(blot * s.direction() + place, (60, 30, 16, s.count(40, 170)))
        s.paint(inner, sauce, top, 0.4, 0.3)
        middle = inner.mean()
        layer = middle + (inner - middle) * s.pick(0.9, 0.97)
        s.paint(layer, (*cheese, int(90 + 165 * covered)), top + 0.01, 0.4, 0.4)

        # Places on the pizza: from its middle, or from a slice's tip, some way towards its edge.
        start, skip, far = (inner[0], 5, 0.8) if form == "slices" else (at, 1, 0.9)

        ends = inner[skip : len(inner) - skip + 1]

        def where(start=start, ends=ends, far=far):
            return start + (ends[s.count(0, len(ends) - 1)] - start) * s.rng.random() ** 0.5 * far

        share = 0.35 if form == "slices" else 1
        for tone, many, opaque in ((1.12, 14, 150), (0.9, 14, 110), (1.05, 22, 170), (0.97, 16, 130)):
            melted = (*[min(255, int(tone * c)) for c in s.tint(cheese, 10)], opaque)
            radius = (0.03, 0.09 + 0.06 * share)
            s.spots(int(many * share), where, radius, melted, top + s.pick(0.012, 0.025), 0.5, 0.4)
        brown = (150, 84, 30, s.count(60, 150))
        s.spots(int((8 + 40 * dark) * share), where, (0.015, 0.07), brown)
        s.spots(int(10 * share), where, (0.02, 0.06), (*sauce, 150))
        for topping in toppings:
            topping(s, where, top + 0.02, share)
        if form == "cut":
            for k in range(n):
                end = at + 0.96 * size * way * np.exp(2j * np.pi * k / n)
                s.paint(ribbon(line(at, end), 0.018), (70, 34, 18, 210), top - 0.02)


def pepperoni(s, where, top, share):
    red, r = s.tone("a02c1c 821e18 ba4628"), s.pick(0.08, 0.14)
    for _ in range(int(s.count(7, 18) * share)):
        at = where()
        z = s.uneven(oval(r, n=20), 0.05) + at
        s.slab(z, s.tint(red, 8), top, top + 0.025, steps=2, soft=0.08, gloss=0.7)
        s.paint(oval(r * 0.78, n=16) + at, (*s.tint(red, 14), 160), top + 0.012, 0.8, 0.3)


def basil(s, where, top, share):
    for _ in range(int(s.count(4, 9) * share) + 1):
        s.leaves(where(), s.count(1, 2), top, (0.08, 0.15))


def olives(s, where, top, share):
    dark = s.tone("221e1e 3c2c32 6e7432")
    for _ in range(int(s.count(8, 22) * share)):
        at, r = where(), s.pick(0.045, 0.065)
        s.slab(oval(r, n=16) + at, dark, top, top + 0.03, steps=2, gloss=0.9)
        s.paint(oval(r * 0.45, n=10) + at, (170, 90, 40), top)


def mushrooms(s, where, top, share):
    for _ in range(int(s.count(8, 16) * share)):
        at, way, r, tone = where(), s.direction(), s.pick(0.07, 0.11), s.tint((206, 186, 150))
        s.slab(arc(r, 2.9, 6.5, 14) * way + at, tone, top, top + 0.03, (120, 90, 60), steps=2)
        s.slab(ribbon(line(0, 0.1j), 0.06) * way + at, tone, top, top + 0.03, (120, 90, 60), steps=2)


def peppers(s, where, top, share):
    colour = s.one(*palette("3c8232 c4281e e6b428 963c6e"))
    for _ in range(int(s.count(10, 20) * share)):
        curve = arc(s.pick(0.07, 0.13), 0, s.pick(1.5, 4)) * s.direction() + where()
        z = ribbon(curve, s.pick(0.02, 0.035))
        s.slab(z, s.tint(colour), top, top + 0.03, steps=2, soft=0, gloss=0.7)


def ham(s, where, top, share):
    colour = s.one(*palette("e2968c ecbe50 c86e64"))
    for _ in range(int(s.count(10, 22) * share)):
        z = s.uneven(box(s.pick(0.04, 0.08), s.pick(0.04, 0.07), 8, 16), 0.1) * s.direction()
        s.slab(z + where(), s.tint(colour), top, top + 0.03, steps=2, gloss=0.5)


def tomato_slices(s, where, top, share):
    for _ in range(int(s.count(5, 10) * share)):
        at, r = where(), s.pick(0.1, 0.15)
        s.slab(oval(r, n=20) + at, (186, 40, 26), top, top + 0.02, steps=2, gloss=0.9)
        for k in range(5):
            seeds = (oval(r * 0.28, r * 0.18, 10) + 0.5 * r) * np.exp(1.256j * k) + at
            s.paint(seeds, (220, 120, 60), top, 1)


def mozzarella(s, where, top, share):
    for _ in range(int(s.count(5, 10) * share)):
        r = s.pick(0.1, 0.18)
        z = s.uneven(oval(r, r * 0.9, 20), 0.12) + where()
        white, brown = s.tint((244, 238, 220), 8), (226, 190, 130)
        s.slab(z, white, top, top + 0.03, brown, steps=3, soft=0.3, gloss=0.6)


TOPPINGS = [pepperoni, pepperoni, basil, olives, mushrooms, peppers, ham, tomato_slices, mozzarella]


# ------------------------------------------------------------------------------- steak


def steak(s: Scene):
    """One slab or two, whole or sliced, with sides."""
    ground = s.dish()
    low = ground + 0.01
    at = s.inside(0.3)
    sides = [s.one(*SIDES) for _ in range(s.count(0, 3))]
    for side in sides:
        side(s, -at * s.pick(0.6, 1.4) / max(abs(at), 0.1) * 0.5 + s.inside(0.35), low)
    if s.chance(0.25):
        sauce = s.tone("3c1e12 6e3c18 c8963c 5a1418")
        pool = s.uneven(oval(s.pick(0.4, 0.8), s.pick(0.3, 0.6)), 0.3) * s.direction()
        s.paint(pool + at, sauce, low + 0.005, 1)
    for _ in range(s.one(1, 1, 1, 2)):
        meat(s, at, low)
        at, low = at + s.around(0.3, 0.5), low + s.one(0, 0.12)
    if s.chance(0.35):
        s.leaves(at + s.inside(0.3), s.count(1, 4), low + 0.2, (0.06, 0.14))


def meat(s, at, low):
    tone, way, size = (
        s.tone("704028 543022 3c241c 8c5436 963c30 804a28 aa6e4a"),
        s.direction(),
        s.pick(0.55, 0.85),
    )
    inside = s.tone("be504a d67868 a03232 aa7860")
    high, shape = low + s.pick(0.1, 0.2), s.one("loin", "rib", "fillet", "strip")
    ratio = {"loin": 0.6, "rib": 0.72, "fillet": 0.9, "strip": 0.42}[shape]
    z = s.uneven(box(size, size * ratio, 2.6, 56), 0.22, 4) * (0.75 if shape == "fillet" else 1)
    if s.chance(0.2):  # cut into slices that lie like fallen dominoes
        n, spread = s.count(4, 7), s.pick(0.8, 1.1)
        for k in range(n):
            x = (k / (n - 1) - 0.5) * 2 * size * spread
            half = size * ratio * np.sqrt(max(0.15, 1 - (x / size / spread) ** 2 * 0.7))
            cut = s.uneven(box(size * 1.1 / n, half, 3.5, 40), 0.08) * np.exp(1j * s.pick(-0.12, 0.12)) + x
            s.slab(cut * way + at, tone, low, high, soft=0.03, steps=3, gloss=0.4, rough=0.5)
            face = cut.mean() + (cut - cut.mean()) * 0.86 + 0.02
            s.paint(face * way + at, inside, high + 0.01, 0.7, 0.4)
            core = cut.mean() + (cut - cut.mean()) * 0.6 + 0.02
            s.paint(core * way + at, (*s.tint(inside, 10), 160), high + 0.012, 0.7, 0.4)
        return
    fat = s.tint((220, 190, 140))
    if s.chance(0.25):  # most of the bone lies below the meat
        bone = line(0, s.pick(1.2, 1.7) * size, 8) + 0.1j * np.linspace(-1, 1, 8) ** 2
        thick = np.array([0.16, 0.15, 0.14, 0.13, 0.12, 0.13, 0.16, 0.12])
        s.slab(ribbon(bone, thick) * way + at, s.tint((214, 196, 166)), low, low + 0.1, soft=0.3, gloss=0.3)
    seared = tuple(int(0.6 * c) for c in tone)
    s.slab(z * way + at, tone, low, high, seared, soft=0.12, steps=5, gloss=0.45, rough=0.6)
    if s.chance(0.55):
        begin = s.count(0, 55)
        rim = np.roll(z, begin)[: s.count(14, 30)]
        s.paint(ribbon(rim * 0.95, s.pick(0.04, 0.1)) * way + at, fat, high - 0.01, 0.6, 0.3)

    def where():
        return (z[s.count(0, 55)] * s.rng.random() ** 0.5 * 0.92) * way + at

    s.spots(30, where, (0.02, 0.09), (*[int(0.55 * c) for c in tone], 90))
    s.spots(14, where, (0.02, 0.06), (*[min(255, int(1.4 * c)) for c in tone], 80))
    if s.chance(0.35):
        for _ in range(s.count(5, 12)):
            vein = line(0, s.pick(0.1, 0.3), 6) + 0.03j * np.cumsum(s.rng.random(6) - 0.5)
            s.paint(ribbon(vein, 0.014) * s.direction() + where(), (*fat, 120))
    if s.chance(0.6):
        gap, turn = s.pick(0.12, 0.2), np.exp(1j * s.pick(-0.8, 0.8))
        for way2 in (turn, turn * 1j)[: s.one(1, 1, 2)]:
            for k in np.arange(-0.8, 0.81, gap):
                _bar(s, z, k, way2, gap * s.pick(0.3, 0.45), way, at, high)
    if s.chance(0.2):
        s.slab(oval(0.13) + at + s.inside(0.2), (240, 220, 140), high, high + 0.06, steps=3, gloss=0.6)


def _bar(s, z, k, turn, width, way, at, high):
    """One mark of the grill, as long as the steak is there."""
    local = z / turn
    after = np.roll(local, -1)
    left, right = -9.0, 9.0
    for level in (k - width / 2, k + width / 2):
        y, below = local.imag - level, after.imag - level
        cut = (y < 0) != (below < 0)  # the edges that this side of the mark crosses
        ends = (local.real + (after - local).real * y / np.where(cut, y - below, 1))[cut]
        if len(ends) < 2:
            return
        left, right = max(left, ends.min()), min(right, ends.max())
    if right - left > 0.2:
        bar = ribbon(line(complex(left + 0.04, k), complex(right - 0.04, k)), width)
        s.paint(bar * turn * way + at, (28, 16, 12, 200), high - 0.01, 0.3, 0.4)


def sticks(s, at, low):
    """Chips, beans, asparagus or carrots."""
    colour, way = s.one(*palette("e6b450 dca03c 507828 789646 dc7828")), s.direction()
    tidy, width = s.pick(0.1, 1.5), s.pick(0.045, 0.08)
    for _ in range(s.count(8, 20)):
        turn = way * np.exp(1j * s.pick(-tidy, tidy))
        z = ribbon(line(-1, 1) * s.pick(0.15, 0.32), width) * turn + at + s.inside(0.28)
        s.slab(z, s.tint(colour), low, low + s.pick(0.06, 0.14), steps=2, soft=0.02, gloss=0.3)


def balls(s, at, low):
    """Potatoes, peas, sprouts or small tomatoes."""
    colours = palette("e2be6e 648c32 c4321e cea064 785a3c")
    colour, r = s.one(*zip(colours, (0.13, 0.05, 0.1, 0.15, 0.09), strict=True))
    for _ in range(s.count(3, int(1.2 / r))):
        s.ball(at + s.inside(0.32), r * s.pick(0.8, 1.2), s.tint(colour), low, 0.5, 0.2)


def salad(s, at, low):
    """Leaves in a heap."""
    s.leaves(at, s.count(6, 14), low, (0.14, 0.26))


def broccoli(s, at, low):
    """Florets or cauliflower."""
    green = s.one(*palette("3c6428 507832 e2d8b4"))
    for _ in range(s.count(2, 4)):
        place = at + s.inside(0.28)
        for _ in range(8):
            s.ball(place + s.inside(0.11), s.pick(0.05, 0.07), s.tint(green, 14), low + 0.03, 0.1, 0.9)


def mash(s, at, low):
    """Mashed potatoes, rice or another heap."""
    colour = s.tone("ecd696 f0ece0 d2823c 96a050")
    z = s.uneven(oval(0.3, 0.26), 0.2) + at
    s.slab(z, colour, low, low + 0.16, colour, soft=0.6, steps=6, gloss=0.3, rough=0.5)


SIDES = [sticks, sticks, balls, balls, salad, broccoli, mash]


# ------------------------------------------------------------------------------- sushi


def sushi(s: Scene):
    """Pieces of one, two or three kinds, in rows, in a ring or scattered."""
    low = s.dish() + 0.005
    kinds = [s.one(*PIECES) for _ in range(s.count(1, 3))]
    order = s.one("rows", "rows", "ring", "heap", "few")
    places, gap = [], s.pick(0.36, 0.46)  # where each piece lies, how it is turned, which kind it is
    way, _ = s.direction(), s.direction()
    if order == "rows":
        rows, columns = s.count(1, 3), s.count(3, 5)
        for row in range(rows):
            for column in range(columns):
                at = complex(column - (columns - 1) / 2, 1.5 * (row - (rows - 1) / 2)) * gap * way
                places.append((at, way * 1j, row))
    elif order == "ring":
        for ring, (radius, n) in enumerate(((0.72, s.count(8, 11)), (0.28, s.count(0, 4)))):
            turns = [np.exp(2j * np.pi * k / n) * way for k in range(n)]
            places += [(radius * turn, turn, ring) for turn in turns]
    else:
        most = 4 if order == "few" else 14
        for _ in range(60):
            at = s.inside(0.8)
            if all(abs(at - other) > gap for other, _, _ in places) and len(places) < most:
                places.append((at, s.direction(), s.count(0, 2)))
    places.sort(key=lambda place: (place[0] * s.turn).imag)  # the nearer hide the farther ones
    looks = [(kind, s.one(*FISH), s.one(*CORES), s.chance(0.3)) for kind in kinds]
    for at, turn, row in places:
        kind, *look = looks[row % len(looks)]
        at, turn = at + s.inside(0.03), turn * np.exp(1j * s.pick(-0.15, 0.15))
        kind(s, at, turn, low, s.pick(0.9, 1.1), *look)
    if s.chance(0.5):
        wasabi = s.uneven(oval(0.12, 0.1, 20), 0.25) + s.around(0.6, 0.9)
        s.slab(wasabi, s.tint((150, 180, 80)), low, low + 0.1, steps=4, soft=0.5, rough=0.5)
    if s.chance(0.4):
        at = s.around(0.6, 0.95)
        for _ in range(5):
            ginger = s.uneven(oval(0.13, 0.09, 20), 0.25) * s.direction() + at + s.inside(0.08)
            s.slab(ginger, s.tint((240, 190, 170)), low, low + 0.07, steps=2, gloss=0.6)
    if s.chance(0.35):
        s.chopsticks(s.around(0.6, 1.1))


FISH = palette("ec783c f08c50 aa1e28 8c1e24 ecd6c8 f0be96 ecbe46 6e4024 e2645a")
CORES = palette("ec783c 78aa46 aa2428 f0c850 5a8c3c f0a078 fadcbe")
RICE = (238, 234, 222)


def nigiri(s, at, way, low, size, fish, core, seeds):
    rice = s.tint(RICE, 8)
    z = box(0.3 * size, 0.15 * size, 3, 40) * way + at
    s.slab(z, rice, low, low + 0.14, rice, soft=0.2, steps=4, rough=0.55)
    colour, top = s.tint(fish), low + 0.19
    z = s.uneven(box(0.36 * size, 0.17 * size, 3.2, 40), 0.05)
    s.slab(z * way + at, colour, low + 0.12, top, soft=0.15, steps=3, gloss=0.8, rough=0.1)
    pale = (*[min(255, c + 60) for c in colour], 150)
    for x in np.arange(-0.26, 0.3, s.pick(0.07, 0.12)) * size:
        curve = complex(x, -0.13 * size) + line(0, 0.26j * size, 5) + 0.05 * size * np.linspace(-1, 1, 5) ** 2
        s.paint(ribbon(curve, 0.014) * way + at, pale, top)
    if seeds:
        band = ribbon(line(-0.17j * size, 0.17j * size), 0.1) * way + at
        s.slab(band, (26, 34, 30), top, top + 0.01, steps=2, soft=0, gloss=0.4)


def maki(s, at, way, low, size, fish, core, seeds):
    """A roll that stands: seaweed, rice, and a filling in the middle."""
    r, top = 0.19 * size, low + 0.2
    s.slab(oval(r, n=28) * way + at, (28, 34, 30), low, top, (20, 26, 24), soft=0.02, steps=4, gloss=0.5)
    s.paint(s.uneven(oval(r * 0.9, n=24), 0.03) + at, s.tint(RICE, 8), top, 0.2, 0.55)
    _core(s, at, way, r * 0.5, top, core, fish)


def uramaki(s, at, way, low, size, fish, core, seeds):
    """A roll with the rice outside."""
    r, top, rice = 0.22 * size, low + 0.2, s.tint(RICE, 8)
    s.slab(s.uneven(oval(r, n=28), 0.03) + at, rice, low, top, rice, soft=0.08, steps=4, rough=0.55)
    s.paint(oval(r * 0.6, n=20) + at, (30, 36, 32), top, 0.3)
    s.paint(oval(r * 0.52, n=20) + at, rice, top, 0.2, 0.6)
    _core(s, at, way, r * 0.42, top, core, fish)
    if seeds:
        colour = s.tone("e66e28 28241e d8b478")
        s.spots(26, lambda: at + s.around(0.72, 1.0) * r, (0.012, 0.022), colour, top, 0.5)


def lying(s, at, way, low, size, fish, core, seeds):
    """A roll on its side: a dark or white cylinder with a round end."""
    length, r = 0.24 * size, 0.17 * size
    skin = s.tint((30, 36, 32)) if seeds else s.tint(RICE, 8)
    z, rough = box(length, r, 6, 40) * way + at, 0.1 if seeds else 0.55
    s.slab(z, skin, low, low + 0.24, skin, soft=0.35, steps=5, gloss=0.4, rough=rough)
    end = box(0.09 * size, r * 0.92, 2.2, 20)
    s.paint((end - length * 0.92) * way + at, s.tint(RICE, 8), low + 0.13, 0.2, 0.55)
    s.paint((end * 0.5 - length * 0.92) * way + at, s.tint(core), low + 0.14, 0.6)


def gunkan(s, at, way, low, size, fish, core, seeds):
    """A boat of seaweed full of roe."""
    z = box(0.25 * size, 0.16 * size, 3, 40)
    s.slab(z * way + at, (28, 34, 30), low, low + 0.22, soft=0.02, steps=4, gloss=0.5)
    roe = s.tone("e65a1e dc321e f0a028 322e2c")
    s.paint(z * 0.88 * way + at, tuple(int(0.7 * c) for c in roe), low + 0.2, 0.8)

    def where():
        return (z[s.count(0, 39)] * 0.8 * s.rng.random() ** 0.5) * way + at

    s.spots(22, where, (0.03, 0.045), s.tint(roe, 16), low + 0.24, 1)


def _core(s, at, way, r, top, core, fish):
    """The filling of a roll: one piece or three."""
    if s.chance(0.6):
        s.paint(s.uneven(box(r, r * 0.85, 4, 14), 0.1) * way + at, s.tint(core), top + 0.01, 0.7)
        return
    for k, colour in enumerate((core, fish, (130, 170, 80))):
        place = at + 0.55 * r * way * np.exp(2.09j * k)
        s.paint(oval(r * 0.5, n=10) + place, s.tint(colour), top + 0.01, 0.7)


PIECES = [nigiri, nigiri, nigiri, maki, maki, uramaki, uramaki, lying, gunkan]
FOODS = {"pizza": pizza, "steak": steak, "sushi": sushi}
