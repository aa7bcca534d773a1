"""Classes and groups by their size: what a majority gives away, what is too small to be told, what teaching lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.audit.by_group import by_group, clusters_of, rows_of
from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome, Sides
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import named, percent, the_percent, visible
from cauce.core.artefacts import Finding, GroupFigure
from cauce.core.figures import listed, number
from cauce.core.specs import Severity
from cauce.evidence.shares import Interval, difference, rows_needed, wilson

MOST_CLASSES = 200


def class_balance(context: AuditContext, threshold: float) -> Outcome:
    """See classes of which the largest has at least `threshold` times the rows of the smallest."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    if model.task != "classify":
        return NotApplicable("only classify has classes", "solo classify tiene clases")
    column = context.profile.column(target)
    if not column.exact or not 2 <= column.n_distinct <= MOST_CLASSES:
        return NotApplicable(
            "the target has fewer than two classes, or values that are no classes",
            "el objetivo tiene menos de dos clases, o valores que no son clases",
        )
    counts = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))
    (largest, most), (smallest, least) = counts[0], counts[-1]
    if most < threshold * least:
        return ()
    total = sum(count for _, count in counts)
    shown = [f"{visible(name)!r} {percent(count / total, 'en')}" for name, count in counts[:5]]
    spanish = [f"«{visible(name)}» {percent(count / total, 'es')}" for name, count in counts[:5]]
    more = max(0, len(counts) - 5)
    message = {
        "en": f"The classes of {named([target], 'en')} differ in size: {listed(shown, 'en', n_more=more)}. "
        f"Always saying {visible(largest)!r} is right in {percent(most / total, 'en')} of the rows.",
        "es": f"Las clases de {named([target], 'es')} tienen tamaños distintos: {listed(spanish, 'es', n_more=more)}. "
        f"Decir siempre «{visible(largest)}» acierta en {the_percent(most / total)} de las filas.",
    }
    metric = f"F1 or PR-AUC of {visible(smallest)!r}" if len(counts) == 2 else "the mean F1 over the classes"
    metrica = f"el F1 o el PR-AUC de «{visible(smallest)}»" if len(counts) == 2 else "el F1 medio de las clases"
    why = {
        "en": "Accuracy below that share is worse than not looking at the row, and above it says little of the small "
        "classes.",
        "es": "Una exactitud menor que esa es peor que no mirar la fila, y una mayor dice poco de las clases pequeñas.",
    }
    remedy = {
        "en": f"Read {metric} rather than accuracy; the loss that decides here is not misled.",
        "es": f"Mira {metrica} en lugar de la exactitud; la pérdida que aquí decide no se deja engañar.",
    }
    figures = tuple(_figure(visible(name), count, total) for name, count in counts[:20])
    value = most / least
    return [
        Finding("class_balance", "info", (target,), total, message, why, remedy, (), value, threshold, groups=figures)
    ]


def small_group(context: AuditContext, threshold: float) -> Outcome:
    """See groups of a sensitive column, and of two crossed, whose shares these rows cannot tell to ± `threshold`.

    How many rows that takes follows from the interval of a share (`evidence.shares.rows_needed`).
    """
    model = context.model
    if model is None:
        return NO_MODEL
    if not model.sensitive:
        return NotApplicable("the model names no sensitive column", "el modelo no indica ninguna columna sensible")
    group = (context.data.group,) if context.data.group else ()
    table = rows_of(context, [*model.sensitive, *group])
    clusters = clusters_of(context, table)
    least = rows_needed(min(threshold, 0.49))
    found = []
    for rows in by_group(context, model.sensitive, table):
        sizes = {}
        for code, name in enumerate(rows.names):
            own = rows.codes == code
            size = int(own.sum())
            # Rows of one school count as one where the data set names schools: the careful end of what they tell.
            told = size if clusters is None else len(np.unique(clusters[own]))
            if size > 0 and told < least:
                sizes[name] = size
        if sizes:
            found.append(_small(rows.columns, sizes, least, threshold))
    return found


def _small(columns: tuple[str, ...], sizes: dict[str, int], least: int, threshold: float) -> Finding:
    by_size = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{visible(name)} ({number(n, 'en')})" for name, n in by_size[:5]]
    spanish = [f"{visible(name)} ({number(n, 'es')})" for name, n in by_size[:5]]
    more = max(0, len(by_size) - 5)
    needed, points = number(least, "en"), f"{threshold * 100:g}"
    message = {
        "en": f"Groups by {named(columns, 'en')} with too few rows: {listed(shown, 'en', n_more=more)}. To tell a "
        f"share to ±{points} points takes {needed}.",
        "es": f"Grupos según {named(columns, 'es')} con muy pocas filas: {listed(spanish, 'es', n_more=more)}. Para "
        f"conocer una proporción con ±{points} puntos hacen falta {number(least, 'es')}.",
    }
    why = {
        "en": "Whether a model treats these people worse cannot be told: no gap that is found says nothing.",
        "es": "No se puede saber si un modelo trata peor a estas personas: que no se halle diferencia no dice nada.",
    }
    remedy = {
        "en": "Gather more of their rows, or join groups that may be judged together; until then, look at such "
        "cases by hand.",
        "es": "Reúne más filas suyas, o une grupos que puedan juzgarse juntos; mientras tanto, revisa esos casos "
        "a mano.",
    }
    severity: Severity = "warn" if len(columns) == 1 else "info"
    n, value = sum(sizes.values()), float(by_size[-1][1])
    examples = tuple(f"{visible(name)}: {size}" for name, size in by_size[:5])
    return Finding(
        "small_group", severity, columns, n, message, why, remedy, (), value, float(least), examples=examples
    )


