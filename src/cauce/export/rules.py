"""The rules: what Prometheus computes ahead (recording rules), and when somebody is told (alerts).

Every rule asks for the series of one project, by the label that the scrape configuration gives them. Names of recording
rules follow Prometheus' own advice, level:metric:operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cauce.export.target import Target

Severity = Literal["critical", "warning", "info"]
QUALITY = "missing|new_category|out_of_range|unit_change|missing_partition|schema"


@dataclass(frozen=True)
class Recording:
    """A figure that Prometheus computes ahead."""

    name: str
    expr: str


@dataclass(frozen=True)
class Alert:
    """When somebody is told. Its texts stand in words/ under its name."""

    name: str
    expr: str
    wait: str
    """How long it must hold, as Prometheus writes durations."""
    severity: Severity


def recordings(target: Target) -> tuple[Recording, ...]:
    """Return the recording rules of a project."""
    p = f'project="{target.project}"'
    asked = f"sum by (project) (rate(cauce_requests_total{{{p}}}[5m]))"
    failed = f'sum by (project) (rate(cauce_requests_total{{{p},status=~"5.."}}[5m]))'
    shed = f"sum by (project) (rate(cauce_shed_requests_total{{{p}}}[5m]))"
    buckets = f"sum by (project, model, le) (rate(cauce_predict_seconds_bucket{{{p}}}[5m]))"
    served = f'sum by (project, model) (increase(cauce_predictions_total{{{p},variant!="shadow"}}[1d]))'
    came = f'sum by (project, model) (increase(cauce_truths_total{{{p},status="accepted"}}[1d]))'
    return (
        Recording("project:cauce_requests:rate5m", asked),
        # Without a failure there is no series of one: the ratio is 0 then, and not unknown.
        Recording("project:cauce_requests_failed:ratio_rate5m", f"({failed} or {asked} * 0) / ({asked} > 0)"),
        Recording("project:cauce_shed_requests:ratio_rate5m", f"{shed} / ({asked} > 0)"),
        Recording("model:cauce_predictions:rate5m",
                  f"sum by (project, model, variant) (rate(cauce_predictions_total{{{p}}}[5m]))"),
        Recording("model:cauce_predict_seconds:p50_5m", f"histogram_quantile(0.5, {buckets})"),
        Recording("model:cauce_predict_seconds:p99_5m", f"histogram_quantile(0.99, {buckets})"),
        Recording("model:cauce_truths_per_prediction:ratio_increase1d", f"({came} or {served} * 0) / ({served} > 0)"),
        Recording("model:cauce_watch_age:seconds",
                  f"time() - max by (project, model) (cauce_watch_timestamp_seconds{{{p}}})"),
        Recording("model:cauce_watch_column_psi:max", f"max by (project, model) (cauce_watch_column_psi{{{p}}})"),
        Recording("model:cauce_watch_loss:ratio",
                  f"max by (project, model) (cauce_watch_realised_loss{{{p}}})"
                  f" / max by (project, model) (cauce_watch_expected_loss{{{p}}} > 0)"),
        Recording("model:cauce_watch_label_coverage:min",
                  f"min by (project, model) (cauce_watch_label_coverage{{{p}}})"),
    )  # fmt: skip


def alerts(target: Target) -> tuple[Alert, ...]:
    """Return the alerts of a project, those of the service first."""
    return _service(target) + _watch(target) + _renewal(target)


def _service(target: Target) -> tuple[Alert, ...]:
    p, limits = f'project="{target.project}"', target.limits
    return (
        Alert("CauceServiceDown", f"up{{{p}}} == 0 or absent(up{{{p}}})", "2m", "critical"),
        Alert("CauceModelNotAnswering", f"max by (project, model) (cauce_release_version{{{p}}}) == 0",
              "10m", "warning"),
        Alert("CauceErrors", f"project:cauce_requests_failed:ratio_rate5m{{{p}}} > {limits.error_ratio:g}",
              "5m", "critical"),
        Alert("CauceSlow", f"model:cauce_predict_seconds:p99_5m{{{p}}} > {limits.p99_s:g}", "10m", "warning"),
        Alert("CauceShedding", f"project:cauce_shed_requests:ratio_rate5m{{{p}}} > {limits.shed_ratio:g}",
              "5m", "warning"),
        Alert("CauceLedgerWriteFailures", _rise("cauce_ledger_write_failures_total", p, "5m"), "0m", "critical"),
        Alert("CauceLoadFailures", _rise("cauce_load_failures_total", p, "10m"), "0m", "warning"),
        Alert("CauceWorkersDie",
              f"sum by (project) (increase(cauce_worker_restarts_total{{{p}}}[15m])) > {limits.workers:g}",
              "0m", "warning"),
        Alert("CauceJournalsWait",
              f"max by (project, model) (cauce_journal_unfolded_bytes{{{p}}}) > {limits.journal_bytes:.0f}",
              "10m", "warning"),
    )  # fmt: skip


def _watch(target: Target) -> tuple[Alert, ...]:
    p = f'project="{target.project}"'
    answering = f"max by (project, model) (cauce_release_version{{{p}}}) > 0"
    looked = f"max by (project, model) (cauce_watch_timestamp_seconds{{{p}}})"
    silent = f"time() - {looked} > {3 * target.every_s:g}"
    never = f"(({answering}) unless on (project, model) {looked})"
    truths = "sum by (project, model) (increase(cauce_truths_total{{{p}}}[{days}]))"
    served = f'sum by (project, model) (increase(cauce_predictions_total{{{p},variant!="shadow"}}[1d]))'
    stopped = (
        f"({truths.format(p=p, days='1d')} or {served} * 0) == 0"
        f" and {truths.format(p=p, days='7d')} > 0 and {served} > 0"
    )
    return (
        # A watcher that trains takes no look meanwhile: hence the wait.
        Alert("CauceWatcherSilent", f"({silent}) or {never}", "10m", "warning"),
        Alert("CauceDrift", _alarm(p, "drift|joint_drift"), "0m", "warning"),
        Alert("CaucePredictionsMoved", _alarm(p, "output_drift"), "0m", "warning"),
        Alert("CauceDataBroken", _alarm(p, QUALITY), "0m", "critical"),
        Alert("CaucePerformanceFell", _alarm(p, "performance"), "0m", "critical"),
        Alert("CauceSegmentFell", _alarm(p, "segment"), "0m", "warning"),
        Alert("CauceEstimateFell", _alarm(p, "estimate"), "0m", "warning"),
        Alert("CauceEstimateUnreliable",
              f"min by (project, model, metric) (cauce_watch_estimate_reliable{{{p}}}) == 0", "0m", "warning"),
        Alert("CauceLabelsStopped", stopped, "1h", "warning"),
        Alert("CauceLabelsSelective", _alarm(p, "labels"), "0m", "info"),
    )  # fmt: skip


def _renewal(target: Target) -> tuple[Alert, ...]:
    p = f'project="{target.project}"'
    back = f'max by (project, model) (cauce_decided_timestamp_seconds{{{p},action="roll back"}})'
    return (
        Alert("CauceShadowFailing", _rise("cauce_shadow_failed_rows_total", p, "10m"), "0m", "warning"),
        Alert("CauceRolledBack", f"time() - {back} < {target.limits.rolled_back_s:g}", "0m", "warning"),
    )


def _rise(name: str, p: str, window: str) -> str:
    return f"sum by (project, model) (increase({name}{{{p}}}[{window}])) > 0"


def _alarm(p: str, codes: str) -> str:
    return f'sum by (project, model) (cauce_watch_alarms{{{p},code=~"{codes}"}}) > 0'
