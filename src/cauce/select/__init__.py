"""Fits every rung of a ladder on the same folds, takes the simplest that is not worse, and writes down why."""

from cauce.select.attempts import Attempt, Climb, Effort
from cauce.select.choose import choose
from cauce.select.diagnose import diagnose
from cauce.select.ladder import climb
from cauce.select.limits import Limits
from cauce.select.out_of_fold import FoldPredictions, predict_out_of_fold
from cauce.select.workers import runner_for

__all__ = [
    "Attempt",
    "Climb",
    "Effort",
    "FoldPredictions",
    "Limits",
    "choose",
    "climb",
    "diagnose",
    "predict_out_of_fold",
    "runner_for",
]
