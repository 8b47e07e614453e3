"""The rules of a policy document: parsed, checked against the catalogue, and brought into canonical form."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from nhictl.core.policy import reading
from nhictl.core.policy.condition import OPERATORS, canonical_operand
from nhictl.core.policy.facts import FACT_TYPES, fact_type
from nhictl.core.policy.selection import selection
from nhictl.core.policy.time_window import DAYS, window_json
from nhictl.core.policy.types import ArgType, Refused, exact, plain

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.yaml_events import Node

__all__ = ["MAX_BOXES", "conditions", "conjunction", "parse_rule"]

MAX_BOXES = 16
_KEYS = frozenset({"id", "effect", "description", "owner", "controls", "match", "when", "obligations"})
_OPERATORS = OPERATORS | {"absent_ok"}
_WINDOW = frozenset({"days", "from", "to"})


def parse_rule(node: Node, tools: dict[str, Tool], classes: dict[str, Any]) -> dict[str, Any]:
    """Return a rule's canonical form; raise `InputError` with the place."""
    fields = reading.entries(node, _KEYS, what="a rule")
    reading.require(node, ("id", "effect"), what="a rule")
    rule_id = reading.name(fields["id"], what="`id`", limit=128)
    if fields["effect"].value not in {"permit", "forbid"}:
        raise fields["effect"].error("`effect` must be `permit` or `forbid`")
    match, selected = selection(fields.get("match"), tools, classes)
    made: dict[str, Any] = {
        "id": rule_id,
        "effect": fields["effect"].value,
        "description": reading.text(fields["description"], what="`description`") if "description" in fields else "",
        "owner": reading.text(fields["owner"], what="`owner`") if "owner" in fields else "",
        "controls": reading.names(fields["controls"], what="`controls`") if "controls" in fields else [],
        "match": match,
        "tools": [tool.name for tool in selected],
        "all": [],
        "any": [],
        "obligations": [],
    }
    if "when" in fields:
        made["all"], made["any"] = conditions(fields["when"], selected)
    if "obligations" in fields:
        made["obligations"] = _obligations(fields["obligations"])
    return made


def conditions(node: Node, tools: list[Tool]) -> tuple[list[Any], list[Any]]:
    """The clauses of a `when` that all have to hold, and the alternatives of its `any`."""
    fields = reading.entries(node, None, what="`when`")
    if not fields:
        raise node.error("`when` must not be empty")
    together = conjunction(node, tools, skip="any")
    boxes: list[list[Any]] = []
    if "any" in fields:
        alternatives = reading.items(fields["any"], what="`any`")
        if len(alternatives) > MAX_BOXES:
            raise fields["any"].error(f"`any` has more than {MAX_BOXES} alternatives")
        for item in alternatives:
            if not reading.entries(item, None, what="an alternative of `any`"):
                raise item.error("an alternative of `any` must not be empty")
            if "any" in item.value:
                raise item.key_error("any", "`any` stands once, at the top of `when`")
            boxes.append(conjunction(item, tools))
    return together, _sorted(boxes)


def conjunction(node: Node, tools: list[Tool], skip: str = "") -> list[Any]:
    """The clauses of a mapping of conditions, all of which have to hold, sorted; `skip` is a key that is none."""
    made: list[Any] = []
    for path, below in node.value.items():
        if path == skip:
            continue
        if path == "time":
            made.append(["time", "within", _window(below)])
        else:
            made.extend(_clauses(node, path, below, tools))
    # By JSON text, as everything here; no two clauses of a mapping have the same fact and operator.
    return sorted(made, key=_fact_and_operator) if len(made) > 1 else made


def _fact_and_operator(clause: list[Any]) -> tuple[str, str]:
    return encode_basestring_ascii(clause[0]), encode_basestring_ascii(clause[1])


def _sorted(values: list[Any]) -> list[Any]:
    if len(values) < 2:
        return values
    import json

    return sorted(values, key=lambda value: json.dumps(value, sort_keys=True))


def _window(node: Node) -> dict[str, Any]:
    fields = reading.entries(node, _WINDOW, what="`time`")
    if not fields:
        raise node.error("`time` must not be empty")
    days = None
    if "days" in fields:
        days = reading.names(fields["days"], what="`days`")
        for item in fields["days"].value:
            if item.value not in DAYS:
                raise item.error(f"`{item.value}` is no day", hint=f"days: {', '.join(DAYS)}")
    bounds = [reading.text(fields[key], what=f"`{key}`") if key in fields else None for key in ("from", "to")]
    made: dict[str, Any] = reading.located(fields.get("from", node), window_json, days, *bounds)
    return made


