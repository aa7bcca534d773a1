"""Commands that show: report, status, doctor, backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE


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

    with open_loop(common) as loop:
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

    with open_loop(common) as loop:
        view = project_view(loop)
    if common.json:
        terminal.show_json(view)
        return EXIT_DONE
    rows = []
    for model in view.models:
        champion = f"{model.champion.version} ({model.champion.training.rung})" if model.champion else "none"
        newest = model.decisions[0] if model.decisions else None
        decided = f"{newest.action}: {newest.reason[view.language]}" if newest else ""
        found = [f for f in model.audit.findings if f.severity != "info"] if model.audit else []
        accepted = sum(f.accepted is not None for f in found)
        n_found = f"{len(found)} ({accepted} accepted)" if accepted else str(len(found))
        use = (model.traffic.n_predictions, model.traffic.n_truths)
        rows.append((model.name, model.stage, champion, n_found, *use, decided))
    header = ("model", "stage", "champion", "findings", "predictions", "truths", "last decision")
    terminal.show_table(view.name, header, rows)
    for model in view.models:
        if model.traffic.n_unknown_truths:
            aside = terminal.counted(model.traffic.n_unknown_truths, "truth")
            terminal.say(f"{model.name}: {aside} came for ids that no prediction has; kept aside, never learnt from.")
        if model.error is not None:
            terminal.say(f"[bold red]{model.name}[/]: the newest training failed. {terminal.escape(model.error)}")
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

    with open_loop(common) as loop:
        done = run(loop, output)
    if common.json:
        terminal.show_json(done)
    else:
        terminal.say(f"Wrote {terminal.escape(done.path)} ({done.n_bytes / 1e6:,.1f} MB)")
    return EXIT_DONE
