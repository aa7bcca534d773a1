"""Rows put into groups by the sensitive columns of a model: one column at a time, and two crossed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.audit.check import AuditContext
from cauce.audit.words import visible
from cauce.core.artefacts import GroupFigure
from cauce.core.figures import Language, listed, number
from cauce.evidence.gaps import Compared
from cauce.profile.groups import crossed, grouping

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SHOWN = 24
"""Groups that a finding lists, the largest first."""
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ByGroup:
    """One way to put the rows into groups."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    """Of the groups, as people read them: ``"sex = female, age = 18 – <25"``."""
    codes: Codes
    """Group of each row, −1 for rows with a missing value, shape (n_rows,)."""

    @property
    def n_missing(self) -> int:
        """Rows that belong to no group."""
        return int((self.codes < 0).sum())

    def figures(self, compared: Compared) -> tuple[GroupFigure, ...]:
        """Return the figures of the groups that have rows, the largest first."""
        by_size = sorted(np.flatnonzero(compared.n_rows > 0).tolist(), key=lambda i: (-int(compared.n_rows[i]), i))
        return tuple(
            GroupFigure(
                visible(self.names[i]),
                int(compared.n_rows[i]),
                compared.figures[i].value,
                max(compared.figures[i].lower, -WIDEST),
                min(compared.figures[i].upper, WIDEST),
            )
            for i in by_size[:MOST_SHOWN]
        )

    def untold(self, compared: Compared, language: Language) -> str:
        """Name the groups that have rows, and too few to be told; empty where there are none."""
        places = np.flatnonzero(~compared.told & (compared.n_rows > 0)).tolist()
        places.sort(key=lambda i: (-int(compared.n_rows[i]), i))
        shown = [f"{visible(self.names[i])} ({number(int(compared.n_rows[i]), language)})" for i in places[:4]]
        return listed(shown, language, n_more=len(places) - len(shown))


WIDEST = 1e300
"""Stands for an interval without an end: infinity is not JSON."""


def by_group(context: AuditContext, columns: Sequence[str], table: pa.Table) -> tuple[ByGroup, ...]:
    """Put the table's rows into groups by each column, and then by every two of them crossed."""
    single = [grouping(context.profile, column) for column in columns]
    made = []
    for parts in (*((one,) for one in single), *itertools.combinations(single, 2)):
        codes, names = crossed(parts, table)
        made.append(ByGroup(tuple(one.column for one in parts), names, codes))
    return tuple(made)


def rows_of(context: AuditContext, columns: Sequence[str]) -> pa.Table:
    """Read the named columns of all rows."""
    import pyarrow as pa

    return pa.Table.from_batches(list(context.batches(list(dict.fromkeys(columns))))).combine_chunks()


def clusters_of(context: AuditContext, table: pa.Table) -> Codes | None:
    """Return what makes rows resemble each other: the data set's group; a row without one is one of its own."""
    name = context.data.group
    if name is None or name not in table.column_names:
        return None
    from cauce.profile.arrays import to_strings

    codes = to_strings(table[name].combine_chunks()).dictionary_encode().indices
    missing = codes.is_null().to_numpy(zero_copy_only=False)
    known = codes.fill_null(0).to_numpy(zero_copy_only=False)
    return np.where(missing, -1 - np.arange(len(codes)), known).astype(np.int64)
