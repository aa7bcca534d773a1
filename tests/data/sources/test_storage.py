"""Cloud Storage where nothing answers: one line, soon, and nothing else on the console."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from cauce.core.errors import UserError


def test_a_service_that_does_not_answer_is_told_at_once(
    place: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, and listening to nobody
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{taken.getsockname()[1]}")
        for variable in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.delenv(variable, raising=False)
        begun = time.monotonic()
        with pytest.raises(UserError, match=r"Cloud Storage cannot be read: .* does not answer") as caught:
            place.load("gs://cubo/rows.parquet")
    assert time.monotonic() - begun < 10
    assert "network" in str(caught.value)
    assert "Traceback" not in capfd.readouterr().err
