"""The log: one compact JSON line a record, one hash for chain and tree, a signed checkpoint on every commit.

Promised: any edit, insertion, deletion or reordering of records shows, and where the first bad one is. A re-linked log
shows to whoever pinned the chain id or the log key. Cut tails, rollbacks and forks show only to a witness: somebody
who kept an earlier `{chain,size,root}`.

Sources: RFC 6962 §2.1 (leaf and node hashes), C2SP signed-note and tlog-checkpoint, reference/log.md.
"""
