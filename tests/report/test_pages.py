"""What stands on the pages, in every stage and in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from cauce import report
from cauce.core.artefacts import Comparison, GroupFigure, Metrics, Mitigation, Schema, Signal, SignalCode
from cauce.core.views import ModelView, ProjectView
from cauce.report.ladder import rows
from cauce.report.language import speak
from cauce.report.pages import prose, signal_figures

VOID = {"meta", "link", "input", "br"}
HOSTILE = "\"><script>alert(1)</script>' onload=x \x07 🦜 {{ 7*7 }}"


class Document(HTMLParser):
    """Collects elements and refuses crossed or unclosed ones."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.ids.extend(str(value) for name, value in attrs if name == "id")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def views(full: ModelView, new: ModelView) -> Iterator[ModelView]:
    assert full.champion is not None
    assert full.watched is not None
    assert full.audit is not None
    training = full.champion.training
    blocked = replace(full.audit, findings=tuple(replace(f, accepted=None) for f in full.audit.findings))
    yield full
    yield new
    yield replace(new, stage="blocked", audit=blocked)
    yield replace(full, stage="blocked", audit=blocked)
    yield replace(full, stage="trained", watched=None, decisions=(), audit=None, traffic=new.traffic)
    yield replace(full, stage="paused", watched=replace(full.watched, realised=None, realised_loss=None, signals=()))
    bare = Metrics({"mae": 1200.5, "rmse": 20000.0, "odd_metric": 0.00001}, "mae", {"en": "Plain.", "es": "Sin más."})
    release = replace(full.champion, training=replace(training, metrics=bare, importance={}))
    fair = mitigated(full)
    yield fair
    assert fair.champion is not None
    done = fair.champion.training.mitigation
    assert done is not None
    untold = replace(fair.champion.training, mitigation=replace(done, before=None, after=None, reduction=None))
    yield replace(fair, champion=replace(fair.champion, training=untold))
    yield replace(full, champion=release, challenger=replace(full.champion, version=4))


def mitigated(full: ModelView) -> ModelView:
    """Give the same model as one that was fitted with thresholds."""
    assert full.champion is not None
    settings: dict[str, str | float] = {
        "method": "thresholds", "strength": 1.0, "metric": "demographic_parity", "favoured": ">50K", "columns": "sex",
    }  # fmt: skip
    done = Mitigation(
        settings,
        GroupFigure("sex = Male ↔ sex = Female", 9000, 0.1738, 0.1631, 0.1842),
        GroupFigure("sex = Female ↔ sex = Male", 9000, 0.0081, 0.0, 0.0193),
        Comparison(9000, 9000, 0.0, 0.0, -0.1702, -0.1811, -0.1593, 0.95, 0.0, 0.01, "better"),
        Comparison(9000, 9000, 0.3412, 0.3187, 0.0225, 0.0201, 0.0249, 0.95, 0.0, 0.002, "worse"),
        Comparison(9000, 9000, 0.1671, 0.1482, 0.0189, 0.0152, 0.0226, 0.95, 0.0, 0.004, "worse"),
    )
    return replace(full, champion=replace(full.champion, training=replace(full.champion.training, mitigation=done)))


def hostile(full: ModelView) -> ModelView:
    assert full.champion is not None
    assert full.watched is not None
    training = full.champion.training
    words = {"en": HOSTILE, "es": HOSTILE}
    column = replace(training.spec.schema.columns[0], name=HOSTILE)
    metrics = replace(training.metrics, classes=(HOSTILE, "</svg><b>"), reason=words)
    spec = replace(training.spec, schema=Schema((column,)), target=HOSTILE)
    release = replace(full.champion, training=replace(training, metrics=metrics, spec=spec, importance={HOSTILE: 1.0}))
    signals = (Signal("drift", HOSTILE, float("nan"), 0.2, True, words),)
    return replace(
        full,
        champion=release,
        watched=replace(full.watched, signals=signals),
        decisions=(replace(full.decisions[0], by=HOSTILE, reason=words),),
    )


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_console_shows_every_stage_without_inline_script_or_style(
    full: ModelView, new: ModelView, project: ProjectView, language: Any
) -> None:
    models = tuple(replace(view, name=f"m{at}") for at, view in enumerate(views(full, new)))
    html = report.console_page(replace(project, models=models, language=language))
    page = Document(html)
    assert f'<html lang="{language}">' in html
    assert len(page.ids) == len(set(page.ids))
    assert [tag for tag, attributes in page.elements if tag == "style" or "style" in attributes] == []
    assert [a.get("src") for tag, a in page.elements if tag == "script"] == ["/console/static/console.js"]
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "None" not in html
    assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", html)


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_report_stands_alone(full: ModelView, new: ModelView, project: ProjectView, language: str) -> None:
    for view in views(full, new):
        html = report.model_page(view, language, project="academy", at=project.at)
        page = Document(html)
        assert not any({"src", "href"} & set(attributes) for _, attributes in page.elements)
        assert "url(" not in html
        assert "None" not in html


