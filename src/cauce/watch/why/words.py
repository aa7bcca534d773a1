"""Why a figure changed, in English and Spanish."""

from __future__ import annotations

from collections.abc import Sequence

from cauce.core.artefacts import Words
from cauce.core.figures import Language, listed, loss, number, percent, written
from cauce.core.why import Part, Segment

LANGUAGES: tuple[Language, ...] = ("en", "es")
MOST = 2
"""Segments that a sentence names."""
FRACTIONS: tuple[tuple[float, str, str], ...] = (
    (1.0, "nearly all of it", "casi todo"),
    (3 / 4, "about three quarters of it", "cerca de tres cuartas partes"),
    (2 / 3, "about two thirds of it", "cerca de dos tercios"),
    (1 / 2, "about half of it", "cerca de la mitad"),
    (1 / 3, "about a third of it", "cerca de un tercio"),
    (1 / 4, "about a quarter of it", "cerca de una cuarta parte"),
)
NEAR = 0.035


def figure_name(figure: str, language: Language) -> str:
    """Name what changed, with its article."""
    if figure == "loss":
        return "The mean loss" if language == "en" else "La pérdida media"
    if figure == "prediction":
        return "The mean prediction" if language == "en" else "La predicción media"
    return f"The mean probability of “{figure}”" if language == "en" else f"La probabilidad media de «{figure}»"


def reason(
    figure: str,
    before: float,
    after: float,
    *,
    names: tuple[str, str],
    proven: bool,
    parts: Sequence[Part],
    releases: bool,
    squared: bool = False,
) -> Words:
    """Say what changed, and which parts of it have a cause that is proven."""
    told: dict[str, str] = {}
    for language in LANGUAGES:
        figures = loss(before, language, squared=squared), loss(after, language, squared=squared)
        word = "version" if language == "en" else "versión"
        shown = (f"{word} {names[0]}", f"{word} {names[1]}") if releases else names
        opening = _change(figure, before, after, figures, shown, language)
        told[language] = _reason(opening, figure, after - before, proven, parts, releases, language)
    return told


def _reason(
    opening: str,
    figure: str,
    change: float,
    proven: bool,
    parts: Sequence[Part],
    releases: bool,
    language: Language,
) -> str:
    named = [part for part in parts if part.proven]
    said = [opening]
    if not proven:
        said.append(_unproven(bool([part for part in named if part.cause != "everywhere"]), language))
    named = [part for part in named if proven or part.cause != "everywhere"]
    # the largest first, and what goes the other way last
    named = sorted(named, key=lambda part: -part.amount * (1 if change >= 0 else -1))
    said += [_part(part, change, figure, language, releases=releases, share=proven) for part in named]
    if proven and not named:
        said.append(
            "No single cause is proven: neither the mix of one column nor one kind of rows stands out."
            if language == "en"
            else "No hay una causa probada: no destacan ni la composición de una columna ni un tipo de filas."
        )
    return " ".join(said)


def _change(
    figure: str, before: float, after: float, figures: tuple[str, str], names: tuple[str, str], language: Language
) -> str:
    named, (old, new), change = figure_name(figure, language), figures, after - before
    if not change:
        both = f"({names[0]}, {names[1]})"
        return f"{named} stayed at {old} {both}." if language == "en" else f"{named} sigue en {old} {both}."
    relative = f" ({'+' if change > 0 else '−'}{percent(abs(change / before), language)})" if before else ""
    if language == "en":
        verb = "rose" if change > 0 else "fell"
        return f"{named} {verb} from {old} ({names[0]}) to {new} ({names[1]}){relative}."
    verb = "subió" if change > 0 else "bajó"
    return f"{named} {verb} de {old} ({names[0]}) a {new} ({names[1]}){relative}."


def _unproven(offsetting: bool, language: Language) -> str:
    if offsetting:
        return (
            "The whole change is within what chance brings, but these parts of it are not:"
            if language == "en"
            else "El cambio total está dentro de lo que trae el azar, pero estas partes no:"
        )
    return (
        "That is within what chance brings, and no cause is named."
        if language == "en"
        else "Está dentro de lo que trae el azar, y no se nombra ninguna causa."
    )


def _part(part: Part, change: float, figure: str, language: Language, *, releases: bool, share: bool) -> str:
    how_much = _share(part.amount, change, language) if share else _amount(part.amount, language)
    if part.cause == "mix":
        return _mix(part, how_much, figure, language)
    if part.cause == "relation":
        return _relation(part, how_much, figure, language)
    if releases:
        text = (
            f"{how_much}: on rows of every kind alike."
            if language == "en"
            else f"{how_much}: por igual en filas de todo tipo."
        )
    elif language == "en":
        text = f"{how_much}: rows of the same kind, whichever column one looks at, fare otherwise than before."
    else:
        text = f"{how_much}: las filas del mismo tipo, se mire la columna que se mire, se comportan de otro modo."
    return _capital(text)


def _mix(part: Part, how_much: str, figure: str, language: Language) -> str:
    told = [_moved(segment, language) for segment in part.segments[:MOST]]
    cause = "other rows came" if language == "en" else "llegaron otras filas"
    lead = part.segments[0] if part.segments else None
    more = ""
    if lead is not None and figure == "loss" and None not in lead.mean:
        harder = (lead.amount > 0) == (lead.share[1] > lead.share[0])
        level = number((float(lead.mean[0] or 0) + float(lead.mean[1] or 0)) / 2, language)
        if language == "en":
            more = f"; such rows were {'harder' if harder else 'easier'} all along (mean loss {level})"
        else:
            more = f"; esas filas siempre fueron {'más difíciles' if harder else 'más fáciles'} (pérdida media {level})"
    return _capital(f"{how_much}: {cause}: {listed(told, language)}{more}.")


