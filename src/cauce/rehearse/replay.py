"""One replay: the rows of a history served in order of time, and what each strategy makes of them.

Nothing looks ahead: at a look only rows that came before it are known, and of these only the truths that had arrived.
The losses of all rows are known afterwards, and judge the strategies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cauce.core.rehearsing import Course, Job, Look, Replayed, Strategy
from cauce.rehearse.clock import look_times
from cauce.rehearse.stage import Floats, Model, Rows, Seen, Stage

N_BLOCKS = 96
"""Blocks of consecutive rows that losses are compared on; neighbours may resemble each other (`evidence.serial`)."""
FIRST_JUDGED = 0.2
"""Share of the first rows that is set aside to judge the first model."""


@dataclass(frozen=True, eq=False)
class Past:
    """The rows of a replay, in order of time."""

    times: Floats
    known_at: Floats
    """When each row's truth arrives; infinity where it never does."""
    changed: np.ndarray
    """Whether an injected change lasted when it came."""
    first: int
    """Row at which the replay begins."""
    every_s: float
    fault: bool = False
    injected: bool = False


@dataclass(eq=False)
class _Run:
    """A strategy under way. Belongs to one replay."""

    losses: Floats
    """Of every row of the replay, shape (n_rows - first,)."""
    fitted: list[Model] = field(default_factory=list)
    n_promoted: int = 0
    looks: list[Look] = field(default_factory=list)

    def course(self, strategy: Strategy, ends: Rows, judged_from: int) -> Course:
        """Sum it up; `ends` are the rows served by each look."""
        starts = np.concatenate([[0], ends[:-1]])
        at_looks = tuple(
            float(self.losses[lo:hi].mean()) if hi > lo else None for lo, hi in zip(starts, ends, strict=True)
        )
        judged = self.losses[judged_from:]
        blocks = np.array_split(judged, min(N_BLOCKS, len(judged)))
        return Course(
            strategy=strategy,
            mean_loss=float(judged.mean()),
            block_losses=tuple(float(block.mean()) for block in blocks),
            look_losses=at_looks,
            n_retrained=len(self.fitted),
            n_promoted=self.n_promoted,
            rows_fitted=sum(len(model.taught) for model in self.fitted),
            cpu_seconds=sum(model.cpu_seconds for model in self.fitted),
        )


class _Replay:
    """The parts of one replay that all strategies share."""

    def __init__(self, job: Job, past: Past, stage: Stage) -> None:
        self.job, self.past, self.stage = job, past, stage
        self.n = len(past.times)
        start = past.times[past.first - 1]
        self.looks = look_times(float(start), float(past.times[-1]), past.every_s)
        served = np.searchsorted(past.times, self.looks + 1e-6 * past.every_s, side="right")
        self.ends = np.maximum(served, past.first).astype(np.int64)
        cut = past.first - max(1, round(FIRST_JUDGED * past.first))
        first = np.flatnonzero(past.known_at[: past.first] < np.inf)
        self.begin = stage.fit(first[first < cut], first[first >= cut], version=1, at=float(start))

    def known(self, now: float, end: int, start: int = 0) -> Rows:
        """Return the rows from `start` to `end` whose truth has come by `now`, oldest first."""
        return start + np.flatnonzero(self.past.known_at[start:end] <= now)

    def empty(self) -> _Run:
        return _Run(np.full(self.n - self.past.first, np.nan))

    def serve(self, run: _Run, model: Model, start: int, end: int) -> None:
        """Answer the rows that came between two looks."""
        if end > start:
            rows = np.arange(start, end)
            run.losses[start - self.past.first : end - self.past.first] = self.stage.losses(model, rows)

    def renew(self, run: _Run, champion: Model, now: float, end: int) -> Model | None:
        """Fit a challenger as the loop does, the newest labelled rows set aside; None where nothing new has come."""
        known = self.known(now, end, self.past.first)
        n_judge = self.stage.n_judging(int(np.sum(self.past.times[known] > champion.at)))
        if not n_judge:
            return None
        first = np.flatnonzero(self.past.known_at[: self.past.first] <= now)
        teach = np.concatenate([first, known[:-n_judge]])
        challenger = self.stage.fit(teach, known[-n_judge:], version=len(run.fitted) + 2, at=now)
        run.fitted.append(challenger)
        return challenger

    def unseen(self, champion: Model, challenger: Model, now: float, end: int) -> Rows:
        """Return the labelled rows that neither has learnt from."""
        known = self.known(now, end)
        return known[~(np.isin(known, champion.taught) | np.isin(known, challenger.taught))]


