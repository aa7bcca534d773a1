"""Rehearses the loop on a project's own past: a fast clock, injected drift and faults, strategies side by side.

The decisions themselves are made by the code that decides in earnest: this room is handed it as a `Stage`.
"""

from cauce.rehearse.clock import arrivals, look_times, nice_interval, spread_ties
from cauce.rehearse.crew import Crew, run_jobs, serve_jobs
from cauce.rehearse.inject import Columns, Injected, inject
from cauce.rehearse.measure import outcome
from cauce.rehearse.replay import replay
from cauce.rehearse.scenarios import scenarios
from cauce.rehearse.stage import Model, Stage
from cauce.rehearse.tune import grid, recommend, second_half

__all__ = [
    "Columns",
    "Crew",
    "Injected",
    "Model",
    "Stage",
    "arrivals",
    "grid",
    "inject",
    "look_times",
    "nice_interval",
    "outcome",
    "recommend",
    "replay",
    "run_jobs",
    "scenarios",
    "second_half",
    "serve_jobs",
    "spread_ties",
]
