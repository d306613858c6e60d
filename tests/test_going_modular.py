"""The scripts of notebook 05, as somebody at a terminal meets them."""

import argparse
import csv
import importlib
import io
import json
import math
import os
import pickle
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import types
import urllib.request
import warnings
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from helper_functions import count_parameters
from stored import ROOT

HELPERS = Path(__file__).parent / "support"
SCRIPTS = ROOT / "notebooks"  # another test holds its going_modular equal to the cells of notebook 05
NAMES = ("data_setup", "model_builder", "engine", "utils", "checkpoints", "train", "predict")
CLASSES = ["pizza", "steak", "sushi"]
SMALL = ["--image-size", "8", "--hidden-units", "2", "--batch-size", "5", "--device", "cpu", "--lr", "0.01"]
LIMIT = 300  # seconds for a program that must not hang, many times what it needs
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files, or other signals")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def going_modular():
    """The modules of the scripts, as attributes."""

    def forget():
        for name in [n for n in sys.modules if n.split(".")[0] == "going_modular"]:
            del sys.modules[name]

    forget()
    sys.path.insert(0, str(SCRIPTS))
    yield types.SimpleNamespace(**{n: importlib.import_module(f"going_modular.{n}") for n in NAMES})
    sys.path.remove(str(SCRIPTS))
    forget()


def draw(path, colour=None, size=(12, 10), seed=0):
    """Saves an image of one colour, or of noise, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    (Image.new("RGB", size, colour) if colour else Image.fromarray(noise)).save(path)
    return path


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """13 training and 7 test images of three classes: uneven for every number of processes."""
    root = tmp_path_factory.mktemp("photos")
    for part, count in (("train", 13), ("test", 7)):
        for i in range(count):
            draw(root / part / CLASSES[i % 3] / f"{i:02}.png", seed=100 * len(part) + i)
    return root


@pytest.fixture
def call(going_modular, tmp_path, capsys, monkeypatch):
    """Runs train or predict in this process: returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    work = {"train": going_modular.train.train, "predict": going_modular.predict.run}

    def run(program, *options):
        try:
            args = getattr(going_modular, program).parse_arguments([str(option) for option in options])
            code = going_modular.utils.run_command(program, work[program], args)
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return run


@pytest.fixture
def train(call, photos):
    """Trains on the photos, small and quick; --out is ``run``."""
    return lambda *options: call("train", "--data", photos, "--out", "run", *SMALL, *options)


def command(*arguments, **options):
    """Starts a program in a process of its own, with the scripts in reach, and returns it when it is done."""
    line = [sys.executable, *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(*arguments, **(pipes | options)) as process:
        try:
            out, err = process.communicate(timeout=LIMIT)
        except BaseException:
            if os.name == "nt":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)  # the processes it has started, too
            raise
    return subprocess.CompletedProcess(line, process.returncode, out, err)


def start(*arguments, environment=(), **options):
    """A program in a process group of its own."""
    own = {"PYTHONPATH": str(SCRIPTS), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    environment = os.environ | own | dict(environment)
    line = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(line, text=True, env=environment, start_new_session=True, **options)


def results(out):
    """The lines of results.jsonl, without the times."""
    lines = [json.loads(line) for line in (Path(out) / "results.jsonl").read_text().splitlines()]
    assert all(line.pop("seconds") > 0 for line in lines)
    return lines


def same(a, b):
    """Whether two checkpoints are equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


# ------------------------------------------------------------------------------ real folders are dirty


def noise(mode="RGB", size=(40, 30)):
    array = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(array).convert(mode)


def with_exif(path, orientation):
    """Left half red, right half blue when seen upright; stored turned, as a camera does."""
    upright = Image.new("RGB", (32, 16), "red")
    upright.paste("blue", (16, 0, 32, 16))
    turned = upright.transpose(
        {
            3: Image.Transpose.ROTATE_180,
            6: Image.Transpose.ROTATE_90,
            8: Image.Transpose.ROTATE_270,
            2: Image.Transpose.FLIP_LEFT_RIGHT,
        }[orientation]
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(path, format="JPEG", quality=95, subsampling=0, exif=exif)


def gray16(path, value):
    Image.fromarray(np.full((8, 8), value, np.uint16)).save(path, format="PNG")


def png_by_hand(path, width, height, bits, colour, rows):
    """A PNG that Pillow cannot write, or not quickly."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows))]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in [*chunks, (b"IEND", b"")]:
            file.write(struct.pack(">I", len(data)) + kind + data)
            file.write(struct.pack(">I", zlib.crc32(kind + data)))


def colour_of_png16(path):
    row = b"\0" + struct.pack(">3H", 65535, 257 * 128, 0) * 4
    png_by_hand(path, 4, 4, 16, 2, row * 4)


def palette(path, transparent=False):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 0, 200, 0])
    image.save(path, format="PNG", **({"transparency": 1} if transparent else {}))


def flat(mode, colour, form):
    return lambda path: Image.new(mode, (8, 8), colour).save(path, format=form)


GOOD = {
    "colour": (flat("RGB", (10, 200, 30), "PNG"), (10, 200, 30)),
    "gray": (flat("L", 77, "JPEG"), (77, 77, 77)),
    "CMYK": (flat("CMYK", (0, 255, 255, 0), "JPEG"), (255, 0, 0)),
    "palette": (palette, (0, 200, 0)),
    "palette with a transparent colour": (partial(palette, transparent=True), (255, 255, 255)),
    "black and white": (flat("1", 1, "PNG"), (255, 255, 255)),
    "transparent": (flat("RGBA", (0, 0, 0, 0), "PNG"), (255, 255, 255)),
    "half transparent": (flat("RGBA", (0, 0, 0, 128), "PNG"), (127, 127, 127)),
    "gray with alpha": (flat("LA", (0, 0), "PNG"), (255, 255, 255)),
    "16-bit gray, bright": (lambda path: gray16(path, 65535), (255, 255, 255)),
    "16-bit gray, dark": (lambda path: gray16(path, 257 * 3), (3, 3, 3)),
    "16-bit TIFF": (
        lambda path: Image.fromarray(np.full((8, 8), 257 * 90, np.uint16)).save(path, format="TIFF"),
        (90, 90, 90),
    ),
    "16-bit colour": (colour_of_png16, (255, 128, 0)),
    "renamed GIF": (flat("P", 0, "GIF"), (0, 0, 0)),
    "renamed WebP": (flat("RGB", (255, 255, 255), "WEBP"), (255, 255, 255)),
    "one pixel": (lambda path: Image.new("RGB", (1, 1), (1, 2, 3)).save(path, format="BMP"), (1, 2, 3)),
}


@pytest.mark.parametrize("kind", GOOD)
def test_images_of_every_kind_become_rgb(going_modular, tmp_path, kind):
    make, colour = GOOD[kind]
    path = tmp_path / "a photo, früh am Morgen 早.jpg"
    make(path)
    image = going_modular.data_setup.read_image(path)
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - colour).max() <= 2


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_photos_are_turned_upright(going_modular, tmp_path, orientation):
    with_exif(tmp_path / "turned.jpg", orientation)
    image = going_modular.data_setup.read_image(tmp_path / "turned.jpg")
    assert image.size == (32, 16)
    assert image.getpixel((2, 8))[0] > 200 and image.getpixel((29, 8))[2] > 200


