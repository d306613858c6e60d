"""Exercises that check themselves: ``check("00.3", answer)`` and ``progress("00")``.

The checks stand in ``learn_pytorch/checks/``, in all modules that end in the notebook's number. This module
runs them: it keeps a learner's code at arm's length (whatever it raises, changes or never finishes
becomes one line of advice). What was passed is remembered, see ``learn_pytorch/passed.py``.
"""

import copy
import importlib
import importlib.resources
import inspect
from collections.abc import Callable

import numpy as np
import torch

from learn_pytorch import answers, passed

TIME_LIMIT = 30  # seconds for one call of a learner's function; the longest needs about ten
CAUSE_FROM = 3  # the program as it came is the first that is refused, two attempts are the learner's

NOT_ATTEMPTED, NOT_YET, PASSED = "not attempted yet", "not yet", "passed"


HALF_MADE = "a module needs `super().__init__()` before anything else in its own `__init__`"


class NotYet(Exception):
    """The answer is not right yet. The message says what is wrong, not what would be right.

    Args:
        message: What is wrong, or in *Find the bug* how it shows.
        cause: Why; told only to somebody who has tried twice.
    """

    def __init__(self, message: str, cause: str = ""):
        super().__init__(message)
        self.cause = cause


# --------------------------------------------------------------------------- what learners call


def check(number: str, answer) -> None:
    """Checks the answer to one exercise and prints what came out.

    Prints one of ``00.3 not attempted yet``, ``00.3 not yet: <what is wrong>`` and
    ``00.3 passed``. Whatever the answer does, nothing is raised and the global random state
    is as before.

    Args:
        number: The exercise, such as ``"00.3"``.
        answer: What the exercise asks for: a function, a class or a value.

    Raises:
        ValueError: There is no exercise of that number.

    Example:
        >>> check("00.1", ...)
        00.1 not attempted yet
    """
    exercise = _find(number)
    exercise.state, problem = verdict(exercise, answer)
    message = f": {problem}" if problem else ""
    if exercise.state == NOT_YET:
        exercise.refused.add(answers.fingerprint(answer))
        if problem.cause and len(exercise.refused) >= CAUSE_FROM:
            message += f". The cause: {problem.cause}"
    if exercise.state == PASSED:
        passed.remember(exercise.name)
    print(f"{number} {exercise.state}{message}")


def progress(notebook: str, reset: bool = False) -> None:
    """Prints a table of a notebook's exercises and how each of them stands.

    What was passed once counts as passed on other days, too: a small file in the course's folder,
    ``.progress.json``, remembers it. On Colab it lives as long as the session.

    Args:
        notebook: Its two digits, such as ``"00"``.
        reset: Start again: first forget what was passed in this notebook. Deleting the file and
            restarting the kernel forgets all of them.

    Raises:
        ValueError: There are no exercises for that notebook.
    """
    exercises = _load(notebook)
    if reset:
        passed.forget({e.name for e in exercises.values()})
        for e in exercises.values():
            e.state = NOT_ATTEMPTED
            e.refused.clear()
    earlier = passed.names()
    states = {n: PASSED if e.name in earlier else e.state for n, e in exercises.items()}
    width = max(len(e.title) for e in exercises.values())
    for number, state in states.items():
        print(f"{number:<6} {exercises[number].title:<{width}}  {state}")
    print(f"{list(states.values()).count(PASSED)} of {len(states)} passed")


# ------------------------------------------------------------------------ what checks are made of


class Exercise:
    """One exercise: what it is called and asks for, how it stands, which answers have been refused."""

    def __init__(self, number: str, title: str, examine: Callable, methods: tuple[str, ...], wants: str):
        self.number, self.title, self.examine = number, title, examine
        self.methods, self.wants = methods, wants
        self.state, self.refused = NOT_ATTEMPTED, set()

    @property
    def name(self) -> str:
        """Number and title: another exercise that gets this number one day is not passed by it."""
        return f"{self.number} {self.title}"


_exercises: dict[str, Exercise] = {}


def exercise(number: str, title: str, methods: tuple[str, ...] = (), wants: str = ""):
    """Decorator: makes ``examine(answer)`` the check of an exercise.

    ``examine`` raises ``NotYet`` (through ``require``, ``run`` and ``same``) or returns.

    Args:
        number: Such as ``"00.3"``; ``"00.C"`` is the capstone, which comes last.
        title: As in the notebook.
        methods: Those that a class has to be given; as long as all of them are empty, nobody
            has attempted the exercise.
        wants: ``"function"`` or ``"class"``; without it a class where methods are named.
    """
    wants = wants or ("class" if methods else "function")

    def register(examine: Callable) -> Callable:
        _exercises[number] = Exercise(number, title, examine, methods, wants)
        return examine

    return register


