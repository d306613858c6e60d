"""Ten classes of garments drawn by code, for a classroom that cannot reach the real pictures.

Every picture is a stack of shapes with soft edges, each given by its distance function: how many
pixels a point lies outside the shape (inside, the number is negative). Cut, place, tone, cloth and
light come from random numbers. Only additions, multiplications, divisions, square roots and
comparisons of 32-bit floats are used, which every processor rounds alike, so the pictures are the
same bytes everywhere.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

VERSION = 1  # goes up when the pictures change, so that older ones are drawn again
SIZE = 28  # pixels in a row and in a column
BATCH = 200  # pictures drawn together: few enough that the processor's cache holds them


def draw(count: int, seed: int = 42, progress=lambda done: None) -> tuple[np.ndarray, np.ndarray]:
    """Draws pictures of all ten classes, as many of each, in random order.

    Args:
        count: How many pictures, a multiple of 10.
        seed: Other seeds give other pictures.
        progress: Called with the number of pictures each time some are finished.

    Returns:
        The pictures, uint8 of shape (count, 28, 28), and their labels, uint8 of shape (count,).

    Example:
        >>> images, labels = draw(20)
        >>> images.shape, sorted(labels.tolist())[:4]
        ((20, 28, 28), [0, 0, 1, 1])
    """
    if count < 1 or count % 10:
        raise ValueError(f"count must be a multiple of 10, at least 10, got {count}")
    labels = np.repeat(np.arange(10, dtype=np.uint8), count // 10)
    # Each batch has random numbers of its own, so the number of threads changes nothing.
    order = _shuffled(np.random.default_rng([seed, 10]), count)
    images = np.empty((count, SIZE, SIZE), np.uint8)

    def draw_batch(label: int, first: int) -> int:
        n = min(BATCH, count // 10 - first)
        sheet = Sheet(np.random.default_rng([seed, label, first]), n)
        CLASSES[label](sheet)
        begin = label * (count // 10) + first
        images[order[begin : begin + n]] = sheet.pixels()
        return n

    jobs = [(label, first) for label in range(10) for first in range(0, count // 10, BATCH)]
    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(draw_batch, *zip(*jobs, strict=True)):
            progress(done)
    placed = np.empty_like(labels)
    placed[order] = labels
    return images, placed


def _shuffled(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.argsort(rng.random(count), kind="stable")


class Sheet:
    """A batch of pictures that are drawn together, each with coordinates and a light of its own.

    ``x`` runs from -14 (left) to 14, ``y`` from 0 (top) to 28, both of shape (n, 28, 28), before
    each picture is moved, turned and bent a little. Random numbers have shape (n, 1, 1).
    """

    def __init__(self, rng: np.random.Generator, n: int):
        self.rng, self.n = rng, n
        self.image = np.zeros((n, SIZE, SIZE), np.float32)
        y, x = np.mgrid[0.5:SIZE, -13.5 : SIZE / 2].astype(np.float32)
        turn = self.bell(0.012)
        bend, bulge = self.cloud(3, 0.25), self.cloud(3, 0.25)
        self.x = (x - self.bell(0.2)) / self.pick(0.94, 1.06) + turn * (y - 14) + bend
        self.y = (y - self.bell(0.35)) - turn * x + bulge
        self.ax = np.abs(self.x)

    # -------------------------------------------------------------------------- random numbers

    def pick(self, low: float, high: float) -> np.ndarray:
        """Uniform between ``low`` and ``high``."""
        return low + (high - low) * self.rng.random((self.n, 1, 1), dtype=np.float32)

    def bell(self, spread: float) -> np.ndarray:
        """Bell-shaped around 0, within three times ``spread``."""
        return spread * (self.pick(-1, 1) + self.pick(-1, 1) + self.pick(-1, 1))

    def chance(self, p: float) -> np.ndarray:
        """1 with probability ``p``, else 0."""
        return (self.pick(0, 1) < p).astype(np.float32)

    def cloud(self, cells: int, size: float) -> np.ndarray:
        """A smooth random surface: ``cells`` hills and valleys across, up to ``size`` high."""
        knots = self.rng.random((self.n, cells + 1, cells + 1), dtype=np.float32) * (2 * size) - size
        place = np.arange(SIZE, dtype=np.float32) * (cells / SIZE)
        cell = place.astype(int)
        part = place - cell.astype(np.float32)
        rows = knots[:, cell] * (1 - part[:, None]) + knots[:, cell + 1] * part[:, None]
        return rows[:, :, cell] * (1 - part) + rows[:, :, cell + 1] * part

    # ------------------------------------------------------------------------------- distances

    def box(self, left, right, top, bottom):
        """Distance to an upright box; sides may depend on the place."""
        across = np.maximum(left - self.x, self.x - right)
        return np.maximum(across, np.maximum(top - self.y, self.y - bottom))

    def oval(self, x, y, rx, ry):
        """Distance to an ellipse around (x, y), close enough near its edge."""
        u, v = (self.x - x) / rx, (self.y - y) / ry
        return (np.sqrt(u * u + v * v) - 1) * np.minimum(rx, ry)

    def tube(self, x0, y0, x1, y1, r0, r1, *, mirror=True):
        """Distance to a tube with flat ends, as wide as r0 and r1 there; by default a pair of them."""
        dx, dy = x1 - x0, y1 - y0
        length = np.sqrt(dx * dx + dy * dy)
        dx, dy = dx / length, dy / length
        u, v = (self.ax if mirror else self.x) - x0, self.y - y0
        along, aside = u * dx + v * dy, np.abs(v * dx - u * dy)
        wide = r0 + (r1 - r0) / length * np.clip(along, 0, length)
        return np.maximum(aside - wide, np.maximum(along - length, -along - r0))

    # -------------------------------------------------------------------------------- painting

    def paint(self, distance, tone):
        """Paints a shape over what is there."""
        self.image += _cover(distance) * (tone - self.image)

    def shade(self, distance, factor):
        """Makes what is there darker (or lighter) inside a shape."""
        self.image *= 1 + _cover(distance) * (factor - 1)

    def cloth(self, stripes=0.1, checks=0.0, noise=0.5, light=0.15):
        """Gives the picture its cloth: stripes, checks, weave, folds and light from one side."""
        across = self.chance(stripes) * self.pick(0.1, 0.4)
        down = self.chance(checks) * self.pick(0.1, 0.35)
        across = np.maximum(across, down * self.chance(0.7))
        sharp, width = self.pick(1, 4), self.pick(2.0, 5.5)
        factor = 1 + across * np.clip(sharp * _wave(self.y / width), -1, 1)
        factor += down * np.clip(sharp * _wave(self.x / width), -1, 1)
        weave = self.rng.random(self.image.shape, dtype=np.float32) - np.float32(0.5)
        rough = self.pick(0, 1)
        factor += weave * (0.03 + 0.8 * noise * rough * rough * rough * rough)
        factor += self.cloud(6, light) + self.cloud(2, light) + self.bell(light / 10) * self.x
        self.image *= factor

    def pixels(self) -> np.ndarray:
        """The pictures as bytes."""
        return (np.clip(self.image, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)


def _cover(distance):
    """How much of a pixel a shape covers: all of it half a pixel inside, nothing half a pixel outside."""
    return np.clip(0.5 - distance, 0, 1)


def _wave(v):
    """A triangle wave between -1 and 1, of period 1."""
    return np.abs(v - np.floor(v) - 0.5) * 4 - 1


def _line(v, values, places):
    """The broken line through ``values`` at ``places``, level beyond its ends."""
    total = values[0]
    for i in range(len(places) - 1):
        step = np.clip((v - places[i]) / (places[i + 1] - places[i]), 0, 1)
        total = total + (values[i + 1] - values[i]) * step
    return total


# ------------------------------------------------------------------------------- tops and dresses


def _tone(s: Sheet, dark: float):
    """A garment's tone: light for most, dark for some."""
    black = s.chance(dark)
    return black * s.pick(0.15, 0.45) + (1 - black) * s.pick(0.55, 1.0)


