"""Whether the rows stand for the population that they ought to: declared shares, or another data set's columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cauce.audit.by_group import rows_of
from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.words import named, percent, visible
from cauce.core.artefacts import Finding, GroupFigure
from cauce.core.errors import UserError, did_you_mean
from cauce.core.figures import Language, figures, listed, number
from cauce.core.specs import Severity
from cauce.evidence.shares import difference, wilson
from cauce.profile.groups import OTHER, Grouping, grouping

CONFIDENCE = 0.99
"""That a difference is not chance, over all columns together."""
MOST_COLUMNS = 200


@dataclass(frozen=True)
class _Compared:
    """One column's rows against its population."""

    column: str
    counts: Mapping[str, int]
    expected: Mapping[str, float]
    """Value → share of the population; sums to 1."""
    n_reference: int | None
    """Rows that the shares are known from; None where they are declared."""

    @property
    def n_rows(self) -> int:
        return sum(self.counts.values())

    def share(self, value: str) -> float:
        """Return the value's share of the rows."""
        return self.counts.get(value, 0) / self.n_rows

    @property
    def effect(self) -> float:
        """Cohen's w: the root of the sum of (share − expected)² / expected; values that no one expects left out."""
        return math.sqrt(sum((self.share(v) - e) ** 2 / e for v, e in self.expected.items() if e > 0))

    def chance(self) -> float:
        """Return how likely such differences are by chance (chi-square).

        Of one sample against declared shares (Pearson 1900); of two samples where a reference's rows tell the shares.
        """
        from scipy.special import chdtrc

        known = {value: share for value, share in self.expected.items() if share > 0}
        if len(known) < 2:
            return 1.0
        n = float(self.n_rows)
        # Two samples: the reference's own scatter adds to that of the rows.
        scale = 1.0 if self.n_reference is None else self.n_reference / (self.n_reference + n)
        statistic = n * scale * sum((self.share(value) - share) ** 2 / share for value, share in known.items())
        return float(chdtrc(len(known) - 1, statistic))


def population_coverage(context: AuditContext, threshold: float) -> Outcome:
    """See columns whose values come in other shares than in the population: chi-square, and Cohen's w from `threshold`.

    The columns that `[data.NAME.population.shares]` declares, and those that the reference data set shares; the chance
    of a difference is corrected for all of them together (Bonferroni).
    """
    declared, reference = context.data.population.shares, context.reference()
    if not declared and reference is None:
        return NotApplicable(
            "no population is declared for the data set", "el conjunto de datos no declara ninguna población"
        )
    compared = [_declared(context, column, shares) for column, shares in declared.items()]
    if reference is not None:
        shared = [name for name in context.profile.columns if name in reference.columns and name not in declared]
        roles = {context.data.key, context.data.time, context.data.group}
        for column in [name for name in shared if name not in roles][:MOST_COLUMNS]:
            one = _against_reference(context, column)
            if one is not None:
                compared.append(one)
    return [
        _finding(one, len(compared), threshold)
        for one in compared
        if one.n_rows and one.effect >= threshold and one.chance() * len(compared) < 1 - CONFIDENCE
    ]


def _declared(context: AuditContext, column: str, shares: Mapping[str, float]) -> _Compared:
    """Compare a column with its declared shares; what is left of 1 is that of all other values together."""
    where = f"cauce.toml, [data.{context.data_name}.population.shares.{column}]"
    if column not in context.profile.columns:
        hint = did_you_mean(column, context.profile.columns)
        raise UserError("not a column of the data set", where=where, received=column, hint=hint)
    total = sum(shares.values())
    if total > 1.001 or not shares:
        hint = "Shares are parts of 1; what is left belongs to all other values."
        raise UserError("the shares sum to more than 1", where=where, received=round(total, 4), hint=hint)
    counts = Grouping(column, tuple(shares), rest=True)
    codes = counts.codes(rows_of(context, [column]))
    found = np.bincount(codes[codes >= 0], minlength=len(counts.names))
    left = max(0.0, 1.0 - total)
    expected = dict(shares) | ({OTHER: left} if left > 0.001 else {})
    by_name = dict(zip(counts.names, found.tolist(), strict=True))
    if OTHER not in expected and by_name[OTHER] == 0:
        del by_name[OTHER]
    return _Compared(column, by_name, expected, None)


