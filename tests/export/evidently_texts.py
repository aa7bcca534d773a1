"""Prints what Evidently's report says of a text and of a date; run by the interpreter that has Evidently."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from cauce.core.artefacts import Column, Schema
from cauce.export.evidently import frames, report

SCHEMA = Schema((Column("x", "number"), Column("note", "text"), Column("when", "datetime")))


def side(n: int, words: list[str], day: int) -> pa.Table:
    """Return rows whose notes are made of `words`, a tenth of them missing, and whose minutes begin on a day."""
    rng = np.random.default_rng(day)
    begin = datetime(2026, 1, day, tzinfo=UTC)
    notes = [None if rng.random() < 0.1 else " ".join(rng.choice(words, 6)) for _ in range(n)]
    return pa.table({"x": rng.normal(size=n), "note": notes, "when": [begin + timedelta(minutes=i) for i in range(n)]})


if __name__ == "__main__":
    made = frames(side(500, ["red", "blue", "green"], 1), side(300, ["pay", "late", "bill"], 4), SCHEMA, classes=())
    metrics = json.loads(report(made, title="texts", form="json"))["metrics"]
    drifts = {one["config"]["column"]: one["value"] for one in metrics if one["config"]["type"].endswith(":ValueDrift")}
    (dates,) = [one["value"] for one in metrics if one["metric_name"].endswith("ColumnType.Datetime)")]
    sys.stdout.write(json.dumps({"drift": sorted(drifts), "note": drifts["note"], "dates": dates}) + "\n")
