"""Columns that stand for a sensitive one: leaving it out of the model does not keep the model from knowing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import columns_in, named, percent
from cauce.core.artefacts import Finding
from cauce.core.figures import Language, listed, number
from cauce.core.specs import Severity
from cauce.profile.groups import grouping

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = "group of the sensitive column"
LEAST_ROWS = 200
MOST_ROWS = 10_000
MOST_LEAVES = 64
TOGETHER = 1.5
"""All columns together are told of where they explain this many times what the best alone does."""


def sensitive_proxy(context: AuditContext, threshold: float) -> Outcome:
    """See inputs that predict a sensitive column, alone or all together.

    The figure is the share of the log loss of its groups that is explained on rows that were not fitted on: of one
    column by `single.judge_columns`, of all by a tree of 64 leaves.
    """
    model = context.model
    if model is None:
        return NO_MODEL
    if not model.sensitive:
        return NotApplicable("the model names no sensitive column", "el modelo no indica ninguna columna sensible")
    found = []
    for column in model.sensitive:
        finding = _of_column(context, column, threshold)
        if finding is not None:
            found.append(finding)
    return found


def _of_column(context: AuditContext, column: str, threshold: float) -> Finding | None:
    from cauce.audit.single import judge_columns

    inputs = [name for name in context.features if name != column]
    table = _with_groups(context, column)
    if not inputs or table.num_rows < LEAST_ROWS:
        return None
    judged = judge_columns(table, inputs, GROUP, "classify", group=context.data.group)
    alone = dict(sorted(judged.shares.items(), key=lambda item: (-item[1], item[0])))
    all_of_them = _together(table, inputs)
    strong = {name: share for name, share in alone.items() if share >= threshold}
    best = max(alone.values(), default=0.0)
    if not strong and all_of_them < max(threshold, TOGETHER * best):
        return None
    kept_out = column not in context.features
    severity: Severity = "warn" if kept_out and strong else "info"
    shown = list(strong or dict(list(alone.items())[:3]))
    return _finding(context, column, tuple(shown), alone, all_of_them, judged.n_rows, severity, threshold)


def _finding(
    context: AuditContext,
    column: str,
    shown: tuple[str, ...],
    alone: dict[str, float],
    together: float,
    n_rows: int,
    severity: Severity,
    threshold: float,
) -> Finding:
    def parts(language: Language) -> str:
        told = [f"{named([name], language)} {percent(alone[name], language)}" for name in shown[:5]]
        return listed(told, language, n_more=max(0, len(shown) - 5))

    message = {
        "en": f"The sensitive column {named([column], 'en')} can be told in part from others: {parts('en')}; all "
        f"inputs together {percent(together, 'en')} (share of its log loss explained, on "
        f"{number(n_rows, 'en')} sampled rows).",
        "es": f"La columna sensible {named([column], 'es')} se deduce en parte de otras: {parts('es')}; todas las "
        f"entradas juntas, {percent(together, 'es')} (parte explicada de su pérdida logarítmica, en una muestra de "
        f"{number(n_rows, 'es')} filas).",
    }
    why = {
        "en": "A model without the column still knows it through these: leaving it out does not make groups alike.",
        "es": "Un modelo sin la columna la conoce a través de estas: excluirla no iguala a los grupos.",
    }
    remedy = {
        "en": f"Judge the model by its gaps, not by its inputs (max_gap); ask whether to decide by "
        f"{columns_in(shown, 'en')} at all.",
        "es": f"Juzga el modelo por sus diferencias, no por sus entradas (max_gap); pregunta si "
        f"conviene decidir por {columns_in(shown, 'es')}.",
    }
    value = max(together, *(alone[name] for name in shown)) if shown else together
    return Finding(
        "sensitive_proxy", severity, (column, *shown), n_rows, message, why, remedy, value=value, threshold=threshold
    )


def _with_groups(context: AuditContext, column: str) -> pa.Table:
    """Return sampled rows that have a group, with the group beside their columns."""
    import pyarrow as pa

    groups = grouping(context.profile, column)
    codes = groups.codes(context.sample)
    names = np.array([*groups.names, ""])[codes].tolist()
    return context.sample.append_column(GROUP, pa.array(names, pa.string())).filter(pa.array(codes >= 0))


def _together(table: pa.Table, inputs: Sequence[str]) -> float:
    """Return what a tree over all inputs explains of the groups' log loss, on the half that did not teach."""
    from sklearn.tree import DecisionTreeClassifier

    from cauce.audit.single import explained_classes
    from cauce.profile.arrays import family_of, to_floats, to_seconds, to_strings

    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(table.num_rows)[:MOST_ROWS])
    table = table.take(rows).combine_chunks()
    columns = []
    for name in inputs:
        array = table[name].combine_chunks()
        family = family_of(array.type)
        if family in {"string", "other"}:
            codes = to_strings(array).dictionary_encode().indices
            columns.append(codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.float64))
        else:
            numbers = to_seconds(array) if family == "datetime" else to_floats(array)
            columns.append(np.nan_to_num(numbers, nan=-1e30, posinf=1e30, neginf=-1e30))
    truth = np.unique(to_strings(table[GROUP].combine_chunks()).to_pylist(), return_inverse=True)[1].astype(np.int64)
    judge = rng.permutation(len(truth)) % 2 == 0
    if len(np.unique(truth[~judge])) < 2:
        return 0.0
    tree = DecisionTreeClassifier(max_leaf_nodes=MOST_LEAVES, min_samples_leaf=20, random_state=0)
    matrix = np.column_stack(columns)
    tree.fit(matrix[~judge], truth[~judge])
    return max(0.0, explained_classes(np.asarray(tree.apply(matrix), np.int64), truth, judge))


CHECKS = (
    Check(
        "sensitive_proxy",
        "warn",
        0.2,
        {"en": "columns that stand for a sensitive one", "es": "columnas que delatan una sensible"},
        sensitive_proxy,
    ),
)
