"""`audit prune`: the oldest records' lines move out of the database into a file; proofs go on, and so does state.

A segment is an exported part of the log that ends with a signed checkpoint. Written, durable and read back first; then one
act records it (`log.exported` with both ends and the file's digest); then each line gives way to its leaf hash, a few
thousand at a time, so that nobody waits long. Chain, tree, anchors, proofs of old records and `--at` need no more than
that. The first record and those that pass the log key on stay as they are. Content stays sealed in the database, where
erasing reaches it. A process that is killed leaves lines that are still whole below the cut, which does no harm; the next
`audit prune` goes on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.ledger.log_keys import ROTATED
from nhictl.errors import InputError, NotFoundError, UnavailableError, UnsafeError
from nhictl.ops import segment_files
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.audit_log import verify_home, write_part
from nhictl.ops.house import LOCK, House
from nhictl.store import approvals, counters, files, log, segments, sqlite
from nhictl.store.lock import WriteLock

_AT_ONCE: Final = 5000
_DAY_US: Final = 86_400_000_000


class Pruned(NamedTuple):
    """The records from `start` up to but without `end`, whose lines are now in `file`, and its SHA-256 in hex."""

    start: int
    end: int
    file: str | None
    digest: str | None

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.pruned/v1`."""
        return {
            "from": self.start, "to": self.end, "records": self.end - self.start, "file": self.file, "sha256": self.digest,
        }  # fmt: skip


def plan(house: House, before_us: int) -> Pruned:
    """What would be moved out: up to the newest checkpoint that covers nothing from `before_us` on.

    NotFoundError (4) if nothing is that old.
    """
    with sqlite.guarded("read the log"):
        start = segment_files.moved_out(house).size
        found = segments.note_at_or_below(house.db, log.size_at(house.db, before_us - 1))
    if found is None or found[0] <= start:
        raise NotFoundError("no records of before that moment to move out", code="nothing_to_prune")
    return Pruned(start, found[0], None, None)


def prune(house: House, before_us: int, target: str) -> tuple[Pruned, Head]:
    """Move out what `plan` says into the new file `target`; returns it with the head after the record.

    UnsafeError (6) if the log does not verify: evidence is not moved about then. InputError (2) for a place in the home;
    ConflictError (5) if the file exists, UnavailableError (7) if it cannot be written. Then nothing was changed.
    """
    path = Path(target).expanduser()
    if house.home.resolve() in path.parent.resolve().parents or house.home.resolve() == path.parent.resolve():
        raise InputError(f"`{target}` is in the home: it would be lost with it", code="usage")
    found = verify_home(house, ())
    if found.exit:
        raise UnsafeError(f"the log does not verify: {found.message}", code="log_tampered", hint="nhictl audit verify")
    wanted = plan(house, before_us)
    wanted = wanted._replace(file=path.name, digest=_write(house, path, wanted))

    def decide(act: Act) -> Pruned:
        if segment_files.moved_out(act.house).size != wanted.start:
            raise UnavailableError("another process moved a segment out meanwhile: nothing was done", hint="try again")
        ext = {"from": wanted.start, "to": wanted.end, "file": f"sha256:{wanted.digest}"}
        seq = act.record("log.exported", sealed={"folder": str(path)}, ext=ext)
        segments.add(act.db, segments.Segment(wanted.end, seq, path.name))
        return wanted

    try:
        done, head = transact(house, decide)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    reduce(house)
    forget(house, before_us)
    return done, head


def _write(house: House, path: Path, wanted: Pruned) -> str:
    """Write the segment, durably; returns its SHA-256."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as e:
        raise InputError(f"`{path}` exists already", code="exists", hint="nothing is overwritten") from e
    except OSError as e:
        raise UnavailableError(f"cannot write `{path}`: {(e.strerror or str(e)).lower()}") from e
    try:
        with os.fdopen(handle, "wb") as file, sqlite.guarded("read the log"):
            write_part(house, file, wanted.start, wanted.end)
            file.flush()
            os.fsync(file.fileno())
        files.sync_directory(path.parent)
        digest = sha256()
        with path.open("rb") as file:
            count = 0
            for line in file:
                digest.update(line)
                count += 1
        if count != wanted.end - wanted.start + 1:
            raise UnsafeError("the segment does not hold what it should", code="store_damaged")
    except OSError as e:
        path.unlink(missing_ok=True)
        raise UnavailableError(f"cannot write `{path}`: {(e.strerror or str(e)).lower()}") from e
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def reduce(house: House) -> int:
    """Let lines below the cut give way to their leaf hashes, and old checkpoints go; how many lines did."""
    db, count = house.db, 0
    cut = segment_files.moved_out(house).size
    while True:
        with _writing(house):
            rows = segments.whole(db, cut, _AT_ONCE, ROTATED)
            segments.reduce(db, rows)
            if not rows:
                segments.drop_notes(db, cut)
        count += len(rows)
        if not rows:
            return count


def forget(house: House, before_us: int) -> int:
    """Let go of tokens and access requests that had expired before that moment, and a day ago at the least, and of what
    limits counted before their longest window; how many tokens.

    What expired is refused as before, as unknown: none becomes good again. What the log says of all that stays.
    """
    now_us = house.clock()
    before = min(before_us, now_us - _DAY_US)
    with sqlite.guarded("read the policies"):
        window_s = max((limit["window_s"] or 0 for limit in counters.declared(house.db)), default=0)
    counted = min(before_us, now_us - max(window_s * 1_000_000, _DAY_US))
    count = 0
    while True:
        with _writing(house):
            segments.forget_spent(house.db, now_us // 1_000_000)
            found = segments.forget_tokens(house.db, before // 1_000_000, _AT_ONCE)
            rest = approvals.forget(house.db, before, _AT_ONCE) + counters.forget(house.db, counted, _AT_ONCE)
        count += found
        if not found + rest:
            return count


@contextlib.contextmanager
def _writing(house: House) -> Iterator[None]:
    """One short transaction under the writers' lock that appends nothing."""
    lock = WriteLock(house.home / LOCK)
    lock.acquire(house.lock_timeout)
    try:
        with sqlite.guarded("tidy the database up"):
            house.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                house.db.execute("COMMIT")
            except BaseException:
                house.db.execute("ROLLBACK")
                raise
    finally:
        lock.release()
