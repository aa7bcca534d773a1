"""BigQuery: which SQL is sent, what it costs to look, what a service that says no becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cauce.core.errors import UserError
from cauce.core.specs import DataSpec
from cauce.data.sources import Raw, opened
from data.conftest import where
from data.sources.bigquery_stand_in import DATASET, PROJECT
from data.sources.writers import QUOTED, table

GOLDEN = Path(__file__).parent / "golden"
ADDRESS = f"bigquery://{PROJECT}/{DATASET}"


def prepared(rows: Raw) -> Any:
    """Enrolments by city: what a preparation may ask for."""
    import ibis

    sold = rows.table.filter(rows.table.price > 0).mutate(year=rows.table.at.year(), short=rows.table.city.upper())
    return (
        sold.group_by("short")
        .agg(n=sold.count(), total=sold.price.sum(), first=sold.day.min())
        .mutate(share=lambda t: t.total / t.total.sum().over(ibis.window()))
    )


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "ordered": {"key": "id"},
    "condition": {"where": "city like 'A%' and day >= date '2024-01-01' or id in (1, 2)", "key": "id"},
    "prepared": {"where": "open is not null", "prepare": prepared},
}


@pytest.mark.parametrize("name", CASES)
def test_the_sql_that_is_sent_is_the_golden_one(name: str, tmp_path: Path, bigquery_env: Any) -> None:
    bigquery_env.put("rows", table().drop_columns([QUOTED]))
    keys = dict(CASES[name])
    prepare = keys.pop("prepare", None)
    spec = DataSpec(source=ADDRESS, table="rows", **keys)
    bigquery_env.queries.clear()
    with opened("rows", spec, tmp_path, where=where, spill=tmp_path, prepare=prepare) as source:
        found = pa.Table.from_batches(source.batches(10))
    assert found.num_rows
    assert len(bigquery_env.queries) == 1, "one job, nothing else that costs"
    golden = GOLDEN / f"{name}.sql"
    assert bigquery_env.queries[0] == golden.read_text(encoding="utf-8").rstrip("\n")


def test_a_missing_table_lists_those_there_are(place: Any, bigquery_env: Any) -> None:
    bigquery_env.put("rows", table().drop_columns([QUOTED]))
    with pytest.raises(UserError, match=r"no such table.*Did you mean 'rows'"):
        place.load(ADDRESS, table="row")


@pytest.mark.parametrize("address", ["bigquery://school", "bigquery://school/a/b", "bigquery:///sales"])
def test_an_address_without_a_dataset_is_refused(place: Any, bigquery_env: Any, address: str) -> None:
    with pytest.raises(UserError, match="the address names no dataset"):
        place.load(address, table="rows")


def test_without_credentials_the_error_says_how_to_get_them(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(place.folder / "none.json"))
    with pytest.raises(UserError, match="Google does not let us in") as caught:
        place.load(ADDRESS, table="rows")
    assert "gcloud auth application-default login" in caught.value.hint
