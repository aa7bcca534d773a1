"""Batches: never too large, every answer to its request, and nobody waits for nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.serve import batching
from cauce.serve.batching import Batcher, Expired, Failed, Member
from cauce.serve.pace import Line, Pace

Asked = tuple[int, list[int]]
"""A request's number and its rows."""
BAD = -1


class Model:
    """Doubles rows; fails on `BAD`; remembers how many rows each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, rows: Sequence[int]) -> list[int]:
        self.calls.append(len(rows))
        if BAD in rows:
            raise ValueError("a bad row")
        return [2 * row for row in rows]


def give(batch: Sequence[Member[int, list[int]]], _: Sequence[int], parts: Sequence[list[int]]) -> None:
    whole = [value for part in parts for value in part]
    start = 0
    for member in batch:
        if not member.answer.done():
            member.answer.set_result(whole[start : start + len(member.rows)])
        start += len(member.rows)


async def ask_all(
    requests: Sequence[Sequence[int]], *, most_rows: int, together: bool, seed: int, cancelled: frozenset[int]
) -> tuple[list[Any], Model]:
    """Send requests in a seeded disorder, some at once and some in later rounds of the loop."""
    model, chance = Model(), random.Random(seed)
    with ThreadPoolExecutor(2) as threads:
        batcher: Batcher[int, list[int]] = Batcher(
            model, give, most_rows=most_rows, together=together, executor=threads, most_threads=2
        )

        async def ask(number: int) -> list[int]:
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
            member = batcher.put(requests[number])
            if number in cancelled:
                member.answer.cancel()
            return await member.answer

        order = list(range(len(requests)))
        chance.shuffle(order)
        tasks = {number: asyncio.ensure_future(ask(number)) for number in order}
        await asyncio.wait(tasks.values())
        found = [_outcome(tasks[number]) for number in range(len(requests))]
    assert batcher.n_waiting == 0
    return found, model


def _outcome(task: asyncio.Future[list[int]]) -> Any:
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return error if error is not None else task.result()


rows = st.lists(st.integers(0, 50) | st.just(BAD), min_size=1, max_size=9)


@settings(max_examples=150, deadline=None)
@given(
    requests=st.lists(rows, min_size=1, max_size=12),
    most_rows=st.integers(1, 8),
    together=st.booleans(),
    seed=st.integers(0, 10),
    cancelled=st.frozensets(st.integers(0, 11), max_size=4),
    inline=st.booleans(),
)
def test_every_answer_belongs_to_its_request_and_no_call_is_too_large(
    requests: list[list[int]],
    most_rows: int,
    together: bool,
    seed: int,
    cancelled: frozenset[int],
    inline: bool,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "INLINE_S", 1.0 if inline else -1.0)
        found, model = asyncio.run(
            ask_all(requests, most_rows=most_rows, together=together, seed=seed, cancelled=cancelled)
        )
    assert max(model.calls, default=0) <= most_rows
    for number, (asked, outcome) in enumerate(zip(requests, found, strict=True)):
        if number in cancelled:
            assert outcome == "cancelled"
        elif BAD in asked:
            assert isinstance(outcome, Failed)
            assert isinstance(outcome.error, ValueError)
            assert outcome.first_row == asked.index(BAD) // most_rows * most_rows
        else:
            assert outcome == [2 * row for row in asked]


def test_cancelled_requests_leave_before_their_turn() -> None:
    found, model = asyncio.run(ask_all([[1], [2], [3]], most_rows=9, together=True, seed=0, cancelled=frozenset({1})))
    assert found == [[2], "cancelled", [6]]
    assert sum(model.calls) == 2


def test_a_request_whose_deadline_passed_is_not_predicted() -> None:
    async def ask() -> Model:
        model = Model()
        with ThreadPoolExecutor(1) as threads:
            batcher: Batcher[int, list[int]] = Batcher(model, give, most_rows=9, together=True, executor=threads)
            member = batcher.put([1], until=0.0)
            with pytest.raises(Expired):
                await member.answer
        return model

    assert asyncio.run(ask()).calls == []


def test_requests_that_are_there_together_share_a_call_and_without_batching_none_does() -> None:
    for together, calls in ((True, [4]), (False, [1, 1, 1, 1])):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batching, "INLINE_S", float("inf"))
            model = asyncio.run(_at_once(together))
        assert model.calls == calls


async def _at_once(together: bool) -> Model:
    model = Model()
    with ThreadPoolExecutor(1) as threads:
        batcher: Batcher[int, list[int]] = Batcher(model, give, most_rows=9, together=together, executor=threads)
        await asyncio.gather(*(batcher.put([number]).answer for number in range(4)))
    return model


def measured(fixed_s: float, row_s: float, gap_s: float, *, n: int = 50, rows: int = 1) -> Pace:
    pace = Pace()
    for size in (1, 8) * n:
        pace.called(size, fixed_s + row_s * size)
        pace.called(size, fixed_s + row_s * size, n_requests=2)
    for place in range(n):
        pace.arrived(rows, place * gap_s)
    return pace


@settings(deadline=None)
@given(
    fixed_s=st.floats(1e-6, 1.0),
    row_s=st.floats(1e-7, 1.0),
    gap_s=st.floats(1e-6, 10.0),
    n_requests=st.integers(1, 50),
    rows=st.integers(1, 20),
)
def test_waiting_lowers_the_mean_of_all_requests_or_is_not_done(
    fixed_s: float, row_s: float, gap_s: float, n_requests: int, rows: int
) -> None:
    """The oracle follows every request to its end, in both ways."""
    pace = measured(fixed_s, row_s, gap_s, rows=rows)
    wait = pace.wait(n_requests, n_requests * rows)

    def call_s(n: int) -> float:
        return fixed_s + row_s * n

    n_rows = n_requests * rows
    at_once = n_requests * call_s(n_rows) + max(0.0, call_s(n_rows) - gap_s) + call_s(rows)
    together = n_requests * (gap_s + call_s(n_rows + rows)) + call_s(n_rows + rows)
    slack = 1e-6 * at_once
    if wait:
        assert together <= at_once + slack
        assert wait <= call_s(rows) * (1 + 1e-6)
    else:
        assert together >= at_once - slack


def test_a_lone_request_waits_not_at_all() -> None:
    pace = measured(0.010, 0.0001, 0.001)
    assert pace.wait(1, 1) > 0  # requests come fast, and a call has a large fixed cost
    pace.arrived(1, 50 * 0.001 + 1.0)  # after a second of silence
    assert pace.wait(1, 1) == 0.0


def test_nobody_waits_for_what_was_never_measured() -> None:
    pace = Pace()
    pace.arrived(1, 0.0)
    assert pace.wait(1, 1) == 0.0
    pace.called(1, 0.01)
    pace.arrived(1, 0.0001)
    assert pace.wait(1, 1) == 0.0  # what a shared call costs is not known
    assert pace.shares(2, 2)  # and is tried


def test_the_cost_is_found_again_after_it_changed() -> None:
    line = Line()
    for size in (1, 8) * 50:
        line.add(size, 0.010 + 0.001 * size)
    for size in (1, 8) * 300:
        line.add(size, 0.002 + 0.0005 * size)
    assert [line.at(1), line.at(100)] == pytest.approx([0.0025, 0.052], rel=0.05)


def test_a_model_that_is_dear_for_two_rows_and_cheap_for_many_shares_late_and_looks_again() -> None:
    """One row alone has a way of its own: what a shared call costs is no line through it."""
    pace = Pace()
    for size in (2, 16, 2, 16):
        pace.called(1, 0.000045)
        pace.called(size, 0.000080 + 0.000020 * size, n_requests=size)
    pace.arrived(1, 0.0)
    pace.arrived(1, 1.0)
    assert not pace.shares(2, 2)
    assert pace.shares(64, 64)
    assert any(pace.shares(2, 2) for _ in range(300))  # to see whether it still costs as much


def test_a_request_is_never_held_longer_than_the_fixed_cost_of_a_call() -> None:
    """Requests come faster than the rule expects, one by one: each look may wait again, their sum may not grow."""

    async def ask() -> list[float]:
        with ThreadPoolExecutor(1) as threads:
            batcher: Batcher[int, list[int]] = Batcher(Model(), give, most_rows=1000, together=True, executor=threads)
            batcher.pace = measured(0.02, 0.00001, 0.002)
            members = []
            for number in range(40):
                members.append(batcher.put([number]))
                await asyncio.sleep(0.001)
            await asyncio.gather(*(member.answer for member in members))
        return [member.waited for member in members]

    waited = asyncio.run(ask())
    assert max(waited) < 0.06
    assert any(waited)


@settings(deadline=None)
@given(
    fixed_s=st.floats(1e-6, 0.1),
    row_s=st.floats(1e-7, 0.1),
    rows=st.integers(1, 64),
    n_requests=st.integers(2, 20),
)
def test_alone_they_share_exactly_when_it_lowers_their_own_mean(
    fixed_s: float, row_s: float, rows: int, n_requests: int
) -> None:
    """Where hardly anybody else comes, the oracle follows those who are there to their ends, in both ways."""
    pace = measured(fixed_s, row_s, 1e6, rows=rows)
    apart = sum((place + 1) * (fixed_s + row_s * rows) for place in range(n_requests)) / n_requests
    together = fixed_s + row_s * rows * n_requests
    if abs(together - apart) > 1e-3 * apart:
        assert pace.shares(n_requests, n_requests * rows) == (together < apart)


@settings(deadline=None)
@given(fixed_s=st.floats(1e-6, 0.1), row_s=st.floats(1e-7, 0.1), rows=st.integers(1, 64))
def test_the_busier_the_service_the_sooner_they_share(fixed_s: float, row_s: float, rows: int) -> None:
    service_s = fixed_s + row_s * rows
    gaps = [service_s * factor for factor in (0.5, 0.9, 1.0, 1.2, 2.0, 10.0, 1e4)]
    shared = [measured(fixed_s, row_s, gap_s, rows=rows).shares(4, 4 * rows) for gap_s in gaps]
    assert shared == sorted(shared, reverse=True)
