"""What a request's rows must be, by the release's schema: every fault named by row and field, or typed columns.

One bad row refuses all. Types are strict where a guess could be wrong (``"3"`` is no integer) and tolerant where it
could not (``3.0`` is one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from cauce.core.artefacts import Column, Schema
from cauce.core.errors import did_you_mean
from cauce.ledger import records
from cauce.serve.body import NotFinite
from cauce.serve.problem import Problem

MOST_ERRORS = 100
MOST_CATEGORIES = 20
INT64 = 2**63
LONGEST_UNIT = 200
Reason = Literal["row", "missing", "extra", "null", "type", "not_finite", "range", "category", "function"]


class _Missing:
    pass


MISSING = _Missing()


class Fault(NamedTuple):
    """One thing wrong with one field of one row."""

    row: int
    field: str | None
    received: Any
    expected: str
    reason: Reason

    def shown(self) -> dict[str, Any]:
        """Return it as the answer shows it."""
        about = {} if self.reason == "missing" else {"received": _short(self.received)}
        return {"row": self.row, "field": self.field, **about, "expected": self.expected, "reason": self.reason}


class Bad(NamedTuple):
    """Why a value is not one of its column."""

    reason: Reason
    expected: str


def refuse(faults: Sequence[Fault], what: str) -> Problem:
    """Return the 422 that names the faults, at most 100 of them."""
    n_rows = len({fault.row for fault in faults})
    shown = sorted(faults, key=lambda fault: fault.row)[:MOST_ERRORS]
    more = f" The first {MOST_ERRORS} are listed." if len(faults) > MOST_ERRORS else ""
    found = f"{len(faults)} fault{'s' * (len(faults) > 1)} in {n_rows} {what if n_rows > 1 else what.rstrip('s')}"
    detail = f"{found}: nothing was taken.{more}"
    return Problem(422, detail, errors=[fault.shown() for fault in shown])


def items(value: Any, key: str, *, most: int, beside: Sequence[str] = ()) -> list[Any]:
    """Return the list under `key`; the body has no other keys but those of `beside`.

    Raises
    ------
    Problem
        422: no object, another key, no list, an empty or too long one.
    """
    example = f'{{"{key}": [{{...}}]}}'
    if not isinstance(value, dict) or key not in value:
        hint = f" {did_you_mean(str(next(iter(value)))[:80], [key])}" if isinstance(value, dict) and value else ""
        raise Problem(422, f"The body must be an object with the key `{key}`: {example}.{hint}")
    if len(value) > 1:
        extra = next((name for name in value if name != key and name not in beside), None)
        if extra is not None:
            raise Problem(422, f"The body has a key that is not known: {_short(extra)!r}. Send {example} alone.")
    found = value[key]
    if not isinstance(found, list):
        raise Problem(422, f"`{key}` must be a list of objects: {example}. Received {_short(found)!r}.")
    if not found:
        raise Problem(422, f"`{key}` is empty. Send at least one.")
    if len(found) > most:
        raise Problem(422, f"`{key}` has {len(found)} entries; at most {most} are taken at once. Send them in parts.")
    return found


def unit(value: Any) -> str | None:
    """Return whom a predict request is about, where its body says so: a text or a whole number, as text.

    Raises
    ------
    Problem
        422: it is neither, empty or too long.
    """
    found = value.get("unit")
    if found is None:
        return None
    if type(found) is int:
        return str(found)
    if type(found) is not str or not 0 < len(found) <= LONGEST_UNIT:
        what = f"`unit` must be a text of 1 to {LONGEST_UNIT} characters, or a whole number: whom the rows are about."
        raise Problem(422, f"{what} Received {_short(found)!r}.")
    return found


def validate(rows: Sequence[Any], schema: Schema, *, unseen: str) -> tuple[list[list[Any]], list[Fault]]:
    """Return each row's values in the order of the schema, and every fault; whole only where there is no fault.

    Parameters
    ----------
    unseen
        ``"refuse"`` or ``"accept"``: what becomes of a category that a closed list lacks.
    """
    faults = _structure(rows, schema)
    columns: list[list[Any]] = []
    for column in schema:
        name, read = column.name, reader(column, unseen)
        if faults:
            raw = [row.get(name, MISSING) if isinstance(row, dict) else MISSING for row in rows]
        else:
            raw = [row[name] for row in rows]
        values = [_value(value, column, read) for value in raw]
        faults.extend(
            Fault(place, name, raw[place], bad.expected, bad.reason)
            for place, bad in enumerate(values)
            if type(bad) is Bad
        )
        columns.append(values)
    return [list(row) for row in zip(*columns, strict=True)], faults


def _structure(rows: Sequence[Any], schema: Schema) -> list[Fault]:
    """Return rows that are no objects, and fields that are missing or too many."""
    known = frozenset(schema.names)
    faults: list[Fault] = []
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            faults.append(Fault(place, None, row, "an object with the model's fields", "row"))
        elif row.keys() != known:
            faults.extend(
                Fault(place, column.name, None, f"{describe(column)}; the field is missing", "missing")
                for column in schema
                if column.name not in row
            )
            faults.extend(_extra(place, row, name, schema) for name in row if name not in known)
        if len(faults) > 10 * MOST_ERRORS:
            break
    return faults


def _extra(place: int, row: Mapping[str, Any], name: str, schema: Schema) -> Fault:
    hint = did_you_mean(name[:80], schema.names)
    expected = f"no such field: the model takes its inputs alone, not its key or target. {hint}"
    return Fault(place, _short(name), row[name], expected, "extra")


def _value(value: Any, column: Column, read: Callable[[Any], Any]) -> Any:
    if value is None:
        return None if column.nullable else Bad("null", f"{describe(column)}; training never saw it missing")
    if value is MISSING:
        return None
    if type(value) is NotFinite:
        return Bad("not_finite", f"{describe(column)}; NaN and infinities are not JSON")
    return read(value)


def reader(column: Column, unseen: str) -> Callable[[Any], Any]:
    """Return what reads one value of a column: the value as the ledger keeps it (a moment in µs), or `Bad`."""
    if column.categories is not None and unseen == "refuse":
        return _category(column)
    return {
        "integer": _integer,
        "number": number,
        "boolean": _boolean,
        "datetime": moment,
        "category": _text,
        "text": _text,
    }[column.kind]


def _integer(value: Any) -> int | Bad:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        return Bad("type", "an integer")
    return value if -INT64 <= value < INT64 else Bad("range", "an integer of 64 bits")


def number(value: Any) -> float | Bad:
    """Return a finite number as float64, or `Bad`."""
    if type(value) not in {int, float}:
        return Bad("type", "a number")
    try:
        return float(value)
    except OverflowError:
        return Bad("range", "a number that float64 holds")


def _boolean(value: Any) -> bool | Bad:
    return value if type(value) is bool else Bad("type", "true or false")


def _text(value: Any) -> str | Bad:
    return value if type(value) is str else Bad("type", "a text")


def moment(value: Any) -> int | Bad:
    """Return an ISO 8601 text as microseconds since the epoch, or `Bad`; without an offset it is UTC.

    Examples
    --------
    >>> moment("1970-01-01T00:00:01")
    1000000
    """
    expected = "a date or time by ISO 8601, as 2026-01-31T09:30:00Z"
    if type(value) is not str:
        return Bad("type", expected)
    try:
        found = datetime.fromisoformat(value)
        return records.microseconds(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return Bad("type", expected)


def _category(column: Column) -> Callable[[Any], Any]:
    known = frozenset(column.categories or ())

    def read(value: Any) -> Any:
        if type(value) is not str:
            return Bad("type", f"a text, {listed(column.categories or ())}")
        if value in known:
            return value
        return Bad("category", f"{listed(column.categories or ())}. {did_you_mean(value[:80], known)}")

    return read


def describe(column: Column) -> str:
    """Return what a column takes, in words.

    Examples
    --------
    >>> describe(Column("plan", "category", categories=("free", "paid")))
    'one of free, paid, or null'
    """
    words = {
        "integer": "an integer",
        "number": "a number",
        "boolean": "true or false",
        "datetime": "a date or time by ISO 8601",
        "category": "a text",
        "text": "a text",
    }
    what = listed(column.categories) if column.categories is not None else words[column.kind]
    return f"{what}, or null" if column.nullable else what


def listed(known: Sequence[str]) -> str:
    """Name the values that are known, at most 20."""
    more = f", … ({len(known)} in all)" if len(known) > MOST_CATEGORIES else ""
    return f"one of {', '.join(known[:MOST_CATEGORIES])}{more}"


def _short(value: Any) -> Any:
    """Return a value as an answer may show it: cut, and of JSON's types alone."""
    if value is None or type(value) in {bool, float} or (type(value) is int and -INT64 <= value < INT64):
        return value
    shown = value if isinstance(value, str) else repr(value)[:200]
    clean = shown.encode("utf-8", "replace").decode()
    return clean if len(clean) <= 80 else clean[:79] + "…"
