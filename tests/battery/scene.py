"""A home whose log was erased from, cut into segments, and signed by three keys: its database and its segments.

A copy is looked at four ways: the database with the hashes that are left of old lines, with its segments, by a witness as
well, and the segments with an export, by somebody who pinned the first key. Whoever attacks here takes the high-water
mark of the home away too.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.ledger import checkpoint
from nhictl.ops import audit_log, log_file
from nhictl.ops.erase import Wanted, redact
from nhictl.ops.house import DATABASE, House
from nhictl.ops.prune_log import prune
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.rotate_log_key import rotate
from nhictl.ops.turn import LogKey, log_key
from nhictl.store import log
from tests.battery.stage import Told, told
from tests.core.ledger.exported_log import anchor, export, honest_history, new_house
from tests.harness import Clock

VIEWS: Final = ("database", "with segments", "witness", "files, key pinned")
HOME, PARTS, ROTATED = "home", ("one.jsonl", "two.jsonl"), 12


class Scene(NamedTuple):
    """The folder of home and segments, all lines that there ever were, the keys that signed, and another log's segment."""

    folder: Path
    lines: list[bytes]
    first: LogKey
    newest: LogKey
    foreign: bytes
    redacted: int
    """The record of an erasure whose line is still in the database; the one before it lies in the first segment."""


def grow(house: House, name: str) -> None:
    assert isinstance(house.clock, Clock)
    house.clock.advance(10)
    register(house, Registration(name, "o@example.org", "p"), None, None)


def cut(house: House, path: Path) -> None:
    """Move out all there is, and go on a little."""
    assert isinstance(house.clock, Clock)
    house.clock.advance(10)
    prune(house, house.clock(), str(path))
    grow(house, path.stem)


def lived(folder: Path) -> tuple[House, LogKey, int]:
    """Erased by task in the first segment, by record after the last, a key for each stretch."""
    house = new_house(folder / HOME)
    honest_history(house)
    first = log_key(house)
    rotate(house)
    task = house.db.execute("SELECT name FROM task").fetchone()[0]
    redact(house, Wanted(tasks=(task,)), "asked for")
    cut(house, folder / PARTS[0])
    rotate(house)
    cut(house, folder / PARTS[1])
    seq = house.db.execute("SELECT max(seq) FROM content").fetchone()[0]
    redact(house, Wanted(record=seq), "asked for")
    redacted = seq_of_newest(house)
    grow(house, "last")
    return house, first, redacted


def seq_of_newest(house: House) -> int:
    head = log.head(house.db)
    assert head is not None
    return head.size - 1


def whole_lines(folder: Path, rest: bytes) -> list[bytes]:
    parts = [(folder / name).read_bytes() for name in PARTS if (folder / name).exists()]
    return [line for data in (*parts, rest) for line in data.split(b"\n")[:-2]]


def staged(folder: Path) -> Scene:
    """Build it, and another log of the same history to take a segment from."""
    (folder / "other").mkdir(parents=True)
    lived(folder / "other")[0].close()
    (folder / "ours").mkdir()
    house, first, redacted = lived(folder / "ours")
    scene = Scene(
        folder / "ours", whole_lines(folder / "ours", export(house)), first, log_key(house),
        (folder / "other" / PARTS[0]).read_bytes(), redacted,
    )  # fmt: skip
    house.close()
    return scene


class Copy(NamedTuple):
    """A copy to attack."""

    house: House
    folder: Path
    scene: Scene

    def part(self, number: int) -> Path:
        return self.folder / PARTS[number]


@contextmanager
def copied(scene: Scene, folder: Path) -> Iterator[Copy]:
    shutil.copytree(scene.folder, folder)
    (folder / HOME / "high-water").unlink()
    house = House(folder / HOME, folder / HOME / DATABASE, clock=Clock())
    try:
        yield Copy(house, folder, scene)
    finally:
        house.close()
        shutil.rmtree(folder)


def look(copy: Copy) -> list[Told]:
    """What each view says."""
    seen = anchor(copy.scene.lines, len(copy.scene.lines))
    parts = [copy.folder / name for name in PARTS]
    chain = checkpoint.chain_id(copy.scene.lines[0])
    found = [
        audit_log.verify_home(copy.house, ()),
        audit_log.verify_home(copy.house, (), None, parts),
        audit_log.verify_home(copy.house, [seen], None, parts),
    ]
    nowhere = House(Path("/nonexistent/nhictl"), Path("/nonexistent/nhictl/db"))
    with ExitStack() as stack:
        files: list[Any] = [stack.enter_context(path.open("rb")) for path in parts]
        whole: Any = log_file.Joined([*files, io.BytesIO(export(copy.house))])
        found.append(audit_log.verify_stream(whole, nowhere, (), [(chain, copy.scene.first.public)]))
    return [told(each) for each in found]
