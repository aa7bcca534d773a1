"""The command that says why: one prediction, two stretches of time, or two releases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE, UserError

if TYPE_CHECKING:
    from cauce.core.why import Change, PredictionWhy, Why
    from cauce.report.language import Language

WIDTH = 24
"""Characters of the longest bar."""


@app.command
def why(
    model: str,
    /,
    *,
    prediction: str | None = None,
    row: str | None = None,
    release: int | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    releases: tuple[int, int] | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    language: Literal["en", "es"] | None = None,
    common: Common = DEFAULT,
) -> int:
    """Say why: what each column added to one prediction, or what moved the loss and the predictions.

    Parameters
    ----------
    model
        Name of the model.
    prediction
        Id of a prediction in the ledger; the release that answered it is asked.
    row
        A row as JSON, in place of an id: `--row '{"age": 30}'`. What is not there is missing.
    release
        Version that is asked about `--row`; the champion when absent.
    from_
        Stretch of time before: 2026, 2026-09, 2026-09-14, 2026-09-14T08, or 2026-09-01..2026-09-14 (UTC).
    to
        Stretch of time after.
    releases
        Two versions, the earlier first, on the rows that neither has learnt from.
    output
        Write a page with pictures too: a file that ends in .html.
    language
        Of the sentences and the page; the project's when absent.
    """
    from cauce.core.files import write_bytes
    from cauce.loop import why as room
    from cauce.report.language import speak
    from cauce.report.why import prediction_page, why_page

    asked = sum(given is not None for given in (prediction, row, from_ or to, releases))
    if asked == 1 and (from_ is None) != (to is None):
        hint = "Two are compared: --from 2026-09 --to 2026-10; hours too, as 2026-09-14T08."
        raise UserError("one stretch of time alone", where="cauce why", received=from_ or to, hint=hint)
    if asked != 1:
        hint = "One of --prediction ID, --row JSON, --from A --to B, --releases 3 5."
        raise UserError("say what to explain", where="cauce why", hint=hint)
    if output is not None and output.suffix != ".html":
        hint = "Name a file that ends in .html."
        raise UserError("not a kind of file that this is written as", where="--output", received=output, hint=hint)
    with open_loop(common) as loop:
        about = loop.project.file.project
        words = speak(language or about.language)
        if prediction is not None or row is not None:
            one = (
                room.why_prediction(loop, model, prediction)
                if prediction is not None
                else room.why_row(loop, model, _row(row or ""), release)
            )
            page = prediction_page(one, words.code, project=about.name) if output else ""
            show: PredictionWhy | Why = one
        else:
            windows = (from_, to) if from_ is not None and to is not None else None
            both = room.why_between(loop, model, windows=windows, releases=releases)
            page = why_page(both, words.code, project=about.name) if output else ""
            show = both
    if output is not None:
        write_bytes(output, page.encode())
    if common.json:
        terminal.show_json(show)
        return EXIT_DONE
    _show(show, words)
    if output is not None:
        terminal.say(f"Wrote {terminal.escape(output)}")
    return EXIT_DONE


def _row(text: str) -> Mapping[str, Any]:
    import json

    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        hint = """Write a JSON object: --row '{"age": 30}'."""
        raise UserError("not JSON", where="--row", received=text, hint=hint) from error
    if not isinstance(found, dict):
        raise UserError("not one row", where="--row", received=text, hint="Write a JSON object of columns.")
    return found


def _show(why: PredictionWhy | Why, words: Language) -> None:
    from cauce.core.why import PredictionWhy

    if isinstance(why, PredictionWhy):
        _show_one(why, words)
    else:
        _show_both(why, words)
    for untold in why.untold:
        terminal.say(f"[yellow]{terminal.escape(words.of(untold))}[/]")


def _show_one(why: PredictionWhy, words: Language) -> None:
    from cauce.core.figures import written
    from cauce.report.why import notes, say

    terminal.say(terminal.escape(words.of(why.reason)))
    most = max((abs(one.amount) for one in why.added), default=0.0) or 1.0
    rows = []
    for one in why.added:
        error = f" ±{words.number(one.error, digits=2)}" if one.error is not None else ""
        amount = _signed(one.amount, words) + error
        rows.append((one.column, written(one.value, words.code), amount, bar(one.amount, most)))
    if rows and why.method != "none":
        rows.insert(0, (f"({say('base', words)})", "", words.number(why.base), ""))
        rows.append((f"({say('score', words)})", "", words.number(why.score), ""))
        header = (say("column", words), "", say("amount", words), "")
        terminal.show_table(f"{why.model} {why.version}", header, rows)
        for note in notes(why, words):
            terminal.say(f"[dim]{terminal.escape(note)}[/]")


def _show_both(why: Why, words: Language) -> None:
    from cauce.report.why import part_name, rows_table

    for change in (why.loss, *why.predictions):
        if change is None:
            continue
        terminal.say(terminal.escape(words.of(change.reason)))
        most = max((abs(part.amount) for part in change.parts), default=0.0) or 1.0
        rows = [
            (
                part_name(part, words),
                _signed(part.amount, words),
                _between(part.interval, words),
                bar(part.amount, most),
            )
            for part in change.parts
        ]
        terminal.show_table("", ("", "", "95 %", ""), [*rows, _whole(change, words)])
    if why.rows:
        about = rows_table(why, words)
        assert about is not None
        terminal.show_table(about["title"], about["head"], about["body"])
        terminal.say(f"[dim]{terminal.escape(about['note'])}[/]")


def _whole(change: Change, words: Language) -> tuple[str, str, str, str]:
    from cauce.report.why import say

    amount = change.after - change.before
    return say("whole", words), _signed(amount, words), _between(change.interval, words), ""


def _signed(amount: float, words: Language) -> str:
    return f"{'+' if amount > 0 else ''}{words.number(amount)}"


def _between(interval: tuple[float, float], words: Language) -> str:
    return f"{words.number(interval[0])} … {words.number(interval[1])}"


def bar(amount: float, most: float) -> str:
    """Return a bar to the left or the right of a line, `WIDTH` characters for the largest.

    Examples
    --------
    >>> bar(-1.0, 2.0).strip(), bar(2.0, 2.0).strip() == "│" + "█" * 12
    ('██████│', True)
    """
    half = WIDTH // 2
    size = round(half * abs(amount) / most)
    return (" " * half + "│" + "█" * size) if amount >= 0 else (" " * (half - size) + "█" * size + "│")
