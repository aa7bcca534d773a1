"""The fingerprint of a table's content: the same rows in the same order give the same one, however they arrive.

It depends on column names, types, values and row order; not on the file's format, its batches or chunking. Order counts
because rows are read back in the order of their source, and everything that follows is a function of that order.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from cauce.profile.hashing import text_bytes

if TYPE_CHECKING:
    import pyarrow as pa


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
