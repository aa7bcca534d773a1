"""A fitted model behind what its out-of-fold predictions taught: repaired probabilities, weights, adaptive widths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Schema, TaskSpec
from cauce.core.contributions import Contributions, contributions_of
from cauce.core.errors import UserError
from cauce.core.files import from_json, to_json
from cauce.core.protocols import Finished, Fitted, Online, online_of
from cauce.tasks.tabular.calibrate import Method, Repair
from cauce.tasks.tabular.decide import said_by
from cauce.tasks.tabular.intervals import floored
from cauce.tasks.tabular.online import Rows, around, listed

if TYPE_CHECKING:
    import pyarrow as pa

LISTING, MODEL, SCALE = "finish.json", "model", "scale"
HINT = "Train again, or restore the package from a backup."


@dataclass(frozen=True)
class Listing:
    """`finish.json`."""

    kind: Literal["classes", "numbers"]
    repair: Method | None = None
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    """Per class, empty where the likeliest class is said."""
    half_width: float = 0.0
    """In units of the expected error."""
    floor: float = 0.0


@dataclass(frozen=True, eq=False)
class _Behind:
    """What both kinds share: the model within, and files."""

    inner: Fitted
    listing: Listing

    @property
    def schema(self) -> Schema:
        """Input columns."""
        return self.inner.schema

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels as text."""
        return self.inner.classes

    @property
    def importance(self) -> Mapping[str, float]:
        """Those of the model within."""
        return self.inner.importance

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        """Finish the model within anew."""
        return self.inner.finish(rows, predicted, spec)

    def contributions(self, table: pa.Table, background: pa.Table | None = None) -> Contributions:
        """Give those of the model within: to its score, before the probabilities are repaired."""
        return replace(contributions_of(self.inner, table, background), repaired=self.listing.repair is not None)

    def save(self, folder: Path) -> None:
        """Write what was learnt into the existing, empty `folder`, and the model into its ``model/``."""
        (folder / LISTING).write_bytes(to_json(self.listing))
        (folder / MODEL).mkdir()
        self.inner.save(folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Not without knowing the model within: a package is opened by `core.registry.load_fitted`, which does."""
        raise NotImplementedError(f"{folder}: open it by core.registry.load_fitted")


@dataclass(frozen=True, eq=False)
class FinishedClassifier(_Behind):
    """A classifier whose probabilities are repaired, and whose class is the largest of probability × weight."""

    def predict(self, table: pa.Table) -> pa.Table:
        """Give ``prediction`` and ``prob_<class>`` for raw rows."""
        import pyarrow as pa

        predicted = self.inner.predict(table)
        shares = np.column_stack([predicted.column(f"prob_{label}").to_numpy() for label in self.classes])
        shares, said = self._decided(shares)
        columns = [pa.array(self.classes, pa.string()).take(pa.array(said))]
        columns += [pa.array(np.ascontiguousarray(share)) for share in shares.T]
        return pa.table(columns, names=predicted.column_names)

    def online(self) -> Online | None:
        """Give the quick way for few rows; None where the model within has none."""
        inner = online_of(self.inner)
        if inner is None:
            return None
        names = [f"prob_{label}" for label in self.classes]

        def predict(rows: Rows) -> dict[str, list[Any]]:
            said = inner(rows)
            shares = np.ascontiguousarray(np.array([said[name] for name in names]).T)
            return listed(*self._decided(shares), self.classes)

        return predict

    @cached_property
    def _repair(self) -> Repair | None:
        listing = self.listing
        return Repair(listing.repair, np.array(listing.x), np.array(listing.y)) if listing.repair else None

    def _decided(self, shares: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return repaired probabilities and the classes said."""
        if self._repair is not None:
            shares = self._repair.apply(shares)
        weights = self.listing.weights
        return shares, said_by(shares, np.array(weights)) if weights else shares.argmax(axis=1)


@dataclass(frozen=True, eq=False)
class FinishedRegressor(_Behind):
    """A regressor whose intervals are told from out-of-fold errors, and widen where errors are large."""

    scale: Fitted | None = None
    """Expects a row's absolute error; None where every interval is as wide."""

    def predict(self, table: pa.Table) -> pa.Table:
        """Give ``prediction``, ``lower`` and ``upper`` for raw rows."""
        import pyarrow as pa

        centre = self.inner.predict(table)["prediction"].to_numpy()
        half: float | npt.NDArray[np.float64] = self.listing.half_width
        if self.scale is not None:
            half = half * floored(self.scale.predict(table)["prediction"].to_numpy(), self.listing.floor)
        columns = [pa.array(values) for values in (centre, centre - half, centre + half)]
        return pa.table(columns, names=["prediction", "lower", "upper"])

    def online(self) -> Online | None:
        """Give the quick way for few rows; None where a model within has none, or takes other columns."""
        inner, half, floor = online_of(self.inner), self.listing.half_width, self.listing.floor
        if inner is None or self.scale is None:
            return None if inner is None else lambda rows: around(np.array(inner(rows)["prediction"]), half)
        scale = online_of(self.scale)
        if scale is None or self.scale.schema.names != self.schema.names:
            return None

        def predict(rows: Rows) -> dict[str, list[Any]]:
            expected = floored(np.array(scale(rows)["prediction"]), floor)
            return around(np.array(inner(rows)["prediction"]), half * expected)

        return predict

    def save(self, folder: Path) -> None:
        """Write both models and what was learnt into the existing, empty `folder`."""
        super().save(folder)
        if self.scale is not None:
            (folder / SCALE).mkdir()
            self.scale.save(folder / SCALE)


def load(folder: Path, inner: Callable[[Path], Fitted]) -> Fitted:
    """Read what a finished model saved.

    Parameters
    ----------
    inner
        Loads the models within.

    Raises
    ------
    UserError
        A file is cut off, edited, or its parts do not belong together.
    """
    where = str(folder / LISTING)
    listing = from_json((folder / LISTING).read_bytes(), Listing, where=where)
    model = inner(folder / MODEL)
    numbers = np.array([*listing.x, *listing.y, *listing.weights, listing.half_width, listing.floor])
    sound = np.isfinite(numbers).all() and len(listing.weights) in {0, len(model.classes)}
    if not sound or (listing.kind == "classes") != bool(model.classes):
        raise UserError("its parts do not belong together", where=where, hint=HINT)
    if listing.kind == "classes":
        return FinishedClassifier(model, listing)
    return FinishedRegressor(model, listing, inner(folder / SCALE) if (folder / SCALE).is_dir() else None)
