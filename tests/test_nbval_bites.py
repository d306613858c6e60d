"""Proof that the regression test can fail: small notebooks, broken on purpose, are seen to go red.

One run of pytest takes them all. The cells were stored by a right run; then something is changed:
a cell, a stored output, or the copy of ``helper_functions.py`` that a cell draws with.
"""

import importlib.metadata
import os
import subprocess
import sys
from xml.etree import ElementTree

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import figures
from stored import ROOT

# What a cell does when nothing is wrong, by the name of what will be wrong.
RIGHT = {
    "seed": "import random\nrandom.seed(42)\nrandom.random()",
    "output": "print('loss 0.3367')",
    "output in a table": "display({'text/html': '<td>0.3367</td>', 'text/plain': 'a table'}, raw=True)",
    "a figure": "from PIL import Image\nfor c in ['red', 'blue']: display(Image.new('RGB', (9, 9), c))",
    "two figures swapped": "for c in ['red', 'blue']: display(Image.new('RGB', (9, 9), c))",
    "exception": "1 / 0",
    "exception, lax": "1 / 0",
    "magic": "%pwd\nNone",
    "magic, lax": "%pwd\nNone",
    "stripped": "print('anything')",
    "nothing": "print('right')",
    "number within": "print('loss 0.500, accuracy 91 %')",
    "number beyond": "print('loss 0.500, accuracy 91 %')",
    "text": "print('loss 0.500, accuracy 91 %')",
    "result within": "[0.5, 0.25]",
}
# What the same cell does instead.
WRONG = {
    "seed": RIGHT["seed"].replace("42", "43"),
    "output": "print('loss 0.3368')",
    "output in a table": RIGHT["output in a table"].replace("0.3367", "0.3368"),
    "a figure": RIGHT["a figure"].replace("blue", "green"),
    "two figures swapped": RIGHT["two figures swapped"].replace("'red', 'blue'", "'blue', 'red'"),
    "exception": "nothing = 1",
    "exception, lax": "nothing = 1",
    "magic": "%no_such_magic",
    "magic, lax": "%no_such_magic",
    "stripped": "print('something else')",
    "number within": "print('loss 0.529, accuracy 91 %')",
    "number beyond": "print('loss 0.531, accuracy 91 %')",
    "text": "print('loss 0.500, precision 91 %')",
    "result within": "[0.52, 0.24]",
}
GREEN = {"nothing", "stripped", "number within", "result within"}
# A tag that excuses a cell's output does to it what --nbval-lax does to all: nbval sets one option.
LAX = ["nbval-ignore-output"]
WITHIN = {"number within", "number beyond", "text", "result within"}

# Name -> a cell, a line of helper_functions.py that it draws with, and what stands there instead.
MUTANTS = {
    "a picture is transposed": (
        "helpers.show_image(torch.arange(48).reshape(3, 4, 4) * 5)",
        ("picture.permute(1, 2, 0)", "picture.permute(2, 1, 0)"),
    ),
    "numbers of a confusion matrix are transposed": (
        "helpers.plot_confusion_matrix(torch.tensor([[30, 11], [12, 30]]))",
        ("int(counts[i, j])", "int(counts[j, i])"),
    ),
    "shades are shares of a column": (
        "helpers.plot_confusion_matrix(torch.tensor([[9, 1], [9, 9]]))",
        ("counts.sum(dim=1, keepdim=True)", "counts.sum(dim=0, keepdim=True)"),
    ),
    "titles belong to the next picture": (
        "helpers.show_images(torch.eye(4).repeat(3, 1, 1), 'abc')",
        ("str(titles[i])", "str(titles[i - 1])"),
    ),
    "predictions are the truth": (
        "x = torch.arange(5.0)\nhelpers.plot_predictions(x, x, x + 5, x + 5, x + 5.5)",
        ('(("X_test", X_test, "preds", preds))', '(("X_test", X_test, "preds", y_test))'),
    ),
    "pale boxes are highlighted": (
        "x = torch.arange(4)\nhelpers.draw_tensor(x, highlight=x == 1, faded=x == 2)",
        ("if chosen[g, r, c]:", "if pale[g, r, c]:"),
    ),
    "no axis is logarithmic": (
        "helpers.plot_curves({'loss': [1.0, 0.1, 0.05]}, log=True)",
        ("if log:", "if False:"),
    ),
    "another step is highlighted": (
        "helpers.draw_flow(['data', 'model', 'loss'], highlight=1)",
        ("if i == highlight", "if i == 0"),
    ),
    "epochs are counted from 1": (
        "helpers.plot_curves({'loss': [1.0, 0.5, 0.25], 'accuracy': [0.5, 0.6, 0.9]})",
        ("range(len(values)) if x", "range(1, len(values) + 1) if x"),
    ),
    "the boundary is the wrong way round": (
        "X = torch.tensor([[0.0, 1.0], [2.0, 3.0], [1.0, 5.0]])\n"
        "model = torch.nn.Linear(2, 1)\n"
        "model.load_state_dict({'weight': torch.ones(1, 2), 'bias': torch.tensor([-4.0])})\n"
        "helpers.plot_decision_boundary(model, X, (X.sum(dim=1) > 4).long())",
        ("logits.flatten() > 0", "logits.flatten() < 0"),
    ),
    "the first call is timed": (
        "calls = []\nhelpers.time_call(lambda: calls.append(1), repeats=3)\nprint(len(calls))",
        ("    fn()\n    seconds = []", "    seconds = []"),
    ),
    "the shortest time is given": (
        "clock = iter([0, 1, 1, 6, 6, 8])\n"
        "helpers.time = types.SimpleNamespace(perf_counter=lambda: next(clock))\n"
        "print(helpers.time_call(lambda: None, repeats=3))",
        ("statistics.median(seconds)", "min(seconds)"),
    ),
    "channels-last gets lost": (
        "images = torch.rand(4, 3, 2, 2).contiguous(memory_format=torch.channels_last)\n"
        "X, _ = next(iter(helpers.TensorLoader(images, torch.arange(4), shuffle=True)))\n"
        "print(X.is_contiguous(memory_format=torch.channels_last))",
        ("if contiguous else images[rows]", "if True else images[rows]"),
    ),
}
LOAD = f"""
import importlib.util, sys, types
import matplotlib
import torch
sys.path.append({str(ROOT)!r})

def load(number):
    \"\"\"A copy of helper_functions.py from this notebook's folder.\"\"\"
    spec = importlib.util.spec_from_file_location("helpers", f"helpers_{{number}}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

load(0).set_up()
matplotlib.rcParams["figure.dpi"] = 60  # small figures are drawn sooner
"""
# Exact comparison of figures, whatever versions there are: the right run had the same.
EXACT = """
from pathlib import Path
import conftest
conftest.LOCK = Path(__file__).with_name("requirements.lock")
"""


