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
        # X.509-SVIDs, which nothing ends before their time: what outlives a suspended agent or a tainted authority
        "CREATE TABLE svid (serial BLOB PRIMARY KEY, agent INTEGER NOT NULL, instance TEXT NOT NULL, kid TEXT NOT NULL,"
        " authority INTEGER NOT NULL, seq INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX svid_agent ON svid (agent, expires)",
        "CREATE INDEX svid_authority ON svid (authority, expires)",
        "CREATE INDEX svid_kid ON svid (kid)",
    ),
    (
        # foreign issuers: the newest of a name without an end is in force
        "CREATE TABLE trust (id INTEGER PRIMARY KEY, name TEXT NOT NULL, seq INTEGER NOT NULL, digest TEXT NOT NULL,"
        " doc TEXT NOT NULL, ended INTEGER)",
        "CREATE INDEX trust_name ON trust (name, seq)",
        # the task that an exchange opened, and the CI run it was opened for
        "CREATE TABLE exchange (task INTEGER PRIMARY KEY, trust INTEGER NOT NULL, run TEXT, seq INTEGER NOT NULL)",
        "CREATE INDEX exchange_trust ON exchange (trust)",
        "CREATE INDEX exchange_run ON exchange (run) WHERE run IS NOT NULL",
        # SHA-256 over issuer and jti of each token that was exchanged, until no clock takes it for good (seconds)
        "CREATE TABLE spent (mark BLOB PRIMARY KEY, until INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX spent_until ON spent (until)",
        # the refusals of the last hour (ts in seconds), by how much the token proved: what bounds how many are recorded
        "CREATE TABLE refusal (trust INTEGER NOT NULL, kind TEXT NOT NULL, ts INTEGER NOT NULL, mark BLOB NOT NULL,"
        " seq INTEGER NOT NULL)",
        "CREATE INDEX refusal_of ON refusal (trust, kind, ts)",
    ),
    (
        # every state a signing key has had, each from its record on; `signing_key.state` is a copy of the newest
        "CREATE TABLE signing_key_version (key INTEGER NOT NULL, seq INTEGER NOT NULL, state TEXT NOT NULL,"
        " PRIMARY KEY (key, seq)) WITHOUT ROWID",
        "INSERT INTO signing_key_version (key, seq, state) SELECT id, seq, state FROM signing_key",
        # since which record a folder shows a key; another row where it was lost there and put back
        "CREATE TABLE key_publication (folder TEXT NOT NULL, key INTEGER NOT NULL, seq INTEGER NOT NULL,"
        " PRIMARY KEY (folder, key, seq)) WITHOUT ROWID",
        "INSERT INTO key_publication (folder, key, seq) SELECT p.folder, k.id, p.seq FROM publication p, signing_key k"
        " WHERE k.use = 'token'",
    ),
    (
        # who keeps the key-encryption key's secret, from one record to the next; without a row it lies in its file
        "CREATE TABLE custody (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL)",
    ),
    (
        # which tokens a cut-off covers besides whole agents and tasks: texts stand once, by number; bounds narrow it
        "CREATE TABLE cut_value (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (kind, value))",
        "ALTER TABLE cutoff ADD COLUMN agent INTEGER",
        "ALTER TABLE cutoff ADD COLUMN from_s INTEGER",
        "ALTER TABLE cutoff ADD COLUMN to_s INTEGER",
        "CREATE INDEX cutoff_seq ON cutoff (seq)",
        # a freeze of `all`, an agent, a group or an environment, from one record up to another
        "CREATE TABLE freeze (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,"
        " ended INTEGER)",
        # the tokens of a task by expiry; and the tasks that have not ended, by what a cut-off may go by
        "DROP INDEX token_task",
        "CREATE INDEX token_task ON token (task, expires)",
        "CREATE TABLE open_task (task INTEGER PRIMARY KEY, agent INTEGER NOT NULL, instance TEXT NOT NULL,"
        " deadline INTEGER NOT NULL, many INTEGER NOT NULL, principal TEXT, run TEXT)",
        "INSERT INTO open_task SELECT id, agent, instance, coalesce(json_extract(doc, '$.deadline_us'), 0),"
        " coalesce(json_extract(doc, '$.max_tokens') > 1000, 0), json_extract(doc, '$.principal'), NULL"
        " FROM task WHERE ended IS NULL",
        "CREATE INDEX open_task_agent ON open_task (agent, deadline)",
        "CREATE INDEX open_task_instance ON open_task (instance)",
        "CREATE INDEX open_task_principal ON open_task (principal) WHERE principal IS NOT NULL",
        "CREATE INDEX open_task_run ON open_task (run) WHERE run IS NOT NULL",
        # how many tokens stand, by the moment they end by themselves: see store/tally.py
        "CREATE TABLE tally (owner INTEGER NOT NULL, since INTEGER NOT NULL, ends INTEGER NOT NULL, n INTEGER NOT NULL,"
        " PRIMARY KEY (owner, since, ends)) WITHOUT ROWID",
        "CREATE TABLE tally_since (owner INTEGER PRIMARY KEY, seq INTEGER NOT NULL)",
        "CREATE TABLE tally_void (id INTEGER PRIMARY KEY CHECK (id = 0), until INTEGER NOT NULL)",
        # tokens of before are not in the tally: 14430 s, the longest that one is accepted, all are counted one by one
        "INSERT INTO tally_void (id, until) SELECT 0, ts + 14430000000 FROM head",
    ),
    (
        # the lease of a task that lives as long as one process: who holds it, as JSON; a task has one at most, for ever
        "ALTER TABLE task ADD COLUMN lease TEXT",
        # secrets of other systems: announced before they are acquired, so that none is forgotten; `handle` is what their
        # helper calls one, `ended` the record that says it is revoked
        "CREATE TABLE credential (task INTEGER NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, handle TEXT,"
        " ended INTEGER, PRIMARY KEY (task, name)) WITHOUT ROWID",
        "CREATE INDEX credential_open ON credential (task) WHERE ended IS NULL",
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
    (
        # published status lists, and whose each entry is, for ever
        "CREATE TABLE status_list (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, used INTEGER NOT NULL)",
        "CREATE TABLE token_status (list INTEGER NOT NULL, idx INTEGER NOT NULL, token INTEGER NOT NULL,"
        " PRIMARY KEY (list, idx)) WITHOUT ROWID",
    ),
    (
        # what limits stand at: a counter by a digest over limit, unit and for whom; sums after each record that took
        # something (ts in microseconds, as in the log); what was given back, by the time of the call it belongs to
        "CREATE TABLE counter (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE)",
        "CREATE TABLE charge (counter INTEGER NOT NULL, seq INTEGER NOT NULL, ts INTEGER NOT NULL, calls INTEGER NOT NULL,"
        " spend TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (counter, seq)) WITHOUT ROWID",
        "CREATE INDEX charge_ts ON charge (counter, ts, seq, calls, spend, bytes)",
        "CREATE TABLE refund (counter INTEGER NOT NULL, seq INTEGER NOT NULL, ts INTEGER NOT NULL, calls INTEGER NOT NULL,"
        " spend TEXT NOT NULL, all_calls INTEGER NOT NULL, all_spend TEXT NOT NULL,"
        " PRIMARY KEY (counter, seq)) WITHOUT ROWID",
        "CREATE INDEX refund_ts ON refund (counter, ts)",
        # what each allowed call took, until a record settles it
        "CREATE TABLE reserved (seq INTEGER NOT NULL, counter INTEGER NOT NULL, spend TEXT, ts INTEGER NOT NULL,"
        " settled INTEGER, PRIMARY KEY (seq, counter)) WITHOUT ROWID",
        # a call that waits for a human: known by a salted digest, its text is sealed beside record `seq`; granted,
        # denied and used by records. Who granted it for which classes, with the signature over its statement
        "CREATE TABLE approval (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, task INTEGER NOT NULL,"
        " seq INTEGER NOT NULL, salt BLOB NOT NULL, digest BLOB NOT NULL, expires INTEGER NOT NULL, doc TEXT NOT NULL,"
        " granted INTEGER, denied INTEGER, used INTEGER)",
        "CREATE INDEX approval_task ON approval (task, expires)",
        "CREATE TABLE approval_grant (approval INTEGER NOT NULL, seq INTEGER NOT NULL, approver TEXT NOT NULL,"
        " classes TEXT NOT NULL, signature TEXT, PRIMARY KEY (approval, seq)) WITHOUT ROWID",
    ),
    (
        # erasures that are recorded while some file may still hold what was erased; `todo` is sealed
        "CREATE TABLE erasure (seq INTEGER PRIMARY KEY, todo BLOB)",
        # segments of the log whose lines are in a file elsewhere: up to which size, by which record, in which file; of such
        # a line the log keeps a zero byte and its leaf hash
        "CREATE TABLE cut_log (size INTEGER PRIMARY KEY, seq INTEGER NOT NULL, file TEXT NOT NULL)",
        # tokens whose rows were let go of: those that had expired before that second
        "CREATE TABLE token_gone (id INTEGER PRIMARY KEY CHECK (id = 0), before INTEGER NOT NULL)",
    ),
    (
        # every fourth level of the log's tree, by which one task's records are proved without reading the others; a log
        # with a gap gets no node above the gap
        "CREATE TABLE tree (level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,"
        " PRIMARY KEY (level, idx)) WITHOUT ROWID",
        "INSERT OR IGNORE INTO tree (level, idx, hash) WITH RECURSIVE tile(idx) AS (SELECT 0 FROM head WHERE size >= 16"
        " UNION ALL SELECT idx + 1 FROM tile WHERE (idx + 2) * 16 <= (SELECT size FROM head))"
        " SELECT 4, idx, (SELECT subtree(0, seq, CAST(line AS BLOB)) FROM log WHERE seq >= idx * 16 AND seq < idx * 16 + 16)"
        " FROM tile",
        *(
            "INSERT OR IGNORE INTO tree (level, idx, hash)"  # noqa: S608  # two numbers of ours
            f" SELECT {level + 4}, idx >> 4, subtree({level}, idx, hash) FROM tree WHERE level = {level} GROUP BY idx >> 4"
            for level in range(4, 32, 4)
        ),
    ),
)
VERSION: Final = len(MIGRATIONS)
