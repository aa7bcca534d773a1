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
from typing import TYPE_CHECKING

import numpy as np

from cauce.core.artefacts import Candidate, TaskSpec, Words
from cauce.core.figures import number
from cauce.core.files import fingerprint, read_artefact, write_artefact, write_bytes
from cauce.core.progress import Progress
from cauce.core.protocols import Task
from cauce.core.reduction import Reduction
from cauce.core.specs import ModelSpec, ReduceSpec, seconds
from cauce.loop.context import Loop
from cauce.loop.material import Fold, Material

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from cauce.profile import Profile
    from cauce.reduce import Kept, Learner, Rows
    from cauce.reduce.search import Effort

AUTO_ROWS = 20_000
"""Rows that teach, below which `auto` leaves all of them: their fits are cheap, and their units prove little."""
WEIGHT = "…rows it stands for"
"""Column added to kept rows; no source has one of this name."""


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
    plots: Mapping[str, bytes] = field(default_factory=dict)
    """Files: what each share costs, and which rows stayed."""

    @property
    def digest(self) -> str:
        """What finished folds belong to: the same row numbers may hold other rows after another reduction."""
        return fingerprint(*(train.tobytes() for train, _ in self.folds))[:16] if self.kept else ""

    @property
    def n_rows(self) -> int:
        """Rows that a rung learns from, about."""
        return max(len(train) for train, _ in self.folds) if self.kept else self.table.num_rows

    @property
    def kept(self) -> bool:
        """Whether fewer rows teach."""
        return self.record is not None and self.record.accepted


def lighten(loop: Loop, rows: Material, spec: TaskSpec, profile: Profile, folder: Path) -> Lighter:
    """Reduce the training rows of every fold, or say why not.

    Parameters
    ----------
    folder
        Where the reduction is kept until the release is registered, so that a killed training goes on.
    """
    settings = loop.model(spec.model)
    asked = settings.reduce
    whole = Lighter(None, rows.teach, rows.folds, spec)
    if asked == "off":
        return whole
    options = ReduceSpec() if isinstance(asked, str) else asked
    if asked == "auto" and (why := _not_worth_it(settings, rows.teach.num_rows)) is not None:
        return replace(whole, record=_off(options, settings, rows.teach.num_rows, why))
    proof = max(range(len(rows.folds)), key=lambda fold: len(rows.folds[fold][0]))
    encoded = _encoded(rows, spec, profile)
    record, kept = _remembered(folder, lambda: _proven(loop, options, rows, encoded, spec, proof))
    found = replace(whole, record=record, proof=proof, plots=_plots(loop, record, encoded, rows.folds[proof][0], kept))
    return _with_kept(found, kept, spec) if record.accepted else found


def _plots(
    loop: Loop, record: Reduction, encoded: _Encoded, train: npt.NDArray[np.int64], kept: Sequence[_Rows]
) -> Mapping[str, bytes]:
    """Draw what was tried and, where rows were kept, those of the proving fold."""
    from cauce import report
    from cauce.reduce.plane import plane

    numbers, points = plane(encoded.rows.take(train), np.random.default_rng(0))
    stays = np.isin(train[numbers], np.concatenate([chosen for chosen, _ in kept]) if kept else train)
    language = loop.project.file.project.language
    drawn = [(x, y, stayed) for (x, y), stayed in zip(points.tolist(), stays.tolist(), strict=True)] if kept else []
    return report.reduction_plots(record, drawn, language)


