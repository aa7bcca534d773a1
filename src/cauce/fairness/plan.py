"""What a mitigation is to do: resolved from cauce.toml and the profile before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.core.specs import FairnessMetric, Mitigation, ModelSpec
from cauce.profile.groups import Grouping, crossed, favoured_class, grouping

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Profile


@dataclass(frozen=True)
class Plan:
    """One mitigation of one model."""

    method: Mitigation
    metric: FairnessMetric
    favoured: str
    """The class that people want to be given."""
    groupings: tuple[Grouping, ...]
    """Of the sensitive columns; their crossing makes the groups that are made alike."""
    strength: float = 1.0
    """How much of the gap is to go: above 0, at most 1."""
    hidden: tuple[str, ...] = ()
    """Columns that a request brings for the thresholds and the model within does not see."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The sensitive columns."""
        return tuple(one.column for one in self.groupings)

    def codes(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Return each row's group, −1 where a sensitive value is missing, shape (n_rows,)."""
        return crossed(self.groupings, table)[0]

    def without(self) -> Plan:
        """Return the same requests and groups with no mitigation."""
        return replace(self, method="off")

    def within(self, spec: TaskSpec) -> TaskSpec:
        """Return the spec of the model within: without the columns that it must not see."""
        kept = Schema(tuple(column for column in spec.schema if column.name not in self.hidden))
        return replace(spec, schema=kept)


def make_plan(model: str, spec: ModelSpec, profile: Profile) -> Plan | None:
    """Return the plan of a model's keys; None where it mitigates nothing.

    Raises
    ------
    UserError
        No sensitive column, a task without classes, or a favoured class that is not named and does not follow.
    """
    asked = spec.fairness
    if asked.mitigate == "off":
        return None
    where = f"cauce.toml, [models.{model}.fairness]"
    if not spec.sensitive:
        hint = 'Add sensitive = ["column"] to the model.'
        raise UserError("no sensitive column to mitigate for", where=f"{where} mitigate", hint=hint)
    if spec.task != "classify":
        hint = "Remove `mitigate`; gaps of numbers are measured, not mitigated."
        raise UserError("only classify can be mitigated", where=f"{where} mitigate", received=spec.task, hint=hint)
    if asked.mitigate == "thresholds" and not asked.at_prediction:
        hint = (
            "Set at_prediction = true if the law and your purpose allow it, or choose balance, reweigh or reductions."
        )
        what = "a threshold for each group needs the sensitive columns at prediction"
        raise UserError(what, where=f"{where} at_prediction", received=False, hint=hint)
    favoured = favoured_class(profile, spec.target, asked.favoured)
    if favoured is None:
        hint = 'Name the class that people want to be given: favoured = "...".'
        raise UserError("the target has not two classes", where=f"{where} favoured", hint=hint)
    return Plan(
        method=asked.mitigate,
        metric=asked.metric,
        favoured=favoured,
        groupings=tuple(grouping(profile, column) for column in spec.sensitive),
        strength=asked.strength,
        hidden=hidden_columns(spec) if asked.mitigate == "thresholds" else (),
    )


def hidden_columns(spec: ModelSpec) -> tuple[str, ...]:
    """Return the sensitive columns that are no inputs of the model: ignored, or left out of `features`."""
    seen = spec.features
    return tuple(
        column for column in spec.sensitive if column in spec.ignore or (seen is not None and column not in seen)
    )
