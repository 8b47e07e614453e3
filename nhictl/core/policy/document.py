"""Policy documents (reference `policy.md` §1): YAML in, a `Policy` out, the first fault reported with file, line and
column.

Several files combine as a union: no priorities, no order. Parts of the language that this version cannot enforce are
refused, never ignored, because a forbid that silently does nothing is worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy import reading
from nhictl.core.policy.compiled import DRIFTING, FORMAT, GATED, LIVE, Policy
from nhictl.core.policy.document_assertions import parse_assertions
from nhictl.core.policy.document_gates import parse_classes, parse_guardrails
from nhictl.core.policy.document_limits import parse_limits
from nhictl.core.policy.document_people import parse_approvers, parse_openers
from nhictl.core.policy.document_rules import parse_rule
from nhictl.core.policy.document_tools import parse_tool
from nhictl.core.policy.resource import normal_prefix
from nhictl.core.policy.time_window import zone
from nhictl.core.policy.types import SENSITIVITY
from nhictl.core.policy.yaml_events import uncollected
from nhictl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.places import Places
    from nhictl.core.policy.yaml_events import Node

__all__ = ["parse_policy"]

_KEYS = (
    "nhictl_policy", "id", "owner", "default", "timezone", "tools", "data", "classes", "guardrails", "rules", "limits",
    "openers", "approvers", "assertions",
)  # fmt: skip


def parse_policy(files: Sequence[tuple[str, bytes]], places: Places | None = None) -> Policy:
    """Return the policy that `(name, content)` files make together; raise `InputError` at the first fault.

    `places`, if given, notes where each part stands.
    """
    return uncollected(_parse, files, places)


def _parse(files: Sequence[tuple[str, bytes]], places: Places | None) -> Policy:
    if not files:
        raise InputError("no policy file")
    roots = [_root(file, data) for file, data in files]
    tools: dict[str, Tool] = {}
    for root in roots:
        _tools(root, tools)
    timezone = _timezone(roots)
    classes: dict[str, Any] = {}
    guardrails: dict[str, Any] = {}
    for root in roots:
        parse_classes(root, tools, classes)
    for root in roots:
        parse_guardrails(root, classes, tools, timezone, guardrails)
    rules: dict[str, dict[str, Any]] = {}
    for root in roots:
        if "rules" in root.value:
            for node in reading.items(root.value["rules"], what="`rules`"):
                rule = parse_rule(node, tools, classes)
                if rule["id"] in rules:
                    raise node.value["id"].error(f"duplicate rule `{rule['id']}`")
                rules[rule["id"]] = rule
                if places is not None:
                    places.put("rule", rule["id"], node)
    assertions: dict[str, Any] = {}
    for root in roots:
        parse_assertions(root, tools, classes, assertions, places)
        if places is not None:
            for kind, section in (("tool", "tools"), ("class", "classes"), ("guardrail", "guardrails")):
                places.keys(kind, root, section)
    form = {
        "nhictl_compiled_policy": FORMAT,
        "ids": _texts(roots, "id"),
        "owners": _texts(roots, "owner"),
        "timezone": timezone,
        "tools": {name: tools[name].to_json() for name in sorted(tools)},
        "data": _data(roots),
        "rules": [rules[name] for name in sorted(rules)],
    }
    if classes:
        form |= {"nhictl_compiled_policy": GATED, "classes": classes, "guardrails": guardrails}
    if assertions:
        form["assertions"] = [assertions[text] for text in sorted(assertions)]
    return Policy(form | _live(roots, tools, classes, form, places))


def _live(
    roots: list[Node], tools: dict[str, Tool], classes: dict[str, Any], form: dict[str, Any], places: Places | None
) -> dict[str, Any]:
    """The parts that only the live path can keep: limits, costs, openers, approvers. None of them: nothing is added."""
    limits: dict[str, Any] = {}
    openers: list[dict[str, Any]] = []
    approvers: dict[str, Any] = {}
    typed = Policy(form)
    for root in roots:
        parse_limits(root, tools, classes, limits)
        parse_openers(root, typed, openers)
        parse_approvers(root, classes, approvers)
    rules = {rule["id"] for rule in form["rules"]}
    for root in roots:
        for node in root.value["limits"].value if "limits" in root.value else ():
            if node.value["id"].value in rules:
                raise node.value["id"].error(f"`{node.value['id'].value}` is the id of a rule")
            if places is not None:
                places.put("limit", node.value["id"].value, node)
    made: dict[str, Any] = {}
    if limits:
        made["limits"] = [limits[name] for name in sorted(limits)]
    if openers:
        made["openers"] = openers
    if approvers:
        made["approvers"] = approvers
    if made or any(tool.cost is not None for tool in tools.values()):
        made["nhictl_compiled_policy"] = LIVE
    if "assertions" in form or any(tool.digest is not None for tool in tools.values()):
        made["nhictl_compiled_policy"] = DRIFTING
    return made


def _root(file: str, data: bytes) -> Node:
    root = reading.one_mapping(file, data, "a policy")
    reading.version(root, "nhictl_policy")
    fields = reading.entries(root, _KEYS, what="a policy")
    if "default" in fields and fields["default"].value != "deny":
        raise fields["default"].error("`default` can only be `deny`")
    return root


def _texts(roots: list[Node], key: str) -> list[str]:
    return sorted({reading.text(root.value[key], what=f"`{key}`") for root in roots if key in root.value})


def _timezone(roots: list[Node]) -> str:
    found: str | None = None
    for root in roots:
        node = root.value.get("timezone")
        if node is None:
            continue
        name = reading.text(node, what="`timezone`")
        reading.located(node, zone, name)
        if found is not None and name != found:
            raise node.error(f"another file says time zone `{found}`")
        found = name
    return found or "UTC"


def _tools(root: Node, tools: dict[str, Tool]) -> None:
    node = root.value.get("tools")
    if node is None:
        return
    for name, declared in reading.entries(node, None, what="`tools`").items():
        if name in tools:
            raise node.key_error(name, f"duplicate tool `{name}`")
        if not name or len(name) > 256 or not name.isprintable() or " " in name or "*" in name:
            raise node.key_error(name, f"`{name}` is no tool name: no spaces, `*` or control characters")
        tools[name] = parse_tool(name, declared)


def _data(roots: list[Node]) -> dict[str, str]:
    made: dict[str, str] = {}
    for root in roots:
        node = root.value.get("data")
        if node is None:
            continue
        for text, value in reading.entries(node, None, what="`data`").items():
            try:
                prefix = normal_prefix(text)
            except ValueError as e:
                raise node.key_error(text, f"resource `{text}` {e}") from e
            if value.value not in SENSITIVITY:
                raise value.error(f"sensitivity must be one of {', '.join(SENSITIVITY)}")
            if prefix in made:
                raise node.key_error(text, f"duplicate resource `{prefix}`")
            made[prefix] = value.value
    return made
