"""Row functions: new columns computed from a row's own, at loading and, in the release, for every request.

Shared by the rooms, like `core/`: `data/` computes while it loads, `track/` packs the functions and opens them again,
`loop/` asks which columns a model needs. What they do must be the same everywhere, so it stands once.
"""

from cauce.rows.compute import Computation, RowFailed, computation, with_empty
from cauce.rows.declare import row
from cauce.rows.fitted import Computed
from cauce.rows.functions import RowFunction, RowFunctions, check, faults, read_functions
from cauce.rows.promise import check_unchanged
from cauce.rows.staging import computing, look

__all__ = [
    "Computation",
    "Computed",
    "RowFailed",
    "RowFunction",
    "RowFunctions",
    "check",
    "check_unchanged",
    "computation",
    "computing",
    "faults",
    "look",
    "read_functions",
    "row",
    "with_empty",
]
