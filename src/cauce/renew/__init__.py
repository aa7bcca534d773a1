"""Decides what to do with a model, from what the watch saw; promotes with evidence; keeps the record of decisions."""

from cauce.renew.policy import Situation, decide
from cauce.renew.promote import blocked, by_hand, fairer, first, incomparable, judge, nothing_new, unjudged, withheld
from cauce.renew.record import append, pause, paused, read, resume

__all__ = [
    "Situation",
    "append",
    "blocked",
    "by_hand",
    "decide",
    "fairer",
    "first",
    "incomparable",
    "judge",
    "nothing_new",
    "pause",
    "paused",
    "read",
    "resume",
    "unjudged",
    "withheld",
]
