"""A model is finished by what models of its rung said of rows that they had not seen.

Calibration, the decision between classes and the width of intervals all ask one thing: how right is it on new rows?
Out-of-fold predictions answer it without setting further rows aside. Everything adopted is proven on parts of those
rows that did not teach it; otherwise the model stays as it is, and the record says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Finish, TaskSpec
from cauce.core.finishing import Bins, Calibration, ClassDecision, Figure
from cauce.core.protocols import Finished, Fitted
from cauce.tasks.tabular import calibrate, columns, decide, finish_words, intervals, reliability, target
from cauce.tasks.tabular.finished import FinishedClassifier, FinishedRegressor, Listing
from cauce.tasks.tabular.parts import half_width
from cauce.tasks.tabular.rows import unit_weights

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = 5
RARE = 0.2
"""Share of the rarer of two classes under which the data ask for its F1, not for the share of right answers."""
FEWEST_TO_DECIDE, FEWEST_WHERE_ASKED = 200, 50
SCALE = Candidate("boosting", {}, {"learning_rate": 0.05, "num_leaves": 8, "rounds": 200})
"""What expects a row's absolute error."""
Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
FitNumber = Callable[[Candidate, "pa.Table", TaskSpec], Fitted]


class Seen(NamedTuple):
    """Rows that some fold tested, and how they are cut for what is learnt from them."""

    rows: pa.Table
    weights: Array
    part: Codes
    clusters: Codes | None
    units: Codes
    """Unit that each row is drawn with for an interval, as from `reliability.draw_units`."""
    rng: np.random.Generator


def seen(rows: pa.Table, spec: TaskSpec) -> Seen:
    """Cut the rows into parts, whole groups together."""
    rng = np.random.default_rng(spec.seed)
    n = rows.num_rows
    clusters: Codes | None = None
    if spec.group is not None and spec.group in rows.column_names:
        named = columns.texts(columns.column(rows, spec.group)).dictionary_encode().indices
        missing = named.is_null().to_numpy(zero_copy_only=False)
        own = int(named.fill_null(0).to_numpy().max(initial=0)) + 1
        clusters = np.where(missing, own + np.arange(n), named.fill_null(0).to_numpy()).astype(np.int64)
        part = rng.permutation(int(clusters.max(initial=0)) + 1)[clusters] % PARTS
    else:
        part = rng.permutation(n) % PARTS
    drawn = reliability.draw_units(n, clusters, rng)
    return Seen(rows, unit_weights(rows, spec), part.astype(np.int64), clusters, drawn, rng)


def finish_classes(fitted: Fitted, rows: pa.Table, predicted: pa.Table, spec: TaskSpec) -> Finished:
    """Repair the probabilities where it pays, and choose how to decide.

    A model that says the same of every row has nothing to learn from the folds' shares, and keeps to stated costs.
    """
    known = fitted.classes
    rows, shares, codes = _known(rows, predicted, spec, known)
    learnable = len(fitted.importance) > 0
    if not len(codes) or not (learnable or spec.costs):
        return Finished(fitted, Finish())
    cut = seen(rows, spec)
    calibration, repair = None, None
    if learnable:
        method, repaired, gain = calibrate.choose(shares, codes, cut.weights, cut.part, cut.clusters)
        repair = calibrate.fit_repair(method, shares, codes, cut.weights) if method is not None else None
        (before, bins_before), (after, bins_after) = (_error(said, codes, cut, spec) for said in (shares, repaired))
        calibration = Calibration(method or "none", before, after, gain, bins_before, bins_after)
        shares = repaired
    decision, weights = _decision(shares, codes, cut, known, spec)
    record = finish_words.told(Finish(calibration=calibration, decision=decision))
    if repair is None and not len(weights):
        return Finished(fitted, record)
    listing = Listing(
        "classes",
        repair=repair.method if repair else None,
        x=tuple(repair.x.tolist()) if repair else (),
        y=tuple(repair.y.tolist()) if repair else (),
        weights=tuple(weights.tolist()),
    )
    return Finished(FinishedClassifier(fitted, listing), record)


