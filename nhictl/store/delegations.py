"""Tokens made from tokens: each with its parent, the agent it was made for, and its boxes; and proofs that were taken."""

from __future__ import annotations

# ruff: noqa: S608  # queries are put together from constants of this file alone
import sqlite3
from typing import NamedTuple

from nhictl.core.token.claims import LEEWAY_S
from nhictl.store.agents import LATEST
from nhictl.store.work import TokenRow


class Link(NamedTuple):
    """One delegated token: its row and its parent's, the agent it was made for, its boxes as JSON, and how it stands."""

    token: int
    parent: int
    actor: int
    depth: int
    scope: str
    jti: bytes
    instance: str
    seq: int
    uses: int | None
    revoked: int | None


class Root(NamedTuple):
    """The token at the beginning of a chain, which was issued for the task itself."""

    token: int
    jti: bytes
    instance: str
    seq: int
    uses: int | None
    revoked: int | None


_UP = (
    "WITH RECURSIVE up (token, parent) AS (SELECT token, parent FROM delegation WHERE token = ?"
    " UNION ALL SELECT d.token, d.parent FROM delegation d JOIN up ON d.token = up.parent)"
    " SELECT d.token, d.parent, d.actor, d.depth, d.scope, t.jti, t.instance, t.seq, t.uses, t.revoked"
    " FROM up JOIN delegation d ON d.token = up.token JOIN token t ON t.id = up.token ORDER BY d.depth DESC"
)
_DOWN = (
    "WITH RECURSIVE down (token) AS (SELECT token FROM delegation WHERE parent = ?"
    " UNION ALL SELECT d.token FROM delegation d JOIN down ON d.parent = down.token)"
)


def add(db: sqlite3.Connection, link: tuple[int, int, int, int, str]) -> None:
    """Keep a delegated token: its row, its parent's row, the agent's row, depth, boxes as JSON."""
    db.execute("INSERT INTO delegation (token, parent, actor, depth, scope) VALUES (?, ?, ?, ?, ?)", link)


def acts_in(db: sqlite3.Connection, task: int, actor: int) -> bool:
    """Whether any token of the task was ever handed to that agent."""
    query = "SELECT 1 FROM token t JOIN delegation d ON d.token = t.id WHERE t.task = ? AND d.actor = ? LIMIT 1"
    return db.execute(query, (task, actor)).fetchone() is not None


def chain(db: sqlite3.Connection, token: int) -> tuple[list[Link], Root | None]:
    """The delegations that led to a token, its own first, and the token they began with; none for one issued directly."""
    links = [Link(*row) for row in db.execute(_UP, (token,))]
    if not links:
        return [], None
    query = "SELECT id, jti, instance, seq, uses, revoked FROM token WHERE id = ?"
    row = db.execute(query, (links[-1].parent,)).fetchone()
    return links, Root(*row) if row else None


_STANDS = (
    " JOIN token t ON t.id = down.token JOIN open_task k ON k.task = t.task WHERE t.revoked IS NULL AND t.expires > ?"
    " AND (t.uses IS NULL OR t.uses > 0) AND k.deadline > ?"
)


def descendants(db: sqlite3.Connection, token: int, now_us: int) -> list[TokenRow]:
    """Every token that was made from this one, however often handed on, that has not ended by itself."""
    query = f"{_DOWN} SELECT t.* FROM down{_STANDS} ORDER BY t.seq"
    return [TokenRow(*row) for row in db.execute(query, (token, now_us // 1_000_000 - LEEWAY_S, now_us))]


def held(db: sqlite3.Connection, actor: int, now_us: int) -> list[TokenRow]:
    """The tokens of other agents' tasks that were delegated to that agent, or made from those, and have not ended by
    themselves.
    """
    query = (
        "WITH RECURSIVE down (token) AS (SELECT token FROM delegation WHERE actor = ?"
        " UNION SELECT d.token FROM delegation d JOIN down ON d.parent = down.token)"
        f" SELECT t.* FROM down{_STANDS} AND k.agent <> ? ORDER BY t.seq"
    )
    return [TokenRow(*row) for row in db.execute(query, (actor, now_us // 1_000_000 - LEEWAY_S, now_us, actor))]


def actor_cut(db: sqlite3.Connection, link: Link, below: int = LATEST) -> int | None:
    """The number of the first cut-off of everything the actor held that came after this token, or None."""
    query = "SELECT min(seq) FROM cutoff WHERE kind = 'agent' AND ref = ? AND seq > ? AND seq < ?"
    return db.execute(query, (link.actor, link.seq, below)).fetchone()[0]  # type: ignore[no-any-return]


def taken(db: sqlite3.Connection, mark: bytes, now_s: int) -> bool:
    """Whether a proof with that mark was taken and could still come again."""
    return db.execute("SELECT 1 FROM proof WHERE mark = ? AND until > ?", (mark, now_s)).fetchone() is not None


def take(db: sqlite3.Connection, mark: bytes, now_s: int, until: int) -> bool:
    """Remember a proof until then and forget old ones; False if it was taken before (decided by rows affected)."""
    db.execute("DELETE FROM proof WHERE until <= ?", (now_s,))
    return db.execute("INSERT OR IGNORE INTO proof (mark, until) VALUES (?, ?)", (mark, until)).rowcount == 1
