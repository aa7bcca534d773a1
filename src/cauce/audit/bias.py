"""Gaps between the groups of sensitive columns: in the outcomes of the data, and in what a model says.

A gap is proven when its interval, which holds for every pair of groups that can be told, lies above a bound. Groups
with too few rows are named as such: that nothing is proven of them does not mean that nothing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cauce.audit import gap_words
from cauce.audit.by_group import ByGroup, by_group, clusters_of, rows_of
from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome, OutOfFold
from cauce.audit.gap_findings import Asked, Seen, findings, folded
from cauce.audit.labels import NO_MODEL
from cauce.core.artefacts import Words
from cauce.core.figures import number
from cauce.core.specs import FairnessMetric
from cauce.evidence.gaps import Compared, of_means, of_metric, of_shares
from cauce.profile.groups import favoured_class

NOT_SENSITIVE = NotApplicable("the model names no sensitive column", "el modelo no indica ninguna columna sensible")
NOT_FITTED = NotApplicable("no model could be fitted", "no se pudo ajustar ningún modelo")
KNOWN_TO = 0.1
"""Groups are compared whose shares are known to ± 10 points, whose means to a tenth of a standard deviation."""
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Said:
    """What a model said of rows that it was not fitted on, ready to be compared."""

    found: OutOfFold
    groups: tuple[ByGroup, ...]
    clusters: Codes | None
    favoured: str | None
    on: Words
    """Which rows, in words."""

    @property
    def place(self) -> int:
        """Place of the favoured class; −1 where there is none."""
        return self.found.classes.index(self.favoured) if self.favoured in self.found.classes else -1

    @property
    def truth(self) -> Bools:
        return np.asarray(self.found.truth == self.place)

    @property
    def said(self) -> Bools:
        return np.asarray(self.found.predictions == self.place)

    @property
    def wrong(self) -> Bools:
        return np.asarray(self.found.truth != self.found.predictions)

    @property
    def errors(self) -> Floats:
        return self.found.predictions - self.found.truth


def outcome_gap(context: AuditContext, threshold: float) -> Outcome:
    """See groups whose outcomes differ in the data: shares of the favoured class, or means of the target."""
    model, target = context.model, context.target
    if model is None or target is None:
        return NO_MODEL
    if not model.sensitive:
        return NOT_SENSITIVE
    from cauce.profile.arrays import to_floats, to_strings

    favoured = favoured_class(context.profile, target, model.fairness.favoured) if model.task == "classify" else None
    if model.task == "classify" and favoured is None:
        return _not_favoured(context)
    group = (context.data.group,) if context.data.group else ()
    table = rows_of(context, [target, *model.sensitive, *group])
    array = table[target].combine_chunks()
    if favoured is not None:
        strings = to_strings(array)
        known = np.asarray(strings.is_valid().to_numpy(zero_copy_only=False), np.bool_)
        hits = np.asarray(np.asarray(strings.fill_null("").to_numpy(zero_copy_only=False)) == favoured, np.bool_)
        values = hits.astype(np.float64)
    elif context.profile.column(target).family in {"string", "other", "datetime"}:
        return NotApplicable("the target holds no numbers", "el objetivo no contiene números")
    else:
        values = to_floats(array)
        known = np.isfinite(values)
    clusters = clusters_of(context, table)
    scale = 1.0 if favoured is not None else float(np.std(values[known])) or 1.0

    def measure(rows: ByGroup, comparisons: int) -> Compared:
        codes = np.where(known, rows.codes, -1)
        n = len(rows.names)
        if favoured is not None:
            return of_shares(values > 0.5, codes, n, clusters=clusters, known_to=KNOWN_TO, comparisons=comparisons)
        return of_means(values, codes, n, clusters=clusters, known_to=KNOWN_TO * scale, comparisons=comparisons)

    kind = "outcome" if favoured is not None else "mean_outcome"
    on = {"en": f"in {number(int(known.sum()), 'en')} rows", "es": f"en {number(int(known.sum()), 'es')} filas"}
    asked = Asked("outcome_gap", gap_words.of_figure(kind, favoured or ""), on, threshold, None, scale)
    return folded(findings(context, asked, by_group(context, model.sensitive, table), measure))


def model_gap(context: AuditContext, threshold: float) -> Outcome:
    """See groups that a model fitted out of fold treats differently, by the metric of the file; over max_gap it blocks.

    Where the file asks for a mitigation, the model is fitted with it: the gate judges what would be shipped.
    """
    if context.model is None:
        return NO_MODEL
    said = _said(context)
    return said if isinstance(said, NotApplicable) else _of_model(context, said, threshold)


def held_out_gap(context: AuditContext, found: OutOfFold, threshold: float | None = None) -> Outcome:
    """See the same in what a fitted model says of rows set aside; `found.rows` are rows of `context.batches`.

    Without a `threshold`, the check's own is taken.
    """
    if context.model is None:
        return NO_MODEL
    n = len(found.rows)
    on = {
        "en": f"on {number(n, 'en')} rows set aside",
        "es": f"en {number(n, 'es')} filas apartadas",
    }
    said = _ready(context, found, on)
    if threshold is None:
        threshold = next(check.threshold for check in CHECKS if check.code == "model_gap")
    return said if isinstance(said, NotApplicable) else _of_model(context, said, threshold or 0.0)


def error_gap(context: AuditContext, threshold: float) -> Outcome:
    """See groups in which the model errs more, or otherwise: errors, false alarms, misses; for numbers, their size."""
    if context.model is None:
        return NO_MODEL
    said = _said(context)
    if isinstance(said, NotApplicable):
        return said
    found: list[Seen] = []
    if said.found.classes:
        metric = context.model.fairness.metric
        everyone = np.ones(len(said.wrong), np.bool_)
        kinds = [] if metric == "error_rate" else [("error_rate", said.wrong, everyone)]
        if said.place >= 0:
            kinds.append(("false_positive_rate", said.said, ~said.truth))
            kinds += [] if metric == "equal_opportunity" else [("false_negative_rate", ~said.said, said.truth)]
        for kind, hits, among in kinds:
            found += _shares(context, said, kind, hits, among, threshold)
        return folded(found)
    scale = float(np.std(said.found.truth)) or 1.0
    for kind, values in (("mean_error", said.errors), ("absolute_error", np.abs(said.errors))):
        found += _means(context, said, kind, values, threshold, scale=scale)
    return folded(found)


def calibration_gap(context: AuditContext, threshold: float) -> Outcome:
    """See groups for which a predicted probability does not mean what it means for others."""
    if context.model is None:
        return NO_MODEL
    said = _said(context)
    if isinstance(said, NotApplicable):
        return said
    if said.found.probabilities is None:
        return NotApplicable(
            "numbers have no probabilities; error_gap compares their errors",
            "un modelo de números no da probabilidades; error_gap compara sus errores",
        )
    if said.place < 0:
        return _not_favoured(context)
    apart = said.found.probabilities[:, said.place] - said.truth
    return folded(_means(context, said, "calibration", apart, threshold, scale=1.0))


def _not_favoured(context: AuditContext) -> NotApplicable:
    section = f"[models.{context.model_name or 'NAME'}.fairness]"
    return NotApplicable(
        f"several classes: name the one that people want in {section} favoured",
        f"hay varias clases: indica la deseada en {section} favoured",
    )


def _said(context: AuditContext) -> _Said | NotApplicable:
    return context.once("bias", _make_said)


def _make_said(context: AuditContext) -> _Said | NotApplicable:
    model = context.model
    if model is None or not model.sensitive:
        return NOT_SENSITIVE
    mitigated = model.fairness.mitigate != "off"
    found = context.mitigated() if mitigated else context.out_of_fold()
    if found is None or not len(found.rows):
        return NOT_FITTED
    n = len(found.rows)
    how = f", mitigate = {model.fairness.mitigate}" if mitigated else ""
    on = {
        "en": f"on {number(n, 'en')} rows that the model had not seen, {found.rung}{how}",
        "es": f"en {number(n, 'es')} filas que el modelo no había visto, {found.rung}{how}",
    }
    return _ready(context, found, on)


def _ready(context: AuditContext, found: OutOfFold, on: Words) -> _Said | NotApplicable:
    import pyarrow as pa

    model = context.model
    assert model is not None
    if not model.sensitive:
        return NOT_SENSITIVE
    group = (context.data.group,) if context.data.group else ()
    table = rows_of(context, [*model.sensitive, *group]).take(pa.array(found.rows))
    favoured = favoured_class(context.profile, model.target, model.fairness.favoured) if found.classes else None
    return _Said(found, by_group(context, model.sensitive, table), clusters_of(context, table), favoured, on)


def _of_model(context: AuditContext, said: _Said, threshold: float) -> Outcome:
    model = context.model
    assert model is not None
    metric: FairnessMetric = model.fairness.metric
    limit = model.fairness.max_gap
    if not said.found.classes:
        kind = "mean_prediction" if metric == "demographic_parity" else "absolute_error"
        values = said.found.predictions if metric == "demographic_parity" else np.abs(said.errors)
        scale = float(np.std(said.found.truth)) or 1.0
        found = _means(context, said, kind, values, threshold, scale=scale, code="model_gap", limit=limit)
        return folded(found)
    if said.place < 0 and metric != "error_rate":
        return _not_favoured(context)

    def measure(rows: ByGroup, comparisons: int) -> Compared:
        return of_metric(
            metric,
            said.truth,
            said.said,
            rows.codes,
            len(rows.names),
            wrong=said.wrong,
            clusters=said.clusters,
            known_to=KNOWN_TO,
            comparisons=comparisons,
        )

    figure = gap_words.of_figure(metric, said.favoured or "")
    asked = Asked("model_gap", figure, said.on, threshold, limit, 1.0)
    return folded(findings(context, asked, said.groups, measure))


def _shares(context: AuditContext, said: _Said, kind: str, hits: Bools, among: Bools, threshold: float) -> list[Seen]:
    def measure(rows: ByGroup, comparisons: int) -> Compared:
        return of_shares(
            hits,
            rows.codes,
            len(rows.names),
            among=among,
            clusters=said.clusters,
            known_to=KNOWN_TO,
            comparisons=comparisons,
        )

    asked = Asked("error_gap", gap_words.of_figure(kind, said.favoured or ""), said.on, threshold, None, 1.0)
    return findings(context, asked, said.groups, measure)


def _means(
    context: AuditContext,
    said: _Said,
    kind: str,
    values: Floats,
    threshold: float,
    *,
    scale: float,
    code: str = "",
    limit: float | None = None,
) -> list[Seen]:
    def measure(rows: ByGroup, comparisons: int) -> Compared:
        return of_means(
            values,
            rows.codes,
            len(rows.names),
            clusters=said.clusters,
            known_to=KNOWN_TO * scale,
            comparisons=comparisons,
        )

    code = code or ("calibration_gap" if kind == "calibration" else "error_gap")
    figure = gap_words.of_figure(kind, said.favoured or "")
    return findings(context, Asked(code, figure, said.on, threshold, limit, scale), said.groups, measure)


CHECKS = (
    Check(
        "outcome_gap",
        "warn",
        0.1,
        {"en": "outcomes that differ by group", "es": "resultados que difieren por grupo"},
        outcome_gap,
    ),
    Check(
        "model_gap",
        "block",
        0.1,
        {"en": "a model that treats groups differently", "es": "un modelo que trata distinto a los grupos"},
        model_gap,
    ),
    Check(
        "error_gap",
        "warn",
        0.1,
        {"en": "errors that differ by group", "es": "errores que difieren por grupo"},
        error_gap,
    ),
    Check(
        "calibration_gap",
        "warn",
        0.05,
        {"en": "probabilities that differ in meaning", "es": "probabilidades que no significan lo mismo"},
        calibration_gap,
    ),
)
