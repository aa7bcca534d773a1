"""Few rows at once, as a service has them: plain values → encoded rows → columns as lists, without an Arrow table.

For one row of 34 columns the way through Arrow takes 60 times as long as this one (benchmarks/serve/online). It gives
the very numbers that `Encoder.transform` gives for a table of the same rows, so that the same models stand behind both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.protocols import Online
from cauce.tasks.tabular.columns import LARGEST
from cauce.tasks.tabular.encode import DATE_PARTS, UNSEEN, Encoded, Encoder, date_parts, score, scored

Rows = Sequence[Sequence[Any]]
Array = npt.NDArray[np.float64]
Predict = Callable[[Encoded], Array]
FEW_DATES = 24
"""Up to this many, Python's calendar is quicker than numpy's: 0.4 µs for each, 10 µs for all."""
DAY, HOUR = 86_400_000_000, 3_600_000_000
EPOCH, LAST = date(1970, 1, 1).toordinal(), date.max.toordinal()
NO_DATE = (np.nan,) * len(DATE_PARTS)
NO_TICKS = np.iinfo(np.int64).min
"""numpy's integer for no moment."""


def class_rows(encoder: Encoder, predict: Predict, classes: tuple[str, ...]) -> Online:
    """Return what gives ``prediction`` and ``prob_<class>`` for few rows."""
    encode = RowEncoder(encoder)
    return lambda rows: listed(shares := predict(encode(rows)), shares.argmax(axis=1), classes)


def listed(shares: Array, said: npt.NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return a classifier's columns as lists, the classes that are said first."""
    found: dict[str, list[Any]] = {"prediction": [classes[code] for code in said.tolist()]}
    for label, share in zip(classes, shares.T.tolist(), strict=True):
        found[f"prob_{label}"] = share
    return found


def number_rows(encoder: Encoder, predict: Predict, half_width: float) -> Online:
    """Return what gives ``prediction``, ``lower`` and ``upper`` for few rows."""
    encode = RowEncoder(encoder)
    return lambda rows: around(predict(encode(rows))[:, 0], half_width)


def around(centre: Array, half: float | Array) -> dict[str, list[Any]]:
    """Return a regressor's columns as lists."""
    return {"prediction": centre.tolist(), "lower": (centre - half).tolist(), "upper": (centre + half).tolist()}


class RowEncoder:
    """Encodes rows of plain values, in the order of the schema; immutable, so that threads may share it."""

    def __init__(self, encoder: Encoder) -> None:
        place = {name: i for i, name in enumerate(encoder.schema.names)}
        at = {feature.column: i for i, feature in reversed([*enumerate(encoder.features)]) if feature.part != "score"}
        by_kind: dict[str, list[str]] = {"datetime": [], "text": [], "category": []}
        plain: list[str] = []
        for column in encoder.schema:
            by_kind.get(column.kind, plain).append(column.name)
        self._plain, self._plain_at = _picked([place[name] for name in plain]), [at[name] for name in plain]
        self._dates = [(place[name], at[name]) for name in by_kind["datetime"]]
        self._texts = [(place[name], at[name], encoder.texts[name]) for name in by_kind["text"]]
        self._known = [(place[name], encoder.known[name]) for name in encoder.categories]
        self._scores = tuple(encoder.scores.values())
        self._width = sum(feature.part != "score" for feature in encoder.features)

    def __call__(self, rows: Rows) -> Encoded:
        """Give what `Encoder.transform` gives for a table of the same rows."""
        n_rows = len(rows)
        numbers = self._numbers(rows, n_rows)
        levels = [[known.get(row[place], UNSEEN) for row in rows] for place, known in self._known]
        codes = np.array(levels, np.int32).reshape(len(levels), n_rows).T
        if not self._texts:
            return Encoded(numbers, codes)
        texts = []
        for place, at, grams in self._texts:
            values = [row[place] for row in rows]
            numbers[:, at] = np.log1p([np.nan if value is None else len(value) for value in values])
            texts.append(grams.transform_few(values))
        found = Encoded(numbers, codes, tuple(texts))
        if not self._scores:
            return found
        return scored(found, [score(text, table) for text, table in zip(texts, self._scores, strict=True)])

    def _numbers(self, rows: Rows, n_rows: int) -> Array:
        """Give the matrix of numbers but for what is told of texts."""
        n_plain = len(self._plain_at)
        # None becomes NaN. Flat and then cut into rows: a fifth quicker than numpy's own way from a list of tuples.
        flat = np.fromiter(chain.from_iterable(map(self._plain, rows)), np.float64, n_rows * n_plain)
        values = _cut(flat).reshape(n_rows, n_plain)
        if n_plain == self._width:
            return values
        numbers = np.empty((n_rows, self._width))
        numbers[:, self._plain_at] = values
        for place, at in self._dates:
            numbers[:, at : at + len(DATE_PARTS)] = _dates([row[place] for row in rows])
        return numbers


def _picked(places: list[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what takes these places of a row."""
    if len(places) > 1:
        return itemgetter(*places)  # in C: 0.2 µs for 30 values
    return lambda row: [row[place] for place in places]


def _cut(values: Array) -> Array:
    """Cut numbers as `columns.numbers` does, in place; infinite ones are missing."""
    # Most often there is nothing to cut: to see that costs a quarter of the cutting for 64 rows. Neither sees NaN.
    if np.fmax.reduce(values, initial=0.0) > LARGEST or np.fmin.reduce(values, initial=0.0) < -LARGEST:
        values[np.isinf(values)] = np.nan
        np.minimum(np.maximum(values, -LARGEST, out=values), LARGEST, out=values)
    return values


def _dates(moments: list[int | None]) -> Any:
    """Return `date_parts` of moments, microseconds since 1970, shape (n_rows, 5)."""
    if 0 < len(moments) <= FEW_DATES:
        return [NO_DATE if moment is None else _date(moment) for moment in moments]
    return _by_numpy([NO_TICKS if moment is None else moment for moment in moments])


def _date(moment: int) -> Sequence[float]:
    day, rest = divmod(moment, DAY)
    if not 0 < day + EPOCH <= LAST:  # years that Python's calendar has not
        found: Sequence[float] = _by_numpy([moment])[0]
        return found
    when = date.fromordinal(day + EPOCH)
    return when.year, when.month, when.weekday(), rest // HOUR, moment / 86_400e6


def _by_numpy(ticks: list[int]) -> Any:
    return date_parts(np.array(ticks, np.int64).view("datetime64[us]"))
