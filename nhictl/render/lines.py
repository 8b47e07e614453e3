"""One line of human output with a guide and a style, and how it gets to its reader."""

from __future__ import annotations

from nhictl.render.escape import terminal as visible

ELLIPSIS = "…"


class Line:
    """One line that is cut rather than wrapped on a terminal, as wrapping would tear the guides of a tree.

    `guide` is ours (branches, indentation), `text` may be anyone's, `style` is a rich style ("red", "bold", "dim")
    chosen by the program, never taken from data.
    """

    __slots__ = ("guide", "style", "text")

    def __init__(self, text: str, *, guide: str = "", style: str | None = None) -> None:
        self.guide = guide
        self.text = text
        self.style = style

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


def paint(line: str | Line, *, terminal: bool, color: bool, width: int | None) -> str:
    """Return the line as it is printed, without its newline: cut and coloured only on a terminal."""
    if isinstance(line, str):
        return visible(line)
    whole = str(line)
    if terminal and width is not None:
        whole = fit(whole, width)
    if not (terminal and color):
        return whole
    from rich.color import ColorSystem
    from rich.style import Style

    guide, text = whole[: len(line.guide)], whole[len(line.guide) :]
    parts = ((guide, "dim"), (text, line.style))
    return "".join(
        Style.parse(style).render(part, color_system=ColorSystem.STANDARD) if style and part else part
        for part, style in parts
    )
