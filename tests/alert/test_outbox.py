"""Nothing is lost: what no channel took is kept, tried ever more seldom, and given up only when too old."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alert.conftest import NOW, message_of
from cauce.alert import Book, Channel, Message, Undelivered, due, noted, post, send
from cauce.core.alert_specs import EVERYTHING, AlertKind
from cauce.core.files import from_json, to_json

KEEP = timedelta(days=3)


class Fake:
    """A channel that takes messages while `up`, and counts attempts."""

    def __init__(self, name: str = "webhooks.team", *, on: tuple[AlertKind, ...] = EVERYTHING) -> None:
        self.got: list[Message] = []
        self.attempts = 0
        self.up, self.lasting, self.retry_after_s = True, False, 0.0
        self.poison: set[str] = set()
        self.in_part = False
        self.channel = Channel(name, frozenset(on), self.send)

    def send(self, message: Message) -> None:
        self.attempts += 1
        if message.id in self.poison:
            raise Undelivered("answers 400", lasting=True)
        if self.in_part:
            self.got.append(message)
            raise Undelivered("took it for 1 of 2 recipients", lasting=True, in_part=True)
        if not self.up:
            raise Undelivered("answers 503", lasting=self.lasting, retry_after_s=self.retry_after_s)
        self.got.append(message)


def queued(*channels: Fake, n: int = 1, at: datetime = NOW) -> Book:
    book = Book()
    for i in range(n):
        message = replace(message_of(f"text {i}"), at=at)
        book = post(book, message, [fake.channel for fake in channels], keep=KEEP)
    return book


def deliver(
    book: Book, *fakes: Fake, now: datetime = NOW, sleep: Callable[[float], object] = lambda _: None, left: float = 30.0
) -> tuple[Book, tuple[str, ...]]:
    channels = [fake.channel for fake in fakes]
    reports = send(book, channels, now=now, sleep=sleep, left=lambda: left)
    return noted(book, reports, now=now, known=frozenset(channel.name for channel in channels))


def test_a_failing_channel_does_not_keep_the_others_from_theirs() -> None:
    broken, sound = Fake("webhooks.broken"), Fake("mail.ops")
    broken.up = False
    book, said = deliver(queued(broken, sound), broken, sound)
    assert len(sound.got) == 1
    assert [waiting.channels for waiting in book.outbox] == [("webhooks.broken",)]
    assert said == ("alerts: webhooks.broken does not take messages: answers 503; they are kept.",)


def test_a_blip_is_tried_again_at_once_and_a_lasting_fault_is_not() -> None:
    slept: list[float] = []
    fake = Fake()
    fake.up = False

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        fake.up = len(slept) == 2

    book, said = deliver(queued(fake), fake, sleep=sleep)
    assert (slept, fake.attempts, book.outbox, said) == ([1.0, 3.0], 3, (), ())
    fake.up, fake.lasting, fake.attempts = False, True, 0
    deliver(queued(fake), fake, sleep=sleep)
    assert fake.attempts == 1


def test_a_channel_that_fails_is_left_alone_ever_longer_and_told_once() -> None:
    fake = Fake()
    fake.up = False
    book, said = deliver(queued(fake), fake)
    pauses, now = [], NOW
    for _ in range(9):
        moment = due(book, [fake.channel])
        assert moment is not None
        pauses.append((moment - now).total_seconds())
        untouched, _ = deliver(book, fake, now=moment - timedelta(seconds=1))
        assert untouched == book, "not before its time"
        now = moment
        book, more = deliver(book, fake, now=now)
        said += more
    assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]
    assert len(said) == 1
    fake.up = True
    book, said = deliver(book, fake, now=now + timedelta(hours=1))
    assert said == ("alerts: webhooks.team takes messages again.",)
    assert (len(fake.got), book.outbox, dict(book.failing)) == (1, (), {})


def test_a_channel_that_asks_for_an_hour_gets_it() -> None:
    fake = Fake()
    fake.up, fake.retry_after_s = False, 3600.0
    book, _ = deliver(queued(fake), fake)
    assert fake.attempts == 1
    assert book.failing["webhooks.team"].next_at == NOW + timedelta(hours=1)


def test_a_message_that_is_refused_does_not_block_those_behind_it() -> None:
    fake = Fake()
    book = queued(fake, n=3)
    fake.poison = {book.outbox[0].message.id}
    book, _ = deliver(book, fake)
    assert [message.lines[0].reason for message in fake.got] == ["text 1", "text 2"]
    assert len(book.outbox) == 1


def test_what_some_recipients_have_is_not_sent_to_them_again() -> None:
    fake = Fake()
    fake.in_part = True
    book, said = deliver(queued(fake, n=2), fake)
    assert (len(fake.got), book.outbox) == (2, ())
    assert "took it for 1 of 2" in said[0]


def test_what_is_too_old_is_given_up_counted_and_told() -> None:
    fake = Fake()
    fake.up = False
    book, _ = deliver(queued(fake), fake)
    book, said = deliver(book, fake, now=NOW + KEEP)
    assert (book.outbox, book.lost) == ((), 1)
    assert said == ("alerts: gave up 1 too old for webhooks.team.",)


def test_a_channel_gets_the_lines_it_wants_alone() -> None:
    wants_decisions, wants_all = Fake("mail.boss", on=("promote",)), Fake()
    book = queued(wants_decisions, wants_all)
    assert book.outbox[0].channels == ("webhooks.team",)
    deliver(book, wants_decisions, wants_all)
    assert wants_decisions.got == []


def test_what_waits_for_a_channel_that_was_taken_out_is_dropped() -> None:
    gone, here = Fake("mail.gone"), Fake()
    book, _ = noted(queued(gone, here), (), now=NOW, known=frozenset({"webhooks.team"}))
    assert [waiting.channels for waiting in book.outbox] == [("webhooks.team",)]


def test_the_outbox_is_bounded_and_says_what_it_lost() -> None:
    fake = Fake()
    book = queued(fake, n=502)
    assert (len(book.outbox), book.lost) == (500, 2)


def test_no_attempt_begins_when_the_time_is_up() -> None:
    fake = Fake()
    book, _ = deliver(queued(fake), fake, left=0.0)
    assert fake.attempts == 0
    assert len(book.outbox) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_every_message_arrives_once_whatever_fails_and_restarts(story: list[tuple[bool, bool, bool]]) -> None:
    """Two channels go up and down while messages come; in the end both have each, in order, once."""
    one, two = Fake("mail.one"), Fake("mail.two")
    book, ids = Book(), []
    now = NOW
    for up_one, up_two, comes in story:
        one.up, two.up = up_one, up_two
        if comes:
            message = replace(message_of("x"), at=now)
            ids.append(message.id)
            book = post(book, message, [one.channel, two.channel], keep=KEEP)
        book, _ = deliver(book, one, two, now=now)
        book = from_json(to_json(book), Book)
        now += timedelta(hours=2)
    one.up = two.up = True
    book, _ = deliver(book, one, two, now=now)
    assert [message.id for message in one.got] == ids
    assert [message.id for message in two.got] == ids
    assert book.outbox == ()
