"""Cut-offs: one row ends every token that was issued before it and that it covers; which those are is told by queries.

A token *stands* if a check may still accept it, now or after a suspension or freeze is lifted: not expired (with the
leeway), not revoked, not used up, its task neither ended nor past its deadline. That is what a revocation ends.
"""

from __future__ import annotations

# ruff: noqa: S608  # queries are put together from constants of these files alone
import sqlite3
from typing import Any, Final, NamedTuple

from nhictl.core.token.claims import LEEWAY_S
from nhictl.store import tally
from nhictl.store.agents import LATEST
from nhictl.store.work import TokenRow


class Cut(NamedTuple):
    """What a cut-off covers: `kind` with a row id (`agent`, `task`, `kid`) or a text (`instance`, `principal`,
    `ci-run`), or `issued` or `all`; narrowed to one agent and to times of issue, half-open, in seconds, where those are set.
    """

    kind: str
    ref: int = 0
    value: str | None = None
    agent: int | None = None
    from_s: int | None = None
    to_s: int | None = None

    @property
    def plain(self) -> bool:
        """Whether it covers all of one agent's or one task's tokens."""
        return self.kind in ("agent", "task") and self.agent is None and self.from_s is None


class Covered(NamedTuple):
    """How many of a task's tokens are covered and stand."""

    task: int
    agent: int
    instance: str
    tokens: int


_NEAR: Final = 20_000
TEXTS: Final = ("instance", "principal", "ci-run")
_OF_TASK: Final = {
    "all": "1",
    "agent": "k.agent = :ref",
    "task": "k.task = :ref",
    "instance": "k.instance = :value",
    "principal": "k.principal = :value",
    "ci-run": (
        "(k.run = :value OR k.instance = 'claimed.gitlab.' || :value"
        " OR (k.instance > 'claimed.github.' || :value || '.' AND k.instance < 'claimed.github.' || :value || '/'))"
    ),
}


def _text(kind: str, same: str) -> str:
    return f"(c.kind = '{kind}' AND c.ref IN (SELECT v.id FROM cut_value v WHERE v.kind = '{kind}' AND {same}))"


_RUN = (
    "(v.value = k.run OR t.instance = 'claimed.gitlab.' || v.value"
    " OR substr(t.instance, 1, length(v.value) + 16) = 'claimed.github.' || v.value || '.')"
)
HITS: Final = (
    "c.seq > t.seq AND c.seq < :below AND (c.agent IS NULL OR c.agent = k.agent)"
    " AND (c.from_s IS NULL OR (t.issued >= c.from_s AND t.issued < c.to_s))"
    " AND ((c.kind = 'agent' AND c.ref = k.agent) OR (c.kind = 'task' AND c.ref = k.task)"
    " OR c.kind = 'all' OR (c.kind = 'kid' AND c.ref = t.key) OR (c.kind = 'issued' AND c.ref = 0)"
    f" OR {_text('instance', 'v.value = t.instance')}"
    f" OR {_text('principal', 'v.value = k.principal')}"
    f" OR {_text('ci-run', _RUN)})"
)
"""Whether the cut-off `c`, below record `:below`, ends the token `t` of the task `k`."""
TASKS: Final = (
    "(SELECT id AS task, agent, instance, json_extract(doc, '$.deadline_us') AS deadline, ended,"
    " json_extract(doc, '$.principal') AS principal, CAST(json_extract(doc, '$.ci.run_id') AS TEXT) AS run FROM task)"
)
"""All tasks there ever were, in the form of `open_task`."""


def write(db: sqlite3.Connection, cut: Cut, seq: int) -> None:
    """End every token that `cut` covers and that was issued before record `seq`: one row."""
    ref = _value(db, cut.kind, cut.value) if cut.value is not None else cut.ref
    if not cut.plain:
        tally.distrust(db, seq)
    elif cut.kind == "agent":
        tally.restart(db, ref, seq)
    else:
        tally.end_task(db, ref, seq, for_good=False)
    query = "INSERT INTO cutoff (kind, ref, seq, agent, from_s, to_s) VALUES (?, ?, ?, ?, ?, ?)"
    db.execute(query, (cut.kind, ref, seq, cut.agent, cut.from_s, cut.to_s))


