"""Which record speaks of which call: by the id both give, with one rule for every format.

A record of a call says something of one kind (`asked`, `result`, `executed`, …). It belongs to the newest call with its
id of which nothing of that kind is known yet; of several that were asked for in one message, to the first. So an id that
is used again is a new call, a second result of the same id does not overwrite the first, and two ids that differ never
meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.replay.event import Event


class Call:
    """A call that is held: its event, the kinds of record that spoke of it, and the message that asked for it."""

    __slots__ = ("event", "key", "known", "message")

    def __init__(self, key: Any, event: Event, message: Any, kind: str) -> None:
        self.key = key
        self.event = event
        self.message = message
        self.known = {kind}


class Calls:
    """The calls that are held, by id; ids are compared by type and value, so 1 and "1" are two."""

    def __init__(self) -> None:
        self._by_id: dict[Any, list[Call]] = {}
        self._by_event: dict[int, Call] = {}

    def add(self, identity: Any, event: Event, *, message: Any = None, kind: str = "asked") -> Call:
        """Hold a call under an id."""
        call = Call(_key(identity), event, message, kind)
        self._by_id.setdefault(call.key, []).append(call)
        self._by_event[id(event)] = call
        return call

    def find(self, identity: Any, kind: str, fits: Callable[[Call], bool] | None = None) -> Call | None:
        """The call that a record of this kind belongs to, marked as known by it; None if there is none.

        `fits` says of a call with the id whether the record can speak of it at all.
        """
        found = None
        for call in reversed(self._by_id.get(_key(identity), ())):
            if kind in call.known or (fits is not None and not fits(call)):
                continue
            if found is not None and (call.message is None or call.message != found.message):
                break
            found = call
        if found is not None:
            found.known.add(kind)
        return found

    def held(self, identity: Any) -> list[Call]:
        """All calls that are held under an id, oldest first."""
        return self._by_id.get(_key(identity), [])

    def forget(self, event: Event) -> None:
        """Let a call go."""
        call = self._by_event.pop(id(event), None)
        if call is not None:
            same = self._by_id[call.key]
            same.remove(call)
            if not same:
                del self._by_id[call.key]


def _key(identity: Any) -> Any:
    if isinstance(identity, str | int) or identity is None:
        return type(identity), identity
    return repr(identity)
