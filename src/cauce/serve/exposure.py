"""Whether an address may be listened on: one that others reach needs a token, in files that nobody else can read."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from cauce.core.errors import UserError


def check_exposure(host: str, token_file: Path) -> None:
    """Refuse an address that others can reach unless there is a token and nobody else can read the files of tokens.

    Parameters
    ----------
    token_file
        The owner's token; `tokens.json`, the named ones, lies beside it.

    Raises
    ------
    UserError
        There is no token, or others may use one of the files.
    """
    if is_loopback(host):
        return
    from cauce.serve.token_file import read

    where = f"[serve] host = {host!r}"
    for file in (token_file, token_file.with_name("tokens.json")):
        mode = file.stat().st_mode & 0o777 if file.exists() else 0
        if mode & 0o077:
            what = "others can reach this address, and others can read the token"
            raise UserError(what, where=where, received=f"{mode:o}", hint=f"chmod 600 {file}")
    if not _holds_text(token_file) and not read(token_file.with_name("tokens.json")).tokens:
        what = "others can reach this address, and there is no token"
        hint = "Start the service on 127.0.0.1 once, or make one: `cauce token add NAME --scope predict`."
        raise UserError(what, where=where, received=str(token_file), hint=hint)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _holds_text(path: Path) -> bool:
    try:
        return bool(path.read_text(encoding="ascii").strip())
    except (FileNotFoundError, ValueError):
        return False
