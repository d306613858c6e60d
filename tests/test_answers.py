"""Answers that learners give, from tables: the right ones pass, the wrong ones hear what is wrong."""

import importlib
import os

import pytest

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


def repeatedly(times, seconds=5):
    """So many times, or fewer where one takes long: until so much CPU time is spent."""
    start = sum(os.times()[:4])  # with that of programs that a check has started
    for k in range(times):
        if k >= 3 and sum(os.times()[:4]) - start > seconds:
            return
        yield k


def meets(case, times) -> None:
    """So many times the same verdict; and the words, which may depend on the numbers drawn, come up."""
    heard = case.words is None
    for k in repeatedly(max(times, 30), seconds=2):
        message = said(case.number, case.answer)
        assert bool(message) == (case.words is not None), message or "accepted"
        heard = heard or case.words in message
        if heard and k + 1 >= times:
            return
    assert heard, message


@pytest.mark.parametrize("case", [a for a in ANSWERS if a.seconds < 1], ids=lambda a: a.name)
def test_answer(case):
    meets(case, times=1)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_exercise_has_answers(number):
    """Its solution and a second right way, and three that are wrong for different reasons."""
    own = [a for a in ANSWERS if a.number == number]
    assert sum(a.words is None for a in own) >= 1
    assert len({a.words for a in own if a.words is not None}) >= 3


@pytest.mark.parametrize("number", [n for n in NUMBERS if not n.endswith("C")])
def test_solution(number):
    assert not said(number, answer_table.solution(SOLUTIONS[number[:2]], number))


@pytest.mark.slow
@pytest.mark.parametrize("number", [n for n in NUMBERS if not n.endswith("C")])
def test_solution_is_never_refused_by_chance(number):
    answer = answer_table.solution(SOLUTIONS[number[:2]], number)
    for _ in repeatedly(300):
        assert not said(number, answer)


@pytest.mark.slow
@pytest.mark.parametrize("case", [a for a in ANSWERS if a.seconds < 1], ids=lambda a: a.name)
def test_verdict_is_never_one_of_chance(case):
    meets(case, times=30)


@pytest.mark.slow
@pytest.mark.parametrize("case", [a for a in ANSWERS if a.seconds >= 1], ids=lambda a: a.name)
def test_project(case):
    meets(case, times=3)


@pytest.mark.slow
@pytest.mark.parametrize("number", [n for n in NUMBERS if n.endswith("C")])
def test_capstone_is_solved_whatever_the_check_draws(number):
    answer = answer_table.solution(SOLUTIONS[number[:2]], number)
    for _ in repeatedly(20, seconds=20):
        assert not said(number, answer)
