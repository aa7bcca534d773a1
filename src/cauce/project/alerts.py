"""What the keys of `[alert]` may not say: no secret stands there, no password goes unencrypted, no line is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from cauce.core.addresses import is_loopback
from cauce.core.alert_specs import MailSpec
from cauce.core.errors import UserError
from cauce.core.specs import File
from cauce.project.origins import KeyPath, Origins

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ADDRESS = re.compile(r"[^\s@<>,;:\"\\\x00-\x1f\x7f]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
HOST = re.compile(r"[A-Za-z0-9.:-]+")
TAKE_OUT = "Take it out, change it, since others may have read it, and write the name of a variable that holds it."


def faults(file: File, origins: Origins) -> Iterator[UserError]:
    """Give every fault of `[alert]` that its types alone do not show; what may be a secret is never repeated."""
    alert = file.alert
    for name, webhook in alert.webhooks.items():
        yield from _variable(origins, ("alert", "webhooks", name, "url_env"), webhook.url_env)
    for name, mail in alert.mail.items():
        yield from _mail(origins, ("alert", "mail", name), mail)
    for name, command in alert.commands.items():
        if not command.run[0].strip() or any("\0" in word for word in command.run):
            hint = "Write the program and its arguments as a list of texts."
            yield UserError("not a command", where=origins.where("alert", "commands", name, "run"), hint=hint)
    if alert.link is not None and not _is_link(alert.link):
        hint = "Write https://cauce.academy.example, without user or password."
        yield UserError("not a web address", where=origins.where("alert", "link"), hint=hint)


def _mail(origins: Origins, at: KeyPath, mail: MailSpec) -> Iterator[UserError]:
    if mail.password_env is not None:
        yield from _variable(origins, (*at, "password_env"), mail.password_env)
        if mail.user is None:
            where, hint = origins.where(*at, "password_env"), 'Add user = "account".'
            yield UserError("a password of no account", where=where, hint=hint)
        if mail.security == "none" and not is_loopback(mail.host):
            where, hint = (
                origins.where(*at, "security"),
                "Write starttls or tls: passwords cross no network in the clear.",
            )
            yield UserError("no encryption for a password", where=where, received="none", hint=hint)
    if not HOST.fullmatch(mail.host):
        hint = "Write it as smtp.academy.example; the port has a key of its own."
        yield UserError("not a mail server", where=origins.where(*at, "host"), received=mail.host, hint=hint)
    for key, addresses in (("sender", (mail.sender,)), ("to", mail.to)):
        for address in addresses:
            if not ADDRESS.fullmatch(address):
                hint = "Write it as ana@academy.example, without a name."
                yield UserError("not an address", where=origins.where(*at, key), received=address, hint=hint)


def _variable(origins: Origins, at: KeyPath, text: str) -> Iterator[UserError]:
    if not VARIABLE.fullmatch(text):
        yield UserError("not the name of an environment variable", where=origins.where(*at), hint=TAKE_OUT)


def _is_link(link: str) -> bool:
    try:
        parts = urlsplit(link)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    plain = all(" " < letter <= "~" and letter not in "<>|\"'`()[]\\" for letter in link)
    return plain and parts.scheme in {"http", "https"} and bool(host) and "@" not in parts.netloc
