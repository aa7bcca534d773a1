"""Who answers a request, who scores it in the shadow, and that neither is ever mixed up."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Column, Schema
from cauce.core.specs import ChallengerSpec
from cauce.serve import create_app, shadow
from cauce.serve.plan import Plan
from cauce.serve.routing import columns_between, in_challenger
from serve.running import until

PATH = "/v1/models/dropout/predict"


@settings(deadline=None)
@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_whom_a_smaller_one_had(unit: str, one: float, other: float) -> None:
    small, large = (ChallengerSpec(share=share) for share in sorted((one, other)))
    assert in_challenger("dropout", small, unit) <= in_challenger("dropout", large, unit)
    assert not in_challenger("dropout", ChallengerSpec(share=0.0), unit)
    assert in_challenger("dropout", ChallengerSpec(share=1.0), unit)


def test_shares_come_true_and_experiments_deal_independently() -> None:
    units = [f"user-{number}" for number in range(20_000)]
    first = [in_challenger("dropout", ChallengerSpec(share=0.3, experiment="a"), unit) for unit in units]
    second = [in_challenger("dropout", ChallengerSpec(share=0.3, experiment="b"), unit) for unit in units]
    assert sum(first) / 20_000 == pytest.approx(0.3, abs=0.015)  # 4.6 standard errors
    both = sum(one and other for one, other in zip(first, second, strict=True))
    assert both / 20_000 == pytest.approx(0.09, abs=0.01)


def schema(*columns: tuple[str, str]) -> Plan:
    return Plan(Schema(tuple(Column(name, kind) for name, kind in columns)), "refuse")  # type: ignore[arg-type]


def test_a_challenger_takes_the_champions_rows_by_name_and_type() -> None:
    champion = schema(("age", "integer"), ("plan", "text"), ("score", "number"))
    same = columns_between(champion, schema(("score", "number"), ("age", "number")))
    assert same is not None
    assert same.of([[3, "free", 0.5], [None, "paid", None]]) == [[0.5, 3.0], [None, None]]
    assert isinstance(same.of([[3, "free", 0.5]])[0][1], float)
    assert columns_between(champion, schema(("height", "number"))) is None
    assert columns_between(champion, schema(("score", "integer"))) is None


@pytest.fixture
def split(world: Any, school: Any) -> Iterator[Any]:
    """A service with champion 1 and challenger 2 for half of the units."""
    world.challengers["dropout"] = 2
    challengers = {"dropout": ChallengerSpec(share=0.5, experiment="autumn")}
    with school.Client(create_app(world.service(challengers=challengers)), school.AUTH) as client:
        yield client


def version(client: Any, school: Any, unit: Any = None) -> int:
    body = {"rows": [school.ROW]} | ({} if unit is None else {"unit": unit})
    answer = client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["predictions"][0]["probabilities"]["yes"] == pytest.approx(1 / (1 + found["version"]))
    return int(found["version"])


def test_a_unit_always_meets_the_same_release(split: Any, world: Any, school: Any) -> None:
    units = [f"user-{number}" for number in range(30)]
    first = [version(split, school, unit) for unit in units]
    assert first == [version(split, school, unit) for unit in units]
    assert set(first) == {1, 2}
    spec = ChallengerSpec(share=0.5, experiment="autumn")
    assert first == [2 if in_challenger("dropout", spec, unit) else 1 for unit in units]
    rows = world.ledgers["dropout"].window(100).to_pylist()
    assert {(row["version"], row["variant"]) for row in rows} == {(1, "champion"), (2, "challenger")}
    assert {row["unit"]: row["version"] for row in rows} == dict(zip(units, first, strict=True))
    text = split.get("/metrics").text
    assert f'cauce_predictions_total{{model="dropout",variant="challenger",version="2"}} {2 * first.count(2)}.0' in text


def test_without_a_unit_the_champion_answers(split: Any, school: Any) -> None:
    assert {version(split, school) for _ in range(20)} == {1}


@pytest.mark.parametrize("unit", ["", "x" * 201, 1.5, True, [], {}])
def test_a_unit_of_another_kind_is_refused(split: Any, school: Any, unit: Any) -> None:
    answer = split.post(PATH, json={"rows": [school.ROW], "unit": unit})
    assert answer.status_code == 422
    assert "`unit` must be a text" in answer.json()["detail"]


def test_a_whole_number_is_the_same_unit_as_its_text(split: Any, world: Any, school: Any) -> None:
    assert version(split, school, 17) == version(split, school, "17")
    assert world.ledgers["dropout"].window(9)["unit"].to_pylist() == ["17", "17"]


def test_a_roll_back_in_the_middle_of_an_experiment_takes_effect_at_once(split: Any, world: Any, school: Any) -> None:
    world.challengers["dropout"] = None
    until(lambda: {version(split, school, f"user-{number}") for number in range(20)} == {1})
    loads = list(world.loads)
    world.challengers["dropout"] = 2
    until(lambda: {version(split, school, f"user-{number}") for number in range(20)} == {1, 2})
    assert world.loads == loads  # it was in memory still


@pytest.fixture
def shadowed(world: Any, school: Any) -> Iterator[Any]:
    world.challengers["dropout"] = 2
    challengers = {"dropout": ChallengerSpec(shadow=True)}
    with school.Client(create_app(world.service(challengers=challengers)), school.AUTH) as client:
        yield client


def test_a_shadow_scores_what_the_champion_answered_and_answers_nothing(shadowed: Any, world: Any, school: Any) -> None:
    rows = [school.ROW | {"age": age} for age in (20, 30, 50)]
    answer = shadowed.post(PATH, json={"rows": rows}).json()
    assert answer["version"] == 1
    ids = [one["id"] for one in answer["predictions"]]
    ledger = world.ledgers["dropout"]
    paired = until(lambda: (shadowed.get("/healthz"), ledger.paired())[1].num_rows == 3 and ledger.paired())
    assert paired["id"].to_pylist() == ids
    assert ledger.window(10)["id"].to_pylist() == ids  # nobody was answered twice
    text = shadowed.get("/metrics").text
    assert 'cauce_predictions_total{model="dropout",variant="shadow",version="2"} 3.0' in text


def test_a_shadow_that_fails_touches_no_answer(world: Any, school: Any) -> None:
    class Failing(school.FakeFitted):  # type: ignore[misc]
        def predict(self, table: Any) -> Any:
            if table.num_rows == 1 and table["age"][0].as_py() == 66:
                raise ValueError("no such age")
            return super().predict(table)

    load = world.load

    def loaded(model: str, number: int) -> Any:
        made = load(model, number)
        return type(made)(**vars(made) | {"fitted": Failing(version=number)}) if number == 2 else made

    world.challengers["dropout"] = 2
    service = world.service(load=loaded, challengers={"dropout": ChallengerSpec(shadow=True)})
    with school.Client(create_app(service), school.AUTH) as client:
        assert client.post(PATH, json={"rows": [school.ROW | {"age": 66}]}).status_code == 200
        name = 'cauce_shadow_failed_rows_total{model="dropout"} 1.0'
        until(lambda: name in client.get("/metrics").text)
        assert client.post(PATH, json={"rows": [school.ROW]}).status_code == 200
        until(lambda: (client.get("/healthz"), world.ledgers["dropout"].paired())[1].num_rows == 1)


def test_a_shadow_that_cannot_keep_up_is_dropped_and_counted(
    world: Any, school: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING", 5)
    held = threading.Event()
    monkeypatch.setattr(shadow.Shadow, "_score", lambda *_: held.wait(20))
    world.challengers["dropout"] = 2
    service = world.service(challengers={"dropout": ChallengerSpec(shadow=True)})
    with school.Client(create_app(service), school.AUTH) as client:
        answers = client.gather(*[("POST", PATH, {"json": {"rows": [school.ROW] * 3}})] * 6)
        assert {answer.status_code for answer in answers} == {200}
        text = client.get("/metrics").text
        dropped = next(line for line in text.splitlines() if line.startswith("cauce_shadow_dropped_rows_total"))
        assert float(dropped.split()[-1]) >= 9
        held.set()


def test_a_challenger_that_asks_for_more_columns_is_left_out_and_the_champion_answers(world: Any, school: Any) -> None:
    wider = Schema((*school.SCHEMA.columns, Column("height", "number")))
    world.schemas["dropout", 2] = wider
    world.challengers["dropout"] = 2
    service = world.service(challengers={"dropout": ChallengerSpec(share=1.0)})
    with school.Client(create_app(service), school.AUTH) as client:
        assert version(client, school, "user-1") == 1
        until(lambda: 'cauce_load_failures_total{model="dropout"} 1.0' in client.get("/metrics").text)
        assert json.loads(client.get("/readyz").text) == {"status": "ready"}
