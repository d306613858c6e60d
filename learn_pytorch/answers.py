"""What a learner's answer is and does: is it a stub, what does it call, where did it fail.

``learn_pytorch/exercises.py`` asks these questions; nothing here knows of an exercise.
"""

import _thread
import contextlib
import dis
import functools
import hashlib
import inspect
import itertools
import linecache
import threading
import types

import numpy as np
import torch
from torch.overrides import TorchFunctionMode


def is_stub(answer, methods: tuple[str, ...] = ()) -> bool:
    """Whether the answer is still what the exercise started with: nothing but ``...``.

    Of a class, the methods that the exercise asks for are looked at. One that is empty may be an
    answer (``def reset(self): pass``); a stub is where all of them are.
    """
    if answer is ... or answer is None:
        return True
    if inspect.isclass(answer):
        asked = [vars(answer)[name] for name in methods if name in vars(answer)]
        return bool(asked) and all(is_empty(method) for method in asked)
    return is_empty(answer)


def is_empty(function) -> bool:
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


def returns_something(function) -> bool:
    """Whether a function has a ``return`` with something behind it."""
    code = getattr(function, "__code__", None)
    steps = [(s.opname, s.argval) for s in dis.get_instructions(code)] if code else []
    values = [before for before, (name, _) in itertools.pairwise(steps) if name == "RETURN_VALUE"]
    return any(not ("CONST" in name and value is None) for name, value in values)


class _Begins:
    """What an ``__init__`` compiles to that does nothing yet."""

    def __init__(self):
        super().__init__()


@contextlib.contextmanager
def one_thread():
    """Keeps PyTorch on one thread: on a busy machine several wait for each other in small operations."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def time_limit(seconds: float):
    """Raises TimeoutError inside the block when it takes longer than ``seconds``."""
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
        raise TimeoutError(
            f"not finished after {seconds:g} s: is there an endless loop, or a slow one?"
        ) from None
    finally:
        finished.set()
        timer.cancel()


def equal(a, b, rtol: float = 0.0, atol: float = 0.0) -> bool:
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
        return len(a) == len(b) and all(map(functools.partial(equal, rtol=rtol, atol=atol), a, b))
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k], rtol, atol) for k in b)
    return a == b


def kind(value) -> str:
    """The kind of a value in a learner's words."""
    if value is None:
        return "None"
    if isinstance(value, torch.Tensor):
        return f"tensor of shape {tuple(value.shape)}"
    return type(value).__name__


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "(no message)"


def line_of(answer, error: BaseException) -> str:
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


class Calls(TorchFunctionMode):
    """Notes which of some calls are made inside the block, on the way to any other result.

    A name stands for PyTorch's function, its method and its form in place alike ("softmax" for
    ``F.softmax``, ``z.softmax`` and ``z.softmax_``); a class for making an object of it.
    """

    def __init__(self, unwanted: tuple = ()):
        super().__init__()
        self.names = {u for u in unwanted if isinstance(u, str)}
        self.classes = [u for u in unwanted if not isinstance(u, str)]
        self.found: list[str] = []
        self._patches = contextlib.ExitStack()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "").strip("_").removeprefix("special_")
        if name in self.names:
            self.found.append(name)
        return function(*args, **(kwargs or {}))

    def __enter__(self):
        for kind in self.classes:
            self._patches.enter_context(self._watched(kind))
        return super().__enter__()

    def __exit__(self, *problem):
        self._patches.close()
        return super().__exit__(*problem)

    @contextlib.contextmanager
    def _watched(self, kind: type):
        own, begin = "__init__" in vars(kind), kind.__init__

        @functools.wraps(begin)
        def noted(self_, *args, **kwargs):
            self.found.append(kind.__name__)
            begin(self_, *args, **kwargs)

        kind.__init__ = noted
        try:
            yield
        finally:
            if own:
                kind.__init__ = begin
            else:
                del kind.__init__


@contextlib.contextmanager
def not_the_learners():
    """Inside, calls are made by what the check hands out (a model, a loss), and are not noted."""
    with torch._C.DisableTorchFunction():
        yield


def fingerprint(answer) -> str:
    """The same for the same code, run again; another one for code that was changed."""
    parts, seen = [], set()

    def collect(value):
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, types.CodeType):
            parts.append(value.co_code.hex() + repr(value.co_names))
            for constant in value.co_consts:
                collect(constant)
        elif isinstance(value, types.FunctionType):
            collect(value.__code__)
            for inner in (value.__defaults__, [c.cell_contents for c in value.__closure__ or ()]):
                collect(inner)
        elif isinstance(value, functools.partial):
            collect([value.func, value.args, value.keywords])
        elif inspect.isclass(value):
            collect([f for f in vars(value).values() if isinstance(f, types.FunctionType)])
        elif isinstance(value, (list, tuple)):
            for inner in value:
                collect(inner)
        elif isinstance(value, (int, float, str, bytes, dict, set, frozenset)) or value is None:
            parts.append(repr(value))
        else:
            parts.append(type(value).__qualname__)

    collect(answer)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def far(got, want) -> str:
    """How far values are off, and where: for tensors and numbers that differ in nothing else."""
    if not isinstance(want, torch.Tensor):
        if got != got or want != want:
            return "it is NaN" if got != got else "it is a number where NaN is wanted"
        return f"off by {abs(got - want):.4g}"
    got, want = got.detach().double().cpu(), want.detach().double().cpu()
    lost = got.isnan() != want.isnan()
    if lost.any():
        at = _place(lost)
        return f"NaN{at}" if got[lost][0].isnan() else f"a number where NaN is wanted{at}"
    off = torch.where(got == want, 0.0, (got - want).abs()).nan_to_num(0.0, posinf=torch.inf)
    return f"off by up to {off.max().item():.4g}{_place(off == off.max())}"


def _place(mask) -> str:
    """Where the first hit is, as one would index it; nothing for a tensor of one number."""
    if mask.ndim == 0:
        return ""
    place = ", ".join(str(i) for i in mask.nonzero()[0].tolist())
    return f", at [{place}]"


def half_made(value) -> bool:
    """Whether it is a module whose class forgot ``super().__init__()``."""
    return isinstance(value, torch.nn.Module) and "_modules" not in vars(value)
