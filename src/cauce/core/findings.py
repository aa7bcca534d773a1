"""What the checks of an audit hand on: findings, with the figures of groups. Imported from `core.artefacts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cauce.core.specs import Severity

Words = Mapping[str, str]
"""One text in every language that people read: ``{"en": ..., "es": ...}``."""


@dataclass(frozen=True)
class GroupFigure:
    """A figure of one group of rows, with its interval."""

    group: str
    """For people: ``"sex = female"``, ``"sex = female, age = 18-25"``."""
    n_rows: int
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Finding:
    """What a check saw."""

    code: str
    severity: Severity
    columns: tuple[str, ...]
    n_rows: int
    """Rows concerned."""
    message: Words
    why: Words
    """Why it matters."""
    remedy: Words
    """What to do."""
    rows: tuple[int, ...] = ()
    """The first row numbers concerned, from 0, at most 20."""
    value: float | None = None
    """The measured figure, where there is one."""
    threshold: float | None = None
    """The threshold it was held against."""
    accepted: str | None = None
    """The written reason for which it is let pass."""
    examples: tuple[str, ...] = ()
    """What was seen in the first rows concerned, at most 5, personal data masked."""
    groups: tuple[GroupFigure, ...] = ()
    """The figure of each group, where groups are compared."""


@dataclass(frozen=True)
class Audit:
    """What all checks saw in one snapshot, for one model's target or for the data set alone."""

    data: str
    model: str | None
    fingerprint: str
    n_rows: int
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    """Codes of the checks that saw nothing."""
    not_applicable: Mapping[str, Words]
    """Code → why the check does not apply."""
    seconds: float
    at: datetime
    version: int | None = None
    """Of the snapshot that was looked at, whose rows the findings number."""
    check_seconds: Mapping[str, float] = field(default_factory=dict)
    """Code → seconds, the slowest first. What several checks share counts for the first of them that asks."""

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Findings that stop a training: severity `block` and not accepted."""
        return tuple(f for f in self.findings if f.severity == "block" and f.accepted is None)
