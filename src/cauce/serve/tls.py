"""HTTPS from a certificate's files, judged before the service listens: what a client would refuse is refused here.

The library's own handshake is the judge, held in memory between a server with the files and a client that trusts the
certificate: it finds an expired certificate, one that is for no server, and a key that is another's.
"""

from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import Any

from cauce.core.errors import UserError
from cauce.core.specs import ServeSpec

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: with forward secrecy, authenticated. uvicorn leaves the library's list, which holds older ones."""
ROUNDS = 10
EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
NOT_YET = 9  # X509_V_ERR_CERT_NOT_YET_VALID


def tls_options(spec: ServeSpec, folder: Path) -> dict[str, Any]:
    """Return uvicorn's options for HTTPS, none where no certificate is named. TLS 1.2 is the least.

    Parameters
    ----------
    folder
        That of cauce.toml: the files' names are relative to it.

    Raises
    ------
    UserError
        A file is missing, is no PEM, can be read by others, does not belong to the other, or has expired.
    """
    if spec.tls_certificate is None and spec.tls_key is None:
        return {}
    if spec.tls_certificate is None or spec.tls_key is None:
        missing = "tls_key" if spec.tls_key is None else "tls_certificate"
        other = "tls_certificate" if spec.tls_key is None else "tls_key"
        raise UserError(f"{missing} is missing", where="[serve]", hint=f"HTTPS needs it beside {other}.")
    certificate, key = folder / spec.tls_certificate, folder / spec.tls_key
    _check_file(certificate, "tls_certificate")
    mode = _check_file(key, "tls_key")
    if mode & 0o077:
        hint = f"chmod 600 {key}"
        raise UserError("others may use the private key", where="[serve] tls_key", received=f"{mode:o}", hint=hint)
    _check_handshake(certificate, _server(certificate, key))
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key), "ssl_ciphers": CIPHERS}


def _check_file(path: Path, name: str) -> int:
    """Return a file's mode; UserError where it is none, or cannot be read."""
    where = f"[serve] {name}"
    try:
        found = path.stat()
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError as error:
        hint = "The name is relative to cauce.toml."
        raise UserError("no such file", where=where, received=str(path), hint=hint) from error
    except OSError as error:
        hint = "Give the account that serves the right to read it."
        raise UserError("cannot be read", where=where, received=str(path), hint=hint) from error
    return stat.S_IMODE(found.st_mode)


def _server(certificate: Path, key: Path) -> ssl.SSLContext:
    asked: list[bool] = []

    def password() -> str:
        asked.append(True)  # without this the library would ask on the terminal
        return ""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password)
        context.set_ciphers(CIPHERS)
    except ssl.SSLError as error:
        if asked:
            hint = f"Take the passphrase off: openssl pkey -in {key} -out {key}.plain, then chmod 600."
            raise UserError("the key has a passphrase", where="[serve] tls_key", hint=hint) from error
        if error.reason == "KEY_VALUES_MISMATCH":
            hint = "Name the key that the certificate was made with."
            raise UserError("is not the certificate's key", where="[serve] tls_key", received=key, hint=hint) from error
        hint = "Both must be PEM: the server's certificate first, then its chain; and a private key."
        where = "[serve] tls_certificate, tls_key"
        raise UserError(f"cannot be used: {error.reason or 'no PEM'}", where=where, hint=hint) from error
    return context


def _check_handshake(certificate: Path, server: ssl.SSLContext) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False  # which names it is for is between it and its clients
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(ROUNDS):
        waiting = 0
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                waiting += 1
            except ssl.SSLCertVerificationError as error:
                raise _refused(certificate, error) from error
        if not waiting:
            return


def _refused(certificate: Path, error: ssl.SSLCertVerificationError) -> UserError:
    what = {EXPIRED: "the certificate has expired", NOT_YET: "the certificate is not valid yet"}.get(
        error.verify_code, f"clients would refuse the certificate: {error.verify_message}"
    )
    hint = "Check this machine's clock." if error.verify_code == NOT_YET else "Have a new one made."
    return UserError(what, where="[serve] tls_certificate", received=str(certificate), hint=hint)
