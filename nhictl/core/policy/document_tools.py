"""The catalogue part of a policy document: tools, their arguments' types, their resources, and what a call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy import reading
from nhictl.core.policy.catalogue import Tool, split_template
from nhictl.core.policy.cost import Cost
from nhictl.core.policy.types import SCALARS, ArgType, Refused, exact

if TYPE_CHECKING:
    from nhictl.core.policy.yaml_events import Node

__all__ = ["parse_tool"]

_HEX = frozenset("0123456789abcdef")
_SCALAR_TYPES = {kind: ArgType(kind) for kind in SCALARS}
_TOOL = frozenset({"args", "resource", "cost", "digest"})
_ARGUMENT = frozenset({"type", "optional", "fold"})
_RESOURCES = ("uri", "path", "string")


def parse_tool(name: str, node: Node) -> Tool:
    """Return the declared tool; raise `InputError` with the place."""
    what = f"tool `{name}`"
    fields = reading.entries(node, _TOOL, what=what)
    args: dict[str, tuple[ArgType, bool]] = {}
    is_open = False
    if "args" in fields:
        if fields["args"].value == "open":
            is_open = True
        else:
            args = _arguments(fields["args"], what=f"`args` of {what}")
    resource = _resource(fields["resource"], Tool(name, args)) if "resource" in fields else None
    cost = _cost(fields["cost"], Tool(name, args)) if "cost" in fields else None
    digest = _digest(fields["digest"]) if "digest" in fields else None
    return Tool(name, args, is_open=is_open, resource=resource, cost=cost, digest=digest)


def _digest(node: Node) -> str:
    value = node.value
    if (
        not isinstance(value, str)
        or len(value) != 71
        or not value.startswith("sha256:")
        or not _HEX.issuperset(value[7:])
    ):
        raise node.error("`digest` is `sha256:` and 64 lower-case hex digits")
    return value


def _arguments(node: Node, *, what: str) -> dict[str, tuple[ArgType, bool]]:
    made = {}
    for name, declared in reading.entries(node, None, what=what).items():
        if not name or len(name) > 128 or not name.isprintable() or not set(" .*{}").isdisjoint(name):
            raise node.key_error(name, f"`{name}` is no argument name: no spaces, `.`, `*` or braces")
        made[name] = _argument(declared, what=f"argument `{name}`")
    return made


def _argument(node: Node, *, what: str) -> tuple[ArgType, bool]:
    """Read `T`, or the long form `{type: T, optional: …, fold: …}`; a mapping is always the long form."""
    if not isinstance(node.value, dict):
        return _type(node, what=what), False
    fields = reading.entries(node, _ARGUMENT, what=what)
    reading.require(node, ("type",), what=what)
    optional = reading.flag(fields["optional"], what="`optional`") if "optional" in fields else False
    kind = _type(fields["type"], what=what)
    if "fold" in fields and reading.flag(fields["fold"], what="`fold`"):
        if (kind.item or kind).kind != "string":
            raise fields["fold"].error("`fold` is for strings only")
        folded = ArgType("folded")
        kind = ArgType("list", item=folded) if kind.item else folded
    return kind, optional


def _type(node: Node, *, what: str) -> ArgType:
    value = node.value
    if isinstance(value, str):
        if value not in _SCALAR_TYPES:
            raise node.error(f"unknown type `{value}`", hint=f"types: {', '.join(SCALARS)}, a list [T], an object")
        return _SCALAR_TYPES[value]
    if isinstance(value, list):
        if len(value) != 1:
            raise node.error(f"{what}: a list type names exactly one type, as in `[string]`")
        item = _type(value[0], what=what)
        if item.kind in {"list", "object"}:
            raise value[0].error(f"{what}: a list of {item.kind}s is not allowed", hint="declare the tool `args: open`")
        return ArgType("list", item=item)
    if isinstance(value, dict):
        if not value:
            raise node.error(f"{what}: an object needs at least one field")
        return ArgType("object", fields=_arguments(node, what=what))
    raise node.error(f"{what} must be a type")


def _resource(node: Node, tool: Tool) -> str:
    text = reading.text(node, what="`resource`")
    if text in _RESOURCES:
        return text
    template = f"{{{text}}}" if text.startswith("args.") else text
    parts = reading.located(node, split_template, template)
    if len(parts) == 1:
        raise node.error(
            f"unknown resource `{text}`", hint="uri, path, string, `args.NAME`, or a template over `{args.NAME}`"
        )
    for name in parts[1::2]:
        kind = tool.argument_type(name)
        if kind is None or kind.item is not None or kind.kind in {"number", "boolean"}:
            raise node.error(f"resource `{text}` reads `args.{name}`, which is not a declared text or integer argument")
    _check_literals(node, parts)
    return template


def _cost(node: Node, tool: Tool) -> Cost:
    what = f"`cost` of tool `{tool.name}`"
    fields = reading.entries(node, ("amount", "currency"), what=what)
    reading.require(node, ("amount", "currency"), what=what)
    amount, currency = fields["amount"], fields["currency"]
    form: dict[str, Any] = {}
    if isinstance(amount.value, str):
        form["amount"] = _read_argument(amount, tool, ("number", "integer"), "number")
    else:
        fixed = reading.located(amount, exact, amount.data())
        if fixed < 0:
            raise amount.error("a cost is not negative")
        form["amount"] = {"d": format(fixed, "f")}
    if isinstance(currency.value, str) and currency.value.startswith("args."):
        form["currency"] = _read_argument(currency, tool, ("string", "folded"), "string")
    else:
        form["currency"] = reading.name(currency, what="`currency`", limit=32)
    return Cost(form)


def _read_argument(node: Node, tool: Tool, kinds: tuple[str, ...], word: str) -> str:
    text = reading.name(node, what="a part of `cost`")
    of = tool.argument_type(text[5:]) if text.startswith("args.") else None
    if of is None or of.kind not in kinds:
        raise node.error(f"`{text}` is no {word} argument of tool `{tool.name}`", hint=f"`args.NAME` of a {word}")
    if not tool.requires(text[5:]):
        raise node.error(f"`{text}` is optional: a call that leaves it out would cost nothing")
    return text


def _check_literals(node: Node, parts: list[str]) -> None:
    """The fixed text must itself be normal, or no call could ever pass."""
    from nhictl.core.policy.resource import normal_resource

    if len(parts) == 3 and not parts[0] and not parts[2]:
        return
    try:
        normal_resource("".join(part if at % 2 == 0 else "a" for at, part in enumerate(parts)))
    except Refused as e:
        raise node.error(f"resource template {e}") from e
