"""Promotions looked at after every batch: how often is a model promoted that is no better, and how soon one that is?

    python -m benchmarks.renew.peeking.run [--quick]

`error`: candidates that are no better or worse, looked at 200 times (and after each unit). `power`: candidates that
are worse, by how much; requests until that is seen. `ratio`: a paired shadow against a split. `shares`: the test of a
split's shares. Before each part the vectorised twins are held against the product at chance runs and looks.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from benchmarks.renew.peeking import methods, worlds
from benchmarks.renew.peeking.methods import Ends, Floats
from benchmarks.renew.peeking.worlds import WORLDS, Drawn
from benchmarks.select import cases

from cauce.evidence import paired, sample_ratio, units_needed

HERE = Path(__file__).parent
REQUESTS, BATCH, CHUNK = 2_000, 10, 500
COSTLY = 5
"""One chunk of so many goes through what takes long."""
BERNSTEIN = "empirical Bernstein, range known"
METHODS: dict[str, Callable[[Drawn, int], Ends]] = {
    "sequential": methods.ours,
    "sequential, bound given": methods.with_bound,
    "without the move for skewness, from the first look": methods.without_skew,
    "asymptotic sequence, from the first look": methods.asymptotic,
    "mSPRT, variance known": methods.msprt,
    BERNSTEIN: methods.bernstein,
    "t interval of one look": methods.t_test,
}
POWERED = ("sequential", "mSPRT, variance known", BERNSTEIN)
GAPS = {
    "normal": (0.02, 0.04, 0.06, 0.1, 0.15, 0.2),
    "log loss": (0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
    "squared error, t5 noise": (0.05, 0.1, 0.2, 0.3, 0.5),
}


def main() -> None:
    """Run all parts and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs; the result goes into the work folder")
    given = parser.parse_args()
    runs = 500 if given.quick else 10_000
    work = HERE / "work" / str(runs)
    work.mkdir(parents=True, exist_ok=True)

    def over(part: str, names: Iterable[str], one: Callable[[str, int], dict[str, Any]]) -> dict[str, Any]:
        return {name: cases.kept(work / f"{part}-{_file(name)}.json", lambda: one(name, runs)) for name in names}  # noqa: B023

    found = {
        "error": over("error", WORLDS, error),
        "ratio": over("ratio", RATIOS, ratio),
        "power": over("power", GAPS, power),
        "arms": over("arms", ("error", "cuped"), lambda name, n: {"error": arms, "cuped": cuped}[name](n)),
        "shares": over("shares", ("0.5", "0.51", "0.52", "0.55"), shares),
    }
    cases.write(
        work if given.quick else HERE, runs=runs, costly=runs // COSTLY, requests=REQUESTS, batch=BATCH, **found
    )


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c == "." else "-" for c in name)


def error(world: str, runs: int) -> dict[str, Any]:
    """Return how often models that are equal are told apart, by method."""
    return {name: _of(hits) for name, hits in _errors(world, runs).items()}


