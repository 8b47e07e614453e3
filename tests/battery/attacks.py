"""The attacks, by the row of the table in which they stand.

`expected` is what anybody says who sees the file, or one answer for each view. `row` is what the table says of who can
see it: `edit` anybody, `relink` who pinned key or chain, or finds a checkpoint in it, `holder` a witness alone, `lie` nobody.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nhictl.core.ledger import checkpoint, record
from nhictl.core.ledger.log_keys import members
from nhictl.ops.turn import LogKey
from tests.battery.stage import FULL, ROTATED, SIZE, VIEWS, Stage, Told, whole
from tests.core.ledger.exported_log import WRONG_KEY, edited, note, relinked, text

TAMPERED: Final = "TAMPERED"
UNKNOWN: Final[Told] = ("UNKNOWN_KEY", "unknown_key", None)
UNANCHORED: Final[Told] = ("VERIFIED_UNANCHORED", None, None)
TORN: Final[Told] = ("INCOMPLETE_TAIL", "incomplete", None)


class Attack(NamedTuple):
    row: str
    make: Callable[[Stage], bytes]
    expected: Told | tuple[Told, Told, Told]

    def says(self, view: str) -> Told:
        """What that view has to say."""
        return self.expected[VIEWS.index(view)] if isinstance(self.expected[0], tuple) else self.expected


def lines(change: Callable[[list[bytes]], Any]) -> Callable[[Stage], bytes]:
    """The log after a change to its lines, its checkpoints as they were."""

    def make(s: Stage) -> bytes:
        made = list(s.log.lines)
        new = change(made)
        return text(new if isinstance(new, list) else made, s.log.notes, s.log.keys)

    return make


def put(seq: int, change: Callable[[bytes], bytes]) -> Callable[[Stage], bytes]:
    """One line replaced."""
    return lines(lambda made: made.__setitem__(seq, change(made[seq])))


def relinked_put(seq: int, change: Callable[[bytes], bytes]) -> Callable[[Stage], bytes]:
    """One line replaced, and every later one linked again: what anybody can do."""
    return lines(lambda made: relinked([*made[:seq], change(made[seq]), *made[seq + 1 :]]))


def signed(change: Callable[[list[bytes]], list[bytes]], key: Callable[[Stage], LogKey]) -> Callable[[Stage], bytes]:
    """The lines changed, linked again, and one checkpoint over all of them by that key."""

    def make(s: Stage) -> bytes:
        made = relinked(change(list(s.log.lines)))
        return text(made, [note(made, len(made), key(s))], s.log.keys)

    return make


def unlike(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, dict):
        return {**value, next(iter(value)): unlike(next(iter(value.values())))}
    if isinstance(value, list):
        return [*value, "x"]
    return value + 1 if isinstance(value, int) else value[:-1] + ("x" if value[-1] != "x" else "y")


OTHER: Final[dict[str, Any]] = {"type": "tool.returned", "outcome": "ok", "ts": "2026-06-01T12:00:00.000001Z"}


def member_changed(name: str) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        value = record.decode(line)
        if name == "v":
            return line.replace(b'{"v":1,', b'{"v":2,')
        if name == "prev":
            return line[:-66] + b"0" * 64 + line[-2:]
        return edited(line, **{name: OTHER.get(name) or unlike(value[name])})

    return change


def member_stripped(name: str) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        import json

        value = record.decode(line)
        del value[name]
        return json.dumps(
            {"v": 1} | value if name != "v" else value, separators=(",", ":"), ensure_ascii=False
        ).encode()

    return change


def appended(**fields: Any) -> Callable[[list[bytes]], list[bytes]]:
    def change(made: list[bytes]) -> list[bytes]:
        return [*made, record.encode({"outcome": "ok", **fields}, record.next_prev(made[-1]))]

    return change


def rotation(chain: str, seq: int, prev: str, old: LogKey, new: LogKey) -> bytes:
    signature = old.private.sign(checkpoint.hand_over(chain, seq, prev, old.public, new.public))
    ext = members(old.public, new.public, signature)
    fields = {"ts": "2026-06-01T12:00:00.000000Z", "type": "log.key_rotated", "outcome": "ok", "ext": ext}
    return record.encode(fields, prev)


def rotated_by(old: Callable[[Stage], LogKey], at: int = SIZE) -> Callable[[Stage], bytes]:
    """A record that names the attacker's key, put at `at`, and everything signed with it."""

    def make(s: Stage) -> bytes:
        made = list(s.log.lines[:at])
        made.append(rotation(s.log.chain, at, record.next_prev(made[-1]), old(s), WRONG_KEY))
        return text(made, [*s.log.notes, note(made, len(made), WRONG_KEY)], s.log.keys)

    return make


