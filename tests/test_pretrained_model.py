"""The scripts with the model of notebook 06: one file more, and nothing else is another program."""

import json
import subprocess
import sys

import pytest
import torch
from PIL import Image

from learn_pytorch.pretrained import load_weights
from stored import ROOT

pytestmark = pytest.mark.slow


def program(*words):
    command = [sys.executable, "-m", "going_modular.pretrained", *map(str, words)]
    return subprocess.run(command, cwd=ROOT / "notebooks", capture_output=True, text=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two epochs on 24 pictures that differ in colour."""
    folder = tmp_path_factory.mktemp("pretrained")
    for name, colour in {"red": (200, 40, 40), "blue": (40, 40, 200)}.items():
        (folder / "images" / name).mkdir(parents=True)
        for k in range(12):
            picture = Image.new("RGB", (40, 40), colour)
            picture.putpixel((k, k), (255, 255, 255))
            picture.save(folder / "images" / name / f"{k}.png")
    options = ["--data", folder / "images", "--out", folder / "run", "--image-size", 32, "--lr", 0.01]
    done = program("train", "--model", "efficientnet_lite0", *options, "--epochs", 2)
    assert done.returncode == 0, done.stderr
    return folder, options


def test_the_body_is_that_of_the_file_and_the_head_is_not(run):
    state = torch.load(run[0] / "run" / "last.pt", weights_only=True)["model"]
    body = [value for name, value in state.items() if ".body." in name]
    weights = list(load_weights().values())[:-2]  # less the head for a thousand classes
    assert len(body) == len(weights)
    for value, own in zip(body, weights, strict=True):
        assert torch.equal(value, own), "frozen, batch norms included"
    assert state["1.head.weight"].shape == (2, 1280)


def test_it_predicts(run):
    folder, _ = run
    done = program(
        "predict", "--checkpoint", folder / "run" / "best.pt", "--jsonl", folder / "images" / "blue"
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 12 and {a["class"] for a in answers} <= {"blue", "red"}
    assert all(sum(a["probabilities"].values()) == pytest.approx(1) for a in answers)


def test_a_run_goes_on(run):
    folder, options = run
    done = program("train", "--model", "efficientnet_lite0", *options, "--epochs", 3, "--resume")
    assert done.returncode == 0 and "epoch   3" in done.stdout, done.stderr
    lines = (folder / "run" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_usage():
    done = program("fly")
    assert (
        done.returncode == 1
        and done.stderr == "usage: python -m going_modular.pretrained train|predict ...\n"
    )
