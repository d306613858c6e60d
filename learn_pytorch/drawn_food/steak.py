"""A steak or two, seared and grilled, with what comes on the side."""

import numpy as np

from learn_pytorch.drawn_food.outlines import box, line, oval, palette, ribbon
from learn_pytorch.drawn_food.table import Scene


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
