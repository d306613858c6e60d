"""The check of notebook 05's capstone: a training program that is killed, started again, and asked."""

import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from learn_pytorch.drawn_fashion import draw
from learn_pytorch.exercises import exercise, fresh_generator, require

KINDS = {0: "t-shirt", 3: "dress", 2: "pullover", 4: "coat", 6: "shirt"}
ITEMS, PHOTOS, SIZE, NOISE = 320, 4, 28, 0.01
LIMIT = 400  # seconds for one start of the program; the example needs six, on a busy machine many more
WEAK, HONEST = 0.5, 0.19  # a constant reaches 0.2; three times what chance does to 80 items

# Starts the program, counts steps, and ends the process in the middle of a file, as kill -9 would.
_STARTER = """
import atexit, io, json, os, runpy, sys
program, note, until = sys.argv[1], sys.argv[2], float(sys.argv[3])
sys.path.insert(0, os.path.dirname(os.path.abspath(program)))
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

state, save = {"steps": 0}, torch.save

def write():
    with open(note, "w") as file:
        json.dump(state, file)

def count(*_):
    state["steps"] += 1
    if state["steps"] > 1.5 * until + 50:
        write()
        os._exit(137)

def saved(obj, f, *args, **kwargs):
    if state["steps"] < until:
        return save(obj, f, *args, **kwargs)
    data = io.BytesIO()
    save(obj, data)
    half = data.getvalue()[: len(data.getvalue()) // 2]
    if hasattr(f, "write"):
        f.write(half)
        f.flush()
    else:
        with open(f, "wb") as file:
            file.write(half)
    write()
    os._exit(137)

if until >= 0:
    torch.save = saved
else:
    until = float("inf")
register_optimizer_step_post_hook(count)
atexit.register(write)
sys.argv = [program, *sys.argv[4:]]
runpy.run_path(program, run_name="__main__")
"""


def photograph(folder: Path, items: int, photos: int, seed: int) -> list[list]:
    """Photos of lost clothes, several of each item: ``[file, kind, item]`` for each, and the files."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    images, labels = draw(3 * items, seed=seed)
    kept = np.isin(labels, list(KINDS))
    rows = []
    for item, (grey, label) in enumerate(zip(images[kept][:items], labels[kept][:items], strict=True)):
        tint, floor = rng.uniform(0.35, 1, 3), rng.uniform(0, 0.45, 3)
        for photo in range(photos):
            pixels = (
                floor + grey[..., None] / 255 * (tint - 0.5 * floor) + rng.normal(0, NOISE, (SIZE, SIZE, 3))
            )
            name = f"item {item:03}, photo {photo}.png"
            light = rng.uniform(0.92, 1.05)
            Image.fromarray((255 * light * pixels).clip(0, 255).astype(np.uint8)).save(folder / name)
            rows.append([name, KINDS[int(label)], f"item {item:03}"])
    rng.shuffle(rows)
    return rows


def hand_out(folder, number: int = 1) -> Path:
    """Makes a folder of photos like those of the check, with labels.csv."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = photograph(folder, ITEMS, PHOTOS, seed=number)
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["file", "kind", "item"], *rows])
    return folder


