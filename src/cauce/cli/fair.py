"""The command that shows what closing a gap between groups costs: fairness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE


@app.command
def fairness(
    model: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    language: Literal["en", "es"] | None = None,
    common: Common = DEFAULT,
) -> int:
    """Show what closing a model's gap between groups costs: every mitigation, fitted and measured on rows set aside.

    Nothing is registered. To take one, set `mitigate` and `strength` in [models.NAME.fairness] and train again.

    Parameters
    ----------
    model
        Name of a model with `sensitive` columns.
    output
        Write the curve too: .html for a page with the table, .svg for the plot alone.
    language
        Language of the table and the page; the project's when absent.
    """
    from cauce.core.errors import UserError
    from cauce.core.files import write_bytes
    from cauce.loop.fairness_curve import curve
    from cauce.report import fairness_page, fairness_rows, fairness_svg

    if output is not None and output.suffix not in {".html", ".svg"}:
        hint = "Name a file that ends in .html or .svg."
        raise UserError("not a kind of file that a curve is written as", where="--output", received=output, hint=hint)
    with open_loop(common) as loop:
        with loop.locked(wait_s=5.0):
            found = curve(loop, model)
        about = loop.project.file.project
        chosen = language or about.language
    if output is not None:
        page = output.suffix == ".html"
        drawn = fairness_page(found, chosen, project=about.name).encode() if page else fairness_svg(found, chosen)
        write_bytes(output, drawn)
    if common.json:
        terminal.show_json(found)
        return EXIT_DONE
    header, rows, footnote = fairness_rows(found, chosen)
    terminal.show_table(model, header, rows)
    terminal.say(f"[dim]{terminal.escape(footnote)}[/]")
    terminal.say(terminal.escape(found.reason[chosen]))
    if output is not None:
        terminal.say(f"Wrote {terminal.escape(output)}")
    return EXIT_DONE
