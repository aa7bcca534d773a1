"""Telling systemd how the daemon fares: one datagram, where a unit with `Type=notify` started it (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(state: str, env: Mapping[str, str] = os.environ) -> bool:
    """Send ``"READY=1"``, ``"STATUS=…"`` or ``"STOPPING=1"``; return whether there was somebody to tell."""
    address = env.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except OSError:  # a watcher goes on without being watched
        return False
    return True
