"""The database and the log's end: whole, of this schema, continued where it ends, and not put back."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Final

from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger.merkle import CompactRange
from nhictl.errors import NhictlError
from nhictl.ops import audit_log, high_water
from nhictl.ops.doctor.report import Check, Patient
from nhictl.store import agents, erasure, inspect, log
from nhictl.store.schema import VERSION

_VERIFY: Final = "look at it with: nhictl audit verify; if it is damaged: nhictl home restore FILE"


def database(patient: Patient) -> Iterator[Check]:
    """Opened, checked by SQLite itself, in write-ahead mode, with nothing in it that runs by itself."""
    try:
        db = patient.open()
    except NhictlError as e:
        if e.code == "schema_older":
            yield Check("database", "warn", e.message, "it is migrated, with a backup, by the next command")
            return
        raise
    if faults := inspect.quick_check(db):
        yield Check("database", "bad", f"damaged: {faults[0]}", "nhictl home restore FILE")
    elif (mode := inspect.journal_mode(db)) != "wal":
        yield Check("database", "bad", f"in journal mode {mode}, not wal: readers and writers block each other")
    elif strange := inspect.programs(db):
        yield Check("database", "bad", f"holds what we did not put there: {', '.join(strange[:5])}", _VERIFY)
    else:
        yield Check("database", "ok", f"schema {VERSION}, {inspect.size(db) // 1024} KiB, whole")


def newest(patient: Patient) -> Iterator[Check]:
    """Whether the head is the newest record's, and signed; `audit verify` looks at all the others."""
    db = patient.open()
    head = log.head(db)
    if head is None or head.size == 0:
        yield Check("log", "bad", "the log is empty", _VERIFY)
        return
    line, note = log.line(db, head.size - 1), log.newest_note(db)
    try:
        tree, said = CompactRange.from_bytes(head.size, head.subtrees), checkpoint.parse(note or "")
    except ValueError as e:
        yield Check("log", "bad", f"the head of the log is damaged: {e}", _VERIFY)
        return
    keys = audit_log.public_keys(patient.house)
    if line is None or record.next_prev(line) != head.prev or log.line(db, head.size) is not None:
        yield Check("log", "bad", "the head of the log is not its newest record", _VERIFY)
    elif (said.size, said.root) != (head.size, tree.root()):
        yield Check("log", "bad", "the newest checkpoint is not of the newest record", _VERIFY)
    elif not keys or not checkpoint.signed_by(note or "", keys[-1]):
        yield Check("log", "bad", "the newest checkpoint is not signed by the log's key", _VERIFY)
    else:
        yield Check("log", "ok", f"{head.size} records; the newest is signed (all of them: nhictl audit verify)")


def mark(patient: Patient) -> Iterator[Check]:
    """Whether the database holds the mark; what a missing or a strange mark can and cannot tell."""
    house = patient.house
    held = high_water.read(house)
    db = patient.open()
    head = log.head(db)
    if (found := high_water.fault(house, db, held)) is not None:
        error = found.error()
        yield Check("high-water", "bad", error.message, error.hint)
        return
    if held is None:
        text = "no mark yet: this home is older than marks are; the next act makes one"
        yield Check("high-water", "warn", text, "until then a database put back would not be noticed")
        return
    seen = checkpoint.parse(held.decode())
    public = [base64.b64decode(json.loads(row.public)["ed25519"]) for row in agents.keys(db, "log")]
    size = head.size if head else 0
    if not any(checkpoint.signed_by(held.decode(), key) for key in public):
        yield Check("high-water", "bad", "the mark is not signed by the log's key", _VERIFY)
    elif seen.size < size:
        text = f"the mark lags {size - seen.size} records behind, as after a crash; the next act moves it"
        yield Check("high-water", "ok" if size - seen.size < 10 else "warn", text)
    else:
        yield Check("high-water", "ok", f"the database is as far as it was seen: {size} records")


def erasures(patient: Patient) -> Iterator[Check]:
    """Whether what was erased is out of every file of the home."""
    waiting = erasure.waiting(patient.open())
    if not waiting:
        yield Check("erasure", "ok", "nothing that was erased is waiting to be cleaned out of a file")
        return
    text = f"erasures that are not finished: records {', '.join(str(one.seq) for one in waiting[:5])}"
    yield Check("erasure", "warn", text, "finish them: nhictl audit redact --finish")
