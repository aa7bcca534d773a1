"""Two profiles of parts of a table as the profile of both. Heavy: imported inside functions."""

from __future__ import annotations

from cauce.profile.column import ColumnProfile
from cauce.profile.gather import Gather, counted_in_each
from cauce.profile.profile import Profile
from cauce.profile.together import Together


def merge(one: Profile, other: Profile) -> Profile:
    """Return the summary of both parts together."""
    names = [*one.columns, *(name for name in other.columns if name not in one.columns)]
    n_counted = counted_in_each(len(names))
    columns = {name: _both(one.columns.get(name), other.columns.get(name), one, other, n_counted) for name in names}
    return Profile(one.n_rows + other.n_rows, columns, _pairs(one, other, names))


def _pairs(one: Profile, other: Profile, names: list[str]) -> Together | None:
    if one.together is None or other.together is None:  # an older Cauce made one of them
        return None
    held = {*one.together.names, *other.together.names}
    return Together.nothing([name for name in names if name in held]).merge(one.together).merge(other.together)


def _both(
    left: ColumnProfile | None, right: ColumnProfile | None, one: Profile, other: Profile, n_counted: int
) -> ColumnProfile:
    known = left or right
    assert known is not None  # the name came from one of them
    total = Gather(known.name, known.type, known.family, n_counted=n_counted)
    for part, whole in ((left, one), (right, other)):
        if part is None:
            total.add_missing(whole.n_rows)
        else:
            total.absorb(part)
    return total.freeze()
