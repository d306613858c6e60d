"""Every answer of the tables, and what its check says of it."""

import importlib
import os

import answer_table
from learn_pytorch import exercises
from stored import LESSONS, ROOT, read

for _path in sorted((ROOT / "tests").glob("answers_*.py")):
    importlib.import_module(_path.stem)

ANSWERS = answer_table.ANSWERS
NOTEBOOKS = sorted({a.number[:2] for a in ANSWERS})
NUMBERS = [n for notebook in NOTEBOOKS for n in exercises._load(notebook)]
SOLUTIONS = {path.name[:2]: read(path.parent / "solutions" / path.name) for path in LESSONS}


def said(number, answer) -> str:
    """What the check says, the cause included: nothing for an answer that passes."""
    state, problem = exercises.verdict(exercises._find(number), answer)
    assert state != exercises.NOT_ATTEMPTED
    return f"{problem} | {problem.cause}" if problem else ""


def solution(number):
    """The answer of the solutions notebook."""
    return answer_table.solution(SOLUTIONS[number[:2]], number)


def repeatedly(times, seconds, at_least=3):
    """So many times, or fewer where one takes long: until so much CPU time is spent."""
    start = sum(os.times()[:4])  # with that of programs that a check has started
    for k in range(times):
        if k >= at_least and sum(os.times()[:4]) - start > seconds:
            return
        yield k


def meets(case, times, seconds=2.0) -> None:
    """The same verdict, repeatedly, and on until the words of the case come up.

    A verdict must not depend on the numbers that a check draws; which of several faults it names may.
    """
    heard = case.words is None

    def ask():
        nonlocal heard
        message = said(case.number, case.answer)
        assert bool(message) == (case.words is not None), message or "accepted"
        heard = heard or case.words in message
        return message

    for _ in repeatedly(times, seconds):
        message = ask()
    for _ in range(30):
        if heard:
            return
        message = ask()
    raise AssertionError(message)
