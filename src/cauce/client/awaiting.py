"""The client of programs on asyncio: the same conversations, run with httpx and `asyncio.sleep`."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
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


class AsyncClient:
    """The same for programs on asyncio; parameters, answers and errors as `Client`. Use it in an `async with`."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        verify: Path | str | ssl.SSLContext | None = None,
        deadline_s: float = wires.DEADLINE_S,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        found = place.given(url, token)
        self._talks = Talks(found.url, deadline_s, retries or Retries())
        options = wires.options(found, verify)
        self._http: httpx.AsyncClient = wires.library().AsyncClient(**options, transport=transport)

    @classmethod
    def of_project(
        cls,
        folder: Path | str = ".",
        *,
        verify: Path | str | ssl.SSLContext | None = None,
        deadline_s: float = wires.DEADLINE_S,
        retries: Retries | None = None,
    ) -> Self:
        """See `Client.of_project`."""
        found = place.of_project(Path(folder))
        return cls(found.url, found.token, verify=verify or found.certificate, deadline_s=deadline_s, retries=retries)

    async def predict(
        self,
        model: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        unit: str | None = None,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> Answer:
        """See `Client.predict`."""
        return await self._run(
            self._talks.predict(model, rows, unit=unit, idempotency_key=idempotency_key, deadline_s=deadline_s)
        )

    async def predict_one(
        self,
        model: str,
        row: Mapping[str, Any],
        *,
        unit: str | None = None,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> Prediction:
        """See `Client.predict_one`."""
        answer = await self.predict(model, [row], unit=unit, idempotency_key=idempotency_key, deadline_s=deadline_s)
        return answer.predictions[0]

    async def predict_many(
        self,
        model: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        chunk: int = 1000,
        in_flight: int = 4,
        unit: str | None = None,
        deadline_s: float | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """Do as `Client.predict_many`, with at most `in_flight` chunks on their way at once; answers keep the order.

        After a fault, or where the caller stops, those on their way are given up.
        """
        talks.check_size("chunk", chunk)
        talks.check_size("in_flight", in_flight)
        done = 0
        under_way: deque[asyncio.Task[Answer]] = deque()
        try:
            for some in talks.chunks(rows, chunk):
                if len(under_way) == in_flight:
                    yield await under_way.popleft()
                talk = self._talks.predict(model, some, unit=unit, deadline_s=deadline_s)
                under_way.append(asyncio.create_task(self._run(talks.counted(talk, done))))
                done += len(some)
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def truth(
        self,
        model: str,
        truths: Sequence[Truth],
        *,
        idempotency_key: str | None = None,
        deadline_s: float | None = None,
    ) -> tuple[TruthStatus, ...]:
        """See `Client.truth`."""
        return await self._run(self._talks.truth(model, truths, idempotency_key=idempotency_key, deadline_s=deadline_s))

    async def models(self) -> tuple[Model, ...]:
        """See `Client.models`."""
        return await self._run(self._talks.models())

    async def openapi(self) -> dict[str, Any]:
        """See `Client.openapi`."""
        return await self._run(self._talks.openapi())

    async def metrics(self) -> str:
        """See `Client.metrics`."""
        return await self._run(self._talks.metrics())

    async def ready(self) -> bool:
        """See `Client.ready`."""
        return await self._run(self._talks.probe("ready"))

    async def healthy(self) -> bool:
        """See `Client.healthy`."""
        return await self._run(self._talks.probe("healthy"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return self."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    def __repr__(self) -> str:
        """Name the service, never the token."""
        return f"AsyncClient({self._talks.url!r})"

    async def _run(self, talk: Talk[T]) -> T:
        heard: Reply | Broken | None = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                heard = None
            else:
                heard = await self._send(step)

    async def _send(self, step: Send) -> Reply | Broken:
        try:
            async with asyncio.timeout(step.within_s):
                response = await self._http.request(**wires.sending(step))
        except TimeoutError:
            return wires.late(step)
        except wires.library().RequestError as error:
            return wires.broken(error, step)
        return Reply(response.status_code, response.headers, response.content)
