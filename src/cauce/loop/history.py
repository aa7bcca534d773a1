"""The looks of the past, a line each in `record/<model>/looks.jsonl`: one in ten minutes, and each that differs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cauce.core.artefacts import LookPoint, Watched
from cauce.core.files import append_line, from_json, to_json, whole_lines, write_bytes

FILE = "looks.jsonl"
APART = timedelta(minutes=10)
"""Shortest time between two looks that are kept, where the later one saw nothing else."""
MOST_BYTES = 8_000_000
"""Size from which the older half is let go: some 20,000 looks, five months of them at the least."""


def note(folder: Path, seen: Watched) -> None:
    """Keep a look in the record of a model, unless the one before says the same and is recent.

    Raises
    ------
    UserError
        The disk is full.
    """
    path, point = folder / FILE, _point(seen)
    last = next(iter(looks(folder, limit=1)), None)
    same = last is not None and (last.version, last.alarms) == (point.version, point.alarms)
    if same and last is not None and timedelta(0) <= point.at - last.at < APART:
        return
    append_line(path, to_json(point, indent=None))
    if path.stat().st_size > MOST_BYTES:
        content = path.read_bytes()
        write_bytes(path, content[content.index(b"\n", len(content) // 2) + 1 :])


def looks(folder: Path, *, limit: int) -> tuple[LookPoint, ...]:
    """Return the newest looks kept, at most `limit`, newest first; none before the first one."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 1_000 * limit))
            content = file.read()
    except FileNotFoundError:
        return ()
    found = []
    for place, line in whole_lines(content):
        if not line.startswith(b"{"):  # the end of a line whose beginning was not read
            continue
        found.append(from_json(line, LookPoint, where=f"{path}:{place}"))
        if len(found) == limit:
            break
    return tuple(found)


def _point(seen: Watched) -> LookPoint:
    realised, estimate = seen.realised, seen.estimate
    reference = realised.mean_reference if realised is not None else 0.0
    return LookPoint(
        at=seen.at,
        version=seen.version,
        n_predictions=seen.n_predictions,
        n_truths=seen.n_truths,
        expected_loss=seen.expected_loss,
        realised_loss=seen.realised_loss,
        lower=reference + realised.lower if realised is not None else None,
        upper=reference + realised.upper if realised is not None else None,
        estimate=estimate.value if estimate is not None else None,
        metric=estimate.metric if estimate is not None else "",
        reliable=estimate.reliable if estimate is not None else None,
        coverage=seen.labels.coverage if seen.labels is not None else None,
        strongest=max((each.psi for each in seen.drifts), default=0.0),
        alarms=tuple(sorted({f"{s.code} {s.column}" if s.column else s.code for s in seen.signals if s.alarming})),
    )
