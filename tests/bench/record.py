"""`audit record` against bare SQLite with the same rows, commits and checkpoints, and what masking costs an act."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519

from nhictl.cli.line_feed import MAX_LINES
from nhictl.core.ledger.mask import Masker
from nhictl.ops.record_events import read, record_events
from tests.bench.measure import Row, at_most, pairs
from tests.bench.store import new_house

ARGS: dict[str, Any] = {"limit": 10, "query": "invoices of November", "customer": {"id": 4711, "name": "Example Ltd"}}


def bare(path: Path, group: int) -> Callable[[], None]:
    """The same rows in one FULL commit: a line, its sealed content, a head, a checkpoint that was signed."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    for statement in (
        "create table log (seq integer primary key, ts integer, task integer, line blob)",
        "create index log_task on log (task, seq) where task is not null",
        "create table content (seq, label, task, sealed, primary key (seq, label)) without rowid",
        "create table checkpoint (size integer primary key, note text)",
        "create table head (id integer primary key, size, ts, prev, subtrees)",
    ):
        db.execute(statement)
    key, size = ed25519.Ed25519PrivateKey.generate(), [0]

    def commit() -> None:
        db.execute("begin immediate")
        for _ in range(group):
            size[0] += 1
            db.execute("insert into log values (?, ?, 1, ?)", (size[0], size[0], b"x" * 520))
            db.execute("insert into content values (?, 'args', 1, ?)", (size[0], b"s" * 130))
        key.sign(b"n" * 240)
        db.execute("insert or replace into head values (0, ?, ?, ?, ?)", (size[0], size[0], "p" * 64, b"s" * 320))
        db.execute("insert into checkpoint values (?, ?)", (size[0], "n" * 240))
        db.execute("commit")

    return commit


def rows(folder: Path, rounds: int) -> list[Row]:
    """Events one at a time and in whole groups, and masking by itself."""
    house, task = new_house(folder / "record")
    event = {"type": "tool.called", "task": task, "tool": "crm.read", "call": "c1", "args": ARGS}
    line = json.dumps(event).encode()
    found = []
    for group in (1, MAX_LINES):
        commit = bare(folder / f"record-{group}.db", group)
        times = 20 if group == 1 else 1

        def ours(group: int = group, times: int = times) -> None:
            for _ in range(times):
                record_events(house, [read(json.loads(line)) for _ in range(group)])

        def floor(commit: Callable[[], None] = commit, times: int = times) -> None:
            for _ in range(times):
                commit()

        a, b, ratio = pairs(ours, floor, rounds)
        rate, peer = group * times / a, group * times / b
        what = f"audit record, {group} event{'s' if group > 1 else ''} a commit"
        found.append(Row(what, f"{rate:.0f}/s", f"{peer:.0f}/s", f"{ratio:.2f}", "–", None))
    masker, many = Masker(b"k" * 32), 500

    def masked() -> None:
        for _ in range(many):
            masker.value(ARGS)

    def dumped() -> None:
        for _ in range(many):
            json.dumps(ARGS, sort_keys=True)

    found.append(
        at_most(
            f"masking the arguments of {many} calls, against writing them as JSON", pairs(masked, dumped, rounds), 4
        )
    )
    return found
