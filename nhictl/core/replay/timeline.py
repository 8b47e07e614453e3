"""The timeline: one row an event, in the order of the evidence. Texts are raw; whoever prints them escapes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nhictl.core.replay.event import Event

COLUMNS: Final = ("n", "time", "agent", "run", "type", "tool", "args", "outcome", "reason", "evidence")
Row = tuple[Any, ...]


def rows(events: Iterable[Event], *, width: int = 60) -> Iterator[Row]:
    """Rows of `COLUMNS`: `n` int or None, all else text or None; `args` and `reason` cut to `width` characters.

    A message shows the beginning of its content where a call shows its arguments.
    """
    for event in events:
        yield (
            event.n,
            event.time,
            event.agent,
            event.run,
            event.type,
            event.tool,
            gist(event, width),
            event.outcome,
            reason(event, width),
            event.evidence,
        )


def gist(event: Event, width: int) -> str | None:
    """What an event says, shortly: arguments, or a message's text; None where it says nothing."""
    if event.args is not None:
        return short(event.args, width)
    return short(plain(event.content), width) if event.has_content and event.content is not None else None


def reason(event: Event, width: int) -> str | None:
    """Why it ended so: the decision's reason code, else the error's beginning."""
    code = (event.decision or {}).get("reason")
    if code is not None:
        return short(code, width)
    return short(event.error, width) if event.error else None


def plain(content: Any) -> Any:
    """The text of a message given as a list of text parts, joined; anything else as it is."""
    if not isinstance(content, list):
        return content
    texts = [part.get("content", part.get("text")) if isinstance(part, dict) else None for part in content]
    known = [text for text in texts if isinstance(text, str)]
    return " ".join(known) if len(known) == len(content) else content


def short(value: Any, width: int) -> str:
    """One line of at most `width` characters: a text's first words, blanks folded, anything else as JSON."""
    if isinstance(value, str):
        # Only the beginning is looked at: a result can be megabytes.
        text = " ".join(value[: width * 4].split())
        cut = len(value) > width * 4
    else:
        text, cut = strict_json.dumps(value), False
    return text[: width - 1] + "…" if cut or len(text) > width else text
