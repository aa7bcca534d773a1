"""Columns, counts and shares as English and Spanish readers write them."""

from __future__ import annotations

from collections.abc import Sequence

from cauce.core import figures
from cauce.core.figures import Language, listed, number

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
    return listed(shown, language, n_more=len(columns) - len(shown))


def visible(name: str) -> str:
    """Return a name on one line, cut at 60 characters."""
    text = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name)
    return text if len(text) <= 60 else f"{text[:57]}..."


def percent(share: float, language: Language) -> str:
    r"""Write a share of 1; never 0 % or 100 % for what is neither.

    Examples
    --------
    >>> percent(0.125, "en"), percent(0.00001, "es"), percent(0.99999, "en"), percent(1.0, "es")
    ('12.5%', 'menos del 0,1\xa0%', 'over 99.9%', '100\xa0%')
    """
    if 0 < share < 0.001:
        return ("under " if language == "en" else "menos del ") + figures.percent(0.001, language)
    if 0.999 < share < 1:
        return ("over " if language == "en" else "más del ") + figures.percent(0.999, language)
    return figures.percent(round(share, 3), language)


def the_percent(share: float) -> str:
    r"""Write a share of 1 in Spanish, with its article.

    Examples
    --------
    >>> the_percent(0.125), the_percent(0.99999)
    ('el 12,5\xa0%', 'más del 99,9\xa0%')
    """
    text = percent(share, "es")
    return f"el {text}" if text[0].isdigit() else text


def plural(n: int, one: str, many: str, language: Language) -> str:
    """Count things.

    Examples
    --------
    >>> plural(1, "row", "rows", "en"), plural(2000, "fila", "filas", "es")
    ('1 row', '2000 filas')
    """
    return f"{number(n, language)} {one if n == 1 else many}"


def rows_in(n: int, language: Language) -> str:
    """Count rows."""
    return plural(n, "row", "rows", "en") if language == "en" else plural(n, "fila", "filas", "es")


def columns_in(columns: Sequence[str], language: Language) -> str:
    """Say "column 'a'" or "columns 'a' and 'b'", in Spanish with its article.

    Examples
    --------
    >>> columns_in(["a"], "en"), columns_in(["a", "b"], "es")
    ("column 'a'", 'las columnas «a» y «b»')
    """
    one, many = ("column", "columns") if language == "en" else ("la columna", "las columnas")
    return f"{one if len(columns) == 1 else many} {named(columns, language)}"
