"""Labels that contradict a confident model or an equal row, and how good any model could be at best."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from cauce.audit.check import MOST_ROWS, AuditContext, Check, NotApplicable, Outcome
from cauce.audit.labels import NO_MODEL
from cauce.audit.words import named, percent, rows_in, visible
from cauce.core.artefacts import Finding
from cauce.core.figures import number
from cauce.core.specs import Severity

if TYPE_CHECKING:
    from cauce.audit.check import OutOfFold

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FEWEST = 150
SKILLED, LEARNED = 0.5, 0.1
"""Share of the errors of always saying the commonest class that the model spares: from which it is believed, and
under which it says nothing of labels."""
NO_FIT = NotApplicable(
    "no model could be fitted: too few rows, too many classes, or no column to predict from",
    "no se pudo ajustar ningún modelo: pocas filas, demasiadas clases o ninguna columna con la que predecir",
)


class _Noise(NamedTuple):
    """How many labels contradict the model where it is surest."""

    share: float
    lower: float
    upper: float
    n_judged: int
    skill: float


def label_errors(context: AuditContext, threshold: float) -> Outcome:
    """See labels that contradict a model that never saw them, where at least `threshold` of its surest rows do."""
    if context.model is None:
        return NO_MODEL
    seen = context.out_of_fold()
    if seen is None:
        return NO_FIT
    if len(seen.rows) < FEWEST:
        return NotApplicable(
            f"fewer than {FEWEST} rows could be predicted by a model that had not seen them",
            f"menos de {FEWEST} filas predichas por un modelo que no las había visto",
        )
    if seen.probabilities is None:
        return _wrong_numbers(context, seen, threshold)
    noise = _noise_of(seen)
    if noise.skill < LEARNED:
        return NotApplicable(
            "the model that was fitted is hardly better than guessing, so it contradicts nothing",
            "el modelo ajustado apenas acierta más que el azar, así que no contradice nada",
        )
    if noise.lower < threshold:
        return ()
    from cauce.evidence.confident import rank

    truth = seen.truth.astype(np.int64)
    order = rank(truth, seen.probabilities)
    order = order[truth[order] != seen.predictions[order]]
    severity: Severity = "warn" if noise.skill >= SKILLED else "info"
    return [_labels(context, seen, noise, order, severity, threshold)]


def _noise_of(seen: OutOfFold) -> _Noise:
    """Count contradictions among the rows that the model is surest of, and say how far it is to be believed."""
    from cauce.evidence.confident import contradicted, skill

    probabilities = seen.probabilities
    if probabilities is None:
        return _Noise(0.0, 0.0, 1.0, 0, 0.0)
    wrong = seen.predictions != seen.truth
    found, n_judged = contradicted(wrong, probabilities)
    return _Noise(*found, n_judged, skill(seen.truth.astype(np.int64), wrong))


def _labels(
    context: AuditContext, seen: OutOfFold, noise: _Noise, order: Rows, severity: Severity, threshold: float
) -> Finding:
    target = context.target or ""
    n = round(noise.share * len(seen.rows))
    order = order[: max(n, 1)]
    names = [visible(name) for name in seen.classes]
    shown = tuple(f"{seen.rows[i]}: {names[int(seen.truth[i])]} → {names[int(seen.predictions[i])]}" for i in order[:5])
    shares = {lang: tuple(percent(v, lang) for v in (noise.share, noise.lower, noise.upper)) for lang in ("en", "es")}
    message = {
        "en": f"About {shares['en'][0]} of the labels in {named([target], 'en')} ({shares['en'][1]} to "
        f"{shares['en'][2]}) look wrong: {number(n, 'en')} of {rows_in(len(seen.rows), 'en')} looked at contradict a "
        "model that had not seen them and was sure.",
        "es": f"Alrededor del {shares['es'][0]} de las etiquetas de {named([target], 'es')} (entre el "
        f"{shares['es'][1]} y el {shares['es'][2]}) parecen erróneas: {number(n, 'es')} de "
        f"{rows_in(len(seen.rows), 'es')} examinadas contradicen a un modelo que no las había visto y estaba seguro.",
    }
    why = {
        "en": "A wrong label teaches the wrong thing, and counts a right answer as an error where it judges. Where "
        "the columns cannot tell the classes apart, a label that looks wrong may be right.",
        "es": "Una etiqueta errónea enseña lo que no es y, donde juzga, da por fallo un acierto. Si las columnas no "
        "bastan para distinguir las clases, una etiqueta que parece errónea puede ser correcta.",
    }
    remedy = {
        "en": "Look at the rows named, the most doubtful first; correct them at the source, or leave them out with "
        "`where`.",
        "es": "Revisa las filas indicadas, de más a menos dudosa; corrígelas en el origen o exclúyelas con `where`.",
    }
    rows = tuple(seen.rows[order[:MOST_ROWS]].tolist())
    return Finding(
        "label_errors", severity, (target,), n, message, why, remedy, rows, noise.share, threshold, examples=shown
    )


def _wrong_numbers(context: AuditContext, seen: OutOfFold, threshold: float) -> Outcome:
    from cauce.evidence.residuals import LARGE, far_outside

    target = context.target or ""
    size = far_outside(seen.truth, seen.predictions)
    order = np.argsort(-size, kind="stable")
    n = int((size > LARGE).sum())
    share = n / len(size)
    # Half of what is let pass for labels: no interval is needed, every one of these rows is far outside.
    if n < 3 or share < threshold / 20:
        return ()
    message = {
        "en": f"{rows_in(n, 'en')} of {number(len(size), 'en')} looked at have a {named([target], 'en')} more than "
        f"{LARGE:g} times the usual error away from what a model that had not seen them expects.",
        "es": f"{rows_in(n, 'es')} de {number(len(size), 'es')} examinadas tienen un valor de {named([target], 'es')} "
        f"a más de {LARGE:g} veces el error habitual de lo que espera un modelo que no las había visto.",
    }
    why = {
        "en": "A digit too many or another unit pulls the whole model; one such row can outweigh a thousand others.",
        "es": "Una cifra de más u otra unidad arrastra a todo el modelo; una sola fila puede pesar más que otras mil.",
    }
    remedy = {
        "en": "Look at the rows named, the farthest first; correct them at the source. If they are true, consider "
        '`loss = "absolute"`.',
        "es": "Revisa las filas indicadas, de más a menos alejada; corrígelas en el origen. Si son ciertas, valora "
        '`loss = "absolute"`.',
    }
    shown = tuple(f"{seen.rows[i]}: {seen.truth[i]:.6g} → {seen.predictions[i]:.6g}" for i in order[: min(n, 5)])
    rows = tuple(seen.rows[order[: min(n, MOST_ROWS)]].tolist())
    return [
        Finding("label_errors", "warn", (target,), n, message, why, remedy, rows, share, threshold / 20, examples=shown)
    ]


class _Contradictions(NamedTuple):
    """Rows equal in every feature whose targets differ."""

    n_rows: int
    rows: tuple[int, ...]
    n_repeated: int
    """Rows whose features another row has too."""
    unavoidable: float
    """Share of all rows (classify), or of the target's variance (regress), that no model can explain."""


