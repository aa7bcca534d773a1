"""Text columns: the TF-IDF against scikit-learn's, scores without leakage, and both ladders on texts."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cauce.core.artefacts import Candidate, Column, Schema, TaskSpec
from cauce.core.errors import UserError
from cauce.profile import summarise
from cauce.tasks.tabular import linear, text, text_scores
from cauce.tasks.tabular.encode import fit_encoder
from cauce.tasks.tabular.task import Classify, Regress

COURSES = {
    "cocina": ["Recetas de cocina fácil", "Cocinar arroz y pescado", "Postres y panadería"],
    "code": ["Python for beginners", "Programming with Java", "Web programming in practice"],
    "music": ["Piano lessons at home", "Learn the guitar", "Violin and piano theory"],
}
SCHEMA = Schema((Column("title", "text"),))
TREES = ("additive", "forest", "boosting")
LADDER = ("linear", *TREES, "mlp")


def titles(n_rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    subject = rng.choice(list(COURSES), n_rows)
    words = [[w for t in COURSES[s] for w in t.split()] for s in subject]
    made = [" ".join(rng.choice(w, 4)) for w in words]
    hours = [10.0 + 5 * list(COURSES).index(s) for s in subject] + rng.normal(0, 1, n_rows)
    return pa.table({"title": pa.array(made, mask=rng.random(n_rows) < 0.05), "subject": subject, "hours": hours})


def spec(task: str, target: str, schema: Schema = SCHEMA) -> TaskSpec:
    return TaskSpec("courses", task, target, schema, "log" if task == "classify" else "squared")


def noise(n_rows: int, rng: np.random.Generator) -> list[str]:
    letters = np.array(list(string.ascii_lowercase + " "))
    return ["".join(rng.choice(letters, 30)) for _ in range(n_rows)]


def reference(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.float64]]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    slow = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(3, 5),
        min_df=2,
        sublinear_tf=True,
        preprocessor=lambda given: " ".join(text.folded(word) for word in given.split()),
    )
    found = slow.fit_transform(texts)
    return slow.get_feature_names_out().tolist(), found.toarray()


def test_numbers_are_those_of_scikit_learn() -> None:
    texts = [value or "" for value in titles(80)["title"].to_pylist()]
    texts += ["¡Año nuevo, año feliz! 🎓", "el año", "A b ab", "Él  y\tÉL\n", *(["🎓 a b ab abc"] * 2)]
    grams, expected = reference(texts)
    fitted = text.fit_tfidf(pa.array(texts))
    assert fitted.grams.to_pylist() == grams
    np.testing.assert_allclose(fitted.transform(pa.array(texts)).toarray(), expected, atol=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), min_size=1, max_size=12))
def test_one_row_gives_the_very_numbers_that_it_gives_among_others(values: list[str | None]) -> None:
    fitted = text.fit_tfidf(pa.array([*values, *values, "un año de piano"], pa.string()))
    together = fitted.transform(pa.array(values, pa.string()))
    assert np.isfinite(together.data).all()
    for i, value in enumerate(values):
        alone = fitted.transform(pa.array([value], pa.string()))
        np.testing.assert_array_equal(alone.toarray()[0], together[i].toarray()[0])


def test_accents_and_case_are_one_but_not_ene() -> None:
    fitted = text.fit_tfidf(pa.array(["canción", "año"] * 2))
    assert fitted.transform(pa.array(["CANCION"])).sum() == pytest.approx(fitted.transform(pa.array(["canción"])).sum())
    assert fitted.transform(pa.array(["ano"])).nnz == 0


def test_the_vocabulary_is_bounded_and_keeps_what_is_frequent() -> None:
    table = titles(100)["title"].combine_chunks()
    every, few = text.fit_tfidf(table), text.fit_tfidf(table, most=50)
    assert len(few.grams) == 50
    assert set(few.grams.to_pylist()) < set(every.grams.to_pylist())
    assert few.idf.max() <= np.sort(every.idf)[49] + 1e-12


@pytest.mark.parametrize("rung", LADDER)
def test_titles_tell_the_class(rung: str, tmp_path: Path) -> None:
    train, test = titles(400), titles(200, seed=1)
    about = spec("classify", "subject")
    fitted = Classify().fit(Candidate(rung, {"en": "", "es": ""}), {}, train, spec=about)
    losses = Classify().losses(fitted, test, about).values
    assert losses.mean() < 0.25  # 5 % have no title; the prior's is 1.1
    fitted.save(tmp_path)
    again = Classify.fitted.load(tmp_path)
    assert again.predict(test).equals(fitted.predict(test))
    alone, among = fitted.predict(test.slice(5, 1)), fitted.predict(test).slice(5, 1)
    assert alone["prob_code"].to_pylist() == pytest.approx(among["prob_code"].to_pylist(), rel=1e-12)


@pytest.mark.parametrize("rung", LADDER)
def test_titles_tell_a_number_beside_other_columns(rung: str, tmp_path: Path) -> None:
    train, test = titles(400), titles(200, seed=1)
    both = [t.append_column("level", pa.array([i % 7 for i in range(t.num_rows)])) for t in (train, test)]
    about = spec("regress", "hours", Schema((Column("level", "integer"), Column("title", "text"))))
    fitted = Regress().fit(Candidate(rung, {"en": "", "es": ""}), {}, both[0], spec=about)
    assert Regress().losses(fitted, both[1], about).values.mean() < 4.0  # noise alone costs 1, the mean 17
    assert fitted.importance["title"] > (0.6 if rung == "mlp" else 0.9)  # networks keep weights that do nothing
    fitted.save(tmp_path)
    assert Regress.fitted.load(tmp_path).predict(both[1]).equals(fitted.predict(both[1]))


@pytest.mark.parametrize("rung", LADDER)
def test_random_texts_do_not_beat_the_prior(rung: str) -> None:
    rng = np.random.default_rng(3)
    table = pa.table({"title": noise(900, rng), "subject": rng.choice(["a", "b"], 900)})
    train, test, about = table.slice(0, 600), table.slice(600), spec("classify", "subject")

    def loss(name: str) -> float:
        fitted = Classify().fit(Candidate(name, {"en": "", "es": ""}), {}, train, spec=about)
        return float(Classify().losses(fitted, test, about).values.mean())

    # scores that had seen their own rows cost the trees 0.5 and more; a forest's deep trees learn any noise
    assert -0.01 < loss(rung) - loss("prior") < (0.2 if rung == "forest" else 0.03)


def test_scores_of_fitted_rows_know_nothing_of_their_own_row() -> None:
    rng = np.random.default_rng(4)
    table = pa.table({"title": noise(300, rng)})
    outcome = rng.choice([0.0, 1.0], (300, 1))
    encoder = fit_encoder(table, SCHEMA)
    scorer, rows = text_scores.learn(encoder, encoder.transform(table), outcome, np.ones(300), rng)
    assert abs(np.corrcoef(rows.numbers[:, -1], outcome[:, 0])[0, 1]) < 0.15
    seen = scorer.transform(table).numbers[:, -1]
    assert np.corrcoef(seen, outcome[:, 0])[0, 1] > 0.5  # the model itself has learnt them by heart


def test_a_row_without_text_scores_the_overall_mean_in_every_fold() -> None:
    table = titles(300)
    outcome = np.asarray(table["hours"].to_numpy())[:, None]
    encoder = fit_encoder(table, SCHEMA)
    given = (encoder, encoder.transform(table), outcome, np.ones(300))
    scorer, rows = text_scores.learn(*given, np.random.default_rng(0))
    missing = table["title"].is_null().to_numpy()
    assert missing.sum() > 10
    np.testing.assert_allclose(rows.numbers[missing, -1], outcome.mean())
    np.testing.assert_allclose(scorer.transform(table).numbers[missing, -1], outcome.mean())


def test_a_table_of_texts_alone_has_rungs_that_learn() -> None:
    profile = summarise(titles(100).to_batches())
    for task, target in ((Classify(), "subject"), (Regress(), "hours")):
        rungs = {c.name: c.skip for c in task.candidates(spec(task.name, target), profile)}
        assert set(rungs.values()) == {None}


@pytest.mark.parametrize("values", [[None] * 40, [""] * 40, ["same old title"] * 40])
@pytest.mark.parametrize("rung", ["linear", *TREES])  # networks follow the eight rows that stop them
def test_texts_without_anything_to_learn_give_the_prior(values: list[str | None], rung: str, tmp_path: Path) -> None:
    table = pa.table({"title": pa.array(values, pa.string()), "subject": ["a", "b", "b", "b"] * 10})
    fitted = Classify().fit(Candidate(rung, {"en": "", "es": ""}), {}, table, spec=spec("classify", "subject"))
    shares = fitted.predict(table.slice(0, 1))["prob_b"].to_pylist()
    assert shares[0] == pytest.approx(0.75, abs=0.03)
    fitted.save(tmp_path)
    assert Classify.fitted.load(tmp_path).predict(table).equals(fitted.predict(table))


def test_an_edited_vocabulary_is_refused(tmp_path: Path) -> None:
    fitted = Classify().fit(
        Candidate("linear", {"en": "", "es": ""}), {}, titles(100), spec=spec("classify", "subject")
    )
    fitted.save(tmp_path)
    path = tmp_path / "grams.arrow"
    with pa.ipc.open_file(path) as file:
        whole = file.read_all()
    for name in ("grams", "idf"):
        lists = [values[:-1] for values in whole[name].to_pylist()]
        cut = whole.set_column(whole.column_names.index(name), name, pa.array(lists, whole.schema.field(name).type))
        with pa.ipc.new_file(path, cut.schema) as writer:
            writer.write_table(cut)
        with pytest.raises(UserError, match="do not belong together"):
            Classify.fitted.load(tmp_path)


@pytest.mark.parametrize("solver", [linear.logistic, linear.ridge, linear.least_absolute])
@pytest.mark.parametrize("strength", [0.1, 10.0])
def test_turned_rows_say_the_same_of_rows_to_come(solver: linear.Solver, strength: float) -> None:
    table = titles(120)  # some titles come twice, some are missing
    about = text.fit_tfidf(table["title"].combine_chunks()).transform(table["title"].combine_chunks())
    subject = np.unique(table["subject"].to_pylist(), return_inverse=True)[1]
    target = subject if solver is linear.logistic else table["hours"].to_numpy()
    train, test, weights = np.arange(80), np.arange(80, 120), np.ones(80)

    def said(matrix: Any) -> npt.NDArray[np.float64]:
        solution = solver(matrix[train], target[train], weights, strength)
        return np.asarray(matrix[test] @ solution.coefficients + solution.intercept)

    exact = about.astype(np.float64)
    np.testing.assert_allclose(said(linear.turned(exact)), said(exact), rtol=0.01, atol=0.01)