def cut(form, keep):
    def make(path):
        noise().save(path, format=form)
        data = path.read_bytes()
        path.write_bytes(data[: int(keep * len(data))])

    return make


def bomb(path, height):
    """A file of some bytes that says it has 20,000 pixels in each row."""
    png_by_hand(path, 20_000, height, 1, 0, bytes(2501))


NO_IMAGE = "cannot identify image file"
TOO_MUCH = "too many pixels, or 32 bits in each"
BAD = {
    "empty": (Path.touch, NO_IMAGE),
    "text": (lambda path: path.write_text("not a photo"), NO_IMAGE),
    "another format": (lambda path: noise().save(path, format="ICO"), NO_IMAGE),
    "a script for a printer": (lambda path: noise().save(path, format="EPS"), NO_IMAGE),
    **{
        f"{form} cut at {keep}": (cut(form, keep), "")
        for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
        for keep in (0.05, 0.6, 0.95)
    },
    "floats": (lambda path: noise("F").save(path, format="TIFF"), TOO_MUCH),
    "32-bit": (
        lambda path: Image.fromarray(np.full((8, 8), 1 << 20, np.int32)).save(path, format="TIFF"),
        TOO_MUCH,
    ),
    "a bomb": (partial(bomb, height=20_000), "exceeds limit of"),
    "a bomb of which Pillow only warns": (partial(bomb, height=5_000), TOO_MUCH),
    "a dead link": (lambda path: path.symlink_to("nowhere"), "no such file, or not an ordinary one"),
    "a pipe": (lambda path: os.mkfifo(path), "no such file, or not an ordinary one"),
}


@pytest.mark.filterwarnings("default")  # Pillow warns before it gives up on some
@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=posix) if k in ("a dead link", "a pipe") else k for k in BAD]
)
def test_what_is_no_image_is_named_with_its_reason(going_modular, tmp_path, kind):
    make, reason = BAD[kind]
    path = tmp_path / "photo.jpg"
    make(path)
    with pytest.raises(ValueError) as refused:
        going_modular.data_setup.read_image(path)
    message = str(refused.value)
    assert message.startswith(f"{str(path)!r}: {reason}") or (reason and reason in message)
    assert len(message) > len(f"{str(path)!r}: ") + 8 and "\n" not in message


@pytest.mark.filterwarnings("default")
def test_the_largest_image_that_is_read(going_modular, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    read = going_modular.data_setup.read_image
    assert read(draw(tmp_path / "just.png", size=(5, 4))).size == (5, 4)
    with pytest.raises(ValueError, match=r"more\.png': too many pixels"):
        read(draw(tmp_path / "more.png", size=(3, 7)))


IMPORTS = """
import sys, warnings
import numpy, PIL.Image, torch.distributed, torch.nn.parallel, tqdm
before = list(warnings.filters)
import going_modular.predict, going_modular.train
assert list(warnings.filters) == before, "the warning filters of the process have changed"
heavy = {"torchvision", "tensorboard", "torch._dynamo", "onnx", "matplotlib", "sklearn"} & set(sys.modules)
assert not heavy, f"every program waits for {heavy}"
"""


def test_importing_the_programs_changes_nothing_and_is_quick():
    done = command("-c", IMPORTS)
    assert done.returncode == 0, done.stderr[-2000:]


def test_hidden_files_and_clutter_are_passed_over(going_modular, tmp_path):
    for name in ("pizza/b.jpg", "pizza/deep/er/c.jpg", "pizza/A.jpg", "sushi/1.jpg"):
        draw(tmp_path / name)
    clutter = (".DS_Store", "pizza/.DS_Store", "pizza/Thumbs.db", "sushi/desktop.ini", ".git/x", "a.txt")
    for name in (*clutter, "__MACOSX/x.jpg", ".ipynb_checkpoints/x.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("clutter")
    classes, files = going_modular.data_setup.find_images(tmp_path)
    assert classes == ["pizza", "sushi"]
    names = [(path.relative_to(tmp_path).as_posix(), label) for path, label in files]
    wanted = ["pizza/A.jpg", "pizza/b.jpg", "pizza/deep/er/c.jpg", "sushi/1.jpg"]
    assert names == list(zip(wanted, [0, 0, 0, 1], strict=True))


@posix
def test_links_that_lead_in_circles(going_modular, tmp_path):
    """Every folder is searched once, and a link to what lies above is not followed."""
    for name in ("pizza/1.png", "pizza/deep/2.png", "steak/3.png"):
        draw(tmp_path / name)
    for name, to in (
        ("pizza/up", ".."),
        ("pizza/here", "."),
        ("pizza/deep/up", ".."),
        ("pizza/again", "deep"),
    ):
        (tmp_path / name).symlink_to(to, target_is_directory=True)
    _, files = going_modular.data_setup.find_images(tmp_path)
    assert [(path.name, label) for path, label in files] == [("2.png", 0), ("1.png", 0), ("3.png", 1)] or [
        (path.name, label) for path, label in files
    ] == [("1.png", 0), ("2.png", 0), ("3.png", 1)]


def test_a_folder_that_may_not_be_opened_stops_only_itself(going_modular, tmp_path, monkeypatch):
    draw(tmp_path / "a" / "1.png")
    (tmp_path / "closed").mkdir()
    real = Path.iterdir

    def refuses(path):  # root, who may run this test, may open everything
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refuses)
    found = list(going_modular.data_setup.find_files(tmp_path))
    assert found == [tmp_path / "a" / "1.png", tmp_path / "closed" / "(Permission denied)"]


@pytest.mark.filterwarnings("default")
def test_all_bad_files_are_named_at_once_before_training(train, photos, call):
    shutil.copytree(photos, "dirty")
    for name in ("train/pizza/x.jpg", "train/sushi/deep/y z.jpg", "test/steak/早.jpg"):
        Path("dirty", name).parent.mkdir(exist_ok=True)
        Path("dirty", name).write_text("text")
    options = ["--data", "dirty", "--out", "run", *SMALL, "--epochs", 1]
    code, out, err = call("train", *options)
    assert (code, out) == (1, "") and not Path("run/last.pt").exists()
    lines = err.splitlines()
    assert lines[0] == "train: 3 of 23 files are bad:"
    names = ("test/steak/早.jpg", "train/pizza/x.jpg", "train/sushi/deep/y z.jpg")
    assert sorted(lines[1:]) == [f"  'dirty/{name}': {NO_IMAGE} 'dirty/{name}'" for name in names]


@pytest.mark.filterwarnings("default")
def test_folders_that_do_not_fit(call, photos):
    def line(data, *options, code=1):
        ended, out, err = call("train", "--data", data, "--out", "run", *SMALL, *options)
        assert (ended, out) == (code, "") and err.count("\n") == 1, err
        return err.strip()

    wanted = "not train/ and test/, nor classes: "
    assert "No such file or directory: 'nowhere'" in line("nowhere")
    Path("empty").mkdir()
    assert line("empty") == f"train: empty: {wanted}[]"
    shutil.copytree(photos / "train", "half/train")
    assert line("half") == f"train: half: {wanted}['train']"
    shutil.copytree(photos / "test", "half/Val")
    assert line("half") == f"train: half: {wanted}['Val', 'train']"
    shutil.copytree(photos, "other")
    shutil.move("other/test/sushi", "other/test/soup")
    assert "train/ ['pizza', 'steak', 'sushi'], test/ 7 of ['pizza', 'soup', 'steak']" in line("other")
    shutil.rmtree("other/test")
    for name in CLASSES:
        Path("other/test", name).mkdir(parents=True)
    assert "test/ 0 of ['pizza'," in line("other"), "nothing is split off in silence"
    draw(Path("one/pizza/1.png"))
    assert line("one") == f"train: one: {wanted}['pizza']"
    for name in ("one/steak", "one/sushi"):
        Path(name).mkdir()
    assert line("one") == "train: one: no training image of class 'steak'"
    draw(Path("two/pizza/1.png"))
    draw(Path("two/steak/1.png"))
    assert "too few images to hold out 0.25 of each class: " in line("two")
    assert "too few images to hold out 0.01 of each class: " in line(photos, "--val-share", 0.01)


def test_just_class_folders_are_split(call, train, photos):
    """A quarter of each class for testing, the same whatever the seed; then the validation images."""
    for i in range(24):
        draw(Path("flat") / CLASSES[i % 3] / f"{i:02}.png", seed=i)
    code, out, err = call("train", "--data", "flat", "--out", "run", *SMALL, "--epochs", 1, "--test")
    assert code == 0 and out.startswith("14 train images, 4 val images, 6 test images"), err
    assert "test loss" in out


def test_splits_are_stratified(going_modular, photos):
    files = [(Path(f"{label}{i}"), label) for label, count in enumerate((40, 20, 10)) for i in range(count)]
    rest, share = going_modular.data_setup.split(files, 0.2, seed=1)
    assert [sum(label == c for _, label in share) for c in range(3)] == [8, 4, 2]
    assert sorted(rest + share) == sorted(files)
    assert going_modular.data_setup.split(files, 0.2, seed=1) == [rest, share]
    assert going_modular.data_setup.split(files, 0.2, seed=2) != [rest, share]


# ------------------------------------------------------------------------------------- the model


def test_parameters_of_the_networks(going_modular):
    """Those of 03 and 04 with 64 pixels; every one of them runs."""
    settings = {"classes": CLASSES, "hidden_units": 10, "image_size": 64}
    counts = {}
    for name in going_modular.model_builder.MODELS:
        model = going_modular.model_builder.build(settings | {"model": name}, torch.zeros(3), torch.ones(3))
        assert model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).shape == (2, 3)
        counts[name] = count_parameters(model)
    assert counts == {"linear": 122_923, "mlp": 122_923, "tinyvgg": 10_693, "tinyvgg_bn": 10_733}


