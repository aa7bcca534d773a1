"""What came, counted in the bins of training: counters that add up over workers, hours and machines.

Rows are counted off the answer's way: a request leaves them in a list, and a thread counts what lies there, once a
second at most. So that a flood costs no more than a trickle, the list holds `MOST_ROWS`: of a busier second, the first
rows are counted. Shares are what they are for, and of those it is a sample.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cauce.core.plain import to_table

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from cauce.core.artefacts import Schema
    from cauce.profile import Bins
    from cauce.serve.metrics import Metrics

MOST_ROWS = 512
"""Rows counted a second, a release and a worker."""
EVERY_S = 1.0
logger = logging.getLogger("cauce.serve")


class InputCounts:
    """Counts one release's rows. `take` is called from the event loop, counting happens in a thread.

    Parameters
    ----------
    bins
        Of training; of the columns of `schema`.
    """

    def __init__(self, metrics: Metrics, model: str, version: int, schema: Schema, bins: Bins) -> None:
        self._schema = schema
        self._bins = type(bins)({name: each for name, each in bins.columns.items() if name in schema.names})
        self._tallies = {
            name: metrics.input_rows.labels(model, str(version), name, bin_names(bins.labels(name)))
            for name in self._bins.columns
        }
        self._waiting: list[Sequence[Any]] = []
        self._due = 0.0
        self._counting = threading.Lock()
        itself = weakref.ref(self)  # a release that answers no more is let go
        metrics.before_text.append(lambda: found.count() if (found := itself()) is not None else None)

    def take(self, rows: Sequence[Sequence[Any]], executor: Executor) -> None:
        """Leave rows to be counted; under a microsecond a row."""
        room = MOST_ROWS - len(self._waiting)
        if room > 0:
            self._waiting.extend(rows[:room] if len(rows) > room else rows)
        now = perf_counter()
        if now >= self._due:
            self._due = now + EVERY_S
            executor.submit(self.count)

    def count(self) -> None:
        """Count what was left; called before the figures are given, too."""
        with self._counting:
            rows, self._waiting = self._waiting, []
            if not rows:
                return
            try:
                counted = self._bins.count(to_table(rows, self._schema))
            except Exception:  # whatever is odd in a row, its answer was given: only the count is lost
                logger.exception("rows could not be counted")
                return
            for name, counts in counted.items():
                self._tallies[name].add(counts.tolist())


def bin_names(labels: Sequence[str]) -> str:
    """Return bins' names as one label of a series; two bins never bear one name.

    Examples
    --------
    >>> bin_names(("a", "other", "other", "missing")).split(chr(31))
    ['a', 'other', 'other (2)', 'missing']
    """
    found: list[str] = []
    for place, label in enumerate(labels):
        clean = label.replace("\x1f", " ")
        found.append(clean if clean not in found else f"{clean} ({place})")
    return "\x1f".join(found)
