"""What speaks for a retraining, in words: worse losses, estimates that fall or fail, values that moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cauce.core.artefacts import Signal, SignalCode, Watched, Words
from cauce.core.figures import numbers, percents
from cauce.renew.words import named

CAREFUL_COVERAGE = 0.5
"""Share of predictions with truths below which truths that come selectively are no cause by themselves."""
OUTPUT = "prediction"
MOST = 0.5
"""Rise of the share of numbers out of range from which the column as a whole must be something else."""
FREQUENT = 0.05
"""Share of a value at training from which it is told that no row has it any more."""
MOST_SAID = 2
"""Segments that a reason quotes."""


def cause_of(watched: Watched, *, by_truths: bool = True) -> tuple[str, str] | None:
    """Return why a retraining would help, in both languages, or None.

    Parameters
    ----------
    by_truths
        Whether what rests on truths that came may be a cause.
    """
    english, spanish = [], []
    for signal in _alarming(watched, "performance")[:1] if by_truths else ():
        rise = _rise(signal.value)
        english.append(rise[0])
        spanish.append(rise[1])
    for signal in _said(watched, by_truths):
        english.append(signal.detail["en"])
        spanish.append(signal.detail["es"])
    columns = [signal.column for signal in _alarming(watched, "drift") if signal.column is not None]
    if columns:
        names = named(columns)
        english.append(f"The values of {names[0]} have moved away from training.")
        spanish.append(f"Los valores de {names[1]} se han alejado de los del entrenamiento.")
    if _alarming(watched, "output_drift"):
        english.append("The predictions have moved away from those at training.")
        spanish.append("Las predicciones se han alejado de las del entrenamiento.")
    return (" ".join(english), " ".join(spanish)) if english else None


def _said(watched: Watched, by_truths: bool) -> Iterator[Signal]:
    """Give the signals whose own words are the cause: an estimate that falls counts while its kind has held so far."""
    if watched.estimate is None or watched.estimate.reliable is not False:
        yield from _alarming(watched, "estimate")[:1]
    if by_truths:
        yield from [signal for signal in _alarming(watched, "estimate_unreliable") if signal.value > 0]  # worse
        yield from _alarming(watched, "segment")[:MOST_SAID]
    yield from _alarming(watched, "joint_drift")[:1]


def _alarming(watched: Watched, *codes: SignalCode) -> tuple[Signal, ...]:
    return tuple(signal for signal in watched.signals if signal.alarming and signal.code in codes)


def weighty(watched: Watched, fault: Signal, *, fell: bool) -> bool:
    """Whether the model uses a faulty column at least as much as its average input; False where nothing tells.

    Parameters
    ----------
    fell
        Whether a loss of performance is proven: then some numbers out of range are no fault that is sure enough.
    """
    if fell and fault.code == "out_of_range" and fault.value < MOST:
        return False
    uses = {each.column: each.importance for each in watched.drifts if each.column != OUTPUT}
    total = sum(uses.values())
    if fault.column not in uses:
        return False
    return uses[fault.column] / total >= 1 / len(uses) if total > 0 else True


def apart_from(watched: Watched, faults: tuple[Signal, ...]) -> Watched:
    """Return the look without what the faulty columns themselves signal."""
    columns = {fault.column for fault in faults}
    return replace(watched, signals=tuple(one for one in watched.signals if one.column not in columns))


def vanished(watched: Watched) -> tuple[str, str] | None:
    """Say which frequent value of a drifted column has not come at all, or None.

    A partition that is missing cannot be told from a population that changed by the rows that do come: a person can.
    """
    for each in watched.drifts:
        gone = [mover for mover in each.movers if mover.now == 0 and mover.before >= FREQUENT]
        if each.drifted and each.column != OUTPUT and gone:
            share, value = percents(gone[0].before), gone[0].label
            en = f"No row had {value} in `{each.column}`, as {share[0]} had at training: if a feed stopped, mend that."
            es = f"Ninguna fila tuvo {value} en `{each.column}`, como el {share[1]} en el entrenamiento: si se cortó "
            return en, f"{es}una fuente de datos, arréglala."
    return None


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


def with_details(english: str, spanish: str, signals: tuple[Signal, ...]) -> Words:
    """Join an opening with what the two weightiest signals say."""
    return {
        "en": " ".join([english, *(signal.detail["en"] for signal in signals[:2])]),
        "es": " ".join([spanish, *(signal.detail["es"] for signal in signals[:2])]),
    }