def _contradictions(context: AuditContext) -> _Contradictions:
    from cauce.audit.hashing import row_hashes, shared

    target = context.target or ""
    made = row_hashes(context)
    known = np.flatnonzero(made.has_target)
    rows = known[shared(made.features[known])]
    total = len(known)
    if not len(rows):
        return _Contradictions(0, (), 0, 0.0)
    values = _target_values(context, rows)
    _, group = np.unique(made.features[rows], return_inverse=True)
    if values.dtype == np.float64:
        good = np.isfinite(values)
        mean = np.bincount(group[good], values[good]) / np.maximum(np.bincount(group[good]), 1)
        inside = float(np.square(values[good] - mean[group[good]]).sum())
        spread = context.profile.column(target).sum_squares
        unavoidable = inside / spread if spread > 0 else 0.0
    cells, counts = np.unique(
        np.stack([group.astype(np.uint64), np.ascontiguousarray(values).view(np.uint64)], 1),
        axis=0,
        return_counts=True,
    )
    n_labels = np.bincount(cells[:, 0].astype(np.int64))
    differing = n_labels[group] > 1
    if values.dtype != np.float64:
        best = np.zeros(len(n_labels), np.int64)
        np.maximum.at(best, cells[:, 0].astype(np.int64), counts)
        unavoidable = float(len(rows) - best.sum()) / total
    first = tuple(np.sort(rows[differing])[:MOST_ROWS].tolist())
    return _Contradictions(int(differing.sum()), first, len(rows), unavoidable)


def _target_values(context: AuditContext, rows: Rows) -> Floats | npt.NDArray[np.uint64]:
    """Return the target of the rows: its number in a regression, else its hash."""
    from cauce.audit.by_group import rows_of
    from cauce.audit.hashing import row_hashes
    from cauce.profile.arrays import family_of, to_floats

    target = context.target or ""
    if context.model is not None and context.model.task == "regress":
        column = rows_of(context, [target]).column(target).combine_chunks()
        if family_of(column.type) in {"integer", "number", "boolean"}:
            return to_floats(column)[rows] + 0.0
    return row_hashes(context).target[rows]


