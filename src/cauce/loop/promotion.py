"""A promotion under way: its stage's evidence gathered, a step decided and carried out; also after a crash."""

from __future__ import annotations

from collections.abc import Callable

from cauce.core.artefacts import Decision, Experiment
from cauce.loop.carry import Overtaken, carry_out, experiment_of, mark, plan_of, progress
from cauce.loop.context import Loop
from cauce.loop.live_losses import measured
from cauce.renew import Evidence

__all__ = ["Measure", "advance", "experiment_of", "plan_of"]

Measure = Callable[[Loop, Experiment], Evidence]


def advance(loop: Loop, model: str, *, measure: Measure = measured) -> Decision | None:
    """Take the experiment of a model one step further, where its evidence allows; a pause holds it where it is.

    Needs no `loop.lock`: a roll-back must not wait for a training.

    Parameters
    ----------
    measure
        Gives the evidence of the experiment's stage.

    Returns
    -------
    Decision or None
        What was decided, carried out and recorded; None where it stays in its stage, or there is none under way.
    """
    from cauce import renew

    after, experiment = mark(loop, model), experiment_of(loop, model)
    if experiment is None or experiment.stage == "ended" or renew.paused(loop.record(model)) is not None:
        return None
    stepped = renew.step(experiment, measure(loop, experiment), plan_of(loop, model), loop.now())
    if stepped.decision is None:
        progress(loop, stepped.experiment)
        return None
    try:
        return carry_out(loop, stepped.decision, after=after)
    except Overtaken:  # a person decided meanwhile: the next turn sees what came of it
        return None
