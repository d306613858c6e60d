"""The package behind the notebooks: who imports whom, how long a module is, what an import costs."""

import ast
import subprocess
import sys

import pytest

from stored import ROOT

PACKAGE = ROOT / "learn_pytorch"
FILES = sorted(PACKAGE.rglob("*.py"))
# From what knows nothing of the course to what knows most of it: nothing imports what stands later.
LAYERS = (
    "progress_bar",
    "writing",
    "diagrams",
    "fetch",
    "pretrained",
    "drawn_fashion",
    "drawn_digits",
    "drawn_curves",
    "drawn_food.outlines",
    "drawn_food.surfaces",
    "drawn_food.canvas",
    "drawn_food.table",
    "drawn_food.camera",
    "drawn_food.pizza",
    "drawn_food.steak",
    "drawn_food.sushi",
    "drawn_food",
    "data",
    "passed",
    "answers",
    "exercises",
    "spies",
    "planted",
    "report",
    "checks",
)


def name(path):
    """``learn_pytorch/drawn_food/table.py`` is drawn_food.table."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(module):
    module = "checks" if module.startswith("checks") else module
    assert module in LAYERS, f"{module} is new: give it its place in LAYERS"
    return LAYERS.index(module)


def imported(path):
    """The course's own modules that a file imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are written in full"
            inside = [f"{node.module}.{a.name}" for a in node.names]
            names = [n for n in inside if n in OWN] or [node.module]
        assert not any(n.split(".")[0] == "helper_functions" for n in names), (
            f"{path.name}: helpers stand above"
        )
        found |= {n.removeprefix("learn_pytorch.") for n in names if n in OWN and n != "learn_pytorch"}
    return found


OWN = {f"learn_pytorch.{name(path)}".rstrip(".") for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_run_one_way(path):
    module = name(path)
    allowed = layer(module) if module else 0  # the package itself imports nothing
    above = [other for other in imported(path) if layer(other) >= allowed]
    assert not above, f"{module or 'learn_pytorch'} imports {above}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_module_is_too_long_to_read(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450


HEAVY = ("torchvision", "matplotlib", "pandas", "sklearn", "PIL", "IPython")


@pytest.mark.parametrize(("module", "also"), [("data", ("torch", "numpy")), ("exercises", ())])
def test_an_import_is_quick(module, also):
    """A notebook that begins with it does not wait for what it may not need."""
    code = f"import sys, learn_pytorch.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {*HEAVY, *also}
