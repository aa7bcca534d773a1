"""Any file's rows, or a Delta table's, as batches in the source's order: what a batch prediction reads.

The same readers as a load's, and the same types; nothing is kept, so memory does not grow with the rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.specs import DataSpec
from cauce.data.sources import Opened, opened

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Incoming:
    """A file that is open."""

    schema: pa.Schema
    """Its columns, in the types that a snapshot would have."""
    n_rows: int
    _source: Opened

    def batches(self, names: Sequence[str], *, size: int = 32_768) -> Iterator[pa.Table]:
        """Yield these columns, at most `size` rows at a time; at least one table, empty where there are no rows.

        One iterator is read at a time; a new one begins at the first row again.
        """
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in names])
        if self.n_rows == 0:
            yield schema.empty_table()
            return
        for batch in self._source.only(names).batches(size):
            for start in range(0, batch.num_rows, size):  # DuckDB gives 2,048 rows, however few are asked for
                yield pa.Table.from_batches([batch.slice(start, size)])


@contextmanager
def incoming(path: Path) -> Iterator[Incoming]:
    """Open a CSV, Parquet, JSON Lines or Excel file, a table of a database file, or a Delta table's folder.

    Raises
    ------
    UserError
        It cannot be read; also for what shows only while its rows are read within the block.
    """
    spec = DataSpec(source=str(path.absolute()))
    with (
        tempfile.TemporaryDirectory(prefix="cauce-") as spill,
        opened(path.name, spec, path.parent, where=lambda *_: str(path), spill=Path(spill)) as source,
    ):
        yield Incoming(source.schema(), source.count(), source)