def _moved(segment: Segment, language: Language) -> str:
    old, new = (percent(share, language) for share in segment.share)
    if language == "en":
        return f"“{segment.label[language]}” went from {old} to {new} of the rows"
    return f"«{segment.label[language]}» pasó del {old} al {new} de las filas"


def _relation(part: Part, how_much: str, figure: str, language: Language) -> str:
    told = [_fares(segment, language) for segment in part.segments if segment.proven][:MOST]
    rising = sum(segment.amount for segment in part.segments if segment.proven) > 0
    if figure == "loss":
        word = ("are predicted worse" if rising else "are predicted better") if language == "en" else (
            "se predicen peor" if rising else "se predicen mejor")  # fmt: skip
    else:
        word = "are predicted otherwise" if language == "en" else "se predicen de otro modo"
    return _capital(f"{how_much}: {listed(told, language)} {word}.")


def _fares(segment: Segment, language: Language) -> str:
    old, new = (number(mean, language) if mean is not None else "–" for mean in segment.mean)
    quoted = f"“{segment.label[language]}”" if language == "en" else f"«{segment.label[language]}»"
    return f"{'rows with' if language == 'en' else 'las filas con'} {quoted} ({old} → {new})"


def _share(amount: float, change: float, language: Language) -> str:
    """Say an amount as a share of the change: in words where one fits."""
    if not change or amount * change < 0:
        return _amount(amount, language)
    share = amount / change
    for size, english, spanish in FRACTIONS:
        if abs(share - size) <= NEAR:
            return english if language == "en" else spanish
    written = percent(round(share, 2), language) if share <= 1 else f"{number(share, language)}×"
    return f"{written} of it" if language == "en" else f"{written} del cambio"


def _amount(amount: float, language: Language) -> str:
    size = number(abs(amount), language)
    return f"{'+' if amount >= 0 else '−'}{size}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def added(
    prediction: str,
    share: float | None,
    named: Sequence[tuple[str, str | float | None, float]],
    language: Language,
) -> str:
    """Say what a prediction is and which columns brought it there.

    Parameters
    ----------
    named
        Column, value and amount, largest first; those that matter.
    """
    sure = f" ({percent(share, language)})" if share is not None else ""
    for_it = [_valued(name, value, language) for name, value, amount in named if amount > 0]
    against = [_valued(name, value, language) for name, value, amount in named if amount < 0]
    if language == "en":
        head = f"The prediction is {prediction}{sure}"
        up, down = ("speaks for it", "speaks against it") if share is not None else ("raises it", "lowers it")
        plural = ("speak for it", "speak against it") if share is not None else ("raise it", "lower it")
    else:
        head = f"La predicción es {prediction}{sure}"
        up, down = ("habla a favor", "habla en contra") if share is not None else ("la sube", "la baja")
        plural = ("hablan a favor", "hablan en contra") if share is not None else ("la suben", "la bajan")
    if not named:
        none = "no column moves it" if language == "en" else "ninguna columna la mueve"
        return f"{head}; {none}."
    told = []
    for columns, one, many in ((for_it, up, plural[0]), (against, down, plural[1])):
        if columns:
            told.append(f"{listed(columns, language)} {one if len(columns) == 1 else many}")
    because = "mainly because" if language == "en" else "sobre todo porque"
    return f"{head}, {because} {'; '.join(told)}."


def _valued(name: str, value: str | float | None, language: Language) -> str:
    missing = "missing" if language == "en" else "falta"
    return f"{name} = {written(value, language)}" if value is not None else f"{name} ({missing})"


def too_few(n: tuple[int, int], needed: int, names: tuple[str, str]) -> Words:
    """Say that too few truths came for the loss."""
    return {
        "en": f"Why the loss changed cannot be told: {n[0]:,} rows with a truth in {names[0]} and {n[1]:,} in "
        f"{names[1]}; {needed} in each are needed at least.",
        "es": f"No se puede decir por qué cambió la pérdida: {number(n[0], 'es')} filas con valor real en {names[0]} y "
        f"{number(n[1], 'es')} en {names[1]}; hacen falta al menos {needed} en cada una.",
    }


def sampled(n: int, of: int, name: str) -> Words:
    """Say that not all rows were looked at."""
    return {
        "en": f"Of {of:,} rows in {name}, {n:,} drawn by chance were looked at.",
        "es": f"De {number(of, 'es')} filas en {name} se miraron {number(n, 'es')} elegidas al azar.",
    }


DATE: Words = {
    "en": "a date tells the two apart and explains nothing",
    "es": "una fecha los distingue y no explica nada",
}
ONE_KIND: Words = {"en": "all rows are of one kind in it", "es": "todas las filas son de un mismo tipo en ella"}
UNREADABLE: Words = {"en": "its values are of another type than at training", "es": "sus valores son de otro tipo"}
ABSENT: Words = {
    "en": "the ledger holds it of some rows in part, hashed or not at all",
    "es": "el registro la guarda solo en parte, como resumen o no la guarda",
}
