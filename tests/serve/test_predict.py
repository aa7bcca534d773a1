"""The predict route: what it answers, and what it refuses and how."""

from __future__ import annotations

import json
from typing import Any

import pytest


def predict(client: Any, *rows: Any, model: str = "dropout", **headers: str) -> Any:
    return client.post(f"/v1/models/{model}/predict", json={"rows": list(rows)}, headers=headers)


def faults(answer: Any) -> list[tuple[int, str | None, str]]:
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    return [(error["row"], error["field"], error["reason"]) for error in answer.json()["errors"]]


def test_answers_every_row_with_id_version_and_probabilities(client: Any, school: Any) -> None:
    answer = predict(client, school.ROW, school.ROW | {"age": 50.0})
    body = answer.json()
    assert (answer.status_code, body["model"], body["version"]) == (200, "dropout", 1)
    assert [row["prediction"] for row in body["predictions"]] == ["no", "yes"]
    assert body["predictions"][0]["probabilities"] == {"no": 0.5, "yes": 0.5}
    assert len({row["id"] for row in body["predictions"]}) == 2


def test_regress_answers_with_an_interval(client: Any, school: Any) -> None:
    row = predict(client, school.ROW, model="earnings").json()["predictions"][0]
    assert {name: row[name] for name in ("prediction", "lower", "upper")} == {
        "prediction": 30.0,
        "lower": 29.0,
        "upper": 31.0,
    }


def test_the_ledger_has_a_prediction_before_it_is_answered(client: Any, world: Any, school: Any) -> None:
    made = predict(client, school.ROW).json()["predictions"][0]["id"]
    rows = world.ledgers["dropout"].window(10).to_pylist()
    assert [row["id"] for row in rows] == [made]
    assert {name: rows[0][name] for name in ("age", "income", "member", "plan", "city")} == {
        name: school.ROW[name] for name in ("age", "income", "member", "plan", "city")
    }
    assert rows[0]["since"].isoformat() == "2026-01-31T09:30:00+00:00"
    assert (rows[0]["prediction"], rows[0]["prob_yes"], rows[0]["truth"]) == ("no", 0.5, None)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("age", "3", "type"),
        ("age", True, "type"),
        ("age", 3.5, "type"),
        ("age", None, "null"),
        ("age", 1e300, "range"),
        ("age", 2**63, "range"),
        ("age", 10**400, "not_finite"),
        ("income", "12", "type"),
        ("income", False, "type"),
        ("income", float("nan"), "not_finite"),
        ("income", float("-inf"), "not_finite"),
        ("member", 1, "type"),
        ("member", "true", "type"),
        ("plan", "golden", "category"),
        ("plan", 3, "type"),
        ("city", 28001, "type"),
        ("city", ["x"], "type"),
        ("city", {"a": 1}, "type"),
        ("since", "yesterday", "type"),
        ("since", 1700000000, "type"),
        ("since", "2026-13-01", "type"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_field(
    client: Any, world: Any, school: Any, field: str, value: Any, reason: str
) -> None:
    body = json.dumps({"rows": [school.ROW, school.ROW | {field: value}]})
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/models/dropout/predict", content=body, headers=headers)
    assert faults(answer) == [(1, field, reason)]
    assert world.ledger("dropout").window(10).num_rows == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("age", 3.0), ("income", 3), ("income", None), ("plan", None), ("city", "Nowhere"), ("since", "2026-01-31")],
)
def test_sensible_values_are_taken(client: Any, school: Any, field: str, value: Any) -> None:
    assert predict(client, school.ROW | {field: value}).status_code == 200


def test_every_fault_is_told_at_once(client: Any, school: Any) -> None:
    short = {name: value for name, value in school.ROW.items() if name != "city"}
    answer = predict(client, school.ROW, short | {"citty": "x", "age": "3"}, 7, school.ROW | {"plan": "golf"})
    assert sorted(faults(answer), key=str) == sorted(
        [(1, "city", "missing"), (1, "citty", "extra"), (1, "age", "type"), (2, None, "row"), (3, "plan", "category")],
        key=str,
    )
    by_field = {error["field"]: error for error in answer.json()["errors"]}
    assert "Did you mean 'city'?" in by_field["citty"]["expected"]
    assert "one of free, gold, paid" in by_field["plan"]["expected"]
    assert by_field["plan"]["received"] == "golf"


def test_at_most_a_hundred_faults_are_listed(client: Any, school: Any) -> None:
    answer = predict(client, *[school.ROW | {"age": "x"}] * 500)
    assert len(answer.json()["errors"]) == 100
    assert "500 faults" in answer.json()["detail"]


