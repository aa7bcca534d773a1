"""Run `cauce` and bring about trouble where a stage begins: `python trouble.py interrupt|fill STAGE DONE DELAY_S ...`.

`interrupt` sends this process the SIGINT that Ctrl-C sends; `fill` leaves no byte free on the folder's disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from cauce import terminal
from cauce.__main__ import run

FILLER = Path("filler")


def fill() -> None:
    """Write until the disk is full, to the last byte."""
    with FILLER.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def main() -> int:
    """Watch the progress for the moment."""
    what, stage, done, delay_s, *arguments = sys.argv[1:]
    pending = [stage]

    def act() -> None:
        if what == "fill":
            fill()
        else:
            os.kill(os.getpid(), signal.SIGINT)

    def tell(name: str, n_done: int, total: int, note: str = "") -> None:
        if not pending or name.split()[0] != stage or n_done < int(done):
            return
        pending.clear()
        if float(delay_s):
            threading.Timer(float(delay_s), act).start()
        else:
            act()

    setattr(terminal, "_lines", tell)  # noqa: B010 - the one place that hears of every stage
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started the tests with `&`
    sys.argv = ["cauce", *arguments]
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
