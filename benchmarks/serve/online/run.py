"""What one row costs, and 16 and 64, from plain values to lists of answers: Cauce's quick way beside others.

    taskset -c 1 python -m benchmarks.serve.online.run [--onnx PYTHON]

`--onnx` names a Python with onnxruntime, onnxmltools and lightgbm, which Cauce does not need. Every round times each
way once, for 4 ms, over different rows; the answer is the median of 30 rounds, with a bootstrapped interval of 95 %.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.serve.online import flat
from benchmarks.serve.online.cases import SEED, fit

from cauce.core.plain import to_table
from cauce.tasks.tabular.boosting import Boosting
from cauce.tasks.tabular.fitted import Classifier
from cauce.tasks.tabular.online import RowEncoder, listed
from cauce.tasks.tabular.single_rows import Trees

HERE = Path(__file__).resolve().parent
SIZES = (1, 16, 64)
ROUNDS, SECONDS = 30, 0.004
CONTROL = "Fitted.predict of an Arrow table"
Rows = list[list[Any]]
Way = Callable[[Rows], Any]


def ways(fitted: Classifier) -> Mapping[str, Way]:
    """Return all ways from rows to lists, the control first, Cauce's last."""
    schema, classes, encode, model = fitted.schema, fitted.classes, RowEncoder(fitted.encoder), fitted.model

    def through(predict: Callable[[Any], Any]) -> Way:
        def way(rows: Rows) -> Any:
            shares = predict(encode(rows))
            return listed(shares, shares.argmax(axis=1), classes)

        return way

    found: dict[str, Way] = {CONTROL: lambda rows: fitted.predict(to_table(rows, schema)).to_pydict()}
    found["encoded rows, the model's predict"] = through(model.predict)
    if isinstance(model, Boosting):
        found["encoded rows, PredictForMat by ctypes"] = through(_by_matrix(model))
        walk = flat.walker(model.booster)
        if walk is not None:
            found["encoded rows, flat trees by numba"] = through(lambda rows: _two(walk(model.matrix(rows))))
        found["encoded rows, a call for each row"] = through(Trees(model).predict)
    found["online"] = fitted.online()
    return found


def _by_matrix(model: Boosting) -> Callable[[Any], Any]:
    from lightgbm import basic

    library: Any = getattr(basic, "_LIB")  # noqa: B009 - not among the names that it exports
    call = ctypes.CDLL(None, handle=library._handle).LGBM_BoosterPredictForMat  # noqa: SLF001
    pointer, number = ctypes.c_void_p, ctypes.c_int
    call.argtypes = [pointer, pointer, *[number] * 7, ctypes.c_char_p, pointer, pointer]
    length, booster = ctypes.c_int64(), model.booster

    def predict(encoded: Any) -> Any:
        matrix = model.matrix(encoded)
        out = np.empty(len(matrix))
        shape = (1, *matrix.shape, 1, 0, 0, -1)
        given = (booster._handle, matrix.ctypes.data, *shape, b"num_threads=1")  # noqa: SLF001
        assert call(*given, ctypes.addressof(length), out.ctypes.data) == 0
        return _two(out)

    return predict


def _two(second: Any) -> Any:
    return np.column_stack([1 - second, second])


def timed(way: Way, batches: list[Rows]) -> float:
    """Return seconds of this process for one batch: others on the core do not count."""
    calls, began = 0, time.process_time()
    while (spent := time.process_time() - began) < SECONDS:
        for batch in batches:
            way(batch)
        calls += len(batches)
    return spent / calls


def measure(rung: str, onnx: str | None) -> dict[str, Any]:
    """Time all ways of a rung, and see that they say the same."""
    fitted, rows = fit(rung)
    contestants = ways(fitted)
    expected, farthest = np.array(contestants[CONTROL](rows)["prob_yes"]), {}
    for name, way in contestants.items():
        farthest[name] = float(np.abs(np.array(way(rows)["prob_yes"]) - expected).max())
    found: dict[str, Any] = {}
    for n in SIZES:
        batches = [rows[at : at + n] for at in range(0, len(rows) - n + 1, n)]
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(ROUNDS):
            for name, way in contestants.items():
                seconds[name].append(timed(way, batches))
        found[str(n)] = told(seconds)
    if onnx is not None and isinstance(fitted.model, Boosting):
        matrix = fitted.model.matrix(RowEncoder(fitted.encoder)(rows))
        answer = by_onnx(onnx, fitted.model, matrix)
        farthest["ONNX Runtime"] = float(np.abs(np.array(answer["said"]) - expected).max())
        for n in SIZES:
            found[str(n)] |= told({"ONNX Runtime, matrix in, array out": answer["seconds"][str(n)]})
        found["onnx"] = answer["versions"]
    return found | {"farthest_from_control": farthest}


def by_onnx(python: str, model: Boosting, matrix: Any) -> dict[str, Any]:
    """Run the contestant that has an environment of its own."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "booster.txt").write_text(model.text, encoding="utf-8")
        np.save(home / "matrix.npy", matrix)
        given = [home / "booster.txt", home / "matrix.npy", home / "answer.json"]
        subprocess.run([python, HERE / "onnx_rows.py", *given], check=True)
        answer: dict[str, Any] = json.loads((home / "answer.json").read_text())
        return answer


def told(seconds: Mapping[str, list[float]]) -> dict[str, Any]:
    """Return each way's median in µs and its interval; the ratio is of the same rounds."""
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, ROUNDS, (1000, ROUNDS))

    def median(values: Any) -> list[float]:
        low, high = np.quantile(np.median(values[drawn], axis=1), [0.025, 0.975])
        return [round(float(one), 2) for one in (np.median(values), low, high)]

    found: dict[str, Any] = {}
    for name, values in seconds.items():
        found[name] = {"us": median(np.array(values) * 1e6)}
        if name != CONTROL and CONTROL in seconds:
            found[name]["control_over_this"] = median(np.array(seconds[CONTROL]) / np.array(values))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onnx", help="a Python that has ONNX Runtime")
    arguments = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    result: dict[str, Any] = {
        "question": "processor µs from plain rows to lists of answers, 30 numbers and 4 categories",
        "measured_on": datetime.now(UTC).date().isoformat(),
        "seed": SEED,
        "rounds": ROUNDS,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "versions": {name: version(name) for name in ("cauce", "lightgbm", "numpy", "pyarrow", "numba")},
        "rungs": {},
    }
    for rung in ("linear", "boosting-100", "boosting-300", "mlp"):
        result["rungs"][rung] = measure(rung, arguments.onnx)
        for n in SIZES:
            print(rung, n, {name: one["us"][0] for name, one in result["rungs"][rung][str(n)].items()}, flush=True)
    result["load_after"] = os.getloadavg()[0]
    (HERE / "result.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