def _top(s: Sheet, *, shoulder, waist, hem, sleeve, short, none, neck, deep, dark=0.1, **cloth):
    """Body, sleeves and neck, which all upper garments share. Pairs are ranges.

    Args:
        s: Where to draw.
        shoulder: Half the width of the body at the shoulders, in pixels.
        waist: The same at the waist.
        hem: The same at the hem.
        sleeve: Half the width of the sleeves.
        short: Share of garments with short sleeves.
        none: Share of those without sleeves.
        neck: Half the width of the neck's opening.
        deep: Its depth.
        dark: Share of dark garments.
        **cloth: See ``Sheet.cloth``.
    """
    shoulder, waist, hem, sleeve = (s.pick(*r) for r in (shoulder, waist, hem, sleeve))
    neck, deep = s.pick(*neck), s.pick(*deep)
    tone, drop = _tone(s, dark), s.pick(0.12, 0.4)
    top, bottom = s.pick(0.3, 1.5), s.pick(26.3, 28)
    half = _line(s.y, [shoulder, waist, hem], [top + 7, s.pick(13, 17), bottom])
    slope = top + drop * np.maximum(s.ax - neck, 0)
    body = np.maximum(s.ax - half, np.maximum(slope - s.y, s.y - bottom))

    kind = s.pick(0, 1)
    bare = (kind < none).astype(np.float32)
    brief = (kind < none + short).astype(np.float32) * (1 - bare)
    out, down = s.pick(3, 5.2), s.pick(6.5, 10.5)
    cuff_x = brief * (shoulder + out) + (1 - brief) * (shoulder + s.pick(1.6, 4.6))
    cuff_y = brief * (top + down) + (1 - brief) * s.pick(20, 27)
    cuff = sleeve * (brief * s.pick(0.85, 1.1) + (1 - brief) * s.pick(0.55, 0.85))
    arms = s.tube(shoulder - sleeve + 0.8, top + sleeve, cuff_x, cuff_y, sleeve, cuff)
    arms = np.maximum(arms, slope - s.y) + 40 * bare
    other = tone * (1 + s.chance(0.15) * s.pick(-0.5, 0.5))
    s.paint(arms, other)
    s.shade(np.abs(body) - 0.6, 1 - 0.5 * s.pick(0, 1))
    s.paint(body, tone)

    pointed = s.chance(0.3)
    round_neck = s.oval(0, top, neck, deep)
    opening = round_neck + pointed * ((s.ax * deep / neck + s.y - top - deep) * 0.6 - round_neck)
    s.cloth(**cloth)
    s.shade(np.abs(opening) - 0.7, s.pick(0.6, 1.2))
    s.paint(opening, tone * s.chance(0.4) * s.pick(0.3, 0.7))
    return tone, top, bottom, opening


