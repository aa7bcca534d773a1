"""Classify and regress on tables of mixed columns: raw rows go in, encoders travel inside the fitted object."""

from cauce.tasks.tabular.task import Classify, Regress

__all__ = ["Classify", "Regress"]
