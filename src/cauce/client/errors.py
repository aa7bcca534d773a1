"""The errors of the client, drawn once.

UserError
└── CauceHTTPError        whatever kept a request from its answer; `status` is None where no answer came
    ├── Refused           422: `faults` names each row and field
    ├── Unauthorised      401: no token, or another one
    ├── Forbidden         403, 421: the token may not do this; the address is not the service's own
    ├── NotFound          404, 405: no such model, no such route
    ├── BadRequest        any other 4xx: too large, not JSON
    ├── Overloaded        429: more requests than the service, or this token, may have at once
    ├── Unavailable       502, 503, 504, 507: no champion, ledger or disk now; nothing was kept
    ├── ServiceFailed     500 and the rest: a bug of ours, with a request id in its log
    ├── Unreachable       nobody answered, not in time, or with a certificate that is not trusted
    └── Unreadable        an answer that is not the service's: a proxy's page, another program

Overloaded, Unavailable and Unreachable were tried again, as often as `Retries` says, before they are raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cauce.core.errors import UserError

SHOWN = 3
"""Faults that a message tells; all of them stand in `faults`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field of one row."""

    row: int
    """Counted from 0 among the rows, or truths, that were given."""
    field: str | None
    received: Any
    """None where the field is missing."""
    expected: str
    reason: str
    """`missing`, `type`, `category` …: docs/http.md lists them."""

    def __str__(self) -> str:
        """Tell it in a line."""
        place = f"row {self.row}" if self.field is None else f"row {self.row}, {self.field}"
        got = "" if self.reason == "missing" else f", received {self.received!r}"
        return f"{place}: {self.reason}{got}, expected {self.expected.rstrip('.')}"


class CauceHTTPError(UserError):
    """Whatever kept a request from its answer.

    Parameters
    ----------
    what
        The fault: the service's own words where it answered.
    where
        Method and address.
    status
        HTTP status; None where no answer came.
    retry_after_s
        Seconds after which the service wants to be asked again; None where it said nothing.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        received: object = None,
        hint: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(what, where=where, received=received, hint=hint)
        self.status, self.retry_after_s = status, retry_after_s


class Refused(CauceHTTPError):
    """Faults in rows or truths, too many of them, or an Idempotency-Key that came with another body."""

    def __init__(self, what: str, *, where: str = "", status: int | None = 422, faults: Sequence[Fault] = ()) -> None:
        self.faults = tuple(faults)
        told = "; ".join(str(fault) for fault in self.faults[:SHOWN])
        more = f"; and {len(self.faults) - SHOWN} more in `faults`" if len(self.faults) > SHOWN else ""
        super().__init__(what, where=where, status=status, hint=f"{told}{more}." if told else "")

    def moved(self, n_rows: int) -> Refused:
        """Return it with rows counted from `n_rows` rows earlier: the place in all chunks instead of one."""
        faults = [Fault(f.row + n_rows, f.field, f.received, f.expected, f.reason) for f in self.faults]
        return Refused(self.what, where=self.where, status=self.status, faults=faults)


class Unauthorised(CauceHTTPError):
    """No token, or another one."""


class Forbidden(CauceHTTPError):
    """The token may not do this, or the service does not answer under this address."""


class NotFound(CauceHTTPError):
    """No such model, or no such route."""


class BadRequest(CauceHTTPError):
    """The request is not one that the service takes."""


class Overloaded(CauceHTTPError):
    """More requests than the service, or this token, may have at once."""


class Unavailable(CauceHTTPError):
    """The service, or what it needs, is not there now; nothing of the request was kept."""


class ServiceFailed(CauceHTTPError):
    """A bug of the service."""


class Unreachable(CauceHTTPError):
    """Nobody answered; `final` says that another try would end the same, as with a certificate that is not trusted."""

    def __init__(self, what: str, *, where: str = "", hint: str = "", final: bool = False) -> None:
        super().__init__(what, where=where, hint=hint)
        self.final = final


class Unreadable(CauceHTTPError):
    """What answered is not the service."""
