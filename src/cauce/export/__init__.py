"""Files for tools that a team has already: Prometheus' rules, Grafana's dashboards, Evidently's reports."""

from cauce.export.grafana import dashboards, expressions, grafana_files
from cauce.export.prometheus import prometheus_files
from cauce.export.rules import alerts, recordings
from cauce.export.target import Limits, Target
from cauce.export.writing import MARK, check_writable, write

__all__ = [
    "MARK",
    "Limits",
    "Target",
    "alerts",
    "check_writable",
    "dashboards",
    "expressions",
    "grafana_files",
    "prometheus_files",
    "recordings",
    "write",
]
