"""The reason of a reduction as one paragraph, in English and Spanish; its numbers are fields of the record, rounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cauce.core.choice import Comparison
from cauce.core.figures import Language, listed, number, percent
from cauce.core.findings import Words
from cauce.core.reduction import Attempt, Reduction
from cauce.evidence import WIDEST

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "kept": "{n_kept} of {n_rows} rows stay ({share}).",
        "all": "All {n_rows} rows stay.",
        "proven": "A model made from them is proven not worse than one made from all rows by more than {margin} of its "
        "loss, with {confidence} confidence: on {units} that neither had seen, the loss is {change}, at most {upper}.",
        "better": "A model made from them is even better than one made from all rows: on {units} that neither had "
        "seen, the loss is {change}, by {upper} at the least, with {confidence} confidence.",
        "least": "The margin asked for, {margin}, is smaller than these units can prove; {tested} was tested in its "
        "place.",
        "families": "That is the least favourable of {n} model families ({family}).",
        "groups": "The same is proven within each group: {groups}.",
        "group": "{group} by {margin}",
        "untested": "Too few units to prove anything: {groups}.",
        "cannot": "On {units} it cannot be proven that a model is not worse by {margin}: two models made from the same "
        "rows, which differ in nothing but chance, already differ so much that {provable} is the smallest margin that "
        "can be proven.{needed}",
        "cannot_any": "On {units} nothing can be proven of a model: they are too few, or all of one group.",
        "needed": " {margin} takes about {n} units.",
        "small_groups": "Within a group a margin of {margin} is asked for, which these have too few units to prove: "
        "{groups}.",
        "group_least": "{group} ({provable} at the least)",
        "more": "More units to judge by would decide it.",
        "accept": "More units to judge by would decide it, or accepting the margin that can be proven.",
        "tried": "Tried: {shares} of the rows.",
        "wide": "With {n_kept} rows ({share}) the loss{where} is {change}, from {lower} to {upper} so far as these "
        "units tell: that neither proves that it stays within {margin} nor that it rises at all.",
        "worse": "With {n_kept} rows ({share}) the loss{where} is {change} (from {lower} to {upper}), which is not "
        "proven to lie within the {margin} that is allowed.",
        "where": " of {family}",
        "where_group": " of {family} within {group}",
        "higher": "{figure} higher",
        "lower": "{figure} lower",
        "equal": "the same",
        "unit": "unit",
        "units": "units",
    },
    "es": {
        "kept": "Se conservan {n_kept} de {n_rows} filas ({share}).",
        "all": "Se conservan las {n_rows} filas.",
        "proven": "Está probado, con una confianza del {confidence}, que un modelo hecho con ellas no pierde más de un "
        "{margin} frente a otro hecho con todas: en {units} que ninguno había visto, la pérdida es {change} y, como "
        "mucho, un {upper} mayor.",
        "better": "Un modelo hecho con ellas es incluso mejor que otro hecho con todas: en {units} que ninguno había "
        "visto, la pérdida es {change}, en un {upper} como poco, con una confianza del {confidence}.",
        "least": "El margen pedido, un {margin}, es menor de lo que estas unidades pueden probar; en su lugar se ha "
        "puesto a prueba un {tested}.",
        "families": "Es la menos favorable de {n} familias de modelos ({family}).",
        "groups": "Lo mismo está probado dentro de cada grupo: {groups}.",
        "group": "{group}, un {margin}",
        "untested": "Sin unidades suficientes para probar nada: {groups}.",
        "cannot": "Con {units} no se puede probar que un modelo no pierda un {margin}: dos modelos hechos con las "
        "mismas filas, que solo difieren por azar, ya se apartan tanto que el menor margen que se puede probar es un "
        "{provable}.{needed}",
        "cannot_any": "Con {units} no se puede probar nada de un modelo: son muy pocas o todas del mismo grupo.",
        "needed": " Para un {margin} hacen falta unas {n} unidades.",
        "small_groups": "Dentro de cada grupo se pide un margen del {margin}; para probarlo les faltan unidades a: "
        "{groups}.",
        "group_least": "{group} (como poco, un {provable})",
        "more": "Lo decidirían más unidades con las que juzgar.",
        "accept": "Lo decidirían más unidades con las que juzgar, o aceptar el margen que sí se puede probar.",
        "tried": "Se ha probado con: {shares} de las filas.",
        "wide": "Con {n_kept} filas ({share}) la pérdida{where} es {change}, entre {lower} y {upper} hasta donde estas "
        "unidades dicen: ni prueba que no pase del {margin} ni que aumente.",
        "worse": "Con {n_kept} filas ({share}) la pérdida{where} es {change} (entre {lower} y {upper}), sin prueba de "
        "que no pase del {margin} que se permite.",
        "where": " de {family}",
        "where_group": " de {family} en {group}",
        "higher": "un {figure} mayor",
        "lower": "un {figure} menor",
        "equal": "la misma",
        "unit": "unidad",
        "units": "unidades",
    },
}


class _Told(NamedTuple):
    """The comparison of an attempt that decides."""

    comparison: Comparison
    family: str
    group: str | None


def write_reason(record: Reduction) -> Words:
    """Return the paragraph in every language.

    Parameters
    ----------
    record
        Complete but for its `reason`; verdict ``not_worse``, ``undecided`` or ``refused``.
    """
    languages: tuple[Language, ...] = ("en", "es")
    say = _accepted if record.accepted else _tried if record.attempts else _hopeless
    return {language: " ".join(say(record, language)) for language in languages}


def _accepted(record: Reduction, language: Language) -> Iterator[str]:
    texts, attempt = TEXTS[language], record.attempts[-1]
    worst = max((_Told(one, name, None) for name, one in attempt.families.items()), key=_badness)
    figures = _figures(record, attempt, worst, language)
    yield texts["kept"].format(**figures)
    if worst.comparison.upper < 0:
        figures["upper"] = _relative(-worst.comparison.upper, worst.comparison, language)
    yield texts["better" if worst.comparison.upper < 0 else "proven"].format(**figures)
    if len(attempt.families) > 1:
        yield texts["families"].format(n=number(len(attempt.families), language), family=worst.family)
    if record.tested_margin is not None and record.tested_margin > record.margin:
        tested = percent(record.tested_margin, language)
        yield texts["least"].format(margin=percent(record.margin, language), tested=tested)
    if attempt.groups:
        named = [
            texts["group"].format(group=name, margin=percent(record.tested_groups[name], language))
            for name in attempt.groups
        ]
        yield texts["groups"].format(groups=listed(named, language))
    untested = [name for name in record.unproven_groups if name not in record.tested_groups]
    if untested:
        yield texts["untested"].format(groups=listed(untested, language))


def _hopeless(record: Reduction, language: Language) -> Iterator[str]:
    texts, units = TEXTS[language], _units(record, language)
    yield texts["all"].format(n_rows=number(record.n_rows, language))
    if record.provable_margin is None:
        yield texts["cannot_any"].format(units=units)
        return
    margin = percent(record.margin, language)
    if record.provable_margin > record.margin:
        needed = record.units_for_margin
        yield texts["cannot"].format(
            units=units,
            margin=margin,
            provable=percent(record.provable_margin, language),
            needed="" if needed is None else texts["needed"].format(margin=margin, n=number(needed, language)),
        )
    if record.unproven_groups:
        named = [
            name if least is None else texts["group_least"].format(group=name, provable=percent(least, language))
            for name, least in ((name, record.provable_groups[name]) for name in record.unproven_groups)
        ]
        within = percent(record.group_margin or record.margin, language)
        yield texts["small_groups"].format(margin=within, groups=listed(named, language))
    yield texts["accept"]


def _tried(record: Reduction, language: Language) -> Iterator[str]:
    texts, last = TEXTS[language], record.attempts[-1]
    yield texts["all"].format(n_rows=number(record.n_rows, language))
    yield texts["tried"].format(shares=listed([percent(a.share, language) for a in record.attempts], language))
    failed = [_Told(one, name, None) for name, one in last.families.items() if not one.not_worse]
    for group, families in last.groups.items():
        failed += [_Told(one, name, group) for name, one in families.items() if not one.not_worse]
    # Who is proven worse tells more than whose interval is wide.
    worst = max(failed, key=lambda told: (told.comparison.lower > 0, told.group is None, _badness(told)))
    yield texts["wide" if record.verdict == "undecided" else "worse"].format(**_figures(record, last, worst, language))
    if record.verdict == "undecided":
        yield texts["more"]


def _badness(told: _Told) -> float:
    return told.comparison.upper / (abs(told.comparison.mean_reference) or 1.0)


def _figures(record: Reduction, attempt: Attempt, told: _Told, language: Language) -> dict[str, str]:
    texts, found = TEXTS[language], told.comparison
    where = texts["where" if told.group is None else "where_group"].format(family=told.family, group=told.group)
    return {
        "n_kept": number(attempt.n_kept, language),
        "n_rows": number(record.n_rows, language),
        "share": percent(attempt.n_kept / record.n_rows, language),
        "units": _units(record, language),
        "confidence": percent(record.confidence, language),
        "margin": _relative(found.margin, found, language),
        "change": _change(found, language),
        "lower": _relative(found.lower, found, language),
        "upper": _relative(found.upper, found, language),
        "where": where,
    }


def _change(found: Comparison, language: Language) -> str:
    if not found.difference:
        return TEXTS[language]["equal"]
    way = "higher" if found.difference > 0 else "lower"
    return TEXTS[language][way].format(figure=_relative(abs(found.difference), found, language))


def _relative(value: float, found: Comparison, language: Language) -> str:
    if abs(value) >= WIDEST / 2 or not found.mean_reference:
        return "∞" if value > 0 else "−∞"
    return percent(_two_digits(value / abs(found.mean_reference)), language)


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def _units(record: Reduction, language: Language) -> str:
    texts = TEXTS[language]
    return f"{number(record.n_judge, language)} {texts['unit' if record.n_judge == 1 else 'units']}"
