"""What can be wrong with a target, seen by the task that would learn it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Finding, TaskSpec
from cauce.core.figures import number
from cauce.core.specs import Severity
from cauce.tasks.tabular import columns, target

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CLASSES = 1_000
LOOKS_CONTINUOUS = 50
"""Distinct values from which a target of fractions counts as a measurement."""
SHOWN_ROWS = 20


def of_labels(table: pa.Table, spec: TaskSpec) -> tuple[Finding, ...]:
    """Give findings about labels; rows without a target are left to the audit."""
    import pyarrow as pa

    raw = columns.column(table, spec.target)
    classes = target.classes(columns.texts(raw))
    n_rows = table.num_rows
    if len(classes) < 2:
        return (_one_class(spec, classes, n_rows),)
    if len(classes) > MOST_CLASSES:
        return (_many_classes(spec, len(classes), n_rows),)
    numbers = columns.numbers(raw) if pa.types.is_floating(raw.type) or pa.types.is_decimal(raw.type) else np.empty(0)
    numbers = numbers[~np.isnan(numbers)]
    if len(classes) > LOOKS_CONTINUOUS and np.any(numbers != np.floor(numbers)):
        return (_continuous(spec, len(classes), n_rows),)
    return ()


def of_numbers(table: pa.Table, spec: TaskSpec) -> tuple[Finding, ...]:
    """Give findings about numbers; rows without a target are left to the audit."""
    import pyarrow.compute as pc

    raw = columns.column(table, spec.target)
    numbers = columns.numbers(raw)
    there = pc.is_valid(raw).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(there & np.isnan(numbers))
    if len(bad):
        return (_not_numeric(spec, raw, bad),)
    distinct = np.unique(numbers[there])
    if len(distinct) < 2:
        return (_constant(spec, distinct, table.num_rows),)
    return (_two_values(spec, distinct, table.num_rows),) if len(distinct) == 2 else ()


def _finding(
    code: str,
    severity: Severity,
    spec: TaskSpec,
    n_rows: int,
    words: tuple[tuple[str, str], tuple[str, str], tuple[str, str]],
    *,
    rows: tuple[int, ...] = (),
    value: float | None = None,
    threshold: float | None = None,
) -> Finding:
    """Give a finding; `words` are message, why and remedy, each in English and Spanish."""
    message, why, remedy = ({"en": en, "es": es} for en, es in words)
    return Finding(code, severity, (spec.target,), n_rows, message, why, remedy, rows, value, threshold)


def _one_class(spec: TaskSpec, classes: tuple[str, ...], n_rows: int) -> Finding:
    en = f"holds only {classes[0]!r}" if classes else "holds no value"
    es = f"solo contiene {classes[0]!r}" if classes else "no contiene ningún valor"
    words = (
        (f"The target {spec.target} {en}.", f"El objetivo {spec.target} {es}."),
        ("With one class there is nothing to tell apart.", "Con una sola clase no hay nada que distinguir."),
        (
            "Load rows of every class, or check the condition `where` of the data set.",
            "Carga filas de todas las clases, o revisa la condición `where` del conjunto de datos.",
        ),
    )
    return _finding("target_one_class", "block", spec, n_rows, words, value=float(len(classes)), threshold=2.0)


def _many_classes(spec: TaskSpec, n_classes: int, n_rows: int) -> Finding:
    words = (
        (
            f"The target {spec.target} has {n_classes:,} classes; the most is {MOST_CLASSES:,}.",
            f"El objetivo {spec.target} tiene {number(n_classes, 'es')} clases; el máximo es {MOST_CLASSES}.",
        ),
        (
            "So many classes leave too few rows for each, and are mostly a key or free text.",
            "Tantas clases dejan muy pocas filas para cada una; suelen ser una clave o texto libre.",
        ),
        (
            "Name another target, group rare classes, or use regress for a number.",
            "Indica otro objetivo, agrupa las clases raras o usa regress si es un número.",
        ),
    )
    limit = float(MOST_CLASSES)
    return _finding("target_many_classes", "block", spec, n_rows, words, value=float(n_classes), threshold=limit)


def _continuous(spec: TaskSpec, n_classes: int, n_rows: int) -> Finding:
    shown = number(n_classes, "es")
    words = (
        (
            f"The target {spec.target} looks like a measurement: {n_classes:,} different numbers, some with fractions.",
            f"El objetivo {spec.target} parece una medida: {shown} números distintos, algunos con decimales.",
        ),
        (
            "Classify treats every number as a name of its own and ignores their order.",
            "classify trata cada número como un nombre aparte y no tiene en cuenta su orden.",
        ),
        ('Set `task = "regress"` for this model.', 'Pon `task = "regress"` en este modelo.'),
    )
    limit = float(LOOKS_CONTINUOUS)
    return _finding("target_looks_continuous", "warn", spec, n_rows, words, value=float(n_classes), threshold=limit)


def _not_numeric(spec: TaskSpec, raw: pa.Array, bad: npt.NDArray[np.int64]) -> Finding:
    examples = ", ".join(dict.fromkeys(repr(raw[int(i)].as_py()) for i in bad[:5]))
    shown = number(len(bad), "es")
    words = (
        (
            f"The target {spec.target} is no finite number in {len(bad):,} rows, for example {examples}.",
            f"El objetivo {spec.target} no es un número finito en {shown} filas, por ejemplo {examples}.",
        ),
        ("Regress predicts numbers.", "regress predice números."),
        (
            'Mend or leave out these rows, or set `task = "classify"` where the values are names.',
            'Corrige o descarta esas filas, o pon `task = "classify"` si los valores son nombres.',
        ),
    )
    rows = tuple(int(i) for i in bad[:SHOWN_ROWS])
    return _finding("target_not_numeric", "block", spec, len(bad), words, rows=rows, value=float(len(bad)))


def _constant(spec: TaskSpec, distinct: npt.NDArray[np.float64], n_rows: int) -> Finding:
    en = f"is {distinct[0]:g} in every row" if len(distinct) else "holds no value"
    es = f"vale {distinct[0]:g} en todas las filas" if len(distinct) else "no contiene ningún valor"
    words = (
        (f"The target {spec.target} {en}.", f"El objetivo {spec.target} {es}."),
        ("There is nothing to learn from a constant.", "De una constante no se puede aprender nada."),
        (
            "Name another target, or check the condition `where` of the data set.",
            "Indica otro objetivo, o revisa la condición `where` del conjunto de datos.",
        ),
    )
    return _finding("target_constant", "block", spec, n_rows, words, value=float(len(distinct)), threshold=2.0)


def _two_values(spec: TaskSpec, distinct: npt.NDArray[np.float64], n_rows: int) -> Finding:
    low, high = f"{distinct[0]:g}", f"{distinct[1]:g}"
    words = (
        (
            f"The target {spec.target} has only the values {low} and {high}.",
            f"El objetivo {spec.target} solo toma los valores {low} y {high}.",
        ),
        (
            "Two values are mostly classes; classify gives their probabilities.",
            "Dos valores suelen ser clases; classify da sus probabilidades.",
        ),
        ('Set `task = "classify"` if they are.', 'Pon `task = "classify"` si lo son.'),
    )
    return _finding("target_two_values", "info", spec, n_rows, words, value=2.0)
