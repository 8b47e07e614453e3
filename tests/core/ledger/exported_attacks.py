"""The attacks on an exported log: how its parts are altered, and what has to be said of the result.

An expected verdict is (verdict, class, first record not to be trusted); where it depends on who looks, one for each view.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from nhictl.core.ledger import record
from tests.core.ledger.exported_log import WRONG_KEY, Log, edited, note, relinked, text

SIZE = 12


def without_prev(line: bytes) -> bytes:
    return line[: line.rindex(b',"prev"')] + b"}"


def hidden_prev(line: bytes) -> bytes:
    """A line that carries the right hash, but not where it counts."""
    value = record.decode(line)
    hidden = {"prev": value.pop("prev")}
    return record.encode({**value, "ext": hidden}, "0" * 64)


def forged(log: Log) -> list[bytes]:
    """Record 5 says something else, and every line after it links up again."""
    return relinked([*log.lines[:5], edited(log.lines[5], agent="other"), *log.lines[6:]])


def another_beginning(log: Log) -> list[bytes]:
    ext = {**record.decode(log.lines[0])["ext"], "trust_domain": "evil.example"}
    return relinked([edited(log.lines[0], ext=ext), *log.lines[1:]])


def with_own_key(log: Log) -> list[bytes]:
    """A whole log anew, whose first record names the attacker's key."""
    ext = {**record.decode(log.lines[0])["ext"], "log_key": base64.b64encode(WRONG_KEY.public).decode()}
    return relinked([edited(log.lines[0], ext=ext), *log.lines[1:]])


def resigned(log: Log, lines: list[bytes], sizes: tuple[int, ...] = (SIZE,)) -> bytes:
    return text(lines, [*log.notes[:1], *(note(lines, size, WRONG_KEY) for size in sizes)], log.keys)


