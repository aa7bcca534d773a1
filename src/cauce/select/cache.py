"""Finished folds kept on disk: one Arrow file per rung, settings and fold, so that a killed climb goes on where it was.

A file says what it was made from; one made from other rows, parameters or settings is passed over and written again.
The rows' content is not looked at: the caller gives a folder that belongs to one content alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Losses, TaskSpec
from cauce.core.files import fingerprint, write_bytes
from cauce.core.names import check_name

if TYPE_CHECKING:
    import pyarrow as pa

SAID = "said:"
"""Prefix of the columns that hold predictions."""
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cost:
    """What a fitted rung costs, measured on one fold."""

    fit_seconds: float
    predict_us_per_row: float
    """Microseconds a row when up to 1,000 rows are predicted together."""
    predict_ms_one_row: float | None = None
    """Milliseconds for one row alone, the median of some tries; None where it was not measured."""
    size_bytes: int | None = None
    """Of the files that it saves; None where they were not counted."""


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One rung on one fold."""

    losses: Losses
    cost: Cost
    predicted: pa.Table | None = None
    """The numbers that were predicted for the fold's test rows, as `Fitted.predict` names them; None where the
    predictions are too many to keep."""


@dataclass(frozen=True)
class FoldCache:
    """Folds of one climb under `folder`; without a folder nothing is kept.

    Parameters
    ----------
    folder
        Belongs to one content of the rows; made when the first fold is kept.
    spec
        Settings of the model.
    """

    folder: Path | None
    spec: TaskSpec

    def read(self, candidate: Candidate, fold: int, train: Rows, test: Rows) -> FoldResult | None:
        """Return what was kept, or None when there is nothing, or nothing that can be used."""
        import pyarrow as pa

        if self.folder is None:
            return None
        try:
            with pa.ipc.open_file(pa.BufferReader(self._path(candidate, fold).read_bytes())) as reader:
                table, said = reader.read_all(), reader.schema.metadata or {}
        except (FileNotFoundError, pa.ArrowInvalid):
            return None
        if said.get(b"inputs", b"").decode() != self._inputs(candidate, train, test):
            return None
        groups = np.asarray(table["group"].to_pylist(), dtype=np.str_) if "group" in table.column_names else None
        units = np.asarray(table["unit"].to_pylist(), dtype=np.str_)
        losses = Losses(np.array(table["loss"].to_numpy()), units, groups)
        named = [name for name in table.column_names if name.startswith(SAID)]
        predicted = table.select(named).rename_columns([name.removeprefix(SAID) for name in named]) if named else None
        return FoldResult(losses, Cost(**json.loads(said[b"cost"])), predicted)

    def write(self, candidate: Candidate, fold: int, train: Rows, test: Rows, *, result: FoldResult) -> None:
        """Keep one fold, atomically and synced."""
        import pyarrow as pa

        if self.folder is None:
            return
        columns: dict[str, Any] = {"loss": result.losses.values, "unit": result.losses.units.tolist()}
        if result.losses.groups is not None:
            columns["group"] = result.losses.groups.tolist()
        if result.predicted is not None and result.predicted.num_rows == len(result.losses.values):
            columns |= {SAID + name: result.predicted[name] for name in result.predicted.column_names}
        said = {"inputs": self._inputs(candidate, train, test), "cost": json.dumps(asdict(result.cost))}
        table = pa.table(columns).replace_schema_metadata(said)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_bytes(self._path(candidate, fold), sink.getvalue().to_pybytes())

    def _path(self, candidate: Candidate, fold: int) -> Path:
        assert self.folder is not None
        name = check_name(candidate.name, where="name of a candidate")
        settings = f".{fingerprint(dict(candidate.params))[:16]}" if candidate.space else ""
        return self.folder / f"{name}{settings}.{fold}.arrow"

    def _inputs(self, candidate: Candidate, train: Rows, test: Rows) -> str:
        rows = (np.ascontiguousarray(train).tobytes(), np.ascontiguousarray(test).tobytes())
        return fingerprint(candidate.name, dict(candidate.params), self.spec, *rows)
