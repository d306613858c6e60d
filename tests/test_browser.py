"""JupyterLab in a real browser: it starts, and each lesson can be opened, run from the menu, looked at.

Needs Chromium or Chrome, and make. Where one of them is missing the tests are skipped, or fail if
the variable ``COURSE_REQUIRE`` names it (``COURSE_REQUIRE="browser make"``).
"""

import contextlib
import http.client
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial
from types import SimpleNamespace

import browsing
import psutil
import pytest

from learn_pytorch.data import fashion_mnist
from stored import LESSONS, ROOT, UNWANTED, code_cells, read, tags

TIME_LIMIT = 900  # seconds; for one notebook on a busy machine
POLL = 0.5  # seconds between two looks at the page
SILENCE = 5  # seconds for which a running cell may show nothing new


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab as ``make lab`` starts it, on a copy of the course, because Lab saves by itself."""
    browsing.need("make", shutil.which("make"))
    folder = tmp_path_factory.mktemp("lab")
    copy = folder / "course"
    shutil.copytree(ROOT, copy, ignore=UNWANTED)
    token = secrets.token_hex(8)
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={random.randint(20_000, 30_000)}",  # if it is taken, Lab tries others
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
    ]
    environment = os.environ | {
        "COURSE_DATA_DIR": str(fashion_mnist().root.parent),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }
    # The environment is the one that the tests run in: nothing is installed again.
    command = ["make", "--old-file=env", "lab", f"VENV={sys.prefix}", f"LAB_ARGS={' '.join(options)}"]
    log = folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=copy, env=environment, stdout=out, stderr=out, process_group=0)
    try:
        explain = partial(log.read_text, errors="replace")
        wait_for(lambda: port_of(folder / "runtime"), 120, explain)
        address = f"http://127.0.0.1:{port_of(folder / 'runtime')}"
        wait_for(lambda: answers(f"{address}/api"), 120, explain)
        yield SimpleNamespace(
            page=lambda name: f"{address}/lab/tree/{name}?token={token}&reset",
            seconds=partial(processor_seconds, psutil.Process(server.pid)),
        )
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def processor_seconds(process):
    """What a process and all that it has started have used of the processors."""
    spent = 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):  # it has just ended, and its parent has its seconds
            spent += sum(one.cpu_times()[:4])  # user, system, and those of children that have ended
    return spent


def port_of(runtime):
    """The port that a server has taken, from the file in which it says so; None until it does."""
    for about in runtime.glob("jpserver-*.json"):
        try:
            return json.loads(about.read_text(encoding="utf-8"))["port"]
        except ValueError:  # not written to the end yet
            return None


def answers(address):
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def wait_for(condition, seconds, explain):
    """Polls until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, explain()
        time.sleep(POLL)


@pytest.fixture(scope="module")
def browser():
    with browsing.browser() as browser:
        yield browser


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)
    yield page
    page.close()


PANEL = "window.jupyterapp.shell.currentWidget"
STATE = f"""() => ({{
    status: {PANEL}.sessionContext.session?.kernel?.status,
    counts: {PANEL}.content.widgets.filter(c => c.model.type === 'code').map(c => c.model.executionCount),
    outputs: {PANEL}.content.widgets.filter(c => c.model.type === 'code').map(c => c.model.outputs.length),
    shown: [{PANEL}.content.widgets.find(c => c.model.type === 'code' && c.model.executionCount === null)]
        .map(c => JSON.stringify(c?.model.outputs.toJSON() ?? '')).map(t => t.length + t.slice(-2000))[0],
}})"""


