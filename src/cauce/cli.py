"""The command line: one short command per verb, each a call into `loop/` and a few lines that show the result.

Importing this module loads no heavy library; each command imports what it needs. Exit codes are those of
docs/cli.md: 0 done, 1 our bug, 2 yours to mend, 3 blocked by the audit, 4 refused, 5 locked, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from cauce import __version__, terminal
from cauce.core.errors import EXIT_DONE, EXIT_INTERRUPTED, Problems

if TYPE_CHECKING:
    from cauce.core.artefacts import Decision
    from cauce.loop.context import Loop

app = App(
    name="cauce",
    help="Keep machine-learning models alive: data, audit, choose, register, serve, watch, renew.\n\n"
    "Begin with `cauce init academy`, then `cd academy` and `cauce up`.",
    version=__version__,
)
app.register_install_completion_command()

Reason = Annotated[str, Parameter(help="Why: a sentence that lands in the record.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    project: Annotated[Path, Parameter(name=["--project", "-C"])] = Path()
    "Folder that holds cauce.toml; its parents are searched too."
    json: Annotated[bool, Parameter(negative=())] = False
    "Print the result as JSON, and nothing else, to standard output."
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())] = False
    "No progress."


DEFAULT = Common()


@contextmanager
def _loop(common: Common) -> Iterator[Loop]:
    from cauce import project
    from cauce.loop.audit import known_codes
    from cauce.loop.context import Loop

    with terminal.progress_bars(quiet=common.quiet or common.json) as progress:
        yield Loop(project.load(project.find(common.project), checks=known_codes()), progress)


@app.command
def init(
    name: str,
    /,
    *,
    task: str = "classify",
    language: Literal["en", "es"] = "en",
) -> int:
    """Make a project: `cauce init academy` copies the example, any other name a small template.

    Parameters
    ----------
    name
        Name of the folder to make.
    task
        Task of the template's model.
    language
        Language of reports and console.
    """
    from cauce.loop.init import init as make

    folder = make(name, Path.cwd(), task=task, language=language)
    terminal.say(f"Made [bold]{terminal.escape(folder.name)}/[/]. Next: `cd {folder.name}` and `cauce up`.")
    return EXIT_DONE


@app.command
def check(*, common: Common = DEFAULT) -> int:
    """Validate cauce.toml and the data's columns without running anything; lists every problem at once."""
    from cauce.loop.check import check as find_problems

    with _loop(common) as loop:
        problems = find_problems(loop)
        file = loop.project.file
    if problems:
        raise Problems(problems)
    if common.json:
        terminal.show_json({"problems": [], "data": list(file.data), "models": list(file.models)})
    else:
        terminal.say(f"All well: {len(file.data)} data sets, {len(file.models)} models.")
    return EXIT_DONE


@app.command
def up(
    *,
    once: Annotated[bool, Parameter(negative=())] = False,
    port: int | None = None,
    every: str = "10s",
    common: Common = DEFAULT,
) -> int:
    """Run what is stale, serve it, watch it and renew it; opens the console page.

    Parameters
    ----------
    once
        Run the stages and end without serving.
    port
        Port to listen on; the file's, or 8321.
    every
        How often the watcher looks.
    """
    from cauce.core.specs import seconds
    from cauce.loop import up as stage

    with _loop(common) as loop:
        if not once:
            stage.up(loop, port=port, every_s=seconds(every), announce=_announce)
            return EXIT_DONE
        outcomes = stage.run_stages(loop)
    return _show_outcomes(outcomes, common)


def _announce(url: str, code_url: str, models: tuple[str, ...], token: Path) -> None:
    terminal.say(f"\n[bold green]Serving[/] {', '.join(models)} at [bold]{url}[/]")
    terminal.say(f"  console  {code_url}")
    terminal.say(f"  token    {terminal.escape(token)}")
    terminal.say("  stop     Ctrl-C")


