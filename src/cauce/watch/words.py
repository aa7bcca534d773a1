"""The sentences of a look, in English and Spanish. Figures come in, words go out: nothing is concluded here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from cauce.core.artefacts import ColumnDrift, Comparison, JointDrift, Mover, Words, changed_column
from cauce.core.figures import bin_name, listed, losses, numbers, numbers_in, percents

MOST_LABELS = 3
"""Values that a sentence names."""


def moved(movers: Sequence[Mover]) -> tuple[str, str]:
    """Return the bins that moved most, with their shares."""
    english, spanish = [], []
    for mover in movers:
        name, nombre = bin_name(mover.label, "en"), bin_name(mover.label, "es")
        before, now = percents(mover.before), percents(mover.now)
        english.append(f"`{name}` from {before[0]} to {now[0]}")
        spanish.append(f"`{nombre}` del {before[1]} al {now[1]}")
    if not english:
        return "", ""
    return f" Most moved: {'; '.join(english)}.", f" Lo que más cambió: {'; '.join(spanish)}."


def drift(found: ColumnDrift, *, output: bool, threshold: float, confidence: float) -> Words:
    """Say whether a column, or the predictions, moved away from training."""
    what = "The predictions" if output else f"Column `{found.column}`"
    que = "Las predicciones" if output else f"Columna `{found.column}`"
    (index, indice), (limit, limite), sure = numbers(found.psi), numbers(threshold), percents(confidence)
    most, mas = moved(found.movers)
    if found.drifted:
        en = f"{what}: values have moved away from training (PSI {index}, threshold {limit}; chance ruled out at "
        es = f"{que}: los valores se han alejado de los del entrenamiento (PSI {indice}, umbral {limite}; azar "
        whence, de_donde = _whence(found)
        return {"en": f"{en}{sure[0]}).{most}{whence}", "es": f"{es}descartado al {sure[1]}).{mas}{de_donde}"}
    if found.psi >= threshold:
        en = f"{what}: PSI {index} is above the threshold {limit}, but with so few rows it may be chance.{most}"
        es = f"{que}: el PSI {indice} supera el umbral {limite}, pero con tan pocas filas puede ser azar.{mas}"
        return {"en": en, "es": es}
    en = f"{what}: no drift (PSI {index}, threshold {limit})."
    return {"en": en, "es": f"{que}: sin deriva (PSI {indice}, umbral {limite})."}


def _whence(found: ColumnDrift) -> tuple[str, str]:
    """Return where a drift comes from."""
    if found.source is None:
        return "", ""
    share, explained = percents(found.source.share), percents(found.source.explained)
    part = found.source.segment
    return (
        f" {explained[0]} of it comes from `{part}` ({share[0]} of the rows).",
        f" El {explained[1]} procede de `{part}` ({share[1]} de las filas).",
    )


def unit_change(column: str, unit: str) -> Words:
    """Say that a column's values come in another unit."""
    unidad = numbers_in(unit, "es")
    return {
        "en": f"Column `{column}`: the values look like those of training in another unit ({unit}): once that is "
        "undone, they are as they were.",
        "es": f"Columna `{column}`: los valores parecen los del entrenamiento en otra unidad ({unidad}): al deshacer "
        "el cambio, son como eran.",
    }


def joint(found: JointDrift, *, alarming: bool, proven: bool) -> Words:
    """Say how well a classifier tells the window from training.

    Parameters
    ----------
    proven
        Whether chance is ruled out; where it then does not alarm, single columns say it already.
    """
    auc, low, high = numbers(found.auc), numbers(found.lower), numbers(found.upper)
    named = ", ".join(f"`{name}`" for name in list(found.columns)[:3])
    en = f"All columns together: a classifier tells the window's rows from training's with a ROC-AUC of {auc[0]} "
    es = "Todas las columnas juntas: un clasificador distingue las filas de la ventana de las del entrenamiento "
    en += f"({low[0]} to {high[0]}; 0.5 is chance)"
    es += f"con un ROC-AUC de {auc[1]} ({low[1]} a {high[1]}; 0,5 es azar)"
    if proven and not alarming:
        return {
            "en": f"{en}, by {named}: what changed in single columns says it already.",
            "es": f"{es}, por {named}: ya lo dice lo que cambió en columnas sueltas.",
        }
    if not alarming:
        return {"en": f"{en}: no more than chance may give.", "es": f"{es}: no más de lo que el azar puede dar."}
    return {
        "en": f"{en}, by {named}: how they go together has changed.",
        "es": f"{es}, por {named}: su relación ha cambiado.",
    }


def missing(column: str, before: float, now: float) -> Words:
    """Say that the share of missing values changed."""
    was, is_ = percents(before), percents(now)
    return {
        "en": f"Column `{column}`: the share of rows without a value went from {was[0]} in training to {is_[0]}.",
        "es": f"Columna `{column}`: la proporción de filas sin valor pasó del {was[1]} en el entrenamiento "
        f"al {is_[1]}.",
    }


def new_category(column: str, before: float, now: float) -> Words:
    """Say that unknown categories grew."""
    was, is_ = percents(before), percents(now)
    return {
        "en": f"Column `{column}`: values outside the known categories went from {was[0]} in training to {is_[0]}.",
        "es": f"Columna `{column}`: los valores fuera de las categorías conocidas pasaron del {was[1]} en el "
        f"entrenamiento al {is_[1]}.",
    }


