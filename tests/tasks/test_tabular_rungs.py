"""The ladder as declared: what tuning may vary lies where fitting accepts it."""

import numpy as np
import pytest

from cauce.core.artefacts import Candidate
from cauce.core.spaces import Options, Range, Value
from cauce.tasks.tabular import Classify, Regress
from cauce.tasks.tabular.rungs import NAMES
from cauce.testing import TableProfile

TASKS = [Classify(), Regress()]


def ladder(task: Classify | Regress) -> dict[str, Candidate]:
    table, spec = task.example()
    return {rung.name: rung for rung in task.candidates(spec, TableProfile(table))}


def within(value: Value, span: Range) -> bool:
    if isinstance(span, Options):
        return value in span.values
    return isinstance(value, int | float) and span.low <= value <= span.high


def ends(span: Range) -> tuple[Value, Value]:
    return (span.values[0], span.values[-1]) if isinstance(span, Options) else (span.low, span.high)


@pytest.mark.parametrize("task", TASKS)
def test_rungs_go_from_simple_to_complex(task: Classify | Regress) -> None:
    assert tuple(ladder(task)) == NAMES


@pytest.mark.parametrize("task", TASKS)
def test_every_default_lies_within_its_range(task: Classify | Regress) -> None:
    for rung in ladder(task).values():
        assert set(rung.space) <= set(rung.params)
        assert all(within(rung.params[name], span) for name, span in rung.space.items()), rung.name
    assert ladder(task)["tuned"].space


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("end", [0, 1])
def test_both_ends_of_every_range_fit(task: Classify | Regress, end: int) -> None:
    table, spec = task.example()
    for rung in ladder(task).values():
        for name, span in rung.space.items():
            fitted = task.fit(rung, {name: ends(span)[end]}, table, spec=spec)
            assert np.isfinite(task.losses(fitted, table, spec).values).all(), (rung.name, name)


@pytest.mark.parametrize("task", TASKS)
def test_tuned_is_boosting_with_settings(task: Classify | Regress) -> None:
    table, spec = task.example()
    known = ladder(task)
    params = {"num_leaves": 5, "learning_rate": 0.05, "lambda_l1": 0.0, "extra_trees": False}
    one, other = (task.fit(known[name], params, table, spec=spec) for name in ("boosting", "tuned"))
    assert one.predict(table).equals(other.predict(table))
    assert not one.predict(table).equals(task.fit(known["boosting"], {}, table, spec=spec).predict(table))
