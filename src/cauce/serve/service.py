"""What `loop/` hands the service: everything it may touch, as callables. The rooms stay strangers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from cauce.core.admin_log import Act
from cauce.core.artefacts import Action, Decision, Experiment, Schema, Watched
from cauce.core.protocols import Fitted
from cauce.core.specs import ChallengerSpec, ServeSpec
from cauce.ledger.ledger import Ledger
from cauce.serve.codes import Codes
from cauce.serve.limits import Limits
from cauce.serve.shared import Shared
from cauce.serve.tokens import Tokens

if TYPE_CHECKING:
    from cauce.profile import Bins
    from cauce.serve.metrics import Metrics
    from cauce.serve.traces import Traces

Alias = Literal["champion", "challenger"]


def new_metrics(models: Sequence[str] = (), *, workers: int = 1) -> Metrics:
    """Return the figures of a service, at 0; see `Metrics`."""
    from cauce.serve.metrics import Metrics

    return Metrics(models, workers=workers)


@dataclass(frozen=True, eq=False)
class Served:
    """A release, loaded and verified: what answers requests."""

    model: str
    version: int
    task: str
    target: str
    schema: Schema
    """Input columns: what a request must bring."""
    fitted: Fitted
    bins: Bins | None = None
    """Bins of training in which incoming rows are counted; not counted where None."""


@dataclass(frozen=True)
class Seen:
    """What stands on disk of one model: its newest look, what is decided, what is being tried."""

    watched: Watched | None = None
    decision: Decision | None = None
    """The newest one."""
    decided: Mapping[Action, datetime] = field(default_factory=dict)
    """Action → when it was last decided, of those in the record."""
    experiment: Experiment | None = None


@dataclass(frozen=True, eq=False)
class Service:
    """One project's service."""

    project: str
    models: tuple[str, ...]
    """Names of all models in the file, with or without a champion."""
    load: Callable[[str, int], Served]
    """Load one version of a model, every byte verified. Called in a thread."""
    alias: Callable[[str, Alias], int | None]
    """Version that holds an alias; cheap, asked about a few times a second in a thread."""
    ledger: Callable[[str], Ledger]
    """Ledger of a model; asked once a model and closed by the service."""
    tokens: Tokens
    """Who may ask for what."""
    spec: ServeSpec
    page: Callable[[], str]
    """The console's HTML. Called in a thread."""
    sign_in: Callable[[], str]
    """The sign-in page's HTML, with a form that posts `token` to /console/session."""
    static: Callable[[str], tuple[bytes, str] | None]
    """Content and media type of one of the console's files, by its exact name; None for any other name."""
    audit_page: Callable[[str], str | None] = lambda name: None
    """The page of a model's or data set's newest audit, by name; None where there is none. Called in a thread."""
    challengers: Mapping[str, ChallengerSpec] = field(default_factory=dict)
    """Model → what is done with its challenger; nothing where it is missing."""
    codes: Codes = field(default_factory=Codes)
    """One-time codes that a browser exchanges for a session."""
    sessions: Codes = field(default_factory=lambda: Codes("session"))
    """Console sessions."""
    limits: Limits = field(default_factory=Limits)
    """How often a token may ask, and an address may be wrong; made before workers are forked."""
    note: Callable[[Act], None] = lambda act: None
    """Write into the log of administrative acts. Called in a thread."""
    shared: Shared = field(default_factory=lambda: Shared(None))
    """What several workers share."""
    metrics: Metrics = field(default_factory=lambda: new_metrics())
    """Figures of all workers; made before these are forked."""
    seen: Callable[[str], Seen | None] | None = None
    """What the watcher's files say of a model, for /metrics. Called in a thread, at every scrape."""
    traces: Traces | None = None
    """Where traces are sent, if anywhere."""
    preloaded: dict[tuple[str, int], Served] = field(default_factory=dict)
    """Releases that were loaded before the workers were forked, so that these share their memory."""
    poll_s: float = 0.25
    """Seconds between two looks at the aliases."""

    @property
    def tls(self) -> bool:
        """Whether it speaks HTTPS itself."""
        return self.spec.tls_certificate is not None
