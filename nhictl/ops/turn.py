"""A writer's turn: the log key opened first, then the writers' lock, and both of the custody that is in force.

Opening a key may ask at the terminal, derive for half a second or run a program; none of that happens under the lock.
"""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nhictl.errors import ConflictError, UnsafeError
from nhictl.ops.house import House
from nhictl.store import agents, sqlite
from nhictl.store.lock import WriteLock


class LogKey(NamedTuple):
    """The key that signs checkpoints and nothing else."""

    private: Ed25519PrivateKey
    public: bytes


def log_key(house: House) -> LogKey:
    """Open the log key; UnsafeError (6) if there is none, or if the custody does not open it."""
    with sqlite.guarded("read the log key"):
        row = agents.active_key(house.db, "log")
    if row is None:
        raise UnsafeError("the home has no log key", code="home_incomplete")
    public = row.public

    def load(raw: bytes) -> LogKey:
        return LogKey(Ed25519PrivateKey.from_private_bytes(raw), base64.b64decode(json.loads(public)["ed25519"]))

    return house.opened(row, load)


def in_turn(house: House, grants: bool, key: LogKey | None = None) -> tuple[WriteLock, LogKey]:
    """The writers' lock, and the log key, opened before it was taken and from the custody that is in force now."""
    key = key or log_key(house)
    lock = WriteLock(house.lock_path)
    lock.acquire(house.lock_timeout)
    if house.keys_current():
        return lock, key
    lock.release()
    house.forget_keys()
    if grants:
        raise ConflictError("the custody of the keys was changed meanwhile", code="custody_changed", hint="try again")
    return in_turn(house, grants)
