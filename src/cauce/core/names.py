"""The grammar of every name that becomes a path, a route or a registered model.

One strict rule, so that no name can leave its folder or be read as something else by a shell, a URL or SQL.
"""

from __future__ import annotations

import os
import re
import time

from cauce.core.errors import UserError

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def check_name(name: str, *, where: str = "") -> str:
    """Return `name` when it matches ``[a-z][a-z0-9_-]{0,62}``, else raise UserError.

    Examples
    --------
    >>> check_name("drop-out_2")
    'drop-out_2'
    >>> check_name("../etc")
    Traceback (most recent call last):
    ...
    cauce.core.errors.UserError: not a name. Received '../etc'. Use a-z, 0-9, _ and -, a letter first, at most 63.
    """
    if not NAME.fullmatch(name):
        hint = "Use a-z, 0-9, _ and -, a letter first, at most 63."
        raise UserError("not a name", where=where, received=name, hint=hint)
    return name


def uuid7(milliseconds: int | None = None) -> str:
    """Return a new UUID version 7 (RFC 9562): sortable by the time it was made.

    Parameters
    ----------
    milliseconds
        Since the Unix epoch; the current time where None.
    """
    return uuid7s(1, milliseconds)[0]


def uuid7s(n: int, milliseconds: int | None = None) -> list[str]:
    """Return `n` of them, ascending, at the price of little more than one: the last 62 bits count up from chance.

    Examples
    --------
    >>> ids = uuid7s(3, 0)
    >>> ids == sorted(set(ids)), ids[0][:15]
    (True, '00000000-0000-7')
    """
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    when, chance = f"{moment & ((1 << 48) - 1):012x}", int.from_bytes(os.urandom(10), "big")
    head = f"{when[:8]}-{when[8:]}-7{chance >> 68:03x}-"
    first = 1 << 63 | (chance & ((1 << 61) - 1))  # the highest of the 62 bits stays free to count into
    found = []
    for tail in range(first, first + n):
        digits = f"{tail:016x}"
        found.append(f"{head}{digits[:4]}-{digits[4:]}")
    return found
