"""A model's whole life as artefacts, made by hand: what the pages are shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cauce.core.artefacts import (
    Audit,
    Choice,
    Column,
    ColumnDrift,
    Comparison,
    Decision,
    Diagnosis,
    Estimate,
    Experiment,
    Finding,
    Finish,
    JointDrift,
    LabelsSeen,
    LookPoint,
    Metrics,
    Mover,
    Release,
    Rung,
    Schema,
    SegmentFigure,
    Signal,
    Snapshot,
    TaskSpec,
    Training,
    Trial,
    Watched,
    Words,
)
from cauce.core.specs import ModelSpec
from cauce.core.views import ModelView, ProjectView, Traffic

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)


def words(en: str, es: str) -> Words:
    return {"en": en, "es": es}


def comparison(difference: float, half: float, reference: float = 0.36) -> Comparison:
    lower, upper = difference - half, difference + half
    verdict = "worse" if lower > 0.0036 else "equivalent" if upper < 0.0036 else "undecided"
    return Comparison(
        38_000,
        38_000,
        reference + difference,
        reference,
        difference,
        lower,
        upper,
        0.95,
        0.01 * reference,
        half,
        verdict,  # type: ignore[arg-type]
    )


def choice() -> Choice:
    rungs = (
        Rung(
            "prior",
            words("prior: the class shares", "reparto de las clases"),
            "refused",
            "worse_than_best",
            "",
            0.552,
            0.02,
            0.1,
            comparison(0.192, 0.006),
        ),
        Rung(
            "linear",
            words("regularised linear model", "modelo lineal regularizado"),
            "chosen",
            "simplest_not_worse",
            "",
            0.3612,
            3.4,
            1.2,
            comparison(0.0012, 0.0017),
        ),
        Rung(
            "boosting",
            words("gradient boosting", "potenciación de gradiente"),
            "refused",
            "more_complex",
            "",
            0.36,
            21.7,
            4.0,
            None,
            params={"learning_rate": 0.0625, "num_leaves": 31, "extra_trees": True},
            predict_ms_one_row=0.5123,
            size_bytes=1_284_000,
            n_trials=4,
            tuning_seconds=95.0,
        ),
        Rung(
            "forest", words("random forest", "bosque aleatorio"), "skipped", "missing_extra", "pip install 'cauce[x]'"
        ),
    )
    reason = words(
        "Chosen: regularised linear model. Its mean log loss is 0.361, 0.3 % above the best (boosting, 0.360); "
        "with 95 % confidence the difference lies under the margin of 1 % that `cauce.toml` sets.",
        "Elegido: modelo lineal regularizado. Su pérdida logarítmica media es 0,361, un 0,3 % por encima del mejor "
        "(0,360); con una confianza del 95 % la diferencia queda bajo el margen del 1 %.",
    )
    trials = (
        Trial(0, {"learning_rate": 0.1}, 0.364, 5, 20.0, "complete"),
        Trial(1, {"learning_rate": 0.5}, 0.412, 2, 8.0, "pruned"),
        Trial(2, {"learning_rate": 0.0625}, 0.3587, 5, 32.0, "complete"),
        Trial(3, {"learning_rate": 0.001}, None, 0, 0.0, "failed"),
    )
    tuned = {"seconds": 131.0, "budget_s": 120.0, "trials": {"boosting": trials}}
    return Choice("dropout", "log", "linear", "boosting", rungs, 0.01, 38_000, 5, 0, reason, **tuned)  # type: ignore[arg-type]


def metrics() -> Metrics:
    return Metrics(
        {"f1": 0.7312, "accuracy": 0.8534, "roc_auc": 0.9017, "pr_auc": 0.7741, "log_loss": 0.3587},
        "f1",
        words(
            "The classes are uneven (24 % against 76 %): F1 leads.",
            "Las clases son desiguales (24 % frente a 76 %): manda F1.",
        ),
        ("enrolled", "dropout"),
        ((6512, 711), (682, 1595)),
        tuple((0.05 + 0.1 * i, min(1.0, 0.04 + 0.1 * i + 0.02 * (i % 3)), 4000 // (i + 1)) for i in range(10)),
        9_500,
    )


def training() -> Training:
    columns = ("age", "grade_average", "scholarship", "evening", "course", "distance_km", "first_generation")
    schema = Schema(tuple(Column(name, "number") for name in columns))
    spec = TaskSpec("dropout", "classify", "left", schema, "log", key="id")
    snapshot = Snapshot(
        "students",
        4,
        "9f3c1a" * 10 + "abcd",
        47_500,
        dict.fromkeys(columns, "double"),
        NOW - timedelta(days=3),
        ("added: evening",),
    )
    return Training(
        "dropout",
        "classify",
        "linear",
        spec,
        snapshot,
        choice(),
        metrics(),
        0.3587,
        38_000,
        9_500,
        1_240,
        "stratified",
        "ab" * 32,
        NOW - timedelta(days=2, hours=5),
        48.2,
        {"scikit-learn": "1.9.0", "lightgbm": "4.6.0"},
        {"grade_average": 0.41, "age": 0.22, "course": 0.17, "scholarship": 0.11, "distance_km": 0.06, "evening": 0.03},
        finish=Finish(words=(words("No repair of `prob_no` helps.", "Ninguna corrección de `prob_no` ayuda."),)),
        diagnosis=Diagnosis(
            "dropout",
            "linear",
            ("more_data",),
            {},
            words("More rows would help by about 3 %.", "Más filas ayudarían en torno a un 3 %."),
            {},
            38_000,
        ),
    )


def audit() -> Audit:
    findings = (
        Finding(
            "missing",
            "info",
            ("distance_km",),
            1_204,
            words("`distance_km` is missing in 2.5 % of the rows.", "`distance_km` falta en el 2,5 % de las filas."),
            words("The model learns from the gap itself.", "El modelo aprende también del hueco."),
            words("Nothing, if the gap means something.", "Nada, si el hueco significa algo."),
        ),
        Finding(
            "duplicates",
            "warn",
            ("age", "course"),
            312,
            words("312 rows are exact copies of others.", "312 filas son copias exactas de otras."),
            words(
                "A copy on both sides of the split makes the model look better than it is.",
                "Una copia a ambos lados de la división hace parecer mejor al modelo.",
            ),
            words(
                "Remove them at the source, or name a `group` column.",
                "Elimínalas en el origen o indica una columna `group`.",
            ),
            (4, 18, 77),
        ),
        Finding(
            "leakage",
            "block",
            ("exit_date",),
            47_500,
            words("`exit_date` alone predicts `left`.", "`exit_date` por sí sola predice `left`."),
            words(
                "It is filled in after the fact: in use it will be empty.",
                "Se rellena después del hecho: en uso estará vacía.",
            ),
            words("Put it under `ignore`.", "Ponla en `ignore`."),
            accepted="the registrar fills it at enrolment, checked on 2 March",
        ),
    )
    return Audit(
        "students",
        "dropout",
        "9f3c",
        47_500,
        findings,
        ("constant", "dates", "classes"),
        {},
        3.2,
        NOW - timedelta(days=2, hours=6),
    )


def watched() -> Watched:
    signals = (
        Signal(
            "drift",
            "grade_average",
            0.31,
            0.2,
            True,
            words(
                "Column `grade_average` drifted (PSI 0.31, threshold 0.2).",
                "La columna `grade_average` derivó (PSI 0,31, umbral 0,2).",
            ),
        ),
        Signal(
            "missing",
            "distance_km",
            0.026,
            0.05,
            False,
            words("About as many gaps as in training.", "Casi tantos huecos como en el entrenamiento."),
        ),
        Signal(
            "performance",
            None,
            0.3651,
            0.3623,
            False,
            words("No proof that it became worse.", "No hay prueba de que haya empeorado."),
        ),
    )
    return Watched(
        "dropout",
        3,
        NOW - timedelta(minutes=4),
        1_000,
        412,
        612,
        NOW - timedelta(hours=9),
        NOW,
        0.3587,
        0.3651,
        comparison(0.0064, 0.02),
        signals,
    )


def decisions() -> tuple[Decision, ...]:
    told = (
        (
            "wait",
            "policy",
            4,
            "Drift in `grade_average`, but 612 of 300 truths show no loss of quality.",
            "Hay deriva en `grade_average`, pero los resultados reales no muestran pérdida de calidad.",
        ),
        (
            "promote",
            "policy",
            180,
            "Version 3 errs 4.1 % less than version 2 on the same 620 rows.",
            "La versión 3 se equivoca un 4,1 % menos que la versión 2 con las mismas 620 filas.",
        ),
        ("retrain", "policy", 195, "The loss in use rose by 6 %.", "La pérdida en uso subió un 6 %."),
        ("fix data", "policy", 2000, "`scholarship` arrived empty.", "`scholarship` llegó vacía."),
        ("roll back", "Ana", 3000, "Complaints from the tutors.", "Quejas de los tutores."),
        ("wait", "policy", 4000, "Nothing to conclude.", "Nada que concluir."),
    )
    return tuple(
        Decision(f"d{at}", "dropout", NOW - timedelta(minutes=minutes), action, words(en, es), by)  # type: ignore[arg-type]
        for at, (action, by, minutes, en, es) in enumerate(told)
    )


@pytest.fixture
def full() -> ModelView:
    return full_view()


@pytest.fixture
def new() -> ModelView:
    return new_view()


@pytest.fixture
def project(full: ModelView, new: ModelView) -> ProjectView:
    return project_view((full, new))


@pytest.fixture
def long(full: ModelView) -> ModelView:
    return watched_long(full)


def full_view() -> ModelView:
    per_minute = tuple((7 * i * i + 13 * i) % 23 + i // 4 for i in range(60))
    return ModelView(
        "dropout",
        ModelSpec(task="classify", data="students", target="left"),
        "serving",
        Release("dropout", 3, "3f9c0e1d2b", "c0ffee" * 10 + "beef", training()),
        None,
        (1, 2, 3),
        audit(),
        Traffic(128_412, 5_307, NOW - timedelta(days=2), NOW - timedelta(minutes=1), per_minute),
        watched(),
        decisions(),
    )


def new_view() -> ModelView:
    spec = ModelSpec(task="regress", data="students", target="final_grade")
    return ModelView("final-grade", spec, "new", None, None, (), None, Traffic(0, 0), None, ())


def project_view(models: tuple[ModelView, ...]) -> ProjectView:
    return ProjectView("academy", "en", NOW, models, (training().snapshot,))


def blocked_view() -> ModelView:
    findings = tuple(replace(finding, accepted=None) for finding in audit().findings)
    return replace(new_view(), stage="blocked", audit=replace(audit(), findings=findings))


def watched_long(view: ModelView) -> ModelView:
    """Give the same model after weeks: looks, drifts, an estimate, late truths, segments and an experiment."""
    assert view.watched is not None
    seen = replace(
        view.watched,
        drifts=(
            ColumnDrift("age", 0.02, 0.05, 0.4, 1.0, False, 0.0, 0.0, (Mover("≤ 20", 0.1, 0.12),), 0.03, 4.0, 0.0, 0.2),
            ColumnDrift(
                "course", 0.41, 0.3, 1e-9, 1e-8, True, 0.0, 0.11, (Mover("law", 0.1, 0.4),), None, 91.0, 12.0, 0.3
            ),
            ColumnDrift("prediction", 0.1, 0.1, 0.01, 0.2, False, 0.0, 0.0, (), None, 9.0, 1.0),
        ),
        joint=JointDrift(0.61, 0.57, 0.65, {"course": 0.8, "age": 0.2}, 2_000),
        estimate=Estimate("cbpe", "roc_auc", 0.842, 0.82, 0.864, 0.9017, 1_000, False, 0.79, 0.85, 400),
        labels=LabelsSeen(1_000, 412, 0.412, 86_400.0, 259_200.0, False, ("course", "age")),
        segments=(SegmentFigure("course = law", 120, 0.52, 0.44, 0.6, 0.36, True),),
    )
    looks = tuple(
        LookPoint(
            NOW - timedelta(days=at),
            3,
            1_000,
            400,
            0.3587,
            0.365 + 0.01 * (at % 3) if at != 4 else None,
            0.34,
            0.39,
            0.842,
            "roc_auc",
            None,
            0.4,
            0.3,
            ("drift course",) if at == 2 else (),
        )
        for at in range(8)
    )
    experiment = Experiment(
        "dropout",
        "shadow",
        3,
        4,
        NOW - timedelta(days=1),
        NOW - timedelta(hours=3),
        words("1,204 requests compared so far; nothing is settled.", "1204 peticiones comparadas; nada decidido."),
        1_204,
        2_408,
        comparison(-0.004, 0.006),
        {"latency_ratio": 1.12, "sample_ratio_p": 0.4, "own": 2.0},
    )
    return replace(view, watched=seen, looks=looks, experiment=experiment)
