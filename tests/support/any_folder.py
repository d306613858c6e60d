"""Folders as people have them, and lessons that run on them."""

import copy
import random

import nbformat
import pytest
from PIL import Image, ImageDraw

import refresh
from stored import code_cells, output_text, tags

SIZES = [(70, 50), (31, 88), (64, 64), (200, 120)]
KINDS = [("RGB", "png"), ("L", "png"), ("P", "png"), ("CMYK", "jpg"), ("RGB", "webp")]


def draw(label, numbers):
    """A shape of its own for each class, on a background of any colour."""
    size = numbers.choice(SIZES)
    colours = [tuple(numbers.randrange(256) for _ in range(3)) for _ in range(2)]
    image = Image.new("RGB", size, colours[0])
    box = (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4)
    pen = ImageDraw.Draw(image)
    if label == 0:
        pen.ellipse(box, fill=colours[1])
    else:
        pen.regular_polygon((size[0] / 2, size[1] / 2, min(size) / 3), label + 2, fill=colours[1])
    return image


def fill(folder, counts):
    """Writes a folder for each class, with so many images of mixed kinds."""
    numbers = random.Random(0)
    for label, (name, count) in enumerate(counts.items()):
        inside = folder / name
        inside.mkdir(parents=True)
        for k in range(count):
            mode, ending = KINDS[k % len(KINDS)]
            draw(label, numbers).convert(mode).save(inside / f"{k}.{ending}")


def litter(folder, name):
    """What other programs leave behind, and a photograph of which the end is missing."""
    for clutter in (".ipynb_checkpoints", "__MACOSX"):
        (folder / clutter).mkdir()
        (folder / clutter / "0.png").write_bytes(b"left behind")
    for file in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / file).touch()
    (folder / name / "._0.png").write_bytes(b"what macOS puts beside a file")
    whole = folder / name / "torn.jpg"
    Image.effect_noise((90, 60), 50).convert("RGB").save(whole)
    whole.write_bytes(whole.read_bytes()[:-500])


def run(path, folder, before=None):
    """The notebook after a run on that folder, or only what stands before a heading."""
    notebook = nbformat.read(path, as_version=4)
    if before is not None:
        starts = [i for i, c in enumerate(notebook.cells) if c.source.startswith(f"## {before}. ")]
        notebook.cells = copy.deepcopy(notebook.cells[: starts[0]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_IMAGES", str(folder))
        refresh.execute(notebook, path.parent)
    return notebook


def text(notebook):
    return "\n".join(output_text(c) for c in code_cells(notebook))


def complaints(notebook):
    """Errors without leave, and whatever was written to stderr."""
    return [
        output.get("text") or output.get("evalue")
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.get("name") == "stderr"
        or (output.output_type == "error" and "raises-exception" not in tags(cell))
    ]
