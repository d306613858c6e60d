"""Notebook 04 on a folder that it has never seen: other classes, other sizes, other files.

A second run of the whole notebook, so ``make test-all`` does it and ``make test`` does not.
"""

import random

import nbformat
import pytest
from PIL import Image, ImageDraw

import refresh
from stored import LESSONS, code_cells, output_text, tags

pytestmark = pytest.mark.slow

COUNTS = {"ball": 9, "big box": 7, "bröt": 6, "kite": 2}  # images for training; 3 of each for testing
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


def fill(folder):
    """Writes train/ and test/ with a folder for each class."""
    numbers = random.Random(0)
    for split in ("train", "test"):
        for label, (name, count) in enumerate(COUNTS.items()):
            inside = folder / split / name
            inside.mkdir(parents=True)
            for k in range(count if split == "train" else 3):
                mode, ending = KINDS[k % len(KINDS)]
                draw(label, numbers).convert(mode).save(inside / f"{k}.{ending}")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Notebook 04 after a run on such a folder. Every cell that raises without leave fails it here."""
    folder = tmp_path_factory.mktemp("images")
    fill(folder)
    path = next(p for p in LESSONS if p.name.startswith("04"))
    notebook = nbformat.read(path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_IMAGES", str(folder))
        refresh.execute(notebook, path.parent)
    return notebook


def test_it_runs_on_other_images(ran):
    shown = "\n".join(output_text(c) for c in code_cells(ran))
    assert "['ball', 'big box', 'bröt', 'kite']" in shown, "the classes are those of the folder"
    assert "(24, 3, 64, 64) torch.uint8" in shown, "all images are read"
    for name in ("pizza", "steak", "sushi"):
        assert name not in shown, "no class name is written into the code"


def test_it_complains_of_nothing(ran):
    for cell in code_cells(ran):
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            assert output.output_type != "error" or "raises-exception" in tags(cell)
