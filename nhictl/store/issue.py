"""What a token is issued upon: its task, agent and instance, and what stands in the way, in one statement."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from nhictl.store.agents import AgentRow
from nhictl.store.work import TaskRow


class Ground(NamedTuple):
    """A task with its agent (None: the database is damaged), and around them: whether the instance was ever suspended or
    resumed, whether anything is frozen, the state of the signing key, the digest of the policy in force, whether there are
    status lists.
    """

    task: TaskRow
    agent: AgentRow | None
    halted: bool
    frozen: bool
    key_state: str | None
    policy: str | None
    listed: bool


_QUERY = (
    "SELECT a.id, a.name, a.seq, v.state, v.doc,"
    " EXISTS (SELECT 1 FROM instance_version WHERE agent = t.agent AND instance = t.instance),"
    " EXISTS (SELECT 1 FROM freeze WHERE ended IS NULL), (SELECT state FROM signing_key WHERE id = ?),"
    " (SELECT digest FROM policy_version ORDER BY seq DESC LIMIT 1), EXISTS (SELECT 1 FROM status_list), t.*"
    " FROM task t LEFT JOIN agent a ON a.id = t.agent LEFT JOIN agent_version v ON v.agent = a.id"
    " AND v.seq = (SELECT max(seq) FROM agent_version WHERE agent = a.id) WHERE t.name = ?"
)


def ground(db: sqlite3.Connection, task: str, key: int) -> Ground | None:
    """What a token of the task of that public id is issued upon, signed with the key of that row id; None for no task."""
    row = db.execute(_QUERY, (key, task)).fetchone()
    if row is None:
        return None
    agent = AgentRow(*row[:5]) if row[3] is not None else None
    return Ground(TaskRow(*row[10:]), agent, bool(row[5]), bool(row[6]), row[7], row[8], bool(row[9]))
