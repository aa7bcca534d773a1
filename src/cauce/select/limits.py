"""What may not be chosen, whatever its loss: rungs that the file leaves out, that are too slow, too large or opaque."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cauce.core.artefacts import Candidate, RungWhy, Words
from cauce.core.errors import UserError, did_you_mean
from cauce.core.figures import number
from cauce.select.cache import Cost

MB = 1e6


@dataclass(frozen=True)
class Limits:
    """Limits of a choice; the default sets none."""

    must_use: tuple[str, ...] = ()
    """Rungs that alone may be chosen."""
    never_use: tuple[str, ...] = ()
    interpretable: bool = False
    max_latency_ms: float | None = None
    max_size_mb: float | None = None

    def check(self, ladder: Sequence[Candidate], *, where: str) -> None:
        """Refuse limits that name no rung of the ladder, or leave none.

        Raises
        ------
        UserError
            With the rungs that there are.
        """
        names = [candidate.name for candidate in ladder]
        for key in ("must_use", "never_use"):
            for name in getattr(self, key):
                if name not in names:
                    hint = did_you_mean(name, names)
                    raise UserError("not a rung of this ladder", where=f"{where} {key}", received=name, hint=hint)
        if all(self.before(candidate) for candidate in ladder):
            what = "no rung may be chosen: must_use, never_use and interpretable leave none"
            raise UserError(what, where=where, hint=f"The rungs are {', '.join(names)}.")

    def before(self, candidate: Candidate) -> RungWhy | None:
        """Return why a rung may not be chosen, as far as it is known before it is fitted."""
        if candidate.name in self.never_use or (self.must_use and candidate.name not in self.must_use):
            return "not_allowed"
        return "not_interpretable" if self.interpretable and not candidate.interpretable else None

    def after(self, cost: Cost) -> tuple[RungWhy, Words] | None:
        """Return why a fitted rung may not be chosen, and the measured figure beside the limit."""
        took, size = cost.predict_ms_one_row, cost.size_bytes
        if self.max_latency_ms is not None and took is not None and took > self.max_latency_ms:
            return "too_slow", _beside(took, self.max_latency_ms, "ms")
        if self.max_size_mb is not None and size is not None and size > self.max_size_mb * MB:
            return "too_large", _beside(size / MB, self.max_size_mb, "MB")
        return None


def _beside(measured: float, limit: float, unit: str) -> Words:
    return {
        "en": f"{number(measured, 'en')} {unit}, the limit is {number(limit, 'en')} {unit}",
        "es": f"{number(measured, 'es')} {unit}; el límite es {number(limit, 'es')} {unit}",
    }