TAMPERED = "TAMPERED"
Expected = tuple[str, str | None, int | None]
Row = tuple[Callable[[Log], bytes], Expected | dict[str, Expected]]
ATTACKS: dict[str, Row] = {
    "record dropped": (lambda g: text(g.lines[:5] + g.lines[6:], g.notes), (TAMPERED, "link", 4)),
    "record dropped after a checkpoint": (lambda g: text(g.lines[:8] + g.lines[9:], g.notes), (TAMPERED, "link", 8)),
    "first record dropped": (lambda g: text(g.lines[1:], g.notes), (TAMPERED, "link", 0)),
    "records swapped": (
        lambda g: text([*g.lines[:5], g.lines[6], g.lines[5], *g.lines[7:]], g.notes), (TAMPERED, "link", 4)
    ),
    "records swapped after a checkpoint": (
        lambda g: text([*g.lines[:4], g.lines[5], g.lines[4], *g.lines[6:]], g.notes), (TAMPERED, "link", 4)
    ),
    "record duplicated": (lambda g: text(g.lines[:8] + g.lines[7:], g.notes), (TAMPERED, "link", 8)),
    "last record duplicated": (lambda g: text([*g.lines, g.lines[-1]], g.notes), (TAMPERED, "link", 12)),
    "record inserted": (
        lambda g: text([*g.lines[:8], edited(g.lines[8], agent="x"), *g.lines[8:]], g.notes), (TAMPERED, "link", 8)
    ),
    "record appended": (
        lambda g: text([*g.lines, record.encode({"type": "token.revoked", "outcome": "ok"}, record.next_prev(g.lines[-1]))],
                       g.notes),
        (TAMPERED, "unsigned", 12),
    ),
    "prev stripped": (
        lambda g: text([*g.lines[:6], without_prev(g.lines[6]), *g.lines[7:]], g.notes), (TAMPERED, "malformed", 6)
    ),
    "prev hidden elsewhere in the last line": (
        lambda g: text([*g.lines[:11], hidden_prev(g.lines[11])], g.notes), (TAMPERED, "link", 11)
    ),
    "prev stripped everywhere": (lambda g: text(map(without_prev, g.lines), g.notes), (TAMPERED, "malformed", 0)),
    "last record edited": (
        lambda g: text([*g.lines[:-1], edited(g.lines[-1], agent="other")], g.notes), (TAMPERED, "root", 11)
    ),
    "record before last edited": (
        lambda g: text([*g.lines[:-2], edited(g.lines[-2], agent="other"), g.lines[-1]], g.notes), (TAMPERED, "link", 10)
    ),
    "deny made allow": (
        lambda g: text([*g.lines[:9], edited(g.lines[9], outcome="error"), *g.lines[10:]], g.notes), (TAMPERED, "link", 9)
    ),
    "re-linked without the key": (lambda g: text(forged(g), g.notes), (TAMPERED, "root", 4)),
    "re-linked, newest checkpoint left out": (
        lambda g: text(forged(g)[:11], g.notes[:-1]), (TAMPERED, "root", 4)
    ),
    "re-linked and signed with another key": (lambda g: resigned(g, forged(g)), (TAMPERED, "signature", 4)),
    "re-linked and all checkpoints signed with another key": (
        lambda g: resigned(g, forged(g), (6, 8, 12)), (TAMPERED, "signature", 4)
    ),
    "unaltered and signed with another key": (lambda g: resigned(g, g.lines), (TAMPERED, "signature", 4)),
    "tail cut, checkpoints kept": (lambda g: text(g.lines[:-3], g.notes), (TAMPERED, "truncated", 9)),
    "all records gone, checkpoints kept": (lambda g: text([], g.notes), (TAMPERED, "truncated", 0)),
    "checkpoints replaced by older ones": (lambda g: text(g.lines, g.notes[:2]), (TAMPERED, "unsigned", 8)),
    "checkpoints empty": (lambda g: text(g.lines, []), (TAMPERED, "unsigned", 0)),
    "newest checkpoint garbled": (
        lambda g: text(g.lines, [*g.notes[:-1], g.notes[-1].replace("— ", "- ")]), (TAMPERED, "checkpoint", 11)
    ),
    "only checkpoint garbled": (lambda g: text(g.lines, ["garbage"]), (TAMPERED, "checkpoint", 0)),
    "newest checkpoint's signature changed": (
        lambda g: text(g.lines, [*g.notes[:-1], g.notes[-1][:-8] + "AAA" + g.notes[-1][-5:]]), (TAMPERED, "signature", 11)
    ),
    "signature stripped": (
        lambda g: text(g.lines, [*g.notes[:-1], g.notes[-1].rpartition(" ")[0] + " \n"]), (TAMPERED, "signature", 11)
    ),
    "garbage line": (lambda g: text([*g.lines[:3], b"garbage", *g.lines[3:]], g.notes), (TAMPERED, "malformed", 3)),
    "empty line": (lambda g: text([*g.lines[:3], b"", *g.lines[3:]], g.notes), (TAMPERED, "malformed", 3)),
    "NUL line": (lambda g: text([*g.lines[:3], b"\0", *g.lines[3:]], g.notes), (TAMPERED, "malformed", 3)),
    "NUL line first": (lambda g: text([b"\0", *g.lines], g.notes), (TAMPERED, "malformed", 0)),
    "line of the wrong kinds": (
        lambda g: text([*g.lines[:3], b'{"v":1,"type":[],"outcome":{},"prev":"x"}', *g.lines[3:]], g.notes),
        (TAMPERED, "malformed", 3),
    ),
    "line too deep to read": (
        lambda g: text([*g.lines[:3], b"[" * 50_000, *g.lines[3:]], g.notes), (TAMPERED, "malformed", 3)
    ),
    "line over a megabyte": (
        lambda g: text([*g.lines[:3], b"x" * 3_000_000, *g.lines[3:]], g.notes), (TAMPERED, "malformed", 3)
    ),
    "first record over the limit": (
        lambda g: text([edited(g.lines[0])[:-70] + b"x" * 70_000 + g.lines[0][-77:], *g.lines[1:]], g.notes),
        (TAMPERED, "malformed", 0),
    ),
    "line over a megabyte at the end": (
        lambda g: text(g.lines, g.notes) + b"x" * 3_000_000, (TAMPERED, "malformed", 12)
    ),
    "carriage returns": (lambda g: text(g.lines, g.notes).replace(b"\n", b"\r\n"), (TAMPERED, "malformed", 0)),
    "byte order mark": (
        lambda g: b"\xef\xbb\xbf" + text(g.lines, g.notes), {
            "home": (TAMPERED, "malformed", 0), "pinned": (TAMPERED, "malformed", 0), "nobody": (TAMPERED, "malformed", 0)}
    ),
    "line after the checkpoints": (lambda g: text(g.lines, g.notes) + b"{}\n", (TAMPERED, "malformed", 12)),
    "record after the checkpoints": (
        lambda g: text(g.lines, g.notes) + g.lines[-1] + b"\n", (TAMPERED, "malformed", 12)
    ),
    "checkpoints twice": (lambda g: text(g.lines, g.notes) + text([], g.notes), (TAMPERED, "malformed", 12)),
    "checkpoints in the middle": (
        lambda g: text(g.lines[:8], g.notes[:2]) + text(g.lines[8:], g.notes), (TAMPERED, "malformed", 8)
    ),
    "log twice": (lambda g: text(g.lines, g.notes) * 2, (TAMPERED, "malformed", 12)),
    "not a log": (lambda _: b"one line\nand another\n", (TAMPERED, "malformed", 0)),
    "another kind of JSON lines": (lambda _: b'{"a":1}\n{"a":2}\n', (TAMPERED, "malformed", 0)),
    "binary": (lambda _: bytes(range(256)) * 50, (TAMPERED, "malformed", 0)),
    "a log that does not begin with its first record": (
        lambda g: text(relinked(g.lines[1:]), g.notes), (TAMPERED, "malformed", 0)
    ),
    "first record names no key": (
        lambda g: text(relinked([edited(g.lines[0], ext={}), *g.lines[1:]]), g.notes), (TAMPERED, "malformed", 0)
    ),
    "first record names a key that is none": (
        lambda g: text(relinked([edited(g.lines[0], ext={"log_key": "AAAA"}), *g.lines[1:]]), g.notes),
        (TAMPERED, "malformed", 0),
    ),
    "another beginning": (lambda g: text(another_beginning(g), g.notes), {
        "home": (TAMPERED, "checkpoint", 0), "pinned": (TAMPERED, "other_log", 0), "nobody": (TAMPERED, "checkpoint", 0),
    }),
    "another beginning, signed with another key": (lambda g: resigned(g, another_beginning(g)), {
        "home": (TAMPERED, "signature", 0), "pinned": (TAMPERED, "other_log", 0), "nobody": (TAMPERED, "signature", 0),
    }),
    "a whole log anew, with the attacker's own key": (lambda g: resigned(g, with_own_key(g)), {
        "home": ("UNKNOWN_KEY", "unknown_key", None), "pinned": (TAMPERED, "other_log", 0),
        "nobody": ("UNKNOWN_KEY", "unknown_key", None),
    }),
    "rewritten by the holder of the key": (
        lambda g: text(forged(g), [note(forged(g), SIZE, g.key)]), {
            "home": ("VERIFIED_UNANCHORED", None, None), "pinned": ("VERIFIED_UNANCHORED", None, None),
            "nobody": ("UNKNOWN_KEY", "unknown_key", None),
        }),
    "rewritten by the holder of the key, an older checkpoint left in": (
        lambda g: text(forged(g), [g.notes[0], g.notes[1], note(forged(g), SIZE, g.key)]), ("FORKED", "forked", None)
    ),
    "empty file": (lambda _: b"", ("INCOMPLETE_TAIL", "incomplete", None)),
    "tail cut with its checkpoints": (lambda g: text(g.lines[:-3], None), ("INCOMPLETE_TAIL", "incomplete", None)),
    "checkpoints cut": (lambda g: text(g.lines, None), ("INCOMPLETE_TAIL", "incomplete", None)),
    "first record only": (lambda g: text(g.lines[:1], None), ("INCOMPLETE_TAIL", "incomplete", None)),
    "half a record": (lambda g: g.lines[0][:100], ("INCOMPLETE_TAIL", "incomplete", None)),
}  # fmt: skip
