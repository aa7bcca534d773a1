"""Fairlearn's exponentiated gradient over any rung of the ladder, as a mixture of members that can be saved.

Agarwal et al. (2018, A Reductions Approach to Fair Classification): a game between a learner that is given weights and
labels anew each round and a player who weighs the constraints; its answer is a lot among the learners. Our departure:
no lot is drawn at prediction. The members' probabilities are averaged with the weights of the lot, so that the same row
always gets the same answer. What is proven of the lot does not carry over to the average: the gap is measured again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from cauce.core.extras import need
from cauce.core.protocols import Fitted
from cauce.core.specs import FairnessMetric

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ROUNDS = 10
"""Rounds of the game, at most; each fits 2 to 9 models."""
LEAST_BOUND = 0.004
"""The tightest gap that is asked of the training rows: below, rounds are spent on what new rows do not show."""
LEAST_WEIGHT = 0.01
"""Members that weigh less in the lot are left out."""

Learn = Callable[[Codes, Floats], Fitted]
"""Fits a model on labels (1 for the favoured class) and weights, one each per training row."""
Say = Callable[[Fitted], Codes]
"""Predicts the training rows: 1 for the favoured class."""


class Member(NamedTuple):
    """One model of the mixture."""

    weight: float
    """Weights of all members sum to 1."""
    fitted: Fitted | None
    """None for one that says the same of every row."""
    constant: float
    """Its probability of the favoured class, where it says the same of every row."""


def exponentiated(
    truth: Codes, groups: Codes, learn: Learn, say: Say, *, metric: FairnessMetric, bound: float
) -> tuple[Member, ...]:
    """Return the members whose mixture keeps the gap between groups within `bound`, and errs least.

    Parameters
    ----------
    truth
        1 where the favoured class is the true one, shape (n_rows,).
    groups
        Shape (n_rows,); rows of −1 are a group of their own.
    bound
        The largest gap wanted between two groups.

    Raises
    ------
    MissingExtra
        Fairlearn is not installed.
    """
    library = need("fairlearn.reductions", extra="fairness", what='mitigate = "reductions"')
    moment = {
        "demographic_parity": "DemographicParity",
        "equalized_odds": "EqualizedOdds",
        "equal_opportunity": "TruePositiveRateParity",
        "error_rate": "ErrorRateParity",
    }[metric]
    # A group may stand half the gap from the mean of all: two groups then differ by the gap.
    constraint = getattr(library, moment)(difference_bound=max(bound, LEAST_BOUND) / 2)
    game = library.ExponentiatedGradient(_Learner(learn, say), constraints=constraint, max_iter=ROUNDS)
    with warnings.catch_warnings():  # Fairlearn 0.15 grows a Series in a way that pandas 4 will refuse
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"fairlearn\.")
        game.fit(np.arange(len(truth))[:, None], truth, sensitive_features=groups)
    weights = np.asarray([float(game.weights_[place]) for place in game.weights_.index])
    kept = [
        (w, game.predictors_[place]) for w, place in zip(weights, game.weights_.index, strict=True) if w > LEAST_WEIGHT
    ]
    total = sum(weight for weight, _ in kept)
    return tuple(_member(weight / total, one) for weight, one in kept)


def _member(weight: float, predictor: Any) -> Member:
    if isinstance(predictor, _Learner):
        return Member(weight, predictor.fitted, 0.0)
    return Member(weight, None, float(predictor.constant))  # scikit-learn's DummyClassifier


@dataclass
class _Learner:
    """What Fairlearn takes for an estimator. Its rows are numbers of the training rows, in their order."""

    learn: Learn
    say: Say
    fitted: Fitted | None = None
    said: Codes | None = None
    """Of the training rows: Fairlearn asks for it twice a round."""

    def fit(self, _rows: Codes, labels: Any, sample_weight: Any) -> Self:
        self.fitted = self.learn(np.asarray(labels, np.int64), np.asarray(sample_weight, np.float64))
        self.said = None
        return self

    def predict(self, _rows: Codes) -> Codes:
        if self.said is None:
            assert self.fitted is not None
            self.said = self.say(self.fitted)
        return self.said

    def __sklearn_clone__(self) -> _Learner:
        return _Learner(self.learn, self.say)
