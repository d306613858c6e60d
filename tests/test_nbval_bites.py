"""Proof that the regression test can fail: a lesson is copied, broken, and seen to go red."""

import re
import subprocess
import sys
import time

import nbformat
import pytest

from stored import ROOT, code_cells, output_text, read, tags

SOURCE = ROOT / "notebooks" / "01_workflow.ipynb"
RANDOM_OUTPUT = re.compile(r"0\.3367")  # what seed 42 draws first


def part(notebook, last):
    """The notebook up to the code cell ``last``, so that a broken copy is quickly run."""
    end = notebook.cells.index(last) + 1
    notebook.cells = notebook.cells[:end]
    return notebook


def nbval(notebook, folder, mode="--nbval"):
    """Runs a copy as the Makefile does; returns pytest's exit code, its report, the seconds."""
    path = folder / SOURCE.name
    nbformat.write(notebook, path)
    # Outside the course, pytest does not find conftest.py by itself.
    command = [sys.executable, "-m", "pytest", mode, "-p", "conftest", "-p", "no:cacheprovider"]
    start = time.monotonic()
    done = subprocess.run([*command, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - start


@pytest.fixture
def lesson(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the copy lies outside the course
    return read(SOURCE)


def random_cell(notebook):
    """The first cell whose output depends on a seed, which is set in it or before it."""
    return next(c for c in code_cells(notebook) if RANDOM_OUTPUT.search(output_text(c)))


def test_the_copy_itself_is_green(lesson, tmp_path):
    code, report, _ = nbval(part(lesson, random_cell(lesson)), tmp_path)
    assert code == 0, report


def test_a_changed_seed_is_seen(lesson, tmp_path):
    last = random_cell(lesson)
    seeded = [c for c in part(lesson, last).cells if "manual_seed(42)" in c.source]
    seeded[-1].source = seeded[-1].source.replace("manual_seed(42)", "manual_seed(43)")
    code, report, _ = nbval(lesson, tmp_path)
    assert code == 1 and "Cell outputs differ" in report, report


def test_a_changed_output_is_seen(lesson, tmp_path):
    last = random_cell(lesson)
    for output in last.outputs:
        for holder in (output, output.get("data", {})):
            for key in holder.keys() & {"text", "text/plain"}:
                holder[key] = holder[key].replace("0.3367", "0.3368")
    code, report, _ = nbval(part(lesson, last), tmp_path)
    assert code == 1 and "Cell outputs differ" in report, report


@pytest.mark.parametrize("mode", ["--nbval", "--nbval-lax"])
def test_a_removed_exception_is_seen(lesson, tmp_path, mode):
    last = next(c for c in code_cells(lesson) if "raises-exception" in tags(c))
    last.source = "nothing = 1"
    code, report, _ = nbval(part(lesson, last), tmp_path, mode)
    assert code == 1 and re.search("1 failed", report), report


def test_a_stripped_cell_is_not_seen_by_nbval(lesson, tmp_path):
    """... which is why test_notebooks.py asks for every execution count."""
    last = random_cell(lesson)
    last.source, last.outputs, last.execution_count = "print('anything')", [], None
    code, report, _ = nbval(part(lesson, last), tmp_path)
    assert code == 0, report


@pytest.mark.parametrize("mode", ["--nbval", "--nbval-lax"])
def test_a_failing_magic_is_seen(lesson, tmp_path, mode):
    last = code_cells(lesson)[1]
    last.source, last.outputs = "%no_such_magic", []
    code, report, _ = nbval(part(lesson, last), tmp_path, mode)
    assert code == 1 and "1 failed" in report, report


def test_a_dying_kernel_is_seen_at_once(lesson, tmp_path):
    last = code_cells(lesson)[1]
    last.source = "import os\nos._exit(1)"
    code, report, seconds = nbval(part(lesson, last), tmp_path)
    assert code == 1 and "the kernel died" in report, report
    assert seconds < 60, "half of the cell's time limit, on a machine that is busy"
