"""Published status lists: which entry of which list is whose, and what the entries of a list have to say."""

from __future__ import annotations

# ruff: noqa: S608  # queries are put together from constants of the store's files alone
import sqlite3
from typing import NamedTuple

from nhictl.store.agents import LATEST


class Newest(NamedTuple):
    """The list that new tokens get their entries in, and how many it has given out."""

    number: int
    used: int


class Entry(NamedTuple):
    """One entry of a list: its token's row, whether that was ended by itself or a cut-off, and whose it is."""

    idx: int
    token: int
    ended: bool
    agent: int
    instance: str
    delegated: bool


def newest(db: sqlite3.Connection) -> Newest | None:
    """The newest list, None where none was ever published."""
    row = db.execute("SELECT id, used FROM status_list ORDER BY id DESC LIMIT 1").fetchone()
    return Newest(*row) if row else None


def add_list(db: sqlite3.Connection, seq: int) -> int:
    """Begin another list; returns its number, from 1."""
    return int(db.execute("INSERT INTO status_list (seq, used) VALUES (?, 0)", (seq,)).lastrowid or 0)


def is_free(db: sqlite3.Connection, number: int, idx: int) -> bool:
    """Whether no token has that entry, nor ever had it."""
    query = "SELECT 1 FROM token_status WHERE list = ? AND idx = ?"
    return db.execute(query, (number, idx)).fetchone() is None


def take(db: sqlite3.Connection, number: int, idx: int, token: int) -> None:
    """Give an entry to a token, for ever."""
    db.execute("INSERT INTO token_status (list, idx, token) VALUES (?, ?, ?)", (number, idx, token))
    db.execute("UPDATE status_list SET used = used + 1 WHERE id = ?", (number,))


def current(db: sqlite3.Connection, good_s: int) -> list[int]:
    """The lists that matter: the newest, and those with a token that has not expired at `good_s`."""
    query = (
        "SELECT l.id FROM status_list l WHERE l.id = (SELECT max(id) FROM status_list) OR EXISTS (SELECT 1 FROM"
        " token_status s JOIN token t ON t.id = s.token WHERE s.list = l.id AND t.expires > ?) ORDER BY l.id"
    )
    return [int(row[0]) for row in db.execute(query, (good_s,))]


def entries(db: sqlite3.Connection, number: int, now_us: int, good_s: int) -> list[Entry]:
    """The entries of a list whose tokens have not expired."""
    from nhictl.store import cuts

    query = (
        "SELECT s.idx, t.id, t.revoked IS NOT NULL OR t.uses = 0 OR k.ended IS NOT NULL OR k.deadline <= :now"
        f" OR EXISTS (SELECT 1 FROM cutoff c WHERE {cuts.HITS}), k.agent, t.instance,"
        " EXISTS (SELECT 1 FROM delegation d WHERE d.token = t.id)"
        f" FROM token_status s JOIN token t ON t.id = s.token JOIN {cuts.TASKS} k ON k.task = t.task"
        " WHERE s.list = :list AND t.expires > :good"
    )
    values = {"list": number, "now": now_us, "good": good_s, "below": LATEST}
    return [Entry(row[0], row[1], bool(row[2]), row[3], row[4], bool(row[5])) for row in db.execute(query, values)]
