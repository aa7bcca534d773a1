"""A package is read whole and untouched, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import pickletools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cauce.core import registry
from cauce.core.artefacts import Training
from cauce.core.errors import Tampered, UserError
from cauce.track import open_package, package, read_training, write_package

Maker = Callable[..., Training]
Packer = Callable[..., str]


@pytest.fixture
def written(tmp_path: Path, make_training: Maker, make_package: Packer) -> tuple[Path, str]:
    folder = tmp_path / "package"
    return folder, make_package(folder, make_training(), cut=33.0)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_written_is_read_again(written: tuple[Path, str], make_training: Maker) -> None:
    found = open_package(*written)
    assert found.training == make_training() == read_training(*written)
    assert found.fitted.cut == 33.0  # type: ignore[attr-defined]
    assert (found.profile_bytes, found.bins_bytes) == (b"profile", b'{"age": [1, 2]}')
    assert found.reference_counts["age"].tolist() == [3, 4, 0]
    assert found.reference_counts["age"].dtype == "int64"
    assert found.units.to_pydict() == {"unit": ["a", "b"], "role": ["train", "held_out"], "loss": [None, 0.5]}


def test_digest_is_that_of_the_manifest_and_depends_on_content_alone(
    written: tuple[Path, str], tmp_path: Path, make_training: Maker, make_package: Packer
) -> None:
    folder, digest = written
    assert hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest() == digest
    assert make_package(tmp_path / "elsewhere", make_training(), cut=33.0) == digest
    assert make_package(tmp_path / "elsewhere", make_training(), cut=34.0) != digest


def test_manifest_lists_every_other_file_sorted(written: tuple[Path, str]) -> None:
    folder, _ = written
    rows = json.loads((folder / "manifest.json").read_bytes())["files"]
    names = [row["path"] for row in rows]
    assert names == sorted(p.relative_to(folder).as_posix() for p in files(folder) if p.name != "manifest.json")


def test_one_flipped_byte_in_any_file_refuses(written: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, digest = written
    monkeypatch.setattr(registry, "task", lambda *_, **__: pytest.fail("parsed before it was verified"))
    monkeypatch.setattr(package, "from_json", lambda *_, **__: pytest.fail("parsed before it was verified"))
    for path in files(folder):
        content = path.read_bytes()
        for at in {0, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(Tampered, match=path.name):
                open_package(folder, digest)
        path.write_bytes(content)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_change_of_bytes_passes(data: st.DataObject, written: tuple[Path, str]) -> None:
    folder, digest = written
    path = data.draw(st.sampled_from(files(folder)))
    before = path.read_bytes()
    start = data.draw(st.integers(0, len(before)))
    after = before[:start] + data.draw(st.binary(max_size=5)) + before[data.draw(st.integers(start, len(before))) :]
    path.write_bytes(after)
    try:
        if after == before:
            open_package(folder, digest)
        else:
            with pytest.raises(Tampered):
                open_package(folder, digest)
    finally:
        path.write_bytes(before)


def _extra(folder: Path) -> None:
    (folder / "model" / "extra.json").write_text("{}")


def _missing(folder: Path) -> None:
    (folder / "bins.json").unlink()


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _linked_file(folder: Path) -> None:
    (folder / "bins.json").rename(folder.parent / "bins.json")
    (folder / "bins.json").symlink_to(folder.parent / "bins.json")


def _linked_manifest(folder: Path) -> None:
    (folder / "manifest.json").rename(folder.parent / "manifest.json")
    (folder / "manifest.json").symlink_to(folder.parent / "manifest.json")


def _linked_folder(folder: Path) -> None:
    (folder / "model").rename(folder.parent / "model")
    (folder / "model").symlink_to(folder.parent / "model")


def _linked_package(folder: Path) -> None:
    folder.rename(folder.parent / "real")
    folder.symlink_to(folder.parent / "real")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def _pipe_as_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")


def _gone(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "change",
    [
        _extra,
        _missing,
        _no_manifest,
        _linked_file,
        _linked_manifest,
        _linked_folder,
        _linked_package,
        _pipe,
        _pipe_as_manifest,
        _gone,
    ],
)
def test_a_changed_tree_is_refused(written: tuple[Path, str], change: Callable[[Path], None]) -> None:
    folder, digest = written
    change(folder)
    with pytest.raises(Tampered):
        open_package(folder, digest)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "model/../../outside.json", "./bins.json"])
def test_a_manifest_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.json").write_text("{}")
    folder = tmp_path / "package"
    folder.mkdir()
    row = {"path": name, "sha256": hashlib.sha256(b"{}").hexdigest(), "size": 2}
    content = json.dumps({"format": 1, "files": [row]}).encode()
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(Tampered, match="outside"):
        open_package(folder, hashlib.sha256(content).hexdigest())


def test_training_alone_is_verified_too(written: tuple[Path, str]) -> None:
    folder, digest = written
    path = folder / "training.json"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.4"))
    with pytest.raises(Tampered, match=r"training\.json"):
        read_training(folder, digest)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    content = json.dumps({"format": 2, "files": []}).encode()
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UserError, match="format 2") as caught:
        open_package(tmp_path, hashlib.sha256(content).hexdigest())
    assert not isinstance(caught.value, Tampered)


def test_a_failed_write_leaves_what_was_there(
    written: tuple[Path, str], make_training: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, digest = written

    class Failing:
        def save(self, _: Path) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="disk is full"):
        write_package(
            folder,
            fitted=Failing(),  # type: ignore[arg-type]
            training=make_training(),
            profile=b"",
            bins=b"",
            reference_counts={},
            units=open_package(folder, digest).units,
        )
    assert open_package(folder, digest).profile_bytes == b"profile"
    assert [path.name for path in folder.parent.iterdir()] == ["package"]


def test_nothing_in_a_package_is_a_pickle(written: tuple[Path, str]) -> None:
    for path in files(written[0]):
        assert path.suffix in {".json", ".arrow", ".parquet", ".txt"}
        with pytest.raises((ValueError, IndexError, UnicodeDecodeError)):
            list(pickletools.genops(path.read_bytes()))
