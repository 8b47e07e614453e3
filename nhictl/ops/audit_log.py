"""`audit verify|checkpoint|export`: what the log proves, and taking it elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from nhictl.core import strict_json
from nhictl.core.ledger import checkpoint
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.record import GENESIS_PREV
from nhictl.core.token import b64
from nhictl.errors import InputError, NhictlError, NotFoundError, UnavailableError
from nhictl.ops import high_water
from nhictl.ops.act import Head
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import log, sqlite

CHECKPOINTS = "nhictl.checkpoints/v1"
_BLOCK = 1 << 20


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
            done = ledger.scan(_contiguous(log.lines(db)), marks)
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
                done = ledger.scan(_contiguous(log.lines(db)), [*every, *marks])
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


def _contiguous(rows: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Lines in order; a gap in the numbers becomes a line that links to nothing."""
    for expected, (seq, line) in enumerate(rows):
        yield line if seq == expected else b""


def read_lines(file: BinaryIO, notes: list[dict[str, Any]]) -> Iterator[bytes]:
    """The record lines of an exported log; its last line, the checkpoints, goes to `notes` instead.

    A torn end, or a line over a megabyte, is handed on as it is and links to nothing; memory stays bounded.
    """
    held: bytes | None = None
    rest = b""
    while block := file.read(_BLOCK):
        parts = (rest + block).split(b"\n")
        rest = parts.pop()
        if parts:
            if held is not None:
                yield held
            held = parts.pop()  # it may be the last line, which is no record
            yield from parts
        if len(rest) > _BLOCK:  # no record of ours is that long: not a torn end, and never held whole
            if held is not None:
                yield held
            yield rest[:1024]
            return
    if held is not None:
        final = _checkpoints(held) if not rest else None
        if final is None:
            yield held
        else:
            notes.append(final)
    if rest:
        notes.append({"torn": rest})


def _checkpoints(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(b'{"schema":"' + CHECKPOINTS.encode()):
        return None
    try:
        value = strict_json.loads(line)
    except strict_json.StrictJSONError:
        return None
    good = isinstance(value, dict) and all(
        isinstance(value.get(k), list) and all(isinstance(x, str) for x in value[k]) for k in ("keys", "notes")
    )
    return value if good else None


def verify_file(
    path: Path, house: House, anchors: Sequence[ledger.Anchor], keys: Sequence[tuple[str | None, bytes]] | None
) -> ledger.Integrity:
    """Verify an exported log. Keys are those given, else the home's if the home holds this very log, else unknown."""
    try:
        with path.open("rb") as file:
            last = _final_notes(file)
            file.seek(0)
            end: list[dict[str, Any]] = []
            marks = {a.size for a in anchors} | _sizes(last)
            done = ledger.scan(read_lines(file, end), marks)
    except OSError as e:
        raise InputError(f"cannot read `{path}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
    chain = checkpoint.chain_id(done.genesis) if done.genesis is not None else None
    pinned_chain, pinned = None, []
    if keys is not None:
        pinned = [key for named, key in keys if named in (None, chain)]
        pinned_chain = next((named for named, _ in keys if named is not None), None)
    elif house.exists() and house.meta["chain"] == chain:
        pinned = public_keys(house)
    torn = bool(end and "torn" in end[-1])
    complete = bool(end) and not torn
    notes = last if complete or done.broken_at is not None else []
    return ledger.judge(done, notes, pinned, anchors, pinned_chain=pinned_chain, complete=complete)


def _final_notes(file: BinaryIO) -> list[str]:
    """The notes on the last line, found from the end without reading the file."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _BLOCK))
    tail = file.read(_BLOCK).rstrip(b"\n").rpartition(b"\n")[2]
    final = _checkpoints(tail)
    return list(final["notes"]) if final else []


def _sizes(notes: Iterable[str]) -> set[int]:
    found = set()
    for note in notes:
        try:
            found.add(checkpoint.parse(note).size)
        except checkpoint.NoteError:
            continue
    return found


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
            last = {"schema": CHECKPOINTS, "keys": keys, "notes": log.spread_notes(db, size)}
            out.write(strict_json.dumps(last).encode() + b"\n")
            out.flush()
        except OSError as e:
            if isinstance(e, BrokenPipeError):
                raise
            raise UnavailableError(f"cannot write the export: {(e.strerror or str(e)).lower()}") from e
        finally:
            db.execute("COMMIT")
    return size
