"""Seconds of each notebook, and its slowest cells: ``make timings``, ``make timings NB=03``.

The notebooks run one after the other, in a copy of the course, so that no file of it changes. Cells
are numbered from 0, text and code together. Where other programs run the numbers are larger.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import refresh

UNWANTED = shutil.ignore_patterns(".*", "__pycache__", "*.tmp", "build", "data", "models", "runs")
BETWEEN = ("iopub.status.busy", "shell.execute_reply")  # the kernel begins, the kernel answers


def measure(path: Path) -> list[tuple[float, str, int, str]]:
    """Runs a notebook: for each code cell its seconds, the notebook, its number and its first line."""
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=refresh.CELL_TIMEOUT, resources=folder, record_timing=True)
    client.execute(stderr=subprocess.DEVNULL)
    return [timed(cell, path.stem, i) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def timed(cell, name: str, number: int) -> tuple[float, str, int, str]:
    """What the kernel says of one cell that has been run."""
    times = cell.metadata.execution
    begun, ended = (datetime.fromisoformat(times[k].replace("Z", "+00:00")) for k in BETWEEN)
    return (ended - begun).total_seconds(), name, number, cell.source.splitlines()[0]


def report(cells: list[tuple[float, str, int, str]], slowest: int = 10) -> str:
    """The two tables: seconds of each notebook and of all, and the slowest cells."""
    lines = ["seconds  notebook"]
    for name in dict.fromkeys(name for _, name, _, _ in cells):
        lines.append(f"{sum(seconds for seconds, n, _, _ in cells if n == name):7.1f}  {name}")
    lines += [f"{sum(seconds for seconds, *_ in cells):7.1f}  in all", "", "seconds  cell"]
    for seconds, name, number, first in sorted(cells, reverse=True)[:slowest]:
        lines.append(f"{seconds:7.1f}  {name} [{number}] {first}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", nargs="?", default="", help="only the notebook of this number, e.g. 00")
    chosen = [p for p in refresh.notebooks() if p.name.startswith(parser.parse_args().number)]
    if not chosen:
        raise SystemExit("timings: there is no such notebook")
    os.environ.setdefault("COURSE_DATA_DIR", str(refresh.ROOT / "data"))
    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch) / "course"
        shutil.copytree(refresh.ROOT, course, ignore=UNWANTED)
        cells = [c for path in chosen for c in measure(course / path.relative_to(refresh.ROOT))]
    print(report(cells))


if __name__ == "__main__":
    main()
