"""The mixed load of the soak: what is asked, what must come back, and what was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from benchmarks.serve.project import COLUMNS

if TYPE_CHECKING:
    from benchmarks.serve.soak import Site

PATIENCE_S = 10.0
CLIENTS = 6
PREDICT, TRUTH = "/v1/models/model/predict", "/v1/models/model/truth"
MIX = {"one": 60, "many": 8, "truth": 15, "repeat": 7, "bad": 7, "metrics": 3}
CLOSE = 1e-9
Answer = tuple[int, bytes]


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows that are asked, and what each release answers to them."""

    rows: npt.NDArray[np.float64]
    expected: dict[int, npt.NDArray[np.float64]]
    """Version → probability of `yes`, shape (n,)."""


@dataclass(eq=False)
class Noted:
    """What was acknowledged."""

    ids: list[str] = field(default_factory=list)
    row: array[int] = field(default_factory=lambda: array("l"))
    version: array[int] = field(default_factory=lambda: array("l"))
    chance: array[float] = field(default_factory=lambda: array("d"))
    truths: dict[str, str] = field(default_factory=dict)


class Client:
    """One kept-alive connection; whatever breaks is an OSError."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._begun = False

    async def ask(self, path: str, body: bytes | None, *, headers: str = "", token: str | None = None) -> Answer:
        """Send one request and return status and body."""
        token = self._token if token is None else token
        method = "GET" if body is None else "POST"
        lines = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\n"
        lines += f"authorization: Bearer {token}\r\n" if token else ""
        lines += f"content-type: application/json\r\ncontent-length: {len(body or b'')}\r\n{headers}\r\n"
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._sent(lines.encode() + (body or b""))
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise ConnectionError(self._why(error)) from error

    async def _sent(self, content: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(content)
        await writer.drain()
        self._begun = False
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        self._begun = True
        at = head.find(b"content-length:")
        size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        answer = await reader.readexactly(size)
        if b"connection: close" in head:
            self.close()
        return int(head[9:12]), answer

    def _why(self, error: Exception) -> str:
        if isinstance(error, asyncio.IncompleteReadError):
            return "answer torn" if error.partial or self._begun else "closed without an answer"
        names = {
            "ConnectionRefusedError": "refused",
            "ConnectionResetError": "reset",
            "TimeoutError": "no answer in 10 s",
        }
        return names.get(type(error).__name__, type(error).__name__)

    def close(self) -> None:
        """Close; the next request opens another connection."""
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].close()
        self._streams = None


async def status(port: int, path: str) -> int:
    """Return the status of a route that needs no token, 0 where nobody answers."""
    client = Client(port, "")
    try:
        return (await client.ask(path, None))[0]
    except ConnectionError:
        return 0
    finally:
        client.close()


class Load:
    """Asks one service, checks every answer, and notes what was acknowledged."""

    def __init__(self, site: Site, pool: Pool, rng: random.Random) -> None:
        self.site, self.pool, self._rng = site, pool, rng
        self.noted = Noted()
        self.asked: Counter[str] = Counter()
        self.expected_refusals: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        """Answers that must not be; each is a failure."""
        self.disturbed: Counter[str] = Counter()
        """What broke while the service was killed or restarted."""
        self.latency: list[float] = []
        self._token = ""

    async def run(self, until: float, rate: float) -> None:
        """Ask until the moment (monotonic seconds), `rate` times a second over all clients."""
        self._token = (self.site.folder / ".cauce" / "secrets" / "token").read_text(encoding="ascii").strip()
        await asyncio.gather(*(self._client(until, rate / CLIENTS) for _ in range(CLIENTS)))

    async def _client(self, until: float, rate: float) -> None:
        client = Client(self.site.port, self._token)
        acts = {"one": self._one, "many": self._many, "truth": self._truth, "repeat": self._repeat, "bad": self._bad,
                "metrics": self._metrics}  # fmt: skip
        due = time.monotonic()
        while (now := time.monotonic()) < until:
            due += self._rng.expovariate(rate)
            if due < now - 5.0:
                due = now
            await asyncio.sleep(max(0.0, due - now))
            kind = self._rng.choices(list(MIX), list(MIX.values()))[0]
            before = self.site.disturbed
            try:
                await acts[kind](client)
            except ConnectionError as error:
                self._fault(f"{kind}: {error}", disturbed=before or self.site.disturbed)
                await asyncio.sleep(0.1)
            self.asked[kind] += 1
        client.close()

    def _fault(self, what: str, *, disturbed: bool) -> None:
        if disturbed:
            self.disturbed[f"{self.site.disturbance}; {what}"] += 1
        else:
            self.wrong[what] += 1

    async def _one(self, client: Client) -> None:
        await self._predict(client, 1)

    async def _many(self, client: Client) -> None:
        await self._predict(client, 64)

    async def _predict(
        self, client: Client, size: int, headers: str = "", chosen: list[int] | None = None
    ) -> bytes | None:
        chosen = chosen or [self._rng.randrange(len(self.pool.rows)) for _ in range(size)]
        body = json.dumps(
            {"rows": [dict(zip(COLUMNS, row, strict=True)) for row in self.pool.rows[chosen].tolist()]}
        ).encode()
        begun, before = time.monotonic(), self.site.disturbed
        code, answer = await client.ask(PREDICT, body, headers=headers)
        if code != 200:
            self._fault(f"predict: {code}", disturbed=before or self.site.disturbed)
            return None
        self.latency.append(time.monotonic() - begun)
        self._check(json.loads(answer), chosen)
        return answer

    def _check(self, answer: dict[str, Any], chosen: list[int]) -> None:
        version, made = int(answer["version"]), answer["predictions"]
        if len(made) != len(chosen) or version not in self.pool.expected:
            self.wrong["answer of another shape or version"] += 1
            return
        for at, one in zip(chosen, made, strict=True):
            chance = one["probabilities"]["yes"]
            if abs(chance - self.pool.expected[version][at]) > CLOSE:
                others = [other for other, found in self.pool.expected.items() if abs(chance - found[at]) <= CLOSE]
                self.wrong["row answered by another release" if others else "row answered by no release"] += 1
            self.noted.ids.append(one["id"])
            self.noted.row.append(at)
            self.noted.version.append(version)
            self.noted.chance.append(chance)

    async def _truth(self, client: Client) -> None:
        """Tell what turned out to be true, the same each time an id comes up again."""
        if not self.noted.ids:
            return
        ids = {self._rng.choice(self.noted.ids) for _ in range(self._rng.randint(1, 4))}
        truths = {id_: "yes" if id_[-1] in "02468ace" else "no" for id_ in ids}
        body = json.dumps({"truths": [{"id": id_, "value": value} for id_, value in truths.items()]}).encode()
        before = self.site.disturbed
        code, answer = await client.ask(TRUTH, body)
        if code != 200:
            self._fault(f"truth: {code}", disturbed=before or self.site.disturbed)
            return
        for one in json.loads(answer)["results"]:
            if one["status"] not in {"accepted", "duplicate"}:
                self.wrong[f"truth of an acknowledged id: {one['status']}"] += 1
            self.noted.truths[one["id"]] = truths[one["id"]]

    async def _repeat(self, client: Client) -> None:
        """Send the same twice under one key, and again where the connection broke: the same answer must come."""
        chosen = [self._rng.randrange(len(self.pool.rows))]
        key = f"idempotency-key: {secrets.token_hex(12)}\r\n"
        life, before = self.site.life, self.site.disturbed
        answers: list[bytes] = []
        for _ in range(2):
            try:
                found = await self._predict(client, 1, key, chosen)
            except ConnectionError as error:
                self._fault(f"repeat: {error}", disturbed=before or self.site.disturbed)
                continue
            if found is not None:
                answers.append(found)
        if len(set(answers)) == 2:
            calm = life == self.site.life and not before and not self.site.disturbed
            self._fault("repeat answered otherwise", disturbed=not calm)

    async def _bad(self, client: Client) -> None:
        """Send what must be refused, and see that it is, with the right status."""
        row = dict(zip(COLUMNS, self.pool.rows[0].tolist(), strict=True))
        kinds: dict[str, tuple[int, bytes, dict[str, Any]]] = {
            "not JSON": (400, b'{"rows": [', {}),
            "a field too many": (422, json.dumps({"rows": [{**row, "y": 1}]}).encode(), {}),
            "a field missing": (422, json.dumps({"rows": [{"x00": 1.0}]}).encode(), {}),
            "a text for a number": (422, json.dumps({"rows": [{**row, "x07": "1.0"}]}).encode(), {}),
            "one bad row of many": (422, json.dumps({"rows": [row] * 20 + [{**row, "x00": None}]}).encode(), {}),
            "no token": (401, json.dumps({"rows": [row]}).encode(), {"token": ""}),
            "another token": (401, json.dumps({"rows": [row]}).encode(), {"token": "x" * 43}),
        }
        name = self._rng.choice(list(kinds))
        wanted, body, how = kinds[name]
        before = self.site.disturbed
        code, _ = await client.ask(PREDICT, body, **how)
        if code == wanted:
            self.expected_refusals[f"{name}: {code}"] += 1
        else:
            self._fault(f"{name}: {code}, not {wanted}", disturbed=before or self.site.disturbed)

    async def _metrics(self, client: Client) -> None:
        before = self.site.disturbed
        code, answer = await client.ask("/metrics", None)
        if code != 200 or (b"cauce_predictions_total" not in answer and self.noted.ids):
            self._fault(f"metrics: {code}", disturbed=before or self.site.disturbed)
