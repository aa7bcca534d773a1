"""The package of a release: a folder of JSON, Arrow, Parquet and booster text under a manifest of SHA-256 digests.

    manifest.json     format version; path, size and SHA-256 of every other file, sorted by path
    training.json     core.artefacts.Training
    model/            what `Fitted.save` wrote; behind row functions also their files, see cauce.rows.fitted
    profile.arrow     summaries of the training snapshot
    bins.json         the bins in which drift is counted
    counts.json       reference counts: column → rows per bin
    units.parquet     unit (string), role ("train" or "held_out"), loss (float64, null for train)
    expected.json     what the units held out let expect of rows to come, where they were enough
    second/           models that help to expect it: a folder <figure>-<number> each, as `Fitted.save` wrote it

The manifest's own SHA-256 is the release's digest and stands in the registry. `open_package` checks the digest, then
every byte of the folder, and parses only afterwards. What is not protected: whoever may write the folder while it is
being read, and whoever may write the registry too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cauce.core import registry
from cauce.core.artefacts import Training
from cauce.core.errors import Tampered, UserError
from cauce.core.files import disk_errors, file_digest, from_json, sync_folder, to_json
from cauce.core.protocols import Fitted

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
MANIFEST = "manifest.json"
EXPECTED, SECOND = "expected.json", "second"
_MANIFEST_LIMIT = 16_000_000  # bytes; a manifest is a few kilobytes


@dataclass(frozen=True, eq=False)
class Package:
    """A verified release in memory."""

    training: Training
    fitted: Fitted
    profile_bytes: bytes
    bins_bytes: bytes
    reference_counts: Mapping[str, npt.NDArray[np.int64]]
    """Column → rows per bin, shape (n_bins,)."""
    units: pa.Table
    """unit (string), role ("train" or "held_out"), loss (float64, null for train)."""
    expected_bytes: bytes | None = None
    """`expected.json`; None of a release that has none, as those of an earlier Cauce."""
    second: Mapping[str, Sequence[Fitted]] = field(default_factory=dict)
    """``classes``, or a figure → the models that expect it."""


def write_package(
    folder: Path,
    *,
    fitted: Fitted,
    training: Training,
    profile: bytes,
    bins: bytes,
    reference_counts: Mapping[str, npt.NDArray[np.int64]],
    units: pa.Table,
    expected: bytes | None = None,
    second: Mapping[str, Sequence[Fitted]] | None = None,
) -> str:
    """Write a package and return its digest; a folder that was there before is replaced. One writer at a time.

    Parameters
    ----------
    folder
        Where it goes. It appears whole, or not at all.
    units
        Columns ``unit`` (string), ``role`` (``train`` or ``held_out``), ``loss`` (float64, null for train).
    expected, second
        As `Package` holds them; the second models are those of the tasks classify (``classes``) and regress (figures).

    Returns
    -------
    str
        SHA-256 of the manifest, hexadecimal.

    Raises
    ------
    UserError
        The disk is full or the folder may not be written.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{folder.name}.*"):  # by a call that was killed
            shutil.rmtree(left)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            draft.chmod(0o755)
            (draft / "training.json").write_bytes(to_json(training))
            (draft / "model").mkdir()
            fitted.save(draft / "model")
            (draft / "profile.arrow").write_bytes(profile)
            (draft / "bins.json").write_bytes(bins)
            (draft / "counts.json").write_bytes(_counts_to_json(reference_counts))
            _write_units(draft / "units.parquet", units)
            _write_expected(draft, expected, second or {})
            manifest = _manifest_of(draft)
            (draft / MANIFEST).write_bytes(manifest)
            place_folder(draft, folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return hashlib.sha256(manifest).hexdigest()


def open_package(folder: Path, digest: str) -> Package:
    """Verify every byte of a package, then load it.

    Parameters
    ----------
    folder
        What `write_package` wrote.
    digest
        What it returned, as the registry's tag says.

    Raises
    ------
    Tampered
        A file is missing, extra, a link, or not the one that was written. Nothing has been parsed.
    UserError
        A newer Cauce wrote it.
    """
    import pyarrow.parquet as pq

    verify_package(folder, digest)
    where = str(folder)
    training = from_json((folder / "training.json").read_bytes(), Training, where=f"{where}/training.json")
    counts = json.loads((folder / "counts.json").read_bytes())
    with pq.ParquetFile(folder / "units.parquet") as file:
        units = file.read()
    return Package(
        training=training,
        fitted=registry.load_fitted(training.task, folder / "model", where=f"{where}/training.json"),
        profile_bytes=(folder / "profile.arrow").read_bytes(),
        bins_bytes=(folder / "bins.json").read_bytes(),
        reference_counts={column: np.asarray(values, dtype=np.int64) for column, values in counts.items()},
        units=units,
        expected_bytes=(folder / EXPECTED).read_bytes() if (folder / EXPECTED).is_file() else None,
        second=_read_second(folder / SECOND),
    )


def read_training(folder: Path, digest: str) -> Training:
    """Read `training.json` alone, checked against the manifest: what a status page needs of a release.

    Raises
    ------
    Tampered
        The manifest or `training.json` is not the one that was written.
    """
    entry = _read_manifest(folder, digest).get("training.json")
    if entry is None:
        raise _tampered(folder / "training.json", "not in the manifest")
    content = _read_regular(folder / "training.json", limit=entry.size)
    if len(content) != entry.size or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise _tampered(folder / "training.json", "the content differs from what was registered")
    return from_json(content, Training, where=str(folder / "training.json"))


def verify_package(folder: Path, digest: str) -> None:
    """Check the manifest against `digest`, and every file against the manifest; parse nothing else.

    Raises
    ------
    Tampered
        With what differs, and where.
    """
    listed = _read_manifest(folder, digest)
    found = set(_files(folder))
    for name in sorted(found - set(listed) - {MANIFEST}):
        raise _tampered(folder / name, "a file that was not registered")
    for name, entry in listed.items():
        path = folder / name
        if name not in found:
            raise _tampered(path, "missing")
        size = path.stat(follow_symlinks=False).st_size
        if size != entry.size:
            raise _tampered(path, f"{size} bytes instead of {entry.size}")
        if file_digest(path) != entry.sha256:
            raise _tampered(path, "the content differs from what was registered")


def place_folder(draft: Path, folder: Path) -> None:
    """Sync all of `draft` and move it to `folder`, whose earlier content goes away."""
    for base, _, names in os.walk(draft, topdown=False):
        for name in names:
            with (Path(base) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(base))
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        folder.replace(old)
        draft.replace(folder)
        shutil.rmtree(old)
    else:
        draft.replace(folder)
    sync_folder(folder.parent)


@dataclass(frozen=True)
class _Entry:
    """One file of the manifest."""

    sha256: str
    size: int


def _manifest_of(folder: Path) -> bytes:
    rows = [
        {"path": name, "sha256": file_digest(folder / name), "size": (folder / name).stat().st_size}
        for name in sorted(_files(folder))
    ]
    return json.dumps({"format": FORMAT, "files": rows}, indent=2).encode() + b"\n"


def _read_manifest(folder: Path, digest: str) -> dict[str, _Entry]:
    if folder.is_symlink() or not folder.is_dir():
        raise _tampered(folder, "missing, or a link")
    path = folder / MANIFEST
    content = _read_regular(path, limit=_MANIFEST_LIMIT)
    if hashlib.sha256(content).hexdigest() != digest:
        raise _tampered(path, "the manifest is not the one that was registered")
    document = json.loads(content)
    if document["format"] > FORMAT:
        hint = "Update Cauce, or use the version that wrote it."
        raise UserError(f"package format {document['format']}, this Cauce reads {FORMAT}", where=str(path), hint=hint)
    entries = {row["path"]: _Entry(row["sha256"], row["size"]) for row in document["files"]}
    root = folder.resolve()
    for name in entries:
        inside = (root / name).resolve().is_relative_to(root)
        if not inside or str(PurePosixPath(name)) != name or PurePosixPath(name).is_absolute():
            raise _tampered(path, f"names a file outside the package: {name!r}")
    return entries


def _files(folder: Path) -> list[str]:
    """List regular files below `folder`, relative; anything but files and folders is refused."""
    names = []
    for base, folders, files in os.walk(folder, followlinks=False):
        for name in folders + files:
            path = Path(base) / name
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                names.append(path.relative_to(folder).as_posix())
            elif not stat.S_ISDIR(mode):
                raise _tampered(path, "a link or a special file")
    return names


def _read_regular(path: Path, *, limit: int) -> bytes:
    """Read a file without following a link, at most `limit` bytes and one."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _tampered(path, "missing, or a link") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _tampered(path, "not a file")
        return file.read(limit + 1)


def _tampered(path: Path, what: str) -> Tampered:
    hint = "Nothing of this release was loaded. Restore the folder from a backup, or train again."
    return Tampered(what, where=str(path), hint=hint)


def _counts_to_json(counts: Mapping[str, npt.NDArray[np.int64]]) -> bytes:
    return json.dumps({column: [int(n) for n in values] for column, values in counts.items()}).encode()


def _write_units(path: Path, units: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("unit", pa.string()), ("role", pa.string()), ("loss", pa.float64())])
    pq.write_table(units.select(schema.names).cast(schema), path, compression="zstd")


def _write_expected(draft: Path, expected: bytes | None, second: Mapping[str, Sequence[Fitted]]) -> None:
    if expected is not None:
        (draft / EXPECTED).write_bytes(expected)
    for name, models in second.items():
        for number, fitted in enumerate(models):
            own = draft / SECOND / f"{name}-{number}"
            own.mkdir(parents=True)
            fitted.save(own)


def _read_second(folder: Path) -> dict[str, list[Fitted]]:
    """Return the second models by what they expect, in order; none where there is no folder."""
    found: dict[str, list[Fitted]] = {}
    if not folder.is_dir():
        return found
    for own in sorted(folder.iterdir(), key=lambda each: int(each.name.rpartition("-")[2])):
        name = own.name.rpartition("-")[0]
        task = "classify" if name == "classes" else "regress"
        found.setdefault(name, []).append(registry.load_fitted(task, own, where=str(own)))
    return found