def test_unseen_categories_are_accepted_where_the_file_says_so(world: Any, school: Any) -> None:
    from cauce.core.specs import ServeSpec
    from cauce.serve import create_app

    with school.Client(create_app(world.service(ServeSpec(unseen_categories="accept"))), school.AUTH) as client:
        assert predict(client, school.ROW | {"plan": "golden"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 5000, 400, "not JSON"),
        (b"[1]", 422, "`rows`"),
        (b"{}", 422, "`rows`"),
        (b'{"row": []}', 422, "Did you mean 'rows'?"),
        (b'{"rows": []}', 422, "empty"),
        (b'{"rows": {}}', 422, "list"),
        (b'{"rows": [], "x": 1}', 422, "'x'"),
        (b'{"rows": [' + b"1," * 10_000 + b"1]}", 422, "10000"),
    ],
)
def test_a_body_of_another_shape_is_refused(client: Any, body: bytes, status: int, said: str) -> None:
    answer = client.post("/v1/models/dropout/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_a_large_body_is_refused_with_and_without_its_length(client: Any) -> None:
    headers = {"content-type": "application/json"}
    large = b" " * 8_000_001
    assert client.post("/v1/models/dropout/predict", content=large, headers=headers).status_code == 413

    async def pieces() -> Any:
        for _ in range(9):
            yield large[:1_000_000]

    answer = client.post("/v1/models/dropout/predict", content=pieces(), headers=headers)
    assert answer.status_code == 413
    assert "8 MB" in answer.json()["detail"]


def test_another_media_type_is_refused(client: Any) -> None:
    assert client.post("/v1/models/dropout/predict", data={"a": "b"}).status_code == 415
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post("/v1/models/dropout/predict", content=b"{}", headers=packed).status_code == 415


def test_models_that_do_not_answer(client: Any, school: Any) -> None:
    unknown = predict(client, school.ROW, model="dropuot")
    assert unknown.status_code == 404
    assert "Did you mean 'dropout'?" in unknown.json()["detail"]
    waiting = predict(client, school.ROW, model="new")
    assert waiting.status_code == 503
    assert "no champion" in waiting.json()["detail"]


def test_framework_refusals_are_problems_too(client: Any) -> None:
    for answer, status in ((client.get("/nowhere"), 404), (client.put("/v1/models"), 405), (client.get("/docs"), 404)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_an_unforeseen_error_tells_nothing_but_a_request_id(
    client: Any, school: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(school.FakeFitted, "predict", fail)
    answer = predict(client, school.ROW)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    request_id = answer.json()["detail"].split()[-1].rstrip(".")
    assert request_id in caplog.text
    assert "secret inside" in caplog.text


def test_an_idempotency_key_gets_the_same_answer(client: Any, world: Any, school: Any) -> None:
    key = {"Idempotency-Key": "k-1"}
    first, second = predict(client, school.ROW, **key), predict(client, school.ROW, **key)
    assert first.json() == second.json()
    assert world.ledgers["dropout"].window(10).num_rows == 1
    other = predict(client, school.ROW | {"age": 31}, **key)
    assert other.status_code == 422
    assert predict(client, school.ROW, **{"Idempotency-Key": "k-2"}).json() != first.json()
    assert predict(client, school.ROW, **{"Idempotency-Key": "x" * 300}).status_code == 400


def test_a_failed_request_is_not_kept_under_its_key(client: Any, school: Any) -> None:
    key = {"Idempotency-Key": "k"}
    assert predict(client, school.ROW | {"age": "x"}, **key).status_code == 422
    assert predict(client, school.ROW, **key).status_code == 200


def test_models_are_listed(client: Any) -> None:
    assert client.get("/v1/models").json() == {
        "object": "list",
        "data": [
            {"id": "dropout", "object": "model", "version": 1, "task": "classify"},
            {"id": "earnings", "object": "model", "version": 1, "task": "regress"},
        ],
    }


def test_the_metrics_count(client: Any, school: Any) -> None:
    predict(client, school.ROW, school.ROW)
    predict(client, school.ROW | {"age": "x"})
    text = client.get("/metrics").text
    for line in (
        'cauce_predictions_total{model="dropout",variant="champion",version="1"} 2.0',
        'cauce_refused_rows_total{model="dropout",reason="type"} 1.0',
        'cauce_requests_total{route="/v1/models/{name}/predict",status="200"} 1.0',
        'cauce_release_version{model="dropout"} 1.0',
        'cauce_predict_seconds_count{model="dropout",variant="champion"} 1.0',
    ):
        assert line in text


def test_the_document_has_the_real_fields(client: Any, world: Any, school: Any) -> None:
    found = client.get("/openapi.json").json()
    assert "/v1/models/dropout/predict" in found["paths"]
    assert "/v1/models/new/predict" not in found["paths"]
    row = found["components"]["schemas"]["dropout.Row"]
    assert row["required"] == list(school.SCHEMA.names)
    assert row["properties"]["age"]["type"] == "integer"
    assert row["properties"]["plan"]["enum"] == ["free", "gold", "paid", None]
    assert row["properties"]["income"]["type"] == ["number", "null"]
