"""What an export is about: the project, where it answers, and from where on somebody is to be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from cauce.core.figures import Language


@dataclass(frozen=True)
class Limits:
    """From where on an alert speaks."""

    p99_s: float = 0.5
    """Seconds that the slowest hundredth of the answers may take."""
    error_ratio: float = 0.01
    """Share of the answers that may be failures (5xx)."""
    shed_ratio: float = 0.01
    """Share of the requests that may be turned away."""
    journal_bytes: float = 1e9
    """Journals that may wait to be folded."""
    workers: float = 2
    """Workers that may die within 15 minutes."""
    rolled_back_s: float = 3600.0
    """Seconds that a roll-back is told for."""


@dataclass(frozen=True)
class Target:
    """One project's service, as a monitoring system sees it."""

    project: str
    """Also the label ``project`` of every series; of the grammar of names, so it needs no quoting."""
    language: Language
    address: str
    """``host:port``, as Prometheus reaches it."""
    token_file: str
    """File with a token of the scope `metrics`."""
    certificate: str | None = None
    """PEM file that the service's certificate is checked by; None without TLS."""
    every_s: float = 10.0
    """Seconds between two looks of the watcher."""
    runbooks: str = "cauce-runbooks.md"
    """Where people read what to do at an alert; ``#name-of-the-alert`` is put after it."""
    limits: Limits = field(default_factory=Limits)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "http" if self.certificate is None else "https"
