"""Whatever a check draws, its verdict is the same."""

import pytest
from judged import ANSWERS, NUMBERS, meets, repeatedly, said, solution

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [n for n in NUMBERS if not n.endswith("C")])
def test_solution_is_never_refused(number):
    answer = solution(number)
    for _ in repeatedly(300, seconds=3):
        assert not said(number, answer)


@pytest.mark.parametrize("case", [a for a in ANSWERS if a.seconds < 1], ids=lambda a: a.name)
def test_verdict_is_always_the_same(case):
    meets(case, times=30, seconds=0.8)
