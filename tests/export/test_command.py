"""`cauce export` as a user calls it: what it writes, what it will not write over, and what it makes of [serve]."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cauce.__main__ import run
from cauce.core.errors import UserError
from cauce.export import MARK, write

TOML = """\
[project]
name = "school"
language = "{language}"

[data.students]
source = "students.csv"

[models.passed]
task = "classify"
data = "students"
target = "passed"

[serve]
{serve}
"""
FILES = ["cauce-runbooks.md", "cauce.rules.yml", "cauce.scrape.yml"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    return tmp_path


def project(folder: Path, *, language: str = "en", serve: str = "") -> None:
    (folder / "cauce.toml").write_text(TOML.format(language=language, serve=serve), encoding="utf-8")


def job(folder: Path) -> dict[str, object]:
    (found,) = yaml.safe_load((folder / "made" / "cauce.scrape.yml").read_text())["scrape_configs"]
    return dict(found)


def test_prometheus_gets_three_files_in_the_projects_language(folder: Path) -> None:
    project(folder, language="es")
    assert run(["export", "prometheus", "-o", "made"]) == 0
    assert sorted(path.name for path in (folder / "made").iterdir()) == FILES
    assert "El servicio de school no responde" in (folder / "made" / "cauce.rules.yml").read_text(encoding="utf-8")
    assert all(MARK in path.read_text(encoding="utf-8") for path in (folder / "made").iterdir())


def test_without_a_folder_the_rules_are_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "prometheus"]) == 0
    assert {group["name"] for group in yaml.safe_load(capsys.readouterr().out)["groups"]} == {
        "cauce-school", "cauce-school-alerts"
    }  # fmt: skip


def test_a_machine_gets_the_files_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "prometheus", "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == FILES
    assert run(["export", "grafana", "-o", "made", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 2


def test_what_cauce_wrote_is_replaced_and_anothers_file_is_not(folder: Path) -> None:
    assert run(["export", "grafana", "-o", "made"]) == 0
    assert run(["export", "grafana", "-o", "made"]) == 0
    other = folder / "made" / "cauce-models.json"
    other.write_text("{}", encoding="utf-8")
    before = (folder / "made" / "cauce-service.json").stat().st_mtime_ns
    assert run(["export", "grafana", "-o", "made"]) == 2
    assert other.read_text(encoding="utf-8") == "{}"
    assert (folder / "made" / "cauce-service.json").stat().st_mtime_ns == before, "one of both was written"
    assert run(["export", "grafana", "-o", "made", "--force"]) == 0
    assert MARK in other.read_text(encoding="utf-8")


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        write({tmp_path: b""}, force=True)


def test_the_scrape_job_follows_serve(folder: Path) -> None:
    project(folder, serve='host = "0.0.0.0"\nport = 9000\ntls_certificate = "cert.pem"\ntls_key = "key.pem"')
    assert run(["export", "prometheus", "-o", "made"]) == 0
    found = job(folder)
    assert found["scheme"] == "https"
    assert found["tls_config"] == {"ca_file": str(folder / "cert.pem")}
    assert found["static_configs"] == [{"targets": ["127.0.0.1:9000"], "labels": {"project": "school"}}]
    assert found["authorization"] == {"credentials_file": str(folder / ".cauce" / "secrets" / "token")}
    project(folder, serve='host = "::"')
    assert run(["export", "prometheus", "-o", "made", "--token-file", "/etc/token"]) == 0
    found = job(folder)
    assert found["static_configs"] == [{"targets": ["[::1]:8321"], "labels": {"project": "school"}}]
    assert found["authorization"] == {"credentials_file": "/etc/token"}


def test_a_port_that_is_left_open_must_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project(folder, serve="port = 0")
    assert run(["export", "prometheus", "-o", "made"]) == 2
    assert "--target HOST:PORT" in capsys.readouterr().err
    assert run(["export", "prometheus", "-o", "made", "--target", "service:8321"]) == 0


def test_alerts_link_to_where_runbooks_are(folder: Path) -> None:
    assert run(["export", "prometheus", "-o", "made", "--runbooks", "https://wiki.example/cauce"]) == 0
    assert "runbook_url: https://wiki.example/cauce#caucedrift" in (folder / "made" / "cauce.rules.yml").read_text()


def test_evidently_writes_html_or_json_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "evidently", "passed", "-o", "report.pdf"]) == 2
    assert ".html or .json" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--help"]) == 0
    told = capsys.readouterr().out
    assert "cauce export prometheus -o" in told
    assert run(["export"]) == 0
    assert "grafana" in capsys.readouterr().out
