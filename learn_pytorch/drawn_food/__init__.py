"""Pizza, steak and sushi drawn by code, for a classroom that cannot reach the photographs.

A scene is painted as a stack of flat shapes on two canvases: one for colour, one for height, gloss
and roughness. Light from one side, shadows, highlights and the camera come afterwards and are the
same work for every scene. Shapes are arrays of complex numbers, because a product turns and scales
them and a sum moves them. The food lies around 0; a dish has a radius of about 1.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from learn_pytorch.drawn_food.camera import photograph
from learn_pytorch.drawn_food.pizza import pizza
from learn_pytorch.drawn_food.steak import steak
from learn_pytorch.drawn_food.surfaces import SIZE
from learn_pytorch.drawn_food.sushi import sushi
from learn_pytorch.drawn_food.table import Scene

__all__ = ["FOODS", "SIZE", "VERSION", "picture"]

VERSION = 1  # goes up when the pictures change, so that older ones are drawn again
FOODS = {"pizza": pizza, "steak": steak, "sushi": sushi}


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
    return photograph(scene)
