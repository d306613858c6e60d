"""Reading stored notebooks, for all tests."""

import shutil

import nbformat

import refresh

ROOT = refresh.ROOT
LESSONS = refresh.notebooks()
SOLUTIONS = refresh.notebooks(solutions=True)
EVERY = LESSONS + SOLUTIONS
_PASSING = shutil.ignore_patterns(".*", "__pycache__", "*.tmp", "build", "data", "models", "runs")


def UNWANTED(folder, names):
    """For ``shutil.copytree``: what is no part of the course."""
    return _PASSING(folder, names) - {".written.json"}


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def output_text(cell):
    """All that a cell shows as text: streams, results, error messages."""
    parts = []
    for output in cell.get("outputs", []):
        parts += [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
        parts += [v for k, v in sorted(output.get("data", {}).items()) if k.startswith("text/")]
    return "\n".join(parts)
