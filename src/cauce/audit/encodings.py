"""Text that was read in the wrong encoding, or holds letters that nobody sees."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from cauce.audit.check import MOST_ROWS, AuditContext, Check, NotApplicable, Outcome
from cauce.audit.patterns import mask
from cauce.audit.words import named, percent, rows_in, visible
from cauce.core.artefacts import Finding, Words
from cauce.core.specs import Severity

if TYPE_CHECKING:
    from cauce.audit.scan import Hits, Scan

NO_TEXT = NotApplicable("no text column", "ninguna columna de texto")


def _scanned(context: AuditContext) -> Scan:
    from cauce.audit.scan import text_scan

    seen = text_scan(context)
    return {name: kinds for name, kinds in seen.items() if context.profile.column(name).family == "string"}


def _is_words(context: AuditContext, name: str) -> bool:
    """Say whether the column holds categories: there a stray letter makes a category of its own."""
    return context.profile.column(name).kind == "category"


def broken_encoding(context: AuditContext, threshold: float) -> Outcome:
    """See letters lost (�) or torn apart (Ã©) by a wrong encoding."""
    seen = _scanned(context)
    if not seen:
        return NO_TEXT
    found = []
    for name, kinds in seen.items():
        lost, torn = kinds.get("replacement"), kinds.get("mojibake")
        n = (lost.n if lost else 0) + (torn.n if torn else 0)
        if n and n >= threshold * context.profile.column(name).n_present:
            found.append(_broken(context, name, [hits for hits in (torn, lost) if hits], n, threshold))
    return found


def _broken(context: AuditContext, name: str, hits: list[Hits], n: int, threshold: float) -> Finding:
    share = n / context.profile.column(name).n_present
    examples = tuple(dict.fromkeys(_shown(text) for one in hits for text in one.examples))[:5]
    rows = tuple(sorted({row for one in hits for row in one.rows})[:MOST_ROWS])
    message = {
        "en": f"Letters are broken in column {named([name], 'en')}: {rows_in(n, 'en')} ({percent(share, 'en')}), such "
        f"as {examples[0]!r}.",
        "es": f"Hay letras rotas en la columna {named([name], 'es')}: {rows_in(n, 'es')} ({percent(share, 'es')}), por "
        f"ejemplo «{examples[0]}».",
    }
    why = {
        "en": "The same word, read well and read badly, counts as two; requests will come with the right letters.",
        "es": "La misma palabra, bien y mal leída, cuenta como dos; las peticiones llegarán con las letras correctas.",
    }
    remedy = {
        "en": "Export again as UTF-8, or read the source in the encoding it was written in; a � stays lost.",
        "es": "Vuelve a exportar en UTF-8, o lee el origen con la codificación en que se escribió; un � ya no se "
        "recupera.",
    }
    return Finding(
        "broken_encoding", "warn", (name,), n, message, why, remedy, rows, share, threshold, examples=examples
    )


def _shown(text: str) -> str:
    """Return the text around what is broken, short and masked, with its right reading where that can be told."""
    at = next((i for i, letter in enumerate(text) if letter in "�ÃÂâðÐÑï"), 0)
    piece = text[max(at - 15, 0) : at + 20]
    return visible(mask(piece))


def html_entities(context: AuditContext, threshold: float) -> Outcome:
    """See letters written as HTML: &amp; &eacute; &#39;."""
    return _marked(
        context,
        threshold,
        kind="entity",
        code="html_entities",
        what=("HTML codes stand for letters in", "Hay letras escritas como códigos HTML en"),
        why={
            "en": "'Caf&eacute;' and 'Café' count as two values, and the words of a text are cut in the middle.",
            "es": "«Caf&eacute;» y «Café» cuentan como dos valores, y las palabras de un texto se parten.",
        },
        remedy={
            "en": "Decode them at the source or in `prepare` (Python: html.unescape).",
            "es": "Descodifícalos en el origen o en `prepare` (en Python: html.unescape).",
        },
    )


