"""The reason of a choice as one paragraph, in English and Spanish, for people who do not write programs.

Every number in it is a field of the Choice, rounded; nothing is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from cauce.core.artefacts import Choice, Comparison, Rung, Words
from cauce.core.figures import Language, number, percent
from cauce.evidence import WIDEST

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "chosen": "Chosen: “{title}”. Its mean loss ({loss}) is {mean}{root} over {units}, each judged by a model that "
        "had not seen it, in {folds}.",
        "root": " (its root, in the target's own unit: {root})",
        "matters": "A gap smaller than {margin} of the lowest loss ({absolute}) does not matter.",
        "units_needed": "To find a gap of twice that in nine of ten tries takes about {needed} units.",
        "lowest": "No candidate has a lower loss.",
        "only": "It is the only candidate that was tried to the end.",
        "gap": "The lowest loss is that of “{title}”, {mean}: a gap of {difference} ({confidence} interval: {lower} to "
        "{upper}).",
        "gap_unknown": "The lowest loss is that of “{title}”, {mean}: a gap of {difference}. How certain it is cannot "
        "be told, because the units are too few or all of one group; so the simpler candidate is kept.",
        "equivalent": "That is proven to be less than what matters, so the simpler candidate is kept.",
        "small": "The gap is real but less than what matters, so the simpler candidate is kept.",
        "unproven": "That does not prove a gap, so the simpler candidate is kept.",
        "too_few": "That does not prove a gap, and the units are too few to tell: the smallest gap that they can prove "
        "is {provable}. The simpler candidate is kept.",
        "worse_than_best": "The candidate “{title}” is simpler but worse: its loss is {mean}, {difference} above "
        "the lowest ({confidence} interval: {lower} to {upper}).",
        "more_complex": "The candidate “{title}” ({mean}) is more complex and not shown to be better.",
        "complex_and_worse": "The candidate “{title}” ({mean}) is more complex and worse.",
        "budget": "The candidate “{title}” was left out: the time for choosing was used up{because}.",
        "not_allowed": "The candidate “{title}” was left out: the project's file does not allow it.",
        "not_interpretable": "The candidate “{title}” was left out: its predictions cannot be read from a table or a "
        "curve per column.",
        "too_slow": "The candidate “{title}” ({mean}) may not be chosen: one row takes {note}.",
        "too_large": "The candidate “{title}” ({mean}) may not be chosen: it takes {note}.",
        "tuned": "Its settings are the best of {trials} tries.",
        "interrupted": "The candidate “{title}” was left out: the search was interrupted.",
        "missing_extra": "The candidate “{title}” was left out: a library is missing ({note}).",
        "not_applicable": "The candidate “{title}” was left out: {note}.",
        "failed": "The candidate “{title}” was left out: it could not be fitted ({note}).",
        "unit": "unit",
        "units": "units",
        "fold": "round",
        "folds": "rounds",
        "log": "log loss",
        "zero_one": "share of wrong answers",
        "squared": "squared error",
        "absolute": "absolute error",
    },
    "es": {
        "chosen": "Elegido: «{title}». Su pérdida media ({loss}) es de {mean}{root} en {units}, cada una juzgada por "
        "un modelo que no la había visto, en {folds}.",
        "root": " (su raíz, en la unidad del objetivo: {root})",
        "matters": "Una diferencia menor que el {margin} de la pérdida más baja ({absolute}) no importa.",
        "units_needed": "Para encontrar el doble de esa diferencia en nueve de cada diez intentos hacen falta unas "
        "{needed} unidades.",
        "lowest": "Ningún candidato tiene una pérdida menor.",
        "only": "Es el único candidato que se pudo probar hasta el final.",
        "gap": "La pérdida más baja es de {mean}, la de «{title}»: una diferencia de {difference} (intervalo del "
        "{confidence}: de {lower} a {upper}).",
        "gap_unknown": "La pérdida más baja es de {mean}, la de «{title}»: una diferencia de {difference}. No se puede "
        "saber hasta qué punto es segura, porque las unidades son muy pocas o todas del mismo grupo; por eso se "
        "mantiene el candidato más sencillo.",
        "equivalent": "Está probado que es menor que lo que importa; por eso se mantiene el candidato más sencillo.",
        "small": "La diferencia es real, pero menor que lo que importa; por eso se mantiene el candidato más sencillo.",
        "unproven": "Eso no prueba que haya diferencia; por eso se mantiene el candidato más sencillo.",
        "too_few": "Eso no prueba que haya diferencia, y las unidades son muy pocas para saberlo: la menor diferencia "
        "que pueden probar es de {provable}. Se mantiene el candidato más sencillo.",
        "worse_than_best": "El candidato «{title}» es más sencillo, pero peor: su pérdida de {mean} supera en "
        "{difference} a la más baja (intervalo del {confidence}: de {lower} a {upper}).",
        "more_complex": "El candidato «{title}» ({mean}) es más complejo y no se ha demostrado que sea mejor.",
        "complex_and_worse": "El candidato «{title}» ({mean}) es más complejo y peor.",
        "budget": "El candidato «{title}» queda fuera: se agotó el tiempo previsto para elegir{because}.",
        "not_allowed": "El candidato «{title}» queda fuera: el archivo del proyecto no lo permite.",
        "not_interpretable": "El candidato «{title}» queda fuera: sus predicciones no se pueden leer en una tabla o en "
        "una curva por columna.",
        "too_slow": "El candidato «{title}» ({mean}) no se puede elegir: una fila tarda {note}.",
        "too_large": "El candidato «{title}» ({mean}) no se puede elegir: ocupa {note}.",
        "tuned": "Sus ajustes son los mejores de {trials} intentos.",
        "interrupted": "El candidato «{title}» queda fuera: se interrumpió la búsqueda.",
        "missing_extra": "El candidato «{title}» queda fuera: falta una biblioteca ({note}).",
        "not_applicable": "El candidato «{title}» queda fuera: {note}.",
        "failed": "El candidato «{title}» queda fuera: no se pudo ajustar ({note}).",
        "unit": "unidad",
        "units": "unidades",
        "fold": "ronda",
        "folds": "rondas",
        "log": "logarítmica",
        "zero_one": "proporción de errores",
        "squared": "error cuadrático",
        "absolute": "error absoluto",
    },
}


def write_reason(choice: Choice) -> Words:
    """Return the paragraph in every language.

    Parameters
    ----------
    choice
        Complete but for its `reason`.
    """
    languages: tuple[Language, ...] = ("en", "es")
    return {language: " ".join(_sentences(choice, language)) for language in languages}


def _sentences(choice: Choice, language: Language) -> Iterator[str]:
    texts = TEXTS[language]
    by_name = {rung.name: rung for rung in choice.rungs}
    chosen = by_name[choice.chosen]
    yield texts["chosen"].format(
        **_said(chosen, language),
        loss=texts.get(choice.loss, choice.loss),
        root=_root(choice.loss, chosen.mean_loss, language),
        units=_counted(choice.n_units, "unit", language),
        folds=_counted(choice.n_folds, "fold", language),
    )
    compared = [rung.against_best for rung in choice.rungs if rung.against_best is not None]
    if compared:
        margin = percent(choice.margin, language)
        yield texts["matters"].format(margin=margin, absolute=number(compared[0].margin, language))
        needed = choice.units_for_twice_margin
        if needed is not None and needed > choice.n_units:
            yield texts["units_needed"].format(needed=number(needed, language))
    if chosen.against_best is not None:
        yield from _gap(chosen, by_name[choice.best], chosen.against_best, language)
    else:
        yield texts["lowest" if compared else "only"]
    if chosen.n_trials:
        yield texts["tuned"].format(trials=number(chosen.n_trials, language))
    for rung in choice.rungs:
        if rung.name not in {choice.chosen, choice.best}:
            note = _in(rung.note, language).rstrip(". ") if rung.note else ""
            because = f" ({note})" if note else ""
            yield texts[_what(rung, choice)].format(**_said(rung, language), note=note, because=because)


def _what(rung: Rung, choice: Choice) -> str:
    """Return the sentence for a rung that is neither the chosen nor the best."""
    found = rung.against_best
    known_worse = choice.chosen == choice.best and found is not None and found.lower > 0
    return "complex_and_worse" if known_worse and rung.why == "more_complex" else rung.why


def _gap(chosen: Rung, best: Rung, found: Comparison, language: Language) -> Iterator[str]:
    """Say why a rung was taken that is not the one with the lowest loss."""
    texts = TEXTS[language]
    said = {**_said(chosen, language), **_said(best, language)}
    if found.provable >= WIDEST:
        yield texts["gap_unknown"].format(**said)
        return
    yield texts["gap"].format(**said)
    if found.verdict == "equivalent":
        yield texts["equivalent"]
    elif found.lower > 0:
        yield texts["small"]
    else:
        few = found.provable > found.margin
        yield texts["too_few" if few else "unproven"].format(provable=number(found.provable, language))


def _said(rung: Rung, language: Language) -> dict[str, str]:
    """Return a rung's title and numbers as text."""
    said = {"title": _in(rung.title, language)}
    if rung.mean_loss is not None:
        said["mean"] = number(rung.mean_loss, language, digits=4)
    found = rung.against_best
    if found is not None:
        said["confidence"] = percent(found.confidence, language)
        for name, value in (("difference", found.difference), ("lower", found.lower), ("upper", found.upper)):
            said[name] = number(value, language)
    return said


def _root(loss: str, mean: float | None, language: Language) -> str:
    """Give a mean of squares in a unit that people know."""
    if loss != "squared" or mean is None:
        return ""
    return TEXTS[language]["root"].format(root=number(math.sqrt(mean), language))


def _in(words: Words, language: Language) -> str:
    return words.get(language, words["en"])


def _counted(count: int, of: str, language: Language) -> str:
    return f"{number(count, language)} {TEXTS[language][of if count == 1 else of + 's']}"
