"""Options that every command shares, and the project that they lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from cauce import __version__, terminal

if TYPE_CHECKING:
    from cauce.loop.context import Loop
    from cauce.loop.serve import Announce

app = App(
    name="cauce",
    help="Keep machine-learning models alive: data, audit, choose, register, serve, watch, renew.\n\n"
    "Begin with `cauce init academy`, then `cd academy` and `cauce up`.",
    version=__version__,
    suppress_keyboard_interrupt=False,  # `__main__` says what is kept
)
app.register_install_completion_command()


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    project: Annotated[Path, Parameter(name=["--project", "-C"])] = Path()
    "Folder that holds cauce.toml; its parents are searched too."
    json: Annotated[bool, Parameter(negative=())] = False
    "Print the result as JSON, and nothing else, to standard output."
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())] = False
    "No progress."


DEFAULT = Common()


@contextmanager
def open_loop(common: Common) -> Iterator[Loop]:
    """Read the project, show progress, and give the loop for one command."""
    from cauce import project
    from cauce.loop.audit import known_codes
    from cauce.loop.context import Loop

    alone = terminal.results_alone() if common.json else nullcontext()
    with alone, terminal.progress_bars(quiet=common.quiet or common.json) as progress:
        yield Loop(project.load(project.find(common.project), checks=known_codes()), progress)


def announcement(common: Common) -> Announce:
    """Return what says where the service listens: JSON for machines, a few lines for people."""

    def tell(url: str, code_url: str, models: tuple[str, ...], token: Path) -> None:
        if common.json:
            terminal.show_json({"url": url, "console": code_url, "models": models, "token_file": str(token)})
            return
        terminal.say(f"\n[bold green]Serving[/] {', '.join(models)} at [bold]{url}[/]")
        terminal.say(f"  console  {code_url}")
        terminal.say(f"  token    {terminal.escape(token)}")
        terminal.say("  stop     Ctrl-C")

    return tell