def key_record(**changes: Any) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        return edited(line, ext={**record.decode(line)["ext"], **changes})

    return change


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def by_wrong(_: Stage) -> LogKey:
    return WRONG_KEY


def by_holder(s: Stage) -> LogKey:
    return s.log.key


def by_stolen(s: Stage) -> LogKey:
    return s.stolen


def deny_to_ok(made: list[bytes]) -> list[bytes]:
    return [*made[:FULL], edited(made[FULL], outcome="ok"), *made[FULL + 1 :]]


def new_genesis(made: list[bytes]) -> list[bytes]:
    ext = {**record.decode(made[0])["ext"], "log_key": b64(WRONG_KEY.public)}
    return [edited(made[0], ext=ext), *made[1:12]]


def rewritten(s: Stage) -> bytes:
    made = relinked([*s.log.lines[:14], edited(s.log.lines[14], outcome="deny"), s.log.lines[15]])
    return text(made, [*s.log.notes[:-1], note(made, SIZE, s.log.key)])


def and_forked(kind: str, seq: int) -> tuple[Told, Told, Told]:
    """Where the file says so itself; a witness says first that it saw other records."""
    return (TAMPERED, kind, seq), (TAMPERED, kind, seq), ("FORKED", "forked", None)


ATTACKS: dict[str, Attack] = {}

# --- edit, insert, delete, reorder, strip: anybody sees it
for _name in record.KEYS:
    _kind = (TAMPERED, "malformed" if _name == "v" else "link", FULL)
    ATTACKS[f"`{_name}` edited"] = Attack("edit", put(FULL, member_changed(_name)), _kind)
    _kind = (TAMPERED, "malformed" if _name in ("prev", "v", "type", "outcome") else "link", FULL)
    ATTACKS[f"`{_name}` stripped"] = Attack("edit", put(FULL, member_stripped(_name)), _kind)

E: Final = "edit"
ATTACKS |= {
    "last record edited": Attack(E, put(15, lambda line: edited(line, agent="x")), and_forked("root", 15)),
    "last record dropped": Attack(E, lines(lambda m: m.pop()), (TAMPERED, "truncated", 15)),
    "key record dropped": Attack(E, lines(lambda m: m.pop(ROTATED)), (TAMPERED, "link", 12)),
    "record duplicated": Attack(E, lines(lambda m: m.insert(8, m[7])), (TAMPERED, "link", 8)),
    "records swapped": Attack(E, lines(lambda m: [*m[:9], m[10], m[9], *m[11:]]), (TAMPERED, "link", 8)),
    "records reversed": Attack(E, lines(lambda m: m[::-1]), (TAMPERED, "link", 0)),
    "record inserted": Attack(E, lines(lambda m: m.insert(14, edited(m[14], agent="x"))), (TAMPERED, "link", 14)),
    "record of another log put in": Attack(
        E, lambda s: text([*s.log.lines[:9], s.other.lines[9], *s.log.lines[10:]], s.log.notes), (TAMPERED, "link", 8)
    ),
    "the tail of another log": Attack(
        E, lambda s: text([*s.log.lines[:9], *s.other.lines[9:]], s.log.notes), (TAMPERED, "link", 8)
    ),
    "another log, our checkpoints": Attack(
        E, lambda s: text(s.other.lines, s.log.notes),
        ((TAMPERED, "checkpoint", 0), (TAMPERED, "other_log", 0), (TAMPERED, "other_log", 0)),
    ),
    "our log, the checkpoints of another": Attack(
        E, lambda s: text(s.log.lines, s.other.notes), (TAMPERED, "checkpoint", 0)
    ),
    "newest checkpoint left out": Attack(
        E, lambda s: text(s.log.lines, s.log.notes[:-1]), (TAMPERED, "unsigned", 15)
    ),
    "newest checkpoint replaced by another log's": Attack(
        E, lambda s: text(s.log.lines, [*s.log.notes[:-1], s.other.notes[-1]]), (TAMPERED, "checkpoint", 15)
    ),
    "checkpoints all stripped": Attack(E, lambda s: text(s.log.lines, []), (TAMPERED, "unsigned", 0)),
    "signature of the newest checkpoint stripped": Attack(
        E, lambda s: text(s.log.lines, [*s.log.notes[:-1], s.log.notes[-1].rpartition("— ")[0]]),
        (TAMPERED, "checkpoint", 15),
    ),
    "commitment of erased content swapped": Attack(
        E, put(3, lambda line: edited(line, c={"purpose": "B" * 43})), (TAMPERED, "link", 3)
    ),
    "redaction forged: a record emptied": Attack(
        E, put(FULL, lambda _: record.encode({"type": "log.redacted", "outcome": "ok"}, "0" * 64)), (TAMPERED, "link", FULL)
    ),
    "redaction forged: appended without a checkpoint": Attack(
        E, lines(appended(type="log.redacted", ext={"seqs": [FULL]})), (TAMPERED, "unsigned", 16)
    ),
    "foreign event dressed as ours: appended": Attack(
        E, lines(appended(type="token.revoked", src={"imp": "x", "state": "imported"})), (TAMPERED, "unsigned", 16)
    ),
    "foreign event dressed as ours: put in": Attack(
        E, lines(lambda m: m.insert(9, b'{"type":"token.revoked","outcome":"ok"}')), (TAMPERED, "malformed", 9)
    ),
    "the import's record points to another file": Attack(
        E, put(14, lambda line: edited(line, src={**record.decode(line)["src"], "file": "sha256:" + "e" * 64})),
        (TAMPERED, "link", 14),
    ),
}  # fmt: skip

