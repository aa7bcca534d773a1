"""What a truth request must be: an id, a value of the task's kind, and when it was true, where the client knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cauce.ledger.known import Truth
from cauce.serve.body import NotFinite, parse
from cauce.serve.payload import Bad, Fault, items, listed, moment, number

FIELDS = ("id", "value", "at")
LONGEST_ID = 200


def read(body: bytes, task: str, *, most: int, classes: Sequence[str] = ()) -> tuple[list[Truth], list[Fault]]:
    """Return the truths of a request's body, at most `most`, and every fault."""
    return validate(items(parse(body), "truths", most=most), task, classes)


def validate(entries: Sequence[Any], task: str, classes: Sequence[str] = ()) -> tuple[list[Truth], list[Fault]]:
    """Return the truths and every fault; the truths are whole only where there is no fault.

    Parameters
    ----------
    classes
        The only labels that are taken; any, where there are none.
    """
    truths: list[Truth] = []
    faults: list[Fault] = []
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict):
            faults.append(Fault(place, None, entry, "an object with id and value", "row"))
            continue
        found = _faults(place, entry, task, classes)
        faults.extend(found)
        if not found:
            at = entry.get("at")
            truths.append(Truth(entry["id"], value(entry["value"], task), None if at is None else moment(at)))  # type: ignore[arg-type]
    return truths, faults


def _faults(place: int, entry: dict[str, Any], task: str, classes: Sequence[str]) -> list[Fault]:
    faults = [
        Fault(place, name[:80], entry[name], f"no such field. Known: {', '.join(FIELDS)}.", "extra")
        for name in entry
        if name not in FIELDS
    ]
    id_ = entry.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= LONGEST_ID:
        faults.append(Fault(place, "id", id_, "the id that the prediction came with, a text", "type"))
    if "value" not in entry:
        faults.append(Fault(place, "value", None, "what turned out to be true; the field is missing", "missing"))
    else:
        read = value(entry["value"], task)
        if not isinstance(read, Bad) and classes and read not in classes:
            read = Bad("category", f"{listed(classes)}: the classes that the model knows")
        if isinstance(read, Bad):
            faults.append(Fault(place, "value", entry["value"], read.expected, read.reason))
    at = entry.get("at")
    read_at = None if at is None else moment(at)
    if isinstance(read_at, Bad):
        faults.append(Fault(place, "at", at, f"{read_at.expected}, or nothing", read_at.reason))
    return faults


def value(found: Any, task: str) -> str | float | Bad:
    """Return a truth as the ledger keeps it: a number for regress, the label as text for every other task.

    Examples
    --------
    >>> value(1.0, "classify"), value(True, "classify"), value(1, "regress")
    ('1', 'true', 1.0)
    """
    if isinstance(found, NotFinite):
        return Bad("not_finite", "a finite number" if task == "regress" else "a text, a number, or true or false")
    if task == "regress":
        return number(found)
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int):
        return str(found)
    if isinstance(found, float):
        return str(int(found)) if found.is_integer() else repr(found)
    return found if isinstance(found, str) and found else Bad("type", "a text, a number, or true or false")
