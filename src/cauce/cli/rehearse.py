"""The command that replays a model's past through the loop: rehearse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE


@app.command
def rehearse(
    model: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    language: Literal["en", "es"] | None = None,
    seeds: int | None = None,
    seed: int = 0,
    rows: int = 10_000,
    every: str | None = None,
    delay: str | None = None,
    pace: str = "10m",
    quick: Annotated[bool, Parameter(negative=())] = False,
    thorough: Annotated[bool, Parameter(negative=())] = False,
    workers: int | None = None,
    common: Common = DEFAULT,
) -> int:
    """Replay a model's own past through the loop on a fast clock, with drift and faults injected.

    Shows what the loop would have done: what it caught, how late, how often it cried wolf, what it gained against never
    and always retraining, and at what cost. Nothing is trained or promoted in earnest. Interrupted, it goes on.

    Parameters
    ----------
    model
        Name of a model.
    output
        Write it too: .html for a page, .svg for the picture alone.
    language
        Language of the table and the page; the project's when absent.
    seeds
        Times that each scenario is replayed; 1, with --thorough 3, when absent.
    seed
        Seed of everything random.
    rows
        Newest rows of the history that are used.
    every
        Time between looks, as 7d; about fifty looks, with --thorough a hundred, when absent.
    delay
        Time from a row to its truth, as 3d; as between looks when absent.
    pace
        Time between rows, where the data set names no time column.
    quick
        One seed, and no recommendation.
    thorough
        Every scenario, always-retrain in each of them for comparison, and more settings tried: it takes hours.
    workers
        Processes; one a core when absent.
    """
    from cauce.core.errors import UserError
    from cauce.core.files import write_bytes
    from cauce.loop.rehearse import Asked
    from cauce.loop.rehearse import rehearse as run
    from cauce.report import rehearsal_page, rehearsal_rows, rehearsal_svg

    if output is not None and output.suffix not in {".html", ".svg"}:
        hint = "Name a file that ends in .html or .svg."
        raise UserError(
            "not a kind of file that a rehearsal is written as", where="--output", received=output, hint=hint
        )
    least = min(rows, 1 if seeds is None else seeds)
    if least < 1:
        raise UserError("at least one seed and one row are needed", where="--seeds, --rows", received=least)
    with open_loop(common) as loop:
        found = run(loop, model, Asked(seeds, seed, rows, every, delay, pace, quick, workers, thorough))
        about = loop.project.file.project
        chosen = language or about.language
    if output is not None:
        page = output.suffix == ".html"
        drawn = rehearsal_page(found, chosen, project=about.name).encode() if page else rehearsal_svg(found, chosen)
        write_bytes(output, drawn)
    if common.json:
        terminal.show_json(found)
        return EXIT_DONE
    header, table, sentences = rehearsal_rows(found, chosen)
    terminal.show_table(model, header, table)
    for sentence in (*sentences, *(warning[chosen] for warning in found.warnings)):
        terminal.say(f"[dim]{terminal.escape(sentence)}[/]")
    if found.recommendation is not None:
        terminal.say(terminal.escape(found.recommendation.reason[chosen]))
        if not found.recommendation.keep_current:
            terminal.say(terminal.escape(found.recommendation.toml))
    if output is not None:
        terminal.say(f"Wrote {terminal.escape(output)}")
    return EXIT_DONE
