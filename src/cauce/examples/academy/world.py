"""The world outside the school: sends prediction requests to a running service and, some seconds later, the truths.

    python world.py                              # 2014 as it was: the real change since the training
    python world.py --drift earnings             # the world changes: worse predictions, so a retraining pays
    python world.py --drift mix                  # other colleges than before, the same rules

Rows are drawn from data/later.parquet; the seed fixes which, and in which order. Drifts:

none      The colleges of 2014 as they were measured.
earnings  The last known figure is five years old (`years_since` is 5) and earnings are 30 % above what they were.
mix       Nine in ten requests are about colleges that award certificates, a third of the rows otherwise; how earnings
          come about stays as it was.

Needs a service (`cauce up`), Python and pyarrow.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

Row = dict[str, Any]
Drift = Literal["none", "earnings", "mix"]

HERE = Path(__file__).parent
INPUTS = {
    "earnings": ("state", "degree", "students", "share_working", "earnings_before", "years_since"),
    "pays_off": ("state", "degree", "students", "share_working", "years_since"),
}
"""What each model of cauce.toml asks for."""
TARGETS = {"earnings": "earnings", "pays_off": "above_25k"}
BATCH = 25
"""Rows in one request."""
RISE = 1.3
YEARS = 5
THRESHOLD = 25_000


def later_rows(path: Path) -> list[Row]:
    """Return the rows of 2014."""
    import pyarrow.parquet as pq

    return cast("list[Row]", pq.read_table(path).to_pylist())


def changed(row: Row, drift: Drift) -> Row:
    """Return the row as the changed world has it."""
    if drift != "earnings":
        return row
    earnings = round(row["earnings"] * RISE)
    return {**row, "years_since": YEARS, "earnings": earnings, "above_25k": "yes" if earnings >= THRESHOLD else "no"}


def stream(rows: Sequence[Row], drift: Drift, *, start: int, seed: int) -> Iterator[Row]:
    """Give rows without end: as they were up to row `start`, with the drift from there on."""
    order = random.Random(seed)  # noqa: S311 - traffic, no secret
    certificates = [row for row in rows if row["degree"] == "certificate"]
    sent = 0
    while True:
        drifting = drift if sent >= start else "none"
        pool = certificates if drifting == "mix" and order.random() < 0.9 else rows
        yield changed(order.choice(pool), drifting)
        sent += 1


@dataclass(frozen=True)
class Service:
    """A running service and the token for it."""

    url: str
    token: str

    def post(self, path: str, body: Mapping[str, Any], *, patience_s: float = 30.0) -> dict[str, Any]:
        """Send `body` as JSON and return the answer; wait and try again while the service is busy or starting."""
        until = time.monotonic() + patience_s
        while True:
            try:
                return self._send(path, body)
            except urllib.error.HTTPError as error:
                if error.code not in {429, 503} or time.monotonic() > until:
                    said = error.read().decode(errors="replace")[:300]
                    raise SystemExit(f"The service refused {path}: {error.code} {said}") from error
                time.sleep(float(error.headers.get("Retry-After") or 1.0))
            except urllib.error.URLError as error:
                if time.monotonic() > until:
                    hint = "Is it running? Start it with `cauce up`."
                    raise SystemExit(f"No answer from {self.url}: {error.reason}. {hint}") from error
                time.sleep(0.5)

    def _send(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http and https only, checked in main
            return cast("dict[str, Any]", json.load(answer))


@dataclass
class World:
    """What was asked, and which truths are still to come."""

    service: Service
    model: str
    delay_s: float
    sent: int = 0
    told: int = 0
    version: int | None = None
    """Which version answered last."""
    waiting: deque[tuple[float, str, Any]] = field(default_factory=deque)
    """(when due, prediction id, truth), the earliest first."""
    errors: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    """Of the newest predictions of this version: dollars, or 1 for a wrong answer."""

    def ask(self, rows: Sequence[Row]) -> None:
        """Send one request; keep the ids and the truths for later."""
        body = {"rows": [{name: row[name] for name in INPUTS[self.model]} for row in rows]}
        answer = self.service.post(f"/v1/models/{self.model}/predict", body)
        if self.version not in {None, answer["version"]}:
            say(f"{self.progress()}.\nVersion {answer['version']} has taken over from version {self.version}.")
            self.errors.clear()
        self.version = answer["version"]
        due = time.monotonic() + self.delay_s
        for row, found in zip(rows, answer["predictions"], strict=True):
            truth = row[TARGETS[self.model]]
            self.waiting.append((due, found["id"], truth))
            self.errors.append(distance(found["prediction"], truth))
        self.sent += len(rows)

    def tell(self) -> None:
        """Send the truths that are due."""
        due: list[tuple[str, Any]] = []
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, name, truth = self.waiting.popleft()
            due.append((name, truth))
        for i in range(0, len(due), 100):
            at = datetime.now(UTC).isoformat()
            truths = [{"id": name, "value": truth, "at": at} for name, truth in due[i : i + 100]]
            self.service.post(f"/v1/models/{self.model}/truth", {"truths": truths})
        self.told += len(due)

    def progress(self) -> str:
        """Say in a line how far things have come."""
        mean = sum(self.errors) / len(self.errors) if self.errors else 0.0
        error = f"{mean:,.0f} dollars off" if self.model == "earnings" else f"{mean:.0%} wrong"
        return f"{self.sent:,} predictions asked for, {self.told:,} truths told; newest predictions {error} on average"


def distance(prediction: Any, truth: Any) -> float:
    """Return how far a prediction is from the truth: dollars, or 0 and 1 for classes."""
    if isinstance(truth, str):
        return float(prediction != truth)
    return abs(float(prediction) - float(truth))


def play(world: World, rows: Iterator[Row], n_rows: int, rate: float) -> None:
    """Ask for `n_rows` predictions at `rate` rows a second, then wait until the last truth is told."""
    began = spoke = time.monotonic()
    while world.sent < n_rows or world.waiting:
        if world.sent < n_rows:
            world.ask([next(rows) for _ in range(min(BATCH, n_rows - world.sent))])
        world.tell()
        if time.monotonic() - spoke >= 2.0:
            spoke = time.monotonic()
            say(world.progress())
        ahead = world.sent / rate - (time.monotonic() - began) if world.sent < n_rows else 0.1
        time.sleep(max(0.0, ahead))
    say(f"Done: {world.progress()}.")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Plays the colleges of 2014 as traffic for a running service.")
    parser.add_argument("--url", default="http://127.0.0.1:8321", help="the service (default: %(default)s)")
    parser.add_argument("--token-file", type=Path, default=Path(".cauce/secrets/token"), help="file with the token")
    parser.add_argument("--model", choices=sorted(INPUTS), default="earnings", help="which model to ask")
    parser.add_argument("--rows", type=int, default=1500, help="predictions to ask for")
    parser.add_argument("--drift", choices=["none", "earnings", "mix"], default="none", help="how the world changes")
    parser.add_argument("--drift-after", type=int, default=0, metavar="N", help="rows before it changes")
    parser.add_argument("--delay", type=float, default=5.0, help="seconds from a prediction to its truth")
    parser.add_argument("--rate", type=float, default=100.0, help="rows a second")
    parser.add_argument("--seed", type=int, default=0, help="fixes the order of the rows")
    read = parser.parse_args(given)
    if not read.url.startswith(("http://", "https://")):
        parser.error(f"--url begins with http:// or https://, not {read.url!r}")
    if read.rows < 1 or read.rate <= 0 or read.delay < 0:
        parser.error("--rows is at least 1, --rate above 0, --delay 0 or more")
    return read


def main(given: Sequence[str] | None = None) -> int:
    """Play the world; return the exit code."""
    read = arguments(given)
    try:
        token = read.token_file.read_text(encoding="ascii").strip()
    except OSError as error:
        say(f"No token in {read.token_file}: {error.strerror}. Run this in the project's folder after `cauce up`.")
        return 2
    world = World(Service(read.url.rstrip("/"), token), read.model, read.delay)
    rows = stream(later_rows(HERE / "data" / "later.parquet"), read.drift, start=read.drift_after, seed=read.seed)
    say(f"{read.rows:,} rows for model {read.model}, drift: {read.drift}, truths after {read.delay:g} seconds.")
    try:
        play(world, rows, read.rows, read.rate)
    except KeyboardInterrupt:
        say(f"Stopped: {world.progress()}.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
