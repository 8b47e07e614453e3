"""`python -m tests.bench [--rounds N]`."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from tests.bench import (
    analysis,
    custody,
    detections,
    guard,
    imports,
    log,
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
    """Measure everything and print the table; 1 if a budget was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--rounds", type=int, default=15, help="pairs a row (default 15)")
    rounds = parser.parse_args().rounds
    print(
        f"Python {platform.python_version()} on {platform.machine()}; medians of {rounds} interleaved pairs", flush=True
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows += processes.rows(folder, rounds)
        rows += guard.rows(folder, rounds)
        rows += custody.rows(folder, max(5, rounds // 2))
        rows.append(store.durable(folder, max(5, rounds // 2)))
        rows += store.growth(folder)
        rows += store.writers(folder)
        rows += tokens.rows(folder, max(5, rounds // 2))
        rows += revoke.rows(folder, rounds)
        rows += log.rows(folder, max(5, rounds // 3))
        rows += imports.rows(folder, max(3, rounds // 5))
        rows += detections.rows(folder)
        rows += record.rows(folder, max(5, rounds // 3))
        rows += policy.rows(folder, max(5, rounds // 3))
        rows += analysis.rows(max(3, rounds // 5))
        rows += policy_peers.rows(max(5, rounds // 3))
        rows += simulate.rows(rounds)
        rows += serve.rows(folder)
    print(table(rows))
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
