"""Every exercise has a solution that passes, a stub that does not, and wrong answers refused."""

import contextlib
import copy
import json
import os
import re
import subprocess
import sys

import filelock
import nbformat
import pytest
import torch
from nbclient import NotebookClient

import refresh
from learn_pytorch import answers, exercises, passed
from learn_pytorch.exercises import NotYet, check, exercise, fresh_generator, progress, require, run, same
from stored import LESSONS, ROOT, code_cells, output_text, read, tags

VERDICT = re.compile(r"^(\d\d\.(?:\d+|C)) (passed|not attempted yet|not yet: .*)$", re.MULTILINE)
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


def cells_of(number, cells):
    """From the cells of several exercises those of one: up to its check, after the check before it."""
    own = []
    for cell in cells:
        own.append(cell)
        found = re.search(r'^check\("([\d.C]+)"', cell.source, re.MULTILINE)
        if found and found[1] == number:
            return own
        own = [] if found else own
    raise AssertionError(f"no cell checks {number}")


RESET = """
for _name in [n for n in globals() if not n.startswith("_") and n not in _before]:
    del globals()[_name]
globals().update(_before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_every_exercise_can_be_taken_up_the_next_day(path, tmp_path, monkeypatch):
    """Setup, the cell that begins the section, the exercise's own: nothing else is needed to go on."""
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    lesson = read(path)
    headings = [i for i, c in enumerate(lesson.cells) if re.search(r"^## \d+\. Exercises$", c.source, re.M)]
    assert len(headings) == 1, "one section of exercises"
    (setup,) = (c for c in lesson.cells if "setup" in tags(c))
    imports, *tasks = (c for c in lesson.cells[headings[0] :] if c.cell_type == "code")
    solutions = [c for c in code_cells(read(path.parent / "solutions" / path.name)) if "solution" in tags(c)]
    assert "check(" not in imports.source, "the section begins with a cell of what its exercises import"

    numbers = list(exercises._load(path.name[:2]))
    steps = [(n, cells_of(n, part)) for n in numbers for part in (tasks, solutions)]
    notebook = nbformat.v4.new_notebook()
    sources = [setup.source, imports.source, "_before = dict(globals())"]
    for _, cells in steps:
        sources += ["\n\n".join(cell.source for cell in cells), RESET]
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", allow_errors=True, resources=resources
    )
    client.execute(stderr=subprocess.DEVNULL)
    assert not any(o.output_type == "error" for c in notebook.cells[:3] for o in c.outputs)

    stored = dict(verdicts(path))
    for (number, _), (first, second) in zip(
        steps[::2], zip(notebook.cells[3::4], notebook.cells[5::4], strict=True), strict=True
    ):
        problems = [output_text(c) for c in (first, second) for o in c.outputs if o.output_type == "error"]
        assert not problems, f"{number} alone: {problems[0]}"
        ((_, verdict),) = VERDICT.findall(output_text(first))
        kind = "not attempted yet" if stored[number] == "not attempted yet" else "not yet: "
        assert verdict.startswith(kind) and "NameError" not in verdict, f"{number} alone: {verdict}"
        assert VERDICT.findall(output_text(second)) == [(number, "passed")], f"{number}, its solution alone"
    assert not list(tmp_path.iterdir()), "nobody watches, so nothing is remembered"


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
        (endless, "not finished after 2 s: is there an endless loop, or a slow one?"),
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
    def by_a_gradient(x):
        z = torch.zeros_like(x).requires_grad_()
        (2 * x * z).sum().backward()  # raises where nothing is recorded
        return z.grad

    with torch.no_grad():
        assert doubling(by_a_gradient, capsys) == "passed"
        assert not torch.is_grad_enabled()


def test_stop_is_not_taken_for_an_endless_loop(doubling, capsys):
    """Who presses stop stops the cell; the check does not say anything about it."""

    def stopped(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doubling(stopped, capsys)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"lr": 1, "momentum": 2}, lambda d: d.update(lr=3)),
        ({"lr": torch.zeros(2)}, lambda d: d["lr"].add_(1)),
        ({"lr": 1}, lambda d: d.pop("lr")),
        ([1, [2]], lambda x: x[1].append(3)),
        (torch.zeros(2), lambda x: x.add_(1)),
        (torch.zeros(2).numpy(), lambda x: x.fill(1)),
    ],
)
def test_changed_data_is_noticed(given, change):
    with pytest.raises(NotYet, match="your code changed its argument number 2"):
        run(lambda _, data: (change(data), 1)[1], 0, given)
    assert run(lambda _, data: 1, 0, given) == 1


