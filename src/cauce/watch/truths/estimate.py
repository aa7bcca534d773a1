"""What training leaves behind so that performance can be estimated later, and the estimate of a window.

`Expectation` is `expected.json` of the package: sums, maps and scales of the rows held out, and nothing of any single
row. Beside it stand second models, where they were proven to add something: they say each row's class or loss from the
inputs and the champion's prediction (see `loop/expect.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Estimate, ExpectedFigure, Signal
from cauce.evidence.shares import quantile
from cauce.profile.groups import Grouping
from cauce.watch.truths import cbpe, dle, words
from cauce.watch.truths.cbpe import Calibration, Expected
from cauce.watch.truths.dle import Scale

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

LOSS_FIGURES = {"log": "log_loss", "log_loss": "log_loss", "zero_one": "zero_one", "squared": "mse", "absolute": "mae"}
"""Loss of a task → the figure that is its mean."""


@dataclass(frozen=True)
class Moments:
    """The losses of one segment on the rows held out."""

    n: int
    mean: float
    variance: float
    """Of the losses, not of their mean."""


@dataclass(frozen=True)
class Expectation:
    """`expected.json`: what the rows held out say of rows to come."""

    task: Literal["classify", "regress"]
    loss_figure: str
    """The figure that is the mean of the model's own loss."""
    reference: Mapping[str, float]
    """Figure → its value on the rows held out."""
    n_held_out: int
    calibrations: tuple[Calibration, ...] = ()
    """Of the champion's own probabilities."""
    second: tuple[Calibration, ...] = ()
    """Of the second models' mean probabilities; empty where they were not proven better."""
    positive: int | None = None
    counted: tuple[int, ...] = ()
    scales: Mapping[str, Scale] = field(default_factory=dict)
    """Figure → what its second models' expectations become."""
    groupings: tuple[Grouping, ...] = ()
    """How rows are put into segments."""
    segments: Mapping[str, Moments] = field(default_factory=dict)
    """Segment, as ``"sex = female"`` → its losses."""

    @property
    def metric(self) -> str:
        """The figure that leads: ROC-AUC where it can be told, else the mean loss."""
        return "roc_auc" if "roc_auc" in self.reference else self.loss_figure

    @property
    def method(self) -> Literal["cbpe", "dle"]:
        """How the figures are estimated."""
        return "cbpe" if self.task == "classify" else "dle"

    @property
    def judged_by(self) -> tuple[str, ...]:
        """The figures on which estimates are held against truths."""
        return tuple(dict.fromkeys([self.metric, self.loss_figure]))


@dataclass(frozen=True, eq=False)
class Said:
    """What was said of rows, by the champion and by the second models."""

    shares: Floats
    """Probabilities, shape (n_rows, n_classes); regress: the prediction, shape (n_rows, 1)."""
    codes: Codes
    """Place of the class said, shape (n_rows,); empty for regress."""
    second: Mapping[str, Floats] = field(default_factory=dict)
    """``"classes"`` → shape (n_models, n_rows, n_classes), or a figure → shape (n_models, n_rows)."""

    @property
    def n_rows(self) -> int:
        """Count the rows."""
        return len(self.shares)

    def rows(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Said:
        """Take some rows."""
        codes = self.codes[index] if len(self.codes) else self.codes
        return Said(self.shares[index], codes, {name: values[:, index] for name, values in self.second.items()})


def expected_of(expectation: Expectation, said: Said, counted: tuple[int, ...] | None = None) -> dict[str, Expected]:
    """Return every figure that is to be expected of rows without truths; none of none.

    Parameters
    ----------
    counted
        Classes whose ROC-AUC counts, where not those of training.
    """
    if not said.n_rows:
        return {}
    if expectation.task == "regress":
        return {
            name: dle.expect(one, said.second[name]) for name, one in expectation.scales.items() if name in said.second
        }
    counted = expectation.counted if counted is None else counted
    rest = (said.shares, said.codes, expectation.positive, counted)
    if expectation.second and "classes" in said.second:
        return cbpe.expect(expectation.second, said.second["classes"], *rest)
    return cbpe.expect(expectation.calibrations, said.shares[None], *rest)


def realised_of(
    expectation: Expectation, said: Said, truth: Floats | Codes, counted: tuple[int, ...] | None = None
) -> dict[str, float]:
    """Return the same figures of rows whose truths came: classes as places in the model's, −1 unknown; or numbers."""
    if expectation.task == "regress":
        error = said.shares[:, 0] - truth
        return {"mse": float(np.mean(error**2)), "mae": float(np.mean(np.abs(error)))}
    counted = expectation.counted if counted is None else counted
    return cbpe.realise(np.asarray(truth, np.int64), said.shares, said.codes, expectation.positive, counted)


def estimate(expectation: Expectation, said: Said, confidence: float) -> Estimate | None:
    """Return the performance to be expected of rows without truths; None where nothing can be said.

    The interval is that of the figure which these rows will turn out to have: it holds the luck of the rows' own
    truths, and the uncertainty of a map or second model learnt on so many held-out rows. It does not hold a change of
    what the inputs mean: that is what `judged.py` looks for.
    """
    found = expected_of(expectation, said)
    z = quantile(confidence)
    told = {
        name: ExpectedFigure(one.value, *_interval(name, one, z), expectation.reference[name])
        for name, one in found.items()
        if name in expectation.reference
    }
    lead = expectation.metric if expectation.metric in told else next(iter(told), None)
    if lead is None:
        return None
    first = told.pop(lead)
    return Estimate(
        method=expectation.method,
        metric=lead,
        value=first.value,
        lower=first.lower,
        upper=first.upper,
        reference=first.reference,
        n_rows=said.n_rows,
        others=told,
    )


def _interval(name: str, one: Expected, z: float) -> tuple[float, float]:
    half = z * math.sqrt(one.sampling + one.calibration)
    lower, upper = one.value - half, one.value + half
    if name in {"roc_auc", "accuracy", "f1", "zero_one"}:
        return max(0.0, lower), min(1.0, upper)
    return max(0.0, lower), upper


def estimate_signal(found: Estimate, loss_figure: str, margin: float) -> Signal:
    """Return the signal: alarming where the estimated loss is above that of training, by more than the margin.

    `value` is the relative rise of the expected mean loss, `threshold` the relative margin. An estimate that has been
    found not reliable alarms no more.
    """
    loss = own_loss(found, loss_figure)
    least = max(margin * abs(loss.reference), 1e-12)
    alarming = found.reliable is not False and loss.lower - loss.reference > 0 and loss.value - loss.reference > least
    rise = (loss.value - loss.reference) / (abs(loss.reference) or 1.0)
    detail = words.estimate(found, loss_figure, loss, alarming=alarming)
    return Signal("estimate", None, rise, margin, alarming, detail)


def own_loss(found: Estimate, loss_figure: str) -> ExpectedFigure:
    """Return the estimate of the model's own mean loss."""
    if found.metric == loss_figure:
        return ExpectedFigure(found.value, found.lower, found.upper, found.reference)
    return found.others[loss_figure]


def moments(losses: Floats) -> Moments:
    """Return count, mean and variance."""
    return Moments(len(losses), float(losses.mean()), float(losses.var(ddof=1)) if len(losses) > 1 else 0.0)
