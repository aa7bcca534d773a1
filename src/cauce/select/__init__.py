"""Fits every rung of a ladder on the same folds, takes the simplest that is not worse, and writes down why."""

from cauce.select.choose import choose
from cauce.select.ladder import Attempt, Climb, climb

__all__ = ["Attempt", "Climb", "choose", "climb"]