def _known(
    rows: pa.Table, predicted: pa.Table, spec: TaskSpec, known: tuple[str, ...]
) -> tuple[pa.Table, Array, Codes]:
    """Return rows, probabilities and classes, without rows of a class that the fold which judged them never saw.

    Its probability is 0 there, for want of rows and not of skill: the model that is shipped has seen the class.
    """
    import pyarrow as pa

    codes = target.codes(target.whole_labels(rows, spec.target), known)
    names = [f"prob_{label}" for label in known]
    shares = np.column_stack(
        [predicted[name].to_numpy() if name in predicted.column_names else np.zeros(rows.num_rows) for name in names]
    )
    kept = codes >= 0
    if len(known) > 2:  # with two, a fold without one of them could not be fitted
        kept &= shares[np.arange(len(codes)), codes] > 0
    if kept.all():
        return rows, shares, codes
    return rows.filter(pa.array(kept)), shares[kept], codes[kept]


def _error(shares: Array, codes: Codes, cut: Seen, spec: TaskSpec) -> tuple[Figure, Bins]:
    """Measure the second of two classes, or the class said among more."""
    rng = np.random.default_rng(spec.seed)
    if shares.shape[1] == 2:
        sure, right = shares[:, 1], codes == 1
    else:
        sure, right = shares.max(axis=1), shares.argmax(axis=1) == codes
    return reliability.measure(sure, right.astype(np.float64), cut.weights, cut.units, rng)


def _decision(
    shares: Array, codes: Codes, cut: Seen, known: tuple[str, ...], spec: TaskSpec
) -> tuple[ClassDecision | None, Array]:
    """Return the record and the weights; none where the likeliest class is said."""
    none = np.empty(0)
    counts = np.bincount(codes, cut.weights, len(known))
    fixed: Array | None = None
    rarer = int(counts[1] <= counts[0]) if len(known) == 2 else None  # on a tie the last, as `metrics` has it
    if spec.costs:
        fixed = np.array([spec.costs.get(label, 1.0) for label in known])
        aim = decide.Aim("costs", None, fixed)
    elif spec.metric is not None:
        aim = decide.Aim(spec.metric, rarer)
    elif rarer is not None and counts.min() < RARE * counts.sum() and spec.loss != "zero_one":
        aim = decide.Aim("f1", rarer)
    else:
        return None, none
    fewest = FEWEST_TO_DECIDE if spec.metric is None else FEWEST_WHERE_ASKED
    if len(known) < 2 or (fixed is None and len(codes) < fewest):
        return None, none
    given = (aim, shares, codes, cut.weights)
    before, after, difference = decide.judge(*given, cut.part, cut.units, cut.rng, fixed=fixed)
    asked = bool(spec.costs) or spec.metric is not None
    # Who asks for a metric gets the better guess; of the likeliest class, which accuracy asks for, chance is no rival.
    guessed = asked and aim.name != "accuracy" and difference.value > 0
    adopted = fixed is not None or difference.lower > 0 or guessed
    weights = fixed / fixed.max() if fixed is not None else decide.search(*given, cut.rng)
    shown = weights if adopted else np.ones(len(known))
    record = ClassDecision(
        aim=aim.name,
        why="asked" if asked else "data",
        weights=dict(zip(known, shown.tolist(), strict=True)),
        before=before,
        after=after,
        difference=difference,
        adopted=adopted,
    )
    return record, weights if adopted else none


def finish_numbers(
    fitted: Fitted, rows: pa.Table, predicted: pa.Table, spec: TaskSpec, *, fit_scale: FitNumber
) -> Finished:
    """Tell the width of intervals from out-of-fold errors, adaptive where it pays."""
    import pyarrow as pa

    truth = target.numbers(rows, spec.target)
    said = predicted["prediction"].to_numpy()
    residuals = truth - said
    cut = seen(rows, spec)
    errors = rows.set_column(rows.column_names.index(spec.target), spec.target, pa.array(np.abs(residuals)))
    about = replace(spec, loss="absolute", monotone={})

    def expect(some: Codes) -> Callable[[Codes], Array]:
        model = fit_scale(SCALE, errors.take(pa.array(some)), about)
        return lambda others: np.asarray(model.predict(errors.take(pa.array(others)))["prediction"].to_numpy())

    learnable = len(fitted.importance) > 0
    record, expected = intervals.measure(
        residuals, said, cut.weights, cut.part, cut.clusters, expect if learnable else None
    )
    scale = fit_scale(SCALE, errors, about) if record.method == "adaptive" else None
    listing = Listing(
        "numbers",
        half_width=half_width(residuals / expected, cut.weights),
        floor=intervals.FLOOR * float(np.median(np.abs(residuals))),
    )
    return Finished(FinishedRegressor(fitted, listing, scale), finish_words.told(Finish(intervals=record)))
