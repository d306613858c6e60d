"""Checks for the exercises of notebook 05, an option of one's own: edited scripts are run as users do."""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch.nn import functional as F

from learn_pytorch.exercises import exercise, fresh_generator, require

SCRIPTS = Path(__file__).parents[2] / "notebooks" / "going_modular"
LIMIT = 300  # seconds for all the runs together, which need five: a machine may do other things as well

# Runs train.py several times in one process: most of the time is spent on importing torch.
_DRIVER = """
import contextlib, io, json, runpy, sys
folder, jobs = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
done = []
for argv in jobs:
    for name in [name for name in sys.modules if name.startswith("going_modular")]:
        del sys.modules[name]
    sys.argv, said, code = ["train", *argv], io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module("going_modular.train", run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
    done.append([code, said.getvalue()])
print(json.dumps(done))
"""


def copy_scripts(folder) -> Path:
    """A folder with a copy of the lesson's going_modular; one that is there already stays as it is."""
    folder = Path(folder)
    if not (folder / "going_modular").exists():
        shutil.copytree(SCRIPTS, folder / "going_modular", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    print(f"your copy of the scripts: {folder.name}/going_modular")
    return folder


def _draw_images(folder: Path) -> dict:
    """A few images of 4×4 pixels in train/ and test/; what is in them, by the part."""
    from PIL import Image

    g, sets = fresh_generator(), {}
    for part, n in (("train", 5), ("test", 4)):
        X = torch.randint(0, 256, (2 * n, 3, 4, 4), generator=g, dtype=torch.uint8)
        y = torch.arange(2 * n) // n
        for i, (pixels, k) in enumerate(zip(X, y.tolist(), strict=True)):
            own = folder / part / "ab"[k]
            own.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(own / f"{i}.png")
        sets[part] = X, y
    return sets


def _logits(weights: list, X):
    mean, std, w1, b1, w2, b2 = weights
    return F.linear(F.linear(((X / 255 - mean) / std).flatten(1), w1, b1), w2, b2)


def _run(scripts: Path, folder: Path, jobs: dict) -> dict:
    """Exit code and output of each command line."""
    fixed = [
        "--data",
        str(folder / "images"),
        "--epochs",
        "1",
        "--batch-size",
        "99",
        "--val-share",
        "0",
        "--test",
    ]
    fixed += ["--optimizer", "SGD", "--model", "linear", "--hidden-units", "3", "--image-size", "4"]
    lines = [[*fixed, "--device", "cpu", "--out", str(folder / out), *more] for out, *more in jobs.values()]
    command = [sys.executable, "-c", _DRIVER, str(scripts.resolve()), json.dumps(lines)]
    own = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
    try:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | own, capture_output=True, encoding="utf-8", timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        done = None
    require(done is not None, f"the runs of train.py were not finished after {LIMIT} seconds")
    last = (done.stderr.strip().splitlines() or [""])[-1]
    require(done.returncode == 0, f"train.py does not come to an end: {last}")
    return dict(zip(jobs, json.loads(done.stdout), strict=True))


def _loss_said(text: str, name: str) -> float:
    """The number behind ``test loss`` in what a program has printed."""
    _, found, rest = text.rpartition(name)
    try:
        return float(rest.split()[0].rstrip(",")) if found else math.nan
    except (ValueError, IndexError):
        return math.nan


@exercise("05.11", "An option of your own")
def check_option(answer):
    """--label-smoothing: known, checked, written down, used in training and nowhere else."""
    path = isinstance(answer, (str, os.PathLike))
    require(path, f"expected the folder that holds your scripts, got {type(answer).__name__}")
    scripts = Path(answer)
    there = (scripts / "going_modular" / "train.py").is_file()
    require(there, f"there is no going_modular/train.py in the folder {scripts.name}")
    smooth, name = 0.3, "--label-smoothing"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sets = _draw_images(folder / "images")
        jobs = {
            "first": ["still", "--lr", "1e-12"],
            "plain": ["plain", "--lr", "0.5"],
            "smooth": ["smooth", "--lr", "0.5", name, str(smooth)],
            "other": ["smooth", "--lr", "0.5", name, "0.1", "--resume"],
            "longer": ["smooth", "--lr", "0.5", name, str(smooth), "--resume", "--epochs", "2"],
            **{text: ["never", name, text] for text in ("1.5", "-0.1", "nan", "much")},
        }
        done = _run(scripts, folder, jobs)
        for job in ("first", "plain"):
            code, said = done[job]
            last = (said.strip().splitlines() or [""])[-1]
            require(code == 0, f"without the option the program ends with {code}: {last}")
        code, said = done["smooth"]
        known = not (code == 2 and "unrecognized" in said)
        require(known, f"train.py does not know {name}")
        last = (said.strip().splitlines() or [""])[-1]
        require(code == 0, f"with {name} {smooth} the program ends with {code}: {last}")
        for text in ("1.5", "-0.1", "nan", "much"):
            code = done[text][0]
            require(code == 2, f"{name} {text} ends with {code}, and wrong usage is exit code 2")

        def weights(out):
            state = torch.load(folder / out / "last.pt", weights_only=True)["model"]
            return list(state.values())

        def result(out):
            return json.loads((folder / out / "results.jsonl").read_text(encoding="utf-8").splitlines()[0])

        (X, y), (X_test, y_test) = sets["train"], sets["test"]
        start = [value.clone().requires_grad_(i > 1) for i, value in enumerate(weights("still"))]
        for out, s in (("plain", 0.0), ("smooth", smooth)):
            case = f"{name} {s}" if s else f"no {name}"
            loss = F.cross_entropy(_logits(start, X), y, label_smoothing=s)
            grads = torch.autograd.grad(loss, start[2:])
            ends = [*start[:2], *((w - 0.5 * g).detach() for w, g in zip(start[2:], grads, strict=True))]
            got = result(out)["train_loss"]
            said = f"the training loss is {got:.4f}, wanted {loss.item():.4f}"
            require(abs(got - loss.item()) < 1e-3, f"{said}, for {case}")
            if out == "plain":
                alike = all(torch.allclose(a, b, atol=1e-4) for a, b in zip(weights(out), ends, strict=True))
                require(alike, f"the weights are other ones than before, for {case}")
            tested = F.cross_entropy(_logits(ends, X_test), y_test).item()
            got = _loss_said(done[out][1], "test loss")
            if out == "plain":
                unsmoothed = tested
            # Smoothed or not, some drawn training losses are nearly the same; what comes of the step is not.
            sharp = abs(got - tested) >= 1e-3 > abs(got - unsmoothed)
            require(not sharp, f"{said}, for {case}")
            softened = "the scores are to be comparable with those of other runs: no smoothing there"
            require(abs(got - tested) < 1e-3, f"the test loss is {got:.4f}, wanted {tested:.4f}: {softened}")
        noted = json.loads((folder / "smooth" / "config.json").read_text(encoding="utf-8"))
        require(noted.get("label_smoothing") == smooth, "config.json does not say which smoothing it was")
        code = done["other"][0]
        require(code not in (0, None), f"a run with {name} {smooth} goes on with {name} 0.1")
        require(done["longer"][0] == 0, f"a run with {name} {smooth} cannot be resumed")
