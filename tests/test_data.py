"""The data: real or drawn, whatever the network, the disk and other notebooks do meanwhile."""

import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from bad_server import serving
from nbclient import NotebookClient
from PIL import Image

from learn_pytorch import data, drawn_fashion, drawn_food, fetch
from learn_pytorch.data import DataError, fashion_mnist, pizza_steak_sushi

ROOT = Path(data.__file__).parent.parent
ORIGINAL = dict(vars(data))  # before tests change it
LOCK = ".learn_pytorch.lock"
REAL = "FashionMNIST: real, 30 training and 20 test images\n"
DRAWN = (
    "FashionMNIST: drawn by this course, 30 training and 20 test images "
    "(COURSE_DATA=real fetches the real ones)\n"
)
FOOD = "Pizza, steak, sushi: real, 7 training and 4 test images (COURSE_DATA=drawn draws them)\n"
DRAWN_FOOD = (
    "Pizza, steak, sushi: drawn by this course, 7 training and 4 test images "
    "(COURSE_DATA=real fetches the real ones)\n"
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """A small data set, no address to fetch it from, and nothing in the environment."""
    for name in ("COURSE_DATA", "COURSE_MIRROR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(data, "FASHION_COUNTS", {"train": 30, "t10k": 20})
    monkeypatch.setattr(data, "FASHION_ADDRESSES", ())
    few = {"train": {"pizza": 3, "steak": 2, "sushi": 2}, "test": {"pizza": 1, "steak": 1, "sushi": 2}}
    monkeypatch.setattr(data, "FOOD_COUNTS", few)
    monkeypatch.setattr(data, "FOOD_ADDRESSES", ())
    monkeypatch.setattr(drawn_food, "picture", quick_picture)


def quick_picture(name, seed):
    """In the place of a scene, which takes a twentieth of a second: noise."""
    rng = np.random.default_rng([*seed, *name.encode()])
    return Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))


@pytest.fixture
def archives(monkeypatch, tmp_path):
    """A folder with a tiny "real" set, whose MD5 sums are made the right ones."""
    folder = tmp_path / "usb stick"
    folder.mkdir()
    sums = {}
    for split, count in data.FASHION_COUNTS.items():
        images, labels = np.full((count, 28, 28), 7, np.uint8), np.arange(count, dtype=np.uint8) % 10
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{split}-{name}-ubyte"
            data.write_idx(path, array)
            packed = folder / f"{path.name}.gz"
            packed.write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
            sums[packed.name] = hashlib.md5(packed.read_bytes()).hexdigest()
    monkeypatch.setattr(data, "FASHION_ARCHIVES", sums)
    return folder


@pytest.fixture
def server(archives, monkeypatch):
    monkeypatch.setattr(fetch, "SILENCE", 0.5)
    with serving({path.name: path.read_bytes() for path in archives.iterdir()}) as server:
        monkeypatch.setattr(data, "FASHION_ADDRESSES", (server.url,))
        yield server


def contents(folder):
    """Every file below a folder and what is in it, locks left out."""
    return {name: (folder / name).read_bytes() for name in files_in(folder) if Path(name).name != LOCK}


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def pixels(source):
    """The largest value of the training and of the test pictures."""
    raw = source.root / "FashionMNIST" / "raw"
    return {max((raw / f"{split}-images-idx3-ubyte").read_bytes()[16:]) for split in data.FASHION_COUNTS}


