"""Run by a Python that has ONNX Runtime: converts a booster, times it on a matrix, writes what it said.

PYTHON onnx_rows.py booster.txt matrix.npy answer.json
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnxmltools  # type: ignore[import-not-found]
import onnxruntime  # type: ignore[import-not-found]
from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-not-found]

ROUNDS, SECONDS = 30, 0.004


def main(text: Path, matrix: Path, answer: Path) -> None:
    """Time batches of 1, 16 and 64 rows, as `run.py` does."""
    booster, rows = lightgbm.Booster(model_file=text), np.load(matrix).astype(np.float32)
    model = onnxmltools.convert_lightgbm(
        booster, initial_types=[("rows", FloatTensorType([None, rows.shape[1]]))], zipmap=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"rows": rows})[0]
    seconds = {}
    for n in (1, 16, 64):
        batches = [{"rows": rows[at : at + n]} for at in range(0, len(rows) - n + 1, n)]
        seconds[str(n)] = [timed(session, batches) for _ in range(ROUNDS)]
    versions = {name: version(name) for name in ("onnxruntime", "onnxmltools", "lightgbm", "numpy")}
    answer.write_text(json.dumps({"seconds": seconds, "said": found[:, 1].tolist(), "versions": versions}))


def timed(session: onnxruntime.InferenceSession, batches: list[dict[str, Any]]) -> float:
    """Return seconds of this process for one batch: others on the core do not count."""
    calls, began = 0, time.process_time()
    while (spent := time.process_time() - began) < SECONDS:
        for batch in batches:
            session.run(["probabilities"], batch)
        calls += len(batches)
    return spent / calls


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
