"""Loaded by Python itself where this folder stands in PYTHONPATH: notes and refuses every connection and every name."""

import os
import socket
from typing import Any, NoReturn


def _refuse(what: str) -> Any:
    def refuse(*arguments: object, **_: object) -> NoReturn:
        with open(os.environ["CAUCE_CONNECTIONS"], "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"{what} {arguments[1:] or arguments}\n")
        raise OSError("no network in this test")

    return refuse


if "CAUCE_CONNECTIONS" in os.environ:  # pytest looks for doctests in this file, too
    socket.socket.connect = _refuse("connect")  # type: ignore[method-assign]
    socket.socket.connect_ex = _refuse("connect")  # type: ignore[method-assign]
    socket.getaddrinfo = _refuse("look up")