def test_an_empty_project_says_what_to_do(project: ProjectView) -> None:
    html = report.console_page(replace(project, models=(), snapshots=()))
    assert "No models yet" in html
    assert "<code>cauce up</code>" in html


def test_names_from_data_never_become_markup(full: ModelView, project: ProjectView) -> None:
    view = hostile(full)
    console = report.console_page(replace(project, models=(view,)))
    alone = report.model_page(view, "es", project=HOSTILE, at=project.at)
    for html in (console, alone, report.sign_in_page("en", HOSTILE)):
        page = Document(html)
        assert "<script>alert" not in html
        assert not any("onload" in attributes for _, attributes in page.elements)
        assert "{{ 7*7 }}" in html


def test_numbers_are_written_as_each_language_does(full: ModelView, project: ProjectView) -> None:
    english = report.console_page(project)
    spanish = report.console_page(replace(project, language="es"))
    assert "128,412 predictions" in english
    assert "128\u202f412 predicciones" in spanish
    assert "85.3%" in english
    assert "85,3\u00a0%" in spanish


def test_the_reason_and_the_ladder_are_shown(project: ProjectView) -> None:
    html = report.console_page(project)
    assert "Chosen: regularised linear model." in html
    assert "+53.3% (+51.7% to +55.0%)" in html
    assert "lowest loss" in html
    assert "pip install &#39;cauce[x]&#39;" in html


def test_the_diagnosis_and_what_finished_the_model_are_shown(full: ModelView, project: ProjectView) -> None:
    told = [
        report.model_page(full, "es", project="academy", at=project.at),
        report.console_page(replace(project, models=(full,), language="es")),
    ]
    for html in told:
        assert "Más filas ayudarían en torno a un 3 %." in html
        assert "Ninguna corrección de <code>prob_no</code> ayuda." in html
    assert full.champion is not None
    untold = replace(full.champion.training, finish=None, diagnosis=None)
    bare = report.model_page(
        replace(full, champion=replace(full.champion, training=untold)), "en", project="academy", at=project.at
    )
    assert not any(speak("en").say(key) in bare for key in ("diagnosis", "finish"))


@pytest.mark.parametrize(
    ("code", "column", "value", "limit", "shown"),
    [
        ("drift", None, 37.0, 200.0, ("37", "200")),
        ("drift", "age", 0.31, 0.2, ("0.31", "0.2")),
        ("missing", "age", 0.07, 0.05, ("7.0%", "5.0%")),
        ("segment", "plan", 85.128, 0.01, (">\u00a0+999%", "+1.0%")),
        ("joint_drift", None, 0.999, 0.5, ("0.999", "0.5")),
        ("labels", None, 0.12, 0.1, ("0.12", "0.1")),
        ("estimate_unreliable", None, 3.21, 2.87, ("3.21", "2.87")),
    ],
)
def test_signals_are_written_as_what_they_are(
    code: SignalCode, column: str | None, value: float, limit: float, shown: tuple[str, str]
) -> None:
    assert signal_figures(Signal(code, column, value, limit, True, {}), speak("en")) == shown


def test_a_version_serves_since_its_promotion_not_since_its_training(full: ModelView, project: ProjectView) -> None:
    assert "<dt>Took over</dt><dd>3 hours ago</dd>" in report.console_page(project)
    never = replace(full, decisions=())
    assert "<dt>Took over</dt><dd>2 days ago</dd>" in report.console_page(replace(project, models=(never,)))


@pytest.mark.parametrize(
    ("language", "lead", "gap", "change", "errors"),
    [
        (
            "en",
            "differ by 17.4%; with it, by 0.8%. Wrong predictions go from 14.8% to 16.7%.",
            "0.8% (0.0% to 1.9%): sex = Female ↔ sex = Male",
            "−17.0 points (−18.1 to −15.9)",
            "+1.9 points (+1.5 to +2.3)",
        ),
        (
            "es",
            "en un 17,4\u00a0%; con ello, en un 0,8\u00a0%. Las predicciones erróneas pasan del 14,8\u00a0% al",
            "0,8\u00a0% (de 0,0\u00a0% a 1,9\u00a0%): sex = Female ↔ sex = Male",
            "−17,0 puntos (de −18,1 a −15,9)",
            "+1,9 puntos (de +1,5 a +2,3)",
        ),
    ],
)
def test_report_and_console_say_what_was_done_about_the_gap_and_what_it_cost(
    full: ModelView, project: ProjectView, language: Any, lead: str, gap: str, change: str, errors: str
) -> None:
    fair = mitigated(full)
    alone = report.model_page(fair, language, project="academy", at=project.at)
    console = report.console_page(replace(project, models=(fair,), language=language))
    for html in (alone, console):
        assert all(text in html for text in (lead, gap, change, errors, "<code>mitigate = thresholds</code>"))
    title = speak(language).say("mitigation")
    assert title in alone
    assert title not in report.model_page(full, language, project="academy", at=project.at)


