"""What a rehearsal does in earnest: the tasks' fits and losses, `watch.look`, `renew.decide` and `renew.judge`.

Files, HTTP and MLflow are left out; everything that decides is the code that decides about a served model. It is bound
here and nowhere else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cauce.core.artefacts import Candidate, Decision, TaskSpec, Watched
from cauce.core.protocols import Fitted
from cauce.core.registry import task as task_named
from cauce.core.rehearsing import Settings
from cauce.core.specs import RenewSpec, WatchSpec
from cauce.loop.rehearse_watch import Reference, Watching, moment
from cauce.rehearse import Model
from cauce.rehearse.stage import Floats, Rows, Seen
from cauce.watch.drift.joint import MOST_ROWS

if TYPE_CHECKING:
    import pyarrow as pa

N_FOLDS = 3
"""Folds whose predictions finish a classifier."""
WEEK_S = 7 * 86_400.0
FEWEST_ACCEPTED = 100
"""As `loop.material`: rows below which those that judge are too few to stand for a population."""


@dataclass(frozen=True)
class Kit:
    """What every replay of a rehearsal shares."""

    spec: TaskSpec
    candidate: Candidate
    """The rung, with the parameters that every retraining uses."""
    watch: WatchSpec
    renew: RenewSpec
    margin: float
    finish: bool = True
    """Whether retrained models are finished out of fold: not where that had nothing to mend in the first one."""


class RealStage:
    """One table of rows in order of time, and the loop's own code on it. Belongs to one replay."""

    def __init__(self, kit: Kit, table: pa.Table, settings: Settings) -> None:
        self.kit, self.table = kit, table
        self.task = task_named(kit.spec.task)
        self.watch = kit.watch.model_copy(update={"window": settings.window, "drift": settings.drift})
        keys = {"min_truths": settings.min_truths, "cool_down": settings.cool_down, "approve": "policy"}
        self.renew = kit.renew.model_copy(update=keys)
        self.inputs = table.select(list(kit.spec.schema.names))
        self.watching = Watching(kit.spec, self.watch, kit.margin, table, self.inputs)

    def fit(self, teach: Rows, judge: Rows, *, version: int, at: float) -> Model:
        """Refit the rung, finish it, and hold it against rows set aside; processor seconds of it all are counted."""
        begun = time.process_time()
        rows, kit = self.table.take(teach), self.kit
        fitted = self.task.fit(kit.candidate, kit.candidate.params, rows, spec=kit.spec)
        if kit.finish and kit.spec.task == "classify":  # a number's finish is its interval, which decides nothing here
            fitted = self._finished(fitted, rows)
        held_out = self.task.losses(fitted, self.table.take(judge), kit.spec).values if len(judge) else np.empty(0)
        reference = self._reference(fitted, teach, judge, first=version == 1) if len(judge) else None
        spent = time.process_time() - begun
        return Model(version, at, fitted, teach, held_out, reference, spent)

    def losses(self, model: Model, rows: Rows) -> Floats:
        """Return the loss of each row."""
        return self.task.losses(model.fitted, self.table.take(rows), self.kit.spec).values

    def look(self, seen: Seen) -> Watched:
        """Look at the rows, as `loop.watch` does."""
        return self.watching.look(seen)

    def decide(self, watched: Watched, seen: Seen) -> Decision:
        """Ask the policy, as `loop.renew` does; a person who has to approve does so at once."""
        from cauce import renew as room

        lately = [(at, spent) for at, spent in seen.retrained if at > seen.now - WEEK_S]
        situation = room.Situation(
            watched=watched,
            last_retrain=None if seen.last_retrain is None else moment(seen.last_retrain),
            paused=None,
            n_labelled=seen.n_new,
            now=moment(seen.now),
            champion=seen.model.version,
            min_rows=self.watch.min_rows,
            retrained=tuple(moment(at) for at, _ in lately),
            training_s=sum(spent for _, spent in lately),
            last_training_s=seen.retrained[-1][1] if seen.retrained else seen.model.cpu_seconds,
        )
        return room.decide(situation, self.renew)

    def n_judging(self, n_new: int) -> int:
        """Set aside as many as `loop.renew` does."""
        from cauce import renew as room

        return room.n_judging(n_new, self.renew)

    def judge(self, champion: Model, challenger: Model, rows: Rows, watched: Watched | None, now: float) -> bool:
        """Compare both on rows that neither has learnt from, as `loop.judge` does."""
        from cauce import renew as room

        if not len(rows):
            return False
        table, spec = self.table.take(rows), self.kit.spec
        ours = self.task.losses(challenger.fitted, table, spec)
        theirs = self.task.losses(champion.fitted, table, spec)
        decision = room.judge(
            theirs.values,
            ours.values,
            groups=ours.groups,
            model=spec.model,
            champion=champion.version,
            challenger=challenger.version,
            margin=self.kit.margin if self.renew.margin is None else self.renew.margin,
            confidence=self.renew.confidence,
            watched=watched,
            now=moment(now),
        )
        return decision.action == "promote"

    def _finished(self, fitted: Fitted, rows: pa.Table) -> Fitted:
        """Finish with what models of other folds say of each row; every class in every fold, as far as it goes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kit, spec = self.kit, self.kit.spec
        codes = rows[spec.target].cast(pa.string()).dictionary_encode().combine_chunks().indices.to_numpy()
        if rows.num_rows < 20 * N_FOLDS or np.bincount(codes).min() < N_FOLDS:
            return fitted
        fold = np.empty(len(codes), np.int64)
        fold[np.argsort(codes, kind="stable")] = np.arange(len(codes)) % N_FOLDS
        tested, said = [], []
        for each in range(N_FOLDS):
            test = np.flatnonzero(fold == each)
            other = self.task.fit(
                kit.candidate, kit.candidate.params, rows.take(np.flatnonzero(fold != each)), spec=spec
            )
            tested.append(test)
            said.append(other.predict(rows.take(test)))
        together: Any = pa.concat_tables(said, promote_options="default")
        for place, name in enumerate(together.column_names):
            if name.startswith("prob_"):
                together = together.set_column(place, name, pc.fill_null(together[name], 0.0))
        return fitted.finish(rows.take(np.concatenate(tested)), together, spec).fitted

    def _reference(self, fitted: Fitted, teach: Rows, judge: Rows, *, first: bool) -> Reference:
        """Return bins fixed by the rows that taught, and the counts that a look compares with, as `loop.train` does."""
        from cauce import profile

        accepted = judge if len(judge) >= FEWEST_ACCEPTED else np.concatenate([teach, judge])
        taught = profile.summarise(self.inputs.take(teach).combine_chunks().to_batches(max_chunksize=65_536))
        bins = profile.make_bins(taught, self.kit.spec.schema)
        outputs = fitted.predict(self.inputs.take(judge)).select(["prediction"])
        said = profile.summarise(outputs.to_batches())
        bins_out = profile.make_bins(said, said.schema(["prediction"]))
        counts = {**bins.count(self.inputs.take(accepted)), **bins_out.count(outputs)}
        sample = np.random.default_rng(self.kit.spec.seed).permutation(accepted)[:MOST_ROWS] if first else None
        return Reference(profile.Bins({**bins.columns, **bins_out.columns}), counts, sample)
