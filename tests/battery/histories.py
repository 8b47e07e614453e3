"""Honest histories: whatever happened, nobody who verifies is ever alarmed. A row is what is done to a fresh house."""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from nhictl.core.ledger import checkpoint
from nhictl.core.ledger import verify as ledger
from nhictl.errors import NhictlError
from nhictl.ops import act, audit_log, high_water, key_custody
from nhictl.ops.accept_restore import accept
from nhictl.ops.act import Act, transact
from nhictl.ops.backup_home import backup
from nhictl.ops.bundle_log import Wanted, bundle
from nhictl.ops.freeze import freeze, unfreeze
from nhictl.ops.house import House
from nhictl.ops.import_logs import import_logs
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.restore_home import restore
from nhictl.ops.rotate_log_key import rotate
from nhictl.store import custodies
from tests.battery.stage import FOREIGN, Pipe
from tests.core.ledger.exported_log import anchor, export, honest_history, taken_from
from tests.harness import Clock


def grow(house: House, *names: str) -> None:
    for name in names or ("bot",):
        register(house, Registration(name, "o@example.org", "p"), None, None)


def again(house: House) -> House:
    return House(house.home, house.database, clock=house.clock)


def clock(house: House) -> Clock:
    assert isinstance(house.clock, Clock)
    return house.clock


def two_writers(house: House) -> None:
    other = again(house)
    for number in range(4):
        grow(house, f"a{number}")
        grow(other, f"b{number}")
    other.close()


def failed(house: House) -> None:
    def fails(act: Act) -> None:
        act.record("key.prepared")
        raise NhictlError("no")

    for _ in range(3):
        try:
            transact(house, fails)
        except NhictlError:
            continue
    grow(house)


def died(at: str) -> Callable[[House], None]:
    """Killed without a word at one step of an act, by a process of its own; then another act."""

    def run(house: House) -> None:
        grow(house, "before")
        house.close()
        child = os.fork()
        if child == 0:
            _die(again(house), at)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 9, "it was meant to die"
        assert len(taken_from(house).lines) == (4 if at == "after the commit" else 3)
        grow(house, "after")

    return run


def _die(house: House, at: str) -> None:
    def last(*_: object, **__: object) -> None:
        os._exit(9)

    def decide(act: Act) -> int:
        seq = act.record("key.prepared")
        if at == "after the record":
            last()
        return seq

    if at == "before the record":
        setattr(Act, "record", last)  # noqa: B010
    if at == "before the checkpoint":
        setattr(checkpoint, "sign", last)  # noqa: B010
    if at == "before the commit":
        setattr(act, "_commit", last)  # noqa: B010
    if at == "after the commit":
        setattr(high_water.Mark, "move", last)  # noqa: B010
    transact(house, decide)


def time_steps(house: House) -> None:
    for number, seconds in enumerate((-29, 3600, -20, 5)):
        clock(house).advance(seconds)
        grow(house, f"bot{number}")


def revoked_with_the_clock_back(house: House) -> None:
    honest_history(house)
    clock(house).advance(-86400)
    freeze(house, "all", "", "the clock is wrong")


def put_back(house: House) -> None:
    grow(house, "one")
    kept = backup(house, str(house.home.parent / "kept.db"), with_keys=False)
    house.close()
    restore(again(house), str(kept.path), keys_file=None, replace=True)
    grow(house, "two")


def put_back_older(house: House) -> None:
    kept = backup(house, str(house.home.parent / "kept.db"), with_keys=False)
    grow(house, "lost")
    house.close()
    restore(again(house), str(kept.path), keys_file=None, replace=True)
    accept(house)
    grow(house, "two")


def imported(house: House) -> None:
    """A foreign log whose payload says that a token was revoked."""
    (house.home.parent / "run.json").write_text(FOREIGN)
    import_logs(house, [str(house.home.parent / "run.json")], None)
    grow(house)


def rebuilt(house: House) -> None:
    """The file written anew by SQLite, record for record."""
    honest_history(house)
    house.close()
    with sqlite3.connect(house.database) as db:
        db.execute("VACUUM")
    db.close()


