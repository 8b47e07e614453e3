"""Attacks on a home whose log was erased from, cut into segments, and signed by three keys (`scene`)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from nhictl.core.ledger import record
from nhictl.core.ledger.merkle import CompactRange, leaf_hash
from nhictl.ops.turn import LogKey
from nhictl.store import log, segments
from tests.battery.scene import ROTATED, Copy, Scene
from tests.battery.stage import Told
from tests.core.ledger.exported_log import WRONG_KEY, edited, note, relinked

Damage = Callable[[Copy], object]


class Attack(NamedTuple):
    row: str
    damage: Damage
    expected: tuple[Told, Told, Told, Told]


def put(seq: int, line: bytes) -> Damage:
    return lambda c: _put(c, seq, line)


def _put(copy: Copy, seq: int, line: bytes) -> None:
    assert copy.house.db.execute("UPDATE log SET line = ? WHERE seq = ?", (line, seq)).rowcount == 1


def stub(copy: Copy, seq: int) -> None:
    segments.reduce(copy.house.db, [(seq, copy.scene.lines[seq])])


def swap(copy: Copy, one: int, other: int) -> None:
    found = dict(log.chained(copy.house.db))
    _put(copy, one, found[other])
    _put(copy, other, found[one])


def sql(text: str) -> Damage:
    return lambda c: c.house.db.executescript(text)


def part(number: int, change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    """The lines of one segment changed, its checkpoints as they were."""

    def damage(c: Copy) -> None:
        *lines, last, _ = c.part(number).read_bytes().split(b"\n")
        c.part(number).write_bytes(b"".join(line + b"\n" for line in (*change(lines), last)))

    return damage


def rewritten(change: Callable[[Scene], list[bytes]], key: Callable[[Scene], LogKey | None], *, files: bool) -> Damage:
    """The whole log changed and linked again, hashes, head and, with `files`, segments too; signed by `key`, if any."""

    def damage(c: Copy) -> None:
        lines = relinked(change(c.scene))
        tree, db = CompactRange(), c.house.db
        for line in lines:
            tree.append(leaf_hash(line))
        db.execute("DELETE FROM log WHERE seq >= ?", (len(lines),))
        for seq, line in enumerate(lines):
            here = db.execute("SELECT length(line) FROM log WHERE seq = ?", (seq,)).fetchone()
            if here is None:
                log.append(db, seq, log.time(db, seq - 1) or 0, None, line)
            else:
                _put(c, seq, b"\0" + leaf_hash(line) if here[0] == 33 else line)
        signer = key(c.scene)
        if signer is not None:
            row = log.HeadRow(
                len(lines), log.time(db, len(lines) - 1) or 0, record.next_prev(lines[-1]), tree.to_bytes()
            )
            db.execute("DELETE FROM checkpoint")
            log.set_head(db, row, note(lines, len(lines), signer))
        if files:
            ends = [0, *(one.size for one in segments.all_of(db))]
            for number, (start, end) in enumerate(pairwise(ends)):
                last = c.part(number).read_bytes().split(b"\n")[-2]
                c.part(number).write_bytes(b"".join(line + b"\n" for line in (*lines[start:end], last)))

    return damage


def wrong(_: Scene) -> LogKey:
    return WRONG_KEY


def stolen(s: Scene) -> LogKey:
    return s.first


def holder(s: Scene) -> LogKey:
    return s.newest


def nobody(_: Scene) -> None:
    return None


def without_redaction(s: Scene) -> list[bytes]:
    return [*s.lines[: s.redacted], *s.lines[s.redacted + 1 :]]


def with_another_redaction(s: Scene) -> list[bytes]:
    return [*s.lines[: s.redacted], edited(s.lines[s.redacted], ext={"by": "task"}), *s.lines[s.redacted + 1 :]]


def forged_redaction(s: Scene) -> list[bytes]:
    return [*s.lines, record.encode({"type": "log.redacted", "outcome": "ok", "ext": {"by": "record"}}, "0" * 64)]


def revoked_away(s: Scene) -> list[bytes]:
    at = next(seq for seq, line in enumerate(s.lines) if record.decode(line)["type"] == "token.revoked")
    return [*s.lines[:at], edited(s.lines[at], type="log.exported"), *s.lines[at + 1 :]]


def without_end(s: Scene) -> list[bytes]:
    return s.lines[:-2]


def closed_up(c: Copy) -> None:
    c.house.db.execute("DELETE FROM log WHERE seq = ?", (c.scene.redacted,))
    c.house.db.execute("UPDATE log SET seq = seq - 1 WHERE seq > ?", (c.scene.redacted,))


def all_moved_out(c: Copy) -> None:
    """Whoever has no key says that everything was moved out, by a record of their own."""
    size = len(c.scene.lines)
    line = record.encode(
        {"type": "log.exported", "outcome": "ok", "ext": {"to": size}}, record.next_prev(c.scene.lines[-1])
    )
    log.append(c.house.db, size, 0, None, line)
    segments.add(c.house.db, segments.Segment(size, size, "three.jsonl"))
    for seq in range(1, size):
        stub(c, seq)


FINE: Final[Told] = ("VERIFIED_UNANCHORED", None, None)
SEEN: Final[Told] = ("VERIFIED", None, None)
FORKED: Final[Told] = ("FORKED", "forked", None)


def same(told: Told) -> tuple[Told, Told, Told, Told]:
    """Everybody says it."""
    return told, told, told, told


ATTACKS: Final[dict[str, Attack]] = {
    "a line after the cut made a hash": Attack(
        "edit", lambda c: stub(c, c.scene.redacted),
        (("TAMPERED", "malformed", 19),) * 3 + (("TAMPERED", "link", 19),),
    ),
    "the hash of an old line altered": Attack(
        "edit", put(4, b"\0" + bytes(32)),
        (("TAMPERED", "root", 0), ("TAMPERED", "malformed", 4), ("TAMPERED", "malformed", 4), FINE),
    ),
    "the hash of an old line removed": Attack(
        "edit", sql("DELETE FROM log WHERE seq = 4"),
        (("TAMPERED", "malformed", 4),) * 3 + (FINE,),
    ),
    "two hashes of old lines swapped": Attack(
        "edit", lambda c: swap(c, 4, 5),
        (("TAMPERED", "root", 0), ("TAMPERED", "malformed", 4), ("TAMPERED", "malformed", 4), FINE),
    ),
    "the first record made a hash": Attack(
        "edit", lambda c: stub(c, 0),
        (("TAMPERED", "malformed", 0), FINE, SEEN, FINE),
    ),
    "a record that names a key made a hash": Attack(
        "edit", lambda c: stub(c, ROTATED),
        (("TAMPERED", "log_key", 0), FINE, SEEN, FINE),
    ),
    "the cut denied": Attack(
        "edit", sql("DELETE FROM cut_log"),
        (("TAMPERED", "malformed", 1),) * 3 + (("TAMPERED", "link", 17),),
    ),
    "the cut moved on": Attack(
        "edit", sql("UPDATE cut_log SET size = size + 1"),
        (("TAMPERED", "malformed", 1),) * 3 + (("TAMPERED", "link", 17),),
    ),
    "the cut vouched for by another record": Attack(
        "edit", sql("UPDATE cut_log SET seq = seq + 1"),
        (("TAMPERED", "malformed", 1),) * 3 + (("TAMPERED", "link", 17),),
    ),
    "everything moved out, by a record that nobody signed": Attack(
        "edit", all_moved_out,
        (("TAMPERED", "unsigned", 21),) * 3 + (("TAMPERED", "unsigned", 0),),
    ),
    "segment: a record edited": Attack(
        "edit", part(1, lambda m: [edited(m[0], agent="x"), *m[1:]]),
        (FINE, ("TAMPERED", "malformed", 14), ("TAMPERED", "malformed", 14), ("TAMPERED", "link", 14)),
    ),
    "segment: a record dropped": Attack(
        "edit", part(0, lambda m: m[:4] + m[5:]),
        (FINE, ("TAMPERED", "malformed", 4), ("TAMPERED", "malformed", 4), ("TAMPERED", "link", 3)),
    ),
    "segment: a record twice": Attack(
        "edit", part(0, lambda m: m[:5] + m[4:]),
        (FINE, ("TAMPERED", "malformed", 5), ("TAMPERED", "malformed", 5), ("TAMPERED", "link", 4)),
    ),
    "segment: records swapped": Attack(
        "edit", part(0, lambda m: [*m[:4], m[5], m[4], *m[6:]]),
        (FINE, ("TAMPERED", "malformed", 4), ("TAMPERED", "malformed", 4), ("TAMPERED", "link", 3)),
    ),
    "segment: the erasure's record dropped": Attack(
        "edit", part(0, lambda m: m[:-1]),
        (FINE, FINE, SEEN, ("TAMPERED", "link", 12)),
    ),
    "segment: the erasure's record says otherwise": Attack(
        "edit", part(0, lambda m: [*m[:-1], edited(m[-1], ext={"by": "record"})]),
        (FINE, ("TAMPERED", "malformed", 13), ("TAMPERED", "malformed", 13), ("TAMPERED", "link", 13)),
    ),
    "segment: linked again after an edit": Attack(
        "edit", part(0, lambda m: relinked([*m[:5], edited(m[5], agent="x"), *m[6:]])),
        (FINE, ("TAMPERED", "malformed", 5), ("TAMPERED", "malformed", 5), ("TAMPERED", "log_key", 0)),
    ),
    "segment: another log's in its place": Attack(
        "edit", lambda c: c.part(0).write_bytes(c.scene.foreign),
        (FINE, ("TAMPERED", "malformed", 1), ("TAMPERED", "malformed", 1), ("TAMPERED", "other_log", 0)),
    ),
    "segment: emptied": Attack(
        "edit", lambda c: c.part(1).write_bytes(b""),
        (FINE, FINE, SEEN, ("TAMPERED", "link", 13)),
    ),
    "redaction forged: the newest record made one": Attack(
        "edit", lambda c: _put(c, len(c.scene.lines) - 1, edited(c.scene.lines[-1], type="log.redacted")),
        (("TAMPERED", "root", 20), ("TAMPERED", "root", 20), FORKED, ("TAMPERED", "root", 20)),
    ),
    "redaction: its record says otherwise": Attack(
        "edit", lambda c: _put(c, c.scene.redacted, edited(c.scene.lines[c.scene.redacted], ext={"by": "task"})),
        same(("TAMPERED", "link", 19)),
    ),
    "redaction: its record removed, numbers closed up": Attack(
        "edit", closed_up,
        same(("TAMPERED", "link", 19)),
    ),
    "redaction: its record removed, linked again": Attack(
        "relink", rewritten(without_redaction, nobody, files=False),
        (("TAMPERED", "root", 19), ("TAMPERED", "root", 19), ("TAMPERED", "truncated", 20), ("TAMPERED", "root", 19)),
    ),
    "redaction: its record changed, signed by another key": Attack(
        "relink", rewritten(with_another_redaction, wrong, files=True),
        (("TAMPERED", "signature", 0), ("TAMPERED", "signature", 0), FORKED, ("TAMPERED", "signature", 0)),
    ),
    "redaction: its record changed, signed by the first key": Attack(
        "relink", rewritten(with_another_redaction, stolen, files=True),
        (("TAMPERED", "signature", 0), ("TAMPERED", "signature", 0), FORKED, ("TAMPERED", "signature", 0)),
    ),
    "redaction forged: appended, signed by the first key": Attack(
        "relink", rewritten(forged_redaction, stolen, files=True),
        same(("TAMPERED", "signature", 0)),
    ),
    "what was moved out rewritten, hashes and files, without a key": Attack(
        "relink", rewritten(revoked_away, nobody, files=True),
        same(("TAMPERED", "log_key", 0)),
    ),
    "what was moved out rewritten, signed by the first key": Attack(
        "relink", rewritten(revoked_away, stolen, files=True),
        same(("TAMPERED", "log_key", 12)),
    ),
    "redaction: its record changed by the holder of the key": Attack(
        "holder", rewritten(with_another_redaction, holder, files=True),
        (FINE, FINE, FORKED, FINE),
    ),
    "redaction: its record removed by the holder of the key": Attack(
        "holder", rewritten(without_redaction, holder, files=True),
        (FINE, FINE, ("TAMPERED", "truncated", 20), FINE),
    ),
    "redaction forged: appended by the holder of the key": Attack(
        "lie", rewritten(forged_redaction, holder, files=True),
        (FINE, FINE, SEEN, FINE),
    ),
    "the end cut off by the holder of the key": Attack(
        "holder", rewritten(without_end, holder, files=True),
        (FINE, FINE, ("TAMPERED", "truncated", 19), FINE),
    ),
}  # fmt: skip
"""Rows as in `attacks`. The database alone cannot see a segment that was changed, nor need it: its hashes stand for it."""
