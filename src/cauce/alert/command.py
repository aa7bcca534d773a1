"""A message handed to a program: arguments as they stand in cauce.toml, no shell, the message as JSON on its input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cauce.alert.message import Message
from cauce.alert.payloads import plain
from cauce.alert.undelivered import Undelivered


def run(words: Sequence[str], message: Message, *, folder: Path, env: Mapping[str, str], timeout_s: float) -> None:
    """Run a program in the project's folder until it ends; what it prints goes nowhere.

    Raises
    ------
    Undelivered
        It cannot be started, runs longer than `timeout_s`, or ends with another code than 0.
    """
    content = json.dumps(plain(message), ensure_ascii=False).encode()
    try:
        process = subprocess.Popen(  # noqa: S603 - the project's own file names it
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=dict(env),
            start_new_session=True,
        )
    except OSError as error:
        raise Undelivered(f"cannot be started ({error.strerror})", lasting=True) from None
    with process:
        try:
            process.communicate(content, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise Undelivered(f"not done in {timeout_s:g} s") from None
    if process.returncode:
        raise Undelivered(f"ended with {process.returncode}")
