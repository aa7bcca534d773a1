"""Cloud Storage: an object streamed into the spill folder at one generation, then read as a file of its format.

Credentials by Google's usual discovery (GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, the machine's account), through
gcsfs; STORAGE_EMULATOR_HOST names an emulator, which needs none.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from cauce.core.errors import did_you_mean
from cauce.core.extras import need
from cauce.core.files import fingerprint
from cauce.data.sources.local import Rows
from cauce.data.sources.source import Asked, Raw

_SERVICE = "https://storage.googleapis.com"
_PATIENCE = 10.0
"""Seconds that the first contact may take."""
_PIECE = 8 << 20
_ROOM = 1.2
"""Free disk that an object needs, as a multiple of its size."""


@dataclass(frozen=True)
class CloudObject:
    """An object of a bucket, of one format."""

    rows: Rows
    keys: frozenset[str] = frozenset()

    def mark(self, asked: Asked) -> str:
        """Say the object's generation, which every change of it makes new."""
        with _storage_errors(asked):
            return _mark(_info(_connect(asked), asked))

    @contextmanager
    def opened(self, asked: Asked) -> Iterator[Raw]:
        """Fetch the object; see `Source`."""
        with _storage_errors(asked):
            path = _fetched(_connect(asked), asked)
        with self.rows(asked, path) as rows:
            yield rows


def _connect(asked: Asked) -> Any:
    # The core class speaks plain HTTP; the one that gcsfs gives by default asks over gRPC what kind of bucket it is.
    files = need("gcsfs.core", extra="gcs", what="a Cloud Storage source").GCSFileSystem
    emulated = asked.environment.get("STORAGE_EMULATOR_HOST")
    options: dict[str, Any] = {"token": "anon", "endpoint_url": _address(emulated)} if emulated else {}
    # gcsfs writes a traceback for what becomes one line here, and tries for two minutes before it does.
    logging.getLogger("gcsfs").addHandler(logging.NullHandler())
    _answers(_address(emulated) if emulated else _SERVICE)
    # No listing is kept: the next look sees what is there then.
    return files(access="read_only", use_listings_cache=False, skip_instance_cache=True, **options)


def _address(emulator: str) -> str:
    return emulator if "://" in emulator else f"http://{emulator}"


def _answers(address: str) -> None:
    """Raise ConnectionError at once where nothing answers; a proxy is left to answer for itself."""
    parts = urlsplit(address)
    if parts.scheme in getproxies():
        return
    try:
        socket.create_connection((parts.hostname, parts.port or 443), timeout=_PATIENCE).close()
    except OSError as error:
        raise ConnectionError(f"{parts.netloc} does not answer: {error.strerror or error}") from None


def _info(files: Any, asked: Asked) -> Mapping[str, Any]:
    address = asked.spec.source
    try:
        found: Mapping[str, Any] = files.info(address)
    except FileNotFoundError as error:
        raise asked.fault("no such object", hint=_nearest(files, address)) from error
    if found.get("type") != "file":
        raise asked.fault("a folder, not an object", hint=_nearest(files, address + "/x"))
    if not found.get("size"):
        raise asked.fault("the object is empty (0 bytes)", hint="Export it again, or name another one.")
    return found


def _nearest(files: Any, address: str) -> str:
    parent, _, name = address.rpartition("/")
    try:
        names = [PurePosixPath(path).name for path in files.ls(parent, detail=False)]
    except OSError:
        return f"There is nothing under {parent}/."
    return did_you_mean(name, [one for one in names if one]) or f"There is nothing under {parent}/."


def _mark(info: Mapping[str, Any]) -> str:
    return fingerprint(str(info.get("generation")), str(info.get("etag")), int(info["size"]))


def _fetched(files: Any, asked: Asked) -> Path:
    """Stream the object into the spill folder; it is whole, and of one generation, or there is an error."""
    before = _info(files, asked)
    size, free = int(before["size"]), shutil.disk_usage(asked.spill).free
    if size * _ROOM > free:
        what = f"the object has {size:,} bytes, and {free:,} are free on the disk"
        raise asked.fault(what, hint="Free some space and run the same command again.")
    ending = "".join(suffix for suffix in PurePosixPath(asked.spec.source).suffixes[-2:] if suffix.isascii())
    path, digest, done = (
        asked.spill / f"fetched{ending if ending.replace('.', '').isalnum() else ''}",
        hashlib.md5(usedforsecurity=False),
        0,
    )
    with (
        files.open(asked.spec.source, "rb", block_size=_PIECE, cache_type="readahead") as remote,
        path.open("wb") as local,
    ):
        while piece := remote.read(_PIECE):
            local.write(piece)
            digest.update(piece)
            done += len(piece)
            asked.progress(f"load {asked.name}", 0, 1, f"fetching: {done / 1e6:,.0f} of {size / 1e6:,.0f} MB")
    stated = before.get("md5Hash")
    torn = done != size or (stated and base64.b64decode(stated) != digest.digest())
    if torn or _mark(_info(files, asked)) != _mark(before):
        raise asked.fault("the object changed while it was read", hint="Run the same command again.")
    return path


@contextmanager
def _storage_errors(asked: Asked) -> Iterator[None]:
    need("gcsfs", extra="gcs", what="a Cloud Storage source")
    import aiohttp

    refused = need("google.auth.exceptions", extra="gcs", what="a Cloud Storage source").GoogleAuthError
    failed = need("gcsfs.retry", extra="gcs", what="a Cloud Storage source").HttpError
    try:
        yield
    except (refused, PermissionError) as error:
        hint = (
            "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's "
            "file that may read the bucket."
        )
        raise asked.fault(f"Cloud Storage does not let us in: {_first(error)}", hint=hint) from None
    except (failed, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        hint = "Check the address and the network, and run the same command again."
        raise asked.fault(f"Cloud Storage cannot be read: {_first(error)}", hint=hint) from None


def _first(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