def _print(s: Sheet, share: float):
    """A picture or a line of letters on the chest."""
    width, height, y = s.pick(1.5, 5), s.pick(0.6, 4), s.pick(8, 15)
    letters = s.cloud(14, 1.0)
    patch = s.box(-width, width, y - height, y + height) + 40 * (1 - s.chance(share))
    s.image *= 1 + _cover(patch) * (letters * s.pick(0.4, 1.3) + s.bell(0.2))


def _front(s: Sheet, share: float, strong, buttons: float):
    """An opening down the front, with or without buttons."""
    there = s.chance(share)
    place = s.x - s.bell(0.4)
    s.shade(np.abs(place) - s.pick(0.2, 0.7) + 40 * (1 - there), 1 - s.pick(*strong))
    spots = s.box(-0.8, 0.8, 0, 26) + 40 * (1 - there * s.chance(buttons))
    s.image *= 1 + _cover(spots) * s.pick(-0.5, 0.5) * np.clip(3 * _wave(s.y / s.pick(2.5, 4.5)), 0, 1)


def _collar(s: Sheet, share: float, top, tone):
    """Two flaps beside the neck."""
    flaps = s.tube(1.2, top, s.pick(2.2, 4), top + s.pick(2.5, 4.5), 1.0, 0.7) + 40 * (1 - s.chance(share))
    s.shade(np.abs(flaps) - 0.4, 0.6)
    s.paint(flaps, tone * s.pick(0.7, 1.3))


