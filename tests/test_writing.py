"""The magics that write the scripts of 05: nothing of the reader's is lost, nothing is applied twice."""

import json

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from learn_pytorch import writing

FIRST = "import sys\n\n\ndef main():\n    print(1)\n"
CHANGE = """\
@@ a greeting
 def main():
-    print(1)
+    print(2)
+    print(3)
"""


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """The magics in a folder of their own, as ``cells(first_line, body)``; ``cells.id`` is the cell's."""
    monkeypatch.chdir(tmp_path)
    shell = InteractiveShell()
    writing.load_ipython_extension(shell)

    def run(line, body):
        name, _, rest = line.partition(" ")
        shell.find_cell_magic(name)(rest, body)

    run.parent = {}
    shell.get_parent = lambda: run.parent
    return run


def in_cell(cells, name):
    cells.parent = {"metadata": {"cellId": name}}


def test_the_same_line_is_printed_on_every_run(cells, tmp_path, capsys):
    for _ in range(3):
        cells("writefile project/a.py", FIRST)
    assert capsys.readouterr().out == "project/a.py: 5 lines\n" * 3
    for _ in range(3):
        cells("change project/a.py", CHANGE)
    assert capsys.readouterr().out == "project/a.py: 2 lines in, 1 out\n" * 3
    assert (tmp_path / "project/a.py").read_bytes() == FIRST.replace(
        "print(1)", "print(2)\n    print(3)"
    ).encode()


def test_the_readers_version_is_kept_each_time(cells, tmp_path, capsys):
    for mine in ("mine\r\n", "other\n", "\xe9\xe8\n"):
        cells("writefile a.py", FIRST)
        (tmp_path / "a.py").write_bytes(mine.encode("latin-1"))
    cells("writefile a.py", FIRST)
    names = ["a_mine.py", "a_mine_2.py", "a_mine_3.py"]
    kept = [(tmp_path / name).read_bytes() for name in names]
    assert kept == [b"mine\r\n", b"other\n", b"\xe9\xe8\n"]
    said = capsys.readouterr().out
    assert all(f"your version is kept as {name}\n" in said for name in names)


def test_what_cells_wrote_or_git_with_other_line_ends_is_not_the_readers(cells, tmp_path, capsys):
    cells("writefile a.py", "old\ntext\n")
    (tmp_path / "a.py").write_bytes(b"old\r\ntext\r\n")
    cells("writefile a.py", FIRST)
    assert capsys.readouterr().out == "a.py: 2 lines\na.py: 5 lines\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".written.json", "a.py"]


@pytest.mark.parametrize("record", [None, b"", b"[1]", b'{"a.py": 3}', b"\xff"])
def test_without_a_record_every_other_file_is_the_readers(cells, tmp_path, record):
    (tmp_path / "a.py").write_text("mine")
    if record is not None:
        (tmp_path / ".written.json").write_bytes(record)
    cells("writefile a.py", FIRST)
    assert (tmp_path / "a_mine.py").read_text() == "mine"
    assert list(json.loads((tmp_path / ".written.json").read_text())) == ["a.py"]


def test_a_change_of_a_file_that_the_reader_changed_keeps_both(cells, tmp_path):
    cells("writefile a.py", FIRST)
    (tmp_path / "a.py").write_text("# mine\n" + FIRST)
    cells("change a.py", CHANGE)
    assert (tmp_path / "a.py").read_text().startswith("# mine\nimport sys")
    assert (tmp_path / "a_mine.py").read_text() == "# mine\n" + FIRST
    cells("writefile a.py", FIRST)
    assert (tmp_path / "a_mine.py").read_text() == "# mine\n" + FIRST


@pytest.mark.parametrize("told", [True, False])
def test_an_edited_change_begins_where_it_began(cells, tmp_path, capsys, told):
    """With the cell's id, as JupyterLab tells it, and without."""
    cells("writefile a.py", FIRST)
    for name, change in (("one", CHANGE), ("two", " import sys\n+import os")):
        if told:
            in_cell(cells, name)
        cells("change a.py", change)
    assert "import os" in (tmp_path / "a.py").read_text()
    if told:
        in_cell(cells, "one")
    cells("change a.py", CHANGE)  # not edited: nothing happens
    assert "import os" in (tmp_path / "a.py").read_text()
    capsys.readouterr()
    cells("change a.py", CHANGE.replace("print(3)", "print(4)"))
    assert (tmp_path / "a.py").read_text() == FIRST.replace("print(1)", "print(2)\n    print(4)")
    assert "Later changes of this file are undone" in capsys.readouterr().out
    if told:
        in_cell(cells, "two")
    cells("change a.py", " import sys\n+import os")
    assert "import os" in (tmp_path / "a.py").read_text()


def test_an_insertion_that_is_edited_is_not_inserted_twice(cells, tmp_path):
    cells("writefile a.py", FIRST)
    cells("change a.py", " import sys\n+import os")
    cells("change a.py", " import sys\n+import io")
    assert (tmp_path / "a.py").read_text() == FIRST.replace("import sys", "import sys\nimport io")


def test_an_edited_beginning_and_all_below(cells, tmp_path, capsys):
    for first in (FIRST, FIRST.replace("sys", "abc")):
        cells("writefile a.py", first)
        cells("change a.py", CHANGE)
    assert (tmp_path / "a.py").read_text() == "import abc" + FIRST[10:].replace("1)", "2)\n    print(3)")
    assert "It begins anew" in capsys.readouterr().out


def test_a_new_session_finds_a_change_applied(cells, tmp_path, monkeypatch):
    cells("writefile a.py", FIRST)
    cells("change a.py", CHANGE)
    other = InteractiveShell()
    writing.load_ipython_extension(other)
    before = (tmp_path / "a.py").read_bytes()
    other.find_cell_magic("change")("a.py", CHANGE)
    assert (tmp_path / "a.py").read_bytes() == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (" def run():\n+    pass", "is not in the file"),
        ("+    pass", "which place is meant"),
        ("def main():\n+    pass", "begins with a space, - or +"),
        (" \n+    pass", "which place is meant"),
    ],
)
def test_what_does_not_fit_changes_nothing_and_says_so(cells, tmp_path, body, said):
    cells("writefile a.py", FIRST)
    with pytest.raises(UsageError, match=said):
        cells("change a.py", body)
    assert (tmp_path / "a.py").read_text() == FIRST
    with pytest.raises(UsageError, match=r"no b\.py yet"):
        cells("change b.py", CHANGE)


def test_a_place_that_occurs_twice_is_refused(cells):
    cells("writefile a.py", "x = 1\ny = 2\nx = 1\n")
    with pytest.raises(UsageError, match="2 times"):
        cells("change a.py", "-x = 1\n+x = 3")


def test_options_are_left_to_ipython(cells, tmp_path):
    cells("writefile a.py", FIRST)
    cells("writefile -a a.py", "more\n")
    assert (tmp_path / "a.py").read_text() == FIRST + "more\n"
