"""`cauce fairness`: what closing a model's gap between groups costs, fitted and measured as a training would."""

from __future__ import annotations

from dataclasses import replace

from cauce.core.errors import Blocked, UserError
from cauce.core.registry import task as task_named
from cauce.core.views import FairnessCurve
from cauce.loop import audit_views
from cauce.loop.audit import profile_of
from cauce.loop.context import Loop
from cauce.loop.load import load
from cauce.loop.material import gather, resolve


def curve(loop: Loop, model: str) -> FairnessCurve:
    """Return what closing the model's gap costs: `fairness.curve` on the rows of a training, the judging ones apart.

    Raises
    ------
    UserError
        The model names no sensitive column, or is no classification.
    Blocked
        No row has a target.
    """
    from cauce import fairness

    settings = loop.model(model)
    snapshot = load(loop, settings.data)
    profile = profile_of(loop, snapshot)
    asked = settings.fairness
    if not settings.sensitive:
        where, hint = loop.project.where("models", model), 'Add sensitive = ["column"] to the model.'
        raise UserError("no sensitive column, so there are no groups to compare", where=where, hint=hint)
    update = {"mitigate": "thresholds", "at_prediction": True}
    probing = settings.model_copy(update={"fairness": asked.model_copy(update=update)})
    plan = fairness.make_plan(model, probing, profile)
    assert plan is not None
    spec = resolve(loop, model, profile)
    within = plan.within(spec)
    asking = replace(within, schema=profile.schema((*within.schema.names, *plan.hidden)))
    rows = gather(loop, snapshot, within, None)
    task = task_named(settings.task)
    rung = audit_views.strongest(task.candidates(within, profile))
    if rung is None:
        raise Blocked(f"model {model!r}: too few rows, or no column, to learn from")
    return fairness.curve(
        task,
        plan,
        rung,
        fairness.Rows(fairness.at_most(rows.teach, spec.seed), rows.judge, within, asking),
        max_gap=asked.max_gap,
        at_prediction=asked.at_prediction,
        progress=loop.progress,
    )
