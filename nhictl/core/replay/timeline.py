"""The timeline: one row an event, in the order of the evidence. Texts are raw; whoever prints them escapes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nhictl.core.replay.event import Event

COLUMNS: Final = ("n", "time", "agent", "run", "type", "tool", "args", "outcome", "reason", "evidence")
Row = tuple[Any, ...]
_WHAT: Final = frozenset({"token.revoked", "authority.frozen", "authority.unfrozen"})


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
    """What an event says, shortly: arguments, a message's text, what was revoked or frozen, or which key; else None."""
    if event.args is not None:
        return short(event.args, width)
    if event.ext and not {"args", "prompt"}.isdisjoint(event.ext.get("erased", ())):
        return "[erased]"
    if event.type.startswith("key.") and isinstance(kid := (event.ext or {}).get("kid"), str):
        return short(kid, width)
    if event.type in _WHAT and event.ext:
        told = [event.inst, event.principal, *(event.ext.get(name) for name in ("group", "env", "kid", "run"))]
        span = [event.ext["from"], "..", event.ext["to"]] if "from" in event.ext and "to" in event.ext else []
        return short(
            " ".join(str(word) for word in (event.ext.get("selector"), *told, *span) if word is not None), width
        )
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


def lines(events: Iterable[Event], *, width: int = 200) -> Iterator[tuple[int, str, str | None]]:
    """The timeline for reading: (0, heading, None) where run, agent or evidence change, else (1, event, its outcome).

    An event reads: number of the call, outcome, time to the second, tool or type, what it says, and why it ended so; what
    matters most stands first, since a narrow terminal cuts the end.
    """
    before: tuple[Any, ...] = ()
    for event in events:
        source = (event.run, event.agent, event.evidence)
        if source != before:
            before = source
            run = "no run" if event.run is None else f"run {event.run}"
            agent = "" if event.agent is None else f", agent {event.agent}"
            yield 0, f"{run}{agent} ({event.evidence})", None
        number = "" if event.n is None else f"#{event.n}"
        parts = [f"{number:<4} {event.outcome or '':<12}"]
        if event.time is not None:
            parts.append(event.time[:19] + "Z")
        parts.append(event.tool if event.type == "tool.called" and event.tool else event.type)
        if event.tool and event.type != "tool.called":
            parts.append(event.tool)
        if (said := gist(event, width)) is not None:
            parts.append(said)
        if (why := reason(event, width)) is not None:
            parts.append(f"({why})")
        yield 1, " ".join(parts), event.outcome
