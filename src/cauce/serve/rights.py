"""Which scope each route asks for. A path that stands nowhere here is answered 404, whatever the application has.

Paths are matched by the framework's own expressions, so that no spelling of a path is one route here and another there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from starlette.routing import compile_path

from cauce.serve.tokens import TokenScope

SESSION_PATH = "/console/session"
MOST = 1_024


@dataclass(frozen=True)
class Rule:
    """Who may use one route, whatever the method."""

    route: str
    """Its template."""
    scope: TokenScope | None = None
    """The scope that a token must have; any token does where None."""
    people: Literal["no", "session", "sign-in"] = "no"
    """Whether a browser's session does as well, and whether it is shown, or posts, the sign-in form without one."""
    open: bool = False
    """Whether nothing is asked for at all."""


RULES = (
    Rule("/v1/models/{name}/predict", "predict"),
    Rule("/v1/models/{name}/truth", "truth"),
    Rule("/v1/models"),
    Rule("/openapi.json"),
    Rule("/metrics", "metrics"),
    Rule("/console", "admin", people="sign-in"),
    Rule("/console/session", "admin", people="sign-in"),
    Rule("/console/audits/{name}", "admin", people="session"),
    Rule("/console/static/{file}", "admin", people="session"),
    Rule("/healthz", open=True),
    Rule("/readyz", open=True),
)


@dataclass
class Rights:
    """The rules, by path.

    Examples
    --------
    >>> Rights().rule("/v1/models/dropout/predict").scope, Rights().rule("/v1/models/dropout/delete")
    ('predict', None)
    """

    _known: dict[str, Rule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._compiled = [(compile_path(rule.route)[0], rule) for rule in RULES]

    def rule(self, path: str) -> Rule | None:
        """Return the rule of a path, or None where it is no route."""
        found = self._known.get(path)
        if found is not None:
            return found
        for pattern, rule in self._compiled:
            if pattern.match(path):
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[path] = rule
                return rule
        return None
