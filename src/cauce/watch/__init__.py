"""Looks at a window of predictions: did the population move, are the data whole, is the model as good as it was."""

from cauce.core.artefacts import ColumnDrift, Mover
from cauce.watch.drift.quality import count_outside
from cauce.watch.drift.report import DriftReport, drift_report
from cauce.watch.look import look
from cauce.watch.window import Evidence, Window

__all__ = ["ColumnDrift", "DriftReport", "Evidence", "Mover", "Window", "count_outside", "drift_report", "look"]
