"""A pizza: its form, its crust, what was melted on it and what lies on top."""

import numpy as np

from learn_pytorch.drawn_food.outlines import arc, box, line, oval, palette, ribbon
from learn_pytorch.drawn_food.table import Scene


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