def test_no_answer_can_know_the_input():
    first, second = (torch.rand(4, generator=fresh_generator()) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    again = torch.rand(4, generator=fresh_generator())
    torch.manual_seed(0)
    assert not torch.equal(again, torch.rand(4, generator=fresh_generator())), "nor by the global seed"


# ------------------------------------------------------------------------------- attempted or not


class Untouched(torch.nn.Module):
    def __init__(self):
        super().__init__()
        ...

    def forward(self, x): ...


class WithHelper(Untouched):
    """A finished method that nobody asked for does not make it an attempt."""

    def __init__(self):
        """Later."""

    def forward(self, x):
        """Later, too."""

    def show(self):
        return 1


class Begun(Untouched):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x): ...


class Finished(torch.nn.Module):
    """Empty methods are part of it."""

    def __init__(self):
        super().__init__()

    def forward(self, x):
        return 2 * x

    def extra_repr(self): ...

    def reset(self):
        pass


class Elsewhere(Finished):
    """None of the methods is written here."""


@pytest.mark.parametrize(
    ("answer", "is_stub"),
    [
        (Untouched, True),
        (WithHelper, True),
        (Begun, False),
        (Finished, False),
        (Elsewhere, False),
        (Odd, False),
        (Finished(), False),
    ],
)
def test_a_class_is_a_stub_while_all_that_is_asked_for_is_empty(answer, is_stub):
    assert answers.is_stub(answer, ("__init__", "forward")) == is_stub


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.name)
def test_methods_asked_for_are_those_of_the_lesson(path):
    """A class whose stub the lesson gives: the check names its methods, and no others do."""
    cells = code_cells(read(path))
    for number, task in exercises._load(path.name[:2]).items():
        (source,) = (c.source for c in cells if f'check("{number}"' in c.source)
        empty = re.findall(
            r"^    def (\w+)\(.*\):\n(?:        super.*\n)?        \.\.\.", source, re.MULTILINE
        )
        assert list(task.methods) == empty, number


def finished_early_stopping():
    class EarlyStopping:
        def __init__(self, patience):
            self.patience, self.best, self.since = patience, float("inf"), 0

        def step(self, loss, model):
            self.since += 1
            if loss < self.best:
                self.best, self.since, self.state = loss, 0, copy.deepcopy(model.state_dict())
            return self.since >= self.patience

        def restore(self, model):
            if self.best < float("inf"):
                model.load_state_dict(self.state)

        def reset(self):
            pass

    return EarlyStopping


def dropout_without_a_rate():
    class MyDropout(torch.nn.Module):
        def __init__(self, p):
            super().__init__()

        def forward(self, x):
            return x

        def extra_repr(self): ...

    return MyDropout


def test_finished_classes_with_an_empty_method_are_attempts(capsys):
    check("04.8", finished_early_stopping())
    assert capsys.readouterr().out == "04.8 passed\n"
    check("04.9", dropout_without_a_rate())
    assert "not yet: nothing is zero in training mode" in capsys.readouterr().out


# ------------------------------------------------------------------------------------- what is passed


def test_progress(doubling, capsys):
    progress("99")
    assert capsys.readouterr().out == "99.1   Double it  not attempted yet\n0 of 1 passed\n"
    doubling(lambda x: 2 * x, capsys)
    progress("99")
    assert capsys.readouterr().out == "99.1   Double it  passed\n1 of 1 passed\n"


@pytest.fixture
def watched(monkeypatch, tmp_path):
    """Somebody sits at the notebook; what is passed is remembered in this file."""
    path = tmp_path / "deep" / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    monkeypatch.setattr(passed, "somebody_watches", lambda: True)
    monkeypatch.setattr(passed, "LOCK_LIMIT", 0.2)
    return path


