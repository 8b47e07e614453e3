"""Content and personal data erased from a database: rows, free pages, write-ahead log; and from the copies beside it.

`secure_delete` overwrites what a row leaves in its page, but pages that were rebuilt before may hold older bytes, so the
whole file is written anew (`VACUUM`) and the log cut to nothing. What may hold personal data or sealed content is listed
here, table by table; every other column is an id, a digest, a time, a number, a name of the catalogue or what an operator
declared (`KEPT`), and a test holds the two lists against the schema.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from nhictl.core.ledger.content import canonical
from nhictl.store import counters, segments, sqlite

ERASED: Final = {
    "content": ("sealed",),
    "content_key": ("sealed",),
    "task": ("doc",),
    "open_task": ("principal",),
    "cut_value": ("value",),
    "delegation": ("scope",),
    "erasure": ("todo",),
    "approval": ("salt", "digest"),
    "approval_grant": ("signature",),
    "counter": ("digest",),
}
"""Columns that hold what a task's content or a principal's name may be in, sealed or open, or against which somebody who
guesses one could try the guess: the digest and the signatures of an approval, the digest that a counter is known by."""

KEPT: Final = frozenset(
    {
        "meta", "log", "head", "checkpoint", "signing_key", "signing_key_version", "key_publication", "agent",
        "agent_version", "agent_key", "agent_alias", "instance_version", "token", "cutoff", "policy", "policy_version",
        "imported", "publication", "bundle", "svid", "trust", "exchange", "spent", "refusal", "custody", "freeze", "tally",
        "tally_since", "tally_void", "credential", "proof", "status_list", "token_status", "cut_log", "token_gone",
        "charge", "refund", "reserved", "tree",
    }
)  # fmt: skip
"""Tables without either. An agent's owner and purpose, trusts and policies are the operator's own declarations."""

COPIES: Final = ("before-schema-*.db", "before-restore-*.db")
_MANY: Final = 500


class Wanted(NamedTuple):
    """What is to be erased: tasks by public id, one principal's name wherever it stands, or one record's content."""

    tasks: tuple[str, ...] = ()
    subject: str | None = None
    record: int | None = None
    digest: str | None = None
    """The leaf hash of that record, hex."""


class Waiting(NamedTuple):
    """An erasure that is recorded and not finished: its record, and what is to do, sealed; None once only the log is left."""

    seq: int
    todo: bytes | None


def tasks_of(db: sqlite3.Connection, subject: str) -> list[str]:
    """The tasks on behalf of a principal, in the order they were opened."""
    query = "SELECT name FROM task WHERE json_extract(doc, '$.principal') = ? ORDER BY id"
    return [str(row[0]) for row in db.execute(query, (subject,))]


def principals(db: sqlite3.Connection) -> Iterator[tuple[int, bytes]]:
    """The (record, sealed piece) of every principal's name that stands beside a record of no task."""
    for seq, sealed in db.execute("SELECT seq, sealed FROM content WHERE label = 'principal' AND task = 0"):
        yield seq, bytes(sealed)


def is_cut(db: sqlite3.Connection, subject: str) -> bool:
    """Whether a principal was ever cut off by name."""
    query = "SELECT 1 FROM cut_value WHERE kind = 'principal' AND value = ?"
    return db.execute(query, (subject,)).fetchone() is not None


def pieces(db: sqlite3.Connection, task: int) -> int:
    """How many sealed pieces of content a task has."""
    return int(db.execute("SELECT count(*) FROM content WHERE task = ?", (task,)).fetchone()[0])


def pieces_of(db: sqlite3.Connection, seq: int) -> int:
    """How many sealed pieces of content a record has."""
    return int(db.execute("SELECT count(*) FROM content WHERE seq = ?", (seq,)).fetchone()[0])


def wipe_task(db: sqlite3.Connection, name: str, alias: str | None, seq: int | None) -> None:
    """Erase what is known of a task beyond its ids: content, its key for good, purpose, principal and scope.

    `alias` stands for the principal where a cut-off by its name has to go on covering the task's tokens; `seq` is the
    record that says so. Part of the caller's transaction; a database of an older schema has fewer tables.
    """
    row = db.execute("SELECT id, doc FROM task WHERE name = ?", (name,)).fetchone()
    if row is None:
        return
    ident, doc = row[0], json.loads(row[1])
    doc |= {"purpose": None, "principal": alias, "scope": []}
    if seq is not None:
        doc["erased"] = seq
    db.execute("DELETE FROM content WHERE task = ?", (ident,))
    db.execute("INSERT OR REPLACE INTO content_key (task, sealed) VALUES (?, x'')", (ident,))
    db.execute("UPDATE task SET doc = ? WHERE id = ?", (json.dumps(doc, separators=(",", ":")), ident))
    tables = _tables(db)
    if "open_task" in tables:
        db.execute("UPDATE open_task SET principal = ? WHERE task = ?", (alias, ident))
    if "delegation" in tables:
        query = "UPDATE delegation SET scope = '[]' WHERE token IN (SELECT id FROM token WHERE task = ?)"
        db.execute(query, (ident,))
    if "approval" in tables:  # what they are about is content; one that was signed says so still
        db.execute("UPDATE approval SET salt = x'', digest = x'' WHERE task = ?", (ident,))
        query = "UPDATE approval_grant SET signature = '' WHERE signature IS NOT NULL AND approval IN"
        db.execute(f"{query} (SELECT id FROM approval WHERE task = ?)", (ident,))  # noqa: S608 - a constant of this function


