"""Audits of small tables, without the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count

import pyarrow as pa
import pytest

from cauce.audit import AuditContext, run
from cauce.core.artefacts import Audit
from cauce.core.specs import AuditSpec, DataSpec, ModelSpec
from cauce.profile import summarise

NOW = datetime(2024, 5, 1, tzinfo=UTC)


def context_of(
    table: pa.Table,
    *,
    data: DataSpec | None = None,
    model: ModelSpec | None = None,
    changes: tuple[str, ...] = (),
    size: int = 64,
) -> AuditContext:
    def batches(columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        chosen = table if columns is None else table.select(list(columns))
        return iter(chosen.to_batches(max_chunksize=size))

    profile = summarise(table.to_batches(max_chunksize=size))
    spec = data or DataSpec(source="rows.csv")
    return AuditContext("rows", spec, "m" if model else None, model, profile, batches, table.slice(0, 50_000), changes)


@pytest.fixture
def make_context() -> Callable[..., AuditContext]:
    """Give the context of a table: `data`, `model` and `changes` by keyword."""
    return context_of


@pytest.fixture
def audit() -> Callable[..., Audit]:
    """Audit a table: `data`, `model`, `changes` and `spec` by keyword."""

    def audited(table: pa.Table, *, spec: AuditSpec | None = None, **given: object) -> Audit:
        context = context_of(table, **given)  # type: ignore[arg-type]
        return run(context, spec or AuditSpec(), fingerprint="f", now=NOW, clock=count(1.0, 0.5).__next__)

    return audited