def next_day():
    for e in exercises._exercises.values():
        e.state = exercises.NOT_ATTEMPTED


def test_what_was_passed_is_remembered(doubling, watched, capsys):
    doubling(lambda x: x**2, capsys)
    assert not watched.exists(), "only what is passed"
    doubling(lambda x: 2 * x, capsys)
    assert json.loads(watched.read_text(encoding="utf-8")) == {"passed": ["99.1 Double it"]}
    next_day()
    progress("99")
    assert capsys.readouterr().out == "99.1   Double it  passed\n1 of 1 passed\n"
    doubling(..., capsys)
    progress("99")
    assert capsys.readouterr().out.endswith("1 of 1 passed\n"), "what was passed once stays passed"
    assert set(os.listdir(watched.parent)) <= {"progress.json", "progress.json.lock"}


def test_starting_again(doubling, watched, capsys):
    passed.remember("98.1 Another notebook's")
    doubling(lambda x: 2 * x, capsys)
    progress("99", reset=True)
    assert capsys.readouterr().out == "99.1   Double it  not attempted yet\n0 of 1 passed\n"
    assert passed.names() == {"98.1 Another notebook's"}
    watched.unlink()
    progress("99")
    assert passed.names() == set() and capsys.readouterr().out.endswith("0 of 1 passed\n")


def test_another_exercise_of_that_number_is_not_passed(doubling, watched, capsys):
    passed.remember("99.1 What it was last year")
    progress("99")
    assert capsys.readouterr().out.endswith("0 of 1 passed\n")


DAMAGED = {
    "empty": b"",
    "cut off": b'{"passed": ["99.1',
    "a list": b'["99.1 Double it"]',
    "a number": b'{"passed": 1}',
    "not text": b'{"passed": [null, {"a": 1}, ["b"]]}',
    "bytes": b"\xff\xfe\x00",
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_a_fresh_start(doubling, watched, capsys, name):
    watched.parent.mkdir()
    watched.write_bytes(DAMAGED[name])
    progress("99")
    assert capsys.readouterr().out.endswith("0 of 1 passed\n")
    assert doubling(lambda x: 2 * x, capsys) == "passed"
    assert passed.names() == {"99.1 Double it"}


def no_space(*paths):
    raise OSError("the disk is full")


@pytest.mark.parametrize("obstacle", ["a folder of that name", "a file for a folder", "locked", "full"])
def test_what_cannot_be_written_disturbs_nobody(doubling, watched, capsys, obstacle, monkeypatch):
    lock = contextlib.nullcontext()
    if obstacle == "a folder of that name":
        watched.mkdir(parents=True)
    elif obstacle == "a file for a folder":
        watched.parent.write_text("in the way")
    elif obstacle == "locked":
        watched.parent.mkdir()
        lock = filelock.FileLock(f"{watched}.lock")
    else:
        monkeypatch.setattr(passed.os, "replace", no_space)
    with lock:
        assert doubling(lambda x: 2 * x, capsys) == "passed"
        progress("99")
        assert capsys.readouterr().out.endswith("1 of 1 passed\n"), "the kernel remembers"
        progress("99", reset=True)
    left = list(watched.parent.glob("*.tmp")) if watched.parent.is_dir() else []
    assert passed.names() == set() and not left


def test_a_file_that_cannot_be_read_now_is_not_overwritten(watched, monkeypatch):
    """A virus scanner may hold it for a moment."""
    passed.remember("00.1 Long ago")

    def held(*args, **kwargs):
        raise PermissionError("in use")

    with monkeypatch.context() as m:
        m.setattr(passed.Path, "read_text", held)
        passed.remember("00.2 Now")
        assert passed.names() == set()
    assert passed.names() == {"00.1 Long ago"}


REMEMBERS = """
import sys
from learn_pytorch import passed
passed.somebody_watches = lambda: True
for i in range(20):
    passed.remember(f"{sys.argv[1]} {i}")
"""


def test_two_notebooks_at_once_lose_nothing(watched):
    command = [sys.executable, "-c", REMEMBERS]
    both = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("one", "two")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert passed.names() == {f"{name} {i}" for name in ("one", "two") for i in range(20)}


def test_where_the_file_lies(monkeypatch, tmp_path):
    """In the course's folder, where git does not see it; and tests never write there."""
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    assert passed._path() == ROOT / ".progress.json"
    assert ".progress.json*" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert not passed.somebody_watches()
    monkeypatch.setattr(passed, "_update", None)
    passed.remember("99.1 Double it")
    passed.forget({"99.1 Double it"})
    monkeypatch.setattr(passed, "_path", None)
    assert passed.names() == set()


@pytest.mark.slow
def test_only_a_watched_notebook_remembers(monkeypatch, tmp_path):
    """Three kernels: somebody passes; a program sees nothing of it; somebody comes back."""
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    answer = "check('00.1', lambda n: __import__('torch').arange(n, 0, -1))"
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    start += "from learn_pytorch.exercises import check, progress\n"
    seen = []
    for somebody, last in (
        (True, answer),
        (False, answer),
        (False, "progress('00')"),
        (True, "progress('00')"),
    ):
        if not somebody:
            before = (tmp_path / "progress.json").read_bytes()
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(start + last)])
        client = NotebookClient(notebook, timeout=60, kernel_name="python3")
        with client.setup_kernel(stderr=subprocess.DEVNULL):
            client.kc.allow_stdin = somebody
            client.execute_cell(notebook.cells[0], 0)
        seen.append(output_text(notebook.cells[0]).strip().splitlines()[-1])
        assert somebody or (tmp_path / "progress.json").read_bytes() == before
    assert seen == ["00.1 passed", "00.1 passed", "0 of 11 passed", "1 of 11 passed"]


