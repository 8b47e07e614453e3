r"""Make hostile text harmless, one function per place it may land in.

Log records, agent names and tool arguments are written by others. Shown raw they could move the cursor, retitle the
window, reverse the reading order, hide text, open a link or become a spreadsheet formula. What cannot be seen is made
visible instead: `\x1b`, `\u202e`, `\U000e0041`. Everything Python calls unprintable goes that way (controls, format
characters, surrogates, line and paragraph separators, private and unassigned code points), except for spaces, and so
do the printable characters that show nothing (Unicode's Default_Ignorable_Code_Point). A character this Python does
not know yet is escaped as well: unknown is not harmless.
"""

from __future__ import annotations

# Category Zs: blank, but it takes its place on the line.
_SPACES = frozenset("\u0020\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))
_INVISIBLE = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors: no width of their own, and able to carry hidden bytes
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xE0000, 0xE0FFF),  # tags and the supplementary variation selectors
)
_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# A cell that starts so is a formula to some spreadsheet; the wide forms are to those of East Asian locales.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def is_hostile(character: str) -> bool:
    """Whether the character shows nothing, or does something other than show itself."""
    if character in _SPACES:
        return False
    code = ord(character)
    return not character.isprintable() or any(first <= code <= last for first, last in _INVISIBLE)


def _visible(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_visible(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000  # RFC 8259 section 7: a pair of surrogates
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


_REMEMBERED = 4096  # a log that uses all of Unicode must not fill the memory


class _Escapes(dict[int, str]):
    """A table for `str.translate` that learns each character when it first meets it."""

    def __init__(self, *, keep: str = "", json: bool = False) -> None:
        super().__init__()
        self._keep = keep
        self._escape = _json_visible if json else _visible

    def __missing__(self, code: int) -> str:
        if len(self) >= _REMEMBERED:
            self.clear()
        character = chr(code)
        shown = self._escape(character) if is_hostile(character) and character not in self._keep else character
        self[code] = shown
        return shown


_TABLES = {keep: _Escapes(keep=keep) for keep in ("", "\n", "\n\t")}
_JSON = _Escapes(keep="\n", json=True)


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def terminal(text: str, *, keep: str = "") -> str:
    r"""Return the text with everything that could act on a terminal, or hide on it, made visible.

    `keep` names the whitespace that stays: none, newlines, or newlines and tabs. A backslash stays one backslash, so
    escaping twice changes nothing, and the text `\x1b` looks like the escaped character: this is for reading, JSON is
    for exactness.
    """
    if _plain(text):
        return text
    table = _TABLES.get(keep)
    return text.translate(table if table is not None else _Escapes(keep=keep))


def json_text(text: str) -> str:
    r"""Return JSON text with the same characters as `\uXXXX` escapes: harmless to show, and equal when parsed.

    Newlines stay, since outside strings they are layout and inside strings JSON has none.
    """
    return text if _plain(text) else text.translate(_JSON)


def csv_cell(text: str) -> str:
    r"""Return the content of a CSV cell, before quoting, that no spreadsheet takes for a formula.

    A cell that begins with one of = + - @ (also wide, also after blanks), a tab, CR or LF gets a leading apostrophe.
    Newlines and tabs stay, as quoting carries them; other controls become visible, CR among them.
    """
    shown = terminal(text, keep="\n\t")
    return "'" + shown if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else shown


def tsv_cell(text: str) -> str:
    r"""Return a TSV cell: no quotes exist there, so tab, newline and controls are written `\t`, `\n`, `\x1b`.

    A backslash is doubled, which makes it reversible. Nothing is added in front: TSV is for programs that want the
    value (cut, awk, COPY); for spreadsheets there is CSV.
    """
    return terminal(text.replace("\\", "\\\\"))


def markdown_cell(text: str) -> str:
    r"""Return a cell of a Markdown pipe table that renders as the text and as nothing else.

    Angle brackets, `&` and `@` become character references, as do the colon of `://` and the dot of `www.`, which
    keeps renderers from making links of bare addresses; other marks get a backslash.
    """
    shown = terminal(text)
    for mark in "\\|`*_[]~":
        shown = shown.replace(mark, "\\" + mark)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
    return shown.replace("://", "&#58;//").replace("www.", "www&#46;").replace("WWW.", "WWW&#46;")
