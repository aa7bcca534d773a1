"""The table of checks, and the gate that runs them all in one order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import ModuleType

from cauce.audit import (
    alike,
    balance,
    bias,
    categories,
    cut_texts,
    dates,
    drift,
    duplicates,
    encodings,
    future,
    identity,
    labels,
    leakage,
    mislabelled,
    outliers,
    own,
    pairs,
    partitions,
    personal,
    proxies,
    quality,
    ranges,
    represent,
    sentinels,
    shared_rows,
    texts,
    units,
)
from cauce.audit.check import AuditContext, Check, NotApplicable
from cauce.audit.patterns import mask
from cauce.core.artefacts import Audit, Finding, Words
from cauce.core.progress import Progress, silent
from cauce.core.specs import AuditSpec, CheckSpec

FAMILIES: tuple[ModuleType, ...] = (
    quality,
    labels,
    texts,
    categories,
    encodings,
    cut_texts,
    dates,
    sentinels,
    ranges,
    outliers,
    partitions,
    units,
    drift,
    duplicates,
    alike,
    leakage,
    pairs,
    identity,
    future,
    shared_rows,
    mislabelled,
    personal,
    balance,
    represent,
    bias,
    proxies,
    own,
)
"""Modules that end in a table `CHECKS`, in the order in which they run."""
CHECKS: Mapping[str, Check] = {check.code: check for family in FAMILIES for check in family.CHECKS}
"""Code → check, in the order in which they run."""
OFF = NotApplicable("switched off in cauce.toml", "desactivada en cauce.toml")
NO_ROWS = NotApplicable("the data set has no rows", "el conjunto de datos no tiene filas")


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
    own: Sequence[Check] = (),
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
        Seconds that pass; `Audit.seconds` and `check_seconds` are measured with it.
    own
        The project's own checks, as `load_own` gives them; they run first.
    """
    started = clock()
    findings: list[Finding] = []
    passed: list[str] = []
    not_applicable: dict[str, Words] = {}
    spent: dict[str, float] = {}
    checks = (*own, *CHECKS.values())
    for done, check in enumerate(checks):
        progress("audit", done, len(checks), check.code)
        settings = spec.checks.get(check.code, CheckSpec())
        if settings.severity == "off":
            not_applicable[check.code] = OFF.reason
            continue
        if not context.profile.n_rows and check.code != "too_few_rows":
            not_applicable[check.code] = NO_ROWS.reason
            continue
        threshold = settings.threshold if settings.threshold is not None else check.threshold
        begun = clock()
        outcome = check.function(context, threshold or 0.0)
        spent[check.code] = round(clock() - begun, 4)
        if isinstance(outcome, NotApplicable):
            not_applicable[check.code] = _masked_words(outcome.reason)
        elif outcome:
            findings += settle(outcome, spec)
        else:
            passed.append(check.code)
    progress("audit", len(checks), len(checks))
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
        check_seconds=dict(sorted(spent.items(), key=lambda pair: -pair[1])),
    )


def settle(findings: Iterable[Finding], spec: AuditSpec) -> tuple[Finding, ...]:
    """Give findings the severity and the acceptance that cauce.toml states for their codes; `off` drops them.

    Personal data that a finding would show is masked.
    """
    settled = []
    for finding in findings:
        settings = spec.checks.get(finding.code, CheckSpec())
        if settings.severity == "off":
            continue
        if settings.severity is not None:
            finding = replace(finding, severity=settings.severity)
        if settings.accept is not None:
            finding = replace(finding, accepted=settings.accept)
        settled.append(_masked(finding))
    return tuple(settled)


def _masked(finding: Finding) -> Finding:
    """Return the finding without personal data: what a cell holds may stand in a message or an example."""
    message, why, remedy = map(_masked_words, (finding.message, finding.why, finding.remedy))
    examples = tuple(mask(text) for text in finding.examples)
    return replace(finding, message=message, why=why, remedy=remedy, examples=examples)


def _masked_words(words: Words) -> Words:
    return {language: mask(text) for language, text in words.items()}