# ---------------------------------------------------------------------------------------- the rest


def test_unknown_exercise():
    with pytest.raises(ValueError, match=r"no exercise '00.99'; there are 00.1, "):
        check("00.99", 1)
    for unknown in ("77", "", "00.1", 0):
        with pytest.raises(ValueError, match=f"no exercises for notebook '?{unknown}'?"):
            progress(unknown)


def test_checks_that_lack_a_module_say_which(monkeypatch):
    """Not that there are no exercises."""

    def import_module(name):
        raise ModuleNotFoundError("No module named 'onnx'", name="onnx")

    monkeypatch.setattr(exercises.importlib, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError, match="onnx"):
        progress("00")


def test_checks_have_names_and_say_what_they_check():
    found = [e.examine for n in range(len(LESSONS)) for e in exercises._load(f"0{n}").values()]
    assert len({f.__name__ for f in found}) == len(found) == len(NUMBERS)
    assert all(f.__name__.startswith("check_") and f.__doc__ for f in found)


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        ((1, 2), (1, 2, 3), "expected 3 values, got 2"),
        (1, (1, 2), "expected 2 values, got int"),
        ((1, 3), (1, 2), "the value is not right: off by 1, for value 2 of 2"),
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


# ----------------------------------------------------------------- forbidden calls, distances, causes


def softmax_by_layer(z):
    return torch.nn.Softmax(dim=1)(z)


@pytest.mark.parametrize(
    "answer",
    [
        lambda z: z.softmax(1),
        lambda z: torch.softmax(z, 1),
        lambda z: torch.nn.functional.softmax(z, dim=1),
        softmax_by_layer,
        lambda z: torch.nn.MaxPool1d(1)(z),
    ],
)
def test_forbidden_calls_are_seen_in_any_form(answer):
    forbid = ("softmax", torch.nn.MaxPool1d)
    with pytest.raises(NotYet, match=r"your code uses `(softmax|MaxPool1d)`, and the text asks"):
        run(answer, torch.rand(2, 3), forbid=forbid)
    assert torch.nn.MaxPool1d.__init__.__name__ == "__init__", "as it was"
    assert isinstance(torch.nn.MaxPool1d(2), torch.nn.MaxPool1d)


