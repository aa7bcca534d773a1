"""Commands that keep models alive: serve, watch, renew, and what a person decides."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, announcement, app, open_loop
from cauce.core.errors import EXIT_DONE

if TYPE_CHECKING:
    from cauce.core.artefacts import Decision, Watched
    from cauce.loop.context import Loop

Reason = Annotated[str, Parameter(help="Why, as a sentence of at least 10 characters; recorded with your name.")]
Model = Annotated[str, Parameter(help="Name of the model.")]


@app.command
def serve(
    *,
    port: int | None = None,
    host: str | None = None,
    beside: Annotated[int | None, Parameter(show=False)] = None,
    common: Common = DEFAULT,
) -> int:
    """Serve the champions alone: nothing is watched or renewed. `cauce up` does all three. Ctrl-C stops it.

    Parameters
    ----------
    port
        Port to listen on, 0 for a free one; that of [serve], or 8321, when absent.
    host
        Address; that of [serve], or 127.0.0.1, when absent. Others need a token that only its owner can read.
    beside
        Process that started this one.
    """
    from cauce.loop.serve import serve as run
    from cauce.loop.serve import serving

    with open_loop(common) as loop, serving(loop):
        run(loop, port=port, host=host, beside=beside, announce=announcement(common))
    return EXIT_DONE


@app.command
def watch(
    model: str | None = None,
    /,
    *,
    every: str | None = None,
    once: Annotated[bool, Parameter(negative=())] = False,
    print_: Annotated[Literal["systemd", "cron", "kubernetes"] | None, Parameter(name="--print")] = None,
    image: str | None = None,
    since: str | None = None,
    beside: Annotated[int | None, Parameter(show=False)] = None,
    common: Common = DEFAULT,
) -> int:
    """Look at the newest window of every model, or of one, and say what is seen; nothing is decided.

    `--once` takes one full turn: trains on a source that changed, looks, decides, retrains, promotes and alerts.
    `--every` does that again and again until stopped. One watcher at a time: a second one is refused.

    Parameters
    ----------
    model
        Name of the model; all of them when absent.
    every
        Time between two turns, as 30s, 10m, 1h.
    once
        Take one full turn; beside a watcher that runs already, look only.
    print_
        With --every: print what runs it elsewhere, and do nothing: a systemd unit, a cron line, or the manifest of a
        Kubernetes CronJob.
    image
        Image of the CronJob: Cauce, and the project in /project.
    since
        Print how far each column of the champion's predictions has moved over 12h, 7d, 30d, in whole days, instead.
    beside
        Process that started this one, and with which it ends.
    """
    from cauce.core.errors import UserError
    from cauce.core.specs import seconds
    from cauce.loop.schedule import run_once, run_watcher

    with open_loop(common) as loop:
        names = [model] if model else list(loop.project.file.models)
        for name in names:
            loop.model(name)
        if since is not None:
            return _show_since(loop, names, seconds(since, "--since", least=1), common)
        every_s = None if every is None else seconds(every, "--every", least=1)
        if once and every is not None:
            hint = "--once is one turn, --every 10m one every ten minutes until stopped."
            raise UserError("two ways at once", where="--once, --every", received=every, hint=hint)
        if print_ is not None:
            return _print_schedule(loop, model, every, print_, image=image, common=common)
        if every_s is not None:
            run_watcher(loop, names, every_s=every_s, beside=beside)
            return EXIT_DONE
        turns = run_once(loop, names) if once else None
        seen = _look(loop, names) if turns is None else {name: turn.watched for name, turn in turns.items()}
        language = loop.project.file.project.language
    if common.json:
        terminal.show_json(seen if turns is None else turns)
    else:
        _show_looks(seen, language)
    return max((turn.exit_code for turn in (turns or {}).values()), default=EXIT_DONE)


def _show_since(loop: Loop, names: list[str], since_s: float, common: Common) -> int:
    """Print a drift report of a long stretch."""
    from cauce.loop.watch_since import drift_since

    with loop.locked(wait_s=5.0):
        found = {name: drift_since(loop, name, seconds=since_s) for name in names}
    if common.json:
        terminal.show_json(found)
        return EXIT_DONE
    for name, report in found.items():
        if report is None:
            terminal.say(f"[bold]{name}[/]: no predictions of a champion in this time")
            continue
        terminal.say(
            f"[bold]{name}[/] version {report.version}: {report.n_predictions} predictions from {report.first_day} "
            f"to {report.last_day}"
        )
        for each in report.drifts:
            moved = ", ".join(f"{m.label} {m.before:.1%} → {m.now:.1%}" for m in each.movers[:2])
            figures = f"PSI {each.psi:.3f}, Jensen-Shannon {each.jensen_shannon:.3f}"
            line = terminal.escape(f"{each.column}: {figures}; {moved}")
            terminal.say(f"  [yellow]drifted[/] {line}" if each.drifted else f"  {line}")
    return EXIT_DONE


def _look(loop: Loop, names: list[str]) -> dict[str, Watched | None]:
    from cauce.loop.watch import watch as look

    with loop.locked(wait_s=5.0):
        return {name: look(loop, name) for name in names}


def _show_looks(seen: Mapping[str, Watched | None], language: str) -> None:
    """Say what alarms, or that nothing does, and what is known of the loss, of late truths and without truths."""
    from cauce.report import look_lines

    for name, watched in seen.items():
        if watched is None:
            terminal.say(f"[bold]{name}[/]: no champion yet; `cauce train {name}` makes one")
            continue
        terminal.say(
            f"[bold]{name}[/] version {watched.version}: {terminal.counted(watched.n_predictions, 'prediction')} "
            f"in the window, {watched.n_truths} with their truth"
        )
        for signal in watched.signals:
            if signal.alarming:
                terminal.say(f"  [yellow]{signal.code}[/] {terminal.escape(signal.detail[language])}")
        for line in look_lines(watched, language):
            terminal.say(f"  {terminal.escape(line)}")


def _print_schedule(
    loop: Loop, model: str | None, every: str | None, kind: str, *, image: str | None, common: Common
) -> int:
    """Print what runs the watcher elsewhere."""
    from cauce.loop.timetable import timetable

    text = timetable(loop, model, every=every, kind=kind, image=image)
    if common.json:
        terminal.show_json({"kind": kind, "text": text})
    else:
        sys.stdout.write(text)
    return EXIT_DONE


@app.command
def renew(model: str | None = None, /, *, force: str | None = None, common: Common = DEFAULT) -> int:
    """Decide what the newest window asks for, and do it: retrain, compare, promote where better.

    Parameters
    ----------
    model
        Name of the model; all of them when absent.
    force
        Retrain whatever the policy says, for this reason: a sentence that lands in the record.
    """
    from cauce.cli.decisions import show_experiment
    from cauce.loop.renew import renew as run

    with open_loop(common) as loop:
        names = [model] if model else list(loop.project.file.models)
        for name in names:
            loop.model(name)
        with loop.locked(wait_s=5.0):
            done = {name: run(loop, name, force=force) for name in names}
        language = loop.project.file.project.language
    if common.json:
        terminal.show_json(done)
    else:
        for name, renewed in done.items():
            if renewed is None:
                terminal.say(f"[bold]{name}[/]: no champion yet; `cauce train {name}` makes one")
                continue
            decided = (renewed.step, renewed.decision, renewed.outcome)
            told = [one for one in decided if one is not None]
            for decision in told:
                _show_decision(decision, language)
            show_experiment(renewed.experiment, language, told=told)
    outcomes = [renewed.outcome for renewed in done.values() if renewed is not None and renewed.outcome is not None]
    return 4 if force is not None and any(map(_refused, outcomes)) else EXIT_DONE


def _refused(outcome: Decision) -> bool:
    """Whether what was trained is neither champion nor on its way to it."""
    return outcome.action != "promote" and not (outcome.experiment is not None and outcome.experiment.running)


def _show_decision(decision: Decision, language: str) -> None:
    terminal.say(f"[bold]{decision.model}[/]: {decision.action}. {terminal.escape(decision.reason[language])}")


@app.command
def promote(model: Model, /, *, reason: Reason, version: int | None = None, common: Common = DEFAULT) -> int:
    """Make the challenger, or the version named, champion by hand.

    Parameters
    ----------
    version
        Version to make champion; the challenger when absent.
    """
    from cauce.loop.by_hand import promote as run

    with open_loop(common) as loop:
        return _decided(run(loop, model, version=version, reason=reason), loop, common)


@app.command
def rollback(model: Model, /, *, reason: Reason, version: int | None = None, common: Common = DEFAULT) -> int:
    """Give the alias back to the champion before this one, or to the version named.

    Parameters
    ----------
    version
        Version to go back to; the champion before this one when absent.
    """
    from cauce.loop.by_hand import rollback as run

    with open_loop(common) as loop:
        return _decided(run(loop, model, version=version, reason=reason), loop, common)


@app.command
def pause(model: Model, /, *, reason: Reason, common: Common = DEFAULT) -> int:
    """Stop renewing a model until `cauce resume`; it goes on being served and watched."""
    from cauce.loop.by_hand import pause as run

    with open_loop(common) as loop:
        return _decided(run(loop, model, reason=reason), loop, common)


@app.command
def resume(model: Model, /, *, reason: Reason, common: Common = DEFAULT) -> int:
    """Renew a paused model again, from the watcher's next look on."""
    from cauce.loop.by_hand import resume as run

    with open_loop(common) as loop:
        return _decided(run(loop, model, reason=reason), loop, common)


def _decided(decision: Decision, loop: Loop, common: Common) -> int:
    if common.json:
        terminal.show_json(decision)
    else:
        _show_decision(decision, loop.project.file.project.language)
    return EXIT_DONE
