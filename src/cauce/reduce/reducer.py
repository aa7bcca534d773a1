"""`MemeticReducer`: fewer weighted rows for any model, as scikit-learn users know estimators."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from cauce.core.figures import number
from cauce.core.findings import Words
from cauce.core.progress import Progress, silent
from cauce.core.reduction import Reduction
from cauce.reduce.encode import Encoded, encode
from cauce.reduce.guarantee import Judges, Terms, prove
from cauce.reduce.learners import boosting, from_estimator
from cauce.reduce.quotas import labels
from cauce.reduce.reasons import write_reason
from cauce.reduce.rows import Ints, Kept, Learner, Rows
from cauce.reduce.search import Effort, Search

FEWEST = 100
"""Rows below which all are kept: there is nothing to gain."""
JUDGE_SHARE, MOST_JUDGES = 0.2, 100_000
SEARCH_PART = 0.5
"""Part of the budget for each search, where several shares may have to be tried."""


class MemeticReducer(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Keep few weighted rows from which a model is proven not worse than from all, or all rows with the reason why.

    Parameters
    ----------
    keep : float, int or None
        Share of the rows, or a number of them: so many stay (one more or less, and one of every class at least), and
        the evidence says whether they will do. None takes the smallest share that is proven not worse, and all rows
        where none is.
    margin : float
        The largest loss that the kept rows may cost, relative to the loss from all rows.
    budget_s : float
        Seconds for the search; what judges the rows takes its own. A search that the budget ends early is not
        reproducible.
    random_state : int, RandomState or None
        Seed of everything random: the same seed gives the same rows.
    models : mapping of str to learner or estimator, or None
        Families that the rows are kept for, and that have to be proven not worse: scikit-learn estimators (pipelines
        where columns have to be encoded; `sample_weight` is used where ``fit`` has it) or learners as
        `cauce.reduce.Learner` describes them. LightGBM as it comes when None.
    confidence : float
        One-sided, of the whole claim.
    accept_provable : bool
        Accept the smallest margin that the rows at hand can prove, where that is larger than `margin`.
    judge : float
        Share of the rows that is set aside to judge: never searched, never kept. 0 searches all rows and proves
        nothing; then `keep` has to be given.
    clean : bool
        Leave out rows that are probably mislabelled before searching. It raises accuracy on some data and costs log
        loss on most.
    one_nearest : bool
        Keep prototypes for the nearest-neighbour rule, as many as its accuracy and their fewness say, in place of rows
        for any model; `keep` and `judge` say nothing then.
    progress : Progress
        Told how far the work has come.

    Attributes
    ----------
    indices_ : ndarray of shape (n_kept,)
        Row numbers, ascending.
    weights_ : ndarray of shape (n_kept,)
        What each kept row stands for; together what all rows that were searched weigh.
    evidence_ : cauce.core.reduction.Reduction
        What was asked, tried and proven, with the reason in English and Spanish.

    Notes
    -----
    How it works and what it was measured against stands in docs/reducing.md.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> reducer = MemeticReducer(keep=0.2, judge=0.0, budget_s=5).fit(X, y)
    >>> len(reducer.indices_), round(reducer.weights_.sum())
    (114, 569)
    """

    def __init__(
        self,
        keep: float | None = None,
        margin: float = 0.01,
        budget_s: float = 60.0,
        random_state: Any = 0,
        *,
        models: Mapping[str, Any] | None = None,
        confidence: float = 0.95,
        accept_provable: bool = False,
        judge: float = JUDGE_SHARE,
        clean: bool = False,
        one_nearest: bool = False,
        progress: Progress = silent,
    ) -> None:
        self.keep, self.margin, self.budget_s, self.random_state = keep, margin, budget_s, random_state
        self.models, self.confidence, self.accept_provable = models, confidence, accept_provable
        self.judge, self.clean, self.one_nearest, self.progress = judge, clean, one_nearest, progress

    def __sklearn_tags__(self) -> Any:
        """Say what `fit` takes: missing values, one target."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def fit(
        self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None, groups: npt.ArrayLike | None = None
    ) -> Self:  # fmt: skip
        """Choose the rows.

        Parameters
        ----------
        X
            Shape (n_rows, n_columns): numbers, or a data frame or Arrow table of mixed types; missing values are fine.
        y
            Shape (n_rows,): labels, or numbers that are not all whole.
        sample_weight
            Shape (n_rows,), above zero.
        groups
            Shape (n_rows,): none of these groups may lose by more than the margin.

        Raises
        ------
        ValueError
            A parameter or the data make no sense.
        MissingExtra
            numba is not installed.
        """
        rows = self._encoded(X, y, sample_weight, groups).rows
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        n_keep = self._n_keep(len(rows))
        if self.one_nearest:
            return self._prototypes(rows, rng)
        if n_keep == len(rows) or (len(rows) < FEWEST and n_keep is None):
            return self._all(rows, _asked_for_all(len(rows)) if n_keep else _too_few(len(rows)))
        judges = _aside(rows, self.judge, len(rows) - (n_keep or 0), rng)
        searched = np.setdiff1d(np.arange(len(rows)), judges)
        kept, record = self._reduced(rows.take(searched), rows.take(judges), n_keep, rng)
        if record.accepted or n_keep is not None:
            self.indices_, self.weights_, self.evidence_ = searched[kept.indices], kept.weights, record
            return self
        record = replace(record, n_rows=len(rows), n_kept=len(rows))
        self.indices_, self.weights_ = np.arange(len(rows)), rows.weights.copy()
        self.evidence_ = replace(record, reason=write_reason(record))
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Choose the rows and return them with their labels, as imbalanced-learn's samplers do."""
        self.fit(X, y)
        if hasattr(X, "column_names"):
            return X.take(self.indices_), np.asarray(y)[self.indices_]
        return (X.iloc if hasattr(X, "iloc") else X)[self.indices_], np.asarray(y)[self.indices_]

    def _encoded(self, inputs: Any, target: Any, weights: Any, groups: Any) -> Encoded:
        if not 0.0 <= self.judge < 1.0 or (self.judge == 0.0 and self.keep is None and not self.one_nearest):
            raise ValueError(
                f"judge is {self.judge}, keep {self.keep}: without judges nothing is proven, so say `keep`"
            )
        mixed = hasattr(inputs, "column_names") or (
            hasattr(inputs, "dtypes") and any(getattr(kind, "kind", "O") not in "fiub" for kind in inputs.dtypes)
        )
        if mixed:
            self.n_features_in_ = len(inputs.columns)
            return encode(inputs, target, weights=weights, groups=groups)
        if target is None:
            raise ValueError("requires y to be passed, but the target y is None")
        checked, labels = validate_data(
            self, inputs, target, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        return encode(checked, labels, weights=weights, groups=groups)

    def _n_keep(self, n_rows: int) -> int | None:
        if self.keep is None:
            return None
        whole = isinstance(self.keep, int) or (self.keep > 1 and float(self.keep).is_integer())
        share = self.keep / n_rows if whole else self.keep
        if not 0 < share <= 1:
            raise ValueError(f"keep is {self.keep}: a share above 0 and up to 1, or a number of rows up to {n_rows}")
        return max(1, round(share * n_rows))

    def _all(self, rows: Rows, reason: Words) -> Self:
        self.indices_, self.weights_ = np.arange(len(rows)), rows.weights.copy()
        self.evidence_ = self._record("off", rows, len(rows), reason)
        return self

    def _prototypes(self, rows: Rows, rng: np.random.Generator) -> Self:
        from cauce.reduce.one_nearest import nearest_prototypes

        begun = time.monotonic()
        kept = nearest_prototypes(rows, rng, budget_s=self.budget_s)
        self.indices_, self.weights_ = kept
        n_kept = len(kept.indices)
        self.evidence_ = self._record("undecided", rows, n_kept, _unjudged(n_kept), time.monotonic() - begun)
        return self

    def _record(self, verdict: Any, rows: Rows, n_kept: int, reason: Words, seconds: float = 0.0) -> Reduction:
        share = None if self.keep is None else n_kept / len(rows)
        return Reduction(
            self.margin, self.confidence, share, verdict, len(rows), n_kept, 0, reason, search_seconds=seconds
        )

    def _reduced(
        self, rows: Rows, judges: Rows, n_keep: int | None, rng: np.random.Generator
    ) -> tuple[Kept, Reduction]:
        """Return the rows that a search keeps, proven or asked for, and the record."""
        begun = time.monotonic()
        families = self._families()
        propose = self._proposing(rows, families, n_keep, rng)
        share = None if n_keep is None else n_keep / len(rows)
        if not len(judges) or share == 1.0:
            kept = propose(share or 1.0)
            n_kept = len(kept.indices)
            return kept, self._record("undecided", rows, n_kept, _unjudged(n_kept), time.monotonic() - begun)
        terms = Terms(
            margin=self.margin,
            confidence=self.confidence,
            accept_provable=self.accept_provable,
            keep=share,
            shares=() if share is None else (share,),
            seed=int(rng.integers(2**31)),
        )
        proposed: dict[float, Kept] = {}

        def remembered(asked: float) -> Kept:
            if asked not in proposed:
                proposed[asked] = propose(asked)
            return proposed[asked]

        kept, record = prove(
            rows, Judges(judges), families=families, propose=remembered, terms=terms, progress=self.progress
        )
        if share is None or record.accepted:
            return kept, record
        kept = remembered(share)
        n_kept = len(kept.indices)
        said = _asked_for(n_kept)
        reason = {language: f"{said[language]} {text}" for language, text in record.reason.items()}
        return kept, replace(record, n_kept=n_kept, reason=reason)

    def _families(self) -> dict[str, Learner]:
        named = self.models or {"boosting": boosting}
        return {name: from_estimator(model) if hasattr(model, "fit") else model for name, model in named.items()}

    def _proposing(
        self, rows: Rows, families: Mapping[str, Learner], n_keep: int | None, rng: np.random.Generator
    ) -> Callable[[float], Kept]:
        """Return what keeps a share of the rows."""
        search = Search(rows, rng, clean=self.clean)
        effort = Effort(max(0.0, self.budget_s - search.preparation_s) * (1.0 if n_keep else SEARCH_PART))

        def propose(share: float) -> Kept:
            n_rows = max(1, round(share * len(rows)))
            return search.run(n_rows, rng, panel=families, effort=effort, progress=self.progress).kept

        return propose


def _aside(rows: Rows, share: float, most: int, rng: np.random.Generator) -> Ints:
    """Return the rows that judge: a share of every label, and `most` of them."""
    n_judges = min(round(share * len(rows)), MOST_JUDGES, most)
    order = np.lexsort([rng.random(len(rows)), labels(rows)])
    places = ((np.arange(n_judges) + rng.random()) * (len(rows) / max(1, n_judges))).astype(np.int64)
    return np.sort(order[places])


def _asked_for_all(n_rows: int) -> Words:
    return {
        "en": f"All {number(n_rows, 'en')} rows stay, as was asked.",
        "es": f"Se conservan las {number(n_rows, 'es')} filas, como se pidió.",
    }


def _asked_for(n_kept: int) -> Words:
    return {
        "en": f"{number(n_kept, 'en')} rows stay because so many were asked for, not because it was proven. Without "
        "that:",
        "es": f"Se conservan {number(n_kept, 'es')} filas porque se pidieron, no porque esté probado. Sin eso:",
    }


def _too_few(n_rows: int) -> Words:
    few, least = ({language: number(n, language) for language in ("en", "es")} for n in (n_rows, FEWEST))
    return {
        "en": f"All {few['en']} rows stay: below {least['en']} there is nothing to gain.",
        "es": f"Se conservan las {few['es']} filas: por debajo de {least['es']} no hay nada que ganar.",
    }


def _unjudged(n_kept: int) -> Words:
    return {
        "en": f"{number(n_kept, 'en')} rows stay. No rows were set aside to judge them, so nothing is proven.",
        "es": f"Se conservan {number(n_kept, 'es')} filas. No se apartaron filas para juzgarlas: nada está probado.",
    }
