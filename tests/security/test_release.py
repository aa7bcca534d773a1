"""A real release, and the formats around it: one changed byte anywhere, or code hidden in a file, loads nothing."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from cauce import data
from cauce.core.errors import Tampered, UserError
from cauce.core.specs import DataSpec
from cauce.loop.context import Loop
from cauce.project import load
from e2e.school import TOML, students


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, trained once in a process of its own."""
    folder = tmp_path_factory.mktemp("school")
    pyarrow.csv.write_csv(students(400), folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "cauce", "up", "--once", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.mark.slow
def test_one_flipped_byte_in_any_file_of_a_real_release_refuses(school: Path) -> None:
    loop = Loop(load(school / "cauce.toml"))
    (manifest,) = (school / ".cauce" / "models").rglob("package/manifest.json")
    files = sorted(path for path in manifest.parent.rglob("*") if path.is_file())
    assert len(files) > 6
    assert any(path.parent.name == "model" for path in files)
    loop.tracker.open("passed", 1)
    for path in files:
        content = path.read_bytes()
        for at in sorted({0, len(content) // 3, len(content) - 1}):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(Tampered, match="registered"):
                loop.tracker.open("passed", 1)
        path.write_bytes(content)
    loop.tracker.open("passed", 1)


@pytest.mark.slow
def test_the_service_answers_with_nothing_of_a_changed_release(school: Path) -> None:
    from cauce.loop.serve import _served
    from cauce.serve import create_app
    from security.asking import ask_all, bearer, service

    loop = Loop(load(school / "cauce.toml"))
    model = next((school / ".cauce" / "models").rglob("package/model"))
    path = max((path for path in model.rglob("*") if path.is_file()), key=lambda one: one.stat().st_size)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        made = service()
        opened = partial(_served, loop)
        parts = {**vars(made), "models": ("passed",), "load": opened, "alias": lambda _, alias: 1}
        app = create_app(type(made)(**parts))
        row = {"rows": [{"hours": 1.0, "course": "algebra", "grade": 5.0}]}
        ready, asked = ask_all(
            app,
            [("GET", "/readyz", {}), ("POST", "/v1/models/passed/predict", {"json": row, "headers": bearer()})],
        )
        assert ready.json() == {"status": "not ready"}
        assert asked.status_code == 503
    finally:
        path.write_bytes(content)


@pytest.mark.slow
def test_a_running_service_takes_and_drops_tokens_without_a_restart(school: Path) -> None:
    command = [sys.executable, "-m", "cauce"]

    def token(*arguments: str) -> Any:
        done = subprocess.run([*command, "token", *arguments, "--json"], cwd=school, capture_output=True, check=True)
        return json.loads(done.stdout)

    with subprocess.Popen([*command, "serve", "--port", "0"], cwd=school, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            shown = "".join(iter(server.stdout.readline, "  stop     Ctrl-C\n"))
            (url,) = re.findall(r"at (http://\S+)", shown)
            (link,) = re.findall(r"console  (\S+)", shown)
            assert httpx.get(link).status_code == 303
            secret = token("add", "shop", "--scope", "predict")["token"]
            headers = {"Authorization": f"Bearer {secret}"}

            def status() -> int:
                return httpx.get(f"{url}/v1/models", headers=headers).status_code

            assert comes_to(status, 200)
            assert httpx.get(f"{url}/metrics", headers=headers).status_code == 403
            token("remove", "shop")
            assert comes_to(status, 401)
            assert [act["what"] for act in token("log")] == ["token remove", "token add", "sign in"]
        finally:
            server.terminate()
            assert server.wait(timeout=40) == 0


def comes_to(status: Callable[[], int], wanted: int, *, patience_s: float = 5.0) -> bool:
    """Ask until the answer is the wanted one; a change counts within a second, on a busy machine a little later."""
    end = time.monotonic() + patience_s
    while status() != wanted:
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.05)
    return True


class Bomb:
    """Unpickled, it leaves a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    "name", ["arrow.py_extension_type", "ray.data.arrow_pickled_object", "arrow.opaque", "pickle", "cloudpickle"]
)
def test_code_hidden_in_the_metadata_of_a_parquet_file_does_not_run(tmp_path: Path, name: str) -> None:
    """As in Ray, whose Parquet reader unpickled the metadata of an extension type."""
    mark = tmp_path / "ran"
    payload = pickle.dumps(Bomb(mark))
    described = {b"ARROW:extension:name": name.encode(), b"ARROW:extension:metadata": payload}
    field = pa.field("a", pa.int64(), metadata=described)
    schema = pa.schema([pa.field("id", pa.int64()), field], metadata={b"pandas": payload, name.encode(): payload})
    pq.write_table(pa.table([[1, 2, 3], [4, 5, 6]], schema=schema), tmp_path / "rows.parquet")
    spec, now = DataSpec(source="rows.parquet", key="id"), datetime(2026, 1, 2, tzinfo=UTC)
    with suppress(UserError):  # refused is as good
        data.load("rows", spec, tmp_path, tmp_path / "lake", now=now, where=lambda *_: "cauce.toml:1")
    assert not mark.exists()
    pickle.loads(payload)
    assert mark.exists(), "the bomb works"
