"""The scripts of notebook 05, as somebody at a terminal meets them."""

import argparse
import ast
import csv
import importlib
import io
import json
import math
import os
import pickle
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

from helper_functions import TensorLoader, count_parameters, evaluate, train_epoch
from stored import LESSONS, code_cells, read
from test_scripts_are_written import written_files

HELPERS = Path(__file__).parent / "support"
NAMES = ("data_setup", "engine", "utils", "model_builder", "training_run", "tracking", "train", "predict")
CLASSES = ["pizza", "steak", "sushi"]
SMALL = ["--image-size", "8", "--hidden-units", "2", "--batch-size", "5", "--device", "cpu"]
LIMIT = 300  # seconds for a program that must not hang, many times what it needs


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """A folder with going_modular as the notebook's cells write it."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "going_modular").mkdir()
    for name, text in written_files().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def going_modular(scripts):
    """The modules of the scripts, as attributes."""

    def forget():
        for name in [n for n in sys.modules if n.split(".")[0] == "going_modular"]:
            del sys.modules[name]

    forget()
    sys.path.insert(0, str(scripts))
    yield types.SimpleNamespace(**{n: importlib.import_module(f"going_modular.{n}") for n in NAMES})
    sys.path.remove(str(scripts))
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
def call(going_modular, photos, tmp_path, capsys, monkeypatch):
    """Runs train or predict in this process: returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(program, *options):
        try:
            code = getattr(going_modular, program).main([str(option) for option in options])
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