@contextlib.contextmanager
def files_of_at_most(size):
    """A limit on the size of files stands in for the disk's."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


no_limit = pytest.mark.skipif(os.name == "nt", reason="Windows sets no limit on the size of files")


# ------------------------------------------------------------------------------ which set


def test_a_mirror_that_is_a_folder(archives, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    before = files_in(archives)
    for choice in ("auto", "real", "offline"):
        monkeypatch.setenv("COURSE_DATA", choice)
        source = fashion_mnist()
        assert source.kind == "real" and pixels(source) == {7}
        assert capsys.readouterr().out == REAL
    assert files_in(archives) == before, "a mirror is never written"
    assert len(files_in(source.root)) == 5, "four files and the mark that they are complete"


def test_a_mirror_in_the_layout_of_torchvision(archives, monkeypatch):
    below = archives.parent / "mirror" / "FashionMNIST" / "raw"
    shutil.copytree(archives, below)
    monkeypatch.setenv("COURSE_MIRROR", str(archives.parent / "mirror"))
    assert fashion_mnist().kind == "real"


def test_what_torchvision_once_downloaded(archives, tmp_path):
    shutil.copytree(archives, tmp_path / "data" / "FashionMNIST" / "raw")
    assert fashion_mnist().kind == "real"


def test_a_mirror_that_is_a_server(server, monkeypatch, capsys):
    monkeypatch.setattr(data, "FASHION_ADDRESSES", ("http://127.0.0.1:9/",))
    monkeypatch.setenv("COURSE_MIRROR", server.url.rstrip("/"))
    monkeypatch.setenv("COURSE_DATA", "offline")
    assert fashion_mnist().kind == "drawn"
    assert not server.requests, "offline opens no connection"
    monkeypatch.setenv("COURSE_DATA", "real")
    assert fashion_mnist().kind == "real"
    assert len(server.requests) == 4
    fashion_mnist()
    assert len(server.requests) == 4, "what is on disk is not fetched again"


def test_what_torchvision_knows():
    """Names, sums, address and endings stand in data.py as well, so that it need not be imported."""
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.folder import IMG_EXTENSIONS

    assert dict(FashionMNIST.resources) == ORIGINAL["FASHION_ARCHIVES"]
    assert tuple(FashionMNIST.mirrors) == ORIGINAL["FASHION_ADDRESSES"]
    assert set(IMG_EXTENSIONS) == set(data.IMAGE_ENDINGS)


def test_torchvision_reads_both_sets(tmp_path):
    from torchvision.datasets import FashionMNIST, ImageFolder

    for train, count in ((True, 30), (False, 20)):
        found = FashionMNIST(fashion_mnist().root, train=train, download=False)
        assert len(found) == count and found.targets.bincount().tolist() == [count // 10] * 10
    root = pizza_steak_sushi().root
    for split, classes in data.FOOD_COUNTS.items():
        folder = ImageFolder(root / split)
        assert folder.classes == ["pizza", "steak", "sushi"]
        assert [folder.targets.count(i) for i in range(3)] == list(classes.values())


def test_torchvisions_own_address(server):
    source = fashion_mnist()
    assert source.kind == "real"
    assert len(files_in(source.root)) == 5, "the archives themselves are not kept"


def test_a_server_with_something_else(server, archives, monkeypatch, tmp_path):
    """A whole archive, but not the right one, is not taken; the next attempt starts afresh."""
    name = "t10k-labels-idx1-ubyte.gz"
    good, server.files[name] = server.files[name], gzip.compress(b"another one")
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError, match=f"cannot be had: no download of {name}\n.*the MD5 sum is wrong"):
        fashion_mnist()
    assert files_in(tmp_path / "data") in ([], [LOCK]), "nothing that looks finished is left"
    monkeypatch.setenv("COURSE_DATA", "auto")
    assert fashion_mnist().kind == "drawn"
    server.files[name] = good
    monkeypatch.setenv("COURSE_DATA", "real")
    assert fashion_mnist().kind == "real"


def test_nothing_to_fetch_is_drawn(capsys, tmp_path):
    source = fashion_mnist(tmp_path / "elsewhere")
    assert source.kind == "drawn" and max(pixels(source)) > 200
    assert source.root.is_relative_to(tmp_path / "elsewhere")
    assert capsys.readouterr().out == DRAWN


def test_drawn_on_disk_is_not_fetched_each_time(server, monkeypatch):
    server.manner = "404"
    assert fashion_mnist().kind == "drawn"
    asked = len(server.requests)
    assert asked and fashion_mnist().kind == "drawn" and len(server.requests) == asked


def test_a_drawn_set_is_not_left_for_the_network(server, archives, monkeypatch):
    """Archives at hand are worth a look; if they are damaged, what is drawn stays, without a connection."""
    monkeypatch.setenv("COURSE_DATA", "drawn")
    fashion_mnist()
    monkeypatch.setenv("COURSE_DATA", "auto")
    for path in archives.iterdir():
        path.write_bytes(b"damaged")
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    with pytest.warns(UserWarning, match="COURSE_MIRROR=.* did not help: no download of .*no address"):
        assert fashion_mnist().kind == "drawn"
    assert not server.requests


def test_real_and_drawn_never_mix(archives, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    for choice in ("drawn", "real", "drawn", "real"):
        monkeypatch.setenv("COURSE_DATA", choice)
        source = fashion_mnist()
        assert source.kind == choice and (pixels(source) == {7}) == (choice == "real")


def test_a_drawn_set_in_the_place_of_the_real_one_is_found_out(archives, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", "drawn")
    drawn = fashion_mnist().root
    shutil.copytree(drawn, tmp_path / "data" / "real")
    monkeypatch.setenv("COURSE_DATA", "offline")
    assert fashion_mnist().root == drawn
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    assert fashion_mnist().kind == "real" and pixels(fashion_mnist()) == {7}


# Everything that decides what a drawn set looks like.
SETTINGS = {
    "version of the clothes": (fashion_mnist, drawn_fashion, "VERSION", 0),
    "seeds of the clothes": (fashion_mnist, data, "FASHION_SEEDS", {"train": 0, "t10k": 2}),
    "number of clothes": (fashion_mnist, data, "FASHION_COUNTS", {"train": 30, "t10k": 30}),
    "version of the food": (pizza_steak_sushi, drawn_food, "VERSION", 0),
    "seeds of the food": (pizza_steak_sushi, data, "FOOD_SEEDS", {"train": (2, 0), "test": (3,)}),
    "quality of the files": (pizza_steak_sushi, data, "FOOD_QUALITY", 50),
    "number of dishes": (
        pizza_steak_sushi,
        data,
        "FOOD_COUNTS",
        {"train": {"pizza": 2, "steak": 2, "sushi": 2}, "test": {"pizza": 1, "steak": 1, "sushi": 2}},
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_decides_a_drawing_draws_it_again(monkeypatch, setting):
    """And what somebody put beside the pictures stays."""
    find, module, name, value = SETTINGS[setting]
    root = find().root
    (root / "notes.txt").write_text("mine")

    def sums():
        return json.loads((root / "complete.json").read_text())["md5"]

    before = sums()
    assert find().root == root and sums() == before
    monkeypatch.setattr(module, name, value)
    for drawer in ("_draw_fashion", "_draw_food"):
        make = getattr(data, drawer)
        monkeypatch.setattr(data, drawer, lambda folder, make=make: (drawn.append(folder), make(folder)))
    drawn = []
    assert find().root == root and len(drawn) == 1
    assert (sums() != before) == (name != "VERSION"), "the same pictures, or others"
    assert find().root == root and len(drawn) == 1, "and then it is up to date"
    assert files_in(root) == sorted([*sums(), "complete.json", "notes.txt"])


def test_a_set_from_before_settings_were_noted_is_drawn_again(capsys):
    root = pizza_steak_sushi().root
    done = json.loads((root / "complete.json").read_text())
    (root / "complete.json").write_text(json.dumps({**done, "kind": "drawn, version 1"}))
    (root / "train" / "pizza" / "mine.txt").write_text("mine")
    assert pizza_steak_sushi().root == root
    assert json.loads((root / "complete.json").read_text()) == done
    assert (root / "train" / "pizza" / "mine.txt").exists()
    assert capsys.readouterr() == (2 * DRAWN_FOOD, "")


def test_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "Real")
    with pytest.raises(ValueError, match="COURSE_DATA must be one of auto, real, drawn, offline, got 'Real'"):
        fashion_mnist()


@pytest.mark.parametrize("damage", ["truncated", "foreign", "missing", "unmarked"])
@pytest.mark.parametrize("kind", ["real", "drawn"])
def test_damaged_files_are_named_and_missing_ones_made(archives, monkeypatch, tmp_path, kind, damage):
    """A file that is not as it was may be damaged, or the user's: nobody but the user knows."""
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    monkeypatch.setenv("COURSE_DATA", kind)
    root = fashion_mnist().root
    path = root / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    good = path.read_bytes()
    in_the_way = path
    if damage == "truncated":
        path.write_bytes(good[:-1])
    elif damage == "foreign":
        path.write_bytes(good[:16] + bytes(len(good) - 16))
    elif damage == "missing":
        path.unlink()
    else:
        (root / "complete.json").write_text("[]")
        in_the_way = root
    if damage != "missing":
        left = contents(tmp_path)
        with pytest.raises(DataError, match=f"^{re.escape(str(in_the_way))} is not as the course left it"):
            fashion_mnist()
        assert contents(tmp_path) == left
        shutil.move(in_the_way, tmp_path / "elsewhere")
    assert fashion_mnist().root == root
    assert path.read_bytes() == good


