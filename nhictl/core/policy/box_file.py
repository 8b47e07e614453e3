"""Boxes from mappings and scope files: `{nhictl_scope: 1, allow: [{tools, resource, when}]}` (contract §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.box_value import FIELDS, Box, Clause, json_operand
from nhictl.core.policy.condition import OPERATORS, Condition
from nhictl.core.policy.resource import Refused, normal_prefix
from nhictl.core.policy.scope import types_of

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.yaml_events import Node

__all__ = ["box_from_mapping", "box_from_node", "parse_scope_file"]


def box_from_mapping(mapping: Any, policy: Policy | None = None, *, stored: bool = False) -> Box:
    """Return the box that `{tools, resource, when}` means.

    With `stored` (read back from a store or a token) nothing is refused: what is not understood makes a box that covers
    nothing. Otherwise raise `InputError`.
    """
    if stored:
        return Box.from_stored(mapping)
    return box_from_node(_nodes(mapping), policy)


def parse_scope_file(file: str, data: bytes, policy: Policy | None = None) -> list[Box]:
    """Read a scope file; raise `InputError` at the first fault, with its place."""
    from nhictl.core.policy import reading

    root = reading.one_mapping(file, data, "a scope file")
    reading.version(root, "nhictl_scope")
    reading.entries(root, ("nhictl_scope", "allow"), what="a scope file")
    reading.require(root, ("allow",), what="a scope file")
    return [box_from_node(node, policy) for node in reading.items(root.value["allow"], what="`allow`")]


def _nodes(value: Any, depth: int = 0) -> Node:
    """Wrap plain data in nodes that know no place."""
    from nhictl.core.policy.yaml_events import MAX_DEPTH, Node

    node = Node(value, None, None)
    if depth > MAX_DEPTH:
        raise node.error(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        node.value = {str(key): _nodes(item, depth + 1) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        node.value = [_nodes(item, depth + 1) for item in value]
    return node


def box_from_node(node: Node, policy: Policy | None) -> Box:
    """Return the box that a located mapping means; raise `InputError` with its place."""
    from nhictl.core.policy import reading

    fields = reading.entries(node, FIELDS, what="a box")
    reading.require(node, ("tools",), what="a box")
    if isinstance(fields["tools"].value, str):
        tools = [reading.name(fields["tools"], what="`tools`")]
    else:
        tools = reading.names(fields["tools"], what="`tools`")
    resource = None
    if "resource" in fields:
        try:
            resource = normal_prefix(fields["resource"].value)
        except Refused as e:
            raise fields["resource"].error(f"`resource` {e}") from e
    clauses: list[Clause] = []
    if "when" in fields:
        when = reading.entries(fields["when"], None, what="`when`")
        if not when:
            raise fields["when"].error("`when` must not be empty")
        for path, below in when.items():
            clauses.extend(_clauses(fields["when"], path, below, tools, policy))
    return Box(tools, resource, clauses)


def _clauses(parent: Node, path: str, node: Node, tools: list[str], policy: Policy | None) -> list[Clause]:
    from nhictl.core.policy import reading

    if path != "resource" and not (path.startswith("args.") and len(path) > 5):
        raise parent.key_error(path, f"a scope reads `args.NAME` and `resource`, not `{path}`")
    fields = reading.entries(node, (*OPERATORS, "absent_ok"), what=f"the condition on `{path}`")
    absent_ok = "absent_ok" in fields and reading.flag(fields["absent_ok"], what="`absent_ok`")
    operators = [op for op in fields if op != "absent_ok"]
    if not operators:
        raise node.error(f"the condition on `{path}` has no operator")
    if "absent_ok" in fields and "has" in fields:
        raise node.key_error("absent_ok", "`absent_ok` and `has` contradict one another")
    types = types_of(path, tools, policy)
    if not types:
        raise parent.key_error(path, f"none of these tools declares `{path}`")
    made: list[Clause] = []
    for op in operators:
        try:
            operand = json_operand(fields[op].data())
            for of in types:
                Condition(path, op, operand, of)
            if op == "same_as" and operand != "resource" and not operand.startswith("args."):
                raise Refused(f"a scope compares with `args.NAME` or `resource`, not `{operand}`")
        except Refused as e:
            raise fields[op].error(f"{e} (`{path}`)") from e
        made.append((path, op, operand, absent_ok))
    return made
