"""`audit verify|checkpoint|export`: what the log proves, and taking it elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from nhictl.core import strict_json
from nhictl.core.ledger import checkpoint
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.record import GENESIS_PREV
from nhictl.core.token import b64
from nhictl.errors import InputError, NhictlError, NotFoundError, UnavailableError
from nhictl.ops import high_water, log_file
from nhictl.ops.act import Head
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import log, sqlite

_BATCH = 1 << 20


def public_keys(house: House) -> list[bytes]:
    """The log keys of the home, raw Ed25519."""
    with sqlite.guarded("read the log key"):
        rows = agent_table.keys(house.db, "log")
    return [base64.b64decode(json.loads(row.public)["ed25519"]) for row in rows]


def newest(house: House) -> tuple[str, Head]:
    """The newest signed checkpoint, and the head it covers."""
    with sqlite.guarded("read the log"):
        note = log.newest_note(house.db)
    if note is None:
        raise NotFoundError("the log has no checkpoint")
    return note, Head(*checkpoint.parse(note))


def verify_home(
    house: House, anchors: Sequence[ledger.Anchor], keys: Sequence[bytes] | None = None
) -> ledger.Integrity:
    """Verify the database's own log, in one snapshot, against its keys and the anchors given.

    The home's high-water mark is one more thing to hold it against, but no witness: it proves nothing to others.
    """
    db = house.db
    mark = _mark(house)
    with sqlite.guarded("read the log"):
        db.execute("BEGIN")
        try:
            head = log.head(db)
            note = log.newest_note(db)
            marks = {a.size for a in (*anchors, *mark)} | ({head.size} if head else set())
            done = ledger.scan(contiguous(log.lines(db)), marks)
            notes = [note] if note else []
            pinned = keys if keys is not None else public_keys(house)
            kept = ledger.Head(head.size, head.prev, head.subtrees) if head else ledger.Head(0, GENESIS_PREV, b"")

            def judged(more: Sequence[ledger.Anchor] = ()) -> ledger.Integrity:
                chain, seen = house.meta["chain"], [*anchors, *more]
                return ledger.judge(done, notes, pinned, seen, pinned_chain=chain, complete=True, head=kept)

            found = judged()
            if found.exit == 0 and mark and (put_back := judged(mark)).exit:
                return put_back
            if found.exit == 1 and found.first_bad_seq is not None:
                every = dict(log.notes(db))  # only now: where does it go wrong?
                done = ledger.scan(contiguous(log.lines(db)), [*every, *marks])
                notes = [every[size] for size in sorted(every)]
                found = judged()
            return found
        finally:
            db.execute("COMMIT")


def _mark(house: House) -> list[ledger.Anchor]:
    """The high-water mark as an anchor, if it can be read and a key of the home signed it; read before the database."""
    try:
        note = (high_water.read(house) or b"").decode("utf-8")
        if any(checkpoint.signed_by(note, key) for key in public_keys(house)):
            return [ledger.Anchor(*checkpoint.parse(note), f"`{high_water.FILE}` in the home")]
    except (NhictlError, ValueError):
        pass  # `nhictl doctor` says what is the matter with it
    return []


def contiguous(rows: Iterable[tuple[int, bytes]]) -> Iterator[list[bytes]]:
    """Lines in order, in batches of about a megabyte; a gap in the numbers becomes a line that links to nothing."""
    batch: list[bytes] = []
    room = _BATCH
    for expected, (seq, line) in enumerate(rows):
        batch.append(line if seq == expected else b"")
        room -= len(line) + 100
        if room < 0:
            yield batch
            batch, room = [], _BATCH
    yield batch


def verify_file(
    path: Path, house: House, anchors: Sequence[ledger.Anchor], keys: Sequence[tuple[str | None, bytes]] | None
) -> ledger.Integrity:
    """Verify an exported log (see `verify_stream`) or an evidence bundle."""
    try:
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                from nhictl.ops import check_bundle

                return check_bundle.check(file, house, anchors, keys)
            file.seek(0)
            return verify_stream(file, house, anchors, keys)
    except OSError as e:
        raise InputError(f"cannot read `{path}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e


def verify_stream(
    file: BinaryIO, house: House, anchors: Sequence[ledger.Anchor], keys: Sequence[tuple[str | None, bytes]] | None
) -> ledger.Integrity:
    """Verify an exported log, also from a pipe. Keys are those given, else the home's if it holds this very log.

    Constant memory at any size. OSError if it cannot be read.
    """
    read = log_file.scanned(file, {a.size for a in anchors})
    done = read.scan
    chain = checkpoint.chain_id(done.genesis) if done.genesis is not None else None
    pinned_chain, pinned = None, []
    if keys is not None:
        pinned = [key for named, key in keys if named in (None, chain)]
        pinned_chain = next((named for named, _ in keys if named is not None), None)
    elif house.exists() and house.meta["chain"] == chain:
        pinned = public_keys(house)
    notes = read.notes if read.complete or done.broken_at is not None else []
    return ledger.judge(done, notes, pinned, anchors, pinned_chain=pinned_chain, complete=read.complete)


def parse_anchor(data: bytes, source: str) -> ledger.Anchor:
    """What a witness kept: a signed note, a token, or a saved JSON reply; InputError (2) if it is none of them."""
    text = data.decode("utf-8", "replace").strip()
    try:
        if text.startswith("nhictl/"):
            return ledger.Anchor(*checkpoint.parse(text + "\n"), source)
        if text.startswith("{"):
            found = strict_json.loads(text).get("log")
        else:
            found = strict_json.loads(b64.decode(text.split(".")[1])).get("nhictl", {}).get("log")
        chain, size, root = found["chain"], found["size"], found["root"]
        if type(size) is not int or type(chain) is not str or type(root) is not str:
            raise ValueError("not a log head")
        # The note form has the one strict reader; a head that it refuses is none.
        return ledger.Anchor(*checkpoint.parse_head(chain, str(size), root), source)
    except (ValueError, LookupError, TypeError, AttributeError) as e:
        hint = "give a checkpoint (nhictl audit checkpoint), a token, or a saved JSON reply"
        raise InputError(f"`{source}` is no anchor", code="anchor_malformed", hint=hint) from e


def parse_keys(data: bytes, source: str) -> list[tuple[str | None, bytes]]:
    """Pinned log keys, one signed-note verifier key a line; InputError (2) if a line is none."""
    found: list[tuple[str | None, bytes]] = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            found.append(checkpoint.parse_verifier_key(line))
        except checkpoint.NoteError as e:
            raise InputError(str(e), file=source, line=number, code="key_malformed") from e
    if not found:
        raise InputError(f"`{source}` holds no key", code="key_malformed")
    return found


def export_native(house: House, out: BinaryIO) -> int:
    """Write every stored line, byte for byte, then the line of keys and checkpoints; returns the number of records."""
    db = house.db
    with sqlite.guarded("read the log"):
        db.execute("BEGIN")
        try:
            head = log.head(db)
            size = head.size if head else 0
            out.writelines(line + b"\n" for _, line in log.lines(db, below=size))
            keys = [checkpoint.verifier_key(house.meta["chain"], key) for key in public_keys(house)]
            last = {"schema": log_file.CHECKPOINTS, "keys": keys, "notes": log.spread_notes(db, size)}
            out.write(strict_json.dumps(last).encode() + b"\n")
            out.flush()
        except OSError as e:
            if isinstance(e, BrokenPipeError):
                raise
            raise UnavailableError(f"cannot write the export: {(e.strerror or str(e)).lower()}") from e
        finally:
            db.execute("COMMIT")
    return size
