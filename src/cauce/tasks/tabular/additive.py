"""The additive rung read: what each input column adds to the score.

Trees that may not combine columns make a sum of one curve per column: a generalised additive model as in Lou, Caruana
and Gehrke, "Intelligible Models for Classification and Regression", KDD 2012.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cauce.tasks.tabular.boosting import Boosting, owners
from cauce.tasks.tabular.encode import Encoded, Encoder


def curves(model: Boosting, encoder: Encoder, rows: Encoded) -> Mapping[str, npt.NDArray[np.float64]]:
    """Give what every input column adds to the score of every row, against the column's value being missing.

    The score is the log-odds of the second of two classes, one number per class for more, and the target in its own
    unit for regress. Sorted by a column's values, its entry is the column's curve.

    Returns
    -------
    dict
        Input column → shape (n_rows, n_outputs). Their sum and the score of a row without any value is the score.
    """
    matrix = model.matrix(rows)
    names = np.array(owners(encoder, model.tables))
    empty = np.full((1, matrix.shape[1]), np.nan)
    nothing = model.scores(empty)
    found = {}
    for name in dict.fromkeys(names.tolist()):
        alone = np.full(matrix.shape, np.nan)
        alone[:, names == name] = matrix[:, names == name]
        found[name] = model.scores(alone) - nothing
    return found
