"""A backup holds what a project remembers, and nothing that is true of this machine alone."""

from __future__ import annotations

import tarfile
from pathlib import Path

from cauce import Loop, load_project
from cauce.loop.backup import backup
from cauce.loop.serve import serving
from loop.test_record_once import TOML


def test_it_is_taken_while_the_service_listens_and_does_not_say_where(tmp_path: Path) -> None:
    (tmp_path / "cauce.toml").write_text(TOML, encoding="utf-8")
    loop = Loop(load_project(tmp_path / "cauce.toml", {}))
    with serving(loop):
        loop.state.address.write_text("http://127.0.0.1:41873\n", encoding="ascii")
        (loop.state.root / "remembered").write_text("yes", encoding="ascii")
        made = backup(loop, tmp_path / "copy.tar.gz")
        assert loop.state.address.exists()
    with tarfile.open(made.path) as archive:
        names = archive.getnames()
    assert ".cauce/remembered" in names
    assert ".cauce/address" not in names
