"""Commands that make models: init, check, up, audit, train, predict."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, announcement, app, open_loop
from cauce.core.errors import EXIT_DONE, EXIT_INTERRUPTED, Problems

if TYPE_CHECKING:
    from cauce.core.artefacts import Audit, Training
    from cauce.loop.context import Loop
    from cauce.loop.stages import Outcome


_TOLD = ("choice", "diagnosis", "reduction", "finish", "mitigation", "metrics", "held_out_loss", "seconds")
"""What `--json` tells of a training."""


@app.command
def init(
    name: str,
    /,
    *,
    task: Literal["classify", "regress"] = "classify",
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

    with open_loop(common) as loop:
        problems = find_problems(loop)
        file = loop.project.file
    if problems:
        raise Problems(problems)
    if common.json:
        terminal.show_json({"problems": [], "data": list(file.data), "models": list(file.models)})
    else:
        terminal.say(
            f"All well: {terminal.counted(len(file.data), 'data set')}, {terminal.counted(len(file.models), 'model')}."
        )
        if not file.models:
            terminal.say("There is nothing to train; `cauce audit` audits the data alone.")
    return EXIT_DONE


@app.command
def up(
    *,
    once: Annotated[bool, Parameter(negative=())] = False,
    port: int | None = None,
    every: str = "10s",
    common: Common = DEFAULT,
) -> int:
    """Run what is stale, serve it, watch it and renew it; opens the console page. Ctrl-C stops it.

    Parameters
    ----------
    once
        Run the stages and end without serving.
    port
        Port to listen on, 0 for a free one; that of [serve], or 8321, when absent.
    every
        How often the watcher looks, as 10s, 5m, 1h.
    """
    from cauce.core.specs import seconds
    from cauce.loop.stages import run_stages
    from cauce.loop.up import up as serve_and_watch

    with open_loop(common) as loop:
        if not once:
            return serve_and_watch(
                loop, port=port, every_s=seconds(every, "--every", least=1), announce=announcement(common)
            )
        outcomes = run_stages(loop)
    return _show_outcomes(outcomes, loop, common)


def _show_outcomes(done: tuple[Outcome, ...], loop: Loop, common: Common) -> int:
    language = loop.project.file.project.language
    if common.json:
        terminal.show_json([_as_plain(outcome) for outcome in done])
    told: set[str] = set()
    for outcome in done:
        if outcome.error is not None and str(outcome.error) not in told:
            told.add(str(outcome.error))
            terminal.show_error(outcome.error)
        if not common.json:
            _show_outcome(outcome, language)
    if any(outcome.interrupted for outcome in done):
        return EXIT_INTERRUPTED
    return max((outcome.error.exit_code for outcome in done if outcome.error is not None), default=EXIT_DONE)


def _show_outcome(outcome: Outcome, language: str) -> None:
    goes_on = f"version {outcome.champion} goes on" if outcome.champion is not None else "no champion"
    if outcome.trained is None:
        terminal.say(f"[bold]{outcome.model}[/]: not trained; {goes_on}")
        return
    release, found = outcome.trained.release, outcome.trained.audit
    if outcome.trained.reused and outcome.decision is None:
        terminal.say(f"[bold]{outcome.model}[/]: up to date; {goes_on}")
    else:
        terminal.say(f"[bold]{outcome.model}[/]: trained version {release.version} ({release.training.rung})")
        _show_choice(release.training, language)
    if outcome.interrupted:
        terminal.say("  Interrupted: this is the best so far. The same command completes the ladder.")
    if outcome.decision is not None:
        terminal.say(f"  {outcome.decision.action}: {terminal.escape(outcome.decision.reason[language])}")
    for finding in found.findings:
        if finding.severity != "info":
            terminal.say(f"  [yellow]{finding.code}[/] {terminal.escape(finding.message[language])}")


def _show_choice(training: Training, language: str) -> None:
    """Say why the rung was chosen, list all of them, and say what was learnt of the chosen one."""
    from cauce.report import rung_table

    terminal.say(f"  {terminal.escape(training.choice.reason[language])}")
    terminal.show_table("", *rung_table(training.choice, language))
    if training.reduction is not None:
        terminal.say(f"  {terminal.escape(training.reduction.reason[language])}")
    if training.diagnosis is not None:
        terminal.say(f"  {terminal.escape(training.diagnosis.reason[language])}")
    for words in training.finish.words if training.finish is not None else ():
        terminal.say(f"  {terminal.escape(words[language])}")


def _as_plain(outcome: Outcome) -> dict[str, object]:
    release = outcome.trained.release if outcome.trained else None
    training = release.training if release else None
    return {
        "model": outcome.model,
        "version": release.version if release else None,
        "run_id": release.run_id if release else None,
        "reused": outcome.trained.reused if outcome.trained else None,
        **{name: getattr(training, name, None) for name in _TOLD},
        "champion": outcome.champion,
        "decision": outcome.decision,
        "error": str(outcome.error) if outcome.error else None,
    }


@app.command
def audit(
    data: str | None = None,
    /,
    *,
    model: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    language: Literal["en", "es"] | None = None,
    common: Common = DEFAULT,
) -> int:
    """Load a data set and run the checks; exit code 3 when a finding blocks.

    Parameters
    ----------
    data
        Name of the data set; all of them when absent.
    model
        Only this model; every model of the data set when absent.
    output
        HTML file to write for colleagues who do not code; with several audits, a folder of such files.
    language
        Language of the file; the project's when absent.
    """
    from cauce.loop.audit import audit as run_checks
    from cauce.loop.load import load

    with open_loop(common) as loop:
        wanted = [data] if data else list(loop.project.file.data)
        results: list[Audit] = []
        with loop.locked(wait_s=5.0):
            for name in wanted:
                loop.data(name)
                snapshot = load(loop, name)
                models = [model] if model else [m for m, spec in loop.project.file.models.items() if spec.data == name]
                subjects: list[str | None] = [*models] or [None]
                results.extend(run_checks(loop, snapshot, one) for one in subjects)
        written = _write_pages(loop, results, output, language) if output else []
        spoken = language or loop.project.file.project.language
    blocked = any(result.blocking for result in results)
    if common.json:
        findings = [{"data": r.data, "model": r.model, **asdict(finding)} for r in results for finding in r.findings]
        terminal.show_json({"blocked": blocked, "findings": findings, "audits": results})
    else:
        for result in results:
            _show_audit(result, spoken)
        for path in written:
            terminal.say(f"Wrote {terminal.escape(path)}")
    return 3 if blocked else EXIT_DONE


def _write_pages(loop: Loop, results: list[Audit], output: Path, language: str | None) -> list[Path]:
    """Write each audit's page: into `output` itself, or into a folder of that name where there are several."""
    from cauce.core.files import write_bytes
    from cauce.loop.audit_page import audit_page_of
    from cauce.report import audit_page

    settings = loop.project.file.project
    written = []
    for result in results:
        name = result.model or result.data
        page = audit_page_of(loop, name)
        assert page is not None  # it was audited a moment ago
        path = output if len(results) == 1 else output / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = audit_page(page.view, page.profile, language or settings.language, project=settings.name)
        write_bytes(path, content.encode())
        written.append(path)
    return written