def test_statistics_are_those_of_all_pixels(going_modular, photos):
    data_setup = going_modular.data_setup
    sets = {
        part: data_setup.ImageFiles(data_setup.find_images(photos / part)[1], 8) for part in ("train", "test")
    }
    mean, std, _ = data_setup.survey(sets, keep=True)
    X = torch.stack([torch.from_numpy(sets["train"].kept[i]) for i in range(13)]).double() / 255
    assert torch.allclose(mean.double(), X.mean(dim=(0, 2, 3)))
    assert torch.allclose(std.double(), X.std(dim=(0, 2, 3), correction=0))


def test_the_command_line_reaches_the_numbers_of_the_notebook(going_modular, train, photos):
    """Its training by hand gives the same curve."""
    read_image, to_tensor = going_modular.data_setup.read_image, going_modular.data_setup.to_tensor
    sets = {}
    for part in ("train", "test"):
        _, files = going_modular.data_setup.find_images(photos / part)
        X = torch.stack([to_tensor(read_image(path), 8) for path, _ in files])
        sets[part] = X / 255, torch.tensor([label for _, label in files])
    X, y = sets["train"]
    mean, std = X.mean(dim=(0, 2, 3), keepdim=True), X.std(dim=(0, 2, 3), keepdim=True, correction=0)
    torch.manual_seed(7)
    model = going_modular.model_builder.TinyVGG(2, 3, 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    code, out, _ = train("--epochs", 4, "--seed", 7, "--val-share", 0, "--test")
    assert code == 0
    for line in results("run"):
        order = np.arange(13)
        np.random.default_rng([7, line["epoch"]]).shuffle(order)
        total = 0.0
        for rows in torch.from_numpy(order).split(5):
            loss = cross_entropy(model((X[rows] - mean) / std), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        assert line["train_loss"] == pytest.approx(total / 13, abs=1e-6)
    X, y = sets["test"]
    with torch.inference_mode():
        logits = model((X - mean) / std)
    loss, accuracy = cross_entropy(logits, y).item(), (logits.argmax(dim=1) == y).float().mean().item()
    assert f"test loss {loss:.4f}, test accuracy {accuracy:.4f}\n" in out


def test_the_test_images_are_scored_once_and_only_if_asked(going_modular, train, monkeypatch):
    seen, real = [], going_modular.engine.evaluate

    def spy(model, loader, device):
        seen.append(loader.batch_sampler.count)
        return real(model, loader, device)

    monkeypatch.setattr(going_modular.engine, "evaluate", spy)
    train("--epochs", 3)
    assert seen == [3, 3, 3], "the validation images"
    seen.clear()
    code, out, _ = train("--epochs", 3, "--resume", "--test")
    assert code == 0 and seen == [7] and "test loss" in out


def test_best_is_chosen_on_held_out_training_images(train, going_modular):
    train("--epochs", 2, "--val-share", 0)
    assert not Path("run/best.pt").exists(), "test images must not choose"
    _, out, _ = train("--out", "chosen", "--epochs", 12, "--lr", 0.05, "--test")
    losses = [line["val_loss"] for line in results("chosen")]
    best = torch.load("chosen/best.pt", weights_only=True)
    assert best["best_loss"] == min(losses) and best["epoch"] == losses.index(min(losses)) + 1 < 12
    assert best["settings"]["train images"] == 10 and best["settings"]["val images"] == 3
    assert out.endswith("the model is chosen/best.pt\n")


def test_the_configuration_is_saved_beside_the_results(train, photos):
    train("--epochs", 1)
    config = json.loads(Path("run/config.json").read_text())
    assert config["data"] == str(photos) and config["lr"] == 0.01 and config["classes"] == CLASSES
    assert config["torch"] == torch.__version__ and config["train images"] == 10
    assert time.strptime(config["time"])


# ------------------------------------------------------------------------------- batches and augmentation


def files_of(going_modular, photos, keep=False):
    data_setup = going_modular.data_setup
    images = data_setup.ImageFiles(data_setup.find_images(photos / "train")[1], 8)
    data_setup.survey({"train": images}, keep)
    return images


def augmentation(going_modular, photos, size):
    """What --augment does to an image."""
    options = ["--data", str(photos), "--image-size", str(size), "--augment"]
    return going_modular.train.load_sets(going_modular.train.parse_arguments(options))[1]["train"].change


def test_the_order_follows_from_seed_and_epoch(going_modular):
    Batches = going_modular.data_setup.Batches

    def rows(seed, epoch, count=13):
        batches = Batches(count, 5, seed)
        batches.epoch = epoch
        return list(batches)

    once = rows(42, 3)
    assert rows(42, 3) == once and [len(batch) for batch in once] == [5, 5, 3]
    assert sorted(row for batch in once for row, _ in batch) == list(range(13))
    assert len({str(rows(seed, epoch)) for seed in (1, 2) for epoch in (1, 2)}) == 4
    assert rows(42, 2) != rows(43, 1), "the next seed is not the next epoch"
    assert [row for batch in rows(None, 1) for row, _ in batch] == list(range(13))


@pytest.mark.parametrize("world", [2, 3, 7])
def test_processes_share_every_batch(going_modular, monkeypatch, world):
    """With the same seeds for the same images; whoever has no share gets an image that does not count."""
    data_setup = going_modular.data_setup
    whole = list(data_setup.Batches(11, 5, 0))
    shares = []
    for rank in range(world):
        monkeypatch.setattr(data_setup, "process_share", lambda rank=rank: (rank, world))
        shares.append(list(data_setup.Batches(11, 5, 0)))
    for i, batch in enumerate(whole):
        real = [pair for share in shares for pair in share[i] if pair[1] >= 0]
        assert sorted(real) == sorted(batch)
        sizes = [sum(seed >= 0 for _, seed in share[i]) for share in shares]
        assert max(sizes) - min(sizes) <= 1 and all(len(share[i]) >= 1 for share in shares)


def test_augmentation_varies_each_image_by_its_seed(going_modular, photos):
    images = files_of(going_modular, photos)
    plain = images[0, 5][0]
    assert torch.equal(plain, images[0, 6][0])
    images.change = augmentation(going_modular, photos, 8)
    state = torch.get_rng_state()
    assert torch.equal(images[0, 5][0], images[0, 5][0])
    assert len({tuple(images[0, seed][0].flatten().tolist()) for seed in range(8)}) > 4
    assert torch.equal(torch.get_rng_state(), state), "the model's random numbers go on as they were"
    assert images[0, 5][0].dtype == torch.uint8 and images[0, 5][0].shape == (3, 8, 8)
    assert images[0, -1][1] == -100, "left out of the loss"


def test_augmentation_mirrors_half_of_the_images_and_crops_all(going_modular, photos):
    """Brighter from left to right and from top to bottom: which way round is each variant?"""
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8)
    across, down = ramp.expand(32, -1), ramp[:, None].expand(-1, 32)
    change = augmentation(going_modular, photos, 32)
    torch.manual_seed(0)
    batch = torch.stack([change(torch.stack([across, down, across])) for _ in range(200)]).float()
    gains = batch[:, 0, :, -1].mean(dim=1) - batch[:, 0, :, 0].mean(dim=1)  # along a row
    assert 70 < (gains < 0).sum() < 130, "mirrored"
    falls = batch[:, 1, -1].mean(dim=1) - batch[:, 1, 0].mean(dim=1)
    assert (falls > 0).all(), "none is upside down"
    areas = gains.abs() * falls / 248**2  # what is left of both edges
    assert areas.min() > 0.5 and areas.min() < 0.7 and areas.max() > 0.9, "60 % of the area or more"


def test_workers_memory_and_threads_change_nothing(train, going_modular):
    """Who reads the images, and when, must not decide what is learned."""
    options = ["--epochs", 2, "--augment", "--model", "tinyvgg_bn"]
    train(*options)
    others = {"workers": ["--workers", 2], "memory": ["--in-memory"], "both": ["--in-memory", "--workers", 1]}
    for name, how in others.items():
        code, _, err = train(*options, *how, "--out", name)
        assert code == 0, err
        for file in ("last.pt", "best.pt"):
            one, other = (torch.load(Path(out, file), weights_only=True) for out in ("run", name))
            assert same(one, other), f"{name}, {file}"


def test_workers_can_be_started_anywhere(going_modular, photos):
    """Where processes are spawned (Windows, macOS), the data set travels as a pickle."""
    images = files_of(going_modular, photos, keep=True)
    images.change = augmentation(going_modular, photos, 8)
    again = pickle.loads(pickle.dumps(images))
    assert torch.equal(again[3, 4][0], images[3, 4][0])


class Rows(torch.utils.data.Dataset):
    """Numbers in place of images, by row and seed."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, key):
        return self.X[key[0]], self.y[key[0]]


def loader_of(going_modular, X, y, batch_size):
    return DataLoader(Rows(X, y), batch_sampler=going_modular.data_setup.Batches(len(X), batch_size))


class Recorder(nn.Module):
    """A model that notes in which mode it is called."""

    def __init__(self):
        super().__init__()
        self.layer, self.modes = nn.Linear(4, 2), set()

    def forward(self, X):
        self.modes.add(self.training)
        return self.layer(X)


CPU = torch.device("cpu")


def test_training_and_evaluation_in_their_modes(going_modular):
    """The networks of the command line have no dropout, so their numbers do not tell."""
    engine, model = going_modular.engine, Recorder()
    loader = loader_of(going_modular, torch.zeros(6, 4), torch.tensor([0, 1] * 3), 3)
    model.eval()
    engine.train_epoch(model, loader, torch.optim.SGD(model.parameters()), CPU)
    assert model.modes == {True}
    model.modes.clear()
    engine.evaluate(model, loader, CPU)
    assert model.modes == {False} and not model.training


def test_evaluation_sums_before_it_divides(going_modular):
    X, y = torch.randn(7, 4), torch.tensor([0, 1, 1, 0, 1, 0, 1])
    model = nn.Linear(4, 2)
    for batch_size in (1, 2, 3, 7, 50):
        loss, accuracy = going_modular.engine.evaluate(model, loader_of(going_modular, X, y, batch_size), CPU)
        assert loss == pytest.approx(cross_entropy(model(X), y).item(), abs=1e-6)
        assert accuracy == (model(X).argmax(dim=1) == y).sum().item() / 7


@pytest.mark.parametrize(
    "options",
    [
        ["--augment"],
        ["--amp"],
        pytest.param(["--compile"], marks=pytest.mark.slow),
        ["--optimizer", "SGD"],
        ["--optimizer", "AdamW", "--weight-decay", 0.5],
        ["--weight-decay", 0.1],
        ["--schedule", "cosine"],
        ["--hidden-units", 3],
        ["--val-share", 0.3],
        ["--seed", 1],
        ["--model", "linear"],
        ["--model", "mlp"],
        ["--model", "tinyvgg_bn"],
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_every_option_does_something_and_repeats(train, monkeypatch, options):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # needs no C++ compiler
    for out in ("once", "again"):
        code, _, err = train("--out", out, "--epochs", 3, *options)
        assert code == 0, err
    assert results("once") == results("again")
    train("--epochs", 3)
    plain, other = results("run"), results("once")
    if options == ["--compile"]:
        assert plain[-1]["train_loss"] == pytest.approx(other[-1]["train_loss"], abs=1e-4)
        keys = [torch.load(f"{out}/last.pt", weights_only=True)["model"].keys() for out in ("run", "once")]
        assert keys[0] == keys[1], "checkpoints hold the plain names"
    else:
        assert plain != other
    if options == ["--amp"]:
        assert plain[-1]["train_loss"] == pytest.approx(other[-1]["train_loss"], abs=0.05)
    if options == ["--schedule", "cosine"]:
        assert [line["lr"] for line in other] == pytest.approx([1e-2, 0.75e-2, 0.25e-2])


# ----------------------------------------------------------------------------- wrong usage, failures


@pytest.mark.parametrize(
    ("program", "options", "line"),
    [
        ("train", [], "the following arguments are required: --data"),
        ("train", ["--data", "x", "--epochs", "0"], "argument --epochs: must be from 1 to 1000000: 0"),
        ("train", ["--data", "x", "--lr", "fast"], "argument --lr: invalid plain_number value: 'fast'"),
        ("train", ["--data", "x", "--lr", "nan"], "argument --lr: must be from 1e-12 to 1000000: nan"),
        ("train", ["--data", "x", "--lr", "١"], "argument --lr: invalid plain_number value: '١'"),
        ("train", ["--data", "x", "--epochs", "1_0"], "argument --epochs: invalid plain_number value: '1_0'"),
        ("train", ["--data", "x", "--val-share", "1"], "--val-share: must be from 0 to 0.9: 1"),
        ("train", ["--data", "x", "--workers", "257"], "--workers: must be from 0 to 256: 257"),
        ("train", ["--data", "x", "--batch-size", "1.5"], "--batch-size: invalid plain_number value: '1.5'"),
        ("train", ["--data", "x", "--batch-size", str(2**63)], "argument --batch-size: must be from 1 to"),
        ("train", ["--data", "x", "--image-size", "100000"], "argument --image-size: must be from 4 to 4096"),
        ("train", ["--data", "x", "--hidden-units", "99999"], "argument --hidden-units: must be from 1 to 4"),
        ("train", ["--data", "x", "--optimizer", "magic"], "argument --optimizer: invalid choice: 'magic'"),
        ("train", ["--data", "x", "--model", "magic"], "argument --model: invalid choice: 'magic'"),
        ("train", ["--data", "x", "--nonsense"], "unrecognized arguments: --nonsense"),
        ("predict", ["a.jpg"], "the following arguments are required: --checkpoint"),
        ("train", ["--data", ""], "argument --data: must not be empty"),
        ("train", ["--data", "x", "--out="], "argument --out: must not be empty"),
        ("predict", ["--checkpoint", "x"], "the following arguments are required: paths"),
        ("predict", ["--checkpoint", "x", ""], "argument paths: must not be empty"),
        ("predict", ["--checkpoint", "", "a.jpg"], "argument --checkpoint: must not be empty"),
    ],
)
def test_wrong_usage_is_2_and_told_by_name(call, program, options, line):
    code, out, err = call(program, *options)
    assert (code, out) == (2, "") and line in err.splitlines()[-1]


@pytest.mark.parametrize("name", ["toaster", "meta", "", "cpu:x"])
def test_a_device_that_is_not_there(train, name):
    code, out, err = train("--device", name)
    assert (code, out) == (1, "") and err.startswith(f"train: --device {name}: ") and err.count("\n") == 1
    assert not Path("run").exists()


@pytest.mark.slow
def test_more_than_the_memory_holds(train):
    code, _, err = train("--hidden-units", 4096, "--image-size", 4096, "--val-share", 0)
    assert code == 1 and "memory" in err and err.endswith("(try a smaller --batch-size)\n")
    assert not Path("run/last.pt").exists()


def test_the_limits_of_a_number(going_modular):
    share = going_modular.utils.number(float, 0, 0.9)
    assert share("0") == 0 and share("0.9") == 0.9
    for text in ("1", "1.5", "-0.1", "nan", "inf"):
        with pytest.raises(argparse.ArgumentTypeError, match="must be"):
            share(text)
    assert going_modular.utils.number(int, 1)("1") == 1


def test_help_explains_every_option(call):
    for program in ("train", "predict"):
        code, out, err = call(program, "--help")
        assert (code, err) == (0, "")
        options = re.split(r"\n  (?=-)", out)
        assert all(len(option.split()) > 2 for option in options), "each with an explanation"


def fail(error):
    def raises(*args, **kwargs):
        raise error

    return raises


def test_failures_are_1_and_one_line(train, going_modular, monkeypatch):
    def line(*options, code=1):
        ended, _, err = train(*options)
        assert ended == code and err.count("\n") == 1, err
        shutil.rmtree("run", ignore_errors=True)
        return err

    assert "the loss is" in (said := line("--optimizer", "SGD", "--lr", 1e6)) and "smaller --lr" in said
    Path("file").write_text("in the way")
    assert re.search(r"file exists|not a directory", line("--out", "file/run").lower())
    assert re.search(r"file exists|not a directory", line("--out", "file").lower())
    assert Path("file").read_text() == "in the way"
    with monkeypatch.context() as patch:
        patch.setattr(going_modular.engine, "train_epoch", fail(KeyboardInterrupt()))
        assert line(code=130) == "train: stopped by Ctrl-C\n"
        for error in (torch.OutOfMemoryError("out of memory, tried 3 GiB"), MemoryError()):
            patch.setattr(going_modular.engine, "train_epoch", fail(error))
            assert line() == f"train: {str(error) or 'MemoryError()'} (try a smaller --batch-size)\n"
        patch.setattr(going_modular.engine, "train_epoch", fail(RuntimeError("what is this")))
        assert line() == "train: what is this\n"
        patch.setitem(sys.modules, "torch.utils.tensorboard", None)
        assert "tensorboard" in line("--log-dir", "log")


def test_a_full_disk_spoils_nothing(train, going_modular, monkeypatch):
    train("--epochs", 1)
    before = Path("run/last.pt").read_bytes()
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(going_modular.checkpoints.os, "fsync", fail(full))
    code, _, err = train("--epochs", 2, "--resume")
    assert code == 1 and err == f"train: {full}\n"
    assert Path("run/last.pt").read_bytes() == before
    names = sorted(p.name for p in Path("run").iterdir() if p.name != ".train.lock")
    assert names == ["best.pt", "config.json", "last.pt", "results.jsonl"]


def test_a_run_is_not_overwritten(train):
    train("--epochs", 1)
    code, out, err = train("--epochs", 1)
    refusal = "train: run holds a run: --resume its last.pt, or a new --out\n"
    assert (code, out, err) == (1, "", refusal)
    Path("run/last.pt").rename("kept.pt")
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    for options in ([], ["--resume"]):
        assert train("--epochs", 1, *options) == (1, "", refusal)
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before


LOCKED = """
import sys, time
from pathlib import Path
from going_modular.checkpoints import Run
run = Run(Path("run"), True)
print("locked", flush=True)
sys.stdin.read()
"""


def test_two_trainings_into_one_folder(train):
    """The second is refused at once; when the first has been killed, the folder is free again."""
    train("--epochs", 1)
    with start("-c", LOCKED, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == "locked\n"
        code, out, err = train("--epochs", 2, "--resume")
        assert (code, out) == (1, "") and "run cannot be locked, is another training writing there: " in err
        other.kill()
    code, _, err = train("--epochs", 2, "--resume")
    assert code == 0, err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_progress_bar_on_a_terminal_only(train, monkeypatch):
    code, out, err = train("--epochs", 1)
    assert (code, err) == (0, "")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal := Terminal())
        again = train("--epochs", 1, "--out", "terminal")
    assert "training: " in terminal.getvalue() and "/2 [" in terminal.getvalue()
    assert "looking: " in terminal.getvalue() and "/20 [" in terminal.getvalue()
    assert again[:2] == (0, out.replace("run/", "terminal/")), "nothing of it in the results"


@posix
@pytest.mark.parametrize("program", ["train", "predict"])
def test_ctrl_c_while_the_program_starts(program):
    """In the middle of its imports, which take seconds: no traceback, exit code 130."""
    process = start("-X", "importtime", "-m", f"going_modular.{program}", "--help",
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    with process:
        for line in process.stderr:
            if "torch._C" in line or "numpy" in line:
                break
        os.kill(process.pid, signal.SIGINT)
        err = process.stderr.read()
        assert process.wait(LIMIT) == 130 and "Traceback" not in err


@posix
@pytest.mark.slow
def test_ctrl_c_with_workers(photos, tmp_path):
    """It reaches the whole process group, as from a terminal: one line, and no process is left."""
    options = ["--data", photos, "--out", tmp_path / "run", *SMALL, "--epochs", 100_000, "--workers", 2]
    process = start("-m", "going_modular.train", *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        for line in process.stdout:
            if line.startswith("epoch   2"):
                break
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT)
        assert (process.returncode, err) == (130, "train: stopped by Ctrl-C\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


# --------------------------------------------------------------------------- checkpoints and resuming

EVERYTHING = ["--augment", "--schedule", "cosine", "--model", "tinyvgg_bn", "--weight-decay", "0.01"]


@posix
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "epochs", "workers"),
    [(4, 40, 0), (2, 20, 2), (20, 160, 1)],
)
def test_killed_again_and_again_the_run_ends_with_the_same_bits(
    photos, train, tmp_path, going_modular, kills, epochs, workers
):
    code, _, err = train(*EVERYTHING, "--epochs", epochs)
    assert code == 0, err
    options = [*SMALL, *EVERYTHING, "--epochs", epochs, "--workers", workers]
    killed = ["--data", photos, "--out", tmp_path / "killed", *options]
    seed = int(time.time())  # other moments each time; shown if it fails
    done = command(HELPERS / "going_modular_kills.py", kills, seed, *killed)
    assert done.returncode == 0, f"seed {seed}: {done.stdout[-500:]}{done.stderr[-2000:]}"
    assert f"killed {kills} times" in done.stdout
    for name in ("last.pt", "best.pt"):
        one, other = (going_modular.checkpoints.load(Path(out, name)) for out in ("run", "killed"))
        assert same(one, other), f"seed {seed}, {name}"
    assert results("killed") == results("run")


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_killed_while_writing(train, going_modular, share):
    """Whatever part of the new file is on the disk, the old one counts; and lines go by their epoch."""
    train("--epochs", 2, "--augment")
    whole = Path("run/last.pt").read_bytes()
    Path("run/last.pt.partial").write_bytes(whole[: int(share * len(whole))])
    with open("run/results.jsonl", "a") as file:
        file.write('{"epoch": 3, "train_loss": 1}\n{"epoch": 3, "train_lo')
    code, _, err = train("--epochs", 4, "--augment", "--resume")
    assert code == 0, err
    train("--out", "whole", "--epochs", 4, "--augment")
    assert results("run") == results("whole")
    load = going_modular.checkpoints.load
    assert same(load(Path("run/last.pt")), load(Path("whole/last.pt")))
    assert not list(Path("run").glob("*.partial"))


def test_damaged_results_are_named(train):
    train("--epochs", 2)
    Path("run/results.jsonl").write_text("edited\n")
    code, _, err = train("--epochs", 3, "--resume")
    assert code == 1 and err.startswith("train: run/results.jsonl: a line is damaged: Expecting")
    assert Path("run/results.jsonl").read_text() == "edited\n"


def test_a_file_has_its_name_only_when_it_is_on_the_disk(going_modular, tmp_path, monkeypatch):
    path, order = tmp_path / "file", []
    path.write_bytes(b"old")
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def spy(*args, name=name, real=real):
            order.append((name, path.read_bytes()))
            return real(*args)

        monkeypatch.setattr(going_modular.checkpoints.os, name, spy)
    going_modular.checkpoints.write_file(path, b"new")
    assert order[:2] == [("fsync", b"old"), ("replace", b"old")] and path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_resuming_is_not_needed_and_still_possible(train):
    code, out, err = train("--epochs", 2, "--resume")
    assert (code, err) == (0, "") and [line["epoch"] for line in results("run")] == [1, 2]
    code, out, _ = train("--epochs", 2, "--resume")
    assert code == 0 and out.count("\n") == 2 and "all 2 epochs are done, the model is run/best.pt" in out
    code, out, _ = train("--epochs", 3, "--resume")
    assert code == 0 and [line["epoch"] for line in results("run")] == [1, 2, 3]
    train("--out", "at once", "--epochs", 3)
    assert results("at once") == results("run")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--hidden-units", 3], "hidden_units was 2, is 3"),
        (["--lr", 0.5], "lr was 0.01, is 0.5"),
        (
            ["--batch-size", 4, "--seed", 9],
            "batch_size was 5, is 4; seed was 42, is 9; images was '\\w+', is '\\w+'",
        ),
        (["--augment"], "augment was False, is True"),
        (["--model", "mlp"], "model was 'tinyvgg', is 'mlp'"),
        (["--schedule", "cosine"], "schedule was 'constant', is 'cosine'; epochs was None, is 3"),
    ],
)
def test_other_settings_are_refused_by_name(train, options, words):
    train("--epochs", 1)
    code, out, err = train("--epochs", 3, "--resume", *options)
    assert code == 1 and out.count("\n") == 1
    assert re.fullmatch(f"train: run/last.pt has other settings: {words}\n", err)


def swap(a, b):
    a.rename("elsewhere")
    b.rename(a)
    Path("elsewhere").rename(b)


CHANGES = {
    "another picture": lambda d: draw(d / "train/pizza/00.png", colour="white"),
    "two swapped between classes": lambda d: swap(d / "train/pizza/00.png", d / "train/steak/01.png"),
    "two class folders swapped": lambda d: swap(d / "train/pizza", d / "train/steak"),
    "another order": lambda d: swap(d / "train/pizza/00.png", d / "train/pizza/03.png"),
    "test images replaced": lambda d: draw(d / "test/pizza/00.png", colour="red"),
    "mirrored": lambda d: (
        Image.open(d / "train/sushi/02.png")
        .transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        .save(d / "train/sushi/02.png")
    ),
    "one removed": lambda d: (d / "train/pizza/00.png").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_images_are_refused(train, call, photos, change):
    shutil.copytree(photos, "mine")
    options = ["--data", "mine", "--out", "run", *SMALL]
    call("train", *options, "--epochs", 1)
    CHANGES[change](Path("mine"))
    code, _, err = call("train", *options, "--epochs", 2, "--resume")
    assert code == 1 and "run/last.pt has other settings" in err and "images was" in err


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("pwned"),))


def other(good, **changes):
    """A checkpoint with other contents; a double underscore leads into the settings."""
    checkpoint = torch.load(io.BytesIO(good), weights_only=True)
    for key, value in changes.items():
        part = checkpoint["settings"] if key.startswith("settings__") else checkpoint
        part[key.removeprefix("settings__")] = value
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getvalue()


def other_weight(good, name, value):
    model = torch.load(io.BytesIO(good), weights_only=True)["model"]
    return other(good, model={**model, name: value})


def packed(good):
    """The same archive, compressed: what a few bytes could unpack to many."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + bytes(100_000))
    return buffer.getvalue()


def scripted(good):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


DAMAGE = {
    "malicious": lambda good: other(good, epoch=Evil()),
    "malicious pickle": lambda good: pickle.dumps(Evil()),
    "another architecture": lambda good: other_weight(good, "1.0.0.weight", torch.zeros(3, 3, 3, 3)),
    "something else": lambda good: other(good, model=torch.zeros(3)),
    "settings are a list": lambda good: other(good, settings=[1, 2]),
    "no settings": lambda good: other(good, settings=None),
    "classes are a text": lambda good: other(good, settings__classes="abc"),
    "classes are numbers": lambda good: other(good, settings__classes=[1, 2, 3]),
    "a class twice": lambda good: other(good, settings__classes=["a", "a", "b"]),
    "epoch -5": lambda good: other(good, epoch=-5),
    "epoch as text": lambda good: other(good, epoch="5"),
    "no loss": lambda good: other(good, best_loss=math.nan),
    "weights of NaN": lambda good: other_weight(good, "1.0.0.bias", torch.full((2,), math.nan)),
    "no deviation": lambda good: other_weight(good, "0.std", torch.zeros(3, 1, 1)),
    "packed": packed,
    "TorchScript": scripted,
    "empty": lambda good: b"",
    "text": lambda good: b"the first version",
    "zeros": lambda good: bytes(5000),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_bad_checkpoints_are_refused(train, call, photos, kind):
    train("--epochs", 1)
    Path("run/last.pt").write_bytes(DAMAGE[kind](Path("run/last.pt").read_bytes()))
    for code, _, err in (
        train("--epochs", 2, "--resume"),
        call("predict", "--checkpoint", "run/last.pt", photos),
    ):
        assert code in (1, 2) and err.count("\n") == 1
        assert re.search(
            r"run/last\.pt(: missing, damaged, or no checkpoint| fits no| does not fit| has other)", err
        )
    assert not Path("pwned").exists()


def test_a_checkpoint_without_permission(train, call, photos, monkeypatch):
    train("--epochs", 1)
    denied = PermissionError(13, "Permission denied", "run/last.pt")
    monkeypatch.setattr(Path, "read_bytes", fail(denied))
    code, _, err = call("predict", "--checkpoint", "run/last.pt", photos)
    assert code == 1 and err == "predict: [Errno 13] Permission denied: 'run/last.pt'\n"


def test_a_checkpoint_cut_anywhere_is_refused(train, going_modular):
    train("--epochs", 1)
    good = Path("run/last.pt").read_bytes()
    for length in range(0, len(good), 197):
        Path("cut.pt").write_bytes(good[:length])
        with pytest.raises(ValueError, match=r"^cut\.pt: missing, damaged"):
            going_modular.checkpoints.load(Path("cut.pt"))


def test_a_single_wrong_bit_is_noticed_or_harmless(train, going_modular):
    train("--epochs", 1)
    good, load = Path("run/last.pt").read_bytes(), going_modular.checkpoints.load
    whole, chance = load(Path("run/last.pt")), random.Random(1)
    noticed = 0
    for _ in range(60):
        bit = chance.randrange(8 * len(good))
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        Path("bit.pt").write_bytes(bad)
        try:
            assert same(load(Path("bit.pt")), whole), f"bit {bit}"
        except ValueError:
            noticed += 1
    assert noticed > 10


# ------------------------------------------------------------------------------- several processes


def torchrun(*arguments):
    """As with ``--standalone``, but for an address that needs no names to be resolved."""
    here = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    return command("-m", "torch.distributed.run", *here, "--nproc-per-node=2", *arguments)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--batch-size", 3, "--augment"], id="shares of 2 and 1, a last batch of one image"),
        pytest.param(["--batch-size", 5], id="shares of 3 and 2"),
    ],
)
@pytest.mark.slow
def test_two_processes_train_the_same_model(photos, train, tmp_path, options):
    """13 - 3 validation images leave 10 for training."""
    options = ["--epochs", 3, "--optimizer", "SGD", "--lr", 0.05, "--test", *options]
    two = ["--data", photos, "--out", tmp_path / "two", *SMALL, *options]
    done = torchrun("-m", "going_modular.train", *two)
    assert done.returncode == 0, done.stderr[-2000:]
    code, out, _ = train(*options)
    for line, other in zip(results("run"), results("two"), strict=True):
        assert line["val_accuracy"] == other["val_accuracy"], "no image twice, none lost"
        assert line == pytest.approx(other, abs=1e-4)
    lines = done.stdout.replace(str(tmp_path / "two"), "run").splitlines()
    digits = partial(re.sub, r"\d\.\d+", "")
    assert list(map(digits, lines)) == list(map(digits, out.splitlines())), "only the first process speaks"
    code, _, err = train(*options, "--out", "two", "--resume")
    assert code == 1 and "processes was 2, is 1" in err


