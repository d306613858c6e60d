"""The setup cell: on Colab and Kaggle, from any folder, and without the course."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient.exceptions import CellExecutionError

import refresh
from learn_pytorch.data import fashion_mnist, pizza_steak_sushi
from stored import LESSONS, ROOT, UNWANTED, code_cells, output_text, read, tags

COLAB = """\
import sys, types
import google  # protobuf's part of it, which TensorBoard and ONNX need
google.colab = types.ModuleType("google.colab")
sys.modules["google.colab"] = google.colab
"""


def run_in(folder, notebook):
    """Runs a notebook with a kernel started in ``folder``."""
    refresh.execute(notebook, folder)
    return notebook


def git(*arguments, folder):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def colab(tmp_path, monkeypatch):
    """An empty folder, a stand-in for google.colab, and git sent to a clone of this tree.

    The data is the one that the other tests use: downloads have tests of their own.
    """
    monkeypatch.setenv("COURSE_DATA_DIR", str(fashion_mnist().root.parent))
    origin = tmp_path / "origin"
    shutil.copytree(ROOT, origin, ignore=UNWANTED)
    git("init", "--quiet", folder=origin)
    git("add", "--all", folder=origin)
    git("commit", "--quiet", "--message=the course", folder=origin)

    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(COLAB)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{origin.as_uri()}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"https://github.com/{refresh.slug()}")
    content = tmp_path / "content"
    content.mkdir()
    return content


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_on_colab(colab, path):
    """The whole notebook, run twice in a session that starts in an empty folder, gives the stored outputs."""
    stored = code_cells(read(path))
    notebook = read(path)
    notebook.cells += [nbformat.from_dict(cell | {"id": f"{cell.id}-again"}) for cell in notebook.cells]
    fresh = code_cells(run_in(colab, notebook))
    assert (colab / "course" / "helper_functions.py").exists()
    excused = {"setup", "nbval-ignore-output", "raises-exception"}
    excused |= {"real-data"} if fashion_mnist().kind == "drawn" else set()
    excused |= {"drawn-data"} if pizza_steak_sushi().kind == "real" else set()
    for was, now in zip(stored + stored, fresh, strict=True):
        if not tags(was) & excused:
            assert output_text(now) == output_text(was), was.source


def setup_twice(then=""):
    cells = [refresh.setup_cell(), refresh.setup_cell(), f"import os\nprint(os.getcwd())\n{then}"]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])


def test_on_colab_twice(colab):
    """Run again, the setup cell changes nothing; in a new session it finds the clone."""
    for _ in range(2):
        done = run_in(colab, setup_twice())
        assert output_text(done.cells[-1]).strip() == os.path.realpath(colab / "course" / "notebooks")


def test_on_kaggle(colab, monkeypatch):
    """Kaggle has no google.colab, but says in the environment where the notebook runs."""
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(CellExecutionError, match="not found\\? Open this notebook inside"):
        run_in(colab, setup_twice())
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    done = run_in(colab, setup_twice("import sys\nprint('google.colab' in sys.modules)"))
    assert output_text(done.cells[-1]).split() == [os.path.realpath(colab / "course" / "notebooks"), "False"]


def test_on_colab_without_network(colab, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url.file:///no/such/folder.insteadOf")
    with pytest.raises(CellExecutionError, match="CalledProcessError"):
        run_in(colab, setup_twice())
    assert not list(colab.iterdir()), "a failed clone leaves nothing behind"


@pytest.fixture
def bare(tmp_path):
    """A Python as on Colab: torch and the rest are there, torchmetrics and torchinfo are not.

    What pip would fetch lies beside it as wheels, torchmetrics asking for torch as the real one does.
    """
    environment, wheels = tmp_path / "environment", tmp_path / "wheels"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    (here,) = environment.glob("lib/python*/site-packages")
    for entry in Path(torch.__file__).parent.parent.iterdir():
        if not re.match("torchmetrics|torchinfo|pip", entry.name) and not (here / entry.name).exists():
            (here / entry.name).symlink_to(entry)
    wheels.mkdir()
    for name, needs in (("torchmetrics", "Requires-Dist: torch>=2.0.0\n"), ("torchinfo", "")):
        with zipfile.ZipFile(wheels / f"{name}-9.9-py3-none-any.whl", "w") as wheel:
            about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n{needs}"
            wheel.writestr(f"{name}/__init__.py", "")
            wheel.writestr(f"{name}-9.9.dist-info/METADATA", about)
            wheel.writestr(f"{name}-9.9.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{name}-9.9.dist-info/RECORD", "")
    return environment, wheels


@pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")
def test_on_colab_without_torchmetrics(colab, bare, monkeypatch):
    """The setup cell installs what is missing, and leaves torch as it was."""
    environment, wheels = bare
    (torch_before,) = environment.glob("lib/python*/site-packages/torch-*.dist-info")
    script = colab / "setup.ipy"
    then = "\nimport torch, torchinfo, torchmetrics\nprint(torchmetrics.__file__, torch.__file__)"
    script.write_text(refresh.setup_cell() + then)
    command = [environment / "bin" / "python", "-m", "IPython", "--quick", script]
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)  # IPython would look there too
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=colab, env=os.environ | offline, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    metrics_file, torch_file = done.stdout.split()[-2:]
    assert metrics_file.startswith(str(environment)), done.stdout
    assert torch_file.startswith(str(torch_before.parent)) and torch_before.is_symlink()


@pytest.mark.parametrize("folder", [".", "notebooks", "notebooks/solutions", "tests"])
def test_from_any_folder_of_the_course(folder):
    run_in(ROOT / folder, setup_twice("import learn_pytorch.exercises"))


def test_elsewhere_with_the_course_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    run_in(tmp_path, setup_twice())


def test_elsewhere_without_it(tmp_path):
    with pytest.raises(CellExecutionError, match="not found\\? Open this notebook inside"):
        run_in(tmp_path, setup_twice())


def test_publish_rewrites_every_address(tmp_path):
    copy = tmp_path / "course"
    shutil.copytree(ROOT, copy, ignore=UNWANTED)
    command = [sys.executable, "tools/refresh.py", "publish"]
    refused = subprocess.run([*command, "no-slash"], cwd=copy, capture_output=True, text=True)
    assert refused.returncode == 1 and "expected REPO=owner/name" in refused.stderr

    subprocess.run([*command, "some-one/some.course"], cwd=copy, check=True, capture_output=True)
    texts = [
        p.read_text(encoding="utf-8") for p in copy.rglob("*.*") if p.suffix in (".ipynb", ".md", ".toml")
    ]
    assert not any(refresh.slug() in text for text in texts)
    expected = 2 * len(refresh.notebooks() + refresh.notebooks(solutions=True))
    assert sum(t.count("github/some-one/some.course/blob/main/notebooks/") for t in texts) >= expected
    assert sum(t.count("github.com/some-one/some.course") for t in texts) > expected / 2


def test_nobody_can_register_the_unpublished_address():
    """Unless the course is published, its address is a name that GitHub refuses."""
    owner = refresh.slug().split("/")[0]
    if owner.startswith("-"):
        assert not refresh.SLUG.fullmatch(refresh.slug())
