"""Answers read: bytes become typed objects, every status an error of its own. Nothing is received here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from cauce.client import errors
from cauce.client.answers import Answer, Model, Prediction, TruthStatus
from cauce.client.errors import CauceHTTPError, Fault

T = TypeVar("T")
LONGEST = 300
"""Characters of a stranger's answer that a message shows."""


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Broken:
    """No answer came."""

    why: str
    final: bool = False
    """Whether another try would end the same."""
    hint: str = "Check the address, and that the service runs."


def read(reply: Reply, reading: Callable[[Any], T], *, where: str) -> T:
    """Return what `reading` makes of the JSON of an answer.

    Raises
    ------
    Unreadable
        It is not what the service answers.
    """
    import orjson

    try:
        return reading(orjson.loads(reply.content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(reply, where) from error


def answer(value: Any, n_rows: int) -> Answer:
    """Return a prediction's answer, which has one for each row."""
    found = tuple(_prediction(one) for one in value["predictions"])
    if len(found) != n_rows:
        raise ValueError(f"{len(found)} predictions for {n_rows} rows")
    return Answer(str(value["model"]), int(value["version"]), found)


def _prediction(one: Any) -> Prediction:
    return Prediction(one["id"], one["prediction"], one.get("probabilities"), one.get("lower"), one.get("upper"))


def statuses(value: Any) -> tuple[TruthStatus, ...]:
    """Return what each truth was."""
    return tuple(TruthStatus(one["id"], one["status"]) for one in value["results"])


def models(value: Any) -> tuple[Model, ...]:
    """Return the models that answer."""
    return tuple(Model(one["id"], int(one["version"]), one["task"]) for one in value["data"])


def document(value: Any) -> dict[str, Any]:
    """Return the OpenAPI document."""
    return dict(value)


_KINDS: Mapping[int, tuple[type[CauceHTTPError], str]] = {
    401: (errors.Unauthorised, "Give `token`, or set CAUCE_TOKEN."),
    403: (errors.Forbidden, "Take a token that may do this."),
    421: (errors.Forbidden, "Ask under the service's own name, or set `host` under [serve]."),
    404: (errors.NotFound, ""),
    405: (errors.NotFound, "The service may be of another version than this client."),
    413: (errors.BadRequest, "Send fewer rows at once: `predict_many` takes a smaller `chunk`."),
    429: (errors.Overloaded, "Send less at once, or let more be held: max_in_flight, workers under [serve]."),
    502: (errors.Unavailable, "The proxy does not reach the service."),
    504: (errors.Unavailable, "The proxy had no answer in time."),
}
"""Status → kind of error, and what to do where the service's own words do not say it."""


def error_of(outcome: Reply | Broken, *, where: str, tries: int, now: datetime | None = None) -> CauceHTTPError:
    """Return the error that an outcome means.

    Parameters
    ----------
    where
        Method and address.
    tries
        How often it was sent; told where more than once.
    """
    told = f" ({tries} tries)" if tries > 1 else ""
    if isinstance(outcome, Broken):
        return errors.Unreachable(f"{outcome.why}{told}", where=where, hint=outcome.hint, final=outcome.final)
    status = outcome.status
    problem = _problem(outcome)
    if problem is None and status not in {502, 503, 504}:
        return _unreadable(outcome, where)
    detail = str((problem or {}).get("detail") or f"answered {status} without a reason").rstrip(".")
    if status == 422:
        return errors.Refused(detail, where=where, faults=_faults(problem or {}))
    kind, hint = _KINDS.get(status, (_other(status), ""))
    after = retry_after(outcome.headers, now=now or datetime.now(UTC))
    return kind(f"{detail}{told}", where=where, hint=hint, status=status, retry_after_s=after)


def _other(status: int) -> type[CauceHTTPError]:
    if status < 500:
        return errors.BadRequest
    return errors.Unavailable if status in {503, 507} else errors.ServiceFailed


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return the seconds of a Retry-After header, given as seconds or as a date; None where there is none.

    Examples
    --------
    >>> retry_after({"retry-after": "10"}, now=datetime(2026, 1, 1, tzinfo=UTC))
    10.0
    >>> retry_after({"retry-after": "Thu, 01 Jan 2026 00:00:05 GMT"}, now=datetime(2026, 1, 1, tzinfo=UTC))
    5.0
    """
    said = headers.get("retry-after", "").strip()
    if not said:
        return None
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        moment = parsedate_to_datetime(said)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp())
    except (ValueError, OverflowError):
        return None


def _problem(reply: Reply) -> dict[str, Any] | None:
    """Return the problem+json of an error; None where a stranger answered."""
    import orjson

    try:
        found = orjson.loads(reply.content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "detail" in found else None


def _faults(problem: Mapping[str, Any]) -> list[Fault]:
    listed = problem.get("errors")
    return [
        Fault(one.get("row", 0), one.get("field"), one.get("received"), str(one.get("expected")), str(one["reason"]))
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and "reason" in one
    ]


def _unreadable(reply: Reply, where: str) -> CauceHTTPError:
    shown = reply.content[:LONGEST].decode("utf-8", "replace")
    what = f"the answer, with status {reply.status}, is not Cauce's"
    hint = "Check that the address is the service's, and what stands between."
    return errors.Unreadable(what, where=where, received=shown, hint=hint, status=reply.status)
