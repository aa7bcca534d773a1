"""Running an application: the address is taken before anything else, and given back after the last answer."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.errors import UserError
from cauce.serve.exposure import check_exposure

if TYPE_CHECKING:
    from fastapi import FastAPI

DRAIN_S = 30


def run(
    app: FastAPI,
    host: str,
    port: int,
    *,
    token_file: Path,
    announce: Callable[[str], None] | None = None,
    tls: Mapping[str, Any] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, answer what was begun, write out the ledgers, and return.

    Parameters
    ----------
    host, port
        Address; port 0 takes a free one.
    token_file
        Must hold the token, readable by its owner alone, where `host` is not loopback.
    announce
        Called once with the URL, such as ``http://127.0.0.1:8321``, when requests are answered.
    tls
        What `tls_options` gave: with a certificate it speaks HTTPS.

    Raises
    ------
    UserError
        The port is in use, the address is not this machine's, or it is not loopback and the token is not safe.
    KeyboardInterrupt
        It was Ctrl-C.
    """
    import uvicorn

    check_address(host, port, token_file=token_file)
    listener = _listen(host, port)
    url = _url(host, listener.getsockname()[1], "https" if tls else "http")

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if announce is not None and self.started:
                announce(url)

    config = uvicorn.Config(
        app,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
        **(tls or {}),
    )
    with listener, _quiet_terminate():
        Announcing(config).run([listener])


def check_address(host: str, port: int, *, token_file: Path) -> None:
    """Raise the UserError with which `run` would refuse this address; nothing stays open."""
    if not 0 <= port <= 65535:
        raise UserError("not a port", where="--port", received=port, hint="Choose one from 1 to 65535, or 0 for any.")
    check_exposure(host, token_file)
    _listen(host, port).close()


def _listen(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        hint = "Use 127.0.0.1, or an address of this machine."
        raise UserError("not an address to listen on", where=where, received=host, hint=hint) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _bind_error(error, where, port) from error
    return listener


def _bind_error(error: OSError, where: str, port: int) -> UserError:
    if error.errno == errno.EADDRINUSE:
        hint = f"Another program listens there. Take another port: --port {port + 1 if port < 65535 else 0}."
        return UserError(f"port {port} is in use", where=where, hint=hint)
    if error.errno == errno.EACCES:
        return UserError(f"port {port} may not be used", where=where, hint="Take one from 1024 on: --port 8321.")
    return UserError(
        f"cannot listen: {error.strerror}", where=where, hint="Use 127.0.0.1, or an address of this machine."
    )


def _url(host: str, port: int, scheme: str) -> str:
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{scheme}://{shown}:{port}"


@contextmanager
def _quiet_terminate() -> Iterator[None]:
    """Let SIGTERM end the service in order and with exit code 0: uvicorn drains, then raises the signal again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
