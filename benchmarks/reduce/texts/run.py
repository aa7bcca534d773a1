"""Texts kept by their embeddings: near-duplicates found, meanings covered, and what a classifier learns from the rest.

python -m benchmarks.reduce.texts.run [--data FOLDER] [--seeds 10]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from benchmarks.select import cases

from cauce.reduce.embeddings import keep_items, near_duplicates
from cauce.reduce.rows import Kept

HERE = Path(__file__).parent
N_TEXTS, N_DIMENSIONS, COPIED = 6_000, 100, 0.2
SHARES = (0.05, 0.1, 0.2)
Floats = npt.NDArray[np.float64]


def embedded(data: Path, seed: int) -> tuple[Floats, npt.NDArray[np.int64], Floats, npt.NDArray[np.int64], int]:
    """Return texts as 100 latent dimensions with labels, a fifth of them copied but for a few words, and a test."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(seed)
    table = pq.read_table(next((data / "newsgroups20").glob("*.parquet")))
    text_name = next(name for name in table.column_names if name.lower() == "text")
    label_name = next(name for name in table.column_names if name.lower() == "category")
    chosen = rng.permutation(table.num_rows)[:N_TEXTS]
    texts = [str(text)[:4_000] for text in table[text_name].take(chosen).to_pylist()]
    label = np.unique(np.asarray(table[label_name].take(chosen).to_pylist(), dtype=np.str_), return_inverse=True)[1]
    n_train = round(0.7 * len(texts))
    copied = rng.permutation(n_train)[: round(COPIED * n_train)]
    again = [_changed(texts[i], rng) for i in copied]
    vectors = TfidfVectorizer(min_df=3, max_features=30_000, sublinear_tf=True).fit_transform([*texts, *again])
    places: Floats = TruncatedSVD(N_DIMENSIONS, random_state=0).fit_transform(vectors)
    train = np.vstack([places[:n_train], places[len(texts) :]])
    return (
        train,
        np.concatenate([label[:n_train], label[copied]]),
        places[n_train : len(texts)],
        label[n_train:],
        n_train,
    )


def _changed(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    return " ".join(word for word in words if rng.random() > 0.02)


def learnt(train: Floats, label: npt.NDArray[np.int64], kept: Kept, test: Floats, truth: Any) -> float:
    """Return the accuracy of logistic regression."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=10.0, max_iter=300).fit(train[kept.indices], label[kept.indices], kept.weights)
    return float((model.predict(test) == truth).mean())


def case(data: Path, seed: int) -> dict[str, Any]:
    """Measure one seed."""
    train, label, test, truth, n_originals = embedded(data, seed)
    rng = np.random.default_rng([seed, 1])
    begun = time.process_time()
    distinct = near_duplicates(train, rng)
    seconds = time.process_time() - begun
    gone = np.setdiff1d(np.arange(len(train)), distinct.indices)
    told: dict[str, Any] = {
        "seed": seed,
        "n": len(train),
        "copies_found": float(np.isin(np.arange(n_originals, len(train)), gone).mean()),
        "originals_lost": float((gone < n_originals).mean()) if len(gone) else 0.0,
        "duplicate_seconds": seconds,
        "all": learnt(train, label, Kept(np.arange(len(train)), np.ones(len(train))), test, truth),
    }
    whole = np.bincount(label) / len(label)
    for share in SHARES:
        n_keep = round(share * len(train))
        begun = time.process_time()
        kept = keep_items(train, n_keep, rng)
        seconds = time.process_time() - begun
        drawn = np.sort(rng.choice(len(train), len(kept.indices), replace=False))
        random = Kept(drawn, np.full(len(drawn), len(train) / len(drawn)))
        for way, one in (("kept", kept), ("random", random)):
            mass = np.bincount(label[one.indices], one.weights, len(whole)) / len(train)
            told[f"{way}@{share}"] = {
                "accuracy": learnt(train, label, one, test, truth), "groups_off": float(np.abs(mass - whole).sum()),
            }  # fmt: skip
        told[f"kept@{share}"]["seconds"] = seconds
    return told


def main() -> None:
    """Run all seeds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    found = [case(given.data, seed) for seed in range(given.seeds)]
    figures = ("copies_found", "originals_lost", "all")
    summary: dict[str, Any] = {key: float(np.mean([one[key] for one in found])) for key in figures}
    for share in SHARES:
        for figure in ("accuracy", "groups_off"):
            apart = np.array([one[f"kept@{share}"][figure] - one[f"random@{share}"][figure] for one in found])
            summary[f"{figure}@{share}"] = {
                "kept": float(np.mean([one[f"kept@{share}"][figure] for one in found])),
                "random": float(np.mean([one[f"random@{share}"][figure] for one in found])),
                "difference": float(apart.mean()),
                "standard_error": float(apart.std(ddof=1) / len(apart) ** 0.5),
            }
    cases.write(HERE, summary=summary, cases=found)


if __name__ == "__main__":
    main()