def test_damaged_archives_in_a_mirror(archives, monkeypatch, tmp_path):
    path = archives / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError) as refused:
        fashion_mnist()
    assert f"{path}: the MD5 sum is wrong, or it cannot be read: copy the file again" in str(refused.value)
    assert files_in(tmp_path / "data") in ([], [LOCK])
    monkeypatch.setenv("COURSE_DATA", "auto")
    with pytest.warns(UserWarning, match="COURSE_MIRROR=.* did not help"):
        assert fashion_mnist().kind == "drawn"


def test_a_mirror_with_the_other_set_only(archives, monkeypatch, tmp_path, capsys):
    """Tests turn a warning into an error, and a notebook would show it."""
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    monkeypatch.setenv("COURSE_DATA", "offline")
    assert pizza_steak_sushi(tmp_path / "other").kind == "drawn"
    assert fashion_mnist(tmp_path / "other").kind == "real"
    assert capsys.readouterr().err == ""


def test_a_mirror_without_archives(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_MIRROR", str(tmp_path / "not here"))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(
        DataError, match=r"cannot be had: no download of train-images(.|\n)*not here: no such"
    ):
        fashion_mnist()


# ------------------------------------------------------------------------------ pizza, steak, sushi


JPEG = b"\xff\xd8\xff a photograph"
FOOD_FILES = [
    f"{split}/{name}/{index}.jpg"
    for split, classes in {
        "train": {"pizza": 3, "steak": 2, "sushi": 2},
        "test": {"pizza": 1, "steak": 1, "sushi": 2},
    }.items()
    for name, count in classes.items()
    for index in range(count)
]


