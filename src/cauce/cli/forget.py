"""`cauce forget`: erase what a ledger holds about somebody."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE, Refused

if TYPE_CHECKING:
    from cauce.loop.forget import Forgotten


@app.command
def forget(
    model: Annotated[str, Parameter(help="Name of the model.")],
    /,
    *,
    unit: str | None = None,
    column: str | None = None,
    value: str | None = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    yes: Annotated[bool, Parameter(negative=())] = False,
    common: Common = DEFAULT,
) -> int:
    """Erase from the ledger every prediction about a unit, or with a value in a column, and all that belongs to it.

    With it go shadows, truths, copies kept for training, and the history of the tables. The service may go on.

    Parameters
    ----------
    unit
        Unit, as requests named it.
    column
        Input column that `--value` stands in.
    value
        Value, as requests sent it. A hashed column, or unit, is found by its value too.
    dry_run
        Only count.
    yes
        Do not ask.
    """
    from cauce.loop.forget import find
    from cauce.loop.forget import forget as run

    with open_loop(common) as loop:
        found = find(loop, model, unit=unit, column=column, value=value)
        if not dry_run:
            if not yes:
                _confirm(found, json=common.json)
            with loop.locked(wait_s=5.0):
                found = run(loop, model, unit=unit, column=column, value=value)
        language = loop.project.file.project.language
    if common.json:
        terminal.show_json(found)
    else:
        _show(found, language)
    return EXIT_DONE


def _confirm(found: Forgotten, *, json: bool) -> None:
    """Ask before anything is erased; without anybody to ask, refuse."""
    hint = "Give --yes to erase without being asked, or --dry-run to count."
    if json or not sys.stdin.isatty():
        raise Refused("nobody can be asked whether to erase", hint=hint)
    what = f"{found.predictions} predictions and {found.truths} truths of {found.model}"
    if input(f"Erase {what} for good? [y/N] ").strip().lower() not in {"y", "yes", "s", "sí", "si"}:
        raise Refused("nothing was erased", hint=hint)


def _show(found: Forgotten, language: str) -> None:
    verb = "would be erased" if found.dry_run else "erased"
    counts = [(found.predictions, "prediction"), (found.shadows, "shadow"), (found.truths, "truth")]
    if not found.dry_run:
        counts.append((found.training_rows, "training row"))
    counts.append((found.damaged_lines, "damaged line"))
    listed = ", ".join(terminal.counted(n, word) for n, word in counts)
    terminal.say(f"[bold]{found.model}[/]: {verb}: {listed}")
    if not found.dry_run:
        terminal.say(f"  {found.delay[language]}")
    terminal.say("  may still be in:")
    for words in found.remains:
        terminal.say(f"    {terminal.escape(words[language])}")
