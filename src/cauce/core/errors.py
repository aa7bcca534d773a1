"""The errors of Cauce, drawn once.

CauceError                    our bug unless a subclass says otherwise
└── UserError                 what the user can mend: printed without a traceback, exit code 2
    ├── Problems              several at once, as `cauce check` lists them
    ├── MissingExtra          a library that an extra brings is not installed
    ├── Tampered              a package whose bytes are not those that were registered
    ├── Blocked               the audit stopped the training, exit code 3
    ├── Refused               asked for, and not done with reason, exit code 4
    └── Locked                another process holds the project, exit code 5

A foreign library's error is translated at the border of the room that uses it. Exit codes are those of docs/cli.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import PurePath

EXIT_DONE = 0
EXIT_BUG = 1
EXIT_INTERRUPTED = 130


class CauceError(Exception):
    """The root of every error that Cauce raises itself."""

    exit_code = EXIT_BUG


class UserError(CauceError):
    """What was wrong, where, what was received and what to do.

    Parameters
    ----------
    what
        The fault, as a clause without a full stop: ``"not a task"``.
    where
        File, key, column, line: ``"cauce.toml:7, [models.dropout] task"``.
    received
        The value as it came; shown with ``repr`` and cut at 80 characters.
    hint
        What to do, as a sentence.

    Examples
    --------
    >>> print(UserError("not a task", where="cauce.toml:7, [models.dropout] task", received="clasify",
    ...                 hint="Did you mean 'classify'?"))
    cauce.toml:7, [models.dropout] task: not a task. Received 'clasify'. Did you mean 'classify'?
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", received: object = None, hint: str = "") -> None:
        self.what, self.where, self.received, self.hint = what, where, received, hint
        super().__init__(what)

    def __str__(self) -> str:
        """One line: where, what, received, what to do."""
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.received is not None:
            shown = repr(str(self.received) if isinstance(self.received, PurePath) else self.received)
            parts.append(f"Received {shown if len(shown) <= 80 else shown[:77] + '...'}")
        sentence = ". ".join(parts)
        return f"{sentence}. {self.hint}" if self.hint else f"{sentence}."


class Problems(UserError):
    """Several faults found together, one a line."""

    def __init__(self, problems: Iterable[UserError]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problems")

    def __str__(self) -> str:
        """Every fault on a line of its own."""
        return "\n".join(str(problem) for problem in self.problems)


class MissingExtra(UserError):
    """A library that is not in the base install."""


class Tampered(UserError):
    """A package whose content differs from what was registered: nothing of it is parsed."""


class Blocked(UserError):
    """The audit found something that must be mended, or accepted in writing, before training."""

    exit_code = 3


class Refused(UserError):
    """What was asked for was weighed and not done."""

    exit_code = 4


class Locked(UserError):
    """Another process holds the project."""

    exit_code = 5


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"Did you mean 'x'?"``, or the list of what is known when nothing is near.

    Examples
    --------
    >>> did_you_mean("clasify", ["classify", "regress"])
    "Did you mean 'classify'?"
    >>> did_you_mean("zzz", ["classify", "regress"])
    'Known: classify, regress.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}." if names else ""
