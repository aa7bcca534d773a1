"""One pass over batches into column summaries. Heavy: imported inside functions.

Moments merge by Chan, Golub and LeVeque (1979). Quantiles, distinct counts and frequent strings are Apache
DataSketches'. A column's loop in Python runs over distinct values of a batch at most.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import datasketches as ds
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.core.errors import UserError
from cauce.profile.arrays import Floats, family_of, plain, to_floats, to_seconds, to_strings
from cauce.profile.column import COUNTED, COUNTED_IN_ALL, ColumnProfile
from cauce.profile.dates import date_counts
from cauce.profile.measure import measure
from cauce.profile.text import TextFacts
from cauce.profile.together import MOST_COLUMNS, Together

KLL_K = 400
"""Rank error 0.68 % at 99 % confidence, 10 kB a column."""
HLL_LG_K = 12
"""Relative error 1.3 % at one sigma, 4 kB a column."""
FREQUENT_LG = 13
"""Heaviest strings: error at most 0.043 % of the rows."""
LONG = 200
"""Characters from which a string is counted under its beginning and a hash."""

_PIECE = 8_192
"""Rows whose products are made at once."""

Value = int | float | str


class Gather:
    """The running summary of one column; belongs to one thread."""

    def __init__(self, name: str, kind: str, family: str, *, n_counted: int = COUNTED) -> None:
        self._name, self._type, self._family, self._n_counted = name, kind, family, n_counted
        self._n_rows = self._n_missing = self._n_infinite = self._n_numbers = 0
        self._mean = self._sum_squares = 0.0
        self._low, self._high = np.inf, -np.inf
        self._kll = ds.kll_doubles_sketch(KLL_K)
        self._counts: dict[Value, int] | None = {}
        self._hll: ds.hll_sketch | None = None
        self._frequent: ds.frequent_strings_sketch | None = None
        self._dates = (0, 0, 0)
        self._text = TextFacts() if family == "string" else None

    @classmethod
    def of(cls, name: str, kind: pa.DataType, *, n_counted: int = COUNTED) -> Gather:
        """Return an empty summary of a column of this Arrow type."""
        return cls(name, str(kind), family_of(kind), n_counted=n_counted)

    def update(self, array: pa.Array) -> None:
        """Take in the column's part of one batch."""
        self._n_rows += len(array)
        if self._family == "string":
            self._update_strings(to_strings(array))
        elif self._family == "other":
            self._n_missing += array.null_count
        else:
            self._update_numbers(plain(array))

    def add_missing(self, n_rows: int) -> None:
        """Take in rows of a part that has no such column."""
        self._n_rows += n_rows
        self._n_missing += n_rows

    def _update_numbers(self, array: pa.Array) -> None:
        values = to_seconds(array) if self._family == "datetime" else to_floats(array)
        finite = values[np.isfinite(values)]
        n_missing = int(np.isnan(values).sum())
        self._n_missing += n_missing
        self._n_infinite += len(values) - n_missing - len(finite)
        self._add_numbers(finite)
        keys: npt.NDArray[np.generic] = finite
        if self._family == "integer":  # beyond 2**53 neighbours would fall together as floats
            keys = array.drop_null().to_numpy(zero_copy_only=False)
        if self._counts is None:
            self._see(keys.tolist())
            return
        distinct, counts = np.unique(keys, return_counts=True)
        self._count(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))

    def _update_strings(self, strings: pa.Array) -> None:
        self._n_missing += strings.null_count
        present = strings.drop_null()
        if not len(present):
            return
        table = pc.value_counts(present)
        values, counts = table.field("values"), table.field("counts").to_numpy(zero_copy_only=False)
        lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
        self._add_numbers(np.repeat(lengths, counts).astype(np.float64))
        if self._text is not None:
            facts = measure(values, counts, lengths, below=self._text.largest_hash)
            self._text = self._text.merge(facts)
        found = date_counts(values, counts)
        self._dates = (self._dates[0] + found[0], self._dates[1] + found[1], self._dates[2] + found[2])
        texts = values.to_pylist()
        if lengths.max() > LONG:
            texts = [_short(text) for text in texts]
        self._count(dict(zip(texts, counts.tolist(), strict=True)))

    def _add_numbers(self, numbers: Floats) -> None:
        if not len(numbers):
            return
        self._kll.update(np.ascontiguousarray(numbers))
        self._low, self._high = min(self._low, float(numbers.min())), max(self._high, float(numbers.max()))
        with np.errstate(over="ignore", invalid="ignore"):  # 1e300 squared is inf: a variance of inf says so
            mean = float(numbers.mean())
            self._add_moments(len(numbers), mean, float(np.square(numbers - mean).sum()))

    def _add_moments(self, n: int, mean: float, sum_squares: float) -> None:
        if not self._n_numbers:  # not by the formula below: infinity times zero is NaN
            self._n_numbers, self._mean, self._sum_squares = n, mean, sum_squares
            return
        total = self._n_numbers + n
        with np.errstate(over="ignore", invalid="ignore"):
            delta = np.float64(mean) - self._mean
            self._sum_squares = float(self._sum_squares + sum_squares + delta * delta * (self._n_numbers * n / total))
            self._mean = float(self._mean + delta * (n / total))
        self._n_numbers = total

    def _count(self, counts: Mapping[Value, int]) -> None:
        """Add counts of distinct values to the exact counter, or to the sketches once it has overflown."""
        if self._counts is not None:
            mine = self._counts
            for value, n in counts.items():
                mine[value] = mine.get(value, 0) + n
            if len(mine) <= self._n_counted:
                return
            self._counts, counts = None, mine
            self._hll = ds.hll_sketch(HLL_LG_K)
            self._frequent = ds.frequent_strings_sketch(FREQUENT_LG) if self._family == "string" else None
        self._see(counts)
        if self._frequent is not None:
            deque(map(self._frequent.update, counts.keys(), counts.values()), maxlen=0)

    def _see(self, values: Iterable[Value]) -> None:
        assert self._hll is not None  # the counter has overflown
        deque(map(self._hll.update, values), maxlen=0)  # the loop runs in C: 0.1 µs a value

    def absorb(self, other: ColumnProfile) -> None:
        """Take in another part's summary of the same column.

        Raises
        ------
        UserError
            The two parts hold different types.
        """
        if other.type != self._type:
            what = f"two parts of one column differ in type: {self._type} and {other.type}"
            hint = "Profile the parts after casting them to one type."
            raise UserError(what, where=f"column {self._name!r}", hint=hint)
        self._n_rows += other.n_rows
        self._n_missing += other.n_missing
        self._n_infinite += other.n_infinite
        if other.n_numbers:
            self._low, self._high = min(self._low, other.minimum or 0.0), max(self._high, other.maximum or 0.0)
            self._add_moments(other.n_numbers, other.mean or 0.0, other.sum_squares)
            self._kll.merge(ds.kll_doubles_sketch.deserialize(other.kll))
        self._dates = tuple(a + b for a, b in zip(self._dates, other.dates, strict=True))  # type: ignore[assignment]
        self._text = self._text.merge(other.text) if self._text is not None and other.text is not None else None
        if other.exact:
            self._count({self._value(text): n for text, n in other.counts.items()})
        else:
            self._absorb_sketches(other)

    def _value(self, text: str) -> Value:
        if self._family == "integer":
            return int(text)
        if self._family == "boolean":
            return {"true": 1.0, "false": 0.0}[text]
        return float(text) if self._family in {"number", "datetime"} else text

    def _absorb_sketches(self, other: ColumnProfile) -> None:
        union = ds.hll_union(HLL_LG_K)
        union.update(ds.hll_sketch.deserialize(other.hll))
        if self._counts is not None:
            mine, self._counts = self._counts, None
            self._hll = ds.hll_sketch(HLL_LG_K)
            self._frequent = ds.frequent_strings_sketch(FREQUENT_LG) if self._family == "string" else None
            self._count(mine)
        union.update(self._hll)
        self._hll = union.get_result(ds.tgt_hll_type.HLL_8)
        if self._frequent is not None and other.frequent is not None:
            self._frequent.merge(ds.frequent_strings_sketch.deserialize(other.frequent))

    def freeze(self) -> ColumnProfile:
        """Return what was gathered so far."""
        counts, error = self._named_counts()
        some = self._n_numbers > 0
        return ColumnProfile(
            name=self._name,
            type=self._type,
            family=self._family,  # type: ignore[arg-type]  # one of Family by construction
            n_rows=self._n_rows,
            n_missing=self._n_missing,
            n_infinite=self._n_infinite,
            n_numbers=self._n_numbers,
            minimum=float(self._low) if some else None,
            maximum=float(self._high) if some else None,
            mean=self._mean if some else None,
            sum_squares=self._sum_squares,
            kll=self._kll.serialize(),
            hll=None if self._hll is None else self._hll.serialize_compact(),
            frequent=None if self._frequent is None else self._frequent.serialize(),
            counts=counts,
            exact=self._counts is not None,
            count_error=error,
            dates=self._dates,
            text=self._text,
        )

    def _named_counts(self) -> tuple[dict[str, int], int]:
        """Return the counts by text, most frequent first, and how far one may lie above the truth."""
        error = 0
        if self._counts is not None:
            texts = self._texts(list(self._counts))
            pairs = list(zip(texts, self._counts.values(), strict=True))
        elif self._frequent is not None:
            items = self._frequent.get_frequent_items(ds.frequent_items_error_type.NO_FALSE_POSITIVES)
            pairs = [(text, estimate) for text, estimate, _, _ in items]
            error = max((upper - lower for _, _, lower, upper in items), default=0)
        else:
            pairs = []
        return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))), error

    def _texts(self, values: list[Value]) -> list[str]:
        if self._family == "string":
            return [str(value) for value in values]
        if self._family == "boolean":
            return ["true" if value else "false" for value in values]
        if self._family == "integer":
            return [str(value) for value in values]
        texts: list[str] = pc.cast(pa.array(values, pa.float64()), pa.string()).to_pylist()
        return texts


