"""The rungs of both ladders, simplest first: titles, settings, what tuning may vary, and when a rung does not apply."""

from __future__ import annotations

from collections.abc import Mapping

from cauce.core.artefacts import Candidate, Fault, TaskSpec, Words
from cauce.core.protocols import ProfileView
from cauce.core.spaces import Options, Range, Real, Value, Whole
from cauce.tasks.tabular import grow

Remedies = Mapping[Fault, Mapping[str, Value]]
FEWEST_ROWS = 20
"""Below this the learning rungs are skipped."""
LOWEST_L1 = 0.001
"""As good as none, and above 0 so that factors can be searched."""

LINEAR_REMEDIES: Remedies = {"overfit": {"strength": 0.001}, "underfit": {"strength": 100.0}}
TREE_REMEDIES: Remedies = {
    "overfit": {"num_leaves": 6, "min_data_in_leaf": 20, "lambda_l2": 10.0},
    "underfit": {"num_leaves": 127, "min_data_in_leaf": 5, "lambda_l2": 0.01},
}
"""What is beyond a rung's usual settings on either side; where data are few, leaves of 20 rows bind as well."""

SHARES: Words = {"en": "class shares", "es": "proporciones de las clases"}
MEAN: Words = {"en": "mean", "es": "media"}
MEDIAN: Words = {"en": "median", "es": "mediana"}
LINEAR: Words = {"en": "regularised linear model", "es": "modelo lineal regularizado"}
BOOSTING: Words = {"en": "gradient boosted trees", "es": "árboles de decisión potenciados por gradiente"}
TUNED: Words = {
    "en": "gradient boosted trees, tuned",
    "es": "árboles de decisión potenciados por gradiente, con ajuste de parámetros",
}
NO_COLUMNS: Words = {"en": "there is no column to learn from", "es": "no hay ninguna columna de la que aprender"}


def candidates(spec: TaskSpec, profile: ProfileView, first: Words) -> tuple[Candidate, ...]:
    """Return the ladder; the learning rungs are skipped without columns or with too few rows."""
    skip = _skip(spec, profile)
    n_classes = profile.n_distinct(spec.target) if spec.task == "classify" else 1
    start = grow.defaults(profile.n_rows, n_classes if n_classes > 2 else 1)
    start |= {"lambda_l1": LOWEST_L1, "extra_trees": True}  # where boosting is not: the search knows both sides at once
    space = _boosting_space(spec)
    return (
        Candidate("prior", first, interpretable=True),
        Candidate("linear", LINEAR, {"strength": 0.0}, skip=skip, interpretable=True, remedies=LINEAR_REMEDIES),
        Candidate("boosting", BOOSTING, skip=skip, remedies=TREE_REMEDIES),
        Candidate(
            "tuned", TUNED, {name: start[name] for name in space}, skip=skip, space=space, remedies=TREE_REMEDIES
        ),
    )


def _skip(spec: TaskSpec, profile: ProfileView) -> Words | None:
    """Return why no rung can learn here, or None."""
    if not len(spec.schema):
        return NO_COLUMNS
    if profile.n_rows < FEWEST_ROWS:
        return {
            "en": f"{profile.n_rows} rows are too few to learn from; it takes {FEWEST_ROWS}",
            "es": f"{profile.n_rows} filas son muy pocas para aprender; hacen falta {FEWEST_ROWS}",
        }
    return None


def _boosting_space(spec: TaskSpec) -> Mapping[str, Range]:
    space: dict[str, Range] = {
        "learning_rate": Real(0.01, 0.3, log=True),
        "num_leaves": Whole(4, 256, log=True),
        "min_data_in_leaf": Whole(2, 100, log=True),
        "feature_fraction": Real(0.3, 1.0),
        "bagging_fraction": Real(0.5, 1.0),
        "lambda_l1": Real(LOWEST_L1, 10.0, log=True),
        "lambda_l2": Real(0.001, 100.0, log=True),
        "extra_trees": Options((False, True)),
    }
    if any(column.kind == "category" for column in spec.schema):
        space["cat_smooth"] = Real(1.0, 100.0, log=True)
    return space
