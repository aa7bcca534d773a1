"""The neural rung as a model: a few small networks on standardised, one-hot columns, averaged. numpy predicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.tasks.tabular.design import Design, Lookup
from cauce.tasks.tabular.encode import Encoded, Encoder

Array = npt.NDArray[np.float64]
Layers = tuple[tuple[Array, Array], ...]
"""Per layer the weights, shape (n_networks, n_in, n_out), and the biases, shape (n_networks, 1, n_out)."""


@dataclass(frozen=True, eq=False)
class Networks:
    """Multilayer perceptrons with rectified units that share their input."""

    design: Design
    layers: Layers
    classify: bool
    centre: float = 0.0
    scale: float = 1.0

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.design, np.concatenate(list(self.layers[0][0]), axis=1))  # all networks at once

    def predict(self, rows: Encoded) -> Array:
        """Give probabilities, shape (n_rows, n_classes), or numbers, shape (n_rows, 1)."""
        first, bias = self.layers[0]
        hidden = self._lookup(rows).reshape(-1, len(first), first.shape[2]).swapaxes(0, 1) + bias
        for weights, bias in self.layers[1:]:
            hidden = np.maximum(hidden, 0.0) @ weights + bias
        if self.classify:
            return np.asarray(softmax(hidden).mean(axis=0))
        return np.asarray(hidden.mean(axis=0) * self.scale + self.centre)

    def alone(self, k: int) -> Networks:
        """Give network k by itself."""
        return replace(self, layers=tuple((weights[k : k + 1], bias[k : k + 1]) for weights, bias in self.layers))

    def importance(self, encoder: Encoder, rows: Encoded, weights: Array) -> dict[str, float]:
        """Give the sum of mean |weight| × standard deviation over every input column's design columns."""
        spread = self.design.spread(rows, weights)
        use = np.abs(self.layers[0][0]).mean(axis=(0, 2)) * spread
        found = dict.fromkeys(encoder.schema.names, 0.0)
        for owner, value in zip(self.design.owners(encoder), use.tolist(), strict=True):
            found[owner] += value
        return found


def softmax(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn scores into probabilities along the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: npt.NDArray[Any] = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def arrays(model: Networks) -> dict[str, npt.NDArray[Any]]:
    """Give what must be saved beside the design."""
    found: dict[str, npt.NDArray[Any]] = {}
    for i, (weights, bias) in enumerate(model.layers):
        found |= {f"weights_{i}": weights, f"bias_{i}": bias}
    return found
