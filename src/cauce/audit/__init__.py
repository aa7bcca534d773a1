"""Checks of a snapshot before anything is trained on it: each a code, a severity, a threshold and one function."""

from cauce.audit.check import AuditContext, Check, NotApplicable, OutOfFold
from cauce.audit.gate import CHECKS, codes, run, settle
from cauce.audit.own import finding, load_own, own_check, rows_where

__all__ = [
    "CHECKS",
    "AuditContext",
    "Check",
    "NotApplicable",
    "OutOfFold",
    "codes",
    "finding",
    "load_own",
    "own_check",
    "rows_where",
    "run",
    "settle",
]
