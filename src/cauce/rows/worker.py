"""One process of a pool: reads the functions, then pieces, and answers each with its new columns."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from cauce.core.errors import UserError
from cauce.core.scripts import Script
from cauce.rows.compute import Computation
from cauce.rows.functions import compile_functions
from cauce.rows.pool import FAILED, from_bytes, receive, send, to_bytes

if TYPE_CHECKING:
    import pyarrow as pa


def main() -> None:
    """Answer until the input ends. What a function prints goes to the standard error stream."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # line by line: the parent ends a worker without waiting for what is still to be written
    with asked, answers:
        header = receive(asked)
        if header is None:
            return
        computing = _computation(header)
        while (message := receive(asked)) is not None:
            send(answers, _answer(computing, from_bytes(message)))


def _computation(header: bytes) -> Computation:
    told = json.loads(header)
    scripts = tuple(Script(path, text) for path, text in told["scripts"])
    return Computation(compile_functions(told["entries"], scripts), told["inputs"], told["outputs"])


def _answer(computing: Computation, piece: pa.RecordBatch) -> bytes:
    try:
        return to_bytes(computing.batch(piece))
    except UserError:
        return FAILED
