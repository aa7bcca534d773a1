"""A message with everything in it, and what a turn sees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cauce.alert import Cause, Line, Message, compose
from cauce.core.alert_specs import AlertKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def cause(
    detail: str = "", *, kind: AlertKind = "signals", lasts: bool = True, text: str = "It moved.", title: str = ""
) -> Cause:
    """A cause of the model `passed`."""
    words = {"en": text, "es": f"{text} (es)"}
    named = title or f"Title {detail}".strip()
    return Cause("passed", kind, detail, {"en": named, "es": named}, words, lasts)


def message_of(text: str, n: int = 1) -> Message:
    """A message of `n` lines that all say the same, in their titles too."""
    lines = [Line("new", cause(str(i), text=text, title=text), NOW) for i in range(n)]
    link = "https://cauce.example/console#model-passed"
    return compose(lines, project="school", model="passed", language="en", link=link, now=NOW)


@pytest.fixture
def message() -> Message:
    lines = [
        Line("new", cause("drift/age", text="The values of `age` have moved."), NOW),
        Line("again", cause(kind="fix data", text="Values are missing."), NOW - timedelta(days=1)),
        Line("over", cause(kind="training", text="The source is gone."), NOW - timedelta(hours=3)),
    ]
    link = "https://cauce.example/console#model-passed"
    return compose(lines, project="school", model="passed", language="en", link=link, now=NOW)