def _show_audit(result: Audit, language: str) -> None:
    subject = f"{result.data}, model {result.model}" if result.model else result.data
    terminal.say(
        f"[bold]{subject}[/]: {result.n_rows:,} rows, {terminal.counted(len(result.findings), 'finding')}, "
        f"{len(result.passed)} checks passed, {len(result.not_applicable)} not applicable ({result.seconds:.1f} s)"
    )
    colours = {"block": "bold red", "warn": "yellow", "info": "cyan"}
    for finding in result.findings:
        accepted = f" [dim](accepted: {terminal.escape(finding.accepted)})[/]" if finding.accepted else ""
        terminal.say(f"  [{colours[finding.severity]}]{finding.severity}[/] {finding.code}{accepted}")
        rows = f" Rows: {', '.join(map(str, finding.rows))}." if finding.rows else ""
        text = f"{finding.message[language]}{rows} {finding.remedy[language]}"
        terminal.say(f"    {terminal.escape(text)}")


@app.command
def train(model: str | None = None, /, *, common: Common = DEFAULT) -> int:
    """Train one model, or all: choose a rung, register the release, promote it where it is better.

    Parameters
    ----------
    model
        Name of the model; all of them when absent.
    """
    from cauce.loop.stages import run_stages

    with open_loop(common) as loop:
        if model is not None:
            loop.model(model)
        outcomes = run_stages(loop, [model] if model else None)
    if not (common.json and model and outcomes[0].trained):
        return _show_outcomes(outcomes, loop, common)
    terminal.show_json(_as_plain(outcomes[0]))
    return EXIT_INTERRUPTED if outcomes[0].interrupted else EXIT_DONE


@app.command
def predict(
    model: str,
    source: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    record: Annotated[bool, Parameter(negative=())] = False,
    common: Common = DEFAULT,
) -> int:
    """Predict every row of a file or a Delta table with the champion, in bounded memory.

    Parameters
    ----------
    model
        Name of the model.
    source
        CSV, Parquet, JSON Lines, Excel or a Delta table's folder, with the model's input columns.
    output
        Where to write: .csv, .parquet, .jsonl, or .delta for a Delta table's folder; one that is there gets a version.
    record
        Write the predictions to the ledger too, batch by batch; the output then has their ids.
    """
    from cauce.loop.predict import predict as run

    with open_loop(common) as loop:
        done = run(loop, model, source, output, record=record)
    if common.json:
        terminal.show_json(done)
    else:
        terminal.say(
            f"{done.n_rows:,} rows by version {done.version} of {done.model} in {terminal.escape(done.output)}"
        )
        for column, n_rows in done.unseen.items():
            terminal.say(f"  {n_rows:,} rows hold a {terminal.escape(column)} that training never saw")
    return EXIT_DONE
