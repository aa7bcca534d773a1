"""Checks that a project brings itself: functions in a Python file that `[audit] own` names.

A function that fails is told as a finding with its file and line; the audit goes on.

    from cauce.audit import AuditContext, finding, own_check, rows_where

    @own_check("refund_over_price", severity="warn", threshold=0.0, title="refunds above the price")
    def refund_over_price(context: AuditContext, threshold: float):
        n, rows = rows_where(context, ["refund", "price"], lambda t: t["refund"] > t["price"] + threshold)
        if n:
            return finding(f"{n} refunds exceed the price.", columns=["refund", "price"], n_rows=n, rows=rows)
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from cauce.audit.check import MOST_ROWS, AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import visible
from cauce.core.artefacts import Finding, Words
from cauce.core.errors import UserError
from cauce.core.scripts import RAISED, line_in, read_script, run_script
from cauce.core.specs import Severity

CODE = re.compile(r"[a-z][a-z0-9_]{0,62}")
FAILURES = "own failures"
"""Where a context remembers which of the project's checks failed."""
Told = Finding | Sequence[Finding] | NotApplicable | None
"""What a check of one's own may give back; None where all is well."""


@dataclass(frozen=True)
class _Plain(Finding):
    """A finding as `finding` makes it: the check that returns it gives it its code, and its severity where none is."""

    own_severity: Severity | None = None


@dataclass(frozen=True)
class OwnCheck(Check):
    """A check of the project."""

    name: str = ""
    """The function's name."""


def own_check(
    code: str,
    *,
    severity: Severity = "warn",
    threshold: float | None = None,
    title: str | Words = "",
    data: str | Sequence[str] = (),
) -> Callable[[Callable[..., Told]], OwnCheck]:
    """Make a function of the project a check.

    Parameters
    ----------
    code
        Its name in findings and in `[audit.checks.CODE]`: letters, digits and underscores, written as text, not
        computed, and no code of Cauce's own.
    severity
        Of its findings, where they do not say otherwise.
    threshold
        What the function gets as its second argument where cauce.toml names none.
    title
        What it looks for, in a few words: one text, or ``{"en": …, "es": …}``; its code when absent.
    data
        The data set, or the data sets, that it looks at; every one when absent.

    Returns
    -------
    Callable
        A decorator. The function takes the context, and the threshold if it wants it; it returns None, a finding (see
        `finding`), several, or `NotApplicable`.

    Raises
    ------
    UserError
        The code is no code, or the function takes other arguments.

    Examples
    --------
    >>> @own_check("no_weekends", title="orders on a Sunday")
    ... def no_weekends(context):
    ...     return finding("Three orders on a Sunday.", rows=[4, 9, 12])
    >>> no_weekends.code, no_weekends.severity
    ('no_weekends', 'warn')
    """
    if not CODE.fullmatch(code):
        hint = "Use a-z, 0-9 and _, a letter first, at most 63."
        raise UserError("not a code of a check", where="own_check", received=code, hint=hint)

    meant = (data,) if isinstance(data, str) else tuple(data)

    def made(function: Callable[..., Told]) -> OwnCheck:
        n_given = len(inspect.signature(function).parameters)
        if n_given not in {1, 2}:
            hint = "Take the context, and the threshold if you need it."
            received = str(inspect.signature(function))
            raise UserError("a check takes one or two arguments", where=function.__name__, received=received, hint=hint)

        def run(context: AuditContext, limit: float) -> Outcome:
            if meant and context.data_name not in meant:
                names = ", ".join(meant)
                return NotApplicable(f"it looks at {names}", f"solo mira {names}")
            told = function(context, limit) if n_given == 2 else function(context)
            return _outcome(told, code, severity, limit if threshold is not None else None)

        words = _words(title or code.replace("_", " "))
        return OwnCheck(code, severity, threshold, words, run, name=function.__name__)

    return made


def finding(
    message: str | Words,
    *,
    columns: Sequence[str] = (),
    n_rows: int | None = None,
    rows: Iterable[int] = (),
    value: float | None = None,
    severity: Severity | None = None,
    why: str | Words = "",
    remedy: str | Words = "",
    examples: Iterable[object] = (),
) -> Finding:
    """Make a finding of a check of one's own, from one language or both.

    Parameters
    ----------
    message
        What was seen: one text, which then stands in both languages, or ``{"en": …, "es": …}``.
    columns
        The columns concerned.
    n_rows
        Rows concerned; as many as `rows` when absent.
    rows
        Their numbers from 0 in the snapshot's order; the first 20 are kept.
    value
        The measured figure.
    severity
        In place of the check's.
    why, remedy
        Why it matters and what to do.
    examples
        What was seen, at most 5; personal data is masked.
    """
    numbers = [int(row) for row in rows]
    return _Plain(
        "",
        severity or "warn",
        tuple(columns),
        len(numbers) if n_rows is None else int(n_rows),
        _words(message),
        _words(why or _WHY),
        _words(remedy or _REMEDY),
        tuple(numbers[:MOST_ROWS]),
        None if value is None else float(value),
        examples=tuple(visible(str(example)) for example in list(examples)[:5]),
        own_severity=severity,
    )


