"""Numbers, shares and lists as English and Spanish readers write them: every room's sentences look alike.

Spanish takes a decimal comma, a space before %, and thin spaces between thousands from five digits on (Real Academia
Española, Ortografía 2010). Both take a minus sign, −, that is none of the hyphens of words and versions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Language = Literal["en", "es"]
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_RANGE = re.compile(rf"[≤>] {_NUMBER.pattern}|{_NUMBER.pattern} – {_NUMBER.pattern}")


def figures(english: str, language: Language) -> str:
    r"""Turn a number written in English, with or without a percent sign, into the language's way.

    Examples
    --------
    >>> figures("12,345.6", "es") == "12\u202f345,6", figures("1,234", "es"), figures("12.5%", "es") == "12,5\u00a0%"
    (True, '1234', True)
    """
    if english.startswith("-"):
        return f"−{figures(english[1:], language)}"
    if language == "en":
        return english
    whole, point, part = english.partition(".")
    whole = whole.replace(",", "\u202f" if sum(map(str.isdigit, whole)) > 4 else "")
    return f"{whole}{point and ','}{part}".replace("%", "\u00a0%")


def number(value: float, language: Language, *, digits: int = 3) -> str:
    """Write a count in full, a measured number with `digits` significant digits.

    Examples
    --------
    >>> number(12345, "en"), number(0.31249, "es"), number(-12345.0, "en"), number(5_071_818.0, "es")
    ('12,345', '0,312', '−12,345', '5,07 millones')
    >>> number(9.1e-05, "es")
    '0,000091'
    """
    if isinstance(value, int):
        return figures(f"{value:,}", language)
    size = abs(value)
    if 1e6 <= size < 1e15:
        return figures(_shortest(value / 1e6, digits), language) + (" million" if language == "en" else " millones")
    return figures(_shortest(value, digits) if size < 1e6 else f"{value:.{digits}g}", language)


def _shortest(value: float, digits: int) -> str:
    """Write `digits` significant digits, and all of those before the point, without an exponent but for tiny ones."""
    text = f"{value:.{digits}g}"
    if "e-" in text and abs(value) >= 1e-5:
        return f"{value:.{digits - 1 - int(text.partition('e')[2])}f}".rstrip("0")
    return f"{value:,.0f}" if abs(value) >= 1000 or "e+" in text else text


def numbers(value: float, *, digits: int = 3) -> tuple[str, str]:
    """Write a number in English and in Spanish."""
    return number(value, "en", digits=digits), number(value, "es", digits=digits)


def loss(value: float, language: Language, *, squared: bool) -> str:
    """Write a mean loss, with its root where it is one of squares: that one is in the target's unit.

    Examples
    --------
    >>> loss(244e6, "en", squared=True), loss(0.31, "es", squared=False), loss(0.0, "en", squared=True)
    ('244 million (root: 15,620)', '0,31', '0')
    """
    text, name = number(value, language), "root" if language == "en" else "raíz"
    return f"{text} ({name}: {number(value**0.5, language)})" if squared and value > 0 else text


def losses(value: float, *, squared: bool) -> tuple[str, str]:
    """Write a mean loss in English and in Spanish."""
    return loss(value, "en", squared=squared), loss(value, "es", squared=squared)


def in_units(metric: str, values: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """Return a metric that is read in the target's unit: of mean squared errors their roots, all others as they are.

    Examples
    --------
    >>> in_units("mse", (4.0, -0.1)), in_units("mae", (4.0,))
    (('rmse', (2.0, 0.0)), ('mae', (4.0,)))
    """
    return ("rmse", tuple(max(0.0, each) ** 0.5 for each in values)) if metric == "mse" else (metric, tuple(values))


def duration(seconds: float) -> tuple[str, str]:
    """Return a duration in its natural unit, in English and Spanish.

    Examples
    --------
    >>> duration(40.0), duration(60.0), duration(5400.0), duration(172_800.0)
    (('40 seconds', '40 segundos'), ('1 minute', '1 minuto'), ('1.5 hours', '1,5 horas'), ('2 days', '2 días'))
    """
    units = ((86_400.0, "day", "día"), (3600.0, "hour", "hora"), (60.0, "minute", "minuto"), (1.0, "second", "segundo"))
    size, unit, unidad = next((each for each in units if seconds >= each[0]), units[-1])
    text = f"{seconds / size:.2g}" if seconds / size < 100 else f"{seconds / size:.0f}"
    plural = "" if text == "1" else "s"
    return f"{text} {unit}{plural}", f"{figures(text, 'es')} {unidad}{plural}"


def percent(share: float, language: Language) -> str:
    r"""Write a share of 1 as a percentage, 100 % only where it is that.

    Examples
    --------
    >>> percent(0.125, "en"), percent(0.0004, "en"), percent(0.99991, "en"), percent(0.998344, "es") == "99,8\u00a0%"
    ('12.5%', '0.04%', '99.99%', True)
    """
    digits = next((few for few in (3, 4, 5) if f"{share * 100:.{few}g}" != "100"), 6) if share < 1 else 3
    return figures(f"{share * 100:.{digits}g}%" if share < 9.995 else f"{share * 100:,.0f}%", language)


def percents(share: float) -> tuple[str, str]:
    """Write a percentage in English and in Spanish."""
    return percent(share, "en"), percent(share, "es")


def written(value: str | float | None, language: Language) -> str:
    r"""Write a value of a row: a number with six digits, a text as it is and cut where it is long.

    Examples
    --------
    >>> written(78077.5, "es"), written("v1.5", "es"), written(None, "en")
    ('78077,5', 'v1.5', '–')
    """
    if value is None:
        return "–"
    text = figures(f"{value:.6g}", language) if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def numbers_in(text: str, language: Language) -> str:
    """Write every number in an English text as the language does.

    Examples
    --------
    >>> numbers_in("1.5 times", "es")
    '1,5 times'
    """
    return _NUMBER.sub(lambda found: figures(found[0], language), text)


def bin_name(label: str, language: Language) -> str:
    """Write the label of a bin: the ends of a range as the language does, a category as it is.

    Examples
    --------
    >>> bin_name("-0.5 – 12345.5", "es"), bin_name("v1.5", "es"), bin_name("other", "es")
    ('−0,5 – 12345,5', 'v1.5', 'otros')
    """
    if _RANGE.fullmatch(label):
        return numbers_in(label, language)
    return "otros" if (label, language) == ("other", "es") else label


def listed(items: Sequence[str], language: Language, *, n_more: int = 0) -> str:
    """Join items as a sentence does, and say how many more there are.

    Examples
    --------
    >>> listed(["a", "b"], "en", n_more=3), listed(["a"], "es", n_more=1), listed(["hoy", "«ingresos»"], "es")
    ('a, b and 3 more', 'a y 1 más', 'hoy e «ingresos»')
    """
    parts = list(items)
    if n_more:
        parts.append(f"{number(n_more, language)} {'more' if language == 'en' else 'más'}")
    if len(parts) < 2:
        return "".join(parts)
    word = "and" if language == "en" else "e" if _sounds_i(parts[-1]) else "y"
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _sounds_i(word: str) -> bool:
    """Whether Spanish says `e` in place of `y` before the word."""
    lower = word.lstrip("«'`").lower()
    return lower.startswith(("i", "hi", "í", "hí")) and not lower.startswith(("hie", "ie", "hia", "ia"))