def test_findings_that_block_come_first_and_accepted_ones_last(full: ModelView, project: ProjectView) -> None:
    html = report.model_page(full, "en", project="academy", at=project.at)
    places = [html.index(text) for text in ("312 rows are exact copies", "is missing in 2.5 %", "alone predicts")]
    assert places == sorted(places)
    assert "Accepted in writing: the registrar" in html


def test_a_report_compares_with_the_simplest_model(full: ModelView, project: ProjectView) -> None:
    html = report.model_page(full, "en", project="academy", at=project.at)
    assert "Its mean loss is 35% lower than that of the simplest comparison (prior: the class shares)." in html


def test_the_sign_in_page_posts_the_token_and_names_no_model(full: ModelView) -> None:
    html = report.sign_in_page("es", "academy")
    form = dict(Document(html).elements)["form"]
    assert (form["method"], form["action"]) == ("post", "/console/session")
    assert 'name="token"' in html
    assert full.name not in html


def test_only_the_consoles_own_files_can_be_asked_for() -> None:
    style, script = report.static("console.css"), report.static("console.js")
    assert style is not None
    assert style[1] == "text/css; charset=utf-8"
    assert script is not None
    assert b"fetch" in script[0]
    for name in ("../pages.py", "..%2fpages.py", "/etc/passwd", "console.css/", "", "CONSOLE.CSS"):
        assert report.static(name) is None


def test_the_console_says_why_the_newest_training_failed(full: ModelView, project: ProjectView) -> None:
    failed = replace(full, error="cauce.toml:5, [data.students] source: the source file is <empty>.")
    html = report.console_page(replace(project, models=(failed,)))
    assert "The newest training failed" in html
    assert "the source file is &lt;empty&gt;." in html


def test_backticks_become_code_and_nothing_else_does() -> None:
    assert str(prose("a `b<` c ` d")) == "a <code>b&lt;</code> c ` d"


def test_every_table_heading_has_a_scope(project: ProjectView) -> None:
    assert all(
        "scope" in attributes for tag, attributes in Document(report.console_page(project)).elements if tag == "th"
    )


@pytest.mark.parametrize(
    ("difference", "half", "chosen", "best"),
    [
        (0.0002, 0.0004, "proven not worse than the best", "A simpler one is proven to do as well"),
        (0.002, 0.0018, "gains less than what matters", "by less than what matters"),
        (0.2, 0.3, "too few rows to tell", "not proven lower"),
    ],
)
def test_a_verdict_claims_only_what_is_proven(
    full: ModelView, difference: float, half: float, chosen: str, best: str
) -> None:
    assert full.champion is not None
    choice = full.champion.training.choice
    found = choice.rungs[1].against_best
    assert found is not None
    found = replace(found, difference=difference, lower=difference - half, upper=difference + half)
    rungs = (choice.rungs[0], replace(choice.rungs[1], against_best=found), *choice.rungs[2:])
    verdicts = [row.verdict for row in rows(replace(choice, rungs=rungs), speak("en"))]
    assert "Proven worse" in verdicts[0]
    assert chosen in verdicts[1]
    assert best in verdicts[2]
    far = replace(found, difference=9.0, lower=8.0, upper=10.0)
    beyond = rows(replace(choice, rungs=(rungs[0], replace(rungs[1], against_best=far), *rungs[2:])), speak("en"))
    assert beyond[1].against == ">\u00a0+999%"
    alone = rows(replace(choice, chosen="boosting"), speak("en"))
    assert alone[2].verdict == "The lowest loss of all."


def test_counts_are_written_as_counts(full: ModelView, project: ProjectView) -> None:
    assert full.watched is not None
    few = Signal("drift", None, 50.0, 200.0, False, {"en": "50 of at least 200"})
    view = replace(full, watched=replace(full.watched, signals=(few,)))
    html = report.model_page(view, "es", project="academy", at=project.at)
    assert '<td class="n" data-label="Valor">50</td><td class="n" data-label="Umbral">200</td>' in html


def test_a_report_on_the_prior_names_no_columns(full: ModelView, project: ProjectView) -> None:
    assert full.champion is not None
    champion = replace(full.champion, training=replace(full.champion.training, rung="prior", importance={}))
    html = report.model_page(replace(full, champion=champion), "en", project="academy", at=project.at)
    assert "It looks at no column" in html
    assert "distance_km" not in html.split("How good")[0]


def test_a_squared_loss_is_shown_with_its_root(full: ModelView, project: ProjectView) -> None:
    assert full.champion is not None
    training = full.champion.training
    squared = replace(training, choice=replace(training.choice, loss="squared"))
    view = replace(full, champion=replace(full.champion, training=squared))
    assert "0.359 (root: 0.599)" in report.model_page(view, "en", project="academy", at=project.at)
    assert "(root:" not in report.model_page(full, "en", project="academy", at=project.at)