_WHY = {
    "en": "The project's own check asks for it.",
    "es": "Lo exige una comprobación propia del proyecto.",
}
_REMEDY = {
    "en": "Look at those rows; the check stands in the file that [audit] own names.",
    "es": "Mira esas filas; la comprobación está en el fichero que indica [audit] own.",
}


def rows_where(
    context: AuditContext, columns: Sequence[str], test: Callable[[Mapping[str, Any]], Any]
) -> tuple[int, tuple[int, ...]]:
    """Return how many rows a test marks and the first 20 of them, in one pass over the columns.

    `test` gets, batch by batch, a mapping of column → numpy array of its values (numbers missing as NaN, dates as
    datetime64, text as objects, None where missing) and returns an array of as many booleans.

    Raises
    ------
    UserError
        A column is not there, or the test gave another number of booleans.
    """
    from cauce.audit.rows import marked_rows

    for name in columns:
        context.profile.column(name)
    return marked_rows(context, columns, test)


def _words(text: str | Words) -> Words:
    if isinstance(text, str):
        return {"en": text, "es": text}
    return {"en": text.get("en") or next(iter(text.values())), "es": text.get("es") or next(iter(text.values()))}


def _outcome(told: object, code: str, severity: Severity, threshold: float | None) -> Outcome:
    """Give what a function returned the check's code, severity and threshold."""
    if told is None or isinstance(told, NotApplicable):
        return told or ()
    found = [told] if isinstance(told, Finding) else list(cast("Sequence[Finding]", told))
    wrong = next((one for one in found if not isinstance(one, Finding)), None)
    if wrong is not None:
        raise TypeError(f"a check returned {type(wrong).__name__}: make findings with `finding(...)`")
    return [_named(one, code, severity, threshold) for one in found]


def _named(one: Finding, code: str, severity: Severity, threshold: float | None) -> Finding:
    chosen = (one.own_severity or severity) if isinstance(one, _Plain) else one.severity
    held = one.threshold if one.threshold is not None else threshold
    return Finding(
        code, chosen, one.columns, one.n_rows, one.message, one.why, one.remedy, one.rows, one.value, held,
        examples=one.examples, groups=one.groups,
    )  # fmt: skip


def load_own(folder: Path, files: Sequence[str], *, known: Iterable[str], where: str) -> tuple[Check, ...]:
    """Return the checks in the project's files, in the order in which they stand.

    Parameters
    ----------
    folder
        The project's.
    files
        As `[audit] own` names them.
    known
        Codes that are taken.
    where
        Place of the key, for errors.

    Raises
    ------
    UserError
        A file is not there, lies outside the project, cannot be run, holds no check, or a code is taken.
    """
    taken = set(known)
    checks: list[Check] = []
    for file in files:
        script = read_script(file, folder, where=where)
        found = [one for one in vars(run_script(script)).values() if isinstance(one, OwnCheck)]
        if not found:
            hint = 'Put @own_check("code") above a function: from cauce.audit import own_check.'
            raise UserError("no check in it", where=where, received=file, hint=hint)
        for check in {id(one): one for one in found}.values():
            if check.code in taken:
                hint = "Give the check another code."
                raise UserError("another check has this code", where=file, received=check.code, hint=hint)
            taken.add(check.code)
            checks.append(_guarded(check, script.path))
    return tuple(checks)


def _guarded(check: OwnCheck, path: str) -> Check:
    """Return the check with its failures told: the audit goes on."""

    def run(context: AuditContext, threshold: float) -> Outcome:
        try:
            return check.function(context, threshold)
        except RAISED as error:  # it is the user's code: whatever it raises is told with its line
            place = f"{path}:{line_in(error, path)}"
            told = f"{check.name} ({place}): {type(error).__name__}: {visible(str(error)).rstrip('.')}"
            failures = context.once(FAILURES, _no_failures)
            failures.append((check.code, told))
            return NotApplicable(f"it failed: {told}", f"ha fallado: {told}")

    return replace(check, function=run)


def _no_failures(context: AuditContext) -> list[tuple[str, str]]:
    return []


def own_check_failed(context: AuditContext, threshold: float) -> Outcome:
    """Tell which of the project's own checks failed; the gate runs them before this one."""
    if FAILURES not in context.memory:
        return NotApplicable(
            "the project has no checks of its own, or none failed",
            "el proyecto no tiene comprobaciones propias, o ninguna ha fallado",
        )
    found = []
    for code, told in context.once(FAILURES, _no_failures):
        message = {
            "en": f"The project's check {code!r} failed: {told}.",
            "es": f"La comprobación propia «{code}» ha fallado: {told}.",
        }
        why = {
            "en": "What it watches over was not looked at in this audit.",
            "es": "Lo que vigila no se ha comprobado en esta auditoría.",
        }
        remedy = {
            "en": "Mend that line; `cauce check` tells at once what keeps a file from being loaded.",
            "es": "Corrige esa línea; `cauce check` dice enseguida qué impide cargar un fichero.",
        }
        found.append(Finding("own_check_failed", "warn", (), 0, message, why, remedy))
    return found


CHECKS = (
    Check(
        "own_check_failed",
        "warn",
        None,
        {"en": "checks of the project that failed", "es": "comprobaciones propias que fallaron"},
        own_check_failed,
    ),
)
