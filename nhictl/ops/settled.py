"""Whether what came of an allowed call was told already: it is told once, whoever tells it, counted by a limit or not."""

from __future__ import annotations

from nhictl.core.ledger import record
from nhictl.errors import ConflictError
from nhictl.ops.house import House
from nhictl.store import log


def by(house: House, task_row: int, call: int) -> int | None:
    """The number of the record that settled the call that record `call` of the task allowed; None while it is open.

    What somebody merely claims settles nothing.
    """
    for seq, line in log.mentioning(house.db, task_row, f'"called":{call}'.encode(), after=call):
        made = record.decode(line)
        told = (made.get("ext") or {}).get("called"), (made.get("src") or {}).get("state")
        if made["type"] == "tool.returned" and told == (call, "recorded"):
            return seq
    return None


def refuse_again(house: House, task_row: int, call: int) -> None:
    """ConflictError (5) unless the call is open: its result is what was said first."""
    if (seq := by(house, task_row, call)) is not None:
        raise ConflictError(
            f"the call of record {call} is settled, by record {seq}", code="already_settled", details={"record": seq}
        )
