"""Data: a source file becomes a versioned Delta table in the lake, is read back in order, and is split into units.

Heavy libraries are imported when the functions are called.
"""

from __future__ import annotations

from cauce.data.ddl import bigquery_ddl
from cauce.data.diff import Compared, RowChanges, SummaryChange, compare_summaries, compare_versions
from cauce.data.expected import KindCheck, count_unseen
from cauce.data.filters import Filter
from cauce.data.history import Entry, Restored, entries, held_by, restore, snapshot_of
from cauce.data.incoming import Incoming, incoming
from cauce.data.inspection import Inspection, inspect
from cauce.data.joins import Other
from cauce.data.labelled import append_labelled, forget_labelled, read_labelled
from cauce.data.lake import batches, latest, read
from cauce.data.loading import changed, load
from cauce.data.outgoing import check_output, outgoing
from cauce.data.retention import Vacuumed, vacuum
from cauce.data.splits import Split, fold_all, split
from cauce.data.staging import shape
from cauce.data.units import unit_ids

__all__ = [
    "Compared",
    "Entry",
    "Filter",
    "Incoming",
    "Inspection",
    "KindCheck",
    "Other",
    "Restored",
    "RowChanges",
    "Split",
    "SummaryChange",
    "Vacuumed",
    "append_labelled",
    "batches",
    "bigquery_ddl",
    "changed",
    "check_output",
    "compare_summaries",
    "compare_versions",
    "count_unseen",
    "entries",
    "fold_all",
    "forget_labelled",
    "held_by",
    "incoming",
    "inspect",
    "latest",
    "load",
    "outgoing",
    "read",
    "read_labelled",
    "restore",
    "shape",
    "snapshot_of",
    "split",
    "unit_ids",
    "vacuum",
]
