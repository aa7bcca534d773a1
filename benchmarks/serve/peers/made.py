"""Writes the model in the form that a peer's own command reads: `python made.py mlflow|mlserver FOLDER`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from benchmarks.serve.peers.taken import FOLDER, booster, pipeline


def mlflow_models(folder: Path) -> None:
    """Write pyfunc models: the booster by its flavour, the pipeline with probabilities as its answer."""
    import mlflow.lightgbm
    import mlflow.sklearn

    mlflow.lightgbm.save_model(booster(), folder / "boosting", pip_requirements=[])
    mlflow.sklearn.save_model(
        pipeline("linear"), folder / "linear", pyfunc_predict_fn="predict_proba", pip_requirements=[],
        serialization_format="cloudpickle",
    )  # fmt: skip


def mlserver_models(folder: Path) -> None:
    """Write a folder per model with its settings."""
    import joblib  # type: ignore[import-untyped]

    for kind, runtime in (
        ("boosting", "mlserver_lightgbm.LightGBMModel"),
        ("linear", "mlserver_sklearn.SKLearnModel"),
    ):
        own = folder / kind
        own.mkdir(parents=True)
        file = "model.bst" if kind == "boosting" else "model.joblib"
        if kind == "boosting":
            shutil.copy(FOLDER / "boosting.txt", own / file)
        else:
            joblib.dump(pipeline("linear"), own / file)
        settings = {"name": "model", "implementation": runtime, "parameters": {"uri": f"./{file}"}}
        (own / "model-settings.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    {"mlflow": mlflow_models, "mlserver": mlserver_models}[sys.argv[1]](Path(sys.argv[2]))
