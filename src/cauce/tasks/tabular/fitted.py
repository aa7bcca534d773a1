"""The fitted objects of both tasks: encoder and model together, raw rows in, named columns out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from cauce.core.artefacts import Candidate, Schema, TaskSpec
from cauce.core.contributions import Contributions
from cauce.core.protocols import Finished, Fitted, Online
from cauce.tasks.tabular import one_row, store
from cauce.tasks.tabular.boosting import Boosting
from cauce.tasks.tabular.encode import Encoder
from cauce.tasks.tabular.linear import Linear
from cauce.tasks.tabular.mlp import Networks
from cauce.tasks.tabular.online import One, Predict, class_rows, number_rows
from cauce.tasks.tabular.prior import Prior
from cauce.tasks.tabular.single_rows import Trees

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Classifier:
    """Gives a label and the probability of every class."""

    encoder: Encoder
    model: store.Model
    classes: tuple[str, ...]
    importance: Mapping[str, float]

    @property
    def schema(self) -> Schema:
        """Input columns."""
        return self.encoder.schema

    @cached_property
    def _labels(self) -> pa.StringArray:
        import pyarrow as pa

        return pa.array(self.classes, pa.string())

    def predict(self, table: pa.Table) -> pa.Table:
        """Give ``prediction`` and ``prob_<class>`` for raw rows."""
        import pyarrow as pa

        shares = self.model.predict(self.encoder.transform(table))
        columns = [self._labels.take(pa.array(shares.argmax(axis=1)))]
        columns += [pa.array(np.ascontiguousarray(share)) for share in shares.T]
        return pa.table(columns, names=["prediction", *(f"prob_{label}" for label in self.classes)])

    def online(self) -> Online:
        """Give the quick way for few rows."""
        return class_rows(self.encoder, *_quick(self.encoder, self.model), self.classes)

    def contributions(self, table: pa.Table, background: pa.Table | None = None) -> Contributions:
        """Give what each input column adds to the score of raw rows, see `contributions.py`."""
        from cauce.tasks.tabular.contributions import contributions

        return contributions(self, self.encoder, self.model, table, background)

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        """Repair the probabilities where it pays, and choose how to decide on a class."""
        from cauce.tasks.tabular.finish import finish_classes

        return finish_classes(self, rows, predicted, spec)

    def save(self, folder: Path) -> None:
        """Write JSON, Arrow and booster text into `folder`."""
        header = _header("classify", self.encoder, self.model, self.importance, classes=self.classes)
        store.save(folder, header, self.encoder, self.model)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. UserError where it cannot be read."""
        header, encoder, model = store.load(folder, "classify")
        return cls(encoder, model, header.classes, header.importance)


@dataclass(frozen=True, eq=False)
class Regressor:
    """Gives a number and an interval that covers the truth in 90 % of rows like the training rows."""

    encoder: Encoder
    model: store.Model
    half_width: float
    importance: Mapping[str, float]

    @property
    def schema(self) -> Schema:
        """Input columns."""
        return self.encoder.schema

    @property
    def classes(self) -> tuple[str, ...]:
        """None."""
        return ()

    def predict(self, table: pa.Table) -> pa.Table:
        """Give ``prediction``, ``lower`` and ``upper`` for raw rows."""
        import pyarrow as pa

        centre = np.ascontiguousarray(self.model.predict(self.encoder.transform(table))[:, 0])
        columns = [centre, centre - self.half_width, centre + self.half_width]
        return pa.table([pa.array(values) for values in columns], names=["prediction", "lower", "upper"])

    def online(self) -> Online:
        """Give the quick way for few rows."""
        return number_rows(self.encoder, *_quick(self.encoder, self.model), self.half_width)

    def contributions(self, table: pa.Table, background: pa.Table | None = None) -> Contributions:
        """Give what each input column adds to the score of raw rows, see `contributions.py`."""
        from cauce.tasks.tabular.contributions import contributions

        return contributions(self, self.encoder, self.model, table, background)

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        """Tell the width of intervals from out-of-fold errors."""
        from cauce.tasks.tabular.finish import finish_numbers
        from cauce.tasks.tabular.ladder import fit_regressor
        from cauce.tasks.tabular.rows import weighted_rows

        def fit(candidate: Candidate, table: pa.Table, about: TaskSpec) -> Fitted:
            free = replace(about, monotone={})  # how large an error is goes its own way
            return fit_regressor(candidate, {}, weighted_rows(table, None, free))

        return finish_numbers(self, rows, predicted, spec, fit_scale=fit)

    def save(self, folder: Path) -> None:
        """Write JSON, Arrow and booster text into `folder`."""
        header = _header("regress", self.encoder, self.model, self.importance, half_width=self.half_width)
        store.save(folder, header, self.encoder, self.model)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. UserError where it cannot be read."""
        header, encoder, model = store.load(folder, "regress")
        return cls(encoder, model, header.half_width, header.importance)


def _quick(encoder: Encoder, model: store.Model) -> tuple[Predict, One | None]:
    """Return what predicts few rows, and one row alone where there is a shorter way for it."""
    if isinstance(model, Boosting):
        trees = Trees(model)
        return trees.predict, one_row.by_trees(encoder, trees)
    return model.predict, one_row.by_line(encoder, model) if isinstance(model, Linear) else None


def _header(
    task: Literal["classify", "regress"],
    encoder: Encoder,
    model: store.Model,
    importance: Mapping[str, float],
    *,
    classes: tuple[str, ...] = (),
    half_width: float = 0.0,
) -> store.Header:
    rung: store.Kind
    if isinstance(model, Boosting):
        rung = model.family
    else:
        rung = "prior" if isinstance(model, Prior) else "linear" if isinstance(model, Linear) else "mlp"
    return store.Header(
        format=store.FORMAT,
        task=task,
        rung=rung,
        schema=encoder.schema,
        classes=classes,
        importance=importance,
        half_width=half_width,
        strength=model.strength if isinstance(model, Linear) else 0.0,
        centre=model.centre if isinstance(model, Boosting | Networks) else 0.0,
        scale=model.scale if isinstance(model, Boosting | Networks) else 1.0,
    )
