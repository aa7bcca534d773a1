"""What the watcher saw, as gauges: read from its files when Prometheus asks, and gone from the text when they go.

The watcher is a process of its own. Nothing of this is counted here, so no worker's memory holds it: every scrape makes
the series anew from the newest look, and those of an earlier release or of dropped columns are not among them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import get_args

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from cauce.core.artefacts import (
    Action,
    ColumnDrift,
    Estimate,
    Experiment,
    JointDrift,
    LabelsSeen,
    SegmentFigure,
    SignalCode,
    Stage,
    Watched,
)
from cauce.serve.service import Seen

N_COLUMNS = 50
"""Columns of one model that have series, the strongest first; how many there are is told beside them."""
N_SEGMENTS = 20
logger = logging.getLogger("cauce.serve")


class SeenCollector:
    """What prometheus_client asks for the gauges of all models.

    Parameters
    ----------
    seen
        Gives what is known of a model; None where nothing is. Asked once a model and scrape, in a thread.
    models
        Names.
    """

    def __init__(self, seen: Callable[[str], Seen | None], models: Iterable[str]) -> None:
        self._seen, self._models = seen, tuple(models)

    def collect(self) -> Iterable[Metric]:
        """Return every gauge, those without a series too, so that their names and meanings are told."""
        gauges = Gauges()
        for model in self._models:
            try:
                found = self._seen(model)
            except Exception:  # one model whose files cannot be read must not take the others' figures with it
                logger.exception("model %s: what the watcher saw could not be read", model)
                continue
            if found is not None:
                _of_model(gauges, model, found)
        return gauges.families.values()


class Gauges:
    """Gauge families by name; a value that is None or no number makes no series."""

    def __init__(self) -> None:
        self.families: dict[str, GaugeMetricFamily] = {}
        self._made: set[tuple[str, ...]] = set()
        for name, (text, labels) in GAUGES.items():
            self.families[name] = GaugeMetricFamily(f"cauce_{name}", text, labels=labels)

    def set(self, name: str, value: float | None, *labels: str) -> None:
        """Add one series; of two with the same labels the first, since Prometheus takes no text with both."""
        if value is not None and not math.isnan(value) and (name, *labels) not in self._made:
            self._made.add((name, *labels))
            self.families[name].add_metric(labels, float(value))


def _of_model(gauges: Gauges, model: str, seen: Seen) -> None:
    if seen.watched is not None:
        _look(gauges, model, seen.watched)
    if seen.decision is not None:
        for action in get_args(Action):
            gauges.set("decision", seen.decision.action == action, model, action)
    for action, at in seen.decided.items():
        gauges.set("decided_timestamp_seconds", at.timestamp(), model, action)
    if seen.experiment is not None:
        _experiment(gauges, model, seen.experiment)


def _look(gauges: Gauges, model: str, watched: Watched) -> None:
    gauges.set("watch_timestamp_seconds", watched.at.timestamp(), model)
    gauges.set("watch_version", watched.version, model)
    gauges.set("watch_predictions", watched.n_predictions, model)
    gauges.set("watch_truths", watched.n_truths, model)
    gauges.set("watch_labelled_rows", watched.n_labelled, model)
    if watched.last is not None:
        gauges.set("watch_newest_prediction_timestamp_seconds", watched.last.timestamp(), model)
    gauges.set("watch_expected_loss", watched.expected_loss, model)
    gauges.set("watch_realised_loss", watched.realised_loss, model)
    if watched.realised is not None:
        gauges.set("watch_loss_change", watched.realised.difference, model)
        gauges.set("watch_loss_change_lower", watched.realised.lower, model)
        gauges.set("watch_loss_change_upper", watched.realised.upper, model)
    _alarms(gauges, model, watched)
    _columns(gauges, model, watched.drifts)
    _segments(gauges, model, watched.segments)
    if watched.joint is not None:
        _joint(gauges, model, watched.joint)
    if watched.estimate is not None:
        _estimate(gauges, model, watched.estimate)
    if watched.labels is not None:
        _labels(gauges, model, watched.labels)


def _alarms(gauges: Gauges, model: str, watched: Watched) -> None:
    alarming = [signal.code for signal in watched.signals if signal.alarming]
    for code in get_args(SignalCode):
        gauges.set("watch_alarms", alarming.count(code), model, code)


def _columns(gauges: Gauges, model: str, drifts: Iterable[ColumnDrift]) -> None:
    strongest = sorted(drifts, key=lambda one: (not one.drifted, -one.evidence, -one.psi, one.column))
    gauges.set("watch_columns", len(strongest), model)
    gauges.set("watch_columns_drifted", sum(one.drifted for one in strongest), model)
    for one in strongest[:N_COLUMNS]:
        gauges.set("watch_column_psi", one.psi, model, one.column)
        gauges.set("watch_column_jensen_shannon", one.jensen_shannon, model, one.column)
        gauges.set("watch_column_wasserstein", one.wasserstein, model, one.column)
        gauges.set("watch_column_evidence", one.evidence, model, one.column)
        gauges.set("watch_column_drifted", one.drifted, model, one.column)
        gauges.set("watch_column_importance", one.importance, model, one.column)
        gauges.set("watch_column_missing_share", one.missing_now, model, one.column)
        gauges.set("watch_column_missing_share_before", one.missing_before, model, one.column)


def _segments(gauges: Gauges, model: str, segments: Iterable[SegmentFigure]) -> None:
    worst = sorted(segments, key=lambda one: (not one.alarming, (one.reference or 0.0) - one.loss, one.segment))
    for one in worst[:N_SEGMENTS]:
        gauges.set("watch_segment_loss", one.loss, model, one.segment)
        gauges.set("watch_segment_loss_lower", one.lower, model, one.segment)
        gauges.set("watch_segment_loss_upper", one.upper, model, one.segment)
        gauges.set("watch_segment_expected_loss", one.reference, model, one.segment)
        gauges.set("watch_segment_alarm", one.alarming, model, one.segment)


def _joint(gauges: Gauges, model: str, joint: JointDrift) -> None:
    gauges.set("watch_joint_auc", joint.auc, model)
    gauges.set("watch_joint_auc_lower", joint.lower, model)
    gauges.set("watch_joint_auc_upper", joint.upper, model)


def _estimate(gauges: Gauges, model: str, estimate: Estimate) -> None:
    about = (model, estimate.metric, estimate.method)
    gauges.set("watch_estimate", estimate.value, *about)
    gauges.set("watch_estimate_lower", estimate.lower, *about)
    gauges.set("watch_estimate_upper", estimate.upper, *about)
    gauges.set("watch_estimate_reference", estimate.reference, *about)
    gauges.set("watch_estimate_judged", estimate.expected, *about)
    gauges.set("watch_estimate_realised", estimate.realised, *about)
    gauges.set("watch_estimate_reliable", estimate.reliable, *about)
    gauges.set("watch_estimate_truths", estimate.n_judged, *about)


def _labels(gauges: Gauges, model: str, labels: LabelsSeen) -> None:
    gauges.set("watch_label_coverage", labels.coverage, model)
    gauges.set("watch_label_complete", labels.complete, model)
    gauges.set("watch_label_selected_columns", len(labels.selected), model)
    gauges.set("watch_label_lag_seconds", labels.lag_median_s, model, "0.5")
    gauges.set("watch_label_lag_seconds", labels.lag_90_s, model, "0.9")


def _experiment(gauges: Gauges, model: str, experiment: Experiment) -> None:
    for stage in get_args(Stage):
        gauges.set("experiment_stage", experiment.stage == stage, model, stage)
    gauges.set("experiment_stage_timestamp_seconds", experiment.stage_at.timestamp(), model)
    gauges.set("experiment_version", experiment.champion, model, "champion")
    gauges.set("experiment_version", experiment.challenger, model, "challenger")
    gauges.set("experiment_requests", experiment.n_requests, model)
    gauges.set("experiment_scores", experiment.n_scores, model)
    if experiment.comparison is not None:
        gauges.set("experiment_loss_difference", experiment.comparison.difference, model)
        gauges.set("experiment_loss_difference_lower", experiment.comparison.lower, model)
        gauges.set("experiment_loss_difference_upper", experiment.comparison.upper, model)
    for guard, value in sorted(experiment.guards.items())[:N_SEGMENTS]:
        gauges.set("experiment_guard", value, model, guard)


_MODEL = ("model",)
_COLUMN = ("model", "column")
_SEGMENT = ("model", "segment")
_ESTIMATE = ("model", "metric", "method")
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "watch_timestamp_seconds": ("When the newest look was taken, seconds since 1970.", _MODEL),
    "watch_version": ("Version that the newest look is about.", _MODEL),
    "watch_predictions": ("Predictions in the window of the newest look.", _MODEL),
    "watch_truths": ("Predictions of the window whose truth came.", _MODEL),
    "watch_labelled_rows": ("Labelled rows in the ledger since the champion was trained.", _MODEL),
    "watch_newest_prediction_timestamp_seconds": ("When the window's newest prediction was made.", _MODEL),
    "watch_expected_loss": ("Mean loss on the units set aside at training.", _MODEL),
    "watch_realised_loss": ("Mean loss of the window's rows whose truth came.", _MODEL),
    "watch_loss_change": ("Realised loss minus expected loss; above 0 is worse.", _MODEL),
    "watch_loss_change_lower": ("Lower end of that change's interval.", _MODEL),
    "watch_loss_change_upper": ("Upper end of that change's interval.", _MODEL),
    "watch_alarms": ("Alarming signals of the newest look, by what they are about.", ("model", "code")),
    "watch_columns": ("Columns that were compared, the prediction among them.", _MODEL),
    "watch_columns_drifted": ("Columns called drifted, of all compared.", _MODEL),
    "watch_column_psi": ("Population stability index against training; the strongest columns alone.", _COLUMN),
    "watch_column_jensen_shannon": ("Jensen-Shannon distance in bits, 0 to 1.", _COLUMN),
    "watch_column_wasserstein": ("Wasserstein distance in standard deviations of training.", _COLUMN),
    "watch_column_evidence": ("Decimal logarithm of the running evidence against no drift.", _COLUMN),
    "watch_column_drifted": ("1 where the column counts as drifted, else 0.", _COLUMN),
    "watch_column_importance": ("Share of the model's use of the column, 0 to 1.", _COLUMN),
    "watch_column_missing_share": ("Share of the window's rows without a value, 0 to 1.", _COLUMN),
    "watch_column_missing_share_before": ("The same at training.", _COLUMN),
    "watch_segment_loss": ("Mean loss of a segment's rows whose truth came; the worst segments alone.", _SEGMENT),
    "watch_segment_loss_lower": ("Lower end of its interval.", _SEGMENT),
    "watch_segment_loss_upper": ("Upper end of its interval.", _SEGMENT),
    "watch_segment_expected_loss": ("The segment's mean loss on the units set aside at training.", _SEGMENT),
    "watch_segment_alarm": ("1 where the segment's loss alarms, else 0.", _SEGMENT),
    "watch_joint_auc": ("ROC-AUC with which a classifier tells the window from training; 0.5: not at all.", _MODEL),
    "watch_joint_auc_lower": ("Lower end of its interval.", _MODEL),
    "watch_joint_auc_upper": ("Upper end of its interval.", _MODEL),
    "watch_estimate": ("Performance expected of the rows whose truth has not come.", _ESTIMATE),
    "watch_estimate_lower": ("Lower end of its interval.", _ESTIMATE),
    "watch_estimate_upper": ("Upper end of its interval.", _ESTIMATE),
    "watch_estimate_reference": ("The same metric on the units set aside at training.", _ESTIMATE),
    "watch_estimate_judged": ("What had been expected of the newest rows whose truth came since.", _ESTIMATE),
    "watch_estimate_realised": ("What those rows came to.", _ESTIMATE),
    "watch_estimate_reliable": ("1 where estimates held once truths came, 0 where they failed.", _ESTIMATE),
    "watch_estimate_truths": ("Truths that this judgement rests on.", _ESTIMATE),
    "watch_label_coverage": ("Share of the window's predictions whose truth came, 0 to 1.", _MODEL),
    "watch_label_complete": ("1 where enough truths came to judge by the window, else 0.", _MODEL),
    "watch_label_selected_columns": ("Columns along which the rows with truths differ from all.", _MODEL),
    "watch_label_lag_seconds": (
        "Seconds within which this share of the truths came.",
        ("model", "share"),
    ),
    "decision": ("1 for the action that was decided last, 0 for the others.", ("model", "action")),
    "decided_timestamp_seconds": ("When each action was last decided, seconds since 1970.", ("model", "action")),
    "experiment_stage": ("1 for the stage at which the challenger stands, 0 for the others.", ("model", "stage")),
    "experiment_stage_timestamp_seconds": ("When this stage began, seconds since 1970.", _MODEL),
    "experiment_version": ("Versions that the experiment is about.", ("model", "role")),
    "experiment_requests": ("Requests that this stage rests on.", _MODEL),
    "experiment_scores": ("Predictions that models made for it.", _MODEL),
    "experiment_loss_difference": ("Challenger's mean loss minus the champion's; below 0 is better.", _MODEL),
    "experiment_loss_difference_lower": ("Lower end of its anytime-valid interval.", _MODEL),
    "experiment_loss_difference_upper": ("Upper end of its anytime-valid interval.", _MODEL),
    "experiment_guard": ("What else must hold, as measured.", ("model", "guard")),
}
"""Name without ``cauce_`` → meaning, labels."""
