"""Notebook 04 on folders that it has never seen: other classes, sizes, files and layouts.

The whole notebook once more, and its beginning several times, so ``make test-all`` does it and
``make test`` does not.
"""

import pytest
from any_folder import complaints, fill, litter, run, text
from nbclient.exceptions import CellExecutionError

from stored import LESSONS

pytestmark = pytest.mark.slow

COUNTS = {"ball": 9, "big box": 7, "bröt": 6, "kite": 2}  # images for training; 3 of each for testing
PATH = next(p for p in LESSONS if p.name.startswith("04"))
TWO_LAYOUTS = "there must be train/ and test/ with one folder per class in each, or just one folder per class"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """All of notebook 04 on train/ and test/, with everything in them that people's folders hold."""
    folder = tmp_path_factory.mktemp("images")
    fill(folder / "train", COUNTS)
    fill(folder / "test", dict.fromkeys(COUNTS, 3))
    litter(folder / "train", "ball")
    return run(PATH, folder)


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
    notebook = run(PATH, tmp_path, before=9)
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


def capital_letters(folder):
    fill(folder / "Train", COUNTS)
    fill(folder / "Test", COUNTS)


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
        (capital_letters, TWO_LAYOUTS),
        (other_classes, "train/ has ['ball', 'big box', 'bröt', 'kite'], test/ ['ball', 'box']"),
        (one_of_a_class, "all: 4 or more pictures needed for each of ['box']"),
        (an_empty_class, "train: 2 or more pictures needed for each of ['box']"),
    ],
)
def test_other_folders_are_refused_in_one_line(make, words, tmp_path):
    folder = tmp_path / "mine"
    make(folder)
    with pytest.raises(CellExecutionError) as caught:
        run(PATH, folder, before=2)
    assert caught.value.ename == "ValueError"
    assert words in caught.value.evalue and "\n" not in caught.value.evalue
