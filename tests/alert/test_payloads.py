"""What chats are sent: their formats, their limits, and that nothing from data is read as markup or as a header."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert.conftest import message_of
from cauce.alert import Message
from cauce.alert.mail import letter
from cauce.alert.payloads import plain, slack, teams
from cauce.cli import app
from cauce.core.alert_specs import MailSpec

MAIL = MailSpec(host="127.0.0.1", to=("ana@academy.example", "luis@academy.example"), sender="cauce@academy.example")
EVIL = [
    "<!channel> <@U123> <https://evil.example|press here>",
    "[press here](https://evil.example) ![x](https://evil.example/p.png) **bold** @all @here",
    "age\r\nBcc: everybody@academy.example\r\n\r\n<script>alert(1)</script>",
    "{{DATE(2017-02-14T06:00:00Z, SHORT)}} <at>everybody</at> :boom:",
    "\u202egnp.exe \x00\x1b[31m\u2028x",
]


def test_a_slack_message_says_what_why_and_where(message: Message) -> None:
    sent = slack(message)
    assert sent["text"].startswith("[school] passed: Title drift/age and 2 more")
    kinds = [block["type"] for block in sent["blocks"]]
    assert kinds == ["header", "section", "section", "section", "context"]
    texts = [block["text"]["text"] for block in sent["blocks"][1:4]]
    assert texts[0] == "Title drift/age\nThe values of `age` have moved."
    assert texts[1].startswith("Title (still so, since 2026-02-28 12:00 UTC)")
    assert texts[2].startswith("Title (over, after 3 hours)")
    link = "<https://cauce.example/console#model-passed|Open the console>"
    assert sent["blocks"][-1]["elements"][0] == {"type": "mrkdwn", "text": link}


def test_a_teams_message_is_one_adaptive_card(message: Message) -> None:
    sent = teams(message)
    assert sent["type"] == "message"
    (attachment,) = sent["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    runs = [element["inlines"][0]["text"] for element in card["body"]]
    assert runs[:3] == [
        "[school] passed: Title drift/age and 2 more",
        "Title drift/age",
        "The values of `age` have moved.",
    ]
    (action,) = card["actions"]
    assert (action["type"], action["url"]) == ("Action.OpenUrl", "https://cauce.example/console#model-passed")


@pytest.mark.parametrize("text", EVIL)
def test_nothing_from_data_is_markup_in_slack(text: str) -> None:
    sent = slack(message_of(text))
    marked = [element for block in sent["blocks"] for element in block.get("elements", ())]
    assert [element["type"] for element in marked] == ["mrkdwn"], "our own link alone"
    assert all(block["text"]["type"] == "plain_text" for block in sent["blocks"] if "text" in block)
    assert not any(block["text"]["emoji"] for block in sent["blocks"] if "text" in block)
    assert "<" not in sent["text"]
    assert "](" not in sent["text"]
    assert "@here" not in sent["text"]
    assert "@all" not in sent["text"]


@pytest.mark.parametrize("text", EVIL)
def test_nothing_from_data_is_markup_in_teams(text: str) -> None:
    card = teams(message_of(text))["attachments"][0]["content"]
    assert {element["type"] for element in card["body"]} == {"RichTextBlock"}, "a TextBlock would read Markdown"
    assert {run["type"] for element in card["body"] for run in element["inlines"]} == {"TextRun"}
    assert "entities" not in card["msteams"], "without entities nobody is mentioned"


@settings(deadline=None)
@given(st.text(max_size=600))
def test_whatever_a_column_is_called_a_letter_has_our_headers_alone(text: str) -> None:
    raw = letter(MAIL, message_of(text)).as_bytes()
    read = message_from_bytes(raw, policy=default)
    wanted = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language"]
    assert [name for name in read.keys() if not name.lower().startswith(("content-t", "mime"))] == wanted  # noqa: SIM118
    assert read.get_content_type() == "text/plain"
    assert [address.addr_spec for address in read["To"].addresses] == list(MAIL.to)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=5000), st.integers(1, 60))
def test_every_message_keeps_the_limits_of_the_chats(text: str, n: int) -> None:
    message = message_of(text, n)
    sent = slack(message)
    assert len(sent["blocks"]) <= 50
    assert len(sent["blocks"][0]["text"]["text"]) <= 150
    assert all(0 < len(block["text"]["text"]) <= 3000 for block in sent["blocks"] if "text" in block)
    assert len(sent["text"]) < 40_000
    assert len(json.dumps(teams(message)).encode()) <= 28_000
    assert message.more == max(0, n - 10)


@pytest.mark.parametrize("text", EVIL)
def test_nothing_moves_a_terminal_or_turns_the_writing(text: str) -> None:
    (line,) = message_of(text).lines
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", line.title + line.reason)


def test_a_program_is_given_the_fields(message: Message) -> None:
    fields = json.loads(json.dumps(plain(message)))
    assert (fields["project"], fields["model"], fields["language"]) == ("school", "passed", "en")
    assert [line["state"] for line in fields["lines"]] == ["new", "again", "over"]
    assert fields["link"] == "https://cauce.example/console#model-passed"


@pytest.mark.parametrize(("language", "said"), [("en", "No alert is open."), ("es", "No hay ninguna alerta abierta.")])
def test_the_list_of_alerts_speaks_the_projects_language_and_says_when_it_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, said: str
) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    text = f'[project]\nname = "school"\nlanguage = "{language}"\n[data.x]\nsource = "x.csv"\n'
    (tmp_path / "cauce.toml").write_text(text, encoding="utf-8")
    app(["alert", "list", "-C", str(tmp_path)], result_action="return_value")
    assert said in capsys.readouterr().out
