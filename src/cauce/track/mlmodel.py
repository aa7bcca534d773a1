"""The files by which MLflow knows a package: MLmodel with its signature, and the requirements.

Written without `mlflow.pyfunc.save_model`, which would also write a conda.yaml and may look for requirements by running
the model. The types in the signature are those that MLflow's check can hold without refusing what Cauce accepts: it
lets no int64 into a double column and no text into a datetime column, so such columns say `any`, and their kind stands
in the metadata.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.artefacts import Column, Training

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, TensorSpec

DATA_PATH = "package"
DIGEST = "cauce_digest"
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def write_mlmodel(folder: Path, training: Training, digest: str, *, run_id: str, classes: tuple[str, ...]) -> None:
    """Write MLmodel, requirements.txt and python_env.yaml into `folder`, beside the package in ``package/``."""
    from mlflow.models import Model
    from mlflow.pyfunc import add_to_model

    model = Model(
        artifact_path="model",
        run_id=run_id,
        utc_time_created=training.created_at.replace(tzinfo=None),
        signature=_signature(training, classes),
        model_uuid=training.fingerprint[:32],
        metadata=_metadata(training, digest),
    )
    add_to_model(  # type: ignore[no-untyped-call]
        model, loader_module="cauce.track.pyfunc", data=DATA_PATH, python_env="python_env.yaml"
    )
    model.save(str(folder / "MLmodel"))
    (folder / "requirements.txt").write_text(_requirements(training.libraries), encoding="utf-8")
    environment = (
        f"python: {platform.python_version()}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n"
    )
    (folder / "python_env.yaml").write_text(environment, encoding="utf-8")


def _metadata(training: Training, digest: str) -> dict[str, Any]:
    columns = [{"name": c.name, "kind": c.kind, "nullable": c.nullable} for c in training.spec.schema]
    return {
        DIGEST: digest,
        "cauce_model": training.model,
        "cauce_task": training.task,
        "cauce_rung": training.rung,
        "cauce_fingerprint": training.fingerprint,
        "cauce_columns": columns,
    }


def _signature(training: Training, classes: tuple[str, ...]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, DataType, Schema

    spec, columns = training.spec, list(training.spec.schema)
    inputs: list[ColSpec | TensorSpec] = [
        _input(column, training.snapshot.types.get(column.name, "")) for column in columns
    ]
    key: list[ColSpec | TensorSpec] = []
    if spec.key is not None and spec.key not in spec.schema.names:
        inputs.insert(0, ColSpec(_any(), spec.key, required=False))
        key = [ColSpec(_any(), spec.key, required=False)]
    numbers = [f"prob_{name}" for name in classes] or ["lower", "upper"]
    prediction = ColSpec(DataType.string if classes else DataType.double, "prediction")
    outputs: list[ColSpec | TensorSpec] = [*key, prediction, *(ColSpec(DataType.double, name) for name in numbers)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _input(column: Column, arrow_type: str) -> ColSpec:
    from mlflow.types.schema import ColSpec, DataType

    kinds: Mapping[str, DataType] = {"text": DataType.string, "category": DataType.string}
    strict = kinds.get(column.kind) if arrow_type in {"string", "large_string"} else None
    if not column.nullable:
        strict = {"integer": DataType.long, "boolean": DataType.boolean}.get(column.kind, strict)
    return ColSpec(strict or _any(), column.name, required=not column.nullable)


def _any() -> AnyType:
    from mlflow.types.schema import AnyType

    return AnyType()  # type: ignore[no-untyped-call]


def _requirements(libraries: Mapping[str, str]) -> str:
    try:
        own = f"cauce=={metadata.version('cauce')}"
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        own = "cauce"
    others = [f"{name}=={version}" for name, version in sorted(libraries.items()) if _is_distribution(name)]
    return "\n".join([own, *others]) + "\n"


def _is_distribution(name: str) -> bool:
    return bool(_DISTRIBUTION.fullmatch(name)) and name.lower() not in {"python", "cauce"}