def out_of_range(column: str, before: float, now: float) -> Words:
    """Say that numbers lie beyond what training saw."""
    was, is_ = percents(before), percents(now)
    return {
        "en": f"Column `{column}`: {is_[0]} of the values lie outside the range of training, where it was {was[0]}; "
        "a change of unit looks like this.",
        "es": f"Columna `{column}`: el {is_[1]} de los valores queda fuera del rango del entrenamiento, donde era "
        f"el {was[1]}; un cambio de unidad se ve así.",
    }


def schema(change: str) -> Words:
    """Say that a newer snapshot has other columns."""
    kind, _, rest = change.partition(": ")
    verb = {"added": ("is new", "es nueva"), "gone": ("is gone", "ya no está")}.get(kind)
    if verb is not None:
        return {
            "en": f"Column `{rest}` {verb[0]} in the newest load of the data.",
            "es": f"La columna `{rest}` {verb[1]} en la última carga de los datos.",
        }
    name = changed_column(change)
    types = rest.removeprefix(f"{name} ")
    return {
        "en": f"Column `{name}` has another type in the newest load of the data: {types}.",
        "es": f"La columna `{name}` tiene otro tipo en la última carga de los datos: {types}.",
    }


def performance(comparison: Comparison, n_truths: int, *, alarming: bool) -> Words:
    """Compare the losses of the window with those of training."""
    now, before = (
        losses(mean, squared=comparison.squared) for mean in (comparison.mean_candidate, comparison.mean_reference)
    )
    truths = numbers(n_truths)
    low, high = numbers(comparison.lower), numbers(comparison.upper)
    limit, sure = numbers(comparison.margin), percents(comparison.confidence)
    en = f"Mean loss over {truths[0]} truths is {now[0]}; it was {before[0]} at training."
    es = f"La pérdida media sobre {truths[1]} resultados reales es {now[1]}; en el entrenamiento era {before[1]}."
    en += f" The difference lies between {low[0]} and {high[0]} ({sure[0]} interval), the margin is {limit[0]}: "
    es += f" La diferencia está entre {low[1]} y {high[1]} (intervalo del {sure[1]}), el margen es {limit[1]}: "
    if alarming:
        return {"en": en + "the model has become worse.", "es": es + "el modelo ha empeorado."}
    if comparison.upper < comparison.margin:
        return {"en": en + "the model is as good as it was.", "es": es + "el modelo es tan bueno como era."}
    return {"en": en + "no proof that it became worse.", "es": es + "no hay prueba de que haya empeorado."}


def too_few_predictions(found: int, needed: int) -> Words:
    """Say that the window is too small for any conclusion."""
    so_far, least = numbers(found), numbers(needed)
    return {
        "en": f"{so_far[0]} of at least {least[0]} predictions so far: nothing is concluded about drift.",
        "es": f"{so_far[1]} de al menos {least[1]} predicciones hasta ahora: no se concluye nada sobre la deriva.",
    }


def too_few_truths(found: int, needed: int) -> Words:
    """Say that too few truths came for a verdict on performance."""
    so_far, least = numbers(found), numbers(needed)
    return {
        "en": f"{so_far[0]} of at least {least[0]} truths so far: nothing is concluded about performance.",
        "es": f"{so_far[1]} de al menos {least[1]} resultados reales hasta ahora: no se concluye nada sobre el "
        "rendimiento.",
    }


def missing_partition(
    column: str,
    labels: Sequence[str],
    *,
    since: datetime,
    missing: tuple[float, float],
    others: tuple[float, float],
    verdict: Literal["fault", "moved", "faded", "unsure"],
) -> Words:
    """Say which values no row has any more, since when, and what is known of where their rows are.

    Parameters
    ----------
    missing
        Rows that they have in such a stretch, and half of the 95 % prediction interval.
    others
        The other rows in such a stretch, and now.
    """
    day = f"{since:%Y-%m-%d %H:%M} UTC"
    n, more = numbers(round(missing[0])), numbers(round(missing[1]))
    (was, era), (is_, es_) = numbers(round(others[0])), numbers(round(others[1]))
    about = f"about {n[0]} are missing (± {more[0]})", f"faltan unas {n[1]} (± {more[1]})"
    names, n_more = [f"`{label}`" for label in labels[:MOST_LABELS]], max(0, len(labels) - MOST_LABELS)
    en = f"No row has had {listed(names, 'en', n_more=n_more)} in `{column}` since {day}"
    es = f"Ninguna fila ha tenido {listed(names, 'es', n_more=n_more)} en `{column}` desde el {day}"
    if verdict == "fault":
        return {
            "en": f"{en}, and the other rows keep their rate ({is_}; usually {was}): {about[0]}. A feed seems to have "
            "stopped.",
            "es": f"{es}, y las demás mantienen su ritmo ({es_}; lo normal son {era}): {about[1]}. Parece que se cortó "
            "una fuente de datos.",
        }
    usual = f" The others are {is_}; usually {was}.", f" Las demás son {es_}; lo normal son {era}."
    if verdict == "moved":
        return {
            "en": f"{en}, and the other rows have become more in its place: the population changed.{usual[0]}",
            "es": f"{es}, y las demás han aumentado en su lugar: la población ha cambiado.{usual[1]}",
        }
    if verdict == "faded":
        return {
            "en": f"{en}; it had become rare before, so this is no feed that broke off.{usual[0]}",
            "es": f"{es}; antes ya escaseaba, así que no es una fuente que se cortara de golpe.{usual[1]}",
        }
    return {
        "en": f"{en}. Whether a feed stopped or the population changed cannot be told yet.{usual[0]}",
        "es": f"{es}. Todavía no se puede saber si se cortó una fuente o cambió la población.{usual[1]}",
    }
