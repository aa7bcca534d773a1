"""The service's client for Python programs, sync and async: typed answers, safe repeats, errors that say what to do.

Nothing heavy is imported before a client is made: httpx comes with `pip install 'cauce[client]'`.
"""

from cauce.client.answers import Answer, Model, Prediction, Truth, TruthStatus
from cauce.client.awaiting import AsyncClient
from cauce.client.errors import (
    BadRequest,
    CauceHTTPError,
    Fault,
    Forbidden,
    NotFound,
    Overloaded,
    Refused,
    ServiceFailed,
    Unauthorised,
    Unavailable,
    Unreachable,
    Unreadable,
)
from cauce.client.retries import Retries
from cauce.client.waiting import Client

__all__ = [
    "Answer",
    "AsyncClient",
    "BadRequest",
    "CauceHTTPError",
    "Client",
    "Fault",
    "Forbidden",
    "Model",
    "NotFound",
    "Overloaded",
    "Prediction",
    "Refused",
    "Retries",
    "ServiceFailed",
    "Truth",
    "TruthStatus",
    "Unauthorised",
    "Unavailable",
    "Unreachable",
    "Unreadable",
]
