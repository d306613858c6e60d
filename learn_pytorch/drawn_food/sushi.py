"""Sushi: rolls, boats and fish on rice, in rows, in a ring or scattered."""

import numpy as np

from learn_pytorch.drawn_food.outlines import box, line, oval, palette, ribbon
from learn_pytorch.drawn_food.table import Scene


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