@pytest.mark.slow
def test_messages_of_several_processes_are_not_doubled(photos, tmp_path):
    done = torchrun("-m", "going_modular.train", "--data", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert done.returncode != 0 and done.stderr.count("train: [Errno 2]") == 1


@pytest.mark.slow
def test_a_failing_process_ends_the_run(photos, tmp_path):
    options = ["--data", photos, "--out", tmp_path / "run", *SMALL]
    done = torchrun(HELPERS / "going_modular_failing.py", *options)
    assert done.returncode != 0
    assert "train: this process fails on purpose" in done.stderr
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["epoch"] == 0


@pytest.mark.slow
def test_the_others_wait_for_the_file_of_the_first(photos, tmp_path):
    """--test loads best.pt, which one process writes: on a slow disk, too."""
    options = ["--data", photos, "--out", tmp_path / "run", *SMALL, "--epochs", 1, "--test"]
    done = torchrun(HELPERS / "going_modular_late.py", *options)
    assert done.returncode == 0 and "test loss" in done.stdout, done.stderr[-2000:]


# --------------------------------------------------------------------------------------- predicting


@pytest.fixture
def trained(train):
    code, _, err = train("--epochs", 1, "--test")
    assert code == 0, err
    return ["--checkpoint", "run/best.pt", "--device", "cpu"]


def entries(out, form):
    """The results that were printed, in whatever form."""
    if form == "--json":
        return json.loads(out)
    if form == "--jsonl":
        return [json.loads(line) for line in out.splitlines()]
    return list(csv.DictReader(io.StringIO(out)))


def test_predictions_as_table_json_and_csv(call, trained, photos, going_modular):
    code, out, err = call("predict", *trained, photos / "test", photos / "train" / "pizza" / "00.png")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert [row[2] for row in rows] == [
        *map(str, going_modular.data_setup.find_files(photos / "test")),
        str(photos / "train" / "pizza" / "00.png"),
    ]

    code, out, _ = call("predict", *trained, "--json", photos / "test")
    listed = entries(out, "--json")
    assert code == 0 and len(listed) == 7
    for row, entry in zip(rows, listed, strict=False):
        assert list(entry["probabilities"]) == CLASSES
        assert sum(entry["probabilities"].values()) == pytest.approx(1)
        assert entry["probability"] == max(entry["probabilities"].values())
        assert entry["probabilities"][entry["class"]] == entry["probability"]
        assert row == [f"{entry['probability']:.3f}", entry["class"], entry["path"]]
    code, out, _ = call("predict", *trained, "--jsonl", photos / "test")
    assert code == 0 and entries(out, "--jsonl") == listed

    code, out, _ = call("predict", *trained, "--csv", photos / "test")
    assert [(t["path"], t["class"], float(t["probability"])) for t in entries(out, "--csv")] == [
        (e["path"], e["class"], e["probability"]) for e in listed
    ]


def test_predictions_agree_with_the_evaluation(call, train, trained, photos):
    """The same images, prepared in the same way: their loss is the test loss."""
    _, said, _ = train("--epochs", 1, "--resume", "--test")
    _, out, _ = call("predict", *trained, "--json", photos / "test")
    found = [(Path(entry["path"]).parent.name, entry) for entry in json.loads(out)]
    right = sum(name == entry["class"] for name, entry in found) / 7
    loss = sum(-math.log(entry["probabilities"][name]) for name, entry in found) / 7
    numbers = re.search(r"test loss (\S+), test accuracy (\S+)", said)
    assert [float(n) for n in numbers.groups()] == pytest.approx([loss, right], abs=1e-4)


def test_bad_files_do_not_stop_the_others(call, trained, photos):
    Path("mixed").mkdir()
    Path("mixed/a text.jpg").write_text("text")
    shutil.copy(photos / "test" / "pizza" / "00.png", "mixed/b.jpg")
    Path("nothing").mkdir()
    long = "x" * 300 + ".jpg"
    code, out, err = call("predict", *trained, long, "mixed", "gone.jpg", "nothing")
    assert code == 1 and re.fullmatch(r"0\.\d{3}  \w+  mixed/b\.jpg\n", out)
    lines = err.splitlines()
    assert lines[0].startswith(f"predict: '{long}': ")
    assert lines[1:] == [
        f"predict: 'mixed/a text.jpg': {NO_IMAGE} 'mixed/a text.jpg'",
        "predict: 'gone.jpg': no such file, or not an ordinary one",
        "predict: 3 of 4 files are bad",
    ]
    code, out, err = call("predict", *trained, "nothing")
    assert (code, out) == (1, "") and "0 of 0 files are bad" in err
    for form in ("--json", "--csv", "--jsonl"):
        code, out, _ = call("predict", *trained, form, "mixed")
        found = entries(out, form)
        assert code == 1 and NO_IMAGE in found[0]["error"] and found[1]["class"] in CLASSES
    code, out, _ = call("predict", *trained, "--json", "nothing")
    assert (code, json.loads(out)) == (1, [])


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        pytest.param(b"%s\n%s\n", 2, id="lines"),
        pytest.param(b"%s\n\n   \n%s", 2, id="blank lines"),
        pytest.param(b"%s\r\n%s\r\n", 2, id="lines of Windows"),
        pytest.param(b"\xef\xbb\xbf%s\n%s\n", 2, id="a byte-order mark"),
        pytest.param(b"%s\0%s\0", 2, id="zero bytes"),
    ],
)
def test_lists_on_standard_input(call, trained, photos, monkeypatch, lines, count):
    files = sorted(photos.glob("test/*/*.png"))[:count]
    data = lines % tuple(str(file).encode() for file in files)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    code, out, _ = call("predict", *trained, "--json", "-")
    assert code == 0 and [entry["path"] for entry in json.loads(out)] == list(map(str, files))


