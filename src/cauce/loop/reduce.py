"""Fewer rows for choosing and tuning, where `reduce` asks for them and held-out units prove that they will do.

The rows that teach are reduced fold by fold, from each fold's own training rows, so that no row is judged by models
whose rows it helped to choose. One fold proves the share; the others take as much. Tests stay whole, and so does the
final fit, unless the chosen rung itself is proven not worse from kept rows.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Candidate, Reduction, TaskSpec, Words
from cauce.core.errors import UserError
from cauce.core.figures import number
from cauce.core.files import fingerprint, read_kept, write_artefact, write_bytes
from cauce.core.protocols import Task
from cauce.core.specs import ModelSpec, ReduceSpec, seconds
from cauce.loop.context import Loop
from cauce.loop.material import Fold, Material

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Profile
    from cauce.reduce import Kept, Learner, Rows
    from cauce.reduce.guarantee import Judges
    from cauce.reduce.search import Found

AUTO_ROWS = 20_000
"""Rows that teach, below which `auto` leaves all of them: their fits are cheap, and their units prove little."""
WEIGHT = "…rows it stands for"
"""Column added to kept rows; no source has one of this name."""


class Weighted(NamedTuple):
    """Kept rows of one fold."""

    numbers: npt.NDArray[np.int64]
    """Among the rows that teach."""
    weights: npt.NDArray[np.float64]


class _Proof(NamedTuple):
    """What is kept of a reduction until its release is registered."""

    record: Reduction
    kept: list[Weighted]
    """Fold by fold; empty where all rows stay."""
    exponent: float
    """How strongly doubt counted in the share that was proven."""


@dataclass(frozen=True, eq=False)
class Lighter:
    """What choosing and tuning work on."""

    record: Reduction | None
    """None where nothing was asked."""
    table: pa.Table
    """Rows that teach; where rows are kept, followed by the kept ones of each fold with their weights."""
    folds: tuple[Fold, ...]
    spec: TaskSpec
    proof: int = 0
    """The fold that proved the share."""
    exponent: float = 1.0
    encoded: _Encoded | None = None
    """The rows that teach as the reducer sees them; None where none were reduced."""
    digest: str = ""
    """Of the kept rows: finished folds of others are not theirs."""
    fewer: float = 1.0
    """Training rows of a fold over those that were kept of them."""
    plots: Mapping[str, bytes] = field(default_factory=dict)
    """Files: what each share costs, and which rows stayed."""

    @property
    def kept_back(self) -> float:
        """Fits on kept rows that take as long as those on all rows which may follow: proof, finish and final fit."""
        return self.fewer * (2 + len(self.folds)) if self.kept else 0.0

    @property
    def kept(self) -> bool:
        """Whether fewer rows teach."""
        return self.record is not None and self.record.accepted


def lighten(loop: Loop, rows: Material, spec: TaskSpec, profile: Profile, folder: Path, *, mitigated: bool) -> Lighter:
    """Reduce the training rows of every fold, or say why not.

    Parameters
    ----------
    folder
        Where the reduction is kept until the release is registered, so that a killed training goes on.
    mitigated
        Whether a mitigation is asked for: it measures gaps on the rows it gets, so it gets all.

    Raises
    ------
    UserError
        The margin is 0, which nothing can prove.
    """
    settings = loop.model(spec.model)
    whole = Lighter(None, rows.teach, rows.folds, spec)
    if settings.reduce.when == "off":
        return whole
    options = _options(settings)
    margin = options.margin or 0.0
    if not margin:
        where = loop.project.where("models", spec.model, "margin")
        hint = "Give [models.NAME.reduce] a margin of its own, or none of both."
        raise UserError("nothing can be proven within a margin of 0", where=where, received=margin, hint=hint)
    why = _not_worth_it(settings, rows.teach.num_rows, mitigated, always=settings.reduce.when == "always")
    if why is not None:
        n_rows = rows.teach.num_rows
        return replace(whole, record=Reduction(margin, options.confidence, options.keep, "off", n_rows, n_rows, 0, why))
    proof = max(range(len(rows.folds)), key=lambda fold: len(rows.folds[fold][0]))
    encoded = _encoded(rows, spec, profile)
    proven = _remembered(folder, lambda: _proven(loop, options, rows, encoded, spec, proof))
    plots = _plots(loop, proven, encoded, rows.folds[proof][0], proof)
    found = replace(whole, record=proven.record, proof=proof, exponent=proven.exponent, encoded=encoded, plots=plots)
    return _with_kept(found, proven.kept) if proven.record.accepted else found


def _options(settings: ModelSpec) -> ReduceSpec:
    """Return the settings of a reduction, with the margin that holds."""
    given = settings.reduce
    return given if given.margin is not None else given.model_copy(update={"margin": settings.margin})


def final_rows(
    loop: Loop, task: Task, lighter: Lighter, candidate: Candidate, rows: Material
) -> tuple[pa.Table, TaskSpec, Reduction | None]:
    """Return what the shipped model is fitted on: kept rows where the chosen rung is proven not worse from them.

    The rung is fitted with its settings on the proving fold's whole training rows and on its kept ones, and both are
    judged on that fold's test rows.
    """
    from cauce.reduce.final import decide

    record, encoded = lighter.record, lighter.encoded
    if record is None or encoded is None or not lighter.kept:
        return rows.teach, lighter.spec, record
    train, test = rows.folds[lighter.proof]
    judge = rows.teach.take(test)
    losses = []
    for note, table, numbers in (
        ("kept rows", lighter.table, lighter.folds[lighter.proof][0]),
        ("all rows", rows.teach, train),
    ):
        loop.progress("reduce", 0, 1, f"{candidate.name}, {note}")
        fitted = task.fit(candidate, candidate.params, table.take(numbers), spec=lighter.spec)
        losses.append(task.losses(fitted, judge, lighter.spec))
    judges, n_rows = encoded.judges(test), rows.teach.num_rows
    record = decide(
        record,
        *losses,
        n_kept=round(record.share * n_rows),
        n_rows=n_rows,
        masks=judges.masks(),
        clusters=judges.clusters,
    )
    if record.final is None or record.final.on == "all":
        return rows.teach, lighter.spec, record
    loop.progress("reduce", 0, 1, "rows of the final fit")
    options = _options(loop.model(lighter.spec.model))
    kept = _search(loop, encoded, np.arange(n_rows), options, lighter.spec.seed)(
        record.share, {}, lighter.exponent
    ).kept
    loop.progress("reduce", 1, 1, "done")
    table = _with_weights(rows.teach.take(kept.indices), kept.weights, lighter.spec)
    return table, lighter.spec, record


def _not_worth_it(settings: ModelSpec, n_rows: int, mitigated: bool, *, always: bool) -> Words | None:
    every = {language: number(n_rows, language) for language in ("en", "es")}
    stay = {"en": f"All {every['en']} rows stay:", "es": f"Se conservan las {every['es']} filas:"}
    why: Words | None = None
    if mitigated:
        why = {
            "en": "a mitigation measures gaps between groups on the rows it gets, so it gets all of them.",
            "es": "una mitigación mide las diferencias entre grupos en las filas que recibe, así que las recibe todas.",
        }
    elif settings.max_size_mb is not None or settings.max_latency_ms is not None:
        why = {
            "en": "limits of size and latency are measured on what is shipped, which few rows would flatter.",
            "es": "los límites de tamaño y latencia se miden en lo que se publica, y pocas filas los falsearían.",
        }
    elif not always and n_rows < AUTO_ROWS:
        least = {language: number(AUTO_ROWS, language) for language in ("en", "es")}
        why = {
            "en": f"below {least['en']} their fits are cheap and little can be proven.",
            "es": f"con menos de {least['es']}, ajustar es barato y poco se puede probar.",
        }
    elif not always and not settings.trials and settings.budget is None:
        why = {
            "en": "neither trials nor a budget ask for tuning, and a search costs more than one fit of each rung.",
            "es": "ni trials ni budget piden ajustar parámetros, y buscar cuesta más que un ajuste de cada peldaño.",
        }
    return None if why is None else {language: f"{stay[language]} {why[language]}" for language in stay}


@dataclass(frozen=True, eq=False)
class _Encoded:
    """Rows that teach as the reducer sees them, and who is protected or belongs together."""

    rows: Rows
    group_names: tuple[str, ...]
    clusters: npt.NDArray[np.int64] | None

    def judges(self, numbers: npt.NDArray[np.int64]) -> Judges:
        """Return some of the rows as units that judge."""
        from cauce.reduce.guarantee import Judges

        clusters = None if self.clusters is None else self.clusters[numbers]
        return Judges(self.rows.take(numbers), clusters, self.group_names)


def _encoded(rows: Material, spec: TaskSpec, profile: Profile) -> _Encoded:
    from cauce.profile.groups import crossed, grouping
    from cauce.reduce.encode import encode

    table = rows.teach
    codes: npt.NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    sensitive = [name for name in spec.sensitive if name in table.column_names]
    if sensitive:
        codes, names = crossed([grouping(profile, name) for name in sensitive], table)
    weights = None
    if spec.weight is not None and spec.weight in table.column_names:
        given = np.asarray(table[spec.weight].to_numpy(), dtype=np.float64)
        weights = np.maximum(np.nan_to_num(given, posinf=0.0), 1e-9)  # what is no weight the task refuses itself
    target = table[spec.target].to_numpy()
    if spec.task == "classify":
        target = target.astype(np.str_)
    n_classes = None if spec.task == "classify" else 0
    made = encode(table.select(list(spec.schema.names)), target, weights=weights, n_classes=n_classes).rows
    clusters = None
    if spec.group is not None and spec.group in table.column_names:
        clusters = np.unique(np.asarray(table[spec.group].to_pylist(), dtype=np.str_), return_inverse=True)[1]
    return _Encoded(replace(made, groups=codes), names, clusters)


def _proven(loop: Loop, options: ReduceSpec, rows: Material, encoded: _Encoded, spec: TaskSpec, proof: int) -> _Proof:
    """Prove a share on one fold, and reduce the training rows of all of them."""
    from cauce.reduce.guarantee import Terms, prove
    from cauce.reduce.learners import boosting

    train, test = rows.folds[proof]
    searching = _search(loop, encoded, train, options, spec.seed)
    found: list[Found] = []

    def propose(share: float) -> Kept:
        found.append(searching(share, {"boosting": boosting}, None))
        return found[-1].kept

    terms = Terms(
        margin=options.margin or 0.0,
        confidence=options.confidence,
        accept_provable=options.accept_provable,
        keep=options.keep,
        seed=spec.seed,
    )
    proven = prove(
        encoded.rows.take(train),
        encoded.judges(test),
        families={"boosting": boosting},
        propose=propose,
        terms=terms,
        progress=loop.progress,
    )
    if not proven.record.accepted:
        return _Proof(proven.record, [], 1.0)
    exponent, kept = found[-1].exponent, []
    for fold, (others, _) in enumerate(rows.folds):
        chosen = proven.kept
        if fold != proof:
            loop.progress("reduce", fold, len(rows.folds), f"fold {fold + 1} of {len(rows.folds)}")
            chosen = _search(loop, encoded, others, options, spec.seed)(proven.record.share, {}, exponent).kept
        kept.append(Weighted(others[chosen.indices], chosen.weights))
    loop.progress("reduce", 1, 1, "done")
    return _Proof(proven.record, kept, exponent)


def _search(
    loop: Loop, encoded: _Encoded, numbers: npt.NDArray[np.int64], options: ReduceSpec, seed: int
) -> Callable[[float, Mapping[str, Learner], float | None], Found]:
    """Return what keeps a share of some of the rows: for a panel, or by cells alone with an exponent that is known."""
    from cauce.reduce.search import EXPONENTS, Effort, Search

    rng = np.random.default_rng([seed, 17])
    search = Search(encoded.rows.take(numbers), rng, clean=options.clean)

    def keep(share: float, panel: Mapping[str, Learner], exponent: float | None) -> Found:
        exponents = EXPONENTS if exponent is None else (exponent,)
        effort = Effort(seconds(options.budget), exponents=exponents)
        return search.run(max(1, round(share * len(numbers))), rng, panel=panel, effort=effort, progress=loop.progress)

    return keep


def _remembered(folder: Path, make: Callable[[], _Proof]) -> _Proof:
    """Return the reduction that lies in `folder`, made and kept there where it does not, or cannot be read."""
    record = read_kept(folder / "reduction.json", Reduction)
    if record is None:
        made = make()
        content = io.BytesIO()
        parts = {
            f"{what}{fold}": part for fold, pair in enumerate(made.kept) for what, part in zip("nw", pair, strict=True)
        }
        np.savez(content, allow_pickle=False, exponent=np.array(made.exponent), **parts)
        write_bytes(folder / "kept.npz", content.getvalue())
        write_artefact(folder / "reduction.json", made.record)
        return made
    with np.load(folder / "kept.npz", allow_pickle=False) as found:
        kept = [Weighted(found[f"n{fold}"], found[f"w{fold}"]) for fold in range((len(found.files) - 1) // 2)]
        return _Proof(record, kept, float(found["exponent"]))


def _plots(
    loop: Loop, proven: _Proof, encoded: _Encoded, train: npt.NDArray[np.int64], proof: int
) -> Mapping[str, bytes]:
    """Draw what was tried and, where rows were kept, those of the proving fold."""
    from cauce import report
    from cauce.reduce.plane import plane

    drawn: Sequence[tuple[float, float, bool]] = ()
    if proven.kept:
        numbers, points = plane(encoded.rows.take(train), np.random.default_rng(0))
        stays = np.isin(train[numbers], proven.kept[proof].numbers).tolist()
        drawn = [(x, y, stayed) for (x, y), stayed in zip(points.tolist(), stays, strict=True)]
    return report.reduction_plots(proven.record, drawn, loop.project.file.project.language)


def _with_kept(lighter: Lighter, kept: Sequence[Weighted]) -> Lighter:
    """Append the kept rows of every fold, weighted, and let the folds train on them."""
    import pyarrow as pa

    spec = replace(lighter.spec, weight=lighter.spec.weight or WEIGHT)
    parts = [_with_weights(lighter.table, None, spec)]
    folds, before = [], lighter.table.num_rows
    for (numbers, weights), (_, test) in zip(kept, lighter.folds, strict=True):
        parts.append(_with_weights(lighter.table.take(numbers), weights, spec))
        folds.append((np.arange(before, before + len(numbers)), test))
        before += len(numbers)
    digest = fingerprint(*(part.tobytes() for one in kept for part in one))[:16]
    fewer = sum(len(train) for train, _ in lighter.folds) / sum(len(one.numbers) for one in kept)
    table = pa.concat_tables(parts).combine_chunks()
    return replace(lighter, table=table, folds=tuple(folds), spec=spec, digest=digest, fewer=fewer)


def _with_weights(table: pa.Table, weights: npt.NDArray[np.float64] | None, spec: TaskSpec) -> pa.Table:
    """Return rows with a column of weights: their own, or 1 each, where none are given."""
    import pyarrow as pa

    name = spec.weight or WEIGHT
    if weights is not None:
        column = pa.chunked_array([pa.array(weights)])
    elif name in table.column_names:
        column = table[name].cast(pa.float64())
    else:
        column = pa.chunked_array([pa.array(np.ones(table.num_rows))])
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)
