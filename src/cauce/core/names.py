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
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    when, chance = f"{moment & ((1 << 48) - 1):012x}", os.urandom(10).hex()
    variant = "89ab"[int(chance[0], 16) & 3]
    return f"{when[:8]}-{when[8:]}-7{chance[1:4]}-{variant}{chance[4:7]}-{chance[7:19]}"
