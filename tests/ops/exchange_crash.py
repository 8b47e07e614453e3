"""Kills an exchange at one point after another and tells what is left; run by test_exchange_crash as a process of its own."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from nhictl.ops.audit_log import verify_home
from nhictl.ops.exchange_checks import Asked
from nhictl.ops.exchange_token import Exchanged, exchange
from nhictl.ops.house import DATABASE, House
from tests.ops.ci_issuer import NOON, TARGET
from tests.ops.crash_driver import Counter, forked

TABLES = ("task", "token", "exchange", "spent")


def attempt(home: Path, token: bytes, counter: Counter | None = None) -> list[Any]:
    """Exchange, armed with a way to die; what was answered and at which events one can die."""
    house = House(home, home / DATABASE, clock=lambda: NOON * 1_000_000)
    if counter:
        sys.setprofile(counter)
    try:
        answer, _ = exchange(house, "deploy-main", token, Asked("deploy", TARGET))
    finally:
        sys.setprofile(None)
    house.close()
    return [isinstance(answer, Exchanged), counter.kinds if counter else [], sorted(sys.modules)]


def look(home: Path) -> dict[str, Any]:
    """What is left: rows, records, and whether the log verifies."""
    house = House(home, home / DATABASE, clock=lambda: NOON * 1_000_000)
    rows = [house.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]
    found = verify_home(house, ())
    house.close()
    return {"rows": rows, "size": found.size, "verdict": found.verdict}


def run(template: Path, place: Path, token: bytes) -> None:
    """One JSON line for each point of death: before, what is left, and how the next attempt ends."""
    shutil.copytree(template, place)
    _, (_, kinds, names) = forked(lambda: attempt(place, token, Counter()))
    for name in names:
        if name.split(".")[0] in ("nhictl", "cryptography", "sqlite3", "json", "pwd"):
            importlib.import_module(name)
    shutil.rmtree(place)
    shutil.copytree(template, place)
    _, (_, kinds, _) = forked(lambda: attempt(place, token, Counter()))
    points = [n for n, kind in enumerate(kinds) if kind != "ours"]
    for n in (*points[:-6:9], *points[-6:], None):
        shutil.rmtree(place)
        shutil.copytree(template, place)
        status, answer = forked(partial(attempt, place, token, Counter(n) if n is not None else None))
        _, left = forked(partial(look, place))
        _, again = forked(partial(attempt, place, token))
        _, after = forked(partial(look, place))
        row = {"kind": kinds[n] if n is not None else None, "signal": status & 0x7F, "left": left, "after": after}
        print(json.dumps(row | {"first": answer and answer[0], "again": again and again[0]}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.stdin.buffer.read())