def command(scripts, *arguments):
    """Starts a program in a process of its own, with the scripts in reach, and returns it when it is done."""
    line = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(scripts), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, text=True, env=environment, start_new_session=True, **pipes) as process:
        try:
            out, err = process.communicate(timeout=LIMIT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # the processes it has started, too
            raise
    return subprocess.CompletedProcess(line, process.returncode, out, err)


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


NO_IMAGE = "not a BMP, GIF, JPEG, PNG, TIFF or WEBP image"
BAD = {
    "empty": (Path.touch, "the file is empty"),
    "text": (lambda path: path.write_text("not a photo"), NO_IMAGE),
    "another format": (lambda path: noise().save(path, format="ICO"), NO_IMAGE),
    "a script for a printer": (lambda path: noise().save(path, format="EPS"), NO_IMAGE),
    **{
        f"{form} cut at {keep}": (cut(form, keep), "")
        for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
        for keep in (0.05, 0.6, 0.95)
    },
    "floats": (lambda path: noise("F").save(path, format="TIFF"), "floating-point pixels, save it with 8"),
    "32-bit": (
        lambda path: Image.fromarray(np.full((8, 8), 1 << 20, np.int32)).save(path, format="TIFF"),
        "32-bit pixels, save it with 8 or 16 bits",
    ),
    "a bomb": (partial(bomb, height=20_000), "exceeds limit of"),
    "a bomb of which Pillow only warns": (partial(bomb, height=5_000), "too many pixels, perhaps a"),
    "a dead link": (lambda path: path.symlink_to("nowhere"), "no such file, or not an ordinary one"),
    "a pipe": (lambda path: os.mkfifo(path), "no such file, or not an ordinary one"),
}


@pytest.mark.filterwarnings("default")  # Pillow warns before it gives up on some
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_image_is_named_with_its_reason(going_modular, tmp_path, kind):
    make, reason = BAD[kind]
    path = tmp_path / "photo.jpg"
    make(path)
    with pytest.raises(ValueError) as refused:
        going_modular.data_setup.read_image(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: {reason}") or (reason and reason in message)
    assert len(message) > len(f"{path}: ") + 8 and "\n" not in message


@pytest.mark.filterwarnings("default")
def test_the_largest_image_that_is_read(going_modular, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    read = going_modular.data_setup.read_image
    assert read(draw(tmp_path / "just.png", size=(5, 4))).size == (5, 4)
    with pytest.raises(ValueError, match=r"more\.png: too many pixels"):
        read(draw(tmp_path / "more.png", size=(3, 7)))


IMPORTS = """
import sys, warnings
import numpy, PIL.Image, torch.distributed, torch.nn.parallel, tqdm
before = list(warnings.filters)
import going_modular.predict, going_modular.train
assert list(warnings.filters) == before, "the warning filters of the process have changed"
heavy = {"torchvision", "tensorboard", "torch._dynamo", "onnx", "matplotlib"} & set(sys.modules)
assert not heavy, f"every program waits for {heavy}"
"""


def test_importing_the_programs_changes_nothing_and_is_quick(scripts):
    done = command(scripts, "-c", IMPORTS)
    assert done.returncode == 0, done.stderr[-2000:]


def test_hidden_files_and_clutter_are_passed_over(going_modular, tmp_path):
    for name in ("pizza/b.jpg", "pizza/deep/er/c.jpg", "pizza/A.jpg", "sushi/1.jpg"):
        draw(tmp_path / name)
    for name in (".DS_Store", "pizza/.DS_Store", "pizza/Thumbs.db", "sushi/desktop.ini", ".git/x", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("clutter")
    data_setup = going_modular.data_setup
    assert data_setup.find_classes(tmp_path) == ["pizza", "sushi"]
    found = data_setup.load_images(tmp_path, size=4)
    names = [path.relative_to(tmp_path).as_posix() for path in found.paths]
    assert names == ["pizza/A.jpg", "pizza/b.jpg", "pizza/deep/er/c.jpg", "sushi/1.jpg"]
    assert found.labels.tolist() == [0, 0, 0, 1]
    assert found.images.shape == (4, 3, 4, 4) and found.images.dtype == torch.uint8


@pytest.mark.filterwarnings("default")
def test_all_bad_files_are_named_at_once_before_training(train, photos, call, tmp_path):
    shutil.copytree(photos, "dirty")
    for name in ("train/pizza/x.jpg", "train/sushi/deep/y z.jpg", "test/steak/早.jpg"):
        Path("dirty", name).parent.mkdir(exist_ok=True)
        Path("dirty", name).write_text("text")
    options = ["--data", "dirty", "--out", "run", *SMALL, "--epochs", 1]
    code, out, err = call("train", *options)
    assert (code, out) == (1, "") and not Path("run").exists()
    lines = err.splitlines()
    assert lines[0] == "train: dirty/train: 2 of 15 files cannot be used:"
    assert lines[1:3] == [f"  dirty/train/{n}: {NO_IMAGE}" for n in ("pizza/x.jpg", "sushi/deep/y z.jpg")]
    assert lines[3:] == ["dirty/test: 1 of 8 files cannot be used:", f"  dirty/test/steak/早.jpg: {NO_IMAGE}"]

    code, out, err = call("train", *options, "--skip-bad")
    assert code == 0 and out.startswith("13 train images, 7 test images")
    assert "train: warning: dirty/train: 2 of 15 files cannot be used:" in err
    train("--epochs", 1, "--out", "clean")
    assert results("run") == results("clean"), "the bad files leave no trace"


@pytest.mark.filterwarnings("default")
def test_folders_that_do_not_fit(call, photos):
    def code_and_line(data):
        code, out, err = call("train", "--data", data, *SMALL)
        assert out == "" and err.count("\n") == 1
        return code, err.strip()

    assert code_and_line("nowhere") == (1, "train: nowhere/train: no such folder")
    Path("empty/train").mkdir(parents=True)
    code, line = code_and_line("empty")
    assert code == 1 and line.startswith("train: empty/train: no class folder found, one folder with images")
    shutil.copytree(photos, "other")
    shutil.move("other/test/sushi", "other/test/soup")
    wanted = "the class folders must be ['pizza', 'steak', 'sushi'], found ['pizza', 'soup', 'steak']"
    assert code_and_line("other") == (1, f"train: other/test: {wanted}")
    shutil.rmtree("other/test")
    assert code_and_line("other") == (1, "train: other/test: no such folder")
    Path("other/test/sushi").mkdir(parents=True)
    Path("other/test/pizza").mkdir()
    Path("other/test/steak").mkdir()
    assert code_and_line("other") == (1, f"train: other/test: no image found in the class folders {CLASSES}")


def test_an_empty_class_is_worth_a_warning(going_modular, tmp_path):
    draw(tmp_path / "pizza" / "1.png")
    (tmp_path / "soup").mkdir()
    with pytest.warns(UserWarning, match="soup: no image found, the class is empty"):
        found = going_modular.data_setup.load_images(tmp_path)
    assert found.classes == ["pizza", "soup"]


def test_any_number_of_threads_loads_the_same(going_modular, photos):
    one, three = (going_modular.data_setup.load_images(photos / "train", workers=n) for n in (1, 3))
    assert torch.equal(one.images, three.images) and one.paths == three.paths


# ------------------------------------------------------------------------------------- the model


def test_parameters_of_tinyvgg(going_modular):
    TinyVGG = going_modular.model_builder.TinyVGG
    assert count_parameters(TinyVGG()) == 10_693
    assert TinyVGG(1, 4, 5, image_size=31, dropout=0.5)(torch.zeros(2, 1, 31, 31)).shape == (2, 5)
    for wrong in ({"hidden_units": 0}, {"image_size": 3}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}.* must be"):
            TinyVGG(**wrong)


def test_the_command_line_reaches_the_numbers_of_the_notebook(going_modular, train, photos):
    """Its training by hand, with the course's helpers, gives the same curve."""
    sets = {part: going_modular.data_setup.load_images(photos / part, 8) for part in ("train", "test")}
    X = sets["train"].images / 255
    std, mean = torch.std_mean(X, dim=(0, 2, 3), keepdim=True)
    torch.manual_seed(7)
    model = going_modular.model_builder.TinyVGG(hidden_units=2, image_size=8)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(7)
    loader = TensorLoader((X - mean) / std, sets["train"].labels, 5, True, generator)
    held_out = TensorLoader((sets["test"].images / 255 - mean) / std, sets["test"].labels, 3)
    code, out, _ = train("--epochs", 4, "--seed", 7, "--lr", 0.01)
    assert code == 0
    for line in results("run"):
        loss = train_epoch(model, loader, nn.CrossEntropyLoss(), optimizer)
        test_loss, test_accuracy = evaluate(model, held_out, nn.CrossEntropyLoss())
        assert line["train_loss"] == pytest.approx(loss, abs=1e-6)
        assert line["test_loss"] == pytest.approx(test_loss, abs=1e-6)
        assert line["test_accuracy"] == test_accuracy
    assert out.splitlines()[-1] == (
        f"epoch   4: train loss {loss:.4f}, test loss {test_loss:.4f}, test accuracy {test_accuracy:.4f}"
    )


def test_augmentation_varies_each_image_by_itself(going_modular):
    image = torch.arange(3 * 16 * 16, dtype=torch.uint8).view(1, 3, 16, 16)
    torch.manual_seed(0)
    batch = going_modular.engine.augment(image.expand(8, -1, -1, -1))
    assert batch.shape == (8, 3, 16, 16) and batch.dtype == torch.uint8
    assert len({tuple(one.flatten().tolist()) for one in batch}) == 8
    assert len(going_modular.engine.augment(batch[:0])) == 0


def test_augmentation_mirrors_half_of_the_images_and_crops_all(going_modular):
    """Brighter from left to right and from top to bottom: which way round is each variant?"""
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8)
    across, down = ramp.expand(32, -1), ramp[:, None].expand(-1, 32)
    torch.manual_seed(0)
    batch = going_modular.engine.augment(torch.stack([across, down, across]).expand(200, -1, -1, -1)).float()
    gains = batch[:, 0, :, -1].mean(dim=1) - batch[:, 0, :, 0].mean(dim=1)  # along a row
    assert 70 < (gains < 0).sum() < 130, "mirrored"
    falls = batch[:, 1, -1].mean(dim=1) - batch[:, 1, 0].mean(dim=1)
    assert (falls > 0).all(), "none is upside down"
    areas = gains.abs() * falls / 248**2  # what is left of both edges
    assert areas.min() > 0.5 and areas.min() < 0.7 and areas.max() > 0.9, "60 % of the area or more"


class Recorder(nn.Module):
    """A model that notes in which mode it is called."""

    def __init__(self):
        super().__init__()
        self.layer, self.modes = nn.Linear(3 * 4 * 4, 2), set()

    def forward(self, X):
        self.modes.add(self.training)
        return self.layer(X.flatten(1))


def test_training_and_evaluation_in_their_modes(going_modular, train):
    """TinyVGG of the command line has no dropout, so its numbers do not tell."""
    engine, model = going_modular.engine, Recorder()
    images, labels = torch.zeros(6, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1] * 3)
    optimizer, scaler = torch.optim.SGD(model.parameters()), torch.amp.GradScaler("cpu", enabled=False)
    model.eval()
    engine.train_epoch(model, images, labels, torch.arange(6).split(3), torch.Tensor.float, optimizer, scaler)
    assert model.modes == {True}
    model.modes.clear()
    engine.evaluate(model, images, labels, torch.Tensor.float)
    assert model.modes == {False} and not model.training
    train("--epochs", 1)
    predictor = going_modular.model_builder.Predictor("run/last.pt")
    assert not any(module.training for module in predictor.modules())


def step(engine, scaler, scale=1.0):
    """A step of SGD on the same data: the weights after it."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    X, y = scale * torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1])
    engine.train_step(model, X, y, 5, torch.optim.SGD(model.parameters(), lr=0.1), scaler, False)
    return model.weight.detach()


def test_a_step_goes_through_the_scaler(going_modular):
    """What keeps float16 gradients alive on a GPU can be tried on a CPU: it works with any number."""
    engine, scaler = going_modular.engine, torch.amp.GradScaler("cpu")
    plain = step(engine, torch.amp.GradScaler("cpu", enabled=False))
    assert torch.allclose(step(engine, scaler), plain), "scaled before, unscaled after"
    assert scaler.get_scale() == 65536
    still = step(engine, scaler, scale=1e35)  # times 65,536 its gradients are infinite
    assert torch.equal(still, step(engine, torch.amp.GradScaler("cpu", enabled=False), scale=0.0)), "skipped"
    assert scaler.get_scale() == 32768, "and the factor is halved"


SETTINGS = {"seed": 42, "hidden_units": 2, "classes": CLASSES, "image_size": 8, "optimizer": "adam"}
SETTINGS |= {"lr": 0.01, "schedule": "constant", "amp": False}


def test_the_scaler_works_with_mixed_precision_on_accelerators(going_modular):
    def enabled(device, amp):
        images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8, device=device)
        return going_modular.training_run.Run(SETTINGS | {"amp": amp}, images, 1).scaler.is_enabled()

    assert enabled("meta", True)  # a device that is no CPU and that every machine has
    assert not enabled("meta", False) and not enabled("cpu", True)


def test_every_process_augments_in_its_own_way(going_modular, monkeypatch):
    """From the same weights, with the same order of the images."""
    images, seen = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), []
    for rank in (0, 1, 2):
        monkeypatch.setattr(going_modular.engine, "process_share", lambda rank=rank: (rank, 3))
        run = going_modular.training_run.Run(SETTINGS, images, 1)
        weights = next(run.model.parameters()).detach().flatten().tolist()
        seen.append((weights, torch.randperm(9, generator=run.shuffle).tolist(), torch.rand(1).item()))
    assert seen[0][:2] == seen[1][:2] == seen[2][:2]
    assert len({random for *_, random in seen}) == 3


@pytest.mark.parametrize(
    "options",
    [
        ["--augment"],
        ["--amp"],
        pytest.param(["--compile"], marks=pytest.mark.slow),
        ["--optimizer", "sgd"],
        ["--optimizer", "adamw"],
        ["--schedule", "cosine"],
        ["--hidden-units", 3],
        ["--val-share", 0.3],
        ["--seed", 1],
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
        assert [line["lr"] for line in other] == pytest.approx([1e-3, 0.75e-3, 0.25e-3])


def test_best_is_chosen_on_held_out_training_images(train):
    train("--epochs", 2)
    assert not Path("run/best.pt").exists(), "test images must not choose"
    train("--out", "chosen", "--epochs", 12, "--val-share", 0.3, "--lr", 0.02)
    losses = [line["val_loss"] for line in results("chosen")]
    best = torch.load("chosen/best.pt", weights_only=True)
    assert best["best_loss"] == min(losses) and best["epoch"] == losses.index(min(losses)) + 1
    assert best["settings"]["train_images"] == 9 and best["settings"]["val_images"] == 4


# ----------------------------------------------------------------------------- wrong usage, failures


@pytest.mark.parametrize(
    ("program", "options", "line"),
    [
        ("train", [], "the following arguments are required: --data"),
        ("train", ["--data", "x", "--epochs", "0"], "argument --epochs: must be at least 1, got 0"),
        ("train", ["--data", "x", "--lr", "fast"], "argument --lr: invalid number value: 'fast'"),
        ("train", ["--data", "x", "--lr", "nan"], "argument --lr: must be a number less than inf, got nan"),
        ("train", ["--data", "x", "--val-share", "1"], "--val-share: must be a number less than 1, got 1"),
        ("train", ["--data", "x", "--workers", "257"], "--workers: must be a number less than 257, got 257"),
        ("train", ["--data", "x", "--batch-size", "1.5"], "--batch-size: invalid whole number value: '1.5'"),
        ("train", ["--data", "x", "--optimizer", "magic"], "argument --optimizer: invalid choice: 'magic'"),
        ("train", ["--data", "x", "--nonsense"], "unrecognized arguments: --nonsense"),
        ("train", ["--data", "x", "--device", "toaster"], "--device toaster: not here, this machine has cpu"),
        ("train", ["--data", "x", "--device", "meta"], "--device meta: not here, this machine has cpu"),
        ("predict", ["a.jpg"], "the following arguments are required: --checkpoint"),
        ("predict", ["--checkpoint", "x"], "name an image or a folder, or - for standard input"),
        ("predict", ["--checkpoint", "x", "--json", "--csv", "a.jpg"], "not allowed with argument --json"),
    ],
)
def test_wrong_usage_is_2_and_one_line(call, program, options, line):
    code, out, err = call(program, *options)
    assert (code, out) == (2, "") and err.count("\n") == 1 and line in err


def test_the_limits_of_a_number(going_modular):
    share = going_modular.utils.number(float, 0, 1)
    assert share("0") == 0 and share("0.999") == 0.999
    for text in ("1", "1.5", "-0.1", "nan", "inf"):
        with pytest.raises(argparse.ArgumentTypeError, match="must be"):
            share(text)
    assert going_modular.utils.number(int, 1)("1") == 1


def test_help_explains_every_option(call):
    for program in ("train", "predict"):
        code, out, err = call(program, "--help")
        assert (code, err) == (0, "")
        options = re.split(r"\n  (?=-)", out)
        assert all(len(option.split()) > 3 for option in options), "each with an explanation"


def fail(error):
    def raises(*args, **kwargs):
        raise error

    return raises


def test_failures_are_1_and_one_line(train, going_modular, monkeypatch):
    def line(*options, code=1):
        ended, _, err = train(*options)
        assert ended == code and err.count("\n") == 1
        return err

    assert "the loss is" in (said := line("--optimizer", "sgd", "--lr", 1e30)) and "smaller --lr" in said
    Path("file").write_text("in the way")
    assert re.search(r"file exists|not a directory", line("--out", "file/run").lower())
    shutil.rmtree("run")
    with monkeypatch.context() as patch:
        patch.setattr(going_modular.engine, "train_epoch", fail(KeyboardInterrupt()))
        assert line(code=130) == "train: stopped by Ctrl-C\n"
        patch.setattr(going_modular.engine, "train_epoch", fail(torch.OutOfMemoryError("no memory\nmore")))
        assert line() == "train: OutOfMemoryError: no memory (--debug shows where)\n"
        with pytest.raises(torch.OutOfMemoryError):
            train("--debug")
        patch.setitem(sys.modules, "torch.utils.tensorboard", None)
        assert line("--log-dir", "log") == "train: --log-dir needs TensorBoard: pip install tensorboard\n"


def test_a_full_disk_spoils_nothing(train, going_modular, monkeypatch):
    train("--epochs", 1)
    before = Path("run/last.pt").read_bytes()
    monkeypatch.setattr(going_modular.utils.os, "fsync", fail(OSError(28, "No space left on device")))
    code, _, err = train("--epochs", 2, "--resume")
    assert code == 1 and err == "train: [Errno 28] No space left on device\n"
    assert Path("run/last.pt").read_bytes() == before
    assert sorted(p.name for p in Path("run").iterdir()) == ["last.pt", "results.jsonl"]


def test_a_run_is_not_overwritten(train):
    train("--epochs", 1)
    code, out, err = train("--epochs", 1)
    assert (code, out) == (2, "") and "run holds a run already: go on with --resume, or choose another" in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_progress_bar_on_a_terminal_only(train, monkeypatch):
    code, out, err = train("--epochs", 1)
    assert (code, err) == (0, "done; the model is run/last.pt\n")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal := Terminal())
        again = train("--epochs", 1, "--out", "terminal")
    assert "training: " in terminal.getvalue() and "/3 [" in terminal.getvalue()
    assert again[:2] == (0, out), "nothing of it in the results"


def test_warnings_are_plain_lines(going_modular, capsys):
    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("look", stacklevel=1)

    before = warnings.showwarning
    assert going_modular.utils.run_command("name", run) == 0
    assert capsys.readouterr().err == "name: warning: look\n" and warnings.showwarning is before


# --------------------------------------------------------------------------- checkpoints and resuming

EVERYTHING = ["--augment", "--val-share", 0.2, "--schedule", "cosine"]


@pytest.mark.parametrize(("kills", "epochs"), [(4, 40), pytest.param(20, 160, marks=pytest.mark.slow)])
def test_killed_again_and_again_the_run_ends_with_the_same_bits(
    scripts, photos, train, tmp_path, going_modular, kills, epochs
):
    options = [*SMALL, *EVERYTHING, "--epochs", epochs]
    code, _, err = train(*EVERYTHING, "--epochs", epochs)
    assert code == 0, err
    killed = ["--data", photos, "--out", tmp_path / "killed", *options]
    seed = int(time.time())  # other moments each time; shown if it fails
    done = command(scripts, HELPERS / "going_modular_kills.py", kills, seed, *killed)
    assert done.returncode == 0, f"seed {seed}: {done.stdout[-500:]}{done.stderr[-2000:]}"
    assert f"killed {kills} times" in done.stdout
    for name in ("last.pt", "best.pt"):
        one, other = (going_modular.utils.load_checkpoint(Path(out, name)) for out in ("run", "killed"))
        assert same(one, other), f"seed {seed}, {name}"
    assert results("killed") == results("run")


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_killed_while_writing(train, going_modular, monkeypatch, share):
    """Whatever part of the new file is on the disk, the old one counts."""
    train("--epochs", 2, "--augment")
    whole = Path("run/last.pt").read_bytes()
    Path("run/last.pt.partial").write_bytes(whole[: int(share * len(whole))])
    with open("run/results.jsonl", "a") as file:
        file.write('{"epoch": 3, "train_lo')
    code, _, err = train("--epochs", 4, "--augment", "--resume")
    assert code == 0, err
    train("--out", "whole", "--epochs", 4, "--augment")
    assert results("run") == results("whole")
    load = going_modular.utils.load_checkpoint
    assert same(load("run/last.pt"), load("whole/last.pt"))
    assert not list(Path("run").glob("*.partial"))


def test_random_states_on_another_kind_of_device(going_modular):
    """A run that began on a CPU goes on elsewhere, and the other way round; the CPU's numbers go on."""
    utils = going_modular.utils
    states = utils.random_states(torch.device("cpu"))
    wanted = torch.rand(3)
    for device in ("cuda", "mps", "cpu"):
        utils.restore_random_states(states, torch.device(device))
        assert torch.equal(torch.rand(3), wanted)
    utils.restore_random_states(states | {"cuda": torch.zeros(16, dtype=torch.uint8)}, torch.device("cpu"))
    assert torch.equal(torch.rand(3), wanted)


def test_a_file_has_its_name_only_when_it_is_on_the_disk(going_modular, tmp_path, monkeypatch):
    path, order = tmp_path / "file", []
    path.write_bytes(b"old")
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def spy(*args, name=name, real=real):
            order.append((name, path.read_bytes()))
            return real(*args)

        monkeypatch.setattr(going_modular.utils.os, name, spy)
    going_modular.utils.write_file(path, b"new")
    assert order[:2] == [("fsync", b"old"), ("replace", b"old")] and path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_resuming_is_not_needed_and_still_possible(train):
    code, _, err = train("--epochs", 2, "--resume")
    assert code == 0 and "nothing to resume in run, starting with epoch 1" in err
    code, out, err = train("--epochs", 2, "--resume")
    assert code == 0 and out.count("\n") == 1 and "all 2 epochs were done already" in err
    code, out, _ = train("--epochs", 3, "--resume")
    assert code == 0 and [line["epoch"] for line in results("run")] == [1, 2, 3]
    train("--out", "at once", "--epochs", 3)
    assert results("at once") == results("run")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--hidden-units", 3], "hidden_units was 2, is 3"),
        (["--lr", 0.5], "lr was 0.001, is 0.5"),
        (["--batch-size", 4, "--seed", 9], "batch_size was 5, is 4; seed was 42, is 9"),
        (["--augment"], "augment was False, is True"),
        (["--schedule", "cosine"], "schedule was 'constant', is 'cosine'; epochs was None, is 3"),
    ],
)
def test_other_settings_are_refused_by_name(train, options, words):
    train("--epochs", 1)
    code, out, err = train("--epochs", 3, "--resume", *options)
    assert (code, out) == (2, "")
    assert err == f"train: run/last.pt is of a run with other settings: {words}\n"


