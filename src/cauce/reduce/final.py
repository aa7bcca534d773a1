"""Whether the shipped model learns from kept rows too: the chosen rung from them against itself from all rows."""

from __future__ import annotations

from dataclasses import replace

from cauce.core.artefacts import Losses
from cauce.core.figures import number, percent
from cauce.core.findings import Words
from cauce.core.reduction import FinalFit, Reduction
from cauce.evidence import paired


def decide(record: Reduction, kept: Losses, every: Losses, *, n_kept: int, n_rows: int) -> Reduction:
    """Return the record with the final fit in it, and in its reason.

    Parameters
    ----------
    kept, every
        Losses of the chosen rung, with its settings, from kept rows and from all rows, on units that neither had seen.
    n_kept, n_rows
        Rows that either final fit would have.
    """
    sure = 2.0 * record.confidence - 1.0
    found = paired(kept.values, every.values, margin=record.margin, groups=kept.groups, confidence=sure)
    final = FinalFit("kept", n_kept, found) if found.not_worse else FinalFit("all", n_rows, found)
    said = _words(final, record.margin)
    reason = {language: f"{record.reason[language]} {said[language]}" for language in said}
    return replace(record, final=final, reason=reason)


def _words(final: FinalFit, margin: float) -> Words:
    rows = {language: number(final.n_rows, language) for language in ("en", "es")}
    share = {language: percent(margin, language) for language in ("en", "es")}
    if final.on == "kept":
        return {
            "en": f"The chosen rung is proven not worse from them by more than {share['en']} of its loss, so the model "
            f"that is shipped learnt from {rows['en']} kept rows.",
            "es": f"Está probado que el peldaño elegido no pierde con ellas más de un {share['es']}: el modelo que se "
            f"publica ha aprendido de {rows['es']} filas conservadas.",
        }
    return {
        "en": f"The chosen rung is not proven to lose less than {share['en']} by them, so the model that is shipped "
        f"learnt from all {rows['en']} rows.",
        "es": f"No está probado que el peldaño elegido pierda con ellas menos de un {share['es']}: el modelo que se "
        f"publica ha aprendido de las {rows['es']} filas.",
    }
