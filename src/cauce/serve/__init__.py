"""Answers requests from the champions, keeps every prediction and truth in the ledger, and hands the ledger out."""

from cauce.serve.app import create_app
from cauce.serve.codes import Codes
from cauce.serve.erasing import Erased
from cauce.serve.head import keyed_hash
from cauce.serve.known import Truth
from cauce.serve.ledger import Ledger
from cauce.serve.limits import Limits
from cauce.serve.run import check_address, run
from cauce.serve.service import Served, Service, new_metrics
from cauce.serve.shared import Shared
from cauce.serve.tls import tls_options
from cauce.serve.tokens import Token, Tokens
from cauce.serve.traces import open_traces

__all__ = [
    "Codes",
    "Erased",
    "Ledger",
    "Limits",
    "Served",
    "Service",
    "Shared",
    "Token",
    "Tokens",
    "Truth",
    "check_address",
    "create_app",
    "keyed_hash",
    "new_metrics",
    "open_traces",
    "run",
    "tls_options",
]
