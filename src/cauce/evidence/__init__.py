"""Compares two models by their losses per unit: difference, interval, verdict. Numpy and scipy only."""

from cauce.evidence.compare import MARGIN_FLOOR, WIDEST, independent, paired
from cauce.evidence.planning import provable_margin, units_needed, units_to_find
from cauce.evidence.several import Chance, chance

__all__ = [
    "MARGIN_FLOOR",
    "WIDEST",
    "Chance",
    "chance",
    "independent",
    "paired",
    "provable_margin",
    "units_needed",
    "units_to_find",
]
