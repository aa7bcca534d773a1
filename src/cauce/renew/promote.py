"""Promotion: champion and challenger judged on the same units, or a decision taken by hand with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from cauce.core.artefacts import Action, Comparison, Decision, Watched, Words
from cauce.core.errors import UserError
from cauce.core.figures import numbers
from cauce.core.names import uuid7
from cauce.core.specs import RenewSpec
from cauce.renew.compared import compared

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ByHand = Literal["promote", "roll back", "retrain", "pause", "resume"]

SHORTEST_REASON = 10
"""Characters that a written reason has at least."""

MANY_NEW = 2_000
"""New labelled rows up to which `[renew] set_aside` holds."""
ASIDE_BEYOND = 0.1
"""Share of those beyond that is set aside: what more judges add is little, what a challenger does not learn is missed
by every prediction it makes."""


def n_judging(n_new: int, spec: RenewSpec) -> int:
    """Return how many of the newest labelled rows judge champion against challenger, and are not learnt from.

    Parameters
    ----------
    n_new
        Labelled rows since the champion's training.

    Examples
    --------
    >>> [n_judging(n, RenewSpec()) for n in (300, 2_000, 12_000)]
    [150, 1000, 2000]
    """
    few = min(n_new, MANY_NEW)
    return round(few * spec.set_aside + (n_new - few) * min(spec.set_aside, ASIDE_BEYOND))


def judge(
    champion_losses: npt.NDArray[np.float64],
    challenger_losses: npt.NDArray[np.float64],
    *,
    groups: npt.NDArray[np.str_] | None = None,
    model: str,
    champion: int,
    challenger: int,
    margin: float,
    confidence: float,
    watched: Watched | None,
    now: datetime,
    squared: bool = False,
) -> Decision:
    """Promote the challenger only when it is proven better on the same units; else wait and say why.

    Parameters
    ----------
    champion_losses, challenger_losses
        Loss per unit of both on the same units, in the same order, which neither was fitted on; shape (n_units,).
    groups
        Group of each unit, shape (n_units,): units of one group count as one.
    champion, challenger
        Their versions.
    margin
        Smallest difference that matters, relative to the champion's mean loss.
    confidence
        Of the comparison's interval.
    watched
        The look that asked for the challenger.
    squared
        Whether the losses are squared errors: the reason then gives the roots of their means too.

    Returns
    -------
    Decision
        `promote` when the verdict is `better`; `wait` when it is `equivalent`, `undecided` or `worse`.
    """
    from cauce.evidence import paired

    found = paired(challenger_losses, champion_losses, margin=margin, groups=groups, confidence=confidence)
    found = replace(found, squared=squared)
    return Decision(
        id=uuid7(int(now.timestamp() * 1000)),
        model=model,
        at=now,
        action="promote" if found.verdict == "better" else "wait",
        reason=_judged(found, champion, challenger),
        by="policy",
        champion=champion,
        challenger=challenger,
        watched=watched,
        comparison=found,
        thresholds={"margin": margin, "confidence": confidence},
    )


def fairer(model: str, *, champion: int, challenger: int, method: str, now: datetime) -> Decision:
    """Promote a challenger that mitigates gaps as the file asks, and the champion does not: no loss outweighs that."""
    reason = {
        "en": f"The file asks for mitigate = {method!r}, with which version {challenger} was let through the audit's "
        f"gate; version {champion} was fitted otherwise. What the mitigation costs stands in the release.",
        "es": f"El fichero pide mitigate = {method!r}, con lo que la versión {challenger} pasó la auditoría; la "
        f"versión {champion} se ajustó de otro modo. Lo que cuesta la corrección figura en la versión registrada.",
    }
    return Decision(
        id=uuid7(int(now.timestamp() * 1000)),
        model=model,
        at=now,
        action="promote",
        reason=reason,
        by="policy",
        champion=champion,
        challenger=challenger,
    )


def _judged(found: Comparison, champion: int, challenger: int) -> Words:
    if found.n_clusters < 2:
        return {
            "en": f"One unit, or one group of units, cannot tell version {challenger} from version {champion}; the "
            "champion stays.",
            "es": f"Una sola unidad, o un solo grupo, no permite distinguir la versión {challenger} de la {champion}; "
            "el campeón se queda.",
        }
    limit, smallest = numbers(found.margin), numbers(found.provable)
    endings = {
        "better": ("The challenger is better and takes over.", "El aspirante es mejor y toma el relevo."),
        "worse": ("The challenger is worse; the champion stays.", "El aspirante es peor; el campeón se queda."),
        "equivalent": (
            f"They differ by less than the margin of {limit[0]}; the champion stays.",
            f"Se diferencian en menos que el margen de {limit[1]}; el campeón se queda.",
        ),
        "undecided": (
            f"That proves nothing: so few units show differences from {smallest[0]} on. The champion stays.",
            f"Eso no prueba nada: tan pocas unidades muestran diferencias desde {smallest[1]}. El campeón se queda.",
        ),
    }
    (en, es), (so, así) = compared(found, champion, challenger), endings[found.verdict]
    return {"en": f"{en} {so}", "es": f"{es} {así}"}


def first(model: str, version: int, *, now: datetime) -> Decision:
    """Promote a model's first release: there is no champion that it could be compared with."""
    reason = {
        "en": f"Version {version} is the first release; there is no champion to compare it with.",
        "es": f"La versión {version} es la primera; no hay campeón con el que compararla.",
    }
    return _policy("promote", model, None, version, reason, now)


