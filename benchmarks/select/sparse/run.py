"""Text columns as 300,000 sparse columns: quality beside words counted by scikit-learn, seconds, peak memory.

Each contestant is a process of its own, on the same rows of newsgroups20 (its own split by date). `words` is
`TfidfVectorizer` on words and `LogisticRegression`, both as they come; `loose` the same with a weak penalty and counts
as logarithms; `cauce` is the linear rung; `nothing` reads the rows and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SEED = 20_266
Figures = dict[str, Any]


def made(n_rows: int, n_words: int = 60_000, length: int = 100) -> pa.Table:
    """Make texts of random words, enough of them for 300,000 grams; one word in ten tells the class."""
    rng = np.random.default_rng(SEED)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(4, 11, n_words)])
    label = rng.integers(0, 2, n_rows)
    half = n_words // 2
    drawn = rng.integers(0, n_words, (n_rows, length))
    telling = rng.random((n_rows, length)) < 0.1
    drawn = np.where(telling, drawn % half + label[:, None] * half, drawn)
    return pa.table({"text": [" ".join(vocabulary[row]) for row in drawn], "group": label.astype(str)})


def rows(source: Path, split: str, n_rows: int, two: bool) -> pa.Table:
    """Draw rows of one side of the split; with `two`, the classes are computers and all else."""
    table = pq.read_table(source).filter(pc.field("split") == split)
    drawn = np.sort(np.random.default_rng(SEED).permutation(table.num_rows)[:n_rows])
    table = table.take(pa.array(drawn))
    label = table["Category"]
    if two:
        label = pc.if_else(pc.starts_with(label, "comp."), "computers", "else")
    return pa.table({"text": table["Text"].cast(pa.string()), "group": label.cast(pa.string())})


def cauce(train: pa.Table, test: pa.Table) -> Figures:
    """Fit the linear rung and predict."""
    from cauce.core.artefacts import Candidate, Column, Schema, TaskSpec
    from cauce.tasks.tabular import Classify

    spec = TaskSpec("news", "classify", "group", Schema((Column("text", "text"),)), "log")
    began = time.perf_counter()
    fitted: Any = Classify().fit(Candidate("linear", {"en": "", "es": ""}), {}, train, spec=spec)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    found = fitted.predict(test)
    predicting = time.perf_counter() - began
    shares = np.column_stack([found[f"prob_{name}"].to_numpy() for name in fitted.classes])
    shape = fitted.model.solution.coefficients.shape
    about = {"columns": shape[0] - 1, "seconds": seconds, "microseconds_a_row": predicting / test.num_rows * 1e6}
    return about | judged(shares, list(fitted.classes), test)


def words(train: pa.Table, test: pa.Table, strength: float = 1.0, **counting: Any) -> Figures:
    """Fit the control and predict."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    began = time.perf_counter()
    vectors = TfidfVectorizer(**counting)
    model = LogisticRegression(C=strength, max_iter=1000).fit(
        vectors.fit_transform(train["text"].to_pylist()), train["group"].to_pylist()
    )
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    shares = model.predict_proba(vectors.transform(test["text"].to_pylist()))
    predicting = time.perf_counter() - began
    about = {"columns": len(vectors.idf_), "seconds": seconds, "microseconds_a_row": predicting / test.num_rows * 1e6}
    return about | judged(shares, list(model.classes_), test)


def loose(train: pa.Table, test: pa.Table) -> Figures:
    """Fit the control with settings that suit texts."""
    return words(train, test, strength=100.0, sublinear_tf=True, min_df=2)


def judged(shares: Any, classes: list[str], test: pa.Table) -> Figures:
    """Return accuracy and log loss, each with its standard error, and the process's peak memory."""
    truth = np.array([classes.index(name) for name in test["group"].to_pylist()])
    right = (shares.argmax(axis=1) == truth).astype(float)
    losses = -np.log(np.maximum(shares[np.arange(len(truth)), truth], 1e-15))
    found: Figures = {}
    for name, values in (("accuracy", right), ("log_loss", losses)):
        found |= {name: values.mean(), f"{name}_se": values.std(ddof=1) / np.sqrt(len(values))}
    return found | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


CONTESTANTS = {"cauce": cauce, "words": words, "loose": loose}
CASES = {
    "20 groups": ["--rows", "2500"],
    "2 groups": ["--rows", "11293", "--two"],
    "300,000 columns": ["--rows", "12000", "--made"],
}


def main() -> None:
    """Run one contestant, or each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="newsgroups20.parquet")
    parser.add_argument("--one", choices=[*CONTESTANTS, "nothing"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--two", action="store_true")
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--only", nargs="*", default=[*CONTESTANTS, "nothing"])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    given = parser.parse_args()
    if given.one:
        if given.made:
            both = made(given.rows + 1_500)
            train, test = both.slice(0, given.rows), both.slice(given.rows)
        else:
            train, test = (
                rows(given.source, side, n, given.two) for side, n in (("train", given.rows), ("test", 1_500))
            )
        found = CONTESTANTS[given.one](train, test) if given.one in CONTESTANTS else {}
        found.setdefault("peak_mb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
        print(json.dumps({"rows": train.num_rows, "tested": test.num_rows} | found))
        return
    target = Path(__file__).with_name("result.json")
    result = json.loads(target.read_text()) if target.exists() else {}
    for case, settings in CASES.items():
        for one in given.only if case in given.cases else ():
            command = [sys.executable, __file__, "--source", str(given.source), "--one", one, *settings]
            env = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
            result.setdefault(case, {})[one] = json.loads(done.stdout)
            print(case, one, done.stdout.strip(), flush=True)
            libraries = {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "pyarrow")}
            result["about"] = {"seed": SEED, "python": platform.python_version(), "threads": 1, **libraries}
            target.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
