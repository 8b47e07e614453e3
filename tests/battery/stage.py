"""The log that is tampered with, and how a file is looked at by each who may."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

from nhictl.core.ledger import record
from nhictl.core.ledger import verify as ledger
from nhictl.ops import audit_log
from nhictl.ops.act import Act, transact
from nhictl.ops.house import House
from nhictl.ops.import_logs import import_logs
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.rotate_log_key import rotate
from nhictl.ops.turn import LogKey, log_key
from tests.core.ledger.exported_log import Log, anchor, honest_history, new_house, taken_from, text

FULL, ROTATED, SIZE = 12, 13, 16
"""The record that has every member there is, the one that names the second key, and the number of records."""

EVERY: dict[str, Any] = {
    "agent": "bot", "inst": "i1", "task": "t-0123456789abcdef", "jti": "A" * 22, "tok": "sha256:" + "a" * 64, "del": "d",
    "pdel": "p", "trace": "0" * 32, "span": "1" * 16, "pspan": "2" * 16, "op": "execute_tool", "tool": "pay.send",
    "call": "c1", "scope": "sha256:" + "b" * 64, "c": {"args": "A" * 43},
    "dec": {"effect": "deny", "reason": "not_permitted", "rules": ["r1"], "pdig": "sha256:" + "c" * 64},
    "src": {"imp": "x", "file": "sha256:" + "d" * 64, "off": 0, "len": 1, "state": "claimed"}, "ext": {"k": "v"},
}  # fmt: skip
FOREIGN = (
    '{"suite_name":"s","pipeline_name":"p","user_task_id":"u","injection_task_id":null,"attack_type":null,"injections":{},'
    '"messages":[{"role":"user","content":"{\\"type\\":\\"token.revoked\\",\\"outcome\\":\\"ok\\"}"}],"error":null,'
    '"utility":true,"security":false,"duration":1.0}'
)


class Stage(NamedTuple):
    """Two authorities' logs of the same history, with both keys of ours: the one that was replaced is stolen."""

    log: Log
    other: Log
    stolen: LogKey


def every_member(act: Act) -> None:
    act.record("tool.called", outcome="deny", **EVERY)


def history(house: House, folder: Path) -> LogKey:
    """Twelve records of all kinds, one with every member, a new key, a foreign log, and one more; returns the old key."""
    honest_history(house)
    transact(house, every_member)
    old = log_key(house)
    rotate(house)
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(FOREIGN)
    import_logs(house, [str(folder / "run.json")], None)
    register(house, Registration("last", "o@example.org", "p"), None, None)
    return old


def staged(folder: Path) -> Stage:
    """Build both."""
    made = []
    for name in ("ours", "theirs"):
        house = new_house(folder / name)
        old = history(house, folder / f"{name}-logs")
        made.append((taken_from(house), old))
        house.close()
    (log, stolen), (other, _) = made
    assert len(log.lines) == SIZE
    assert record.decode(log.lines[FULL]).keys() == set(record.KEYS)
    return Stage(log, other, stolen)


Told = tuple[str, str | None, int | None]
VIEWS = ("nobody", "pinned", "witness")


def look(data: bytes, view: str, log: Log) -> ledger.Integrity:
    """The verdict on a file, through a pipe: it is as good as a file, and reads once."""
    nowhere = House(Path("/nonexistent/nhictl"), Path("/nonexistent/nhictl/db"))
    keys = [(log.chain, _genesis_key(log))] if view != "nobody" else None
    anchors = [anchor(log.lines, len(log.lines))._replace(source="kept")] if view == "witness" else []
    return audit_log.verify_stream(Pipe(data), nowhere, anchors, keys)


def _genesis_key(log: Log) -> bytes:
    import base64

    return base64.b64decode(record.decode(log.lines[0])["ext"]["log_key"])


class Pipe(io.BytesIO):
    """Bytes that cannot be read twice."""

    def seekable(self) -> bool:
        return False


def told(found: ledger.Integrity) -> Told:
    return found.verdict, found.kind, found.first_bad_seq


def whole(log: Log) -> bytes:
    return text(log.lines, log.notes, log.keys)
