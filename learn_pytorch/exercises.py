"""Exercises that check themselves: ``check("00.3", answer)`` and ``progress("00")``.

The checks stand in ``learn_pytorch/checks/notebook_NN.py``, one module for each notebook. This module runs
them: it keeps a learner's code at arm's length (whatever it raises, changes or never finishes
becomes one line of advice). What was passed is remembered, see ``learn_pytorch/passed.py``.
"""

import _thread
import contextlib
import copy
import dis
import functools
import importlib
import inspect
import linecache
import threading
import types
from collections.abc import Callable

import numpy as np
import torch

from learn_pytorch import passed

TIME_LIMIT = 60  # seconds for one call of a learner's function; the longest needs about one

NOT_ATTEMPTED, NOT_YET, PASSED = "not attempted yet", "not yet", "passed"


class NotYet(Exception):
    """The answer is not right yet. The message says what is wrong, not what would be right."""


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
    if _is_stub(answer, exercise.methods):
        exercise.state, message = NOT_ATTEMPTED, ""
    else:
        try:
            with torch.random.fork_rng(devices=[]), torch.enable_grad(), _one_thread():
                exercise.examine(answer)
            exercise.state, message = PASSED, ""
        except NotYet as problem:
            exercise.state, message = NOT_YET, f": {problem}"
        except Exception as error:  # the answer is something that the check did not foresee
            exercise.state = NOT_YET
            message = f": the answer cannot be checked, {type(error).__name__}: {_first_line(error)}"
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
    earlier = passed.names()
    states = {n: PASSED if e.name in earlier else e.state for n, e in exercises.items()}
    width = max(len(e.title) for e in exercises.values())
    for number, state in states.items():
        print(f"{number:<6} {exercises[number].title:<{width}}  {state}")
    print(f"{list(states.values()).count(PASSED)} of {len(states)} passed")


# ------------------------------------------------------------------------ what checks are made of


class Exercise:
    """One exercise: number, title, the function that examines an answer, the methods of a class, state."""

    def __init__(self, number: str, title: str, examine: Callable, methods: tuple[str, ...]):
        self.number, self.title, self.examine, self.methods = number, title, examine, methods
        self.state = NOT_ATTEMPTED

    @property
    def name(self) -> str:
        """Number and title: another exercise that gets this number one day is not passed by it."""
        return f"{self.number} {self.title}"


_exercises: dict[str, Exercise] = {}


def exercise(number: str, title: str, methods: tuple[str, ...] = ()):
    """Decorator: makes ``examine(answer)`` the check of an exercise.

    ``examine`` raises ``NotYet`` (through ``require``, ``run`` and ``same``) or returns.

    Args:
        number: Such as ``"00.3"``.
        title: As in the notebook.
        methods: Those that a class has to be given; as long as all of them are empty, nobody
            has attempted the exercise.
    """

    def register(examine: Callable) -> Callable:
        _exercises[number] = Exercise(number, title, examine, methods)
        return examine

    return register


def require(condition, message: str) -> None:
    """Raises ``NotYet(message)`` unless the condition holds."""
    if not condition:
        raise NotYet(message)


def run(answer: Callable, *args, case: str = "", may_change: tuple[int, ...] = (), **kwargs):
    """Calls a learner's function and returns its result.

    The function gets the arguments themselves, so that a check can ask whether memory is
    shared; afterwards they are compared with copies made before.

    Args:
        answer: The learner's function.
        *args, **kwargs: Its arguments.
        case: The input in words, for messages: ``"a video of 5 frames"``.
        may_change: Positions of the arguments that the function is asked to change.

    Raises:
        NotYet: It is no function, raised an exception, took too long, changed its input or
            returned nothing.
    """
    require(
        callable(answer),
        f"expected a function, got {_kind(answer)}: pass the function itself, without parentheses",
    )
    where = f", for {case}" if case else ""
    # Models and optimizers are there to be changed; data is not.
    data = (torch.Tensor, np.ndarray, list, dict)
    before = {
        i: copy.deepcopy(a.detach() if isinstance(a, torch.Tensor) else a)
        for i, a in enumerate(args)
        if i not in may_change and isinstance(a, data)
    }
    try:
        with _time_limit():
            result = answer(*args, **kwargs)
    except NotYet:
        raise
    except (Exception, SystemExit) as error:
        message = f"{_first_line(error)}{_line_of(answer, error)}"
        raise NotYet(f"your code raised {type(error).__name__}: {message}{where}") from None
    for i, original in before.items():
        require(_equal(args[i], original), f"your code changed its argument number {i + 1}{where}")
    require(result is not None, f"the result is None: is a `return` missing{where}?")
    return result


