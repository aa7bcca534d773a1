"""`cauce token`: who may ask the service for what, and what was done."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE

if TYPE_CHECKING:
    from cauce.loop.tokens import New

token = App(name="token")
app.command(token)

Name = Annotated[str, Parameter(help="Name of the token; `owner` is the one in .cauce/secrets/token.")]
TokenScope = Literal["predict", "truth", "metrics", "admin"]


@token.default
def token_(*, common: Common = DEFAULT) -> int:
    """List the tokens; make, exchange and remove them. A running service follows within a second.

    For example:

    `cauce token add shop --scope predict --scope truth` makes a token for a program, and prints it once.

    `cauce token add prometheus --scope metrics --expires 90d` makes one that ends by itself.

    `cauce token rotate shop --grace 1h` exchanges it; the old one works for an hour more.

    `cauce token remove shop` takes it away.

    `cauce token log` tells who did what: tokens, sign-ins, promotions, pauses.
    """
    return _list(common)


@token.command(name="list")
def list_(*, common: Common = DEFAULT) -> int:
    """List the tokens: scopes, limits, when they end. The tokens themselves are kept nowhere."""
    return _list(common)


def _list(common: Common) -> int:
    from cauce.loop.tokens import tokens

    with open_loop(common) as loop:
        found = tokens(loop)
    if common.json:
        terminal.show_json(found)
        return EXIT_DONE
    rows = [
        (
            one.name,
            " ".join(one.scopes),
            "as [serve] says" if one.requests_per_second is None else f"{one.requests_per_second:g}",
            _time(one.created),
            _time(one.rotated),
            "never" if one.expires is None else _time(one.expires) + (" (ended)" if one.expired else ""),
            _time(one.old_works_until),
        )
        for one in found
    ]
    header = ("token", "scopes", "requests a second", "made", "exchanged", "ends", "old one works until")
    terminal.show_table("Tokens", header, rows)
    return EXIT_DONE


@token.command
def add(
    name: Name,
    /,
    *,
    scope: Annotated[list[TokenScope], Parameter(negative=())],
    expires: str | None = None,
    per_second: float | None = None,
    common: Common = DEFAULT,
) -> int:
    """Make a token and print it, this once.

    Parameters
    ----------
    scope
        What it may do, once for each: predict, truth, metrics, or admin, which is the console.
    expires
        How long it works, as 12h or 90d; for ever when absent.
    per_second
        Requests that it may send a second; as many as [serve] says when absent.
    """
    from cauce.loop.tokens import add as run

    with open_loop(common) as loop:
        return _show(run(loop, name, scope, expires=expires, per_second=per_second), common)


@token.command
def rotate(name: Name, /, *, grace: str = "0s", common: Common = DEFAULT) -> int:
    """Exchange a token for a new one with the same name, scopes and life, and print it, this once.

    Parameters
    ----------
    grace
        How long the old one works beside it, as 1h; it ends at once when absent.
    """
    from cauce.loop.tokens import rotate as run

    with open_loop(common) as loop:
        return _show(run(loop, name, grace=grace), common)


@token.command
def remove(name: Name, /, *, common: Common = DEFAULT) -> int:
    """Take a token away, and end the console sessions that began with it.

    `cauce token remove owner` takes the owner's away, once there is another; `rotate owner` makes one again.
    """
    from cauce.loop.tokens import remove as run

    with open_loop(common) as loop:
        run(loop, name)
    if common.json:
        terminal.show_json({"removed": name})
    else:
        terminal.say(f"Removed {terminal.escape(name)}")
    return EXIT_DONE


@token.command
def log(*, limit: int | None = 20, common: Common = DEFAULT) -> int:
    """Tell who did what, newest first: tokens, sign-ins and those refused, promotions, pauses, erasures.

    Parameters
    ----------
    limit
        The newest ones, at most so many.
    """
    from cauce.loop.tokens import log as read

    with open_loop(common) as loop:
        acts = read(loop, limit)
    if common.json:
        terminal.show_json(acts)
        return EXIT_DONE
    rows = [(_time(act.at), act.who, act.what, act.about, act.detail) for act in acts]
    terminal.show_table("Acts", ("when (UTC)", "who", "did", "to", "detail"), rows)
    return EXIT_DONE


def _show(made: New, common: Common) -> int:
    if common.json:
        terminal.show_json({"token": made.token, **_public(made)})
        return EXIT_DONE
    about = made.about
    ends = "" if about.expires is None else f", until {_time(about.expires)} UTC"
    terminal.say(
        f"[bold]{terminal.escape(about.name)}[/] may {', '.join(about.scopes)}{ends}. Its token, shown this once:"
    )
    terminal.say(terminal.escape(made.token))
    return EXIT_DONE


def _public(made: New) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(made.about)


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"
