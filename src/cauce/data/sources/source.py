"""What a source is asked, what it gives, and the protocol that every kind of source keeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from cauce.core.errors import UserError
from cauce.core.progress import Progress, silent
from cauce.core.specs import DataSpec

Engine = Literal["duckdb", "bigquery"]


@dataclass(frozen=True)
class Asked:
    """One data set whose rows are wanted."""

    name: str
    spec: DataSpec
    folder: Path
    """The project's; a file's name is relative to it."""
    where: Callable[..., str]
    """Keys of cauce.toml → place."""
    spill: Path
    """Existing folder for what does not fit into memory, and for rows that come over a wire."""
    reads: tuple[Path, ...] = ()
    """Folders beside the source that the backend may read: tables that a preparation joins."""
    progress: Progress = silent
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    """Where secrets come from, and from nowhere else."""
    since: tuple[str, object] | None = None
    """A column of the source and the least value that is wanted of it: a kind may spare itself rows below, and need
    not; rows without a value are wanted."""
    most: int | None = None
    """Rows that are enough, whichever: for a first look. A kind may give more."""

    @property
    def threads(self) -> int | None:
        """One thread where rows are prepared: a sum over several depends on which of them was first; else None."""
        return 1 if self.spec.prepare else None

    def at(self, key: str) -> str:
        """Return the place of a key of the data set's table."""
        return self.where("data", self.name, key)

    def fault(self, what: str, *, key: str = "source", received: object = None, hint: str) -> UserError:
        """Return an error at one of the data set's keys; what was received is the key's value where it is not given."""
        shown = getattr(self.spec, key, None) if received is None else received
        return UserError(what, where=self.at(key), received=shown, hint=hint)


@dataclass(frozen=True)
class Raw:
    """A source's rows, before preparation: an Ibis table whose column names are the source's own."""

    backend: Any
    """Ibis' backend that the table lives on; closed with the source."""
    table: Any
    """The rows, as `ibis.Table`."""
    engine: Engine
    """Where expressions on the table run."""


class Source(Protocol):
    """One kind of source. Stateless: one instance serves all data sets."""

    @property
    def keys(self) -> frozenset[str]:
        """Keys of cauce.toml, among `table`, `delimiter` and `encoding`, that mean something to this kind."""

    def mark(self, asked: Asked) -> str:
        """Return a text that changes whenever the rows may have changed, at the cost of a glance; empty: not known.

        Raises
        ------
        UserError
            The source is not there or does not let us in; raised by `opened` again, so callers may pass over it.
        """

    def opened(self, asked: Asked) -> AbstractContextManager[Raw]:
        """Open the rows for the length of a block; the backend's complaints within it become UserErrors."""
