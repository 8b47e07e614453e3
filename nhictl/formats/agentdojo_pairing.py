"""Which tool message of an AgentDojo run answers which call: ids may be null, empty, repeated or wrong.

A *turn* is an assistant message and what follows up to the next one. Inside a turn, results are given to calls by id
where it says something, then by the function and arguments that the result repeats, then by order; each step takes
only what the steps before left, so a result out of order cannot take another's call. Across a turn's end only an id
counts, and only if one single open call bears it and the arguments that the result repeats do not contradict.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

_Place = tuple[int, int]
_Key = str | None
_KeyOf: TypeAlias = "Callable[[_Side], _Key]"


def canonical(value: Any) -> str:
    """One text for equal JSON values, whatever the order of members; 1, 1.0 and true stay three."""
    return json.dumps(value, sort_keys=True, allow_nan=False)


class Pairs:
    """`results`: message index of the result by (message index, position) of its call; `owners`: the other way."""

    __slots__ = ("owners", "results")

    def __init__(self) -> None:
        self.results: dict[_Place, int] = {}
        self.owners: dict[int, _Place] = {}

    def join(self, call: _Side, result: _Side) -> None:
        """Note that `result` answers `call`."""
        self.results[call.place] = result.place[0]
        self.owners[result.place[0]] = call.place


class _Side:
    """A call, or a result with the call that it repeats; None where it says nothing."""

    __slots__ = ("function", "id", "place", "text")

    def __init__(self, place: _Place, given_id: Any, call: Any) -> None:
        self.place = place
        self.id = None if given_id is None or given_id == "" else canonical(given_id)
        self.text: _Key = None
        self.function: _Key = None
        if isinstance(call, dict) and isinstance(call.get("function"), str):
            self.function = call["function"]
            self.text = canonical([self.function, call.get("args")])


def _id(side: _Side) -> _Key:
    return side.id


def _id_and_text(side: _Side) -> _Key:
    return None if side.id is None or side.text is None else f"{side.id} {side.text}"


def _text(side: _Side) -> _Key:
    return side.text


def _function(side: _Side) -> _Key:
    return side.function


def _silent(side: _Side) -> _Key:
    return "" if side.function is None else None


def _any(_side: _Side) -> _Key:
    return ""


def _unnamed(key: _KeyOf) -> _KeyOf:
    return lambda side: key(side) if side.id is None else None


_BY_ID: Final[tuple[tuple[_KeyOf, _KeyOf], ...]] = ((_id_and_text, _id_and_text), (_id, _id))
_OTHERWISE: Final[tuple[tuple[_KeyOf, _KeyOf], ...]] = (
    (_unnamed(_text), _unnamed(_text)),
    (_text, _unnamed(_text)),
    (_unnamed(_text), _text),
    (_text, _text),
    (_function, _unnamed(_function)),
    (_unnamed(_function), _function),
    (_any, _unnamed(_silent)),
    (_unnamed(_any), _silent),
)
"""(key of a call, key of a result): equal keys pair, in order. From the surest to mere order, where two ids that are
both given and differ, or two functions that differ, never pair."""


def pair(messages: list[Any]) -> Pairs:
    """Pair every result of a run with the call it answers, as far as one fits."""
    pairs = Pairs()
    late: dict[str, list[_Side]] = {}
    calls: list[_Side] = []
    results: list[_Side] = []
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "assistant":
            _close(pairs, calls, results, late)
            asked = message.get("tool_calls")
            calls = [
                _Side((index, position), call.get("id") if isinstance(call, dict) else None, call)
                for position, call in enumerate(asked if isinstance(asked, list) else ())
            ]
            results = []
        elif role == "tool":
            results.append(_Side((index, 0), message.get("tool_call_id"), message.get("tool_call")))
    _close(pairs, calls, results, late)
    return pairs


def _close(pairs: Pairs, calls: list[_Side], results: list[_Side], late: dict[str, list[_Side]]) -> None:
    """End a turn: pair what fits and leave its open calls in `late`, by id."""
    for call_key, result_key in _BY_ID:
        calls, results = _step(pairs, calls, results, call_key, result_key)
    results = [result for result in results if not _belated(pairs, result, late)]
    for call_key, result_key in _OTHERWISE:
        if not calls or not results:
            break
        calls, results = _step(pairs, calls, results, call_key, result_key)
    for call in calls:
        if call.id is not None:
            late.setdefault(call.id, []).append(call)


def _step(
    pairs: Pairs,
    calls: list[_Side],
    results: list[_Side],
    call_key: _KeyOf,
    result_key: _KeyOf,
) -> tuple[list[_Side], list[_Side]]:
    """Pair by equal keys, first come first served; return the calls and results that are left."""
    waiting: dict[str, deque[_Side]] = {}
    for call in calls:
        key = call_key(call)
        if key is not None:
            waiting.setdefault(key, deque()).append(call)
    left = []
    for result in results:
        key = result_key(result)
        queue = waiting.get(key) if key is not None else None
        if queue:
            pairs.join(queue.popleft(), result)
        else:
            left.append(result)
    return [call for call in calls if call.place not in pairs.results], left


def _belated(pairs: Pairs, result: _Side, late: dict[str, list[_Side]]) -> bool:
    """Pair a result with a call of an earlier turn, if that is certain."""
    bearers = late.get(result.id) if result.id is not None else None
    if bearers is None or len(bearers) != 1 or result.text not in (None, bearers[0].text):
        return False
    pairs.join(bearers.pop(), result)
    return True
