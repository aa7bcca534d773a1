"""The policy: from what the watch saw to what to do.

A pure function: no clock, no files. The first rule of `RULES` that speaks wins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from cauce.core.artefacts import Action, Decision, Known, Signal, SignalCode, Stage, Watched, Words
from cauce.core.figures import duration, losses, numbers
from cauce.core.names import uuid7
from cauce.core.specs import RenewSpec, seconds
from cauce.renew.causes import CAREFUL_COVERAGE, apart_from, cause_of, vanished, weighty, with_details

FAULTS: frozenset[SignalCode] = frozenset({"missing", "new_category", "out_of_range"})
"""Signals of broken data rather than of a changed population."""
WEEK = timedelta(days=7)


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
    retrained: tuple[datetime, ...] = ()
    """When retrainings were asked for; those of the last seven days count."""
    training_s: float = 0.0
    """Seconds that trainings took in the last seven days."""
    last_training_s: float = 0.0
    """Seconds that the newest training took."""
    stage: Stage | None = None
    """Of the experiment that runs; None where none does."""

    @classmethod
    def of(cls, decision: Decision) -> Situation | None:
        """Return the situation in which the policy took a recorded decision; None where it was not the policy."""
        watched, known = decision.watched, decision.known
        if watched is None or known is None:
            return None
        return cls(
            watched=watched,
            last_retrain=known.last_retrain,
            paused=known.paused,
            n_labelled=known.n_labelled,
            now=decision.at,
            champion=watched.version if decision.champion is None else decision.champion,
            min_rows=known.min_rows,
            thresholds=known.thresholds,
            retrained=known.retrained,
            training_s=known.training_s,
            last_training_s=known.last_training_s,
            stage=known.stage,
        )

    def known(self, spec: RenewSpec) -> Known:
        """Return what is recorded of it beside the look, so that `of` gives it back."""
        return Known(
            last_retrain=self.last_retrain,
            paused=self.paused,
            n_labelled=self.n_labelled,
            min_rows=self.min_rows,
            retrained=self.retrained,
            training_s=self.training_s,
            last_training_s=self.last_training_s,
            stage=self.stage,
            thresholds=self.thresholds,
            settings=spec.model_dump(),
        )

    @property
    def lately(self) -> tuple[datetime, ...]:
        """The retrainings of the last seven days, oldest first."""
        return tuple(sorted(at for at in self.retrained if self.now - WEEK < at <= self.now))

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
    name, verdict = next((rule.__name__, verdict) for rule in RULES if (verdict := rule(situation, spec)) is not None)
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
        rule=name,
        known=situation.known(spec),
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
        "fix data", with_details("The data no longer fit the model.", "Los datos ya no encajan con el modelo.", broken)
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


def unit_changed(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Ask to fix the data when a column comes in another unit, however much worse that made the predictions."""
    changed = situation.alarming("unit_change")
    if not changed:
        return None
    return Verdict(
        "fix data",
        with_details(
            "A column seems to come in another unit; a retraining would learn both units as one. If the values are "
            "real, `cauce renew --force` retrains.",
            "Una columna parece llegar en otra unidad; un reentrenamiento aprendería ambas unidades como una sola. Si "
            "los valores son reales, `cauce renew --force` reentrena.",
            changed,
        ),
    )


