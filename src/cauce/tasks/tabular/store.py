"""A fitted object as files: `model.json`, `levels.arrow`, `arrays.arrow`, texts' `grams.arrow`, trees' `booster.txt`.

Nothing is written or read that could execute: JSON is validated by its type, Arrow holds strings and numbers, the
booster's text is checked before LightGBM sees it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Schema
from cauce.core.errors import UserError
from cauce.core.files import from_json, to_json, write_bytes
from cauce.tasks.tabular import booster_text, mlp, mlp_learn
from cauce.tasks.tabular.boosting import Boosting
from cauce.tasks.tabular.design import CYCLES, Design
from cauce.tasks.tabular.encode import Encoder
from cauce.tasks.tabular.linear import Linear, Solution, arrays, design_arrays
from cauce.tasks.tabular.mlp import Networks
from cauce.tasks.tabular.prior import Prior
from cauce.tasks.tabular.text import Tfidf

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Literal[1] = 1
HINT = "Train again, or restore the package from a backup."
Kind = Literal["prior", "linear", "additive", "forest", "boosting", "mlp"]
Model = Prior | Linear | Boosting | Networks


@dataclass(frozen=True)
class Header:
    """`model.json`."""

    format: Literal[1]
    task: Literal["classify", "regress"]
    rung: Kind
    schema: Schema
    classes: tuple[str, ...]
    importance: Mapping[str, float]
    half_width: float = 0.0
    strength: float = 0.0
    centre: float = 0.0
    scale: float = 1.0


def save(folder: Path, header: Header, encoder: Encoder, model: Model) -> None:
    """Write everything into `folder`."""
    if isinstance(model, Prior):
        values: Mapping[str, npt.NDArray[Any]] = model.arrays()
    elif isinstance(model, Linear):
        values = arrays(model)
    elif isinstance(model, Networks):
        values = mlp.arrays(model) | design_arrays(model.design)
    else:
        values = {f"table_{i}": table for i, table in enumerate(model.tables) if table is not None}
        write_bytes(folder / "booster.txt", model.text.encode())
    write_bytes(folder / "model.json", to_json(header))
    write_bytes(folder / "levels.arrow", _ipc(_levels_table(encoder)))
    write_bytes(folder / "arrays.arrow", _ipc(_arrays_table(values)))
    if encoder.texts:
        write_bytes(folder / "grams.arrow", _ipc(_grams_table(encoder)))


def load(folder: Path, task: str) -> tuple[Header, Encoder, Model]:
    """Read what `save` wrote, and check that its parts belong together.

    Raises
    ------
    UserError
        A file is missing, cut off, edited or of another task.
    """
    header = from_json(_read(folder / "model.json"), Header, where=str(folder / "model.json"))
    if header.task != task:
        raise UserError(f"a model of the task {header.task}", where=str(folder), hint=f"Load it as {header.task}.")
    encoder = _with_texts(_encoder(header.schema, _open(folder / "levels.arrow"), folder), folder)
    values = _values(_open(folder / "arrays.arrow"), folder / "arrays.arrow")
    try:
        return header, encoder, _model(folder, header, encoder, values)
    except KeyError as error:
        raise UserError(f"array {error} is missing", where=str(folder / "arrays.arrow"), hint=HINT) from error


def _model(folder: Path, header: Header, encoder: Encoder, values: Mapping[str, npt.NDArray[np.float64]]) -> Model:
    where = str(folder / "arrays.arrow")
    n_outputs = len(header.classes) if header.task == "classify" else 1
    if header.rung == "prior":
        _expect(values["values"].shape == (n_outputs,), where)
        return Prior(values["values"])
    n_columns = 1 if n_outputs == 2 else n_outputs
    if header.rung == "linear":
        return _linear(header, encoder, values, n_columns, where)
    if header.rung == "mlp":
        return _networks(header, encoder, values, n_outputs, where)
    tables: list[npt.NDArray[np.float64] | None] = []
    width = len(encoder.features)
    for i, levels in enumerate(encoder.levels.values()):
        table = values.get(f"table_{i}")
        _expect(table is None or (table.ndim == 2 and len(table) == len(levels) + 2), where)
        tables.append(table)
        width += 1 if table is None else table.shape[1]
    text = _read(folder / "booster.txt").decode("utf-8", errors="replace")
    booster_text.check(text, n_features=width, n_outputs=n_columns, where=str(folder / "booster.txt"))
    return Boosting(text, tuple(tables), header.task == "classify", header.centre, header.scale, header.rung)


def _linear(
    header: Header, encoder: Encoder, values: Mapping[str, npt.NDArray[np.float64]], n_outputs: int, where: str
) -> Linear:
    design = _design(encoder, values, where)
    solution = Solution(values["coefficients"], values["intercept"])
    _expect(solution.coefficients.shape == (sum(design.widths), n_outputs), where)
    _expect(solution.intercept.shape == (n_outputs,), where)
    return Linear(design, solution, header.task == "classify", header.strength)


def _networks(
    header: Header, encoder: Encoder, values: Mapping[str, npt.NDArray[np.float64]], n_outputs: int, where: str
) -> Networks:
    design = replace(_design(encoder, values, where), furthest=mlp_learn.FURTHEST)
    layers = []
    n_networks, n_in = len(values["weights_0"]), sum(design.widths)
    for i in range(sum(name.startswith("weights_") for name in values)):
        weights, bias = values[f"weights_{i}"], values[f"bias_{i}"]
        _expect(weights.ndim == 3 and weights.shape[:2] == (n_networks, n_in), where)
        n_in = weights.shape[2]
        _expect(bias.shape == (n_networks, 1, n_in), where)
        layers.append((weights, bias))
    _expect(n_networks > 0 and n_in == n_outputs, where)
    return Networks(design, tuple(layers), header.task == "classify", header.centre, header.scale)


def _design(encoder: Encoder, values: Mapping[str, npt.NDArray[np.float64]], where: str) -> Design:
    spans = [CYCLES.get(feature.part, (0, 0)) for feature in encoder.features]
    cycles, starts = tuple(count for _, count in spans), tuple(start for start, _ in spans)
    sizes = [count for count in cycles if count] + [len(levels) for levels in encoder.levels.values()]
    slots = tuple(values[f"slots_{i}"].astype(np.int64) for i in range(len(sizes)))
    for slot, size in zip(slots, sizes, strict=True):
        _expect(slot.shape == (size + 2,) and slot.min(initial=-1) >= -1, where)
    mean, scale, indicator = values["mean"], values["scale"], values["indicator"].astype(bool)
    _expect(mean.shape == scale.shape == indicator.shape == (len(encoder.features),), where)
    return Design(mean, scale, indicator, cycles, starts, slots, encoder.text_widths)


def _encoder(schema: Schema, table: pa.Table, folder: Path) -> Encoder:
    where = str(folder / "levels.arrow")
    names = [column.name for column in schema if column.kind == "category"]
    _expect(table.column_names == ["column", "levels"] and table.column("column").to_pylist() == names, where)
    levels = table.column("levels").combine_chunks()
    return Encoder(schema, {name: levels[i].values for i, name in enumerate(names)})


def _with_texts(encoder: Encoder, folder: Path) -> Encoder:
    names = [column.name for column in encoder.schema if column.kind == "text"]
    if not names:
        return encoder
    path = folder / "grams.arrow"
    table = _open(path)
    _expect(table.column_names == ["column", "grams", "idf", "n_scores", "scores"], str(path))
    _expect(table.column("column").to_pylist() == names, str(path))
    lists = {name: table.column(name).combine_chunks() for name in ("grams", "idf", "scores")}
    texts, scores = {}, {}
    for i, (name, n_scores) in enumerate(zip(names, table.column("n_scores").to_pylist(), strict=True)):
        grams = lists["grams"][i].values
        idf, flat = (lists[part][i].values.to_numpy(zero_copy_only=False) for part in ("idf", "scores"))
        _expect(len(idf) == len(grams) == len(grams.unique()) and not grams.null_count, str(path))
        _expect(
            len(flat) == (len(grams) + 1) * n_scores and bool(np.isfinite(idf).all() and np.isfinite(flat).all()),
            str(path),
        )
        texts[name] = Tfidf(grams, idf)
        if n_scores:
            scores[name] = flat.reshape(-1, n_scores)
    _expect(len(scores) in {0, len(texts)}, str(path))
    return replace(encoder, texts=texts, scores=scores)


def _grams_table(encoder: Encoder) -> pa.Table:
    import pyarrow as pa

    def lists(values: list[Any], kind: pa.DataType) -> pa.LargeListArray:
        offsets = np.concatenate([[0], np.cumsum([len(value) for value in values])]).astype(np.int64)
        return pa.LargeListArray.from_arrays(pa.array(offsets), pa.concat_arrays([pa.array(v, kind) for v in values]))

    scores = [encoder.scores.get(name, np.empty((0, 0))) for name in encoder.texts]
    return pa.table(
        {
            "column": pa.array(list(encoder.texts), pa.string()),
            "grams": lists([text.grams for text in encoder.texts.values()], pa.string()),
            "idf": lists([text.idf for text in encoder.texts.values()], pa.float64()),
            "n_scores": pa.array([table.shape[1] for table in scores], pa.int64()),
            "scores": lists([table.ravel() for table in scores], pa.float64()),
        }
    )


def _levels_table(encoder: Encoder) -> pa.Table:
    import pyarrow as pa

    levels = [array.to_pylist() for array in encoder.levels.values()]
    lists = pa.array(levels, pa.large_list(pa.string()))
    return pa.table({"column": pa.array(list(encoder.levels), pa.string()), "levels": lists})


def _arrays_table(values: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    import pyarrow as pa

    flat = [np.asarray(value, np.float64).ravel() for value in values.values()]
    offsets = np.concatenate([[0], np.cumsum([len(value) for value in flat])]).astype(np.int64)
    numbers = pa.array(np.concatenate([np.empty(0), *flat]))
    return pa.table(
        {
            "name": pa.array(list(values), pa.string()),
            "shape": pa.array([list(value.shape) for value in values.values()], pa.list_(pa.int64())),
            "values": pa.LargeListArray.from_arrays(pa.array(offsets), numbers),
        }
    )


def _values(table: pa.Table, path: Path) -> Mapping[str, npt.NDArray[np.float64]]:
    _expect(table.column_names == ["name", "shape", "values"], str(path))
    lists, found = table.column("values").combine_chunks(), {}
    shapes = table.column("shape").to_pylist()
    for i, name in enumerate(table.column("name").to_pylist()):
        flat = lists[i].values.to_numpy(zero_copy_only=False)
        _expect(math.prod(shapes[i]) == len(flat) and bool(np.isfinite(flat).all()), str(path))
        found[name] = flat.reshape(shapes[i])
    return found


def _ipc(table: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _open(path: Path) -> pa.Table:
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.BufferReader(_read(path))).read_all()
        table.validate(full=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError("not a readable Arrow file", where=str(path), hint=HINT) from error
    return table


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError("the file is missing", where=str(path), hint=HINT) from error


def _expect(holds: bool, where: str) -> None:
    if not holds:
        raise UserError("its parts do not belong together", where=where, hint=HINT)
