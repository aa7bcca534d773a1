"""Cauce's side, in a process of its own: the profile, then every check, on one Parquet file; one JSON line is printed.

`python ours.py FILE [--profile-only]`. Checks that ask a fitted model get none and say that they do not apply.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

BATCH = 65_536
SAMPLE = 50_000
NOT_A_CHECK = ""


def batches(path: str, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    """Stream the file as the lake is streamed."""
    with pq.ParquetFile(path, pre_buffer=False) as file:  # as the lake does: buffers would hold all that was read
        yield from file.iter_batches(BATCH, columns=None if columns is None else list(columns))


def sample_of(path: str, n_rows: int) -> pa.Table:
    """Return an even sample of at most 50,000 rows, as `cauce audit` takes it."""
    share = min(1.0, SAMPLE / n_rows)
    parts = []
    for batch in batches(path, None):
        n_taken = max(1, round(batch.num_rows * share))
        rows = pa.array([at * batch.num_rows // n_taken for at in range(n_taken)], pa.int64())
        parts.append(batch if share == 1.0 else batch.take(rows))
    return pa.Table.from_batches(parts)


def peak_mb() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    from cauce import audit as room
    from cauce.core.specs import AuditSpec, DataSpec, ModelSpec
    from cauce.profile import summarise

    path = sys.argv[1]
    begun, cpu = time.perf_counter(), time.process_time()
    profile = summarise(batches(path, None))
    profiled = time.perf_counter()
    result: dict[str, object] = {
        "profile_s": profiled - begun,
        "profile_cpu_s": time.process_time() - cpu,
        "profile_kb": len(profile.to_bytes()) / 1024,
        "profile_peak_mb": peak_mb(),
    }
    if "--profile-only" not in sys.argv:
        sample = sample_of(path, profile.n_rows)
        sampled = time.perf_counter()
        context = room.AuditContext(
            data_name="rows",
            data=DataSpec(source="rows.parquet", time="at" if "at" in profile.columns else None),
            model_name="first",
            model=ModelSpec.model_validate({"task": "classify", "data": "rows", "target": "target"}),
            profile=profile,
            batches=lambda columns: batches(path, columns),
            sample=sample,
        )
        marks: list[tuple[str, float]] = []
        audit = room.run(
            context,
            AuditSpec(),
            fingerprint="",
            now=datetime.now(UTC),
            progress=lambda stage, done, total, detail="": marks.append((detail, time.perf_counter())),
        )
        ended = time.perf_counter()
        ends = [at for _, at in marks[1:]] + [ended]
        checks = {code: end - at for (code, at), end in zip(marks, ends, strict=True) if code}
        result |= {
            "sample_s": sampled - profiled,
            "checks_s": ended - sampled,
            "checks_cpu_s": time.process_time() - cpu,
            "all_s": ended - begun,
            "each_check_s": dict(sorted(checks.items(), key=lambda pair: -pair[1])),
            "not_applicable": dict(audit.not_applicable),
            "found": sorted({finding.code for finding in audit.findings}),
        }
    result["peak_mb"] = peak_mb()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
