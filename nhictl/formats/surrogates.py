"""Half characters: JSON that JavaScript wrote of a text cut in the middle of a character holds a lone surrogate escape.

Such a text is no Unicode, so no strict reader takes it; but tools cut their output by length every day, and the call must
not be lost for it. The half is replaced by U+FFFD, and the reader says so.
"""

from __future__ import annotations

_ESCAPE = "\\u"


def mended(text: str) -> str:
    """The JSON text with `\\ufffd` for each escape of a surrogate that has no other half; else as it is."""
    made, done, at = [], 0, text.find(_ESCAPE)
    while at >= 0:
        code = _code(text, at)
        if _escaped(text, at) or code is None or not 0xD800 <= code < 0xE000:
            at = text.find(_ESCAPE, at + 2)
            continue
        other = _code(text, at + 6) if code < 0xDC00 else None
        if other is not None and 0xDC00 <= other < 0xE000:
            at = text.find(_ESCAPE, at + 12)
            continue
        made.append(text[done:at] + "\\ufffd")
        done = at + 6
        at = text.find(_ESCAPE, done)
    return "".join(made) + text[done:]


def _code(text: str, at: int) -> int | None:
    digits = text[at + 2 : at + 6]
    if text[at : at + 2] != _ESCAPE or len(digits) < 4 or any(d not in "0123456789abcdefABCDEF" for d in digits):
        return None
    return int(digits, 16)


def _escaped(text: str, at: int) -> bool:
    """Whether the backslash at `at` is itself escaped: an odd number of them stands before it."""
    before = at
    while before and text[before - 1] == "\\":
        before -= 1
    return (at - before) % 2 == 1
