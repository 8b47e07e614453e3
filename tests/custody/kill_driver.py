"""Kills a change of custody at one point after another and looks at what is left; run by test_killed as a process.

As in tests/ops/crash_driver: a child is forked for each point, which dies by SIGKILL at the n-th call of ours, of SQLite
or of a file. Deriving is replaced by a hash: what is looked at is the order of the steps.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

from nhictl.errors import ConflictError, UnsafeError
from nhictl.ops import key_custody
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.key_custody import Wanted
from nhictl.store import helper, os_keyring, passphrase  # noqa: F401  # loaded before the forks
from nhictl.store.passphrase import Cost, Source
from tests.ops.crash_driver import Counter, forked

OLD, NEW = b"the passphrase before", b"the passphrase after"


LASTING = {"write", "fsync", "rename", "unlink", "pwrite"}


class Steps(Counter):
    """Counts, and keeps the name of each call too."""

    def __init__(self, fatal: int = -1) -> None:
        super().__init__(fatal)
        self.names: list[str] = []

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        before = len(self.kinds)
        super().__call__(frame, event, arg)
        if len(self.kinds) > before:
            self.names.append(getattr(arg, "__name__", ""))


def hashed(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    return sha256(passphrase + salt + bytes(cost.p)).digest()


passphrase.derive = hashed


def opened(home: Path, given: bytes) -> House:
    house = House(home, home / DATABASE)
    house.passphrase = Source(line=given)
    return house


def change(home: Path, kind: str, new_key: bool, counter: Steps | None = None) -> list[list[str]]:
    """The change, armed if a counter is given; the kinds of its steps, and their names."""
    house = opened(home, OLD)
    if counter:
        sys.setprofile(counter)
    try:
        key_custody.change(house, Wanted(kind, None, Source(line=NEW)), new_key=new_key)
    finally:
        sys.setprofile(None)
    house.close()
    return [counter.kinds, counter.names] if counter else []


def look(home: Path, kind: str, task: str) -> dict[str, Any]:
    """By which passphrase the home opens, whether all in it does, and whether the change can be made after all."""
    ways = []
    for name, given in (("old", OLD), ("new", NEW)):
        house = opened(home, given)
        try:
            house.unlocked()
            ways.append(name)
        except UnsafeError:
            continue
    given = OLD if "old" in ways else NEW
    house = opened(home, given)
    shown, notes = key_custody.show(house)
    rows = house.db.execute("SELECT 'signing key:' || kid, sealed FROM signing_key").fetchall()
    rows += house.db.execute("SELECT 'content key:' || task, sealed FROM content_key").fetchall()
    whole = [len(house.sealer.open(box, place)) for place, box in rows] == [32] * 4
    before = house.unlocked().before is not None
    issue_token(house, task, "https://api.example.org")
    verdict = verify_home(house, ()).verdict
    house.close()
    house = opened(home, given)
    with contextlib.suppress(ConflictError):  # nothing is left to be changed
        key_custody.change(house, Wanted(kind, None, Source(line=NEW)))
    house.close()
    house = opened(home, NEW)
    after = key_custody.show(house)
    return {
        "ways": ways, "kind": shown["kind"], "recorded": shown["recorded"], "notes": notes, "whole": whole,
        "both": before, "verdict": verdict, "after": after[0]["kind"], "left": after[1],
        "files": sorted(path.name for path in home.iterdir() if path.name.startswith("kek")),
        "one": house.unlocked().before is None,
    }  # fmt: skip


def run(folder: Path, kind_before: str, kind: str, new_key: bool, every: int) -> None:
    """Print a line for each point of death, and one for the change undisturbed."""
    from tests.custody.keepers import house_with
    from tests.custody.test_change import worked_in

    template, place = folder / "template", folder / "place"
    house = house_with(template, kind_before, passphrase=OLD)
    task = worked_in(house)
    house.close()

    def fresh() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(template, place)

    fresh()
    _, (kinds, names) = forked(partial(change, place, kind, new_key, Steps()))
    points = [n for n, name in enumerate(names) if kinds[n] == "disk" and name in LASTING]
    first = points[0]  # before it nothing was done
    for what, steps in (("sqlite", every), ("ours", every)):
        rest = [n for n, found in enumerate(kinds) if found == what and n > first]
        points += rest[:: max(1, len(rest) // steps)]
    points = sorted([0, *points])
    for n in [*points, None]:
        fresh()
        status, _ = forked(partial(change, place, kind, new_key, Steps(n) if n is not None else None))
        _, found = forked(partial(look, place, kind, task))
        what = kinds[n] if n is not None else "none"
        print(json.dumps({"at": n, "step": what, "signal": status & 0x7F, **(found or {"ways": "could not look"})}))


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "new", int(sys.argv[5]))
