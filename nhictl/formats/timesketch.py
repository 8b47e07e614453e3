"""Records as Timesketch's JSONL: one event a line, with `message`, `datetime` and `timestamp_desc`, which it requires.

| Timesketch        | ours                                                                                       |
|-------------------|--------------------------------------------------------------------------------------------|
| `message`         | type, tool, outcome, agent, reason, in words                                               |
| `datetime`        | `ts`, RFC 3339, UTC                                                                        |
| `timestamp`       | the same in microseconds since the epoch                                                   |
| `timestamp_desc`  | `Record Written`: the moment we recorded it; a framework's own time is `claimed_time`      |
| `data_type`       | `nhictl:` and the record's type                                                            |
| `seq`, `chain`    | the record's number; the log it is of                                                      |
| `username`, `hostname` | `actor.os_user` or `actor.id`; `actor.host`                                           |
| `agent`, `instance`, `task`, `jti`, `tool`, `call_id`, `operation`, `trace_id`, `span_id`, `parent_span_id` | as in the line |
| `outcome`, `decision`, `reason`, `rules` | `outcome`, `dec.effect`, `dec.reason`, `dec.rules` joined by blanks         |
| `evidence`        | `src.state`: `recorded` (also where the line does not say), `claimed`, `imported`          |
| `record_hash`     | the RFC 6962 leaf hash of the line, hex, by which a checkpoint proves it                   |

Fields that a record does not have are left out. Content is not in it.
"""

from __future__ import annotations

from typing import Any, Final

from nhictl.core import times
from nhictl.core.ledger.record import next_prev
from nhictl.formats.ocsf import words

TIMESTAMP_DESC: Final = "Record Written"
_SAME: Final = {
    "agent": "agent", "inst": "instance", "task": "task", "jti": "jti", "tool": "tool", "call": "call_id",
    "op": "operation", "trace": "trace_id", "span": "span_id", "pspan": "parent_span_id", "outcome": "outcome",
}  # fmt: skip


def event(seq: int, line: bytes, record: dict[str, Any], chain: str) -> dict[str, Any]:
    """One record as an event of a timeline."""
    decision, actor, ext = record.get("dec") or {}, record.get("actor") or {}, record.get("ext") or {}
    reason = decision.get("reason")
    made: dict[str, Any] = {
        "message": words(record) + (f" ({reason})" if reason else ""),
        "datetime": record["ts"],
        "timestamp": times.parse_rfc3339(record["ts"]),
        "timestamp_desc": TIMESTAMP_DESC,
        "data_type": f"nhictl:{record['type']}",
        "seq": seq,
        "chain": chain,
        "username": actor.get("os_user") or actor.get("id"),
        "hostname": actor.get("host"),
        **{theirs: record.get(ours) for ours, theirs in _SAME.items()},
        "decision": decision.get("effect"),
        "reason": reason,
        "rules": " ".join(decision.get("rules") or ()) or None,
        "evidence": evidence(record),
        "claimed_time": ext.get("time"),
        "record_hash": next_prev(line),
    }
    return {name: value for name, value in made.items() if value is not None}


def evidence(record: dict[str, Any]) -> str:
    """What a record rests on."""
    return (record.get("src") or {}).get("state") or "recorded"
