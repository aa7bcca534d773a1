"""How often does the audit block clean data? Over thirty real sets as they are, through the loop's own load and audit.

python -m benchmarks.audit.corruption.clean
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from benchmarks.audit.corruption.run import table_of
from benchmarks.audit.corruption.sets import SHARED

HERE = Path(__file__).resolve().parent

NAMED: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
    ("adult/adult", {}, {"task": "classify", "target": "income", "sensitive": ["sex", "race"], "ignore": ["split"]}),
    ("student_dropout/student_dropout", {}, {"task": "classify", "target": "Status", "sensitive": ["Gender"]}),
    ("bike_sharing/hour", {"time": "dteday", "key": "instant"}, {"task": "regress", "target": "cnt"}),
    ("bike_sharing/day", {"time": "dteday", "key": "instant"}, {"task": "regress", "target": "cnt"}),
    ("california_housing/california_housing", {}, {"task": "regress", "target": "median_house_value"}),
    ("german_credit/german_credit", {}, {"task": "classify", "target": "class-label", "sensitive": ["sex"]}),
    ("student_performance/student_performance", {}, {"task": "classify", "target": "class", "sensitive": ["sex"]}),
    ("elec2/elec2", {}, {"task": "classify", "target": "class"}),
    ("udemy_courses/udemy_courses", {}, {"task": "classify", "target": "subject"}),
    ("hillstrom_email/hillstrom", {}, {"task": "classify", "target": "visit"}),
    ("insteval/insteval", {"group": "student_id"}, {"task": "regress", "target": "rating"}),
    ("online_retail_ii/online_retail_ii", {"time": "invoice_date"}, {"task": "regress", "target": "quantity"}),
)


def cases() -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Give every set: path, keys of its data, keys of its model."""
    yield from NAMED
    for path in sorted((SHARED / "keel_dev").glob("*.parquet")):
        target = "target" if "target" in pq.read_schema(path).names else pq.read_schema(path).names[-1]
        yield f"keel_dev/{path.stem}", {}, {"task": "classify", "target": target}


def audited(path: str, data: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """Load and audit one set; its findings by severity."""
    from cauce.loop.audit import audit
    from cauce.loop.context import Loop
    from cauce.loop.load import load
    from cauce.project import load as read_project

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows.parquet").symlink_to(SHARED / f"{path}.parquet")
        lines = ['[project]\nname = "clean"\n', *table_of(("data", "rows"), {"source": "rows.parquet", **data})]
        lines += table_of(("models", "m"), {"data": "rows", **model})
        (folder / "cauce.toml").write_text("\n".join(lines), encoding="utf-8")
        loop = Loop(read_project(folder / "cauce.toml", {}))
        result = audit(loop, load(loop, "rows"), "m")
    found = [
        {"code": one.code, "severity": one.severity, "columns": one.columns, "message": one.message["en"]}
        for one in result.findings
    ]
    return {"n_rows": result.n_rows, "seconds": round(result.seconds, 2), "findings": found}


def main() -> None:
    """Audit every set and write clean.json."""
    results = {}
    for path, data, model in cases():
        results[path] = one = audited(path, data, model)
        severities = Counter(finding["severity"] for finding in one["findings"])
        print(f"{path:42} {one['n_rows']:8} rows {one['seconds']:6.1f} s  {dict(severities)}", flush=True)
        for finding in one["findings"]:
            if finding["severity"] != "info":
                print(f"    {finding['severity']:5} {finding['code']}: {finding['message'][:150]}")
    blocked = [path for path, one in results.items() if any(f["severity"] == "block" for f in one["findings"])]
    print(f"{len(blocked)} of {len(results)} sets blocked: {', '.join(blocked) or 'none'}")
    content = {"n_sets": len(results), "blocked": blocked, "sets": results}
    (HERE / "clean.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
