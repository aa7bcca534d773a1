"""A small project folder, and short ways to load into its lake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cauce import data
from cauce.core.artefacts import Snapshot
from cauce.core.specs import DataSpec

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def where(*keys: str) -> str:
    return f"cauce.toml:7, [{'.'.join(keys[:-1])}] {keys[-1]}"


@dataclass(frozen=True)
class Place:
    folder: Path

    @property
    def lake(self) -> Path:
        return self.folder / ".cauce" / "lake"

    def put(self, content: str | bytes, name: str = "rows.csv") -> str:
        raw = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(raw)
        return name

    def put_table(self, table: pa.Table, name: str = "rows.parquet") -> str:
        pq.write_table(table, self.folder / name)
        return name

    def load(self, source: str, **keys: Any) -> Snapshot:
        return data.load("rows", DataSpec(source=source, **keys), self.folder, self.lake, now=NOW, where=where)

    def load_csv(self, content: str | bytes, **keys: Any) -> pa.Table:
        self.load(self.put(content), **keys)
        return self.read()

    def read(self, **keys: Any) -> pa.Table:
        return data.read(self.lake, "rows", **keys)

    def inspect(self, source: str, **keys: Any) -> data.Inspection:
        return data.inspect("rows", DataSpec(source=source, **keys), self.folder, where=where)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def places(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Place]:
    """Fresh places within one test: Hypothesis runs a test many times."""
    return lambda: Place(tmp_path_factory.mktemp("place"))
