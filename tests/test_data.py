"""The data: real or drawn, whatever the network, the disk and other notebooks do meanwhile."""

import collections
import gzip
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from torchvision.datasets import FashionMNIST, ImageFolder

from learn_pytorch import data as course_data
from learn_pytorch import drawn_fashion, drawn_food
from learn_pytorch.data import DataError, fashion_mnist, pizza_steak_sushi

ROOT = Path(course_data.__file__).parent.parent
REAL = "FashionMNIST: real, 30 training and 20 test images\n"
DRAWN = (
    "FashionMNIST: drawn by this course, 30 training and 20 test images "
    "(COURSE_DATA=real fetches the real ones)\n"
)
FOOD = "Pizza, steak, sushi: real, 7 training and 4 test images\n"
DRAWN_FOOD = (
    "Pizza, steak, sushi: drawn by this course, 7 training and 4 test images "
    "(COURSE_DATA=real fetches the real ones)\n"
)
FOOD_COUNTS = course_data.FOOD_COUNTS
DATA_DIR = os.environ.get("COURSE_DATA_DIR") or ROOT / "data"


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """A small data set, no address to fetch it from, and nothing in the environment."""
    for name in ("COURSE_DATA", "COURSE_MIRROR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(course_data, "COUNTS", {"train": 30, "t10k": 20})
    monkeypatch.setattr(FashionMNIST, "mirrors", [])
    few = {"train": {"pizza": 3, "steak": 2, "sushi": 2}, "test": {"pizza": 1, "steak": 1, "sushi": 2}}
    monkeypatch.setattr(course_data, "FOOD_COUNTS", few)
    monkeypatch.setattr(course_data, "FOOD_ADDRESSES", ())


@pytest.fixture
def archives(monkeypatch, tmp_path):
    """A folder with a tiny "real" set, whose MD5 sums torchvision is made to know."""
    folder = tmp_path / "usb stick"
    folder.mkdir()
    resources = []
    for split, count in course_data.COUNTS.items():
        images, labels = np.full((count, 28, 28), 7, np.uint8), np.arange(count, dtype=np.uint8) % 10
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            path = folder / f"{split}-{name}-ubyte"
            course_data.write_idx(path, array)
            packed = folder / f"{path.name}.gz"
            packed.write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
            resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    monkeypatch.setattr(FashionMNIST, "resources", resources)
    return folder


class Server(http.server.ThreadingHTTPServer):
    """Answers with ``files[path]``, and misbehaves as ``manner`` says."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.manner, self.requests, self.stop = files, "", [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the test."""


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        """Nothing on the screen."""

    def do_GET(self):
        manner, data = self.server.manner, self.server.files.get(self.path.lstrip("/"))
        self.server.requests.append(self.path)
        if manner == "hangs":
            self.server.stop.wait(20)
            return
        if data is None or manner == "404":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if manner == "drips":
            for byte in data:
                if self.server.stop.wait(0.2):
                    return
                self.wfile.write(bytes([byte]))
        elif manner == "cuts off":
            self.wfile.write(data[: len(data) // 2])
        elif manner == "wrong bytes":
            self.wfile.write(bytes(len(data)))
        else:
            self.wfile.write(data)


@pytest.fixture
def server(archives, monkeypatch):
    server = Server({path.name: path.read_bytes() for path in archives.iterdir()})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setattr(FashionMNIST, "mirrors", [server.url])
    monkeypatch.setattr(course_data, "SILENCE", 0.5)
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def pixels(source):
    return {int(FashionMNIST(source.root, train=train, download=False).data.max()) for train in (True, False)}


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
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setenv("COURSE_MIRROR", server.url.rstrip("/"))
    monkeypatch.setenv("COURSE_DATA", "offline")
    assert fashion_mnist().kind == "drawn"
    assert not server.requests, "offline opens no connection"
    monkeypatch.setenv("COURSE_DATA", "real")
    assert fashion_mnist().kind == "real"
    assert len(server.requests) == 4
    fashion_mnist()
    assert len(server.requests) == 4, "what is on disk is not fetched again"


def test_torchvisions_own_address(server):
    source = fashion_mnist()
    assert source.kind == "real"
    assert len(files_in(source.root)) == 5, "the archives themselves are not kept"


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


def test_an_older_drawing_is_drawn_again(monkeypatch):
    root = fashion_mnist().root
    before = (root / "complete.json").read_text()
    monkeypatch.setattr(drawn_fashion, "VERSION", 0)
    assert fashion_mnist().root == root and (root / "complete.json").read_text() != before


def test_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "Real")
    with pytest.raises(ValueError, match="COURSE_DATA must be one of auto, real, drawn, offline, got 'Real'"):
        fashion_mnist()


@pytest.mark.parametrize("damage", ["truncated", "foreign", "missing", "unmarked"])
@pytest.mark.parametrize("kind", ["real", "drawn"])
def test_damaged_files_are_replaced(archives, monkeypatch, kind, damage):
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    monkeypatch.setenv("COURSE_DATA", kind)
    root = fashion_mnist().root
    path = root / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    good = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(good[:-1])
    elif damage == "foreign":
        path.write_bytes(good[:16] + bytes(len(good) - 16))
    elif damage == "missing":
        path.unlink()
    else:
        (root / "complete.json").write_text("[]")
    assert fashion_mnist().root == root
    assert path.read_bytes() == good


def test_archives_of_something_else_are_refused(archives, monkeypatch):
    """Even with the right sums, what is inside is looked at."""
    path = archives / "train-labels-idx1-ubyte"
    course_data.write_idx(path, np.full(30, 10, np.uint8))
    packed = archives / f"{path.name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    sums = [(n, course_data.calculate_md5(archives / n)) for n, _ in FashionMNIST.resources]
    monkeypatch.setattr(FashionMNIST, "resources", sums)
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte is no IDX file of shape \(30,\)"):
        fashion_mnist()


def test_damaged_archives_in_a_mirror(archives, monkeypatch, tmp_path):
    path = archives / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    monkeypatch.setenv("COURSE_MIRROR", str(archives))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError) as refused:
        fashion_mnist()
    assert f"{path}: the MD5 sum is wrong, copy the file again" in str(refused.value)
    assert files_in(tmp_path / "data") in ([], [".lock"])
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
    with pytest.raises(DataError, match=r"cannot be had: no download of train-images(.|\n)*not here"):
        fashion_mnist()


# ------------------------------------------------------------------------------ the network


FAULTS = {
    "hangs": "no answer for 0.5 s",
    "drips": "not finished after 1 s",
    "cuts off": r"cut off after [\d,]+ of [\d,]+ bytes",
    "wrong bytes": "the MD5 sum is wrong",
    "404": "the server answers 404 Not Found",
}


@pytest.mark.parametrize("manner", FAULTS)
def test_a_bad_server(server, monkeypatch, tmp_path, manner):
    server.manner = manner
    monkeypatch.setattr(course_data, "DOWNLOAD_LIMIT", 1)
    monkeypatch.setenv("COURSE_DATA", "real")
    start = time.monotonic()
    with pytest.raises(DataError, match=f"{server.url}train-images-idx3-ubyte.gz: {FAULTS[manner]}"):
        fashion_mnist()
    assert time.monotonic() - start < 5
    assert files_in(tmp_path / "data") in ([], [".lock"]), "nothing that looks finished is left"
    monkeypatch.setenv("COURSE_DATA", "auto")
    assert fashion_mnist().kind == "drawn"
    server.manner = ""
    monkeypatch.setenv("COURSE_DATA", "real")
    assert fashion_mnist().kind == "real", "the next attempt starts afresh"


def test_no_server_at_all(tmp_path):
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/x: .*refused"):
        course_data.download(["http://127.0.0.1:9/x"], tmp_path / "x", lambda path: None)
    with pytest.raises(DataError, match=r"no host given|unknown url type"):
        course_data.download(["http:///x"], tmp_path / "x", lambda path: None)


def test_the_second_address_is_tried(server, tmp_path):
    server.files["good"] = b"bytes"
    path = tmp_path / "file"
    course_data.download([f"{server.url}bad", f"{server.url}good"], path, lambda path: None)
    assert files_in(tmp_path / "file") == [] and path.read_bytes() == b"bytes"


def test_a_download_without_end_is_cut(server, monkeypatch, tmp_path):
    monkeypatch.setattr(course_data, "MAX_BYTES", 50)
    server.files["long"] = bytes(100)
    with pytest.raises(DataError, match="longer than 50 bytes"):
        course_data.download([f"{server.url}long"], tmp_path / "long", lambda path: None)
    assert not list(tmp_path.glob("long*"))


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil", "link"])
def test_a_zip_archive_cannot_write_outside_its_folder(server, tmp_path, name):
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as zipped:
        zipped.writestr("fine.txt", "fine")
        member = zipfile.ZipInfo(name)
        if name == "link":
            member.create_system, member.external_attr = 3, 0o120777 << 16
        zipped.writestr(member, "/etc")
    server.files["images.zip"] = bad.read_bytes()
    archive, folder = tmp_path / "images.zip", tmp_path / "deep" / "images"
    course_data.download([f"{server.url}images.zip"], archive, lambda path: None)
    with pytest.raises(DataError, match=r"images\.zip is refused: .* leads out of its folder"):
        course_data.unpack_zip(archive, folder)
    assert not folder.exists() and not list(tmp_path.rglob("evil"))


def test_zip_archives(monkeypatch, tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("train/pizza/1.jpg", b"12345")
    course_data.unpack_zip(archive, tmp_path / "out")
    assert files_in(tmp_path / "out") == ["train/pizza/1.jpg"]
    monkeypatch.setattr(course_data, "MAX_BYTES", 4)
    with pytest.raises(DataError, match="holds more than 4 bytes"):
        course_data.unpack_zip(archive, tmp_path / "out")
    archive.write_bytes(b"PK no archive")
    with pytest.raises(DataError, match=r"a\.zip is damaged"):
        course_data.unpack_zip(archive, tmp_path / "out")


def test_gzip_archives(monkeypatch, tmp_path):
    archive = tmp_path / "a.gz"
    for damaged in (b"no archive", gzip.compress(bytes(1000))[:-4]):
        archive.write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.gz is damaged"):
            course_data.unpack_gzip(archive, tmp_path / "a")
    archive.write_bytes(gzip.compress(bytes(1000)))
    monkeypatch.setattr(course_data, "MAX_BYTES", 999)
    with pytest.raises(DataError, match="holds more than 999 bytes"):
        course_data.unpack_gzip(archive, tmp_path / "a")


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


def pack(monkeypatch, folder, files):
    """Writes the archive and makes its blob id the right one."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "pizza_steak_sushi.zip", "w") as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    data = (folder / "pizza_steak_sushi.zip").read_bytes()
    monkeypatch.setattr(
        course_data, "FOOD_BLOB", hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    )
    return data


@pytest.fixture
def photographs(monkeypatch, tmp_path):
    """A folder with a tiny "real" archive."""
    pack(monkeypatch, tmp_path / "usb stick", dict.fromkeys(FOOD_FILES, JPEG))
    return tmp_path / "usb stick"


def test_the_blob_id_is_gits(tmp_path):
    (tmp_path / "file").write_bytes(b"what is up, doc?")
    assert course_data.calculate_blob(tmp_path / "file") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_food_from_a_mirror_that_is_a_folder(photographs, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    before = files_in(photographs)
    for choice in ("auto", "real", "offline"):
        monkeypatch.setenv("COURSE_DATA", choice)
        source = pizza_steak_sushi()
        assert source.kind == "real"
        assert capsys.readouterr().out == FOOD
    assert files_in(photographs) == before, "a mirror is never written"
    assert files_in(source.root) == sorted([*FOOD_FILES, "complete.json"])
    assert ImageFolder(source.root / "train").classes == ["pizza", "steak", "sushi"]


@pytest.mark.parametrize("place", ["usb stick/data", "data", "data/pizza_steak_sushi"])
def test_food_from_other_folders_at_hand(photographs, monkeypatch, tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    shutil.move(photographs / "pizza_steak_sushi.zip", tmp_path / place)
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    assert pizza_steak_sushi().kind == "real"


def test_food_from_a_mirror_that_is_a_server(server, photographs, monkeypatch):
    server.files["data/pizza_steak_sushi.zip"] = (photographs / "pizza_steak_sushi.zip").read_bytes()
    monkeypatch.setenv("COURSE_MIRROR", server.url)
    monkeypatch.setenv("COURSE_DATA", "offline")
    assert pizza_steak_sushi().kind == "drawn"
    assert not server.requests, "offline opens no connection"
    monkeypatch.setenv("COURSE_DATA", "real")
    source = pizza_steak_sushi()
    assert source.kind == "real"
    assert files_in(source.root) == sorted([*FOOD_FILES, "complete.json"]), "the archive is not kept"
    assert server.requests == ["/pizza_steak_sushi.zip", "/data/pizza_steak_sushi.zip"]


def test_food_whose_blob_id_is_wrong_is_not_taken(server, photographs, monkeypatch, tmp_path):
    good = (photographs / "pizza_steak_sushi.zip").read_bytes()
    server.files.update(first=good[:-1] + b"!", second=good)
    monkeypatch.setattr(course_data, "FOOD_ADDRESSES", (f"{server.url}first", f"{server.url}second"))
    assert pizza_steak_sushi().kind == "real"
    assert server.requests == ["/first", "/second"]
    monkeypatch.setattr(course_data, "FOOD_ADDRESSES", (f"{server.url}first",))
    (photographs / "pizza_steak_sushi.zip").write_bytes(good + b"!")
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError, match="real Pizza, steak, sushi cannot be had") as refused:
        pizza_steak_sushi(tmp_path / "other")
    assert f"{server.url}first: the git blob id is wrong" in str(refused.value)
    assert f"{photographs / 'pizza_steak_sushi.zip'}: the git blob id is wrong, copy" in str(refused.value)
    assert files_in(tmp_path / "other") in ([], ["pizza_steak_sushi/.lock"])
    monkeypatch.setenv("COURSE_DATA", "auto")
    with pytest.warns(UserWarning, match="COURSE_MIRROR=.* did not help"):
        assert pizza_steak_sushi(tmp_path / "other").kind == "drawn"


def without(name):
    return {path: JPEG for path in FOOD_FILES if not path.startswith(name)}


WRONG_ARCHIVES = {
    "no folder test/pizza": without("test"),
    "no folder train/sushi": without("train/sushi"),
    "train must hold 7 images, got 6": without("train/steak/1"),
    "test must hold 4 images, got 5": {**without("-"), "test/steak/9.jpg": JPEG},
    "train/pizza/1.jpg is no JPEG file": {**without("-"), "train/pizza/1.jpg": b"<html>"},
    "test/sushi/0.jpg is no JPEG file": {**without("-"), "test/sushi/0.jpg": b""},
    "leads out of its folder": {**without("-"), "../evil.jpg": JPEG},
}


@pytest.mark.parametrize("message", WRONG_ARCHIVES)
def test_an_archive_of_something_else_is_refused(photographs, monkeypatch, tmp_path, message):
    """Even if its blob id is right."""
    pack(monkeypatch, photographs, WRONG_ARCHIVES[message])
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(DataError, match=message):
        pizza_steak_sushi()
    assert files_in(tmp_path / "data") in ([], ["pizza_steak_sushi/.lock"])


def test_an_archive_with_a_folder_around_it_and_rubbish_in_it(photographs, monkeypatch):
    files = {f"pizza_steak_sushi/{path}": JPEG for path in FOOD_FILES}
    pack(
        monkeypatch,
        photographs,
        {**files, "__MACOSX/train/._x.jpg": b"", "pizza_steak_sushi/train/.x/y": b""},
    )
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    source = pizza_steak_sushi()
    assert source.kind == "real" and files_in(source.root) == sorted([*FOOD_FILES, "complete.json"])


@pytest.mark.parametrize("damage", ["truncated", "missing", "unmarked"])
@pytest.mark.parametrize("kind", ["real", "drawn"])
def test_damaged_pictures_are_replaced(photographs, monkeypatch, kind, damage):
    monkeypatch.setenv("COURSE_MIRROR", str(photographs))
    monkeypatch.setenv("COURSE_DATA", kind)
    root = pizza_steak_sushi().root
    path = next((root / "train" / "steak").iterdir())
    good = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(good[:-1])
    elif damage == "missing":
        path.unlink()
    else:
        (root / "complete.json").write_text("{}")
    assert pizza_steak_sushi().root == root
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
    for split, classes in course_data.FOOD_COUNTS.items():
        folder = ImageFolder(source.root / split)
        assert folder.classes == ["pizza", "steak", "sushi"]
        assert [folder.targets.count(i) for i in range(3)] == list(classes.values())
    for path in source.root.rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (512, 512))
    before = (source.root / "complete.json").read_text()
    monkeypatch.setattr(drawn_food, "VERSION", 0)
    pizza_steak_sushi(tmp_path / "elsewhere")
    after = (source.root / "complete.json").read_text()
    assert before != after, "an older drawing is drawn again"
    assert before.split("md5")[1] == after.split("md5")[1], "and the same files come out"


def test_food_and_unknown_choices(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "photos")
    with pytest.raises(
        ValueError, match="COURSE_DATA must be one of auto, real, drawn, offline, got 'photos'"
    ):
        pizza_steak_sushi()


def test_food_on_a_full_disk(monkeypatch, tmp_path):
    """Pillow itself would leave such a file cut off and say nothing."""
    monkeypatch.setattr(
        drawn_food, "picture", lambda *args: Image.effect_noise((128, 128), 50).convert("RGB")
    )
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(DataError, match=r"(?s)data.*needs about 50 MB.*free some space"):
            pizza_steak_sushi()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_in(tmp_path / "data") in ([], ["pizza_steak_sushi/.lock"])


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


def test_a_full_disk(tmp_path):
    """A limit on the size of files stands in for the disk's."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(DataError, match=r"(?s)data.*free some space"):
            fashion_mnist()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_in(tmp_path / "data") in ([], [".lock"])
    assert fashion_mnist().kind == "drawn"


def test_complete_data_need_no_right_to_write(monkeypatch):
    root = fashion_mnist().root
    monkeypatch.setattr(course_data, "locked", None)
    assert fashion_mnist().root == root


START = """
import sys, time
from learn_pytorch import data as course_data
from pathlib import Path
course_data.COUNTS = {"train": 30, "t10k": 20}
make = course_data._draw
def slowly(folder):
    Path(sys.argv[1]).open("a").write("drawn ")
    time.sleep(1)
    make(folder)
course_data._draw = slowly
print(course_data.fashion_mnist().kind)
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


def test_waiting_has_an_end(monkeypatch, tmp_path):
    monkeypatch.setattr(course_data, "LOCK_LIMIT", 0.2)
    with course_data.locked(tmp_path / "data"), pytest.raises(DataError, match="another notebook has been"):
        fashion_mnist()


def test_killed_in_the_middle(monkeypatch, tmp_path):
    """What a killed process leaves is never taken for a data set, and is cleaned up."""
    left = tmp_path / "data" / "drawn.partial" / "FashionMNIST" / "raw"
    left.mkdir(parents=True)
    (left / "train-images-idx3-ubyte").write_bytes(b"half")
    fashion_mnist()
    assert not left.exists()


# ------------------------------------------------------------------------------ in a notebook


@pytest.mark.parametrize("somebody_watches", [False, True])
def test_a_notebook_stores_one_line(monkeypatch, tmp_path, somebody_watches):
    source = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from learn_pytorch import data as course_data\n"
        "course_data.COUNTS = {'train': 3000, 't10k': 1000}\n"
        "course_data.fashion_mnist();"
    )
    monkeypatch.setenv("COURSE_DATA", "drawn")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    seen = []
    process = client.process_message
    monkeypatch.setattr(client, "process_message", lambda m, c, i: (seen.append(m), process(m, c, i))[1])
    with client.setup_kernel():
        client.kc.allow_stdin = somebody_watches
        client.execute_cell(notebook.cells[0], 0)
    (output,) = notebook.cells[0].outputs
    assert output["name"] == "stdout" and output["text"].startswith("FashionMNIST: drawn")
    bars = [m for m in seen if m["content"].get("name") == "stderr"]
    assert bool(bars) == somebody_watches


def test_the_command_line(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", "nonsense")
    done = subprocess.run(
        [sys.executable, "-m", "learn_pytorch.data"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stderr.startswith("learn_pytorch.data: COURSE_DATA must be one of")


# ------------------------------------------------------------------------------ the drawings


def test_drawing_repeats_itself_and_seeds_differ():
    images, labels = drawn_fashion.draw(500, 1)
    again, same = drawn_fashion.draw(500, 1)
    assert np.array_equal(images, again) and np.array_equal(labels, same)
    assert images.dtype == labels.dtype == np.uint8 and images.shape == (500, 28, 28)
    assert np.bincount(labels).tolist() == [50] * 10
    other, _ = drawn_fashion.draw(500, 2)
    ours = {image.tobytes() for image in images}
    assert len(ours) == 500 and not ours & {image.tobytes() for image in other}
    with pytest.raises(ValueError, match="count must be a multiple of 10, at least 10, got 15"):
        drawn_fashion.draw(15)


def test_the_pictures_are_the_same_bytes_everywhere():
    """Whatever the processor and NumPy's version. Raise VERSION with this sum."""
    images, labels = drawn_fashion.draw(1000, 7)
    assert drawn_fashion.VERSION == 1
    assert hashlib.md5(images.tobytes() + labels.tobytes()).hexdigest() == "8818afa21dc2225d5d5ec1949000deac"


def test_the_drawings_are_as_hard_as_clothes():
    """Class means tell two pictures of three apart, as with the real ones (68 %), and mix up tops."""
    images, labels = drawn_fashion.draw(4000, 1)
    flat = images.reshape(len(images), -1).astype(float)
    train, test = slice(0, 3000), slice(3000, None)
    means = np.stack([flat[train][labels[train] == c].mean(0) for c in range(10)])
    preds = ((flat[test, None] - means) ** 2).sum(2).argmin(1)
    assert 0.5 < (preds == labels[test]).mean() < 0.75
    wrong = labels[test][preds != labels[test]]
    assert np.isin(wrong, [0, 2, 4, 6]).mean() > 0.5, "T-shirt, pullover, coat, shirt"
    assert 0.22 < images.mean() / 255 < 0.34 and 0.3 < images.std() / 255 < 0.4


@pytest.mark.parametrize("name", ["pizza", "steak", "sushi"])
def test_a_scene_repeats_itself_and_seeds_differ(name):
    first, again, other = (np.asarray(drawn_food.picture(name, (7, i))) for i in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10
    assert first.shape == (512, 512, 3) and first.std() > 10


def test_a_change_of_the_scenes_is_noticed():
    """Mean red, green and blue of three of them. Raise VERSION with these numbers."""
    means = [np.asarray(drawn_food.picture(name, (2, 0, 0))).mean((0, 1)) for name in drawn_food.FOODS]
    assert drawn_food.VERSION == 1
    stored = [[147.1, 117.8, 77.4], [145.7, 128.1, 117.4], [174.3, 139.3, 100.1]]
    assert np.allclose(means, stored, rtol=0, atol=0.2)


def test_there_is_no_other_food():
    with pytest.raises(ValueError, match="name must be one of pizza, steak, sushi, got 'burger'"):
        drawn_food.picture("burger", (0,))


def test_no_food_is_told_by_its_colour_alone(monkeypatch):
    """The set that the notebooks use where there are no photographs: 300 scenes, all different."""
    monkeypatch.setattr(course_data, "FOOD_COUNTS", FOOD_COUNTS)
    monkeypatch.setenv("COURSE_DATA", "drawn")
    root = pizza_steak_sushi(DATA_DIR).root
    paths = sorted(root.rglob("*.jpg"))
    count = collections.Counter((path.parts[-3], path.parts[-2]) for path in paths)
    assert count == {(s, name): n for s, classes in FOOD_COUNTS.items() for name, n in classes.items()}
    assert sum(sum(classes.values()) for classes in FOOD_COUNTS.values()) == 300
    assert len({course_data.calculate_md5(path) for path in paths}) == 300
    colours, names = [], [path.parts[-2] for path in paths]
    for path in paths:
        with Image.open(path) as image:
            image.draft("RGB", (64, 64))  # decodes an eighth of the size, which is quick
            colours.append(np.asarray(image).mean((0, 1)))
    colours = (colours - np.mean(colours, 0)) / np.std(colours, 0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(LogisticRegression(), colours, names, cv=folds).mean() < 0.55
