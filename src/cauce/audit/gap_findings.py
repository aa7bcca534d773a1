"""Gaps between groups as findings: when one warns, when it blocks, what is said of groups too small to be told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cauce.audit.by_group import ByGroup
from cauce.audit.check import AuditContext
from cauce.audit.gap_words import Figure, amount, apart
from cauce.audit.words import named, rows_in, visible
from cauce.core.artefacts import Finding, Words
from cauce.core.figures import Language, number
from cauce.core.specs import Severity
from cauce.evidence.gaps import Compared

Measure = Callable[[ByGroup, int], Compared]
"""Compares the groups of one way of grouping; the number says how many gaps are read together."""
RANK: dict[Severity, int] = {"info": 0, "warn": 1, "block": 2}


@dataclass(frozen=True)
class Asked:
    """What is compared, and against what."""

    code: str
    figure: Figure
    on: Words
    """Which rows: ``"on 20,000 rows set aside"``."""
    threshold: float
    """A gap proven larger warns."""
    limit: float | None = None
    """`max_gap`: a gap proven larger blocks."""
    scale: float = 1.0
    """What a gap is divided by before it is held against a bound: a standard deviation, where means are compared."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One comparison and what is said of it."""

    finding: Finding
    asked: Asked
    told: bool
    """Whether at least two groups have rows enough."""


def findings(context: AuditContext, asked: Asked, groups: Sequence[ByGroup], measure: Measure) -> list[Seen]:
    """Compare the groups of every sensitive column, and of the crossings that show more than their columns do."""
    found: list[Seen] = []
    single: dict[str, tuple[int, float]] = {}
    for rows in groups:
        compared = measure(rows, len(groups))
        seen = Seen(_finding(context, asked, rows, compared), asked, compared.gap.high >= 0)
        rank, value = RANK[seen.finding.severity], compared.gap.value
        if len(rows.columns) == 1:
            single[rows.columns[0]] = rank, value
            found.append(seen)
        elif rank and (
            rank > max(single[column][0] for column in rows.columns)
            or compared.gap.lower > max(single[column][1] for column in rows.columns)
        ):
            found.append(seen)
    return found


def folded(seen: Sequence[Seen]) -> list[Finding]:
    """Return one check's findings: each that warns or blocks, and a single one for all of which nothing is proven."""
    loud = [one.finding for one in seen if one.finding.severity != "info"]
    quiet = [one for one in seen if one.finding.severity == "info"]
    if len(quiet) < 2:
        return [*loud, *(one.finding for one in quiet)]
    largest = max(quiet, key=lambda one: (one.told, one.finding.value or 0.0))
    columns = tuple(dict.fromkeys(column for one in quiet for column in one.finding.columns))
    untold = sum(not one.told for one in quiet)
    message = {language: _folded(largest, columns, len(quiet), untold, language) for language in ("en", "es")}
    return [*loud, replace(largest.finding, columns=columns, message=message)]


def _folded(largest: Seen, columns: Sequence[str], n: int, untold: int, language: Language) -> str:
    asked, by = largest.asked, named(columns, language)
    said = largest.finding.message[language]
    english = language == "en"
    if untold == n:
        if english:
            return f"By {by}, nothing can be told: too few groups with rows enough in {n} comparisons. {said}"
        return f"Según {by} no se puede saber nada: muy pocos grupos con filas suficientes en {n} comparaciones. {said}"
    if asked.limit is not None:
        bound = f"max_gap = {asked.limit:g}"
    elif asked.figure.points:
        bound = f"{number(100 * asked.threshold, language)} {'points' if english else 'puntos'}"
    else:
        bound = f"{number(asked.threshold, language)} {'standard deviations' if english else 'desviaciones típicas'}"
    said = said[0].lower() + said[1:]
    if english:
        few = f" In {untold} of {n} comparisons there are too few rows to tell." if untold else ""
        return f"By {by}, no gap is proven larger than {bound}. The largest of {n}: {said}{few}"
    few = f" En {untold} de {n} comparaciones hay muy pocas filas para saberlo." if untold else ""
    return f"Según {by}, no se ha probado ninguna diferencia mayor que {bound}. La mayor de {n}: {said}{few}"


