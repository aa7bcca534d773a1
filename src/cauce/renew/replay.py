"""Decisions replayed: the policy asked again about the situations that it decided in, with the same or other settings.

Nothing is simulated: what would have been seen after another decision is not known, so each is asked about as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cauce.core.artefacts import Action, Decision, Words
from cauce.core.errors import UserError, did_you_mean
from cauce.core.spec import read_spec
from cauce.core.specs import RenewSpec
from cauce.renew.policy import Situation, decide

MIN_ROWS = "watch.min_rows"


@dataclass(frozen=True)
class Replayed:
    """One recorded decision of the policy, and what it decides now in the same situation."""

    id: str
    at: datetime
    action: Action
    rule: str
    now_action: Action
    now_rule: str
    now_reason: Words
    same: bool
    """Whether action and reason are those of the record; with other settings, which a reason may name, the rule."""


def replay(decisions: Iterable[Decision], changes: Mapping[str, str] | None = None) -> tuple[Replayed, ...]:
    """Ask the policy again about every recorded decision that it took, in the order given.

    Parameters
    ----------
    changes
        Key (``renew.cool_down``, ``watch.min_rows``) → value in place of the one that held then, as text.

    Raises
    ------
    UserError
        A key that the policy does not read, or a value that it may not have.
    """
    changes = changes or {}
    _changed({}, changes)  # a wrong key is told where nothing has been decided, too
    return tuple(found for one in decisions if (found := _again(one, changes)) is not None)


def _again(decision: Decision, changes: Mapping[str, str]) -> Replayed | None:
    situation, known = Situation.of(decision), decision.known
    if situation is None or known is None or decision.by != "policy":
        return None
    spec = _changed({name: value for name, value in known.settings.items() if name in RenewSpec.model_fields}, changes)
    if MIN_ROWS in changes:
        situation = replace(situation, min_rows=_whole(changes[MIN_ROWS]))
    now = decide(situation, spec)
    alike = now.rule == decision.rule if changes else now.reason == decision.reason
    same = now.action == decision.action and alike
    return Replayed(decision.id, decision.at, decision.action, decision.rule, now.action, now.rule, now.reason, same)


def _changed(settings: dict[str, object], changes: Mapping[str, str]) -> RenewSpec:
    names = [f"renew.{name}" for name in RenewSpec.model_fields]
    for key, value in changes.items():
        if key == MIN_ROWS:
            continue
        if key not in names:
            seen = "Of [watch], watch.min_rows alone: what a look saw is recorded, not what it would have seen."
            hint = seen if key.startswith("watch.") else did_you_mean(key, [*names, MIN_ROWS])
            raise UserError("the policy does not read this key", where="--set", received=key, hint=hint)
        settings[key.partition(".")[2]] = value
    return read_spec(RenewSpec, settings, where="--set renew.")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UserError("not a whole number", where=f"--set {MIN_ROWS}", received=text) from error