def replay(job: Job, past: Past, stage: Stage) -> Replayed:
    """Replay a stretch of the past under every strategy that the job names.

    Parameters
    ----------
    past
        Times, arrivals of truths and the injected change.
    stage
        Fits, looks, decides and judges on the rows of that past.
    """
    play = _Replay(job, past, stage)
    runs: dict[Strategy, _Run] = {"loop": _loop(play)}
    runs["never"] = _never(play)
    if "always" in job.strategies:
        runs["always"] = _always(play)
    if "scheduled" in job.strategies:
        runs["scheduled"] = _scheduled(play, len(runs["loop"].fitted))
    if "oracle" in job.strategies:
        runs["oracle"] = _oracle(play, runs)
    began = int(np.argmax(past.changed)) if past.injected and past.changed.any() else None
    ends = play.ends - past.first
    judged_from = 0 if began is None else began - past.first
    return Replayed(
        job=job,
        n_rows=play.n - past.first,
        n_judged=play.n - past.first - judged_from,
        begin=None if began is None else float(past.times[began]),
        began_row=None if began is None else began - past.first,
        end=float(past.times[-1]),
        started=float(past.times[past.first - 1]),
        looks=tuple(runs["loop"].looks),
        courses=tuple(runs[name].course(name, ends, judged_from) for name in runs if name in job.strategies),
        rows_always=_rows_always(play),
    )


def _loop(play: _Replay) -> _Run:
    """The loop itself: look, decide, retrain where asked for, promote where proven better."""
    run, champion, since = play.empty(), play.begin, play.past.first
    start, retrained = play.past.first, list[tuple[float, float]]()
    for now, end in zip(play.looks.tolist(), play.ends.tolist(), strict=True):
        play.serve(run, champion, start, end)
        seen = _seen(play, champion, now, rows=(since, start, end), retrained=retrained)
        start = end
        watched = play.stage.look(seen)
        decision = play.stage.decide(watched, seen)
        promoted: bool | None = None
        if decision.action == "retrain":
            challenger = play.renew(run, champion, now, end)
            retrained.append((now, challenger.cpu_seconds if challenger is not None else 0.0))
            if challenger is not None:
                rows = play.unseen(champion, challenger, now, end)
                promoted = play.stage.judge(champion, challenger, rows, watched, now)
                if promoted:
                    champion, since, run.n_promoted = challenger, end, run.n_promoted + 1
        alarms = tuple(f"{s.code} {s.column}" if s.column else s.code for s in watched.signals if s.alarming)
        told = decision.reason if decision.action != "wait" else {}
        run.looks.append(Look(now, end - play.past.first, alarms, decision.action, promoted, told))
    return run


def _seen(
    play: _Replay, champion: Model, now: float, *, rows: tuple[int, int, int], retrained: list[tuple[float, float]]
) -> Seen:
    """Gather what a look may know; `rows` are the champion's first, the first since the last look, the end."""
    past, (since, start, end) = play.past, rows
    known = play.known(now, end, past.first)
    n_labelled = int(np.sum(past.times[known] > champion.at))
    last = retrained[-1][0] if retrained else None
    n_new = n_labelled if last is None else int(np.sum(past.times[known] > last))
    received = past.known_at[since:end]
    return Seen(
        model=champion,
        answered=np.arange(since, end),
        at=past.times[since:end],
        received=np.where(received <= now, received, np.nan),
        n_came=end - start,
        n_labelled=n_labelled,
        last_retrain=last,
        n_new=min(n_labelled, n_new),
        now=now,
        retrained=tuple(retrained),
    )