@pytest.fixture
def photographs(monkeypatch, tmp_path):
    """A folder with a tiny "real" archive, whose blob id is made the right one."""
    archive = tmp_path / "usb stick" / "pizza_steak_sushi.zip"
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in FOOD_FILES:
            zipped.writestr(name, JPEG)
    monkeypatch.setattr(data, "FOOD_BLOB", fetch.calculate_blob(archive))
    return archive.parent


def test_food_from_a_mirror_that_is_a_folder(photographs, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    before = files_in(photographs)
    monkeypatch.setenv("COURSE_DATA", "real")
    source = pizza_steak_sushi()
    assert source.kind == "real"
    assert capsys.readouterr().out == FOOD
    assert files_in(photographs) == before, "a mirror is never written"
    assert files_in(source.root) == sorted([*FOOD_FILES, "complete.json"])


@pytest.mark.parametrize("choice", ["auto", "real", "drawn", "offline"])
def test_food_is_drawn_unless_somebody_asks_for_photographs(photographs, monkeypatch, capsys, choice):
    """So that text and outputs of a lesson agree everywhere, whatever is at hand or on disk."""
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    monkeypatch.setenv("COURSE_DATA", choice)
    for kind in (None, "real", None, "drawn", "real"):
        wanted = kind or ("real" if choice == "real" else "drawn")
        assert pizza_steak_sushi(kind=kind).kind == wanted
        assert capsys.readouterr().out == (FOOD if wanted == "real" else DRAWN_FOOD)
    with pytest.raises(ValueError, match=r'kind must be "real", "drawn" or None, got \'photos\''):
        pizza_steak_sushi(kind="photos")


@pytest.mark.parametrize("place", ["usb stick/data", "data", "data/pizza_steak_sushi"])
def test_food_from_other_folders_at_hand(photographs, monkeypatch, tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    shutil.move(photographs / "pizza_steak_sushi.zip", tmp_path / place)
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    assert pizza_steak_sushi(kind="real").kind == "real"


def test_food_from_a_mirror_that_is_a_server(server, photographs, monkeypatch):
    server.files["data/pizza_steak_sushi.zip"] = (photographs / "pizza_steak_sushi.zip").read_bytes()
    monkeypatch.setenv("COURSE_MIRROR", server.url)
    monkeypatch.setenv("COURSE_DATA", "offline")
    with pytest.raises(DataError, match="no address to fetch it from"):
        pizza_steak_sushi(kind="real")
    assert not server.requests, "offline opens no connection"
    monkeypatch.setenv("COURSE_DATA", "auto")
    source = pizza_steak_sushi(kind="real")
    assert source.kind == "real"
    assert files_in(source.root) == sorted([*FOOD_FILES, "complete.json"]), "the archive is not kept"
    assert server.requests == ["/pizza_steak_sushi.zip", "/data/pizza_steak_sushi.zip"]


def test_food_whose_blob_id_is_wrong_is_not_taken(server, photographs, monkeypatch, tmp_path):
    good = (photographs / "pizza_steak_sushi.zip").read_bytes()
    server.files.update(first=good[:-1] + b"!", second=good)
    monkeypatch.setattr(data, "FOOD_ADDRESSES", (f"{server.url}first", f"{server.url}second"))
    assert pizza_steak_sushi(kind="real").kind == "real"
    assert server.requests == ["/first", "/second"]
    monkeypatch.setattr(data, "FOOD_ADDRESSES", (f"{server.url}first",))
    (photographs / "pizza_steak_sushi.zip").write_bytes(good + b"!")
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError, match="real Pizza, steak, sushi cannot be had") as refused:
        pizza_steak_sushi(tmp_path / "other")
    assert f"{server.url}first: the git blob id is wrong" in str(refused.value)
    assert f"{photographs / 'pizza_steak_sushi.zip'}: the git blob id is wrong, or" in str(refused.value)
    assert files_in(tmp_path / "other") in ([], [f"pizza_steak_sushi/{LOCK}"])


@pytest.mark.parametrize("kind", ["real", "drawn"])
def test_missing_pictures_are_made_anew(photographs, monkeypatch, kind):
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    root = pizza_steak_sushi(kind=kind).root
    path = next((root / "train" / "steak").iterdir())
    good = path.read_bytes()
    path.unlink()
    assert pizza_steak_sushi(kind=kind).root == root
    assert path.read_bytes() == good


@pytest.mark.parametrize("name", ["train/pizza/mine.PNG", "test/burger/1.jpg", "train/.ipynb_checkpoints/x"])
def test_pictures_of_ones_own_are_not_mixed_in(monkeypatch, name):
    """A picture more would change every number of the course; somebody's file is not deleted either."""
    monkeypatch.setenv("COURSE_DATA", "drawn")
    root = pizza_steak_sushi().root
    (root / "train" / "pizza" / ".DS_Store").write_bytes(b"no picture")
    pizza_steak_sushi()
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(JPEG)
    with pytest.raises(
        DataError, match=f"{Path(name).parts[1]}.* is no part of the data.* move it elsewhere"
    ):
        pizza_steak_sushi()
    assert (root / name).exists()


def test_food_is_drawn(monkeypatch, capsys, tmp_path):
    source = pizza_steak_sushi(tmp_path / "elsewhere")
    assert capsys.readouterr().out == DRAWN_FOOD
    assert source == (tmp_path / "elsewhere" / "pizza_steak_sushi" / "drawn", "drawn")
    names = sorted(p.as_posix() for p in source.root.rglob("*.jpg"))
    counts = {f"/{split}/{n}/": c for split, classes in data.FOOD_COUNTS.items() for n, c in classes.items()}
    assert {part: sum(part in name for name in names) for part in counts} == counts and len(names) == 11
    with Image.open(names[0]) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")


def test_food_and_unknown_choices(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "photos")
    with pytest.raises(
        ValueError, match="COURSE_DATA must be one of auto, real, drawn, offline, got 'photos'"
    ):
        pizza_steak_sushi()


@no_limit
def test_food_on_a_full_disk(monkeypatch, tmp_path):
    """Pillow itself would leave such a file cut off and say nothing."""
    monkeypatch.setattr(
        drawn_food, "picture", lambda *args: Image.effect_noise((128, 128), 50).convert("RGB")
    )
    with files_of_at_most(5000), pytest.raises(DataError, match=r"(?s)data.*about 50 MB.*free some space"):
        pizza_steak_sushi()
    assert files_in(tmp_path / "data") in ([], [f"pizza_steak_sushi/{LOCK}"])


# ------------------------------------------------------------------------------ what is the user's


def put(path, text="years of work"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def link(path, target):
    target.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=True)


# What somebody has in the folder that COURSE_DATA_DIR names, and what the message is to name.
OWN = {
    "a folder drawn": (lambda d: put(d / "drawn" / "thesis.txt"), "drawn"),
    "a folder real": (lambda d: put(d / "real" / "photos" / "holiday.jpg"), "real"),
    "a folder drawn.partial": (lambda d: put(d / "drawn.partial" / "thesis.txt"), "drawn.partial"),
    "a folder real.partial": (lambda d: put(d / "real.partial" / "new" / "thesis.txt"), "real.partial"),
    "a file drawn": (lambda d: put(d / "drawn"), "drawn"),
    "a file real.partial": (lambda d: put(d / "real.partial"), "real.partial"),
    "a mark of their own": (lambda d: put(d / "real" / "complete.json", '{"tasks": "all"}'), "real"),
    "pictures in its layout": (lambda d: put(d / "drawn" / "train" / "pizza" / "1.jpg"), "drawn"),
    "archives in its layout": (lambda d: put(d / "real" / "FashionMNIST" / "raw" / "mine"), "real"),
    "a link to a folder": (lambda d: link(d / "drawn", d.parent / "elsewhere"), "drawn"),
    "a link that leads nowhere": (lambda d: (d / "real").symlink_to(d / "nowhere"), "real"),
    "a link for a partial": (lambda d: link(d / "drawn.partial", d.parent / "elsewhere"), "drawn.partial"),
}


@pytest.mark.parametrize("find", [fashion_mnist, pizza_steak_sushi])
@pytest.mark.parametrize("case", OWN)
def test_what_is_the_users_is_named_and_left_alone(archives, photographs, monkeypatch, tmp_path, find, case):
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    make, name = OWN[case]
    monkeypatch.setenv("COURSE_DATA", name.split(".")[0])
    folder = tmp_path / "data" / ("pizza_steak_sushi" if find is pizza_steak_sushi else "")
    folder.mkdir(parents=True)
    try:
        make(folder)
    except OSError:
        pytest.skip("this system makes no links")
    before = contents(tmp_path)
    with pytest.raises(
        DataError, match=f"^{re.escape(str(folder / name))} is not as the course left it.*move"
    ):
        find()
    assert contents(tmp_path) == before and os.path.lexists(folder / name)
    os.rename(folder / name, tmp_path / "moved")
    before = contents(tmp_path)
    find()
    assert before.items() <= contents(tmp_path).items()


@pytest.mark.parametrize("find", [fashion_mnist, pizza_steak_sushi])
def test_what_is_put_into_a_made_folder_stays(monkeypatch, find):
    """A model, notes, and a file of the course's that somebody changed: when a drawing has a new version."""
    monkeypatch.setenv("COURSE_DATA", "drawn")
    root = find().root
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name != "complete.json"]
    put(files[0].parent / "model.pt")
    put(files[-1], "better than before")
    (root / files[1].parent / "deep" / "deeper").mkdir(parents=True)
    monkeypatch.setattr(drawn_fashion, "VERSION", 0)
    monkeypatch.setattr(drawn_food, "VERSION", 0)
    before = contents(root)
    with pytest.raises(DataError, match=f"^{re.escape(str(files[-1]))} is not as the course left it"):
        find()
    assert contents(root) == before
    os.rename(files[-1], root / "mine.txt")
    with contextlib.suppress(DataError):  # the folders are no part of the data
        find()
    assert (root / "mine.txt").read_text() == "better than before"
    assert (files[0].parent / "model.pt").read_text() == "years of work" and files[-1].exists()