def _show_outcomes(outcomes: tuple[object, ...], common: Common) -> int:
    from cauce.loop.up import Outcome

    done = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    if common.json:
        terminal.show_json([_as_plain(outcome) for outcome in done])
    for outcome in done:
        if outcome.error is not None:
            terminal.show_error(outcome.error)
        elif outcome.trained is not None and not common.json:
            release = outcome.trained.release
            state = "up to date" if outcome.trained.reused else "trained"
            terminal.say(f"[bold]{outcome.model}[/]: {state}, version {release.version} ({release.training.rung})")
            terminal.say(f"  {terminal.escape(release.training.choice.reason['en'])}")
            if outcome.decision is not None:
                terminal.say(f"  {outcome.decision.action}: {terminal.escape(outcome.decision.reason['en'])}")
    if any(outcome.trained is not None and outcome.trained.release.training.choice.interrupted for outcome in done):
        return EXIT_INTERRUPTED
    return max((outcome.error.exit_code for outcome in done if outcome.error is not None), default=EXIT_DONE)


def _as_plain(outcome: object) -> dict[str, object]:
    from cauce.loop.up import Outcome

    assert isinstance(outcome, Outcome)
    trained = outcome.trained
    return {
        "model": outcome.model,
        "version": trained.release.version if trained else None,
        "reused": trained.reused if trained else None,
        "choice": trained.release.training.choice if trained else None,
        "metrics": trained.release.training.metrics if trained else None,
        "decision": outcome.decision,
        "error": str(outcome.error) if outcome.error else None,
    }


@app.command
def audit(data: str | None = None, /, *, model: str | None = None, common: Common = DEFAULT) -> int:
    """Load a data set and run the checks; exit code 3 when a finding blocks.

    Parameters
    ----------
    data
        Name of the data set; all of them when absent.
    model
        Audit for this model's target; every model of the data set when absent.
    """
    from cauce.loop.audit import audit as run_checks
    from cauce.loop.load import load

    with _loop(common) as loop:
        wanted = [data] if data else list(loop.project.file.data)
        results = []
        with loop.locked(wait_s=5.0):
            for name in wanted:
                loop.data(name)
                snapshot = load(loop, name)
                models = [model] if model else [m for m, spec in loop.project.file.models.items() if spec.data == name]
                results.extend(run_checks(loop, snapshot, one) for one in models or [None])
        language = loop.project.file.project.language
    if common.json:
        terminal.show_json(results)
    else:
        for result in results:
            _show_audit(result, language)
    return 3 if any(result.blocking for result in results) else EXIT_DONE


def _show_audit(result: object, language: str) -> None:
    from cauce.core.artefacts import Audit

    assert isinstance(result, Audit)
    subject = f"{result.data}, model {result.model}" if result.model else result.data
    terminal.say(
        f"[bold]{subject}[/]: {result.n_rows:,} rows, {len(result.findings)} findings, "
        f"{len(result.passed)} checks passed, {len(result.not_applicable)} not applicable ({result.seconds:.1f} s)"
    )
    colours = {"block": "bold red", "warn": "yellow", "info": "cyan"}
    for finding in result.findings:
        accepted = f" [dim](accepted: {terminal.escape(finding.accepted)})[/]" if finding.accepted else ""
        terminal.say(f"  [{colours[finding.severity]}]{finding.severity}[/] {finding.code}{accepted}")
        terminal.say(f"    {terminal.escape(finding.message[language])} {terminal.escape(finding.remedy[language])}")


@app.command
def train(model: str | None = None, /, *, common: Common = DEFAULT) -> int:
    """Train one model, or all: choose a rung, register the release, promote it where it is better.

    Parameters
    ----------
    model
        Name of the model; all of them when absent.
    """
    from cauce.loop.up import run_stages

    with _loop(common) as loop:
        if model is not None:
            loop.model(model)
        outcomes = run_stages(loop, [model] if model else None)
    if not (common.json and model and outcomes[0].trained):
        return _show_outcomes(outcomes, common)
    trained = outcomes[0].trained
    assert trained is not None
    choice = trained.release.training.choice
    terminal.show_json({**_as_plain(outcomes[0]), "release": trained.release, "choice": choice})
    return EXIT_INTERRUPTED if choice.interrupted else EXIT_DONE


