"""The rungs of both ladders, simplest first: titles, settings, what tuning may vary, and when a rung does not apply."""

from __future__ import annotations

from collections.abc import Mapping

from cauce.core.artefacts import Candidate, Fault, TaskSpec, Words
from cauce.core.protocols import ProfileView
from cauce.core.spaces import Options, Range, Real, Value, Whole
from cauce.tasks.tabular import forest, grow, monotone
from cauce.tasks.tabular.design import MOST_LEVELS

Remedies = Mapping[Fault, Mapping[str, Value]]
NAMES = ("prior", "linear", "additive", "forest", "boosting", "tuned", "mlp")
FEWEST_ROWS = 20
"""Below this the learning rungs are skipped."""
MOST_ROWS = 300_000
"""Beyond these, networks are skipped."""
MOST_CELLS = 50_000_000
"""Rows × design columns that networks may see, 200 MB of them."""
LOWEST_L1 = 0.001
"""As good as none, and above 0 so that factors can be searched."""

Starts = tuple[Mapping[str, Value], ...]
RANDOM_CUTS: Mapping[str, Value] = {
    "extra_trees": True,
    "feature_fraction": 1.0,
    "lambda_l2": 0.1,
    "min_data_in_leaf": 2,
}
HELD_BACK: Mapping[str, Value] = {"feature_fraction": 0.5, "bagging_fraction": 0.6, "lambda_l2": 10.0}
SMALL_STARTS: Starts = ({"extra_trees": True}, RANDOM_CUTS, HELD_BACK, {})
LARGE_STARTS: Starts = (
    {"num_leaves": 96, "feature_fraction": 0.9},
    {},
    {"num_leaves": 127, "learning_rate": 0.03, "feature_fraction": 0.9, "min_data_in_leaf": 3},
    RANDOM_CUTS,
)
"""Where tuning begins, as changes to untuned boosting, most promising first: each was best on some public set."""

LINEAR_REMEDIES: Remedies = {"overfit": {"strength": 0.001}, "underfit": {"strength": 100.0}}
TREE_REMEDIES: Remedies = {
    "overfit": {"num_leaves": 6, "min_data_in_leaf": 20, "lambda_l2": 10.0},
    "underfit": {"num_leaves": 127, "min_data_in_leaf": 5, "lambda_l2": 0.01},
}
ADDITIVE_REMEDIES: Remedies = {
    "overfit": {"num_leaves": 3, "min_data_in_leaf": 20, "lambda_l2": 10.0},
    "underfit": {"num_leaves": 31, "min_data_in_leaf": 5, "lambda_l2": 0.01},
}
FOREST_REMEDIES: Remedies = {
    "overfit": {"min_data_in_leaf": 10},
    "underfit": {"num_leaves": 2048, "min_data_in_leaf": 1},
}
MLP_REMEDIES: Remedies = {"overfit": {"hidden": 32, "dropout": 0.5}, "underfit": {"hidden": 256, "dropout": 0.1}}
"""What is beyond a rung's usual settings on either side; where data are few, leaves of 20 rows bind as well."""

SHARES: Words = {"en": "class shares", "es": "proporciones de las clases"}
MEAN: Words = {"en": "mean", "es": "media"}
MEDIAN: Words = {"en": "median", "es": "mediana"}
LINEAR: Words = {"en": "regularised linear model", "es": "modelo lineal regularizado"}
ADDITIVE: Words = {"en": "sum of one curve per column", "es": "suma de una curva por columna"}
FOREST: Words = {"en": "random forest", "es": "bosque aleatorio"}
MLP: Words = {"en": "neural network", "es": "red neuronal"}
BOOSTING: Words = {"en": "gradient boosted trees", "es": "árboles de decisión potenciados por gradiente"}
TUNED: Words = {
    "en": "gradient boosted trees, tuned",
    "es": "árboles de decisión potenciados por gradiente, con ajuste de parámetros",
}
NO_COLUMNS: Words = {"en": "there is no column to learn from", "es": "no hay ninguna columna de la que aprender"}


def candidates(spec: TaskSpec, profile: ProfileView, first: Words) -> tuple[Candidate, ...]:
    """Return the ladder; a rung is skipped where it cannot learn, or where it would take too long, with the reason.

    Raises
    ------
    UserError
        Columns that predictions may only rise or fall with cannot be so.
    """
    skip = _skip(spec, profile)
    n_classes = profile.n_distinct(spec.target) if spec.task == "classify" else 1
    monotone.signs(spec, n_classes if spec.task == "classify" else None)
    known = grow.defaults(profile.n_rows, n_classes if n_classes > 2 else 1) | {"lambda_l1": LOWEST_L1}
    space = _boosting_space(spec)
    changes = LARGE_STARTS if profile.n_rows >= grow.MANY_ROWS else SMALL_STARTS
    params, *starts = ({name: {**known, **change}[name] for name in space} for change in changes)
    return (
        Candidate("prior", first, interpretable=True),
        Candidate("linear", LINEAR, {"strength": 0.0}, skip=skip, interpretable=True, remedies=LINEAR_REMEDIES),
        Candidate("additive", ADDITIVE, skip=skip, interpretable=True, remedies=ADDITIVE_REMEDIES),
        Candidate("forest", FOREST, skip=skip or _no_forest(n_classes), growth=1.1, remedies=FOREST_REMEDIES),
        Candidate("boosting", BOOSTING, skip=skip, favourite=True, remedies=TREE_REMEDIES),
        Candidate("tuned", TUNED, params, skip=skip, space=space, starts=tuple(starts), remedies=TREE_REMEDIES),
        Candidate("mlp", MLP, skip=skip or _no_networks(spec, profile), remedies=MLP_REMEDIES),
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


def _no_forest(n_classes: int) -> Words | None:
    if n_classes <= forest.MOST_CLASSES:
        return None
    return {
        "en": f"a forest is grown for each class; {n_classes} classes are more than {forest.MOST_CLASSES}",
        "es": f"se cultiva un bosque por clase; {n_classes} clases son más de {forest.MOST_CLASSES}",
    }


def _no_networks(spec: TaskSpec, profile: ProfileView) -> Words | None:
    """Return why networks would not do, or None: too many rows or columns, or predictions that may only rise."""
    if spec.monotone:
        return {
            "en": "a network cannot be held to rise or fall with a column",
            "es": "a una red no se le puede exigir que suba o baje con una columna",
        }
    width = sum(min(MOST_LEVELS, profile.n_distinct(c.name)) for c in spec.schema if c.kind == "category")
    width += sum(c.kind not in {"category", "text"} for c in spec.schema)
    if profile.n_rows <= MOST_ROWS and profile.n_rows * width <= MOST_CELLS:
        return None
    return {
        "en": f"{profile.n_rows} rows × {width} columns would take networks too long",
        "es": f"{profile.n_rows} filas × {width} columnas llevarían demasiado tiempo a las redes",
    }


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
