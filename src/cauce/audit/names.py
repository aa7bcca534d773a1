"""What a column's name says of its values, in English and Spanish."""

from __future__ import annotations

import re
import unicodedata

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def tokens(name: str) -> tuple[str, ...]:
    """Return a name's words in lower case, without accents: snake_case, camelCase, spaces.

    Examples
    --------
    >>> tokens("PrecioTotal_€"), tokens("n_días"), tokens("customerAGE")
    (('precio', 'total'), ('n', 'dias'), ('customer', 'age'))
    """
    return tuple(part.lower() for part in _PARTS.findall(plainly(name)))


def plainly(text: str) -> str:
    """Return a text without accents.

    Examples
    --------
    >>> plainly("Año de Matriculación")
    'Ano de Matriculacion'
    """
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
