"""Figures in notebooks: how they are stored, and whether two are the same."""

import base64
import functools
import importlib.metadata
import io

import numpy as np
from packaging.requirements import Requirement
from PIL import Image

JPEG_QUALITY = 88
FEW = 1e-4  # share of the pixels that may differ clearly: another processor rounds another way
CLEARLY = 40  # of 255
SMALL, MEAN = 64, 3  # mean difference, of 255, of two figures that are scaled down to 64 x 64 pixels
LOCKED = ("matplotlib", "numpy", "pandas", "pillow", "scikit-learn", "torch", "torchvision")


def compress(data: dict) -> None:
    """Stores a photograph as JPEG, in place: a PNG file that is more than twice as large as a JPEG.

    Args:
        data: An output's data by MIME type; drawings, which PNG holds well, stay as they are.
    """
    if "image/png" not in data:
        return
    png = base64.b64decode(data["image/png"])
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY)
    if 2 * len(file.getvalue()) < len(png):
        del data["image/png"]
        data["image/jpeg"] = base64.b64encode(file.getvalue()).decode()


def pictures(outputs) -> list[str]:
    """The figures among a cell's outputs, in base64, each as it would be stored."""
    found = []
    for output in outputs:
        data = dict(output.get("data", {}))
        compress(data)
        found += [data[kind].strip() for kind in ("image/png", "image/jpeg") if kind in data]
    return found


def difference(new: str, stored: str, exact: bool) -> str:
    """What distinguishes two figures in base64; an empty string if they are the same.

    Args:
        new: A figure that has just been drawn.
        stored: The one that it should be.
        exact: Whether all but a few pixels have to agree; otherwise size and shades in general.
    """
    if new == stored:
        return ""
    a, b = (Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB") for text in (new, stored))
    if exact:
        if a.size != b.size:
            return f"size {a.size}, stored is {b.size}"
        off = (np.abs(np.asarray(a, int) - np.asarray(b, int)).max(axis=2) > CLEARLY).mean()
        return "" if off <= FEW else f"{off:.2%} of the pixels differ"
    if any(abs(x - y) > 0.04 * y for x, y in zip(a.size, b.size, strict=True)):
        return f"size {a.size}, stored is {b.size}"
    small = [np.asarray(image.resize((SMALL, SMALL), Image.Resampling.BOX), int) for image in (a, b)]
    mean = np.abs(small[0] - small[1]).mean()
    return "" if mean < MEAN else f"mean difference {mean:.1f} of 255"


@functools.cache
def locked(path) -> bool:
    """Whether what draws the figures has the versions that a lock file names."""
    if not path.exists():
        return False
    wanted = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        if text and not text.startswith("-"):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                wanted[requirement.name.lower()] = requirement.specifier
    return all(
        name in wanted and wanted[name].contains(importlib.metadata.version(name), prereleases=True)
        for name in LOCKED
    )