def _finding(context: AuditContext, asked: Asked, rows: ByGroup, compared: Compared) -> Finding:
    severity, held_against = _severity(asked, compared)
    message = {language: _message(asked, rows, compared, language) for language in ("en", "es")}
    told = compared.gap.high >= 0
    value = round(compared.gap.value / asked.scale, 6) if told else None
    return Finding(
        code=asked.code,
        severity=severity,
        columns=rows.columns,
        n_rows=int(compared.n_rows.sum()),
        message=message,
        why=_WHY[asked.code],
        remedy=_remedy(context, asked, severity, told=told, real=compared.gap.lower > 0),
        value=value,
        threshold=held_against,
        groups=rows.figures(compared),
    )


def _severity(asked: Asked, compared: Compared) -> tuple[Severity, float]:
    gap = compared.gap
    value, lower = gap.value / asked.scale, gap.lower / asked.scale
    if asked.limit is not None:
        return ("block" if lower > asked.limit else "warn" if value > asked.limit else "info"), asked.limit
    return ("warn" if lower > asked.threshold else "info"), asked.threshold


def _message(asked: Asked, rows: ByGroup, compared: Compared, language: Language) -> str:
    gap, figure, on = compared.gap, asked.figure, asked.on[language]
    english = language == "en"
    by = named(rows.columns, language)
    untold = rows.untold(compared, language)
    if gap.high < 0:
        what = figure.en if english else figure.es
        few = f" ({untold})" if untold else ""
        if english:
            return f"Whether {what} differs by {by} cannot be told: too few groups with rows enough{few} {on}."
        return f"No se puede saber si {what} difiere según {by}: muy pocos grupos con filas suficientes{few} {on}."
    high, low = (
        f"{amount(compared.figures[i].value, figure, language)} {'for' if english else 'en'} {visible(rows.names[i])}"
        for i in (gap.high, gap.low)
    )
    upper = "∞" if math.isinf(gap.upper) else apart(gap.upper, figure, language)
    span = (apart(gap.lower, figure, language), upper)
    if english:
        text = f"By {by}, {figure.en} differs by {apart(gap.value, figure, 'en')}: {high}, {low} "
        text += f"(95% interval of the largest gap {span[0]} to {span[1]}; {on})."
    else:
        text = f"Según {by}, {figure.es} difiere en {apart(gap.value, figure, 'es')}: {high}, {low} "
        text += f"(intervalo del 95\u00a0% de la mayor diferencia: de {span[0]} a {span[1]}; {on})."
    return text + _bound(asked, compared, language) + _rest(untold, rows.n_missing, language)


def _bound(asked: Asked, compared: Compared, language: Language) -> str:
    """Say how the gap stands to `max_gap`."""
    if asked.limit is None:
        return ""
    value, lower, upper = (part / asked.scale for part in compared.gap[:3])
    limit = f"max_gap = {asked.limit:g}"
    if lower > asked.limit:
        return f" That is proven larger than {limit}." if language == "en" else f" Se ha probado que supera {limit}."
    if upper <= asked.limit:
        return f" That is proven within {limit}." if language == "en" else f" Se ha probado que respeta {limit}."
    if value > asked.limit:
        if language == "en":
            return f" That is over {limit}, and could still be chance."
        return f" Supera {limit}, aunque todavía podría deberse al azar."
    if language == "en":
        return f" That is within {limit}, which is not proven."
    return f" Respeta {limit}, aunque no está probado."


def _rest(untold: str, n_missing: int, language: Language) -> str:
    """Name the groups and count the rows of which nothing is said."""
    text = ""
    if untold:
        text += f" Cannot be told for {untold}." if language == "en" else f" No se puede saber para {untold}."
    if n_missing:
        n = rows_in(n_missing, language)
        text += f" Without a value, so in no group: {n}." if language == "en" else f" Sin valor ni grupo: {n}."
    return text


