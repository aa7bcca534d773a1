"""Every prediction served and the truths that came later: written by the service, read by all who judge a model."""

from cauce.ledger.erasing import Erased
from cauce.ledger.head import Head, keyed_hash
from cauce.ledger.known import Status, Truth
from cauce.ledger.ledger import Ledger

__all__ = ["Erased", "Head", "Ledger", "Status", "Truth", "keyed_hash"]
