"""The policy: from what the watch saw to what to do.

A pure function: no clock, no files. The first rule of `RULES` that speaks wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from cauce.core.artefacts import Action, Decision, Signal, SignalCode, Watched, Words
from cauce.core.figures import numbers, percents
from cauce.core.names import uuid7
from cauce.core.specs import RenewSpec, seconds
from cauce.renew.words import duration, named

FAULTS: frozenset[SignalCode] = frozenset({"missing", "new_category", "out_of_range"})
"""Signals of broken data rather than of a changed population."""


@dataclass(frozen=True)
class Situation:
    """All that the policy may know."""

    watched: Watched
    last_retrain: datetime | None
    paused: str | None
    """Why renewal is paused, or None."""
    n_labelled: int
    """Labelled ledger rows since the last training."""
    now: datetime
    champion: int
    """Version that holds the alias."""
    min_rows: int = 200
    """`[watch] min_rows`: fewest predictions from which anything is concluded."""
    thresholds: Mapping[str, float | str] = field(default_factory=dict)
    """Settings to copy into the decision, beside those of `[renew]`."""

    def alarming(self, *codes: SignalCode) -> tuple[Signal, ...]:
        """Return the alarming signals with one of `codes`, in the order of the look."""
        return tuple(signal for signal in self.watched.signals if signal.alarming and signal.code in codes)


class Verdict(NamedTuple):
    """What a rule says."""

    action: Action
    reason: Words


Rule = Callable[[Situation, RenewSpec], Verdict | None]


def decide(situation: Situation, spec: RenewSpec) -> Decision:
    """Return what to do now, and why. The rules are those of `RULES`, in their order.

    Parameters
    ----------
    situation
        What is known, the moment included.
    spec
        `[renew]`.

    Returns
    -------
    Decision
        `wait`, `fix data` or `retrain`; promotions are judged in `promote`.
    """
    verdict = next(verdict for rule in RULES if (verdict := rule(situation, spec)) is not None)
    return Decision(
        id=uuid7(int(situation.now.timestamp() * 1000)),
        model=situation.watched.model,
        at=situation.now,
        action=verdict.action,
        reason=verdict.reason,
        by="policy",
        champion=situation.champion,
        watched=situation.watched,
        thresholds={
            "min_rows": float(situation.min_rows),
            "min_truths": float(spec.min_truths),
            "cool_down": spec.cool_down,
            **situation.thresholds,
        },
    )


def paused(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait while somebody has paused renewal."""
    if situation.paused is None:
        return None
    why = situation.paused.rstrip(". ")
    return Verdict("wait", {"en": f"Renewal is paused: {why}.", "es": f"La renovación está en pausa: {why}."})


