"""Personal data in text: what it looks like, its check digits, and how it is shown without being told.

Sources of the check digits: ISO 13616 (IBAN, mod 97-10), ISO/IEC 7812 (payment cards, Luhn), Real Decreto 1553/2005
(DNI and NIE: a letter by the remainder of 23), the Spanish social security's mod 97. A pattern without check digits
(telephone) asks for separators, a country code or a word in front of it, since bare numbers are mostly ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){0,5}\.[A-Za-z]{2,24}"
    r"(?![A-Za-z0-9\-]|\.[A-Za-z0-9])"
)
PHONE = re.compile(
    r"(?<![\w+.,])\+[1-9][0-9]{0,2}(?:[ .\-]?\(?[0-9]\)?){7,12}(?![0-9])"
    r"|(?<![\w+.,])00[1-9][0-9]{0,2}[ .\-](?:[ .\-]?[0-9]){7,12}(?![0-9])"
    r"|(?<![\w+.,/\-])[6789][0-9]{2}(?P<a>[ \-])[0-9]{3}(?P=a)(?!000)[0-9]{3}(?![0-9]|[.,\- ][0-9])"
    r"|(?<![\w+.,/\-])[6789][0-9]{2}(?P<b>[ .\-])[0-9]{2}(?P=b)[0-9]{2}(?P=b)[0-9]{2}(?![0-9]|[.,\- ][0-9])"
    r"|(?<![\w+.,/\-])[89][0-9](?P<c>[ .\-])[0-9]{3}(?P=c)[0-9]{2}(?P=c)[0-9]{2}(?![0-9]|[.,\- ][0-9])"
    r"|(?<![\w.,])\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[\-. ][0-9]{4}(?![0-9\-])"
    r"|(?<![\w.,\-/])[2-9][0-9]{2}(?P<d>[\-.])[2-9][0-9]{2}(?P=d)[0-9]{4}(?![0-9\-])"
    r"|(?i:(?<=tel)|(?<=tel[.:])|(?<=tel: )|(?<=tel[.] )|(?<=tlf[.:])|(?<=tlf[.:] )|(?<=fono )|(?<=fono: )"
    r"|(?<=phone )|(?<=phone: )|(?<=m[oó]vil )|(?<=m[oó]vil: )|(?<=mobile )|(?<=mobile: )|(?<=whatsapp )"
    r"|(?<=whatsapp: ))\+?[0-9](?:[ .\-]?[0-9]){8,13}(?![0-9])"
)
BARE_PHONE = re.compile(r"(?<![\w+.,\-])[6789][0-9]{8}(?![\w])")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])")
CARD = re.compile(r"(?<![\w.,\-])[2-6](?:[ \-]?[0-9]){12,18}(?![\w]|[.,\-][0-9])")
DNI = re.compile(
    r"(?<![A-Za-z0-9.])(?:[0-9]{8}-?[A-Za-z]|[0-9]{8} [A-Z]|[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}[ \-]?[A-Z]"
    r"|[XYZxyz]-?[0-9]{7}-?[A-Za-z])(?![A-Za-z0-9])"
)
NUSS = re.compile(r"(?<![\w.,\-/])[0-9]{2}(?P<s>[/ \-]?)[0-9]{8}(?P=s)[0-9]{2}(?![\w/\-])")
IP = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?![\w]|\.[0-9])")  # fmt: skip  # noqa: E501

LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 "
    "LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 "
    "SE24 SI19 SK24 SM27 TN24 TR26 UA29 VG24 XK20"
)
IBAN_LENGTHS: Mapping[str, int] = {part[:2]: int(part[2:]) for part in _LENGTHS.split()}
"""Country → characters of its IBANs (SWIFT's registry)."""


@dataclass(frozen=True)
class Pattern:
    """One kind of personal data."""

    name: str
    shape: re.Pattern[str]
    true: Callable[[str], bool]
    """Whether a text of that shape is one: its check digits hold."""
    chance: float
    """Share of meaningless texts of that shape whose check digits hold by chance; 0 where the shape says it all."""

    def seen_in(self, text: str) -> tuple[list[str], int]:
        """Return what was found in a text, and how many texts of that shape were held against the check digits."""
        shapes = [match.group(0) for match in self.shape.finditer(text)]
        return [shape for shape in shapes if self.true(shape)], len(shapes)


def compact(text: str) -> str:
    """Return a number without what separates its digits.

    Examples
    --------
    >>> compact("ES91 2100-0418")
    'ES9121000418'
    """
    return re.sub(r"[^A-Za-z0-9]", "", text).upper()


def is_iban(text: str) -> bool:
    """Say whether the country's length and the check digits hold (ISO 13616).

    Examples
    --------
    >>> is_iban("ES91 2100 0418 4502 0005 1332"), is_iban("ES92 2100 0418 4502 0005 1332")
    (True, False)
    """
    letters = compact(text)[: IBAN_LENGTHS.get(text[:2], 0)]
    if not letters or len(letters) != IBAN_LENGTHS[text[:2]]:
        return False
    return int("".join(str(int(c, 36)) for c in letters[4:] + letters[:4])) % 97 == 1


def is_card(text: str) -> bool:
    """Say whether a number is a payment card's: issuer, length and Luhn's digit (ISO/IEC 7812).

    Examples
    --------
    >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112"), is_card("9111111111111111")
    (True, False, False)
    """
    digits = compact(text)
    return _issued(digits) and len(set(digits)) > 1 and _luhn(digits)


def _issued(digits: str) -> bool:
    """Whether an issuer gives out numbers of this beginning and length."""
    n, two, four = len(digits), int(digits[:2]), int(digits[:4])
    visa = digits[0] == "4" and n in {13, 16, 19}
    mastercard = n == 16 and (51 <= two <= 55 or 2221 <= four <= 2720)
    others = (n == 15 and two in {34, 37}) or (n == 16 and (four == 6011 or two == 65)) or (n == 14 and two in {36, 38})
    return visa or mastercard or others


def _luhn(digits: str) -> bool:
    doubled = [int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def is_dni(text: str) -> bool:
    """Say whether the letter of a Spanish DNI or NIE fits its number.

    Examples
    --------
    >>> is_dni("12345678Z"), is_dni("12.345.678-Z"), is_dni("X1234567L"), is_dni("12345678A")
    (True, True, True, False)
    """
    letters = compact(text)
    number = str("XYZ".find(letters[0])) + letters[1:-1] if letters[0] in "XYZ" else letters[:-1]
    return letters[-1] == LETTERS[int(number) % 23] and int(number) > 0


def is_nuss(text: str) -> bool:
    """Say whether a number of the Spanish social security holds its check digits (mod 97).

    Examples
    --------
    >>> is_nuss("28/12345678/40"), is_nuss("281234567841")
    (True, False)
    """
    digits = compact(text)
    province, middle, control = int(digits[:2]), int(digits[2:10]), int(digits[10:])
    number = province * 10**7 + middle if middle < 10**7 else province * 10**8 + middle
    return (1 <= province <= 53 or province == 66) and middle > 0 and number % 97 == control


def _is_phone(text: str) -> bool:
    digits = compact(text)
    return 9 <= len(digits) <= 15 and len(set(digits)) > 2


PATTERNS: Mapping[str, Pattern] = {
    pattern.name: pattern
    for pattern in (
        Pattern("email", EMAIL, bool, 0.0),
        Pattern("phone", PHONE, _is_phone, 0.0),
        Pattern("iban", IBAN, is_iban, 1 / 97),
        Pattern("card", CARD, is_card, 0.1),
        Pattern("dni", DNI, is_dni, 1 / 23),
        Pattern("nuss", NUSS, is_nuss, 1 / 97),
        Pattern("ip", IP, bool, 0.0),
    )
}
BARE = Pattern("phone", BARE_PHONE, _is_phone, 0.0)
"""Nine digits of a Spanish telephone: looked for only in columns that are named after telephones."""


def masked(text: str) -> str:
    """Return one e-mail address, telephone or number as it may be shown: enough to find it again, not to use it.

    Examples
    --------
    >>> masked("jane.doe@mail.example"), masked("ES91 2100 0418 4502 0005 1332")
    ('j***@…', 'ES***')
    """
    return f"{text[0]}***@…" if "@" in text else f"{text[:2]}***"


def mask(text: str) -> str:
    """Return a text with every piece of personal data in it masked, check digits right or wrong; IP addresses stay.

    Examples
    --------
    >>> mask("write to jane.doe@mail.example or +34 612 345 678, DNI 12345678Z")
    'write to j***@… or +3***, DNI 12***'
    >>> mask("2 rows of 1,234,567 (row 812)")
    '2 rows of 1,234,567 (row 812)'
    """
    for shape in (EMAIL, IBAN, DNI, NUSS, PHONE, BARE_PHONE):
        text = shape.sub(lambda match: masked(match.group(0)), text)
    return CARD.sub(lambda match: masked(match.group(0)) if is_card(match.group(0)) else match.group(0), text)
