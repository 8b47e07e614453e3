"""One line of human output with a guide and a style, and how it gets to its reader."""

from __future__ import annotations

from nhictl.render.escape import terminal as visible

ELLIPSIS = "…"


class Line:
    """One line that is cut rather than wrapped on a terminal, as wrapping would tear the guides of a tree.

    `guide` is ours (branches, indentation), `text` may be anyone's, `style` is a rich style ("red", "bold", "dim")
    chosen by the program, never taken from data. With `whole` the text is a sentence, of which nothing is cut off: it
    goes on below, between words, two columns in.
    """

    __slots__ = ("guide", "style", "text", "whole")

    def __init__(self, text: str, *, guide: str = "", style: str | None = None, whole: bool = False) -> None:
        self.guide = guide
        self.text = text
        self.style = style
        self.whole = whole

    def __str__(self) -> str:
        """Return guide and text, made safe to show."""
        return self.guide + visible(self.text)


def fit(text: str, width: int) -> str:
    """Return the text, or as much of it as fits into `width` terminal columns with an ellipsis at the end.

    Wide East Asian characters take two columns, combining marks none.
    """
    width = max(1, width)
    if text.isascii() and len(text) <= width:
        return text
    from rich.cells import cell_len, get_character_cell_size

    if cell_len(text) <= width:
        return text
    used = 0
    for place, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width - 1:
            return text[:place] + ELLIPSIS
    return text


def fold(text: str, first: int, rest: int) -> list[str]:
    """The text in pieces of at most so many columns, the first and the others, broken at single spaces alone.

    A word that is longer stands by itself, whole: an id that was torn could not be copied.
    """
    from rich.cells import cell_len

    pieces, room = [""], first
    for place, word in enumerate(text.split(" ")):
        longer = f"{pieces[-1]} {word}" if place else word
        if place and pieces[-1] and cell_len(longer) > room:
            pieces.append(word)
            room = rest
        else:
            pieces[-1] = longer
    return pieces


def paint(line: str | Line, *, terminal: bool, color: bool, width: int | None) -> str:
    """Return the line as it is printed, without its newline: cut and coloured only on a terminal."""
    if isinstance(line, str):
        return visible(line)
    pieces = [str(line)]
    if terminal and width is not None:
        margin = len(line.guide) + 2
        if line.whole:
            first, *more = fold(visible(line.text), width - len(line.guide), max(20, width - margin))
            pieces = [line.guide + first, *(" " * margin + piece for piece in more)]
        else:
            pieces = [fit(pieces[0], width)]
    if not (terminal and color):
        return "\n".join(pieces)
    return "\n".join(_coloured(piece, len(line.guide), line.style) for piece in pieces)


def _coloured(piece: str, guide: int, style: str | None) -> str:
    from rich.color import ColorSystem
    from rich.style import Style

    parts = ((piece[:guide], "dim"), (piece[guide:], style))
    return "".join(
        Style.parse(style).render(part, color_system=ColorSystem.STANDARD) if style and part else part
        for part, style in parts
    )
