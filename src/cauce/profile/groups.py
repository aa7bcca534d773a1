"""Rows put into groups by a sensitive column: its values, or a few ranges where it holds numbers.

Fixed once, by a profile, so that an audit, a training and every later prediction group the same way.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.errors import UserError, did_you_mean
from cauce.core.figures import figures

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile.profile import Profile

MOST_VALUES = 50
"""Values of a column that make groups of their own; the rest share one."""
FEW_NUMBERS = 10
"""Distinct numbers up to which each is a group: codes and yes or no, rather than measurements."""
AGES = (18.0, 25.0, 40.0, 65.0)
"""Where ages are cut: minors, the young, two spans of working age, from retirement on."""
OTHER = "…"
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grouping:
    """How one column's values become groups."""

    column: str
    values: tuple[str, ...]
    """Values as text, each a group; what is none of them goes to a last group of its own where `rest` says so."""
    edges: tuple[float, ...] = ()
    """Inner edges, rising, where the groups are ranges: a number on an edge belongs to the range above."""
    rest: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The groups as people read them: ``female``, ``18–24``."""
        if not self.edges:
            return (*self.values, OTHER) if self.rest else self.values
        written = [figures(f"{edge:.4g}", "en") for edge in self.edges]
        middle = [f"{low} – <{high}" for low, high in itertools.pairwise(written)]
        return (f"<{written[0]}", *middle, f"≥{written[-1]}")

    def codes(self, table: pa.Table | pa.RecordBatch) -> Codes:
        """Return each row's group, −1 where the value is missing or, without `rest`, unknown; shape (n_rows,)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from cauce.profile.arrays import to_floats, to_strings

        array = table.column(self.column)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if self.edges:
            numbers = to_floats(array)
            found = np.searchsorted(np.asarray(self.edges), numbers, side="right")
            return np.where(np.isnan(numbers), -1, found).astype(np.int64)
        strings = to_strings(array)
        places = pc.index_in(strings, pa.array(self.values, pa.string()))
        known = places.fill_null(len(self.values) if self.rest else -1)
        codes = np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.int64)
        missing = strings.is_null().to_numpy(zero_copy_only=False)
        return np.where(missing, -1, codes)


def grouping(profile: Profile, column: str) -> Grouping:
    """Return the groups of a column: values of text, of yes or no and of few numbers; ages by `AGES`; else quarters.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from cauce.profile import summarise
    >>> table = pa.table({"age": list(range(10, 80)), "sex": ["f", "m"] * 35})
    >>> seen = summarise(table.to_batches())
    >>> grouping(seen, "age").names
    ('<18', '18 – <25', '25 – <40', '40 – <65', '≥65')
    >>> grouping(seen, "sex").codes(table)[:4].tolist()
    [0, 1, 0, 1]
    """
    known = profile.column(column)
    measured = known.family in {"integer", "number"} and known.n_distinct > FEW_NUMBERS
    if measured:
        edges = AGES if _is_age(column, known.minimum, known.maximum) else known.quantiles([0.25, 0.5, 0.75])
        inside = sorted({float(edge) for edge in edges if (known.minimum or 0) < edge <= (known.maximum or 0)})
        # Where most rows hold the smallest number, as a gain that few have, or all are of one span of ages.
        return Grouping(column, (), tuple(inside) or (known.mean or 0.0,))
    # By size, ties by name: the order must not hang on the order of rows.
    heaviest = sorted(known.counts.items(), key=lambda item: (-item[1], item[0]))
    values = tuple(value for value, _ in heaviest[:MOST_VALUES])
    return Grouping(column, values, rest=known.n_distinct > len(values))


def crossed(groupings: Sequence[Grouping], table: pa.Table | pa.RecordBatch) -> tuple[Codes, tuple[str, ...]]:
    """Return each row's group in the crossing of columns, −1 where one is missing, and the names of all crossings.

    Names read ``"sex = female, age = 18 – <25"``; for one column ``"sex = female"``.
    """
    codes = np.zeros(table.num_rows, np.int64)
    names = [""]
    for one in groupings:
        own = one.codes(table)
        codes = np.where((codes < 0) | (own < 0), -1, codes * len(one.names) + own)
        parts = [f"{one.column} = {name}" for name in one.names]
        names = [f"{before}, {part}" if before else part for before in names for part in parts]
    return codes, tuple(names)


def favoured_class(profile: Profile, target: str, named: str | None) -> str | None:
    """Return the class that people want to be given: the one named, else the rarer of two, else None.

    Raises
    ------
    UserError
        The class named is none of the target's.
    """
    classes = profile.column(target).counts
    if named is not None:
        if classes and profile.column(target).exact and named not in classes:
            where = f"favoured, a class of {target!r}"
            raise UserError("no row has this class", where=where, received=named, hint=did_you_mean(named, classes))
        return named
    if len(classes) != 2 or not profile.column(target).exact:
        return None
    return min(classes, key=lambda name: (classes[name], name))


def _is_age(column: str, low: float | None, high: float | None) -> bool:
    """Whether a column's name says age, in English or Spanish, and its numbers can be years of a life."""
    words = re.split(r"[^a-záéíóúñ]+", column.lower())
    named = any(word in {"age", "ages", "edad", "edades"} for word in words)
    return named and low is not None and high is not None and low >= 0 and high <= 130
