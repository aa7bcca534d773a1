"""One pass over all text columns for everything that checks look for in text. Heavy: imported inside functions.

Each batch's distinct values are looked at once; a cheap test that Arrow runs over all of them leaves few for the
dearer ones. Arrow's expressions are RE2's: linear in the text, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cauce.audit.check import MOST_ROWS, AuditContext
from cauce.audit.patterns import BARE, PATTERNS, Pattern
from cauce.profile.column import ColumnProfile
from cauce.profile.hashing import text_bytes
from cauce.profile.text import CONTROL, MOJIBAKE, NUMBER

Mask = npt.NDArray[np.bool_]

MOST_VERIFIED = 50_000
"""Distinct texts of a column whose check digits are computed, for each kind of personal data; the rest is counted by
the share found until then."""
EXAMPLES = 5
_DIGITS = r"[0-9][0-9 ./()\-]{5,}[0-9A-Za-z]"
_ENTITY = r"&(?:#[0-9]{1,6}|#[xX][0-9a-fA-F]{1,5}|amp|lt|gt|quot|apos|nbsp|euro|copy|reg|laquo|raquo|iquest|iexcl|hellip|mdash|ndash|rsquo|lsquo|ldquo|rdquo|[A-Za-z](?:acute|grave|uml|tilde|circ|cedil|ring)|szlig|ordm|ordf|deg);"  # noqa: E501
_INVISIBLE = r"[\x{200b}\x{200e}\x{200f}\x{2060}\x{feff}\x{00ad}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{0080}-\x{009f}]"
_COMBINING = r"[\x{0300}-\x{036f}]"
_PRECOMPOSED = r"[\x{00c0}-\x{00d6}\x{00d8}-\x{00f6}\x{00f8}-\x{017f}]"
_HAS_DIGIT = r"[0-9]"
PHONE_NAMES = {"tel", "telefono", "tlf", "tfno", "telf", "phone", "movil", "mobile", "celular", "fax", "whatsapp"}


@dataclass
class Hits:
    """What was seen of one kind in one column."""

    n: int = 0
    """Rows."""
    rows: list[int] = field(default_factory=list)
    """The first, at most 20."""
    examples: list[str] = field(default_factory=list)
    """Whole values, or the pieces found in them, at most 5."""
    n_shapes: int = 0
    """Distinct texts held against check digits."""
    n_true: int = 0
    """Those of them whose check digits hold."""
    n_unverified: int = 0
    """Rows of the right shape beyond `MOST_VERIFIED`."""
    known: set[int] = field(default_factory=set, repr=False)


Scan = Mapping[str, Mapping[str, Hits]]
"""Column → kind → hits."""


def scan(context: AuditContext) -> Scan:
    """Look through all text columns, and through whole numbers large enough to be a payment card's."""
    columns = [name for name, c in context.profile.columns.items() if c.n_present and _worth(context, name)]
    found: dict[str, dict[str, Hits]] = {name: {} for name in columns}
    start = 0
    for batch in context.batches(columns) if columns else ():
        for name in columns:
            _scan_column(context.profile.column(name), batch.column(name), start, found[name])
        start += batch.num_rows
    return found


def text_scan(context: AuditContext) -> Scan:
    """Return the scan, made once an audit."""
    return context.once("text scan", scan)


def _worth(context: AuditContext, name: str) -> bool:
    column = context.profile.column(name)
    if column.family == "integer":
        large = (column.maximum or 0) >= 1e12
        return large or (_names_phones(name) and (column.maximum or 0) >= 600_000_000)
    return column.family == "string" and column.looks_like != "datetime"


def _names_phones(name: str) -> bool:
    from cauce.audit.names import tokens

    return any(token in PHONE_NAMES for token in tokens(name))


def _scan_column(column: ColumnProfile, array: pa.Array, start: int, found: dict[str, Hits]) -> None:
    from cauce.profile.arrays import to_strings

    coded = to_strings(array).dictionary_encode()
    values = coded.dictionary
    if not len(values):
        return
    codes = np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    letters = np.bincount(text_bytes(values)[0], minlength=256) > 0
    for kind, mask in _kinds(column, values, letters):
        if mask.any():
            hits = found.setdefault(kind, Hits())
            _note(hits, values, mask, codes, counts, start)
    for pattern, places in _shaped(values, letters, bare=_names_phones(column.name)):
        _verify(found.setdefault(pattern.name, Hits()), pattern, values, places, codes, counts, start)