def verdict(exercise: Exercise, answer) -> tuple[str, NotYet | None]:
    """How an answer stands, and what is wrong with it. Nothing is printed or remembered."""
    if answers.is_stub(answer, exercise.methods):
        return NOT_ATTEMPTED, None
    try:
        _right_kind(exercise, answer)
        with torch.random.fork_rng(devices=[]), torch.enable_grad(), answers.one_thread():
            exercise.examine(answer)
    except NotYet as problem:
        return NOT_YET, problem
    except Exception as error:  # the answer is something that the check did not foresee
        said = f"{type(error).__name__}: {answers.first_line(error)}"
        return NOT_YET, NotYet(f"the answer cannot be checked, {said}")
    return PASSED, None


def require(condition, message: str, cause: str = "") -> None:
    """Raises ``NotYet`` unless the condition holds.

    Args:
        condition: What must be true of the answer.
        message: What is wrong. In *Find the bug*: the symptom, as one meets it at work.
        cause: Where the symptom comes from. It is told from the third different answer that is
            refused: the program as it came counts as the first.
    """
    if not condition:
        raise NotYet(message, cause)


def run(
    answer: Callable,
    *args,
    case: str = "",
    may_change: tuple[int, ...] = (),
    forbid: tuple = (),
    limit: float | None = None,
    **kwargs,
):
    """Calls a learner's function and returns its result.

    The function gets the arguments themselves, so that a check can ask whether memory is
    shared; afterwards they are compared with copies made before.

    Args:
        answer: The learner's function.
        *args, **kwargs: Its arguments.
        case: The input in words, for messages: ``"a video of 5 frames"``.
        may_change: Positions of the arguments that the function is asked to change.
        forbid: What the text asks to do without: names of PyTorch's functions and methods
            (``"softmax"``), or classes (``nn.MaxPool2d``).
        limit: Seconds; ``TIME_LIMIT`` without it.

    Raises:
        NotYet: It is no function, raised an exception, took too long, changed its input, called
            what is forbidden or returned nothing.
    """
    require(
        callable(answer),
        f"expected a function, got {answers.kind(answer)}: pass the function itself, without parentheses",
    )
    where = f", for {case}" if case else ""
    # Models and optimizers are there to be changed; data is not.
    data = (torch.Tensor, np.ndarray, list, dict)
    before = {
        i: copy.deepcopy(a.detach() if isinstance(a, torch.Tensor) else a)
        for i, a in enumerate(args)
        if i not in may_change and isinstance(a, data)
    }
    calls = answers.Calls(forbid)
    try:
        with answers.time_limit(TIME_LIMIT if limit is None else limit), calls:
            result = answer(*args, **kwargs)
    except NotYet:
        raise
    except (Exception, SystemExit) as error:
        if "Module.__init__() call" in str(error) or answers.half_made(getattr(error, "obj", None)):
            raise NotYet(HALF_MADE + where) from None
        message = f"{answers.first_line(error)}{answers.line_of(answer, error)}"
        raise NotYet(f"your code raised {type(error).__name__}: {message}{where}") from None
    used = " and ".join(f"`{name}`" for name in sorted(set(calls.found)))
    require(not used, f"your code uses {used}, and the text asks to do without{where}")
    for i, original in before.items():
        same_as_before = answers.equal(args[i], original)
        require(same_as_before, f"your code changed its argument number {i + 1}{where}")
    missing = f"the result is None: is a `return` missing{where}?"
    if answers.returns_something(answer):
        missing = f"the result is None: it is what stands behind `return` here{where}"
    require(result is not None, missing)
    require(not answers.half_made(result), HALF_MADE + where)
    return result


