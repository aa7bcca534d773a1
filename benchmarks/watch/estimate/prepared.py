"""What held-out rows let expect of a pool, and what is said of it."""

from __future__ import annotations

import numpy as np
from benchmarks.watch.estimate.material import Case, Codes, Floats

from cauce.core.files import from_json
from cauce.core.registry import task as task_named
from cauce.loop.expect import expect, places, said_of, second_input, second_says
from cauce.watch.truths.estimate import Expectation, Said

Judge = tuple[Case, Expectation, Said, Codes | Floats]


def prepared(case: Case) -> Judge:
    """Return the case, what its held-out rows let expect, and what is said of the pool, with its truths."""
    spec, fitted = case.spec, case.fitted
    losses = task_named(spec.task).losses(fitted, case.held, spec)
    made = expect(spec, fitted, case.held, fitted.predict(case.held), losses)
    assert made.content is not None
    expectation = from_json(made.content, Expectation)
    said = said_of(fitted, fitted.predict(case.pool))
    table = second_input(case.pool, spec.schema.names, said, classify=bool(fitted.classes))
    second = {name: second_says(models, table, fitted.classes if name == "classes" else ())
              for name, models in made.second.items()}  # fmt: skip
    second |= {name: np.zeros((1, said.n_rows)) for name, one in expectation.scales.items() if one.constant is not None}
    said = Said(said.shares, said.codes, second)
    if spec.task == "classify":
        return case, expectation, said, places(case.pool[spec.target], fitted.classes)
    return case, expectation, said, case.pool[spec.target].to_numpy().astype(np.float64)
