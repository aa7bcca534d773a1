"""The rules: checked and unit-tested by promtool, and loaded by a real Prometheus that scrapes a running service."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.csv
import pytest
import yaml

from cauce.core.files import write_artefact
from cauce.export import Target, alerts, dashboards, expressions, prometheus_files, recordings
from cauce.export.words import words
from e2e.running import Running, running
from e2e.school import TOML, students
from export.looks import decision, drift, experiment, watched

HERE = Path(__file__).parent
TARGET = Target("school", "en", "127.0.0.1:8321", "/run/token")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: Debian has it in the package prometheus"
)
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="Prometheus is not installed: Debian has it in the package prometheus"
)


def written(folder: Path, target: Target = TARGET) -> Path:
    for name, content in prometheus_files(target).items():
        (folder / name).write_bytes(content)
    return folder / "cauce.rules.yml"


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


@needs_promtool
@pytest.mark.parametrize("language", ["en", "es"])
def test_promtool_takes_the_rules(tmp_path: Path, language: Any) -> None:
    rules = written(tmp_path, Target("school", language, "127.0.0.1:8321", "/run/token"))
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", rules)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(recordings(TARGET)) + len(alerts(TARGET))} rules found" in done.stdout


@needs_promtool
@pytest.mark.parametrize("certificate", [None, "/srv/school/cert.pem"])
def test_promtool_takes_the_scrape_configuration(tmp_path: Path, certificate: str | None) -> None:
    (tmp_path / "token").write_text("secret", encoding="utf-8")
    if certificate is not None:
        certificate = str(tmp_path / "cert.pem")
        Path(certificate).write_text("-----BEGIN CERTIFICATE-----\n", encoding="utf-8")
    written(tmp_path, replace(TARGET, token_file=str(tmp_path / "token"), certificate=certificate))
    done = promtool("check", "config", "--syntax-only", tmp_path / "cauce.scrape.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    (job,) = yaml.safe_load((tmp_path / "cauce.scrape.yml").read_text())["scrape_configs"]
    assert job["scheme"] == ("http" if certificate is None else "https")
    assert job.get("tls_config", {}).get("ca_file") == certificate


def unit_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    files = [shutil.copy(HERE / name, folder) for name in ("rules.test.yml", "rules-of-days.test.yml")]
    return promtool("test", "rules", *files)


@needs_promtool
def test_the_rules_do_what_they_say(tmp_path: Path) -> None:
    written(tmp_path)
    done = unit_tests(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


TESTED = ("project:cauce_requests:rate5m", "project:cauce_requests_failed:ratio_rate5m",
          "project:cauce_shed_requests:ratio_rate5m", "model:cauce_predict_seconds:p99_5m",
          "model:cauce_truths_per_prediction:ratio_increase1d")  # fmt: skip


@needs_promtool
def test_the_unit_tests_miss_every_rule_that_is_broken(tmp_path: Path) -> None:
    rules = written(tmp_path)
    content = yaml.safe_load(rules.read_text())
    for rule in (one for group in content["groups"] for one in group["rules"]):
        if rule.get("alert") or rule["record"] in TESTED:
            rule["expr"] = "vector(0) > 1"
    rules.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = unit_tests(tmp_path)
    assert done.returncode != 0
    for name in (*(one.name for one in alerts(TARGET)), *TESTED):
        assert name in done.stdout + done.stderr, f"no unit test needs {name}"


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_alert_says_what_to_do(language: Any) -> None:
    files = prometheus_files(replace(TARGET, language=language, every_s=60.0))
    texts = words(language)["alerts"]
    assert sorted(texts) == sorted(one.name for one in alerts(TARGET))
    page = files[Path("cauce-runbooks.md")].decode()
    for one in alerts(TARGET):
        assert f"\n## {one.name}\n" in page
        assert one.expr in page or one.name == "CauceWatcherSilent"
        assert set(texts[one.name]) == {"summary", "description", "todo"}
    for content in files.values():
        assert not re.search(r"<(project|every|p99|error_ratio)>", content.decode())


def test_both_languages_have_the_same_texts() -> None:
    english, spanish = words("en"), words("es")
    assert set(english) == set(spanish)
    assert set(english["panels"]) == set(spanish["panels"])
    same = {key for key, text in english["panels"].items() if spanish["panels"][key] == text}
    assert same <= {"no", "down", "model"}, "not translated"


def test_a_slower_watcher_may_be_silent_for_longer() -> None:
    silent = {
        every_s: next(one.expr for one in alerts(replace(TARGET, every_s=every_s)) if one.name == "CauceWatcherSilent")
        for every_s in (10.0, 3600.0)
    }
    assert "> 30)" in silent[10.0]
    assert "> 10800)" in silent[3600.0]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def prometheus(folder: Path, exported: Path) -> Iterator[str]:
    """A real Prometheus with our scrape job and our rules, five times a second; gives its address."""
    job = yaml.safe_load((exported / "cauce.scrape.yml").read_text())
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [str(exported / "cauce.rules.yml")],
        **job,
    }
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
               f"--web.listen-address={address}"]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (
        (folder / "log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            yield f"http://{address}"
        finally:
            process.kill()


def query(address: str, expr: str) -> list[dict[str, Any]]:
    """The series of an answer; an expression that does not parse is a failure at once."""
    answer = httpx.get(f"{address}/api/v1/query", params={"query": expr}).json()
    assert answer["status"] == "success", f"{expr}: {answer}"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def until(address: str, expr: str, *, seconds: float = 60.0) -> list[dict[str, Any]]:
    """The series of an answer, asked again until there are any."""
    ends = time.monotonic() + seconds
    while True:
        try:
            found = query(address, expr)
        except (httpx.TransportError, ValueError):  # not up yet: no port, or a text that is no JSON
            found = []
        if found or time.monotonic() > ends:
            return found
        time.sleep(0.2)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion."""
    folder = tmp_path_factory.mktemp("school")
    pyarrow.csv.write_csv(students(), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    cauce(folder, "up", "--once", "--quiet")
    return folder


def cauce(folder: Path, *arguments: object) -> str:
    command = [sys.executable, "-m", "cauce", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asks(service: Running, rows: pa.Table) -> None:
    """Ask for predictions, tell half of the truths, and ask for one that is refused."""
    inputs = rows.select(["hours", "course", "grade"]).to_pylist()
    with service.client() as client:
        answered = client.post("/v1/models/passed/predict", json={"rows": inputs})
        assert answered.status_code == 200, answered.text
        ids = [one["id"] for one in answered.json()["predictions"]]
        half = zip(ids[::2], rows["passed"].to_pylist()[::2], strict=False)
        told = [{"id": one, "value": value} for one, value in half]
        assert client.post("/v1/models/passed/truth", json={"truths": told}).status_code == 200
        assert client.post("/v1/models/passed/predict", json={"rows": [{"hours": "x"}]}).status_code == 422


def record_everything(folder: Path) -> None:
    """Write what a watcher with every detector writes, and a challenger's experiment."""
    seen = watched(model="passed", version=1, drifts=(drift("hours", 0.6, drifted=True, wasserstein=1.1),))
    record = folder / ".cauce" / "record" / "passed"
    write_artefact(record / "watched.json", seen)
    write_artefact(record / "decision.json", replace(decision("retrain"), model="passed"))
    write_artefact(record / "experiment.json", replace(experiment("shadow"), model="passed"))


@needs_prometheus
@pytest.mark.slow
def test_a_real_prometheus_scrapes_the_service_and_fires_an_alert(school: Path, tmp_path: Path) -> None:
    with running(school, "serve", "--port", "0") as service:
        port = service.url.rpartition(":")[2]
        made = tmp_path / "made"
        cauce(school, "export", "prometheus", "-o", made, "--target", f"127.0.0.1:{port}", "--every", "1h")
        with prometheus(tmp_path / "prometheus", made) as address:
            assert until(address, 'up{job="cauce-school",project="school"} == 1')
            asks(service, students(400, seed=5))
            cauce(school, "watch", "--once")
            assert until(address, 'cauce_watch_predictions{model="passed"} == 400')
            quiet = query(address, 'ALERTS{alertname="CauceDrift"}')
            asks(service, students(1000, seed=6, shift=9.0))
            cauce(school, "watch", "--once")
            (fired,) = until(address, 'ALERTS{alertname="CauceDrift",alertstate="firing"}')
            assert quiet == [], "it fired before anything had drifted"
            assert fired["metric"]["model"] == "passed"
            told = httpx.get(f"{address}/api/v1/alerts").json()["data"]["alerts"]
            (drifted,) = [one for one in told if one["labels"]["alertname"] == "CauceDrift"]
            assert "hours (PSI" in drifted["annotations"]["description"]
            loaded = httpx.get(f"{address}/api/v1/rules").json()["data"]["groups"]
            rules = [rule for group in loaded for rule in group["rules"]]
            assert {rule["name"] for rule in rules} == {one.name for one in recordings(TARGET)} | {
                one.name for one in alerts(TARGET)
            }
            assert [rule for rule in rules if rule["health"] != "ok"] == []
            every_expression_answers(address, service, school)


def every_expression_answers(address: str, service: Running, folder: Path) -> None:
    """Run every PromQL expression of every rule and panel: all parse, and those whose series exist give data."""
    record_everything(folder)
    assert until(address, "cauce_experiment_stage == 1")
    asks(service, students(20, seed=7))
    target = replace(TARGET, every_s=3600.0)
    assert until(address, f'{recordings(target)[1].name}{{project="school"}} >= 0')
    for alert in alerts(target):
        query(address, alert.expr)
    silent = []
    for found in dashboards(target).values():
        for expr in expressions(found):
            asked = expr.replace("$__rate_interval", "1m").replace("$model", "passed")
            assert "$" not in asked
            if not until(address, asked, seconds=5.0):
                silent.append(asked)
    assert silent == [], "no data: " + json.dumps(silent, indent=1)
    for one in recordings(target):
        assert until(address, one.name, seconds=5.0), f"{one.name} records nothing"
