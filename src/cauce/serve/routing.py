"""Who answers a request: the champion, or the challenger in an A/B split; and who scores it in the shadow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cauce.core.specs import ChallengerSpec
from cauce.serve.plan import Plan, Values

if TYPE_CHECKING:
    from cauce.serve.answer import Answering

WIDER = {("int", "float")}


def in_challenger(model: str, spec: ChallengerSpec, unit: str) -> bool:
    """Return whether a unit meets the challenger: always the same answer within one experiment.

    The unit's place in [0, 1) is a hash of model, experiment and unit, so that two experiments deal independently, and
    a larger share keeps those whom a smaller one had.

    Examples
    --------
    >>> spec = ChallengerSpec(share=0.5, experiment="autumn")
    >>> [in_challenger("dropout", spec, unit) for unit in ("ana", "luis", "ana")]
    [False, True, False]
    """
    text = f"{model}\0{spec.experiment}\0{unit}"
    place = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
    return place < spec.share * 2**64


@dataclass(frozen=True, eq=False)
class Columns:
    """How rows read for one release are handed to another one."""

    places: tuple[int, ...]
    """For each column of the other release its place among the first one's."""
    floats: frozenset[int]
    """Columns of the other that take a float where the first one reads an integer."""

    def of(self, rows: Sequence[Values]) -> list[Values]:
        """Return the rows as the other release takes them."""
        if not self.floats:
            return [[row[place] for place in self.places] for row in rows]
        return [
            [
                float(row[place]) if index in self.floats and row[place] is not None else row[place]
                for index, place in enumerate(self.places)
            ]
            for row in rows
        ]


def columns_between(first: Plan, other: Plan) -> Columns | None:
    """Return how `other` takes rows that were read for `first`; None where it asks for what those do not bring."""
    kinds = dict(first.kinds)
    places = {name: place for place, (name, _) in enumerate(first.kinds)}
    floats = set()
    for index, (name, kind) in enumerate(other.kinds):
        if name not in kinds or (kinds[name] != kind and (kinds[name], kind) not in WIDER):
            return None
        if kinds[name] != kind:
            floats.add(index)
    return Columns(tuple(places[name] for name, _ in other.kinds), frozenset(floats))


@dataclass(frozen=True, eq=False)
class Route:
    """The releases of one model at one moment; a request keeps the one that it found."""

    champion: Answering
    challenger: Answering | None = None
    shadow: Answering | None = None
    columns: Columns | None = None
    """How the challenger takes rows that were read for the champion."""
    spec: ChallengerSpec = field(default_factory=ChallengerSpec)

    def choose(self, unit: str | None) -> Answering:
        """Return who answers; a request that says no unit takes no part in an experiment."""
        if self.challenger is None or unit is None:
            return self.champion
        return self.challenger if in_challenger(self.champion.served.model, self.spec, unit) else self.champion
