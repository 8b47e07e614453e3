"""An act is one transaction: lock → read → decide → change state, append record, advance tree, sign → commit → answer.

Nothing leaves the process before its record is durable, and nothing is changed without a record. If the log cannot be
written, nothing was done (exit 7). A COMMIT that reports failure is read back, since it may have been carried out; if
that cannot be told the answer is `outcome_unknown`, never "nothing was done".
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

from nhictl.core import times
from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger.merkle import CompactRange, leaf_hash
from nhictl.errors import ConflictError, NhictlError, UnavailableError, UnsafeError
from nhictl.ops import sealing
from nhictl.ops.high_water import Mark
from nhictl.ops.house import House
from nhictl.ops.log_end import VERIFY, View, check, seen
from nhictl.ops.turn import LogKey, in_turn, kid_of, still
from nhictl.store import ballast, erasure, log, sqlite, tree

CLOCK_LEEWAY_US: Final = 30 * 1_000_000
AUTHORITY: Final = sealing.AUTHORITY

T = TypeVar("T")


class Head(NamedTuple):
    """The log's head, as every mutating reply and every token carries it: whoever keeps one is a witness."""

    chain: str
    size: int
    root: bytes

    def to_json(self, *, seq: bool = True) -> dict[str, Any]:
        """`{"chain","seq","size","root"}`, root in base64; a token leaves `seq` out."""
        said = {"size": self.size, "root": base64.b64encode(self.root).decode()}
        return {"chain": self.chain, "seq": self.size - 1, **said} if seq else {"chain": self.chain, **said}


def _tree_of(head: log.HeadRow) -> CompactRange:
    try:
        return CompactRange.from_bytes(head.size, head.subtrees)
    except ValueError as e:
        raise UnsafeError(f"the head of the log is damaged: {e}", code="store_damaged", hint=VERIFY) from e


class Act:
    """The inside of one transaction: the database, the moment, and the only way to append to the log."""

    def __init__(
        self, house: House, db: sqlite3.Connection, now_us: int, before: log.HeadRow, mark: Mark | None = None
    ) -> None:
        self.house = house
        self.db = db
        self.mark = mark or Mark(house)
        self.note = ""
        self.end: log.Beginning | None = None
        self.now_us = now_us
        self.tree = _tree_of(before)
        self.prev = before.prev
        self.ts = max(now_us, before.ts)
        self.chain = house.meta["chain"] if before.size else ""  # of the genesis: known once it is written
        self.actor = house.actor()
        self.masked = 0
        """How many secrets were masked in what was sealed so far."""
        self._content = sealing.Content(house, self.chain)
        self.next_key: LogKey | None = None  # whoever rotates the log key: this one signs the act's checkpoint already

    @property
    def seq(self) -> int:
        """The number the next record will have."""
        return self.tree.size

    def head(self) -> Head:
        """The head after the records appended so far."""
        return Head(self.chain, self.tree.size, self.tree.root())

    def record(
        self, kind: str, *, outcome: str = "ok", task_row: int | None = None, sealed: dict[str, Any] | None = None,
        hide: Iterable[str] = (), sealed_under: int | None = None, **fields: Any,
    ) -> int:  # fmt: skip
        """Append one record and return its number.

        `task_row` indexes it under a task and chooses the content key, unless `sealed_under` does; `sealed` is content by
        label, of which the line gets commitments only. Secrets in it are masked first, and of `args` what the dotted
        paths in `hide` name. Of a task whose content was erased nothing is sealed any more.
        """
        seq = self.seq
        fields["type"], fields["outcome"] = kind, outcome
        fields["ts"], fields["actor"] = times.rfc3339(self.now_us), self.actor
        if sealed:
            task = (task_row or AUTHORITY) if sealed_under is None else sealed_under
            fields["c"], more = self._content.seal(seq, sealed, task, hide)
            fields["ext"] = {**(fields.get("ext") or {}), **more} or None
            self.masked += more.get("masked", 0)
        try:
            line = record.encode(fields, self.prev)
        except record.RecordError as e:
            raise NhictlError(f"a record could not be written: {e}") from e
        log.append(self.db, seq, self.ts, task_row, line)
        if not self.chain:
            self.chain = self._content.chain = checkpoint.chain_id(line)
        leaf = leaf_hash(line)
        self.prev = leaf.hex()
        tree.keep(self.db, self.tree.append(leaf))
        return seq

    def finish(self, key: LogKey) -> Head:
        """Sign the checkpoint over everything appended, move the head and return it."""
        after, key = self.head(), self.next_key or key
        self.note = checkpoint.sign(checkpoint.Checkpoint(*after), key.private, key.public)
        row = log.HeadRow(after.size, self.ts, self.prev, self.tree.to_bytes())
        self.end = log.Beginning(row, self.note, None, False, kid_of(key.public))
        log.set_head(self.db, row, self.note)
        self.mark.keep(self.db)
        return after


