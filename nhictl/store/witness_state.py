"""What a witness remembers: a folder of its own with its key, and for each log the newest checkpoint it accepted.

DIR/witness.json         its name and secret key, made at the first use, 0600
DIR/<chain id>.json      the newest checkpoint of that log, replaced in one step, durable before it is answered
DIR/lock                 taken while one is looked at and replaced
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from nhictl.errors import UnavailableError, UnsafeError
from nhictl.store import files
from nhictl.store.lock import WriteLock

_KEY: Final = "witness.json"
_LIMIT: Final = 1 << 20


class WitnessState:
    """The folder, locked from `open` to `close`. UnsafeError (6) if it is loose or damaged, UnavailableError (7) if it
    cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = WriteLock(folder / "lock")

    def open(self, timeout: float = 10.0) -> None:
        """Make the folder if there is none, and take the lock; ConflictError (5) if that is not had in time."""
        files.make_directory(self.folder)
        self._lock.acquire(timeout)

    def close(self) -> None:
        """Let go."""
        self._lock.release()

    def key(self, name: str, secret: bytes) -> tuple[str, bytes]:
        """Name and secret key: those of the folder, else these from now on."""
        path = self.folder / _KEY
        if (known := self._read(path)) is None:
            self._write_key(path, {"name": name, "secret": secret.hex()})
            return name, secret
        try:
            return str(known["name"]), bytes.fromhex(known["secret"])
        except (KeyError, TypeError, ValueError) as e:
            raise self._damaged(path) from e

    def _write_key(self, path: Path, value: dict[str, str]) -> None:
        try:
            files.write_new(path, json.dumps(value).encode() + b"\n")
        except OSError as e:
            raise UnavailableError(f"cannot write `{path}`: {(e.strerror or str(e)).lower()}") from e

    def remembered(self, chain: str) -> dict[str, Any] | None:
        """What is known of a log, None if it was never seen."""
        return self._read(self.folder / f"{chain}.json")

    def remember(self, chain: str, value: dict[str, Any]) -> None:
        """Replace what is known of a log."""
        path = self.folder / f"{chain}.json"
        files.replace_public(path, json.dumps(value, ensure_ascii=False).encode() + b"\n")
        path.chmod(0o600)

    def _read(self, path: Path) -> dict[str, Any] | None:
        if files.identity(path) is None:
            return None
        try:
            value = json.loads(files.read_secret(path, _LIMIT))
        except ValueError as e:
            raise self._damaged(path) from e
        if not isinstance(value, dict):
            raise self._damaged(path)
        return value

    def _damaged(self, path: Path) -> UnsafeError:
        return UnsafeError(
            f"`{path}` is damaged: what the witness remembers cannot be told", code="witness_damaged",
            hint="put it back from a copy; without it the witness has seen nothing",
        )  # fmt: skip
