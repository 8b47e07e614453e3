"""Text of others in HTML, and the few tags that the page is made of."""

from __future__ import annotations

from typing import Any

from nhictl.render.escape import terminal

_MARKS = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}


def text(value: Any, *, keep: str = "") -> str:
    """Text for content and for quoted attributes: what cannot be seen made visible, the five marks of HTML escaped."""
    return terminal(str(value), keep=keep).translate(_MARKS)


def span(kind: str, value: Any) -> str:
    """A span of one of our classes; nothing for None."""
    return "" if value is None else f'<span class="{kind}">{text(value)}</span>'


def badge(kind: str, value: Any) -> str:
    """A word in the colour of its kind, which is also told by the word itself."""
    return f'<span class="badge {kind}">{text(value)}</span>'


def outcome(kind: str, value: str | None) -> str:
    """How an event ended, where that says something: that a plain record was made does not."""
    if kind == "ends":
        return badge(kind, "stops authority")
    return "" if value is None or (kind == "other" and value == "ok") else badge(kind, value)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 event`, `2,000 events`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def clock(time: str | None, *, day: bool = True) -> str:
    """An RFC 3339 time: the date small, the time to the second, or that alone; words where there is none."""
    if time is None:
        return '<span class="none">no time</span>'
    if len(time) >= 20 and time[10] == "T" and time[:4].isdigit():
        date = f'<span class="day">{text(time[:10])}</span> ' if day else ""
        return f"<time>{date}{text(time[11:19])}</time>"
    return span("when", time)
