"""Label errors against labels that were flipped on purpose, and against a count of equal rows in Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.audit import CHECKS, AuditContext
from cauce.audit.check import NotApplicable, OutOfFold
from cauce.audit.mislabelled import contradictory_labels, label_errors, noise_ceiling
from cauce.core.artefacts import Finding
from cauce.core.specs import DataSpec, ModelSpec
from cauce.evidence.confident import class_thresholds, confident_class, doubt, estimate_joint, find_issues, rank
from cauce.profile import summarise

Contexts = Callable[..., AuditContext]
CLASSIFY = ModelSpec(task="classify", data="rows", target="y")
REGRESS = ModelSpec(task="regress", data="rows", target="y")


Labels = npt.NDArray[np.int64]


def flipped(
    n: int, n_classes: int, share: float, seed: int, sure: float = 0.95
) -> tuple[Labels, Labels, npt.NDArray[np.float64]]:
    """Return given labels, true ones, and the probabilities of a good model that knows of the noise."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, n_classes, n)
    wrong = rng.random(n) < share
    given_labels = np.where(wrong, (true + rng.integers(1, n_classes, n)) % n_classes, true)
    p = np.full((n, n_classes), (1 - sure) / (n_classes - 1))
    p[np.arange(n), true] = sure
    p = p * rng.uniform(0.8, 1.2, p.shape)
    return given_labels, true, p / p.sum(axis=1, keepdims=True)


def test_thresholds_and_joint_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    one = np.array([0.1, 0.2, 0.3, 0.9, 0.8, 0.3])
    p = np.column_stack([1 - one, one])
    # mean of 1 − p over rows given 0: (0.9 + 0.8 + 0.7 + 0.1) / 4; mean of p over rows given 1: (0.8 + 0.3) / 2
    assert class_thresholds(labels, p).tolist() == pytest.approx([0.625, 0.55])
    assert confident_class(labels, p).tolist() == [0, 0, 0, 1, 1, 0]
    # rows given 0: three are 0, one is 1; rows given 1: one each
    assert estimate_joint(labels, p).tolist() == [pytest.approx([3 / 6, 1 / 6]), pytest.approx([1 / 6, 1 / 6])]
    assert rank(labels, p)[:2].tolist() == [3, 5]
    assert np.argsort(-doubt(labels, p, np.eye(2) / 2), kind="stable").tolist()[:2] == [3, 5]


@pytest.mark.parametrize("n_classes", [2, 3, 8])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_flipped_labels_of_a_good_model_are_found_and_counted(n_classes: int, share: float) -> None:
    labels, true, p = flipped(3_000, n_classes, share, seed=1)
    wrong = np.flatnonzero(labels != true)
    found = find_issues(labels, p)
    assert found.share == pytest.approx(len(wrong) / 3_000, abs=0.01)
    assert np.sort(found.rows).tolist() == wrong.tolist()
    assert found.suggested.tolist() == true[found.rows].tolist()
    assert set(rank(labels, p)[: len(wrong)].tolist()) == set(wrong.tolist())


@given(st.integers(2, 5), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_joint_sums_to_one_and_keeps_the_given_shares(n_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, 60)
    p = rng.dirichlet(np.ones(n_classes), 60)
    joint = estimate_joint(labels, p)
    assert joint.sum() == pytest.approx(1.0)
    assert joint.sum(axis=1) == pytest.approx(np.bincount(labels, minlength=n_classes) / 60)
    assert sorted(rank(labels, p).tolist()) == list(range(60))


def test_a_class_without_rows_changes_nothing() -> None:
    labels, _, p = flipped(300, 2, 0.1, seed=0)
    wider = np.column_stack([p, np.zeros(300)])
    assert estimate_joint(labels, wider)[:2, :2] == pytest.approx(estimate_joint(labels, p))
    assert set(find_issues(labels, wider).rows.tolist()) == set(find_issues(labels, p).rows.tolist())


def seen_by(make: Contexts, labels: npt.NDArray[np.int64], p: npt.NDArray[np.float64]) -> AuditContext:
    names = [f"c{i}" for i in labels.tolist()]
    table = pa.table({"x": np.arange(len(labels)) / 7, "y": names})
    classes = tuple(f"c{i}" for i in range(p.shape[1]))
    seen = OutOfFold(
        np.arange(len(labels)), labels.astype(float), p.argmax(axis=1).astype(float), p, classes, "boosting"
    )
    return replace(make(table, model=CLASSIFY), out_of_fold=lambda: seen)


def checked(context: AuditContext, code: str) -> list[Finding]:
    found = CHECKS[code].function(context, CHECKS[code].threshold or 0.0)
    assert not isinstance(found, NotApplicable), found.reason
    return list(found)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_label_errors_are_told_with_rows_share_and_interval(make_context: Contexts, n_classes: int) -> None:
    labels, true, p = flipped(2_000, n_classes, 0.1, seed=2)
    (finding,) = checked(seen_by(make_context, labels, p), "label_errors")
    assert finding.severity == "warn"
    assert finding.value == pytest.approx(0.1, abs=0.03)
    assert all(labels[row] != true[row] for row in finding.rows)
    assert len(finding.rows) == 20
    assert finding.examples[0] == f"{finding.rows[0]}: c{labels[finding.rows[0]]} → c{true[finding.rows[0]]}"
    assert " to " in finding.message["en"]
    assert "entre el" in finding.message["es"]


def test_clean_labels_pass(make_context: Contexts) -> None:
    labels, _, p = flipped(2_000, 3, 0.0, seed=2)
    assert checked(seen_by(make_context, labels, p), "label_errors") == []


def test_overlapping_classes_are_no_label_errors(make_context: Contexts) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4_000)
    one = 1 / (1 + np.exp(-3 * x))
    labels = (rng.random(4_000) < one).astype(np.int64)
    p = np.column_stack([1 - one, one])
    assert 1 - np.trace(estimate_joint(labels, p)) > 0.05  # confident learning alone takes the overlap for errors
    assert checked(seen_by(make_context, labels, p), "label_errors") == []