def same(got, want, *, case: str = "", hint: str = "", rtol: float = 1e-4, atol: float = 1e-5):
    """Requires a learner's result to equal a trusted one in kind, shape, dtype and value.

    Args:
        got: The learner's result.
        want: The trusted result: a tensor, a number, a string, or a tuple or list of these.
        case: The input in words, for messages.
        hint: Which known mistake gives such values, said instead of how far off they are.
        rtol, atol: Relative and absolute tolerance for floats.

    Raises:
        NotYet: They differ; the message says in what, and not what would be right.
    """
    where = f", for {case}" if case else ""
    if isinstance(want, (tuple, list)):
        require(
            isinstance(got, (tuple, list)), f"expected {len(want)} values, got {answers.kind(got)}{where}"
        )
        require(len(got) == len(want), f"expected {len(want)} values, got {len(got)}{where}")
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            number = f"value {i + 1} of {len(want)}"
            same(g, w, case=f"{number}, {case}" if case else number, hint=hint, rtol=rtol, atol=atol)
    elif isinstance(want, torch.Tensor):
        require(isinstance(got, torch.Tensor), f"expected a tensor, got {answers.kind(got)}{where}")
        shapes = f"shape {tuple(got.shape)}, wanted {tuple(want.shape)}"
        require(got.shape == want.shape, shapes + where)
        require(got.dtype == want.dtype, f"dtype {got.dtype}, wanted {want.dtype}{where}")
        require(got.device == want.device, f"device {got.device}, wanted {want.device}{where}")
        right = answers.equal(got, want, rtol=rtol, atol=atol)
        if not right:
            raise NotYet(f"the shape is right, the values are not: {hint or answers.far(got, want)}{where}")
    elif isinstance(want, (bool, str)) or want is None:
        require(type(got) is type(want), f"expected a {answers.kind(want)}, got {answers.kind(got)}{where}")
        hint = f": {hint}" if hint else f", it is {got!r}"
        require(got == want, f"the value is not right{hint}{where}")
    elif isinstance(want, (int, float)):
        advice = "; .item() makes a number of it" if isinstance(got, torch.Tensor) else ""
        number = isinstance(got, (int, float)) and not isinstance(got, bool)
        require(number, f"expected a Python number, got {answers.kind(got)}{advice}{where}")
        whole = isinstance(got, int) or not isinstance(want, int)
        require(whole, f"expected a whole number (int), got {answers.kind(got)}{where}")
        right = got == want or abs(got - want) <= atol + rtol * abs(want) or (got != got and want != want)
        if not right:
            raise NotYet(f"the value is not right: {hint or answers.far(got, want)}{where}")
    else:
        raise TypeError(f"same() cannot compare with {answers.kind(want)}")


def a_tensor(got, case: str) -> None:
    """Requires a learner's result to be a tensor, before its shape or its values are looked at."""
    kind = type(got).__name__
    require(isinstance(got, torch.Tensor), f"expected a tensor, got {kind}, for {case}")


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors have the same shape and, up to a tolerance, the same values."""
    a, b = a.detach().double(), b.detach().double()
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=tolerance)


def fresh_generator() -> torch.Generator:
    """A generator with a seed of its own each time, so that no answer can know the input."""
    generator = torch.Generator()
    generator.seed()
    return generator


# -------------------------------------------------------------------------------------- inner works


def _find(number: str) -> Exercise:
    exercises = _load(str(number)[:2])
    if number not in exercises:
        raise ValueError(f"there is no exercise {number!r}; there are {', '.join(exercises)}")
    return exercises[number]


def _load(notebook: str) -> dict[str, Exercise]:
    folder = importlib.resources.files("learn_pytorch.checks")
    found = sorted(f.name.removesuffix(".py") for f in folder.iterdir() if f.name.endswith(f"_{notebook}.py"))
    if not found or len(str(notebook)) != 2:
        raise ValueError(f"there are no exercises for notebook {notebook!r}")
    for module in found:
        importlib.import_module(f"learn_pytorch.checks.{module}")
    found = {n: e for n, e in _exercises.items() if n.startswith(f"{notebook}.")}
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def _place(number: str) -> float:
    """Where an exercise stands in its notebook: the capstone comes last."""
    place = number.split(".")[1]
    return float("inf") if place == "C" else int(place)


def _right_kind(exercise: Exercise, answer) -> None:
    """Requires a class where a class is asked for, and none where a function is."""
    if inspect.isclass(answer):
        name = answer.__name__
        require(exercise.wants == "class", f"expected a function, got the class {name}")
    elif exercise.wants == "class":
        kind = type(answer).__name__
        made = isinstance(answer, torch.nn.Module) or any(hasattr(answer, m) for m in exercise.methods[1:])
        message = f"this is an object of {kind}, made already: pass the class itself, without parentheses"
        require(not made, message)
        require(False, f"expected a class, got {answers.kind(answer)}")
