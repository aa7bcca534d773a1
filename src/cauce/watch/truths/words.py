"""The sentences about estimates, late truths and segments, in English and Spanish. Nothing is concluded here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cauce.core.artefacts import Estimate, ExpectedFigure, LabelsSeen, SegmentFigure, Words
from cauce.core.figures import duration, in_units, listed, losses, numbers, percents

FIGURES = {
    "roc_auc": ("ROC-AUC", "ROC-AUC"),
    "log_loss": ("mean log loss", "pérdida logarítmica media"),
    "zero_one": ("share of wrong answers", "proporción de errores"),
    "accuracy": ("share of right answers", "proporción de aciertos"),
    "f1": ("F1", "F1"),
    "rmse": ("root mean squared error", "raíz del error cuadrático medio"),
    "mae": ("mean absolute error", "error absoluto medio"),
}
"""Figure → its name in English and Spanish."""


def figure(name: str) -> tuple[str, str]:
    """Name a figure in English and Spanish."""
    return FIGURES.get(name, (name, name))


def estimate(found: Estimate, loss_figure: str, loss: ExpectedFigure, *, alarming: bool) -> Words:
    """Say what performance is to be expected of rows whose truths have not come."""
    said = [(found.metric, found.value, found.lower, found.upper, found.reference)]
    if found.metric != loss_figure:
        said.append((loss_figure, loss.value, loss.lower, loss.upper, loss.reference))
    english, spanish = [], []
    for name, *values in said:
        name, shown = in_units(name, values)
        (title, titulo), told = figure(name), [numbers(value) for value in shown]
        value, low, high, before = (one[0] for one in told)
        english.append(f"{title} {value} (between {low} and {high}; at training {before})")
        value, low, high, before = (one[1] for one in told)
        spanish.append(f"{titulo} {value} (entre {low} y {high}; en el entrenamiento {before})")
    n = numbers(found.n_rows)
    en = f"Expected of {n[0]} predictions before their truths are known: {'; '.join(english)}."
    es = f"Antes de conocer los resultados reales, de {n[1]} predicciones se espera: {'; '.join(spanish)}."
    if found.reliable is False:
        en += " Not reliable: earlier estimates did not come true."
        es += " No es fiable: las estimaciones anteriores no se cumplieron."
    elif alarming:
        en += " The rows that come now are harder: the model is expected to be worse."
        es += " Las filas que llegan ahora son más difíciles: se espera que el modelo sea peor."
    elif found.reliable is None:
        en += " No truths yet by which to judge the estimate."
        es += " Aún no hay resultados reales con los que juzgar la estimación."
    return {"en": en, "es": es}


def judged(
    name: str,
    realised: float,
    expected: float,
    n_batch: int,
    distance: float,
    n_judged: int,
    *,
    failed: bool,
    better: bool,
) -> Words:
    """Say whether what was estimated came true, in which direction it did not, and what that means."""
    shown, values = in_units(name, (realised, expected))
    (title, titulo), n, total = figure(shown), numbers(n_batch), numbers(n_judged)
    (came, wanted), apart = map(numbers, values), numbers(abs(distance))
    off, desvío = f"off by {apart[0]}", f"desviación de {apart[1]}"
    if shown != name:  # of a difference of squares there is no root
        off, desvío = f"its square {off}", f"{desvío} en el cuadrado"
    en = f"Of the newest {n[0]} truths, the {title} is {came[0]}; {wanted[0]} had been expected of the same rows."
    es = f"De los últimos {n[1]} resultados reales, {titulo}: {came[1]}; de las mismas filas se esperaba {wanted[1]}."
    if not failed:
        en += f" The estimates have held over {total[0]} truths."
        es += f" Las estimaciones se han cumplido en {total[1]} resultados reales."
        return {"en": en, "es": es}
    how, cómo = ("better", "mejor") if better else ("worse", "peor")
    en += (
        f" The model did {how} than chance and earlier truths allow ({off} when it was found): the estimate is not "
        "reliable. The likely reason is concept drift, the same inputs have come to mean something else; truths that "
        "come selectively or wrong look alike."
    )
    es += (
        f" Al modelo le fue {cómo} de lo que permiten el azar y los resultados anteriores ({desvío} cuando se vio): la "
        "estimación no es fiable. La causa probable es una deriva de concepto: las mismas entradas han pasado a "
        "significar otra cosa; los resultados reales que llegan de forma selectiva o equivocados se ven igual."
    )
    return {"en": en, "es": es}


def rose(since: datetime, before: float, after: float, *, squared: bool = False) -> Words:
    """Say since when losses are higher, and how high they were and are: joins the sentence about performance.

    Examples
    --------
    >>> from datetime import UTC
    >>> rose(datetime(2026, 3, 1, 14, 20, tzinfo=UTC), 0.31, 0.62)["en"]
    ' Losses rose at about 2026-03-01 14:20 UTC: from 0.31 to 0.62.'
    """
    was, is_ = losses(before, squared=squared), losses(after, squared=squared)
    at = f"{since:%Y-%m-%d %H:%M} UTC"
    return {
        "en": f" Losses rose at about {at}: from {was[0]} to {is_[0]}.",
        "es": f" Las pérdidas subieron hacia {at}: de {was[1]} a {is_[1]}.",
    }


def labels(selected: Sequence[str], seen: LabelsSeen, realised: float | None, *, squared: bool) -> Words:
    """Say how far truths have come, and of which rows."""
    if not seen.n_predictions:
        return {
            "en": "No predictions yet, so no truths either.",
            "es": "Aún no hay predicciones, así que tampoco resultados reales.",
        }
    came, predictions, share = numbers(seen.n_truths), numbers(seen.n_predictions), percents(seen.coverage)
    en = f"{came[0]} of {predictions[0]} predictions of the window have their truth ({share[0]})."
    es = f"{came[1]} de {predictions[1]} predicciones de la ventana tienen su resultado real ({share[1]})."
    if seen.lag_median_s is not None and seen.lag_90_s is not None and seen.final_coverage is not None:
        middle, slow, final = duration(seen.lag_median_s), duration(seen.lag_90_s), percents(seen.final_coverage)
        en += f" Half of the truths come within {middle[0]}, nine of ten within {slow[0]}; in the end {final[0]} come."
        es += f" La mitad llega en {middle[1]}, nueve de cada diez en {slow[1]}; al final llega el {final[1]}."
    if not seen.complete:
        closed = numbers(seen.n_closed)
        en += f" The window is not complete: performance rests on {closed[0]} predictions that are old enough."
        es += (
            f" La ventana no está completa: el rendimiento se apoya en {closed[1]} predicciones con antigüedad "
            "suficiente."
        )
    if selected:
        named = [f"`{name}`" for name in selected]
        en += f" Truths come selectively: rows with and without them differ in {listed(named[:3], 'en')}, so"
        en += " realised performance may be biased."
        es += " Los resultados reales llegan de forma selectiva: las filas con y sin ellos difieren en"
        es += f" {listed(named[:3], 'es')}, así que el rendimiento real puede estar sesgado."
        if seen.corrected_loss is not None and realised is not None:
            loss, raw = (losses(one, squared=squared) for one in (seen.corrected_loss, realised))
            en += f" Weighed to resemble all rows, the mean loss is {loss[0]} instead of {raw[0]}."
            es += f" Ponderada para parecerse a todas las filas, la pérdida media es {loss[1]} en lugar de {raw[1]}."
    return {"en": en, "es": es}


def segments(alarming: Sequence[SegmentFigure], worst: SegmentFigure, n_compared: int, *, squared: bool) -> Words:
    """Say for which segments the model has become worse."""
    compared = numbers(n_compared)
    if not alarming:
        return {
            "en": f"In none of {compared[0]} segments has the model certainly become worse than it was there.",
            "es": f"En ninguno de {compared[1]} segmentos es seguro que el modelo haya empeorado respecto a antes.",
        }
    now, before = losses(worst.loss, squared=squared), losses(worst.reference or 0.0, squared=squared)
    n = numbers(worst.n_truths)
    low, high = numbers(worst.lower), numbers(worst.upper)
    en = f"The model has become worse where {worst.segment}: mean loss {now[0]} over {n[0]} truths (between {low[0]} "
    en += f"and {high[0]}), {before[0]} at training."
    es = f"El modelo ha empeorado donde {worst.segment}: pérdida media {now[1]} sobre {n[1]} resultados reales (entre "
    es += f"{low[1]} y {high[1]}); en el entrenamiento, {before[1]}."
    if len(alarming) > 1:
        more = numbers(len(alarming) - 1)
        en += f" {more[0]} more of {compared[0]} segments too."
        es += f" También en {more[1]} más de {compared[1]} segmentos."
    return {"en": en, "es": es}
