"""Verifying an exported log against hashing each of its lines; its memory, through a pipe; a bundle's proofs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger.merkle import BatchTree
from nhictl.core.ledger.verify import judge, scan
from nhictl.ops import log_file
from tests.bench.measure import Row, at_most, pairs
from tests.core.ledger.exported_log import text
from tests.harness import ROOT

KEY = Ed25519PrivateKey.from_private_bytes(b"b" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
TASKS = 20_000


def lines(count: int) -> Iterator[bytes]:
    """A well-linked log of `count` records like those of issued tokens; `TASKS` tasks take turns."""
    import base64

    fields: dict[str, object] = {
        "ts": "2026-11-23T20:00:00.000000Z", "type": "token.issued", "outcome": "ok",
        "actor": {"kind": "operator", "id": "uid:1000", "host": "bench"}, "agent": "report-bot", "inst": "i",
        "tok": "sha256:" + "a" * 64,
        "ext": {"aud": "https://api.example.org", "exp": 1795460300, "log_key": base64.b64encode(PUBLIC).decode()},
    }  # fmt: skip
    genesis = record.encode({**fields, "type": "log.genesis"}, record.GENESIS_PREV)
    yield genesis
    yield from following(genesis, fields, range(1, count))


def following(last: bytes, fields: dict[str, object], numbers: range) -> Iterator[bytes]:
    """Records that follow `last`, of `fields` but for task and jti, which come from the numbers."""
    prev = record.next_prev(last)
    made = record.encode({**fields, "task": "t-TTTTTTTTTTTTTTTT", "jti": "J" * 22}, "").decode()
    before, between, after = made.replace("T" * 16, "\0").replace("J" * 22, "\0").split("\0")
    for number in numbers:
        line = f'{before}{number % TASKS:016d}{between}{number:022d}{after[:-2]}{prev}"}}'.encode()
        prev = sha256(b"\0" + line).hexdigest()
        yield line


def write(file: IO[bytes], count: int) -> None:
    """The exported log: its lines, and the line of its signed checkpoint."""
    tree, chain, leaves, block = BatchTree(), "", b"", []
    for number, line in enumerate(lines(count)):
        chain = chain or checkpoint.chain_id(line)
        leaves += sha256(b"\0" + line).digest()
        block.append(line + b"\n")
        if number % 4096 == 0 or number == count - 1:
            tree.grow(leaves)
            file.write(b"".join(block))
            leaves, block = b"", []
    note = checkpoint.sign(checkpoint.Checkpoint(chain, count, tree.root()), KEY, PUBLIC)
    file.write(text([], [note]))


class _NoTree(BatchTree):
    """Links alone."""

    def grow(self, joined: bytes) -> None:
        """Nothing."""


def rows(folder: Path, rounds: int, count: int = 1_000_000, streamed: int = 10_000_000) -> list[Row]:
    """Chain, root and one task's records over a file, against SHA-256 of each line; the memory of a pipe."""
    path = folder / "log.jsonl"
    with path.open("wb") as file:
        write(file, count)

    def links() -> None:
        with path.open("rb") as file:
            assert scan(log_file.read_batches(file, []), tree=_NoTree()).size == count

    def root() -> None:
        with path.open("rb") as file:
            read = log_file.scanned(file, set())
        found = judge(read.scan, read.notes, [PUBLIC], [], pinned_chain=None, complete=read.complete)
        assert found.verdict == "VERIFIED_UNANCHORED"

    def query() -> None:
        needle, hits = b'"task":"t-%016d"' % (TASKS // 2), []

        def seen(batches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
            for batch in batches:
                hits.extend([record.decode(line) for line in batch if needle in line])
                yield batch

        with path.open("rb") as file:
            assert scan(seen(log_file.read_batches(file, []))).size == count
        assert len(hits) == count // TASKS

    def floor() -> None:
        with path.open("rb") as file:
            for line in file:
                sha256(line).digest()

    made = [_row(what, work, floor, rounds, budget, count) for what, work, budget in (
        ("links", links, 1.4), ("links and root", root, 2.5), ("links, root and one task", query, 3.3))]  # fmt: skip
    path.unlink()
    return [*made, memory(streamed)]


def _row(
    what: str, work: Callable[[], object], floor: Callable[[], object], rounds: int, budget: float, count: int
) -> Row:
    return at_most(f"verify {what}, {count} records", pairs(work, floor, rounds), budget)


MEASURED = """
import sys
from nhictl.cli.main import main
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], file=sys.stderr)
sys.exit(code)
"""
"""The program, and its own peak afterwards: what the kernel says of a child's peak includes its parent's at the fork."""


def memory(count: int, limit_mib: int = 40) -> Row:
    """The most memory that `nhictl audit verify -` ever holds while so many records come through a pipe."""
    key = checkpoint.verifier_key(checkpoint.chain_id(next(lines(1))), PUBLIC)
    with tempfile.TemporaryDirectory() as name, (Path(name) / "said").open("wb+") as said:
        (Path(name) / "keys").write_text(key + "\n")
        command = [sys.executable, "-c", MEASURED, "audit", "verify", "-", "--keys", str(Path(name) / "keys")]
        env = os.environ | {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(Path(name) / "home")}
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.PIPE, env=env)
        assert child.stdin is not None
        write(child.stdin, count)
        _, err = child.communicate()
        said.seek(0)
        verdict = said.read(19)
    assert (child.returncode, verdict) == (0, b"VERIFIED_UNANCHORED"), err
    mib = int(err) / 1024
    what = f"verify {count} records through a pipe: most memory"
    return Row(what, f"{mib:.1f} MiB", "–", f"{mib:.1f}", f"≤ {limit_mib} MiB", mib <= limit_mib)