def test_other_images_are_refused(train, call, photos):
    train("--epochs", 1)
    shutil.copytree(photos, "other")
    draw(Path("other/train/pizza/00.png"), colour="white")
    code, _, err = call("train", "--data", "other", "--out", "run", *SMALL, "--resume")
    assert code == 2 and "run/last.pt is of a run with other training images" in err


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("pwned"),))


def damage(kind, good):
    checkpoint = torch.load(io.BytesIO(good), weights_only=True)
    buffer = io.BytesIO()
    if kind == "malicious":
        torch.save({**checkpoint, "epoch": Evil()}, buffer)
    elif kind == "malicious pickle":
        return pickle.dumps(Evil())
    elif kind == "another architecture":
        checkpoint["model"]["block_1.0.weight"] = torch.zeros(3, 3, 3, 3)
        torch.save(checkpoint, buffer)
    elif kind == "something else":
        torch.save({"weights": torch.zeros(3)}, buffer)
    else:
        return {"empty": b"", "text": b"the first version", "zeros": bytes(5000)}[kind]
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("malicious", "refused, it asks to run code"),
        ("malicious pickle", "no checkpoint at all"),
        ("another architecture", "does not fit this model|another architecture"),
        ("something else", "no checkpoint that going_modular.train wrote"),
        ("empty", "cut off, or no checkpoint at all"),
        ("text", "cut off, or no checkpoint at all"),
        ("zeros", "cut off, or no checkpoint at all"),
    ],
)
def test_bad_checkpoints_are_refused(train, call, photos, kind, words):
    train("--epochs", 1)
    Path("run/last.pt").write_bytes(damage(kind, Path("run/last.pt").read_bytes()))
    for code, out, err in (
        train("--epochs", 2, "--resume"),
        call("predict", "--checkpoint", "run/last.pt", photos),
    ):
        assert (code, out) == (1, "") and err.count("\n") == 1
        assert re.search(rf"run/last\.pt.* ?{words}", err), err
    assert not Path("pwned").exists()


