"""The command line: one short command per verb, each a call into `loop/` and a few lines that show the result.

Importing this room loads no heavy library; each command imports what it needs. Exit codes are those of docs/cli.md.
"""

from cauce.cli import alerts, data, decisions, export, fair, forget, keep, look, make, rehearse, tokens, why
from cauce.cli.common import app

__all__ = [
    "alerts",
    "app",
    "data",
    "decisions",
    "export",
    "fair",
    "forget",
    "keep",
    "look",
    "make",
    "rehearse",
    "tokens",
    "why",
]
