"""A PostgreSQL server of one's own, from the system's packages: in a temporary folder, on loopback, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER, PASSWORD = "ana", "s3cr:t@/ñ%"


@dataclass(frozen=True)
class Server:
    port: int
    folder: Path

    @property
    def address(self) -> str:
        """Without the password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def run(self, *statements: str) -> None:
        """Run SQL as the owner."""
        with self.connected() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        from urllib.parse import quote

        import adbc_driver_postgresql.dbapi as postgres

        address = self.address.replace("@", f":{quote(PASSWORD, safe='')}@", 1)
        with postgres.connect(address, autocommit=True) as connection:
            yield connection


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return folders[-1] if folders else None


def _user() -> str | None:
    """Return whom to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


@contextmanager
def serving(bin_folder: Path) -> Iterator[Server]:
    folder, user = Path(tempfile.mkdtemp(prefix="cauce-postgres-")), _user()
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        make = [bin_folder / "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", "--no-sync",
                "-E", "UTF8", "--locale=C", f"--pwfile={folder / 'password'}"]  # fmt: skip
        subprocess.run(list(map(str, make)), user=user, cwd=folder, check=True, capture_output=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        command = [str(bin_folder / "postgres"), "-D", str(folder / "data")]
        command += [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log)
        try:
            _wait(bin_folder, port, process)
            yield Server(port, folder)
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(bin_folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
    ready = [str(bin_folder / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with {process.returncode}")
        if subprocess.run(ready, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not answer within 30 s")
