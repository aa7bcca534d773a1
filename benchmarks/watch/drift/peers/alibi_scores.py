"""alibi-detect's Kolmogorov-Smirnov and chi-square p-values of every column: in an environment with alibi-detect."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from alibi_detect.cd import ChiSquareDrift, KSDrift


def scores(path: Path) -> list[float]:
    """Return a p-value, turned round, for each column."""
    arrays = np.load(path)
    reference, current = arrays["reference"], arrays["current"]
    if reference.dtype.kind in "US":
        _, codes = np.unique(np.concatenate([reference, current]), return_inverse=True)
        codes = codes.reshape(len(reference) + len(current), -1)
        detector = ChiSquareDrift(codes[: len(reference)], p_val=0.05)
        found = detector.predict(codes[len(reference) :])
    else:
        found = KSDrift(reference, p_val=0.05).predict(current)
    return [-float(p) for p in np.atleast_1d(found["data"]["p_val"])]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(json.dumps({path.stem: scores(path) for path in sorted(folder.glob("*.npz"))}))