def test_lists_that_are_none(call, trained, photos, monkeypatch):
    good = sorted(photos.glob("test/*/*.png"))[0]
    draw(Path("lies here.png"))

    def piped(data):
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
        return call("predict", *trained, "--jsonl", "-")

    assert piped(b"")[:2] == piped(b"\n\n")[:2] == (1, ""), "the working folder is not meant"
    code, out, err = piped(f"\u00e9t\u00e9.jpg\n{good}\n".encode("latin-1"))
    assert code == 1 and len(entries(out, "--jsonl")) == 2 and "\\udce9t\\udce9.jpg': no such file" in err
    code, out, err = piped(str(good).encode("utf-16"))
    assert code == 1 and all("error" in entry for entry in entries(out, "--jsonl"))


def test_results_come_one_after_the_other(going_modular):
    """Of an endless list, the first results are there at once."""

    def endless():
        while True:
            yield Path("nowhere.jpg")

    paths = going_modular.predict.find_inputs(endless())
    results = going_modular.predict.predict(None, CLASSES, 8, paths, CPU)
    assert [next(results)["path"] for _ in range(50)] == ["nowhere.jpg"] * 50


@pytest.mark.parametrize("form", ["--json", "--csv", "--jsonl"])
def test_ctrl_c_leaves_what_is_there(call, trained, photos, going_modular, monkeypatch, form):
    def stopped(*args):
        yield {"path": "a", "class": "pizza", "probability": 0.5, "probabilities": {}}
        raise KeyboardInterrupt

    monkeypatch.setattr(going_modular.predict, "predict", stopped)
    code, out, err = call("predict", *trained, form, photos)
    assert (code, err) == (130, "predict: stopped by Ctrl-C\n")
    assert [entry["path"] for entry in entries(out, form)] == ["a"]