def _against_reference(context: AuditContext, column: str) -> _Compared | None:
    """Compare a column with the reference's: by values, or by quarters of the reference where it holds numbers."""
    reference = context.reference()
    assert reference is not None
    theirs, ours = reference.column(column), context.profile.column(column)
    numeric = {"integer", "number"}
    alike = theirs.family == ours.family or {theirs.family, ours.family} <= numeric
    if not alike or theirs.family in {"datetime", "other"} or not theirs.n_present or theirs.kind == "text":
        return None
    if theirs.n_distinct < 2 or (theirs.family == "string" and not theirs.exact):
        return None
    made = grouping(reference, column)
    if made.edges:
        made = Grouping(column, (), tuple(sorted(set(theirs.quantiles([0.25, 0.5, 0.75])))))
        ranks = [_rank(theirs.quantiles, edge) for edge in made.edges]
        shares = np.diff([0.0, *ranks, 1.0])
        expected = {name: float(share) for name, share in zip(made.names, shares, strict=True) if share > 0}
    else:
        made = Grouping(column, made.values, rest=True)
        total = theirs.n_present
        expected = {value: theirs.counts[value] / total for value in made.values}
        rest = 1.0 - sum(expected.values())
        expected |= {OTHER: rest} if rest > 1e-9 else {}
    codes = made.codes(rows_of(context, [column]))
    found = np.bincount(codes[codes >= 0], minlength=len(made.names)).tolist()
    counts = {name: n for name, n in zip(made.names, found, strict=True) if n or name in expected}
    return _Compared(column, counts, expected, theirs.n_present)


def _rank(quantiles: Callable[[Sequence[float]], tuple[float, ...]], edge: float) -> float:
    """Return the share of the reference's numbers below `edge`, by bisection of its quantiles."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        value = quantiles([middle])[0]
        low, high = (middle, high) if value < edge else (low, middle)
    return (low + high) / 2


def _finding(one: _Compared, comparisons: int, threshold: float) -> Finding:
    values = sorted(set(one.counts) | set(one.expected), key=lambda v: -abs(one.share(v) - one.expected.get(v, 0.0)))
    off = [value for value in values if _proven(one, value, comparisons * len(values))][:5]

    def told(language: Language) -> str:
        english = language == "en"
        parts = []
        for value in off:
            share, expected = one.share(value), one.expected.get(value, 0.0)
            mark = "'" if english else ""
            name = f"{mark}{visible(value)}{mark}" if english else f"«{visible(value)}»"
            word = ("under" if english else "de menos") if share < expected else ("over" if english else "de más")
            instead = "instead of" if english else "en vez de"
            parts.append(f"{name} {word}: {percent(share, language)} {instead} {percent(expected, language)}")
        return "; ".join(parts) if parts else ("many values by a little" if english else "muchos valores, por poco")

    weights = [
        (value, one.expected[value] / one.share(value)) for value in off if one.expected.get(value) and one.share(value)
    ]
    message = {
        "en": f"Column {named([one.column], 'en')} does not stand for the population: {told('en')} (effect size w "
        f"{number(one.effect, 'en')}).",
        "es": f"La columna {named([one.column], 'es')} no representa a la población: {told('es')} (tamaño del efecto w "
        f"{number(one.effect, 'es')}).",
    }
    why = {
        "en": "A model serves those it has seen often: whom the rows leave out, it serves worse, and its "
        "figures here promise too much.",
        "es": "Un modelo acierta con quienes ha visto a menudo: a quienes faltan en las filas los atiende "
        "peor, y sus cifras aquí prometen demasiado.",
    }
    english = listed([f"{visible(v)} {w:.2f}" for v, w in weights], "en")
    spanish = listed([f"{visible(v)} {figures(f'{w:.2f}', 'es')}" for v, w in weights], "es")
    remedy = {
        "en": "Gather rows where they are missing"
        + (f"; until then, rows would have to weigh {english} to stand for it." if weights else "."),
        "es": "Reúne más filas de quienes faltan"
        + (f"; mientras tanto, para representarla las filas tendrían que pesar {spanish}." if weights else "."),
    }
    severity: Severity = "warn"
    shown = tuple(
        GroupFigure(f"{one.column} = {visible(v)}", one.counts.get(v, 0), *wilson(one.counts.get(v, 0), one.n_rows))
        for v in values[:20]
    )
    return Finding(
        "population_coverage",
        severity,
        (one.column,),
        one.n_rows,
        message,
        why,
        remedy,
        value=one.effect,
        threshold=threshold,
        groups=shown,
    )


def _proven(one: _Compared, value: str, comparisons: int) -> bool:
    """Whether a value's share lies off its population's beyond chance."""
    found = wilson(one.counts.get(value, 0), one.n_rows, confidence=CONFIDENCE, comparisons=comparisons)
    expected = one.expected.get(value, 0.0)
    if one.n_reference is None:
        return not found.lower <= expected <= found.upper
    n = one.n_reference
    apart = difference(found, wilson(expected * n, n, confidence=CONFIDENCE, comparisons=comparisons))
    return not apart.lower <= 0 <= apart.upper


CHECKS = (
    Check(
        "population_coverage",
        "warn",
        0.1,
        {"en": "rows that do not stand for the population", "es": "filas que no representan a la población"},
        population_coverage,
    ),
)
