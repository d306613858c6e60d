"""Notebook 04 on folders that it has never seen: other classes, sizes, files and layouts.

The whole notebook once more, and its beginning several times, so ``make test-all`` does it and
``make test`` does not.
"""

import copy
import random

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from PIL import Image, ImageDraw

import refresh
from stored import LESSONS, code_cells, output_text, tags

pytestmark = pytest.mark.slow

COUNTS = {"ball": 9, "big box": 7, "bröt": 6, "kite": 2}  # images for training; 3 of each for testing
SIZES = [(70, 50), (31, 88), (64, 64), (200, 120)]
KINDS = [("RGB", "png"), ("L", "png"), ("P", "png"), ("CMYK", "jpg"), ("RGB", "webp")]
PATH = next(p for p in LESSONS if p.name.startswith("04"))
TWO_LAYOUTS = "there must be train/ and test/ with one folder per class in each, or just one folder per class"


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


def run(folder, before=None):
    """The notebook after a run on that folder, or only what stands before a heading."""
    notebook = nbformat.read(PATH, as_version=4)
    if before is not None:
        starts = [i for i, c in enumerate(notebook.cells) if c.source.startswith(f"## {before}. ")]
        notebook.cells = copy.deepcopy(notebook.cells[: starts[0]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_IMAGES", str(folder))
        refresh.execute(notebook, PATH.parent)
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


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """All of notebook 04 on train/ and test/, with everything in them that people's folders hold."""
    folder = tmp_path_factory.mktemp("images")
    fill(folder / "train", COUNTS)
    fill(folder / "test", dict.fromkeys(COUNTS, 3))
    litter(folder / "train", "ball")
    return run(folder)


def test_it_runs_on_other_images(ran):
    shown = text(ran)
    assert "['ball', 'big box', 'bröt', 'kite']" in shown, "the classes are those of the folder"
    assert shown.count("left out: ") == 1 and "torn.jpg: image file is truncated" in shown
    assert "big box      7     3" in shown, "so many images of each class"
    for name in ("pizza", "steak", "sushi"):
        assert name not in shown.lower(), "no class name is written into the code"


def test_it_complains_of_nothing(ran):
    assert complaints(ran) == []


def test_one_folder_per_class_is_enough(tmp_path):
    """No test folder: the test set is split off, with the same mix, and nothing is lost."""
    fill(tmp_path, {"ball": 12, "box": 8, "kite": 4})
    litter(tmp_path, "box")
    notebook = run(tmp_path, before=9)
    shown = text(notebook)
    assert "['ball', 'box', 'kite']" in shown and complaints(notebook) == []
    table = [line.split() for line in shown.splitlines()]
    assert ["train", "validation", "test"] in table, "the table of the split"
    for row in (["ball", "7", "2", "3"], ["box", "5", "1", "2"], ["kite", "2", "1", "1"]):
        assert row in table


def no_folder(folder):
    pass


def images_without_classes(folder):
    fill(folder, {"ball": 3})
    for path in (folder / "ball").iterdir():
        path.rename(folder / path.name)


def no_test(folder):
    fill(folder / "train", COUNTS)


def other_classes(folder):
    fill(folder / "train", COUNTS)
    fill(folder / "test", {"ball": 3, "box": 3})


def one_of_a_class(folder):
    fill(folder, {"ball": 9, "box": 1, "kite": 9})


def an_empty_class(folder):
    fill(folder / "train", {"ball": 9, "kite": 9, "box": 0})
    fill(folder / "test", {"ball": 9, "kite": 9, "box": 2})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_folder, TWO_LAYOUTS),
        (images_without_classes, TWO_LAYOUTS),
        (no_test, TWO_LAYOUTS),
        (other_classes, "train/ has ['ball', 'big box', 'bröt', 'kite'], test/ ['ball', 'box']"),
        (one_of_a_class, "all: 4 or more pictures needed for each of ['box']"),
        (an_empty_class, "train: 2 or more pictures needed for each of ['box']"),
    ],
)
def test_other_folders_are_refused_in_one_line(make, words, tmp_path):
    folder = tmp_path / "mine"
    make(folder)
    with pytest.raises(CellExecutionError) as caught:
        run(folder, before=2)
    assert caught.value.ename == "ValueError"
    assert words in caught.value.evalue and "\n" not in caught.value.evalue
