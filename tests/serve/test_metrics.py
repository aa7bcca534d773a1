"""What /metrics says: against prometheus_client's own counting, over several workers, and by a real Prometheus."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from cauce.serve import cells
from cauce.serve.metrics import SECONDS, Metrics

HERE = Path(__file__).parent


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_request_counts_its_rows_and_its_seconds() -> None:
    metrics = Metrics(["dropout"])
    metrics.observe_predictions("dropout", 3, "champion", 64, 0.004)
    metrics.observe_predictions("dropout", 3, "champion", 1, 0.2)
    assert value(metrics, "cauce_predictions_total", model="dropout", version="3", variant="champion") == 65
    about = {"model": "dropout", "variant": "champion"}
    assert value(metrics, "cauce_predict_seconds_count", **about) == 2
    assert value(metrics, "cauce_predict_seconds_sum", **about) == pytest.approx(0.204)
    assert value(metrics, "cauce_predict_seconds_bucket", **about, le="0.005") == 1
    assert value(metrics, "cauce_predict_seconds_bucket", **about, le="+Inf") == 2


def test_a_shadow_counts_rows_but_no_seconds_that_somebody_waited() -> None:
    metrics = Metrics()
    metrics.observe_predictions("dropout", 4, "shadow", 2, 9.0)
    assert value(metrics, "cauce_predictions_total", model="dropout", version="4", variant="shadow") == 2
    assert b"cauce_predict_seconds_count{" not in metrics.text()


@given(st.lists(st.one_of(st.sampled_from(SECONDS), st.floats(0, 100)), max_size=30))
def test_a_histogram_is_that_of_prometheus_client(values: list[float]) -> None:
    ours, theirs = Metrics(), prometheus_client.CollectorRegistry()
    oracle = prometheus_client.Histogram(
        "cauce_wait_seconds", "Seconds.", ["model"], registry=theirs, buckets=SECONDS
    ).labels("m")
    for one in values:
        ours.waiting.labels("m").observe(one)
        oracle.observe(one)
    ours.waiting.labels("m")
    for le in [*map(str, SECONDS), "+Inf"]:
        labels = {"model": "m", "le": le}
        expected = theirs.get_sample_value("cauce_wait_seconds_bucket", labels)
        assert value(ours, "cauce_wait_seconds_bucket", **labels) == expected
    expected = theirs.get_sample_value("cauce_wait_seconds_sum", {"model": "m"})
    assert value(ours, "cauce_wait_seconds_sum", model="m") == pytest.approx(expected)


def test_two_applications_in_one_process_do_not_mix() -> None:
    first, second = Metrics(["dropout"]), Metrics(["dropout"])
    first.load_failures.labels("dropout").inc()
    assert value(first, "cauce_load_failures_total", model="dropout") == 1
    assert value(second, "cauce_load_failures_total", model="dropout") == 0


def test_failures_stand_at_zero_from_the_begin() -> None:
    text = Metrics(["dropout"]).text().decode()
    for line in (
        'cauce_load_failures_total{model="dropout"} 0.0',
        'cauce_ledger_write_failures_total{model="dropout"} 0.0',
        'cauce_shed_requests_total{reason="queue"} 0.0',
        'cauce_release_version{model="dropout"} 0.0',
        "cauce_workers 1.0",
    ):
        assert line in text.splitlines()


def test_threads_lose_no_count() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(20_000):
            metrics.observe_predictions("dropout", 1, "champion", 1, 0.001)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert value(metrics, "cauce_predictions_total", model="dropout", version="1", variant="champion") == 80_000


def test_a_label_that_is_missing_is_our_mistake_and_is_named() -> None:
    with pytest.raises(ValueError, match="cauce_truths takes the labels"):
        Metrics().truths.labels("dropout")


def test_without_room_for_a_series_requests_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    metrics.truths.labels("dropout", "accepted").inc()
    monkeypatch.setattr(cells, "N_CELLS", cells.FIRST)
    metrics.truths.labels("dropout", "duplicate").inc()
    metrics.observe_predictions("dropout", 1, "champion", 1, 0.001)
    text = metrics.text()
    assert b'cauce_truths_total{model="dropout",status="accepted"} 1.0' in text
    assert b"duplicate" not in text


def test_a_figure_that_cannot_be_had_leaves_the_others() -> None:
    metrics = Metrics(["dropout"])

    def broken() -> None:
        raise OSError("the folder is gone")

    metrics.before_text = [broken, lambda: metrics.journal_bytes.labels("dropout").set(5)]
    assert b'cauce_journal_unfolded_bytes{model="dropout"} 5.0' in metrics.text()


def test_the_process_is_measured() -> None:
    metrics = Metrics()
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"):
        found = value(metrics, name)
        assert found is not None
        assert found > 0
    begun = value(metrics, "process_start_time_seconds")
    assert begun is not None
    assert 0 < time.time() - begun < 86_400


@pytest.fixture(scope="module")
def story() -> dict[str, dict[str, float]]:
    """What forked workers see; in a process of its own, since this one has threads."""
    command = [sys.executable, str(HERE / "forked_metrics.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


ROWS = "cauce_predictions_total,model=dropout,variant=champion,version=1"
Story = dict[str, dict[str, float]]


def test_each_worker_answers_for_all(story: Story) -> None:
    assert story["both"][ROWS] == 13
    assert story["both"]["cauce_predict_seconds_count,model=dropout,variant=champion"] == 2
    assert story["both"]["cauce_requests_in_flight"] == 4
    assert story["both"]["cauce_workers"] == 2
    others, parent = ({k: v for k, v in story[who].items() if k[0] == "c"} for who in ("others", "parent"))
    assert others == parent


def test_a_killed_worker_keeps_its_counts_and_loses_its_states(story: Story) -> None:
    assert story["killed"][ROWS] == 13
    assert story["killed"]["cauce_requests_in_flight"] == 2
    assert story["killed"]["cauce_workers"] == 1
    assert story["killed"]["cauce_worker_restarts_total"] == 1


def test_a_new_worker_goes_on_from_where_the_dead_one_was(story: Story) -> None:
    assert story["back"]["cauce_requests_in_flight"] == 2
    assert story["replaced"][ROWS] == 13
    assert story["replaced"][ROWS.replace("version=1", "version=2")] == 5
    assert story["replaced"]["cauce_workers"] == 2
    assert story["replaced"]["cauce_requests_in_flight"] == 4


def test_the_version_is_that_of_the_newest_word(story: Story) -> None:
    assert story["both"]["cauce_release_version,model=dropout"] == 1
    assert story["others"]["cauce_release_version,model=dropout"] == 2


def test_the_processor_time_of_a_dead_worker_is_not_lost(story: Story) -> None:
    assert story["killed"]["process_cpu_seconds_total"] >= story["burnt"]["process_cpu_seconds_total"] >= 0.3


def test_memory_that_workers_share_counts_once(story: Story) -> None:
    assert 5e6 < story["both"]["process_resident_memory_bytes"] < 0.8 * story["resident"]["each"]


def busy() -> Metrics:
    """Every figure, with a series or more."""
    metrics = Metrics(["dropout", "earnings"])
    metrics.observe_predictions("dropout", 1, "champion", 1, 0.001)
    metrics.observe_predictions("dropout", 2, "challenger", 1, 0.001)
    metrics.observe_predictions("dropout", 2, "shadow", 1, 0.001)
    metrics.shadow_failures.labels("dropout").inc()
    metrics.count_request("/v1/models/{name}/predict", 200)
    metrics.waiting.labels("dropout").observe(0.001)
    metrics.batch_rows.labels("dropout", "champion").observe(8)
    metrics.batch_seconds.labels("dropout", "champion").observe(0.0002)
    metrics.sync_seconds.labels("dropout").observe(0.001)
    metrics.truths.labels("dropout", "accepted").inc()
    metrics.refused.labels("dropout", "type").inc()
    metrics.challenger_version.labels("dropout").set(2)
    metrics.journal_bytes.labels("dropout").set(123)
    metrics.input_rows.labels("dropout", "1", "age", "≤ 10\x1f> 10\x1fother\x1fmissing").add([3, 1, 0, 2])
    return metrics


def test_names_and_text_are_what_prometheus_asks_for() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: Debian has it in the package prometheus")
    text = busy().text()
    for family in text_string_to_metric_families(text.decode()):
        assert family.samples, f"{family.name} has no series here: add it to busy()"
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    assert not done.stderr
    assert not done.stdout


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def prometheus(folder: Path, target: str, token: str) -> Iterator[str]:
    """A real Prometheus that scrapes `target` five times a second; gives its address."""
    (folder / "token").write_text(token, encoding="utf-8")
    (folder / "prometheus.yml").write_text(
        f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: cauce
    authorization: {{credentials_file: {folder}/token}}
    static_configs: [{{targets: ['{target}']}}]
""",
        encoding="utf-8",
    )
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (
        (folder / "log").open("w", encoding="utf-8") as log,
        ended(
            subprocess.Popen(
                [*command, f"--web.listen-address={address}"], text=True, stdout=log, stderr=log, env=environment
            )
        ),
    ):
        yield f"http://{address}"


