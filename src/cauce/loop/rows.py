"""Row functions on their way round the loop: read from the project, applied while loading, put before the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cauce.core.artefacts import Snapshot, TaskSpec
from cauce.core.errors import UserError
from cauce.core.protocols import Fitted
from cauce.loop.context import Loop
from cauce.rows import Computation, Computed, RowFunctions, computation, computing, read_functions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from cauce.profile import Profile


def functions_of(loop: Loop, data: str) -> RowFunctions:
    """Return the row functions of `[data.NAME]` as their files say now; none where the key is absent."""
    return read_functions(
        loop.data(data).rows,
        loop.project.folder,
        where=lambda number: loop.project.where("data", data, "rows", number),
    )


def while_loading(
    loop: Loop, data: str, functions: RowFunctions
) -> Callable[[pa.RecordBatchReader], pa.RecordBatchReader] | None:
    """Return what adds the new columns to the batches of a load; None where there are none."""
    if not functions:
        return None
    kept = loop.state.runs / "rows" / data
    return lambda reader: computing(reader, functions, kept=kept, progress=loop.progress, stage=f"load {data}")


def own_columns(loop: Loop, data: str, columns: Iterable[str]) -> list[str]:
    """Return the columns that rows brought themselves: they name a row without a key, whatever is computed from them.

    So a unit keeps its name when a function changes, and the one that a champion has learnt from is known again.
    """
    made = frozenset(functions_of(loop, data).names)
    return [name for name in columns if name not in made]


def from_target(functions: RowFunctions, target: str) -> frozenset[str]:
    """Return the new columns that are computed from the target: a request does not know it."""
    return frozenset(name for name in functions.names if target in functions.raw([name]) and name != target)


def requested(features: TaskSpec, functions: RowFunctions, profile: Profile) -> TaskSpec:
    """Return the spec with the columns that a request must bring in place of those that a model learns from."""
    raw = functions.raw(features.schema.names)
    return features if raw == features.schema.names else replace(features, schema=profile.schema(raw))


def computed_for(features: TaskSpec, functions: RowFunctions, snapshot: Snapshot) -> Computation | None:
    """Return what computes the features of a model from raw columns of the snapshot's types; None for nothing."""
    needed = functions.needed_for(features.schema.names)
    gone = [name for name in (*needed.inputs, *needed.names) if name not in snapshot.types]
    if gone:
        hint = "The file was edited while the data was loaded: run the same command again."
        raise UserError(
            "row functions take or make columns that are not loaded", where="rows", received=gone, hint=hint
        )
    return computation(needed, snapshot.types) if needed else None


def behind(fitted: Fitted, made: Computation | None, spec: TaskSpec) -> Fitted:
    """Return the model behind the functions that compute its features from what `spec` asks of a request."""
    return fitted if made is None else Computed(fitted, made, spec.schema)
