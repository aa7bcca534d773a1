"""The scenarios of a rehearsal: the past as it was, a world that stands still, drift, late labels, faults."""

from __future__ import annotations

from cauce.core.rehearsing import Scenario, Strategy

FAULT_END = 0.6
"""Share of the replay after which a fault is mended."""
LATE = 5.0
"""How much later truths come when they come late."""
NEVER = 0.3
"""Share of the truths that then never come."""

EVERYONE: tuple[Strategy, ...] = ("loop", "never", "always", "scheduled", "oracle")
CHEAP: tuple[Strategy, ...] = ("loop", "never")
"""Who takes part where not all is asked for, and in the seeds after the first, which tell how sure a detection is."""


def taking_part(scenario: Scenario, seed: int, *, thorough: bool) -> tuple[Strategy, ...]:
    """Return the strategies of one replay."""
    if seed > 0:
        return CHEAP
    return EVERYONE if thorough or scenario.kind == "history" else CHEAP


USUAL = frozenset({"history", "still", "mean", "label", "unit", "outage"})
"""Scenarios that are played where not all are asked for: one of each thing that a loop must get right."""


def scenarios(*, thorough: bool = False, only: tuple[str, ...] = ()) -> tuple[Scenario, ...]:
    """Return the scenarios to play, in the order of the report.

    Parameters
    ----------
    thorough
        Every one, not the `USUAL` ones alone.
    only
        Names; those, whatever `thorough` says, and the past as it was, which every rehearsal plays.
    """
    drifts = (
        Scenario("mean", "sudden", strength=1.0),
        Scenario("mean", "gradual", strength=1.0),
        Scenario("mean", "recurring", strength=1.0),
        Scenario("variance", "sudden", strength=1.0),
        Scenario("category", "sudden", strength=0.5),
        Scenario("correlation", "sudden"),
        Scenario("label", "sudden", strength=0.5),
        Scenario("label", "gradual", strength=0.5),
        Scenario("label", "recurring", strength=0.5),
        Scenario("withdrawn", "sudden"),
        Scenario("withdrawn", "gradual"),
    )
    faults = (
        Scenario("unit", "sudden", end=FAULT_END, strength=100.0),
        Scenario("partition", "sudden", end=FAULT_END),
        Scenario("outage", "sudden", end=FAULT_END),
    )
    known = (Scenario("history"), Scenario("still"), *drifts, Scenario("delay", strength=LATE), *faults)
    wanted = {"history", *only} if only else {each.name for each in known} if thorough else USUAL
    return tuple(each for each in known if each.name in wanted)
