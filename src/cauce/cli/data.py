"""`cauce data`: data sets, their versions, what lies between two, the way back, what is kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE

if TYPE_CHECKING:
    from cauce.data import Entry, RowChanges, SummaryChange
    from cauce.loop.data_sets import Diff, Logged

data = App(name="data")
app.command(data)

Name = Annotated[str, Parameter(help="Name of the data set.")]


@data.default
def data_(*, common: Common = DEFAULT) -> int:
    """List data sets; show, compare, restore and remove their versions.

    Every load that finds other content makes a version; none is lost until `keep` of [data.NAME] says so.

    For example:

    `cauce data` lists the data sets: rows, newest version, size on disk, last load.

    `cauce data log enrolments` tells what each version changed, and which releases learnt from it.

    `cauce data diff enrolments 3 7` compares two versions: columns, rows, values.

    `cauce data restore enrolments 3` makes version 3 the newest again, until the source changes.

    `cauce data reload enrolments` reads the whole source again, whatever a watermark would spare.

    `cauce data vacuum enrolments --dry-run` says what `keep` would remove.

    `cauce data ddl enrolments > table.sql` writes the table's definition for BigQuery.
    """
    from cauce.loop.data_sets import data_sets

    with open_loop(common) as loop:
        found = data_sets(loop)
    if common.json:
        terminal.show_json(found)
        return EXIT_DONE
    rows = [
        (
            one.data,
            one.source,
            _count(one.n_rows),
            ("" if one.version is None else f"{one.version}") + (" (restored)" if one.held else ""),
            _size(one.n_bytes),
            _time(one.loaded_at) if one.loaded_at else "never",
        )
        for one in found
    ]
    terminal.show_table("Data sets", ("data set", "source", "rows", "version", "size", "last load"), rows)
    return EXIT_DONE


@data.command
def log(name: Name, /, *, limit: int | None = 20, common: Common = DEFAULT) -> int:
    """Tell a data set's versions, newest first: when, rows, what changed, which releases learnt from it.

    Rows added and removed are counted against the version before, once; the counts are kept.

    Parameters
    ----------
    limit
        Most versions shown, the newest ones.
    """
    from cauce.loop.data_sets import log as run

    with open_loop(common) as loop:
        found = run(loop, name, limit=limit)
    if common.json:
        terminal.show_json([asdict(one.entry) | {"changes": one.rows, "releases": one.releases} for one in found])
        return EXIT_DONE
    rows = [
        (
            one.entry.version,
            _time(one.entry.at),
            _operation(one.entry),
            _count(one.entry.n_rows),
            _what_changed(one),
            ", ".join(one.releases),
            _size(one.entry.n_bytes) if one.entry.readable else "removed",
        )
        for one in found
    ]
    header = ("version", "made", "by", "rows", "changes", "releases", "size")
    terminal.show_table(f"{name}: versions", header, rows)
    return EXIT_DONE


@data.command
def diff(name: Name, before: int | None = None, after: int | None = None, /, *, common: Common = DEFAULT) -> int:
    """Compare two versions: columns, rows added, removed and changed, summaries that moved.

    Rows are matched by the data set's key; without one, whole rows are, and a changed row counts as removed and added.

    Parameters
    ----------
    before
        Earlier version; the last one with another content when absent.
    after
        Later version; the newest when absent.
    """
    from cauce.loop.data_sets import diff as run

    with open_loop(common) as loop:
        found = run(loop, name, before, after)
    if common.json:
        terminal.show_json(found)
    else:
        _show_diff(found)
    return EXIT_DONE


@data.command
def restore(name: Name, version: int, /, *, common: Common = DEFAULT) -> int:
    """Make a version's content the newest version. Later versions stay, and can be restored too.

    The source, as it is now, is not loaded over it; a source that changes afterwards is loaded as usual.

    Parameters
    ----------
    version
        Version to bring back, as `cauce data log` numbers it.
    """
    from cauce.loop.data_sets import restore as run

    with open_loop(common) as loop, loop.locked(wait_s=5.0):
        done = run(loop, name, version)
    if common.json:
        terminal.show_json(done)
        return EXIT_DONE
    terminal.say(
        f"[bold]{name}[/]: version {done.version} has the content of version {version} "
        f"({terminal.counted(done.snapshot.n_rows, 'row')})."
    )
    if done.held:
        terminal.say("  The source, as it is now, is not loaded over it; once it changes, it is loaded as usual.")
    terminal.say(f"  back      cauce data restore {name} {done.before}")
    return EXIT_DONE


@data.command
def reload(name: Name, /, *, common: Common = DEFAULT) -> int:
    """Read a data set's whole source again, and make a version of it where the content differs.

    For what an increment cannot see: rows that came later than `late`, rows that left the source without a mark,
    rows whose watermark was not moved. Nothing is lost: the version before stays.
    """
    from cauce import data as rooms
    from cauce.loop.load import load

    with open_loop(common) as loop, loop.locked(wait_s=5.0):
        loop.data(name)
        before = rooms.latest(loop.state.lake, name)
        done = load(loop, name, full=True)
    if common.json:
        terminal.show_json(done)
        return EXIT_DONE
    counted = terminal.counted(done.n_rows, "row")
    if before is not None and before.version == done.version:
        terminal.say(f"[bold]{name}[/]: the whole source says what version {done.version} holds ({counted}).")
    else:
        terminal.say(f"[bold]{name}[/]: version {done.version}, from the whole source ({counted}).")
        if before is not None:
            terminal.say(f"  compare   cauce data diff {name} {before.version} {done.version}")
    return EXIT_DONE


@data.command
def vacuum(name: Name, /, *, dry_run: Annotated[bool, Parameter(negative=())] = False, common: Common = DEFAULT) -> int:
    """Remove versions that were replaced longer ago than `keep` of [data.NAME] says; every load does it too.

    The newest version stays, and those that a registered release was trained on.

    Parameters
    ----------
    dry_run
        Say what would go, and remove nothing.
    """
    from cauce.loop.retention import vacuum as run

    with open_loop(common) as loop, loop.locked(wait_s=5.0):
        keep = loop.data(name).keep
        done = run(loop, name, dry_run=dry_run)
    if common.json:
        terminal.show_json(done)
        return EXIT_DONE
    if keep is None:
        hint = terminal.escape(f'`keep = "90d"` under [data.{name}] changes that.')
        terminal.say(f"[bold]{name}[/]: every version is kept. {hint}")
        return EXIT_DONE
    would = "would remove" if dry_run else "removed"
    terminal.say(
        f"[bold]{name}[/]: {would} {terminal.counted(len(done.forgotten), 'version')} replaced more than {keep} ago"
        f"{_listed(done.forgotten)}, {terminal.counted(done.n_files, 'file')}, {_size(done.n_bytes)}."
    )
    if done.released:
        terminal.say(f"  kept for releases{_listed(done.released)}")
    if done.read_now:
        terminal.say(f"  being read, removed next time{_listed(done.read_now)}")
    return EXIT_DONE


@data.command
def ddl(name: Name, /, *, table: str | None = None, common: Common = DEFAULT) -> int:
    """Print the statement that makes the data set's table in BigQuery: columns, types, partitions, clusters.

    Parameters
    ----------
    table
        Name of the table there, as project.dataset.table; the data set's when absent.
    """
    from cauce.loop.data_sets import ddl as run

    with open_loop(common) as loop:
        statement = run(loop, name, table=table)
    if common.json:
        terminal.show_json({"data": name, "dialect": "bigquery", "ddl": statement})
    else:
        sys.stdout.write(statement)
    return EXIT_DONE


def _show_diff(found: Diff) -> None:
    before, after = found.n_rows
    terminal.say(
        f"[bold]{found.data}[/]: version {found.before} ({terminal.counted(before, 'row')}) to version {found.after} "
        f"({terminal.counted(after, 'row')})"
    )
    for change in found.columns:
        terminal.say(f"  column {terminal.escape(change)}")
    rows = found.rows
    by = f"by {rows.key}" if rows.key is not None else "by their whole content"
    terminal.say(f"  rows, matched {terminal.escape(by)}: {_rows(rows)}")
    what = "" if rows.key is not None else "at row "
    for word, examples in (("added", rows.first_added), ("removed", rows.first_removed)):
        if examples:
            terminal.say(f"    first {word}: {what}{terminal.escape(', '.join(examples))}")
    if rows.columns:
        told = [
            (
                one.column,
                _count(one.n_rows),
                "; ".join(f"{e.key}: {_cell(e.before)} → {_cell(e.after)}" for e in one.examples),
            )
            for one in rows.columns
        ]
        terminal.show_table("Changed values", ("column", "rows", "first (key: before → after)"), told)
    if found.summaries:
        header = ("column", "missing", "mean", "distinct")
        terminal.show_table("Summaries", header, [_summary(one) for one in found.summaries])


def _summary(one: SummaryChange) -> tuple[str, str, str, str]:
    mean = [_mean(value, one.type) for value in one.mean]
    return (
        one.column,
        _moved(f"{one.missing[0]:.1%}", f"{one.missing[1]:.1%}"),
        _moved(*mean),
        _moved(_count(one.distinct[0]), _count(one.distinct[1])),
    )


def _mean(value: float | None, kind: str) -> str:
    if value is None:
        return ""
    if kind.startswith(("timestamp", "date")):
        return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)).date())
    return f"{value:,.4g}"


def _moved(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _operation(entry: Entry) -> str:
    return (
        f"restore of {entry.restored}"
        if entry.restored is not None and entry.operation == "restore"
        else entry.operation
    )


def _what_changed(one: Logged) -> str:
    parts = list(one.entry.columns)
    if one.rows is not None:
        parts.insert(0, _rows(one.rows))
    if one.entry.late:
        parts.append(f"{one.entry.late:,} came late")
    if one.entry.missed:
        parts.append(f"{one.entry.missed:,} too late, not read")
    return "; ".join(parts)


def _rows(rows: RowChanges) -> str:
    told = [(rows.added, "added"), (rows.removed, "removed"), (rows.changed or 0, "changed")]
    return ", ".join(f"{n:,} {word}" for n, word in told if n) or "same rows"


def _cell(value: str | None) -> str:
    return "missing" if value is None else value


def _count(n: int | None) -> str:
    return "" if n is None else f"{n:,}"


def _listed(versions: Sequence[int]) -> str:
    shown = ", ".join(map(str, versions[:10])) + (", …" if len(versions) > 10 else "")
    return f" ({shown})" if versions else ""


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
