"""The keys of `[alert]`: what they default to, and what they refuse without repeating a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from cauce import load_project
from cauce.core.errors import Problems

SECRET = "https://hooks.slack.example/services/T0/B0/s3cret"
MAIL = '[alert.mail.ops]\nhost = "smtp.academy.example"\nto = "ana@academy.example"\nsender = "cauce@academy.example"\n'


def load(tmp_path: Path, text: str, env: dict[str, str] | None = None):  # type: ignore[no-untyped-def]
    (tmp_path / "cauce.toml").write_text(f'[project]\nname = "school"\n\n{text}', encoding="utf-8")
    return load_project(tmp_path / "cauce.toml", env or {}).file.alert


def test_a_file_without_the_table_tells_nobody(tmp_path: Path) -> None:
    alert = load(tmp_path, "")
    assert (alert.webhooks, alert.mail, alert.commands) == ({}, {}, {})
    assert (alert.quiet, alert.remind, alert.keep) == ("1h", "1d", "3d")


def test_every_kind_of_channel_is_read(tmp_path: Path) -> None:
    text = f"""[alert]
on = ["fix data", "training"]

[alert.webhooks.team]
url_env = "CHAT_URL"
on = "fix data"

{MAIL}user = "cauce"
password_env = "SMTP_PASSWORD"

[alert.commands.page]
run = ["/usr/local/bin/page", "--team", "data"]
"""
    alert = load(tmp_path, text, {"CAUCE_ALERT__REMIND": "2d", "CAUCE_ALERT__WEBHOOKS__TEAM__FORMAT": "teams"})
    assert alert.webhooks["team"].on == ("fix data",)
    assert alert.webhooks["team"].format == "teams"
    assert alert.mail["ops"].to == ("ana@academy.example",)
    assert alert.commands["page"].run == ("/usr/local/bin/page", "--team", "data")
    assert alert.remind == "2d"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'[alert.webhooks.team]\nurl_env = "{SECRET}"', "not the name of an environment variable"),
        (f'[alert.webhooks.team]\nurl_env = "A"\nurl = "{SECRET}"', "unknown key"),
        (f'{MAIL}user = "cauce"\npassword_env = "s3cret!"', "not the name of an environment variable"),
        (f'{MAIL}user = "cauce"\npassword = "s3cret"', "unknown key"),
        ('[alert]\nlink = "https://ana:s3cret@cauce.example"', "not a web address"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Problems) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{MAIL}security = "none"\nuser = "cauce"\npassword_env = "P"', "no encryption for a password"),
        (f'{MAIL}password_env = "P"', "a password of no account"),
        (MAIL.replace("ana@academy.example", "ana@academy.example\\r\\nBcc: all@academy.example"), "not an address"),
        (MAIL.replace("cauce@", "Cauce <cauce@"), "not an address"),
        (MAIL.replace("smtp.academy.example", "smtp.academy.example/x y"), "not a mail server"),
        ('[alert.commands.page]\nrun = [""]', "not a command"),
        ("[alert.commands.page]\nrun = []", "a list of texts"),
        ('[alert]\nlink = "javascript:alert(1)"', "not a web address"),
        ('[alert]\nlink = "https://cauce.example/)](x"', "not a web address"),
        ('[alert]\non = ["everything"]', "everything"),
        ('[alert]\nremind = "daily"', "a duration"),
    ],
)
def test_what_could_not_work_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Problems) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_a_password_may_go_to_this_machine_in_the_clear(tmp_path: Path) -> None:
    text = f'{MAIL}security = "none"\nuser = "cauce"\npassword_env = "P"'.replace("smtp.academy.example", "127.0.0.1")
    assert load(tmp_path, text).mail["ops"].security == "none"
