"""A model behind its row functions: takes raw rows, computes, predicts. And the functions as files of a release.

rows.json        which functions, in order; the forms of the columns they take and make; the raw schema
code/<path>      the functions' files, as they were read when the model was trained
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cauce.core.artefacts import Schema, TaskSpec
from cauce.core.contributions import Contributions, contributions_of
from cauce.core.errors import UserError
from cauce.core.files import from_json, to_json
from cauce.core.plain import to_table
from cauce.core.protocols import Finished, Fitted, Online, online_of
from cauce.core.scripts import read_script
from cauce.rows.compute import Computation
from cauce.rows.forms import Form
from cauce.rows.functions import compile_functions

if TYPE_CHECKING:
    import pyarrow as pa

LISTING = "rows.json"
CODE = "code"
MODEL = "model"
INFINITE = (float("inf"), float("-inf"))
SAME: Mapping[str, tuple[Form, ...]] = {
    "integer": ("int64", "float64"),
    "number": ("int64", "float64"),
    "boolean": ("bool",),
    "category": ("string",),
    "text": ("string",),
    "datetime": ("timestamp",),
}
"""Kind of a column → forms whose values a model's quick way takes as they are."""


@dataclass(frozen=True, eq=False)
class Computed:
    """A `Fitted` that computes columns and hands them to the model that learnt from them.

    Parameters
    ----------
    inner
        The model, whose schema holds computed columns too.
    computing
        What those are computed with.
    schema
        Columns that rows must bring: none of them is computed.
    """

    inner: Fitted
    computing: Computation
    schema: Schema

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels, as the model's."""
        return self.inner.classes

    @cached_property
    def importance(self) -> Mapping[str, float]:
        """Input column → share of the model's use of it; a computed column's goes to its inputs in equal parts."""
        shares = dict.fromkeys(self.schema.names, 0.0)
        for name, share in self.inner.importance.items():
            origins = self.computing.functions.raw([name])
            for origin in origins:
                shares[origin] += share / len(origins)
        return shares if self.inner.importance else {}

    def predict(self, table: pa.Table) -> pa.Table:
        """Predict raw rows; computed columns among them are computed anew.

        Raises
        ------
        RowFailed
            A function raised on a row.
        """
        return self.inner.predict(self.computing.apply(table))

    def online(self) -> Online | None:
        """Give the quick way for few rows, where the model has one: functions take Arrow arrays, the model does not.

        None also where a computed column would have to be read in another form, as numbers that are categories:
        reading is the task's, and its `predict` does it.
        """
        way, functions = online_of(self.inner), self.computing.functions
        kinds = {column.name: column.kind for column in self.inner.schema}
        forms = {name: self.computing.outputs.get(name) for name in functions.names if name in kinds}
        if way is None or any(form not in SAME[kinds[name]] for name, form in forms.items()):
            return None
        together = (*self.schema.names, *functions.names)
        places = [together.index(name) for name in kinds]

        def predict(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
            made = self.computing.columns(to_table(rows, self.schema, tuple(self.computing.inputs)))
            computed = zip(*(_plain(made[name]) for name in functions.names), strict=True)
            return way([[(*row, *more)[place] for place in places] for row, more in zip(rows, computed, strict=True)])

        return predict

    def contributions(self, table: pa.Table, background: pa.Table | None = None) -> Contributions:
        """Give what each column adds: a computed one too, under its own name, with what it is computed from."""
        apply, functions = self.computing.apply, self.computing.functions
        known = None if background is None else apply(background)
        found = contributions_of(self.inner, apply(table), known)
        origins = {name: functions.raw([name]) for name in functions.names if name in found.columns}
        return replace(found, computed={**found.computed, **origins})

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        """Finish the model within; `rows` have the computed columns."""
        finished = self.inner.finish(rows, predicted, spec)
        return Finished(replace(self, inner=finished.fitted), finished.finish)

    def save(self, folder: Path) -> None:
        """Write the functions into the existing, empty `folder`, and the model into its ``model/``."""
        functions = self.computing.functions
        files = tuple(script.path for script in functions.scripts)
        listing = _Listing(functions.entries, files, self.computing.inputs, self.computing.outputs, self.schema)
        (folder / LISTING).write_bytes(to_json(listing))
        for script in functions.scripts:
            path = folder / CODE / script.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(script.text, encoding="utf-8", newline="")
        (folder / MODEL).mkdir()
        self.inner.save(folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Not without knowing the model within: a package is opened by `core.registry.load_fitted`, which does."""
        raise NotImplementedError(f"{folder}: open it by core.registry.load_fitted")


def _plain(values: pa.Array) -> list[Any]:
    """Return plain values; an infinite number, which a model takes for a missing one, is None."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    found: list[Any] = values.to_pylist()
    return [None if value in INFINITE else value for value in found] if values.type == pa.float64() else found


@dataclass(frozen=True)
class _Listing:
    """`rows.json`."""

    entries: tuple[str, ...]
    files: tuple[str, ...]
    inputs: Mapping[str, Form]
    outputs: Mapping[str, Form]
    schema: Schema


def load(folder: Path, inner: Callable[[Path], Fitted]) -> Computed:
    """Read what `Computed.save` wrote. This runs the functions' files: verify the package first.

    Parameters
    ----------
    folder
        A verified one.
    inner
        Loads the model within.

    Raises
    ------
    UserError
        A file cannot be run here: a library that it imports is missing.
    """
    where = str(folder / LISTING)
    listing = from_json((folder / LISTING).read_bytes(), _Listing, where=where)
    scripts = tuple(read_script(name, folder / CODE, where=where) for name in listing.files)
    functions = compile_functions(listing.entries, scripts, where=lambda _: where)
    if functions.names != tuple(listing.outputs):
        hint = "Train again with this version of Python and of the libraries that the functions import."
        raise UserError("the functions make other columns than at training", where=where, hint=hint)
    return Computed(inner(folder / MODEL), Computation(functions, listing.inputs, listing.outputs), listing.schema)
