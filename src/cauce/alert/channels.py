"""The channels of `[alert]`, each with what it wants to be told of and how it is given a message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cauce.alert import command, mail, payloads, webhook
from cauce.alert.message import Message
from cauce.alert.undelivered import Undelivered
from cauce.core.alert_specs import AlertKind, AlertSpec, MailSpec, WebhookSpec

TIMEOUT_S = 10.0
"""Longest that one attempt takes, seconds."""
FORMATS = {"slack": payloads.slack, "teams": payloads.teams, "json": payloads.plain}


@dataclass(frozen=True)
class Channel:
    """One way to reach somebody."""

    name: str
    """As the file has it: ``webhooks.team``."""
    on: frozenset[AlertKind]
    send: Callable[[Message], None]
    """Raises Undelivered."""

    def part(self, message: Message) -> Message | None:
        """Return the lines that this channel wants; None where it wants none."""
        lines = tuple(line for line in message.lines if line.kind in self.on)
        return replace(message, lines=lines) if lines else None


def channels_of(
    spec: AlertSpec, *, env: Mapping[str, str], folder: Path, timeout_s: float = TIMEOUT_S
) -> tuple[Channel, ...]:
    """Return the channels of a project.

    Parameters
    ----------
    env
        The environment, in which the secrets stand; commands get it without them.
    folder
        The project's.
    """
    secrets = {one.url_env for one in spec.webhooks.values()}
    secrets |= {one.password_env for one in spec.mail.values() if one.password_env is not None}
    left = {name: value for name, value in env.items() if name not in secrets}
    found = []
    for name, chat in spec.webhooks.items():
        post = partial(_post, chat, env, timeout_s)
        found.append(Channel(f"webhooks.{name}", frozenset(chat.on or spec.on), post))
    for name, people in spec.mail.items():
        found.append(Channel(f"mail.{name}", frozenset(people.on or spec.on), partial(_mail, people, env, timeout_s)))
    for name, program in spec.commands.items():
        run = partial(command.run, program.run, folder=folder, env=left, timeout_s=timeout_s)
        found.append(Channel(f"commands.{name}", frozenset(program.on or spec.on), run))
    return tuple(found)


def _post(spec: WebhookSpec, env: Mapping[str, str], timeout_s: float, message: Message) -> None:
    webhook.post(_secret(spec.url_env, env), FORMATS[spec.format](message), timeout_s=timeout_s)


def _mail(spec: MailSpec, env: Mapping[str, str], timeout_s: float, message: Message) -> None:
    password = None if spec.password_env is None else _secret(spec.password_env, env)
    mail.send(spec, password, message, timeout_s=timeout_s)


def _secret(variable: str, env: Mapping[str, str]) -> str:
    value = env.get(variable, "")
    if not value:
        raise Undelivered(f"the environment variable {variable} is not set", lasting=True)
    return value
