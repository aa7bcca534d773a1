"""Commands of alerts: what is open, and whether the channels work."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE, Refused

alert = App(name="alert")
app.command(alert)


@alert.default
def alert_(*, common: Common = DEFAULT) -> int:
    """List the alerts that are open, or try the channels of `[alert]`.

    For example:

    `cauce alert test` sends a test to every channel and says which of them took it.
    """
    return _list(common)


@alert.command(name="list")
def list_(*, common: Common = DEFAULT) -> int:
    """List the alerts that are open, the messages that wait, and the channels that do not take them."""
    return _list(common)


def _list(common: Common) -> int:
    from cauce.alert.words import say
    from cauce.loop.alert import book_of, channel_names

    with open_loop(common) as loop:
        book, names, language = book_of(loop), channel_names(loop), loop.project.file.project.language
    lasting = [one for one in book.open if one.cause.lasts]
    if common.json:
        waiting = {name: sum(name in one.channels for one in book.outbox) for name in names}
        channels = {name: {"waiting": waiting[name], "failing": book.failing.get(name)} for name in names}
        terminal.show_json({"open": lasting, "channels": channels, "lost": book.lost})
        return EXIT_DONE
    rows = [
        (one.cause.model, one.cause.title[language], f"{one.since:%Y-%m-%d %H:%M}", one.cause.reason[language])
        for one in lasting
    ]
    _show("open", rows, language)
    states = []
    for name in names:
        health = book.failing.get(name)
        state = say("works", language)
        if health is not None:
            state = say("failing", language, health.why, f"{health.since:%Y-%m-%d %H:%M}")
        states.append((name, sum(name in one.channels for one in book.outbox), state))
    _show("channels", states, language)
    if book.lost:
        terminal.say(say("lost", language, book.lost))
    return EXIT_DONE


def _show(what: str, rows: Sequence[Sequence[object]], language: str) -> None:
    """Show a table under its words, or say that it would be empty."""
    from cauce.alert.words import say

    if rows:
        terminal.show_table(say(what, language), say(f"{what}_head", language).split("|"), rows)
    else:
        terminal.say(say(f"{what}_none", language))


@alert.command(name="test")
def try_channels(*, common: Common = DEFAULT) -> int:
    """Send a test to every channel and say which of them took it; exit code 4 where one did not."""
    from cauce.loop.alert import try_out

    with open_loop(common) as loop:
        results = try_out(loop)
        if not results:
            hint = "Add [alert.webhooks.NAME], [alert.mail.NAME] or [alert.commands.NAME]."
            raise Refused("no channel to test", where=loop.project.path.name, hint=hint)
    if common.json:
        terminal.show_json(results)
    else:
        for name, why in results.items():
            state = "[green]took it[/]" if why is None else f"[yellow]did not take it:[/] {terminal.escape(why)}"
            terminal.say(f"[bold]{name}[/] {state}")
    return Refused.exit_code if any(why is not None for why in results.values()) else EXIT_DONE
