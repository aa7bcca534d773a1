"""The texts of alerts, runbooks and dashboards, in the project's language: files in words/, one a language."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from cauce.core.figures import Language


@cache
def words(language: Language) -> dict[str, Any]:
    """Return the texts of one language: ``alerts`` by name, ``panels`` by key, and a few others."""
    path = Path(__file__).parent / "words" / f"{language}.json"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read