def transact(
    house: House, decide: Callable[[Act], T], *, grants: bool = True, revokes: bool | None = None,
    key: LogKey | None = None, may_rest: bool = False, undo: Callable[[], None] | None = None,
) -> tuple[T, Head]:  # fmt: skip
    """Carry out `decide` as one act and return its answer with the head after it.

    `decide` reads, decides, changes state and appends at least one record, or raises, in which case nothing happened.
    `grants` is False for what only takes authority away: that works even when the clock has gone back or the disk is
    full (then `decide` may be called again, after a rollback), and, unless `revokes` says otherwise, when the database
    was put back. With `may_rest` it may find that there is nothing to change and append nothing; then the answer comes
    with the head as it is. `undo` takes back what `decide` did outside the database, under the lock, if the act failed.
    Raises ConflictError (lock not had), UnsafeError (`clock_regressed`, `store_rolled_back`, `store_replaced`),
    UnavailableError (`unavailable`, `outcome_unknown`).
    """

    def once() -> tuple[T, Head]:
        return _once(house, decide, grants, not grants if revokes is None else revokes, key, may_rest, undo)

    if grants:
        done = once()
    else:
        from nhictl.ops.full_disk import with_room

        done = with_room(house, once)
    ballast.keep(house.database)
    if house.erasing:
        sealing.go_on_erasing(house)
    return done


def _once(
    house: House, decide: Callable[[Act], T], grants: bool, revokes: bool, key: LogKey | None, may_rest: bool,
    undo: Callable[[], None] | None,
) -> tuple[T, Head]:  # fmt: skip
    lock, key = in_turn(house, grants, key)
    db = house.db
    mark = Mark(house)
    try:
        house.check_in_place()
        with sqlite.guarded("begin a transaction"):
            db.execute("BEGIN IMMEDIATE")
        try:
            with sqlite.guarded("write the log"):
                view = seen(house)
                found = view.end
                before = found.head if found else log.HeadRow(0, 0, record.GENESIS_PREV, b"")
                mark.check(db, before, found.note if found else None, revokes=revokes)
                now_us = house.clock()
                if grants and now_us + CLOCK_LEEWAY_US < before.ts:
                    raise clock_regressed(now_us, before.ts)
                if found is not None:
                    if not view.checked:
                        check(found)
                    key = still(house, key, found.kid)
                house.erasing = found is not None and _erasing(db)
                act = Act(house, db, now_us, before, mark)
                answer = decide(act)
                if act.seq == before.size:
                    if not may_rest:
                        raise NhictlError("an act without a record")
                    db.execute("ROLLBACK")
                    return answer, act.head()
                after = act.finish(key)
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if undo is not None:
                undo()
            raise
        lock.open_door()
        _commit(house, db, after, act.prev, undo)
        house.left = View(db, view.version, act.end, checked=True)
        mark.move(act.note)
    finally:
        mark.close()
        lock.release()
    return answer, after


def _erasing(db: sqlite3.Connection) -> bool:
    try:
        return erasure.any_waiting(db)
    except sqlite3.OperationalError:
        return False  # a database of before there was erasing


def _commit(house: House, db: sqlite3.Connection, after: Head, prev: str, undo: Callable[[], None] | None) -> None:
    try:
        db.execute("COMMIT")
    except sqlite3.Error as failed:
        if _committed(house, db, after, prev, failed):
            return
        if undo is not None:
            undo()
        raise sqlite.unavailable(failed, "commit: nothing was done") from failed


def _committed(house: House, db: sqlite3.Connection, after: Head, prev: str, failed: sqlite3.Error) -> bool:
    """Read back whether a COMMIT that reported failure was carried out after all."""
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
        fresh = sqlite.open_existing(house.database)
        try:
            now = log.head(fresh)
        finally:
            fresh.close()
    except (sqlite3.Error, NhictlError) as e:
        raise UnavailableError(
            f"the commit failed ({failed}) and what became of it cannot be read ({e})", code="outcome_unknown",
            hint=f"look whether record {after.size - 1} is in the log before trying again",
        ) from e  # fmt: skip
    return now is not None and now.size >= after.size and now.prev == prev


def clock_regressed(now_us: int, newest_us: int) -> UnsafeError:
    """The error for a clock behind the newest record by more than the leeway."""
    behind = (newest_us - now_us) // 1_000_000
    return UnsafeError(
        f"the clock is {behind} s behind the newest record", code="clock_regressed",
        hint="set the clock right; revoking and killing work all the same",
    )  # fmt: skip


def wrong_state(what: str, name: str, state: str, hint: str | None = None) -> ConflictError:
    """The error for an act that the state of `what` does not allow (exit 5)."""
    return ConflictError(f"{what} `{name}` is {state}", code=f"{what}_{state}", hint=hint)
