"""Looks, decisions and experiments, with everything in them that the watcher may write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cauce.core.artefacts import (
    ColumnDrift,
    Comparison,
    Decision,
    Estimate,
    Experiment,
    JointDrift,
    LabelsSeen,
    SegmentFigure,
    Signal,
    Stage,
    Watched,
)

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SAID = {"en": "Something moved.", "es": "Algo se movió."}


def drift(column: str, psi: float, *, drifted: bool = False, wasserstein: float | None = None) -> ColumnDrift:
    """One column."""
    return ColumnDrift(
        column=column,
        psi=psi,
        jensen_shannon=psi / 2,
        p_value=0.01,
        p_corrected=0.02,
        drifted=drifted,
        missing_before=0.01,
        missing_now=0.02,
        movers=(),
        wasserstein=wasserstein,
        chi_square=12.0,
        evidence=2.5 if drifted else 0.0,
        importance=0.4,
    )


def comparison(difference: float) -> Comparison:
    """A comparison whose interval is 0.1 wide."""
    return Comparison(500, 500, 0.5, 0.4, difference, difference - 0.05, difference + 0.05, 0.99, 0.004, 0.05, "worse")


def watched(at: datetime = AT, **changed: Any) -> Watched:
    """A look that saw something of every kind."""
    parts: dict[str, Any] = {
        "model": "dropout",
        "version": 3,
        "at": at,
        "n_predictions": 1000,
        "n_truths": 500,
        "n_labelled": 1500,
        "first": at,
        "last": at,
        "expected_loss": 0.4,
        "realised_loss": 0.5,
        "realised": comparison(0.1),
        "signals": (
            Signal("drift", "age", 0.31, 0.2, True, SAID),
            Signal("drift", "plan", 0.01, 0.2, False, SAID),
            Signal("performance", None, 0.1, 0.004, True, SAID),
        ),
        "drifts": (drift("age", 0.31, drifted=True, wasserstein=0.6), drift("plan", 0.01), drift("prediction", 0.05)),
        "joint": JointDrift(0.72, 0.69, 0.75, {"age": 0.9, "plan": 0.1}, 2000),
        "estimate": Estimate("cbpe", "roc_auc", 0.8, 0.78, 0.82, 0.85, 1000, False, 0.74, 0.81, 900),
        "labels": LabelsSeen(1000, 500, 0.5, 3600.0, 7200.0, True, ("plan",)),
        "segments": (
            SegmentFigure("plan = paid", 200, 0.7, 0.6, 0.8, 0.4, True),
            SegmentFigure("plan = free", 300, 0.4, 0.3, 0.5, None, False),
        ),
    }
    return Watched(**parts | changed)


def decision(action: Any, at: datetime = AT) -> Decision:
    """A decision of the policy."""
    return Decision("018f-1", "dropout", at, action, SAID, "policy", 3, 4)


def experiment(stage: Stage, at: datetime = AT, **changed: Any) -> Experiment:
    """A challenger on its way."""
    parts: dict[str, Any] = {
        "model": "dropout",
        "stage": stage,
        "champion": 3,
        "challenger": 4,
        "begun_at": at,
        "stage_at": at,
        "reason": SAID,
        "n_requests": 400,
        "n_scores": 800,
        "comparison": comparison(-0.1),
        "guards": {"latency_ratio": 1.2},
    }
    return Experiment(**parts | changed)
