"""Prometheus metrics of one application: two in one process do not mix, several workers of one answer as one.

What is counted for every request takes less than two microseconds (`observe_predictions`, `count_request`); everything
else is looked up by its labels.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cauce.serve.cells import SINK, Board, Count, Series, State, Tally
from cauce.serve.usage import usage

Variant = Literal["champion", "challenger", "shadow"]
Shed = Literal["queue", "rate", "deadline"]
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 10_000.0)
_SUM = len(SECONDS) + 1
"""Place of the sum behind the buckets and the one without a bound."""
BETWEEN = "\x1f"
"""Between the names of a tally's bins, which stand in one label on the board."""
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
S = TypeVar("S", bound=Series)
logger = logging.getLogger("cauce.serve")


class Spread(Series):
    """How often a figure fell into each bucket, and its sum."""

    __slots__ = ("bounds",)
    bounds: tuple[float, ...]

    def observe(self, value: float) -> None:
        """Count one value."""
        board = self._board
        with board.lock:
            board.cells[self.at + bisect_left(self.bounds, value)] += 1.0
            board.cells[self.at + self.n - 1] += value


class Family(Generic[S]):
    """One metric: its series by the values of its labels.

    Parameters
    ----------
    name
        Without ``_total``, which the text adds to counters.
    """

    def __init__(self, board: Board, kind: type[S], name: str, text: str, labels: tuple[str, ...] = ()) -> None:
        self._board, self._kind = board, kind
        self.name, self.text, self.label_names = name, text, labels
        self.bounds: tuple[float, ...] = ()
        self.newest = False
        """Whether the state set last is that of all workers; else they are added."""
        self.made: dict[tuple[str, ...], S] = {}

    def labels(self, *values: str) -> S:
        """Return the series of these label values, the same one every time."""
        found = self.made.get(values)
        return found if found is not None else self._make(values)

    def _make(self, values: tuple[str, ...]) -> S:
        if len(values) != len(self.label_names):
            raise ValueError(f"{self.name} takes the labels {self.label_names}, received {values}")
        n = {Count: 1, State: 2}.get(self._kind, len(self.bounds) + 2)
        if self._kind is Tally:
            n = values[-1].count(BETWEEN) + 1
        series = self._kind(self._board, self.name, values, n)
        if isinstance(series, Spread):
            series.bounds = self.bounds
        return self.made.setdefault(values, series)

    def collect(self, found: dict[tuple[str, ...], list[tuple[bool, list[float]]]]) -> Metric:
        """Return the metric, the workers' cells made one."""
        if self._kind is Count:
            counter = CounterMetricFamily(self.name, self.text, labels=self.label_names)
            for labels, cells in sorted(found.items()):
                counter.add_metric(labels, sum(values[0] for _, values in cells))
            return counter
        if self._kind is Tally:
            tally = CounterMetricFamily(self.name, self.text, labels=(*self.label_names[:-1], "bin"))
            for series, cells in sorted(found.items()):
                totals = (sum(column) for column in zip(*(values for _, values in cells), strict=True))
                for bin_name, total in zip(series[-1].split(BETWEEN), totals, strict=True):
                    tally.add_metric((*series[:-1], bin_name), total)
            return tally
        if self._kind is State:
            gauge = GaugeMetricFamily(self.name, self.text, labels=self.label_names)
            for labels, cells in sorted(found.items()):
                if living := [values for alive, values in cells if alive]:
                    value = max(living, key=_moment)[0] if self.newest else sum(values[0] for values in living)
                    gauge.add_metric(labels, value)
            return gauge
        histogram = HistogramMetricFamily(self.name, self.text, labels=self.label_names)
        for labels, cells in sorted(found.items()):
            *counts, total = (sum(column) for column in zip(*(values for _, values in cells), strict=True))
            histogram.add_metric(labels, list(_cumulative(self.bounds, counts)), sum_value=total)
        return histogram


def _moment(values: list[float]) -> float:
    return values[1]


