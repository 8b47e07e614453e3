"""What two sources say of one act: our own records and other logs' calls, and other logs' calls among each other.

A link is made where both sides name the same thing and nothing else does: the token (`jti`) with the tool, the id of
the call, the trace with its span, or the arguments (canonical JSON, the same tool, at most a minute apart). Equal
arguments alone are the weakest evidence and say so by `by: args`; where two acts fit equally well none is linked.

Our own records commit to arguments with a salt of their task, so they are compared here only where they could be opened.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nhictl.core.replay.authority.step import Step
    from nhictl.core.replay.event import Event

    Act = Event | Step

SKEW_US: Final = 60_000_000
"""How far two clocks may be apart (reference/replay.md §3)."""


_OWN: Final = frozenset({"tool.called", "token.used", "token.denied", "policy.evaluated"})
_Key = tuple[Any, ...]


def join(events: Sequence[Event]) -> int:
    """Set `joined` on the events that are one act, each naming the others; return the number of links.

    An entry is `{"by": "jti"|"call"|"trace"|"args", "run", "n"}`, with `seq` for a record of ours.
    """
    acts = [event for event in events if event.tool is not None and _is_act(event)]
    linked: dict[int, set[int]] = {}
    count = 0
    for by, key_of in KEYS:
        for one, other in _pairs(acts, key_of, exact=by != "args"):
            if id(other) in linked.setdefault(id(one), set()):
                continue
            if by == "args" and (linked[id(one)] or linked.get(id(other))):
                continue
            linked[id(one)].add(id(other))
            linked.setdefault(id(other), set()).add(id(one))
            _link(one, other, by)
            _link(other, one, by)
            count += 1
    return count


def _is_act(event: Event) -> bool:
    return event.type in _OWN if event.seq is not None else event.type == "tool.called"


def _source(event: Event) -> tuple[bool, Any]:
    """Where an event comes from, and whether that is our log, which has records of several types about one act.

    Acts of one source are never one another.
    """
    return (True, event.type) if event.seq is not None else (False, (event.source or {}).get("file"))


def _pairs(acts: Sequence[Event], key_of: Any, *, exact: bool) -> Iterator[tuple[Event, Event]]:
    groups: dict[_Key, dict[tuple[bool, Any], list[Event]]] = {}
    for event in acts:
        for key in key_of(event):
            groups.setdefault(key, {}).setdefault(_source(event), []).append(event)
    for sources in groups.values():
        named = list(sources.items())
        for place, (mine, ours) in enumerate(named):
            for other, theirs in named[place + 1 :]:
                if mine[0] and other[0]:
                    continue
                if exact and len(ours) == 1 == len(theirs):
                    yield ours[0], theirs[0]
                elif not exact:
                    yield from _near(ours, theirs)


def _near(ours: list[Event], theirs: list[Event]) -> Iterator[tuple[Event, Event]]:
    """Pairs that are close in time, and the only ones that are: with more than one, which is which is unknown."""
    for one in ours:
        close = [other for other in theirs if _close(one, other)]
        if len(close) == 1 and sum(_close(mine, close[0]) for mine in ours) == 1:
            yield one, close[0]


def _close(one: Event, other: Event) -> bool:
    a, b = instant_us(one.time), instant_us(other.time)
    return a is not None and b is not None and abs(a - b) <= SKEW_US


def _link(one: Event, other: Event, by: str) -> None:
    entry = {"by": by, "run": other.run, "n": other.n}
    if other.seq is not None:
        entry["seq"] = other.seq
    one.joined = [*(one.joined or []), entry]


def _by_jti(event: Act) -> Iterator[_Key]:
    if event.jti is not None:
        yield event.jti, event.tool


def by_call(event: Act) -> Iterator[_Key]:
    """The ids by which others may know a call."""
    # Small numbers are counted by every connection for itself: an id that others could have too links nothing.
    if isinstance(event.call, str) and len(event.call) >= 8:
        yield (event.call,)
    meta = event.ext.get("_meta") if event.seq is None and event.ext is not None else None
    if isinstance(meta, dict) and isinstance(meta.get("claudecode/toolUseId"), str):  # what this host tells MCP servers
        yield (meta["claudecode/toolUseId"],)


def _by_trace(event: Act) -> Iterator[_Key]:
    if event.trace is not None:
        if event.span is not None:
            yield "span", event.trace, event.span
        yield "trace", event.trace, event.tool


def _by_args(event: Act) -> Iterator[_Key]:
    if event.args is not None:
        yield event.tool, json.dumps(event.args, sort_keys=True, separators=(",", ":"))


KEYS: Final = (("jti", _by_jti), ("call", by_call), ("trace", _by_trace), ("args", _by_args))
"""By what two sources may name one act, the strongest first."""
