"""One task out of a long log in the database, as a whole process, against the same query in bare sqlite3.

The task's records are spread evenly over the log, which is the worst case: each is proved by a path of its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger.merkle import CompactRange, leaf_hash
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.turn import log_key
from nhictl.store import log as log_table
from nhictl.store import mark_file, tree
from tests.bench.log import TASKS, following
from tests.bench.measure import Row, timed
from tests.harness import ROOT

BARE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
query = "SELECT line FROM log WHERE task = (SELECT id FROM task WHERE name = ?) ORDER BY seq"
for (line,) in db.execute(query, (sys.argv[2],)):
    sys.stdout.buffer.write(line + b"\\n")
"""
FIELDS: dict[str, object] = {
    "ts": "2026-11-23T20:00:00.000000Z", "type": "token.issued", "outcome": "ok",
    "actor": {"kind": "operator", "id": "uid:1000", "host": "bench"}, "agent": "report-bot", "inst": "i",
    "tok": "sha256:" + "a" * 64, "ext": {"aud": "https://api.example.org", "exp": 1795460300},
}  # fmt: skip


def write(home: Path, count: int) -> None:
    """A home whose log has `count` records of `TASKS` tasks that take turns."""
    house = House(home, home / DATABASE)
    initialise(house, "example.org", None)
    db, head = house.db, log_table.head(house.db)
    assert head is not None
    last = log_table.line(db, head.size - 1)
    assert last is not None
    grown = CompactRange.from_bytes(head.size, head.subtrees)
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "INSERT INTO task (id, name, agent, instance, seq, doc) VALUES (?, ?, 1, 'i', ?, '{}')",
        [(1 + n, f"t-{n:016d}", max(n, head.size)) for n in range(TASKS)],
    )
    for seq, line in enumerate(following(last, FIELDS, range(head.size, count)), head.size):
        log_table.append(db, seq, head.ts, 1 + seq % TASKS, line)
        tree.keep(db, grown.append(leaf_hash(line)))
        last = line
    key = log_key(house)
    note = checkpoint.sign(checkpoint.Checkpoint(house.meta["chain"], count, grown.root()), key.private, key.public)
    row = log_table.HeadRow(count, head.ts, record.next_prev(last), grown.to_bytes())
    log_table.set_head(db, row, note)
    db.execute("COMMIT")
    slot = mark_file.Slot(house.mark_path)
    slot.open(create=True)
    slot.write(note)
    slot.close()
    house.close()


def rows(folder: Path, rounds: int, count: int = 1_000_000) -> list[Row]:
    """Ours, less what a command takes that opens the home and prints one row, at most twice the query."""
    home = folder / "one-task"
    write(home, count)
    task = f"t-{TASKS // 2:016d}"
    env = os.environ | {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(home)}

    def run(*command: str) -> bytes:
        return subprocess.run([sys.executable, *command], capture_output=True, check=True, env=env).stdout

    def ours() -> bytes:
        return run("-m", "nhictl", "audit", "replay", "--task", task, "-o", "jsonl")

    def bare() -> bytes:
        return run("-c", BARE, str(home / DATABASE), task)

    def start() -> bytes:
        return run("-m", "nhictl", "audit", "checkpoint")

    assert ours().count(b"\n") == bare().count(b"\n") == count // TASKS
    found = [(timed(ours), timed(bare), timed(start)) for _ in range(rounds)]
    mine, floor, began = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = statistics.median((whole - begin) / query for whole, query, begin in found)
    what = f"one task ({count // TASKS} records) of {count} in the database, proved"
    text = f"{mine * 1e3:.0f} ms, start {began * 1e3:.0f}"
    return [Row(what, text, f"bare sqlite3 {floor * 1e3:.0f} ms", f"{ratio:.2f}", "≤ 2 + start", ratio <= 2)]