def _cumulative(bounds: Sequence[float], counts: Sequence[float]) -> Iterable[tuple[str, float]]:
    so_far = 0.0
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        so_far += count
        yield "+Inf" if bound == float("inf") else str(bound), so_far


class Metrics:
    """The figures of one application.

    Parameters
    ----------
    models
        Whose counts stand at 0 from the begin, so that the first failure is a rise.
    workers
        Processes that answer. From 2 on, make it in the parent, before the forks; each worker calls `attach`.
    """

    def __init__(self, models: Sequence[str] = (), *, workers: int = 1) -> None:
        self._board = Board(workers)
        self._families: dict[str, Family[Count] | Family[State] | Family[Spread] | Family[Tally]] = {}
        self._hot: dict[tuple[str, int, str], tuple[int, int]] = {}
        self._requests: dict[tuple[str, int], Count] = {}
        self.before_text: list[Callable[[], None]] = []
        """Called before the figures are given: to set states that are dear to know, such as a folder's size."""
        self.seen: Collector | None = None
        """What the watcher saw, read from its files at every scrape; see `cauce.serve.seen`."""
        self._of_requests()
        self._of_models()
        self._of_the_ledger()
        for model in models:
            self._expect(model)
        for reason in ("queue", "rate", "deadline"):
            self.shed.labels(reason)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def _of_requests(self) -> None:
        self.requests = self._count("cauce_requests", "Requests answered.", "route", "status")
        self.shed = self._count("cauce_shed_requests", "Requests turned away unread, being too many.", "reason")
        self.refused = self._count("cauce_refused_rows", "Faults for which rows were refused.", "model", "reason")
        text = "Seconds from a predict request's body to its answer."
        self.seconds = self._spread("cauce_predict_seconds", text, SECONDS, "model", "variant")
        text = "Seconds that a predict request waited for its turn."
        self.waiting = self._spread("cauce_wait_seconds", text, SECONDS, "model")
        self.in_flight = self._state("cauce_requests_in_flight", "Requests being worked on.").labels()
        text = "Workers that ended unasked and were started again."
        self.restarts = self._count("cauce_worker_restarts", text).labels()

    def _of_models(self) -> None:
        self.predictions = self._count("cauce_predictions", "Rows predicted.", "model", "version", "variant")
        self.batch_rows = self._spread("cauce_batch_rows", "Rows in one call of a model.", ROWS, "model", "variant")
        text = "Seconds that one call of a model took."
        self.batch_seconds = self._spread("cauce_model_seconds", text, SECONDS, "model", "variant")
        text = "Rows that came, by the bins of training; a sample where many came in a second."
        self.input_rows = self._tally("cauce_input_rows", text, "model", "version", "column", "bins")
        text = "Rows that the challenger did not score beside the champion, for want of time."
        self.shadow_dropped = self._count("cauce_shadow_dropped_rows", text, "model")
        text = "Rows on which the challenger failed beside the champion."
        self.shadow_failures = self._count("cauce_shadow_failed_rows", text, "model")
        text = "Releases that could not be loaded, or failed their first prediction."
        self.load_failures = self._count("cauce_load_failures", text, "model")
        text = "Version that answers; 0 where none does."
        self.version = self._newest("cauce_release_version", text, "model")
        text = "Version of the challenger; 0 where there is none."
        self.challenger_version = self._newest("cauce_challenger_version", text, "model")

    def _of_the_ledger(self) -> None:
        self.truths = self._count("cauce_truths", "Truths received.", "model", "status")
        self.write_failures = self._count("cauce_ledger_write_failures", "Answers that the disk refused.", "model")
        text = "Seconds that one sync of a journal to disk took."
        self.sync_seconds = self._spread("cauce_journal_sync_seconds", text, SECONDS, "model")
        text = "Bytes of journals that are not yet in the ledger's tables."
        self.journal_bytes = self._newest("cauce_journal_unfolded_bytes", text, "model")

    def observe_predictions(self, model: str, version: int, variant: Variant, n_rows: int, seconds: float) -> None:
        """Count the rows of one request by one release, and the seconds from its body to its answer.

        Nobody waits for a shadow: its rows count, its seconds do not (`batch_seconds` has those of its calls).
        """
        try:
            rows_at, seconds_at = self._hot[model, version, variant]
        except KeyError:
            rows_at, seconds_at = self._heat(model, version, variant)
        board = self._board
        with board.lock:
            cells = board.cells
            cells[rows_at] += n_rows
            cells[seconds_at + bisect_left(SECONDS, seconds)] += 1.0
            cells[seconds_at + _SUM] += seconds

    def _heat(self, model: str, version: int, variant: Variant) -> tuple[int, int]:
        rows_at = self.predictions.labels(model, str(version), variant).at
        seconds_at = self.seconds.labels(model, variant).at if variant != "shadow" else SINK
        self._hot[model, version, variant] = rows_at, seconds_at
        return rows_at, seconds_at

    def count_request(self, route: str, status: int) -> None:
        """Count one answer; `route` is the template, never the path as sent."""
        try:
            series = self._requests[route, status]
        except KeyError:
            series = self._requests[route, status] = self.requests.labels(route, str(status))
        series.inc()

    def attach(self, worker: int) -> None:
        """Count as worker 1, 2, …, in the place of an ended one too; called first thing after the fork."""
        self._board.attach(worker)
        self._hot.clear()
        for family in self._families.values():
            for series in family.made.values():
                series.bind()
        # A worker that was here before may have known labels that this process does not.
        for entry in self._board.own_entries():
            if isinstance(series := self._families[entry.name].labels(*entry.labels), State):
                series.clear()

    def ended(self, worker: int, *, restarted: bool) -> None:
        """Say, in the parent, that a worker is gone: what it counted stays, what it was busy with goes."""
        self._board.detach(worker)
        if restarted:
            self.restarts.inc()

    def collect(self) -> Iterable[Metric]:
        """Yield all figures, those of every worker together; what prometheus_client asks of a collector."""
        found: dict[str, dict[tuple[str, ...], list[tuple[bool, list[float]]]]] = {}
        for entry, alive, cells in self._board.series():
            found.setdefault(entry.name, {}).setdefault(entry.labels, []).append((alive, cells))
        for name, family in self._families.items():
            yield family.collect(found.get(name, {}))
        yield GaugeMetricFamily("cauce_workers", "Processes that answer.", value=self._board.n_workers)
        yield from usage(self._board.pids())
        if self.seen is not None:
            yield from self.seen.collect()

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format. Reads files under /proc: call it in a thread."""
        for prepare in self.before_text:
            try:
                prepare()
            except Exception:  # one figure that cannot be had must not take the others with it
                logger.exception("a figure of /metrics could not be brought up to date")
        return generate_latest(self.registry)

    def _expect(self, model: str) -> None:
        for count in (self.load_failures, self.write_failures, self.shadow_dropped, self.shadow_failures):
            count.labels(model)
        self.version.labels(model)
        self.challenger_version.labels(model)

    def _count(self, name: str, text: str, *labels: str) -> Family[Count]:
        family = self._families[name] = Family(self._board, Count, name, text, labels)
        return family

    def _state(self, name: str, text: str, *labels: str) -> Family[State]:
        family = self._families[name] = Family(self._board, State, name, text, labels)
        return family

    def _newest(self, name: str, text: str, *labels: str) -> Family[State]:
        family = self._state(name, text, *labels)
        family.newest = True
        return family

    def _tally(self, name: str, text: str, *labels: str) -> Family[Tally]:
        family = self._families[name] = Family(self._board, Tally, name, text, labels)
        return family

    def _spread(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Family[Spread]:
        family = self._families[name] = Family(self._board, Spread, name, text, labels)
        family.bounds = bounds
        return family
