"""The table of checks, and the gate that runs them all in one order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import ModuleType

from cauce.audit import dates, duplicates, labels, leakage, quality, texts
from cauce.audit.check import AuditContext, Check, NotApplicable
from cauce.core.artefacts import Audit, Finding
from cauce.core.progress import Progress, silent
from cauce.core.specs import AuditSpec, CheckSpec

FAMILIES: tuple[ModuleType, ...] = (quality, labels, texts, dates, duplicates, leakage)
"""Modules that end in a table `CHECKS`, in the order in which they run."""
CHECKS: Mapping[str, Check] = {check.code: check for family in FAMILIES for check in family.CHECKS}
"""Code → check, in the order in which they run."""


def codes() -> tuple[str, ...]:
    """Return every check's code: what `[audit.checks.CODE]` may name."""
    return tuple(CHECKS)


def run(
    context: AuditContext,
    spec: AuditSpec,
    *,
    fingerprint: str,
    now: datetime,
    progress: Progress = silent,
    clock: Callable[[], float] = time.perf_counter,
) -> Audit:
    """Run every check and return what they saw; stops nothing itself.

    Parameters
    ----------
    context
        The snapshot and the model.
    spec
        Severities, thresholds and acceptances of cauce.toml.
    fingerprint
        Of the snapshot; copied into the audit.
    now
        When this audit is made, in UTC.
    clock
        Seconds that pass; `Audit.seconds` is measured with it.
    """
    started = clock()
    findings: list[Finding] = []
    passed: list[str] = []
    not_applicable: dict[str, str] = {}
    for done, check in enumerate(CHECKS.values()):
        progress("audit", done, len(CHECKS), check.code)
        settings = spec.checks.get(check.code, CheckSpec())
        if settings.severity == "off":
            not_applicable[check.code] = "switched off in cauce.toml"
            continue
        if not context.profile.n_rows and check.code != "too_few_rows":
            not_applicable[check.code] = "the data set has no rows"
            continue
        threshold = settings.threshold if settings.threshold is not None else check.threshold
        outcome = check.function(context, threshold or 0.0)
        if isinstance(outcome, NotApplicable):
            not_applicable[check.code] = outcome.reason
        elif outcome:
            findings += settle(outcome, spec)
        else:
            passed.append(check.code)
    progress("audit", len(CHECKS), len(CHECKS))
    return Audit(
        data=context.data_name,
        model=context.model_name,
        fingerprint=fingerprint,
        n_rows=context.profile.n_rows,
        findings=tuple(findings),
        passed=tuple(passed),
        not_applicable=not_applicable,
        seconds=clock() - started,
        at=now,
    )


def settle(findings: Iterable[Finding], spec: AuditSpec) -> tuple[Finding, ...]:
    """Give findings the severity and the acceptance that cauce.toml states for their codes; `off` drops them."""
    settled = []
    for finding in findings:
        settings = spec.checks.get(finding.code, CheckSpec())
        if settings.severity == "off":
            continue
        if settings.severity is not None:
            finding = replace(finding, severity=settings.severity)
        if settings.accept is not None and finding.severity == "block":
            finding = replace(finding, accepted=settings.accept)
        settled.append(finding)
    return tuple(settled)