def partition_missing(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Ask to fix the data when the rows of a frequent value no longer come, for as long as `mend_within` says."""
    patience = timedelta(seconds=seconds(spec.mend_within))
    found = situation.alarming("missing_partition")
    missing = tuple(one for one in found if one.since is None or situation.now - one.since < patience)
    if not missing:
        return None
    wait, espera = duration(patience.total_seconds())
    en = "Rows are missing; a retraining would forget them. If they are never to come again, `cauce renew --force` "
    es = "Faltan filas; un reentrenamiento las olvidaría. Si no han de volver, `cauce renew --force` reentrena; "
    en += f"retrains; {wait} after they stopped the policy takes what comes for the population."
    es += f"a los {espera} de su corte la política toma lo que llega por la población."
    return Verdict("fix data", with_details(en, es, missing))


def data_broken(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Ask to fix the data when values are missing, unknown or out of range.

    Faults of columns that the model uses as much as its average column win whatever else is seen: they make predictions
    worse by themselves, and a retraining would learn them. Those of other columns explain neither a loss nor what other
    columns do; where these speak for a retraining it goes on, and mentions the fault. Neither do numbers out of range
    hold it up where a loss is proven, unless most are: a population that moved leaves the range too, and for ever.
    """
    faults, fell = situation.alarming(*FAULTS), bool(situation.alarming("performance"))
    if not faults:
        return None
    weighing = tuple(fault for fault in faults if weighty(situation.watched, fault, fell=fell))
    if not weighing and cause_of(apart_from(situation.watched, faults)) is not None:
        return None
    faults = weighing or faults
    en = "The incoming data look faulty; a retraining would learn the fault."
    es = "Los datos que llegan parecen defectuosos; un reentrenamiento aprendería el defecto."
    if fell:
        en += " The losses have risen too, which such a fault does by itself."
        es += " También han subido las pérdidas, cosa que un defecto así provoca por sí solo."
    return Verdict("fix data", with_details(en, es, faults))


def experimenting(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait when there is a cause to retrain and a challenger is being compared already."""
    if situation.stage not in {"gate", "shadow", "split"} or (cause := cause_of(situation.watched)) is None:
        return None
    return Verdict(
        "wait",
        {
            "en": f"{cause[0]} A challenger is being compared with the champion already; what comes of it decides.",
            "es": f"{cause[1]} Ya se está comparando un aspirante con el campeón; decidirá lo que resulte de ello.",
        },
    )


def more_truths_needed(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait when there is a cause to retrain and nothing new to learn from."""
    lacking = spec.min_truths - situation.n_labelled
    if lacking <= 0 or (cause := cause_of(situation.watched)) is None:
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


def selective_truths(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait when all that speaks for a retraining are truths of few and chosen rows."""
    selective, labels = situation.alarming("labels"), situation.watched.labels
    if not selective or labels is None or labels.coverage >= CAREFUL_COVERAGE:
        return None
    cause = cause_of(situation.watched)
    if cause is None or cause_of(situation.watched, by_truths=False) is not None:
        return None
    words = with_details(
        f"{cause[0]} But truths have come for few rows, which are not like the others, so that may be chance of "
        "choice. Report truths of the other rows too, or retrain with `cauce renew --force`.",
        f"{cause[1]} Pero solo hay resultados reales de pocas filas, que no son como las demás, así que puede deberse "
        "a la selección. Comunica también los de las otras filas, o reentrena con `cauce renew --force`.",
        selective,
    )
    return Verdict("wait", words)


def cooling_down(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait when there is a cause to retrain and the last retraining is too recent."""
    if situation.last_retrain is None or (cause := cause_of(situation.watched)) is None:
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


def budget_spent(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait when there is a cause to retrain and this week's budget does not reach for it."""
    if (cause := cause_of(situation.watched)) is None:
        return None
    most, lately = spec.retrainings_a_week, situation.lately
    if most is not None and len(lately) >= most:
        en = f"{cause[0]} [renew] allows {most} retrainings a week, and {len(lately)} were made."
        es = f"{cause[1]} [renew] permite {most} reentrenamientos por semana, y se han hecho {len(lately)}."
        if lately and most:
            wait, espera = duration((lately[-most] + WEEK - situation.now).total_seconds())
            en, es = f"{en} The next may start in {wait}.", f"{es} El siguiente puede empezar dentro de {espera}."
        return Verdict("wait", {"en": en, "es": es})
    if spec.training_a_week is None:
        return None
    limit = seconds(spec.training_a_week)
    if situation.training_s + situation.last_training_s <= limit:
        return None
    (spent, gastado), (next_, otro) = duration(situation.training_s), duration(situation.last_training_s)
    whole, todo = duration(limit)
    return Verdict(
        "wait",
        {
            "en": f"{cause[0]} Trainings took {spent} of the week's {whole}; another, of about {next_}, is more.",
            "es": f"{cause[1]} Los entrenamientos han ocupado {gastado} de los {todo} de la semana; otro, de unos "
            f"{otro}, los superaría.",
        },
    )


def unapproved(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Wait for a person where the file says that one approves."""
    if spec.approve != "person" or (cause := cause_of(situation.watched)) is None:
        return None
    model = situation.watched.model
    return Verdict(
        "wait",
        {
            "en": f"{cause[0]} The policy would retrain, and [renew] approve = 'person' leaves that to you: "
            f'`cauce renew {model} --force "your reason"` does it.',
            "es": f"{cause[1]} La política reentrenaría, y [renew] approve = 'person' te lo deja a ti: "
            f'`cauce renew {model} --force "tu motivo"` lo hace.',
        },
    )


def retrain(situation: Situation, spec: RenewSpec) -> Verdict | None:
    """Retrain when performance is worse, or inputs or predictions drifted."""
    cause = cause_of(situation.watched)
    if cause is None:
        return None
    known = numbers(situation.n_labelled)
    en = f"{cause[0]} {known[0]} rows with known truth have come since the last training, enough to learn from."
    es = f"{cause[1]} Desde el último entrenamiento hay {known[1]} filas con resultado conocido: bastan para aprender."
    faults = (*situation.alarming(*FAULTS), *situation.alarming("labels"))
    if faults:
        words = with_details("Check the data as well.", "Revisa también los datos.", faults)
        en, es = f"{en} {words['en']}", f"{es} {words['es']}"
    gone = vanished(situation.watched)
    if gone is not None:
        en, es = f"{en} {gone[0]}", f"{es} {gone[1]}"
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
    squared, proven = watched.realised.squared, watched.realised.not_worse
    now, before = losses(watched.realised_loss, squared=squared), losses(watched.expected_loss, squared=squared)
    en += f" The mean loss over {truths[0]} truths is {now[0]} and was {before[0]} at training: "
    es += f" La pérdida media sobre {truths[1]} resultados reales es {now[1]}; en el entrenamiento, {before[1]}"
    en += "as good as it was." if proven else "no proof that it became worse."
    es += ": el modelo es tan bueno como era." if proven else ": no hay prueba de que el modelo haya empeorado."
    return Verdict("wait", {"en": en, "es": es})


RULES: tuple[Rule, ...] = (
    paused,
    columns_broken,
    too_few_rows,
    unit_changed,
    partition_missing,
    data_broken,
    experimenting,
    more_truths_needed,
    selective_truths,
    cooling_down,
    budget_spent,
    unapproved,
    retrain,
    still_good,
)
"""The policy. The first rule that speaks wins; the last one always speaks."""