def _never(play: _Replay) -> _Run:
    """The first model for ever."""
    run = play.empty()
    play.serve(run, play.begin, play.past.first, play.n)
    return run


def _always(play: _Replay) -> _Run:
    """A new model from all known rows at every look, or every so many, taken into service unseen."""
    run, model, start = play.empty(), play.begin, play.past.first
    for place, (now, end) in enumerate(zip(play.looks.tolist(), play.ends.tolist(), strict=True)):
        play.serve(run, model, start, end)
        start = end
        if place % play.job.always_every:
            continue
        known = play.known(now, end)
        if len(known) > len(model.taught) and end < play.n:
            model = play.stage.fit(known, np.empty(0, np.int64), version=len(run.fitted) + 2, at=now)
            run.fitted.append(model)
            run.n_promoted += 1
    return run


def _rows_always(play: _Replay) -> int:
    """Count the rows that a fit at every look takes."""
    counts = [len(play.known(now, end)) for now, end in zip(play.looks.tolist(), play.ends.tolist(), strict=True)]
    before = [len(play.begin.taught), *counts[:-1]]
    ends = play.ends.tolist()
    return sum(n for n, last, end in zip(counts, before, ends, strict=True) if n > last and end < play.n)


def _scheduled(play: _Replay, n_times: int) -> _Run:
    """As many retrainings as the loop had, evenly spaced, through the same gate: what watching adds to a calendar."""
    places = {round((at + 1) * len(play.looks) / (n_times + 1)) - 1 for at in range(n_times)}
    run, champion, start = play.empty(), play.begin, play.past.first
    for place, (now, end) in enumerate(zip(play.looks.tolist(), play.ends.tolist(), strict=True)):
        play.serve(run, champion, start, end)
        start = end
        challenger = play.renew(run, champion, now, end) if place in places else None
        if challenger is None:
            continue
        rows = play.unseen(champion, challenger, now, end)
        if play.stage.judge(champion, challenger, rows, None, now):
            champion, run.n_promoted = challenger, run.n_promoted + 1
    return run


def _oracle(play: _Replay, others: dict[Strategy, _Run]) -> _Run:
    """What could have been had by one who knows.

    A drift: the first model until the change; from then on, at every doubling of the rows known since, also a model of
    these alone. A fault, or a world that stands still: the first model. But for these two, for each stretch between two
    looks the best in hindsight of that and of the other strategies: a bound that nobody reaches.
    """
    past, never = play.past, others["never"]
    if past.injected and not past.fault:
        run = _after_change(play, never)
        _best_of(play, run, [run, *others.values()])
        return run
    run = play.empty()
    run.losses = never.losses.copy()
    if play.job.scenario.kind in {"history", "delay"}:
        _best_of(play, run, list(others.values()))
    return run


def _after_change(play: _Replay, never: _Run) -> _Run:
    past, run = play.past, play.empty()
    run.losses = never.losses.copy()
    wanted, start, newer = play.job.settings.min_truths, past.first, None
    for now, end in zip(play.looks.tolist(), play.ends.tolist(), strict=True):
        rows = np.arange(start, end)
        rows = rows[past.changed[start:end]]
        if newer is not None and len(rows):
            ours, at = play.stage.losses(newer, rows), rows - past.first
            if ours.mean() < run.losses[at].mean():
                run.losses[at] = ours
        start = end
        known = play.known(now, end)
        known = known[past.changed[known]]
        if len(known) >= wanted and end < play.n:
            newer = play.stage.fit(known, np.empty(0, np.int64), version=len(run.fitted) + 2, at=now)
            run.fitted.append(newer)
            run.n_promoted += 1
            wanted = 2 * len(known)
    return run


def _best_of(play: _Replay, run: _Run, others: list[_Run]) -> None:
    start = 0
    for end in (play.ends - play.past.first).tolist():
        if end > start:
            stretches = [other.losses[start:end].copy() for other in others]
            run.losses[start:end] = min(stretches, key=np.mean)
        start = end
