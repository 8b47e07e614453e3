"""`audit verify|checkpoint|export`: what the log proves, and taking it elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from nhictl.core import strict_json
from nhictl.core.ledger import checkpoint
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.record import GENESIS_PREV
from nhictl.core.token import b64
from nhictl.errors import InputError, NhictlError, NotFoundError, UnavailableError, UndecidableError
from nhictl.ops import high_water, log_file, segment_files
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
    house: House, anchors: Sequence[ledger.Anchor], keys: Sequence[bytes] | None = None, parts: Sequence[Path] = ()
) -> ledger.Integrity:
    """Verify the database's own log, in one snapshot, against its keys and the anchors given.

    The home's high-water mark is one more thing to hold it against, but no witness: it proves nothing to others. Of
    segments that were moved out the leaf hashes are here: enough for chain, tree and anchors. With the files of them as
    `parts` every line is read.
    """
    db = house.db
    mark = _mark(house)
    with sqlite.guarded("read the log"):
        db.execute("BEGIN")
        try:
            head = log.head(db)
            note = log.newest_note(db)
            marks = {a.size for a in (*anchors, *mark)} | ({head.size} if head else set())
            out = segment_files.moved_out(house)
            rows = segment_files.Rows(house, out, parts)
            done = ledger.scan(contiguous(rows, out.size), marks)
            notes = [note] if note else []
            pinned = keys if keys is not None else public_keys(house)
            kept = ledger.Head(head.size, head.prev, head.subtrees) if head else ledger.Head(0, GENESIS_PREV, b"")

            def judged(more: Sequence[ledger.Anchor] = ()) -> ledger.Integrity:
                chain, seen = house.meta["chain"], [*anchors, *more]
                return ledger.judge(done, notes, pinned, seen, pinned_chain=chain, complete=True, head=kept)

            found = judged()
            if found.exit == 0 and mark and (put_back := judged(mark)).exit:
                return put_back
            if found.exit == 0 and rows.unread:
                return found._replace(unproven=(*found.unproven, out.unread()))
            if found.exit == 1 and found.first_bad_seq is not None:
                every = dict(log.notes(db))  # only now: where does it go wrong?
                done = ledger.scan(contiguous(segment_files.Rows(house, out, parts), out.size), [*every, *marks])
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


def contiguous(rows: Iterable[tuple[int, bytes]], out: int = 0) -> Iterator[list[bytes] | ledger.Leaves]:
    """Lines in order, in batches of about a megabyte; a gap in the numbers becomes a line that links to nothing.

    Below `out` a leaf hash may stand in the place of a line, whose segment was moved out.
    """
    batch: list[bytes] = []
    hashes: list[bytes] = []
    room = _BATCH
    for expected, (seq, line) in enumerate(rows):
        if expected < out and seq == expected and log.is_stub(line):
            if batch:
                yield batch
                batch = []
            hashes.append(line[1:])
            room -= 132
        else:
            if hashes:
                yield ledger.Leaves(b"".join(hashes))
                hashes = []
            batch.append(line if seq == expected else b"")
            room -= len(line) + 100
        if room < 0:
            yield batch or ledger.Leaves(b"".join(hashes))
            batch, hashes, room = [], [], _BATCH
    yield batch or ledger.Leaves(b"".join(hashes))


def verify_file(
    path: Path, house: House, anchors: Sequence[ledger.Anchor], keys: Sequence[tuple[str | None, bytes]] | None
) -> ledger.Integrity:
    """Verify an exported log (see `verify_stream`) or an evidence bundle."""
    return verify_files([path], house, anchors, keys)


def verify_files(
    paths: Sequence[Path], house: House, anchors: Sequence[ledger.Anchor],
    keys: Sequence[tuple[str | None, bytes]] | None,
) -> ledger.Integrity:  # fmt: skip
    """Verify an exported log that lies in one file, or in several that follow one another; or one evidence bundle.

    UndecidableError (3) if the first is not the beginning: what was before it has to be there too.
    """
    if len(paths) == 1 and _is_archive(paths[0]):
        from nhictl.ops import check_bundle

        with paths[0].open("rb") as file:
            return check_bundle.check(file, house, anchors, keys)
    if begin := segment_files.begin_of(paths[0]):
        raise UndecidableError(
            f"`{paths[0]}` begins with record {begin} of its log", code="part_missing",
            hint="give the files of the records before it too, in order",
        )  # fmt: skip
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("rb")) for path in paths]
            whole: Any = log_file.Joined(files) if len(files) > 1 else files[0]
            return verify_stream(whole, house, anchors, keys)
    except OSError as e:
        raise InputError(f"cannot read `{e.filename}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"PK"
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


def export_native(house: House, out: BinaryIO) -> tuple[int, int]:
    """Write every stored line, byte for byte, then the line of keys and checkpoints; the numbers it begins and ends with.

    It begins with record 0, or where the segments that were moved out end.
    """
    db = house.db
    with sqlite.guarded("read the log"):
        db.execute("BEGIN")
        try:
            head = log.head(db)
            size, start = head.size if head else 0, segment_files.moved_out(house).size
            write_part(house, out, start, size)
            out.flush()
        except OSError as e:
            if isinstance(e, BrokenPipeError):
                raise
            raise UnavailableError(f"cannot write the export: {(e.strerror or str(e)).lower()}") from e
        finally:
            db.execute("COMMIT")
    return start, size


def write_part(house: House, out: BinaryIO, start: int, size: int) -> None:
    """Write the lines of the records from `start` up to but without `size`, and the line that ends an export."""
    db = house.db
    out.writelines(line + b"\n" for seq, line in log.lines(db, below=size) if seq >= start)
    keys = [checkpoint.verifier_key(house.meta["chain"], key) for key in public_keys(house)]
    notes = [note for note in log.spread_notes(db, size) if checkpoint.parse(note).size > start]
    last = {"schema": log_file.CHECKPOINTS, "keys": keys, "notes": notes} | ({"from": start} if start else {})
    out.write(strict_json.dumps(last).encode() + b"\n")
