"""Two hundred whole processes, eight at a time: every one is served, and the log is one chain."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from nhictl.core.policy.box import parse_box
from nhictl.core.token import b64
from nhictl.errors import InputError
from nhictl.ops.audit_log import parse_anchor, verify_home
from nhictl.ops.high_water import FILE
from nhictl.ops.house import House, real_clock
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.store import work
from tests.harness import ROOT

COUNT = 200
AT_ONCE = 8


def watch(house: House, over: threading.Event, seen: list[tuple[int, int]]) -> None:
    """Note the mark, then how many records there are, again and again; what is caught half written is read again."""
    db = sqlite3.connect(house.database)
    while not over.is_set():
        try:
            mark = parse_anchor((house.home / FILE).read_bytes(), FILE)
        except InputError:
            continue
        seen.append((mark.size, db.execute("SELECT size FROM head").fetchone()[0]))
        over.wait(0.002)
    db.close()


def test_two_hundred_issues_at_once(house: House) -> None:
    house.clock = real_clock
    register(house, Registration("bot", "o@example.org", "p"), None, None)
    task, head = open_task(house, Order("bot", "try", "p", (parse_box("a.b"),), max_tokens=1000))
    before = head.size
    house.close()
    command = [sys.executable, "-m", "nhictl", "--home", str(house.home), "-o", "json", "token", "issue"]
    command += ["--task", task["id"], "--audience", "https://api.example.org"]

    def issue(_: int) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
        return done.returncode, done.stdout, done.stderr

    seen: list[tuple[int, int]] = []
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        over = threading.Event()
        watcher = pool.submit(watch, house, over, seen)
        ran = list(pool.map(issue, range(COUNT)))
        over.set()
        watcher.result()
    marks = [mark for mark, _ in seen]
    assert len(set(marks)) > COUNT // 4, "it was watched while it moved"
    assert marks == sorted(marks), "the mark never goes backwards"
    assert all(mark <= size for mark, size in seen), "and never leads"
    assert parse_anchor((house.home / FILE).read_bytes(), FILE).size == before + COUNT

    assert [(rc, err) for rc, _, err in ran if rc or err] == []
    made = [json.loads(out) for _, out, _ in ran]
    assert len({reply["jti"] for reply in made}) == COUNT
    assert len({reply["token"] for reply in made}) == COUNT
    assert {reply["log"]["seq"] for reply in made} == set(range(before, before + COUNT))
    found = verify_home(house, ())
    assert (found.verdict, found.size) == ("VERIFIED_UNANCHORED", before + COUNT)
    rows = work.tokens(house.db)
    assert {b64.encode(row.jti): row.seq for row in rows} == {r["jti"]: r["log"]["seq"] for r in made}
    kept = work.task(house.db, task["id"])
    assert kept is not None
    assert kept.tokens == COUNT
