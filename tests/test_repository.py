"""Style, spelling, and the files beside the notebooks."""

import re
import subprocess
import sys

import pytest

import docs
import refresh
from stored import LESSONS, ROOT, read, tags

LINT = ["ruff", "check", "."]
FORMAT = ["ruff", "format", "--check", "--exclude=*.ipynb", "."]
SPELL = ["codespell_lib"]
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "command",
    [LINT, FORMAT, SPELL],
)
def test_lint(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_requirement_says_what_it_is_for():
    lines = [line for line in REQUIREMENTS if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z-]+(?:>=|==)[\d.]+ +# \w.*", line), line
    assert "nbval==0.11.0" in [line.split()[0] for line in lines]


def test_one_list_of_requirements():
    assert "--requirement requirements.txt" in (ROOT / "environment.yml").read_text(encoding="utf-8")


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


def test_workflow_runs_the_commands_of_the_makefile():
    """What fails on GitHub can be tried at home; actions cannot change behind our back."""
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    actions = re.findall(r"uses: (\S+)", text)
    assert actions and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in actions)
    commands = re.findall(r"run: (?!\n)(.+)", text)
    assert len(commands) == text.count("steps:")
    for command in commands:
        program, *rest = command.split()
        assert program == ".ci/run" or (program == "make" and re.search(rf"^{rest[0]}:", makefile, re.M)), (
            command
        )
