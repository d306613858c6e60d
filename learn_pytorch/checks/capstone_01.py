"""The check of notebook 01's capstone: an unknown curve, an honest claim, a run that is killed."""

import contextlib
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from learn_pytorch.drawn_curves import NOISE, Curve
from learn_pytorch.exercises import exercise, fresh_generator, require, run

MEASURED, NEW = 2000, 2000
NEAR = 0.5  # standard deviations of the noise; robust fits reach 0.3, squared errors 1.8
HONEST = 0.25  # four times what chance does to a median of 400 errors
LIMIT = 9  # seconds for one call, of which there are three; a fit needs about half a second


class _Killed(BaseException):
    """The power fails: nothing that handles errors gets to see it."""


class _Power:
    """Counts the steps of all optimizers, and fails after so many of them."""

    def __init__(self, until: float = float("inf")):
        self.steps, self.until = 0, until

    def _count(self, *_):
        self.steps += 1
        self._use()

    def _use(self):
        if self.steps > self.until:
            raise _Killed

    @contextlib.contextmanager
    def on(self):
        """Inside, every step is counted, and nothing is saved any more after the failure."""
        save = torch.save

        def saved(*args, **kwargs):
            self._use()
            return save(*args, **kwargs)

        hook = register_optimizer_step_post_hook(self._count)
        try:
            with mock.patch.object(torch, "save", saved):
                yield self
        finally:
            hook.remove()


@exercise("01.C", "Capstone: an unknown curve")
def check_unknown_curve(answer):
    """Near the curve in spite of outliers, an honest claim, and a run that survives being killed."""
    seed = int(torch.randint(0, 10**9, (), generator=fresh_generator()))
    with tempfile.TemporaryDirectory() as folder:
        case, power = "a run without interruption", _Power()
        with power.on():
            _fit(answer, Curve(seed), Path(folder) / "first.pth", case)
        whole = power.steps
        require(whole, "no optimizer of torch.optim took a step: the curve is to be trained")

        curve, path, case = Curve(seed + 1), Path(folder) / "second.pth", "a run that is killed"
        power = _Power(until=0.6 * whole)
        with contextlib.suppress(_Killed), power.on():
            _fit(answer, curve, path, case, judge=False)
        require(path.exists(), "the power fails after 60 % of the steps, and there is no file at `path`")
        try:
            torch.load(path, weights_only=True)
        except Exception:
            require(False, "what lies at `path` cannot be loaded with weights_only=True")
        case, power = "a run that goes on after it was killed", _Power()
        with power.on():
            _fit(answer, curve, path, case)
        share = power.steps / whole
        again = f"killed after 60 % of its steps, it takes another {share:.0%} of them"
        require(share <= 0.6, f"{again}: where does it go on?")


def _fit(answer, curve, path, case, judge=True):
    """Calls the learner's program on measurements of a curve, and judges what it achieves."""
    X, y = curve.measure(MEASURED)
    got = run(answer, X, y, path, case=case, limit=LIMIT)
    pair = isinstance(got, (tuple, list)) and len(got) == 2 and callable(got[0])
    require(pair, f"return two things, a function and your claim, for {case}")
    predict, claim = got
    require(isinstance(claim, float) and claim > 0, f"the claim must be a Python number above 0, for {case}")
    X, y = curve.measure(NEW)
    preds = run(predict, X, case=f"predict, {case}")
    require(isinstance(preds, torch.Tensor), f"predict returns no tensor, for {case}")
    fits = preds.shape == y.shape and preds.dtype == y.dtype and not preds.requires_grad
    what = f"shape {tuple(preds.shape)}, {preds.dtype}, requires_grad {preds.requires_grad}"
    wanted = f"wanted {tuple(y.shape)}, {y.dtype}, False"
    require(fits, f"predict gives {what}, {wanted}, for {case}")
    one = run(predict, X[:1], case=f"predict for one row, {case}")
    alone = one.shape == (1, 1) and torch.allclose(one, preds[:1], rtol=1e-3, atol=0.01 * curve.scale * NOISE)
    require(alone, f"a row gets another prediction alone than among others, for {case}")
    if judge:
        off = (preds - curve(X)).square().mean().sqrt().item() / (curve.scale * NOISE)
        far = f"predict is {off:.1f} times the noise away from the curve, wanted {NEAR} at most"
        require(off <= NEAR, f"{far}, for {case}")
        truth = (preds - y).abs().median().item()
        honest = abs(claim / truth - 1) <= HONEST
        require(honest, f"your claim is {claim / truth:.2f} times the truth, for {case}")
