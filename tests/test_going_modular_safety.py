"""The scripts of notebook 05 among odd files, hostile checkpoints and impatient people: nothing is lost."""

import contextlib
import csv
import errno
import io
import json
import os
import pickle
import random
import runpy
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from stored import ROOT

SCRIPTS = ROOT / "notebooks"
CLASSES = ["pizza", "steak", "sushi"]
SMALL = ["--image-size", "8", "--hidden-units", "2", "--batch-size", "5", "--device", "cpu"]
pytestmark = pytest.mark.slow  # so many: only make test-all has the time
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files, or other signals")


class Done(NamedTuple):
    """How a program ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module", autouse=True)
def scripts():
    """The modules as they stand in the notebook's folder, and one thread for all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sys.path.insert(0, str(SCRIPTS))
    forget()
    yield
    sys.path.remove(str(SCRIPTS))
    forget()
    torch.set_num_threads(threads)


def forget():
    for name in [n for n in sys.modules if n.split(".")[0] == "going_modular"]:
        del sys.modules[name]


class HangsError(BaseException):
    """Nothing that a program catches."""


@contextlib.contextmanager
def at_most(seconds):
    """An error instead of a test that hangs, where the system has such a clock."""

    def over(*_):
        raise HangsError(f"still running after {seconds} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def call(name, *options, stdin=b"", encoding="utf-8", limit=60):
    """Runs train or predict in this process, as ``python -m going_modular.NAME`` does."""
    streams = {n: io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="") for n in ("stdout", "stderr")}
    streams["stderr"].reconfigure(errors="backslashreplace")  # as Python does it
    streams["stdin"] = stdin if stdin is None else io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    sys.modules.pop(f"going_modular.{name}", None)
    with pytest.MonkeyPatch.context() as patch, at_most(limit):
        for stream, file in streams.items():
            patch.setattr(sys, stream, file)
        patch.setattr(sys, "argv", [name, *map(str, options)])
        try:
            runpy.run_module(f"going_modular.{name}", run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        said = []
        for stream in ("stdout", "stderr"):
            streams[stream].flush()
            said.append(streams[stream].buffer.getvalue().decode(encoding, "surrogateescape"))
    return Done(code, *said)


def refused(done, *words, lines=3):
    """Whether a program ended with an error in a line or so, which holds these words."""
    assert done.code in (1, 2), done
    assert "Traceback" not in done.err and len(done.err.strip().splitlines()) <= lines, done.err
    for word in words:
        assert word in done.err, (word, done.err)


def draw(path, seed=0, size=(12, 10)):
    """Saves an image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """18 training and 6 test images, and a training on them for two epochs."""
    root = tmp_path_factory.mktemp("originals")
    for part, count in (("train", 18), ("test", 6)):
        for i in range(count):
            draw(root / "photos" / part / CLASSES[i % 3] / f"{i:02}.png", seed=100 * len(part) + i)
    done = call("train", "--data", root / "photos", "--out", root / "run", "--epochs", "2", *SMALL)
    assert done.code == 0, done
    return root


@pytest.fixture
def here(originals, tmp_path, monkeypatch):
    """A copy of both in the working folder: ``photos`` and ``run``."""
    shutil.copytree(originals / "photos", tmp_path / "photos")
    shutil.copytree(originals / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*options, **how):
    return call("train", "--data", "photos", *SMALL, *options, **how)


def resume(*options):
    return train("--out", "run", "--resume", "--epochs", "3", *options)


def predict(*options, **how):
    return call("predict", "--checkpoint", "run/last.pt", "--device", "cpu", *options, **how)


def contents(folder):
    """Every file below a folder and what is in it, locks left out."""
    files = [p for p in Path(folder).rglob("*") if p.is_file() and not p.name.endswith("lock")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def paths_in(done):
    """The paths that predict --jsonl tells something about."""
    return [json.loads(line)["path"] for line in done.out.splitlines()]


# ------------------------------------------------------------------------------ what is in the way


@pytest.mark.parametrize("option", [[], ["--resume"]])
@pytest.mark.parametrize("lost", [["last.pt"], ["last.pt", "best.pt"], ["last.pt", "best.pt", "config.json"]])
def test_results_of_an_older_run_stay(here, lost, option):
    """Somebody moved the checkpoint away, to keep it or to copy it."""
    for name in lost:
        os.remove(f"run/{name}")
    before = contents("run")
    refused(train("--out", "run", "--epochs", "3", *option), "run")
    assert contents("run") == before


@pytest.mark.parametrize("name", ["config.json", "results.jsonl", "best.pt", "last.pt", ".lock"])
@pytest.mark.parametrize("option", [[], ["--resume"]])
def test_files_of_the_users_stay(here, name, option):
    """--out can be a folder in which somebody has files of their own."""
    Path("mine").mkdir()
    Path("mine", name).write_text('{"mine": "years of work"}\n')
    done = train("--out", "mine", "--epochs", "1", *option)
    assert Path("mine", name).read_text() == '{"mine": "years of work"}\n'
    if done.code:
        refused(done, "mine")


@pytest.mark.parametrize("line", ["hello", "[1]", '{"loss": 1}', '{"epoch": "two"}'])
def test_results_that_somebody_edited(here, line):
    with open("run/results.jsonl", "a") as file:
        file.write(f"{line}\n")
    before = contents("run")["results.jsonl"]
    done = resume()
    if done.code:
        refused(done, "results.jsonl")
        assert contents("run")["results.jsonl"] == before


def test_a_run_is_not_begun_anew_over_another(here):
    before = contents("run")
    refused(train("--out", "run", "--epochs", "3"), "run", "--resume")
    assert contents("run") == before


def test_the_best_model_is_gone(here):
    """Moved away, as it is what one wants to keep: nobody hears of that after the last epoch only."""
    os.rename("run/best.pt", "mine.pt")
    done = resume("--test")
    if done.code:
        refused(done, "best.pt")
        assert done.out.count("epoch") == 0, done
    else:
        assert Path("run/best.pt").exists()


def test_a_file_for_out(here):
    Path("thesis.txt").write_text("years of work")
    refused(train("--out", "thesis.txt", "--epochs", "1"), "thesis.txt")
    refused(train("--out", "new", "--log-dir", "thesis.txt", "--epochs", "1"), "thesis.txt")
    assert Path("thesis.txt").read_text() == "years of work"


def program(name, *options, **how):
    """Starts a program in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONUNBUFFERED", None)  # what a program prints is to come without it
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    line = [sys.executable, "-m", f"going_modular.{name}", *map(str, options)]
    return subprocess.Popen(line, env=environment, text=True, **pipes)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@posix
def test_two_trainings_into_one_folder(here):
    """The first one goes on undisturbed; the second one is told; afterwards the folder is free."""
    first = program("train", "--data", "photos", "--out", "new", "--epochs", "100000", *SMALL)
    try:
        results = Path("new", "results.jsonl")
        wait_for(lambda: results.exists() and results.read_text().count("\n") > 2)
        for option in ([], ["--resume"]):
            refused(train("--out", "new", "--epochs", "3", *option), "new")
        count = results.read_text().count("\n")
        wait_for(lambda: results.read_text().count("\n") > count)
    finally:
        first.kill()
        first.communicate()
    epochs = [json.loads(line)["epoch"] for line in results.read_text().splitlines()]
    assert epochs == list(range(1, len(epochs) + 1))
    done = train("--out", "new", "--resume", "--epochs", len(epochs) + 1)
    assert done.code == 0, done
    assert not list(Path("new").glob("*.partial"))


@posix
@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(4))
def test_two_trainings_that_start_at_once(here, attempt):
    both = [
        program("train", "--data", "photos", "--out", "new", "--epochs", "40", "--seed", seed, *SMALL)
        for seed in ("1", "2")
    ]
    ends = [(process.communicate(timeout=200), process.returncode) for process in both]
    assert sorted(code for _, code in ends) in ([0, 1], [0, 2]), ends
    lines = Path("new", "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 41))


class KilledError(BaseException):
    """In the place of a SIGKILL."""


@pytest.mark.parametrize("epoch_file", ["last.pt", "best.pt", "results.jsonl", "config.json"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_a_rename(here, monkeypatch, epoch_file, moment):
    """Before or after a file gets its name: what is there loads, and going on leads to the same weights."""
    replace = os.replace

    def dying(source, target):
        hit = Path(target).name == epoch_file
        if hit and moment == "before":
            raise KilledError
        replace(source, target)
        if hit:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        killed = False
        try:
            resume()
        except KilledError:
            killed = True
    assert killed or epoch_file == "best.pt", "it does not get its name at once, when it is whole"
    done = resume()
    assert done.code == 0, done
    expected = train("--out", "whole", "--epochs", "3")
    assert expected.code == 0
    for name in ("last.pt", "best.pt"):
        states = [torch.load(f"{out}/{name}", weights_only=True)["model"] for out in ("run", "whole")]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])
    lines = [json.loads(line) for line in Path("run/results.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("after", range(4))
def test_a_full_disk(here, monkeypatch, after):
    """When a file is to reach the disk. What was there before is there afterwards, and it can go on."""
    sync, before, left = os.fsync, contents("run"), iter(range(after))

    def full(file):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        refused(resume(), "No space left")
    now = contents("run")
    assert torch.load(GOOD, weights_only=True)["epoch"] == 2 and now["best.pt"] == before["best.pt"]
    assert now["results.jsonl"].startswith(before["results.jsonl"]) and not list(
        Path("run").glob("*.partial")
    )
    done = resume()
    assert done.code == 0, done


@posix
@pytest.mark.parametrize("size", [20, 2000])
def test_a_disk_that_is_full_in_the_middle_of_a_file(here, size):
    """A limit on the size of files stands in for it."""
    import resource

    before = contents("run")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        done = resume()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    refused(done)
    assert {n: data for n, data in contents("run").items() if data != before.get(n)}.keys() <= {
        "results.jsonl"
    }
    done = resume()
    assert done.code == 0, done


# ------------------------------------------------------------------------------ data that changed


def swap(a, b):
    os.rename(a, "aside")
    os.rename(b, a)
    os.rename("aside", b)


def mirror(path):
    with Image.open(path) as image:
        mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(path)


TRAIN, TEST = Path("photos", "train"), Path("photos", "test")
CHANGES = {
    "swapped two images": lambda: swap(TRAIN / "pizza" / "00.png", TRAIN / "steak" / "01.png"),
    "swapped two folders": lambda: swap(TRAIN / "pizza", TRAIN / "steak"),
    "renamed a file": lambda: os.rename(TRAIN / "pizza" / "00.png", TRAIN / "pizza" / "99.png"),
    "mirrored an image": lambda: mirror(TRAIN / "pizza" / "00.png"),
    "replaced the test images": lambda: [draw(path, seed=7) for path in sorted(TEST.rglob("*.png"))],
    "swapped test folders": lambda: swap(TEST / "pizza", TEST / "sushi"),
    "removed an image": lambda: os.remove(TRAIN / "pizza" / "00.png"),
    "added an image": lambda: draw(TRAIN / "pizza" / "98.png", seed=98),
    "moved one to another class": lambda: os.rename(TRAIN / "pizza" / "00.png", TRAIN / "sushi" / "00.png"),
    "renamed a class": lambda: [os.rename(p / "pizza", p / "pasta") for p in (TRAIN, TEST)],
    "moved one from test to train": lambda: os.rename(TEST / "pizza" / "00.png", TRAIN / "pizza" / "97.png"),
    "a folder for each class only": lambda: [
        [os.rename(path, Path("photos", path.name)) for path in sorted(TRAIN.iterdir())],
        [shutil.rmtree(path) for path in (TRAIN, TEST)],
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_resume_notices_other_data(here, change):
    CHANGES[change]()
    before = contents("run")
    refused(resume(), "run")
    assert contents("run") == before


def test_resume_notices_another_label_in_the_same_place(here):
    """The last pizza becomes the first steak: the same images in the same order."""
    assert train("--out", "new", "--val-share", "0", "--epochs", "1").code == 0
    os.rename(TRAIN / "pizza" / "15.png", TRAIN / "steak" / "00.png")
    refused(train("--out", "new", "--val-share", "0", "--epochs", "2", "--resume"), "new")


def test_resume_goes_on_where_nothing_changed(here):
    """Other times and another place are no other data."""
    os.rename("photos", "moved")
    os.symlink("moved", "photos", target_is_directory=True)
    for path in Path("moved").rglob("*.png"):
        os.utime(path, (0, 0))
    done = resume()
    assert done.code == 0, done


OTHER = [["--lr", "0.1"], ["--seed", "7"], ["--augment"], ["--model", "mlp"], ["--val-share", "0.4"]]


@pytest.mark.parametrize("option", OTHER)
def test_resume_notices_other_options(here, option):
    before = contents("run")
    refused(resume(*option), "run", option[0].strip("-").replace("-", "_"))
    assert contents("run") == before


# ------------------------------------------------------------------------------ checkpoints


def test_flipped_bits_are_noticed(here):
    """Any single bit: refused, or without effect."""
    from going_modular import checkpoints

    path = Path("run", "last.pt")
    good, whole = path.read_bytes(), torch.load(path, weights_only=True)
    chance = random.Random(0)

    def same(a, b):
        if isinstance(a, torch.Tensor):
            return isinstance(b, torch.Tensor) and torch.equal(a, b)
        if isinstance(a, dict):
            return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
        return type(a) is type(b) and a == b

    refusals = 0
    for _ in range(200):
        bit = chance.randrange(8 * len(good))
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        try:
            assert same(whole, checkpoints.load(path)), f"bit {bit}"
        except (ValueError, SystemExit) as refusal:
            assert "last.pt" in str(refusal)
            noticed = bad
            refusals += 1
    assert refusals > 100
    path.write_bytes(noticed)
    for program in (resume, predict):
        refused(program() if program is resume else predict("photos"), "last.pt")


def other_zip(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", "<xml/>")


def packed(path):
    """Small on the disk, and large when it is read: torch itself packs nothing."""
    torch.save(torch.load(path, weights_only=True) | {"more": torch.zeros(10**6)}, "large")
    with zipfile.ZipFile("large") as large, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as small:
        for name in large.namelist():
            small.writestr(name, large.read(name))


def torch_script(path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(1, 1)).save(path)


class Evil:
    """Would leave a file if somebody unpickled it."""

    def __reduce__(self):
        return (Path.touch, (Path("hacked"),))


GOOD = Path("run", "last.pt")
NO_CHECKPOINTS = {
    "empty": lambda: GOOD.write_bytes(b""),
    "text": lambda: GOOD.write_text("years of work"),
    "cut off": lambda: GOOD.write_bytes(GOOD.read_bytes()[:-1000]),
    "cut to a part": lambda: GOOD.write_bytes(GOOD.read_bytes()[:700]),
    "another zip": lambda: other_zip(GOOD),
    "packed": lambda: packed(GOOD),
    "TorchScript": lambda: torch_script(GOOD),
    "pickle": lambda: GOOD.write_bytes(pickle.dumps({"epoch": 1})),
    "pickle with code": lambda: GOOD.write_bytes(pickle.dumps(Evil())),
    "checkpoint with code": lambda: torch.save({"epoch": Evil()}, GOOD),
    "whole model": lambda: torch.save(torch.nn.Linear(1, 1), GOOD),
    "tensor": lambda: torch.save(torch.ones(3), GOOD),
    "empty dictionary": lambda: torch.save({}, GOOD),
    "weights only": lambda: torch.save(torch.nn.Linear(1, 1).state_dict(), GOOD),
    "folder": lambda: (GOOD.unlink(), GOOD.mkdir()),
    "missing": lambda: GOOD.unlink(),
    "dangling link": lambda: (GOOD.unlink(), GOOD.symlink_to("nowhere")),
    "an image": lambda: shutil.copy("photos/train/pizza/00.png", GOOD),
}


@pytest.mark.filterwarnings("ignore")  # of torch.jit
@pytest.mark.parametrize("name", ["predict", "resume"])
@pytest.mark.parametrize("case", NO_CHECKPOINTS)
def test_what_is_no_checkpoint(here, case, name):
    NO_CHECKPOINTS[case]()
    before = contents("run")
    refused(resume() if name == "resume" else predict("photos"), "run")
    assert contents("run") == before and not Path("hacked").exists()


def put(*keys, value):
    """Changes one entry of the checkpoint."""

    def change(checkpoint):
        place = checkpoint
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def every_tensor(value):
    def change(checkpoint):
        for tensor in checkpoint["model"].values():
            tensor.fill_(value)

    return change


def named(part, value):
    """Fills the tensors of the model whose name holds this part."""

    def change(checkpoint):
        found = [t for name, t in checkpoint["model"].items() if part in name]
        assert found, part
        for tensor in found:
            tensor.fill_(value)

    return change


def drop(*keys):
    def change(checkpoint):
        place = checkpoint
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


# A change of the checkpoint, and whether predict can still use it (what only a training needs is its own).
HOSTILE = {
    "settings are a list": (put("settings", value=[1]), False),
    "settings are None": (put("settings", value=None), False),
    "no settings": (drop("settings"), False),
    "no model": (drop("model"), False),
    "model is a list": (put("model", value=[]), False),
    "model is empty": (put("model", value={}), False),
    "model holds a number": (put("model", "0.mean", value=3), False),
    "classes are a string": (put("settings", "classes", value="abc"), False),
    "classes are numbers": (put("settings", "classes", value=[1, 2, 3]), False),
    "classes repeat": (put("settings", "classes", value=["pizza"] * 3), False),
    "classes are too many": (put("settings", "classes", value=[*"abcd"]), False),
    "no classes": (put("settings", "classes", value=[]), False),
    "an unknown model": (put("settings", "model", value="resnet"), False),
    "model's name is a list": (put("settings", "model", value=["tinyvgg"]), False),
    "image size is text": (put("settings", "image_size", value="8"), False),
    "image size is negative": (put("settings", "image_size", value=-8), False),
    "image size is huge": (put("settings", "image_size", value=10**7), False),
    "hidden units are huge": (put("settings", "hidden_units", value=10**9), False),
    "hidden units are None": (put("settings", "hidden_units", value=None), False),
    "NaN weights": (every_tensor(float("nan")), False),
    "NaN mean": (named("mean", float("nan")), False),
    "zero deviation": (named("std", 0.0), False),
    "infinite weights": (every_tensor(float("inf")), False),
    "negative epoch": (put("epoch", value=-5), None),
    "epoch is text": (put("epoch", value="2"), None),
    "epoch is half": (put("epoch", value=1.5), None),
    "epoch is a list": (put("epoch", value=[2]), None),
    "no epoch": (drop("epoch"), None),
    "best loss is text": (put("best_loss", value="small"), None),
    "best loss is NaN": (put("best_loss", value=float("nan")), None),
    "optimizer is a list": (put("optimizer", value=[]), None),
    "no optimizer": (drop("optimizer"), None),
    "optimizer is empty": (put("optimizer", value={}), None),
}


@pytest.mark.parametrize("name", ["predict", "resume"])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_checkpoints(here, case, name):
    change, usable = HOSTILE[case]
    checkpoint = torch.load(GOOD, weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, GOOD)
    before = contents("run")
    if name == "predict" and usable is None:
        done = predict("photos/test/pizza/00.png", "--json")
        if done.code == 0:  # it needs nothing of that
            assert json.loads(done.out)[0]["class"] in CLASSES
            return
    else:
        done = resume() if name == "resume" else predict("photos", "--json")
    refused(done, "last.pt")
    assert contents("run") == before


# ------------------------------------------------------------------------------ folders of images


def count_of(done):
    """The number of training and validation images that train speaks of."""
    import re

    return sum(int(n) for n in re.findall(r"(\d+) (?:train|val)", done.out.splitlines()[0]))


def link_to(path, target):
    path.symlink_to(target, target_is_directory=True)


CLUTTER = {
    "__MACOSX beside the classes": lambda: draw(TRAIN / "__MACOSX" / "pizza" / "._00.png"),
    "__MACOSX beside train": lambda: draw(Path("photos", "__MACOSX", "train", "x.png")),
    "checkpoints of Jupyter": lambda: draw(TRAIN / ".ipynb_checkpoints" / "00-checkpoint.png"),
    "checkpoints of Jupyter in a class": lambda: draw(TRAIN / "pizza" / ".ipynb_checkpoints" / "x.png"),
    "hidden and odd files": lambda: [
        (TRAIN / "pizza" / name).write_bytes(b"\0") for name in ("Thumbs.db", "desktop.ini", ".DS_Store")
    ],
    "a link to the parent": lambda: link_to(TRAIN / "pizza" / "loop", TRAIN.resolve() / "pizza"),
    "two links to itself": lambda: [link_to(TRAIN / "pizza" / n, ".") for n in ("a", "b")],
    "a link to all": lambda: link_to(TRAIN / "pizza" / "loop", "../.."),
}


@posix
@pytest.mark.parametrize("case", CLUTTER)
def test_clutter_and_loops_change_nothing(here, case):
    """A folder that was there already is not followed again; or it is named, and nothing trains."""
    CLUTTER[case]()
    done = train("--out", "new", "--epochs", "1", limit=30)
    if "link" in case and done.code:
        refused(done, "photos")
    else:
        assert done.code == 0 and count_of(done) == 18, done
    done = predict("photos/train/pizza", "--jsonl", limit=30)
    assert done.code == 0 and len(set(paths_in(done))) == len(paths_in(done)) == 6


@posix
def test_a_linked_class_folder_is_followed(here):
    shutil.move("photos/train/pizza", "elsewhere")
    link_to(TRAIN / "pizza", "../../elsewhere")
    done = train("--out", "new", "--epochs", "1")
    assert done.code == 0 and count_of(done) == 18, done


@posix
@pytest.mark.parametrize(
    "name", [b"\xe9t\xe9", b"-rf", b"a b'\"", "寿司".encode(), b"nan", b"=1+1", b"x" * 200]
)
def test_odd_names_of_classes(here, name):
    for part in (TRAIN, TEST):
        os.rename(part / "steak", part / os.fsdecode(name))
    done = train("--out", "new", "--epochs", "1", "--test", encoding="ascii")
    assert done.code == 0, done
    done = call("predict", "--checkpoint", "new/best.pt", "photos/test", "--json", encoding="ascii")
    assert done.code == 0 and os.fsdecode(name) in json.loads(done.out)[0]["probabilities"]


def only(*names):
    for part in (TRAIN, TEST):
        for path in list(part.iterdir()):
            if path.name not in names:
                shutil.rmtree(path)


def empty(folder):
    for path in list(folder.iterdir()):
        path.unlink()


# What is wrong with a folder, and a word that the message has to hold.
SHAPES = {
    "one class": (lambda: only("pizza"), "class"),
    "an empty class in train": (lambda: empty(TRAIN / "steak"), "steak"),
    "a class missing in test": (lambda: shutil.rmtree(TEST / "steak"), "steak"),
    "a class more in test": (lambda: draw(TEST / "soup" / "1.png"), "soup"),
    "a class missing in train": (lambda: shutil.rmtree(TRAIN / "steak"), "steak"),
    "no test": (lambda: shutil.rmtree(TEST), "photos"),
    "no train": (lambda: shutil.rmtree(TRAIN), "photos"),
    "nothing": (lambda: (shutil.rmtree("photos"), Path("photos").mkdir()), "photos"),
    "not there": (lambda: shutil.rmtree("photos"), "photos"),
    "a file": (lambda: (shutil.rmtree("photos"), Path("photos").write_text("x")), "photos"),
    "a class of one image": (
        lambda: [os.remove(p) for p in sorted((TRAIN / "steak").iterdir())[1:]],
        "hold out",
    ),
    "Train and Test": (
        lambda: [os.rename(p, Path("photos", p.name.title())) for p in (TRAIN, TEST)],
        "photos",
    ),
    "training and testing": (lambda: [os.rename(p, f"{p}ing") for p in (TRAIN, TEST)], "photos"),
    "train and val": (lambda: os.rename(TEST, "photos/val"), "photos"),
    "all three": (lambda: shutil.copytree(TEST, "photos/val"), "photos"),
    "classes that differ in capitals": (lambda: draw(TRAIN / "Pizza" / "1.png"), "Pizza"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_folders_that_cannot_be_learned(here, case):
    change, word = SHAPES[case]
    change()
    refused(train("--out", "new", "--epochs", "1", "--test"), word, lines=6)
    assert not contents("new") if Path("new").exists() else True


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_folder_above_is_meant(here, part):
    """photos/train holds a folder for each class, and so is a layout of its own: it trains, on these."""
    done = call("train", "--data", f"photos/{part}", "--out", "new", "--epochs", "1", *SMALL)
    if done.code:
        refused(done, "hold out")
    assert done.code or count_of(done) < 18


def broken(path):
    path.write_bytes(path.read_bytes()[:200])


def bomb(path):
    """An image that says it is 60,000 by 60,000 pixels."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )


BAD_IMAGES = {
    "truncated": broken,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("years of work"),
    "a pointer of git": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
    "bomb": bomb,
    "fifo": lambda path: (path.unlink(), os.mkfifo(path)),
    "dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "web page": lambda path: path.write_text("<!doctype html><title>404</title>"),
}


@posix
@pytest.mark.parametrize(
    ("case", "how"),
    [(case, how) for case in BAD_IMAGES for how in ([], ["--in-memory"])]
    + [(case, ["--workers", "1"]) for case in ("truncated", "fifo")],
)
def test_bad_images_are_named_before_training(here, case, how):
    """All of them at once, in training, validation and test; no run is begun."""
    bad = [TRAIN / "pizza" / "03.png", TRAIN / "sushi" / "05.png", TEST / "steak" / "01.png"]
    for path in bad:
        BAD_IMAGES[case](path)
    done = train("--out", "new", "--epochs", "1", "--test", *how, limit=40)
    refused(done, *(path.name for path in bad), lines=8)
    assert not contents("new") if Path("new").exists() else True


@posix
@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_do_not_stop_predict(here, case):
    BAD_IMAGES[case](TRAIN / "pizza" / "03.png")
    done = predict("photos/train/pizza", "--jsonl", limit=30)
    assert done.code == 1 and len(paths_in(done)) == 6, done
    errors = [json.loads(line) for line in done.out.splitlines() if "error" in json.loads(line)]
    assert len(errors) == 1 and errors[0]["path"].endswith("03.png") and "Traceback" not in done.err


def test_odd_images_are_read(here):
    """Grey, with transparency, with a palette, CMYK, 16 bits, animated, under a wrong name."""
    kinds = {
        "L": "a.png",
        "RGBA": "b.png",
        "P": "c.gif",
        "CMYK": "d.jpg",
        "I;16": "e.png",
        "1": "f.png",
        "LA": "g.png",
    }
    for mode, name in kinds.items():
        Image.new(mode, (9, 9)).save(TRAIN / "pizza" / name)
    shutil.copy(TRAIN / "pizza" / "00.png", TRAIN / "pizza" / "h.jpg")
    shutil.copy(TRAIN / "pizza" / "00.png", TRAIN / "pizza" / "without ending")
    frames = [Image.new("RGB", (9, 9), c) for c in ("red", "blue")]
    frames[0].save(TRAIN / "pizza" / "i.gif", save_all=True, append_images=frames[1:])
    done = train("--out", "new", "--epochs", "1")
    assert done.code == 0, done
    assert predict("photos/train/pizza").code == 0


# ------------------------------------------------------------------------------ options


OPTIONS = {
    "--epochs": ["-1", "0", "x", "1.5", "nan", ""],
    "--batch-size": ["0", "-1", "1.5", str(2**63), ""],
    "--lr": ["0", "-1", "nan", "inf", "x", ""],
    "--weight-decay": ["-1", "nan", "inf"],
    "--hidden-units": ["0", "-2", str(10**9), str(2**63)],
    "--image-size": ["0", "1", "3", "-8", str(10**6), str(2**63)],
    "--val-share": ["-0.1", "1", "1.5", "nan", "0.01", "0.99", ""],
    "--seed": ["-1", str(2**64), "x"],
    "--workers": ["-1", "x"],
    "--device": ["nonsense", "", "cpu:x"],
    "--model": ["resnet", ""],
    "--schedule": ["step"],
    "--optimizer": [""],
    "--data": [""],
    "--out": [""],
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in OPTIONS.items() for value in values]
)
def test_values_that_make_no_sense(here, option, value):
    """One line that names the option, before anything is written or memory taken."""
    rest = SMALL
    if option in SMALL:
        place = SMALL.index(option)
        rest = SMALL[:place] + SMALL[place + 2 :]
    folder = [] if option == "--data" else ["--data", "photos"]
    out = [] if option == "--out" else ["--out", "new"]
    epochs = [] if option == "--epochs" else ["--epochs", "1"]
    before = contents(".")
    done = call("train", *folder, *out, *epochs, *rest, option, value, limit=20)
    refused(done, value if option == "--val-share" and value > "0" else option, lines=60)
    assert contents(".") == before


# ------------------------------------------------------------------------------ what predict reads


@pytest.fixture
def images(here):
    """Two images and a file that nobody named, in the working folder."""
    for name in ("p0.png", "p1.png", "private.png"):
        shutil.copy("photos/train/pizza/00.png", name)
    Path("diary.txt").write_text("mine")
    return here


@pytest.mark.parametrize(
    "text",
    [b"p0.png\n\np1.png\n", b"\n\np0.png\n \np1.png", b"p0.png\r\n\r\np1.png\r\n", b"p0.png\np1.png\n\n\n"],
)
def test_blank_lines_of_a_list(images, text):
    done = predict("-", "--jsonl", stdin=text)
    assert done.code == 0 and paths_in(done) == ["p0.png", "p1.png"], done


@pytest.mark.parametrize("text", [b"", b"\n", b"\n\n", b"  \n"])
def test_an_empty_list(images, text):
    done = predict("-", "--jsonl", stdin=text)
    assert not paths_in(done) and done.code == 1, done
    refused(done)


def test_an_empty_argument(images):
    """``predict "$folder"`` where the variable is not set."""
    done = predict("", "--jsonl")
    assert not paths_in(done)
    refused(done, lines=60)
    done = predict("p0.png", "", "--jsonl")
    assert set(paths_in(done)) <= {"p0.png"}


def test_a_list_separated_by_zeros(images):
    """From find -print0: read, or said in a line."""
    done = predict("-", "--jsonl", stdin=b"p0.png\0p1.png\0")
    if done.code == 0:
        assert paths_in(done) == ["p0.png", "p1.png"]
    else:
        refused(done, "line")


def test_a_list_in_latin_1(images):
    """The file of that very name is found, or the line is named; the others are read."""
    done = predict("-", "--jsonl", stdin="p0.png\ncafé.png\np1.png\n".encode("latin-1"))
    assert done.code == 1 and "Traceback" not in done.err and "codec" not in done.err, done
    assert {"p0.png", "p1.png"} <= set(paths_in(done))


def test_a_list_that_names_itself(images):
    done = predict("-", "--jsonl", stdin=b"-\n" * 2000 + b"p0.png\n")
    assert "p0.png" in paths_in(done) and "Traceback" not in done.err


def test_a_list_from_nowhere(images):
    """``predict - <&-`` closes standard input."""
    refused(predict("-", "--jsonl", stdin=None))


def test_a_list_with_a_mark_at_its_start(images):
    """As PowerShell writes it."""
    done = predict("-", "--jsonl", stdin="\ufeffp0.png\r\np1.png\r\n".encode())
    assert done.code == 0 and paths_in(done) == ["p0.png", "p1.png"], done


NAMES = {"too long": "x" * 300, "a zero in it": "a\0b", "deep": "y/" * 3000, "not there": "none.png"}


@pytest.mark.parametrize("place", ["list", "argument"])
@pytest.mark.parametrize("case", NAMES)
def test_one_bad_name_does_not_stop_the_others(images, case, place):
    name = NAMES[case]
    if place == "list":
        done = predict("-", "--jsonl", stdin=f"p0.png\n{name}\np1.png\n".encode())
    else:
        done = predict("p0.png", name, "p1.png", "--jsonl")
    good = [p for p in map(json.loads, done.out.splitlines()) if "error" not in p]
    if case == "a zero in it" and place == "list" and not good:  # taken for a list of another kind
        refused(done)
        return
    assert done.code == 1 and "Traceback" not in done.err, done
    assert [p["path"] for p in good] == ["p0.png", "p1.png"]


@pytest.mark.parametrize("place", ["argument", "below"])
def test_an_unreadable_folder_does_not_stop_the_others(images, monkeypatch, place):
    """Simulated, as root may read everything."""
    closed = images / "all" / "closed"
    closed.mkdir(parents=True)
    for name in ("a.png", "z.png"):
        shutil.copy("p0.png", images / "all" / name)
    for module, name in ((os, "scandir"), (os, "listdir")):
        function = getattr(module, name)

        def refusing(path=".", function=function):
            if Path(os.fspath(path)).name == "closed":
                raise PermissionError(13, "Permission denied", str(path))
            return function(path)

        monkeypatch.setattr(module, name, refusing)
    iterate = Path.iterdir

    def refusing_too(self):
        if self.name == "closed":
            raise PermissionError(13, "Permission denied", str(self))
        return iterate(self)

    monkeypatch.setattr(Path, "iterdir", refusing_too)
    is_dir = Path.is_dir

    def refusing_below(self):
        if self.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(self))
        return is_dir(self)

    monkeypatch.setattr(Path, "is_dir", refusing_below)
    done = (
        predict("all", "--jsonl")
        if place == "below"
        else predict("p0.png", "all/closed", "p1.png", "--jsonl")
    )
    good = [p["path"] for p in map(json.loads, done.out.splitlines()) if "error" not in p]
    assert done.code == 1 and len(good) == 2 and "Traceback" not in done.err and "closed" in done.err, done


def test_a_folder_without_images(images):
    Path("bare").mkdir()
    refused(predict("bare", "--jsonl"))


# ------------------------------------------------------------------------------ what predict prints


FORMATS = [[], ["--csv"], ["--json"], ["--jsonl"]]


@posix
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_names_that_the_output_cannot_hold(images, form, encoding):
    """Japanese in a Windows console's encoding, a name that is no text at all: no file after it is lost."""
    shutil.copy("p0.png", "寿司.png")
    shutil.copy(b"p0.png", b"\xe9t\xe9.png")
    done = predict("寿司.png", os.fsdecode(b"\xe9t\xe9.png"), "p1.png", *form, encoding=encoding)
    assert done.code == 0 and "p1.png" in done.out, done
    if form == ["--json"]:
        assert len(json.loads(done.out)) == 3


@pytest.mark.parametrize("name", ["=1+1.png", "+1.png", "-1.png", "@SUM(1).png", "\tx.png"])
def test_formulas_in_a_table_for_spreadsheets(images, name):
    shutil.copy("p0.png", name)
    done = predict(f"./{name}" if name.startswith("-") else name, "--csv")
    if name.startswith("-"):
        return  # the path begins with a dot
    row = next(iter(csv.DictReader(io.StringIO(done.out))))
    assert row["path"][0] not in "=+-@\t\r" and row["path"].endswith(name.strip()), done.out


def test_a_class_that_is_a_formula(images):
    checkpoint = torch.load(GOOD, weights_only=True)
    checkpoint["settings"]["classes"] = ["=cmd|'/c calc'!A1", "+1", "@x"]
    torch.save(checkpoint, GOOD)
    done = predict("p0.png", "--csv")
    if done.code == 0:
        rows = list(csv.reader(io.StringIO(done.out)))
        assert all(cell[:1] not in ("=", "+", "@") for row in rows for cell in row), done.out


@posix
@pytest.mark.parametrize("form", FORMATS)
def test_a_name_does_not_speak_to_the_terminal(images, form):
    """Nor does it begin a line of its own."""
    name = "a\x1b[2Jb\nc.png"
    shutil.copy("p0.png", name)
    Path("bad\x1b[2J\n.png").write_text("x")
    done = predict(name, "bad\x1b[2J\n.png", *form)
    assert "\x1b" not in done.err and ("\x1b" not in done.out or form == ["--csv"]), done
    if form in ([], ["--jsonl"]):
        assert len(done.out.splitlines()) == (1 if not form else 2), done.out


@pytest.mark.parametrize("option", ["--json", "--jsonl"])
def test_json_is_json(images, option):
    """Of everything: also of what cannot be read, of nothing, and of an odd name."""
    for paths in (["p0.png"], ["p0.png", "diary.txt"], ["diary.txt"], ["none"]):
        done = predict(*paths, option)
        found = json.loads(done.out) if option == "--json" else [json.loads(x) for x in done.out.splitlines()]
        assert len(found) == len(paths)


@posix
def test_results_come_while_the_list_is_written(images):
    """And Ctrl-C leaves whole lines and the exit code that shells expect."""
    process = program(
        "predict", "--checkpoint", "run/last.pt", "--device", "cpu", "--jsonl", "-", stdin=subprocess.PIPE
    )
    try:
        process.stdin.write("p0.png\n" * 16)
        process.stdin.flush()
        with at_most(60):
            lines = [process.stdout.readline() for _ in range(16)]
        assert all(json.loads(line)["path"] == "p0.png" for line in lines)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (130, -signal.SIGINT) and "Traceback" not in err, err
    assert len(err.strip().splitlines()) <= 2
    assert all(json.loads(line) for line in out.splitlines())


@posix
@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_among_10000_files(images, form, number):
    """All that was done is printed, and the list in JSON is a whole one."""
    Path("many").mkdir()
    for i in range(10_000):
        os.link("p0.png", f"many/{i:05}.png")
    with open("out", "w") as out:
        process = program(
            "predict", "--checkpoint", "run/last.pt", "--device", "cpu", *form, "many", stdout=out
        )
        wait_for(lambda: Path("out").stat().st_size > 30_000)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    text = Path("out").read_text()
    assert process.returncode in (130, 143, -number) and "Traceback" not in err
    assert text.count("many") >= 100
    if form == ["--json"] and number == signal.SIGINT:
        assert len(json.loads(text)) >= 100


@posix
@pytest.mark.slow
def test_ctrl_c_among_workers(here):
    """Which the terminal tells, too: it says it to the whole group of processes."""
    options = ["--data", "photos", "--out", "new", "--epochs", "100000", "--workers", "2", *SMALL]
    process = program("train", *options, start_new_session=True)
    wait_for(lambda: Path("new/results.jsonl").exists() and Path("new/results.jsonl").stat().st_size > 1000)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    # A thread with which Python hands tensors over may have a word of its own when a worker is gone first.
    assert process.returncode == 130 and "train: stopped by Ctrl-C" in err, err
    assert train("--out", "new", "--resume", "--epochs", "1").code == 0


@posix
@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "predict"])
@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.5, 2.5])
def test_ctrl_c_while_it_starts(images, name, seconds):
    """Importing takes seconds, and people change their minds."""
    options = ["--data", "photos", "--out", "new", "--epochs", "100000", *SMALL]
    if name == "predict":
        options = ["--checkpoint", "run/last.pt", "-"]
    process = program(name, *options, stdin=subprocess.PIPE)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), err
    # Before the first line of the program, Python itself answers.
    assert seconds < 0.5 or ("Traceback" not in err and len(err.strip().splitlines()) <= 2), err


@posix
@pytest.mark.parametrize("form", FORMATS)
def test_nobody_reads_on(images, form):
    """``predict ... | head -1``: no complaint, whatever the exit code."""
    with program(
        "predict", "--checkpoint", "run/last.pt", "--device", "cpu", *form, *["p0.png"] * 200
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert not err, err


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("form", FORMATS)
def test_output_onto_a_full_disk(images, form):
    """One line and exit code 1: Python has no words of its own about what is left in its buffer."""
    with open("/dev/full", "w") as full:
        options = ["--checkpoint", "run/last.pt", "--device", "cpu", *form, "p0.png", "p1.png"]
        process = program("predict", *options, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and err == "predict: [Errno 28] No space left on device\n"


@posix
@pytest.mark.parametrize("name", ["predict", "resume"])
def test_a_checkpoint_that_never_ends(here, name):
    """A pipe that nobody writes into, and a device: neither waited for nor read."""
    for replace in (os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
        GOOD.unlink()
        replace(GOOD)
        refused(resume() if name == "resume" else predict("photos", limit=20), "last.pt")


@pytest.mark.parametrize("name", ["run/last.pt", "p0.png", "photos"])
def test_predict_writes_nothing(images, name):
    """Whatever is named twice stays as it is."""
    before = contents(".")
    predict(name, "--jsonl")
    assert contents(".") == before
