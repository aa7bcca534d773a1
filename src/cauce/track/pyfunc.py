"""What MLflow calls to load a release in an ordinary client: `mlflow.pyfunc.load_model("models:/<model>@champion")`.

The package is verified before anything is parsed, against the digest in MLmodel's metadata, and, where the package
still lies in its project, against the registry's tag too. The first protects against damage and against a change of the
package alone; whoever can rewrite MLmodel and the package together is caught by the second only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.artefacts import Training
from cauce.core.errors import Tampered, UserError
from cauce.core.protocols import Fitted
from cauce.track.database import Database
from cauce.track.mlmodel import DIGEST
from cauce.track.package import open_package

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class CaucePredictor:
    """A release as MLflow's client sees it: takes raw rows, gives the columns of `cauce predict`."""

    fitted: Fitted
    training: Training

    def predict(self, rows: pd.DataFrame | Mapping[str, Any], params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Predict raw rows.

        Parameters
        ----------
        rows
            A data frame, or lists by column. Columns that may be missing may be left out; others are ignored.
        params
            None is known; MLflow hands it on.

        Returns
        -------
        pd.DataFrame
            The key where the input has it, then ``prediction`` and ``prob_<class>``, or ``lower`` and ``upper``.
            The index is the input's.
        """
        import pandas as pd

        frame = _exploded(pd.DataFrame(rows))
        self._check_columns(frame)
        answer = self.fitted.predict(self._to_arrow(frame)).to_pandas()
        answer.index = frame.index
        key = self.training.spec.key
        if key is not None and key in frame.columns:
            answer.insert(0, key, frame[key])
        return answer

    def _check_columns(self, frame: pd.DataFrame) -> None:
        missing = [c.name for c in self.fitted.schema if not c.nullable and c.name not in frame.columns]
        if missing:
            hint = f"Columns: {', '.join(self.fitted.schema.names)}."
            raise UserError("columns are missing", where=self.training.model, received=missing, hint=hint)

    def _to_arrow(self, frame: pd.DataFrame) -> pa.Table:
        import pyarrow as pa

        columns = {}
        for column in self.fitted.schema:
            if column.name not in frame.columns:
                columns[column.name] = pa.nulls(len(frame))
                continue
            try:
                values = pa.Array.from_pandas(frame[column.name])
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                where = f"{self.training.model}, column {column.name}"
                raise UserError(f"values of several types: {error}", where=where, hint="Use one type.") from error
            columns[column.name] = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        return pa.table(columns)


def _load_pyfunc(data_path: str) -> CaucePredictor:
    """Load a package for MLflow, which looks for a function of this name."""
    folder = Path(data_path)
    package = open_package(folder, _digest_of(folder))
    return CaucePredictor(package.fitted, package.training)


def _digest_of(folder: Path) -> str:
    from mlflow.models import Model

    path = folder.parent / "MLmodel"
    digest = (Model.load(str(path)).metadata or {}).get(DIGEST)
    if not isinstance(digest, str):
        raise Tampered("carries no digest", where=str(path), hint="Train again, or restore the folder from a backup.")
    registered = _registered_digest(folder)
    if registered is not None and registered != digest:
        hint = "Nothing of this release was loaded. Restore the folder from a backup, or train again."
        raise Tampered("the digest is not the one in the registry", where=str(path), hint=hint)
    return digest


def _registered_digest(folder: Path) -> str | None:
    """Return the registry's tag where `folder` is ``models/<model>/<run>/artifacts/model/package`` of a project."""
    parents = folder.resolve().parents
    if len(parents) < 6 or not (parents[5] / "mlflow.db").is_file():
        return None
    database, run, model = Database(parents[5] / "mlflow.db"), parents[2].name, parents[3].name
    version = database.version_of_run(model, run)
    return None if version is None else database.tag(model, version, "cauce.digest")


def _exploded(frame: pd.DataFrame) -> pd.DataFrame:
    """Undo MLflow's reading of lists by column, all of text, as one row of lists."""
    if len(frame) == 1 and all(isinstance(value, list) for value in frame.iloc[0]):
        return frame.explode(list(frame.columns), ignore_index=True)
    return frame