def notebook(cells):
    """A notebook of (source, tags)."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [new_code_cell(source, metadata={"tags": list(tags)}) for source, tags in cells]
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def tags(name):
    """The tags of a cell in RIGHT."""
    exception = ["raises-exception"] if name.startswith("exception") else []
    return exception + (LAX if name.endswith("lax") else []) + (["within-0.03"] if name in WITHIN else [])


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Name of a cell -> what nbval says of it ("" if it is green), and the seconds that it took."""
    right, broken = tmp_path_factory.mktemp("right"), tmp_path_factory.mktemp("broken")
    helper = (ROOT / "helper_functions.py").read_text(encoding="utf-8")
    for folder in (right, broken):
        (folder / "helpers_0.py").write_text(helper, encoding="utf-8")
    cells = {name: (source, tags(name)) for name, source in RIGHT.items()}
    cells["setup"] = (LOAD, [])
    for number, (name, (source, (old, new))) in enumerate(MUTANTS.items(), start=1):
        assert helper.count(old) == 1, f"{old} is not once in helper_functions.py"
        (right / f"helpers_{number}.py").write_text(helper, encoding="utf-8")
        (broken / f"helpers_{number}.py").write_text(helper.replace(old, new), encoding="utf-8")
        cells[name] = (f"helpers = load({number})\n{source}\nNone", [])

    nb = notebook(cells.values())
    # What a right run stores, as `make refresh` would.
    nbclient.NotebookClient(nb, timeout=120, resources={"metadata": {"path": str(right)}}).execute()
    for cell, name in zip(list(nb.cells), list(cells), strict=True):
        if name in MUTANTS:  # the same outputs again, drawn with the right helpers
            source = cell.source.replace(cell.source.split("\n")[0], "helpers = load(0)")
            control = new_code_cell(source, outputs=cell.outputs, execution_count=cell.execution_count)
            nb.cells.append(control)
            cells[f"not: {name}"] = control
        elif name == "stripped":
            cell.outputs, cell.execution_count = [], None
        cell.source = WRONG.get(name, cell.source)
    dying = notebook([("import os\nos._exit(1)", [])])
    dying.cells[0].execution_count = 1
    nbformat.write(nb, broken / "broken.ipynb")
    nbformat.write(dying, broken / "dying.ipynb")

    versions = [f"{name}=={importlib.metadata.version(name)}" for name in figures.LOCKED]
    (broken / "requirements.lock").write_text("\n".join(versions), encoding="utf-8")
    (broken / "exact.py").write_text(EXACT, encoding="utf-8")
    # Outside the course, pytest finds neither its settings nor conftest.py by itself.
    paths = [ROOT, ROOT / "tools", ROOT / "tests" / "support", broken]
    options = ["--nbval", "-c", ROOT / "pyproject.toml", f"--junitxml={broken / 'report.xml'}"]
    plugins = ["conftest", "exact", "no:xdist", "no:cacheprovider"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            *(f"-p{name}" for name in plugins),
            broken / "broken.ipynb",
            broken / "dying.ipynb",
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    cases = ElementTree.parse(broken / "report.xml").iter("testcase")
    found = {
        name: ("\n".join(part.text or "" for part in case), float(case.get("time")))
        for name, case in zip([*cells, "kernel"], cases, strict=True)
    }
    return found


@pytest.mark.parametrize("name", sorted(GREEN))
def test_what_is_right_is_green(seen, name):
    """A stripped cell, too, which is why test_notebooks.py asks for every execution count."""
    assert seen[name][0] == ""


@pytest.mark.parametrize("name", sorted(RIGHT.keys() - GREEN))
def test_what_is_wrong_is_red(seen, name):
    reasons = {"exception, lax": "raised nothing", "magic, lax": "A magic in this cell failed"}
    reason = reasons.get(name, "figure: " if "figure" in name else "Cell outputs differ")
    assert reason in seen[name][0]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_in_the_helpers_is_red(seen, name):
    assert seen[f"not: {name}"][0] == "", "the right helpers"
    assert "Cell outputs differ" in seen[name][0]
    printed = MUTANTS[name][0].splitlines()[-1].startswith("print")
    assert printed or "figure: " in seen[name][0], "only the figure tells"


def test_a_dying_kernel_is_seen_at_once(seen):
    report, seconds = seen["kernel"]
    assert "the kernel died" in report
    assert seconds < 60, "a small part of the cell's time limit, on a machine that is busy"
