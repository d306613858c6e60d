"""Downloads, archives and folders: whole or not there, whatever the network and the disk do."""

import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import time
import zipfile

import pytest
from bad_server import serving

from learn_pytorch import fetch
from learn_pytorch.fetch import DataError


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch, "SILENCE", 0.5)
    with serving({"file": b"a hundred bytes" * 7}) as server:
        yield server


links = pytest.mark.skipif(os.name == "nt", reason="Windows makes links only for administrators")


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# ------------------------------------------------------------------------------ the network


FAULTS = {
    "hangs": "no answer for 0.5 s",
    "drips": "not finished after 1 s",
    "drips its headers": "not finished after 1 s",
    "drips a chunk's size": "not finished after 1 s",
    "cuts off": r"cut off after \d+ of \d+ bytes",
    "wrong bytes": "the MD5 sum is wrong",
    "404": "the server answers 404 Not Found",
}


@pytest.mark.parametrize("manner", FAULTS)
def test_a_bad_server(server, monkeypatch, tmp_path, manner):
    """One fault, one sentence, in time; and nothing that looks finished is left."""
    monkeypatch.setattr(fetch, "DOWNLOAD_LIMIT", 1)
    path = tmp_path / "file"

    good = hashlib.md5(server.files["file"]).hexdigest()

    def check(file):
        fetch.check_md5(file, good)

    server.manner = manner
    start = time.monotonic()
    with pytest.raises(DataError, match=f"no download of file\n  {server.url}file: {FAULTS[manner]}"):
        fetch.download([f"{server.url}file"], path, check)
    assert time.monotonic() - start < 3
    assert files_in(tmp_path) == []
    server.manner = ""
    fetch.download([f"{server.url}file"], path, check)
    assert path.read_bytes() == server.files["file"], "the next attempt starts afresh"


def test_no_server_at_all(tmp_path):
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/x: .*refused"):
        fetch.download(["http://127.0.0.1:9/x"], tmp_path / "x", lambda path: None)
    with pytest.raises(DataError, match=r"no host given|unknown url type"):
        fetch.download(["http:///x"], tmp_path / "x", lambda path: None)
    with pytest.raises(DataError, match=r"no download of x \(no address to fetch it from\)"):
        fetch.download([], tmp_path / "x", lambda path: None)


def test_the_second_address_is_tried(server, tmp_path):
    path = tmp_path / "x"
    fetch.download([f"{server.url}bad", f"{server.url}file"], path, lambda path: None)
    assert files_in(tmp_path) == ["x"] and path.read_bytes() == server.files["file"]
    assert server.requests == ["/bad", "/file"]


def test_a_download_without_end_is_cut(server, monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "MAX_BYTES", 50)
    with pytest.raises(DataError, match="longer than 50 bytes"):
        fetch.download([f"{server.url}file"], tmp_path / "long", lambda path: None)
    assert files_in(tmp_path) == []


def test_a_download_shows_a_bar(server, monkeypatch, tmp_path):
    seen = []

    class Bar:
        def __init__(self, **what):
            seen.append(what)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            seen.append("closed")

        def update(self, n):
            seen.append(n)

    monkeypatch.setattr(fetch, "progress_bar", Bar)
    fetch.download([f"{server.url}file"], tmp_path / "x", lambda path: None)
    size = len(server.files["file"])
    assert seen[0] == {"what": "x", "total": size, "unit": "B"} and seen[-1] == "closed"
    assert sum(seen[1:-1]) == size


# ------------------------------------------------------------------------------ sums and archives


def test_sums(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"what is up, doc?")
    assert fetch.calculate_blob(file) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37", "as git calls it"
    assert fetch.calculate_md5(file) == "85d3b22486a86f117c680ae455c3f73f"
    fetch.check_md5(file, "85d3b22486a86f117c680ae455c3f73f")
    fetch.check_blob(file, "bd9dbf5aae1a3862dd1526723246b20206e5fc37")
    for check in (fetch.check_md5, fetch.check_blob):
        with pytest.raises(DataError, match="is wrong, the file is damaged or another one"):
            check(file, "0" * 32)


@pytest.mark.parametrize("damage", ["cut off", "bits", "another thing", "empty"])
def test_damaged_archives(tmp_path, damage):
    """Behind a sum nobody should see one; if so, the file is named."""
    zipped, gzipped = tmp_path / "a.zip", tmp_path / "a.gz"
    text = repr(list(range(1000))).encode()
    gzipped.write_bytes(gzip.compress(text))
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", text)
    for path in (zipped, gzipped):
        good = path.read_bytes()
        bits = good[:500] + bytes(20) + good[520:]
        path.write_bytes(
            {"cut off": good[:-300], "bits": bits, "another thing": b"nothing", "empty": b""}[damage]
        )
    with pytest.raises(DataError, match=r"a.zip cannot be unpacked: "):
        fetch.unpack_zip(zipped, tmp_path / "b")
    if damage != "empty":  # which gzip takes for nothing, packed
        with pytest.raises(DataError, match=r"a.gz cannot be unpacked: "):
            fetch.unpack_gzip(gzipped, tmp_path / "c")


