"""Which exercises were passed, in a small file that outlives the kernel.

It is ``.progress.json`` in the course's folder, or what ``COURSE_PROGRESS`` names. Nothing that is
wrong with it (damaged, not writable, locked for long) may disturb a lesson: then the kernel alone
remembers. Where nobody sits at the notebook, it is neither read nor written, so that a notebook
that is run by a program prints the same on every machine.
"""

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

LOCK_LIMIT = 2  # seconds to wait for another notebook that writes at this moment


def names() -> set[str]:
    """The names of the exercises that were passed, today or earlier."""
    if somebody_watches():
        with contextlib.suppress(OSError, RuntimeError):
            return _read()
    return set()


def remember(name: str) -> None:
    """Adds an exercise that was passed just now."""
    if somebody_watches() and name not in names():
        _update(lambda names: names | {name})


def forget(names: set[str]) -> None:
    """Takes exercises out again."""
    if somebody_watches():
        _update(lambda old: old - names)


def somebody_watches() -> bool:
    """Whether a person sits at the notebook: only then its kernel is allowed to ask questions."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return bool(getattr(getattr(shell, "kernel", None), "_allow_stdin", False))


def _path() -> Path:
    own = os.environ.get("COURSE_PROGRESS")
    return Path(own).expanduser() if own else Path(__file__).parent.parent / ".progress.json"


def _read() -> set[str]:
    """What the file says: nothing if there is none, or a damaged one. Raises OSError if it is held."""
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))["passed"]
        return {name for name in found if isinstance(name, str)}
    except (FileNotFoundError, RecursionError, ValueError, LookupError, TypeError):
        return set()


def _update(change) -> None:
    """Reads, changes and writes the file, one notebook at a time."""
    from filelock import FileLock, Timeout

    with contextlib.suppress(OSError, RuntimeError, Timeout):  # NotImplementedError is a RuntimeError
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock"), timeout=LOCK_LIMIT):
            text = json.dumps({"passed": sorted(change(_read()))}, indent=1, ensure_ascii=False)
            handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
            try:
                with open(handle, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
                os.replace(partial, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(partial)
                raise
