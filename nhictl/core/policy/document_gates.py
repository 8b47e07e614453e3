"""Classes and guardrails of a policy document: which tools are high-impact, and which of their calls are approved beforehand.

Classes name tools by globs over the catalogue; in canonical form the globs are resolved, so that the digest names the
meaning. A guardrail's conditions are bound to the types of its class's tools, as a rule's are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy import reading
from nhictl.core.policy.document_rules import conjunction
from nhictl.core.policy.gates import IMPACTS, REQUIRES, expiry_us
from nhictl.core.policy.selection import select_tools

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.yaml_events import Node

__all__ = ["parse_classes", "parse_guardrails"]

_CLASS: Final = ("tools", "impact", "requires", "description", "marks", "allow")
_MARKS: Final = ("secret", "egress")
_GUARDRAIL: Final = ("class", "approved_by", "expires", "within", "description")


def parse_classes(root: Node, tools: dict[str, Tool], found: dict[str, Any]) -> None:
    """Add the classes of one file to `found`: name → `{tools, impact, requires, description, marks, allow}`."""
    if "classes" not in root.value:
        return
    node = root.value["classes"]
    for name, declared in reading.entries(node, None, what="`classes`").items():
        if name in found:
            raise node.key_error(name, f"duplicate class `{name}`")
        if not name or len(name) > 128 or not name.isprintable() or " " in name or "*" in name:
            raise node.key_error(name, f"`{name}` is no class name: no spaces, `*` or control characters")
        found[name] = _class(name, declared, tools)


def _class(name: str, node: Node, tools: dict[str, Tool]) -> dict[str, Any]:
    what = f"class `{name}`"
    fields = reading.entries(node, _CLASS, what=what)
    reading.require(node, ("tools",), what=what)
    selected, missing = select_tools(reading.names(fields["tools"], what="`tools`"), tools)
    if missing is not None:
        place = next(item for item in fields["tools"].value if item.value == missing)
        raise place.error(f"no declared tool is called `{missing}`", hint="a class of nothing gates nothing")
    made: dict[str, Any] = {"tools": [tool.name for tool in selected]}
    for key, known in (("impact", IMPACTS), ("requires", REQUIRES)):
        if key in fields:
            if fields[key].value not in known:
                raise fields[key].error(f"`{key}` must be one of {', '.join(known)}")
            made[key] = fields[key].value
    if "description" in fields:
        made["description"] = reading.text(fields["description"], what="`description`")
    return made | _flow(fields)


def _flow(fields: dict[str, Node]) -> dict[str, Any]:
    """What detections make of a class, and no decision: `marks`, and where an `egress` class may send things (`allow`)."""
    made: dict[str, Any] = {}
    if "marks" in fields:
        made["marks"] = sorted(set(reading.names(fields["marks"], what="`marks`")))
        for item in fields["marks"].value:
            if item.value not in _MARKS:
                raise item.error(f"a mark is one of {', '.join(_MARKS)}")
    if "allow" in fields:
        if "egress" not in made.get("marks", ()):
            raise fields["allow"].error("`allow` is for a class that is marked egress", hint="marks: [egress]")
        items = reading.items(fields["allow"], what="`allow`")
        made["allow"] = sorted({reading.text(item, what="an entry of `allow`", limit=2048) for item in items})
    return made


def parse_guardrails(
    root: Node, classes: dict[str, Any], tools: dict[str, Tool], timezone: str, found: dict[str, Any]
) -> None:
    """Add the guardrails of one file to `found`: id → `{class, approved_by, expires, all, description}`."""
    if "guardrails" not in root.value:
        return
    node = root.value["guardrails"]
    for name, declared in reading.entries(node, None, what="`guardrails`").items():
        if name in found:
            raise node.key_error(name, f"duplicate guardrail `{name}`")
        if not name or len(name) > 128 or not name.isprintable() or " " in name:
            raise node.key_error(name, f"`{name}` is no guardrail id: no spaces or control characters")
        found[name] = _guardrail(name, declared, classes, tools, timezone)


def _guardrail(name: str, node: Node, classes: dict[str, Any], tools: dict[str, Tool], timezone: str) -> dict[str, Any]:
    what = f"guardrail `{name}`"
    fields = reading.entries(node, _GUARDRAIL, what=what)
    reading.require(node, ("class", "approved_by", "expires", "within"), what=what)
    of = reading.name(fields["class"], what="`class`")
    if of not in classes:
        raise fields["class"].error(f"no class is called `{of}`")
    expires = reading.text(fields["expires"], what="`expires`", limit=40)
    reading.located(fields["expires"], expiry_us, expires, timezone)
    within = reading.entries(fields["within"], None, what="`within`")
    if not within:
        raise fields["within"].error(
            "`within` must not be empty", hint="an envelope without bounds approves everything"
        )
    if "any" in within:
        raise fields["within"].key_error("any", "`any` is not for `within`: write two guardrails")
    made: dict[str, Any] = {
        "class": of,
        "approved_by": reading.text(fields["approved_by"], what="`approved_by`"),
        "expires": expires,
        "all": conjunction(fields["within"], [tools[tool] for tool in classes[of]["tools"]]),
    }
    if "description" in fields:
        made["description"] = reading.text(fields["description"], what="`description`")
    return made
