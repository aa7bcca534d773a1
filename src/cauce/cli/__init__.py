"""The command line: one short command per verb, each a call into `loop/` and a few lines that show the result.

Importing this room loads no heavy library; each command imports what it needs. Exit codes are those of docs/cli.md.
"""

from cauce.cli import data, decisions, fair, forget, keep, look, make, tokens
from cauce.cli.common import app

__all__ = ["app", "data", "decisions", "fair", "forget", "keep", "look", "make", "tokens"]
