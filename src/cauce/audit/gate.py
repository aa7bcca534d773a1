"""The table of checks, and the gate that runs them all in one order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from cauce.audit import dates, duplicates, labels, leakage, quality, texts
from cauce.audit.check import AuditContext, Check, NotApplicable
from cauce.core.artefacts import Audit, Finding
from cauce.core.progress import Progress, silent
from cauce.core.specs import AuditSpec, CheckSpec

_TABLE = (
    Check(
        "too_few_rows",
        "block",
        20.0,
        {"en": "too few rows", "es": "muy pocas filas"},
        quality.too_few_rows,
    ),
    Check(
        "schema_changed",
        "warn",
        None,
        {"en": "changed columns", "es": "columnas cambiadas"},
        quality.schema_changed,
    ),
    Check(
        "missing_target",
        "warn",
        0.5,
        {"en": "missing target", "es": "objetivo sin valor"},
        labels.missing_target,
    ),
    Check(
        "target_type",
        "block",
        0.5,
        {"en": "target of the wrong type", "es": "objetivo de tipo inadecuado"},
        labels.target_type,
    ),
    Check("one_class", "block", None, {"en": "one class", "es": "una sola clase"}, labels.one_class),
    Check(
        "rare_class",
        "warn",
        10.0,
        {"en": "classes with few rows", "es": "clases con pocas filas"},
        labels.rare_class,
    ),
    Check("all_missing", "warn", None, {"en": "empty columns", "es": "columnas vacías"}, quality.all_missing),
    Check(
        "missing_values",
        "warn",
        0.5,
        {"en": "many missing values", "es": "muchos valores ausentes"},
        quality.missing_values,
    ),
    Check(
        "constant_column",
        "warn",
        1.0,
        {"en": "constant columns", "es": "columnas constantes"},
        quality.constant_column,
    ),
    Check(
        "infinite_values",
        "warn",
        None,
        {"en": "infinite numbers", "es": "números infinitos"},
        quality.infinite_values,
    ),
    Check(
        "numbers_as_text",
        "warn",
        0.9,
        {"en": "numbers as text", "es": "números como texto"},
        texts.numbers_as_text,
    ),
    Check(
        "missing_markers",
        "info",
        0.005,
        {"en": "marks for missing values", "es": "marcas de valor ausente"},
        texts.missing_markers,
    ),
    Check(
        "unparsable_dates",
        "warn",
        0.8,
        {"en": "unreadable dates", "es": "fechas ilegibles"},
        dates.unparsable_dates,
    ),
    Check("missing_time", "warn", 0.5, {"en": "missing times", "es": "filas sin fecha"}, dates.missing_time),
    Check(
        "impossible_dates",
        "warn",
        0.8,
        {"en": "impossible dates", "es": "fechas imposibles"},
        dates.impossible_dates,
    ),
    Check("dates_as_text", "warn", None, {"en": "dates as text", "es": "fechas como texto"}, dates.dates_as_text),
    Check(
        "duplicated_key",
        "block",
        None,
        {"en": "repeated key", "es": "clave repetida"},
        duplicates.duplicated_key,
    ),
    Check(
        "duplicated_rows",
        "warn",
        0.5,
        {"en": "duplicated rows", "es": "filas duplicadas"},
        duplicates.duplicated_rows,
    ),
    Check(
        "target_leakage",
        "block",
        0.9,
        {"en": "a column that gives the target away", "es": "una columna que delata el objetivo"},
        leakage.target_leakage,
    ),
)
CHECKS = {check.code: check for check in _TABLE}
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