def _rib(s: Sheet, share: float, y):
    """A line above the hem."""
    s.shade(np.abs(s.y - y) - 0.5 + 40 * (1 - s.chance(share)), s.pick(0.5, 0.9))


def _pockets(s: Sheet, share: float):
    """A pocket on each side, below the waist."""
    x, y, tilt = s.pick(2.5, 4), s.pick(16, 19), s.pick(-1, 2.5)
    pockets = s.tube(x, y, x + s.pick(1.5, 3), y + tilt, 0.6, 0.6)
    s.shade(pockets + 40 * (1 - s.chance(share)), 0.6)


def t_shirt(s: Sheet):
    tone, top, _, _ = _top(
        s, shoulder=(6, 9), waist=(5.6, 8.5), hem=(6, 9), sleeve=(2.2, 3.4), short=0.77, none=0.15,
        neck=(2, 4.6), deep=(1, 5), stripes=0.15, checks=0.03, noise=0.6,
    )  # fmt: skip
    _print(s, 0.35)
    _front(s, 0.06, (0.1, 0.4), 0.7)
    _collar(s, 0.05, top, tone)


def pullover(s: Sheet):
    tone, top, bottom, _ = _top(
        s, shoulder=(6.5, 9), waist=(6, 8.5), hem=(6.2, 9), sleeve=(2.2, 3.3), short=0.05, none=0.01,
        neck=(1.7, 3.7), deep=(0.7, 3.6), stripes=0.18, checks=0.04, noise=0.6,
    )  # fmt: skip
    _print(s, 0.26)
    _front(s, 0.11, (0.1, 0.6), 0.5)
    _collar(s, 0.1, top, tone)
    _rib(s, 0.58, bottom - s.pick(1.5, 2.5))


def coat(s: Sheet):
    tone, top, bottom, _ = _top(
        s, shoulder=(6.2, 8.8), waist=(5.8, 8.2), hem=(6.2, 9), sleeve=(2.2, 3.3), short=0.02, none=0.03,
        neck=(1.6, 3.4), deep=(0.6, 3.3), dark=0.13, stripes=0.07, checks=0.04, noise=0.5,
    )  # fmt: skip
    _front(s, 0.78, (0.2, 0.75), 0.4)
    _collar(s, 0.45, top, tone)
    _rib(s, 0.08, bottom - s.pick(1.5, 2.5))
    _pockets(s, 0.43)


def shirt(s: Sheet):
    tone, top, bottom, _ = _top(
        s, shoulder=(6.2, 9), waist=(5.8, 8.5), hem=(6.2, 9), sleeve=(2.2, 3.3), short=0.33, none=0.1,
        neck=(1.7, 4.2), deep=(0.7, 4.5), stripes=0.13, checks=0.2, noise=0.7,
    )  # fmt: skip
    _print(s, 0.06)
    _front(s, 0.49, (0.1, 0.6), 0.7)
    _collar(s, 0.44, top, tone)
    _rib(s, 0.08, bottom - s.pick(1.5, 2.5))
    _pockets(s, 0.05)


def dress(s: Sheet):
    _top(
        s, shoulder=(3.9, 6.7), waist=(3.2, 6.1), hem=(3.7, 9), sleeve=(1.6, 2.6), short=0.35, none=0.4,
        neck=(1.6, 3.8), deep=(1, 4.5), stripes=0.1, noise=0.6,
    )  # fmt: skip
    belt = np.abs(s.y - s.pick(10, 14)) - s.pick(0.3, 1)
    s.shade(belt + 40 * (1 - s.chance(0.4)), s.pick(0.4, 1))


