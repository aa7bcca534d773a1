"""A report of Evidently's: its drift and summary presets over two Arrow tables, in its own HTML or JSON.

The one module that may import Evidently, and only when a report is asked for. It needs pandas < 3, so it lives in an
environment of its own: see docs/exporting.md. Its usage tracking is switched off before it is loaded; making a report
does not load it anyway.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cauce.core.artefacts import Kind, Schema
from cauce.core.errors import MissingExtra, UserError
from cauce.core.extras import need
from cauce.export.writing import MARK

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["html", "json"]
OUTPUT = "prediction"
NUMBERS: frozenset[Kind] = frozenset({"integer", "number"})
CLASSES: frozenset[Kind] = frozenset({"category", "boolean"})
TEXTS: frozenset[Kind] = frozenset({"text"})
DATES: frozenset[Kind] = frozenset({"datetime"})
HINT = (
    "It needs pandas < 3, so give it an environment of its own: "
    "python -m venv evidently, then pip install 'cauce[evidently]' -c constraints-evidently.txt in it."
)


@dataclass(frozen=True, eq=False)
class Frames:
    """Two tables with the same columns, as Evidently takes them: numbers as floats, dates in UTC, the rest as text."""

    reference: pa.Table
    current: pa.Table
    numbers: tuple[str, ...]
    classes: tuple[str, ...]
    texts: tuple[str, ...]
    dates: tuple[str, ...]
    left_out: tuple[str, ...]
    """Input columns that are not in the report: one side lacks them, or the reference has no value of them."""

    @property
    def note(self) -> str:
        """What the report does not have, and why: empty where it has all."""
        if not self.left_out:
            return ""
        return f"Left out, since one side lacks them or training has no value of them: {', '.join(self.left_out)}."


def check_evidently() -> None:
    """Raise MissingExtra, with what to do, where Evidently is not installed here."""
    os.environ["DO_NOT_TRACK"] = "1"  # Evidently's own switch, which it reads when it is loaded
    try:
        need("evidently", extra="evidently", what="Evidently's report")
    except MissingExtra as error:
        error.hint = HINT
        raise


def frames(reference: pa.Table, current: pa.Table, schema: Schema, *, classes: Sequence[str]) -> Frames:
    """Put two tables into the form that Evidently takes.

    Parameters
    ----------
    reference, current
        What training saw, and a window of the ledger; either may have a column ``prediction``.
    schema
        The model's input columns.
    classes
        What the model tells apart; empty where it predicts a number.

    Raises
    ------
    UserError
        A table has no rows.
    """
    for name, table in (("the reference", reference), ("the window", current)):
        if not table.num_rows:
            raise UserError(f"{name} has no rows: there is nothing to compare")
    kinds: dict[str, Kind] = {column.name: column.kind for column in schema}
    kinds[OUTPUT] = "category" if classes else "number"
    both = [name for name in kinds if name in reference.column_names and name in current.column_names]
    filled = [name for name in both if reference[name].null_count < reference.num_rows]
    numbers, categories, texts, dates = (
        tuple(name for name in filled if kinds[name] in wanted) for wanted in (NUMBERS, CLASSES, TEXTS, DATES)
    )
    return Frames(
        reference=_plain(reference, numbers, dates, (*categories, *texts)),
        current=_plain(current, numbers, dates, (*categories, *texts)),
        numbers=numbers,
        classes=categories,
        texts=texts,
        dates=dates,
        left_out=tuple(name for name in kinds if name not in filled),
    )


def report(found: Frames, *, title: str, form: Format, drift: Mapping[str, str] | None = None) -> bytes:
    """Return Evidently's report: its drift preset, and its summary of every column, texts too.

    Its drift of texts is how well a classifier tells the window's from the reference's. Of dates it has none, and its
    least and largest value of one end in an error (0.7.23): they count among columns, rows and missing values alone.

    Parameters
    ----------
    title
        Name of the report.
    form
        ``html``: one page that loads nothing from elsewhere; ``json``: Evidently's own, as its ``Snapshot.json()``.
    drift
        Column → Evidently's name of a drift method; its own choice where absent.

    Raises
    ------
    MissingExtra
        Evidently is not installed.
    """
    check_evidently()
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    about = DataDefinition(
        numerical_columns=list(found.numbers),
        categorical_columns=list(found.classes),
        text_columns=list(found.texts),
        datetime_columns=list(found.dates),
    )
    sides: list[Any] = [
        Dataset.from_pandas(table.to_pandas(), data_definition=about) for table in (found.current, found.reference)
    ]
    columns = [*found.numbers, *found.classes, *found.texts]
    presets = [
        DataDriftPreset(columns=columns, per_column_method=dict(drift or {})),
        DataSummaryPreset(columns=columns),
    ]
    made = Report(presets).run(*sides, name=title)
    if form == "json":
        return str(made.json()).encode()
    return f"{made.get_html_str(as_iframe=False)}\n<!-- {MARK} evidently. -->\n".encode()


def _plain(table: pa.Table, numbers: Sequence[str], dates: Sequence[str], others: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    columns = {name: table[name].cast(pa.float64(), safe=False) for name in numbers}
    for name in dates:
        columns[name] = table[name].cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.timestamp("us"))
    return pa.table(columns | {name: table[name].cast(pa.string()) for name in others})