class _Lacking(NamedTuple):
    """A class or group that is rarer where rows teach than where they judge."""

    name: str
    taught: int
    judged: int
    ratio: float


def rare_in_training(context: AuditContext, threshold: float) -> Outcome:
    """See classes and groups whose share among the rows that teach is under `threshold` of that among those that judge.

    The split by time or by group may leave one side without them. The difference must be proven, over all of a
    column's values together.
    """
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    sides = context.sides()
    if sides is None:
        return NotApplicable("the training's split is not known", "no se conoce el reparto del entrenamiento")
    found = []
    for column, names, codes in _labels(context):
        lacking = _lacking(names, codes, sides, threshold)
        if lacking:
            found.append(_rare(column, lacking, sides.kind, threshold))
    return found


def _labels(context: AuditContext) -> Iterator[tuple[str, tuple[str, ...], npt.NDArray[np.int64]]]:
    """Give the target's classes and each sensitive column's groups, with every row's code."""
    from cauce.profile.groups import grouping

    model, target = context.model, context.target
    assert model is not None
    assert target is not None
    column = context.profile.column(target)
    classes = model.task == "classify" and column.exact and 2 <= column.n_distinct <= MOST_CLASSES
    for name in ((target,) if classes else ()) + model.sensitive:
        made = grouping(context.profile, name)
        yield name, made.names, made.codes(rows_of(context, [name]))


def _lacking(names: tuple[str, ...], codes: npt.NDArray[np.int64], sides: Sides, threshold: float) -> list[_Lacking]:
    judge, teach = sides.held_out, sides.fold >= 0
    teach = teach if sides.kind != "time" else ~sides.held_out
    n_teach, n_judge = int((teach & (codes >= 0)).sum()), int((judge & (codes >= 0)).sum())
    found = []
    for code, name in enumerate(names):
        taught, judged = int((teach & (codes == code)).sum()), int((judge & (codes == code)).sum())
        if not n_teach or not n_judge or not judged:
            continue
        few: Interval = wilson(taught, n_teach, comparisons=len(names))
        many: Interval = wilson(judged, n_judge, comparisons=len(names))
        ratio = few.value / many.value
        if ratio < threshold and difference(many, few).lower > 0:
            found.append(_Lacking(name, taught, judged, ratio))
    return found


def _rare(column: str, lacking: list[_Lacking], kind: str, threshold: float) -> Finding:
    lacking.sort(key=lambda one: (one.ratio, one.name))
    shown = [
        f"{visible(one.name)!r} ({number(one.taught, 'en')} teach, {number(one.judged, 'en')} judge)"
        for one in lacking[:5]
    ]
    spanish = [
        f"«{visible(one.name)}» ({number(one.taught, 'es')} enseñan, {number(one.judged, 'es')} juzgan)"
        for one in lacking[:5]
    ]
    more = max(0, len(lacking) - 5)
    message = {
        "en": f"Values of {named([column], 'en')} are rarer in the rows that teach than in those that judge (split by "
        f"{kind}): {listed(shown, 'en', n_more=more)}.",
        "es": f"Valores de {named([column], 'es')} más raros en las filas que enseñan que en las que juzgan (división "
        f"{kind}): {listed(spanish, 'es', n_more=more)}.",
    }
    why = {
        "en": "What a model has hardly seen it predicts badly, and that is what will come more often.",
        "es": "Lo que un modelo apenas ha visto lo predice mal, y eso es lo que vendrá más a menudo.",
    }
    remedy = {
        "en": "Wait for more such rows, train again soon, or split otherwise if the order in time does not matter.",
        "es": "Espera a tener más filas así, entrena de nuevo pronto, o divide de otro modo si el orden temporal no "
        "importa.",
    }
    n = sum(one.judged for one in lacking)
    return Finding(
        "rare_in_training", "warn", (column,), n, message, why, remedy, value=lacking[0].ratio, threshold=threshold
    )


def _figure(name: str, count: int, total: int) -> GroupFigure:
    share = wilson(count, total)
    return GroupFigure(name, count, share.value, share.lower, share.upper)


CHECKS = (
    Check(
        "class_balance",
        "info",
        3.0,
        {"en": "classes of different size", "es": "clases de distinto tamaño"},
        class_balance,
    ),
    Check(
        "small_group",
        "warn",
        0.1,
        {"en": "groups too small to be told", "es": "grupos demasiado pequeños"},
        small_group,
    ),
    Check(
        "rare_in_training",
        "warn",
        0.5,
        {"en": "rare where rows teach", "es": "raros en las filas que enseñan"},
        rare_in_training,
    ),
)
