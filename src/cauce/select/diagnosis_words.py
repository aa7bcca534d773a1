"""A diagnosis in English and Spanish: a sentence or two for each condition, and all as one paragraph.

Every number in them is a field of the Diagnosis, rounded; nothing is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from cauce.core.artefacts import Condition, Diagnosis, Remedy, Words
from cauce.core.figures import Language, listed, number, percent
from cauce.core.spaces import Value

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "overfit": "Overfit: it knows its rows by heart. Its loss is {seen} on rows that it learnt from and {loss} on "
        "new ones.",
        "underfit": "Underfit: it has too little freedom. Its loss is {loss} on new rows and {seen} even on those that "
        "it learnt from{prior}.",
        "prior": " (without looking at any column it would be {prior})",
        "adopted": "With {settings} it is lower by {difference} ({confidence} interval: {lower} to {upper}); so these "
        "settings are used.",
        "other_rung": "The candidate “{title}” has a loss lower by {difference} ({confidence} interval: {lower} to "
        "{upper}).",
        "more_data": "More rows would help: with twice the {n} that each model learnt from, the loss would fall by "
        "about {gain}, {share} of it ({confidence} interval: {share_lower} to {share_upper}).",
        "noise_ceiling": "Little is left to win: twice the rows {brings} of the loss ({confidence} "
        "interval: {share_lower} to {share_upper}), and more freedom brings nothing. What is left, {left}, "
        "lies in the labels, or in what these columns do not tell.",
        "expected": "{expected} by its own probabilities and {loss} as measured",
        "floor": "about {floor} of {loss}",
        "well_fitted": "Well fitted: its loss is {loss} on new rows and {seen} on those that it learnt from, and twice "
        "the rows {brings} of it ({confidence} interval: {share_lower} to {share_upper}).",
        "perfect": "Well fitted: it makes no error on new rows.",
        "few": "{rows} rows are too few to tell what the model lacks; it takes {fewest}.",
        "time": "The time was used up before it could be told what the model lacks.",
        "interrupted": "The diagnosis was interrupted before it could be told what the model lacks.",
        "wide": "What the model lacks cannot be told from these rows: twice as many {brings} of the loss, "
        "but that is known to no more than {share_lower} to {share_upper} ({confidence} interval).",
        "no_curve": "What the model lacks cannot be told: it cannot be fitted to parts of these rows.",
        "tried_overfit": "Settings that bind it more ({settings}) were tried and are not proven better: the loss "
        "changes by {change} ({confidence} interval: {change_lower} to {change_upper}).",
        "tried_underfit": "Settings that give it more freedom ({settings}) were tried and are not proven better: the "
        "loss changes by {change} ({confidence} interval: {change_lower} to {change_upper}).",
        "failed": "Other settings ({settings}) were tried and could not be fitted.",
        "cut": "The time ended before everything was tried.",
        "brings": "would bring {share}",
        "brings_nothing": "would bring nothing",
        "true": "true",
        "false": "false",
    },
    "es": {
        "overfit": "Sobreajuste: se sabe sus filas de memoria. Su pérdida es de {seen} en las filas de las que "
        "aprendió y de {loss} en filas nuevas.",
        "underfit": "Subajuste: tiene poca libertad. Su pérdida es de {loss} en filas nuevas y de {seen} incluso en "
        "las filas de las que aprendió{prior}.",
        "prior": " (sin mirar ninguna columna sería de {prior})",
        "adopted": "Con {settings} baja en {difference} (intervalo del {confidence}: de {lower} a {upper}); por eso se "
        "usan esos valores.",
        "other_rung": "La pérdida del candidato «{title}» es menor en {difference} (intervalo del {confidence}: de "
        "{lower} a {upper}).",
        "more_data": "Más filas ayudarían: con el doble de las {n} de las que aprendió cada modelo, la pérdida bajaría "
        "en torno a {gain}, el {share} (intervalo del {confidence}: del {share_lower} al {share_upper}).",
        "noise_ceiling": "Queda poco que ganar: el doble de filas {brings} de la pérdida (intervalo del "
        "{confidence}: del {share_lower} al {share_upper}) y más libertad no aporta nada. Lo que queda, {left}, "
        "está en las etiquetas o en lo que estas columnas no cuentan.",
        "expected": "{expected} según sus propias probabilidades y {loss} según lo medido",
        "floor": "unos {floor} de {loss}",
        "well_fitted": "Bien ajustado: su pérdida es de {loss} en filas nuevas y de {seen} en las filas de las que "
        "aprendió, y el doble de filas {brings} (intervalo del {confidence}: del {share_lower} al "
        "{share_upper}).",
        "perfect": "Bien ajustado: no comete ningún error en filas nuevas.",
        "few": "{rows} filas son muy pocas para saber qué le falta al modelo; hacen falta {fewest}.",
        "time": "El tiempo se agotó antes de que se pudiera saber qué le falta al modelo.",
        "interrupted": "El diagnóstico se interrumpió antes de que se pudiera saber qué le falta al modelo.",
        "wide": "Con estas filas no se puede saber qué le falta al modelo: el doble {brings} de la pérdida, "
        "pero solo se sabe que lo que quitaría está entre el {share_lower} y el {share_upper} (intervalo "
        "del {confidence}).",
        "no_curve": "No se puede saber qué le falta al modelo: no se puede ajustar a partes de estas filas.",
        "tried_overfit": "Se probaron valores que lo atan más ({settings}) y no está probado que sean mejores: la "
        "pérdida cambia en {change} (intervalo del {confidence}: de {change_lower} a {change_upper}).",
        "tried_underfit": "Se probaron valores que le dan más libertad ({settings}) y no está probado que sean "
        "mejores: la pérdida cambia en {change} (intervalo del {confidence}: de {change_lower} a {change_upper}).",
        "failed": "Se probaron otros valores ({settings}) y no se pudieron ajustar.",
        "cut": "El tiempo se acabó antes de probarlo todo.",
        "brings": "quitaría el {share}",
        "brings_nothing": "no quitaría nada",
        "true": "sí",
        "false": "no",
    },
}
LANGUAGES: tuple[Language, ...] = ("en", "es")


def with_words(found: Diagnosis) -> Diagnosis:
    """Return the diagnosis with `words` and `reason`."""
    words: dict[Condition, Words] = {
        condition: {language: " ".join(_of(condition, found, language)) for language in LANGUAGES}
        for condition in found.conditions
    }
    reason: dict[str, str] = {
        language: " ".join([*(text[language] for text in words.values()), *_tried(found, language)])
        for language in LANGUAGES
    }
    return replace(found, words=words, reason=reason)


def _of(condition: Condition, found: Diagnosis, language: Language) -> Iterator[str]:
    texts, said = TEXTS[language], _said(found, language)
    if condition == "unknown":
        yield texts[_unknown(found)].format(**said)
    elif condition == "well_fitted":
        yield texts["well_fitted" if found.gain is not None else "perfect"].format(**said)
    else:
        yield texts[condition].format(**said)
    if condition in {"overfit", "underfit"}:
        proven = [remedy for remedy in found.remedies if remedy.against == condition and remedy.proven]
        remedy = proven[0]
        yield texts["adopted" if remedy.adopted else "other_rung"].format(**_remedy(remedy, language))


def _unknown(found: Diagnosis) -> str:
    if "fewest_rows" in found.thresholds:
        return "few"
    if found.stopped is not None:
        return found.stopped
    return "no_curve" if found.gain is None else "wide"


def _tried(found: Diagnosis, language: Language) -> Iterator[str]:
    """Say what was tried and did not help, and that time was short."""
    for remedy in found.remedies:
        if remedy.rung is None and not remedy.adopted:
            text = "failed" if remedy.comparison is None else f"tried_{remedy.against}"
            yield TEXTS[language][text].format(**_remedy(remedy, language))
    if found.stopped is not None and found.conditions != ("unknown",):
        yield TEXTS[language]["cut"]


def _said(found: Diagnosis, language: Language) -> dict[str, str]:
    texts = TEXTS[language]
    said = {"rows": number(found.n_rows, language), "prior": ""}
    if "fewest_rows" in found.thresholds:
        said["fewest"] = number(int(found.thresholds["fewest_rows"]), language)
    for name, value in (("loss", found.loss), ("seen", found.loss_seen)):
        if value is not None:
            said[name] = number(_rounded(value, found.loss or 0.0), language)
    if found.loss_of_prior is not None:
        said["prior"] = texts["prior"].format(prior=number(found.loss_of_prior, language))
    gain = found.gain
    if gain is not None:
        said |= {"n": number(gain.n_rows, language), "gain": number(_rounded(gain.value, found.loss or 0.0), language)}
        said |= {"floor": number(gain.floor, language), "confidence": percent(gain.confidence, language)}
        shares = {"share": gain.share, "share_lower": gain.share_lower, "share_upper": gain.share_upper}
        said |= {name: percent(round(value, 5) + 0.0, language) for name, value in shares.items()}
        said["brings"] = texts["brings" if round(gain.share, 5) > 0 else "brings_nothing"].format(**said)
        said["left"] = texts["floor"].format(**said)
    if found.expected is not None:  # nearer the truth than the floor: it rests on more than the units' luck
        said["left"] = texts["expected"].format(**said, expected=number(found.expected.loss, language))
    return said


def _remedy(remedy: Remedy, language: Language) -> dict[str, str]:
    settings = [f"{name} = {_value(value, language)}" for name, value in remedy.changes.items()]
    said = {"settings": listed(settings, language), "title": remedy.title.get(language, remedy.rung or "")}
    found = remedy.comparison
    if found is not None:
        said["confidence"] = percent(found.confidence, language)
        figures = {"difference": -found.difference, "lower": -found.upper, "upper": -found.lower}
        figures |= {"change": found.difference, "change_lower": found.lower, "change_upper": found.upper}
        said |= {name: number(_rounded(value, found.mean_reference), language) for name, value in figures.items()}
    return said


def _rounded(value: float, loss: float) -> float:
    """Return a difference of losses without what is less than a ten thousandth of the loss."""
    if not loss:
        return value
    return round(value, 3 - math.floor(math.log10(abs(loss)))) + 0.0


def _value(value: Value, language: Language) -> str:
    if isinstance(value, bool):
        return TEXTS[language]["true" if value else "false"]
    return value if isinstance(value, str) else number(value, language)
