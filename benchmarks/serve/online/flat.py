"""Trees as flat arrays that numba walks: a contestant, not part of Cauce."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def walker(booster: Any) -> Callable[[Array], Array] | None:
    """Return what gives the probability of the second class for rows of the booster's input; None without numba."""
    try:
        import numba
    except ImportError:
        return None
    nodes: list[tuple[int, float, int, int, int, bool]] = []
    sets: list[npt.NDArray[np.bool_]] = []

    def add(tree: dict[str, Any]) -> int:
        at = len(nodes)
        if "leaf_value" in tree:
            nodes.append((-1, tree["leaf_value"], 0, 0, -1, False))
            return at
        nodes.append((0, 0.0, 0, 0, -1, False))
        members, threshold = -1, 0.0
        if tree["decision_type"] == "==":
            members = len(sets)
            sets.append(np.isin(np.arange(128), [int(code) for code in tree["threshold"].split("||")]))
        else:
            threshold = float(tree["threshold"])
        left, right = add(tree["left_child"]), add(tree["right_child"])
        nodes[at] = (tree["split_feature"], threshold, left, right, members, bool(tree["default_left"]))
        return at

    roots = [add(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]
    feature, value, left, right, members, missing_left = (np.array(column) for column in zip(*nodes, strict=True))
    known, starts = np.array(sets), np.array(roots)

    def walk(rows: Array) -> Array:
        found = np.empty(len(rows))
        for i in range(len(rows)):
            total = 0.0
            for root in starts:
                node = root
                while feature[node] >= 0:
                    x = rows[i, feature[node]]
                    if members[node] >= 0:
                        goes = not np.isnan(x) and known[members[node], int(x)]
                    else:
                        goes = missing_left[node] if np.isnan(x) else x <= value[node]
                    node = left[node] if goes else right[node]
                total += value[node]
            found[i] = 1.0 / (1.0 + np.exp(-total))
        return found

    return cast("Callable[[Array], Array]", numba.njit(walk))