class _Programs:
    """Starts the learner's program in a process of its own."""

    def __init__(self, program: Path, folder: Path):
        self.program, self.folder, self.note = program, folder, folder / "note.json"

    def start(self, *arguments, until: float | None = None):
        """Exit code, output and complaints; with ``until``, under the eyes of the starter."""
        command = [sys.executable, str(self.program)]
        if until is not None:
            command = [sys.executable, "-c", _STARTER, str(self.program), str(self.note), str(until)]
        own = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
        try:
            return subprocess.run(
                [*command, *map(str, arguments)], cwd=self.folder, env=os.environ | own, timeout=LIMIT,
                stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            require(False, f"`{arguments[0]}` was not finished after {LIMIT} seconds")

    def steps(self) -> int:
        return json.loads(self.note.read_text())["steps"]


def _complaint(done) -> str:
    """What a failed program said last, for a message."""
    return (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]


def _weights(out: Path, case: str) -> dict:
    file = out / "last.pt"
    require(file.exists(), f"there is no last.pt in the folder --out, for {case}")
    try:
        weights = torch.load(file, weights_only=True)["model"]
    except Exception:
        weights = None
    good = isinstance(weights, dict) and weights and all(map(torch.is_tensor, weights.values()))
    require(good, f"last.pt, loaded with weights_only=True, has no state dict under 'model', for {case}")
    return weights


def _trained(programs: _Programs, data: Path) -> Path:
    """Trains in one piece, then killed and resumed; the same must come out of both."""
    straight, pieces = programs.folder / "straight", programs.folder / "pieces"
    case = "a training that nobody kills"
    done = programs.start("train", "--data", data, "--out", straight, until=-1)
    require(done.returncode == 0, f"train ends with {done.returncode}: {_complaint(done)}")
    wanted, whole = _weights(straight, case), programs.steps()
    require(whole, f"no optimizer of torch.optim took a step, for {case}")
    again = "train", "--data", data, "--out", pieces
    until = round(random.uniform(0.4, 0.7) * whole)
    case = f"a training that is killed after {until} of {whole} steps, in the middle of saving"
    done = programs.start(*again, until=until)
    saved = f"it came to its end with {done.returncode} and saved nothing on the way"
    require(done.returncode == 137, f"{saved}, for {case}")
    first = programs.steps()
    done = programs.start(*again, until=-1)
    ended = f"the same command again ends with {done.returncode}: {_complaint(done)}"
    require(done.returncode == 0, f"{ended}, for {case}")
    second = programs.steps()
    repeated = f"{first} steps before and {second} after, where {whole} would do: where does it go on"
    require(first + second - whole <= 0.6 * first, f"{repeated}, for {case}?")
    got = _weights(pieces, case)
    alike = got.keys() == wanted.keys() and all(torch.allclose(got[k], wanted[k], atol=1e-6) for k in wanted)
    require(alike, f"the weights are not those of a training that nobody kills, for {case}")
    return pieces


def _predictions(text: str) -> dict[str, tuple[str, float]]:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = rows[:1] == [["path", "kind", "probability"]]
    require(header, "predict: the first line on stdout is not path,kind,probability")
    rows = [row for row in rows[1:] if row]
    widths = all(len(row) == 3 for row in rows)
    require(widths, "predict: a program that reads the CSV finds a row without exactly three columns")
    try:
        return {row[0]: (row[1], float(row[2])) for row in rows}
    except ValueError:
        require(False, "predict: a probability is no number")


@exercise("05.C", "Capstone: a program for the lost property office", wants="function")
def check_program(answer):
    """Killed and resumed, the same weights; a CSV; exit codes; new items recognised; an honest claim."""
    path = isinstance(answer, (str, os.PathLike))
    require(path, f"expected the file of your program, got {type(answer).__name__}")
    program = Path(answer).resolve()
    require(program.is_file(), f"there is no file {program.name}")
    seed = int(torch.randint(0, 10**6, (), generator=fresh_generator()))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        data, new = hand_out(folder / "photos, old", seed), folder / "photos, new"
        new.mkdir()
        truth = {str(Path(new.name, name)): kind for name, kind, _ in photograph(new, ITEMS, 1, seed + 1)}
        programs = _Programs(program, folder)
        with ThreadPoolExecutor() as pool:  # beside the training: on two cores that costs nothing
            nowhere = "train", "--data", folder / "nowhere", "--out", folder / "never"
            refused = pool.submit(programs.start, *nowhere)
            out = _trained(programs, data)
        done = refused.result()
        plain = done.returncode == 1 and "Traceback" not in done.stderr and done.stderr.strip()
        said = f"it ends with {done.returncode}: {_complaint(done)}"
        require(plain, f"train, with a folder that is not there, wanted exit code 1 and one line: {said}")

        bad = new / "broken.png"
        bad.write_bytes(b"no image")
        paths = [*truth, str(Path(new.name, bad.name))]
        random.shuffle(paths)
        done = programs.start("predict", "--out", out, *paths)
        code = f"predict, with one broken file among {len(paths)}, ends with {done.returncode}"
        require(done.returncode == 1, f"{code}, wanted 1 after all the others: {_complaint(done)}")
        require("Traceback" not in done.stderr, f"{code}, and with a traceback: {_complaint(done)}")
        require("broken.png" in done.stderr, "predict: nobody learns on stderr which file is broken")
        rows = _predictions(done.stdout)
        known = rows.keys() == truth.keys()
        require(known, "predict: wanted one row for each readable file, with its path as it was given")
        kinds = {kind for kind, _ in rows.values()} <= set(KINDS.values())
        require(kinds, "predict: there are kinds in the CSV that are not in labels.csv")
        probs = all(0.15 <= p <= 1 for _, p in rows.values())
        require(probs, "predict: a probability is not that of the most probable kind")
        score = sum(rows[p][0] == truth[p] for p in truth) / len(truth)
        require(score > WEAK, f"it is right about {score:.0%} of new items, wanted more than {WEAK:.0%}")
        try:
            claim = json.loads((out / "claim.json").read_text(encoding="utf-8"))["accuracy"]
        except (OSError, ValueError, LookupError, TypeError):
            claim = None
        number = isinstance(claim, float) and 0 <= claim <= 1
        require(number, "claim.json, in the folder --out, has no number from 0 to 1 under 'accuracy'")
        met = "which of the items that it was asked about had it met in training?"
        honest = abs(claim - score) < HONEST
        require(honest, f"it claims {claim:.0%}, and of new items it recognises {score:.0%}: {met}")
