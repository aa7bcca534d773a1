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
FEW: tuple[Strategy, ...] = ("loop", "never", "scheduled", "oracle")
"""Who takes part in the first seed of a scenario where not all is asked for: always retraining costs most."""
CHEAP: tuple[Strategy, ...] = ("loop", "never")
"""Who takes part in the seeds after the first, which tell how sure a detection is."""


def taking_part(scenario: Scenario, seed: int, *, thorough: bool) -> tuple[Strategy, ...]:
    """Return the strategies of one replay."""
    if seed > 0:
        return CHEAP
    return EVERYONE if thorough or scenario.kind == "history" else FEW


def scenarios(*, drift_only: bool = False) -> tuple[Scenario, ...]:
    """Return every scenario, in the order of the report.

    Parameters
    ----------
    drift_only
        Without shapes other than sudden: for a quick look.
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
    )
    faults = (
        Scenario("unit", "sudden", end=FAULT_END, strength=100.0),
        Scenario("partition", "sudden", end=FAULT_END),
        Scenario("outage", "sudden", end=FAULT_END),
    )
    kept = tuple(each for each in drifts if not drift_only or each.shape == "sudden")
    return (Scenario("history"), Scenario("still"), *kept, Scenario("delay", strength=LATE), *faults)
