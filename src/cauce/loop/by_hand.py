"""What a person decides: promote, roll back, pause, resume. Every act needs a reason and lands in the record."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from cauce.core.admin_log import Act, append, command_line, person
from cauce.core.artefacts import Decision
from cauce.core.errors import Refused, UserError
from cauce.loop.carry import Overtaken, carry_out, mark
from cauce.loop.context import Loop


def promote(loop: Loop, model: str, *, version: int | None, reason: str) -> Decision:
    """Make a version champion: the challenger, where none is named."""
    loop.model(model)
    target = version if version is not None else loop.tracker.alias(model, "challenger")
    if target is None:
        raise Refused(f"model {model!r} has no challenger", hint="Name a version with --version N.")
    return _move(loop, model, "promote", target, reason)


def rollback(loop: Loop, model: str, *, version: int | None, reason: str) -> Decision:
    """Give the alias back to the champion before this one, or to the version named."""
    loop.model(model)
    target = version if version is not None else _champion_before(loop, model)
    if target is None:
        raise Refused(f"model {model!r} had no champion before this one", hint="Name a version with --version N.")
    return _move(loop, model, "roll back", target, reason)


def pause(loop: Loop, model: str, *, reason: str) -> Decision:
    """Stop renewing a model until `resume`; it goes on being served and watched."""
    from cauce import renew

    loop.model(model)
    now = loop.now()
    decision = _nothing_moves(loop, model, "pause", reason, now)
    _note(loop, decision, "pause", reason)
    renew.pause(loop.record(model), reason, person(), now)
    return carry_out(loop, decision)


def resume(loop: Loop, model: str, *, reason: str) -> Decision:
    """Renew a paused model again."""
    from cauce import renew

    loop.model(model)
    decision = _nothing_moves(loop, model, "resume", reason, loop.now())
    if renew.paused(loop.record(model)) is None:
        raise Refused(f"model {model!r} is not paused")
    _note(loop, decision, "resume", reason)
    renew.resume(loop.record(model))
    return carry_out(loop, decision)


def _champion_before(loop: Loop, model: str) -> int | None:
    from cauce import renew

    now = loop.tracker.alias(model, "champion")
    for decision in renew.read(loop.record(model)):
        if decision.action in {"promote", "roll back"} and decision.challenger == now:
            return decision.champion
    return None


def _nothing_moves(loop: Loop, model: str, action: Literal["pause", "resume"], reason: str, now: datetime) -> Decision:
    from cauce import renew

    champion = loop.tracker.alias(model, "champion")
    return renew.by_hand(action, model=model, champion=champion, challenger=None, by=person(), reason=reason, now=now)


def _move(loop: Loop, model: str, action: Literal["promote", "roll back"], version: int, reason: str) -> Decision:
    from cauce import renew

    after = mark(loop, model)
    versions = loop.tracker.versions(model)
    if version not in versions:
        known = ", ".join(map(str, versions)) or "none"
        raise UserError(f"model {model!r} has no such version", received=version, hint=f"Known: {known}.")
    champion = loop.tracker.alias(model, "champion")
    if champion == version:
        raise Refused(f"version {version} of {model!r} is the champion already")
    decision = renew.by_hand(
        action, model=model, champion=champion, challenger=version, by=person(), reason=reason, now=loop.now()
    )
    _note(loop, decision, action, reason)
    try:
        return carry_out(loop, decision, after=after)
    except Overtaken as error:
        hint = "Look at `cauce status`, then decide anew."
        raise Refused(f"who answers for {model!r} was decided by another in this moment", hint=hint) from error


def _note(loop: Loop, decision: Decision, verb: str, reason: str) -> None:
    """Write into the log of administrative acts what is about to be done."""
    version = "" if decision.challenger is None else f"version {decision.challenger}: "
    append(loop.state.record, Act(decision.at, command_line(), verb, decision.model, f"{version}{reason}"))
