"""What a look at a model sees, and what is decided from it. Imported from `core.artefacts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cauce.core.choice import Comparison
from cauce.core.findings import Words

Action = Literal["wait", "fix data", "retrain", "promote", "roll back"]
Stage = Literal["gate", "shadow", "split", "probation", "ended"]
SignalCode = Literal[
    "drift",
    "output_drift",
    "joint_drift",
    "missing",
    "new_category",
    "out_of_range",
    "unit_change",
    "missing_partition",
    "schema",
    "performance",
    "estimate",
    "estimate_unreliable",
    "segment",
    "labels",
]
"""What a signal is about: columns, predictions, all columns together; broken data (four kinds, rows of a frequent value
that never come, columns gone or retyped); losses of rows whose truths came; the estimate of rows whose truths did not;
one segment's losses; truths that come selectively."""


@dataclass(frozen=True)
class Signal:
    """What a detector saw in a window."""

    code: SignalCode
    column: str | None
    value: float
    threshold: float
    alarming: bool
    detail: Words
    since: datetime | None = None
    """When it began, of signals that know."""


@dataclass(frozen=True)
class Mover:
    """A bin whose share changed."""

    label: str
    before: float
    """Share in the reference, 0 to 1, of the rows that have a value."""
    now: float


@dataclass(frozen=True)
class Source:
    """A part of a window that a drift comes from."""

    segment: str
    """For people: ``"plan = pro"``, ``"hour = 14"``, ``"day = 2026-03-01"``."""
    share: float
    """Share of the window's rows that are in it, 0 to 1."""
    explained: float
    """Share of the population stability index that goes when these rows are left out, 0 to 1."""


@dataclass(frozen=True)
class ColumnDrift:
    """One column in two samples."""

    column: str
    psi: float
    """Population stability index: smoothed, chance subtracted, never below 0."""
    jensen_shannon: float
    """Distance in bits, 0 to 1."""
    p_value: float
    """Of the two-sample test, this column alone."""
    p_corrected: float
    """The same, for all columns together (Holm)."""
    drifted: bool
    missing_before: float
    """Share of rows without a value in the reference."""
    missing_now: float
    movers: tuple[Mover, ...]
    """The bins that moved most, at most three, the largest change first."""
    wasserstein: float | None = None
    """Distance in standard deviations of the reference, between bins; None of columns without an order."""
    chi_square: float = 0.0
    """Pearson's statistic of the 2 × k table."""
    evidence: float = 0.0
    """Decimal logarithm of the running evidence against "no drift", which may be looked at at any time; 0: none."""
    importance: float = 0.0
    """Share of the model's use of the column, 0 to 1."""
    limit: float = 0.0
    """The evidence from which chance is ruled out; 0 where the window alone was tested."""
    source: Source | None = None
    """Where the moved rows come from; None where no part of the window stands out, or the column did not drift."""


@dataclass(frozen=True)
class JointDrift:
    """How well a classifier tells the window's rows from training's, all columns together."""

    auc: float
    """ROC-AUC out of fold; 0.5: not at all."""
    lower: float
    upper: float
    columns: Mapping[str, float]
    """Column → share of the telling apart, the largest first."""
    n_rows: int


@dataclass(frozen=True)
class ExpectedFigure:
    """One more figure that is expected of rows whose truths have not come."""

    value: float
    lower: float
    upper: float
    reference: float
    """The same figure on the units set aside at training."""


@dataclass(frozen=True)
class Estimate:
    """The performance that is expected of rows whose truths have not come."""

    method: Literal["cbpe", "dle"]
    metric: str
    """``roc_auc``, ``log_loss``, ``accuracy``, ``mse``, ``mae`` …"""
    value: float
    lower: float
    upper: float
    reference: float
    """The same metric on the units set aside at training."""
    n_rows: int
    reliable: bool | None = None
    """Whether earlier estimates held once their truths came; None: not judged yet."""
    realised: float | None = None
    """The metric of the newest judged batch, and below what had been expected of it."""
    expected: float | None = None
    n_judged: int = 0
    """Truths that the judgement rests on."""
    others: Mapping[str, ExpectedFigure] = field(default_factory=dict)
    """More figures of the same rows, among them the mean of the model's own loss."""


@dataclass(frozen=True)
class LabelsSeen:
    """How far the truths of a window have come."""

    n_predictions: int
    n_truths: int
    coverage: float
    """Share of the window's predictions whose truth came, 0 to 1."""
    lag_median_s: float | None
    """Seconds from prediction to truth, of those that came; None without any."""
    lag_90_s: float | None
    complete: bool
    """Whether enough truths came to judge by the window."""
    selected: tuple[str, ...] = ()
    """Columns along which the rows with truths differ from all: losses over them may be biased."""
    final_coverage: float | None = None
    """Share of predictions whose truth comes in the end, as older ones tell; None without any."""
    n_closed: int = 0
    """Predictions old enough for their truths to have come: realised performance rests on those."""
    corrected_loss: float | None = None
    """Mean realised loss with the rows weighed so that they resemble all; None where nothing was selected."""


