"""NannyML's default univariate drift (Jensen-Shannon) of every column: in an environment with nannyml."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from nannyml import UnivariateDriftCalculator


def scores(path: Path) -> list[float]:
    """Return a distance for each column."""
    arrays = np.load(path)
    names = [f"c{i}" for i in range(arrays["reference"].shape[1])]
    reference, current = (pd.DataFrame(arrays[side], columns=names) for side in ("reference", "current"))
    n = len(current)
    calculator = UnivariateDriftCalculator(column_names=names, chunk_size=n)
    calculator.fit(reference)
    values = calculator.calculate(current).filter(period="analysis").to_df(multilevel=True)
    method = "jensen_shannon"
    return [float(values[(name, method, "value")].iloc[0]) for name in names]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(json.dumps({path.stem: scores(path) for path in sorted(folder.glob("*.npz"))}))
