"""Finished folds kept on disk: one Arrow file per rung and fold, so that a killed climb goes on where it was.

A file says what it was made from; one made from other rows, parameters or settings is passed over and written again.
The rows' content is not looked at: the caller gives a folder that belongs to one content alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Losses, TaskSpec
from cauce.core.files import fingerprint, write_bytes
from cauce.core.names import check_name


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One rung on one fold."""

    losses: Losses
    fit_seconds: float
    predict_us_per_row: float


Rows = npt.NDArray[np.int64]


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
        times = json.loads(said[b"times"])
        groups = np.asarray(table["group"].to_pylist(), dtype=np.str_) if "group" in table.column_names else None
        units = np.asarray(table["unit"].to_pylist(), dtype=np.str_)
        losses = Losses(np.array(table["loss"].to_numpy()), units, groups)
        return FoldResult(losses, times["fit_seconds"], times["predict_us_per_row"])

    def write(self, candidate: Candidate, fold: int, train: Rows, test: Rows, *, result: FoldResult) -> None:
        """Keep one fold, atomically and synced."""
        import pyarrow as pa

        if self.folder is None:
            return
        columns: dict[str, Any] = {"loss": result.losses.values, "unit": result.losses.units.tolist()}
        if result.losses.groups is not None:
            columns["group"] = result.losses.groups.tolist()
        times = {"fit_seconds": result.fit_seconds, "predict_us_per_row": result.predict_us_per_row}
        said = {"inputs": self._inputs(candidate, train, test), "times": json.dumps(times)}
        table = pa.table(columns).replace_schema_metadata(said)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_bytes(self._path(candidate, fold), sink.getvalue().to_pybytes())

    def _path(self, candidate: Candidate, fold: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{check_name(candidate.name, where='name of a candidate')}.{fold}.arrow"

    def _inputs(self, candidate: Candidate, train: Rows, test: Rows) -> str:
        return fingerprint(candidate, self.spec, np.ascontiguousarray(train).tobytes(), test.tobytes())