def trouser(s: Sheet):
    tone, bottom, crotch = _tone(s, 0.08), s.pick(26.5, 28), s.pick(8, 11)
    waist, hip, leg = s.pick(3.6, 5.2), s.pick(4.4, 6.2), s.pick(4, 7)
    outer = _line(s.y, [waist, hip, leg], [s.pick(0, 1), 8, bottom])
    inner = _line(s.y, [0, s.pick(0, 1.2), np.maximum(leg - s.pick(2, 4.5), 0)], [crotch, crotch + 4, bottom])
    gap = np.maximum(s.ax - inner, crotch - s.y)
    legs = np.maximum(s.ax - outer, np.maximum(s.pick(0.2, 1.2) - s.y, s.y - bottom))
    s.paint(np.maximum(legs, -gap), tone)
    s.shade(s.ax - 0.5, 1 - 0.5 * s.pick(0, 1))
    s.shade(np.abs(s.y - s.pick(2, 3)) - 0.4, s.pick(0.5, 1))
    s.shade(np.abs(s.ax - s.pick(1.5, 3.5)) - s.pick(0.4, 1.2), s.pick(0.9, 1.25))
    s.cloth(stripes=0.03, checks=0.05, noise=0.5)


# ------------------------------------------------------------------------------- shoes and bags


def _shoe(s: Sheet, floor, heights, places, sole, tone):
    """A shoe seen from the side, its toe on the left: upper, sole, and where its top ends."""
    upper = _line(s.x, [floor - h for h in heights], places)
    left, right = places[0] - 0.5, places[-1] + 0.3
    shape = s.box(left, right, upper, floor)
    s.paint(shape, tone)
    s.paint(np.maximum(shape, floor - sole - s.y), tone * s.pick(0.3, 1.5))
    s.shade(np.abs(s.y - (floor - sole)) - 0.4, s.pick(0.4, 1))
    return upper


def _laces(s: Sheet, upper, share):
    """Short bars across the instep, and a stripe on the side."""
    band = np.maximum(s.box(s.pick(-6, -4), s.pick(0, 3), upper, upper + s.pick(1.5, 3)), upper - s.y)
    bars = np.clip(2 * _wave((s.x + s.y) / s.pick(2, 3)), -1, 1)
    s.image *= 1 + _cover(band + 40 * (1 - s.chance(share))) * bars * s.pick(0.2, 0.6)
    x, y = s.pick(-4, 4), s.pick(15, 18)
    stripe = s.tube(x, y + 2, x + s.pick(-3, 4), y - 3, s.pick(0.4, 1.3), 0.5, mirror=False)
    s.shade(stripe + 40 * (1 - s.chance(share)), s.pick(0.4, 1.6))


def sneaker(s: Sheet):
    tone, floor = _tone(s, 0.1), s.pick(18.5, 21.5)
    high = s.chance(0.15) * s.pick(1, 7)
    heights = [s.pick(2.2, 4), s.pick(4, 6), s.pick(6, 9), s.pick(8, 10.5) + high, s.pick(6.5, 9) + high]
    heights.append(s.pick(7.5, 10) + high)
    upper = _shoe(s, floor, heights, [-13.3, -9, -2, 3, 7, 13.2], s.pick(1, 2.6), tone)
    _laces(s, upper, 0.6)
    s.cloth(stripes=0.02, noise=0.6, light=0.2)


def ankle_boot(s: Sheet):
    tone, low = _tone(s, 0.1), s.chance(0.2) * s.pick(3, 9)
    floor = s.pick(23, 27.3) - 0.2 * low
    shaft = np.minimum(s.pick(15, 25), floor - 1) - low
    front = s.pick(-3, 4)
    heights = [s.pick(3, 5), s.pick(5, 8), s.pick(8, 11), shaft + s.pick(-1, 1), shaft]
    upper = _shoe(s, floor, heights, [-12.8, -8, front - 3, front, 13], s.pick(0.8, 2.4), tone)
    s.image *= _cover(s.x - s.pick(9.5, 13.5))
    heel = s.chance(0.4)
    rise = s.pick(2, 6) * heel
    arch = np.maximum(floor - rise * np.clip((s.x + 6) / 8, 0, 1) - s.y, s.x - s.pick(3, 8))
    s.image *= 1 - _cover(arch + 40 * (1 - heel))
    s.shade(np.abs(s.x + s.y * 0.4 - s.pick(6, 14)) - 0.5, s.pick(0.5, 1.1))
    _laces(s, upper, 0.35)
    s.cloth(stripes=0.02, noise=0.5, light=0.2)


