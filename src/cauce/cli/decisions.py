"""`cauce decisions`: what was decided about a model and why; asked again, as it was or with other settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cauce.core.artefacts import Decision, Experiment
    from cauce.renew import Replayed

DIFFERENT = 4
"""Exit code where a replay without other settings does not decide as the record says."""


@app.command
def decisions(
    model: Annotated[str, Parameter(help="Name of the model.")],
    /,
    *,
    replay: Annotated[bool, Parameter(negative=())] = False,
    set: Annotated[tuple[str, ...], Parameter(name="--set")] = (),  # noqa: A002 - the option's name
    limit: int = 20,
    common: Common = DEFAULT,
) -> int:
    """Show what was decided about a model, the newest first; `--replay` asks the policy again.

    Parameters
    ----------
    replay
        Ask the policy again in every situation that is recorded, and say where it decides otherwise.
    set
        A key and the value that it would have had, as `renew.cool_down=1d`; replays with it. May be repeated.
    limit
        Most decisions that are shown or replayed, the newest ones.
    """
    from cauce import renew as room

    changes = dict(_pair(one) for one in set)
    with open_loop(common) as loop:
        loop.model(model)
        found = room.read(loop.record(model), limit=max(0, limit))
        language = loop.project.file.project.language
    if not replay and not changes:
        if common.json:
            terminal.show_json(found)
        for one in () if common.json else found:
            _show(one, language)
        if not found and not common.json:
            terminal.say(f"[bold]{terminal.escape(model)}[/]: nothing has been decided yet")
        return EXIT_DONE
    again = room.replay(reversed(found), changes)
    if common.json:
        terminal.show_json(again)
    else:
        _show_replayed(again, language)
    return DIFFERENT if not changes and not all(one.same for one in again) else EXIT_DONE


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError("not a key with its value", where="--set", received=text, hint="Write renew.cool_down=1d.")
    return key.strip(), value.strip()


def _show(decision: Decision, language: str) -> None:
    """Show one decision: when, what, by whom, why, and where an experiment stands after it."""
    stage = f" → {decision.experiment.stage}" if decision.experiment is not None else ""
    at = f"{decision.at:%Y-%m-%d %H:%M:%S}"
    terminal.say(f"{at}  [bold]{decision.action}[/]{stage}  ({terminal.escape(decision.by)})")
    terminal.say(f"  {terminal.escape(decision.reason[language])}")


def _show_replayed(again: Sequence[Replayed], language: str) -> None:
    for one in again:
        if one.same:
            continue
        terminal.say(
            f"{one.at:%Y-%m-%d %H:%M:%S}  was {one.action} ({one.rule}), now [bold]{one.now_action}[/] ({one.now_rule})"
        )
        terminal.say(f"  {terminal.escape(one.now_reason[language])}")
    n_same = sum(one.same for one in again)
    asked = terminal.counted(len(again), "decision")
    terminal.say(f"{asked} of the policy asked again: {n_same} the same, {len(again) - n_same} not")


def show_experiment(experiment: Experiment | None, language: str, *, told: Sequence[Decision] = ()) -> None:
    """Show where a model's newest experiment stands, unless it has ended; its reason where nothing `told` gave it."""
    if experiment is None or experiment.stage == "ended":
        return
    known = any(one.reason == experiment.reason for one in told)
    reason = "" if known else f" {terminal.escape(experiment.reason[language])}"
    terminal.say(
        f"[bold]{experiment.model}[/]: version {experiment.challenger} in {experiment.stage}, "
        f"{terminal.counted(experiment.n_requests, 'request')} so far.{reason}"
    )
