"""Evidently's figures and ours on the same rows, as JSON; run by the interpreter that has both.

Where a definition is the same, ours and theirs stand under one name. Ours takes away from the index what chance adds,
and counts the reference as a sample; theirs does neither. With counts a trillion times as large both vanish: a
reference that is no sample, an index without chance. So the shipped functions themselves are compared, not copies.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pyarrow as pa

SURE = 10**12
"""Counts times this: chance adds nothing to an index, and half a row more in a bin is nothing."""
METHODS = ("psi", "jensenshannon", "chisquare", "wasserstein")
NATS = float(np.sqrt(np.log(2)))
"""Evidently takes the natural logarithm, Cauce bits: a Jensen-Shannon distance in one times this is in the other."""


def tables() -> tuple[pa.Table, pa.Table]:
    """A reference and a window: classes that moved, numbers that moved, values that are missing."""
    rng = np.random.default_rng(11)
    found = []
    for n_rows, shift in ((6000, 0.0), (1500, 0.25)):
        plan = rng.choice(["free", "paid", "gold"], n_rows, p=[0.6 - shift, 0.3 + shift, 0.1])
        city = rng.choice([f"c{i}" for i in range(12)], n_rows)
        member = rng.random(n_rows) < 0.5 + shift / 2
        grade = rng.integers(1, 8, n_rows).astype(np.float64) + (rng.random(n_rows) < shift)
        hours = rng.gamma(3.0, 2.0, n_rows) + shift
        age = 18.0 + 50.0 * rng.beta(1.0, 1.0 + shift, n_rows)
        gone = rng.random(n_rows) < 0.03 + shift / 10
        columns: dict[str, Any] = {
            "plan": plan.tolist(),
            "city": pa.array(city.tolist(), mask=gone),
            "member": member,
            "grade": grade,
            "age": age,
            "hours": pa.array(hours, mask=rng.random(n_rows) < 0.05),
        }
        found.append(pa.table(columns))
    return found[0], found[1]


def theirs(reference: pa.Table, current: pa.Table) -> dict[str, dict[str, Any]]:
    """Evidently's figures: column → metric → value."""
    from cauce.core.artefacts import Column, Schema
    from cauce.export.evidently import frames, report

    kinds: dict[str, Any] = {"plan": "category", "city": "category", "member": "boolean", "hours": "number"}
    kinds |= {"grade": "integer", "age": "number"}
    schema = Schema(tuple(Column(name, kind) for name, kind in kinds.items()))
    made = frames(reference, current, schema, classes=())
    found: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        columns = {"chisquare": made.classes, "wasserstein": made.numbers}.get(method, made.classes + made.numbers)
        content = json.loads(report(made, title="figures", form="json", drift=dict.fromkeys(columns, method)))
        for metric in content["metrics"]:
            about = metric["config"]
            name, column = about["type"].rpartition(":")[2], about.get("column")
            if name == "ValueDrift" and about["method"] == method:
                found.setdefault(column, {})[method] = metric["value"]
            elif column is not None and name != "ValueDrift":
                found.setdefault(column, {})[name] = metric["value"]
    return found


def ours(reference: pa.Table, current: pa.Table) -> dict[str, dict[str, Any]]:
    """Our figures of the same definitions, by the functions that the watch uses."""
    from cauce.profile import summarise
    from cauce.watch import drift_report
    from cauce.watch.drift import counts
    from cauce.watch.drift.counts import jensen_shannon, psi, two_sample

    now_profile = summarise(current.to_batches())
    shipped = drift_report(reference, current)
    found: dict[str, dict[str, Any]] = {}
    for name in reference.column_names:
        before, now = counted(reference[name], current[name])
        figures: dict[str, Any] = {
            "jensenshannon": jensen_shannon(before, now) * NATS,
            "shipped": shipped[name].psi,
            "shipped_jensenshannon": shipped[name].jensen_shannon * NATS,
            "missing": shipped[name].missing_now,
            "rows": [int(before.sum()), int(now.sum())],
        }
        if name in {"grade", "age", "hours"}:
            about = now_profile.column(name)
            figures |= {"minimum": about.minimum, "maximum": about.maximum, "mean": about.mean}
            figures |= {"shipped_wasserstein": shipped[name].wasserstein}
            if hasattr(counts, "wasserstein"):
                figures["wasserstein"] = counts.wasserstein(*by_value(reference[name], current[name]))
        if np.all(before > 0) and np.all(now > 0):
            figures["psi"] = psi(before * SURE, now * SURE)
        figures["chisquare"] = two_sample(before * SURE, now).p_value
        found[name] = figures
    return found


def counted(reference: pa.ChunkedArray, current: pa.ChunkedArray) -> tuple[Any, Any]:
    """Counts in Evidently's bins: values of their own, or, of numbers with more than 20, Sturges' of both together."""
    before, now = (np.asarray(side.drop_null().to_pylist()) for side in (reference, current))
    if before.dtype.kind == "f" and len(np.unique(before)) > 20:
        edges = np.histogram_bin_edges(np.concatenate([before, now]), bins="sturges")
        return np.histogram(before, edges)[0], np.histogram(now, edges)[0]
    values = np.unique(np.concatenate([before, now]))
    return tuple(np.array([int(np.sum(side == value)) for value in values]) for side in (before, now))  # type: ignore[return-value]


def by_value(reference: pa.ChunkedArray, current: pa.ChunkedArray) -> tuple[Any, Any, Any]:
    """Counts of each value of both sides, and the values: bins so fine that nothing is lost."""
    before, now = (np.asarray(side.drop_null().to_pylist()) for side in (reference, current))
    values, places = np.unique(np.concatenate([before, now]), return_inverse=True)
    sides = (places[: len(before)], places[len(before) :])
    first, second = (np.bincount(side, minlength=len(values)) for side in sides)
    return first, second, values


if __name__ == "__main__":
    both = tables()
    found = {"theirs": theirs(*both), "ours": ours(*both)}
    modules = [name for name in ("evidently.telemetry", "iterative_telemetry") if name in sys.modules]
    print(json.dumps({**found, "modules": modules}))
