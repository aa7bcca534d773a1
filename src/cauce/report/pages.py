"""The pages: templates filled with what the other rooms made. Nothing is computed here but how it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cauce.core.artefacts import Signal
from cauce.core.views import AuditView, FairnessCurve, ModelView, ProjectView
from cauce.profile import Profile
from cauce.report import audit, columns, costs, drawings, fairness, measures, mitigation, watching
from cauce.report.answer import answer
from cauce.report.assets import style_sheet
from cauce.report.ladder import gain, rows
from cauce.report.language import DASH, Language, speak

_CODE = re.compile(r"`([^`\n]+)`")


def console_page(view: ProjectView) -> str:
    """Return the console of a project as one HTML document.

    Its style, script and icon come from ``/console/static/``; nothing is inline, so that a strict policy fits it:
    ``default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'``.
    """
    words = speak(view.language)
    return templates(words.code).get_template("console.html").render(view=view, now=view.at)


def model_page(view: ModelView, language: str, *, project: str, at: datetime) -> str:
    """Return a report on one model as a file of its own, for people who do not write code.

    Parameters
    ----------
    view
        What is known of the model.
    language
        ``"en"`` or ``"es"``.
    project
        The project's name.
    at
        When this is written, with a zone.

    Returns
    -------
    str
        HTML with its style inside; it asks for nothing from any network.
    """
    style = Markup(style_sheet())  # noqa: S704 - our own file
    template = templates(speak(language).code).get_template("report.html")
    return template.render(m=view, project=project, now=at, style=style)


def audit_page(view: AuditView, profile: Profile | None, language: str, *, project: str, alone: bool = True) -> str:
    """Return one audit as a page: what is wrong, in which rows, why it matters, what to do, what the columns hold.

    Parameters
    ----------
    view
        What is known of the audit.
    profile
        Of the snapshot; None leaves the columns out.
    language
        ``"en"`` or ``"es"``.
    project
        The project's name.
    alone
        Whether it is a file of its own, with its style inside; else a page of the console.
    """
    style = Markup(style_sheet()) if alone else ""  # noqa: S704 - our own file
    template = templates(speak(language).code).get_template("audit.html")
    return template.render(v=view, profile=profile, project=project, style=style)


def fairness_page(curve: FairnessCurve, language: str, *, project: str) -> str:
    """Return a page for people who do not write code: what is recommended, the plot, the table."""
    words = speak(language)
    return (
        templates(words.code)
        .get_template("fairness.html")
        .render(
            c=curve,
            project=project,
            style=Markup(style_sheet()),  # noqa: S704 - our own file
            answer=fairness.verdict(curve, words),
            wide=fairness.drawing(curve, words, narrow=False),
            narrow=fairness.drawing(curve, words, narrow=True),
            steps=fairness.steps(curve, words),
            note=fairness.note(curve, words),
            **{key: words.of(fairness.TEXTS[key]) for key in ("title", "plot", "desc", "table", "legend", "method")},
        )
    )


def sign_in_page(language: str, project: str) -> str:
    """Return the page for a browser without a session: how to get in. Says nothing of the models.

    It carries its style: without a session the console's files are not given.
    """
    style = Markup(style_sheet())  # noqa: S704 - our own file
    return templates(speak(language).code).get_template("sign_in.html").render(project=project, style=style)


@cache
def templates(code: str) -> Environment:
    """Return what finds and fills the pages' templates, every value escaped, in a language."""
    words = speak(code)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(_functions(words))
    environment.filters["prose"] = prose
    return environment


def _functions(words: Language) -> Mapping[str, object]:
    """Return what the templates call, bound to one language."""
    return {
        "lang": words,
        "t": words.say,
        "some": words.some,
        "answer": lambda view: answer(view, words),
        "since": since,
        "metric_name": lambda name: measures.name(name, words),
        "metric_value": lambda name, value: measures.value(name, value, words),
        "metric_hint": lambda name: measures.meaning(name, words),
        "loss": lambda kind, value: measures.loss(kind, value, words),
        "signal_figures": lambda signal: signal_figures(signal, words),
        "by_severity": lambda findings: sorted(
            findings, key=lambda found: (found.accepted is not None, audit.ORDER[found.severity])
        ),
        "rungs": lambda choice: rows(choice, words),
        "gain": lambda choice: gain(choice, words),
        "costs": lambda choice: costs.rows(choice, words),
        "settings": lambda choice: costs.settings(choice, words),
        "took": lambda choice: costs.took(choice, words),
        "mitigation_lead": lambda done: mitigation.lead(done, words),
        "mitigation_rows": lambda done: mitigation.table(done, words),
        "confusion": lambda metrics: drawings.confusion(metrics, words),
        "calibration": lambda metrics: drawings.calibration(metrics, words),
        "importance": lambda shares: drawings.importance_bars(shares, words),
        "sparkline": lambda values: drawings.sparkline(values, words),
        "course": lambda view: watching.course(view, words),
        "watch_facts": lambda seen: watching.facts(seen, words),
        "drift_rows": lambda seen: watching.column_rows(seen, words),
        "experiment_steps": lambda experiment, asked: watching.steps(experiment, words, asked),
        "experiment_facts": lambda experiment: watching.experiment_facts(experiment, words),
        "verdict": lambda view: audit.verdict(view, words),
        "told": lambda view: audit.told(view, words),
        "check_title": lambda view, code: audit.title(view, code, words),
        "group_lines": lambda groups: audit.group_lines(groups, words),
        "column_rows": lambda profile, private: columns.rows(profile, private, words),
    }


def since(view: ModelView) -> datetime | None:
    """Return when the champion took its place: at the newest change by decision, or when it was trained."""
    if view.champion is None:
        return None
    changes = (decision.at for decision in view.decisions if decision.action in {"promote", "roll back"})
    return next(changes, view.champion.training.created_at)


def signal_figures(signal: Signal, words: Language) -> tuple[str, str]:
    """Write a signal's value and its threshold: as counts, as shares, as rises of a loss, or as plain figures."""
    value, limit = signal.value, signal.threshold
    if signal.code == "schema":
        return DASH, DASH
    if signal.code in {"drift", "performance"} and signal.column is None and limit >= 1:
        return words.count(round(value)), words.count(round(limit))  # rows seen, of those that a conclusion takes
    if signal.code in {"missing", "new_category", "out_of_range", "missing_partition"}:
        return words.percent(value), words.percent(limit)
    if signal.code in {"performance", "estimate", "segment"}:
        return words.signed_percent(value), words.signed_percent(limit)
    return words.number(value), words.number(limit)  # indices, ROC-AUC, Cramér's V, standard deviations


def prose(text: str) -> Markup:
    """Escape a text and show what stands between backticks as code.

    Examples
    --------
    >>> prose("run `cauce train` <now>")
    Markup('run <code>cauce train</code> &lt;now&gt;')
    """
    parts = _CODE.split(text)
    shown = (Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts))
    return Markup("").join(shown)
