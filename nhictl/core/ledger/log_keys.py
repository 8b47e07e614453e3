"""Which key signs a log's checkpoints, and from which size on: what its own records say.

The first record names the first key. `log.key_rotated` names the next one, under a signature by the key before over chain
id, number of the record, hash of the record before, and both keys: it binds everything up to there. From the checkpoint
that covers the record on, the new key signs.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from typing import Any, Final

from nhictl.core.ledger import checkpoint, record

ROTATED: Final = b"log.key_rotated"
TYPE_AT: Final = slice(50, 65)
"""Where a record of ours has its type: `ts` stands before it and is always 27 characters long."""


class LogKeys:
    """The keys of one log in their order. `fault` is the first record that names a key without proof, and why."""

    __slots__ = ("chain", "fault", "keys", "sizes")

    def __init__(self) -> None:
        self.keys: list[bytes] = []
        self.sizes: list[int] = []
        self.chain = ""
        self.fault: tuple[int, str] | None = None

    def begin(self, genesis: bytes) -> None:
        """Take the first record of the log."""
        self.chain = checkpoint.chain_id(genesis)
        try:
            first = record.decode(genesis)
            if first["type"] != "log.genesis":
                raise record.RecordError("it is no `log.genesis`")
            self._add(1, _key(first, "log_key"))
        except record.RecordError as e:
            self.fault = (0, f"the first record is not the beginning of a log of ours: {e}")

    def follow(self, seq: int, line: bytes) -> None:
        """Take a `log.key_rotated`, number `seq`, that links to the records before it."""
        if self.fault is not None:
            return
        try:
            value = record.decode(line)
            old, new, signature = (_key(value, name, size) for name, size in _MEMBERS)
        except record.RecordError as e:
            self.fault = (seq, f"record {seq} names no log key: {e}")
            return
        message = checkpoint.hand_over(self.chain, seq, value["prev"], old, new)
        if value["outcome"] != "ok" or old != self.keys[-1] or new in self.keys:
            self.fault = (seq, f"record {seq} does not pass the log key on from the one that signed before")
        elif not checkpoint.signed_raw(message, signature, old):
            self.fault = (seq, f"record {seq} names a log key that the one before did not sign")
        else:
            self._add(seq + 1, new)

    def _add(self, size: int, key: bytes) -> None:
        self.sizes.append(size)
        self.keys.append(key)

    def at(self, size: int) -> bytes | None:
        """The key that signs a checkpoint over `size` records; None before the first."""
        found = bisect_right(self.sizes, size)
        return self.keys[found - 1] if found else None


_MEMBERS: Final = (("old_key", 32), ("new_key", 32), ("signature", 64))


def members(old: bytes, new: bytes, signature: bytes) -> dict[str, str]:
    """What `log.key_rotated` carries in `ext`."""
    values = zip(_MEMBERS, (old, new, signature), strict=True)
    return {name: base64.b64encode(value).decode() for (name, _), value in values}


def _key(value: dict[str, Any], name: str, size: int = 32) -> bytes:
    """The bytes that a record's `ext` names; RecordError if it does not."""
    ext = value.get("ext")
    try:
        found = base64.b64decode(ext[name], validate=True) if isinstance(ext, dict) else b""
    except (KeyError, TypeError, ValueError) as e:
        raise record.RecordError(f"it has no `{name}`") from e
    if len(found) != size:
        raise record.RecordError(f"it has no `{name}` of {size} bytes")
    return found
