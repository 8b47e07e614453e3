"""Kills `token issue` at one point after another and looks at what is left; run by test_crash as a process of its own.

Modules are loaded once and a child is forked for each point, before any database connection exists in this process.
Two ways to die: SIGKILL at the n-th event (a call or return of a function of ours, or of SQLite, the lock, a file), and
the kernel's signal when a file would grow over so many bytes, which is in the middle of a write that SQLite makes.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

from nhictl.cli.main import main
from nhictl.core.ledger import record
from nhictl.ops.audit_log import parse_anchor, verify_home
from nhictl.ops.high_water import FILE
from nhictl.ops.house import DATABASE, House
from nhictl.ops.issue_token import issue_token
from nhictl.store import log, work

DISK = ("posix", "fcntl", "_io")


class Counter:
    """A profile function that counts events and kills the process at the one that is asked for."""

    def __init__(self, fatal: int = -1) -> None:
        self.fatal = fatal
        self.kinds: list[str] = []

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if not str(frame.f_globals.get("__name__", "")).startswith("nhictl"):
            return
        if event in ("call", "return"):
            kind = "ours"
        elif type(getattr(arg, "__self__", None)).__module__ == "sqlite3":
            kind = "sqlite"
        elif getattr(arg, "__module__", None) in DISK:
            kind = "disk"
        else:
            return
        if len(self.kinds) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.kinds.append(kind)


def forked(work_in_child: Callable[[], Any]) -> tuple[int, Any]:
    """Do it in a child; returns the wait status and what it returned, None if it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = json.dumps(work_in_child()).encode()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(answer)
            os._exit(0)
        except BaseException:  # noqa: BLE001
            import traceback

            traceback.print_exc()
            os._exit(9)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return status, json.loads(answer) if answer else None


def issue(home: Path, task: str, out: Path, counter: Counter | None = None) -> int:
    """The whole command, its standard output in a file."""
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.close(handle)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    arguments = ["--home", str(home), "token", "issue", "--task", task, "--audience", "https://api.example.org"]
    if counter:
        sys.setprofile(counter)
    try:
        rc = main(arguments)
        sys.stdout.flush()
    finally:
        sys.setprofile(None)
    return rc


def look(home: Path, task: str, printed: bytes) -> dict[str, Any]:
    """What is left in the home, before and after one more token is issued in it."""
    mark = parse_anchor((home / FILE).read_bytes(), FILE)
    house = House(home, home / DATABASE)
    found = verify_home(house, ())
    lines = [record.decode(line) for _, line in log.lines(house.db)]
    recorded = [line["tok"] for line in lines if line["type"] == "token.issued"]
    rows = work.tokens(house.db)
    row = work.task(house.db, task)
    token = printed.strip()
    _, head = issue_token(house, task, "https://api.example.org")
    after = verify_home(house, ())
    house.close()
    return {
        "mark": mark.size, "moved": parse_anchor((home / FILE).read_bytes(), FILE).size,
        "verdict": found.verdict, "size": found.size, "records": len(recorded), "rows": len(rows),
        "counted": row.tokens if row else None, "same": recorded == ["sha256:" + r.digest.hex() for r in rows],
        "whole": printed.endswith(b"\n"), "printed": len(token),
        "kept": "sha256:" + sha256(token).hexdigest() in recorded,
        "next": head.size, "after": after.verdict, "after_size": after.size,
    }  # fmt: skip


def one(template: Path, place: Path, task: str, arm: Callable[[], Counter | None]) -> dict[str, Any]:
    """Issue in a fresh copy, armed with a way to die, then look."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place)
    out = place.with_suffix(".out")
    out.unlink(missing_ok=True)
    status, _ = forked(lambda: issue(place, task, out, arm()))
    printed = out.read_bytes() if out.exists() else b""
    _, found = forked(lambda: look(place, task, printed))
    return {"signal": status & 0x7F, "exit": status >> 8, **(found or {"verdict": "could not look"})}


def limited(size: int) -> Counter | None:
    """Die when a file would grow over `size` bytes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    return None


def run(template: Path, place: Path, task: str) -> None:
    """Print one JSON line for the undisturbed act and one for each point of death."""
    shutil.copytree(template, place)
    _, names = forked(lambda: [issue(place, task, place.with_suffix(".out")), sorted(sys.modules)])
    for name in names[1]:
        if name.split(".")[0] in ("nhictl", "cryptography", "sqlite3", "typer", "pwd", "re", "json"):
            importlib.import_module(name)

    shutil.rmtree(place)
    shutil.copytree(template, place)

    def count() -> list[str]:
        counter = Counter()
        issue(place, task, place.with_suffix(".out"), counter)
        return counter.kinds

    _, kinds = forked(count)
    print(json.dumps({"kinds": {kind: kinds.count(kind) for kind in set(kinds)}}))
    ours = [n for n, kind in enumerate(kinds) if kind == "ours"]
    points = [n for n, kind in enumerate(kinds) if kind != "ours"] + ours[:: max(1, len(ours) // 150)]
    for n in sorted(points):
        print(json.dumps({"at": n, "kind": kinds[n], **one(template, place, task, partial(Counter, n))}))
    for size in range(0, 150_000, 1741):
        print(json.dumps({"at": size, "kind": "write", **one(template, place, task, partial(limited, size))}))
    print(json.dumps({"at": None, "kind": "none", **one(template, place, task, lambda: None)}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
