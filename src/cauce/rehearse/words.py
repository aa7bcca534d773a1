"""The sentences of a rehearsal, in English and Spanish. Figures come in, words go out: nothing is concluded here."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from cauce.core.artefacts import Comparison, Words
from cauce.core.figures import numbers, percents
from cauce.core.rehearsing import Against, Outcome, Recommendation

Pair = tuple[str, str]

NO_TIME: Words = {
    "en": "No column tells the rows' time (`time` in `[data.NAME]`): they were replayed in the order of the file, and "
    "their pace was assumed. Delays in rows mean what they say, those in days do not.",
    "es": "Ninguna columna indica el momento de las filas (`time` en `[data.NAME]`): se reprodujeron en el orden del "
    "fichero y su ritmo se supuso. Los retrasos en filas significan lo que dicen; los que van en días, no.",
}
TIES: Words = {
    "en": "Many rows share one moment: they were spread evenly until the next, in random order.",
    "es": "Muchas filas comparten un mismo momento: se repartieron de forma uniforme hasta el siguiente, en orden "
    "aleatorio.",
}
FEW: Words = {
    "en": "The history is short: with fewer than 1,000 replayed rows most scenarios can show nothing.",
    "es": "El historial es corto: con menos de 1000 filas reproducidas la mayoría de los escenarios no puede mostrar "
    "nada.",
}


NEVER: Pair = (
    "It never retrained, so nothing was gained or lost.",
    "No reentrenó nunca, así que nada se ganó ni se perdió.",
)


def cut(kept: int, whole: int) -> Words:
    """Say that only the newest rows were replayed."""
    newest, all_ = numbers(kept), numbers(whole)
    return {
        "en": f"The newest {newest[0]} of {all_[0]} rows were rehearsed (`--rows`).",
        "es": f"Se ensayaron las {newest[1]} filas más recientes de {all_[1]} (`--rows`).",
    }


def seldom(looks: int) -> Words:
    """Say that always-retrain was not fitted at every look."""
    return {
        "en": f"Always-retrain was fitted at every {looks}th look, to save time; what it would cost at each of them is "
        "counted.",
        "es": f"El reentreno continuo se ajustó una de cada {looks} miradas, para ahorrar tiempo; lo que costaría en "
        "todas está contado.",
    }


def unadjusted() -> Words:
    """Say that a mitigation of gaps is not rehearsed."""
    return {
        "en": "The model mitigates gaps between groups; the rehearsal fits its rung without that.",
        "es": "El modelo corrige diferencias entre grupos; el ensayo ajusta su peldaño sin esa corrección.",
    }


def days(length_s: float | None) -> Pair:
    """Write a length of time in days, hours or minutes."""
    if length_s is None:
        return "–", "–"
    for size, en, es in ((86_400.0, "days", "días"), (3600.0, "hours", "horas"), (60.0, "minutes", "minutos")):
        if length_s >= size or size == 60.0:
            value = numbers(round(length_s / size, 1))
            one = round(length_s / size, 1) == 1
            return f"{value[0]} {en[:-1] if one else en}", f"{value[1]} {es[:-1] if one else es}"
    raise AssertionError  # pragma: no cover - minutes take everything


def with_reason(found: Outcome) -> Outcome:
    """Add the sentence of a scenario."""
    kind = found.scenario.wanted
    if kind == "nothing":
        said = _still(found)
    elif kind == "fix data":
        said = _fault(found)
    else:
        said = _drift(found) if found.scenario.injected else ("", "")
    never = next((one for one in found.against if one.strategy == "never"), None)
    gained = _gain(never) if never is not None else ("", "")
    costs = _costs(found)
    if not found.loop_retrained:
        gained, costs = NEVER, ("", "")
    return replace(
        found, reason={"en": _joined(said[0], gained[0], costs[0]), "es": _joined(said[1], gained[1], costs[1])}
    )


def with_recommendation(found: Recommendation) -> Recommendation:
    """Add what is recommended, and on how much it rests."""
    if found.keep_current and found.chosen == found.current:
        return replace(
            found,
            reason={
                "en": "Keep the settings: on the first half of the history none of the others cost less without losing "
                "more than the margin.",
                "es": "Conserva los ajustes: en la primera mitad del historial ningún otro costó menos sin perder más "
                "que el margen.",
            },
        )
    gain = _difference(found.second_half) if found.second_half is not None else ("", "")
    ours, theirs = numbers(found.rows_fitted_chosen), numbers(found.rows_fitted_current)
    en = f"On the second half, which chose nothing, they fitted {ours[0]} rows instead of {theirs[0]}; {gain[0]}."
    es = f"En la segunda mitad, que no eligió nada, ajustaron {ours[1]} filas en vez de {theirs[1]}; {gain[1]}."
    if found.keep_current:
        return replace(
            found,
            reason={
                "en": f"Keep the settings: what the first half chose did not hold. {en}",
                "es": f"Conserva los ajustes: lo que eligió la primera mitad no se sostuvo. {es}",
            },
        )
    return replace(
        found,
        reason={
            "en": f"The settings below were the cheapest on the first half of the history. {en} One history is one "
            "sample: rehearse again when it has grown.",
            "es": f"Los ajustes de abajo fueron los más baratos en la primera mitad del historial. {es} Un historial "
            "es una sola muestra: repite el ensayo cuando haya crecido.",
        },
    )


def _still(found: Outcome) -> Pair:
    rate, over = numbers(round(found.false_alarms_month or 0.0, 2)), numbers(round(found.still_days))
    retrained = numbers(round(found.loop_retrained, 1))
    if not (found.false_alarms_month or found.loop_retrained):
        return f"It raised no false alarm in {over[0]} days.", f"No dio ninguna falsa alarma en {over[1]} días."
    return (
        f"It cried wolf {rate[0]} times a month (over {over[0]} days) and retrained {retrained[0]} times for nothing.",
        f"Dio {rate[1]} falsas alarmas al mes (en {over[1]} días) y reentrenó {retrained[1]} veces para nada.",
    )


def _drift(found: Outcome) -> Pair:
    if not found.detected:
        return "It did not notice.", "No se dio cuenta."
    rows, delay, seeds = numbers(round(found.delay_rows or 0)), days(found.delay_s), percents(found.detected)
    en = f"It noticed in {seeds[0]} of the runs, after {rows[0]} rows ({delay[0]})"
    es = f"Lo notó en el {seeds[1]} de las pruebas, tras {rows[1]} filas ({delay[1]})"
    if not found.acted:
        return f"{en}, and never retrained.", f"{es}, y no reentrenó nunca."
    acted = days(found.acted_delay_s)
    return f"{en}, and retrained after {acted[0]}.", f"{es}, y reentrenó a los {acted[1]}."


def _fault(found: Outcome) -> Pair:
    times = numbers(round(found.retrained_on_fault or 0.0, 1))
    en, es = "It did not ask to fix the data", "No pidió arreglar los datos"
    if found.acted:
        share, delay = percents(found.acted), days(found.acted_delay_s)
        en = f"It asked to fix the data in {share[0]} of the runs, after {delay[0]}"
        es = f"Pidió arreglar los datos en el {share[1]} de las pruebas, tras {delay[1]}"
    if not found.retrained_on_fault:
        return f"{en}, and learnt nothing from the fault.", f"{es}, y no aprendió nada del fallo."
    if found.scenario.kind == "partition":
        return (
            f"{en}; it retrained {times[0]} times without the missing rows.",
            f"{es}; reentrenó {times[1]} veces sin las filas que faltan.",
        )
    return (
        f"{en}; it retrained {times[0]} times on broken data, which is a mistake.",
        f"{es}; reentrenó {times[1]} veces con datos defectuosos, lo que es un error.",
    )


def _gain(never: Against) -> Pair:
    en, es = _difference(never.comparison)
    if never.here.verdict not in {"better", "worse"} or never.comparison.verdict != "undecided":
        return f"Against never retraining: {en}.", f"Frente a no reentrenar nunca: {es}."
    (here, aquí), (low, high) = _difference(never.here), _ends(never.comparison)
    en = f"on this history {here}; that the next one shows it is not proven ({low[0]} to {high[0]})"
    es = f"en este historial {aquí}; que el próximo lo muestre no está probado (de {low[1]} a {high[1]})"
    return f"Against never retraining: {en}.", f"Frente a no reentrenar nunca: {es}."


def _difference(found: Comparison) -> Pair:
    base = abs(found.mean_reference) or 1.0
    change = found.difference / base
    size, ends = percents(abs(change)), _ends(found)
    if found.verdict == "equivalent" or (found.lower == found.upper == 0.0):
        en, es = "the loss is the same", "la pérdida es la misma"
    elif change < 0:
        en, es = f"the loss is {size[0]} lower", f"la pérdida es un {size[1]} menor"
    else:
        en, es = f"the loss is {size[0]} higher", f"la pérdida es un {size[1]} mayor"
    interval = f" ({ends[0][0]} to {ends[1][0]})", f" (de {ends[0][1]} a {ends[1][1]})"
    unsure = (", which may be chance", ", lo que puede ser azar") if found.verdict == "undecided" else ("", "")
    return en + interval[0] + unsure[0], es + interval[1] + unsure[1]


def _ends(found: Comparison) -> tuple[Pair, Pair]:
    """Write both ends of an interval, relative to the other strategy's loss."""
    base = abs(found.mean_reference) or 1.0
    return _signed(found.lower / base), _signed(found.upper / base)


def _signed(share: float) -> Pair:
    size = percents(abs(share))
    sign = "−" if share < 0 else "+"
    return sign + size[0], sign + size[1]


def _costs(found: Outcome) -> Pair:
    if found.cost_share is None:
        return "", ""
    ours, share = numbers(round(found.loop_retrained, 1)), percents(found.cost_share)
    one = found.loop_retrained == 1
    return (
        f"{ours[0]} retraining{'' if one else 's'}, {share[0]} of the rows that one at every look would fit.",
        f"{ours[1]} reentrenamiento{'' if one else 's'}, el {share[1]} de las filas que ajustaría uno en cada mirada.",
    )


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


Code = Literal["en", "es"]
