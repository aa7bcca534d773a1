"""What every test may rely on, wherever the suite is started from."""

from __future__ import annotations

import signal

# A shell that starts the suite in the background has its children ignore Ctrl-C, and they pass that on to theirs. The
# tests that interrupt a run need the ordinary behaviour back; a handler of our own is reset to it in every child.
signal.signal(signal.SIGINT, signal.default_int_handler)
