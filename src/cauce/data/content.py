"""The fingerprint of a table's content: the same rows in the same order give the same one, however they arrive.

It depends on column names, types, values and row order; not on the file's format, its batches or chunking. Order counts
because rows are read back in the order of their source, and everything that follows is a function of that order. Only
tables that are merged from increments have one without order: `RowSums`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from cauce.profile.hashing import Hashes, hash_texts, mix, text_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_MISSING = np.uint64(0x632BE59BD9B4E019)


class Content:
    """A running fingerprint over record batches of one schema.

    Each column has three running SHA-256: its values (missing ones as zeros), the lengths of its texts, and the row
    numbers where it is missing. Feeding them in pieces of any size gives the same digests.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"a": [1, None, 3], "b": ["x", "yy", None]})
    >>> whole, pieces = Content(table.schema), Content(table.schema)
    >>> for batch in table.to_batches():
    ...     whole.add(batch)
    >>> for batch in table.to_batches(max_chunksize=1):
    ...     pieces.add(batch)
    >>> whole.hexdigest() == pieces.hexdigest()
    True
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns = [tuple(hashlib.sha256() for _ in range(3)) for _ in schema]
        self.n_rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        import pyarrow as pa

        for (values, lengths, missing), array in zip(self._columns, batch.columns, strict=True):
            if array.null_count:
                rows = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)) + self.n_rows
                missing.update(rows.astype("<i8").tobytes())
            if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
                text, sizes = text_bytes(array)
                values.update(text.data)
                lengths.update(sizes.astype("<i8").tobytes())
            else:
                values.update(fixed_bytes(array))
        self.n_rows += batch.num_rows

    def hexdigest(self) -> str:
        """Return the fingerprint of all rows so far."""
        whole = hashlib.sha256(self.n_rows.to_bytes(8, "little"))
        for field, hashers in zip(self._schema, self._columns, strict=True):
            for part in (field.name.encode(), str(field.type).encode(), *(h.digest() for h in hashers)):
                whole.update(len(part).to_bytes(8, "little") + part)
        return whole.hexdigest()


def fixed_bytes(array: pa.Array) -> bytes:
    """Return the values of a column of fixed width, end to end, missing ones as zeros."""
    import pyarrow as pa

    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    width = array.type.bit_width // 8
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return bytes(len(array) * width)
    values = np.frombuffer(buffer, np.uint8)[array.offset * width : (array.offset + len(array)) * width]
    if array.null_count:
        values = values.reshape(len(array), width).copy()
        values[array.is_null().to_numpy(zero_copy_only=False)] = 0
    return values.tobytes()


class RowSums:
    """A fingerprint of rows without order, from which rows can be taken away again: for tables that grow by merging.

    Each row has four 64-bit hashes, and the fingerprint is their four sums, to which the columns' names and types add
    once. So an increment costs no pass over the rows that stay, and merging in any order of arrival gives the same
    fingerprint as one load of the whole. No cryptographic hash: it tells contents apart, not forgeries.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = pa.record_batch({"a": [1, None, 3], "b": ["x", "yy", None]})
    >>> one, other = RowSums(rows.schema), RowSums(rows.schema)
    >>> one.add(rows)
    >>> other.add(rows.take(pa.array([2, 0, 1, 1])))
    >>> other.take(rows.slice(1, 1))
    >>> one.hexdigest() == other.hexdigest()
    True
    """

    def __init__(self, schema: pa.Schema, start: str | None = None) -> None:
        """Begin with no rows, or with those of the fingerprint `start` of a table of the same columns."""
        if start is None:
            told = "\0".join(f"{field.name}\0{field.type}" for field in schema)
            start = hashlib.sha256(told.encode()).hexdigest()
        self._sums = np.frombuffer(bytes.fromhex(start), "<u8").copy()
        self.n_rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in rows."""
        self._sums += self._of(batch)
        self.n_rows += batch.num_rows

    def take(self, batch: pa.RecordBatch) -> None:
        """Take rows away that were in."""
        self._sums -= self._of(batch)
        self.n_rows -= batch.num_rows

    def _of(self, batch: pa.RecordBatch) -> Hashes:
        lanes = np.arange(1, 5, dtype=np.uint64)[:, None] << np.uint64(56)
        rows = np.zeros((4, batch.num_rows), np.uint64)
        for place, array in enumerate(batch.columns):
            salt = mix(lanes | np.uint64(place))
            rows += mix(row_values(array) ^ salt)
        total: Hashes = mix(rows).sum(axis=1, dtype=np.uint64)
        return total

    def hexdigest(self) -> str:
        """Return the fingerprint of the rows that are in."""
        return self._sums.astype("<u8").tobytes().hex()


def row_values(array: pa.Array) -> Hashes:
    """Return a 64-bit number for each value of a column of a snapshot's types, shape (n_rows,)."""
    import pyarrow as pa

    if len(array) == 0:
        return np.zeros(0, np.uint64)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        values = hash_texts(array.fill_null(""))
    else:
        words = np.frombuffer(fixed_bytes(array), np.uint8).reshape(len(array), -1)
        width = -(-words.shape[1] // 8) * 8
        padded = np.zeros((len(array), width), np.uint8)
        padded[:, : words.shape[1]] = words
        pieces = padded.view("<u8")
        values = pieces[:, 0].astype(np.uint64)
        if pa.types.is_float64(array.type):
            values = (values.view(np.float64) + 0.0).view(np.uint64)  # -0.0 is 0.0
        for place in range(1, pieces.shape[1]):
            values = mix(values) + mix(pieces[:, place] ^ np.uint64(place))
    if array.null_count:
        values[array.is_null().to_numpy(zero_copy_only=False)] = _MISSING
    return values
