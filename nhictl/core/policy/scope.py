"""Whether a scope covers a call: a permit's semantics, so that what is unknown covers nothing (`tokens.md` §4 step
19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.catalogue import InvalidRequestError, Tool
from nhictl.core.policy.condition import MISTYPED, TRUE, UNKNOWN, Condition, result_name
from nhictl.core.policy.glob import Glob
from nhictl.core.policy.resource import Refused, normal_resource
from nhictl.core.policy.types import ArgType, plain, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nhictl.core.policy.box_value import Box
    from nhictl.core.policy.compiled import Policy

__all__ = ["ScopeVerdict", "scope_verdict", "types_of"]

MAX_NEAR = 5
_UNTYPED, _UNTYPED_LIST, _RESOURCE = ArgType("untyped"), ArgType("list", item=ArgType("untyped")), ArgType("resource")


class ScopeVerdict:
    """Whether some box covers the call. If none does, `reason` is `authz_insufficient`, or `constraint_unknown` when a
    box for this tool holds something this version does not know; `near` tells what failed in the boxes for this tool.
    """

    __slots__ = ("box", "covered", "near", "reason")

    def __init__(self, box: int | None, reason: str | None, near: list[dict[str, Any]]) -> None:
        self.covered = box is not None
        self.box = box
        self.reason = reason
        self.near = near


def types_of(path: str, tools: list[str], policy: Policy | None) -> list[ArgType]:
    """Return the types that the declared tools among `tools` give an argument; untyped where none of them is declared."""
    if path == "resource":
        return [_RESOURCE]
    globs = [Glob(text) for text in tools]
    names = [] if policy is None else [name for name in policy.form["tools"] if any(g.matches(name) for g in globs)]
    declared = [tool for tool in (policy.tool(name) for name in sorted(names)) if tool is not None] if policy else []
    if not declared:
        return [_UNTYPED]
    return [of for of in (tool.argument_type(path[5:]) for tool in declared) if of is not None]


class _Call:
    """The facts a scope may read."""

    __slots__ = ("args", "resource")

    def __init__(self, args: dict[str, Any], resource: str | None) -> None:
        self.args = args
        self.resource = resource


def scope_verdict(
    boxes: Iterable[Box], policy: Policy | None, tool: str, args: dict[str, Any], resource: str | None = None
) -> ScopeVerdict:
    """Say whether one of `boxes` covers calling `tool` with `args` on `resource`."""
    declared = policy.tool(tool) if policy is not None else None
    call: _Call | None = None
    invalid: str | None = None
    reason = "authz_insufficient"
    near: list[dict[str, Any]] = []
    for number, box in enumerate(boxes):
        if not box.matches_tool(tool) and not (box.unknown and not box.tools):
            continue
        if box.unknown:
            reason = "constraint_unknown"
            near.append({"box": number, "unknown": list(box.unknown)})
            continue
        if box.resource is None and not box.clauses:
            return ScopeVerdict(number, None, [])
        if call is None and invalid is None:
            try:
                call = _call(declared, args, resource)
            except (InvalidRequestError, Refused) as e:
                invalid = str(e)
        failed = [{"invalid": invalid}] if call is None else _failed(box, declared, call)
        if not failed:
            return ScopeVerdict(number, None, [])
        near.append({"box": number, "failed": failed})
    return ScopeVerdict(None, reason, near[:MAX_NEAR])


def _call(tool: Tool | None, args: dict[str, Any], resource: str | None) -> _Call:
    if tool is not None:
        _, flat, named = tool.validate(args, resource)
        return _Call(flat, named)
    return _Call(_flat(args), None if resource is None else normal_resource(resource))


def _flat(args: dict[str, Any]) -> dict[str, Any]:
    """Map dotted names to leaves of undeclared arguments; what is no scalar or list of scalars is there, but
    comparable to nothing.
    """
    flat: dict[str, Any] = {}
    level: list[tuple[str, Any]] = [("", args)]
    while level:
        prefix, value = level.pop()
        for name, item in value.items():
            key = prefix + name
            if isinstance(item, dict) and item:
                level.append((key + ".", item))
                found = MISTYPED
            else:
                found = _leaf(item)
            if found is not None:
                # Two ways to one name, `{"a": {"b": 1}, "a.b": 2}`: neither may decide.
                flat[key] = MISTYPED if key in flat else found
    return flat


def _leaf(item: Any) -> Any:
    if item is None:
        return None
    try:
        if isinstance(item, list):
            return [_UNTYPED.normal(element) for element in item]
        return _UNTYPED.normal(item)
    except Refused:
        return MISTYPED


def _failed(box: Box, tool: Tool | None, call: _Call) -> list[dict[str, Any]]:
    """Return what fails of a box's conditions, as JSON."""
    failed = []
    clauses = list(box.clauses)
    if box.resource is not None:
        clauses.insert(0, ("resource", "under", box.resource, False))
    for path, op, operand, absent_ok in clauses:
        see = _see(path)
        value = see(call)
        result = _result(path, op, operand, absent_ok, tool, call, value)
        if result != TRUE:
            shown = str(value) if value is MISTYPED else plain(value)
            failed.append({"fact": path, "op": op, "operand": operand, "value": shown, "result": result_name(result)})
    return failed


def _see(path: str) -> Callable[[Any], Any]:
    if path == "resource":
        return lambda call: call.resource
    name = path[5:]
    return lambda call: call.args.get(name)


def _result(
    path: str,
    op: str,
    operand: Any,
    absent_ok: bool,
    tool: Tool | None,
    call: _Call,
    value: Any,
) -> int:
    of = _RESOURCE
    if path != "resource" and tool is None:
        of = _UNTYPED_LIST if isinstance(value, list) else _UNTYPED
    elif path != "resource" and tool is not None:
        declared = tool.argument_type(path[5:])
        if declared is None and tool.open:
            return UNKNOWN  # present or not, nothing declares what it is
        of = declared or _UNTYPED
    try:
        condition = Condition(path, op, operand, of, absent_ok=absent_ok)
    except Refused:
        return UNKNOWN  # an operand that does not fit the type declared today
    other = _see(str(operand)) if op == "same_as" else None
    if other is not None and not str(operand).startswith("args.") and operand != "resource":
        return UNKNOWN
    if value is MISTYPED and op != "has":
        return UNKNOWN
    if other is not None and (isinstance(other(call), list) or scalar_kind(other(call)) is None):
        return UNKNOWN
    return condition.compile(_see(path), forbid=False, other=other)(call)
