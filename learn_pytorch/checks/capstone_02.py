"""The check of notebook 02's capstone: a table with traps, and next month's rows."""

import math

import torch

from learn_pytorch.exercises import exercise, fresh_generator, require, run

NAMES = ("patient", "age", "marker_a", "marker_b", "marker_c", "humidity", "days_in_ward")
PRECISION = 0.8  # wanted on next month's rows
ENOUGH = 0.6  # recall: a straight line finds next to nobody, a small network about four in five


def table(n: int, g: torch.Generator, later: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of one month, float32 of shape (n, 7), and who of them is ill.

    Args:
        n: How many rows.
        g: Random numbers.
        later: A month in which nobody has been treated yet, with the next patients' numbers.
    """
    a, b, c = torch.randn(3, n, generator=g)
    score = 2.2 * a * b + 1.8 * c + 0.6 * torch.randn(n, generator=g)
    y = (score > 4.6).float()
    patient = 10_000 + torch.randperm(n, generator=g) + (20_000 if later else 0)
    if not later:  # the ill of a special ward were entered last
        patient = patient + 4000 * y * (torch.rand(n, generator=g) < 0.8)
    age = 20 + 60 * torch.rand(n, generator=g)
    days = (y * (2 + 5 * torch.rand(n, generator=g))).round()  # known once they have been treated
    if later:
        days = torch.full((n,), math.nan)
    columns = (patient, age, 5000 + 900 * a, 0.02 + 0.004 * b, -3 + 40 * c, torch.full((n,), 0.1), days)
    X = torch.stack(columns, dim=1)
    for k in range(1, 5):
        X[torch.rand(n, generator=g) < 0.02, k] = math.nan
    return X, y


@exercise("02.C", "Capstone: next month's patients")
def check_next_month(answer):
    """Precision, recall and the claimed recall, on rows that did not exist when it was trained."""
    g = fresh_generator()
    order = torch.randperm(len(NAMES), generator=g)
    names = [NAMES[k] for k in order]
    (X, y), (new, truth) = table(12_000, g), table(16_000, g, later=True)
    got = run(answer, X[:, order], y, names, case="12,000 rows of this month", limit=25)
    pair = isinstance(got, (tuple, list)) and len(got) == 2
    require(pair, "expected two things: a function that raises alarms, and the recall that you claim")
    alarm, claim = got
    number = isinstance(claim, (int, float)) and 0 <= claim <= 1
    require(number, "expected the claimed recall as a Python number between 0 and 1")

    def ask(rows, case):
        said = run(alarm, rows, case=case)
        mask = isinstance(said, torch.Tensor) and said.dtype == torch.bool and said.shape == (len(rows),)
        require(mask, f"expected a tensor of True and False, one for each row, for {case}")
        return said

    new = new[:, order]
    alarms = ask(new, "next month's rows")
    few = alarms.nonzero().flatten()[:20]
    require(len(few), "next month your program does not raise a single alarm")
    require(not alarms.all(), "next month your program raises an alarm for everybody")
    alone = ask(new[few], "a few of the rows that got an alarm")
    require(alone.all(), "rows that got an alarm get none when they come alone: what are they scaled with?")
    hits = (alarms & (truth == 1)).sum().item()
    precision, recall = hits / max(int(alarms.sum()), 1), hits / truth.sum().item()
    untrue = f"you claim a recall of {claim:.0%}, and next month it is {recall:.0%}"
    known = "what did the model know that nobody knows next month, and which rows had it met before?"
    # Of the ill whom it misses, an honest claim on some 150 of them does not forget three in four.
    honest = claim < recall + 0.16 and 1 - claim >= (1 - recall) / 4
    require(honest, f"{untrue}: {known}")
    false = f"next month {1 - precision:.0%} of your alarms are false, and one in five was the limit"
    require(precision > PRECISION - 0.12, f"{false}: on which rows was the threshold chosen?")
    better = "the claim is honest, and a better model finds clearly more: plot pairs of columns by class"
    require(recall > ENOUGH, f"next month you find {recall:.0%} of the ill: {better}")
    require(claim > recall - 0.2, f"{untrue}: you do yourself an injustice")
