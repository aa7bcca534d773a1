"""AutoGluon, `medium_quality`: its weighted ensemble of everything that fitted in time."""

from __future__ import annotations

from typing import Any

from autogluon.tabular import TabularPredictor
from benchmarks.select.contestants.contest import Entry, Fitted, megabytes, run


def fit(asked: Entry, train: Any) -> Fitted:
    """Fit with the preset's defaults on one core; its best model is kept in memory, as for serving."""
    predictor = TabularPredictor(
        label=asked.target,
        problem_type=None if asked.classify else "regression",
        eval_metric="log_loss" if asked.classify else "root_mean_squared_error",
        path=str(asked.out / "models"),
        verbosity=1,
    )
    predictor.fit(train, presets="medium_quality", time_limit=asked.seconds, num_cpus=1, num_gpus=0)
    light = predictor.clone_for_deployment(str(asked.out / "deployed"), return_clone=True)
    light.persist()
    return Fitted(
        predict=light.predict_proba if asked.classify else light.predict,
        classes=[str(label) for label in predictor.class_labels] if asked.classify else [],
        chosen=f"{predictor.model_best}: {_parts(predictor)}",
        size_mb=megabytes(asked.out / "deployed"),
        libraries=("autogluon.tabular", "lightgbm", "catboost", "xgboost-cpu", "torch", "fastai"),
    )


def _parts(predictor: Any) -> str:
    try:
        weights = predictor.info()["model_info"][predictor.model_best]["children_info"]["S1F1"]["model_weights"]
    except KeyError:  # a single model
        return "alone"
    return " + ".join(f"{weight:.2f} {name}" for name, weight in weights.items())


if __name__ == "__main__":
    run(fit)
