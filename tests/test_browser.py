"""Each lesson in JupyterLab in a real browser: opened, run from the menu, looked at.

Needs Chromium or Chrome on the machine and skips where there is none.
"""

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

import pytest

from learn_pytorch.data import fashion_mnist
from stored import LESSONS, ROOT, UNWANTED, code_cells, read, tags

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
TIME_LIMIT = 900  # seconds; for one notebook on a busy machine
POLL = 0.5  # seconds between two looks at the page

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine"),
    pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab as ``make lab`` starts it, on a copy of the course, because Lab saves by itself."""
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
        yield lambda name: f"{address}/lab/tree/notebooks/{name}?token={token}&reset"
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


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
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


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
}})"""


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_in_jupyterlab(lab, page, path):
    """Run All Cells: no error but the deliberate ones, every figure, progress, the contents."""
    stored = read(path)
    page.goto(lab(path.name), wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    wait_for(lambda: page.evaluate(STATE)["status"] == "idle", 120, lambda: "no kernel")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert not any(page.evaluate(STATE)["outputs"]), "what is seen from here on is new"
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    indicator = page.locator(".jp-Notebook-ExecutionIndicator").first
    shown, states = set(), []

    def at_rest():
        """After the last cell, or after an error, at which Run All Cells stops."""
        states.append(page.evaluate(STATE))
        if states[-1]["status"] == "busy":
            shown.add(indicator.get_attribute("data-status"))
        return states[-1]["status"] == "idle" and states[-10:] == states[-1:] * 10

    wait_for(lambda: page.evaluate(STATE)["counts"][0] is not None, 120, lambda: "nothing started")
    wait_for(at_rest, TIME_LIMIT, lambda: f"still running: {states[-1]}")
    assert "busy" in shown, "the toolbar says that cells are running"
    silent = silent_cells(states)
    assert not silent, f"nothing to see for long: {[code_cells(stored)[i].source for i in silent]}"

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


def silent_cells(states):
    """Cells that take ten seconds, and a fifth of the notebook's time, and show nothing before they end."""
    polls, seen = {}, set()
    for state in states:
        if None in state["counts"]:
            running = state["counts"].index(None)
            polls[running] = polls.get(running, 0) + 1
            seen |= {running} if state["outputs"][running] else set()
    long = max(10 / POLL, sum(polls.values()) / 5)
    return [cell for cell, count in polls.items() if count >= long and cell not in seen]


def test_silent_cells_are_found():
    def polls(running, shown, times):
        return [
            {"counts": [1] * running + [None] * (3 - running), "outputs": [1] * running + [shown, 0, 0]}
        ] * times

    loud = polls(0, 0, 2) + polls(1, 0, 12) + polls(1, 1, 30) + polls(2, 0, 10)
    assert silent_cells(loud) == []
    assert silent_cells(polls(0, 0, 2) + polls(1, 0, 42) + polls(2, 0, 10)) == [1]


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell["outputs"])


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