def _short(text: str) -> str:
    """Return a long text's beginning and hash, so that the counter stays small and distinct texts stay distinct."""
    if len(text) <= LONG:
        return text
    return f"{text[:LONG]}…{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def gather(batches: Iterable[pa.RecordBatch], *, n_threads: int) -> tuple[int, dict[str, ColumnProfile], Together]:
    """Return the number of rows, the summary of every column in the batches' order, and how they move together.

    The columns of one batch are shared among threads while the next batch is read; each column sees its batches in
    their order, so the result does not depend on the threads.
    """
    columns: dict[str, Gather] = {}
    pairs: list[Together] = []
    n_rows = 0
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(n_threads) as threads:
        for batch in batches:
            _finish(waiting)
            _check_names(batch.schema.names)
            if not columns:
                n_counted = counted_in_each(len(batch.schema))
                columns = {field.name: Gather.of(field.name, field.type, n_counted=n_counted) for field in batch.schema}
                pairs = [Together.nothing(_paired(batch.schema))]
            n_rows += batch.num_rows
            waiting = [threads.submit(_move, pairs, batch)]
            waiting += [threads.submit(column.update, batch.column(name)) for name, column in columns.items()]
        _finish(waiting)
    made = {name: column.freeze() for name, column in columns.items()}
    return n_rows, made, pairs[0] if pairs else Together.nothing()


def counted_in_each(n_columns: int) -> int:
    """Return how many distinct values each column of a table counts exactly: 5,000, fewer from 400 columns on."""
    return min(COUNTED, max(COUNTED_IN_ALL // max(n_columns, 1), 100))


def _finish(waiting: Iterable[Future[None]]) -> None:
    for job in waiting:
        job.result()


def _check_names(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise UserError("column names repeat", received=names, hint="Give each column its own name.")


def _paired(schema: pa.Schema) -> list[str]:
    numeric = {"integer", "number", "boolean"}
    return [field.name for field in schema if family_of(field.type) in numeric][:MOST_COLUMNS]


def _move(pairs: list[Together], batch: pa.RecordBatch) -> None:
    """Take a batch into the moments of pairs, the one entry of the list, in pieces that fit into a cache."""
    names = pairs[0].names
    for start in range(0, batch.num_rows, _PIECE):
        piece = batch.slice(start, _PIECE)
        values = np.empty((piece.num_rows, len(names)), order="F")
        for place, name in enumerate(names):
            values[:, place] = to_floats(piece.column(name))
        pairs[0] = pairs[0].merge(Together.of(names, values))
