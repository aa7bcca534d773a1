"""One page for one audit: what is wrong, in which rows, why it matters and what to do; and what the columns hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from cauce.core.artefacts import Finding, GroupFigure
from cauce.core.views import AuditView, ShownRows
from cauce.report.answer import Answer
from cauce.report.drawings import interval_line
from cauce.report.language import Language

ORDER = {"block": 0, "warn": 1, "info": 2}


class Told(NamedTuple):
    """One finding, and the rows that it names."""

    finding: Finding
    title: str
    shown: ShownRows | None
    measured: str
    """The figure against its threshold, where there are both."""


def verdict(view: AuditView, words: Language) -> Answer:
    """Answer whether the data may be learnt from, and what to do."""
    blocking = len(view.audit.blocking)
    warned = sum(finding.severity != "info" for finding in view.audit.findings)
    if blocking:
        advice = words.say("audit_advice_blocked", view.audit.data)
        return Answer("act", words.some("audit_blocked", blocking), advice)
    if warned:
        return Answer("watch", words.some("audit_warned", warned), words.say("audit_advice_warned"))
    return Answer("good", words.say("audit_good"), words.say("audit_advice_good"))


def told(view: AuditView, words: Language) -> list[Told]:
    """Return the findings, those that stop a training first and accepted ones last."""
    pairs = zip(view.audit.findings, view.shown, strict=True)
    ordered = sorted(pairs, key=lambda pair: (pair[0].accepted is not None, ORDER[pair[0].severity]))
    return [
        Told(finding, title(view, finding.code, words), shown, _measured(finding, words)) for finding, shown in ordered
    ]


def title(view: AuditView, code: str, words: Language) -> str:
    """Return a check's title; its code where it has none, as a task's own findings."""
    found = words.of(view.titles[code]) if code in view.titles else code
    return found[:1].upper() + found[1:]


def _measured(finding: Finding, words: Language) -> str:
    if finding.value is None or finding.threshold is None:
        return ""
    return words.say("audit_measured", words.number(finding.value), words.number(finding.threshold))


def group_lines(groups: Sequence[GroupFigure], words: Language) -> list[tuple[GroupFigure, str, Markup]]:
    """Return each group with its figure written out and its interval drawn, all on one scale."""
    ends = [end for group in groups for end in (group.lower, group.upper)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return [
        (
            group,
            f"{words.number(group.value)} ({words.number(group.lower)} – {words.number(group.upper)})",
            interval_line(group.value, group.lower, group.upper, low, high, hint=group.group),
        )
        for group in groups
    ]