def _errors(world: str, runs: int) -> dict[str, list[Floats]]:
    rng = np.random.default_rng(2026)
    hits: dict[str, list[Floats]] = {}
    for chunk in range(runs // CHUNK):
        drawn = WORLDS[world](rng, CHUNK, REQUESTS)
        if chunk == 0:
            methods.as_product(drawn, BATCH, rng)
        for name, method in METHODS.items():
            if (name == "sequential, bound given" and drawn.bound is None) or (name == BERNSTEIN and chunk % COSTLY):
                continue
            hits.setdefault(name, []).append(_wrong(method(drawn, BATCH)))
        once = methods.t_test(drawn, BATCH)
        hits.setdefault("paired, once, at the end", []).append(_wrong(Ends(once.lower[:, -1:], once.upper[:, -1:])))
        if chunk == 0:
            said = paired(drawn.candidate[0], drawn.reference[0], margin=0.0)
            assert np.allclose((said.lower, said.upper), (once.lower[0, -1], once.upper[0, -1]))
        if chunk % COSTLY:
            continue
        hits.setdefault("sequential, a look after each request", []).append(_wrong(methods.ours(drawn, 1)))
        everyone = np.hstack([drawn.covariate, WORLDS[world](rng, CHUNK, REQUESTS).covariate])
        everyone = everyone.reshape(CHUNK, 2, -1, BATCH).swapaxes(1, 2).reshape(CHUNK, -1)  # each look sees its own
        if chunk == 0:
            methods.as_product(drawn, BATCH, rng, everyone=everyone)
        hits.setdefault("sequential, CUPED", []).append(
            _wrong(methods.adjusted(drawn, BATCH, everyone=everyone))
        )  # fmt: skip
    return hits


def _wrong(ends: Ends) -> Floats:
    """Return whether a run ever called the candidate better, and whether worse; shape (n_runs, 2)."""
    return np.stack([(ends.upper < 0).any(axis=1), (ends.lower > 0).any(axis=1)], axis=1).astype(float)


def _of(hits: list[Floats]) -> dict[str, Any]:
    both = np.vstack(hits)
    return {"promoted": cases.share(both[:, 0].tolist()), "told apart": cases.share(both.max(axis=1).tolist())}


def power(world: str, runs: int) -> dict[str, Any]:
    """Return how many worse candidates are found, and after how many requests, by gap and method."""
    rng = np.random.default_rng(7)
    return {str(gap): _power(world, gap, runs // 10, rng) for gap in GAPS[world]}


def _power(world: str, gap: float, runs: int, rng: np.random.Generator) -> dict[str, Any]:
    first: dict[str, list[Floats]] = {}
    effects, scatter = [], []
    for _ in range(max(1, runs // CHUNK)):
        drawn = WORLDS[world](rng, min(runs, CHUNK), REQUESTS, gap)
        more = WORLDS[world](rng, min(runs, CHUNK), 3 * REQUESTS, gap).covariate
        everyone = np.concatenate(
            [drawn.covariate.reshape(len(more), -1, BATCH), more.reshape(len(more), -1, 3 * BATCH)], axis=2
        ).reshape(len(more), -1)
        apart = drawn.candidate - drawn.reference
        effects.append(apart.mean())
        scatter.append(apart.std())
        tried = {name: METHODS[name](drawn, BATCH) for name in POWERED}
        tried["sequential, CUPED, one outcome in four"] = methods.adjusted(drawn, BATCH, everyone=everyone)
        once = methods.t_test(drawn, BATCH)
        tried["t test at the end"] = Ends(once.lower[:, -1:], once.upper[:, -1:])
        for name, ends in tried.items():
            first.setdefault(name, []).append(_first(ends.lower > 0))
    effect, std = float(np.mean(effects)), float(np.mean(scatter))
    return {
        "effect": effect,
        "effect_in_std": effect / std,
        "fixed_for_90_percent": units_needed(std, effect),
        "methods": {name: _until(np.concatenate(own)) for name, own in first.items()},
    }


def _first(hits: np.ndarray[Any, Any]) -> Floats:
    """Return requests until the first hit per run, infinite where there is none."""
    requests = (hits.argmax(axis=1) + 1.0) * REQUESTS / hits.shape[1]
    return np.where(hits.any(axis=1), requests, np.inf)


def _until(first: Floats) -> dict[str, Any]:
    found = np.isfinite(first)
    middle = float(np.median(first))
    return {
        "found": cases.share(found.astype(float).tolist()),
        "median_requests": middle if np.isfinite(middle) else None,
        "mean_requests_or_all": float(np.minimum(first, REQUESTS).mean()),
    }


RATIOS: dict[str, tuple[Callable[..., Drawn], dict[str, float], int]] = {
    "normal, correlation 0.8": (worlds.normal, {"gap": 0.05}, 60_000),
    "normal, correlation 0.8, twice the effect": (worlds.normal, {"gap": 0.1}, 30_000),
    "log loss, correlation 0.8": (worlds.log_loss, {"gap": 0.3, "error": 0.4}, 60_000),
}


def ratio(name: str, runs: int) -> dict[str, Any]:
    """Return requests until a worse candidate is seen: by a paired shadow, by a split."""
    make, how, most = RATIOS[name]
    runs = runs // 10
    rng = np.random.default_rng(11)
    trial = make(rng, 1, 1_000_000, **how)
    apart = trial.candidate - trial.reference
    variances = float(trial.candidate.var() + trial.reference.var())
    theory = 2 * variances / float(apart.var())
    effect = float(apart.mean())
    needs = {"shadow": units_needed(float(apart.std()), effect), "split": units_needed((2 * variances) ** 0.5, effect)}
    shadow, halves = [], []
    size = 50
    for chunk in range(runs // size):
        drawn = make(rng, size, most // 10 * 2, **how)
        ends = methods.ours(drawn, BATCH, tuned_for=needs["shadow"])
        shadow.append(_moment(ends, BATCH))
        arms = (make(rng, size, most // 2, **how).candidate, make(rng, size, most // 2, **how).reference)
        if chunk == 0:
            methods.as_split((arms[0][:, :2_000], arms[1][:, :2_000]), BATCH // 2, rng, None)
        halves.append(_moment(methods.two_arms(arms, BATCH // 2, tuned_for=needs["split"]), BATCH))
    paired_first, split_first = np.concatenate(shadow), np.concatenate(halves)
    decided = {"shadow": float(np.isfinite(paired_first).mean()), "split": float(np.isfinite(split_first).mean())}
    assert min(decided.values()) > 0.99, decided
    return {
        "correlation": float(np.corrcoef(trial.candidate[0], trial.reference[0])[0, 1]),
        "effect_in_std_of_difference": effect / float(apart.std()),
        "theory": theory,
        "fixed_horizon": needs["split"] / needs["shadow"],
        "runs": len(paired_first),
        "decided": decided,
        "requests": {"shadow": _spread(paired_first, rng), "split": _spread(split_first, rng)},
        "requests_ratio": _quotient(split_first, paired_first, rng),
        "scores_ratio": _quotient(split_first, 2 * paired_first, rng),
    }


def _moment(ends: Ends, batch: int) -> Floats:
    hits = ends.lower > 0
    return np.where(hits.any(axis=1), (hits.argmax(axis=1) + 1.0) * batch, np.inf)


def _boot(of: Callable[..., float], rng: np.random.Generator, *samples: Floats) -> dict[str, float]:
    drawn = [of(*(own[rng.integers(len(own), size=len(own))] for own in samples)) for _ in range(1_000)]
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    return {"value": of(*samples), "lower": float(lower), "upper": float(upper)}


def _spread(first: Floats, rng: np.random.Generator) -> dict[str, Any]:
    first = first[np.isfinite(first)]
    return {
        "mean": _boot(lambda own: float(own.mean()), rng, first),
        "median": _boot(lambda own: float(np.median(own)), rng, first),
    }


def _quotient(above: Floats, below: Floats, rng: np.random.Generator) -> dict[str, Any]:
    above, below = above[np.isfinite(above)], below[np.isfinite(below)]
    return {
        "of means": _boot(lambda a, b: float(a.mean() / b.mean()), rng, above, below),
        "of medians": _boot(lambda a, b: float(np.median(a) / np.median(b)), rng, above, below),
    }


def arms(runs: int) -> dict[str, Any]:
    """Return how often equal arms of a split are told apart, by world."""
    found: dict[str, Any] = {}
    for world in ("normal", "log loss", "squared error, t5 noise", "0/1 loss", "exponential", "lognormal"):
        rng = np.random.default_rng(17)
        hits: dict[str, list[Floats]] = {}
        for _ in range(runs // CHUNK):
            both = (WORLDS[world](rng, CHUNK, REQUESTS).candidate, WORLDS[world](rng, CHUNK, REQUESTS).candidate)
            hits.setdefault("split", []).append(_wrong(methods.two_arms(both, BATCH // 2, tuned_for=1_000)))
            hits.setdefault("Welch's interval at each look", []).append(_wrong(methods.welch(both, BATCH // 2)))
        found[world] = {name: _of(own) for name, own in hits.items()}
    return found


def cuped(runs: int) -> dict[str, Any]:
    """Return what a covariate that correlates with the loss by 0.6 saves in a split, and its error."""
    first: dict[str, list[Floats]] = {"split": [], "split, CUPED": []}
    equal: list[Floats] = []
    rng = np.random.default_rng(19)
    for chunk in range(max(1, runs // CHUNK // COSTLY)):
        known = (rng.normal(size=(CHUNK, 10_000)), rng.normal(size=(CHUNK, 10_000)))
        level = tuple(0.6 * own + 0.8 * rng.normal(size=own.shape) for own in known)
        worse = (level[0] + 0.15, level[1])
        if chunk == 0:
            methods.as_split(
                (worse[0][:, :2_000], worse[1][:, :2_000]), 5, rng, (known[0][:, :2_000], known[1][:, :2_000])
            )
        equal.append(_wrong(methods.two_arms((level[0], level[1]), 5, tuned_for=2_000, known=known)))
        for name, beside in (("split", None), ("split, CUPED", known)):
            first[name].append(_moment(methods.two_arms(worse, 5, tuned_for=2_000, known=beside), BATCH))
    plain, adjusted = (np.concatenate(own) for own in first.values())
    return {
        "error": _of(equal),
        "decided": {"split": float(np.isfinite(plain).mean()), "split, CUPED": float(np.isfinite(adjusted).mean())},
        "requests": {"split": _spread(plain, rng), "split, CUPED": _spread(adjusted, rng)},
        "theory": 1 - 0.6**2,
        "requests_ratio": _quotient(adjusted, plain, rng),
    }


def shares(truth: str, runs: int) -> dict[str, Any]:
    """Return how often a share of one half is doubted, beside a chi-square test at each look."""
    rng = np.random.default_rng(13)
    n = np.arange(1, 201) * 100
    ours = rng.binomial(100, float(truth), (runs, 200)).cumsum(axis=1)
    p = np.empty(ours.shape)
    for look, total in enumerate(n):
        counts, place = np.unique(ours[:, look], return_inverse=True)
        p[:, look] = np.array([sample_ratio(int(own), int(total - own), 0.5) for own in counts])[place]
    doubted, chi = p < 0.01, (2 * ours - n) ** 2 / n > 6.635
    first = np.where(doubted.any(axis=1), (doubted.argmax(axis=1) + 1) * 100.0, np.inf)
    middle = float(np.median(first))
    return {
        "sample_ratio": cases.share(doubted.any(axis=1).astype(float).tolist()),
        "median_units": middle if np.isfinite(middle) else None,
        "chi-square at each look": cases.share(chi.any(axis=1).astype(float).tolist()),
    }


if __name__ == "__main__":
    main()