def test_a_picture_of_ones_own_survives_a_new_version(monkeypatch):
    root = pizza_steak_sushi().root
    put(root / "train" / "pizza" / "mine.jpg")
    monkeypatch.setattr(drawn_food, "VERSION", 0)
    for _ in range(2):
        with pytest.raises(DataError, match=r"mine.jpg is no part of the data"):
            pizza_steak_sushi()
        assert (root / "train" / "pizza" / "mine.jpg").read_text() == "years of work"


@pytest.mark.skipif(os.name == "nt", reason="Windows makes links only for administrators")
@pytest.mark.parametrize("name", ["", "drawn", "drawn/FashionMNIST"])
def test_data_that_somebody_moved_and_linked(monkeypatch, tmp_path, name):
    """Where all is there it is used, and not written."""
    monkeypatch.setenv("COURSE_DATA", "drawn")
    root = fashion_mnist().root
    shutil.move(tmp_path / "data" / name, tmp_path / "elsewhere")
    (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    before = contents(tmp_path)
    monkeypatch.setattr(data, "locked", None)
    assert pixels(fashion_mnist()) and fashion_mnist().root in (root, tmp_path / "elsewhere" / "drawn")
    assert contents(tmp_path) == before


def test_the_lock_empties_nobodys_file(tmp_path):
    put(tmp_path / "data" / ".lock")
    fashion_mnist()
    assert (tmp_path / "data" / ".lock").read_text() == "years of work"


# ------------------------------------------------------------------------------ mirrors


SPELLINGS = {
    "/no/such/place": "no such folder; an address would begin with http",
    "localhost:8000": "no such folder; an address would begin with http",
    "~nobody-here/x": "no such folder",
    "ftp://127.0.0.1/": "only http and https are understood",
    "file:///tmp": "only http and https are understood",
    "http://me:hush@127.0.0.1:9/x": "an address with an @ in it",
    "http://me:hu/sh@127.0.0.1:9/x": "an address with an @ in it",
    "ftp://me:hush@127.0.0.1/": "only http and https",
    "me:hush@127.0.0.1:9": "no such folder",
}


@pytest.mark.parametrize("choice", ["auto", "real", "offline"])
@pytest.mark.parametrize("mirror", SPELLINGS)
def test_a_mirror_that_cannot_be_one(monkeypatch, recwarn, mirror, choice):
    """It is said in words, and a password never."""
    monkeypatch.setenv("COURSE_MIRROR", mirror)
    monkeypatch.setenv("COURSE_DATA", choice)
    if choice == "real":
        with pytest.raises(DataError) as refused:
            fashion_mnist()
        said = str(refused.value)
    else:
        assert fashion_mnist().kind == "drawn"
        said = str(recwarn.pop(UserWarning).message)
    assert SPELLINGS[mirror] in said and "hush" not in said and "hu/sh" not in said
    assert mirror.split("@")[-1] in said


def test_the_scheme_in_capitals(server, monkeypatch):
    monkeypatch.setattr(data, "FASHION_ADDRESSES", ())
    monkeypatch.setenv("COURSE_MIRROR", server.url.replace("http", "HTTP"))
    assert fashion_mnist().kind == "real"


@pytest.mark.parametrize("fault", ["a folder", "unreadable"])
def test_a_mirror_that_cannot_be_read(archives, monkeypatch, fault):
    """It is the mirror that is named, not the disk."""
    path = archives / "t10k-labels-idx1-ubyte.gz"
    calculate = data.calculate_md5
    if fault == "a folder":
        path.unlink()
        path.mkdir()
    else:  # also for root, who may read all

        def refusing(file):
            if file == path:
                raise PermissionError(13, "Permission denied", str(file))
            return calculate(file)

        monkeypatch.setattr(data, "calculate_md5", refusing)
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError, match="the real FashionMNIST cannot be had") as refused:
        fashion_mnist()
    assert (f"{path}: the MD5 sum is wrong, or it cannot be read" in str(refused.value)) == (
        fault != "a folder"
    )


