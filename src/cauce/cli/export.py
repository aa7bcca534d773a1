"""`cauce export`: files for the tools that a team has already."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from cauce import terminal
from cauce.cli.common import DEFAULT, Common, app, open_loop
from cauce.core.errors import EXIT_DONE, UserError

if TYPE_CHECKING:
    from cauce.export.evidently import Format

export = App(name="export")
app.command(export)

Folder = Annotated[Path, Parameter(name=["--output", "-o"])]
Force = Annotated[bool, Parameter(negative=())]


@export.default
def export_() -> int:
    """Write files for Prometheus, Grafana and Evidently, made from the project.

    Files that Cauce wrote are replaced; anybody else's stay, unless `--force` is given. No key of cauce.toml is needed.

    For example:

    `cauce export prometheus -o /etc/prometheus/cauce` writes rules, alerts, how to scrape, what to do at each alert.

    `cauce export prometheus` prints the rules alone.

    `cauce export grafana -o dashboards` writes one dashboard of the service, and one of the models, to be imported.

    `cauce export evidently dropout -o report.html` writes Evidently's report of the newest window against training.
    """
    export.help_print([])
    return EXIT_DONE


@export.command
def prometheus(
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    target: str | None = None,
    token_file: Path | None = None,
    every: str = "10s",
    runbooks: str | None = None,
    force: Force = False,
    common: Common = DEFAULT,
) -> int:
    """Write recording rules, alerts, the scrape configuration, and what to do at each alert.

    Parameters
    ----------
    output
        Folder to write into; when absent, the rules are printed.
    target
        Where Prometheus reaches the service, as host:port; that of [serve] when absent.
    token_file
        File with a token of the scope `metrics`, as Prometheus sees it; the owner's when absent.
    every
        How often the watcher looks: an alert says when it has been silent for three times as long.
    runbooks
        Address where people can read the runbooks; the file's name when absent.
    force
        Replace files that Cauce did not write, too.
    """
    from cauce import export as room
    from cauce.core.specs import seconds
    from cauce.loop.export import target as target_of

    with open_loop(common) as loop:
        found = target_of(
            loop, address=target, token_file=token_file, every_s=seconds(every, "--every", least=1), runbooks=runbooks
        )
    files = room.prometheus_files(found)
    if output is None and not common.json:
        sys.stdout.write(files[Path("cauce.rules.yml")].decode())
        return EXIT_DONE
    return _written(files, output, common, force=force)


@export.command
def grafana(*, output: Folder, force: Force = False, common: Common = DEFAULT) -> int:
    """Write two dashboards: the service, and the models with the model as a variable. Import them, or provision them.

    Parameters
    ----------
    output
        Folder to write into.
    force
        Replace files that Cauce did not write, too.
    """
    from cauce import export as room
    from cauce.loop.export import target as target_of

    with open_loop(common) as loop:
        found = target_of(loop, address="127.0.0.1:0")  # a dashboard asks Prometheus, never the service
    return _written(room.grafana_files(found), output, common, force=force)


@export.command
def evidently(
    model: Annotated[str, Parameter(help="Name of the model.")],
    /,
    *,
    output: Folder,
    rows: int | None = None,
    force: Force = False,
    common: Common = DEFAULT,
) -> int:
    """Write Evidently's report of a model's newest window against training. Needs Cauce with the extra `evidently`.

    Evidently needs pandas < 3, so it is best installed in an environment of its own, beside the one that serves.

    Parameters
    ----------
    output
        File to write: .html or .json.
    rows
        Newest predictions in the window; that of [watch] when absent.
    force
        Replace a file that Cauce did not write; a .json bears no mark of ours, so it always takes this.
    """
    from cauce import export as room
    from cauce.loop.export import evidently as run

    forms: dict[str, Format] = {".html": "html", ".json": "json"}
    if output.suffix not in forms:
        hint = "Name a file that ends in .html or .json."
        raise UserError("not a kind of file that Evidently writes", where="--output", received=output, hint=hint)
    room.check_writable((output,), force=force)
    with open_loop(common) as loop:
        content, note = run(loop, model, rows=rows, form=forms[output.suffix])
    if note and not common.json:
        terminal.say(terminal.escape(note))
    return _written({Path(output.name): content}, output.parent, common, force=force)


def _written(files: dict[Path, bytes], folder: Path | None, common: Common, *, force: bool) -> int:
    from cauce import export as room

    if folder is None:
        terminal.show_json({str(name): content.decode() for name, content in files.items()})
        return EXIT_DONE
    paths = room.write({folder / name: content for name, content in files.items()}, force=force)
    if common.json:
        terminal.show_json({"files": [str(path) for path in paths]})
    else:
        for path in paths:
            terminal.say(f"Wrote {terminal.escape(path)}")
    return EXIT_DONE
