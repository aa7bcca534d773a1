"""Columns with which a prediction may only rise or only fall."""

from __future__ import annotations

from collections.abc import Mapping

from cauce.core.artefacts import TaskSpec
from cauce.core.errors import UserError, did_you_mean

KINDS = ("integer", "number", "boolean")


def signs(spec: TaskSpec, n_classes: int | None) -> Mapping[str, int]:
    """Return input column → 1 or −1; for classify the direction is that of the second of two classes.

    Raises
    ------
    UserError
        A column is no input or no number, or there are more than two classes.
    """
    where = f"model {spec.model}, monotone"
    if spec.monotone and spec.task == "classify" and n_classes is not None and n_classes > 2:
        hint = "Predict a number or two classes, or leave `monotone` out."
        raise UserError(f"{n_classes} classes have no direction to rise in", where=where, received=n_classes, hint=hint)
    kinds = {column.name: column.kind for column in spec.schema}
    for name in spec.monotone:
        if name not in kinds:
            raise UserError("not an input column", where=where, received=name, hint=did_you_mean(name, kinds))
        if kinds[name] not in KINDS:
            hint = "Name columns of numbers, or of yes and no."
            raise UserError(f"{name} is a {kinds[name]}, which has no order", where=where, received=name, hint=hint)
    return {name: 1 if direction == "increasing" else -1 for name, direction in spec.monotone.items()}
