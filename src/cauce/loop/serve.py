"""Stage 6, serve: hands the service everything it needs to know of the other rooms, and runs it."""

from __future__ import annotations

import logging
import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cauce import __version__
from cauce.core import admin_log
from cauce.core.files import write_bytes
from cauce.core.locks import hold
from cauce.loop.audit_page import audit_page_of
from cauce.loop.context import Loop
from cauce.loop.seen import SeenFiles
from cauce.loop.tokens import tokens_of
from cauce.loop.view import project_view
from cauce.loop.watch import ledger_of

if TYPE_CHECKING:
    from cauce.serve import Served, Service


logger = logging.getLogger("cauce.serve")


class Announce(Protocol):
    """Told where the service listens, once it does."""

    def __call__(self, url: str, code_url: str, models: tuple[str, ...], token: Path) -> None:
        """Show the address, the console's one-time link, the models served and the token's file."""


@contextmanager
def serving(loop: Loop) -> Iterator[None]:
    """Hold `serve.lock`: one service a project.

    Raises
    ------
    Locked
        Another process serves this project.
    """
    with hold(loop.state.locks / "serve.lock"):
        loop.state.address.unlink(missing_ok=True)  # of one that was killed
        try:
            yield
        finally:
            loop.state.address.unlink(missing_ok=True)


def check_address(loop: Loop, *, port: int | None = None) -> None:
    """Raise UserError where the port, or HTTPS, cannot be had: before minutes of training, not after them."""
    from cauce import serve as room

    settings = loop.project.file.serve
    room.check_address(settings.host, settings.port if port is None else port, token_file=loop.state.token)
    room.tls_options(settings, loop.project.folder)


def serve(
    loop: Loop, *, port: int | None = None, host: str | None = None, beside: int | None = None, announce: Announce
) -> None:
    """Serve the champions until SIGTERM or Ctrl-C, or until the process `beside` ends; finish what was begun."""
    from cauce import report
    from cauce import serve as room

    spec = loop.project.file.serve
    spec = spec.model_copy(update={"host": host or spec.host})
    shared = room.Shared(loop.state.shared)
    codes, language = room.Codes(store=shared), loop.project.file.project.language
    service = room.Service(
        project=loop.project.file.project.name,
        models=tuple(loop.project.file.models),
        load=lambda name, version: _served(loop, name, version),
        alias=loop.tracker.alias,
        ledger=lambda name: ledger_of(loop, name),
        tokens=tokens_of(loop),
        spec=spec,
        page=lambda: report.console_page(project_view(loop)),
        sign_in=lambda: report.sign_in_page(language, loop.project.file.project.name),
        static=report.static,
        audit_page=lambda name: _audit_page(loop, name),
        challengers={name: model.challenger for name, model in loop.project.file.models.items()},
        codes=codes,
        sessions=room.Codes("session", store=shared),
        shared=shared,
        metrics=room.new_metrics(tuple(loop.project.file.models), workers=spec.workers),
        seen=SeenFiles(loop),
        traces=room.open_traces(spec.traces, project=loop.project.file.project.name, version=__version__),
        limits=room.Limits(per_second=spec.requests_per_second),
        note=partial(admin_log.append, loop.state.record),
    )
    shared.begin()

    def ready(url: str) -> None:
        link = f"{url}/console?code={codes.make()}"
        write_bytes(loop.state.address, f"{url}\n".encode())  # what alerts link to: the port may have been any
        shared.close()  # no connection is carried over a fork
        announce(url, link, service.models, loop.state.token)
        if _has_screen():
            webbrowser.open(link)

    if spec.workers > 1:
        _load_before_forking(service)
    shared.close()

    def died(number: int, pid: int, again: bool) -> None:
        service.metrics.ended(number, restarted=again)
        shared.release(pid)
        shared.close()

    room.run(
        lambda: room.create_app(service),
        spec.host,
        spec.port if port is None else port,
        token_file=loop.state.token,
        announce=ready,
        workers=spec.workers,
        tls=room.tls_options(spec, loop.project.folder),
        beside=beside,
        begin=service.metrics.attach,
        died=died,
    )


def _load_before_forking(service: Service) -> None:
    """Load the champions and the code that serves them, so that all workers share one copy of their memory.

    OpenMP's threads would not survive the fork, so it has none here.
    """
    import cauce.serve.app  # noqa: F401 - for its effect: what it imports is loaded once

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in service.models:
        version = service.alias(name, "champion")
        if version is None:
            continue
        try:
            service.preloaded[name, version] = service.load(name, version)
        except Exception:  # each worker tries again, answers for the other models meanwhile, and says why
            logger.exception("model %s: its champion could not be loaded", name)


def _served(loop: Loop, name: str, version: int) -> Served:
    from cauce import profile
    from cauce.serve import Served

    release, package = loop.tracker.open(name, version)
    spec = release.training.spec
    return Served(
        model=name,
        version=version,
        task=release.training.task,
        target=spec.target,
        schema=spec.schema,
        fitted=package.fitted,
        bins=profile.Bins.from_bytes(package.bins_bytes) if loop.watch_spec(name).live else None,
    )


def _audit_page(loop: Loop, name: str) -> str | None:
    from cauce import report

    file = loop.project.file
    page = audit_page_of(loop, name) if name in {*file.models, *file.data} else None
    if page is None:
        return None
    return report.audit_page(page.view, page.profile, file.project.language, project=file.project.name, alone=False)


def _has_screen() -> bool:
    """Whether a browser can be opened for the person who gave the command."""
    if not sys.stdout.isatty() or os.environ.get("CI"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
