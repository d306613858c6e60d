"""The check of notebook 00's capstone, a reader of digits without a network."""

import time

import torch

from learn_pytorch.drawn_digits import SIDE, draw_digits
from learn_pytorch.exercises import exercise, fresh_generator, require, run

PICTURES, NEW = 1200, 600
ENOUGH = 0.75  # nearest neighbours reach 0.78 to 0.89; without a look at the exposure 0.56 to 0.72
# A claim from 240 pictures, read with the help of the other 960, is 0.02 lower on average, and chance
# moves it by 0.03.
TOO_HIGH, TOO_LOW = 0.1, 0.15
LIMIT = 25  # seconds for one call; one loop needs a fraction of a second


@exercise("00.C", "Capstone: a digit reader without a network")
def check_digit_reader(answer):
    """New pictures of digits, one of them missing; the score, the claim, the pace."""
    g = fresh_generator()
    seed, missing = (int(torch.randint(0, end, (), generator=g)) for end in (10**9, 10))
    for digits, n, new in (((3, 7), 30, 9), ((1, 5, 8), 40, 1)):
        case = f"{n} pictures of {len(digits)} digits and {new} to read"
        _read(answer, draw_digits(n, seed, digits), draw_digits(new, seed + 1, digits)[0], case)

    present = [d for d in range(10) if d != missing]
    train, (images, truth) = draw_digits(PICTURES, seed + 2, present), draw_digits(NEW, seed + 3, present)
    case = f"{PICTURES} pictures without one of the digits and {NEW} to read"
    started = time.process_time()
    labels, claim = _read(answer, train, images, case)
    spent, two_loops = time.process_time() - started, _seconds_of_two_loops()
    slow = (
        f"it took {spent:.1f} s of computing, and comparing pictures two by two in Python {two_loops:.1f} s"
    )
    require(spent < two_loops / 2, f"{slow}: let broadcasting run one of the loops, for {case}")
    score = (labels == truth).float().mean().item()
    require(
        score >= ENOUGH, f"it reads {score:.2f} of the new pictures right, wanted {ENOUGH:.2f}, for {case}"
    )
    met = "" if claim < score else ": which pictures has it met before?"
    honest = score - TOO_LOW <= claim <= score + TOO_HIGH
    require(honest, f"you claim {claim:.2f}, and of the new pictures it reads {score:.2f} right{met}")


def _read(answer, train, images, case):
    """What the learner's reader returns, when it is labels and a claim."""
    got = run(answer, *train, images, case=case, limit=LIMIT)
    pair = isinstance(got, (tuple, list)) and len(got) == 2
    require(pair, f"return two things, the labels and your claim, for {case}")
    labels, claim = got
    require(isinstance(labels, torch.Tensor), f"the labels are no tensor, for {case}")
    wanted = (len(images),)
    shape = f"the labels have shape {tuple(labels.shape)}, wanted {wanted}, for {case}"
    require(labels.shape == wanted, shape)
    require(
        labels.dtype == torch.int64, f"the labels have dtype {labels.dtype}, wanted torch.int64, for {case}"
    )
    unknown = sorted(set(labels.tolist()) - set(train[1].tolist()))
    strange = f"a picture is read as {min(unknown, default=0)}, and no training picture shows that digit"
    require(not unknown, f"{strange}, for {case}")
    number = isinstance(claim, float) and 0 <= claim <= 1
    require(number, f"the claim must be a Python number from 0 to 1, not {claim!r}, for {case}")
    return labels, claim


def _seconds_of_two_loops() -> float:
    """How long this machine takes for all pairs of pictures, one at a time."""
    a, b, pairs = torch.rand(SIDE * SIDE), torch.rand(SIDE * SIDE), 2000
    started = time.process_time()
    for _ in range(pairs):
        ((a - b) ** 2).sum()
    return (time.process_time() - started) / pairs * PICTURES * NEW
