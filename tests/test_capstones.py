"""Whole projects as answers: those of the capstones, and others that take their time."""

import pytest
from judged import ANSWERS, NUMBERS, meets, repeatedly, said, solution

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", [a for a in ANSWERS if a.seconds >= 1], ids=lambda a: a.name)
def test_project(case):
    if case.often:
        assert any(said(case.number, case.answer) for _ in range(4)), "accepted four times"
    else:
        meets(case, times=3 if case.seconds < 5 else 1)


@pytest.mark.parametrize("number", [n for n in NUMBERS if n.endswith("C")])
def test_solution_passes_whatever_the_check_draws(number):
    answer = solution(number)
    for _ in repeatedly(20, seconds=20, at_least=2):
        assert not said(number, answer)
