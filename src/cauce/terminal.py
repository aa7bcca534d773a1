"""What people see in a terminal: progress with the time left, tables, errors; JSON for machines.

Progress and errors go to standard error, results to standard output, so that `--json` can be piped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, TextIO

from cauce.core.errors import Problems, UserError
from cauce.core.progress import Progress, silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

STAGES = {
    "load": "Loading data",
    "cluster": "Clustering files",
    "compare": "Comparing versions of",
    "vacuum": "Removing old versions of",
    "profile": "Profiling columns",
    "audit": "Auditing",
    "fit-audit": "Fitting for the audit",
    "reduce": "Keeping fewer rows",
    "choose": "Choosing a model",
    "tune": "Tuning",
    "diagnose": "Diagnosing the chosen model",
    "fit": "Fitting the chosen model",
    "register": "Registering",
    "read": "Checking the values of",
    "predict": "Predicting with",
    "rehearse": "Rehearsing",
    "tune-rehearsal": "Trying settings",
}


@contextmanager
def progress_bars(*, quiet: bool) -> Iterator[Progress]:
    """Give a Progress that draws a bar a stage, with the time left; on a pipe, a line when a stage ends."""
    if quiet:
        yield silent
        return
    if not sys.stderr.isatty():
        yield _lines
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bars(*columns, console=_stderr()) as bars:
        known: dict[str, TaskID] = {}

        def tell(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in known or (done == 0 and bars.tasks[known[stage]].finished):
                known[stage] = bars.add_task(_title(stage), total=total, note=note)
            bars.update(known[stage], completed=done, total=total, note=note)

        yield tell


def _lines(stage: str, done: int, total: int, note: str = "") -> None:
    if done == total:
        sys.stderr.write(f"{_title(stage)}: done\n")
        sys.stderr.flush()


def _title(stage: str) -> str:
    """Return a stage's name for people; what follows its first word, such as a data set's name, is kept."""
    verb, _, rest = stage.partition(" ")
    return f"{STAGES.get(verb, verb)} {rest}".rstrip()


def show_error(error: UserError, *, as_json: bool = False) -> None:
    """Print an error to standard error and, for machines, as an object to standard output."""
    console = _stderr()
    label = {3: "Blocked", 4: "Refused", 5: "Locked"}.get(error.exit_code, "Error")
    console.print(f"[bold red]{label}:[/]", end=" " if not isinstance(error, Problems) else "\n")
    console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    if as_json:
        problems = error.problems if isinstance(error, Problems) else (error,)
        show_json({"error": [_fault(one) for one in problems], "exit_code": error.exit_code})


def _fault(error: UserError) -> dict[str, object]:
    received = None if error.received is None else str(error.received)
    return {"what": error.what, "where": error.where, "received": received, "hint": error.hint}


_results: list[TextIO] = []
"""Standard output, while what else is printed goes to standard error."""


@contextmanager
def results_alone() -> Iterator[None]:
    """Keep standard output for `show_json`: what a project's own Python prints goes to standard error."""
    _results.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _results.pop()


def show_json(value: object) -> None:
    """Print a value as JSON: artefacts, mappings, sequences, times, paths."""
    import orjson

    def other(item: object) -> object:
        if isinstance(item, Mapping):
            return dict(item)
        if hasattr(item, "model_dump"):
            return item.model_dump()
        return str(item)

    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    output = (_results[-1] if _results else sys.stdout).buffer
    output.write(orjson.dumps(value, default=other, option=option))
    output.flush()


WIDE = 1_000
"""Characters that a table may take where no terminal sets a limit."""


def show_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table to standard output, as wide as the terminal; on a pipe as wide as it is."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console = _stdout()
    (console if console.is_terminal else Console(width=WIDE)).print(table)


def say(text: str) -> None:
    """Print a line to standard output, in colours where it is a terminal; text from data goes through `escape`."""
    _stdout().print(text, highlight=False, soft_wrap=True)


def counted(n: int, thing: str) -> str:
    """Return ``1 model``, ``2 models``."""
    return f"{n:,} {thing}{'s' * (n != 1)}"


def escape(value: object) -> str:
    """Return a value as text that the terminal shows as it is."""
    from rich.markup import escape as rich_escape

    return rich_escape(str(value))


def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _stdout() -> Console:
    from rich.console import Console

    return Console()