def _value(db: sqlite3.Connection, kind: str, value: str) -> int:
    db.execute("INSERT OR IGNORE INTO cut_value (kind, value) VALUES (?, ?)", (kind, value))
    return int(db.execute("SELECT id FROM cut_value WHERE kind = ? AND value = ?", (kind, value)).fetchone()[0])


def at(db: sqlite3.Connection, seq: int) -> Cut | None:
    """The cut-off that record `seq` made, None if it made none."""
    query = (
        "SELECT c.kind, c.ref, v.value, c.agent, c.from_s, c.to_s FROM cutoff c LEFT JOIN cut_value v"
        f" ON v.id = c.ref AND v.kind = c.kind AND c.kind IN {TEXTS} WHERE c.seq = ?"
    )
    row = db.execute(query, (seq,)).fetchone()
    return Cut(*row) if row else None


def newest(db: sqlite3.Connection, cut: Cut, below: int = LATEST) -> int | None:
    """The number of the newest record below `below` that made a cut-off of the very same tokens, None if there is none."""
    query = (
        "SELECT max(seq) FROM cutoff WHERE kind = ? AND ref = coalesce((SELECT id FROM cut_value WHERE kind = ?"
        " AND value = ?), ?) AND agent IS ? AND from_s IS ? AND to_s IS ? AND seq < ?"
    )
    values = (cut.kind, cut.kind, cut.value, cut.ref, cut.agent, cut.from_s, cut.to_s, below)
    return db.execute(query, values).fetchone()[0]  # type: ignore[no-any-return]


def first(db: sqlite3.Connection, token: int, below: int = LATEST) -> int | None:
    """The number of the first cut-off below record `below` that ended the token of that row id, or None."""
    query = f"SELECT min(c.seq) FROM token t, {TASKS} k, cutoff c WHERE t.id = :token AND k.task = t.task AND {HITS}"
    return db.execute(query, {"token": token, "below": below}).fetchone()[0]  # type: ignore[no-any-return]


def of_task(db: sqlite3.Connection, task: int, below: int = LATEST) -> int | None:
    """The number of the first cut-off below record `below` that would have ended a token issued as the task was opened."""
    opened = (
        "(SELECT id AS task, seq, instance, -1 AS key, (SELECT ts FROM log WHERE log.seq = task.seq) / 1000000 AS issued"
        " FROM task WHERE id = :task)"
    )
    query = f"SELECT min(c.seq) FROM {opened} t, {TASKS} k, cutoff c WHERE k.task = t.task AND {HITS}"
    return db.execute(query, {"task": task, "below": below}).fetchone()[0]  # type: ignore[no-any-return]


