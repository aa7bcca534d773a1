"""A line for a crontab (crontab(5)), and the five fields that Kubernetes takes too."""

from __future__ import annotations

import shlex

from cauce.core.errors import UserError
from cauce.schedule.plan import Plan

MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
HOURS = (1, 2, 3, 4, 6, 8, 12)
POSSIBLE_S = (*(60 * n for n in MINUTES), *(3600 * n for n in HOURS), 86_400, 7 * 86_400)


def expression(plan: Plan) -> str:
    """Return the five fields of an interval; minute and hour are fixed by the project, so that not all begin at once.

    Raises
    ------
    UserError
        Cron cannot say it: steps that do not divide the hour or the day are uneven, and nothing is below a minute.
    """
    if plan.every_s not in POSSIBLE_S:
        near = sorted(sorted(POSSIBLE_S, key=lambda one: abs(one - plan.every_s))[:2])
        hint = f"Write {' or '.join(map(_written, near))}, or run `cauce watch --every {plan.every}`."
        raise UserError("cron cannot say this interval evenly", where="--every", received=plan.every, hint=hint)
    whole, jitter = int(plan.every_s), plan.jitter
    if whole < 3600:
        step = whole // 60
        first = jitter % step
        return f"{'*' if step == 1 else f'{first}-59/{step}'} * * * *"
    minute = jitter % 60
    if whole < 86_400:
        step = whole // 3600
        return f"{minute} {'*' if step == 1 else f'{jitter // 60 % step}-23/{step}'} * * *"
    hour = jitter // 60 % 24
    return f"{minute} {hour} * * {'*' if whole == 86_400 else jitter // 1440 % 7}"


def _written(every_s: int) -> str:
    size, unit = next(each for each in ((86_400, "d"), (3600, "h"), (60, "m")) if every_s % each[0] == 0)
    return f"{every_s // size}{unit}"


def cron_line(plan: Plan) -> str:
    """Return the line: a full turn each time; its shell's words quoted, `%` escaped, which cron reads as a line break.

    Cron's backslash escapes whatever follows, another backslash too: one before `%` is parted from it by empty quotes.

    Examples
    --------
    >>> from pathlib import Path
    >>> plan = Plan("school", Path("/srv/my school"), "10m", 600.0, Path("/opt/cauce/bin/python"))
    >>> print(cron_line(plan).partition(" * * * * ")[2])
    cd '/srv/my school' && exec /opt/cauce/bin/python -m cauce watch --once --quiet --project '/srv/my school'
    """
    command = f"cd {shlex.quote(str(plan.folder))} && exec {shlex.join(plan.command('--once'))}"
    command = command.replace("\\%", "\\''%").replace("%", "\\%")  # what holds a backslash stands in single quotes
    return f"{expression(plan)} {command}"
