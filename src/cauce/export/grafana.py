"""Grafana's dashboards: one of the service, and one of the models, with the model as a variable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from cauce.export.panels import GREEN, ORANGE, RED, Json, Panel, Query, Section, dashboard, query_variable
from cauce.export.panels import source_variable as source
from cauce.export.rules import recordings
from cauce.export.target import Target
from cauce.export.words import words
from cauce.export.writing import MARK

SERVICE, MODELS = "cauce-service.json", "cauce-models.json"


def grafana_files(target: Target) -> dict[Path, bytes]:
    """Return the dashboards as files, by their names."""
    found = dashboards(target)
    return {Path(name): (json.dumps(one, indent=2, ensure_ascii=False) + "\n").encode() for name, one in found.items()}


def dashboards(target: Target) -> dict[str, Json]:
    """Return the dashboards by their file's name, as Grafana imports them.

    Their uids follow from the project's name: imported again, they replace themselves.
    """
    said = words(target.language)["panels"]
    mark = f"{MARK} grafana."
    stem = f"cauce-{hashlib.sha256(target.project.encode()).hexdigest()[:12]}"
    one = {key: text.replace("<project>", target.project) for key, text in said.items()}
    model = query_variable(
        "model", one["model"], f'label_values(cauce_release_version{{project="{target.project}"}}, model)'
    )
    choice = source(one["datasource"])
    service = dashboard(
        f"{stem}-service", one["service_title"], f"{one['service_text']} {mark}", _service(target, one), [choice]
    )
    models = dashboard(
        f"{stem}-models", one["models_title"], f"{one['models_text']} {mark}", _models(target, one), [choice, model]
    )
    return {SERVICE: service, MODELS: models}


def expressions(found: Json) -> Iterator[str]:
    """Yield every PromQL expression of a dashboard's panels."""
    for panel in found["panels"]:
        for query in panel.get("targets", ()):
            yield query["expr"]


def _service(target: Target, said: dict[str, str]) -> tuple[Section, ...]:
    p = f'project="{target.project}"'
    limits = target.limits
    yes_no = (("1", said["yes"], GREEN), ("0", said["down"], RED))
    ahead = {one.name: f"{one.name}{{{p}}}" for one in recordings(target)}
    traffic = (
        Panel(said["up"], (Query(f"up{{{p}}}", "{{instance}}"),), "stat", names=yes_no, columns=4),
        Panel(said["requests"], (Query(_rate("cauce_requests_total", p, "status"), "{{status}}"),), unit="reqps",
              columns=10),
        Panel(said["rows"], (Query(_rate("cauce_predictions_total", p, "model, variant"), "{{model}} {{variant}}"),),
              unit="rowsps", columns=10),
        Panel(said["failed"], (Query(ahead["project:cauce_requests_failed:ratio_rate5m"], said["failed"]),),
              unit="percentunit", high=limits.error_ratio),
        Panel(said["shed"], (Query(_rate("cauce_shed_requests_total", p, "reason"), "{{reason}}"),), unit="reqps"),
        Panel(said["in_flight"], (Query(f"sum(cauce_requests_in_flight{{{p}}})", said["in_flight"]),)),
    )  # fmt: skip
    latency = (
        Panel(said["p50"], (Query(ahead["model:cauce_predict_seconds:p50_5m"], "{{model}}"),), unit="s"),
        Panel(said["p99"], (Query(ahead["model:cauce_predict_seconds:p99_5m"], "{{model}}"),), unit="s",
              high=limits.p99_s),
        Panel(said["waiting"], (Query(_quantile("cauce_wait_seconds", p, "model"), "{{model}}"),), unit="s"),
        Panel(said["model_seconds"], (Query(_quantile("cauce_model_seconds", p, "model, variant"),
                                            "{{model}} {{variant}}"),), unit="s"),
        Panel(said["batch_rows"], (Query(f"{_rate('cauce_batch_rows_sum', p, 'model')}"
                                         f" / {_rate('cauce_batch_rows_count', p, 'model')}", "{{model}}"),)),
        Panel(said["sync"], (Query(_quantile("cauce_journal_sync_seconds", p, "model"), "{{model}}"),), unit="s"),
    )  # fmt: skip
    trouble = (
        Panel(said["refused"], (Query(_rate("cauce_refused_rows_total", p, "model, reason"), "{{model}} {{reason}}"),)),
        Panel(said["failures"], (
            Query(f"sum by (model) (increase(cauce_load_failures_total{{{p}}}[5m]))", said["load_failed"]),
            Query(f"sum by (model) (increase(cauce_ledger_write_failures_total{{{p}}}[5m]))", said["write_failed"]),
            Query(f"sum(increase(cauce_worker_restarts_total{{{p}}}[5m]))", said["restarts"]),
        )),
        Panel(said["unfolded"], (Query(f"max by (model) (cauce_journal_unfolded_bytes{{{p}}})", "{{model}}"),),
              unit="bytes", high=limits.journal_bytes),
    )  # fmt: skip
    process = (
        Panel(said["workers"], (Query(f"sum(cauce_workers{{{p}}})", said["workers"]),), "stat"),
        Panel(said["processor"], (Query(f"sum(rate(process_cpu_seconds_total{{{p}}}[$__rate_interval]))",
                                        said["processor"]),)),
        Panel(said["memory"], (Query(f"sum(process_resident_memory_bytes{{{p}}})", said["memory"]),), unit="bytes"),
    )  # fmt: skip
    return (
        Section(said["row_traffic"], traffic),
        Section(said["row_latency"], latency),
        Section(said["row_trouble"], trouble),
        Section(said["row_process"], process),
    )


