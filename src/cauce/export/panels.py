"""Grafana's JSON, piece by piece: panels, rows and variables, each the smallest that Grafana takes.

Written against the schema that Grafana publishes (its foundation SDK, versions 10.1 to 11.6); the tests hold every key
and value against the SDK's types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["timeseries", "stat", "bargauge", "state-timeline"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8
"""Columns of Grafana's grid, and rows of one panel."""
GREEN, RED, ORANGE = "green", "red", "orange"


@dataclass(frozen=True)
class Query:
    """One PromQL expression and how its series are called; ``{{label}}`` stands for a label's value."""

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel of a dashboard."""

    title: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    unit: str = "short"
    """Grafana's name of a unit: ``s``, ``percentunit``, ``bytes``, ``reqps`` …"""
    high: float | None = None
    """Value from which it is drawn in red."""
    low: float | None = None
    """Value below which it is."""
    names: tuple[tuple[str, str, str], ...] = ()
    """(value, text, colour) of states that are shown by words."""
    text_of: Literal["auto", "value", "name"] = "auto"
    """What a `stat` writes: value and name as fits, the value, or the series' name alone."""
    columns: int = 8
    """Its width, of 24."""


@dataclass(frozen=True)
class Section:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def dashboard(uid: str, title: str, text: str, sections: Sequence[Section], variables: Sequence[Json]) -> Json:
    """Return a dashboard; the same arguments give the same bytes."""
    return {
        "uid": uid,
        "title": title,
        "description": text,
        "tags": ["cauce"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 38,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": list(variables)},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_laid_out(sections)),
    }


def source_variable(label: str) -> Json:
    """Return the variable that chooses among the Prometheus servers that Grafana knows."""
    return {"name": "datasource", "type": "datasource", "label": label, "query": "prometheus", "hide": 0}


def query_variable(name: str, label: str, query: str) -> Json:
    """Return a variable whose values are a PromQL answer."""
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": SOURCE,
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "refresh": 2,
        "sort": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
    }


def _laid_out(sections: Sequence[Section]) -> Iterator[Json]:
    numbers = count(1)
    y = 0
    for section in sections:
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        yield {"type": "row", "id": next(numbers), "title": section.title, "collapsed": False,
               "gridPos": place, "panels": []}  # fmt: skip
        y, x = y + 1, 0
        for panel in section.panels:
            if x + panel.columns > WIDTH:
                y, x = y + HEIGHT, 0
            yield _panel(panel, next(numbers), {"x": x, "y": y, "w": panel.columns, "h": HEIGHT})
            x += panel.columns
        y += HEIGHT


def _panel(panel: Panel, number: int, place: Json) -> Json:
    return {
        "type": panel.kind,
        "id": number,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [_target(query, chr(ord("A") + at)) for at, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(query: Query, ref: str) -> Json:
    return {
        "refId": ref,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": query.instant,
        "range": not query.instant,
        "editorMode": "code",
    }


def _defaults(panel: Panel) -> Json:
    if panel.low is not None:
        steps = [{"value": None, "color": RED}, {"value": panel.low, "color": GREEN}]
    else:
        steps = [{"value": None, "color": GREEN}]
    if panel.high is not None:
        steps.append({"value": panel.high, "color": RED})
    found: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    marked = panel.high is not None or panel.low is not None
    found["color"] = {"mode": "palette-classic" if panel.kind == "timeseries" or not marked else "thresholds"}
    if panel.kind == "timeseries":
        lines = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": True}
        found["custom"] = {**lines, "thresholdsStyle": {"mode": "dashed" if marked else "off"}}
    if panel.names:
        shown = {
            value: {"text": text, "color": colour, "index": at} for at, (value, text, colour) in enumerate(panel.names)
        }
        found["mappings"] = [{"type": "value", "options": shown}]
    return found


def _options(panel: Panel) -> Json:
    newest = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "stat":
        return {
            "reduceOptions": newest,
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "textMode": panel.text_of,
            "orientation": "auto",
        }
    if panel.kind == "bargauge":
        return {"reduceOptions": newest, "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    if panel.kind == "state-timeline":
        return {
            "legend": legend,
            "tooltip": {"mode": "single", "sort": "none"},
            "showValue": "auto",
            "mergeValues": True,
            "alignValue": "left",
            "rowHeight": 0.9,
        }
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