def test_a_checkpoint_cut_anywhere_is_refused(train, going_modular):
    train("--epochs", 1)
    good = Path("run/last.pt").read_bytes()
    for length in range(0, len(good), 97):
        Path("cut.pt").write_bytes(good[:length])
        with pytest.raises(ValueError, match=r"^cut\.pt: (cut off|damaged)"):
            going_modular.utils.load_checkpoint("cut.pt")


# ------------------------------------------------------------------------------- several processes


def torchrun(scripts, *arguments):
    """As with ``--standalone``, but for an address that needs no names to be resolved."""
    here = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    return command(scripts, "-m", "torch.distributed.run", *here, "--nproc-per-node=2", *arguments)


@pytest.mark.parametrize(
    "batch_size",
    [
        pytest.param(5, id="shares of 3 and 2"),
        pytest.param(6, id="a last batch of one image", marks=pytest.mark.slow),
    ],
)
def test_two_processes_train_the_same_model(scripts, photos, train, tmp_path, batch_size):
    options = ["--epochs", 3, "--optimizer", "sgd", "--lr", 0.05, "--batch-size", batch_size]
    two = ["--data", photos, "--out", tmp_path / "two", *SMALL, *options]
    done = torchrun(scripts, "-m", "going_modular.train", *two)
    assert done.returncode == 0, done.stderr[-2000:]
    code, out, _ = train(*options)
    for line, other in zip(results("run"), results("two"), strict=True):
        assert line["test_accuracy"] == other["test_accuracy"], "no image twice, none lost"
        assert line == pytest.approx(other, abs=1e-4)
    assert [re.sub(r"\d\.\d+", "", a) for a in done.stdout.splitlines()] == [
        re.sub(r"\d\.\d+", "", b) for b in out.splitlines()
    ], "only the first process speaks"
    if batch_size == 5:
        code, _, err = train(*options, "--out", "two", "--resume")
        assert code == 2 and "processes was 2, is 1" in err


