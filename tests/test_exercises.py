"""Every exercise has a solution that passes, a stub that does not, and wrong answers refused."""

import re

import nbformat
import pytest
import torch

import refresh
from learn_pytorch import exercises
from learn_pytorch.exercises import NotYet, check, exercise, fresh_generator, progress, require, run, same
from stored import LESSONS, code_cells, output_text, read, tags

VERDICT = re.compile(r"^(\d\d\.\d+) (passed|not attempted yet|not yet: .*)$", re.MULTILINE)
NUMBERS = [number for path in LESSONS for number in exercises._load(path.name[:2])]


def verdicts(path, tag=None):
    """(number, verdict) of every check in a stored notebook, of cells with a tag if one is given."""
    cells = [c for c in code_cells(read(path)) if tag is None or tag in tags(c)]
    return [found for c in cells for found in VERDICT.findall(output_text(c))]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_every_exercise_is_there_and_solved(path):
    solutions = path.parent / "solutions" / path.name
    numbers = list(exercises._load(path.name[:2]))
    assert len(numbers) >= 8, "eight or more exercises"

    stubs = verdicts(path)
    assert [n for n, _ in stubs] == numbers, "each exercise once, in order"
    assert all(v != "passed" for _, v in stubs), "an unsolved exercise must not pass"
    assert verdicts(solutions, "solution") == [(n, "passed") for n in numbers]

    refused = verdicts(solutions, "wrong-answer")
    for number in numbers:
        messages = [v for n, v in refused if n == number]
        assert all(v.startswith("not yet: ") for v in messages), f"{number}: a wrong answer got through"
        assert len(set(messages)) >= 2, f"{number}: two wrong answers, refused for different reasons"
        accidents = ("NameError", "SyntaxError", "cannot be checked")
        assert not any(a in m for a in accidents for m in messages), f"{number}: refused by accident"


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_exercises_are_presented(path):
    """Heading with difficulty and minutes, hints folded away, one of them Find the bug."""
    text = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    for number, task in exercises._load(path.name[:2]).items():
        heading = rf"^### {re.escape(number)} {re.escape(task.title)} [●○]{{3}} · \d+ minutes?$"
        assert re.search(heading, text, re.MULTILINE), f"{number} {task.title}: its heading"
    assert text.count("<summary>Hint") >= len(exercises._load(path.name[:2]))
    assert re.search(r"Find the bug", text)


class Odd(torch.nn.Module):
    """A model that takes nothing."""


def changes_everything(*args, **kwargs):
    for a in args:
        if isinstance(a, torch.Tensor) and a.is_leaf and not a.requires_grad:
            a.zero_()
    return torch.zeros(())


def raises(*args, **kwargs):
    raise KeyError("mine")


def leaves(*args, **kwargs):
    raise SystemExit


NONSENSE = {
    "a number": 0,
    "a text": "answer",
    "a tensor": torch.rand(3),
    "a class": Odd,
    "a model": Odd(),
    "a function of nothing": lambda: 1,
    "it returns text": lambda *a, **k: "42",
    "it returns a list": lambda *a, **k: [],
    "it returns a pair": lambda *a, **k: (None, None),
    "it returns a constant": lambda *a, **k: torch.zeros(()),
    "it returns NaN": lambda *a, **k: torch.full((3, 4), torch.nan),
    "it returns an empty tensor": lambda *a, **k: torch.empty(0),
    "it returns a model": lambda *a, **k: Odd(),
    "it returns its first argument": lambda *a, **k: a[0] if a else None,
    "it changes what it is given": changes_everything,
    "it raises": raises,
    "it calls exit": leaves,
}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("number", NUMBERS)
def test_nonsense_is_refused_politely(number, name, capsys):
    check(number, NONSENSE[name])
    said = capsys.readouterr().out
    assert VERDICT.search(said), said
    assert "passed" not in said
    assert "cannot be checked" not in said, "the check itself stumbled"


@pytest.mark.parametrize("number", NUMBERS)
def test_untouched_stub(number, capsys):
    check(number, ...)
    assert capsys.readouterr().out == f"{number} not attempted yet\n"


# --------------------------------------------------------------------------------- the framework


@pytest.fixture
def doubling(monkeypatch):
    """An exercise of our own: double a matrix."""
    monkeypatch.setattr(exercises, "_exercises", {})
    monkeypatch.setattr(exercises, "_load", lambda notebook: exercises._exercises)
    monkeypatch.setattr(exercises, "TIME_LIMIT", 2)

    @exercise("99.1", "Double it")
    def examine(answer):
        x = torch.rand(3, 4, generator=fresh_generator())
        same(run(answer, x, case="a 3×4 matrix"), 2 * x, hint="did you square it?")

    def said(answer, capsys):
        check("99.1", answer)
        return capsys.readouterr().out.removeprefix("99.1 ").rstrip("\n")

    return said


