"""Trees for few rows: LightGBM's own call for one row, made ready once instead of at every prediction.

`Booster.predict` takes 30 µs longer for one row, for its parameters and arrays, see benchmarks/serve/online. The C
interface of LightGBM has a call without that, which its Python package does not wrap; it is reached through the handle
of the library that the package has loaded. A version of LightGBM without it gets `Booster.predict`: the same numbers.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from cauce.core.extras import need
from cauce.tasks.tabular.boosting import Boosting, matrix_of
from cauce.tasks.tabular.encode import Encoded

FEW = 64
"""Up to this many rows a call for each costs less than one `Booster.predict` for all."""
FLOAT64, NORMAL, RAW, ALL_TREES = 1, 0, 1, -1
"""LightGBM's C_API_DTYPE_FLOAT64, C_API_PREDICT_NORMAL and C_API_PREDICT_RAW_SCORE."""
NAMES = (
    "LGBM_BoosterPredictForMatSingleRowFastInit",
    "LGBM_BoosterPredictForMatSingleRowFast",
    "LGBM_FastConfigFree",
)
Array = npt.NDArray[np.float64]


class Trees:
    """Predicts what `Boosting.predict` does, soon for few rows; the booster is read when this is made.

    One thread does it, however many rows: a process forked from one that used several of OpenMP's would wait for them
    for ever.
    """

    def __init__(self, model: Boosting) -> None:
        self.model = model
        self._booster, self._lanes = model.booster, _lanes(model)
        self.one: Callable[[list[float]], list[float]] | None = None if self._lanes is None else self._one
        """A row of the booster's input, None where a value is missing → what it says; None where there is no call."""

    def predict(self, rows: Encoded) -> Array:
        """Give probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows, 1)."""
        n_rows = len(rows.numbers)
        if not n_rows:
            return self.model.predict(rows)
        if self._lanes is not None and n_rows <= FEW:
            lane = self._lanes.lane
            matrix_of(rows, self.model.tables, lane.matrix[:n_rows])
            return self.model.answers(lane.predict(n_rows).copy())
        matrix, raw = self.model.matrix(rows), self.model.shares_of_means
        found = np.asarray(self._booster.predict(matrix, raw_score=raw, num_threads=1))
        return self.model.answers(found.reshape(n_rows, -1))

    def _one(self, row: list[float]) -> list[float]:
        lane = cast("_Lanes", self._lanes).lane
        lane.matrix[0] = row
        found: list[float] = lane.predict(1)[0].tolist()
        return found


class _Native(NamedTuple):
    """LightGBM's functions."""

    begin: Any
    predict: Any
    end: Any


class _Lane:
    """What one thread needs: the call made ready, a matrix to fill, and where the answers go."""

    def __init__(self, native: _Native, booster: Any, raw: bool) -> None:
        n_features, n_outputs = booster.num_feature(), booster.num_model_per_iteration()
        self._booster = booster  # lives as long as the call that was made ready for it
        self.matrix, self._answers = np.empty((FEW, n_features)), np.empty((FEW, n_outputs))
        self._length = ctypes.c_int64()
        handle = ctypes.c_void_p()
        given = (RAW if raw else NORMAL, 0, ALL_TREES, FLOAT64, n_features, b"num_threads=1")
        if native.begin(booster._handle, *given, ctypes.byref(handle)):  # noqa: SLF001 - nothing public has it
            raise RuntimeError("LightGBM makes no call for single rows ready")
        weakref.finalize(self, native.end, handle.value)
        # Addresses are told once: asking an array for its own takes a quarter as long as a row's trees.
        self._call, self._handle, self._told = native.predict, handle.value, ctypes.addressof(self._length)
        self._from, self._to = self.matrix.ctypes.data, self._answers.ctypes.data
        self._steps = self.matrix.strides[0], self._answers.strides[0]

    def predict(self, n_rows: int) -> Array:
        """Give what the booster says of the first rows of `matrix`, shape (n_rows, n_outputs), until the next call."""
        read, written = self._from, self._to
        for _ in range(n_rows):
            if self._call(self._handle, read, self._told, written):
                raise RuntimeError("LightGBM predicts no single row")
            read, written = read + self._steps[0], written + self._steps[1]
        return self._answers[:n_rows]


class _Lanes(threading.local):
    """A lane for each thread, made when it first asks: buffers are written to, and LightGBM wants a handle for each."""

    def __init__(self, native: _Native, booster: Any, raw: bool) -> None:
        self.lane = _Lane(native, booster, raw)


def _lanes(model: Boosting) -> _Lanes | None:
    native = _native()
    if native is None:
        return None
    try:
        return _Lanes(native, model.booster, model.shares_of_means)
    except (AttributeError, RuntimeError):  # another version of LightGBM
        return None


def _native() -> _Native | None:
    """Return LightGBM's functions; None where this version of it has them not.

    They keep the interpreter's lock (PyDLL): a row takes microseconds, where a thread that gives the lock away may wait
    milliseconds to have it back. Beside one busy thread this predicts 1.6 times as many rows a second.
    """
    basic = need("lightgbm.basic", extra="tabular", what="gradient boosting")
    try:
        library = ctypes.PyDLL(None, handle=basic._LIB._handle)  # noqa: SLF001 - the library that is loaded
        begin, predict, end = (getattr(library, name) for name in NAMES)
    except AttributeError:
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    begin.argtypes = [pointer, number, number, number, number, ctypes.c_int32, ctypes.c_char_p, pointer]
    predict.argtypes, end.argtypes = [pointer] * 4, [pointer]
    return _Native(begin, predict, end)
