"""Figures in notebooks: how they are stored, and whether two are the same."""

import base64
import functools
import importlib.metadata
import io

import numpy as np
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from PIL import Image

JPEG_QUALITY = 80
# With the same versions a drawing comes out the same on every processor, but for shades that nobody
# sees, and for a marker that falls a pixel beside where it was. The smallest letter that is another
# one has some thirty pixels that are not found even one pixel further.
CLEARLY = {"PNG": 8, "JPEG": 24}  # of 255; a difference that counts (JPEG rounds once more)
FEW = 5e-4  # share of the pixels that may differ clearly
STRAY = 2  # pixels that may differ clearly from all around them in the other figure
# With other versions, letters look a little different, and so do curves whose values are allowed to.
SMALL = 32  # pixels; both figures are scaled down to so many in each direction
MEAN, MOST = 2.4, 120  # of 255; the mean difference then, and the largest
LOCKED = ("matplotlib", "numpy", "pandas", "pillow", "scikit-learn", "torch", "torchvision")


def compress(data: dict) -> None:
    """Stores a photograph as JPEG, in place: a PNG file that is more than twice as large as a JPEG.

    Args:
        data: An output's data by MIME type; drawings, which PNG holds well, stay as they are, and so
            does what can be seen through.
    """
    if "image/png" not in data:
        return
    png = base64.b64decode(data["image/png"])
    image = Image.open(io.BytesIO(png))
    if image.convert("RGBA").getextrema()[3][0] < 255:
        return
    jpeg = _as_jpeg(image)
    if 2 * len(jpeg) < len(png):
        del data["image/png"]
        data["image/jpeg"] = base64.b64encode(jpeg).decode()


def pictures(outputs) -> list[str]:
    """The figures among a cell's outputs, in base64, each as it would be stored."""
    found = []
    for output in outputs:
        data = dict(output.get("data", {}))
        compress(data)
        found += ["".join(data[kind].split()) for kind in ("image/png", "image/jpeg") if kind in data]
    return found


def difference(new: str, stored: str, exact: bool) -> str:
    """What distinguishes two figures in base64; an empty string if they are the same.

    Args:
        new: A figure that has just been drawn.
        stored: The one that it should be.
        exact: Whether only what another processor rounds may differ; otherwise a few per cent of
            the size, and all that cannot be told when both are scaled down to a stamp.
    """
    if new == stored:
        return ""
    images = [Image.open(io.BytesIO(base64.b64decode(text))) for text in (new, stored)]
    if {image.format for image in images} == {"PNG", "JPEG"}:  # just above and below twice the size
        images = [i if i.format == "JPEG" else Image.open(io.BytesIO(_as_jpeg(i))) for i in images]
    clearly = CLEARLY[images[0].format]
    a, b = images = [image.convert("RGBA") for image in images]
    allowed = 0 if exact else 0.04
    if any(abs(x - y) > allowed * y for x, y in zip(a.size, b.size, strict=True)):
        return f"size {a.size}, stored is {b.size}"
    if exact:
        a, b = (np.asarray(image, np.int16) for image in images)
        off = _distance(a, b) > clearly
        stray = np.count_nonzero(_strays(a, b, off, clearly) | _strays(b, a, off, clearly))
        if off.mean() > FEW or stray > STRAY:
            return f"{off.sum()} of {off.size} pixels differ, {stray} of them from all around them"
        return ""
    small = [np.asarray(image.resize((SMALL, SMALL), Image.Resampling.BOX), np.int16) for image in images]
    off = np.abs(small[0] - small[1])[..., :3]
    if off.mean() >= MEAN or off.max() >= MOST:
        return f"mean difference {off.mean():.1f} of 255, largest {off.max()}"
    return ""


def locked(path) -> bool:
    """Whether what draws the figures has the versions that a lock file names."""
    return not unlocked(path)


@functools.cache
def unlocked(path) -> str:
    """Why the versions that draw the figures are not those of a lock file; empty if they are."""
    if not path.exists():
        return f"there is no {path.name}"
    pinned = {}
    # A line that ends with a backslash goes on in the next one, with the sums of files.
    for line in path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ").splitlines():
        try:
            requirement = Requirement(line.split(" #")[0].split(" --")[0])
        except InvalidRequirement:  # a comment, an option, an address
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            exact = any(part.operator in ("==", "===") for part in requirement.specifier)
            pinned[canonicalize_name(requirement.name)] = requirement.specifier if exact else None
    for name in LOCKED:
        if pinned.get(name) is None:
            return f"{path.name} names no version of {name}"
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return f"{name} is not installed"
        if not pinned[name].contains(version, prereleases=True):
            return f"{name} is {version}, {path.name} has {pinned[name]}"
    return ""


def _as_jpeg(image):
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def _distance(a, b):
    """For each pixel the largest difference of a colour."""
    return np.abs(a - b).max(axis=2)


def _strays(a, b, where, clearly):
    """The pixels of ``a``, of those asked for, whose colour is nowhere within a pixel in ``b``."""
    height, width = where.shape
    if not where.any():
        return where
    around = np.pad(b, ((1, 1), (1, 1), (0, 0)), mode="edge")
    shifted = (around[y : y + height, x : x + width] for y in range(3) for x in range(3))
    return where & np.logical_and.reduce([_distance(a, other) > clearly for other in shifted])
