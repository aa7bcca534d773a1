"""The mitigated classifier: models within, and how their answers are joined; saved as JSON beside the models' folders.

mitigation.json   format, plan, classes, schema, and each member's weight or each group's threshold
member-0/ …       what the models within saved
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import LEAST_PROBABILITY, Finish, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.core.files import from_json, to_json, write_bytes
from cauce.core.plain import to_table
from cauce.core.protocols import Finished, Fitted, Online, online_of
from cauce.fairness.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

MARKER = "mitigation.json"
FORMAT: Literal[1] = 1
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Header:
    """`mitigation.json`."""

    format: Literal[1]
    plan: Plan
    classes: tuple[str, ...]
    schema: Schema
    weights: tuple[float, ...]
    """Of the members, summing to 1."""
    constants: tuple[float | None, ...]
    """A member's probability of the favoured class where it says the same of every row; None for a model."""
    thresholds: tuple[float, ...]
    """Of each group on the log-odds of the favoured class; empty where there are none."""


@dataclass(frozen=True, eq=False)
class FairClassifier:
    """Gives a label and the probability of every class, as the models within do."""

    header: Header
    members: tuple[Fitted | None, ...]

    @property
    def schema(self) -> Schema:
        """Input columns; the sensitive ones among them where thresholds need them."""
        return self.header.schema

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels as text, in the order of the probabilities."""
        return self.header.classes

    @property
    def importance(self) -> Mapping[str, float]:
        """The members' shares, by their weights."""
        total: dict[str, float] = {}
        for weight, member in zip(self.header.weights, self.members, strict=True):
            for name, share in (member.importance if member is not None else {}).items():
                total[name] = total.get(name, 0.0) + weight * share
        whole = sum(total.values())
        return {name: share / whole for name, share in total.items()} if whole > 0 else {}

    def predict(self, table: pa.Table) -> pa.Table:
        """Give ``prediction`` and ``prob_<class>`` for raw rows.

        With thresholds, the favoured class's odds are multiplied so that the group's threshold lies at one half: the
        class said stays the likelier one. Such probabilities are no longer calibrated within a group.
        """
        import pyarrow as pa

        said = [None if member is None else _probabilities(member, table) for member in self.members]
        shares = self._mixed(said, table.num_rows)
        if self.header.thresholds:
            shares = self._by_group(shares, table)
        labels = pa.array(self.classes, pa.string())
        columns = [labels.take(pa.array(shares.argmax(axis=1))), *(pa.array(np.ascontiguousarray(s)) for s in shares.T)]
        return pa.table(columns, names=["prediction", *(f"prob_{label}" for label in self.classes)])

    def online(self) -> Online | None:
        """Give the quick way for few rows; None where a model within has none.

        The groups of a threshold are told by an Arrow table of the sensitive columns alone, as everywhere else.
        """
        ways = [None if member is None else _way(member, self.schema) for member in self.members]
        if any(way is None and member is not None for way, member in zip(ways, self.members, strict=True)):
            return None
        sensitive = self.header.plan.columns

        def predict(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
            shares = self._mixed([None if way is None else way(rows) for way in ways], len(rows))
            if self.header.thresholds:
                shares = self._by_group(shares, to_table(rows, self.schema, sensitive))
            found: dict[str, list[Any]] = {"prediction": [self.classes[k] for k in shares.argmax(axis=1).tolist()]}
            return found | {f"prob_{label}": shares[:, k].tolist() for k, label in enumerate(self.classes)}

        return predict

    def _mixed(self, said: Sequence[Mapping[str, Any] | None], n_rows: int) -> Floats:
        """Return the members' mean probabilities, shape (n_rows, n_classes), of what each says by column."""
        shares = np.zeros((n_rows, len(self.classes)))
        favoured = self.classes.index(self.header.plan.favoured)
        for weight, constant, columns in zip(self.header.weights, self.header.constants, said, strict=True):
            if columns is None:
                p = constant or 0.0
                shares += weight * (1.0 - p) / max(1, len(self.classes) - 1)
                shares[:, favoured] += weight * (p - (1.0 - p) / max(1, len(self.classes) - 1))
                continue
            for place, label in enumerate(self.classes):
                if (share := columns.get(f"prob_{label}")) is not None:
                    shares[:, place] += weight * np.asarray(share)
        return np.clip(shares, 0.0, 1.0)

    def _by_group(self, shares: Floats, table: pa.Table) -> Floats:
        """Multiply the favoured class's odds by each row's group's threshold."""
        groups = self.header.plan.codes(table)
        at = np.where(groups >= 0, np.asarray(self.header.thresholds)[groups], 0.0)
        return _moved(shares, self.classes.index(self.header.plan.favoured), at)

    def finish(self, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
        """Leave the model as it is: what a mitigation balanced, another threshold would undo."""
        return Finished(self, Finish())

    def save(self, folder: Path) -> None:
        """Write the header, and every member into a folder of its own."""
        write_bytes(folder / MARKER, to_json(self.header))
        for place, member in enumerate(self.members):
            if member is not None:
                own = folder / f"member-{place}"
                own.mkdir()
                member.save(own)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what a mitigated task's model saved, models of the task classify within.

        Where nothing had to stand around that model, as with weights alone, this gives the model itself.
        """
        from cauce.core.registry import load_fitted

        return cast("Self", load_fitted("classify", folder))

    @classmethod
    def read(cls, folder: Path, load_member: Callable[[Path], Fitted]) -> Self:
        """Read what `save` wrote; `load_member` loads the models within. UserError where it cannot be read."""
        where = str(folder / MARKER)
        header = from_json((folder / MARKER).read_bytes(), Header, where=where)
        whole = len(header.weights) == len(header.constants) and header.plan.favoured in header.classes
        n_groups = int(np.prod([len(one.names) for one in header.plan.groupings]))
        if not whole or len(header.thresholds) not in {0, n_groups}:
            hint = "Train again, or restore the package from a backup."
            raise UserError("its parts do not belong together", where=where, hint=hint)
        members = [
            load_member(folder / f"member-{place}") if constant is None else None
            for place, constant in enumerate(header.constants)
        ]
        return cls(header, tuple(members))


def load(folder: Path, load_member: Callable[[Path], Fitted]) -> FairClassifier:
    """Load a mitigated model: what `core.registry.WRAPPERS` names."""
    return FairClassifier.read(folder, load_member)


def _probabilities(member: Fitted, table: pa.Table) -> Mapping[str, Floats]:
    predicted = member.predict(table)
    names = [f"prob_{label}" for label in member.classes]
    return {name: predicted.column(name).to_numpy() for name in names}


def _way(member: Fitted, schema: Schema) -> Online | None:
    """Return a member's quick way for rows of a wider schema than its own."""
    way = online_of(member)
    if way is None or member.schema.names == schema.names:
        return way
    places = [schema.names.index(name) for name in member.schema.names]
    return lambda rows: way([[row[place] for place in places] for row in rows])


def scores(shares: Floats, favoured: int) -> Floats:
    """Return the log-odds of the favoured class against the likeliest other: above 0 it is the class said."""
    others = np.delete(shares, favoured, axis=1).max(axis=1)
    return np.asarray(
        np.log(np.maximum(shares[:, favoured], LEAST_PROBABILITY)) - np.log(np.maximum(others, LEAST_PROBABILITY))
    )


def _moved(shares: Floats, favoured: int, at: Floats) -> Floats:
    """Multiply the favoured class's odds by exp(−at), row by row."""
    moved = np.maximum(shares, LEAST_PROBABILITY)
    moved[:, favoured] *= np.exp(-at)
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))
