"""The scripts of 05 are what the notebook's cells write, byte for byte; nothing more, nothing less."""

import hashlib
import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest

from learn_pytorch.writing import RECORD, changed, is_alike
from stored import ROOT, code_cells, read

NOTEBOOK = ROOT / "notebooks" / "05_going_modular.ipynb"
LATER = ROOT / "notebooks" / "06_transfer_learning.ipynb"  # adds one file, pretrained.py
SCRIPTS = ROOT / "notebooks" / "going_modular"
MAGIC = re.compile(r"%%(writefile|change) (going_modular/\w+\.py)")
NAMES = {"data_setup", "model_builder", "engine", "utils", "checkpoints", "train", "predict"}


def written_files(notebook=None) -> dict[str, str]:
    """What the cells of 05 write: ``{"going_modular/train.py": text, ...}``."""
    files = {}
    for cell in code_cells(notebook or read(NOTEBOOK)):
        first, _, body = cell.source.partition("\n")
        if not first.startswith(("%%writefile", "%%change")):
            continue
        kind, name = MAGIC.fullmatch(first).groups()
        if kind == "writefile":
            assert name not in files, f"{name} is begun twice"
            files[name] = body.rstrip("\n") + "\n"
        else:
            files[name] = changed(files[name], body)
    return files


def committed_files() -> dict[str, str]:
    """The files in the repository with their line ends as they are, less those of ruff, which are hidden."""
    found = {}
    for path in SCRIPTS.rglob("*"):
        inside = path.relative_to(SCRIPTS).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside):
            found[path.relative_to(NOTEBOOK.parent).as_posix()] = path.read_bytes().decode("utf-8")
    return found


def test_committed_scripts_are_those_of_the_notebook():
    written, more, committed = written_files(), written_files(read(LATER)), committed_files()
    assert {Path(name).stem for name in written} <= NAMES
    assert list(more) == ["going_modular/pretrained.py"]
    written |= more
    assert committed.keys() == written.keys(), "a file without its cells, or cells without their file"
    for name, text in written.items():
        assert committed[name] == text, f"{name} is not what the notebook writes: make refresh"


def test_the_record_knows_the_committed_scripts():
    """So that a fresh clone's files are not taken for a reader's own."""
    digests = {Path(n).name: hashlib.sha256(t.encode()).hexdigest() for n, t in committed_files().items()}
    assert json.loads((SCRIPTS / RECORD).read_text(encoding="utf-8")) == digests


def test_parts_are_joined_as_the_magics_do():
    """One cell begins a file, the next ones change it; it ends with one line end."""
    cells = ["%%writefile going_modular/a.py\nA = 1", "A", "%%change going_modular/a.py\n A = 1\n+B = 2"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    assert written_files(notebook) == {"going_modular/a.py": "A = 1\nB = 2\n"}
    notebook.cells.append(notebook.cells[0])
    with pytest.raises(AssertionError, match="begun twice"):
        written_files(notebook)


def test_no_change_is_taken_for_another_one_edited():
    """Where the front end does not tell which cell runs, the magic goes by the places that it names."""
    changes = [
        c.source.partition("\n") for c in code_cells(read(NOTEBOOK)) if c.source.startswith("%%change")
    ]
    alike = [a for a, b in itertools.combinations(changes, 2) if a[0] == b[0] and is_alike(a[2], b[2])]
    assert not alike


def test_the_scripts_are_short():
    """A project that one can read in an evening; what grows beyond that is split by what it is for."""
    lengths = {name: len(text.splitlines()) for name, text in written_files().items()}
    assert sum(lengths.values()) <= 700
    assert {name: lines for name, lines in lengths.items() if lines > 260} == {}