# ------------------------------------------------------------------------------ disk and neighbours


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"(?s)file.*name another folder in COURSE_DATA_DIR"):
        fashion_mnist(tmp_path / "file" / "data")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="Windows has other rights")
def test_a_read_only_folder():
    with tempfile.TemporaryDirectory() as name:  # unlike tmp_path, in a folder that others may enter
        os.chmod(name, 0o755)
        folder = Path(name) / "data"
        folder.mkdir(mode=0o555)
        root = os.geteuid() == 0  # who may write anywhere
        try:
            if root:
                os.seteuid(65534)
            with pytest.raises(DataError, match=r"(?s)data.*Permission denied.*COURSE_DATA_DIR"):
                fashion_mnist(folder)
        finally:
            if root:
                os.seteuid(0)


@no_limit
def test_a_full_disk(tmp_path):
    with files_of_at_most(5000), pytest.raises(DataError, match=r"(?s)data.*free some space"):
        fashion_mnist()
    assert files_in(tmp_path / "data") in ([], [LOCK])
    assert fashion_mnist().kind == "drawn"


def test_complete_data_need_no_right_to_write(monkeypatch):
    root = fashion_mnist().root
    monkeypatch.setattr(data, "locked", None)
    assert fashion_mnist().root == root


START = """
import sys, time
from learn_pytorch import data
from pathlib import Path
data.FASHION_COUNTS = {"train": 30, "t10k": 20}
make = data._draw_fashion
def slowly(folder):
    Path(sys.argv[1]).open("a").write("drawn ")
    time.sleep(1)
    make(folder)
data._draw_fashion = slowly
print(data.fashion_mnist().kind)
"""


