"""Style, spelling, and the files beside the notebooks."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import docs
import refresh
from stored import LESSONS, ROOT, read, tags

LINT = ["ruff", "check", "."]
FORMAT = ["ruff", "format", "--check", "--exclude=*.ipynb", "."]
SPELL = ["codespell_lib"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = [path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")]
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lines(name):
    """What a list of requirements says, with the comments behind."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def requirements(texts):
    return [Requirement(text.split(" #")[0]) for text in texts]


@pytest.mark.parametrize(
    "command",
    [LINT, FORMAT, SPELL],
)
def test_lint(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_requirement_says_what_it_is_for():
    for line in lines("requirements.txt"):
        assert re.fullmatch(r'[a-z\d-]+(?:>=|==)[\d.]+(; python_version < "[\d.]+")? +# \w.*', line), line
    assert "nbval==0.11.0" in [line.split()[0] for line in lines("requirements.txt")]


def test_one_list_of_requirements():
    """pip, conda and uv install the same; what only contributors need is not in it."""
    dependencies = project()["project"]["dependencies"]
    assert dependencies == [re.sub(r" +#.*", "", line) for line in lines("requirements.txt")]
    assert "--requirement requirements.txt" in (ROOT / "environment.yml").read_text(encoding="utf-8")
    contributors = {r.name for r in requirements(project()["dependency-groups"]["dev"])}
    assert not contributors & {r.name for r in requirements(dependencies)}
    assert {"ruff", "codespell", "pytest-xdist", "playwright"} <= contributors


def test_the_lock_holds_a_version_of_everything_for_every_python():
    locked = requirements(lines("requirements.lock"))
    wanted = project()["project"]["dependencies"] + project()["dependency-groups"]["dev"]
    for python in PYTHONS:
        here = {"python_version": python, "python_full_version": f"{python}.9"}
        there = {r.name: r for r in locked if r.marker is None or r.marker.evaluate(here)}
        for requirement in requirements(wanted):
            (version,) = there[requirement.name].specifier
            assert version.operator == "==" and version.version in requirement.specifier, (python, version)


def test_the_lock_names_no_place_and_no_gpu():
    for line in lines("requirements.lock"):
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w .<>='!()]+)?", line), line
        assert not re.match("cuda|nvidia|triton", line), "the GPU at hand decides on these"


def test_pythons():
    """What is promised, accepted, locked and tested are the same Pythons."""
    bounds = SpecifierSet(project()["project"]["requires-python"])
    assert [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}" in bounds] == PYTHONS
    for name in ("README.md", "CONTRIBUTING.md", "Makefile"):
        assert "Python 3.10 to 3.14" in (ROOT / name).read_text(encoding="utf-8"), name
    assert "(3, 10) <= sys.version_info < (3, 15)" in MAKEFILE
    for python in PYTHONS:
        assert any(re.search(rf'python(-version)?: .*"{python}"', text) for text in WORKFLOWS), python


STAND_IN = """\
#!/bin/sh
# Stands in for Python: notes what it is asked, makes an environment of itself, fails as the test says.
echo "$*" >> "$LOG"
case "$*" in
  *version_info*) exec "$REAL" "$@" ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m uv "*) exit "$UV_EXIT" ;;
  *"install"*requirements.txt) exit "$PIP_EXIT" ;;
esac
"""


@pytest.fixture
def make(tmp_path):
    """``make`` in a folder with the Makefile; its Python does no more than note what it is asked."""
    if not shutil.which("make") and "make" not in os.environ.get("COURSE_REQUIRE", ""):
        pytest.skip("no make on this machine")
    if sys.platform == "win32":
        pytest.skip("the stand-in for Python is a shell script")
    for name in ("Makefile", "requirements.txt", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "stand-in"
    python.write_text(STAND_IN)
    python.chmod(0o755)

    def run(*arguments, uv=0, pip=0, python=python):
        log = tmp_path / "log"
        log.write_text("")
        variables = {"LOG": str(log), "REAL": sys.executable, "UV_EXIT": str(uv), "PIP_EXIT": str(pip)}
        command = ["make", f"PYTHON={python}", f"VENV={tmp_path / '.venv'}", *arguments]
        # A make around the tests hands down what it was called with, in MAKEFLAGS and one by one.
        settings = set(re.findall(r"^(\w+) \??=", (ROOT / "Makefile").read_text(), re.MULTILINE))
        settings |= {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL"}
        variables |= {k: v for k, v in os.environ.items() if k not in settings}
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
        return done, [line for line in log.read_text().splitlines() if "install" in line]

    return run


def test_make_takes_the_torch_that_is_asked_for(make, tmp_path):
    done, asked = make("env", "TORCH=cpu")
    assert done.returncode == 0, done.stderr
    assert re.search(r"-m uv pip install .*--torch-backend=cpu --constraint=requirements.lock", asked[-1])
    assert make("env", "TORCH=cpu")[1] == [], "everything is there"
    later = time.time() + 60  # clocks of file systems tick slowly
    os.utime(tmp_path / "requirements.txt", (later, later))
    done, asked = make("env", "TORCH=default", "LOCK=")
    assert asked == ["-m pip install --disable-pip-version-check -r requirements.txt"]


def test_make_falls_back_on_pip(make):
    done, asked = make("env", "TORCH=cpu", uv=2)
    assert done.returncode == 0 and "uv found no torch for cpu" in done.stdout
    assert asked[-1].startswith("-m pip install") and asked[-1].endswith("-r requirements.txt")


def test_make_without_a_network_says_so_and_goes_on_later(make, tmp_path):
    done, _ = make("env", "TORCH=cpu", uv=2, pip=1)
    assert done.returncode == 2 and "Is there a network?" in done.stdout
    assert not (tmp_path / ".venv" / ".complete").exists()
    done, asked = make("env", "TORCH=cpu")
    assert done.returncode == 0 and "-m uv pip install" in asked[-1]
    assert (tmp_path / ".venv" / ".complete").exists()


def test_make_without_a_python_says_which(make):
    done, asked = make("env", python="")
    assert done.returncode == 2 and "Python 3.10 to 3.14 is needed" in done.stdout and not asked


def test_tools_of_contributors_come_with_the_tests_alone(make):
    _, asked = make("env", "TORCH=default")
    assert not any("dev" in line for line in asked)
    _, asked = make("dev", "TORCH=default")
    assert asked[-1].endswith("--group dev")


def test_published(make):
    """On GitHub, a course that leads elsewhere fails, and says the one command."""
    done, _ = make("published", "GITHUB_REPOSITORY=some-one/some-course")
    assert done.returncode == 2 and "make publish REPO=some-one/some-course" in done.stdout
    assert make("published", f"GITHUB_REPOSITORY={refresh.slug()}")[0].returncode == 0


def test_container():
    """Codespaces and VS Code make the environment as everybody does."""
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    command, target = container["postCreateCommand"].split()
    assert command == "make" and re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
    assert container["image"].removeprefix("python:").startswith(tuple(PYTHONS))
    assert container["forwardPorts"] == [8888]


def test_sanitising_takes_devices_as_equal():
    text = (ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="ascii")
    pairs = re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, re.MULTILINE)

    def clean(shown):
        for regex, replace in pairs:
            shown = re.sub(regex, replace, shown)
        return shown

    assert clean("tensor([1., 2.], device='cuda:0')") == "tensor([1., 2.])"
    assert clean("tensor([1.], device='mps:0', grad_fn=<X>)") == "tensor([1.], grad_fn=<X>)"
    assert clean("tensor([1.],\n       device='cuda:0')") == "tensor([1.])"
    assert clean("on cuda:0 and mps") == clean("on cpu and cpu")
    assert clean("tensor([1.])") != clean("tensor([2.], device='cuda:0')")


def test_pages_are_those_that_refresh_makes():
    made = docs.pages(LESSONS)
    stored = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
    assert stored == made, "make refresh writes them"


def test_pages_hold_every_question_and_every_error():
    pages = docs.pages(LESSONS)
    for notebook in map(read, LESSONS):
        for cell in notebook.cells:
            place = f"#cell-id={cell.id})"
            if "raises-exception" in tags(cell):
                assert place in pages["errors.md"], cell.source
            elif cell.cell_type == "markdown" and re.search(r"\*\*[^*\n]+\?\*\*", cell.source):
                assert place in pages["questions.md"], cell.source


@pytest.mark.parametrize("text", ["**Cause:** unknown", "no word"])
def test_an_error_without_cause_and_fix_is_refused(tmp_path, text):
    notebook = read(LESSONS[0])
    following = next(i for i, c in enumerate(notebook.cells) if "raises-exception" in tags(c)) + 1
    notebook.cells[following].source = text
    path = tmp_path / LESSONS[0].name
    refresh.write(notebook, path)
    with pytest.raises(ValueError, match="followed by a text cell with"):
        docs.pages([path])


def test_readme_lists_every_lesson():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in LESSONS:
        inside = f"notebooks/{path.name}"
        assert f"]({inside})" in text, f"{inside} has a row"
        assert f"(https://colab.research.google.com/github/{refresh.slug()}/blob/main/{inside})" in text


def test_workflows_run_the_commands_of_the_makefile():
    """What fails on GitHub can be tried at home; actions cannot change behind our back."""
    for text in WORKFLOWS:
        actions = re.findall(r"uses: (\S+)", text)
        assert actions and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in actions)
        for command in re.findall(r"run: (?!\n)(.+)", text):
            program, target, *_ = command.split()
            assert program == "make" and re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), command
    assert any("make published" in text for text in WORKFLOWS)
    assert any("make test-all" in text and "COURSE_DATA: real" in text for text in WORKFLOWS)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test-all" in ci and "COURSE_REQUIRE" in ci