def columns_broken(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Ask to fix the data when a column that the model uses is gone or retyped, however few rows there are."""
    broken = situation.alarming("schema")
    if not broken:
        return None
    return Verdict(
        "fix data", _with_details("The data no longer fit the model.", "Los datos ya no encajan con el modelo.", broken)
    )


def too_few_rows(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait while the window is too small."""
    found, needed = situation.watched.n_predictions, situation.min_rows
    if found >= needed:
        return None
    count, least = numbers(found), numbers(needed)
    return Verdict(
        "wait",
        {
            "en": f"{count[0]} predictions in the window so far; {least[0]} are needed before anything is concluded.",
            "es": f"{count[1]} predicciones en la ventana hasta ahora; hacen falta {least[1]} para concluir algo.",
        },
    )


def data_broken(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Ask to fix the data when values are missing, unknown or out of range and no loss of performance is proven."""
    faults = situation.alarming(*FAULTS)
    if not faults or situation.alarming("performance"):
        return None
    return Verdict(
        "fix data",
        _with_details(
            "The incoming data look faulty; a retraining would learn the fault.",
            "Los datos que llegan parecen defectuosos; un reentrenamiento aprendería el defecto.",
            faults,
        ),
    )


def more_truths_needed(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait when there is a cause to retrain and nothing new to learn from."""
    lacking = spec.min_truths - situation.n_labelled
    if lacking <= 0 or (cause := _cause(situation)) is None:
        return None
    en, es = cause
    needed, known, more = numbers(spec.min_truths), numbers(situation.n_labelled), numbers(lacking)
    return Verdict(
        "wait",
        {
            "en": f"{en} A retraining needs {needed[0]} new rows with known truth; {known[0]} have "
            f"come, {more[0]} more are needed.",
            "es": f"{es} Un reentrenamiento necesita {needed[1]} filas nuevas con resultado conocido; hay "
            f"{known[1]}, faltan {more[1]}.",
        },
    )


def cooling_down(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait when there is a cause to retrain and the last retraining is too recent."""
    if situation.last_retrain is None or (cause := _cause(situation)) is None:
        return None
    since = situation.now - situation.last_retrain
    left = timedelta(seconds=seconds(spec.cool_down)) - since
    if left <= timedelta(0):
        return None
    (en, es), (wait, espera) = cause, duration(left.total_seconds())
    (ago, hace), (pause, pausa) = duration(max(0.0, since.total_seconds())), duration(seconds(spec.cool_down))
    return Verdict(
        "wait",
        {
            "en": f"{en} The last retraining was {ago} ago and the cool-down is {pause}: the next may start in {wait}.",
            "es": f"{es} El último reentrenamiento fue hace {hace} y la espera mínima es de {pausa}: el siguiente "
            f"puede empezar dentro de {espera}.",
        },
    )


def retrain(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Retrain when performance is worse, or inputs or predictions drifted."""
    cause = _cause(situation)
    if cause is None:
        return None
    known = numbers(situation.n_labelled)
    en = f"{cause[0]} {known[0]} rows with known truth have come since the last training, enough to learn from."
    es = f"{cause[1]} Desde el último entrenamiento hay {known[1]} filas con resultado conocido: bastan para aprender."
    faults = situation.alarming(*FAULTS)
    if faults:
        words = _with_details("Check the data as well.", "Revisa también los datos.", faults)
        en, es = f"{en} {words['en']}", f"{es} {words['es']}"
    return Verdict("retrain", {"en": en, "es": es})


def still_good(situation: Situation, spec: RenewSpec) -> Verdict:
    """Wait: nothing speaks against the model."""
    watched = situation.watched
    seen, truths = numbers(watched.n_predictions), numbers(watched.n_truths)
    en = f"Nothing to do: over {seen[0]} predictions no column has drifted."
    es = f"Nada que hacer: en {seen[1]} predicciones ninguna columna se ha desviado."
    if watched.realised is None or watched.realised_loss is None:
        en += f" {truths[0]} truths have come, too few for a verdict on performance."
        es += f" Han llegado {truths[1]} resultados reales, pocos para juzgar el rendimiento."
        return Verdict("wait", {"en": en, "es": es})
    now, before = numbers(watched.realised_loss), numbers(watched.expected_loss)
    proven = watched.realised.not_worse
    en += f" The mean loss over {truths[0]} truths is {now[0]} and was {before[0]} at training: "
    es += f" La pérdida media sobre {truths[1]} resultados reales es {now[1]}; en el entrenamiento, {before[1]}"
    en += "as good as it was." if proven else "no proof that it became worse."
    es += ": el modelo es tan bueno como era." if proven else ": no hay prueba de que el modelo haya empeorado."
    return Verdict("wait", {"en": en, "es": es})


RULES: tuple[Rule, ...] = (
    paused,
    columns_broken,
    too_few_rows,
    data_broken,
    more_truths_needed,
    cooling_down,
    retrain,
    still_good,
)
"""The policy. The first rule that speaks wins; the last one always speaks."""


def _cause(situation: Situation) -> tuple[str, str] | None:
    """Return why a retraining would help, in both languages, or None."""
    english, spanish = [], []
    for signal in situation.alarming("performance")[:1]:
        rise = _rise(signal.value)
        english.append(rise[0])
        spanish.append(rise[1])
    columns = [signal.column for signal in situation.alarming("drift") if signal.column is not None]
    if columns:
        names = named(columns)
        english.append(f"The values of {names[0]} have moved away from training.")
        spanish.append(f"Los valores de {names[1]} se han alejado de los del entrenamiento.")
    if situation.alarming("output_drift"):
        english.append("The predictions have moved away from those at training.")
        spanish.append("Las predicciones se han alejado de las del entrenamiento.")
    return (" ".join(english), " ".join(spanish)) if english else None


def _rise(relative: float) -> tuple[str, str]:
    """Say how much the mean loss has risen: a percentage, or how many times from three times on."""
    if relative >= 2:
        times = numbers(1 + relative)
        return (
            f"The mean loss is {times[0]} times that of training.",
            f"La pérdida media es {times[1]} veces la del entrenamiento.",
        )
    rise = percents(relative)
    return (
        f"The mean loss has risen by {rise[0]} against training.",
        f"La pérdida media ha subido un {rise[1]} respecto al entrenamiento.",
    )


def _with_details(english: str, spanish: str, signals: tuple[Signal, ...]) -> Words:
    """Join an opening with what the two weightiest signals say."""
    return {
        "en": " ".join([english, *(signal.detail["en"] for signal in signals[:2])]),
        "es": " ".join([spanish, *(signal.detail["es"] for signal in signals[:2])]),
    }
