"""Mitigation in the training: which task fits, what the gate sees of the result, what the release records.

The rung is chosen without the mitigation, by quality alone; what is shipped is that rung with it. Both are fitted on
the rows that teach and measured on the rows set aside, unit by unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Finding, Mitigation, TaskSpec
from cauce.core.protocols import Fitted, Task
from cauce.core.registry import task as task_named
from cauce.loop import audit_views
from cauce.loop.context import Loop

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.audit.check import OutOfFold
    from cauce.fairness import Plan
    from cauce.profile import Profile


def plan_of(loop: Loop, model: str, profile: Profile) -> Plan | None:
    """Return what the file asks for; None where it mitigates nothing."""
    if loop.model(model).fairness.mitigate == "off":
        return None
    from cauce.fairness import make_plan

    return make_plan(model, loop.model(model), profile)


def plain_task(task: Task, plan: Plan | None) -> Task:
    """Return the task whose models take the plan's requests and mitigate nothing: what chooses the rung."""
    if plan is None:
        return task
    from cauce.fairness import Mitigated

    return Mitigated(task, plan.without())


def mitigated_task(task: Task, plan: Plan) -> Task:
    """Return the task whose models are fitted as the plan says."""
    from cauce.fairness import Mitigated

    return Mitigated(task, plan)


def mitigated_out_of_fold(
    loop: Loop, model: str, profile: Profile, batches: audit_views.Batches
) -> Callable[[], OutOfFold | None]:
    """Give the callable that fits out of fold with the mitigation that the file asks for, as `audit_views`."""
    plan = plan_of(loop, model, profile)
    if plan is None:
        return lambda: None
    task = mitigated_task(task_named(loop.model(model).task), plan)
    return audit_views.out_of_fold(loop, model, profile, batches, task)


def held_out_findings(
    loop: Loop, fitted: Fitted, rung: str, judge: pa.Table, spec: TaskSpec, profile: Profile
) -> tuple[Finding, ...]:
    """Return what the check of the model's gap says of the very model that would ship, on the rows set aside.

    Without a mitigation the audit has said it of more rows already: only what blocks is added.
    """
    settings = loop.model(spec.model)
    if not settings.sensitive or not judge.num_rows:
        return ()
    from cauce import audit as room
    from cauce import fairness
    from cauce.audit.bias import held_out_gap

    context = room.AuditContext(
        data_name=settings.data,
        data=loop.data(settings.data),
        model_name=spec.model,
        model=settings,
        profile=profile,
        batches=lambda columns: iter((judge if columns is None else judge.select(list(columns))).to_batches()),
        sample=judge,
    )
    said = fairness.say(fitted, judge, spec.target)
    found = room.OutOfFold(said.rows, said.truth, said.predictions, said.probabilities, fitted.classes, rung)
    asked = loop.project.file.audit.checks.get("model_gap")
    outcome = held_out_gap(context, found, asked.threshold if asked else None)
    if isinstance(outcome, room.NotApplicable):
        return ()
    return tuple(finding for finding in outcome if settings.fairness.mitigate != "off" or finding.severity == "block")


def record(task: Task, plan: Plan, plain: Fitted, fitted: Fitted, judge: pa.Table, spec: TaskSpec) -> Mitigation:
    """Return what the mitigation did on the rows set aside: gap, loss and errors, each against the rung without it."""
    from cauce import fairness

    ours, theirs = (task.losses(one, judge, spec) for one in (fitted, plain))
    losses = (np.asarray(ours.values), np.asarray(theirs.values))
    return fairness.compare(plan, fitted, plain, judge, spec, losses=losses, clusters=ours.groups)
