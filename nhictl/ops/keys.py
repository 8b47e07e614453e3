"""`key list`, and what the verbs on signing keys share: finding one, when it may sign, and its JSON."""

from __future__ import annotations

from typing import Any, Final

from nhictl.core import times
from nhictl.core.token import key_state
from nhictl.core.token.publish import SETTLE_S
from nhictl.errors import NotFoundError, UnsafeError
from nhictl.ops import standing
from nhictl.ops.house import House
from nhictl.ops.make_key import MAKERS
from nhictl.store import agents as table
from nhictl.store import cuts, key_states, log, sqlite, svids
from nhictl.store.cuts import Cut

LOG_ALG: Final = "Ed25519"


def find(house: House, kid: str) -> table.KeyRow:
    """The signing key of that kid as it stands now; NotFoundError (4)."""
    row = key_states.by_kid(house.db, kid)
    if row is None:
        raise NotFoundError(f"no signing key `{kid[:64]}`", code="key_unknown", hint="nhictl key list")
    return row


def settled_us(house: House, row: table.KeyRow, below: int = table.LATEST) -> int | None:
    """When everybody who refreshes by the bundle's hint has a key: some while after the last folder came to show it.

    At once (0) where nothing is published, since then nobody elsewhere checks tokens; None while a folder does not show it.
    """
    shown = key_states.publications(house.db, row.id, below).values()
    known = [at_us for at_us in shown if at_us is not None]
    if len(known) < len(shown):
        return None
    return max(known, default=-SETTLE_S * 1_000_000) + SETTLE_S * 1_000_000


def to_json(
    house: House, row: table.KeyRow, now_us: int, below: int = table.LATEST, live: int | None = None
) -> dict[str, Any]:  # fmt: skip
    """The key as it stands after the first `below` records; `row.state` is what it was then.

    `live` is the number of its live tokens, where it was counted before.
    """
    since = key_states.since(house.db, row.id, below)
    if since is None:
        raise UnsafeError(f"signing key `{row.kid}` has no history in the database", code="store_damaged")
    ready = settled_us(house, row, below) if row.state == key_state.PREPARED else None
    if row.state == key_state.REVOKED:
        live = 0
    elif live is None and row.use == "x509":
        live = svids.live_under(house.db, row.id, now_us // 1_000_000, below).number
    elif live is None:
        live = _standing(house, row.id, now_us, below)
    return {
        "kid": row.kid,
        "use": row.use,
        "alg": MAKERS[row.use].alg if row.use in MAKERS else LOG_ALG if row.use == "log" else None,
        "state": row.state,
        "since": times.rfc3339(since.ts),
        "signs": row.state == key_state.ACTIVE,
        "live_tokens": live if row.use == "token" else None,
        "live_svids": live if row.use == "x509" else None,
        "ready": times.rfc3339(max(ready, since.ts)) if ready is not None else None,
        "seq": since.seq,
    }


def _standing(house: House, key: int, now_us: int, below: int) -> int:
    """How many tokens that the key signed may still be accepted, as of the first `below` records."""
    if below >= table.LATEST:
        return standing.count(house, Cut("kid", key), now_us).standing
    return len(cuts.hit(house.db, Cut("kid", key), now_us, below))


def everything(house: House, at_us: int | None = None) -> list[dict[str, Any]]:
    """All signing keys now or at a moment, those of one use together, oldest first; the private parts stay sealed."""
    house = house.reader()
    with sqlite.guarded("read the signing keys"):
        house.db.execute("BEGIN")
        try:
            now = house.clock() if at_us is None else at_us
            below = table.LATEST if at_us is None else log.size_at(house.db, at_us)
            rows = [row for use in key_states.uses(house.db) for row in table.keys(house.db, use, below)]
            return [to_json(house, row, now, below) for row in rows]
        finally:
            house.db.execute("COMMIT")
