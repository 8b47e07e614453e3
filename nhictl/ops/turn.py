"""A writer's turn: the log key opened first, then the writers' lock, and both of the custody that is in force.

Opening a key may ask at the terminal, derive for half a second or run a program; none of that happens under the lock.
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
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


def new_log_key(house: House) -> LogKey:
    """Make one, of the house's randomness."""
    private = Ed25519PrivateKey.from_private_bytes(house.random(32))
    return LogKey(private, private.public_key().public_bytes_raw())


def kid_of(public: bytes) -> str:
    """What a log key is called in the table of keys."""
    return f"log-{sha256(public).hexdigest()[:16]}"


def in_turn(house: House, grants: bool, key: LogKey | None = None) -> tuple[WriteLock, LogKey]:
    """The writers' lock, and the log key, opened before it was taken and from the custody that is in force now.

    Whether the key is still the one in force is asked inside the transaction (`still`).
    """
    key = key or house.active.get("log") or log_key(house)
    lock = WriteLock(house.lock_path)
    lock.acquire(house.lock_timeout)
    try:
        current = house.keys_current()
    except BaseException:
        lock.release()
        raise
    if current:
        return lock, key
    lock.release()
    house.forget_keys()
    if grants:
        raise ConflictError("the custody of the keys was changed meanwhile", code="custody_changed", hint="try again")
    return in_turn(house, grants)


def still(house: House, key: LogKey, kid: str | None) -> LogKey:
    """The log key `kid` that is in force now that the lock is held: another, if it was rotated since `key` was opened.

    The key of the keys is open by now, so nothing is asked or derived for it.
    """
    if kid not in (None, kid_of(key.public)):
        key = log_key(house)
    house.active["log"] = key
    return key
