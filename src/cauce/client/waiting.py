"""The client of programs that wait: conversations run with httpx and `time.sleep`."""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cauce.client import place, talks, wires
from cauce.client.answers import Answer, Model, Prediction, Truth, TruthStatus
from cauce.client.replies import Broken, Reply
from cauce.client.retries import Retries
from cauce.client.talks import Pause, Send, Talk, Talks

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Client:
    """A service, asked from a program that waits. Safe to use from several threads; close it, or use it in a `with`.

    Parameters
    ----------
    url
        As ``http://127.0.0.1:8321``; CAUCE_URL when absent.
    token
        CAUCE_TOKEN when absent.
    verify
        PEM file of a certificate to trust beside the system's, or a TLS context of your own.
    deadline_s
        Seconds that a call may take in all, its repeats included, where the call says nothing.
    retries
        How often, and how patiently, a request is sent again.
    transport
        What carries requests in place of the network: for tests.

    Raises
    ------
    UserError
        No address, no token, or no httpx.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        verify: Path | str | ssl.SSLContext | None = None,
        deadline_s: float = wires.DEADLINE_S,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        found = place.given(url, token)
        self._talks = Talks(found.url, deadline_s, retries or Retries())
        options = wires.options(found, verify)
        self._http: httpx.Client = wires.library().Client(**options, transport=transport)

    @classmethod
    def of_project(
        cls,
        folder: Path | str = ".",
        *,
        verify: Path | str | ssl.SSLContext | None = None,
        deadline_s: float = wires.DEADLINE_S,
        retries: Retries | None = None,
    ) -> Self:
        """Return a client of the service that runs beside a project's files: port and token are read there."""
        found = place.of_project(Path(folder))
        return cls(found.url, found.token, verify=verify or found.certificate, deadline_s=deadline_s, retries=retries)

    def predict(
        self,
        model: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        unit: str | None = None,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """Predict rows; all of them or none.

        Parameters
        ----------
        rows
            Column → value; None, and NaN, where one is missing. At most `max_rows` of [serve]; see `predict_many`.
        unit
            Who the request is about: the same unit gets the same variant of an experiment, and can be forgotten.
        idempotency_key
            Makes this call the same one as an earlier; otherwise each call is new, and only its own repeats are one.
        deadline_s
            Seconds that it may take in all; the client's when absent.

        Raises
        ------
        Refused
            Rows with faults: all of them are named.
        CauceHTTPError
            Anything else that kept it from an answer; see `cauce.client.errors`.
        """
        return self._run(
            self._talks.predict(model, rows, unit=unit, idempotency_key=idempotency_key, deadline_s=deadline_s)
        )

    def predict_one(
        self,
        model: str,
        row: Mapping[str, Any],
        *,
        unit: str | None = None,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> Prediction:
        """Predict one row; parameters and errors as `predict`."""
        return self.predict(
            model, [row], unit=unit, idempotency_key=idempotency_key, deadline_s=deadline_s
        ).predictions[0]

    def predict_many(
        self,
        model: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        chunk: int = 1000,
        unit: str | None = None,
        deadline_s: float | None = None,
    ) -> Generator[Answer, None, None]:
        """Yield an answer for each `chunk` rows, in their order; rows are taken from the iterable as they are needed.

        Each chunk is a request of its own: `deadline_s` holds for each, and those before a fault stay predicted.
        A fault's row counts from 0 among all rows.
        """
        talks.check_size("chunk", chunk)
        done = 0
        for some in talks.chunks(rows, chunk):
            yield self._run(talks.counted(self._talks.predict(model, some, unit=unit, deadline_s=deadline_s), done))
            done += len(some)

    def truth(
        self,
        model: str,
        truths: Sequence[Truth],
        *,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> tuple[TruthStatus, ...]:
        """Tell what turned out to be true, and return what each was to the service; errors as `predict`."""
        return self._run(self._talks.truth(model, truths, idempotency_key=idempotency_key, deadline_s=deadline_s))

    def models(self) -> tuple[Model, ...]:
        """Return the models that answer now."""
        return self._run(self._talks.models())

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document: fields, types and categories of the models that answer now."""
        return self._run(self._talks.openapi())

    def metrics(self) -> str:
        """Return the service's figures, in Prometheus' text form."""
        return self._run(self._talks.metrics())

    def ready(self) -> bool:
        """Return whether every model answers; False too where nobody does. Asked once, never repeated."""
        return self._run(self._talks.probe("ready"))

    def healthy(self) -> bool:
        """Return whether the service runs; False where nobody answers. Asked once, never repeated."""
        return self._run(self._talks.probe("healthy"))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def __repr__(self) -> str:
        """Name the service, never the token."""
        return f"Client({self._talks.url!r})"

    def _run(self, talk: Talk[T]) -> T:
        heard: Reply | Broken | None = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                heard = None
            else:
                heard = self._send(step)

    def _send(self, step: Send) -> Reply | Broken:
        ends = time.monotonic() + step.within_s
        content = bytearray()
        try:
            with self._http.stream(**wires.sending(step)) as response:
                for piece in response.iter_bytes():
                    content += piece
                    if time.monotonic() >= ends:  # a drop at a time keeps every read within its own limit
                        return wires.late(step)
                return Reply(response.status_code, response.headers, bytes(content))
        except wires.library().RequestError as error:
            return wires.broken(error, step)
