"""Data: a source file becomes a versioned Delta table in the lake, is read back in order, and is split into units.

Heavy libraries are imported when the functions are called.
"""

from __future__ import annotations

from cauce.data.expected import check_kinds, count_unseen
from cauce.data.filters import Filter
from cauce.data.inspection import Inspection, inspect, read_file
from cauce.data.labelled import append_labelled, read_labelled
from cauce.data.lake import batches, latest, read
from cauce.data.loading import changed, load
from cauce.data.splits import Split, fold_all, split
from cauce.data.units import unit_ids

__all__ = [
    "Filter",
    "Inspection",
    "Split",
    "append_labelled",
    "batches",
    "changed",
    "check_kinds",
    "count_unseen",
    "fold_all",
    "inspect",
    "latest",
    "load",
    "read",
    "read_file",
    "read_labelled",
    "split",
    "unit_ids",
]
