"""Calls in policy tests: the one asked about, and those made before it, which limits count.

A call of `before` differs from the case's own in what it says; it is made `times` times, `ago` before it, and may have a
`result`. It has to be allowed, or the case tests something else than it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core import times
from nhictl.core.policy import reading
from nhictl.core.policy.counters import Result, Tally
from nhictl.core.policy.decide import decide
from nhictl.core.policy.request import Request
from nhictl.core.policy.types import exact

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.registry import Registry
    from nhictl.core.policy.yaml_events import Node

__all__ = ["Earlier", "parse_before", "parse_request", "play"]

_REQUEST: Final = ("agent", "intent", "tool", "args", "resource", "context")
_BEFORE: Final = (*_REQUEST, "times", "ago", "approved", "result")
_RESULT: Final = ("executed", "bytes_out", "spend")
_MOST: Final = 10_000


class Earlier(NamedTuple):
    """A call made before, how often, the classes it was approved for, and its result if that is known."""

    line: int
    request: Request
    times: int
    approved: tuple[str, ...]
    result: Result | None


def parse_request(node: Node, at_us: int) -> Request:
    """The request of a case."""
    reading.entries(node, _REQUEST, what="`request`")
    reading.require(node, ("agent", "tool"), what="`request`")
    return _request(node, at_us, None)


def _request(node: Node, at_us: int, like: Request | None) -> Request:
    fields = node.value
    texts = {
        key: reading.text(fields[key], what=f"`{key}`")
        for key in ("agent", "tool", "intent", "resource")
        if key in fields
    }
    data = {key: fields[key].data() for key in ("args", "context") if key in fields}
    for key, value in data.items():
        if not isinstance(value, dict):
            raise fields[key].error(f"`{key}` must be a mapping")
    given: dict[str, Any] = {**texts, **data}
    if like is not None:
        own = {key: getattr(like, key) for key in _REQUEST}
        if given.get("tool", like.tool) != like.tool:
            own |= {"args": None, "resource": None}
        given = own | given
    return Request(
        given["agent"], given["tool"], given.get("args"), given.get("resource"), given.get("intent"), at_us,
        given.get("context"),
    )  # fmt: skip


def parse_before(node: Node, like: Request) -> tuple[Earlier, ...]:
    """The calls of `before`, oldest first."""
    made = []
    for item in reading.items(node, what="`before`"):
        fields = reading.entries(item, _BEFORE, what="a call of `before`")
        ago = 0
        if "ago" in fields:
            ago = reading.located(fields["ago"], _seconds, reading.text(fields["ago"], what="`ago`", limit=16))
        number = fields["times"].value if "times" in fields else 1
        if type(number) is not int or not 1 <= number <= _MOST:
            raise fields["times"].error(f"`times` must be 1 to {_MOST}")
        approved = tuple(reading.names(fields["approved"], what="`approved`")) if "approved" in fields else ()
        result = _result(fields["result"]) if "result" in fields else None
        request = _request(item, like.now_us - ago * 1_000_000, like)
        made.append(Earlier(item.line or 0, request, number, approved, result))
    return tuple(sorted(made, key=lambda one: one.request.now_us))


def _seconds(text: str) -> int:
    from nhictl.core.policy.resource import Refused

    try:
        return times.parse_duration(text)
    except ValueError as e:
        raise Refused(str(e)) from e


def _result(node: Node) -> Result:
    fields = reading.entries(node, _RESULT, what="`result`")
    executed = reading.flag(fields["executed"], what="`executed`") if "executed" in fields else True
    bytes_out = fields["bytes_out"].value if "bytes_out" in fields else 0
    if type(bytes_out) is not int or bytes_out < 0:
        raise fields["bytes_out"].error("`bytes_out` must be a whole number, not negative")
    spend = reading.located(fields["spend"], exact, fields["spend"].data()) if "spend" in fields else None
    if spend is not None and spend < 0:
        raise fields["spend"].error("a cost is not negative")
    return Result(executed, bytes_out, spend)


def play(policy: Policy, registry: Registry, before: tuple[Earlier, ...]) -> tuple[Tally, str | None]:
    """What limits stand at after those calls, and what is wrong if one of them was not allowed."""
    tally = Tally()
    for number, call in enumerate(before):
        approvals = dict.fromkeys(call.approved, "test")
        for turn in range(call.times):
            request = call.request
            made = decide(policy, registry.find(request.agent), request, counters=tally, approvals=approvals)
            if not made.allowed:
                why = f": {made.message}" if made.message else ""
                return tally, f"the call before, in line {call.line}, is denied {made.reason}{why}"
            tally.reserve((number, turn), made.charges, request.now_us)
            if call.result is not None:
                tally.settle((number, turn), call.result, request.now_us)
    return tally, None
