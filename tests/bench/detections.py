"""All detections over a long export, with the memory that takes; one task out of it, beside what others do with the file.

DuckDB, Polars and jq are asked the same question in the same run where they are installed; none of them verifies anything.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger.merkle import BatchTree, leaf_hash
from tests.bench.log import KEY, MEASURED, PUBLIC
from tests.bench.measure import Row
from tests.core.ledger.exported_log import text
from tests.core.replay.ordinary import records
from tests.harness import ROOT

DUCKDB = """
import sys, duckdb
log = f"read_json('{sys.argv[1]}', ignore_errors=true)"
print(len(duckdb.sql(f"select * from {log} where task='{sys.argv[2]}'").fetchall()))
"""
POLARS = """
import sys, polars as pl
log = pl.scan_ndjson(sys.argv[1], infer_schema_length=1000, ignore_errors=True)
print(len(log.filter(pl.col("task") == sys.argv[2]).collect()))
"""
PEERS = {"DuckDB": ("duckdb", DUCKDB), "Polars": ("polars", POLARS)}


def write(path: Path, count: int) -> None:
    """An export of ordinary work, of `count` records or a few more."""
    tree, chain, prev, size = BatchTree(), "", record.GENESIS_PREV, 0
    with path.open("wb") as file:
        for line in _lines(count):
            whole = record.encode(line, prev)
            chain = chain or checkpoint.chain_id(whole)
            leaf = leaf_hash(whole)
            prev, size = leaf.hex(), size + 1
            tree.grow(leaf)
            file.write(whole + b"\n")
        note = checkpoint.sign(checkpoint.Checkpoint(chain, size, tree.root()), KEY, PUBLIC)
        file.write(text([], [note]))


def _lines(count: int) -> Iterator[dict[str, object]]:
    import base64

    for number, one in enumerate(records(count)):
        if number >= count:
            return
        if number == 0:
            one["ext"]["log_key"] = base64.b64encode(PUBLIC).decode()
        yield {key: value for key, value in one.items() if value is not None}


def rows(folder: Path, count: int = 1_000_000) -> list[Row]:
    """Detections, and one task, as whole processes."""
    path = folder / "work.jsonl"
    write(path, count)
    task = f"t-{count // 20}"
    made = [
        _ours(f"all detections over {count} records", folder, ["audit", "detect", str(path)], count),
        _ours(
            f"one of {count} records' tasks, verified", folder, ["audit", "replay", str(path), "--task", task], count
        ),
    ]
    for name, (module, script) in PEERS.items():
        if importlib.util.find_spec(module) is not None:
            made.append(_peer(name, [sys.executable, "-c", script, str(path), task], count))
    if (jq := shutil.which("jq")) is not None:
        made.append(_peer("jq", [jq, "-c", f'select(.task == "{task}")', str(path)], count))
    path.unlink()
    return made


def _ours(what: str, folder: Path, command: list[str], count: int) -> Row:
    env = os.environ | {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(folder / "no-home")}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURED, *command], capture_output=True, env=env, text=True)
    took = time.perf_counter() - began
    assert done.returncode == 3, done.stderr  # nobody pinned the key
    mib = int(done.stderr.splitlines()[-1]) / 1024
    return Row(what, f"{took:.1f} s, {mib:.0f} MiB", "–", f"{count / took:.0f}/s", "–", None)


def _peer(name: str, command: list[str], count: int) -> Row:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    return Row(f"the same by {name}, which verifies nothing", "–", f"{took:.1f} s", f"{count / took:.0f}/s", "–", None)
