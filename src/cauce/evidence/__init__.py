"""Compares two models by their losses per unit: difference, interval, verdict. Numpy and scipy only."""

from cauce.evidence.compare import MARGIN_FLOOR, WIDEST, independent, paired
from cauce.evidence.planning import provable_margin, units_needed, units_to_find
from cauce.evidence.running import Running
from cauce.evidence.sequential import sequential
from cauce.evidence.serial import serial
from cauce.evidence.several import Chance, chance
from cauce.evidence.split import sample_ratio, split

__all__ = [
    "MARGIN_FLOOR",
    "WIDEST",
    "Chance",
    "Running",
    "chance",
    "independent",
    "paired",
    "provable_margin",
    "sample_ratio",
    "sequential",
    "serial",
    "split",
    "units_needed",
    "units_to_find",
]