def mark_lags(house: House) -> None:
    mark = house.mark_path.read_bytes()
    grow(house)
    house.mark_path.write_bytes(mark)


def exported_by_bundle(house: House) -> None:
    honest_history(house)
    bundle(house, Wanted(agent="bot"), house.home.parent / "case.zip", disclose=["all"])


def several_in_one(house: House) -> None:
    def decide(act: Act) -> None:
        for _ in range(9):
            act.record("key.prepared")

    transact(house, decide)


def frozen(house: House) -> None:
    honest_history(house)
    freeze(house, "all", "", "try")
    unfreeze(house, "all", "", None)


def twice(house: House) -> None:
    rotate(house)
    rotate(house)
    grow(house)


def rotated_elsewhere(house: House) -> None:
    """One process rotates while another has the old key open."""
    grow(house, "a")
    other = again(house)
    rotate(other)
    other.close()
    grow(house, "b")


def emptied_wal(house: House) -> None:
    grow(house)
    assert custodies.empty_wal(house.db)


HISTORIES: dict[str, Callable[[House], object]] = {
    "fresh": lambda _: None,
    "all kinds of acts": honest_history,
    "acts that failed": failed,
    "several records in one act": several_in_one,
    "two writers in turn": two_writers,
    **{f"killed {at}": died(at) for at in (
        "before the record", "after the record", "before the checkpoint", "before the commit", "after the commit")},
    "clock steps": time_steps,
    "revoked while the clock is a day back": revoked_with_the_clock_back,
    "frozen and unfrozen": frozen,
    "key rotated": rotate,
    "key rotated twice": twice,
    "key rotated by another process": rotated_elsewhere,
    "custody changed, all boxes sealed anew": lambda h: key_custody.change(
        h, key_custody.Wanted("file", None, None), new_key=True, erase_old=False),
    "backup put back, nothing lost": put_back,
    "older backup put back and accepted": put_back_older,
    "foreign log that says token.revoked": imported,
    "content disclosed in a bundle": exported_by_bundle,
    "database rebuilt": rebuilt,
    "write-ahead log emptied": emptied_wal,
    "high-water mark that lags": mark_lags,
}  # fmt: skip
"""Erasure, pruning and whatever else leaves the log as it was belongs here: a function of a fresh house."""


def verdicts(house: House) -> dict[str, str]:
    """What everybody says of a house, by who looks."""
    data = export(house)
    log = taken_from(house)
    known = audit_log.public_keys(house)
    nowhere = House(Path("/nonexistent/nhictl"), Path("/nonexistent/nhictl/db"))
    seen = [anchor(log.lines, size) for size in sorted({1, 2, len(log.lines)})]

    def file(
        keys: list[tuple[str | None, bytes]] | None,
        anchors: list[ledger.Anchor],
        pipe: bool = False,
        at: House = nowhere,
    ) -> str:
        return audit_log.verify_stream((Pipe if pipe else io.BytesIO)(data), at, anchors, keys).verdict

    return {
        "database": audit_log.verify_home(house, ()).verdict,
        "database, witness": audit_log.verify_home(house, seen).verdict,
        "home": file(None, [], at=house),
        "nobody": file(None, []),
        "first key": file([(log.chain, known[0])], []),
        "newest key, pipe": file([(log.chain, known[-1])], [], pipe=True),
        "witness": file([(log.chain, known[0])], seen),
        "torn": audit_log.verify_stream(Pipe(data[:-40]), nowhere, [], [(log.chain, known[0])]).verdict,
    }


HONEST = {
    "database": "VERIFIED_UNANCHORED", "database, witness": "VERIFIED", "home": "VERIFIED_UNANCHORED",
    "nobody": "UNKNOWN_KEY", "first key": "VERIFIED_UNANCHORED", "newest key, pipe": "VERIFIED_UNANCHORED",
    "witness": "VERIFIED", "torn": "INCOMPLETE_TAIL",
}  # fmt: skip
