"""Bins fixed at training, in which a watch counts: the same value always falls into the same bin.

Every column has its own bins, then `other` (a value that training never had, or one that cannot be read) and
`missing`. Counts of parts add up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Kind, Schema
from cauce.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile.column import ColumnProfile
    from cauce.profile.profile import Profile

N_QUANTILES = 10
MOST_INTEGERS = 20
MOST_CATEGORIES = 30
LEAST_SHARE = 0.005
MANY_ROWS = 100_000
"""From so many rows on, columns are counted by several threads."""
OTHER = {"en": "other", "es": "otros"}
MISSING = {"en": "missing", "es": "sin dato"}
FORMAT = 1


@dataclass(frozen=True)
class ColumnBins:
    """One column's bins: cut at `edges`, or one for each of `values`; one of the two is empty."""

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    """Inner edges, rising: bin i holds ``edges[i-1] < x <= edges[i]``. Numbers; seconds (UTC) of datetimes; characters
    of texts."""
    values: tuple[str, ...] = ()
    """Values with a bin of their own, as text."""
    low: float | None = None
    """Smallest number in training."""
    high: float | None = None
    """Largest number in training."""

    @property
    def n_bins(self) -> int:
        """Bins with `other` and `missing`, the last two."""
        return (len(self.values) if self.values else len(self.edges) + 1) + 2


@dataclass(frozen=True)
class Bins:
    """Bins of every column.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from cauce.profile import make_bins, summarise
    >>> table = pa.table({"level": ["a", "b", "a", None]})
    >>> profile = summarise(table.to_batches())
    >>> bins = make_bins(profile, profile.schema(["level"]))
    >>> bins.labels("level"), bins.count(table)["level"].tolist()
    (('a', 'b', 'other', 'missing'), [2, 1, 0, 1])
    """

    columns: Mapping[str, ColumnBins]

    def count(self, table: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
        """Count a table's values: column → counts, shape (n_bins,), that sum to the table's rows.

        Types may differ from training's: whole numbers for decimals, numbers and dates as text, numbers for
        categories. What cannot be read counts as `other`; a column that the table lacks, as `missing`.
        """
        from cauce.profile.counting import count_column

        if table.num_rows < MANY_ROWS or len(self.columns) < 2:
            return {name: count_column(column, table) for name, column in self.columns.items()}
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(self.columns), os.cpu_count() or 1)) as pool:
            counted = pool.map(lambda column: count_column(column, table), self.columns.values())
            return dict(zip(self.columns, counted, strict=True))

    def places(self, table: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
        """Return the bin of every row, column by column, shape (n_rows,) each: what `count` counts."""
        from cauce.profile.counting import row_bins

        return {name: row_bins(column, table) for name, column in self.columns.items()}

    def labels(self, column: str, language: Literal["en", "es"] = "en") -> tuple[str, ...]:
        """Name a column's bins for people, in the order of the counts."""
        from cauce.profile.counting import edge_labels

        bins = self.columns[column]
        own = bins.values or edge_labels(bins)
        return (*own, OTHER[language], MISSING[language])

    def to_bytes(self) -> bytes:
        """Return the bins as JSON."""
        columns = [
            {"name": c.name, "kind": c.kind, "edges": c.edges, "values": c.values, "low": c.low, "high": c.high}
            for c in self.columns.values()
        ]
        return json.dumps({"format": FORMAT, "columns": columns}, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_bytes(cls, content: bytes, *, where: str = "bins") -> Bins:
        """Read what `to_bytes` gave.

        Raises
        ------
        UserError
            The content is cut off, or holds no bins.
        """
        try:
            document = json.loads(content)
            columns = [_read_column(item) for item in document["columns"]] if document["format"] == FORMAT else None
        except (ValueError, KeyError, TypeError) as error:
            hint = "Train again; the training makes the bins."
            raise UserError("not readable bins", where=where, hint=hint) from error
        if columns is None:
            hint = "Use the Cauce that wrote them, or train again."
            raise UserError("bins of another format", where=where, received=document["format"], hint=hint)
        return cls({column.name: column for column in columns})


def _read_column(item: Mapping[str, Any]) -> ColumnBins:
    edges, values = tuple(float(edge) for edge in item["edges"]), tuple(str(value) for value in item["values"])
    return ColumnBins(item["name"], item["kind"], edges, values, item["low"], item["high"])


def make_bins(profile: Profile, schema: Schema) -> Bins:
    """Fix the bins of the schema's columns from their summaries.

    Numbers and datetimes: tenths by quantile; whole numbers with at most 20 distinct values: one bin each;
    categories: the 30 most frequent with a share of at least 0.5 %; texts: tenths of their lengths.
    """
    return Bins({column.name: _make(profile.column(column.name), column.kind) for column in schema})


def _make(column: ColumnProfile, kind: Kind) -> ColumnBins:
    low, high = column.minimum, column.maximum
    if kind == "boolean":
        return ColumnBins(column.name, kind, values=("false", "true"))
    if kind == "category":
        return ColumnBins(column.name, kind, values=_frequent(column))
    if kind == "integer" and column.exact and 0 < len(column.counts) <= MOST_INTEGERS:
        values = tuple(str(value) for value in sorted({int(float(text)) for text in column.counts}))
        return ColumnBins(column.name, kind, values=values, low=low, high=high)
    ranks = [rank / N_QUANTILES for rank in range(1, N_QUANTILES)]
    cuts = sorted({edge for edge in column.quantiles(ranks) if high is not None and edge < high})
    return ColumnBins(column.name, kind, edges=tuple(cuts), low=low, high=high)


def _frequent(column: ColumnProfile) -> tuple[str, ...]:
    """Return the values with a bin of their own, sorted; at least one where there is any."""
    least = LEAST_SHARE * column.n_present
    top = [value for value, n in list(column.counts.items())[:MOST_CATEGORIES] if n >= least]
    return tuple(sorted(top or list(column.counts)[:1]))
