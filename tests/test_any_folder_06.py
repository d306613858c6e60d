"""Notebook 06 on a folder that it has never seen: all of it once more, so ``make test-all`` does it."""

import pytest
from any_folder import complaints, fill, litter, run, text
from nbclient.exceptions import CellExecutionError

from stored import LESSONS

pytestmark = pytest.mark.slow

PATH = next(p for p in LESSONS if p.name.startswith("06"))
COUNTS = {"ball": 12, "big box": 9, "kite": 8}  # of which a quarter becomes the test set


def test_it_runs_on_other_images(tmp_path):
    """One folder per class, odd kinds of files, what other programs leave behind, one that is torn."""
    fill(tmp_path, COUNTS)
    litter(tmp_path, "ball")
    ran = run(PATH, tmp_path)
    shown = text(ran)
    assert complaints(ran) == []
    assert "['ball', 'big box', 'kite']" in shown
    assert shown.count("left out: ") == 1 and "torn.jpg" in shown
    for name in ("steak", "sushi"):
        assert name not in shown.lower(), "no class name is written into the code"


def test_too_few_of_a_class_are_named(tmp_path):
    fill(tmp_path / "train", {"ball": 9, "kite": 2})
    fill(tmp_path / "test", {"ball": 2, "kite": 2})
    with pytest.raises(CellExecutionError, match=r"pictures are needed for each of \['kite'\]"):
        run(PATH, tmp_path, before=2)
