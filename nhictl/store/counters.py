"""Counters of limits, by log number: running sums, so that what was used in any window is two look-ups.

A counter is known by a digest over what it counts for whom, so that no principal stands here in the clear. `charge` has
the sums after each record that took something; `refund` what was given back, by the time of the call it belongs to, so
that giving back never makes room that is not there. Amounts are exact, as text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from nhictl.core.ledger.content import canonical
from nhictl.store.agents import LATEST


class Sums(NamedTuple):
    """Calls, amount as text, and bytes that were ever counted up to a record."""

    calls: int
    spend: str
    bytes_out: int


class Taken(NamedTuple):
    """What one call took from one counter: its row id, the amount (None: money is not counted), when, and the record that
    settled it.
    """

    counter: int
    spend: str | None
    ts: int
    settled: int | None


def digest_of(chain: str, counter: Iterable[str | None]) -> bytes:
    """What a counter is known by: the members of `core/policy/limits.Counter`, in one log."""
    return sha256(b"nhictl-counter\0" + canonical([chain, *counter])).digest()


def find(db: sqlite3.Connection, digest: bytes) -> int | None:
    """The row id of a counter, None if it never counted anything."""
    row = db.execute("SELECT id FROM counter WHERE digest = ?", (digest,)).fetchone()
    return int(row[0]) if row else None


def make(db: sqlite3.Connection, digest: bytes) -> int:
    """The row id of a counter, made if it is new."""
    found = find(db, digest)
    if found is not None:
        return found
    return int(db.execute("INSERT INTO counter (digest) VALUES (?)", (digest,)).lastrowid or 0)


def declared(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """The limits of every policy there ever was, in their canonical form."""
    for (doc,) in db.execute("SELECT compiled FROM policy"):
        yield from json.loads(doc).get("limits", ())


def forget(db: sqlite3.Connection, before_us: int, most: int) -> int:
    """Let go of up to `most` charges of before a moment, what was given back of calls of then, and settled reservations.

    The newest charge of each counter and the newest sum of what was given back stay: counts that begin at that moment or
    later are as they were, those that begin earlier, and those that never begin, count no less.
    """
    old = (
        "SELECT c.counter, c.seq FROM charge c WHERE c.ts <= ?1 AND EXISTS (SELECT 1 FROM charge d"
        " WHERE d.counter = c.counter AND d.seq > c.seq AND d.ts <= ?1) LIMIT ?2"
    )
    count = db.execute(f"DELETE FROM charge WHERE (counter, seq) IN ({old})", (before_us, most)).rowcount  # noqa: S608
    newer = "SELECT 1 FROM refund d WHERE d.counter = refund.counter AND d.seq > refund.seq"
    db.execute(f"DELETE FROM refund WHERE ts <= ? AND EXISTS ({newer})", (before_us,))  # noqa: S608
    db.execute("DELETE FROM reserved WHERE settled IS NOT NULL AND ts <= ?", (before_us,))
    return count


def drop(db: sqlite3.Connection, counters: list[int]) -> None:
    """Let go of counters, and of everything they counted."""
    for table, column in (("charge", "counter"), ("refund", "counter"), ("reserved", "counter"), ("counter", "id")):
        query = f"DELETE FROM {table} WHERE {column} = ?"  # noqa: S608 - constants of this function
        db.executemany(query, [(counter,) for counter in counters])


def sums(db: sqlite3.Connection, counter: int, below: int = LATEST) -> Sums:
    """The sums as of the first `below` records."""
    query = "SELECT calls, spend, bytes FROM charge WHERE counter = ? AND seq < ? ORDER BY seq DESC LIMIT 1"
    row = db.execute(query, (counter, below)).fetchone()
    return Sums(*row) if row else Sums(0, "0", 0)


def sums_at(db: sqlite3.Connection, counter: int, ts: int, below: int = LATEST) -> Sums:
    """The sums as of a moment (microseconds, that one included), within the first `below` records."""
    query = (
        "SELECT calls, spend, bytes FROM charge INDEXED BY charge_ts WHERE counter = ? AND ts <= ? AND seq < ?"
        " ORDER BY ts DESC, seq DESC LIMIT 1"
    )
    row = db.execute(query, (counter, ts, below)).fetchone()
    return Sums(*row) if row else Sums(0, "0", 0)


def refunds(db: sqlite3.Connection, counter: int, since: int, below: int = LATEST) -> list[tuple[int, str]]:
    """The calls and amounts given back, of calls later than `since` (microseconds), within the first `below` records."""
    query = "SELECT calls, spend FROM refund WHERE counter = ? AND ts > ? AND seq < ?"
    return list(db.execute(query, (counter, since, below)))


def refunded(db: sqlite3.Connection, counter: int, below: int = LATEST) -> tuple[int, str]:
    """All that was ever given back, as of the first `below` records."""
    query = "SELECT all_calls, all_spend FROM refund WHERE counter = ? AND seq < ? ORDER BY seq DESC LIMIT 1"
    row = db.execute(query, (counter, below)).fetchone()
    return (int(row[0]), str(row[1])) if row else (0, "0")


def put(db: sqlite3.Connection, counter: int, seq: int, ts: int, after: Sums) -> None:
    """The sums after record `seq`."""
    query = "INSERT INTO charge (counter, seq, ts, calls, spend, bytes) VALUES (?, ?, ?, ?, ?, ?)"
    db.execute(query, (counter, seq, ts, *after))


def reserve(db: sqlite3.Connection, seq: int, counter: int, spend: str | None, ts: int) -> None:
    """The call of record `seq` took one call and an amount from a counter."""
    db.execute("INSERT INTO reserved (seq, counter, spend, ts) VALUES (?, ?, ?, ?)", (seq, counter, spend, ts))


def give_back(
    db: sqlite3.Connection, counter: int, seq: int, ts: int, one: tuple[int, str], everything: tuple[int, str]
) -> None:
    """Record `seq` gave back calls and an amount of a call made at `ts`; `everything` is the sum with it."""
    query = "INSERT INTO refund (counter, seq, ts, calls, spend, all_calls, all_spend) VALUES (?, ?, ?, ?, ?, ?, ?)"
    db.execute(query, (counter, seq, ts, *one, *everything))


def taken(db: sqlite3.Connection, seq: int) -> list[Taken]:
    """What the call of record `seq` took."""
    query = "SELECT counter, spend, ts, settled FROM reserved WHERE seq = ? ORDER BY counter"
    return [Taken(*row) for row in db.execute(query, (seq,))]


def settle(db: sqlite3.Connection, seq: int, by: int) -> None:
    """The call of record `seq` is settled by record `by`."""
    db.execute("UPDATE reserved SET settled = ? WHERE seq = ?", (by, seq))