def test_archives(tmp_path):
    archive = tmp_path / "a"
    archive.write_bytes(gzip.compress(bytes(3_000_000)))
    fetch.unpack_gzip(archive, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == bytes(3_000_000)
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("train/pizza/1.jpg", b"12345")
    fetch.unpack_zip(archive, tmp_path / "c")
    assert files_in(tmp_path / "c") == ["train/pizza/1.jpg"]


# ------------------------------------------------------------------------------ folders


def filling(**files):
    """Writes these files, and says so."""

    def fill(folder):
        for name, text in files.items():
            path = folder / name.replace("_", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return fill


def test_a_folder_is_complete_or_not(tmp_path):
    folder = tmp_path / "set"
    assert not fetch.is_complete(folder, "one")
    fetch.make_folder(folder, "one", filling(a="1", b_c="2"))
    assert fetch.is_complete(folder, "one") and not fetch.is_complete(folder, "two")
    assert files_in(folder) == ["a", "b/c", "complete.json"] and files_in(tmp_path / "set") == files_in(
        folder
    )
    assert list(fetch.made(folder)) == ["a", "b/c"]
    (folder / "b" / "c").write_text("3")
    assert not fetch.is_complete(folder, "one")


def test_the_old_folder_stays_until_the_new_one_is_ready(tmp_path):
    folder = tmp_path / "set"
    fetch.make_folder(folder, "old", filling(a="1", b="2"))

    def fill(partial):
        assert fetch.is_complete(folder, "old"), "whoever reads it meanwhile is not disturbed"
        (partial / "a").write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fetch.make_folder(folder, "new", fill)
    assert fetch.is_complete(folder, "old") and os.listdir(tmp_path) == ["set"]


def test_a_new_set_replaces_the_old_one_and_nothing_else(tmp_path):
    folder = tmp_path / "set"
    fetch.make_folder(folder, "old", filling(a="1", deep_b="2", deep_deeper_c="3"))
    (folder / "deep" / "notes.txt").write_text("mine")
    fetch.make_folder(folder, "new", filling(a="4", d="5"))
    assert fetch.is_complete(folder, "new")
    assert files_in(folder) == ["a", "complete.json", "d", "deep/notes.txt"]
    assert not (folder / "deep" / "deeper").exists() and (folder / "deep" / "notes.txt").read_text() == "mine"


# HERE stands for the test's own folder: should the check fail one day, nothing else is deleted.
OUTSIDE = '{"kind": "old", "md5": {"../../mine": "MD5", "HERE/yours": "MD5", "link/mine": "MD5"}}'


@links
@pytest.mark.parametrize(
    "mark", [None, "[]", "{", '{"md5": 3}', '{"kind": "old", "md5": ["a"]}', OUTSIDE, "link"]
)
def test_where_the_mark_is_damaged_nothing_is_deleted(tmp_path, mark):
    """Nor where it is forged, with sums that are right."""
    folder = tmp_path / "data" / "set"
    fetch.make_folder(folder, "old", filling(a="1", b="2"))
    for name in ("mine", "yours"):
        (tmp_path / name).write_text("mine")
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    shutil.move(folder / "complete.json", tmp_path / "mark")
    if mark == "link":
        (folder / "complete.json").symlink_to(tmp_path / "mark")
    elif mark:
        md5 = fetch.calculate_md5(tmp_path / "mine")
        text = mark.replace("HERE", tmp_path.as_posix()).replace("MD5", md5)
        (folder / "complete.json").write_text(text)
    with contextlib.nullcontext() if mark == OUTSIDE else pytest.raises(fetch.InTheWay):
        fetch.make_folder(folder, "new", filling(c="3"))
    assert all((tmp_path / name).read_text() == "mine" for name in ("mine", "yours"))
    assert (folder / "a").read_text() == "1" and (folder / "b").read_text() == "2"
    assert not (tmp_path / "data" / "set.partial").exists()


def test_a_mark_that_lists_nothing_is_no_complete_folder(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "complete.json").write_text('{"kind": "one", "md5": {}}')
    assert not fetch.is_complete(tmp_path / "set", "one")
    fetch.make_folder(tmp_path / "set", "one", filling(a="1"))
    assert fetch.is_complete(tmp_path / "set", "one")


# What somebody did to a made folder, and what the message is to name.
CHANGED = {
    "replaced a file that goes": (lambda f, away: (f / "gone").write_text("mine"), "gone"),
    "replaced a file": (lambda f, away: (f / "deep" / "b").write_text("mine"), "deep/b"),
    "a folder instead of a file": (lambda f, away: ((f / "a").unlink(), (f / "a").mkdir()), "a"),
    "a file instead of a folder": (
        lambda f, away: (shutil.move(f / "deep", away), (f / "deep").touch()),
        "deep",
    ),
    "a file by the name of a new one": (lambda f, away: (f / "c").write_text("mine"), "c"),
    "a link instead of a file": (
        lambda f, away: (shutil.move(f / "a", away), (f / "a").symlink_to(away)),
        "a",
    ),
    "moved a folder and linked it": (
        lambda f, away: (shutil.move(f / "deep", away), (f / "deep").symlink_to(away)),
        "deep",
    ),
}


@links
@pytest.mark.parametrize("case", CHANGED)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_was_changed_since_is_named_and_left_alone(tmp_path, case, when):
    folder, away = tmp_path / "set", tmp_path / "away"
    fetch.make_folder(folder, "old", filling(a="1", deep_b="2", gone="3"))
    change, name = CHANGED[case]

    def fill(partial):
        filling(a="1", deep_b="2", c="3")(partial)
        if when == "meanwhile":
            change(folder, away)
            before.clear()
            before.update(everything(tmp_path))

    def everything(place):
        found = [p for p in place.rglob("*") if not p.is_relative_to(tmp_path / "set.partial")]
        return {p: p.is_symlink() or p.is_dir() or p.read_text() for p in found}

    if when == "before":
        change(folder, away)
    before = everything(tmp_path)
    with pytest.raises(fetch.InTheWay, match=f"^{re.escape(str(folder / name))} is not as"):
        fetch.make_folder(folder, "new", fill)
    assert everything(tmp_path) == before


def test_what_was_changed_is_named_before_anything_is_fetched(tmp_path):
    fetch.make_folder(tmp_path / "set", "old", filling(a="1"))
    (tmp_path / "set" / "a").write_text("mine")
    with pytest.raises(fetch.InTheWay):
        fetch.make_folder(tmp_path / "set", "new", lambda folder: pytest.fail("a download for nothing"))


def test_what_a_killed_process_left_is_cleaned_up(tmp_path):
    """And what somebody put beside it is not."""
    partial = tmp_path / "set.partial"

    def killed(folder):
        filling(deep_a="half")(folder)
        shutil.copytree(partial, tmp_path / "as it was")

    fetch.make_folder(tmp_path / "set", "old", killed)
    shutil.move(tmp_path / "as it was", partial)
    fetch.make_folder(tmp_path / "set", "new", filling(a="1"))
    assert files_in(tmp_path) == ["set/a", "set/complete.json"]
    partial.mkdir()  # killed between its first two steps, or its last two
    fetch.make_folder(tmp_path / "set", "newer", filling(a="1"))

    def joined(folder):
        (partial / "thesis.txt").write_text("mine")
        filling(a="2")(folder)

    fetch.make_folder(tmp_path / "set", "newest", joined)
    with pytest.raises(fetch.InTheWay, match=r"set\.partial is not as"):
        fetch.make_folder(tmp_path / "set", "last", filling(a="3"))
    assert (partial / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("after", range(9))
def test_killed_while_the_old_set_is_replaced(monkeypatch, tmp_path, after):
    """At any moment: never taken for complete, mended next time, and the user's file is there."""
    folder = tmp_path / "set"
    fetch.make_folder(folder, "old", filling(a="1", b="2"))
    (folder / "notes.txt").write_text("mine")
    steps = iter(range(100))

    def dying(function):
        def call(*args, **kwargs):
            if next(steps) >= after:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as m:
        m.setattr(fetch.os, "replace", dying(os.replace))
        m.setattr(fetch.Path, "unlink", dying(fetch.Path.unlink))
        with contextlib.suppress(KeyboardInterrupt):
            fetch.make_folder(folder, "new", filling(a="3", c="4"))
    # Three marks, two files that go, two that come; then it cleans up.
    assert fetch.is_complete(folder, "new") == (after >= 7)
    assert fetch.is_complete(folder, "old") == (after == 0)
    fetch.make_folder(folder, "new", filling(a="3", c="4"))
    assert fetch.is_complete(folder, "new")
    assert files_in(folder) == ["a", "c", "complete.json", "notes.txt"]


def test_waiting_for_another_notebook_has_an_end(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "LOCK_LIMIT", 0.2)
    with (
        fetch.locked(tmp_path),
        pytest.raises(DataError, match="another notebook has been preparing data"),
        fetch.locked(tmp_path),
    ):
        pass


def test_the_mark_is_readable(tmp_path):
    fetch.make_folder(tmp_path / "set", "a kind", filling(a="1"))
    done = json.loads((tmp_path / "set" / "complete.json").read_text())
    assert done == {"kind": "a kind", "md5": {"a": "c4ca4238a0b923820dcc509a6f75849b"}}