def same(got, want, *, case: str = "", hint: str = "", rtol: float = 1e-4, atol: float = 1e-5):
    """Requires a learner's result to equal a trusted one in kind, shape, dtype and value.

    Args:
        got: The learner's result.
        want: The trusted result: a tensor, a number, a string, or a tuple or list of these.
        case: The input in words, for messages.
        hint: Added where only the values differ: which mistake gives such values.
        rtol, atol: Relative and absolute tolerance for floats.

    Raises:
        NotYet: They differ; the message says in what, and not what would be right.
    """
    where = f", for {case}" if case else ""
    hint = f": {hint}" if hint else ""
    if isinstance(want, (tuple, list)):
        require(isinstance(got, (tuple, list)), f"expected {len(want)} values, got {_kind(got)}{where}")
        require(len(got) == len(want), f"expected {len(want)} values, got {len(got)}{where}")
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            number = f"value {i + 1} of {len(want)}"
            same(g, w, case=f"{number}, {case}" if case else number, hint=hint[2:], rtol=rtol, atol=atol)
    elif isinstance(want, torch.Tensor):
        require(isinstance(got, torch.Tensor), f"expected a tensor, got {_kind(got)}{where}")
        shapes = f"shape {tuple(got.shape)}, wanted {tuple(want.shape)}"
        require(got.shape == want.shape, shapes + where)
        require(got.dtype == want.dtype, f"dtype {got.dtype}, wanted {want.dtype}{where}")
        require(got.device == want.device, f"device {got.device}, wanted {want.device}{where}")
        right = _equal(got, want, rtol=rtol, atol=atol)
        require(right, f"the shape is right, the values are not{hint}{where}")
    elif isinstance(want, (bool, str)) or want is None:
        require(type(got) is type(want), f"expected a {_kind(want)}, got {_kind(got)}{where}")
        require(got == want, f"the value is not right{hint}{where}")
    elif isinstance(want, (int, float)):
        advice = "; .item() makes a number of it" if isinstance(got, torch.Tensor) else ""
        number = isinstance(got, (int, float)) and not isinstance(got, bool)
        require(number, f"expected a Python number, got {_kind(got)}{advice}{where}")
        right = abs(got - want) <= atol + rtol * abs(want) or (got != got and want != want)
        require(right, f"the value is not right{hint}{where}")
    else:
        raise TypeError(f"same() cannot compare with {_kind(want)}")


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
    module = f"learn_pytorch.checks.notebook_{notebook}"
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:  # the checks are there, and something that they need is not
            raise
        raise ValueError(f"there are no exercises for notebook {notebook!r}") from None
    found = {n: e for n, e in _exercises.items() if n.startswith(f"{notebook}.")}
    return dict(sorted(found.items(), key=lambda item: int(item[0].split(".")[1])))


def _is_stub(answer, methods: tuple[str, ...] = ()) -> bool:
    """Whether the answer is still what the exercise started with: nothing but ``...``.

    Of a class, the methods that the exercise asks for are looked at. One that is empty may be an
    answer (``def reset(self): pass``); a stub is where all of them are.
    """
    if answer is ... or answer is None:
        return True
    if inspect.isclass(answer):
        asked = [vars(answer)[name] for name in methods if name in vars(answer)]
        return bool(asked) and all(_is_empty(method) for method in asked)
    return _is_empty(answer)


def _is_empty(function) -> bool:
    """Whether a function does nothing, or nothing but what every ``__init__`` of a module begins with."""
    if not isinstance(function, types.FunctionType):
        return False
    steps, begins = (
        [(step.opname, step.argval) for step in dis.get_instructions(f)] for f in (function, _Begins.__init__)
    )
    if steps == begins:
        return True
    # An empty body compiles to "return None" and nothing else.
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE", "LOAD_COMMON_CONSTANT"}
    returned = [value for name, value in steps if "CONST" in name]
    return all(name in idle for name, _ in steps) and all(r is None for r in returned)


class _Begins:
    """What an ``__init__`` compiles to that does nothing yet."""

    def __init__(self):
        super().__init__()


@contextlib.contextmanager
def _one_thread():
    """Keeps PyTorch on one thread: on a busy machine several wait for each other in small operations."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _time_limit(seconds: float | None = None):
    """Raises TimeoutError inside the block when it takes longer than ``seconds``."""
    seconds = TIME_LIMIT if seconds is None else seconds
    finished, fired = threading.Event(), threading.Event()

    def interrupt():
        if not finished.is_set():
            fired.set()
            _thread.interrupt_main()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if not fired.is_set():
            raise  # the learner pressed stop
        raise TimeoutError(f"not finished after {seconds:g} s, is there an endless loop?") from None
    finally:
        finished.set()
        timer.cancel()


def _equal(a, b, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Equality of data, where NaN equals NaN and shapes never broadcast."""
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(b, torch.Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.device.type == "meta":
            return True
        a, b = a.detach(), b.detach()
        if b.is_floating_point():
            return torch.allclose(a.double(), b.double(), rtol=rtol, atol=atol, equal_nan=True)
        return torch.equal(a, b)
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(functools.partial(_equal, rtol=rtol, atol=atol), a, b))
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k], rtol, atol) for k in b)
    return a == b


def _kind(value) -> str:
    """The kind of a value in a learner's words."""
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        return f"tensor of shape {tuple(value.shape)}"
    return type(value).__name__


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "(no message)"


def _line_of(answer, error: BaseException) -> str:
    """Where in the learner's own code the error came up."""
    code = getattr(inspect.unwrap(answer), "__code__", None)
    if code is None:  # a class or a module: each method of its own tells where the learner's code is
        methods = vars(answer if inspect.isclass(answer) else type(answer)).values()
        code = next((m.__code__ for m in methods if inspect.isfunction(m)), None)
    last, step = None, error.__traceback__
    while step is not None:
        if code is not None and step.tb_frame.f_code.co_filename == code.co_filename:
            last = step
        step = step.tb_next
    if last is None:
        return ""
    text = linecache.getline(last.tb_frame.f_code.co_filename, last.tb_lineno).strip()
    return f" (in `{text}`)" if text else ""
