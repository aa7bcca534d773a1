"""Answers requests from the champions, and keeps every prediction and truth in the ledger."""

from cauce.serve.app import create_app
from cauce.serve.codes import Codes
from cauce.serve.limits import Limits
from cauce.serve.run import check_address, run
from cauce.serve.service import Seen, Served, Service, new_metrics
from cauce.serve.shared import Shared
from cauce.serve.tls import tls_options
from cauce.serve.tokens import Token, Tokens
from cauce.serve.traces import open_traces

__all__ = [
    "Codes",
    "Limits",
    "Seen",
    "Served",
    "Service",
    "Shared",
    "Token",
    "Tokens",
    "check_address",
    "create_app",
    "new_metrics",
    "open_traces",
    "run",
    "tls_options",
]