def _models(target: Target, said: dict[str, str]) -> tuple[Section, ...]:
    m = f'project="{target.project}",model="$model"'
    return (
        Section(said["row_state"], _state(m, said)),
        Section(said["row_performance"], _performance(m, said)),
        Section(said["row_drift"], _drift(m, said)),
        Section(said["row_labels"], _labels(m, said)),
        Section(said["row_renewal"], _renewal(m, said)),
    )


def _state(m: str, said: dict[str, str]) -> tuple[Panel, ...]:
    states = (("1", said["yes"], ORANGE), ("0", said["no"], GREEN))
    return (
        Panel(said["version"], (Query(f"max(cauce_release_version{{{m}}})", said["version"]),), "stat", columns=4),
        Panel(said["looked"], (Query(f"time() - max(cauce_watch_timestamp_seconds{{{m}}})", said["looked"]),), "stat",
              unit="s", columns=4),
        Panel(said["action"], (Query(f"cauce_decision{{{m}}} == 1", "{{action}}", instant=True),), "stat",
              text_of="name", columns=4),
        Panel(said["alarms"], (Query(f"sum(cauce_watch_alarms{{{m}}})", said["alarms"]),), "stat", high=1, columns=4),
        Panel(said["alarms_over_time"], (Query(f"cauce_watch_alarms{{{m}}} > bool 0", "{{code}}"),), "state-timeline",
              names=states, columns=8),
    )  # fmt: skip


def _performance(m: str, said: dict[str, str]) -> tuple[Panel, ...]:
    holds = (("1", said["yes"], GREEN), ("0", said["no"], RED))
    return (
        Panel(said["loss"], (Query(f"cauce_watch_expected_loss{{{m}}}", said["expected"]),
                             Query(f"cauce_watch_realised_loss{{{m}}}", said["realised"]))),
        Panel(said["change"], _interval("cauce_watch_loss_change", m, said), high=0),
        Panel(said["estimate"], (
            Query(f"cauce_watch_estimate{{{m}}}", said["estimated"]),
            Query(f"cauce_watch_estimate_lower{{{m}}}", said["lower"]),
            Query(f"cauce_watch_estimate_upper{{{m}}}", said["upper"]),
            Query(f"cauce_watch_estimate_reference{{{m}}}", said["reference"]),
            Query(f"cauce_watch_estimate_realised{{{m}}}", said["estimate_realised"]),
        )),
        Panel(said["reliable"], (Query(f"cauce_watch_estimate_reliable{{{m}}}", "{{metric}}"),), "stat", names=holds),
        Panel(said["segments"], (Query(f"cauce_watch_segment_loss{{{m}}}", "{{segment}}", instant=True),), "bargauge",
              columns=16),
    )  # fmt: skip


