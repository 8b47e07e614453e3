"""`python -m tests.bench [--rounds N]`."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    analysis,
    custody,
    detections,
    guard,
    imports,
    log,
    one_task,
    policy,
    policy_peers,
    processes,
    record,
    revoke,
    serve,
    simulate,
    store,
    tokens,
)
from tests.bench.measure import Row, table


def main() -> int:
    """Measure everything, or the parts that are named, and print the table; 1 if a budget was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--rounds", type=int, default=15, help="pairs a row (default 15)")
    parser.add_argument("parts", nargs="*", metavar="PART", help="such as tokens or log; default: all")
    given = parser.parse_args()
    rounds = given.rounds
    print(
        f"Python {platform.python_version()} on {platform.machine()}; medians of {rounds} interleaved pairs", flush=True
    )
    half, third, fifth = max(5, rounds // 2), max(5, rounds // 3), max(3, rounds // 5)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], list[Row]]] = {
            "processes": lambda: processes.rows(folder, rounds),
            "guard": lambda: guard.rows(folder, rounds),
            "custody": lambda: custody.rows(folder, half),
            "store": lambda: [store.durable(folder, half), *store.growth(folder), *store.writers(folder)],
            "tokens": lambda: tokens.rows(folder, half),
            "revoke": lambda: revoke.rows(folder, rounds),
            "log": lambda: log.rows(folder, third),
            "one-task": lambda: one_task.rows(folder, fifth),
            "imports": lambda: imports.rows(folder, fifth),
            "detections": lambda: detections.rows(folder),
            "record": lambda: record.rows(folder, third),
            "policy": lambda: policy.rows(folder, third),
            "analysis": lambda: analysis.rows(fifth),
            "peers": lambda: policy_peers.rows(third),
            "simulate": lambda: simulate.rows(rounds),
            "serve": lambda: serve.rows(folder),
        }
        for unknown in set(given.parts) - set(parts):
            parser.error(f"no part `{unknown}`: {', '.join(parts)}")
        for part in given.parts or parts:
            rows += parts[part]()
    print(table(rows))
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
