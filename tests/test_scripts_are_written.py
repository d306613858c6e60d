"""The scripts of 05 are what the notebook's cells write, byte for byte; nothing more, nothing less."""

import re
from pathlib import Path

import nbformat
import pytest

from stored import ROOT, code_cells, read

NOTEBOOK = ROOT / "notebooks" / "05_going_modular.ipynb"
SCRIPTS = ROOT / "notebooks" / "going_modular"
MAGIC = re.compile(r"%%writefile (-a )?(going_modular/\w+\.py)")
NAMES = ["data_setup", "engine", "utils", "model_builder", "training_run", "tracking", "train", "predict"]


def written_files(notebook=None) -> dict[str, str]:
    """What the cells of 05 write: ``{"going_modular/train.py": text, ...}``, as ``%%writefile`` joins it."""
    files = {}
    for cell in code_cells(notebook or read(NOTEBOOK)):
        first, _, body = cell.source.partition("\n")
        if not first.startswith("%%writefile"):
            continue
        appended, name = MAGIC.fullmatch(first).groups()
        assert bool(appended) == (name in files), f"{name}: its first part is written, the others appended"
        files[name] = files.get(name, "") + body + "\n"
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
    written, committed = written_files(), committed_files()
    assert [Path(name).stem for name in written] == NAMES
    assert committed.keys() == written.keys(), "a file without its cells, or cells without their file"
    for name, text in written.items():
        assert committed[name] == text, f"{name} is not what the notebook writes: make refresh"


def test_parts_are_joined_as_the_magic_does():
    """The first part begins a file, the next ones append; each ends with one line end."""
    parts = ["%%writefile going_modular/a.py\nA = 1", "A", "%%writefile -a going_modular/a.py\n\n\nB = 2"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(part) for part in parts])
    assert written_files(notebook) == {"going_modular/a.py": "A = 1\n\n\nB = 2\n"}
    with pytest.raises(AssertionError, match="its first part"):
        notebook.cells.pop(0)
        written_files(notebook)


def test_no_script_is_long():
    """Each fits into a few screens; what grows beyond that is split by what it is for."""
    lengths = {name: len(text.splitlines()) for name, text in written_files().items()}
    assert {name: lines for name, lines in lengths.items() if lines > 180} == {}