def final_rows(
    loop: Loop, task: Task, lighter: Lighter, candidate: Candidate, rows: Material, profile: Profile
) -> tuple[pa.Table, TaskSpec, Reduction | None]:
    """Return what the shipped model is fitted on: kept rows where the chosen rung is proven not worse from them.

    The rung is fitted with its settings on the proving fold's whole training rows and on its kept ones, and both are
    judged on that fold's test rows.
    """
    from cauce.reduce.final import decide
    from cauce.reduce.search import Effort

    record = lighter.record
    if record is None or not lighter.kept:
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
    n_rows = rows.teach.num_rows
    record = decide(record, *losses, n_kept=round(record.share * n_rows), n_rows=n_rows)
    if record.final is None or record.final.on == "all":
        return rows.teach, lighter.spec, record
    loop.progress("reduce", 0, 1, "rows of the final fit")
    encoded = _encoded(rows, lighter.spec, profile)
    asked = loop.model(lighter.spec.model).reduce
    clean = not isinstance(asked, str) and asked.clean
    keep = _search(encoded, np.arange(n_rows), clean, lighter.spec.seed)
    kept = keep(record.share, {}, Effort(), loop.progress)
    loop.progress("reduce", 1, 1, "done")
    table = _with_weights(rows.teach.take(kept.indices), kept.weights, lighter.spec)
    return table, lighter.spec, record


def _not_worth_it(settings: ModelSpec, n_rows: int) -> Words | None:
    if n_rows < AUTO_ROWS:
        few, least = ({lang: number(n, lang) for lang in ("en", "es")} for n in (n_rows, AUTO_ROWS))
        return {
            "en": f"All {few['en']} rows stay: below {least['en']} their fits are cheap and little can be proven.",
            "es": f"Se conservan las {few['es']} filas: con menos de {least['es']}, ajustar es barato y poco se puede "
            "probar.",
        }
    if settings.trials == 0 or (settings.trials is None and settings.budget is None):
        every = {lang: number(n_rows, lang) for lang in ("en", "es")}
        return {
            "en": f"All {every['en']} rows stay: nothing is tuned, and a search costs more than one fit of each rung.",
            "es": f"Se conservan las {every['es']} filas: no se ajusta nada y la búsqueda cuesta más que un ajuste de "
            "cada peldaño.",
        }
    return None


def _off(options: ReduceSpec, settings: ModelSpec, n_rows: int, why: Words) -> Reduction:
    margin = settings.margin if options.margin is None else options.margin
    return Reduction(margin, options.confidence, options.keep, "off", n_rows, n_rows, 0, why)


@dataclass(frozen=True, eq=False)
class _Encoded:
    """Rows that teach as the reducer sees them, and who is protected or belongs together."""

    rows: Rows
    group_names: tuple[str, ...]
    clusters: npt.NDArray[np.int64] | None


def _encoded(rows: Material, spec: TaskSpec, profile: Profile) -> _Encoded:
    from cauce.profile.groups import crossed, grouping
    from cauce.reduce.encode import encode

    table = rows.teach
    codes: npt.NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    sensitive = [name for name in spec.sensitive if name in table.column_names]
    if sensitive:
        codes, names = crossed([grouping(profile, name) for name in sensitive], table)
        codes, names = np.where(codes < 0, len(names), codes), (*names, "…")
    weights = None
    if spec.weight is not None and spec.weight in table.column_names:
        weights = np.maximum(np.asarray(table[spec.weight].to_numpy(), dtype=np.float64), 1e-9)
    target = table[spec.target].to_numpy()
    if spec.task == "classify":
        target = target.astype(np.str_)
    n_classes = None if spec.task == "classify" else 0
    made = encode(table.select(list(spec.schema.names)), target, weights=weights, n_classes=n_classes).rows
    clusters = None
    if spec.group is not None and spec.group in table.column_names:
        clusters = np.unique(np.asarray(table[spec.group].to_pylist(), dtype=np.str_), return_inverse=True)[1]
    return _Encoded(replace(made, groups=codes), names, clusters)


_Rows = tuple["npt.NDArray[np.int64]", "npt.NDArray[np.float64]"]
"""Row numbers among the rows that teach, and their weights."""


