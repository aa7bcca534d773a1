"""The committed copy of the JSON Schema, from which editors complete: `python -m cauce.project.schema` rewrites it.

The package does not import this module, so that it can be run.
"""

from __future__ import annotations

import json
from pathlib import Path

from cauce.project.keys import json_schema


def text() -> str:
    """Return the schema as the committed file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite docs/cauce.schema.json of the repository this module lies in."""
    path = Path(__file__).parents[3] / "docs" / "cauce.schema.json"
    path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
