"""Each column counted in bins, slice by slice: what checks of slices compare. Heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from cauce.audit.check import AuditContext
from cauce.audit.slices import Slices, slices_of

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

N_BINS = 10
MOST_CATEGORIES = 30


@dataclass(frozen=True, eq=False)
class Histogram:
    """One column by slice."""

    name: str
    kind: Literal["number", "category", "text"]
    """A text counts by its length."""
    values: Floats
    """Numbers, or codes of categories, of the sampled rows; NaN where missing; shape (n_sampled,)."""
    edges: Floats
    """Inner edges of the bins of a number; empty for categories."""
    categories: tuple[str, ...]
    """By code."""
    counts: Ints
    """Shape (n_slices, n_bins); the missing are not in it."""
    missing: Ints
    """Shape (n_slices,)."""

    @property
    def present(self) -> Ints:
        """Values that are not missing, by slice."""
        total: Ints = self.counts.sum(axis=1)
        return total


def histograms_of(context: AuditContext) -> tuple[Histogram, ...]:
    """Return every column's histogram, made once an audit; none without slices."""
    return context.once("histograms", _make)


def _make(context: AuditContext) -> tuple[Histogram, ...]:
    slices = slices_of(context)
    if slices is None:
        return ()
    left_out = {context.data.key, context.data.time}
    names = [name for name in slices.table.column_names if name not in left_out]
    return tuple(_histogram(context, slices, name) for name in names)


def _histogram(context: AuditContext, slices: Slices, name: str) -> Histogram:
    column = context.profile.column(name)
    array = slices.table.column(name).combine_chunks()
    if column.family in {"boolean", "string"} and column.kind != "text":
        return _of_categories(slices, name, array)
    return _of_numbers(slices, name, array, column.family)


def _of_numbers(slices: Slices, name: str, array: pa.Array, family: str) -> Histogram:
    import pyarrow.compute as pc

    from cauce.profile.arrays import to_floats, to_seconds, to_strings

    if family == "string":
        values = to_floats(pc.utf8_length(to_strings(array)))
    else:
        values = to_seconds(array) if family == "datetime" else to_floats(array)
    values = np.where(np.isfinite(values), values, np.nan)
    edges = edges_of(values)
    counts, missing = _counted(slices, values, np.searchsorted(edges, values, "left"), len(edges) + 1)
    return Histogram(name, "text" if family == "string" else "number", values, edges, (), counts, missing)


def edges_of(values: Floats) -> Floats:
    """Return the inner edges of ten bins with about as many numbers each; few distinct numbers get a bin each."""
    present = values[~np.isnan(values)]
    if not len(present):
        return np.empty(0)
    distinct = np.unique(present)
    if len(distinct) <= 2 * N_BINS:
        return np.asarray(distinct[:-1], dtype=np.float64)
    edges = np.unique(np.quantile(present, np.arange(1, N_BINS) / N_BINS, method="lower"))
    return np.asarray(edges[edges < distinct[-1]], dtype=np.float64)


def _of_categories(slices: Slices, name: str, array: pa.Array) -> Histogram:
    import pyarrow.compute as pc

    from cauce.profile.arrays import to_strings

    coded = to_strings(array).dictionary_encode()
    codes = np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    texts = coded.dictionary.to_pylist()
    # by the earlier slices, each weighed alike: what the newest alone has must not make bins of its own
    weights = 1.0 / np.maximum(np.bincount(slices.of, minlength=slices.n), 1)
    weights[-1] /= 1e6
    some = codes >= 0
    frequency = np.bincount(codes[some], weights=weights[slices.of[some]], minlength=len(texts))
    order = np.argsort(-frequency, kind="stable")
    rank = np.empty(len(texts) + 1, np.int64)
    rank[order], rank[-1] = np.arange(len(texts)), -1
    codes = rank[codes]
    values = np.where(codes < 0, np.nan, codes).astype(np.float64)
    bins = np.minimum(codes, MOST_CATEGORIES)
    counts, missing = _counted(slices, values, bins, min(len(texts), MOST_CATEGORIES + 1))
    return Histogram(name, "category", values, np.empty(0), tuple(texts[int(i)] for i in order), counts, missing)


def _counted(slices: Slices, values: Floats, bins: Ints, n_bins: int) -> tuple[Ints, Ints]:
    present = ~np.isnan(values)
    n_bins = max(n_bins, 1)
    flat = np.bincount(slices.of[present] * n_bins + bins[present], minlength=slices.n * n_bins)
    missing = np.bincount(slices.of[~present], minlength=slices.n)
    return flat.reshape(slices.n, n_bins), missing


def shares(counts: Ints) -> Floats:
    """Return counts of bins as shares, each bin given half a row so that none is empty; the last axis sums to 1."""
    more = counts + 0.5
    found: Floats = more / more.sum(axis=-1, keepdims=True)
    return found


def stability_index(new: Ints, old: Ints) -> Floats:
    """Return the population stability index between counts of the same bins, over the last axis."""
    p, q = shares(new), shares(old)
    found: Floats = ((p - q) * np.log(p / q)).sum(axis=-1)
    return found


def total_variation(new: Ints, old: Ints) -> Floats:
    """Return half the sum of the differences between shares, 0 to 1, over the last axis."""
    p = new / np.maximum(new.sum(axis=-1, keepdims=True), 1)
    q = old / np.maximum(old.sum(axis=-1, keepdims=True), 1)
    found: Floats = np.abs(p - q).sum(axis=-1) / 2
    return found