def _clauses(parent: Node, path: str, node: Node, tools: list[Tool]) -> list[Any]:
    """Return the clauses of one fact: every operator beside it is one, and all of them must hold."""
    fields = reading.entries(node, _OPERATORS, what=f"the condition on `{path}`")
    absent_ok = "absent_ok" in fields and reading.flag(fields["absent_ok"], what="`absent_ok`")
    operators = [op for op in fields if op != "absent_ok"]
    if not operators:
        raise node.error(f"the condition on `{path}` has no operator")
    if "absent_ok" in fields and "has" in fields:
        raise node.key_error("absent_ok", "`absent_ok` and `has` contradict one another")
    types = _types(parent, path, tools)
    made = []
    for op in operators:
        canonical = [_bound(node, path, op, fields[op], of) for of in types]
        if op == "same_as":
            _check_other(fields[op], str(fields[op].value), types, tools)
        # Where tools give one argument different types, the operand stays as written and is bound per tool.
        one = canonical[0] if all(c == canonical[0] for c in canonical) else _raw(fields[op].data())
        made.append([path, op, one, True] if absent_ok else [path, op, one])
    return made


def _types(parent: Node, path: str, tools: list[Tool]) -> list[ArgType]:
    if not path.startswith("args."):
        of = fact_type(path)
        if of is None:
            raise parent.key_error(path, f"no fact is called `{path}`", hint=_near(path))
        return [of]
    if not tools:
        raise parent.key_error(path, "a condition on an argument needs a declared tool")
    found: list[ArgType] = []
    for tool in tools:
        of = tool.argument_type(path[5:])
        if of is None:
            raise parent.key_error(
                path,
                f"tool `{tool.name}` declares no argument `{path[5:]}`",
                hint="match only tools that declare it; a condition reads a scalar or a list of scalars",
            )
        found.append(of)
    return list(dict.fromkeys(found))


def _near(path: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(path, FACT_TYPES, n=1)
    return f"did you mean `{near[0]}`?" if near else "arguments are written `args.NAME`"


def _bound(node: Node, path: str, op: str, operand: Node, of: ArgType) -> Any:
    try:
        return canonical_operand(op, operand.data(), of)
    except Refused as e:
        if str(e).startswith("operator"):
            raise node.key_error(op, f"{e} (`{path}`)") from e
        raise _culprit(operand, of).error(f"{e} (`{path}`)") from e


def _culprit(operand: Node, of: ArgType) -> Node:
    """Return the element of a list that its type refuses, so that the error points at it."""
    if isinstance(operand.value, list):
        elements: list[Node] = operand.value
        for item in elements:
            try:
                (of.item or of).normal(item.data())
            except Refused:
                return item
    return operand


def _check_other(node: Node, path: str, types: list[ArgType], tools: list[Tool]) -> None:
    """`same_as` compares with one scalar fact of the same kind, or a plain or untyped one that can take its form."""
    others = [tool.argument_type(path[5:]) for tool in tools] if path.startswith("args.") else [fact_type(path)]
    if not others or None in others:
        raise node.error(f"no fact is called `{path}`")
    for other in others:
        for of in types:
            kinds = {(of.item or of).kind, other.kind if other else ""}
            same = len(kinds) == 1 or kinds <= {"number", "integer"} or kinds <= {"string", "folded"}
            taken = (
                other is not None and other.kind in {"string", "any"} and not kinds & {"number", "integer", "boolean"}
            )
            untyped = (of.item or of).kind == "any" or (other is not None and other.kind == "any")
            if other is None or other.item is not None or not (same or taken or untyped):
                raise node.error(f"`{path}` is a {other} and cannot be compared with a {of}")


def _raw(value: Any) -> Any:
    if isinstance(value, list):
        return [_raw(item) for item in value]
    return {"d": format(exact(value), "f")} if type(value).__name__ == "Decimal" else value


def _obligations(node: Node) -> list[Any]:
    made = []
    for item in reading.items(node, what="`obligations`"):
        fields = reading.entries(item, None, what="an obligation")
        reading.require(item, ("type",), what="an obligation")
        reading.name(fields["type"], what="`type`")
        made.append(plain(item.data()))
    return _sorted(made)
