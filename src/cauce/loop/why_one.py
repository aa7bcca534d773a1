"""Why one prediction is what it is: each column's contribution, by the release that answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cauce.core.artefacts import Release, Schema, Words
from cauce.core.contributions import BACKGROUND, Contributions, contributions_of, towards
from cauce.core.errors import Refused, UserError, did_you_mean
from cauce.core.figures import Language, number, written
from cauce.core.why import Added, PredictionWhy
from cauce.loop.context import Loop
from cauce.loop.material import source_rows, unit_names_of
from cauce.loop.watch import ledger_of, withheld

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.core.protocols import Fitted
    from cauce.track import Package

OWN_EFFECT = ("linear", "additive")
"""Rungs in which a column's contribution depends on its own value alone: told even where another column is withheld."""
NAMED, LEAST = 3, 0.1
"""Columns in the sentence at most, and the share of all that is moved that each has at least."""


def why_prediction(loop: Loop, model: str, prediction_id: str) -> PredictionWhy:
    """Return what each column added to a prediction in the ledger, by the release that answered it.

    Raises
    ------
    UserError
        No prediction has this id.
    """
    from cauce.ledger import ranges

    loop.model(model)
    found = ranges.prediction(ledger_of(loop, model).folder, prediction_id)
    if not found.num_rows:
        hint = f"An id stands in the answer of a prediction; is it one of {model!r}, and not forgotten?"
        raise UserError("no prediction has this id", where=f"ledger of {model}", received=prediction_id, hint=hint)
    release, package = loop.tracker.open(model, found["version"][0].as_py())
    hidden = frozenset(name for name in withheld(found) if name in release.training.spec.schema.names)
    row = inputs_of(found, package.fitted.schema, hidden)
    told = _explained(loop, release, package, row, hidden, prediction_id)
    return _against(told, found, package.fitted, hidden)


def why_row(loop: Loop, model: str, row: Mapping[str, Any], version: int | None = None) -> PredictionWhy:
    """Return what each column adds to the prediction for a row that is not in the ledger.

    Parameters
    ----------
    row
        Column → plain value; a column that is not there is missing, a date is ISO 8601.
    version
        Of the release; the champion when absent.

    Raises
    ------
    Refused
        The model has no champion.
    UserError
        A column is not the model's, or a value is not of its kind.
    """
    loop.model(model)
    version = version or loop.tracker.alias(model, "champion")
    if version is None:
        raise Refused(f"model {model!r} has no champion", hint=f"Train it first: `cauce train {model}`.")
    release, package = loop.tracker.open(model, version)
    return _explained(loop, release, package, _one_row(row, package.fitted.schema), frozenset(), None)


def _one_row(row: Mapping[str, Any], schema: Schema) -> pa.Table:
    import pyarrow as pa

    from cauce.core.plain import to_arrow
    from cauce.serve.payload import Bad, reader

    for name in row:
        if name not in schema.names:
            raise UserError(
                "not a column of the model", where="--row", received=name, hint=did_you_mean(name, schema.names)
            )
    columns = {}
    for column in schema:
        given = row.get(column.name)
        value = None if given is None else reader(column, "other")(given)
        if isinstance(value, Bad):
            where, hint = f"--row, column {column.name}", f"It takes {value.expected}."
            raise UserError("not a value of the column", where=where, received=given, hint=hint)
        columns[column.name] = to_arrow([value], column.kind)
    return pa.table(columns)


def inputs_of(rows: pa.Table, schema: Schema, hidden: frozenset[str] = frozenset()) -> pa.Table:
    """Return ledger rows' inputs under their own names and of the kinds' types; what is not there is null.

    Parameters
    ----------
    hidden
        Columns that the ledger holds of some rows in part: null in all.
    """
    import pyarrow as pa

    from cauce.ledger.public import OWN

    columns = {}
    for column in schema:
        name = f"in.{column.name}" if f"in.{column.name}" in rows.column_names else column.name
        there = name in rows.column_names and not (name in (*OWN, "prediction") or column.name in hidden)
        columns[column.name] = rows[name] if there else pa.nulls(rows.num_rows)
    return typed(pa.table(columns), schema)