def counters_of(db: sqlite3.Connection, subject: str) -> list[int]:
    """The counts of limits per principal, of any policy there ever was, that are kept for one principal."""
    if "counter" not in _tables(db):
        return []
    chain = db.execute("SELECT value FROM meta WHERE key = 'chain'").fetchone()
    of = {
        (limit["id"], limit["per"], subject, limit["spend"]["unit"] if limit.get("spend") else None)
        for limit in counters.declared(db)
        if limit["per"] == "principal"
    }
    found = (counters.find(db, counters.digest_of(chain[0], one)) for one in of)
    return [ident for ident in found if ident is not None]


def wipe_counters(db: sqlite3.Connection, subject: str) -> None:
    """Let go of what was counted for a principal: a digest over a name could be tried against guesses."""
    counters.drop(db, counters_of(db, subject))


def wipe_record(db: sqlite3.Connection, seq: int) -> None:
    """Erase the content of one record."""
    db.execute("DELETE FROM content WHERE seq = ?", (seq,))


def wipe_cut(db: sqlite3.Connection, subject: str, alias: str) -> None:
    """Put `alias` in the place of a principal's name that was cut off."""
    if "cut_value" in _tables(db):
        db.execute("UPDATE cut_value SET value = ? WHERE kind = 'principal' AND value = ?", (alias, subject))


def _tables(db: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def overwriting(db: sqlite3.Connection) -> None:
    """From now on this connection overwrites what it deletes."""
    db.execute("PRAGMA secure_delete=ON")


def await_rest(db: sqlite3.Connection, seq: int, todo: bytes) -> None:
    """Note inside the act that the files have still to be cleaned."""
    db.execute("INSERT INTO erasure (seq, todo) VALUES (?, ?)", (seq, todo))


def waiting(db: sqlite3.Connection) -> list[Waiting]:
    """Erasures that are not finished."""
    return [Waiting(seq, bytes(todo) if todo else None) for seq, todo in db.execute("SELECT seq, todo FROM erasure")]


def any_waiting(db: sqlite3.Connection) -> bool:
    """Whether any erasure waits; asked after every act."""
    return db.execute("SELECT 1 FROM erasure LIMIT 1").fetchone() is not None


def rewrite(db: sqlite3.Connection) -> None:
    """Write the whole database anew, so that no page holds bytes of before; under the writers' lock."""
    overwriting(db)
    db.execute("VACUUM")


def rewritten(db: sqlite3.Connection, seqs: list[int]) -> None:
    """Note that only the write-ahead log is left to be cut."""
    db.executemany("UPDATE erasure SET todo = NULL WHERE seq = ?", [(seq,) for seq in seqs])


def cut_log(db: sqlite3.Connection, wait_ms: int) -> bool:
    """Move the write-ahead log into the database and cut it to nothing; False if a reader keeps it meanwhile."""
    db.execute(f"PRAGMA busy_timeout={wait_ms:d}")
    try:
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        db.execute(f"PRAGMA busy_timeout={sqlite.BUSY_MS:d}")
    return bool(busy == 0)


def finished(db: sqlite3.Connection) -> None:
    """Nothing is left to do of those that waited for the log alone."""
    db.execute("DELETE FROM erasure WHERE todo IS NULL")


Opens = Callable[[bytes, int, str, bytes], bytes | None]
"""From a sealed content key, a record's number, the chain and a sealed piece to its content; None if it does not open."""


def clean_copy(path: Path, wanted: list[Wanted], alias: Callable[[], str], opens: Opens) -> bool:
    """Erase the same from a whole copy of the database beside it, of whatever schema; False if it cannot be read.

    A principal's name that does not open is erased too, since nobody can say whose it is.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA trusted_schema=OFF")
            overwriting(db)
            db.execute("BEGIN IMMEDIATE")
            for one in wanted:
                _clean(db, one, alias, opens)
            db.execute("COMMIT")
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (sqlite3.DatabaseError, OSError, ValueError):
        return False
    return True


def _clean(db: sqlite3.Connection, wanted: Wanted, alias: Callable[[], str], opens: Opens) -> None:
    names = list(wanted.tasks)
    if wanted.subject is not None:
        names += tasks_of(db, wanted.subject)
        wipe_cut(db, wanted.subject, alias())
        wipe_counters(db, wanted.subject)
        key = db.execute("SELECT sealed FROM content_key WHERE task = 0").fetchone()
        chain = db.execute("SELECT value FROM meta WHERE key = 'chain'").fetchone()
        for seq, sealed in list(principals(db)):
            found = opens(bytes(key[0]), seq, chain[0], sealed) if key and chain else None
            if found is None or found == canonical(wanted.subject):
                wipe_record(db, seq)
    for name in dict.fromkeys(names):
        wipe_task(db, name, None, None)
    if wanted.record is not None and segments.leaf(db, wanted.record) == wanted.digest:
        wipe_record(db, wanted.record)  # not where the copy is of another course of things
