"""The tables that are measured: seeded, written as Parquet in pieces, so that any size fits into memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SEED = 20_261
PIECE = 250_000
WORDS = (
    "the course was very good and clear but el curso fue muy bueno claro aunque largo teacher time money data science "
    "lesson price value again never always people great help work home profesor tiempo dinero precio gente casa"
)


def mixed(n_rows: int, rng: np.random.Generator) -> pa.Table:
    """Return n_rows × 30 columns: floats, integers, categories, dates, numbers and dates as text, texts."""
    columns: dict[str, pa.Array] = {}
    for i in range(10):
        values = rng.lognormal(size=n_rows) if i % 2 else rng.normal(size=n_rows) * 10.0 ** (i - 3)
        columns[f"float_{i}"] = pa.array(values, mask=rng.random(n_rows) < 0.05 if i < 5 else None)
    for i, top in enumerate((2, 10, 100, 5_000, 1_000_000, 10**12)):
        columns[f"integer_{i}"] = pa.array(rng.integers(0, top, n_rows))
    for i, n_levels in enumerate((2, 5, 20, 100, 1_000)):
        levels = pa.array([f"level {level}" for level in range(n_levels)])
        columns[f"category_{i}"] = levels.take(pa.array(np.minimum(rng.zipf(1.5, n_rows) - 1, n_levels - 1)))
    columns["user"] = pa.array(rng.integers(0, 50_000, n_rows)).cast(pa.string())
    columns["member"] = pa.array(rng.random(n_rows) < 0.3)
    columns["day"] = pa.array(rng.integers(15_000, 20_000, n_rows).astype("datetime64[D]"))
    seconds = rng.integers(1_600_000_000, 1_700_000_000, n_rows)
    columns["at"] = pa.array(seconds, pa.timestamp("s"))
    columns["at_text"] = pa.array(np.datetime_as_string((seconds + 3_600).astype("datetime64[s]")))
    columns["price_text"] = pa.array(np.round(rng.random(n_rows) * 1_000, 2)).cast(pa.string())
    columns["title"], columns["review"] = _texts(n_rows, 4, rng), _texts(n_rows, 25, rng)
    noise = rng.normal(size=n_rows)
    columns["target"] = pa.array((columns["float_6"].to_numpy() / 1_000 + noise > 1).astype(np.int64))
    return pa.table(columns)


def _texts(n_rows: int, n_words: int, rng: np.random.Generator) -> pa.Array:
    words = pa.array(WORDS.split())
    drawn = [words.take(pa.array(rng.integers(0, len(words), n_rows))) for _ in range(n_words)]
    return pc.binary_join_element_wise(*drawn, " ")


def wide(n_rows: int, n_columns: int, rng: np.random.Generator) -> pa.Table:
    """Return n_rows × n_columns, three of four of them numbers, the rest categories; one target among them."""
    columns: dict[str, pa.Array] = {"target": pa.array(rng.integers(0, 2, n_rows))}
    for i in range(n_columns - 1):
        if i % 4 == 3:
            columns[f"column_{i}"] = pa.array([f"level {level}" for level in rng.integers(0, 12, n_rows)])
        else:
            columns[f"column_{i}"] = pa.array(rng.normal(size=n_rows), mask=rng.random(n_rows) < 0.02)
    return pa.table(columns)


def write(path: Path, n_rows: int, n_columns: int) -> None:
    """Write one of the tables; 30 columns are the mixed one, any other number the wide one."""
    rng = np.random.default_rng(SEED)
    scratch = path.with_suffix(".part")
    writer = None
    for start in range(0, n_rows, PIECE):
        size = min(PIECE, n_rows - start)
        piece = mixed(size, rng) if n_columns == 30 else wide(size, n_columns, rng)
        writer = writer or pq.ParquetWriter(scratch, piece.schema)
        writer.write_table(piece, row_group_size=PIECE // 2)
    if writer is not None:
        writer.close()
    scratch.replace(path)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