@dataclass(frozen=True)
class SegmentFigure:
    """The losses of one segment or sensitive group in a window."""

    segment: str
    """For people: ``"sex = female"``."""
    n_truths: int
    loss: float
    lower: float
    upper: float
    reference: float | None
    """Its mean loss on the units set aside at training; None where it had none there."""
    alarming: bool


@dataclass(frozen=True)
class Watched:
    """One look at one model: the window and its signals."""

    model: str
    version: int
    at: datetime
    n_predictions: int
    n_truths: int
    """Truths within the window."""
    n_labelled: int
    """Labelled ledger rows since the champion was trained."""
    first: datetime | None
    last: datetime | None
    expected_loss: float
    """Mean held-out loss at training."""
    realised_loss: float | None
    realised: Comparison | None
    """Window losses (candidate) against held-out losses (reference): two independent samples."""
    signals: tuple[Signal, ...]
    drifts: tuple[ColumnDrift, ...] = ()
    """Every column, and ``prediction``, the strongest first."""
    joint: JointDrift | None = None
    estimate: Estimate | None = None
    labels: LabelsSeen | None = None
    segments: tuple[SegmentFigure, ...] = ()


@dataclass(frozen=True)
class LookPoint:
    """One look in few figures: what a picture of months is drawn from."""

    at: datetime
    version: int
    n_predictions: int
    n_truths: int
    expected_loss: float
    realised_loss: float | None = None
    lower: float | None = None
    """Ends of the interval of the realised loss; None where truths were too few."""
    upper: float | None = None
    estimate: float | None = None
    """The estimated metric of rows without truths, and its name."""
    metric: str = ""
    reliable: bool | None = None
    coverage: float | None = None
    strongest: float = 0.0
    """The largest population stability index of a column."""
    alarms: tuple[str, ...] = ()
    """What alarmed: ``"drift age"``, ``"performance"``."""


@dataclass(frozen=True)
class Decision:
    """What to do, and why: appended to the record, never changed."""

    id: str
    model: str
    at: datetime
    action: Action
    reason: Words
    by: str
    """``"policy"``, or the person who gave the command."""
    champion: int | None = None
    """Version that held the alias when this was decided."""
    challenger: int | None = None
    watched: Watched | None = None
    comparison: Comparison | None = None
    thresholds: Mapping[str, float | str] = field(default_factory=dict)
    """The settings it used, copied."""
    rule: str = ""
    """The rule that spoke, of the policy or of the experiment; empty where a person decided."""
    known: Known | None = None
    """What the policy knew beside the look: with it, it can be asked again. None where another decided."""
    experiment: Experiment | None = None
    """Where an experiment stands after this; None where this concerns none. Aliases follow it."""


@dataclass(frozen=True)
class Known:
    """What the policy knew of a model, beside the look at it: its history, its costs and its settings."""

    last_retrain: datetime | None
    paused: str | None
    n_labelled: int
    min_rows: int
    retrained: tuple[datetime, ...] = ()
    """When the policy or a person asked for a retraining, in the last seven days."""
    training_s: float = 0.0
    """Seconds that trainings took in the last seven days."""
    last_training_s: float = 0.0
    """Seconds that the newest training took: what the next is expected to take."""
    stage: Stage | None = None
    """Of the experiment that runs."""
    thresholds: Mapping[str, float | str] = field(default_factory=dict)
    """Settings of the look."""
    settings: Mapping[str, float | int | str | None] = field(default_factory=dict)
    """`[renew]`, as it held for this model."""


@dataclass(frozen=True)
class Experiment:
    """A challenger on its way to the alias, or on probation once it has it."""

    model: str
    stage: Stage
    champion: int
    """Version that held the alias when this began: where a roll-back goes."""
    challenger: int
    begun_at: datetime
    stage_at: datetime
    """When this stage began."""
    reason: Words
    """Why it stands where it stands."""
    n_requests: int = 0
    """Requests that this stage rests on."""
    n_scores: int = 0
    """Predictions that models made for it: two a request in the shadow, one in a split."""
    comparison: Comparison | None = None
    """The newest one; its interval may be looked at at any time."""
    guards: Mapping[str, float] = field(default_factory=dict)
    """What else must hold, as measured: ``latency_ratio``, ``sample_ratio_p`` …"""
    decision: str = ""
    """Id of the recorded decision that brought it into this stage."""
    asks: Literal["promote"] | None = None
    """What it waits for a person to allow."""
    gate: Comparison | None = None
    """Of the gate; None where no row could judge there."""
    groups: Mapping[str, Comparison] = field(default_factory=dict)
    """Sensitive group (``"sex = female"``) → its comparison in this stage."""

    @property
    def running(self) -> bool:
        """Whether a challenger is still on its way: a probation is past it."""
        return self.stage in {"gate", "shadow", "split"}
