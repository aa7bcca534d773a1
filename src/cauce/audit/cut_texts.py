"""Texts that a field was too short for: many of them end at exactly the same length, and none is longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cauce.audit.check import AuditContext, Check, NotApplicable, Outcome
from cauce.audit.patterns import mask
from cauce.audit.words import named, percent, rows_in, visible
from cauce.core.artefacts import Finding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

SHORTEST = 8
LEAST_AT_END = 20
"""Different texts of the greatest length, in the sample, from which anything is concluded."""
TIMES = 2.5
"""How many times more of them than of any of the five lengths below."""
LENGTHS = 10
"""Fewest different lengths: codes have fewer."""
SEVERAL_WORDS = 0.5
"""Share of them that must have more than one word: codes have not."""


def cut_texts(context: AuditContext, threshold: float) -> Outcome:
    """See columns of text in which far more texts have the greatest length than have any a little below it."""
    apart = {context.data.key, context.data.time, context.data.group}
    names = [n for n, c in context.profile.columns.items() if c.family == "string" and n not in apart and c.n_present]
    if not names:
        return NotApplicable("no column of text", "ninguna columna de texto")
    found = []
    for name in names:
        most = _end_of(context.sample.column(name))
        if most is not None:
            finding = _finding(context, name, most, threshold)
            found += [finding] if finding else []
    return found


def _end_of(array: pa.ChunkedArray) -> int | None:
    """Return the length at which a sample of texts is cut; None where it is not."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from cauce.profile.arrays import to_strings

    texts = pc.unique(pc.drop_null(to_strings(array.combine_chunks())))  # a sentence said often is no cut one
    if len(texts) < LEAST_AT_END:
        return None
    counts = np.bincount(_lengths(texts))
    most = len(counts) - 1
    below = counts[max(most - 5, 0) : most].max(initial=0)
    if most < SHORTEST or (counts > 0).sum() < LENGTHS or counts[most] < max(LEAST_AT_END, TIMES * below):
        return None
    ended = texts.filter(pa.array(_lengths(texts) == most))
    return most if pc.sum(pc.match_substring(ended, " ")).as_py() >= SEVERAL_WORDS * len(ended) else None


def _lengths(texts: pa.Array) -> npt.NDArray[np.int64]:
    import numpy as np
    import pyarrow.compute as pc

    return np.asarray(pc.utf8_length(texts).to_numpy(zero_copy_only=False), dtype=np.int64)


def _finding(context: AuditContext, name: str, most: int, threshold: float) -> Finding | None:
    import pyarrow as pa

    from cauce.audit.rows import marked_rows
    from cauce.profile.arrays import to_strings

    n, rows = marked_rows(context, [name], lambda batch: [len(text or "") == most for text in batch[name]])
    share = n / context.profile.column(name).n_present
    if share < threshold:
        return None
    texts = to_strings(context.sample.column(name).combine_chunks()).drop_null()
    ended = texts.filter(pa.array(_lengths(texts) == most))
    examples = tuple(f"…{visible(mask(text))[-30:]}" for text in ended.slice(0, 5).to_pylist())
    message = {
        "en": f"Texts of column {named([name], 'en')} seem to be cut at {most} characters: {rows_in(n, 'en')} "
        f"({percent(share, 'en')}) have exactly that length, and none is longer.",
        "es": f"Los textos de la columna {named([name], 'es')} parecen cortados a los {most} caracteres: "
        f"{rows_in(n, 'es')} ({percent(share, 'es')}) tienen justo esa longitud, y ninguno es más largo.",
    }
    why = {
        "en": "What stood behind is lost, and requests will come with whole texts.",
        "es": "Lo que venía detrás se ha perdido, y las peticiones llegarán con los textos enteros.",
    }
    remedy = {
        "en": "Make the field longer where the text is stored or exported, and load again; if people were asked for "
        "no more than that, accept the finding.",
        "es": "Alarga el campo donde se guarda o se exporta el texto y vuelve a cargarlo; si a la gente no se le pedía "
        "más, acepta el aviso.",
    }
    return Finding("cut_texts", "info", (name,), n, message, why, remedy, rows, share, threshold, examples=examples)


CHECKS = (Check("cut_texts", "info", 0.005, {"en": "texts cut short", "es": "textos cortados"}, cut_texts),)
