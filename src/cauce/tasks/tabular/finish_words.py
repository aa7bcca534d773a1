"""What finishing a model came to, in English and Spanish, for people who do not write programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cauce.core.artefacts import Finish, Words
from cauce.core.figures import number, numbers, percents
from cauce.core.finishing import Calibration, ClassDecision, Intervals

METHODS = {
    "temperature": ("one factor for all", "un factor para todas"),
    "sigmoid": ("a curve of two parameters", "una curva de dos parámetros"),
    "isotonic": ("steps that only rise", "escalones que solo suben"),
}
AIMS = {
    "costs": ("the stated costs of errors", "los costes de los errores indicados"),
    "accuracy": ("the share of right answers", "la proporción de aciertos"),
    "balanced_accuracy": ("the mean of the classes' shares of right answers", "la media de aciertos por clase"),
    "f1": ("F1", "F1"),
    "mcc": ("the correlation of answer and truth (MCC)", "la correlación de respuesta y realidad (MCC)"),
}


def told(finish: Finish) -> Finish:
    """Return the record with its sentences."""
    return replace(finish, words=tuple(_sentences(finish)))


def _sentences(finish: Finish) -> Iterator[Words]:
    if finish.calibration is not None:
        yield _calibration(finish.calibration)
    if finish.decision is not None:
        yield _decision(finish.decision)
    if finish.intervals is not None:
        yield _intervals(finish.intervals)


def _calibration(found: Calibration) -> Words:
    before, after = percents(found.before.value), percents(found.after.value)
    low, high = percents(found.before.lower), percents(found.before.upper)
    if found.method == "none":
        return {
            "en": f"Probabilities lie {before[0]} from what comes true on average (interval: {low[0]} to {high[0]}); "
            "no repair was proven to help.",
            "es": f"Las probabilidades se apartan de media un {before[1]} de lo que ocurre (intervalo: de {low[1]} a "
            f"{high[1]}); no se probó que corregirlas ayude.",
        }
    how = METHODS[found.method]
    return {
        "en": f"Probabilities lay {before[0]} from what comes true on average (interval: {low[0]} to {high[0]}); they "
        f"are repaired by {how[0]}, and lie {after[0]} from it.",
        "es": f"Las probabilidades se apartaban de media un {before[1]} de lo que ocurre (intervalo: de {low[1]} a "
        f"{high[1]}); se corrigen con {how[1]}, y se apartan un {after[1]}.",
    }


def _decision(found: ClassDecision) -> Words:
    aim = AIMS[found.aim]
    sign = -1 if found.aim == "costs" else 1  # costs are scored below zero
    before, after = numbers(sign * found.before), numbers(sign * found.after)
    if not found.adopted:
        return {
            "en": f"The likeliest class is said: no other threshold was proven better for {aim[0]} ({before[0]}).",
            "es": f"Se dice la clase más probable: no se probó que otro umbral sea mejor para {aim[1]} ({before[1]}).",
        }
    weights = {
        language: ", ".join(f"{name}: {number(value, language)}" for name, value in found.weights.items())
        for language in ("en", "es")
    }
    return {
        "en": f"Classes are decided on for {aim[0]}: the largest of probability × weight ({weights['en']}). On rows "
        f"that did not choose the weights that gives {after[0]} in place of {before[0]}.",
        "es": f"La clase se decide según {aim[1]}: la mayor de probabilidad × peso ({weights['es']}). En filas que "
        f"no eligieron los pesos da {after[1]} en vez de {before[1]}.",
    }


def _intervals(found: Intervals) -> Words:
    nominal, coverage = percents(found.nominal), percents(found.coverage)
    low, high = percents(min(found.thirds)), percents(max(found.thirds))
    width = numbers(found.mean_width)
    kind = {
        "adaptive": ("are wider where errors are large", "son más anchos donde los errores son grandes"),
        "constant": ("are all of one width", "son todos de la misma anchura"),
    }[found.method]
    return {
        "en": f"Intervals {kind[0]} ({width[0]} wide on average). On unseen rows they hold the truth in {coverage[0]} "
        f"of cases, for low, middle and high predictions in {low[0]} to {high[0]}; {nominal[0]} are aimed at.",
        "es": f"Los intervalos {kind[1]} ({width[1]} de media). En filas no vistas contienen el valor real en "
        f"el {coverage[1]} de los casos; entre predicciones bajas, medias y altas, del {low[1]} al {high[1]}; se busca "
        f"el {nominal[1]}.",
    }
