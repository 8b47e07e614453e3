"""Records as rows of a table, for CSV: one row a record, the columns that stand in the line under short names.

`seq`, `time` (`ts`), `type`, `outcome`, `actor` (`actor.id`), `host` (`actor.host`), `agent`, `instance` (`inst`), `task`,
`jti`, `tool`, `call`, `operation` (`op`), `decision` (`dec.effect`), `reason` (`dec.reason`), `rules` (`dec.rules`, joined
by blanks), `evidence` (`src.state`), `hash` (the RFC 6962 leaf hash of the line). What is not there is an empty cell; what
a spreadsheet would take for a formula is escaped by whoever writes the cells.
"""

from __future__ import annotations

from typing import Any, Final

from nhictl.core.ledger.record import next_prev
from nhictl.formats.timesketch import evidence

COLUMNS: Final = (
    "seq", "time", "type", "outcome", "actor", "host", "agent", "instance", "task", "jti", "tool", "call", "operation",
    "decision", "reason", "rules", "evidence", "hash",
)  # fmt: skip


def row(seq: int, line: bytes, record: dict[str, Any]) -> tuple[Any, ...]:
    """One record under `COLUMNS`."""
    decision, actor = record.get("dec") or {}, record.get("actor") or {}
    plain = (record.get(name) for name in ("agent", "inst", "task", "jti", "tool", "call", "op"))
    return (
        seq, record["ts"], record["type"], record["outcome"], actor.get("id"), actor.get("host"), *plain,
        decision.get("effect"), decision.get("reason"), " ".join(decision.get("rules") or ()) or None, evidence(record),
        next_prev(line),
    )  # fmt: skip