def test_a_model_that_learnt_little_only_informs_and_one_that_learnt_nothing_is_silent(make_context: Contexts) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1_000)
    p = rng.dirichlet(np.ones(2), 1_000)
    assert isinstance(label_errors(seen_by(make_context, labels, p), 0.03), NotApplicable)
    wrong = rng.random(1_000) < 0.3
    sure = np.where(labels ^ wrong, 0.9, 0.1)
    (finding,) = checked(seen_by(make_context, labels, np.column_stack([1 - sure, sure])), "label_errors")
    assert finding.severity == "info"


@pytest.mark.parametrize("factor", [10.0, -5.0])
def test_numbers_with_a_digit_too_many_are_named(make_context: Contexts, factor: float) -> None:
    rng = np.random.default_rng(0)
    expected = rng.gamma(4, 10, 2_000) + 20
    truth = expected + rng.normal(0, 2 + expected / 40, 2_000)
    rows = np.arange(100, 1_100, 100)
    context = make_context(pa.table({"x": expected, "y": truth}), model=REGRESS)
    clean = OutOfFold(np.arange(2_000), truth, expected, None, (), "boosting")
    assert checked(replace(context, out_of_fold=lambda: clean), "label_errors") == []
    bad = truth.copy()
    bad[rows] *= factor
    seen = replace(clean, truth=bad)
    (finding,) = checked(replace(context, out_of_fold=lambda: seen), "label_errors")
    assert (finding.severity, finding.n_rows, sorted(finding.rows)) == ("warn", 10, rows.tolist())


def test_heavy_tails_are_no_errors(make_context: Contexts) -> None:
    rng = np.random.default_rng(1)
    expected = rng.normal(size=3_000) * 10
    truth = expected + rng.standard_t(4, 3_000)
    context = make_context(pa.table({"x": expected, "y": truth}), model=REGRESS)
    seen = OutOfFold(np.arange(3_000), truth, expected, None, (), "boosting")
    assert checked(replace(context, out_of_fold=lambda: seen), "label_errors") == []


def test_nothing_is_said_without_a_fit_or_a_model(make_context: Contexts) -> None:
    table = pa.table({"x": np.arange(200) / 7, "y": ["a", "b"] * 100})
    for check in (label_errors, contradictory_labels, noise_ceiling):
        assert isinstance(check(make_context(table), 0.5), NotApplicable)
    assert isinstance(label_errors(make_context(table, model=CLASSIFY), 0.03), NotApplicable)


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0, 1]), st.sampled_from("xyz")), min_size=4)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_contradictions_are_those_that_python_counts(rows: list[tuple[str, int, str]]) -> None:
    table = pa.table({"a": [r[0] for r in rows], "b": [r[1] for r in rows], "y": [r[2] for r in rows]})
    groups: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for a, b, y in rows:
        groups[a, b][y] += 1
    differing = [i for i, (a, b, _) in enumerate(rows) if len(groups[a, b]) > 1]
    best = sum(max(counts.values()) for counts in groups.values()) / len(rows)
    profile = summarise(table.to_batches())
    context = AuditContext(
        "d",
        DataSpec(source="x"),
        "m",
        CLASSIFY,
        profile,
        lambda c: iter(table.select(c or ["a", "b", "y"]).to_batches()),
        table,
    )
    told = list(contradictory_labels(context, 0.0))  # type: ignore[arg-type]
    assert [f.n_rows for f in told] == ([len(differing)] if differing else [])
    assert [f.rows for f in told] == ([tuple(differing[:20])] if differing else [])
    ceilings = list(noise_ceiling(context, 2.0))  # type: ignore[arg-type]
    assert [f.value for f in ceilings] == [pytest.approx(best)]


def test_the_ceiling_of_a_number_is_the_share_between_equal_rows(make_context: Contexts) -> None:
    rng = np.random.default_rng(0)
    group = np.arange(2_000) % 50
    y = group + rng.normal(0, 10, 2_000)
    context = make_context(pa.table({"g": [f"g{i}" for i in group], "y": y}), model=REGRESS)
    (finding,) = checked(context, "noise_ceiling")
    means = np.array([y[group == g].mean() for g in range(50)])
    assert finding.value == pytest.approx(1 - np.square(y - means[group]).sum() / np.square(y - y.mean()).sum())
    assert "R²" in finding.message["es"]
