"""Record lines: a closed registry of types, one fixed order of keys, `prev` last, every byte covered by the chain.

Shapes follow reference/log.md §1. A line holds catalogue names, ids and commitments; content is kept outside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from nhictl.core import strict_json
from nhictl.core.ledger.merkle import leaf_hash

GENESIS_PREV: Final = "0" * 64
MAX_LINE: Final = 65536
"""Bytes. Content lies outside the line, so a longer one is not ours."""

KEYS: Final = (
    "v", "ts", "type", "outcome", "actor", "agent", "inst", "task", "jti", "tok", "del", "pdel", "trace", "span",
    "pspan", "op", "tool", "call", "scope", "dec", "c", "src", "ext", "prev",
)  # fmt: skip
_KEY_SET: Final = frozenset(KEYS)

TYPES: Final = frozenset(
    f"{noun}.{verb}"
    for noun, verbs in {
        "log": "genesis key_rotated redacted imported exported restored",
        "agent": "registered updated suspended resumed retired key_rotated svid_issued",
        "instance": "suspended resumed",
        "task": "opened closed killed",
        "token": "issued delegated exchanged presented denied used revoked",
        "trust": "added removed published",
        "lease": "taken lost",
        "credential": "acquired revoked revoke_failed",
        "policy": "activated evaluated",
        "tool": "called returned",
        "message": "added",
        "approval": "requested granted denied used",
        "key": "prepared activated tainted revoked",
        "authority": "frozen unfrozen",
        "custody": "changed",
    }.items()
    for verb in verbs.split()
)
OUTCOMES: Final = frozenset({"ok", "deny", "error"})

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class RecordError(ValueError):
    """The bytes are not a record line of ours; the message says why."""


def _forbid_floats(value: Any) -> None:
    level = [value]
    for item in level:  # which grows meanwhile
        if item.__class__ is str or item.__class__ is int:
            continue
        if isinstance(item, float):
            raise RecordError("a record holds no floats")
        if isinstance(item, dict):
            level.extend(item.values())
        elif isinstance(item, list):
            level.extend(item)


def encode(fields: dict[str, Any], prev: str) -> bytes:
    """Return the line (no line feed) of `fields`, whose absent or None members are left out, linked to `prev`.

    Raises RecordError for an unknown type, outcome or member, a float, a lone surrogate, or a line over `MAX_LINE` bytes.
    """
    kind, outcome = fields.get("type"), fields.get("outcome")
    if not (isinstance(kind, str) and kind in TYPES and isinstance(outcome, str) and outcome in OUTCOMES):
        raise RecordError(f"no such record type or outcome: `{str(kind)[:64]}`, `{str(outcome)[:64]}`")
    if not fields.keys() <= _KEY_SET or "prev" in fields:
        raise RecordError(f"no such record members: {sorted(fields.keys() - _KEY_SET)}")
    ordered: dict[str, Any] = {"v": 1}
    for key in KEYS[1:]:
        value = fields.get(key)
        if value is not None:
            if not isinstance(value, str):
                _forbid_floats(value)
            ordered[key] = value
    ordered["prev"] = prev
    try:
        line = _encode(ordered).encode()
    except UnicodeEncodeError as e:
        raise RecordError("lone surrogate in a record") from e
    if len(line) > MAX_LINE:
        raise RecordError(f"a record line of {len(line)} bytes is over {MAX_LINE}")
    return line


def decode(line: bytes) -> dict[str, Any]:
    """Return the members of a stored line; raise RecordError unless encoding them again gives the very same bytes."""
    if len(line) > MAX_LINE:
        raise RecordError(f"line of {len(line)} bytes is over {MAX_LINE}")
    try:
        value = strict_json.loads(line)
    except strict_json.StrictJSONError as e:
        raise RecordError(str(e)) from e
    if not isinstance(value, dict) or not isinstance(prev := value.pop("prev", None), str):
        raise RecordError("not a record: no `prev`")
    if value.get("v") != 1 or encode(value, prev) != line:
        raise RecordError("not a record of version 1 in its one canonical form")
    return value | {"prev": prev}


def decoded(
    rows: Iterable[tuple[int, bytes]], failed: Callable[[], object] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered lines as members; one that is no record of ours is passed over, and told of by calling `failed`.

    The verdict on the log tells of such a line; who folds records has to be able to go on.
    """
    for seq, line in rows:
        try:
            found = decode(line)
        except RecordError:
            if failed is not None:
                failed()
            continue
        yield seq, found


def next_prev(line: bytes) -> str:
    """What the record after `line` carries as `prev`: the RFC 6962 leaf hash of `line`, hex."""
    return leaf_hash(line).hex()
