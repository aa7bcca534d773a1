"""Keeping ledgers small where no watcher runs: from time to time a process folds what journals hold.

The process is short-lived, so that a worker's memory stays what it is. Which of several workers starts it is left to
chance; the ledger's lock has one fold at a time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime

from cauce.core.errors import Locked
from cauce.ledger import settling
from cauce.ledger.ledger import Ledger

logger = logging.getLogger("cauce.serve")
FOLD_EVERY_S = 60.0
FOLD_FROM_BYTES = 16_000_000
"""The watcher folds; where none runs, the service does from this many bytes of journals on."""
MOST_SAID = 2_000
"""Characters of what a process said that go into the log, the last ones: each damaged line is a line of it."""
LONGEST_S = 1_800.0
"""Seconds after which a process that has not folded is ended, and that is logged."""


class Folding:
    """Folds the ledgers of one application.

    Parameters
    ----------
    ledgers
        Model → its ledger; may grow meanwhile.
    days
        How long predictions may be kept, in days; for ever where None.
    """

    def __init__(self, ledgers: Mapping[str, Ledger], days: int | None) -> None:
        self._ledgers, self._days = ledgers, days
        self._let_go: dict[str, date] = {}
        """Model → the day (UTC) on which what was too old was last let go."""

    async def run(self) -> None:
        """Look about once a minute, until cancelled; a process that is folding then is ended."""
        while True:
            # Workers that began together do not look together.
            await asyncio.sleep(FOLD_EVERY_S * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            for model, ledger in list(self._ledgers.items()):
                try:
                    await self._look(model, ledger)
                except Exception:  # the journals hold everything: serving goes on, and the next try may succeed
                    logger.exception("model %s: its ledger could not be folded", model)

    async def _look(self, model: str, ledger: Ledger) -> None:
        today = datetime.now(UTC).date()
        # Days end once a day: what is too old then is let go once.
        aged = self._days is not None and self._let_go.get(model) != today
        if not aged and await asyncio.to_thread(ledger.unfolded_bytes) < FOLD_FROM_BYTES:
            return
        with settling.start(ledger.folder, self._days) as process:
            try:
                _, said = await asyncio.to_thread(process.communicate, timeout=LONGEST_S)
            finally:
                process.kill()
        words = said.decode(errors="replace").strip()[-MOST_SAID:]
        if process.returncode == 0:
            self._let_go[model] = today
        elif process.returncode != Locked.exit_code:
            logger.error("model %s: its ledger could not be folded: exit code %d, %s", model, process.returncode, words)
            return
        if words:
            logger.warning("model %s: its ledger was folded: %s", model, words)