def test_what_is_not_forbidden_is_allowed():
    """Nor is what the check itself hands out: a model that calls it, a loss."""

    def given(z):
        with answers.not_the_learners():
            return z.softmax(1)

    assert run(lambda z: given(z) + z.exp(), torch.rand(2, 3), forbid=("softmax",)).shape == (2, 3)
    assert not run(lambda z: z.softmax(1), torch.rand(2, 3)).isnan().any()


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        ([[1.0, 2], [3, 7]], [[1.0, 2], [3, 4]], "the values are not: off by up to 3, at [1, 1]"),
        ([1.0, torch.nan], [1.0, 2], "the values are not: NaN, at [1]"),
        ([1.0, 2], [torch.nan, 2], "a number where NaN is wanted, at [0]"),
        ([torch.inf, 0], [0.0, 0], "off by up to inf, at [0]"),
        (5.0, 3.0, "off by up to 2"),
        ([True, False], [True, True], "off by up to 1, at [1]"),
    ],
)
def test_same_says_where_and_how_far(got, want, message):
    with pytest.raises(NotYet) as refusal:
        same(torch.tensor(got), torch.tensor(want))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        (3.5, 3.0, "the value is not right: off by 0.5"),
        (float("nan"), 3.0, "it is NaN"),
        (float("inf"), 3.0, "off by inf"),
        ("b", "a", "the value is not right, it is 'b'"),
        (32.0, 32, "expected a whole number (int), got float"),
    ],
)
def test_same_says_of_numbers_how_far(got, want, message):
    with pytest.raises(NotYet) as refusal:
        same(got, want)
    assert message in str(refusal.value)


def test_a_hint_stands_in_place_of_the_distance():
    with pytest.raises(NotYet, match=r"the values are not: squared, for x$"):
        same(torch.ones(2), torch.zeros(2), hint="squared", case="x")


def three_programs():
    def first(x):
        return x + 1

    def second(x):
        return x + 2

    def third(x):
        return x + 3

    return first, second, third


def test_the_cause_is_told_after_two_attempts(doubling, monkeypatch, capsys):
    @exercise("99.2", "Find the bug: the cause")
    def examine(answer):
        require(run(answer, 1) == 2 and False, "the loss is 3", cause="a zero too many")

    def told():
        return "a zero" in capsys.readouterr().out

    first, second, third = three_programs()
    for answer, says_why in ((first, False), (first, False), (three_programs()[0], False), (second, False)):
        check("99.2", answer)
        assert told() == says_why
    check("99.2", third)
    assert told()
    check("99.2", first)
    assert told(), "from now on"
    progress("99", reset=True)
    capsys.readouterr()
    check("99.2", third)
    assert not told(), "and a new start is one"


def test_a_changed_answer_has_another_fingerprint():
    def of(factor):
        return lambda x: x * factor

    class A:
        def step(self):
            return 1

    class B:
        def step(self):
            return 2

    different = [of(1), of(2), A, B, *three_programs(), 1, 2, None, torch.ones(2)]
    assert len({answers.fingerprint(a) for a in different}) == len(different)
    assert answers.fingerprint(of(1)) == answers.fingerprint(of(1))


class Forgets(torch.nn.Module):
    def __init__(self):
        self.rate = 1

    def forward(self, x):
        return x


class ForgetsAndAssigns(Forgets):
    def __init__(self):
        self.layer = torch.nn.Linear(1, 1)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Forgets, "a module needs `super().__init__()` before anything else"),
        (ForgetsAndAssigns, "a module needs `super().__init__()` before anything else"),
        (Finished(), "this is an object of Finished, made already: pass the class itself"),
        (lambda: Finished(), "expected a class, got function"),
        (Finished, ""),
    ],
)
def test_classes(doubling, capsys, answer, message):
    @exercise("99.3", "A module", methods=("__init__", "forward"))
    def examine(answer):
        same(run(run(answer), torch.ones(1)), 2 * torch.ones(1))

    check("99.3", answer)
    out = capsys.readouterr().out
    assert message in out and ("passed" in out) == (not message)


def test_a_class_is_no_function(doubling, capsys):
    assert doubling(Finished, capsys) == "not yet: expected a function, got the class Finished"


def test_none_behind_a_return(doubling, capsys):
    verdict = doubling(lambda x: x.clone().requires_grad_().grad, capsys)
    assert "it is what stands behind `return` here" in verdict


def test_the_capstone_comes_last():
    assert sorted(["99.10", "99.C", "99.2"], key=exercises._place) == ["99.2", "99.10", "99.C"]
