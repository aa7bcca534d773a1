"""Compares two models by their losses per unit: difference, interval, verdict. Numpy and scipy only."""

from cauce.evidence.compare import WIDEST, independent, paired
from cauce.evidence.planning import provable_margin, units_needed

__all__ = ["WIDEST", "independent", "paired", "provable_margin", "units_needed"]