def sandal(s: Sheet):
    tone, floor = _tone(s, 0.08), s.pick(17.5, 22)
    tall = s.chance(0.5)
    rise = tall * s.pick(3, 12) + (1 - tall) * s.pick(0.2, 1.5)
    floor = floor + 0.5 * rise
    ball, thick = s.pick(-7, -3), s.pick(0.9, 2.6)
    climb = rise * np.clip((s.x - ball) / (11 - ball), 0, 1)
    sole, top = floor - climb, floor - climb - thick
    wedge = s.chance(0.3)
    s.paint(s.box(-13.2, s.pick(12, 13.4), top, sole + climb * wedge), tone * s.pick(0.5, 1.2))
    heel = 11.5 + (s.y - floor) * s.pick(-0.15, 0.1)
    s.paint(s.box(heel - s.pick(0.6, 3), heel + 0.8, top, floor) + 40 * (1 - tall), tone * s.pick(0.5, 1))
    for place, odds in ((-9, 0.75), (-5, 0.5), (1, 0.4), (6, 0.5), (10.5, 0.65)):
        x, lean, height = place + s.bell(0.8), (5 - place) * s.pick(0.2, 0.9), s.pick(3, 8)
        y = floor - thick - rise * np.clip((x - ball) / (11 - ball), 0, 1)
        strap = s.tube(x, y, x + lean, y - height, s.pick(0.5, 1.6), s.pick(0.4, 1.3), mirror=False)
        s.paint(strap + 40 * (1 - s.chance(odds)), tone * s.pick(0.7, 1.3))
    place, up = s.pick(6, 9), thick + rise * 0.8 + s.pick(2, 6)
    ring = np.abs(s.oval(place, floor - up, s.pick(3, 5), s.pick(1.2, 3))) - s.pick(0.5, 1.1)
    s.paint(ring + 40 * (1 - s.chance(0.65)), tone)
    end, high = s.pick(-6, 4), s.pick(3, 7)
    closed = s.chance(0.3) * s.pick(0, 13)
    instep = np.clip((s.x + 13) / 10, 0.4, 1.5) * high
    cover = s.box(s.pick(-13, -10), end + closed, top - instep, top)
    s.paint(cover + 40 * (1 - s.chance(0.35)), tone * s.pick(0.7, 1.1))
    s.cloth(stripes=0.02, noise=0.7, light=0.25)


def bag(s: Sheet):
    tone = _tone(s, 0.08)
    half, top = s.pick(9, 13.8), s.pick(2, 11)
    bottom = np.minimum(top + s.pick(9, 22), 27.5)
    flare = s.pick(-0.25, 0.15) * (bottom - s.y)
    body = np.maximum(s.ax - half - flare, np.maximum(top - s.y, s.y - bottom))
    corner = s.oval(0, (top + bottom) / 2, half * 1.25, (bottom - top) * 0.66)
    handle = np.abs(s.oval(0, top, s.pick(3.5, 9), np.minimum(s.pick(3, 14), top - 0.3))) - s.pick(0.4, 1.1)
    s.paint(handle + 40 * (1 - s.chance(0.6)), tone * s.pick(0.6, 1.2))
    s.paint(np.maximum(body, corner), tone)
    flap = np.abs(s.y - top - s.pick(2, 7) + s.pick(-0.1, 0.1) * s.ax) - 0.5
    s.shade(flap + 40 * (1 - s.chance(0.6)), s.pick(0.4, 0.9))
    s.shade(s.box(-1.2, 1.2, top + 3, top + 5.5) + 40 * (1 - s.chance(0.4)), s.pick(0.4, 1.6))
    s.cloth(stripes=0.08, checks=0.08, noise=0.8, light=0.2)


CLASSES = [t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot]
