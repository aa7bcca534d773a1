"""Columns, counts and shares as English and Spanish readers write them."""

from __future__ import annotations

from collections.abc import Sequence

from cauce.audit.check import Language

SHOWN = 5


def named(columns: Sequence[str], language: Language) -> str:
    r"""Name the columns, the first five of many; control characters are made visible.

    Examples
    --------
    >>> named(["age", "pay\n"], "en"), named(["age", "pay"], "es")
    ("'age' and 'pay\\n'", '«age» y «pay»')
    """
    left, right = ("'", "'") if language == "en" else ("«", "»")
    shown = [f"{left}{visible(name)}{right}" for name in columns[:SHOWN]]
    return listed(shown, len(columns) - len(shown), language)


def listed(items: Sequence[str], n_more: int, language: Language) -> str:
    """Join items as a sentence does.

    Examples
    --------
    >>> listed(["a", "b"], 3, "en"), listed(["a"], 1, "es"), listed(["hoy", "ingresos"], 0, "es")
    ('a, b and 3 more', 'a y 1 más', 'hoy e ingresos')
    """
    parts = list(items)
    if n_more:
        parts.append(f"{number(n_more, language)} {'more' if language == 'en' else 'más'}")
    if len(parts) < 2:
        return "".join(parts)
    word = "and" if language == "en" else "y"
    first_letters = parts[-1].lstrip("«'").lower()
    if language == "es" and (first_letters.startswith(("i", "hi")) and not first_letters.startswith(("hie", "hia"))):
        word = "e"
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def visible(name: str) -> str:
    """Return a name on one line, cut at 60 characters."""
    text = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name)
    return text if len(text) <= 60 else f"{text[:57]}..."


def number(value: float, language: Language) -> str:
    """Write a count or a figure.

    Examples
    --------
    >>> number(12345, "en"), number(12345, "es"), number(0.25, "es")
    ('12,345', '12.345', '0,25')
    """
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def percent(share: float, language: Language) -> str:
    """Write a share of 1; never 0 % or 100 % for what is neither.

    Examples
    --------
    >>> percent(0.125, "en"), percent(0.00001, "es"), percent(0.99999, "en"), percent(1.0, "es")
    ('12.5 %', 'menos del 0,1 %', 'over 99.9 %', '100 %')
    """
    if 0 < share < 0.001:
        return "under 0.1 %" if language == "en" else "menos del 0,1 %"
    if 0.999 < share < 1:
        return "over 99.9 %" if language == "en" else "más del 99,9 %"
    text = f"{100 * share:.1f}".removesuffix(".0")
    return f"{text} %" if language == "en" else f"{text.replace('.', ',')} %"


def plural(n: int, one: str, many: str, language: Language) -> str:
    """Count things.

    Examples
    --------
    >>> plural(1, "row", "rows", "en"), plural(2000, "fila", "filas", "es")
    ('1 row', '2.000 filas')
    """
    return f"{number(n, language)} {one if n == 1 else many}"


def rows_in(n: int, language: Language) -> str:
    """Count rows."""
    return plural(n, "row", "rows", "en") if language == "en" else plural(n, "fila", "filas", "es")


def columns_in(columns: Sequence[str], language: Language) -> str:
    """Say "column 'a'" or "columns 'a' and 'b'" in the language."""
    one, many = ("column", "columns") if language == "en" else ("columna", "columnas")
    return f"{one if len(columns) == 1 else many} {named(columns, language)}"