@pytest.mark.slow
def test_jupyterlab_starts(lab, page):
    """It opens a notebook with a kernel and a page as a page; nothing pops up."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_notebook(lab, page, LESSONS[0])
    page.goto(lab.page("docs/errors.md"), wait_until="domcontentloaded")
    page.wait_for_selector(".jp-RenderedMarkdown h1", timeout=60_000)
    assert page.locator(".jp-RenderedMarkdown h1").inner_text().startswith("Errors")
    assert not errors
    assert not page.locator(".jp-Dialog, .jp-toastContainer .Toastify__toast").all_inner_texts()


def open_notebook(lab, page, path):
    page.goto(lab.page(path.relative_to(ROOT).as_posix()), wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    wait_for(lambda: page.evaluate(STATE)["status"] == "idle", 120, lambda: "no kernel")


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_in_jupyterlab(lab, page, path):
    """Run All Cells: no error but the deliberate ones, every figure, progress, the contents."""
    stored = read(path)
    open_notebook(lab, page, path)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert not any(page.evaluate(STATE)["outputs"]), "what is seen from here on is new"
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    indicator = page.locator(".jp-Notebook-ExecutionIndicator").first
    shown, states, clocks = set(), [], []

    def at_rest():
        """After the last cell, or after an error, at which Run All Cells stops."""
        states.append(page.evaluate(STATE))
        clocks.append((time.monotonic(), lab.seconds()))
        if states[-1]["status"] == "busy":
            shown.add(indicator.get_attribute("data-status"))
        return states[-1]["status"] == "idle" and states[-10:] == states[-1:] * 10

    wait_for(lambda: page.evaluate(STATE)["counts"][0] is not None, 120, lambda: "nothing started")
    wait_for(at_rest, TIME_LIMIT, lambda: f"still running: {states[-1]}")
    assert "busy" in shown, "the toolbar says that cells are running"
    # While the setup cell imports PyTorch nothing can be shown.
    silent = [
        cell for i in silent_cells(states, clocks) if "setup" not in tags(cell := code_cells(stored)[i])
    ]
    assert not silent, f"nothing moved for {SILENCE} seconds: {[cell.source for cell in silent]}"

    now = page.evaluate(f"() => {PANEL}.content.model.sharedModel.toJSON()")
    cells = [cell for cell in now["cells"] if cell["cell_type"] == "code"]
    for was, cell in zip(code_cells(stored), cells, strict=True):
        kinds = [o["output_type"] for o in cell["outputs"]]
        assert ("error" in kinds) == ("raises-exception" in tags(was)), was.source
        assert pictures(cell) == pictures(was), was.source
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))

    drawn = page.evaluate(SCROLL)
    assert drawn["pictures"] >= sum(pictures(cell) for cell in code_cells(stored))
    assert not drawn["broken"], "pictures without content"
    assert contents(page) == headings(stored)


def silent_cells(states, clocks):
    """Cells that worked for ``SILENCE`` seconds in which nothing that they show moved.

    Seconds of the clock and of the processors: on a busy machine a cell waits for its turn.
    """
    silent, before, since = [], None, None
    for state, clock in zip(states, clocks, strict=True):
        running = state["counts"].index(None) if None in state["counts"] else None
        if (running, state["shown"]) != before:
            before, since = (running, state["shown"]), clock
        worked = min(now - then for now, then in zip(clock, since, strict=True))
        if running is not None and worked >= SILENCE and running not in silent:
            silent.append(running)
    return silent


def test_silent_cells_are_found():
    def looks(running, *shown):
        """What is seen of three cells while one of them runs, two looks a second."""
        return [{"counts": [1] * running + [None] * (3 - running), "shown": text} for text in shown]

    def silent(states, pace=1.0):
        return silent_cells(states, [(POLL * i, POLL * i * pace) for i in range(len(states))])

    patience = int(SILENCE / POLL)
    moving = looks(1, *(f"{i} of 100" for i in range(100)))
    quick = looks(0, *[""] * patience)
    frozen = looks(1, *["epoch 1"] * (patience + 1))
    assert silent(quick + moving + looks(2, *["done"] * patience)) == []
    assert silent(quick + frozen + moving) == [1], "it stopped moving"
    assert silent(quick + frozen + moving, pace=0.2) == [], "others have the processors"
    assert silent(quick + frozen + moving, pace=2) == [1], "it has two of them"
    assert silent(looks(3, *["all done"] * 5 * patience)) == []


@pytest.mark.parametrize(("required", "verdict"), [("", pytest.skip), ("make browser", pytest.fail)])
def test_a_missing_tool(monkeypatch, required, verdict):
    """A skip says why; where the tool is required, it is a failure."""
    monkeypatch.setenv("COURSE_REQUIRE", required)
    browsing.need("browser", "/usr/bin/chromium")
    with pytest.raises(verdict.Exception, match="no browser on this machine"):
        browsing.need("browser", None)


def pictures(cell):
    kinds = [kind for output in cell["outputs"] for kind in output.get("data", {})]
    return sum(kind in ("image/png", "image/jpeg") for kind in kinds)


# Only the cells near the window are in the page: scroll through all of them.
SCROLL = f"""async () => {{
    const pictures = new Set(), broken = [];
    for (const cell of {PANEL}.content.widgets) {{
        await {PANEL}.content.scrollToCell(cell);
        for (const picture of cell.node.querySelectorAll('.jp-OutputArea-output img')) {{
            await picture.decode().catch(() => broken.push(cell.model.sharedModel.source));
            pictures.add(picture);
        }}
    }}
    return {{pictures: pictures.size, broken}};
}}"""


def contents(page):
    """The entries of JupyterLab's table of contents."""
    page.evaluate("() => window.jupyterapp.commands.execute('toc:show-panel')")
    page.wait_for_selector(".jp-TableOfContents-tree")
    return page.locator(".jp-tocItem-content").all_inner_texts()


def headings(notebook):
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines = cell.source.splitlines()
            found += [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    return found
