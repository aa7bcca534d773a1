"""How decisions write figures, lists and durations in English and Spanish."""

from __future__ import annotations

from collections.abc import Sequence

SPANISH_FIGURES = str.maketrans({".": ",", ",": "."})

MOST_NAMED = 3
"""Names that a sentence lists before it says how many more there are."""


def number(value: float) -> tuple[str, str]:
    """Return a loss or a difference with three significant digits, in English and Spanish.

    Examples
    --------
    >>> number(0.31249), number(-12345.0), number(5_071_818.0)
    (('0.312', '0,312'), ('-12,345', '-12.345'), ('5.07 million', '5,07 millones'))
    """
    if 1e6 <= abs(value) < 1e9:
        english = f"{value / 1e6:.3g}"
        return f"{english} million", f"{english.replace('.', ',')} millones"
    english = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return english, english.translate(SPANISH_FIGURES)


def percent(share: float) -> tuple[str, str]:
    """Return a share as a percentage, in English and Spanish.

    Examples
    --------
    >>> percent(0.125)
    ('12.5 %', '12,5 %')
    """
    english = f"{number(share * 100)[0]} %"
    return english, english.replace(".", ",")


def listed(names: Sequence[str]) -> tuple[str, str]:
    """Return names as a list in English and Spanish.

    Examples
    --------
    >>> listed(["age", "income"])
    ('`age` and `income`', '`age` e `income`')
    >>> listed(["a", "b", "c", "d", "e"])
    ('`a`, `b`, `c` and 2 more', '`a`, `b`, `c` y 2 más')
    """
    quoted = [f"`{name}`" for name in names]
    if len(quoted) > MOST_NAMED:
        head, rest = ", ".join(quoted[:MOST_NAMED]), len(quoted) - MOST_NAMED
        return f"{head} and {rest} more", f"{head} y {rest} más"
    if len(quoted) < 2:
        return "".join(quoted), "".join(quoted)
    head, last = ", ".join(quoted[:-1]), quoted[-1]
    return f"{head} and {last}", f"{head} {_y_before(names[-1])} {last}"


def _y_before(word: str) -> str:
    """Spanish says `e` before the sound i."""
    lower = word.lower()
    sounds_i = lower.startswith(("i", "hi", "í", "hí")) and not lower.startswith(("hie", "ie", "hia", "ia"))
    return "e" if sounds_i else "y"


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
    return f"{text} {unit}{plural}", f"{text} {unidad}{plural}".replace(".", ",")
