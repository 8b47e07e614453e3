"""How many tokens may still be accepted, kept by the moment at which they end by themselves: a million are counted at once.

`tally` has one row for an agent (its row id) or a task (the negative of its row id; only tasks that may have more than
`BIG` tokens, the others are counted token by token) and one such moment in microseconds. A token stands in it from its
issue until it is revoked by itself, is used up, or its task ends. A cut-off of a whole agent or task begins a new count
(`since`). A cut-off that hits tokens across those lines writes nothing here: until every token it may have hit has ended
by itself, counts are made token by token (`tally_void`).
"""

from __future__ import annotations

# ruff: noqa: S608  # queries are put together from constants of these files alone
import sqlite3
from typing import Final

from nhictl.core.token.claims import LEEWAY_S
from nhictl.core.token.profile import MAX_BOUND_TTL_S

BIG: Final = 1000
LONGEST_US: Final = (MAX_BOUND_TTL_S + LEEWAY_S) * 1_000_000
"""No token is accepted for longer than this after its issue."""

_ENDS = f"min((t.expires + {LEEWAY_S}) * 1000000, k.deadline)"
_SINCE = "coalesce((SELECT seq FROM tally_since WHERE owner = {}), 0)"
_BY_AGENT = _SINCE.format("k.agent")
_BY_TASK = f"max({_BY_AGENT}, {_SINCE.format('-k.task')})"
OF_TASK: Final = f"(SELECT coalesce(sum(n), 0) FROM tally WHERE owner = -k.task AND since = {_BY_TASK} AND ends > :now)"
"""How many tokens of a large task `k` stand at the moment `:now`; exact if `trusted`."""
_ONE = "FROM token t JOIN open_task k ON k.task = t.task WHERE t.id = ?"
_ADD = (
    f"INSERT INTO tally (owner, since, ends, n) SELECT k.agent, {_BY_AGENT}, {_ENDS}, 1 {_ONE}"
    f" UNION ALL SELECT -k.task, {_BY_TASK}, {_ENDS}, 1 {_ONE} AND k.many"
    " ON CONFLICT (owner, since, ends) DO UPDATE SET n = n + 1"
)
_TAKE = "UPDATE tally SET n = n - ? WHERE owner = ? AND since = ? AND ends = ?"


def open_task(db: sqlite3.Connection, task: int) -> None:
    """Note what the tokens of a new task can be cut off by."""
    query = (
        "INSERT INTO open_task SELECT id, agent, instance, coalesce(json_extract(doc, '$.deadline_us'), 0),"
        f" coalesce(json_extract(doc, '$.max_tokens') > {BIG}, 0), json_extract(doc, '$.principal'),"
        " CAST(json_extract(doc, '$.ci.run_id') AS TEXT) FROM task WHERE id = ?"
    )
    db.execute(query, (task,))


def add(db: sqlite3.Connection, token: int) -> None:
    """Count a token that was just issued."""
    db.execute(_ADD, (token, token))


def forget(db: sqlite3.Connection, token: int) -> None:
    """Count a token no longer that has just ended alone; nothing if it went with its task or a cut-off before."""
    query = f"SELECT k.agent, -k.task, {_BY_AGENT}, {_BY_TASK}, {_ENDS} {_ONE} AND t.seq > {_BY_TASK}"
    row = db.execute(query, (token,)).fetchone()
    if row is not None:
        agent, task, by_agent, by_task, ends = row
        db.executemany(_TAKE, [(1, agent, by_agent, ends), (1, task, by_task, ends)])


def end_task(db: sqlite3.Connection, task: int, seq: int, *, for_good: bool) -> None:
    """Take an open task's tokens out of its agent's count, as record `seq` ends the task `for_good`, or cuts it off."""
    query = (
        f"SELECT k.agent, {_BY_AGENT}, {_BY_TASK}, k.many, l.ts FROM open_task k, log l WHERE k.task = ? AND l.seq = ?"
    )
    row = db.execute(query, (task, seq)).fetchone()
    if row is None:
        return
    agent, by_agent, by_task, many, now = row
    if many:
        found = db.execute(
            "SELECT n, ends FROM tally WHERE owner = ? AND since = ? AND ends > ?", (-task, by_task, now)
        )
    else:
        counted = (
            f"SELECT count(*), {_ENDS} FROM open_task k JOIN token t ON t.task = k.task WHERE k.task = ? AND t.expires > ?"
            " AND t.revoked IS NULL AND (t.uses IS NULL OR t.uses > 0) AND t.seq > ? GROUP BY 2"
        )
        found = db.execute(counted, (task, now // 1_000_000 - LEEWAY_S, by_task))
    db.executemany(_TAKE, [(n, agent, by_agent, ends) for n, ends in found.fetchall()])
    if for_good:
        db.execute("DELETE FROM open_task WHERE task = ?", (task,))
    else:
        restart(db, -task, seq)


def restart(db: sqlite3.Connection, owner: int, seq: int) -> None:
    """From record `seq` on, count only what is issued after it."""
    db.execute("INSERT OR REPLACE INTO tally_since (owner, seq) VALUES (?, ?)", (owner, seq))


def distrust(db: sqlite3.Connection, seq: int) -> None:
    """Trust no count until all tokens that were issued before record `seq` have ended by themselves."""
    query = "INSERT OR REPLACE INTO tally_void (id, until) SELECT 0, ts + ? FROM log WHERE seq = ?"
    db.execute(query, (LONGEST_US, seq))


def trusted(db: sqlite3.Connection, now_us: int) -> bool:
    """Whether counts are exact now: no cut-off across the lines is recent, and the clock is not behind the log."""
    query = "SELECT 1 FROM tally_void WHERE until > ? UNION ALL SELECT 1 FROM head WHERE ts > ? LIMIT 1"
    return db.execute(query, (now_us, now_us)).fetchone() is None


def of_agent(db: sqlite3.Connection, agent: int, now_us: int) -> int:
    """How many tokens of the agent stand; exact if `trusted`."""
    query = f"SELECT coalesce(sum(n), 0) FROM tally WHERE owner = ?1 AND since = {_SINCE.format('?1')} AND ends > ?2"
    return int(db.execute(query, (agent, now_us)).fetchone()[0])
