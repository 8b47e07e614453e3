"""Writing YAML that the strict loader reads back as the same values, and that carries no surprise for another reader.

A string stands plain only if it is made of a few harmless characters and no reader of any YAML version takes it for
something else; otherwise it is double-quoted, with everything escaped that is not plainly visible. Comments are one line
of the same visible characters. Whatever stood in a log stays inside its quotes.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["comment", "flow", "scalar", "visible"]

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")
_FIRST: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_WORDS: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"))
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
# Letters of common scripts, and Latin punctuation that shows itself; combining, joining and filling characters do not.
_SHOWN: Final = ((0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x2FF), (0x370, 0x373), (0x388, 0x481), (0x48A, 0x52F), (0x5D0, 0x5EA),
                 (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3))  # fmt: skip


def _shows(letter: str) -> bool:
    code = ord(letter)
    return letter.isprintable() and any(low <= code <= high for low, high in _SHOWN)


def visible(text: str) -> str:
    """`text` with everything escaped that does not plainly show itself, as inside double quotes."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_ESCAPES.get(letter) or (letter if _shows(letter) else _code(ord(letter))) for letter in text)


def _code(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def scalar(value: Any) -> str:
    """A string, number, boolean or null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value and value[0] in _FIRST and _PLAIN.issuperset(value) and value.lower() not in _WORDS:
            return value
        return f'"{visible(value)}"'
    if isinstance(value, int):
        return str(value)
    text = format(value, "f")
    return text if "." in text else text + ".0"


def flow(value: Any) -> str:
    """A value on one line: `{a: 1, b: [x, y]}`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def comment(text: str, indent: str = "", limit: int = 400) -> str:
    """One line of comment; longer texts are cut."""
    shown = visible(text).replace('\\"', '"').replace("\\\\", "\\")
    return f"{indent}# {shown if len(shown) <= limit else shown[: limit - 1] + '…'}"
