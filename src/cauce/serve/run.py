"""Running an application: the address is taken before anything else, and given back after the last answer."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cauce.core.errors import UserError
from cauce.serve.exposure import check_exposure
from cauce.serve.workers import Crew

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

DRAIN_S = 30
GC_THRESHOLDS = (50_000, 20, 20)
SWITCH_S = 0.001
"""How long a busy thread may keep the interpreter from the one that syncs the journal."""


def run(
    make_app: Callable[[], ASGIApp],
    host: str,
    port: int,
    *,
    token_file: Path,
    announce: Callable[[str], None] | None = None,
    tls: Mapping[str, Any] | None = None,
    workers: int = 1,
    beside: int | None = None,
    begin: Callable[[int], None] = lambda number: None,
    died: Callable[[int, int, bool], None] = lambda number, pid, again: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, answer what was begun, write out the ledgers, and return.

    Parameters
    ----------
    make_app
        Makes the application; called in each worker.
    host, port
        Address; port 0 takes a free one.
    token_file
        Must hold the token, readable by its owner alone, where `host` is not loopback.
    announce
        Called once with the URL, such as ``http://127.0.0.1:8321``, when requests are answered.
    tls
        What `tls_options` gave: with a certificate it speaks HTTPS.
    workers
        Processes. With more than one this process must have no threads of its own.
    beside
        Process that started this one: several workers end when it has ended.
    begin
        Called first thing in each of several workers, with its number from 1.
    died
        Called with number and process id of one that ended, and whether another one takes its place.

    Raises
    ------
    UserError
        The port is in use, the address is not this machine's, or it is not loopback and the token is not safe.
    KeyboardInterrupt
        It was Ctrl-C.
    """
    check_address(host, port, token_file=token_file)
    with ExitStack() as stack:
        listeners = [stack.enter_context(_listen(host, port, shared=workers > 1))]
        port = listeners[0].getsockname()[1]
        if workers > 1:
            one_each = sys.platform == "linux"
            more = [_listen(host, port, shared=True) if one_each else listeners[0] for _ in range(workers - 1)]
            listeners += [stack.enter_context(listener) for listener in more]
        url = _url(host, port, "https" if tls else "http")

        def ready() -> None:
            if announce is not None:
                announce(url)

        if workers > 1:
            main = partial(_work, make_app, tls, begin)
            Crew(listeners, main, ready, died, drain_s=DRAIN_S + 5.0, beside=beside).run()
        else:
            with _quiet_terminate():
                make_server(make_app(), ready=partial(_settled, ready), tls=tls).run(listeners[:1])


def _work(
    make_app: Callable[[], ASGIApp],
    tls: Mapping[str, Any] | None,
    begin: Callable[[int], None],
    number: int,
    listener: socket.socket,
    say_ready: Callable[[], None],
    life: int,
) -> int:
    """Be one of several workers."""
    begin(number)
    with _quiet_terminate():
        make_server(make_app(), ready=partial(_settled, say_ready), tls=tls, life=life).run([listener])
    return 0


def _settled(ready: Callable[[], None]) -> None:
    """Have this process wait for nothing but its requests, now that everything is loaded, and say that it is ready.

    What was loaded is never looked at by the garbage collector again (a look at all of it held every request up for
    0.15 s), and what a request makes is looked at less often: it is gone by itself when the request is.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    ready()


def make_server(
    app: ASGIApp,
    *,
    ready: Callable[[], None] = lambda: None,
    tls: Mapping[str, Any] | None = None,
    life: int | None = None,
) -> uvicorn.Server:
    """Return what answers with `app` once its `run` is called with a listening socket.

    Parameters
    ----------
    ready
        Called when requests are answered.
    tls
        What `tls_options` gave.
    life
        A file whose end means that the parent died: then it drains and ends.
    """
    import uvicorn

    from cauce.serve.connection import IDLE_S, Connection, look_after

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            loop = asyncio.get_running_loop()
            self.looking = loop.create_task(look_after(self.server_state.connections))
            if life is not None:
                loop.add_reader(life, self.parent_died, life)
            if self.started:
                ready()

        def parent_died(self, life: int) -> None:
            asyncio.get_running_loop().remove_reader(life)
            self.should_exit = True

    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=IDLE_S,
        **(tls or {}),
    )
    return Server(config)


def check_address(host: str, port: int, *, token_file: Path) -> None:
    """Raise the UserError with which `run` would refuse this address; nothing stays open."""
    if not 0 <= port <= 65535:
        raise UserError("not a port", where="--port", received=port, hint="Choose one from 1 to 65535, or 0 for any.")
    check_exposure(host, token_file)
    _listen(host, port).close()


def _listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        hint = "Use 127.0.0.1, or an address of this machine."
        raise UserError("not an address to listen on", where=where, received=host, hint=hint) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared and sys.platform == "linux":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
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
