"""The keys of `[alert]`: who is told, and of what. Secrets stand in environment variables, whose names stand here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from cauce.core.spec import Duration, Name, Spec, Texts, listed

AlertKind = Literal["fix data", "retrain", "promote", "roll back", "signals", "training", "watcher"]
"""What an alert is about: four decisions, alarming signals, a failed training, the watcher's own failures."""

Kinds = Annotated[
    tuple[AlertKind, ...], BeforeValidator(listed, json_schema_input_type=AlertKind | tuple[AlertKind, ...])
]
EVERYTHING: tuple[AlertKind, ...] = ("fix data", "retrain", "promote", "roll back", "signals", "training", "watcher")


class WebhookSpec(Spec):
    """`[alert.webhooks.NAME]`: a chat that takes messages by HTTP."""

    url_env: str
    """Environment variable that holds the address: whoever knows a webhook's address may write there."""
    format: Literal["slack", "teams", "json"] = "slack"
    """slack: Slack's incoming webhooks, and Mattermost's; teams: a workflow of Microsoft Teams that posts cards; json:
    the alert's own fields."""
    on: Kinds | None = None
    """What it is told of; all that `[alert] on` lists, when absent."""


class MailSpec(Spec):
    """`[alert.mail.NAME]`: people who are written to."""

    host: str
    """Mail server, as `smtp.academy.example`."""
    to: Texts = Field(min_length=1)
    """Addresses that are written to."""
    sender: str
    """Address that it comes from."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Port of the mail server; 587 for starttls, 465 for tls, 25 for none, when absent."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted; `none` takes no password, but on this machine."""
    user: str | None = None
    """Account at the mail server; none signs in nowhere."""
    password_env: str | None = None
    """Environment variable that holds the account's password."""
    on: Kinds | None = None
    """What they are told of; all that `[alert] on` lists, when absent."""


class CommandSpec(Spec):
    """`[alert.commands.NAME]`: a program that is run for each message, the message as JSON on its standard input."""

    run: Texts = Field(min_length=1)
    """Program and arguments, as `["/usr/local/bin/page", "--team", "data"]`: no shell reads them."""
    on: Kinds | None = None
    """What it is told of; all that `[alert] on` lists, when absent."""


class AlertSpec(Spec):
    """`[alert]`: who is told, and of what."""

    on: Kinds = EVERYTHING
    """What is told: decisions (`fix data`, `retrain`, `promote`, `roll back`), alarming `signals`, a `training` that
    failed, failures of the `watcher` itself."""
    link: str | None = Field(default=None, min_length=1)
    """Address of the console that messages link to, as `https://cauce.academy.example`; where the
    service listens when absent."""
    quiet: Duration = "1h"
    """How long a cause must be gone before it counts as over; what comes back sooner is the same alert."""
    remind: Duration = "1d"
    """After how long a cause that lasts is told again."""
    keep: Duration = "3d"
    """How long a message that could not be delivered is tried again."""
    webhooks: dict[Name, WebhookSpec] = Field(default={})
    """Chats, by name."""
    mail: dict[Name, MailSpec] = Field(default={})
    """People who are written to, by name."""
    commands: dict[Name, CommandSpec] = Field(default={})
    """Programs that are run, by name."""
