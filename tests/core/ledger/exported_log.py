"""A log to tamper with: an honest history, its exported lines, and the tools an attacker would write."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.merkle import CompactRange, leaf_hash
from nhictl.core.policy.box import parse_box
from nhictl.errors import ConflictError, NotFoundError
from nhictl.ops import audit_log
from nhictl.ops.end_task import end_task
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.turn import LogKey, log_key
from tests.harness import Clock

WRONG = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WRONG_KEY = LogKey(WRONG, WRONG.public_key().public_bytes_raw())


def new_house(home: Path) -> House:
    """A fresh authority in `home` whose clock stands still."""
    made = House(home, home / DATABASE, clock=Clock())
    initialise(made, "example.org", None)
    return made


def honest_history(house: House) -> list[str]:
    """Acts and failed acts, ten records after the first two; returns the tokens."""
    register(house, Registration("bot", "ops@example.org", "tests"), None, None)
    with pytest.raises(ConflictError):
        register(house, Registration("bot", "ops@example.org", "tests"), None, None)
    register(house, Registration("other", "ops@example.org", "tests", groups=("a", "b")), None, None)
    task, _ = open_task(house, Order("bot", "try", "a test", (parse_box("a.b"),), max_tokens=5, instance="i1"))
    made = [issue_token(house, task["id"], "https://api.example.org")[0] for _ in range(5)]
    with pytest.raises(ConflictError):
        issue_token(house, task["id"], "https://api.example.org")
    revoke(house, Selector(jti=made[0].jti), "a reason")
    with pytest.raises(NotFoundError):
        revoke(house, Selector(jti="AAAAAAAAAAAAAAAAAAAAAA"), None)
    end_task(house, task["id"], "closed", None)
    return [token.token for token in made]


class Log(NamedTuple):
    """An exported log in parts: record lines, checkpoints, and the key they were signed with."""

    lines: list[bytes]
    notes: list[str]
    keys: list[str]
    key: LogKey

    @property
    def chain(self) -> str:
        return checkpoint.chain_id(self.lines[0])


def export(house: House) -> bytes:
    out = io.BytesIO()
    audit_log.export_native(house, out)
    return out.getvalue()


def taken_from(house: House) -> Log:
    """The parts of a house's exported log."""
    *lines, last, rest = export(house).split(b"\n")
    assert rest == b""
    final = json.loads(last)
    return Log(lines, final["notes"], final["keys"], log_key(house))


def text(lines: Iterable[bytes], notes: Iterable[str] | None, keys: Iterable[str] = ()) -> bytes:
    """The bytes of an exported log; without the last line if `notes` is None."""
    made = b"".join(line + b"\n" for line in lines)
    if notes is not None:
        last = {"schema": "nhictl.checkpoints/v1", "keys": list(keys), "notes": list(notes)}
        made += json.dumps(last, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return made


def edited(line: bytes, **members: Any) -> bytes:
    """The line with other members and the same `prev`."""
    value = record.decode(line)
    prev = value.pop("prev")
    return record.encode({**value, **members}, prev)


def relinked(lines: list[bytes]) -> list[bytes]:
    """The lines with every `prev` made right: what somebody without the key can do."""
    made: list[bytes] = []
    for line in lines:
        value = record.decode(line)
        del value["prev"]
        made.append(record.encode(value, record.next_prev(made[-1]) if made else record.GENESIS_PREV))
    return made


def root_of(lines: Iterable[bytes]) -> bytes:
    tree = CompactRange()
    for line in lines:
        tree.append(leaf_hash(line))
    return tree.root()


def note(lines: list[bytes], size: int, key: LogKey) -> str:
    """A checkpoint over the first `size` lines, signed with `key`."""
    said = checkpoint.Checkpoint(checkpoint.chain_id(lines[0]), size, root_of(lines[:size]))
    return checkpoint.sign(said, key.private, key.public)


def anchor(lines: list[bytes], size: int) -> ledger.Anchor:
    """What a witness remembers who saw the first `size` of these lines."""
    return ledger.Anchor(checkpoint.chain_id(lines[0]), size, root_of(lines[:size]), "a witness")
