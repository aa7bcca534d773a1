"""Where the service is: arguments, then the environment; or a project's folder; what is missing is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cauce.client.place import given, of_project
from cauce.core.errors import UserError
from cauce.core.state import State

ENV = {"CAUCE_URL": "http://127.0.0.1:9000/", "CAUCE_TOKEN": "from-env\n"}


def project(folder: Path, serve: str = "") -> Path:
    (folder / "cauce.toml").write_text(f'[project]\nname = "p"\n\n[serve]\n{serve}\n', encoding="utf-8")
    return folder


def test_arguments_go_before_the_environment() -> None:
    assert (given(None, None, ENV).url, given(None, None, ENV).token) == ("http://127.0.0.1:9000", "from-env")
    assert given("https://s.example/cauce", "t", ENV).url == "https://s.example/cauce"


@pytest.mark.parametrize(("url", "token", "words"), [(None, "t", "CAUCE_URL"), ("http://s", None, "CAUCE_TOKEN")])
def test_what_is_missing_is_told_with_the_places_searched(url: str | None, token: str | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        given(url, token, {})


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8321", "ftp://s", "http://", "http://s:99999", "http://u:secret@s", "http://s?a"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="not an address") as caught:
        given(url, "t", {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", [" ", "a b", "a\nb", "contraseña"])
def test_a_token_that_is_none_is_refused_unseen(token: str) -> None:
    with pytest.raises(UserError, match="not a token") as caught:
        given("http://s", token, {})
    assert "contraseña" not in str(caught.value)


def test_a_project_tells_port_and_token(tmp_path: Path) -> None:
    token = State(project(tmp_path, "port = 9100")).open().read_token()
    (tmp_path / "inner").mkdir()
    found = of_project(tmp_path / "inner", {})
    assert (found.url, found.token, found.certificate) == ("http://127.0.0.1:9100", token, None)
    assert of_project(tmp_path, {"CAUCE_SERVE__PORT": "9200"}).url == "http://127.0.0.1:9200"
    assert of_project(project(tmp_path), {}).url == "http://127.0.0.1:8321"
    assert of_project(project(tmp_path, 'host = "::1"'), {}).url == "http://[::1]:8321"
    assert of_project(project(tmp_path, 'host = "0.0.0.0"'), {}).url == "http://127.0.0.1:8321"
    secure = of_project(project(tmp_path, 'tls_certificate = "tls/cert.pem"'), {})
    assert (secure.url, secure.certificate) == ("https://127.0.0.1:8321", tmp_path / "tls" / "cert.pem")


@pytest.mark.parametrize("serve", ["port = 0", 'port = "many"', "port = 70000"])
def test_a_port_that_only_the_running_service_knows_is_asked_for(tmp_path: Path, serve: str) -> None:
    State(project(tmp_path, serve)).open().read_token()
    with pytest.raises(UserError, match="Give `url`"):
        of_project(tmp_path, {})


def test_no_project_no_token_no_toml(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no cauce\.toml"):
        of_project(tmp_path, {})
    with pytest.raises(UserError, match="cauce up"):
        of_project(project(tmp_path), {})
    (tmp_path / "cauce.toml").write_text("[serve", encoding="utf-8")
    with pytest.raises(UserError, match="not readable"):
        of_project(tmp_path, {})