def _standing(db: sqlite3.Connection, cut: Cut, now_us: int, below: int) -> tuple[str, str, dict[str, Any]]:
    """The tasks `k` and of each the tokens `t` that a cut-off covers and that stand at a moment, as of the first `below`
    records: two conditions, and the values in them.
    """
    mine = ["k.deadline > :now"]
    each = ["t.task = k.task", "t.expires > :good", "(t.uses IS NULL OR t.uses > 0)"]
    if cut.kind in _OF_TASK:
        mine.append(_OF_TASK[cut.kind])
    elif cut.kind == "kid":
        each.append("t.key = :ref")
    if below >= LATEST:
        each.append("t.revoked IS NULL")
    else:
        each.append("(t.revoked IS NULL OR t.revoked >= :below) AND t.seq < :below")
    if cut.agent is not None:
        mine.append("k.agent = :agent")
    if cut.from_s is not None:
        each.append("t.issued >= :from_s AND t.issued < :to_s")
    after = newest(db, Cut(cut.kind, cut.ref), below) if cut.kind in ("agent", "task") else None
    if after is not None:
        each.append("t.seq > :after")  # the same as below, but a million that were cut off before are passed by quickly
    if _any_recent(db, now_us, below):
        each.append(f"NOT EXISTS (SELECT 1 FROM cutoff c WHERE {HITS})")
    values = cut._asdict() | {"now": now_us, "good": now_us // 1_000_000 - LEEWAY_S, "below": below}
    values["after"] = after
    return " AND ".join(mine), " AND ".join(each), values


def _any_recent(db: sqlite3.Connection, now_us: int, below: int) -> bool:
    """Whether any cut-off can have hit a token that has not ended by itself."""
    query = "SELECT l.ts FROM log l WHERE l.seq = (SELECT max(seq) FROM cutoff WHERE seq < ?)"
    row = db.execute(query, (below,)).fetchone()
    return row is not None and row[0] + tally.LONGEST_US > now_us


def covered(db: sqlite3.Connection, cut: Cut, now_us: int) -> list[Covered]:
    """How many tokens that stand a cut-off would cover, by task; looks at each of them where the tally cannot tell."""
    mine, each, values = _standing(db, cut, now_us, LATEST)
    if cut.kind not in _OF_TASK:
        return _in_order(db, cut, now_us, f"{mine} AND {each}", values)
    number = f"(SELECT count(*) FROM token t WHERE {each})"
    if cut.from_s is None and tally.trusted(db, now_us):
        number = f"CASE WHEN k.many THEN {tally.OF_TASK} ELSE {number} END"
    found = db.execute(f"SELECT k.task, k.agent, k.instance, {number} FROM open_task k WHERE {mine}", values)
    return [Covered(*row) for row in found]


def _in_order(db: sqlite3.Connection, cut: Cut, now_us: int, terms: str, values: dict[str, Any]) -> list[Covered]:
    """The same for what goes by no task: all that can stand, in the order in which they lie on the disk."""
    start, _ = _can_stand(db, now_us, -1, cut.from_s or 0)
    query = (
        "SELECT k.task, k.agent, k.instance, count(*) FROM token t CROSS JOIN open_task k WHERE t.id >= :start"
        f" AND {_by_row(terms)} GROUP BY +t.task"
    )
    return [Covered(*row) for row in db.execute(query, values | {"start": start})]


def _by_row(terms: str) -> str:
    """The same terms for a query that is to go by row id, not by the index on tasks."""
    return terms.replace("t.expires >", "+t.expires >").replace("t.task =", "+t.task =")


def hit(db: sqlite3.Connection, cut: Cut, now_us: int, below: int) -> list[TokenRow]:
    """The tokens that stood and that the cut-off of record `below` ended then, at `now_us`; in the order of issue."""
    mine, each, values = _standing(db, cut, now_us, below)
    mine += " AND (k.ended IS NULL OR k.ended >= :below)"
    rows = db.execute(f"SELECT t.* FROM {TASKS} k CROSS JOIN token t WHERE {mine} AND {each}", values)
    return sorted(TokenRow(*row) for row in rows)


def some(db: sqlite3.Connection, cut: Cut, now_us: int, most: int, total: int, below: int = LATEST) -> list[bytes]:
    """The jti of up to `most` of the `total` tokens that stand and are covered, in the order of issue; with `below`, of
    those that stood before that record, less those whose task has ended since.

    They are looked for where they are likely: among the first that can stand at all if there are many, else by task.
    """
    mine, each, values = _standing(db, cut, now_us, below)
    values["most"] = most
    if total > most // 2 or values["after"] is not None:
        start, end = _can_stand(db, now_us, values["after"] or -1, cut.from_s or 0)
        near = f"t.id >= :start AND t.id < :start + {_NEAR} AND {mine} AND {_by_row(each)}"
        query = f"SELECT t.jti FROM token t CROSS JOIN open_task k WHERE {near} ORDER BY t.id LIMIT :most"
        found = db.execute(query, values | {"start": start}).fetchall()
        if len(found) == most or end - start < _NEAR:
            return [bytes(row[0]) for row in found]
    query = f"SELECT t.id, t.jti FROM open_task k CROSS JOIN token t WHERE {mine} AND {each} LIMIT :most"
    return [bytes(jti) for _, jti in sorted(db.execute(query, values).fetchall())]


def _can_stand(db: sqlite3.Connection, now_us: int, after: int, from_s: int) -> tuple[int, int]:
    """The row ids between which all tokens lie that stand and were issued after a record and from a second on: they are
    in the order of issue.
    """
    oldest = max((now_us - tally.LONGEST_US) // 1_000_000, from_s) - 60  # a clock may have been put back a little
    low, high = 0, db.execute("SELECT coalesce(max(id), 0) FROM token").fetchone()[0]
    end = high
    while low < high:
        middle = (low + high) // 2
        seq, issued = db.execute(
            "SELECT seq, issued FROM token WHERE id >= ? ORDER BY id LIMIT 1", (middle,)
        ).fetchone()
        if seq <= after or issued < oldest:
            low = middle + 1
        else:
            high = middle
    return low, end
