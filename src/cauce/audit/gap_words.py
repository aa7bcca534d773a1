"""What is said of a gap between groups, in English and Spanish."""

from __future__ import annotations

from typing import NamedTuple

from cauce.audit.words import visible
from cauce.core.figures import Language, figures, number


class Figure(NamedTuple):
    """What is compared between groups."""

    en: str
    """Begins a sentence within: ``"the share predicted 'yes'"``."""
    es: str
    points: bool = True
    """Whether it is a share, whose differences are percentage points."""


def of_figure(kind: str, favoured: str) -> Figure:
    """Return what a figure is called.

    Examples
    --------
    >>> of_figure("demographic_parity", "yes").en
    "the share predicted 'yes'"
    """
    en, es = f"'{visible(favoured)}'", f"«{visible(favoured)}»"
    known = {
        "outcome": (f"the share of {en}", f"la proporción de {es}"),
        "demographic_parity": (f"the share predicted {en}", f"la proporción con predicción {es}"),
        "equal_opportunity": (
            f"the share of true {en} that is found",
            f"la proporción de {es} reales que se detecta",
        ),
        "equalized_odds": (
            f"the share predicted {en}, among those who are or among those who are not,",
            f"la proporción con predicción {es}, entre quienes lo son o entre quienes no,",
        ),
        "error_rate": ("the share of wrong predictions", "la proporción de predicciones erróneas"),
        "false_positive_rate": (
            f"the share of others wrongly predicted {en}",
            f"la proporción de los demás con predicción {es} por error",
        ),
        "false_negative_rate": (
            f"the share of true {en} that is missed",
            f"la proporción de {es} reales que no se detecta",
        ),
        "calibration": (
            f"the predicted probability of {en} minus what came",
            f"la probabilidad predicha de {es} menos lo ocurrido",
        ),
        "mean_outcome": ("the mean target", "la media del objetivo"),
        "mean_prediction": ("the mean prediction", "la media de las predicciones"),
        "mean_error": ("the mean of prediction minus truth", "la media de la predicción menos el valor real"),
        "absolute_error": ("the mean absolute error", "el error absoluto medio"),
    }
    return Figure(*known[kind], points=not kind.startswith(("mean", "absolute")))


def amount(value: float, figure: Figure, language: Language) -> str:
    """Write a group's figure: a percentage to a tenth, or a number.

    Examples
    --------
    >>> amount(0.009, of_figure("calibration", "x"), "en"), amount(-0.0223, of_figure("calibration", "x"), "en")
    ('0.9%', '−2.2%')
    """
    if not figure.points:
        return number(float(value), language)
    tenths = f"{abs(value) * 100:.1f}"
    return ("−" if value < 0 and float(tenths) else "") + figures(f"{tenths}%", language)


def apart(value: float, figure: Figure, language: Language) -> str:
    """Write a difference: percentage points, or a number.

    Examples
    --------
    >>> apart(0.1834, of_figure("outcome", "x"), "en"), apart(0.1834, of_figure("outcome", "x"), "es")
    ('18.3 points', '18,3 puntos')
    """
    if not figure.points:
        return number(float(value), language)
    points = figures(f"{value * 100:.1f}", language)
    return f"{points} {'points' if language == 'en' else 'puntos'}"
