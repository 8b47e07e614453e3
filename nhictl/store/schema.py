"""Numbered, forward-only migrations. The number of the last one applied stands in `PRAGMA user_version`.

State is kept so that it can be asked about at any earlier moment: whatever changes carries the log sequence number of
the record that changed it. Ids of hot tables are integers; texts stand once.
"""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # the log: raw lines; ts in microseconds, never decreasing (the line holds the clock as it was read)
        "CREATE TABLE log (seq INTEGER PRIMARY KEY, ts INTEGER NOT NULL, task INTEGER, line BLOB NOT NULL)",
        "CREATE INDEX log_task ON log (task, seq) WHERE task IS NOT NULL",
        "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), size INTEGER NOT NULL, ts INTEGER NOT NULL,"
        " prev TEXT NOT NULL, subtrees BLOB NOT NULL)",
        "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL)",
        # content of records: sealed under the key of its task (0: of the authority), erasable without the line
        "CREATE TABLE content_key (task INTEGER PRIMARY KEY, sealed BLOB NOT NULL)",
        "CREATE TABLE content (seq INTEGER NOT NULL, label TEXT NOT NULL, task INTEGER NOT NULL, sealed BLOB NOT NULL,"
        " PRIMARY KEY (seq, label)) WITHOUT ROWID",
        "CREATE TABLE signing_key (id INTEGER PRIMARY KEY, use TEXT NOT NULL, kid TEXT NOT NULL UNIQUE,"
        " public TEXT NOT NULL, sealed BLOB NOT NULL, state TEXT NOT NULL, seq INTEGER NOT NULL)",
        "CREATE TABLE agent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL)",
        "CREATE TABLE agent_version (agent INTEGER NOT NULL, seq INTEGER NOT NULL, state TEXT NOT NULL,"
        " doc TEXT NOT NULL, PRIMARY KEY (agent, seq)) WITHOUT ROWID",
        "CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, agent INTEGER NOT NULL,"
        " instance TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL, tokens INTEGER NOT NULL DEFAULT 0,"
        " calls INTEGER NOT NULL DEFAULT 0, ended INTEGER, outcome TEXT)",
        "CREATE INDEX task_agent ON task (agent)",
        "CREATE TABLE token (id INTEGER PRIMARY KEY, jti BLOB NOT NULL UNIQUE, task INTEGER NOT NULL,"
        " instance TEXT NOT NULL, key INTEGER NOT NULL, seq INTEGER NOT NULL, issued INTEGER NOT NULL,"
        " expires INTEGER NOT NULL, digest BLOB NOT NULL, audience TEXT NOT NULL, uses INTEGER, revoked INTEGER)",
        "CREATE INDEX token_task ON token (task)",
        # a cut-off ends every token of what it names that was issued before it: one row, however many tokens
        "CREATE TABLE cutoff (kind TEXT NOT NULL, ref INTEGER NOT NULL, seq INTEGER NOT NULL,"
        " PRIMARY KEY (kind, ref, seq)) WITHOUT ROWID",
        "CREATE TABLE policy (digest TEXT PRIMARY KEY, compiled BLOB NOT NULL, files BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE policy_version (seq INTEGER PRIMARY KEY, digest TEXT NOT NULL)",
        "CREATE TABLE imported (digest TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    ),
    (
        # the folders that hold our public keys, each with the record that last said what is in it
        "CREATE TABLE publication (folder TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
        # every content the SPIFFE bundle has had, by its spiffe_sequence
        "CREATE TABLE bundle (sequence INTEGER PRIMARY KEY, digest TEXT NOT NULL, seq INTEGER NOT NULL)",
    ),
    (
        # what belongs to one agent only: the thumbprint of an own key, for ever; an alias, from one record up to another
        "CREATE TABLE agent_key (kid TEXT PRIMARY KEY, agent INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID",
        "INSERT OR IGNORE INTO agent_key (kid, agent, seq) SELECT json_extract(doc, '$.kid'), agent, seq"
        " FROM agent_version WHERE json_extract(doc, '$.kid') IS NOT NULL ORDER BY seq",
        "CREATE TABLE agent_alias (alias TEXT NOT NULL, seq INTEGER NOT NULL, agent INTEGER NOT NULL, ended INTEGER,"
        " PRIMARY KEY (alias, seq)) WITHOUT ROWID",
        # an instance without a row is active: the table holds what was ever suspended
        "CREATE TABLE instance_version (agent INTEGER NOT NULL, instance TEXT NOT NULL, seq INTEGER NOT NULL,"
        " state TEXT NOT NULL, PRIMARY KEY (agent, instance, seq)) WITHOUT ROWID",
    ),
    (
        # tokens made from tokens: from which, for which agent, how many actors deep, and the boxes of that token
        "CREATE TABLE delegation (token INTEGER PRIMARY KEY, parent INTEGER NOT NULL, actor INTEGER NOT NULL,"
        " depth INTEGER NOT NULL, scope TEXT NOT NULL)",
        "CREATE INDEX delegation_parent ON delegation (parent)",
        "CREATE INDEX delegation_actor ON delegation (actor)",
        # proofs of possession that live checks have taken, for as long as they could come again; until is in seconds
        "CREATE TABLE proof (mark BLOB PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX proof_until ON proof (until)",
    ),
)
VERSION: Final = len(MIGRATIONS)