def typed(rows: pa.Table, schema: Schema) -> pa.Table:
    """Return the columns of `schema` in the types in which a service hands them to a model, where they can be cast."""
    import pyarrow as pa

    from cauce.core.plain import to_arrow

    columns = {}
    for column in schema:
        values, wanted = rows[column.name], to_arrow([], column.kind).type
        try:
            columns[column.name] = values.cast(wanted, safe=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            columns[column.name] = values
    return pa.table(columns)


def background(loop: Loop, release: Release, package: Package, n: int = BACKGROUND) -> pa.Table | None:
    """Return rows that the release learnt from, drawn with its seed; None where its snapshot is no longer there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    spec = release.training.spec
    try:
        source = source_rows(loop, release.training.snapshot, spec)
        names = unit_names_of(loop, release.training.snapshot.data, source, spec)
    except (UserError, KeyError):
        return None
    taught = package.units.filter(pc.equal(package.units["role"], "train"))["unit"]
    kept = np.flatnonzero(np.isin(names, np.asarray(taught.to_pylist(), dtype=np.str_)))
    schema = package.fitted.schema
    if not len(kept) or any(name not in source.column_names for name in schema.names):
        return None
    drawn = np.random.default_rng(spec.seed).permutation(kept)[:n]
    return typed(source.take(pa.array(np.sort(drawn))), schema)


def _explained(
    loop: Loop, release: Release, package: Package, row: pa.Table, hidden: frozenset[str], prediction_id: str | None
) -> PredictionWhy:
    fitted, rung = package.fitted, release.training.rung
    reference = background(loop, release, package)
    said = fitted.predict(row)
    prediction, share = answer(fitted, said, 0)
    untold: list[Words] = []
    found: Contributions | None = None
    if hidden:
        untold.append(_withheld(sorted(hidden), alone=rung in OWN_EFFECT))
    if not hidden or rung in OWN_EFFECT:
        try:
            found = towards(contributions_of(fitted, row, reference), _codes(fitted, said))
        except ValueError:
            untold.append(NO_REFERENCE)
    added = _added(found, row, hidden) if found is not None else ()
    if found is not None and found.method == "none":
        untold.append(NOTHING)
    n_reference = reference.num_rows if reference is not None and found and found.method != "trees" else 0
    return PredictionWhy(
        model=release.training.model,
        version=release.version,
        prediction=prediction,
        share=share,
        scale=found.scale if found is not None else "unit",
        method=found.method if found is not None else "none",
        base=float(found.base[0, 0]) if found is not None else float("nan"),
        score=float(found.score[0, 0]) if found is not None else float("nan"),
        added=added,
        repaired=bool(found and found.repaired),
        n_reference=n_reference,
        untold=tuple(untold),
        reason=_reason(prediction, share, added),
        prediction_id=prediction_id,
    )


def answer(fitted: Fitted, said: pa.Table, at: int) -> tuple[str | float, float | None]:
    """Return what a model says of a row: the class and its probability, or the number."""
    value = said["prediction"][at].as_py()
    if not fitted.classes:
        return float(value), None
    name = f"prob_{value}"
    return str(value), float(said[name][at].as_py()) if name in said.column_names else None


def _codes(fitted: Fitted, said: pa.Table) -> np.ndarray:
    if not fitted.classes:
        return np.zeros(said.num_rows, np.int64)
    return np.array([fitted.classes.index(label) for label in said["prediction"].to_pylist()], np.int64)


def _added(found: Contributions, row: pa.Table, hidden: frozenset[str]) -> tuple[Added, ...]:
    amounts = found.values[0, 0]
    errors = found.error[0, 0] if found.error is not None else None
    made = []
    for at, name in enumerate(found.columns):
        if name in hidden or hidden & set(found.computed.get(name, ())):
            continue
        value = row[name][0].as_py() if name in row.column_names else None
        error = None if errors is None else float(errors[at])
        told = None if value is None and name not in found.computed else ("" if value is None else _shown(value))
        made.append(Added(name, told, float(amounts[at]), error, found.computed.get(name, ())))
    return tuple(sorted(made, key=lambda one: -abs(one.amount)))


def _shown(value: Any) -> str | float:
    return value if isinstance(value, float) else written(str(value), "en")


def _reason(prediction: str | float, share: float | None, added: tuple[Added, ...]) -> Words:
    from cauce.watch.why import words as why_words

    total = sum(abs(one.amount) for one in added)
    kept = [one for one in added[:NAMED] if total and abs(one.amount) >= LEAST * total]
    named = [(one.column, one.value, one.amount) for one in kept]
    return {
        language: why_words.added(_said(prediction, language), share, named, language)
        for language in why_words.LANGUAGES
    }


def _said(prediction: str | float, language: Language) -> str:
    if isinstance(prediction, float):
        return number(prediction, language, digits=4)
    return f"“{prediction}”" if language == "en" else f"«{prediction}»"


def _against(told: PredictionWhy, found: pa.Table, fitted: Fitted, hidden: frozenset[str]) -> PredictionWhy:
    """Hold what the release says now against what the ledger has; that alone where inputs are withheld."""
    then, share = answer(fitted, found, 0)
    if hidden:
        return replace(told, prediction=then, share=share, reason=_reason(then, share, told.added))
    same = then == told.prediction if fitted.classes else bool(np.isclose(float(then), float(told.prediction)))
    if fitted.classes and share is not None and told.share is not None:
        same = same and abs(share - told.share) < 1e-6
    if same:
        return told
    return replace(told, differs=True, untold=(*told.untold, _differs(then)))


def _withheld(names: list[str], *, alone: bool) -> Words:
    listed = ", ".join(f"`{name}`" for name in names)
    english = "the other columns' contributions hold none the less" if alone else "no column's contribution can be told"
    spanish = (
        "las demás contribuciones valen igual" if alone else "no se puede decir la contribución de ninguna columna"
    )
    return {
        "en": f"The ledger was told not to keep {listed} in the open, so {english}.",
        "es": f"El registro no guarda {listed} en claro; {spanish}.",
    }


def _differs(then: str | float) -> Words:
    return {
        "en": f"The ledger has {_said(then, 'en')} for this prediction; the release now says otherwise: this "
        "is of now.",
        "es": f"El registro tiene {_said(then, 'es')} para esta predicción; la versión ahora dice otra cosa: esto "
        "es de ahora.",
    }


NOTHING: Words = {
    "en": "This release looks at no column: it says the same of every row.",
    "es": "Esta versión no mira ninguna columna: dice lo mismo de todas las filas.",
}
NO_REFERENCE: Words = {
    "en": "The rows that this release learnt from are no longer there, and it cannot be asked without some of them.",
    "es": "Las filas de las que aprendió esta versión ya no están, y sin algunas de ellas no se le puede preguntar.",
}