def test_two_notebooks_that_start_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", "drawn")
    log = tmp_path / "log"
    command = [sys.executable, "-c", START, str(log)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and out == DRAWN + "drawn\n"
    assert log.read_text() == "drawn ", "the second one waits and finds the work done"


# ------------------------------------------------------------------------------ in a notebook


SLOWLY = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from learn_pytorch import data, drawn_fashion
data.FASHION_COUNTS = {{"train": 30, "t10k": 20}}
draw = drawn_fashion.draw
def slowly(count, seed, progress):
    for _ in range(5):
        time.sleep(0.3)
        progress(count // 5)
    return draw(count, seed)
drawn_fashion.draw = slowly
data.fashion_mnist();
"""


@pytest.mark.parametrize("somebody_watches", [False, True])
def test_a_notebook_stores_one_line(monkeypatch, somebody_watches):
    """Whoever watches sees a bar meanwhile; in the end nothing of it is left."""
    monkeypatch.setenv("COURSE_DATA", "drawn")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOWLY)])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", coalesce_streams=True)
    seen = []
    process = client.process_message
    monkeypatch.setattr(client, "process_message", lambda m, c, i: (seen.append(m), process(m, c, i))[1])
    with client.setup_kernel(stderr=subprocess.DEVNULL):
        client.kc.allow_stdin = somebody_watches
        client.execute_cell(notebook.cells[0], 0)
    bars = [m for m in seen if "drawing FashionMNIST" in m["content"].get("text", "")]
    assert bool(bars) == somebody_watches
    (output,) = notebook.cells[0].outputs
    assert (output["name"], as_shown(output["text"])) == ("stdout", DRAWN)


def as_shown(text):
    """What a notebook shows of a text: a backspace takes back, a carriage return writes over."""
    shown = []
    for line in text.split("\n"):
        row, column = [], 0
        for character in line:
            if character in "\b\r":
                column = max(column - 1, 0) if character == "\b" else 0
                row = row[:column] if character == "\b" else row
            else:
                row[column : column + 1] = character
                column += 1
        shown.append("".join(row).rstrip(" "))
    return "\n".join(shown)


def test_both_sets_from_a_terminal(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("COURSE_DATA", "drawn")
    data.main()
    said = capsys.readouterr().out
    root = tmp_path / "data"
    assert said == f"{DRAWN}in {root / 'drawn'}\n{DRAWN_FOOD}in {root / 'pizza_steak_sushi' / 'drawn'}\n"


def test_the_command_line(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", "nonsense")
    done = subprocess.run(
        [sys.executable, "-m", "learn_pytorch.data"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.startswith("learn_pytorch.data: COURSE_DATA must be one of")
