"""Whether the shipped model learns from kept rows too: the chosen rung from them against itself from all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cauce.core.artefacts import Losses
from cauce.core.figures import number, percent
from cauce.core.findings import Words
from cauce.core.reduction import FinalFit, Reduction
from cauce.reduce.noninferior import not_worse


def decide(
    record: Reduction,
    kept: Losses,
    every: Losses,
    *,
    n_kept: int,
    n_rows: int,
    masks: Mapping[str, npt.NDArray[np.bool_]] | None = None,
    clusters: npt.NDArray[Any] | None = None,
) -> Reduction:
    """Return the record with the final fit in it, and in its reason.

    Parameters
    ----------
    kept, every
        Losses of the chosen rung, with its settings, from kept rows and from all rows, on units that neither learnt
        from. The rung was chosen on them too, from kept rows, which favours these.
    n_kept, n_rows
        Rows that either final fit would have.
    masks
        Group → which units are its own: none may lose by more than was tested of it.
    clusters
        Which units belong together, shape (n_units,).
    """
    margin = record.margin if record.tested_margin is None else record.tested_margin
    found = not_worse(kept.values, every.values, margin=margin, confidence=record.confidence, clusters=clusters)
    groups = [
        not_worse(
            kept.values[mask],
            every.values[mask],
            margin=record.tested_groups.get(name, margin),
            confidence=record.confidence,
            clusters=None if clusters is None else clusters[mask],
        ).not_worse
        for name, mask in (masks or {}).items()
        if mask.any()
    ]
    proven = found.not_worse and all(groups)
    final = FinalFit("kept", n_kept, found) if proven else FinalFit("all", n_rows, found)
    said = _words(final, margin)
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
