"""Batch prediction: a file or table in, a file or table out, through the champion; on request also into the ledger.

Rows pass in batches, so memory does not grow with them: what reads and writes stands in `data/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from cauce.core.artefacts import Release, TaskSpec
from cauce.core.errors import Refused, UserError
from cauce.core.protocols import Fitted
from cauce.loop.context import Loop

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.data import Incoming
    from cauce.ledger import Ledger


SIZE = 32_768
"""Rows that are in memory at a time."""


@dataclass(frozen=True)
class Predicted:
    """What a batch came to."""

    output: Path
    n_rows: int
    model: str
    version: int
    unseen: Mapping[str, int]
    """Column → rows with a category that training never saw: predicted, and less to be trusted."""


def predict(loop: Loop, model: str, source: Path, output: Path, *, record: bool = False, size: int = SIZE) -> Predicted:
    """Predict every row of `source` with the champion and write `output`: the key first, where the source has it.

    Parameters
    ----------
    source
        CSV, Parquet, JSON Lines, Excel, or a Delta table's folder, with at least the model's input columns.
    output
        ``.csv``, ``.parquet``, ``.jsonl``, or a Delta table's folder. Written whole or not at all.
    record
        Write the predictions to the ledger too, batch by batch; the output then has a column ``prediction_id``.
    size
        Rows of a batch.

    Raises
    ------
    Refused
        The model has no champion.
    UserError
        The source lacks a column, holds text where numbers were, or cannot be read.
    """
    from cauce import data

    data.check_output(output)
    loop.model(model)
    champion = loop.tracker.alias(model, "champion")
    if champion is None:
        raise Refused(f"model {model!r} has no champion", hint=f"Train it first: `cauce train {model}`.")
    release, package = loop.tracker.open(model, champion)
    spec = release.training.spec
    with data.incoming(source) as rows:
        _check(loop, rows, spec, source)
        with _ledger(loop, model, record=record) as ledger, data.outgoing(output) as write:
            batches = _Batches(loop, release, package.fitted, ledger)
            for table in rows.batches(_wanted(spec, rows), size=size):
                write(batches.answer(table))
                loop.progress(f"predict {model}", batches.n_rows, rows.n_rows)
        unseen = {name: batches.unseen[name] for name in spec.schema.names if batches.unseen[name]}
        return Predicted(output, batches.n_rows, model, champion, unseen)


def _wanted(spec: TaskSpec, rows: Incoming) -> list[str]:
    names = list(spec.schema.names)
    key = [spec.key] if spec.key and spec.key in rows.schema.names and spec.key not in names else []
    return [*key, *names]


def _check(loop: Loop, rows: Incoming, spec: TaskSpec, source: Path) -> None:
    """Refuse rows that lack a column, or hold another kind of value: all of them are looked at before any is predicted.

    Only columns whose type leaves it open are read for it.
    """
    from cauce.data import KindCheck

    missing = [name for name in spec.schema.names if name not in rows.schema.names]
    if missing:
        what = f"lacks the column{'' if len(missing) == 1 else 's'} {', '.join(missing)}"
        raise UserError(what, where=str(source), hint=_renamed(missing, rows.schema.names))
    check = KindCheck(spec.schema, where=str(source))
    doubtful, done = check.doubtful(rows.schema), 0
    if doubtful:
        for table in rows.batches(doubtful, size=SIZE):
            check.take(table)
            done += table.num_rows
            loop.progress(f"read {source.name}", done, rows.n_rows)
    check.finish()


def _renamed(missing: Sequence[str], found: Sequence[str]) -> str:
    """Say which columns of the file have nearly a missing one's name; a list of all the others helps nobody."""
    near = [(name, get_close_matches(name, found, n=1)) for name in missing]
    pairs = ", ".join(f"{other[0]!r} to {name!r}" for name, other in near if other)
    return f"Rename {pairs}?" if pairs else "Add what is missing; an unknown value may be left empty."


@contextmanager
def _ledger(loop: Loop, model: str, *, record: bool) -> Iterator[Ledger | None]:
    from cauce.loop.watch import ledger_of

    if not record:
        yield None
        return
    ledger = ledger_of(loop, model)
    try:
        yield ledger
    finally:
        ledger.close()


@dataclass
class _Batches:
    """One batch after the other, and what they come to together."""

    loop: Loop
    release: Release
    fitted: Fitted
    ledger: Ledger | None
    n_rows: int = 0
    unseen: Counter[str] = field(default_factory=Counter)

    def answer(self, rows: pa.Table) -> pa.Table:
        """Return the output's columns for the next rows."""
        import pyarrow as pa

        from cauce.data import count_unseen
        from cauce.rows import RowFailed

        spec = self.release.training.spec
        try:
            predictions = self.fitted.predict(rows)
        except RowFailed as error:
            raise self._told(error.moved(self.n_rows)) from error
        columns = dict(zip(predictions.column_names, predictions.columns, strict=True))
        if self.ledger is not None:
            columns = {"prediction_id": self._recorded(rows.select(list(spec.schema.names)), predictions), **columns}
        if spec.key and spec.key in rows.column_names:
            columns = {spec.key: rows[spec.key], **columns}
        self.n_rows += rows.num_rows
        self.unseen.update(count_unseen(rows, spec.schema))
        return pa.table(columns)

    def _recorded(self, inputs: pa.Table, predictions: pa.Table) -> pa.Array:
        assert self.ledger is not None
        try:
            return self.ledger.record(inputs, predictions, version=self.release.version, at=self.loop.now())
        except UserError as error:
            raise self._told(error) from error

    def _told(self, error: UserError) -> UserError:
        """Return an error that says what the ledger holds already."""
        if self.ledger is not None and self.n_rows:
            error.hint = f"{error.hint} The {self.n_rows:,} rows before are in the ledger; the output is not written."
        return error
