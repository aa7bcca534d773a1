"""What the tables of cauce.toml share: names, durations, lists of texts. See `core.specs`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

DURATION = r"^[0-9]+(\.[0-9]+)?(s|m|h|d)$"
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Duration = Annotated[str, Field(pattern=DURATION)]


def listed(value: object) -> object:
    """Take one text where a list of texts is meant; a list as the tuple that strict validation wants."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | tuple[str, ...])]

CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=False)
"""Of every table: frozen, strict about unknown keys, documented by its fields' docstrings."""