def endless(x):
    while True:
        pass


def in_place(x):
    x *= 2
    return x


def forgets(x):
    2 * x


def indexes(x):
    return x[17]


def stub(x):
    """Doubles a matrix."""
    ...


def annotated_stub(x: torch.Tensor) -> torch.Tensor: ...


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda x: 2 * x, "passed"),
        (lambda x: x + x, "passed"),
        (..., "not attempted yet"),
        (stub, "not attempted yet"),
        (annotated_stub, "not attempted yet"),
        (lambda x: x**2, "not yet: the shape is right, the values are not: did you square it?"),
        (lambda x: x.double() * 2, "not yet: dtype torch.float64, wanted torch.float32"),
        (lambda x: x.sum(), "not yet: shape (), wanted (3, 4)"),
        (lambda x: (2 * x).tolist(), "not yet: expected a tensor, got list"),
        (lambda x: (2 * x).to("meta"), "not yet: device meta, wanted cpu"),
        (torch.rand(3), "not yet: expected a function, got tensor of shape (3,)"),
        (forgets, "not yet: the result is None: is a `return` missing, for a 3×4 matrix?"),
        (in_place, "not yet: your code changed its argument number 1, for a 3×4 matrix"),
        (indexes, "not yet: your code raised IndexError: index 17 is out of bounds"),
        (indexes, "(in `return x[17]`)"),
        (endless, "not finished after 2 s, is there an endless loop?"),
    ],
)
def test_verdicts(doubling, capsys, answer, verdict):
    said = doubling(answer, capsys)
    assert verdict in said
    assert (said == "passed") == (verdict == "passed")


def test_check_keeps_the_random_state(doubling, capsys):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    doubling(lambda x: torch.rand_like(x), capsys)
    assert torch.equal(torch.get_rng_state(), before)


def test_check_works_on_one_thread_and_gives_the_others_back(doubling, capsys):
    asked, threads = [], torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        doubling(lambda x: asked.append(torch.get_num_threads()) or 2 * x, capsys)
        assert (asked[0], torch.get_num_threads()) == (1, 3)
    finally:
        torch.set_num_threads(threads)


def test_check_turns_gradients_on_and_leaves_the_mode(doubling, capsys):
    with torch.no_grad():
        doubling(lambda x: x.clone().requires_grad_().mul(2).detach(), capsys)
        assert not torch.is_grad_enabled()


def test_progress(doubling, capsys):
    progress("99")
    assert capsys.readouterr().out == "99.1   Double it  not attempted yet\n0 of 1 passed\n"
    doubling(lambda x: 2 * x, capsys)
    progress("99")
    assert capsys.readouterr().out == "99.1   Double it  passed\n1 of 1 passed\n"


def test_unknown_exercise():
    with pytest.raises(ValueError, match=r"no exercise '00.99'; there are 00.1, "):
        check("00.99", 1)
    with pytest.raises(ValueError, match="no exercises for notebook '77'"):
        progress("77")


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        ((1, 2), (1, 2, 3), "expected 3 values, got 2"),
        (1, (1, 2), "expected 2 values, got int"),
        ((1, 3), (1, 2), "the value is not right, for value 2 of 2"),
        (torch.tensor(1.0), 1.0, "expected a Python number, got tensor of shape (); .item()"),
        (True, 1, "expected a Python number, got bool"),
        (1, True, "expected a bool, got int"),
        (1.001, 1.0, "the value is not right"),
        (torch.tensor([1, torch.nan]), torch.tensor([1, 2.0]), "the values are not"),
    ],
)
def test_same_refuses(got, want, message):
    with pytest.raises(NotYet) as refusal:
        same(got, want)
    assert message in str(refusal.value)


def test_same_accepts():
    same((1, [2.0, torch.tensor([torch.nan])]), (1, [2.0, torch.tensor([torch.nan])]))
    same(1.00001, 1.0)
    require(True, "never said")


def test_answers_of_a_lesson_survive_in_a_notebook():
    """The line of a learner's error is found in a notebook's cell as well."""
    cells = [
        "import sys; sys.path.insert(0, '..')",
        "from learn_pytorch.exercises import run, NotYet",
        "def answer(x):\n    y = x + 1\n    return y[5]",
        "try:\n    run(answer, [1])\nexcept NotYet as problem:\n    print(problem)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    refresh.execute(notebook, LESSONS[0].parent)
    assert "(in `y = x + 1`)" in output_text(notebook.cells[-1])
