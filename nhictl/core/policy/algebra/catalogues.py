"""Two catalogues that declare one tool differently: what they have in common, where they differ, what is not followed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.catalogue import Tool

if TYPE_CHECKING:
    from nhictl.core.policy.algebra.literals import Side

__all__ = ["differing", "merged_tool", "unfollowed", "written"]


def written(tool: Tool) -> str:
    """A declaration as a text that hangs on nothing but what it declares, not on the order in which it was read."""
    return json.dumps(tool.to_json(), sort_keys=True)


def _argument(tool: Tool | None, name: str) -> Any:
    found = tool.args.get(name) if tool is not None else None
    return None if found is None else (found[0].to_json(), found[1])


def merged_tool(tools: list[Tool]) -> Tool:
    """A tool that takes whatever one of two declarations takes; only an argument that both require is required."""
    args = {}
    for name in dict.fromkeys(name for tool in tools for name in tool.args):
        found = [tool.args[name] for tool in tools if name in tool.args]
        kinds = [of for of, _ in found]
        if any(of.fields is not None for of in kinds) and _argument(tools[0], name) != _argument(tools[-1], name):
            raise UndecidedError(f"argument `{name}` of `{tools[0].name}` is another object on either side")
        args[name] = (kinds[0], len(found) < len(tools) or any(optional for _, optional in found))
    resource = next((tool.resource for tool in tools if tool.resource is not None), None)
    return Tool(tools[0].name, args, is_open=any(tool.open for tool in tools), resource=resource)


def unfollowed(name: str, sides: list[Side]) -> str:
    """How the two catalogues differ beyond what is followed; nothing if they do not."""
    declared = [side.tool for side in sides if side.tool is not None]
    if len(declared) < 2:
        return ""
    if any(tool.open for tool in declared):
        return f"`{name}` is declared otherwise on either side, and takes undeclared arguments"
    named = {tool.resource for tool in declared}
    if len(named) > 1 and any("{" in text for text in named if text is not None):
        return f"the resource of `{name}` is derived otherwise on either side"
    return ""


def differing(tool: Tool, sides: list[Side]) -> list[str]:
    """The facts that two catalogues declare differently."""
    found: dict[str, None] = {}
    for name in tool.args:
        forms = [_argument(side.tool, name) for side in sides if side.tool is not None]
        if any(form != forms[0] for form in forms):
            found[f"args.{name}"] = None
    if len({side.tool.resource for side in sides if side.tool is not None}) > 1:
        found["resource"] = None
    return list(found)
