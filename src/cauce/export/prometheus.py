"""Prometheus' files: rules and alerts, how to scrape the service, and what to do at each alert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cauce.core.figures import figures, percent
from cauce.export.rules import Alert, Recording, alerts, recordings
from cauce.export.target import Target
from cauce.export.words import words
from cauce.export.writing import MARK

RULES, SCRAPE, RUNBOOKS = "cauce.rules.yml", "cauce.scrape.yml", "cauce-runbooks.md"


def prometheus_files(target: Target) -> dict[Path, bytes]:
    """Return the files by their names.

    ``cauce.rules.yml``, for `rule_files`; ``cauce.scrape.yml``, for `scrape_config_files` or to be copied;
    ``cauce-runbooks.md``, where alerts lead people.
    """
    texts = {RULES: rules_text(target), SCRAPE: scrape_text(target), RUNBOOKS: runbooks(target)}
    return {Path(name): text.encode() for name, text in texts.items()}


def rules_text(target: Target) -> str:
    """Return the rules as YAML."""
    groups = [
        {"name": f"cauce-{target.project}", "rules": [_recording(one) for one in recordings(target)]},
        {"name": f"cauce-{target.project}-alerts", "rules": [_alert(one, target) for one in alerts(target)]},
    ]
    return _yaml(
        {"groups": groups}, "prometheus: changes made here are lost. In prometheus.yml: rule_files: [this file]"
    )


def scrape_text(target: Target) -> str:
    """Return how Prometheus reads the service, as YAML."""
    job: dict[str, Any] = {"job_name": f"cauce-{target.project}", "scheme": target.scheme}
    job["authorization"] = {"credentials_file": target.token_file}
    if target.certificate is not None:
        job["tls_config"] = {"ca_file": target.certificate}
    job["static_configs"] = [{"targets": [target.address], "labels": {"project": target.project}}]
    about = (
        "prometheus: changes made here are lost.\n"
        "# In prometheus.yml: scrape_config_files: [this file] (from Prometheus 2.43 on), or copy the job.\n"
        "# The rules ask for the label `project`. `cauce token add prometheus --scope metrics` makes a token\n"
        "# that can do nothing else; the owner's, in .cauce/secrets/token, can do everything."
    )
    return _yaml({"scrape_configs": [job]}, about)


def runbooks(target: Target) -> str:
    """Return what to do at each alert, as Markdown."""
    said = words(target.language)
    parts = [f"<!-- {MARK} prometheus: changes made here are lost. -->", f"# {said['runbooks']}: {target.project}"]
    parts.append(said["runbooks_text"])
    for alert in alerts(target):
        text = said["alerts"][alert.name]
        parts += [
            f"## {alert.name}",
            f"{said['severity']}: {said[alert.severity]}.",
            f"**{said['todo']}.** {_filled(text['todo'], target)}",
            f"{said['condition']} ({said['holds']} {alert.wait}):",
            f"```\n{alert.expr}\n```",
        ]
    return "\n\n".join(parts) + "\n"


def _recording(one: Recording) -> dict[str, str]:
    return {"record": one.name, "expr": one.expr}


def _alert(one: Alert, target: Target) -> dict[str, Any]:
    text = words(target.language)["alerts"][one.name]
    rule: dict[str, Any] = {"alert": one.name, "expr": one.expr}
    if one.wait != "0m":
        rule["for"] = one.wait
    rule["labels"] = {"severity": one.severity, "project": target.project}
    rule["annotations"] = {
        "summary": _filled(text["summary"], target),
        "description": _filled(text["description"], target),
        "runbook_url": f"{target.runbooks}#{one.name.lower()}",
    }
    return rule


def _filled(text: str, target: Target) -> str:
    limits, language = target.limits, target.language
    found = {
        "<project>": target.project,
        "<error_ratio>": percent(limits.error_ratio, language),
        "<p99>": f"{figures(f'{limits.p99_s:g}', language)} s",
        "<every>": f"{figures(f'{target.every_s:g}', language)} s",
    }
    for name, value in found.items():
        text = text.replace(name, value)
    return text


def _yaml(content: object, about: str) -> str:
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return f"# {MARK} {about}\n{text}"
