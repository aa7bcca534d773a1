"""HTTPS from files: what a client would refuse is refused before the service listens; old protocols are not spoken."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cauce.core.errors import UserError
from cauce.core.specs import ServeSpec
from cauce.serve import create_app, run, tls_options
from security.asking import TOKEN, ask, bearer, service

SPEC = ServeSpec(tls_certificate="cert.pem", tls_key="key.pem")
Key = ec.EllipticCurvePrivateKey


def make(folder: Path, *, begins_days: int = -1, ends_days: int = 30, for_servers: bool = True) -> Key:
    """A certificate for localhost, signed by its own key, and the key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if for_servers else ExtendedKeyUsageOID.CLIENT_AUTH
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins_days))
        .not_valid_after(now + timedelta(days=ends_days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_key(folder, key)
    return key


def write_key(folder: Path, key: Key, passphrase: bytes | None = None) -> None:
    hidden = serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    (folder / "key.pem").write_bytes(content)
    (folder / "key.pem").chmod(0o600)


def test_without_a_certificate_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert tls_options(ServeSpec(), tmp_path) == {}


def test_a_good_pair_gives_the_options_with_absolute_names(tmp_path: Path) -> None:
    make(tmp_path)
    options = tls_options(SPEC, tmp_path)
    assert options["ssl_certfile"] == str(tmp_path / "cert.pem")
    assert options["ssl_keyfile"] == str(tmp_path / "key.pem")


def _no_certificate(folder: Path) -> None:
    (folder / "cert.pem").unlink()


def _no_key(folder: Path) -> None:
    (folder / "key.pem").unlink()


def _a_folder(folder: Path) -> None:
    (folder / "cert.pem").unlink()
    (folder / "cert.pem").mkdir()


def _no_pem(folder: Path) -> None:
    (folder / "cert.pem").write_text("hello")


def _exchanged(folder: Path) -> None:
    (folder / "cert.pem").write_bytes((folder / "key.pem").read_bytes())


def _another_key(folder: Path) -> None:
    write_key(folder, ec.generate_private_key(ec.SECP256R1()))


def _passphrase(folder: Path) -> None:
    write_key(folder, make(folder), b"secret")


def _open_key(folder: Path) -> None:
    (folder / "key.pem").chmod(0o640)


def _expired(folder: Path) -> None:
    make(folder, begins_days=-30, ends_days=-1)


def _not_yet(folder: Path) -> None:
    make(folder, begins_days=2)


def _for_clients(folder: Path) -> None:
    make(folder, for_servers=False)


@pytest.mark.parametrize(
    ("spoil", "told", "hint"),
    [
        (_no_certificate, "no such file", "relative to cauce.toml"),
        (_no_key, "no such file", "relative to cauce.toml"),
        (_a_folder, "cannot be read", "right to read"),
        (_no_pem, "cannot be used", "must be PEM"),
        (_exchanged, "cannot be used", "must be PEM"),
        (_another_key, "not the certificate's key", "made with"),
        (_passphrase, "has a passphrase", "openssl pkey"),
        (_open_key, "others may use the private key", "chmod 600"),
        (_expired, "has expired", "new one"),
        (_not_yet, "not valid yet", "clock"),
        (_for_clients, "clients would refuse", "new one"),
    ],
)
def test_what_clients_would_refuse_is_refused_with_what_to_do(tmp_path: Path, spoil: Any, told: str, hint: str) -> None:
    make(tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError) as caught:
        tls_options(SPEC, tmp_path)
    assert told in caught.value.what
    assert hint in caught.value.hint
    assert "tls_" in caught.value.where
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"tls_key": None}, {"tls_certificate": None}])
def test_one_of_the_two_alone_is_refused(tmp_path: Path, changes: dict[str, None]) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match="is missing"):
        tls_options(SPEC.model_copy(update=changes), tmp_path)


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """A real service with HTTPS on a free port."""
    started, urls = threading.Event(), list[str]()
    servers: list[uvicorn.Server] = []

    def ready(url: str) -> None:
        urls.append(url)
        started.set()

    app = create_app(service(spec=SPEC))
    init = uvicorn.Server.__init__

    def remembered(self: uvicorn.Server, config: uvicorn.Config) -> None:
        servers.append(self)
        init(self, config)

    def serve() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(uvicorn.Server, "__init__", remembered)
            options = tls_options(SPEC, folder)
            run(lambda: app, "127.0.0.1", 0, token_file=folder / "token", announce=ready, tls=options)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert started.wait(30)
        assert urls[0].startswith("https://")
        yield int(urls[0].rpartition(":")[2])
    finally:
        servers[0].should_exit = True
        thread.join()


def client_of(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def test_a_real_socket_speaks_https_with_modern_ciphers_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path)
    with serving(tmp_path) as port:
        base = f"https://localhost:{port}"
        with httpx.Client(verify=client_of(tmp_path), base_url=base) as http:
            assert http.get("/healthz").status_code == 200
            assert http.get("/v1/models").status_code == 401
            answer = http.get("/v1/models", headers=bearer())
            assert answer.status_code == 200
            assert "strict-transport-security" not in answer.headers
            entered = http.post("/console/session", data={"token": TOKEN})
            assert "Secure" in entered.headers["set-cookie"]
            assert http.get("/v1/models", headers=bearer() | {"Origin": base}).status_code == 200
            crossing = bearer() | {"Origin": f"http://localhost:{port}"}
            assert http.get("/v1/models", headers=crossing).status_code == 403
        for version, cipher in ((ssl.TLSVersion.TLSv1_2, "GCM"), (ssl.TLSVersion.TLSv1_3, "TLS_")):
            context = client_of(tmp_path)
            context.minimum_version = context.maximum_version = version
            assert cipher in shaken(context, port)
        old = client_of(tmp_path)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shaken(old, port)
        old = client_of(tmp_path)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = ssl.TLSVersion.TLSv1_1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shaken(old, port)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://localhost:{port}/healthz")


def shaken(context: ssl.SSLContext, port: int) -> str:
    """The cipher that a handshake comes to."""
    with (
        socket.create_connection(("localhost", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        found = wrapped.cipher()
        assert found is not None
        return found[0]


def test_a_cookie_is_not_kept_to_https_where_the_service_speaks_none() -> None:
    entered = ask(create_app(service()), "POST", "/console/session", data={"token": TOKEN})
    assert "Secure" not in entered.headers["set-cookie"]
