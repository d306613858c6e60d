"""Random surfaces, for the grain of a table and the roughness of a crust."""

import functools

import numpy as np
from PIL import Image

SIZE = 512  # pixels in a row and in a column of a picture


def grow(small: Image.Image) -> np.ndarray:
    """A small picture at full size, smoothly: a cheap wide blur."""
    return np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


@functools.cache
def noise_surfaces() -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """Random surfaces, made once: clouds of all sizes, grains of some pixels, single pixels."""
    rng = np.random.default_rng(0)

    def layer(cells: int) -> np.ndarray:
        return grow(Image.fromarray(rng.random((cells, cells), dtype=np.float32) - np.float32(0.5)))

    clouds = sum(layer(4 * 2**k) * 0.65**k for k in range(7))
    clouds = (clouds - clouds.min()) / (clouds.max() - clouds.min())
    grains = layer(150) + layer(70) + 0.7 * layer(256)
    return Image.fromarray((clouds * 255).astype(np.uint8)), grains, layer(SIZE) * 3
