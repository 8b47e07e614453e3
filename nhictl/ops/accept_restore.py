"""`doctor --accept-restore`: take a database that was put back as the one that counts, in the open.

The log keeps that it was restored, from which head to which, and one cut-off ends every token issued before: what was
revoked after the backup was made is not known any more, so nothing from before is trusted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core import times
from nhictl.errors import ConflictError
from nhictl.ops import standing
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import cuts, log
from nhictl.store.cuts import Cut


class Accepted(NamedTuple):
    """Why the database was refused, the head that was seen here before and the one it had, and the live tokens cut off."""

    code: str
    message: str
    was: dict[str, Any] | None
    found: dict[str, Any]
    tokens: int
    newest: str

    def to_json(self) -> dict[str, Any]:
        """The member `restored` of `nhictl.accepted/v1`."""
        return self._asdict()


def accept(house: House) -> tuple[Accepted, Head]:
    """Record the restore and cut off every token issued so far; returns the head after the record.

    ConflictError (5) if the database holds the high-water mark: then nothing was put back.
    """

    def decide(act: Act) -> Accepted:
        if act.mark.found is None:
            raise ConflictError("nothing was put back: the database holds the high-water mark", code="nothing_restored")
        found, head = act.mark.accept(), act.head().to_json(seq=False)
        live = standing.count(act.house, Cut("all"), act.now_us).standing
        before = log.head(act.db)
        seq = act.record(
            "log.restored", ext={"why": found.code, "was": found.mark, "found": head, "live_tokens": live}
        )  # fmt: skip
        cuts.write(act.db, Cut("all"), seq)
        newest = times.rfc3339(before.ts if before else act.now_us)
        return Accepted(found.code, found.message, found.mark, head, live, newest)

    return transact(house, decide, revokes=True)
