"""Personal data: found by shape and check digits, shown masked, so that the audit itself gives nothing away."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from cauce.audit.check import MOST_ROWS, AuditContext, Check, NotApplicable, Outcome
from cauce.audit.patterns import PATTERNS, masked
from cauce.audit.words import named, percent, rows_in
from cauce.core.artefacts import Finding, Words
from cauce.core.specs import Severity

if TYPE_CHECKING:
    from cauce.audit.scan import Hits

NO_TEXT = NotApplicable("no text column", "ninguna columna de texto")
FEW = 2
LIKELY_FEW, LIKELY = 0.1, 0.001
"""Chance below which check digits that hold are taken for true ones: up to two texts of the shape, and more."""

_WHAT: dict[str, tuple[str, str]] = {
    "email": ("e-mail addresses", "direcciones de correo electrónico"),
    "phone": ("telephone numbers", "números de teléfono"),
    "iban": ("bank accounts (IBAN)", "cuentas bancarias (IBAN)"),
    "card": ("payment card numbers", "números de tarjeta de pago"),
    "dni": ("Spanish identity numbers (DNI, NIE)", "números de DNI o NIE"),
    "nuss": ("Spanish social security numbers", "números de la Seguridad Social"),
    "ip": ("IP addresses", "direcciones IP"),
}


def by_chance(n_true: int, n_shapes: int, chance: float) -> float:
    """Return the chance that at least `n_true` of `n_shapes` meaningless texts hold their check digits.

    Examples
    --------
    >>> round(by_chance(2, 2, 0.1), 6), round(by_chance(1, 50, 1 / 23), 2)
    (0.01, 0.89)
    """
    if n_true <= n_shapes * chance:
        return 1.0 if n_true == 0 else _tail(n_true, n_shapes, chance) if n_shapes <= 1_000 else 0.5
    if n_shapes > 1_000:  # Hoeffding's bound says enough
        from math import exp

        return exp(-2 * n_shapes * (n_true / n_shapes - chance) ** 2)
    return _tail(n_true, n_shapes, chance)


def _tail(n_true: int, n: int, p: float) -> float:
    return 1.0 - sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n_true))


def _real(hits: Hits, chance: float) -> bool:
    """Say whether so many held their check digits that chance is no explanation."""
    if not hits.n_true:
        return False
    if not chance:
        return True
    limit = LIKELY_FEW if hits.n_shapes <= FEW else LIKELY
    enough = hits.n_true >= 3 * chance * hits.n_shapes
    return enough and by_chance(hits.n_true, hits.n_shapes, chance) <= limit + 1e-9


def _look(context: AuditContext, kind: str, threshold: float) -> Outcome:
    """See columns with at least `threshold` rows of one kind of personal data."""
    from cauce.audit.scan import text_scan

    seen = text_scan(context)
    if not seen:
        return NO_TEXT
    found = []
    for name, kinds in seen.items():
        hits = kinds.get(kind)
        if hits is None or not _real(hits, PATTERNS[kind].chance):
            continue
        n = hits.n + round(hits.n_unverified * hits.n_true / hits.n_shapes)
        if n >= threshold:
            found.append(_finding(context, kind, name, n, hits, threshold))
    return found


def _finding(context: AuditContext, kind: str, name: str, n: int, hits: Hits, threshold: float) -> Finding:
    share = n / context.profile.column(name).n_present
    english, spanish = _WHAT[kind]
    message = {
        "en": f"Column {named([name], 'en')} holds {english} in {rows_in(n, 'en')} ({percent(share, 'en')}).",
        "es": f"La columna {named([name], 'es')} contiene {spanish} en {rows_in(n, 'es')} ({percent(share, 'es')}).",
    }
    used = name in context.features and kind != "ip"
    severity: Severity = "warn" if used else "info"
    examples = tuple(masked(example) for example in hits.examples)
    rows = tuple(hits.rows[:MOST_ROWS])
    remedy = _remedy(used=used)
    return Finding(
        f"personal_{kind}", severity, (name,), n, message, _WHY, remedy, rows, share, threshold, examples=examples
    )


_WHY: Words = {
    "en": "Whoever can read the snapshots, the models or the ledger can read them too; the law (GDPR) asks for a "
    "purpose, and a model learns people by heart.",
    "es": "Quien pueda leer las instantáneas, los modelos o el registro también los lee; la ley (RGPD) exige una "
    "finalidad, y un modelo acaba memorizando personas.",
}


def _remedy(*, used: bool) -> Words:
    if used:
        return {
            "en": "Leave the column out at the source or in `prepare`; if a code of the person is needed, hash it "
            "there. Naming it under `ignore` keeps the model from it, not the snapshot.",
            "es": "Quita la columna en el origen o en `prepare`; si necesitas un código de la persona, cífralo ahí con "
            "una función resumen. Ponerla en `ignore` la aparta del modelo, no de la instantánea.",
        }
    return {
        "en": "No model predicts from it. Leave it out at the source or in `prepare` if nobody needs it.",
        "es": "Ningún modelo predice con ella. Quítala en el origen o en `prepare` si nadie la necesita.",
    }


def personal_email(context: AuditContext, threshold: float) -> Outcome:
    """See e-mail addresses, alone in a cell or within text."""
    return _look(context, "email", threshold)


def personal_phone(context: AuditContext, threshold: float) -> Outcome:
    """See telephone numbers: international, Spanish, or any nine digits in a column named after telephones."""
    return _look(context, "phone", threshold)


def personal_iban(context: AuditContext, threshold: float) -> Outcome:
    """See bank accounts whose country, length and check digits hold."""
    return _look(context, "iban", threshold)


def personal_card(context: AuditContext, threshold: float) -> Outcome:
    """See payment card numbers: issuer, length and Luhn's digit."""
    return _look(context, "card", threshold)


def personal_dni(context: AuditContext, threshold: float) -> Outcome:
    """See Spanish DNI and NIE whose letter fits."""
    return _look(context, "dni", threshold)


def personal_nuss(context: AuditContext, threshold: float) -> Outcome:
    """See Spanish social security numbers whose control digits fit."""
    return _look(context, "nuss", threshold)


def personal_ip(context: AuditContext, threshold: float) -> Outcome:
    """See IP addresses (version 4)."""
    return _look(context, "ip", threshold)


CHECKS = (
    Check("personal_email", "warn", 1.0, {"en": "e-mail addresses", "es": "correos electrónicos"}, personal_email),
    Check("personal_phone", "warn", 1.0, {"en": "telephone numbers", "es": "teléfonos"}, personal_phone),
    Check("personal_iban", "warn", 1.0, {"en": "bank accounts", "es": "cuentas bancarias"}, personal_iban),
    Check("personal_card", "warn", 1.0, {"en": "payment cards", "es": "tarjetas de pago"}, personal_card),
    Check("personal_dni", "warn", 1.0, {"en": "Spanish identity numbers", "es": "DNI y NIE"}, personal_dni),
    Check(
        "personal_nuss",
        "warn",
        1.0,
        {"en": "social security numbers", "es": "números de la Seguridad Social"},
        personal_nuss,
    ),
    Check("personal_ip", "info", 1.0, {"en": "IP addresses", "es": "direcciones IP"}, personal_ip),
)
