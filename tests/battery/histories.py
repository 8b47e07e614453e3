"""Honest histories: whatever happened, nobody who verifies is ever alarmed. A row is what is done to a fresh house."""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from nhictl.core.ledger import checkpoint
from nhictl.core.ledger import verify as ledger
from nhictl.core.policy.box import parse_box
from nhictl.errors import NhictlError
from nhictl.ops import act, audit_log, erase, erase_files, high_water, key_custody, log_file
from nhictl.ops.accept_restore import accept
from nhictl.ops.act import Act, transact
from nhictl.ops.backup_home import backup
from nhictl.ops.bundle_log import Wanted as Asked
from nhictl.ops.bundle_log import bundle
from nhictl.ops.erase import Wanted, redact
from nhictl.ops.freeze import freeze, unfreeze
from nhictl.ops.house import House
from nhictl.ops.import_logs import import_logs
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.prune_log import prune, reduce
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.restore_home import restore
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.rotate_log_key import rotate
from nhictl.ops.turn import log_key
from nhictl.store import custodies
from tests.battery.stage import FOREIGN, Pipe
from tests.core.ledger.exported_log import Log, anchor, export, honest_history, new_house, taken_from
from tests.harness import Clock
from tests.store.schema_home import old_home, opened


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
    grow(house, "later")


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
    bundle(house, Asked(agent="bot"), house.home.parent / "case.zip", disclose=["all"])


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


def erased(house: House) -> None:
    honest_history(house)
    erase_task(house)


def principal_erased(house: House) -> None:
    """Cut off by name, killed and erased in one act."""
    grow(house)
    order = Order("bot", "try", "p", (parse_box("a.b"),), instance="i", principal="alice@example.org")
    task, _ = open_task(house, order)
    issue_token(house, task["id"], "https://api.example.org")
    revoke(house, Selector(principal="alice@example.org"), None)
    redact(house, Wanted(subject="alice@example.org"), "asked for", end_tasks=True)


def record_erased(house: House) -> None:
    imported(house)
    (seq,) = house.db.execute("SELECT seq FROM content WHERE label = 'source'").fetchone()
    redact(house, Wanted(record=seq), "not ours")


def erased_and_rotated(house: House) -> None:
    erased(house)
    rotate(house)
    record_erased(house)
    rotate(house)
    grow(house, "last")


def erasure_waits(house: House) -> None:
    """A reader holds the write-ahead log meanwhile, and after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nhictl.store.sqlite.BUSY_MS", 20)
        reader = sqlite3.connect(house.database, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM log").fetchall()
        record_erased(house)
        assert erase_files.pending(house)
        reader.close()


def killed_in(where: str, then: Callable[[House], object], lives: Callable[[House], object]) -> Callable[[House], None]:
    """Killed in the second half of something, by a process of its own; then finished."""

    def run(house: House) -> None:
        honest_history(house)
        clock(house).advance(10)
        house.close()
        child = os.fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(where, lambda *_: os._exit(9))
                lives(again(house))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 9, "it was meant to die"
        then(house)
        grow(house, "after")

    return run


def erase_task(house: House) -> None:
    (task,) = house.db.execute("SELECT name FROM task").fetchone()
    redact(house, Wanted(tasks=(task,)), "asked for")


def moved_out(house: House) -> None:
    clock(house).advance(10)
    number = len(parts_of(house))
    prune(house, clock(house)(), str(house.home.parent / f"part-{number}.jsonl"))
    grow(house, f"part{number}")


def moved_out_twice(house: House) -> None:
    honest_history(house)
    moved_out(house)
    rotate(house)
    moved_out(house)
    rotate(house)


def moved_out_and_erased(house: House) -> None:
    record_erased(house)
    moved_out(house)
    (seq,) = house.db.execute("SELECT max(seq) FROM content").fetchone()
    moved_out(house)
    redact(house, Wanted(record=seq), "asked for")


def moved_out_and_put_back(house: House) -> None:
    moved_out(house)
    put_back(house)


def tokens_let_go(house: House) -> None:
    honest_history(house)
    clock(house).now_us += 10 * 86_400_000_000
    moved_out(house)
    assert house.db.execute("SELECT count(*) FROM token").fetchone() == (1,)


def migrated(house: House) -> House:
    """A home that the first schema made, opened today, and its old copy erased from."""
    made = opened(old_home(house.home.parent / "old"))
    grow(made)
    (seq,) = made.db.execute("SELECT min(seq) FROM content").fetchone()
    assert redact(made, Wanted(record=seq), "asked for")[0].copies == ["before-schema-2.db"]
    grow(made, "more")
    return made


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
    "a task's content erased": erased,
    "a principal erased whose open task was killed": principal_erased,
    "an imported file erased": record_erased,
    "erased, the key rotated, erased, rotated": erased_and_rotated,
    "erasure that waits for a reader": erasure_waits,
    "killed between an erasure's record and its files": killed_in(
        "nhictl.ops.erase.finish", erase.finish_all, erase_task),
    "moved out": moved_out,
    "moved out twice, the key rotated between": moved_out_twice,
    "moved out and erased": moved_out_and_erased,
    "moved out and a backup put back": moved_out_and_put_back,
    "killed while lines were moved out": killed_in("nhictl.ops.prune_log.reduce", reduce, moved_out),
    "expired tokens let go of": tokens_let_go,
    "a home of the first schema": migrated,
}  # fmt: skip
"""Whoever adds an act that leaves the log otherwise than before adds a row: a function of a fresh house, which may return
another one to be looked at."""


def lived(name: str, folder: Path) -> House:
    """The house that a history leaves."""
    house = new_house(folder / "home")
    other = HISTORIES[name](house)
    if isinstance(other, House):
        house.close()
        return other
    return house


def parts_of(house: House) -> list[Path]:
    """What was moved out of a house's log, in order."""
    return sorted(house.home.parent.glob("part-*.jsonl"))


def verdicts(house: House) -> dict[str, str]:
    """What everybody says of a house, by who looks."""
    parts = parts_of(house)
    files = [io.BytesIO(data) for data in (*(path.read_bytes() for path in parts), export(house))]
    whole = log_file.Joined(files)
    data = b"".join(iter(lambda: whole.read(1 << 20), b""))
    log = Log(data.split(b"\n")[:-2], [], [], log_key(house))
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
        "database, hashes of what was moved out": audit_log.verify_home(house, ()).verdict,
        "database": audit_log.verify_home(house, (), None, parts).verdict,
        "database, witness": audit_log.verify_home(house, seen, None, parts).verdict,
        "home": file(None, [], at=house),
        "nobody": file(None, []),
        "first key": file([(log.chain, known[0])], []),
        "newest key, pipe": file([(log.chain, known[-1])], [], pipe=True),
        "witness": file([(log.chain, known[0])], seen),
        "torn": audit_log.verify_stream(Pipe(data[:-40]), nowhere, [], [(log.chain, known[0])]).verdict,
    }


HONEST = {
    "database, hashes of what was moved out": "VERIFIED_UNANCHORED",
    "database": "VERIFIED_UNANCHORED", "database, witness": "VERIFIED", "home": "VERIFIED_UNANCHORED",
    "nobody": "UNKNOWN_KEY", "first key": "VERIFIED_UNANCHORED", "newest key, pipe": "VERIFIED_UNANCHORED",
    "witness": "VERIFIED", "torn": "INCOMPLETE_TAIL",
}  # fmt: skip
