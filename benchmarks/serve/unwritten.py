"""`cauce serve` with a ledger that makes its lines and drops them: what writing them costs is the difference.

For this measurement alone: the product has no such switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from cauce.__main__ import main
from cauce.ledger.ledger import Ledger


def dropped(_: Ledger, lines: Sequence[bytes], **options: object) -> Future[None]:
    """Say at once that it is done."""
    future: Future[None] = Future()
    future.set_result(None)
    return future


if __name__ == "__main__":
    Ledger.append = dropped  # type: ignore[method-assign, assignment]
    main()
