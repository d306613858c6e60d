"""A report about a folder of one's own: right numbers are called right, and each wrong one by its name."""

import json
import os
import subprocess
import sys

import pytest

from learn_pytorch.report import check_report
from stored import ROOT

CLASSES = ["apple", "pear"]
SURE = {"apple/0.png": 0.9, "apple/1.png": 0.2, "pear/0.png": 0.7, "pear/1.png": 0.6, "pear/2.png": 0.4}


@pytest.fixture
def make(tmp_path):
    """Writes images and a report, some of its entries changed; gives the report's path."""
    data = tmp_path / "photos"
    for part, counts in (("train", (6, 3)), ("test", (2, 3))):
        for kind, count in zip(CLASSES, counts, strict=True):
            (data / part / kind).mkdir(parents=True)
            for i in range(count):
                (data / part / kind / f"{i}.png").write_bytes(f"{part} {kind} {i}".encode())

    def write(**changes):
        worst = sorted(SURE, key=SURE.get)
        report = {
            "data": "photos",
            "checkpoint": "best.pt",
            "test": [f"test/{name}" for name in SURE],
            "split": "every plate was photographed once, and a random fourth is for testing",
            "baseline": 0.4,
            "claim": 0.6,
            "classes": CLASSES,
            "confusion": [[1, 1], [1, 2]],
            "worst": [f"test/{name}" for name in worst],
        }
        report = {k: v for k, v in {**report, **changes}.items() if v is not None}
        (tmp_path / "report.json").write_text(json.dumps(report))
        return tmp_path / "report.json"

    return write


def predict(paths, checkpoint):
    rows = []
    for path in paths:
        p = SURE[f"{path.parent.name}/{path.name}"]
        other = next(kind for kind in CLASSES if kind != path.parent.name)
        rows.append({path.parent.name: p, other: 1 - p})
    return rows


def test_right_numbers(make, capsys):
    check_report(make(), predict)
    assert capsys.readouterr().out.splitlines()[-1] == "6 of 6 are right"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": 0.6}, "baseline   you say 0.600, it is 0.400"),  # the commonest test class
        ({"claim": 0.8}, "claim      you say 0.800, it is 0.600"),
        ({"claim": "60 %"}, "claim      a number is wanted"),
        ({"confusion": [[1, 1], [1, 3]]}, "confusion  it is [[1, 1], [1, 2]]"),
        ({"classes": ["pear", "plum"]}, "confusion  the classes lack apple"),
        ({"split": "at random"}, "split      how were"),
        ({"worst": ["test/apple/1.png"]}, "worst      5 different test images are wanted"),
        (
            {"worst": [f"test/{n}" for n in sorted(SURE, key=SURE.get, reverse=True)]},
            "worst      it begins with",
        ),
        ({"test": ["test/apple/9.png"]}, "report.json: these test images are not in photos"),
        ({"test": None}, "report.json: these keys are missing: test"),
    ],
)
def test_wrong_numbers(make, capsys, changes, message):
    check_report(make(**changes), predict)
    said = capsys.readouterr().out
    assert message in said
    assert "6 of 6" not in said


def test_an_image_that_was_trained_on(make, tmp_path, capsys):
    photos = tmp_path / "photos"
    (photos / "train" / "pear" / "copy.png").write_bytes((photos / "test" / "pear" / "1.png").read_bytes())
    check_report(make(), predict)
    assert (
        "1 of them are among the other images too, such as test/pear/1.png"
        in capsys.readouterr().out.replace(os.sep, "/")
    )


def test_no_report_yet(tmp_path, capsys):
    check_report(tmp_path / "report.json")
    (tmp_path / "report.json").write_text("{")
    check_report(tmp_path / "report.json")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "report.json: there is no such file yet"
    assert second.startswith("report.json: no JSON")


@pytest.mark.slow
def test_the_programs_of_the_lesson_are_asked(make, tmp_path, capsys, monkeypatch):
    """With a model of train.py: the numbers are those of predict.py."""
    from PIL import Image

    for i, path in enumerate(sorted((tmp_path / "photos").rglob("*.png"))):
        Image.new("RGB", (8, 8), (200 * ("pear" in path.parts), 20 * i, 9 * i)).save(path)
    monkeypatch.chdir(ROOT / "notebooks")
    command = [sys.executable, "-m", "going_modular.train", "--data", tmp_path / "photos", "--epochs", "1"]
    command += ["--image-size", "8", "--val-share", "0", "--out", tmp_path / "run", "--device", "cpu"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    check_report(make(checkpoint="run/last.pt"))
    said = capsys.readouterr().out
    assert "baseline   right" in said and "of 6 are right" in said
    check_report(make(checkpoint="nowhere.pt"))
    assert "report.json: going_modular.predict ends with 1: predict: " in capsys.readouterr().out