def _remedy(context: AuditContext, asked: Asked, severity: Severity, *, told: bool, real: bool) -> Words:
    model = context.model_name or "NAME"
    if not told:
        return {
            "en": "Gather more rows of the smaller groups, or join groups that may be judged together.",
            "es": "Reúne más filas de los grupos pequeños, o une los que puedan juzgarse juntos.",
        }
    if asked.code != "model_gap":
        if not real:
            return _UNPROVEN
        return {language: text.replace("NAME", model) for language, text in _REMEDY[asked.code].items()}
    spec = context.model
    used = spec.fairness.mitigate if spec else "off"
    section = f"[models.{model}.fairness]"
    if spec is not None and spec.task != "classify":
        return {
            "en": "Ask whether the columns that stand for the group belong into the model; gaps of numbers are "
            "measured, not mitigated.",
            "es": "Pregunta si las columnas que representan al grupo deben estar en el modelo; las diferencias de "
            "números se miden, no se corrigen.",
        }
    if severity == "info":
        return {
            "en": f"Nothing has to be done. max_gap in {section} makes a larger gap block.",
            "es": f"No hay que hacer nada. max_gap en {section} hace que una diferencia mayor bloquee.",
        }
    if used == "off":
        return {
            "en": f"Run `cauce fairness {model}`: it shows what closing the gap costs. Then set mitigate in {section} "
            '("reweigh", "thresholds" or, with two classes, "reductions").',
            "es": f"Ejecuta `cauce fairness {model}`: muestra lo que cuesta cerrar la diferencia. Después pon mitigate "
            f'en {section} ("reweigh", "thresholds" o, con dos clases, "reductions").',
        }
    return {
        "en": f'mitigate = "{used}" does not suffice. `cauce fairness {model}` shows the others; set mitigate and '
        f"strength in {section}.",
        "es": f'mitigate = "{used}" no basta. `cauce fairness {model}` muestra las demás; cambia mitigate y strength '
        f"en {section}.",
    }


_WHY: dict[str, Words] = {
    "outcome_gap": {
        "en": "A model learns the past: what one group was given less often, it will be predicted less often.",
        "es": "Un modelo aprende el pasado: lo que un grupo recibió menos veces se le predecirá menos veces.",
    },
    "model_gap": {
        "en": "Whoever belongs to the group on the wrong side bears it in every decision that follows the model.",
        "es": "Quien pertenece al grupo perjudicado lo sufre en cada decisión que siga al modelo.",
    },
    "error_gap": {
        "en": "A model that is right on average may be wrong mostly about one group.",
        "es": "Un modelo que acierta en promedio puede fallar sobre todo con un grupo.",
    },
    "calibration_gap": {
        "en": "The same probability then means different things for different groups, and one threshold treats them "
        "unlike.",
        "es": "La misma probabilidad significa entonces cosas distintas según el grupo, y un mismo umbral los trata de "
        "forma desigual.",
    },
}
_UNPROVEN: Words = {
    "en": "Nothing has to be done on this evidence. More rows of the smaller groups would tell more.",
    "es": "Con estos datos no hay que hacer nada. Con más filas de los grupos pequeños se sabría más.",
}
_REMEDY: dict[str, Words] = {
    "outcome_gap": {
        "en": "Ask where the difference comes from before a model repeats it. max_gap in [models.NAME.fairness] says "
        "how large a gap of the model may be.",
        "es": "Pregunta de dónde viene la diferencia antes de que un modelo la repita. max_gap en "
        "[models.NAME.fairness] dice cuánto puede diferir el modelo.",
    },
    "error_gap": {
        "en": "Look for columns that describe the worse served group poorly, and gather more of its rows; or set "
        "metric and max_gap in [models.NAME.fairness].",
        "es": "Busca columnas que describan mal al grupo peor servido y reúne más filas suyas; o pon metric y max_gap "
        "en [models.NAME.fairness].",
    },
    "calibration_gap": {
        "en": "Do not read the probability alone as a risk for the groups named; a column that tells them apart may "
        "mend it.",
        "es": "No leas la probabilidad por sí sola como un riesgo en los grupos citados; una columna que los "
        "distinga puede corregirlo.",
    },
}
