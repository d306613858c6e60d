"""Light, shadows and highlights, lens and film: the same work for every scene."""

import numpy as np
from PIL import Image, ImageFilter

from learn_pytorch.drawn_food.canvas import TALL
from learn_pytorch.drawn_food.surfaces import SIZE, grow, noise_surfaces
from learn_pytorch.drawn_food.table import Scene


def photograph(s: Scene) -> Image.Image:
    """Light, shadows, lens and film."""
    colour = np.asarray(s.colour.reduce(2), np.float32) / 255
    colour *= colour  # light adds up in squares of what a file stores
    _, gloss, rough = np.moveaxis(np.asarray(s.relief.reduce(2), np.float32) / 255, 2, 0)
    height = np.asarray(s.relief.getchannel(0), np.float32) * (TALL / 255)
    height = Image.fromarray(height)
    coarse = height.reduce(8)
    fine = grow(height.reduce(4))
    broad = grow(height.reduce(16))

    noise = np.roll(noise_surfaces()[1], (s.count(0, SIZE), s.count(0, SIZE)), (0, 1))
    bumps = 0.65 * fine + 0.35 * broad + (0.03 * rough) * noise
    toward, strength = s.direction(), s.pick(0.6, 1.3)
    down, across = np.gradient(bumps)
    slope = -(across * toward.real + down * toward.imag) * (22 * strength)
    low = s.pick(0.35, 1.0)  # how low the light stands: long shadows
    shadow = _shadow(np.asarray(coarse), toward, low)
    hollow = np.clip(grow(height.reduce(64)) - broad, 0, 0.2)
    light = 0.42 + s.pick(0.4, 0.62) * (1 - shadow) * np.clip(1 + slope, 0, 2.2) - 1.3 * hollow
    x = np.linspace(-1, 1, SIZE, dtype=np.float32)
    light *= 1 + s.pick(0, 0.35) * (toward.real * x + toward.imag * x[:, None])
    light *= 1 - s.pick(0, 0.4) * (x * x + (x * x)[:, None]) / 2
    shine = gloss * np.clip(slope - s.pick(0.25, 0.5), 0, 1) ** 2 * s.pick(0.6, 1.6)
    colour *= (np.clip(light, 0.08, 2.5) * (1 + 0.5 * rough * noise))[..., None]
    colour += (shine * (1 - shadow))[..., None]

    warm, green = s.pick(-0.14, 0.14), s.pick(-0.05, 0.05)  # the colour of the light
    cast = np.array([1 + warm, 1 + green, 1 - warm], np.float32)
    exposure = np.exp(s.pick(-0.35, 0.35)) * (0.3 / float(colour.mean())) ** 0.5  # cameras meter
    image = np.sqrt(np.clip(colour * (cast * exposure), 0, None))
    image = image / (1 + 0.25 * image * image) * 1.2  # film bends bright tones
    faded = s.pick(0, 1) ** 2 * 0.3
    image = image * (1 - faded) + faded * image.mean(2, keepdims=True)
    image += s.pick(0.004, 0.02) * np.roll(noise_surfaces()[2], s.count(0, SIZE), 0)[..., None]
    sharp = Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))
    half = sharp.reduce(2).filter(ImageFilter.GaussianBlur(s.pick(0.5, 2.5)))
    blurred = half.resize(sharp.size, Image.Resampling.BILINEAR)
    # In focus along a band across the picture, wide for most cameras.
    middle, depth = s.pick(-0.3, 0.3), s.pick(0.7, 3)
    away = np.clip((np.abs(x - middle) - 0.4) / depth, 0, 1)
    mask = np.broadcast_to((away[:, None] * 255).astype(np.uint8), (SIZE, SIZE))
    return Image.composite(blurred, sharp, Image.fromarray(np.ascontiguousarray(mask)))


def _shadow(height: np.ndarray, toward: complex, low: float) -> np.ndarray:
    """How much of each place lies in the shadow of something taller towards the light, 0 to 1."""
    n, reach = len(height), 12
    wide = np.pad(height, reach, mode="edge")
    over = np.zeros_like(height)
    for step in range(1, reach + 1):
        x, y = (reach + round(step * v) for v in (toward.real, toward.imag))
        over = np.maximum(over, wide[y : y + n, x : x + n] - height - step * 0.02 / low)
    soft = np.clip(over * 12, 0, 1) * 0.85
    return np.clip(grow(Image.fromarray(soft.astype(np.float32))), 0, 1)
