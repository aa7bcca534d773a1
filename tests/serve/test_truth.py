"""The truth route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cauce.core.specs import ServeSpec
from cauce.serve import create_app


def tell(client: Any, *truths: Any, model: str = "dropout") -> Any:
    return client.post(f"/v1/models/{model}/truth", json={"truths": list(truths)})


def predicted(client: Any, row: Any, n: int = 1, model: str = "dropout") -> list[str]:
    answer = client.post(f"/v1/models/{model}/predict", json={"rows": [row] * n})
    return [one["id"] for one in answer.json()["predictions"]]


def statuses(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["status"] for one in answer.json()["results"]]


def test_accepted_duplicate_corrected_unknown(client: Any, world: Any, school: Any) -> None:
    one, two = predicted(client, school.ROW, 2)
    at = "2026-02-01T00:00:00Z"
    assert statuses(tell(client, {"id": one, "value": "yes", "at": at}, {"id": "strange", "value": "no"})) == [
        "accepted",
        "unknown",
    ]
    assert statuses(tell(client, {"id": one, "value": "yes"}, {"id": two, "value": "yes"})) == ["duplicate", "accepted"]
    assert statuses(tell(client, {"id": one, "value": "no"})) == ["corrected"]
    found = world.ledgers["dropout"].labelled()
    assert dict(zip(found["id"].to_pylist(), found["truth"].to_pylist(), strict=True)) == {one: "no", two: "yes"}
    assert 'cauce_truths_total{model="dropout",status="corrected"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("truth", "field", "reason"),
    [
        ({"id": "x", "value": None}, "value", "type"),
        ({"id": "x"}, "value", "missing"),
        ({"value": 1}, "id", "type"),
        ({"id": 7, "value": 1}, "id", "type"),
        ({"id": "x" * 201, "value": 1}, "id", "type"),
        ({"id": "x", "value": [1]}, "value", "type"),
        ({"id": "x", "value": "three"}, "value", "type"),
        ({"id": "x", "value": True}, "value", "type"),
        ({"id": "x", "value": 1, "at": "later"}, "at", "type"),
        ({"id": "x", "value": 1, "extra": 1}, "extra", "extra"),
        ("x", None, "row"),
    ],
)
def test_a_wrong_truth_is_named_and_nothing_is_kept(
    client: Any, world: Any, school: Any, truth: Any, field: str | None, reason: str
) -> None:
    (known,) = predicted(client, school.ROW, model="earnings")
    answer = tell(client, {"id": known, "value": 1}, truth, model="earnings")
    assert answer.status_code == 422
    assert [(e["row"], e["field"], e["reason"]) for e in answer.json()["errors"]] == [(1, field, reason)]
    assert world.ledgers["earnings"].labelled().num_rows == 0


def test_a_truth_that_is_not_finite_is_refused(client: Any) -> None:
    body = b'{"truths": [{"id": "x", "value": NaN}]}'
    answer = client.post("/v1/models/earnings/truth", content=body, headers={"content-type": "application/json"})
    assert answer.json()["errors"][0]["reason"] == "not_finite"


@pytest.mark.parametrize("typo", ["Yes", "yess", 1, True])
def test_a_label_that_the_model_does_not_know_is_refused_with_those_it_does(
    client: Any, world: Any, school: Any, typo: Any
) -> None:
    one, two = predicted(client, school.ROW, 2)
    answer = tell(client, {"id": one, "value": "yes"}, {"id": two, "value": typo})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["row"], fault["field"], fault["reason"]) == (1, "value", "category")
    assert "no, yes" in fault["expected"]
    assert str(typo) in str(fault["received"])
    assert world.ledgers["dropout"].labelled().num_rows == 0


@pytest.fixture
def accepting(world: Any, school: Any) -> Iterator[Any]:
    with school.Client(create_app(world.service(ServeSpec(unseen_categories="accept"))), school.AUTH) as client:
        yield client


def test_new_labels_pass_where_the_file_says_so(accepting: Any, school: Any) -> None:
    (one,) = predicted(accepting, school.ROW)
    assert statuses(tell(accepting, {"id": one, "value": "perhaps"})) == ["accepted"]


def test_numbers_as_labels_have_one_spelling(accepting: Any, school: Any) -> None:
    client = accepting
    (one,) = predicted(client, school.ROW)
    assert statuses(tell(client, {"id": one, "value": 1})) == ["accepted"]
    assert statuses(tell(client, {"id": one, "value": 1.0}, {"id": one, "value": "1"})) == ["duplicate", "duplicate"]
