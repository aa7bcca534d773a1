"""The dashboards: what Grafana's published types allow, and that they replace themselves. No Grafana runs here."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from cauce.export import MARK, Target, alerts, dashboards, expressions, grafana_files, recordings
from cauce.serve.metrics import Metrics
from cauce.serve.seen import GAUGES
from export.grafana_schema import faults

TARGET = Target("school", "en", "127.0.0.1:8321", "/run/token")
NAMES = ("cauce-service.json", "cauce-models.json")
needs_sdk = pytest.mark.skipif(
    importlib.util.find_spec("grafana_foundation_sdk") is None,
    reason="grafana-foundation-sdk is not installed: Grafana's published types, a development dependency",
)


def board(name: str = NAMES[1]) -> dict[str, Any]:
    return copy.deepcopy(dashboards(TARGET)[name])


@needs_sdk
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", NAMES)
def test_grafanas_types_know_every_key_and_value(name: str, language: Any) -> None:
    found = dashboards(Target("school", language, "127.0.0.1:8321", "/run/token"))[name]
    assert faults(found) == []


def _panel(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in found["panels"] if one["type"] == kind)


PLANTED: dict[str, Callable[[dict[str, Any]], None]] = {
    "a key of the dashboard": lambda d: d.update(titel="x"),
    "a key of a panel": lambda d: _panel(d, "timeseries").update(query="up"),
    "a key of a query": lambda d: _panel(d, "timeseries")["targets"][0].update(promql="up"),
    "a key of options": lambda d: _panel(d, "stat")["options"].update(mode="value"),
    "a key of lines": lambda d: _panel(d, "timeseries")["fieldConfig"]["defaults"]["custom"].update(width=2),
    "a word for a number": lambda d: _panel(d, "stat")["gridPos"].update(w="half"),
    "a colour mode": lambda d: _panel(d, "stat")["options"].update(colorMode="loud"),
    "a kind of legend": lambda d: _panel(d, "timeseries")["options"]["legend"].update(displayMode="shown"),
    "a threshold": lambda d: _panel(d, "stat")["fieldConfig"]["defaults"]["thresholds"].update(steps=[{"value": "x"}]),
    "an expression": lambda d: _panel(d, "stat")["targets"][0].update(expr=3),
    "a kind of variable": lambda d: d["templating"]["list"][0].update(type="prometheus"),
    "a title": lambda d: d.update(title=["school"]),
}


@needs_sdk
@pytest.mark.parametrize("what", PLANTED)
def test_the_check_finds_a_planted_fault(what: str) -> None:
    found = board()
    PLANTED[what](found)
    assert faults(found), f"{what} went unseen"


def test_a_dashboard_keeps_its_uid_and_bytes() -> None:
    assert grafana_files(TARGET) == grafana_files(TARGET)
    uids = {one["uid"] for one in dashboards(TARGET).values()}
    others = {one["uid"] for one in dashboards(Target("shop", "en", "127.0.0.1:1", "t")).values()}
    assert len(uids) == 2
    assert not uids & others
    assert all(re.fullmatch(r"[a-z0-9-]{8,40}", uid) for uid in uids), "Grafana takes 8 to 40 characters"


def test_files_bear_the_mark() -> None:
    assert all(MARK.encode() in content for content in grafana_files(TARGET).values())


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    for found in dashboards(TARGET).values():
        taken: set[tuple[int, int]] = set()
        for panel in found["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
            assert not taken & cells, panel["title"]
            assert at["x"] + at["w"] <= 24
            taken |= cells
        numbers = [panel["id"] for panel in found["panels"]]
        assert len(numbers) == len(set(numbers))


def test_the_datasource_is_a_variable_everywhere() -> None:
    for found in dashboards(TARGET).values():
        text = json.dumps(found)
        assert set(re.findall(r'"type": "prometheus", "uid": "([^"]+)"', text)) == {"${datasource}"}


def known_metrics() -> set[str]:
    """Every name that the service tells, as PromQL writes it."""
    found = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
    for family in Metrics(["dropout"]).registry.collect():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {f"{family.name}{end}" for end in ends}
    return found | {f"cauce_{name}" for name in GAUGES} | {one.name for one in recordings(TARGET)}


def asked(expr: str) -> set[str]:
    """The metrics that an expression asks for."""
    return set(re.findall(r"\b((?:project|model):[\w:]+|cauce_\w+|process_\w+|up(?=\{))", expr))


def test_every_metric_that_is_asked_for_is_told() -> None:
    texts = [one.expr for one in recordings(TARGET)] + [one.expr for one in alerts(TARGET)]
    texts += [expr for found in dashboards(TARGET).values() for expr in expressions(found)]
    for expr in texts:
        assert asked(expr), expr
        assert asked(expr) <= known_metrics(), f"{asked(expr) - known_metrics()} in {expr}"


def test_every_gauge_of_the_watch_is_shown_or_told() -> None:
    texts = [one.expr for one in recordings(TARGET)] + [one.expr for one in alerts(TARGET)]
    texts += [expr for found in dashboards(TARGET).values() for expr in expressions(found)]
    used = set().union(*map(asked, texts))
    beside = {  # explain others, and are there to be queried
        "watch_version", "watch_newest_prediction_timestamp_seconds", "watch_columns", "watch_column_drifted",
        "watch_column_importance", "watch_column_missing_share_before", "watch_segment_loss_lower",
        "watch_segment_loss_upper", "watch_segment_expected_loss", "watch_segment_alarm", "watch_estimate_judged",
        "watch_estimate_truths", "watch_label_complete", "watch_label_selected_columns", "experiment_version",
        "experiment_stage_timestamp_seconds", "experiment_scores", "experiment_guard",
    }  # fmt: skip
    assert {f"cauce_{name}" for name in GAUGES if name not in beside} <= used


def test_no_place_is_left_unfilled() -> None:
    for language in ("en", "es"):
        files = grafana_files(Target("school", language, "127.0.0.1:8321", "/run/token"))
        for content in files.values():
            assert not re.search(r"<\w+>", content.decode())