# --- a line that is none, in the place of one, with the right `prev`: named by what it is
PLACE: Final = 9


def spoiled(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        assert old in line
        return line.replace(old, new, 1)

    return change


for _name, _old, _new in (
    ("NUL in a line", b"example", b"exa\0mple"),
    ("bytes that are no UTF-8", b"example", b"exa\xffmple"),
    ("an overlong form of a character", b"example", b"ex\xc1\xa1mple"),
    ("half of a surrogate pair", b"example", b"exa\xed\xa0\x80mple"),
    ("a member twice", b'"outcome":"ok"', b'"outcome":"ok","outcome":"ok"'),
    ("a float", b'{"v":1,', b'{"v":1.0,'),
    ("NaN", b'"outcome":"ok"', b'"outcome":NaN'),
    ("members in another order", b'{"v":1,"ts"', b'{"ts":"2026-06-01T12:00:00.000000Z","v":1,"ts"'),
    ("white space", b'{"v":1,', b'{"v": 1,'),
    ("an escape that is not needed", b"example", b"ex\\u0061mple"),
    ("a member that there is not", b'"outcome"', b'"free":"x","outcome"'),
    ("a type that there is not", b'"type":"token.issued"', b'"type":"token.forged"'),
    ("another version", b'{"v":1,', b'{"v":2,'),
    ("a carriage return", b'{"v":1,', b'\r{"v":1,'),
    ("a number of ten thousand digits", b'{"v":1,', b'{"v":' + b"1" * 10_000 + b","),
    ("a hundred thousand brackets", b'"outcome":"ok"', b'"outcome":' + b"[" * 100_000),
):
    ATTACKS[_name] = Attack(E, put(PLACE - 1, spoiled(_old, _new)), (TAMPERED, "malformed", PLACE - 1))

# --- linked again without the key: whoever has a checkpoint in it sees it, and whoever pinned the key
R: Final = "relink"
ATTACKS |= {
    "deny made ok, linked again": Attack(R, lines(lambda m: relinked(deny_to_ok(m))), (TAMPERED, "log_key", 12)),
    "record dropped, linked again": Attack(R, lines(lambda m: relinked([*m[:3], *m[4:]])), (TAMPERED, "log_key", 0)),
    "record inserted, linked again": Attack(
        R, lines(lambda m: relinked([*m[:14], edited(m[14], agent="x"), *m[14:]])), and_forked("root", 14)
    ),
    "signed with another key": Attack(R, signed(deny_to_ok, by_wrong), (TAMPERED, "log_key", 0)),
    "nothing changed, signed with another key": Attack(R, signed(list, by_wrong), (TAMPERED, "signature", 0)),
    "redaction forged: a commitment taken away, linked again": Attack(
        R, relinked_put(FULL, lambda line: edited(line, c=None)), (TAMPERED, "log_key", 12)
    ),
    "the end edited, linked again": Attack(
        R, relinked_put(14, lambda line: edited(line, outcome="deny")), and_forked("root", 14)
    ),
    "log started anew with another key": Attack(
        R, signed(new_genesis, by_wrong), (UNKNOWN, (TAMPERED, "other_log", 0), (TAMPERED, "other_log", 0))
    ),
    "another whole log in its place": Attack(
        R, lambda s: whole(s.other), (UNKNOWN, (TAMPERED, "other_log", 0), (TAMPERED, "other_log", 0))
    ),
    "our tail linked to another log": Attack(
        R, lambda s: text(relinked([*s.other.lines[:9], *s.log.lines[9:12]]), s.other.notes),
        ((TAMPERED, "root", 8), (TAMPERED, "other_log", 0), (TAMPERED, "other_log", 0)),
    ),
    "key record: another new key": Attack(
        R, relinked_put(ROTATED, key_record(new_key=b64(WRONG_KEY.public))), (TAMPERED, "log_key", 12)
    ),
    "key record: another old key": Attack(
        R, relinked_put(ROTATED, key_record(old_key=b64(WRONG_KEY.public))), (TAMPERED, "log_key", 12)
    ),
    "key record: signature emptied": Attack(
        R, relinked_put(ROTATED, key_record(signature=b64(bytes(64)))), (TAMPERED, "log_key", 12)
    ),
    "key record: of no keys": Attack(R, relinked_put(ROTATED, key_record(new_key="")), (TAMPERED, "log_key", 12)),
    "key record: marked as denied": Attack(
        R, relinked_put(ROTATED, lambda line: edited(line, outcome="deny")), (TAMPERED, "log_key", 12)
    ),
    "key record: made another type": Attack(
        R, relinked_put(ROTATED, lambda line: edited(line, type="log.exported")), and_forked("root", 12)
    ),
    "key record: dropped, linked again": Attack(
        R, lines(lambda m: relinked([*m[:ROTATED], *m[ROTATED + 1 :]])),
        ((TAMPERED, "root", 12), (TAMPERED, "root", 12), (TAMPERED, "truncated", 15)),
    ),
    "key record: twice": Attack(
        R, lines(lambda m: relinked([*m[: ROTATED + 1], *m[ROTATED:]])), (TAMPERED, "log_key", 14)
    ),
    "key record: that of another log": Attack(
        R, lambda s: text(relinked([*s.log.lines[:ROTATED], s.other.lines[ROTATED], *s.log.lines[ROTATED + 1 :]]),
                          s.log.notes), (TAMPERED, "log_key", 12)
    ),
    "key record: a third key, by nobody": Attack(R, rotated_by(by_wrong), (TAMPERED, "log_key", 16)),
    "key record: a third key, by the one that was replaced": Attack(R, rotated_by(by_stolen), (TAMPERED, "log_key", 16)),
    "signed by the key that was replaced": Attack(
        R, lambda s: text(s.log.lines, [note(s.log.lines, SIZE, s.stolen)]), (TAMPERED, "signature", 0)
    ),
    "appended and signed by the key that was replaced": Attack(
        R, signed(appended(type="token.revoked"), by_stolen), (TAMPERED, "signature", 0)
    ),
}  # fmt: skip

# --- by the holder of the key: only a witness sees it
H: Final = "holder"


def only_seen(kind: str, seq: int | None, verdict: str = TAMPERED) -> tuple[Told, Told, Told]:
    return UNKNOWN, UNANCHORED, (verdict, kind, seq)


ATTACKS |= {
    "tail cut by the holder of the key": Attack(
        H, signed(lambda m: m[:15], by_holder), only_seen("truncated", 15)
    ),
    "rolled back to an older export": Attack(
        H, lambda s: text(s.log.lines[:12], [n for n in s.log.notes if checkpoint.parse(n).size <= 12]),
        only_seen("truncated", 12),
    ),
    "the end rewritten by the holder of the key": Attack(
        H, signed(lambda m: [*m[:14], edited(m[14], outcome="deny"), m[15]], by_holder), only_seen("forked", None, "FORKED")
    ),
    "forked before the new key by the old one": Attack(
        H, signed(lambda m: [*m[:12], *appended(type="token.revoked")(m[:12])[12:]] + [
            record.encode({"type": "token.used", "outcome": "ok", "call": str(n)}, "0" * 64) for n in range(5)], by_stolen),
        only_seen("forked", None, "FORKED"),
    ),
    "rewritten by the holder of the key, an older checkpoint left in": Attack(
        H, rewritten, ("FORKED", "forked", None)
    ),
    "cut in the middle of a line": Attack(
        H, lambda s: whole(s.log)[:-2000], (TORN, TORN, (TAMPERED, "truncated", 15))
    ),
    "cut after a line": Attack(H, lambda s: text(s.log.lines[:9], None), (TORN, TORN, (TAMPERED, "truncated", 9))),
    "emptied": Attack(H, lambda _: b"", (TORN, TORN, (TAMPERED, "truncated", 0))),
}  # fmt: skip


# --- written so in the first place: nothing shows it but another source
ATTACKS |= {
    "a lie at writing time, an action never recorded": Attack(
        "lie", lambda s: whole(s.log), (UNKNOWN, UNANCHORED, ("VERIFIED", None, None))
    ),
}  # fmt: skip
