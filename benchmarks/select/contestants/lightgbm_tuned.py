"""LightGBM tuned by hand, as a careful practitioner would: 50 Optuna trials, early stopping, refitted on all rows.

Trials are judged by five folds where that is cheap (training rows × trees a round at most 4,000), else on a fifth of
the rows set aside. `seconds` is not looked at: the trials are what is fixed, and the time they took is recorded.
"""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import optuna
from benchmarks.select.contestants.contest import Entry, Fitted, run
from sklearn.model_selection import KFold, StratifiedKFold

TRIALS = 50
FOLDS = 5
MOST_ROUNDS = 1_000
PATIENCE = 30
CHEAP = 4_000


def fit(asked: Entry, train: Any) -> Fitted:
    """Tune, then fit once more on all rows with the mean number of rounds."""
    inputs = train.drop(columns=asked.target)
    classes: Any = []
    target = train[asked.target].to_numpy()
    if asked.classify:
        classes, target = np.unique(target, return_inverse=True)
    base = _base(len(classes), asked.seed)
    folds = _folds(asked, inputs, target, base.get("num_class", 1))

    def objective(trial: optuna.Trial) -> float:
        params = base | _draw(trial)
        losses, rounds = [], []
        for step, (teach, judge) in enumerate(folds):
            booster = lgb.train(
                params,
                lgb.Dataset(inputs.iloc[teach], target[teach], params=params),
                MOST_ROUNDS,
                valid_sets=[lgb.Dataset(inputs.iloc[judge], target[judge], params=params)],
                callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
            )
            losses.append(next(iter(booster.best_score["valid_0"].values())))
            rounds.append(booster.best_iteration)
            trial.report(float(np.mean(losses)), step)
            if step + 1 < len(folds) and trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("rounds", int(np.ceil(np.mean(rounds))))
        return float(np.mean(losses))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=asked.seed))
    study.optimize(objective, n_trials=TRIALS)
    params, rounds = base | study.best_params, study.best_trial.user_attrs["rounds"]
    booster = lgb.train(params, lgb.Dataset(inputs, target), rounds)

    def predict(rows: Any) -> Any:
        found = np.asarray(booster.predict(rows, num_threads=1))
        return np.column_stack([1 - found, found]) if len(classes) == 2 else found

    return Fitted(
        predict=predict,
        classes=[str(label) for label in classes],
        chosen=f"{rounds} rounds, {params['num_leaves']} leaves, rate {params['learning_rate']:.3f}",
        size_mb=len(booster.model_to_string().encode()) / 1e6,
        libraries=("lightgbm", "optuna"),
    )


def _base(n_classes: int, seed: int) -> dict[str, Any]:
    kind: dict[str, Any] = {"objective": "regression", "metric": "l2"}
    if n_classes == 2:
        kind = {"objective": "binary", "metric": "binary_logloss"}
    elif n_classes:
        kind = {"objective": "multiclass", "metric": "multi_logloss", "num_class": n_classes}
    return kind | {"seed": seed, "num_threads": 1, "verbose": -1, "bagging_freq": 1}


def _draw(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 256, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 2, 128, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        "lambda_l1": trial.suggest_float("lambda_l1", 1e-3, 10, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 10, log=True),
    }


def _folds(asked: Entry, inputs: Any, target: Any, trees: int) -> list[tuple[Any, Any]]:
    dealer = StratifiedKFold if asked.classify else KFold
    folds = list(dealer(FOLDS, shuffle=True, random_state=asked.seed).split(inputs, target))
    return folds if len(inputs) * trees <= CHEAP else folds[:1]


if __name__ == "__main__":
    run(fit)