def _kinds(column: ColumnProfile, values: pa.Array, letters: Mask) -> Iterator[tuple[str, Mask]]:
    """Give, for each kind that Arrow tells alone, which of the distinct values are of it.

    What the profile, or the bytes that occur at all, rule out is not asked: `letters` marks those of the 256.
    """
    facts = column.text
    if facts is None:
        return
    if column.kind == "category" and facts.n_numeric:
        worded = _matches(values, r"\pL")
        yield "number", _matches(values, NUMBER)
        yield "letters", worded
        yield "word", worded & ~_matches(values, _HAS_DIGIT)
    if letters[ord("&")] and letters[ord(";")]:
        yield "entity", _narrowed(values, _contains(values, "&"), _ENTITY)
    wide = np.zeros(len(values), np.bool_)
    if letters[128:].any():
        wide = ~np.asarray(pc.string_is_ascii(values).to_numpy(zero_copy_only=False), dtype=np.bool_)
    hidden = _matches(values, CONTROL) if facts.n_control else np.zeros(len(values), np.bool_)
    yield "invisible", hidden | _narrowed(values, wide, _INVISIBLE)
    if not wide.any():
        return
    if facts.n_replaced:
        yield "replacement", _narrowed(values, wide, "\ufffd")
    if facts.n_mojibake:
        yield "mojibake", _narrowed(values, wide, MOJIBAKE)
    yield "combining", _narrowed(values, wide, _COMBINING)
    yield "precomposed", _narrowed(values, wide, _PRECOMPOSED)


def _shaped(values: pa.Array, letters: Mask, *, bare: bool) -> Iterator[tuple[Pattern, npt.NDArray[np.int64]]]:
    """Give each pattern with the places of the values that could hold it."""
    if letters[ord("@")]:
        yield PATTERNS["email"], np.flatnonzero(_contains(values, "@"))
    if not letters[ord("0") : ord("9") + 1].any():
        return
    digits = np.flatnonzero(_matches(values, _DIGITS))
    if len(digits):
        few = values.take(pa.array(digits))
        for name, shape in _PREFILTERS.items():
            places = digits[_matches(few, shape)]
            if len(places):
                yield PATTERNS[name], places
        if bare:
            yield BARE, digits


_PREFILTERS = {
    "phone": r"\+[1-9][0-9 .()\-]{8}|00[1-9][0-9]{0,2}[ .\-]|[0-9]{2,3}[ .\-][0-9]{2,3}[ .\-][0-9]{2}"
    r"|\([0-9]{3}\) ?[0-9]{3}|(?i:tel|tlf|fono|phone|m[oó]vil|mobile|whatsapp)[.: ]",
    "iban": r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}",
    "card": r"[2-6](?:[ \-]?[0-9]){12}",
    "dni": r"[0-9]{7}-?[A-Za-z]|[0-9]{8} [A-Z]|\.[0-9]{3}\.[0-9]{3}[ \-]?[A-Z]",
    "nuss": r"[0-9]{2}[/ \-]?[0-9]{8}[/ \-]?[0-9]{2}",
    "ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
}


def _verify(
    hits: Hits,
    pattern: Pattern,
    values: pa.Array,
    places: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    start: int,
) -> None:
    """Hold the values at `places` against a pattern and its check digits, as far as the column's share of time goes."""
    good, pieces = [], list[str]()
    left = max(MOST_VERIFIED - hits.n_shapes, 0)
    for place, text in zip(places[:left].tolist(), values.take(pa.array(places[:left])).to_pylist(), strict=True):
        found, n_shapes = pattern.seen_in(text)
        if n_shapes and (key := hash(text)) not in hits.known:
            hits.known.add(key)
            hits.n_shapes += n_shapes
            hits.n_true += len(found)
        if found:
            good.append(place)
            pieces += found[: EXAMPLES - len(hits.examples) - len(pieces)]
    hits.n_unverified += int(counts[places[left:]].sum())
    mask = np.zeros(len(values), np.bool_)
    mask[good] = True
    hits.examples += [piece for piece in dict.fromkeys(pieces) if piece not in hits.examples]
    _count(hits, mask, codes, counts, start)


def _note(
    hits: Hits,
    values: pa.Array,
    mask: Mask,
    codes: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    start: int,
) -> None:
    if len(hits.examples) < EXAMPLES:
        new = [values[int(place)].as_py() for place in np.flatnonzero(mask)[:EXAMPLES]]
        hits.examples += [text for text in new if text not in hits.examples][: EXAMPLES - len(hits.examples)]
    _count(hits, mask, codes, counts, start)


def _count(hits: Hits, mask: Mask, codes: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], start: int) -> None:
    hits.n += int(counts[mask].sum())
    if len(hits.rows) < MOST_ROWS and mask.any():
        at = np.flatnonzero(np.append(mask, False)[codes])[: MOST_ROWS - len(hits.rows)]
        hits.rows += (at + start).tolist()


def _matches(values: pa.Array, expression: str) -> Mask:
    return np.asarray(pc.match_substring_regex(values, expression).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _contains(values: pa.Array, text: str) -> Mask:
    return np.asarray(pc.match_substring(values, text).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _narrowed(values: pa.Array, first: Mask, expression: str) -> Mask:
    """Match only where a cheaper test said yes."""
    mask = np.zeros(len(values), np.bool_)
    places = np.flatnonzero(first)
    if len(places):
        mask[places] = _matches(values.take(pa.array(places)), expression)
    return mask
