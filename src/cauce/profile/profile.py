"""The summary of a whole snapshot: one pass makes it, parts merge, one small Arrow file keeps it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.artefacts import Schema
from cauce.core.errors import UserError, did_you_mean
from cauce.core.files import write_bytes
from cauce.profile.column import ColumnProfile
from cauce.profile.together import Together

if TYPE_CHECKING:
    import pyarrow as pa

MOST_THREADS = 8
FORMAT = 2
"""Version of what `to_bytes` writes. 1 had no text facts and no moments of pairs; it is read, without them."""


@dataclass(frozen=True)
class Profile:
    """Summaries of all columns of a table.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"hours": [1.0, 2.0, None, 4.0], "level": ["a", "b", "a", "a"]})
    >>> profile = summarise(table.to_batches())
    >>> profile.n_rows, profile.n_missing("hours"), dict(profile.columns["level"].counts)
    (4, 1, {'a': 3, 'b': 1})
    >>> profile.quantiles("hours", [0.0, 0.5, 1.0])
    (1.0, 2.0, 4.0)
    """

    n_rows: int
    columns: Mapping[str, ColumnProfile]
    """In the table's order."""
    together: Together | None = field(default_factory=Together.nothing)
    """How numeric columns move together; None where an older Cauce made the profile."""

    def column(self, name: str) -> ColumnProfile:
        """Return one column's summary.

        Raises
        ------
        UserError
            There is no such column; the hint names the nearest.
        """
        if name not in self.columns:
            raise UserError("not a column", received=name, hint=did_you_mean(name, self.columns))
        return self.columns[name]

    def n_missing(self, column: str) -> int:
        """Return how many values are null or NaN."""
        return self.column(column).n_missing

    def n_distinct(self, column: str) -> int:
        """Return the number of distinct values: exact up to 5,000, then estimated."""
        return self.column(column).n_distinct

    def quantiles(self, column: str, ranks: Sequence[float]) -> tuple[float, ...]:
        """Return quantiles at `ranks` (0 to 1): of numbers, of seconds (UTC) of datetimes, of lengths of strings."""
        return self.column(column).quantiles(ranks)

    def correlation(self, one: str, other: str) -> float | None:
        """Return Pearson's correlation of two columns of numbers, over the rows in which both are present.

        None where it is not known: another kind of column, one that does not vary, fewer than three rows, a column
        beyond the first 512 of numbers, or a profile of an older Cauce.
        """
        return None if self.together is None else self.together.correlation(one, other)

    def schema(self, names: Sequence[str]) -> Schema:
        """Return the named columns as a model sees them, in the order of `names`."""
        return Schema(tuple(self.column(name).as_column() for name in names))

    def merge(self, other: Profile) -> Profile:
        """Return the summary of both parts together; columns that only one part has count as missing in the other.

        Counts, moments and exact categories do not depend on the order of merges (the mean and the variance up to
        rounding); sketches stay inside their stated errors.
        """
        from cauce.profile.merge import merge

        return merge(self, other)

    def to_bytes(self) -> bytes:
        """Return the profile as an Arrow IPC file: a row for each column."""
        from cauce.profile.storage import to_bytes

        return to_bytes(self)

    @classmethod
    def from_bytes(cls, content: bytes, *, where: str = "profile") -> Profile:
        """Read what `to_bytes` gave.

        Raises
        ------
        UserError
            The content is cut off, or is no profile.
        """
        from cauce.profile.storage import from_bytes

        return from_bytes(content, where=where)

    def save(self, path: Path) -> None:
        """Write the profile into one file, atomically."""
        write_bytes(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Profile:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            The file is not there, is cut off, or is no profile.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            hint = "Run the audit again; it makes the profile."
            raise UserError("the profile cannot be read", where=str(path), hint=hint) from error
        return cls.from_bytes(content, where=str(path))


def summarise(batches: Iterable[pa.RecordBatch]) -> Profile:
    """Return the summary of all columns, in one pass over `batches` of one schema.

    Memory stays within a few hundred kB a column, whatever the number of rows; 10,000 columns take 1.2 GB. Columns
    are summarised by up to eight threads while the next batch is read. Quantiles: KLL sketch (Karnin, Lang
    and Liberty 2016); distinct counts beyond 5,000: HyperLogLog; both from Apache DataSketches.

    Raises
    ------
    UserError
        A column name repeats.
    """
    from cauce.profile.gather import gather

    return Profile(*gather(batches, n_threads=min(os.cpu_count() or 1, MOST_THREADS)))
