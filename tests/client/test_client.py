"""Both clients against the real application in a process of its own, and against sockets that misbehave."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import cauce.client
from cauce.client import (
    AsyncClient,
    BadRequest,
    Client,
    NotFound,
    Prediction,
    Refused,
    Retries,
    Truth,
    TruthStatus,
    Unauthorised,
    Unreachable,
    Unreadable,
)
from cauce.core.errors import UserError
from client.scripted import ANSWER, TOKEN, URL, Script, heard, ok, problem, raw, sockets

SERVER = Path(__file__).parents[1] / "serve" / "server.py"
ROW: dict[str, Any] = {
    "age": 30,
    "income": 1000.5,
    "member": True,
    "plan": "free",
    "city": "Cádiz",
    "since": "2026-01-31T09:30:00Z",
}
QUICK = Retries(first_s=0.001, most_s=0.001)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service of the fakes of tests/serve, in a process of its own."""
    command = [sys.executable, str(SERVER), str(tmp_path_factory.mktemp("ledger")), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


Ask = Callable[..., Any]


def waiting(
    at: str, method: str, *arguments: Any, token: str = TOKEN, made: dict[str, Any] | None = None, **more: Any
) -> Any:
    with Client(at, token, retries=QUICK, **made or {}) as client:
        found = getattr(client, method)(*arguments, **more)
        return list(found) if inspect.isgenerator(found) else found


def awaiting(
    at: str, method: str, *arguments: Any, token: str = TOKEN, made: dict[str, Any] | None = None, **more: Any
) -> Any:
    async def ask() -> Any:
        async with AsyncClient(at, token, retries=QUICK, **made or {}) as client:
            found = getattr(client, method)(*arguments, **more)
            return [one async for one in found] if isinstance(found, AsyncIterator) else await found

    return asyncio.run(ask())


@pytest.fixture(params=[waiting, awaiting])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Call a method of either client."""
    found: Ask = request.param
    return found


@pytest.fixture
def at(ask: Ask, url: str) -> Ask:
    """Call a method of either client, of the real service."""
    return partial(ask, url)


def test_rows_are_predicted_in_their_order(at: Ask) -> None:
    answer = at("predict", "dropout", [ROW | {"age": age} for age in (20, 50, 30)])
    assert (answer.model, answer.version) == ("dropout", 1)
    assert [one.prediction for one in answer.predictions] == ["no", "yes", "no"]
    assert answer.predictions[0].probabilities == {"no": 0.5, "yes": 0.5}
    assert len({one.id for one in answer.predictions}) == 3
    with pytest.raises(FrozenInstanceError):
        answer.version = 2


def test_a_number_comes_with_its_interval(at: Ask) -> None:
    one = at("predict_one", "earnings", ROW)
    assert one == Prediction(one.id, 30.0, None, 29.0, 31.0)


def test_many_rows_go_in_chunks(at: Ask) -> None:
    rows = ({**ROW, "age": age} for age in range(25))
    answers = at("predict_many", "earnings", rows, chunk=10)
    assert [len(answer.predictions) for answer in answers] == [10, 10, 5]
    assert [one.prediction for answer in answers for one in answer.predictions] == [float(age) for age in range(25)]


def test_a_fault_in_a_chunk_has_its_place_among_all_rows(at: Ask) -> None:
    rows = [ROW] * 12 + [ROW | {"age": "30"}]
    with pytest.raises(Refused) as caught:
        at("predict_many", "dropout", rows, chunk=5)
    assert [(f.row, f.field, f.received, f.reason) for f in caught.value.faults] == [(12, "age", "30", "type")]
    assert "row 12, age: type, received '30'" in str(caught.value)


def test_values_of_numpy_and_of_the_calendar_are_rows_too(at: Ask) -> None:
    row = {
        "age": np.int64(30),
        "income": float("nan"),
        "member": np.bool_(True),
        "plan": "free",
        "city": None,
        "since": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    }
    assert at("predict_one", "dropout", row).prediction == "no"


def test_truths_get_their_statuses(at: Ask) -> None:
    made = at("predict_one", "dropout", ROW).id
    told = at("truth", "dropout", [Truth(made, "yes", datetime(2026, 6, 30, tzinfo=UTC)), Truth("another", "no")])
    assert told == (TruthStatus(made, "accepted"), TruthStatus("another", "unknown"))
    assert at("truth", "dropout", [Truth(made, "yes")]) == (TruthStatus(made, "duplicate"),)


def test_the_rest_of_the_service(at: Ask) -> None:
    assert [(one.id, one.version, one.task) for one in at("models")] == [
        ("dropout", 1, "classify"),
        ("earnings", 1, "regress"),
    ]
    assert at("ready") is True
    assert at("healthy") is True
    assert "cauce_predictions_total" in at("metrics")
    assert at("openapi")["openapi"] == "3.1.0"


def test_the_same_idempotency_key_gets_the_same_ids(at: Ask) -> None:
    key = str(uuid.uuid4())
    first, second, other = (at("predict_one", "dropout", ROW, idempotency_key=one).id for one in (key, key, key + "b"))
    assert first == second != other


def test_refusals_are_told_apart(at: Ask) -> None:
    with pytest.raises(Unauthorised, match="Give `token`") as refused:
        at("models", token="another")
    assert "another" not in str(refused.value)
    with pytest.raises(NotFound, match="Did you mean 'dropout'"):
        at("predict", "dropuot", [ROW])
    with pytest.raises(Refused, match="empty"):
        at("predict", "dropout", [])
    with pytest.raises(NotFound):
        at("predict", "../../console", [ROW])


def test_a_body_that_is_too_large_is_told_with_the_way_out(at: Ask) -> None:
    with pytest.raises(BadRequest, match="predict_many") as caught:
        at("predict", "dropout", [ROW | {"city": "x" * 9_000_000}])
    assert caught.value.status == 413


@pytest.mark.parametrize("rows", [ROW, "rows", [{"age": {1, object()}}], [{1: 2}]])
def test_rows_that_are_none_are_refused_before_anything_is_sent(ask: Ask, rows: Any) -> None:
    script = Script()
    with pytest.raises(UserError):
        ask(URL, "predict", "dropout", rows, made={"transport": script})
    assert script.requests == []


def test_a_row_may_be_any_mapping_and_unit_and_time_travel_along(ask: Ask) -> None:
    from types import MappingProxyType

    script = Script(ok())
    rows = (MappingProxyType({"age": 1}),)
    ask(URL, "predict", "dropout", rows, unit="student 7", deadline_s=3, made={"transport": script})
    (request,) = script.requests
    assert request.content == b'{"rows":[{"age":1}],"unit":"student 7"}'
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert 2000 < int(request.headers["cauce-deadline-ms"]) <= 3000


def test_an_overloaded_service_is_asked_again(ask: Ask) -> None:
    script = Script(problem(429), httpx.ConnectError("refused"), problem(503), ok())
    assert ask(URL, "predict", "dropout", [ROW], made={"transport": script}).version == 3
    assert len({request.headers["idempotency-key"] for request in script.requests}) == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.Response(200, text="<html>Sign in to the network</html>"),
        lambda: httpx.Response(200, json={"model": "dropout"}),
        lambda: httpx.Response(200, json=ANSWER | {"predictions": []}),
        lambda: httpx.Response(302, headers={"location": "https://elsewhere.example"}),
        lambda: httpx.Response(404, text="nginx"),
    ],
)
def test_a_stranger_s_answer_is_no_prediction(ask: Ask, answer: Callable[[], httpx.Response]) -> None:
    with pytest.raises(Unreadable, match="is not Cauce's"):
        ask(URL, "predict", "dropout", [ROW], made={"transport": Script(answer())})


def test_a_connection_that_breaks_is_made_anew(ask: Ask) -> None:
    requests: list[bytes] = []

    def breaks(connection: socket.socket) -> None:
        requests.append(heard(connection))

    def answers(connection: socket.socket) -> None:
        requests.append(heard(connection))
        connection.sendall(raw())

    with sockets(breaks, answers) as at:
        assert ask(at, "predict", "dropout", [ROW]).version == 3
    bodies = {request.partition(b"\r\n\r\n")[2] for request in requests}
    keys = {line for request in requests for line in request.split(b"\r\n") if line.startswith(b"Idempotency-Key")}
    assert (len(bodies), len(keys)) == (1, 1)


def test_a_service_that_says_nothing_is_left_at_the_deadline(ask: Ask) -> None:
    over = threading.Event()

    def silent(connection: socket.socket) -> None:
        heard(connection)
        over.wait(10)

    with sockets(silent) as at:
        with pytest.raises(Unreachable, match=r"no answer within 0\.2"):
            ask(at, "predict", "dropout", [ROW], deadline_s=0.2)
        over.set()


def test_a_service_that_drips_is_left_at_the_deadline(ask: Ask) -> None:
    over = threading.Event()

    def drips(connection: socket.socket) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(500):
            if over.wait(0.01):
                return
            try:
                connection.sendall(b" ")
            except OSError:
                return

    with sockets(drips) as at:
        with pytest.raises(Unreachable, match="no answer within"):
            ask(at, "predict", "dropout", [ROW], deadline_s=0.3)
        over.set()


def test_nobody_there_is_told_with_the_address(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        at = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(Unreachable, match="5 tries") as caught:
        ask(at, "models")
    assert at in str(caught.value)
    assert ask(at, "ready") is False


def test_chunks_go_side_by_side_and_keep_their_order() -> None:
    under_way, most = 0, 0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        age = int(request.content.partition(b'"age":')[2].partition(b"}")[0])
        await asyncio.sleep(0.03 if age == 0 else 0.0)  # the first answer is the last to come
        under_way -= 1
        return ok(ANSWER | {"version": age})

    async def run() -> list[int]:
        async with AsyncClient(URL, TOKEN, transport=httpx.MockTransport(handle)) as client:
            rows = ({"age": age} for age in range(10))
            return [answer.version async for answer in client.predict_many("dropout", rows, chunk=1, in_flight=3)]

    assert asyncio.run(run()) == list(range(10))
    assert most == 3


def test_chunks_on_their_way_are_given_up_with_their_caller() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        begun.append(1)
        try:
            if len(begun) > 1:
                await asyncio.Event().wait()
            return ok()
        finally:
            ended.append(1)

    async def run() -> None:
        async with AsyncClient(URL, TOKEN, transport=httpx.MockTransport(handle)) as client:
            answers = client.predict_many("dropout", [ROW] * 9, chunk=1, in_flight=3)
            await anext(answers)
            await answers.aclose()

    asyncio.run(run())
    assert len(begun) == len(ended) <= 4


def test_a_waiting_client_takes_rows_only_as_they_are_needed() -> None:
    taken: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(100):
            taken.append(number)
            yield ROW

    with Client(URL, TOKEN, transport=Script(ok(), ok())) as client:
        next(client.predict_many("dropout", rows(), chunk=1))
    assert len(taken) == 1


@pytest.mark.parametrize("made", [{"chunk": 0}, {"chunk": -1}])
def test_a_chunk_of_no_rows_is_refused(ask: Ask, made: dict[str, int]) -> None:
    with pytest.raises(UserError, match="chunk"):
        ask(URL, "predict_many", "dropout", [ROW], **made)


def test_the_token_is_never_shown(url: str) -> None:
    from cauce.client.place import given

    shown = [repr(Client(url, TOKEN)), repr(AsyncClient(url, TOKEN)), repr(given(url, TOKEN))]
    assert url in shown[0]
    assert TOKEN not in "".join(shown)


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "service")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


def secured(cert: Path, key: Path, connection: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    try:
        with context.wrap_socket(connection, server_side=True) as inner:
            heard_and_answered(inner)
    except (ssl.SSLError, ConnectionError):
        return  # the client did not trust it


def heard_and_answered(connection: socket.socket) -> None:
    heard(connection)
    connection.sendall(raw())


def test_a_certificate_of_one_s_own_is_trusted_when_it_is_named(ask: Ask, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    turn = partial(secured, cert, key)
    with sockets(turn, turn) as at:
        secure = at.replace("http:", "https:")
        with pytest.raises(Unreachable, match="certificate is not trusted") as caught:
            ask(secure, "predict", "dropout", [ROW])
        assert "`verify`" in str(caught.value)
        assert ask(secure, "predict", "dropout", [ROW], made={"verify": cert}).version == 3


def test_a_certificate_of_another_name_is_not_trusted(ask: Ask, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, name="192.0.2.1")
    with (
        sockets(partial(secured, cert, key)) as at,
        pytest.raises(Unreachable, match="certificate is not trusted"),
    ):
        ask(at.replace("http:", "https:"), "predict", "dropout", [ROW], made={"verify": cert})


def test_a_certificate_that_is_none_is_named(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(UserError, match="certificate"):
        ask("https://127.0.0.1:1", "models", made={"verify": tmp_path / "cert.pem"})


def test_importing_the_client_loads_no_httpx() -> None:
    code = "import sys, cauce.client; print([name for name in ('httpx', 'pydantic', 'pyarrow') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_both_clients_can_do_the_same() -> None:
    def public(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in found if not name.startswith("_")}

    plain, other = public(cauce.client.Client), public(cauce.client.AsyncClient)
    other["close"] = other.pop("aclose")
    other["predict_many"].remove("in_flight")
    assert plain == other
