"""An alert is told once, reminded of, and over once: held against a second telling of the rule, over any timeline."""

from __future__ import annotations

import itertools
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alert.conftest import NOW, cause
from cauce.alert import Book, Line, Open, look
from cauce.core.alert_specs import EVERYTHING
from cauce.core.files import from_json, to_json

QUIET, REMIND = timedelta(minutes=60), timedelta(minutes=240)
LASTING, PASSING = ("a", "b"), ("c",)

timelines = st.lists(st.tuples(st.integers(1, 90), st.sets(st.sampled_from([*LASTING, *PASSING]))), max_size=40)


def run(timeline: list[tuple[int, set[str]]], *, restarts: bool = False) -> list[tuple[int, str, str]]:
    """All lines of a timeline, as (minute, state, detail)."""
    known: tuple[Open, ...] = ()
    told: list[tuple[int, str, str]] = []
    minute = 0
    for step, seen in timeline:
        minute += step
        causes = [cause(name, lasts=name in LASTING) for name in sorted(seen)]
        now = NOW + timedelta(minutes=minute)
        known, lines = look(
            known, causes, model="passed", judged=frozenset(EVERYTHING), quiet=QUIET, remind=REMIND, now=now
        )
        told += [(minute, line.state, line.cause.detail) for line in lines]
        if restarts:
            known = from_json(to_json(Book(open=known)), Book).open
    return told


def expected(timeline: list[tuple[int, set[str]]], name: str) -> list[tuple[int, str]]:
    """The rule once more, for one cause that lasts, told from its episodes rather than from a state."""
    moments, minute = [], 0
    for step, seen in timeline:
        minute += step
        moments.append((minute, name in seen))
    told: list[tuple[int, str]] = []
    rest = moments
    while any(there for _, there in rest):
        start = next(i for i, (_, there) in enumerate(rest) if there)
        last = at = rest[start][0]
        told.append((at, "new"))
        ended = len(rest)
        for i, (now, there) in enumerate(rest[start + 1 :], start + 1):
            if there:
                last = now
                if now - at >= 240:
                    told.append((now, "again"))
                    at = now
            elif now - last >= 60:
                told.append((now, "over"))
                ended = i + 1
                break
        rest = rest[ended:]
    return told


@settings(deadline=None)
@given(timelines)
def test_what_is_told_of_a_cause_that_lasts_follows_the_rule(timeline: list[tuple[int, set[str]]]) -> None:
    told = run(timeline)
    for name in LASTING:
        assert [(minute, state) for minute, state, which in told if which == name] == expected(timeline, name)


@settings(deadline=None)
@given(timelines)
def test_a_restart_between_any_two_looks_changes_nothing(timeline: list[tuple[int, set[str]]]) -> None:
    assert run(timeline, restarts=True) == run(timeline)


@settings(deadline=None)
@given(timelines)
def test_what_happens_is_told_once_in_the_quiet_time_and_is_never_over(timeline: list[tuple[int, set[str]]]) -> None:
    told = [(minute, state) for minute, state, which in run(timeline) if which == "c"]
    assert {state for _, state in told} <= {"new"}
    minutes = [minute for minute, _ in told]
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(minutes))
    seen, minute = [], 0
    for step, there in timeline:
        minute += step
        seen += [minute] if "c" in there else []
    assert all(any(0 <= at - tell < 60 for tell in minutes) for at in seen), "each occurrence is told, or was just now"


def test_a_look_that_saw_nothing_of_a_kind_calls_none_of_it_over() -> None:
    """A watcher that could not look knows nothing of the columns."""
    both = [cause("drift/age"), cause(kind="watcher")]
    known, _ = look((), both, model="passed", judged=frozenset(EVERYTHING), quiet=timedelta(0), remind=REMIND, now=NOW)
    later = NOW + timedelta(days=2)
    known, lines = look(
        known, [], model="passed", judged=frozenset({"watcher"}), quiet=timedelta(0), remind=REMIND, now=later
    )
    assert [(line.state, line.cause.kind) for line in lines] == [("over", "watcher")]
    assert [one.cause.kind for one in known] == ["signals"]


def test_another_models_alerts_are_left_alone() -> None:
    known, _ = look((), [cause()], model="passed", judged=frozenset(EVERYTHING), quiet=QUIET, remind=REMIND, now=NOW)
    later = NOW + timedelta(days=2)
    after, lines = look(known, [], model="grade", judged=frozenset(EVERYTHING), quiet=QUIET, remind=REMIND, now=later)
    assert (after, lines) == (known, ())


def test_the_newest_figures_are_told_when_it_is_told_again() -> None:
    known, _ = look(
        (), [cause(text="0.3")], model="passed", judged=frozenset(EVERYTHING), quiet=QUIET, remind=REMIND, now=NOW
    )
    later = NOW + REMIND
    _, lines = look(
        known, [cause(text="0.9")], model="passed", judged=frozenset(EVERYTHING), quiet=QUIET, remind=REMIND, now=later
    )
    assert lines == (Line("again", cause(text="0.9"), NOW),)