@pytest.mark.slow
def test_odd_names(call, trained, photos):
    """Formulas for spreadsheets, escapes for terminals, and bytes that are no letters."""
    names = ["=1+1.png", "@x.png", "a\x1b[31mb.png", "a\nb.png", os.fsdecode(b"\xe9t\xe9.png"), "\u65e9.png"]
    for name in names:
        shutil.copy(photos / "test" / "pizza" / "00.png", name)
    code, out, _ = call("predict", *trained, "--csv", *names)
    assert code == 0 and [t["path"][:2] for t in entries(out, "--csv")][:2] == ["'=", "'@"]
    code, out, _ = call("predict", *trained, *names)
    assert code == 0 and out.count("\n") == len(names) and "\x1b" not in out
    predict = ["-m", "going_modular.predict", *trained]
    for coding in ("utf-8:strict", "cp1252:strict"):
        for form in ([], ["--csv"], ["--jsonl"]):
            environment = {"PYTHONIOENCODING": coding, "PYTHONUTF8": "0"}
            done = command(*predict, *form, *names[-2:], environment=environment)
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("\n") == 2 + (form == ["--csv"])


def test_a_closed_pipe_is_no_accident(call, trained, photos):
    """``predict ... | head -1``: the reader leaves before all is written."""
    predict = ["-m", "going_modular.predict", *trained, *[str(photos)] * 80]
    with start(*predict, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait(LIMIT) == 1


# --------------------------------------------------------------------------------------- TensorBoard


def test_tensorboard_shows_the_run(train):
    """Also after an epoch was logged and then lost: it is there once."""
    train("--epochs", 2, "--log-dir", "log")
    before = Path("run/last.pt").read_bytes()
    train("--epochs", 3, "--log-dir", "log", "--resume")
    Path("run/last.pt").write_bytes(before)
    code, _, err = train("--epochs", 3, "--log-dir", "log", "--resume")
    assert (code, err) == (0, "")
    options = ["--logdir", "log", "--host", "127.0.0.1", "--port", "0", "--load_fast", "false"]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tensorboard.main", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(m[1] for line in server.stderr if (m := re.search(r"(http://\S+:\d+)/", line)))

        def ask(question):
            with urllib.request.urlopen(f"{address}/data/plugin/{question}", timeout=60) as answer:
                return json.load(answer)

        deadline = time.monotonic() + LIMIT
        while len(points := scalars(ask, "loss/train")) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
        lines = results("run")
        assert [step for _, step, _ in points] == [1, 2, 3]
        assert [value for *_, value in points] == pytest.approx([line["train_loss"] for line in lines])
        assert [v for *_, v in scalars(ask, "accuracy/val")] == pytest.approx(
            [line["val_accuracy"] for line in lines]
        )
    finally:
        server.terminate()
        server.communicate()


def scalars(ask, tag):
    """[time, step, value] of each point, as TensorBoard's page gets them."""
    if tag not in ask("scalars/tags").get(".", {}):
        return []
    return ask(f"scalars/scalars?run=.&tag={tag}")