def nothing_new(model: str, *, champion: int, now: datetime) -> Decision:
    """Wait: the same rows and settings made the champion, so there is nothing to train on that it does not know."""
    reason = {
        "en": f"The same rows and settings made version {champion}, the champion: there is nothing new to train on.",
        "es": f"Las mismas filas y ajustes dieron la versión {champion}, la campeona: no hay nada nuevo que aprender.",
    }
    return _policy("wait", model, champion, None, reason, now)


def unjudged(model: str, *, champion: int, challenger: int, now: datetime) -> Decision:
    """Wait: every labelled row has taught one of the two, so none can judge them."""
    reason = {
        "en": f"Every labelled row has taught version {champion} or version {challenger}, so none can judge them; "
        f"version {champion} goes on until new rows come. `cauce promote` decides by hand.",
        "es": f"Todas las filas con resultado han servido para entrenar la versión {champion} o la {challenger}, así "
        f"que ninguna puede juzgarlas; sigue la versión {champion} hasta que lleguen filas nuevas. `cauce promote` "
        "decide a mano.",
    }
    return _policy("wait", model, champion, challenger, reason, now)


def withheld(model: str, *, champion: int, columns: Sequence[str], now: datetime) -> Decision:
    """Wait: the ledger's rows lack inputs that the file keeps out of it, so they can neither teach nor judge."""
    names = ", ".join(columns)
    reason = {
        "en": f"The ledger does not hold what version {champion} predicts from: [models.{model}.log] keeps out "
        f"{names}. So its rows can neither teach nor judge a model; new rows of the source do, once they are loaded.",
        "es": f"El registro no guarda aquello con lo que predice la versión {champion}: [models.{model}.log] excluye "
        f"{names}. Por eso sus filas no pueden enseñar ni juzgar a un modelo; las filas nuevas de la fuente sí, en "
        "cuanto se carguen.",
    }
    return _policy("wait", model, champion, None, reason, now)


def incomparable(model: str, *, champion: int, challenger: int, gone: Sequence[str], now: datetime) -> Decision:
    """Ask for the data to be mended: the champion needs columns that the rows which would judge no longer have."""
    names = ", ".join(gone)
    reason = {
        "en": f"The source no longer has what version {champion} predicts from: {names}. So it cannot be compared with "
        f"version {challenger}, which was trained without. Bring the columns back, or, if the change is meant, promote "
        f"version {challenger} by hand with your reason.",
        "es": f"La fuente ya no tiene aquello con lo que predice la versión {champion}: {names}. Por eso no se puede "
        f"comparar con la versión {challenger}, entrenada sin ello. Recupera las columnas o, si el cambio es "
        f"intencionado, promueve a mano la versión {challenger} con tu motivo.",
    }
    return _policy("fix data", model, champion, challenger, reason, now)


def blocked(model: str, *, champion: int, why: str, now: datetime) -> Decision:
    """Ask for the data to be mended: the audit stopped a retraining, and said `why`."""
    reason = {
        "en": f"The audit stopped the retraining; version {champion} goes on. {why}",
        "es": f"La auditoría detuvo el reentrenamiento; sigue la versión {champion}. {why}",
    }
    return _policy("fix data", model, champion, None, reason, now)


def _policy(
    action: Action, model: str, champion: int | None, challenger: int | None, reason: Words, now: datetime
) -> Decision:
    return Decision(
        id=uuid7(int(now.timestamp() * 1000)),
        model=model,
        at=now,
        action=action,
        reason=reason,
        by="policy",
        champion=champion,
        challenger=challenger,
    )


def by_hand(
    action: ByHand,
    *,
    model: str,
    champion: int | None = None,
    challenger: int | None = None,
    by: str,
    reason: str,
    now: datetime,
) -> Decision:
    """Return the decision that a person took.

    Parameters
    ----------
    action
        `pause` and `resume` are recorded as `wait`: what happens to the model is that nothing happens.
    champion
        Version that held the alias before.
    challenger
        Version that takes it: the promoted one, or the one rolled back to; None for the other actions.
    by
        Who decided.
    reason
        Why, in the person's own words, at least 10 characters; kept as written in both languages.

    Raises
    ------
    UserError
        The reason is too short.
    """
    why = check_reason(reason, action)
    recorded: Mapping[ByHand, Action] = {
        "promote": "promote",
        "roll back": "roll back",
        "retrain": "retrain",
        "pause": "wait",
        "resume": "wait",
    }
    said: Mapping[ByHand, tuple[str, str]] = {
        "promote": (f"Version {challenger} promoted by hand", f"Versión {challenger} promovida a mano"),
        "roll back": (f"Rolled back to version {challenger} by hand", f"Vuelta a mano a la versión {challenger}"),
        "retrain": ("Retraining asked for by hand", "Reentrenamiento pedido a mano"),
        "pause": ("Renewal paused by hand", "Renovación puesta en pausa a mano"),
        "resume": ("Renewal resumed by hand", "Renovación reanudada a mano"),
    }
    en, es = said[action]
    return Decision(
        id=uuid7(int(now.timestamp() * 1000)),
        model=model,
        at=now,
        action=recorded[action],
        reason={"en": f"{en} ({by}): {why}", "es": f"{es} ({by}): {why}"},
        by=by,
        champion=champion,
        challenger=challenger,
    )


def check_reason(reason: str, action: str) -> str:
    """Return a person's reason, trimmed, when it says something.

    Raises
    ------
    UserError
        It has fewer than 10 characters.
    """
    trimmed = reason.strip()
    if len(trimmed) < SHORTEST_REASON:
        hint = f"Write a sentence of at least {SHORTEST_REASON} characters; it lands in the record."
        raise UserError("too short for a reason", where=f"reason of {action}", received=reason, hint=hint)
    return trimmed
