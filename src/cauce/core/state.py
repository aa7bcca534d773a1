"""The folder `.cauce/` beside cauce.toml: where everything that a project remembers lies.

Only `runs/` may be thrown away. The layout has a version: an older one is migrated, a newer one refused.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cauce.core.errors import UserError
from cauce.core.files import disk_errors, sync_folder, write_bytes

FORMAT = 1


@dataclass(frozen=True)
class State:
    """Paths of one project's state.

    Parameters
    ----------
    project
        The folder that holds cauce.toml, absolute.
    """

    project: Path

    @property
    def root(self) -> Path:
        """`.cauce/`."""
        return self.project / ".cauce"

    @property
    def lake(self) -> Path:
        """Delta tables: ``lake/<data>/``, and ``lake/<data>.<model>/`` for labelled rows of the ledger."""
        return self.root / "lake"

    @property
    def runs(self) -> Path:
        """Stage results by fingerprint; may be thrown away."""
        return self.root / "runs"

    @property
    def record(self) -> Path:
        """Audits, looks and decisions, as JSON: ``record/<model or data>/``."""
        return self.root / "record"

    @property
    def mlflow(self) -> Path:
        """MLflow's SQLite file."""
        return self.root / "mlflow.db"

    @property
    def models(self) -> Path:
        """MLflow's artefacts: the packages."""
        return self.root / "models"

    def ledger(self, model: str) -> Path:
        """Predictions and truths of one model."""
        return self.root / "ledger" / model

    @property
    def token(self) -> Path:
        """The first token, mode 600."""
        return self.root / "secrets" / "token"

    @property
    def shared(self) -> Path:
        """What the service's workers share: answers under idempotency keys, codes, sessions."""
        return self.root / "serve.sqlite"

    @property
    def address(self) -> Path:
        """Where the service listens, for as long as it does: one line, as ``http://127.0.0.1:8321``."""
        return self.root / "address"

    @property
    def hash_key(self) -> Path:
        """The secret of hashed columns in ledgers, mode 600."""
        return self.root / "secrets" / "hash_key"

    @property
    def locks(self) -> Path:
        """Folder of `loop.lock` and `serve.lock`."""
        return self.root

    def open(self) -> State:
        """Make the folder where it is missing, check its format, and return self.

        Raises
        ------
        UserError
            The state was written by a newer Cauce, or its format file cannot be read.
        """
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        mark = self.root / "format"
        try:
            found = int(mark.read_text(encoding="ascii"))
        except FileNotFoundError:
            write_bytes(mark, f"{FORMAT}\n".encode())
            write_bytes(self.root / ".gitignore", b"*\n")
            return self
        except ValueError as error:
            raise UserError("not a format number", where=str(mark), hint=f"Write {FORMAT} into it.") from error
        if found > FORMAT:
            hint = "Update Cauce, or use the version that wrote it."
            raise UserError(f"format {found}, this Cauce reads up to {FORMAT}", where=str(mark), hint=hint)
        return self

    def read_token(self) -> str:
        """Return the first token, made at the first call: 32 random bytes, readable by the owner alone."""
        return self._secret(self.token)

    def read_hash_key(self) -> bytes:
        """Return the secret that hashes columns of the ledgers, made at the first call as the token is.

        Without it nobody can tell what a hash stood for; a new one makes new hashes, which match no old ones.
        """
        return self._secret(self.hash_key).encode("ascii")

    def _secret(self, path: Path) -> str:
        try:
            return path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(path.parent, 0o700)  # noqa: PTH101 - mkdir's mode is masked
            made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            write_bytes(made, secrets.token_urlsafe(32).encode() + b"\n", mode=0o600)
            with suppress(FileExistsError):  # another process made it in the meantime: there is one secret
                os.link(made, path)
            made.unlink()
            sync_folder(path.parent)
            return self._secret(path)
