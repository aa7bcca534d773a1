"""Decides what to do with a model, from what the watch saw; promotes by experiment; keeps the record of decisions."""

from cauce.renew.experiment import Evidence, Plan, Step, breach, by_person, ended, enter, step
from cauce.renew.legal import faults
from cauce.renew.policy import Situation, decide
from cauce.renew.promote import (
    blocked,
    by_hand,
    fairer,
    first,
    incomparable,
    judge,
    n_judging,
    nothing_new,
    unjudged,
    withheld,
)
from cauce.renew.record import append, moves, newest, pause, paused, places, read, resume
from cauce.renew.replay import Replayed, replay

__all__ = [
    "Evidence",
    "Plan",
    "Replayed",
    "Situation",
    "Step",
    "append",
    "blocked",
    "breach",
    "by_hand",
    "by_person",
    "decide",
    "ended",
    "enter",
    "fairer",
    "faults",
    "first",
    "incomparable",
    "judge",
    "moves",
    "n_judging",
    "newest",
    "nothing_new",
    "pause",
    "paused",
    "places",
    "read",
    "replay",
    "resume",
    "step",
    "unjudged",
    "withheld",
]
