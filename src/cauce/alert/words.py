"""The words of alerts, in English and Spanish."""

from __future__ import annotations

from typing import Literal

from cauce.core.alert_specs import AlertKind
from cauce.core.artefacts import SignalCode, Words

KINDS: dict[AlertKind, Words] = {
    "fix data": {"en": "Fix the data", "es": "Corregir los datos"},
    "retrain": {"en": "Retrained", "es": "Reentrenado"},
    "promote": {"en": "New champion", "es": "Nuevo campeón"},
    "roll back": {"en": "Rolled back", "es": "Vuelta atrás"},
    "signals": {"en": "Alarm", "es": "Alarma"},
    "training": {"en": "The training failed", "es": "El entrenamiento falló"},
    "watcher": {"en": "The watcher failed", "es": "El vigilante falló"},
}
CODES: dict[SignalCode, Words] = {
    "drift": {"en": "A column drifted", "es": "Una columna se ha desviado"},
    "output_drift": {"en": "The predictions drifted", "es": "Las predicciones se han desviado"},
    "joint_drift": {"en": "The rows drifted", "es": "Las filas se han desviado"},
    "missing": {"en": "Values are missing", "es": "Faltan valores"},
    "new_category": {"en": "Unknown categories", "es": "Categorías desconocidas"},
    "out_of_range": {"en": "Values out of range", "es": "Valores fuera de rango"},
    "unit_change": {"en": "A unit changed", "es": "Ha cambiado una unidad"},
    "missing_partition": {"en": "Rows are missing", "es": "Faltan filas"},
    "schema": {"en": "Columns are gone or of another type", "es": "Faltan columnas o son de otro tipo"},
    "performance": {"en": "The model became worse", "es": "El modelo ha empeorado"},
    "estimate": {"en": "The model is expected to be worse", "es": "Se espera que el modelo sea peor"},
    "estimate_unreliable": {"en": "The estimate is not reliable", "es": "La estimación no es fiable"},
    "segment": {"en": "A segment became worse", "es": "Un segmento ha empeorado"},
    "labels": {"en": "Truths come selectively", "es": "Los resultados llegan de forma selectiva"},
}
State = Literal["new", "again", "over"]
STATES: dict[State, Words] = {
    "new": {"en": "new", "es": "nuevo"},
    "again": {"en": "still so, since {0}", "es": "sigue igual, desde {0}"},
    "over": {"en": "over, after {0}", "es": "terminado, tras {0}"},
}
SENTENCES: dict[str, Words] = {
    "more": {"en": "And {0} more.", "es": "Y {0} más."},
    "titles": {"en": "{0} and {1} more", "es": "{0} y {1} más"},
    "over": {"en": "Over: {0}", "es": "Terminado: {0}"},
    "again": {"en": "Still: {0}", "es": "Sigue: {0}"},
    "console": {"en": "Open the console", "es": "Abrir la consola"},
    "test": {"en": "A test", "es": "Una prueba"},
    "test_reason": {
        "en": "`cauce alert test` sent this; nothing is wrong.",
        "es": "Lo envió `cauce alert test`; no pasa nada.",
    },
    "open": {"en": "Open alerts", "es": "Alertas abiertas"},
    "open_head": {"en": "model|alert|since (UTC)|reason", "es": "modelo|alerta|desde (UTC)|motivo"},
    "open_none": {"en": "No alert is open.", "es": "No hay ninguna alerta abierta."},
    "channels": {"en": "Channels", "es": "Canales"},
    "channels_head": {"en": "channel|waiting|state", "es": "canal|en espera|estado"},
    "channels_none": {
        "en": "Nobody is told: [alert] in cauce.toml names no channel.",
        "es": "No se avisa a nadie: [alert] en cauce.toml no nombra ningún canal.",
    },
    "works": {"en": "works", "es": "funciona"},
    "failing": {"en": "{0}, since {1} UTC", "es": "{0}, desde {1} UTC"},
    "lost": {
        "en": "Messages that could not be delivered in time: {0}.",
        "es": "Mensajes que no se pudieron entregar a tiempo: {0}.",
    },
}


def say(key: str, language: str, *parts: object) -> str:
    """Return a sentence with its parts put in."""
    return SENTENCES[key][language].format(*parts)
