"""One watcher at a time, and when it looks: the daemon of `cauce watch --every`, and the one turn of `--once`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from cauce.core.errors import Locked, UserError
from cauce.core.locks import hold
from cauce.loop.alert import deliver, seconds_to_delivery
from cauce.loop.context import Loop
from cauce.loop.probation import Probations
from cauce.loop.watcher import Turn, turn
from cauce.schedule import next_turn, notify

LOOK_S = 0.5
"""How often the sleeping daemon looks whether it shall stop."""
DELIVERY_S = 5.0
"""How often it looks whether a message waits."""


class _Stop:
    """Set by SIGTERM. A plain flag: an Event's lock may be held by the very thread that the signal interrupts."""

    asked = False

    def __init__(self, beside: int | None) -> None:
        self._beside = beside
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def now(self) -> bool:
        """Whether to stop: asked to, or `cauce up` was killed and cannot ask."""
        return self.asked or (self._beside is not None and os.getppid() != self._beside)


class _Post:
    """Deliveries beside the daemon's turns: a chat that does not answer holds up neither a look nor the end."""

    def __init__(self, loop: Loop) -> None:
        self._loop, self._again = loop, 0.0
        self._thread: threading.Thread | None = None

    def look(self, *, at_once: bool = False) -> None:
        """Begin to deliver what may be delivered, unless that is under way."""
        now = time.monotonic()
        if (now < self._again and not at_once) or (self._thread is not None and self._thread.is_alive()):
            return
        self._again = now + DELIVERY_S
        wait = seconds_to_delivery(self._loop)
        if wait is None or wait > 0:
            return
        self._thread = threading.Thread(target=self._deliver, name="alerts", daemon=True)
        self._thread.start()

    def _deliver(self) -> None:
        try:
            _say(deliver(self._loop))
        except UserError as error:
            _say([f"alerts: {error}"])

    def end(self) -> None:
        """Give what is under way a moment; what it does not finish stays in the outbox."""
        if self._thread is not None:
            self._thread.join(LOOK_S / 2)


def run_watcher(loop: Loop, models: Sequence[str], *, every_s: float, beside: int | None = None) -> None:
    """Renew each model every `every_s` seconds until SIGTERM or Ctrl-C; a failed turn is told and tried again.

    Turns begin on a grid: they do not drift, and one that overruns leaves out those it slept through.

    Parameters
    ----------
    beside
        Process that started this one: stop when it has ended.

    Raises
    ------
    Locked
        Another process watches this project, and nobody started this one: one that was waits for it to end.
    """
    stop, told = _Stop(beside), dict[str, str]()
    with _watching(loop, stop, waits=beside is not None):
        post, begun = _Post(loop), time.monotonic()
        probations = Probations(loop, models, stop.now)
        notify("READY=1")
        while not stop.now():
            probations.acted = False  # what it decided is told by this turn
            for model in models:
                if not stop.now():
                    notify(f"STATUS=Looking at {model}")
                    turn(loop, model, told)
            post.look(at_once=True)
            notify("STATUS=Waiting for the next look")
            again = next_turn(begun, time.monotonic(), every_s)
            while not (stop.now() or probations.acted) and (left := again - time.monotonic()) > 0:
                post.look()
                time.sleep(min(left, LOOK_S))
        notify("STOPPING=1")
        post.end()


def run_once(loop: Loop, models: Sequence[str]) -> dict[str, Turn] | None:
    """Take one full turn with each model, as the daemon does, and send what waits; None where a daemon watches already.

    Raises
    ------
    Locked
        Somebody trains by hand, and goes on for more than 5 seconds.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(loop.state.locks / "watch.lock"))
        except Locked as error:
            _say([f"{error.what}; it decides and acts, so this only looks."])
            return None
        told = dict[str, str]()
        done = {name: turn(loop, name, told, wait_s=5.0) for name in models}
        _say(deliver(loop))
    return done


@contextmanager
def _watching(loop: Loop, stop: _Stop, *, waits: bool) -> Iterator[None]:
    """Hold `watch.lock`: one watcher a project. The kernel frees it when its holder dies, however it dies."""
    with ExitStack() as stack:
        said = False
        while not stop.now():
            try:
                stack.enter_context(hold(loop.state.locks / "watch.lock"))
                break
            except Locked as error:
                if not waits:
                    raise
                if not said:
                    _say([f"{error.what}; this watcher waits for it to end."])
                said = True
                time.sleep(LOOK_S)
        yield


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