def contradictory_labels(context: AuditContext, threshold: float) -> Outcome:
    """See rows equal in all that the model predicts from whose targets differ."""
    target = context.target
    if target is None:
        return NO_MODEL
    if not context.features:
        return NotApplicable("no column to predict from", "ninguna columna con la que predecir")
    found = context.once("contradictions", _contradictions)
    n_rows = context.profile.n_rows
    share = found.n_rows / max(n_rows, 1)
    regress = context.model is not None and context.model.task == "regress"
    if not found.n_rows or share < threshold or (regress and found.unavoidable < threshold):
        return ()
    from cauce.audit.duplicates import combinations

    natural = combinations(context, context.features) < n_rows
    message = {
        "en": f"{rows_in(found.n_rows, 'en')} ({percent(share, 'en')}) have the same columns as another row and "
        f"another {named([target], 'en')}.",
        "es": f"{rows_in(found.n_rows, 'es')} ({percent(share, 'es')}) coinciden con otra en todas las columnas y "
        f"tienen otro valor de {named([target], 'es')}.",
    }
    why = {
        "en": "No model can be right about both: either a label is wrong, or a column that tells them apart is not "
        "there.",
        "es": "Ningún modelo puede acertar en ambas: o hay una etiqueta errónea, o falta una columna que las distinga.",
    }
    remedy = {
        "en": "Compare the rows named at the source; correct the label, or add the column that tells them apart.",
        "es": "Compara en el origen las filas indicadas; corrige la etiqueta o añade la columna que las distingue.",
    }
    severity: Severity = "info" if natural or regress else "warn"
    return [
        Finding(
            "contradictory_labels",
            severity,
            (target,),
            found.n_rows,
            message,
            why,
            remedy,
            found.rows,
            share,
            threshold,
        )
    ]


def noise_ceiling(context: AuditContext, threshold: float) -> Outcome:
    """Tell the best figure that any model could reach on these labels, where it lies under the threshold."""
    target = context.target
    if target is None or context.model is None:
        return NO_MODEL
    if not context.features:
        return NotApplicable("no column to predict from", "ninguna columna con la que predecir")
    unavoidable = context.once("contradictions", _contradictions).unavoidable
    n = context.profile.n_rows - context.profile.n_missing(target)
    regress = context.model.task == "regress"
    source = {"en": "rows that are equal and differ in it", "es": "filas iguales en las que difiere"}
    if not regress:
        seen = context.out_of_fold()
        noise = _noise_of(seen) if seen is not None and len(seen.rows) >= FEWEST else None
        if noise is not None and noise.skill >= SKILLED and noise.lower > unavoidable:
            unavoidable, n = noise.share, noise.n_judged
            source = {
                "en": "labels that contradict a sure model",
                "es": "etiquetas que contradicen a un modelo seguro",
            }
    best = 1.0 - unavoidable
    if best >= threshold:
        return ()
    figure = {"en": "R²" if regress else "accuracy", "es": "R²" if regress else "exactitud"}
    loss = {"en": "", "es": ""}
    if not regress and 0 < unavoidable < 1:
        n_classes = max(context.profile.n_distinct(target), 2)
        least = -best * np.log(best) - unavoidable * np.log(unavoidable / (n_classes - 1))
        loss = {
            "en": f", nor a log loss under {number(round(float(least), 3), 'en')} if errors fall evenly",
            "es": f", ni una pérdida logarítmica inferior a {number(round(float(least), 3), 'es')} si los errores se "
            "reparten por igual",
        }
    message = {
        "en": f"No model can be expected to reach a better {figure['en']} than {percent(best, 'en')} on "
        f"{named([target], 'en')}{loss['en']}: so much follows from {source['en']}.",
        "es": f"No cabe esperar de ningún modelo una {figure['es']} mejor que {percent(best, 'es')} en "
        f"{named([target], 'es')}{loss['es']}: se deduce de {source['es']}.",
    }
    why = {
        "en": "What lies above this figure is memorised errors: a model that reaches it has nothing left to learn.",
        "es": "Por encima de esa cifra solo se memorizan errores: quien la alcanza no tiene nada más que aprender.",
    }
    remedy = {
        "en": "Judge models by this ceiling; better labels, or columns that tell more, raise it.",
        "es": "Juzga los modelos según este techo; lo suben unas etiquetas mejores o columnas que digan más.",
    }
    return [Finding("noise_ceiling", "info", (target,), n, message, why, remedy, (), best, threshold)]


CHECKS = (
    Check(
        "label_errors", "warn", 0.03, {"en": "probable label errors", "es": "posibles etiquetas erróneas"}, label_errors
    ),
    Check(
        "contradictory_labels",
        "warn",
        0.005,
        {"en": "contradictory labels", "es": "etiquetas contradictorias"},
        contradictory_labels,
    ),
    Check("noise_ceiling", "info", 0.95, {"en": "best figure possible", "es": "mejor cifra posible"}, noise_ceiling),
)
