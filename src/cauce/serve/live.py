"""A release ready to answer: how it reads rows, predicts them, stands in the ledger and words its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from cauce.core.plain import to_table
from cauce.core.protocols import online_of
from cauce.core.specs import ServeSpec
from cauce.ledger.ledger import Ledger
from cauce.serve.plan import Plan, Values
from cauce.serve.service import Served

PROBABILITY = "prob_"
Variant = Literal["champion", "challenger", "shadow"]
Outputs = Mapping[str, Sequence[Any]]
"""The columns of `Fitted.predict` as lists."""


class Live:
    """One release that answers, or that scores in the shadow of another.

    Parameters
    ----------
    served
        The release.
    spec
        How the service reads rows.
    variant
        Whom it answers for.
    ledger
        Where what it says is written.
    """

    def __init__(self, served: Served, spec: ServeSpec, *, variant: Variant, ledger: Ledger) -> None:
        self.served, self.variant = served, variant
        outputs = output_kinds(served)
        self.plan = Plan(served.schema, spec.unseen_categories)
        self.head = ledger.head(served.version, self.plan.kinds, outputs)
        self._online = online_of(served.fitted)
        names = [name for name, _ in outputs]
        self._plain = [name for name in names if not name.startswith(PROBABILITY)]
        self._chances = [name for name in names if name.startswith(PROBABILITY)]
        self._classes = [name.removeprefix(PROBABILITY) for name in self._chances]

    def predict(self, rows: Sequence[Values]) -> Outputs:
        """Predict rows; may run in any thread.

        Raises
        ------
        RowFailed
            A row function of the release cannot take a row.
        """
        return self._online(rows) if self._online is not None else self.predict_plainly(rows)

    def predict_plainly(self, rows: Sequence[Values]) -> Outputs:
        """Predict rows by way of an Arrow table, as everybody else asks a `Fitted`."""
        predictions = self.served.fitted.predict(to_table(rows, self.served.schema))
        if predictions.num_rows != len(rows):
            what = f"{self.served.model} {self.served.version} gave {predictions.num_rows} rows for {len(rows)}"
            raise RuntimeError(what)
        return {name: predictions[name].to_pylist() for name in predictions.column_names}

    def body(self, ids: Sequence[str], outputs: Outputs) -> bytes:
        """Return the answer's body, probabilities under their classes' own names."""
        columns = [outputs[name] for name in self._plain]
        found = [
            {"id": id_, **dict(zip(self._plain, values, strict=True))}
            for id_, *values in zip(ids, *columns, strict=True)
        ]
        if self._chances:
            shares = zip(*(outputs[name] for name in self._chances), strict=True)
            for row, chances in zip(found, shares, strict=True):
                row["probabilities"] = dict(zip(self._classes, chances, strict=True))
        served = self.served
        return orjson.dumps({"model": served.model, "version": served.version, "predictions": found})


def output_kinds(served: Served) -> tuple[tuple[str, str], ...]:
    """Return names and ledger types of what a release predicts, in order."""
    classes = served.fitted.classes
    if not classes:
        return tuple((name, "float") for name in ("prediction", "lower", "upper"))
    return (("prediction", "text"), *((f"{PROBABILITY}{name}", "float") for name in classes))
