"""Few rows at once, as a service has them: plain values → encoded rows → columns as lists, without an Arrow table.

Several rows are encoded to the very numbers that `Encoder.transform` gives for a table of them, and the same models
stand behind both. One row alone goes through `one_row.py` where the model has a way there. What each step saves is
measured in benchmarks/serve/online.
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

Row = Sequence[Any]
Rows = Sequence[Row]
Array = npt.NDArray[np.float64]
Predict = Callable[[Encoded], Array]
One = Callable[[Row], list[float]]
"""One row → its probabilities, or its number alone."""
DAY, HOUR = 86_400_000_000, 3_600_000_000
EPOCH, LAST = date(1970, 1, 1).toordinal(), date.max.toordinal()
NO_DATE = (None,) * len(DATE_PARTS)


def class_rows(encoder: Encoder, predict: Predict, one: One | None, classes: tuple[str, ...]) -> Online:
    """Return what gives ``prediction`` and ``prob_<class>`` for few rows."""
    encode, names = RowEncoder(encoder), [f"prob_{label}" for label in classes]

    def online(rows: Rows) -> dict[str, list[Any]]:
        if one is None or len(rows) != 1:
            shares = predict(encode(rows))
            return listed(shares, shares.argmax(axis=1), classes)
        row = one(rows[0])
        found: dict[str, list[Any]] = {"prediction": [classes[row.index(max(row))]]}
        for name, share in zip(names, row, strict=True):
            found[name] = [share]
        return found

    return online


def listed(shares: Array, said: npt.NDArray[np.int64], classes: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return a classifier's columns as lists, the classes that are said first."""
    found: dict[str, list[Any]] = {"prediction": [classes[code] for code in said.tolist()]}
    for label, share in zip(classes, shares.T.tolist(), strict=True):
        found[f"prob_{label}"] = share
    return found


def number_rows(encoder: Encoder, predict: Predict, one: One | None, half_width: float) -> Online:
    """Return what gives ``prediction``, ``lower`` and ``upper`` for few rows."""
    encode = RowEncoder(encoder)

    def online(rows: Rows) -> dict[str, list[Any]]:
        if one is None or len(rows) != 1:
            return around(predict(encode(rows))[:, 0], half_width)
        (centre,) = one(rows[0])
        return {"prediction": [centre], "lower": [centre - half_width], "upper": [centre + half_width]}

    return online


def around(centre: Array, half: float | Array) -> dict[str, list[Any]]:
    """Return a regressor's columns as lists."""
    return {"prediction": centre.tolist(), "lower": (centre - half).tolist(), "upper": (centre + half).tolist()}


class RowEncoder:
    """Encodes rows of plain values, in the order of the schema; immutable, so that threads may share it."""

    def __init__(self, encoder: Encoder) -> None:
        names = encoder.schema.names
        self._cells, self._width = cells_of(encoder), sum(feature.part != "score" for feature in encoder.features)
        self._known = [(names.index(name), encoder.known[name]) for name in encoder.categories]
        self._texts = [(names.index(c.name), encoder.texts[c.name]) for c in encoder.schema if c.kind == "text"]
        self._scores = tuple(encoder.scores.values())

    def __call__(self, rows: Rows) -> Encoded:
        """Give what `Encoder.transform` gives for a table of the same rows."""
        n_rows = len(rows)
        # None becomes NaN. Flat and then cut into rows: a fifth quicker than numpy's own way from a list of tuples.
        flat = np.fromiter(chain.from_iterable(map(self._cells, rows)), np.float64, n_rows * self._width)
        numbers = _cut(flat).reshape(n_rows, self._width)
        levels = [[known.get(row[place], UNSEEN) for row in rows] for place, known in self._known]
        codes = np.array(levels, np.int32).reshape(len(levels), n_rows).T
        texts = [grams.transform_few([row[place] for row in rows]) for place, grams in self._texts]
        found = Encoded(numbers, codes, tuple(texts))
        if not self._scores:
            return found
        return scored(found, [score(text, table) for text, table in zip(texts, self._scores, strict=True)])


def cells_of(encoder: Encoder) -> Callable[[Row], Sequence[Any]]:
    """Return what gives a row's numbers in the order of the encoder's, but for scores; None where one is missing."""
    names = encoder.schema.names
    dates = [names.index(column.name) for column in encoder.schema if column.kind == "datetime"]
    texts = [names.index(column.name) for column in encoder.schema if column.kind == "text"]
    made = len(names)  # behind a row's own values come the parts of its dates and the lengths of its texts
    places: list[int] = []
    for place, column in enumerate(encoder.schema):
        if column.kind == "datetime":
            first = made + dates.index(place) * len(DATE_PARTS)
            places += range(first, first + len(DATE_PARTS))
        elif column.kind == "text":
            places.append(made + len(dates) * len(DATE_PARTS) + texts.index(place))
        elif column.kind != "category":
            places.append(place)
    # In C: 0.2 µs for 30 values. One place alone would give no tuple.
    picked: Callable[[Row], Sequence[Any]] = (
        itemgetter(*places) if len(places) > 1 else lambda row: tuple(row[place] for place in places)
    )
    if not dates and not texts:
        return picked

    def cells(row: Row) -> Sequence[Any]:
        wide = list(row)
        for place in dates:
            wide += NO_DATE if row[place] is None else _date(row[place])
        for place in texts:
            wide.append(None if row[place] is None else np.log1p(float(len(row[place]))))
        return picked(wide)

    return cells


def _cut(values: Array) -> Array:
    """Cut numbers as `columns.numbers` does, in place; infinite ones are missing."""
    # Most often there is nothing to cut: to see that costs a quarter of the cutting for 64 rows. Neither sees NaN.
    if np.fmax.reduce(values, initial=0.0) > LARGEST or np.fmin.reduce(values, initial=0.0) < -LARGEST:
        values[np.isinf(values)] = np.nan
        np.minimum(np.maximum(values, -LARGEST, out=values), LARGEST, out=values)
    return values


def _date(moment: int) -> Sequence[float]:
    """Return `date_parts` of microseconds since 1970, by Python's calendar: 0.4 µs where numpy takes 10."""
    day, rest = divmod(moment, DAY)
    if not 0 < day + EPOCH <= LAST:  # years that Python's calendar has not
        found: list[float] = date_parts(np.array([moment], np.int64).view("datetime64[us]"))[0].tolist()
        return found
    when = date.fromordinal(day + EPOCH)
    return when.year, when.month, when.weekday(), rest // HOUR, moment / 86_400e6