def _drift(m: str, said: dict[str, str]) -> tuple[Panel, ...]:
    def strongest(name: str) -> Query:
        return Query(f"topk(10, cauce_watch_column_{name}{{{m}}})", "{{column}}")

    return (
        Panel(
            said["columns_drifted"],
            (Query(f"max(cauce_watch_columns_drifted{{{m}}})", said["columns_drifted"]),),
            "stat",
            high=1,
        ),
        Panel(said["psi"], (strongest("psi"),)),
        Panel(said["evidence"], (strongest("evidence"),)),
        Panel(said["js"], (strongest("jensen_shannon"),)),
        Panel(said["wasserstein"], (strongest("wasserstein"),)),
        Panel(said["missing"], (strongest("missing_share"),), unit="percentunit"),
        Panel(said["joint"], _interval("cauce_watch_joint_auc", m, said), columns=24),
    )


def _labels(m: str, said: dict[str, str]) -> tuple[Panel, ...]:
    return (
        Panel(said["coverage"], (Query(f"max(cauce_watch_label_coverage{{{m}}})", said["coverage"]),),
              unit="percentunit"),
        Panel(said["lag"], (Query(f"cauce_watch_label_lag_seconds{{{m}}}", said["within"]),), unit="s"),
        Panel(said["truths"], (Query(_rate("cauce_truths_total", m, "status"), "{{status}}"),)),
        Panel(said["window"], (
            Query(f"max(cauce_watch_predictions{{{m}}})", said["predictions"]),
            Query(f"max(cauce_watch_truths{{{m}}})", said["with_truth"]),
            Query(f"max(cauce_watch_labelled_rows{{{m}}})", said["labelled"]),
        ), columns=24),
    )  # fmt: skip


def _renewal(m: str, said: dict[str, str]) -> tuple[Panel, ...]:
    states = (("1", said["yes"], ORANGE), ("0", said["no"], GREEN))
    return (
        Panel(said["challenger"], (Query(f"max(cauce_challenger_version{{{m}}})", said["challenger"]),), "stat",
              names=(("0", said["none"], GREEN),), columns=4),
        Panel(said["stage"], (Query(f"cauce_experiment_stage{{{m}}}", "{{stage}}"),), "state-timeline", names=states,
              columns=10),
        Panel(said["experiment"], _interval("cauce_experiment_loss_difference", m, said), columns=10),
        Panel(said["requests_of_stage"], (Query(f"max(cauce_experiment_requests{{{m}}})", said["requests_of_stage"]),),
              columns=12),
        Panel(said["shadow"], (
            Query(f"sum(rate(cauce_shadow_dropped_rows_total{{{m}}}[$__rate_interval]))", said["dropped"]),
            Query(f"sum(rate(cauce_shadow_failed_rows_total{{{m}}}[$__rate_interval]))", said["failed_rows"]),
        ), columns=12),
    )  # fmt: skip


def _interval(name: str, m: str, said: dict[str, str]) -> tuple[Query, ...]:
    return (
        Query(f"{name}{{{m}}}", said["difference"]),
        Query(f"{name}_lower{{{m}}}", said["lower"]),
        Query(f"{name}_upper{{{m}}}", said["upper"]),
    )


def _rate(name: str, selector: str, by: str) -> str:
    return f"sum by ({by}) (rate({name}{{{selector}}}[$__rate_interval]))"


def _quantile(name: str, selector: str, by: str) -> str:
    return f"histogram_quantile(0.99, sum by ({by}, le) (rate({name}_bucket{{{selector}}}[$__rate_interval])))"
