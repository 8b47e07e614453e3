"""Which declared tools the `match` of a rule or a limit is about: names and globs over the catalogue, and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy import reading
from nhictl.core.policy.glob import Glob

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.yaml_events import Node

__all__ = ["select_tools", "selection"]

_NAMES = ("agents", "groups", "intents", "tools", "classes", "env")
_MATCH = frozenset({*_NAMES, "min_trust"})


def selection(
    node: Node | None, tools: dict[str, Tool], classes: dict[str, Any]
) -> tuple[dict[str, Any], list[Tool]]:  # fmt: skip
    """The canonical form of a `match`, and the tools it selects; without one, every tool. `InputError` with the place."""
    match = _match(node) if node is not None else {}
    selected = _selected(node, match, tools)
    if node is not None and "classes" in match:
        selected = _classed(node, selected, classes)
    return match, selected


def _match(node: Node) -> dict[str, Any]:
    fields = reading.entries(node, _MATCH, what="`match`")
    if not fields:
        raise node.error("`match` must not be empty", hint="leave it out to match everything")
    made: dict[str, Any] = {key: reading.names(fields[key], what=f"`{key}`") for key in _NAMES if key in fields}
    if "min_trust" in fields:
        trust = fields["min_trust"].value
        if type(trust) is not int or not 0 <= trust <= 3:
            raise fields["min_trust"].error("`min_trust` must be 0, 1, 2 or 3")
        made["min_trust"] = trust
    return made


def select_tools(wanted: list[str], tools: dict[str, Tool]) -> tuple[list[Tool], str | None]:
    """Return the declared tools that names and globs select, sorted, and the first one that selects none."""
    found: set[str] = set()
    for text in wanted:
        if text in tools:
            found.add(text)
            continue
        glob = Glob(text)
        hits = [] if glob.literal else [name for name in tools if glob.matches(name)]
        if not hits:
            return [], text
        found.update(hits)
    return [tools[name] for name in sorted(found)], None


def _selected(node: Node | None, match: dict[str, Any], tools: dict[str, Tool]) -> list[Tool]:
    if "tools" not in match or node is None:
        return [tools[name] for name in sorted(tools)]
    selected, missing = select_tools(match["tools"], tools)
    if missing is not None:
        place = next(item for item in node.value["tools"].value if item.value == missing)
        raise place.error(
            f"no declared tool is called `{missing}`", hint="an undeclared tool is denied whatever the rules say"
        )
    return selected


def _classed(node: Node, selected: list[Tool], classes: dict[str, Any]) -> list[Tool]:
    """Those of the selected tools that are in one of the classes named; at least one of each class."""
    wanted: set[str] = set()
    for item in node.value["classes"].value:
        if item.value not in classes:
            raise item.error(f"no class is called `{item.value}`")
        held = set(classes[item.value]["tools"]) & {tool.name for tool in selected}
        if not held:
            raise item.error(f"none of the tools of class `{item.value}` is selected by `tools`")
        wanted |= held
    return [tool for tool in selected if tool.name in wanted]