def _proven(
    loop: Loop, options: ReduceSpec, rows: Material, encoded: _Encoded, spec: TaskSpec, proof: int
) -> tuple[Reduction, list[_Rows]]:
    """Prove a share on one fold, and reduce the training rows of all of them."""
    from cauce.reduce.guarantee import Judges, Terms, prove
    from cauce.reduce.learners import boosting
    from cauce.reduce.search import Effort

    settings = loop.model(spec.model)
    train, test = rows.folds[proof]
    searching = _search(encoded, train, options.clean, spec.seed)
    effort = Effort(seconds(options.budget))

    def propose(share: float) -> Kept:
        return searching(share, {"boosting": boosting}, effort, loop.progress)

    judges = Judges(
        encoded.rows.take(test),
        None if encoded.clusters is None else encoded.clusters[test],
        encoded.group_names,
    )
    terms = Terms(
        margin=settings.margin if options.margin is None else options.margin,
        confidence=options.confidence,
        accept_provable=options.accept_provable,
        keep=options.keep,
        seed=spec.seed,
    )
    proven = prove(
        encoded.rows.take(train),
        judges,
        families={"boosting": boosting},
        propose=propose,
        terms=terms,
        progress=loop.progress,
    )
    if not proven.record.accepted:
        return proven.record, []
    kept = []
    for fold, (others, _) in enumerate(rows.folds):
        if fold == proof:
            chosen = proven.kept
        else:
            loop.progress("reduce", fold, len(rows.folds), f"fold {fold + 1} of {len(rows.folds)}")
            chosen = _search(encoded, others, options.clean, spec.seed)(proven.record.share, {}, effort, loop.progress)
        kept.append((others[chosen.indices], chosen.weights))
    loop.progress("reduce", 1, 1, "done")
    return proven.record, kept


def _search(
    encoded: _Encoded, numbers: npt.NDArray[np.int64], clean: bool, seed: int
) -> Callable[[float, Mapping[str, Learner], Effort, Progress], Kept]:
    """Return what keeps a share of some of the rows; without a panel the cells alone decide."""
    from cauce.reduce.search import Search

    rng = np.random.default_rng([seed, 17])
    search = Search(encoded.rows.take(numbers), rng, clean=clean)

    def keep(share: float, panel: Mapping[str, Learner], effort: Effort, progress: Progress) -> Kept:
        n_keep = max(1, round(share * len(numbers)))
        return search.run(n_keep, rng, panel=panel, effort=effort, progress=progress).kept

    return keep


def _remembered(folder: Path, make: Callable[[], tuple[Reduction, list[_Rows]]]) -> tuple[Reduction, list[_Rows]]:
    """Return the reduction that lies in `folder`, made and kept there where it does not."""
    record = read_artefact(folder / "reduction.json", Reduction)
    if record is None:
        record, kept = make()
        content = io.BytesIO()
        named = {f"{what}{fold}": part for fold, pair in enumerate(kept) for what, part in zip("nw", pair, strict=True)}
        np.savez(content, allow_pickle=False, **named)
        write_bytes(folder / "kept.npz", content.getvalue())
        write_artefact(folder / "reduction.json", record)
        return record, kept
    with np.load(folder / "kept.npz", allow_pickle=False) as found:
        return record, [(found[f"n{fold}"], found[f"w{fold}"]) for fold in range(len(found.files) // 2)]


def _with_kept(lighter: Lighter, kept: list[_Rows], spec: TaskSpec) -> Lighter:
    """Append the kept rows of every fold, weighted, and let the folds train on them."""
    import pyarrow as pa

    name = spec.weight or WEIGHT
    spec = replace(spec, weight=name)
    parts = [_with_weights(lighter.table, None, spec)]
    folds, before = [], lighter.table.num_rows
    for (numbers, weights), (_, test) in zip(kept, lighter.folds, strict=True):
        parts.append(_with_weights(lighter.table.take(numbers), weights, spec))
        folds.append((np.arange(before, before + len(numbers)), test))
        before += len(numbers)
    return replace(lighter, table=pa.concat_tables(parts).combine_chunks(), folds=tuple(folds), spec=spec)


def _with_weights(table: pa.Table, weights: npt.NDArray[np.float64] | None, spec: TaskSpec) -> pa.Table:
    """Return rows with a column of weights: their own, or 1 each, where none are given."""
    import pyarrow as pa

    name = spec.weight or WEIGHT
    if weights is None:
        given = table[name].cast(pa.float64()) if name in table.column_names else None
        column = pa.chunked_array([pa.array(np.ones(table.num_rows))]) if given is None else given
    else:
        column = pa.chunked_array([pa.array(weights)])
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)
