"""Looks at a window of predictions: whether the population moved, the data are whole, the model is as good as it was."""

from cauce.watch.drift import ColumnDrift, DriftReport, Mover, drift_report
from cauce.watch.look import Window, look

__all__ = ["ColumnDrift", "DriftReport", "Mover", "Window", "drift_report", "look"]
