"""Where the service is and who asks: arguments, then the environment, or a project's folder; each place is named."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cauce.core.errors import UserError

URL, TOKEN = "CAUCE_URL", "CAUCE_TOKEN"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class Place:
    """A service's address and the token to ask it with."""

    url: str
    token: str = field(repr=False)
    certificate: Path | None = None
    """PEM file to trust beside the system's."""

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine: no proxy of the environment is asked, nor shown the token."""
        return urlsplit(self.url).hostname in LOOPBACK


def given(url: str | None, token: str | None, env: Mapping[str, str] = os.environ) -> Place:
    """Return the place from arguments or, where one is None, from CAUCE_URL and CAUCE_TOKEN.

    Raises
    ------
    UserError
        One is missing everywhere, or the URL is none.
    """
    found = url or env.get(URL, "")
    if not found:
        raise UserError(
            "no address of the service", where=f"searched `url` and {URL}", hint="Or use `Client.of_project()`."
        )
    known = token or env.get(TOKEN, "")
    if not known:
        raise UserError("no token", where=f"searched `token` and {TOKEN}", hint="Or use `Client.of_project()`.")
    return Place(_checked(found), _token(known, where="`token`" if token else TOKEN))


def of_project(folder: Path, env: Mapping[str, str] = os.environ) -> Place:
    """Return the place of a project's own service: the port of cauce.toml, the token of .cauce/.

    Parameters
    ----------
    folder
        Holds cauce.toml, or one of its parents does.

    Raises
    ------
    UserError
        No project, no token yet, or a port that only the running service knows.
    """
    from cauce.core.specs import ServeSpec
    from cauce.core.state import State

    file = next((path / "cauce.toml" for path in (folder.absolute(), *folder.absolute().parents)
                 if (path / "cauce.toml").is_file()), None)  # fmt: skip
    if file is None:
        raise UserError("no cauce.toml here or in a folder above", where=str(folder), hint="Name the project's folder.")
    serve = _table(file)
    port = _number(env.get("CAUCE_SERVE__PORT", serve.get("port", ServeSpec().port)))
    if port is None or not 0 < port < 65536:
        hint = "Give `url`, as `cauce serve` prints it."
        raise UserError("no port to ask at", where=f"{file}, [serve] port", received=serve.get("port"), hint=hint)
    state = State(file.parent)
    try:
        token = state.token.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        hint = "Start the service once: `cauce up` makes it."
        raise UserError("no token that can be read", where=str(state.token), hint=hint) from error
    certificate = serve.get("tls_certificate")
    scheme = "https" if certificate else "http"
    url = _checked(f"{scheme}://{_host(serve.get('host', '127.0.0.1'))}:{port}")
    return Place(url, _token(token, where=str(state.token)), file.parent / certificate if certificate else None)


def _table(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("serve", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"not readable: {error}", where=str(file), hint="`cauce check` says more.") from error
    return found if isinstance(found, dict) else {}


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _host(host: object) -> str:
    name = str(host).strip("[]")
    name = "127.0.0.1" if name in _ANY else name
    return f"[{name}]" if ":" in name else name


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        sound = False
    if not sound or parts.username or parts.password:
        hint = "Write it as http://127.0.0.1:8321; the token goes into `token`."
        raise UserError("not an address of a service", where="`url`", received=url.rpartition("@")[2], hint=hint)
    return url.rstrip("/")


def _token(token: str, *, where: str) -> str:
    found = token.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise UserError("not a token", where=where, hint="It is one line of letters, digits, - and _.")
    return found
