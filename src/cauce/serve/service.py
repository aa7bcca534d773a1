"""What `loop/` hands the service: everything it may touch, as callables. The rooms stay strangers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cauce.core.admin_log import Act
from cauce.core.artefacts import Schema
from cauce.core.protocols import Fitted
from cauce.core.specs import ServeSpec
from cauce.serve.codes import Codes
from cauce.serve.ledger import Ledger
from cauce.serve.limits import Limits
from cauce.serve.tokens import Tokens


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


@dataclass(frozen=True, eq=False)
class Service:
    """One project's service."""

    project: str
    models: tuple[str, ...]
    """Names of all models in the file, with or without a champion."""
    load: Callable[[str], Served | None]
    """Load a model's champion, every byte verified; None where it has none. Called in a thread."""
    champion: Callable[[str], int | None]
    """Version that holds the alias; cheap, asked about once a second in a thread."""
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
    codes: Codes = field(default_factory=Codes)
    """One-time codes that a browser exchanges for a session."""
    sessions: Codes = field(default_factory=lambda: Codes("session"))
    """Console sessions."""
    limits: Limits = field(default_factory=Limits)
    """How often a token may ask, and an address may be wrong; made before workers are forked."""
    note: Callable[[Act], None] = lambda act: None
    """Write into the log of administrative acts. Called in a thread."""
    poll_s: float = 1.0
    """Seconds between two looks at the alias."""
    max_in_flight: int = 256
    """Requests worked on at once; more get 429."""

    @property
    def tls(self) -> bool:
        """Whether it speaks HTTPS itself."""
        return self.spec.tls_certificate is not None
