"""When a request is sent again: driven by a clock of the test's own, without a network and without waiting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.client import CauceHTTPError, Overloaded, Refused, Retries, ServiceFailed, Unavailable, Unreachable
from cauce.client.calls import Call
from cauce.client.replies import Broken, Reply
from cauce.client.talks import DEADLINE_HEADER, Send, Talk, Talks
from cauce.core.errors import UserError
from client.scripted import ANSWER

T = TypeVar("T")
ROW = {"age": 30}
GOOD = Reply(200, {}, json.dumps(ANSWER).encode())


def refusal(status: int, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, json.dumps({"detail": "Wait a little."}).encode())


@dataclass
class Hand:
    """Runs a conversation: outcomes come from a list, time passes only where it is told to."""

    outcomes: list[Reply | Broken]
    each_s: float = 0.0
    """Seconds that a sending takes."""
    now: float = 1000.0
    sent: list[Send] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def talks(self, tries: int = 5) -> Talks:
        return Talks("http://s", 30.0, Retries(tries=tries, clock=lambda: self.now, chance=lambda: 1.0))

    def run(self, talk: Talk[T]) -> T:
        heard: Reply | Broken | None = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Send):
                self.sent.append(step)
                self.now += self.each_s
                heard = self.outcomes.pop(0)
            else:
                self.pauses.append(step.seconds)
                self.now += step.seconds
                heard = None

    @property
    def calls(self) -> Iterator[Call]:
        return (step.call for step in self.sent)


@pytest.mark.parametrize("outcome", [refusal(429), refusal(502), refusal(503), refusal(504), Broken("gone")])
def test_what_may_pass_by_itself_is_sent_again_as_the_same_request(outcome: Reply | Broken) -> None:
    hand = Hand([outcome, outcome, GOOD])
    assert hand.run(hand.talks().predict("dropout", [ROW])).version == 3
    assert hand.pauses == [0.1, 0.2]
    assert len({call.headers["Idempotency-Key"] for call in hand.calls}) == 1
    assert len({call.body for call in hand.calls}) == 1


def test_two_calls_are_two_requests() -> None:
    hand = Hand([GOOD, GOOD])
    for _ in range(2):
        hand.run(hand.talks().predict("dropout", [ROW]))
    assert len({call.headers["Idempotency-Key"] for call in hand.calls}) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 500, 507])
def test_what_will_not_pass_is_sent_once(status: int) -> None:
    hand = Hand([refusal(status, retry_after="1")])
    with pytest.raises(CauceHTTPError) as caught:
        hand.run(hand.talks().predict("dropout", [ROW]))
    assert caught.value.status == status
    assert hand.pauses == []


def test_the_tries_end() -> None:
    hand = Hand([refusal(503)] * 3)
    with pytest.raises(Unavailable, match=r"3 tries"):
        hand.run(hand.talks(tries=3).predict("dropout", [ROW]))
    assert len(hand.sent) == 3


def test_a_certificate_that_is_not_trusted_is_tried_once() -> None:
    hand = Hand([Broken("not trusted", final=True)])
    with pytest.raises(Unreachable, match="not trusted"):
        hand.run(hand.talks().models())


def test_retry_after_is_waited_for_and_jitter_comes_on_top() -> None:
    hand = Hand([refusal(429, retry_after="2"), GOOD])
    hand.run(hand.talks().predict("dropout", [ROW]))
    assert hand.pauses == [2.1]


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True)
    hand = Hand([refusal(503, retry_after=later), GOOD])
    hand.run(hand.talks().predict("dropout", [ROW]))
    assert 5.0 < hand.pauses[0] <= 8.1


@pytest.mark.parametrize("said", ["soon", "-1", "1e400", "²"])
def test_a_retry_after_that_is_none_is_passed_over(said: str) -> None:
    hand = Hand([refusal(503, retry_after=said), GOOD])
    hand.run(hand.talks().predict("dropout", [ROW]))
    assert hand.pauses == [0.1]


def test_no_pause_outlives_the_deadline() -> None:
    hand = Hand([refusal(429, retry_after="60")])
    with pytest.raises(Overloaded) as caught:
        hand.run(hand.talks().predict("dropout", [ROW], deadline_s=10.0))
    assert hand.pauses == []
    assert caught.value.retry_after_s == 60.0


def test_each_sending_has_the_time_that_is_left_and_tells_it_to_the_service() -> None:
    hand = Hand([Broken("gone"), Broken("gone"), GOOD], each_s=2.0)
    hand.run(hand.talks().predict("dropout", [ROW], deadline_s=10.0))
    assert [round(step.within_s, 1) for step in hand.sent] == [10.0, 7.9, 5.7]
    assert [call.headers[DEADLINE_HEADER] for call in hand.calls] == ["10000", "7900", "5700"]


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_a_deadline_that_is_none_is_refused(seconds: float) -> None:
    hand = Hand([])
    with pytest.raises(UserError, match="deadline"):
        hand.run(hand.talks().predict("dropout", [ROW], deadline_s=seconds))


def test_a_bug_of_the_service_is_told_as_one() -> None:
    hand = Hand([refusal(500)])
    with pytest.raises(ServiceFailed):
        hand.run(hand.talks().predict("dropout", [ROW]))


def test_a_probe_is_asked_once_and_says_no() -> None:
    for outcome in (refusal(503), Broken("nobody")):
        hand = Hand([outcome])
        assert hand.run(hand.talks().probe("ready")) is False
    hand = Hand([Broken("not trusted", final=True)])
    with pytest.raises(Unreachable):
        hand.run(hand.talks().probe("ready"))


@settings(deadline=None)
@given(
    tries=st.integers(1, 60),
    first=st.floats(0.001, 10.0),
    most=st.floats(0.001, 60.0),
    chance=st.floats(0.0, 1.0),
    asked=st.one_of(st.none(), st.integers(0, 1000)),
)
def test_a_pause_lies_between_what_is_asked_for_and_the_longest(
    tries: int, first: float, most: float, chance: float, asked: int | None
) -> None:
    rules = Retries(tries=100, first_s=first, most_s=most, chance=lambda: chance)
    headers: dict[str, Any] = {} if asked is None else {"retry_after": str(asked)}
    pause = rules.pause(tries, refusal(503, **headers))
    assert pause is not None
    assert (asked or 0) <= pause <= (asked or 0) + most + 1e-9


def test_faults_become_objects_and_the_message_tells_the_first() -> None:
    errors = [
        {"row": 1, "field": "age", "received": "30", "expected": "an integer", "reason": "type"},
        {"row": 2, "field": "plan", "expected": "a text", "reason": "missing"},
        *({"row": n, "field": None, "received": 1, "expected": "an object", "reason": "row"} for n in (3, 4)),
    ]
    content = json.dumps({"detail": "4 faults in 4 rows: nothing was taken.", "errors": errors}).encode()
    hand = Hand([Reply(422, {}, content)])
    with pytest.raises(Refused) as caught:
        hand.run(hand.talks().predict("dropout", [ROW]))
    assert [(f.row, f.field, f.reason) for f in caught.value.faults][:2] == [(1, "age", "type"), (2, "plan", "missing")]
    assert str(caught.value) == (
        "POST http://s/v1/models/dropout/predict: 4 faults in 4 rows: nothing was taken. row 1, age: type, received "
        "'30', expected an integer; row 2, plan: missing, expected a text; row 3: row, received 1, expected an object; "
        "and 1 more in `faults`."
    )
    assert [fault.row for fault in caught.value.moved(1000).faults] == [1001, 1002, 1003, 1004]