@pytest.mark.slow
def test_a_failing_process_ends_the_run(scripts, photos, tmp_path):
    options = ["--data", photos, "--out", tmp_path / "run", *SMALL]
    done = torchrun(scripts, HELPERS / "going_modular_failing.py", *options)
    assert done.returncode != 0
    assert "train [process 1]: RuntimeError: this process fails on purpose" in done.stderr
    assert not (tmp_path / "run" / "last.pt").exists()


# --------------------------------------------------------------------------------------- predicting


@pytest.fixture
def trained(train):
    code, _, err = train("--epochs", 1)
    assert code == 0, err
    return ["--checkpoint", "run/last.pt", "--device", "cpu"]


def test_predictions_as_table_json_and_csv(call, trained, photos, going_modular):
    code, out, err = call("predict", *trained, photos / "test", photos / "train" / "pizza" / "00.png")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == [
        *map(str, going_modular.data_setup.find_files(photos / "test")),
        str(photos / "train" / "pizza" / "00.png"),
    ]

    code, out, _ = call("predict", *trained, "--json", photos / "test")
    listed = json.loads(out)
    assert code == 0 and len(listed) == 7
    for row, entry in zip(rows, listed, strict=False):
        assert list(entry["probabilities"]) == CLASSES
        assert sum(entry["probabilities"].values()) == pytest.approx(1)
        assert entry["probability"] == max(entry["probabilities"].values())
        assert entry["probabilities"][entry["class"]] == entry["probability"]
        assert row == [entry["path"], f"{entry['probability']:.3f}", entry["class"]]

    code, out, _ = call("predict", *trained, "--csv", photos / "test")
    table = list(csv.DictReader(io.StringIO(out)))
    assert [(t["path"], t["class"], float(t["probability"])) for t in table] == [
        (e["path"], e["class"], e["probability"]) for e in listed
    ]


