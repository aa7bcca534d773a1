"""How often a token may ask and an address may be wrong, by all workers together; and what they are told."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core import admin_log
from cauce.serve import Limits, create_app
from cauce.serve.limits import ADDRESSES, FAILURES_BURST
from cauce.serve.tokens import SCOPES, Token
from security.asking import Handed, ask_all, bearer, holder, service

GET = ("GET", "/v1/models", {"headers": bearer("secret")})


class Clock:
    """Monotonic seconds, moved by a test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def statuses(app: Any, *requests: tuple[str, str, dict[str, Any]]) -> list[int]:
    return [answer.status_code for answer in ask_all(app, requests)]


def test_a_token_may_send_a_burst_and_is_then_told_when() -> None:
    clock = Clock()
    limits = Limits(per_second=0.5, clock=clock)
    tokens = Handed(secret=holder("predict", per_second=2.0), other=holder("predict", slot=2))
    app = create_app(service(tokens=tokens, limits=limits))
    answers = ask_all(app, [GET] * 6)
    assert [one.status_code for one in answers] == [200] * 4 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert "0.5 seconds" in answers[-1].json()["detail"]
    clock.now += 0.5
    assert statuses(app, GET, GET) == [200, 429]
    other = ("GET", "/v1/models", {"headers": bearer("other")})
    assert statuses(app, other, other) == [200, 429], "another token has its own bucket, here with the rate of [serve]"


def test_a_refused_request_costs_a_place_as_well() -> None:
    """Else a token could try routes that it may not use for nothing."""
    app = create_app(service(tokens=Handed(secret=holder("truth", per_second=1.0)), limits=Limits(clock=Clock())))
    metrics = ("GET", "/metrics", {"headers": bearer("secret")})
    assert statuses(app, metrics, metrics, GET) == [403, 403, 429]


def test_without_a_limit_nothing_is_counted() -> None:
    app = create_app(service(tokens=Handed(secret=holder("predict"))))
    assert set(statuses(app, *[GET] * 300)) == {200}


@settings(deadline=None)
@given(
    rate=st.floats(0.01, 10_000.0),
    steps=st.lists(st.floats(0.0, 5.0), min_size=1, max_size=60),
)
def test_no_stretch_of_time_lets_more_through_than_the_rate_and_one_burst(rate: float, steps: list[float]) -> None:
    clock = Clock()
    limits = Limits(clock=clock)
    token = Token("ana", frozenset(), rate, 1)
    passed: list[float] = []
    for step in steps:
        clock.now += step
        for _ in range(3):
            wait = limits.wait(token)
            assert 0.0 <= wait <= max(2.0, 1.0 / rate) + 1.0 / rate
            if wait == 0.0:
                passed.append(clock.now)
            else:
                clock.now += wait
                assert limits.wait(token) == 0.0, "what Retry-After says is true"
                passed.append(clock.now)
    burst = max(1.0, 2.0 * rate)
    for i, begin in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i + 1 <= burst + rate * (passed[j] - begin) + 1e-6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")
def test_workers_share_a_limit_and_none_can_hold_up_the_others() -> None:
    """Four processes ask for one token, 50 µs of work a request: together they pass what one would."""
    rate, burst = 200.0, 400.0
    limits, token = Limits(), Token("ana", frozenset(), rate, 1)
    reading, writing = os.pipe()
    begin = time.monotonic()
    workers = [_fork(limits, token, writing) for _ in range(4)]
    os.close(writing)
    for worker in workers:
        assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
    took = time.monotonic() - begin
    with os.fdopen(reading) as pipe:
        passed = [int(line) for line in pipe.read().split()]
    assert len(passed) == 4
    assert burst <= sum(passed) <= (burst + rate * took) * 1.1


def _fork(limits: Limits, token: Token, writing: int) -> int:
    worker = os.fork()
    if worker:
        return worker
    passed = 0
    for _ in range(1_000):
        passed += limits.wait(token) == 0.0
        rest = time.perf_counter() + 50e-6
        while time.perf_counter() < rest:
            pass
    os.write(writing, f"{passed}\n".encode())
    os._exit(0)


def test_guesses_from_one_address_are_slowed_down_and_a_right_token_is_not() -> None:
    clock = Clock()
    app = create_app(service(tokens=Handed(secret=holder(*SCOPES)), limits=Limits(clock=clock)))
    guess = ("GET", "/v1/models", {"headers": bearer("guess")})
    n = int(FAILURES_BURST)
    answers = ask_all(app, [guess] * (n + 2))
    assert [one.status_code for one in answers] == [401] * n + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert statuses(app, GET) == [200], "a neighbour's guesses lock nobody out"
    assert statuses(app, ("GET", "/v1/models", {})) == [401], "no token is no guess"
    assert statuses(app, ("GET", "/healthz", {"headers": bearer("guess")})) == [200]
    clock.now += 1.0
    assert statuses(app, guess, guess) == [401, 429]


def test_failed_sign_ins_are_slowed_down_and_fill_no_log() -> None:
    clock, acts = Clock(), list[admin_log.Act]()
    handed = service(tokens=Handed(secret=holder("admin")), limits=Limits(clock=clock), note=acts.append)
    app = create_app(handed)
    wrong = [("POST", "/console/session", {"data": {"token": "guess"}}), ("GET", "/console", {"params": {"code": "x"}})]
    n = int(FAILURES_BURST)
    answers = ask_all(app, wrong * n)
    assert [one.status_code for one in answers] == [401] * n + [429] * n
    assert answers[-1].headers["retry-after"] == "1"
    assert len(acts) == n
    right = ask_all(app, [("POST", "/console/session", {"data": {"token": "secret"}})])
    assert right[0].status_code == 303
    clock.now += 3600.0
    ask_all(app, wrong * 200)
    assert len(acts) <= 2 * n + 2


def test_addresses_are_counted_apart_and_a_host_of_ipv6_is_one() -> None:
    limits = Limits(clock=Clock())

    def wrong(address: str) -> bool:
        return limits.wrong(address) == 0.0

    n = int(FAILURES_BURST)
    assert [wrong("10.0.0.1") for _ in range(n + 1)] == [True] * n + [False]
    others = [wrong(f"10.0.{i}.2") for i in range(50)]
    assert sum(others) >= 49, f"two of {ADDRESSES} places may be one"
    mixed = [wrong(f"2001:db8::{i:x}") for i in range(n + 1)]
    assert mixed == [True] * n + [False]
    assert wrong("not an address")
