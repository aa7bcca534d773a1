"""`cauce watch --every 1h --print …`: what runs the watcher of this project elsewhere than in a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from cauce import __version__, schedule
from cauce.core.errors import UserError
from cauce.core.specs import seconds
from cauce.loop.context import Loop


def timetable(loop: Loop, model: str | None, *, every: str | None, kind: str, image: str | None) -> str:
    """Return a systemd unit, a cron line or a CronJob's manifest, ending in a line break.

    Parameters
    ----------
    model
        The one model to watch; all when None.
    kind
        ``systemd``, ``cron`` or ``kubernetes``.
    image
        The CronJob's; ``cauce:VERSION`` when None.

    Raises
    ------
    UserError
        There is no interval, cron cannot say it, or a path cannot be written there.
    """
    if every is None:
        raise UserError("nothing says how often", where="--print", hint="Add --every 1h.")
    if image is not None and kind != "kubernetes":
        raise UserError("only a CronJob has an image", where="--image", received=image)
    plan = schedule.Plan(
        name=loop.project.file.project.name,
        folder=loop.state.project,
        every=every,
        every_s=seconds(every),
        python=Path(sys.executable),
        model=model,
        user=_owner(loop.state.root),
    )
    if kind == "cron":
        return schedule.cron_line(plan) + "\n"
    if kind == "kubernetes":
        return schedule.manifest(plan, image or f"cauce:{__version__}")
    return schedule.unit(plan)


def _owner(path: Path) -> str:
    """Return the account that owns a path: its name, or its number where it has none."""
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)
