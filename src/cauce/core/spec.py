"""What every table of cauce.toml is made of: its base class, names, durations, lists of texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cauce.core.errors import UserError

DURATION = r"^[0-9]+(\.[0-9]+)?(s|m|h|d)$"
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Duration = Annotated[str, Field(pattern=DURATION)]


def listed(value: object) -> object:
    """Take one text where a list of texts is meant; a list as the tuple that strict validation wants."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | tuple[str, ...])]


class Spec(BaseModel):
    """Frozen, strict about unknown keys, documented by its fields' docstrings."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=False)


Keys = TypeVar("Keys", bound=Spec)


def over(project: Keys, own: Keys | None) -> Keys:
    """Return the project's keys with those in their place that a model's own table names."""
    if own is None:
        return project
    return project.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def read_spec(kind: type[Keys], values: Mapping[str, object], *, where: str) -> Keys:
    """Return a table of keys made from values, which may be text.

    Raises
    ------
    UserError
        A value that a key may not have.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(first["msg"], where=f"{where}{place}", received=str(first["input"])) from error


def seconds(duration: str, where: str = "", *, least: float = 0.0) -> float:
    """Return a duration such as ``30s``, ``10m``, ``1.5h`` or ``2d`` in seconds.

    Parameters
    ----------
    where
        The option or key that it stands in, for the error.
    least
        Seconds that it has at least.

    Raises
    ------
    UserError
        It is none, or a shorter one.

    Examples
    --------
    >>> seconds("1.5h")
    5400.0
    """
    if not re.fullmatch(DURATION, duration):
        raise UserError("not a duration", where=where, received=duration, hint="Write 30s, 10m, 1.5h or 2d.")
    length = float(duration[:-1]) * {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}[duration[-1]]
    if length < least:
        raise UserError("too short", where=where, received=duration, hint=f"Write {least:g}s at least, or 10m, 1h, 2d.")
    return length