@app.command
def predict(
    model: str,
    file: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    record: Annotated[bool, Parameter(negative=())] = False,
    common: Common = DEFAULT,
) -> int:
    """Predict every row of a file with the champion.

    Parameters
    ----------
    model
        Name of the model.
    file
        CSV, Parquet or JSON Lines with the model's input columns.
    output
        Where to write: .csv, .parquet or .jsonl.
    record
        Write the predictions to the ledger too; the output then has their ids.
    """
    from cauce.loop.predict import predict as run

    with _loop(common) as loop:
        done = run(loop, model, file, output, record=record)
    if common.json:
        terminal.show_json(done)
    else:
        terminal.say(
            f"{done.n_rows:,} rows by version {done.version} of {done.model} in {terminal.escape(done.output)}"
        )
    return EXIT_DONE


@app.command
def serve(*, port: int | None = None, host: str | None = None, common: Common = DEFAULT) -> int:
    """Serve the champions, without watching.

    Parameters
    ----------
    port
        Port to listen on; the file's, or 8321. 0 takes a free one.
    host
        Address to listen on; loopback unless said otherwise.
    """
    from cauce.loop.serve import serve as run
    from cauce.loop.serve import serving

    with _loop(common) as loop, serving(loop):
        run(loop, port=port, host=host, announce=_announce)
    return EXIT_DONE


@app.command
def watch(
    model: str | None = None,
    /,
    *,
    every: str | None = None,
    once: Annotated[bool, Parameter(negative=())] = False,
    common: Common = DEFAULT,
) -> int:
    """Look at the newest window of every model, or of one; with `--every`, look again and renew until stopped.

    Parameters
    ----------
    model
        Name of the model; all of them when absent.
    every
        Time between two looks, as 30s, 10m, 1h.
    once
        Look once, which is what happens without `--every` too.
    """
    from cauce.core.specs import seconds
    from cauce.loop.watch import watch as look
    from cauce.loop.watcher import run_watcher

    with _loop(common) as loop:
        names = [model] if model else list(loop.project.file.models)
        for name in names:
            loop.model(name)
        if every is not None and not once:
            run_watcher(loop, names, every_s=seconds(every))
            return EXIT_DONE
        with loop.locked(wait_s=5.0):
            seen = {name: look(loop, name) for name in names}
        language = loop.project.file.project.language
    if common.json:
        terminal.show_json(seen)
        return EXIT_DONE
    for name, watched in seen.items():
        if watched is None:
            terminal.say(f"[bold]{name}[/]: no champion yet")
            continue
        terminal.say(
            f"[bold]{name}[/] version {watched.version}: {watched.n_predictions} predictions in the window, "
            f"{watched.n_truths} with their truth"
        )
        for signal in watched.signals:
            if signal.alarming:
                terminal.say(f"  [yellow]{signal.code}[/] {terminal.escape(signal.detail[language])}")
    return EXIT_DONE


@app.command
def renew(model: str | None = None, /, *, force: str | None = None, common: Common = DEFAULT) -> int:
    """Decide what the newest window asks for, and do it: retrain, compare, promote where better.

    Parameters
    ----------
    model
        Name of the model; all of them when absent.
    force
        Retrain whatever the policy says, for this reason.
    """
    from cauce.loop.renew import renew as run

    with _loop(common) as loop:
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
            for decision in (renewed.decision, renewed.outcome):
                if decision is not None:
                    _show_decision(decision, language)
    refused = any(r is not None and r.outcome is not None and r.outcome.action != "promote" for r in done.values())
    return 4 if force is not None and refused else EXIT_DONE


def _show_decision(decision: Decision, language: str) -> None:
    terminal.say(f"[bold]{decision.model}[/]: {decision.action}. {terminal.escape(decision.reason[language])}")


@app.command
def promote(model: str, /, *, reason: Reason, version: int | None = None, common: Common = DEFAULT) -> int:
    """Make the challenger, or the version named, champion by hand."""
    from cauce.loop.by_hand import promote as run

    with _loop(common) as loop:
        return _decided(run(loop, model, version=version, reason=reason), loop, common)


@app.command
def rollback(model: str, /, *, reason: Reason, version: int | None = None, common: Common = DEFAULT) -> int:
    """Give the alias back to the champion before this one, or to the version named."""
    from cauce.loop.by_hand import rollback as run

    with _loop(common) as loop:
        return _decided(run(loop, model, version=version, reason=reason), loop, common)


@app.command
def pause(model: str, /, *, reason: Reason, common: Common = DEFAULT) -> int:
    """Stop renewing a model until `cauce resume`; it goes on being served and watched."""
    from cauce.loop.by_hand import pause as run

    with _loop(common) as loop:
        return _decided(run(loop, model, reason=reason), loop, common)


