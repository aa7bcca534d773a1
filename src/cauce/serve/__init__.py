"""Answers requests from the champions, keeps every prediction and truth in the ledger, and hands the ledger out."""

from cauce.serve.app import create_app
from cauce.serve.codes import Codes
from cauce.serve.erasing import Erased
from cauce.serve.head import keyed_hash
from cauce.serve.known import Truth
from cauce.serve.ledger import Ledger
from cauce.serve.run import check_address, run
from cauce.serve.service import Served, Service

__all__ = [
    "Codes",
    "Erased",
    "Ledger",
    "Served",
    "Service",
    "Truth",
    "check_address",
    "create_app",
    "keyed_hash",
    "run",
]
