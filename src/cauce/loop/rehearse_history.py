"""The rows that a rehearsal replays: the snapshot's labelled rows in order of time, plain types, a time each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import TaskSpec, Words
from cauce.core.files import fingerprint
from cauce.loop.audit import profile_of
from cauce.loop.context import Loop
from cauce.loop.load import load
from cauce.loop.material import resolve, source_rows, wrong_columns
from cauce.rehearse import spread_ties
from cauce.rehearse import words as said

if TYPE_CHECKING:
    import pyarrow as pa

    from cauce.profile import Profile

TIME = "cauce_time"


@dataclass(frozen=True, eq=False)
class History:
    """A model's past."""

    table: pa.Table
    """Inputs, target and what goes with them, oldest row first; whole numbers as int64, others as float64."""
    times: npt.NDArray[np.float64]
    """Seconds since the epoch, shape (n_rows,), not falling."""
    spec: TaskSpec
    profile: Profile
    step_s: float | None
    """Seconds between rows where that was assumed."""
    warnings: tuple[Words, ...]
    fingerprint: str

    def to_bytes(self) -> bytes:
        """Return rows and times as an Arrow file."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        table = self.table.append_column(TIME, pa.array(self.times))
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())

    @staticmethod
    def from_file(path: Path) -> tuple[pa.Table, npt.NDArray[np.float64]]:
        """Read rows and times, mapped into memory."""
        import pyarrow as pa

        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        return table.drop_columns([TIME]), table[TIME].to_numpy()


def history_of(loop: Loop, model: str, *, n_rows: int, step_s: float) -> History:
    """Return the newest `n_rows` rows of a model's data set whose outcome is known, in order of time.

    Parameters
    ----------
    loop
        With a state that may be written to.
    step_s
        Seconds between rows where no column tells their time.

    Raises
    ------
    UserError
        The model names a column that its data set does not have.
    """
    snapshot = load(loop, loop.model(model).data)
    profile = profile_of(loop, snapshot)
    for problem in wrong_columns(loop, model, profile.columns):
        raise problem
    spec = resolve(loop, model, profile)
    table = _plain(source_rows(loop, snapshot, spec))
    times, order = _in_order(table, spec.time)
    warnings: list[Words] = []
    assumed = times is None
    table = table.take(order)
    if len(order) > n_rows:
        warnings.append(said.cut(n_rows, len(order)))
    start = max(0, len(order) - n_rows)
    table = table.slice(start).combine_chunks()
    if times is None:
        warnings.append(said.NO_TIME)
        times = step_s * np.arange(table.num_rows, dtype=np.float64)
    else:
        times = times[order][start:]
        if len(np.unique(times)) < len(times) / 2:
            warnings.append(said.TIES)
        times = spread_ties(times)
    wanted = (*spec.schema.names, spec.target, spec.time, spec.group, spec.weight, *spec.sensitive)
    names = list(dict.fromkeys(name for name in wanted if name))
    stamp = fingerprint(snapshot.fingerprint, spec, n_rows, step_s if assumed else 0.0)
    return History(table.select(names), times, spec, profile, step_s if assumed else None, tuple(warnings), stamp)


def _in_order(table: pa.Table, time: str | None) -> tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.int64]]:
    """Return the rows' seconds, None where no column tells them, and the rows oldest first.

    Rows of one moment are put in random order: the order of a file (by name, by school) would look like drift. Rows
    without a time come last, as a split by time has them.
    """
    import pyarrow as pa

    from cauce.data.moments import moments

    n = table.num_rows
    if time is None:
        return None, np.arange(n)
    shuffled = np.random.default_rng(0).permutation(n)
    kind = table.schema.field(time).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        when = moments(table, time, missing_last=True)
        return None, shuffled[np.argsort(when[shuffled], kind="stable")]
    micros = table[time].cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    values = micros.to_numpy(zero_copy_only=False).astype(np.float64) / 1e6
    latest = np.nanmax(values) if not np.isnan(values).all() else 0.0
    values = np.where(np.isnan(values), latest, values)
    return values, shuffled[np.argsort(values[shuffled], kind="stable")]


def _plain(table: pa.Table) -> pa.Table:
    """Widen numbers, so that a change may make them larger than the source's type holds."""
    import pyarrow as pa

    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_integer(kind):
            kind = pa.int64()
        elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            kind = pa.float64()
        elif pa.types.is_dictionary(kind) or pa.types.is_large_string(kind):
            kind = pa.string()
        fields.append(pa.field(field.name, kind))
    return table.cast(pa.schema(fields), safe=False)