def test_predictions_agree_with_the_evaluation(call, trained, photos):
    """The same images, prepared in the same way: their loss is the test loss."""
    _, out, _ = call("predict", *trained, "--json", photos / "test")
    entries = [(Path(entry["path"]).parent.name, entry) for entry in json.loads(out)]
    line = results("run")[-1]
    assert sum(name == entry["class"] for name, entry in entries) / 7 == line["test_accuracy"]
    losses = [-math.log(entry["probabilities"][name]) for name, entry in entries]
    assert sum(losses) / 7 == pytest.approx(line["test_loss"], abs=1e-6)


def test_bad_files_do_not_stop_the_others(call, trained, photos):
    Path("mixed").mkdir()
    Path("mixed/a text.jpg").write_text("text")
    shutil.copy(photos / "test" / "pizza" / "00.png", "mixed/b.jpg")
    Path("nothing").mkdir()
    code, out, err = call("predict", *trained, "mixed", "gone.jpg", "nothing")
    assert code == 1 and re.fullmatch(r"mixed/b\.jpg +0\.\d{3}  \w+\n", out)
    no_file = "no such file, or not an ordinary one"
    assert err.splitlines() == [
        "predict: 2 of 3 files cannot be used:",
        f"  mixed/a text.jpg: {NO_IMAGE}",
        f"  gone.jpg: {no_file}",
    ]
    code, out, err = call("predict", *trained, "nothing")
    assert (code, out) == (1, "") and "no image found: the folders, or standard input, are empty" in err
    for form in ("--json", "--csv"):
        code, out, _ = call("predict", *trained, form, "mixed")
        entries = json.loads(out) if form == "--json" else list(csv.DictReader(io.StringIO(out)))
        assert code == 1 and entries[0]["error"] == NO_IMAGE and entries[1]["class"] in CLASSES


