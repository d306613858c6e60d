"""A table, what one eats from, and what else stands on it."""

import numpy as np
from PIL import Image

from learn_pytorch.drawn_food.canvas import CANVAS, Canvas
from learn_pytorch.drawn_food.outlines import arc, box, line, oval, palette, ribbon
from learn_pytorch.drawn_food.surfaces import SIZE, noise_surfaces


class Scene(Canvas):
    """A table that has yet to be laid."""

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
        gray = noise_surfaces()[0].transform((CANVAS, CANVAS), Image.Transform.AFFINE, move)
        lookup = np.clip(ramp, 0, 255).astype(int).T.ravel().tolist()
        self.colour.paste(Image.merge("RGB", (gray,) * 3).point(lookup))
        rough = {"cloth": 0.35, "checks": 0.35, "stone": 0.3}.get(kind, 0.06)
        shine = int(255 * self.pick(0, 0.4)) if rough < 0.1 else 0
        self.relief.paste((0, shine, int(255 * rough)), (0, 0, CANVAS, CANVAS))
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