@app.command
def resume(model: str, /, *, reason: Reason, common: Common = DEFAULT) -> int:
    """Renew a paused model again."""
    from cauce.loop.by_hand import resume as run

    with _loop(common) as loop:
        return _decided(run(loop, model, reason=reason), loop, common)


def _decided(decision: Decision, loop: Loop, common: Common) -> int:
    if common.json:
        terminal.show_json(decision)
    else:
        _show_decision(decision, loop.project.file.project.language)
    return EXIT_DONE


@app.command
def report(
    model: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    language: Literal["en", "es"] | None = None,
    common: Common = DEFAULT,
) -> int:
    """Write one model's page for colleagues who do not code: what it does, how good it is, and why.

    Parameters
    ----------
    model
        Name of the model.
    output
        HTML file to write; `<model>.html` when absent.
    language
        Language of the page; the project's when absent.
    """
    from cauce.core.files import write_bytes
    from cauce.loop.view import model_view
    from cauce.report import model_page

    with _loop(common) as loop:
        view = model_view(loop, model)
        settings = loop.project.file.project
        page = model_page(view, language or settings.language, project=settings.name, at=loop.now())
    if common.json:
        terminal.show_json(view)
        return EXIT_DONE
    path = output or Path(f"{model}.html")
    write_bytes(path, page.encode())
    terminal.say(f"Wrote {terminal.escape(path)}")
    return EXIT_DONE


@app.command
def status(*, common: Common = DEFAULT) -> int:
    """Show every model: its champion, its traffic and the last decision."""
    from cauce.loop.view import project_view

    with _loop(common) as loop:
        view = project_view(loop)
    if common.json:
        terminal.show_json(view)
        return EXIT_DONE
    rows = []
    for model in view.models:
        champion = f"{model.champion.version} ({model.champion.training.rung})" if model.champion else "none"
        newest = model.decisions[0] if model.decisions else None
        decided = f"{newest.action}: {newest.reason[view.language]}" if newest else ""
        rows.append((model.name, model.stage, champion, model.traffic.n_predictions, model.traffic.n_truths, decided))
    terminal.show_table(view.name, ("model", "stage", "champion", "predictions", "truths", "last decision"), rows)
    return EXIT_DONE


@app.command
def doctor(*, clean: Annotated[bool, Parameter(negative=())] = False, common: Common = DEFAULT) -> int:
    """Show the environment, disk use, locks, and what can be cleaned.

    Parameters
    ----------
    clean
        Throw away what can be rebuilt (`.cauce/runs/`).
    """
    from cauce import project
    from cauce.loop.doctor import examine

    health = examine(project.load(project.find(common.project)).state, clean=clean)
    if common.json:
        terminal.show_json(health)
        return EXIT_DONE
    terminal.say(f"Python {terminal.escape(health.python)} on {health.platform}")
    terminal.show_table("Libraries", ("name", "version"), sorted(health.libraries.items()))
    sizes = [(name, f"{n_bytes / 1e6:,.1f} MB") for name, n_bytes in health.disk_use.items()]
    terminal.show_table(f"Disk ({health.disk_free / 1e9:,.1f} GB free)", ("part of .cauce/", "size"), sizes)
    held = [(name, f"process {who['pid']}: {who['command']}" if who else "free") for name, who in health.locks.items()]
    terminal.show_table("Locks", ("lock", "held by"), held)
    verb = "Cleaned." if health.cleaned else f"`cauce doctor --clean` frees {health.cleanable / 1e6:,.1f} MB."
    terminal.say(verb)
    return EXIT_DONE


@app.command
def backup(output: Path, /, *, common: Common = DEFAULT) -> int:
    """Write everything the project remembers into one archive; unpack it beside the sources to restore.

    Parameters
    ----------
    output
        Archive to write, ending in .tar.gz.
    """
    from cauce.loop.backup import backup as run

    with _loop(common) as loop:
        done = run(loop, output)
    if common.json:
        terminal.show_json(done)
    else:
        terminal.say(f"Wrote {terminal.escape(done.path)} ({done.n_bytes / 1e6:,.1f} MB)")
    return EXIT_DONE
