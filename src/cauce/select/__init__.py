"""Fits every rung of a ladder on the same folds, takes the simplest that is not worse, and writes down why."""

from cauce.select.choose import choose
from cauce.select.ladder import Attempt, Climb, climb
from cauce.select.out_of_fold import FoldPredictions, predict_out_of_fold

__all__ = ["Attempt", "Climb", "FoldPredictions", "choose", "climb", "predict_out_of_fold"]
