"""A program is run with its arguments as they stand, the message on its input, and ends in time."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from cauce.alert import Message, Undelivered, channels_of
from cauce.alert.command import run
from cauce.core.alert_specs import AlertSpec

KEEP = "import sys, pathlib; pathlib.Path('got.json').write_bytes(sys.stdin.buffer.read())"


def test_it_gets_the_message_in_the_projects_folder(tmp_path: Path, message: Message) -> None:
    run([sys.executable, "-c", KEEP], message, folder=tmp_path, env=os.environ, timeout_s=30.0)
    assert json.loads((tmp_path / "got.json").read_bytes())["title"] == message.title


def test_no_shell_reads_the_arguments(tmp_path: Path, message: Message) -> None:
    words = [sys.executable, "-c", "import sys; open('args', 'w').write(repr(sys.argv[1:]))", "$(touch no)", "a;b", "*"]
    run(words, message, folder=tmp_path, env=os.environ, timeout_s=30.0)
    assert (tmp_path / "args").read_text() == repr(["$(touch no)", "a;b", "*"])
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "ended with 3"),
        (["/no/such/program"], "cannot be started (No such file or directory)"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "not done in 0.5 s"),
    ],
)
def test_what_goes_wrong_is_told(words: list[str], why: str, tmp_path: Path, message: Message) -> None:
    begun = time.monotonic()
    with pytest.raises(Undelivered) as caught:
        run(words, message, folder=tmp_path, env=os.environ, timeout_s=0.5 if "sleep" in words[-1] else 30.0)
    assert caught.value.why == why
    assert time.monotonic() - begun < 20.0


def test_a_program_is_not_given_the_secrets_of_other_channels(tmp_path: Path, message: Message) -> None:
    script = "import os; open('env', 'w').write(' '.join(sorted(os.environ)))"
    spec = AlertSpec.model_validate(
        {
            "webhooks": {"team": {"url_env": "CHAT_URL"}},
            "commands": {"page": {"run": [sys.executable, "-c", script]}},
        }
    )
    env = {**os.environ, "CHAT_URL": "https://chat.example/s3cret", "OTHER": "x"}
    (page,) = [one for one in channels_of(spec, env=env, folder=tmp_path) if one.name == "commands.page"]
    page.send(message)
    names = (tmp_path / "env").read_text().split()
    assert "OTHER" in names
    assert "CHAT_URL" not in names


def test_a_secret_that_is_not_set_is_named_by_its_variable(tmp_path: Path, message: Message) -> None:
    spec = AlertSpec.model_validate({"webhooks": {"team": {"url_env": "CHAT_URL"}}})
    (team,) = channels_of(spec, env={}, folder=tmp_path)
    with pytest.raises(Undelivered, match="CHAT_URL is not set"):
        team.send(message)