def test_standard_input(call, trained, photos, monkeypatch):
    files = sorted(photos.glob("test/*/*.png"))

    def piped(data):
        stdin = types.SimpleNamespace(buffer=io.BytesIO(data))
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            return call("predict", *trained, "--json", "-")

    code, out, _ = piped("".join(f"{file}\n" for file in files).encode())
    assert code == 0 and [entry["path"] for entry in json.loads(out)] == list(map(str, files))
    code, alone, _ = piped(files[0].read_bytes())
    assert code == 0 and json.loads(alone) == [{**json.loads(out)[0], "path": "-"}]
    code, out, err = piped(files[0].read_bytes()[:60])
    assert code == 1 and json.loads(out)[0]["path"] == "-" and "1 of 1 files cannot be used" in err
    code, out, err = piped(b"")
    assert (code, out) == (1, "") and "no image found: the folders, or standard input, are empty" in err


def test_a_closed_pipe_is_no_accident(scripts, call, trained, photos):
    """``predict ... | head -1``: the reader leaves before all is written."""
    predict = [sys.executable, "-m", "going_modular.predict", *trained, *[str(photos)] * 80]
    with subprocess.Popen(
        predict,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(scripts), "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait(LIMIT) == 1


def test_onnx_gives_the_same_probabilities(call, trained, photos, going_modular):
    import onnxruntime

    code, _, err = call("predict", *trained, "--onnx", "model.onnx")
    assert code == 0, err
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    predictor = going_modular.predict.Predictor("run/last.pt")
    for count in (1, 2, 7):
        images = going_modular.data_setup.load_images(photos / "test", 8).images[:count]
        (probs,) = session.run(None, {"images": images.numpy()})
        with torch.inference_mode():
            assert np.abs(probs - predictor(images).numpy()).max() < 1e-5


# --------------------------------------------------------------------------------------- TensorBoard


def test_tensorboard_shows_the_run(scripts, train):
    """Also after an epoch was logged and then lost: it is there once."""
    train("--epochs", 2, "--log-dir", "log")
    before = Path("run/last.pt").read_bytes()
    train("--epochs", 3, "--log-dir", "log", "--resume")
    Path("run/last.pt").write_bytes(before)
    code, _, err = train("--epochs", 3, "--log-dir", "log", "--resume")
    assert (code, err) == (0, "done; the model is run/last.pt\n")
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
        assert [v for *_, v in scalars(ask, "accuracy/test")] == pytest.approx(
            [line["test_accuracy"] for line in lines]
        )
        assert "training images" in ask("images/tags")["."]
        assert ask("graphs/info")["."]["run_graph"]
        table = ask("hparams/experiment?request={}")
        assert "hidden_units" in [column["name"] for column in table["hparamInfos"]]
    finally:
        server.terminate()
        server.communicate()


def scalars(ask, tag):
    """[time, step, value] of each point, as TensorBoard's page gets them."""
    if tag not in ask("scalars/tags").get(".", {}):
        return []
    return ask(f"scalars/scalars?run=.&tag={tag}")


def definitions(source):
    """The functions and classes of a text of Python, each as its syntax tree, less docstrings."""
    kinds, tree = (ast.FunctionDef, ast.ClassDef), ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            del node.body[0]
    return {node.name: ast.dump(node) for node in tree.body if isinstance(node, kinds)}


def test_the_scripts_have_the_functions_of_notebook_04():
    """What 04 teaches and what the scripts run must not drift apart."""
    notebook = read(next(path for path in LESSONS if path.name.startswith("04")))
    taught = {}
    for cell in code_cells(notebook):
        if not re.search(r"^\s*[%!]", cell.source, re.MULTILINE):
            taught |= definitions(cell.source)
    for name in ("data_setup", "model_builder"):
        written = definitions(written_files()[f"going_modular/{name}.py"])
        common = written.keys() - {"Predictor", "export_onnx"}  # 05 teaches these
        assert {n: taught.get(n) for n in common} == {n: written[n] for n in common}