def ask(address: str, query: str, expected: str, *, seconds: float = 30.0) -> str | None:
    """The answer to a PromQL query that gives one number, asked again until it is `expected`."""
    found = None
    ends = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < ends:
        try:
            result = httpx.get(f"{address}/api/v1/query", params={"query": query}).json()["data"]["result"]
            found = result[0]["value"][1] if result else None
        except (httpx.TransportError, ValueError):  # not up yet: no port, or a text that is no JSON
            found = None
        if found == expected:
            break
        pause.wait(0.1)
    return found


@pytest.mark.slow
def test_a_real_prometheus_scrapes_with_the_token_and_answers_queries(tmp_path: Path, school: Any) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed: Debian has it in the package prometheus")
    command = [sys.executable, str(HERE / "server.py"), str(tmp_path / "service"), "0"]
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for n_rows in (3, 4):
            answer = httpx.post(
                f"{url}/v1/models/dropout/predict", json={"rows": [school.ROW] * n_rows}, headers=school.AUTH
            )
            assert answer.status_code == 200
        with prometheus(tmp_path, url.removeprefix("http://"), school.TOKEN) as address:
            assert ask(address, 'sum(cauce_predictions_total{model="dropout",variant="champion"})', "7") == "7"
            route = "/v1/models/{name}/predict"
            assert ask(address, f'cauce_requests_total{{route="{route}",status="200"}}', "2") == "2"
            assert ask(address, 'sum(cauce_predict_seconds_bucket{le="+Inf"})', "2") == "2"
            assert ask(address, 'up{job="cauce"}', "1") == "1"
        (tmp_path / "other").mkdir()
        with prometheus(tmp_path / "other", url.removeprefix("http://"), "not the token") as address:
            assert ask(address, 'up{job="cauce"}', "0") == "0"
