"""Answers that learners give, from tables: the right ones pass, the wrong ones hear what is wrong."""

import pytest
from judged import ANSWERS, NUMBERS, meets


@pytest.mark.parametrize("case", [a for a in ANSWERS if a.seconds < 1], ids=lambda a: a.name)
def test_answer(case):
    meets(case, times=1)


@pytest.mark.parametrize("number", NUMBERS)
def test_each_exercise_has_answers(number):
    """Its solution and a second right way, and three that are wrong for different reasons."""
    own = [a for a in ANSWERS if a.number == number]
    assert sum(a.words is None for a in own) >= 1
    assert len({a.words for a in own if a.words is not None}) >= 3
