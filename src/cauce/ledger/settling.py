"""Folding in a process of its own, for who lives on for weeks: what it took of memory is given back when it ends.

Inside a service each fold left tens of MB behind, whatever its allocators were told. A process that is killed half-way
leaves what any killed fold leaves: the next one goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from cauce.core.errors import Locked, UserError


def start(folder: Path, days: int | None) -> subprocess.Popen[bytes]:
    """Start a process that folds the ledger in `folder`, then lets go what is older than `days` days, where given.

    It exits with 0, with `Locked.exit_code` where another process folds, and with another code for an error; what
    there is to say, of damaged lines too, is on its stderr. Ctrl-C does not reach it. May be called beside threads:
    nothing of this process is carried over.
    """
    command = [sys.executable, "-P", "-m", __name__, str(folder), *([] if days is None else [str(days)])]
    return subprocess.Popen(  # noqa: S603 - this interpreter, with a module of our own
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def main() -> None:
    """Be that process."""
    from cauce.ledger.erasing import retain
    from cauce.ledger.fold import fold

    os.nice(10)  # requests go before
    folder, now = Path(sys.argv[1]), datetime.now(UTC)
    try:
        for line in fold(folder, now, wait_s=0.0).corrupt:
            sys.stderr.write(f"{line.segment}, line {line.line}: damaged; it is kept in aside/\n")
        for days in sys.argv[2:]:
            retain(folder, int(days), now, wait_s=0.0)
    except Locked:
        sys.exit(Locked.exit_code)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
