"""Looks at a window of predictions: did the population move, are the data whole, is the model as good as it was."""

from cauce.watch.drift import ColumnDrift, DriftReport, Mover, drift_report
from cauce.watch.look import Window, look
from cauce.watch.quality import count_outside

__all__ = ["ColumnDrift", "DriftReport", "Mover", "Window", "count_outside", "drift_report", "look"]