def invisible_characters(context: AuditContext, threshold: float) -> Outcome:
    """See zero-width letters, byte order marks, soft hyphens, control characters and marks of direction."""
    return _marked(
        context,
        threshold,
        kind="invisible",
        code="invisible_characters",
        what=("Characters that nobody sees stand in", "Hay caracteres invisibles en"),
        why={
            "en": "Two values that look the same are two categories; a request typed by hand will match neither.",
            "es": "Dos valores que se ven iguales son dos categorías; una petición escrita a mano no coincidirá.",
        },
        remedy={
            "en": "Remove them at the source or in `prepare`; they mostly come with copied web pages and spreadsheets.",
            "es": "Elimínalos en el origen o en `prepare`; suelen venir de páginas web y hojas de cálculo copiadas.",
        },
    )


def _marked(
    context: AuditContext,
    threshold: float,
    *,
    kind: str,
    code: str,
    what: tuple[str, str],
    why: Words,
    remedy: Words,
) -> Outcome:
    seen = _scanned(context)
    if not seen:
        return NO_TEXT
    found = []
    for name, kinds in seen.items():
        hits = kinds.get(kind)
        if hits is None or hits.n < threshold * context.profile.column(name).n_present:
            continue
        share = hits.n / context.profile.column(name).n_present
        message = {
            "en": f"{what[0]} column {named([name], 'en')}: {rows_in(hits.n, 'en')} ({percent(share, 'en')}).",
            "es": f"{what[1]} la columna {named([name], 'es')}: {rows_in(hits.n, 'es')} ({percent(share, 'es')}).",
        }
        severity: Severity = "warn" if _is_words(context, name) else "info"
        examples = tuple(visible(mask(text)) for text in hits.examples)
        rows = tuple(hits.rows)
        found.append(
            Finding(code, severity, (name,), hits.n, message, why, remedy, rows, share, threshold, examples=examples)
        )
    return found


def unicode_forms(context: AuditContext, threshold: float) -> Outcome:
    """See columns that write the same accented letter in two ways: one character, or a letter and an accent."""
    seen = _scanned(context)
    if not seen:
        return NO_TEXT
    found = []
    for name, kinds in seen.items():
        apart, whole = kinds.get("combining"), kinds.get("precomposed")
        if apart is None or whole is None or not any(_composes(text) for text in apart.examples):
            continue
        n = min(apart.n, whole.n)
        share = n / context.profile.column(name).n_present
        if share < threshold:
            continue
        rarer = apart if apart.n <= whole.n else whole
        message = {
            "en": f"Accents are written in two ways in column {named([name], 'en')}: {rows_in(apart.n, 'en')} with the "
            f"accent apart, {rows_in(whole.n, 'en')} with it in the letter.",
            "es": f"Los acentos están escritos de dos formas en la columna {named([name], 'es')}: "
            f"{rows_in(apart.n, 'es')} con el acento aparte y {rows_in(whole.n, 'es')} con la letra acentuada.",
        }
        why = {
            "en": "'é' and 'e' followed by its accent look the same and count as different values and words.",
            "es": "«é» y «e» seguida de su acento se ven iguales y cuentan como valores y palabras distintos.",
        }
        remedy = {
            "en": "Bring the column into one form (NFC) at the source or in `prepare`.",
            "es": "Lleva la columna a una sola forma (NFC) en el origen o en `prepare`.",
        }
        severity: Severity = "warn" if _is_words(context, name) else "info"
        rows = tuple(rarer.rows)
        found.append(Finding("unicode_forms", severity, (name,), n, message, why, remedy, rows, share, threshold))
    return found


def _composes(text: str) -> bool:
    return unicodedata.normalize("NFC", text) != text


CHECKS = (
    Check("broken_encoding", "warn", 0.0, {"en": "broken letters", "es": "letras rotas"}, broken_encoding),
    Check("html_entities", "warn", 0.0, {"en": "HTML codes in text", "es": "códigos HTML en el texto"}, html_entities),
    Check(
        "invisible_characters",
        "warn",
        0.0,
        {"en": "invisible characters", "es": "caracteres invisibles"},
        invisible_characters,
    ),
    Check(
        "unicode_forms",
        "warn",
        0.0,
        {"en": "accents written in two ways", "es": "acentos escritos de dos formas"},
        unicode_forms,
    ),
)
