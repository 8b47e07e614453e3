"""Verifying an exported log against hashing each of its lines."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from nhictl.core.ledger import record
from nhictl.core.ledger.verify import judge, scan
from nhictl.ops import log_file
from tests.bench.measure import Row, at_most, pairs


def write_log(path: Path, count: int) -> None:
    """A well-linked log of `count` records like those of issued tokens."""
    prev = record.GENESIS_PREV
    with path.open("wb") as file:
        for number in range(count):
            fields = {
                "ts": "2026-11-23T20:00:00.000000Z", "type": "token.issued" if number else "log.genesis", "outcome": "ok",
                "actor": {"kind": "operator", "id": "uid:1000", "host": "bench"}, "agent": "report-bot", "inst": "i",
                "task": "t-0123456789abcdef", "jti": f"{number:022d}", "tok": "sha256:" + "a" * 64,
                "ext": {"aud": "https://api.example.org", "exp": 1795460300, "log_key": "A" * 43 + "="},
            }  # fmt: skip
            line = record.encode(fields, prev)
            prev = record.next_prev(line)
            file.write(line + b"\n")


def rows(folder: Path, rounds: int, count: int = 200_000) -> list[Row]:
    """Chain and root over a file, streamed, against SHA-256 of each line."""
    path = folder / "log.jsonl"
    write_log(path, count)

    def ours() -> None:
        with path.open("rb") as file:
            done = scan(log_file.read_batches(file, []))
        assert done.size == count
        assert judge(done, [], [], [], pinned_chain=None, complete=False).verdict == "INCOMPLETE_TAIL"

    def floor() -> None:
        with path.open("rb") as file:
            for line in file:
                sha256(line).digest()

    return [at_most(f"verify links and root, {count} records", pairs(ours, floor, rounds), 2.5)]
