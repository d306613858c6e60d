"""Closes gaps of nbval 0.11.0, for the strict and the lax mode alike, and finds the data.

A kernel that dies is reported within seconds instead of after the cell's time limit; a magic
that fails, fails its cell; a cell tagged ``raises-exception`` that raises nothing, fails. Figures
are compared (nbval skips them), and the numbers of a cell with a tag such as ``within-0.03``
within that tolerance. A cell tagged ``real-data`` is run in any case and compared where the real
FashionMNIST is present, one tagged ``drawn-data`` where the drawn pictures of food are.
"""

import contextlib
import functools
import io
import os
import shutil
import tempfile
import time
from pathlib import Path
from queue import Empty

import matplotlib
import pytest
from nbval import plugin
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile

import figures
import tolerance
from learn_pytorch.data import fashion_mnist, pizza_steak_sushi

ROOT = Path(__file__).parent
LOCK = ROOT / "requirements.lock"  # the versions that stored figures come from

matplotlib.use("agg")  # tests draw without a screen, in this process only
os.environ.pop("MPLBACKEND", None)  # kernels choose the inline backend themselves
os.environ.setdefault("COURSE_DATA", "offline")  # tests and their kernels open no connection
# Several kernels share the cores: a thread that waits for another sleeps instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@functools.cache
def data_source(find):
    """The data that notebooks will find, made now if it is not there yet; and what it says of itself."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        source = find()
    return source.kind, said.getvalue().strip()


def pytest_report_header():
    lines = [data_source(find)[1] for find in (fashion_mnist, pizza_steak_sushi)]
    if reason := figures.unlocked(LOCK):
        lines.append(f"Figures are compared loosely: {reason}")
    return lines


# CPU seconds of what takes long, so that no worker is left alone with it at the end.
SECONDS = {
    "tests/test_browser.py": 90,
    "tests/test_setup_cell.py": 80,
    "notebooks/03": 65,
    "notebooks/05": 64,
    "notebooks/04": 63,
    "notebooks/06": 60,
    "tests/test_any_folder.py": 62,
    "tests/test_going_modular.py": 50,
    "tests/test_going_modular_safety.py": 50,
    "tests/test_answers.py": 60,
    "tests/test_capstones.py": 900,
    "tests/test_answers_by_chance.py": 800,
    "notebooks/02": 22,
    "tests/test_exercises.py": 21,
    "tests/test_data.py": 10,
    "tests/test_website.py": 10,
    "notebooks/00": 15,
    "notebooks/01": 12,
}


def pytest_collection_modifyitems(items):
    """Lets the longest files begin; the tests of a file stay together (--dist loadfile).

    Cells of notebooks with the tag ``slow`` are slow tests, too: nothing after them needs them.
    """
    for item in items:
        if "slow" in getattr(item, "cell", {}).get("metadata", {}).get("tags", []):
            item.add_marker("slow")

    def seconds(item):
        return next((s for start, s in SECONDS.items() if item.nodeid.startswith(start)), 1)

    items.sort(key=seconds, reverse=True)


def is_compared(tags):
    """Whether the data that a cell's stored output comes from is the data at hand."""
    if "real-data" in tags and data_source(fashion_mnist)[0] != "real":
        return False
    drawn = data_source(pizza_steak_sushi)[0] == "drawn" and not os.environ.get("COURSE_IMAGES")
    return "drawn-data" not in tags or drawn


def await_reply(self, msg_id, timeout=None):
    """Waits for the kernel's answer to one request and asks every second if the kernel lives."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            message = self.get_message(stream="shell", timeout=1)
        except Empty:
            if not self.is_alive():
                raise RuntimeError("the kernel died while it ran this cell") from None
            if deadline is not None and time.monotonic() > deadline:
                raise
            continue
        if message["parent_header"].get("msg_id") == msg_id:
            self.reply_status = message["content"]["status"]
            if self.reply_status == "aborted":
                raise RuntimeError("the kernel aborted this cell")
            return


def runtest(self):
    """Runs a cell as nbval does, then holds it to what it says of itself."""
    tags = self.cell.metadata.get("tags", [])
    if not is_compared(tags):
        self.options["check"] = False
    nbval_runtest(self)
    raised = any(output["output_type"] == "error" for output in self.test_outputs)
    if "raises-exception" in tags and not raised:
        self.raise_cell_error("The cell is tagged raises-exception and raised nothing")
    if self.parent.kernel.reply_status == "error" and not raised:
        self.raise_cell_error("A magic in this cell failed, see its output on stderr")


def compare_outputs(self, test, ref, skip_compare=None):
    """Compares as nbval does, numbers within the cell's tolerance, and figures, too."""
    allowed = tolerance.of(self.cell.metadata.get("tags", []))
    if allowed:
        test = tolerance.adopt(test, ref, allowed)
    if not nbval_compare_outputs(self, test, ref, skip_compare):
        return False
    # nbval sorts outputs by kind; what is printed above a figure is to stay above it.
    orders = [["image" in str(o.get("data", {}).keys()) for o in outputs] for outputs in (test, ref)]
    new, stored = figures.pictures(test), figures.pictures(ref)
    exact = figures.locked(LOCK) and not allowed
    problems = [f"{len(new)} figures, stored are {len(stored)}"] if len(new) != len(stored) else []
    problems += [p for a, b in zip(new, stored, strict=False) if (p := figures.difference(a, b, exact))]
    if not problems and orders[0] != orders[1]:
        problems = ["text and figures come in another order than stored"]
    self.comparison_traceback += [f"{self.colors.FAIL}figure: {p}{self.colors.ENDC}" for p in problems]
    return not problems


def setup(self):
    """Starts the kernel; a notebook that writes scripts does so in a copy of its folder without them."""
    written = [c.source.split()[1] for c in self.nb.cells if c.source.startswith("%%writefile")]
    if not written:
        nbval_setup(self)
        return
    self.scratch = tempfile.TemporaryDirectory()
    folder = Path(self.scratch.name, "notebooks")
    whole = "going_modular/train.py" in written  # 05 writes all of them, 06 adds one
    unwanted = ["*.ipynb", ".*", "__pycache__", "runs", "models", *["going_modular"] * whole]
    shutil.copytree(self.path.parent, folder, ignore=shutil.ignore_patterns(*unwanted))
    for name in written:
        (folder / name).unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # the copy lies outside the course
        patch.setattr(
            plugin, "RunningKernel", lambda *args, cwd, **kw: RunningKernel(*args, cwd=folder, **kw)
        )
        nbval_setup(self)


def teardown(self):
    nbval_teardown(self)
    if scratch := getattr(self, "scratch", None):
        scratch.cleanup()


nbval_setup, nbval_teardown = IPyNbFile.setup, IPyNbFile.teardown
IPyNbFile.setup, IPyNbFile.teardown = setup, teardown
nbval_compare_outputs = IPyNbCell.compare_outputs
IPyNbCell.compare_outputs = compare_outputs
nbval_runtest = IPyNbCell.runtest
IPyNbCell.runtest = runtest
RunningKernel.await_reply = await_reply
