"""A comparison of champion and challenger in one sentence."""

from __future__ import annotations

from cauce.core.artefacts import Comparison
from cauce.core.figures import losses, numbers, percents


def compared(found: Comparison, champion: int, challenger: int, *, same: bool = True) -> tuple[str, str]:
    """Say both mean losses and the interval of their difference, in English and Spanish.

    Parameters
    ----------
    same
        Whether both were judged on the same units; else each on its own.
    """
    counted, sure = numbers(found.n_units), percents(found.confidence)
    new, old = (losses(mean, squared=found.squared) for mean in (found.mean_candidate, found.mean_reference))
    low, high = numbers(found.lower), numbers(found.upper)
    en, es = (
        (f"On the same {counted[0]} units", f"Sobre las mismas {counted[1]} unidades")
        if same
        else (f"Over {counted[0]} units, each met by one of the two", f"En {counted[1]} unidades, cada una con uno")
    )
    english = (
        f"{en}, version {challenger} has a mean loss of {new[0]} and version {champion} one of {old[0]} (difference "
        f"between {low[0]} and {high[0]}, {sure[0]} interval)."
    )
    spanish = (
        f"{es}, la versión {challenger} tiene una pérdida media de {new[1]} y la versión {champion}, de {old[1]} "
        f"(diferencia entre {low[1]} y {high[1]}, intervalo del {sure[1]})."
    )
    return english, spanish
