"""Answers to exercises, right ones and wrong ones, as tables: ``tests/answers_00.py`` and its like.

``right("00.1", answer)`` and ``wrong("00.1", "what the check says of it", answer)``; without an answer
they are decorators of one. ``test_answers.py`` gives each of them to its check.
"""

import re
import sys
from typing import Any, NamedTuple

import torch


class Answer(NamedTuple):
    """An answer; ``words`` stand in what the check says (or in the cause), there are none for a right one."""

    number: str
    words: str | None
    answer: Any
    name: str
    forbidden: bool = False
    seconds: float = 0.0  # CPU time of one check, roughly, where that is much
    often: bool = False  # a boast that comes true now and then: refused in most draws


ANSWERS: list[Answer] = []


def _note(number, words, answer, **more):
    line = sys._getframe(2).f_lineno

    def note(answer):
        name = re.sub(r" at 0x\w+", "", getattr(answer, "__name__", "answer")).strip("<>_") or "answer"
        ANSWERS.append(Answer(number, words, answer, f"{number}-{name}-{line}", **more))
        return answer

    return note if answer is None else note(answer)


def right(number, answer=None, **more):
    """An answer that passes."""
    return _note(number, None, answer, **more)


def wrong(number, words, answer=None, **more):
    """An answer that is refused with these words, and for no other reason."""
    return _note(number, words, answer, **more)


def forbidden(number, answer=None, words="the text asks to do without", **more):
    """An answer that does what the text forbids."""
    return _note(number, words, answer, forbidden=True, **more)


def solution(notebook, number) -> Any:
    """The answer that a solutions notebook gives to the check, from its cell with the tag."""
    from stored import code_cells, tags

    cells = code_cells(notebook)
    found = {"check": lambda number, answer: found.update({f"<{number}>": answer}), "torch": torch}
    for cell in cells:
        is_import = "learn_pytorch.exercises import" in cell.source and not tags(cell)
        own = f'check("{number}"' in cell.source or 'check("' not in cell.source  # a part without a check
        if is_import or ("solution" in tags(cell) and own):
            exec(cell.source if not is_import else _without_check(cell.source), found)
    return found[f"<{number}>"]


def _without_check(source) -> str:
    lines = [line for line in source.splitlines() if "learn_pytorch.exercises" not in line]
    return "\n".join(lines)
