"""Stage 6, serve: hands the service everything it needs to know of the other rooms, and runs it."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cauce.core import admin_log
from cauce.core.locks import hold
from cauce.loop.audit_page import audit_page_of
from cauce.loop.context import Loop
from cauce.loop.tokens import tokens_of
from cauce.loop.view import project_view
from cauce.loop.watch import ledger_of

if TYPE_CHECKING:
    from cauce.serve import Served


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
        yield


def check_address(loop: Loop, *, port: int | None = None) -> None:
    """Raise UserError where the port, or HTTPS, cannot be had: before minutes of training, not after them."""
    from cauce import serve as room

    settings = loop.project.file.serve
    room.check_address(settings.host, settings.port if port is None else port, token_file=loop.state.token)
    room.tls_options(settings, loop.project.folder)


def serve(loop: Loop, *, port: int | None = None, host: str | None = None, announce: Announce) -> None:
    """Serve the champions until SIGTERM or Ctrl-C, finishing the requests under way."""
    from cauce import report
    from cauce import serve as room

    settings = loop.project.file.serve
    spec = settings.model_copy(update={"host": host or settings.host})
    codes = room.Codes()
    language = loop.project.file.project.language
    service = room.Service(
        project=loop.project.file.project.name,
        models=tuple(loop.project.file.models),
        load=lambda name: _served(loop, name),
        champion=lambda name: loop.tracker.alias(name, "champion"),
        ledger=lambda name: ledger_of(loop, name),
        tokens=tokens_of(loop),
        spec=spec,
        page=lambda: report.console_page(project_view(loop)),
        sign_in=lambda: report.sign_in_page(language, loop.project.file.project.name),
        static=report.static,
        audit_page=lambda name: _audit_page(loop, name),
        codes=codes,
        limits=room.Limits(per_second=spec.requests_per_second),
        note=partial(admin_log.append, loop.state.record),
    )

    def ready(url: str) -> None:
        link = f"{url}/console?code={codes.make()}"
        announce(url, link, service.models, loop.state.token)
        if _has_screen():
            webbrowser.open(link)

    port = spec.port if port is None else port
    tls = room.tls_options(spec, loop.project.folder)
    room.run(room.create_app(service), spec.host, port, token_file=loop.state.token, announce=ready, tls=tls)


def _served(loop: Loop, name: str) -> Served | None:
    from cauce.serve import Served

    champion = loop.tracker.alias(name, "champion")
    if champion is None:
        return None
    release, package = loop.tracker.open(name, champion)
    spec = release.training.spec
    return Served(
        model=name,
        version=champion,
        task=release.training.task,
        target=spec.target,
        schema=spec.schema,
        fitted=package.fitted,
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
