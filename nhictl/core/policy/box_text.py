"""The one-line form of a box (contract §2): `TOOL[,TOOL…][@RESOURCE-PREFIX][?COND[&COND…]]`.

COND is `args.NAME` and one of `=A|B` `?=A|B` (or absent) `!=A|B` `<=N` `<N` `>=N` `>N` `~GLOB` `^PREFIX`. Reserved
characters in names and values are percent-encoded; they are decoded after splitting, so an encoded one is never taken
for syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.box_value import Box, Clause, json_operand
from nhictl.core.policy.coerce import json_scalar, typed_value
from nhictl.core.policy.condition import Condition
from nhictl.core.policy.resource import Refused, checked_text, normal_prefix
from nhictl.core.policy.scope import types_of
from nhictl.errors import InputError

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.types import ArgType

__all__ = ["MAX_BOX", "parse_box"]

MAX_BOX = 8192
_MARKS = "=<>~^!?"
_OPERATORS = (("?=", "in"), ("!=", "not_in"), ("<=", "lte"), (">=", "gte"), ("=", "in"), ("<", "lt"), (">", "gt"),
              ("~", "glob"), ("^", "under"))  # fmt: skip
_HEX = "0123456789abcdefABCDEF"


class _Fault(Exception):  # noqa: N818 - carries a column to where the message is made
    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


def parse_box(text: str, policy: Policy | None = None) -> Box:
    """Return the box that `text` means; raise `InputError` with the column (from 1) in its message and details.

    Values take the type that `policy` declares for the argument; without a declaration they are JSON scalars if they
    parse as one, else strings.
    """
    try:
        return _parse(text, policy)
    except _Fault as e:
        shown = text if len(text) <= 120 else text[:117] + "…"
        raise InputError(
            f"scope `{shown}`, column {e.at + 1}: {e}",
            hint="TOOL[,TOOL…][@RESOURCE-PREFIX][?args.NAME=VALUE[&…]]",
            details={"column": e.at + 1},
        ) from e


def _parse(text: str, policy: Policy | None) -> Box:
    if len(text) > MAX_BOX:
        raise _Fault(MAX_BOX, f"longer than {MAX_BOX} characters")
    head, question, conditions = text.partition("?")
    names, at_sign, prefix = head.partition("@")
    tools, at = [], 0
    for name in names.split(","):
        tools.append(_tool(name, at))
        at += len(name) + 1
    resource = None
    if at_sign:
        try:
            resource = normal_prefix(_decode(prefix, at))
        except Refused as e:
            raise _Fault(at, f"resource prefix {e}") from e
    found: dict[tuple[str, str], tuple[Any, bool]] = {}
    at = len(head) + 1
    for condition in conditions.split("&") if question else ():
        path, op, operand, absent_ok = _condition(condition, at, tools, policy)
        if (path, op) in found:
            raise _Fault(at, f"two conditions `{op}` on `{path}`")
        found[path, op] = (operand, absent_ok)
        at += len(condition) + 1
    # Beside a condition that absence fails, being content with absence means nothing, and the mapping says it once.
    strict = {path for (path, _), (_, absent_ok) in found.items() if not absent_ok}
    clauses: list[Clause] = [(path, op, operand, path not in strict) for (path, op), (operand, _) in found.items()]
    return Box(tools, resource, clauses)


def _tool(name: str, at: int) -> str:
    tool = _decode(name, at, glob=True)
    if not tool or not tool.isprintable() or " " in tool:
        raise _Fault(at, "a tool is missing" if not tool else "a tool must not hold spaces or control characters")
    for mark in "=<>&|^~!":
        if mark in name:
            raise _Fault(
                at + name.index(mark), f"`{mark}` in a tool: conditions come after `?`, else it is percent-encoded"
            )
    return tool


def _decode(text: str, at: int, *, glob: bool = False) -> str:
    """Percent-decode UTF-8; in a glob an encoded `*` is refused, since decoded it would turn into a wildcard."""
    if "%" not in text:
        return text
    made = bytearray()
    position = 0
    while position < len(text):
        char = text[position]
        if char != "%":
            made += char.encode("utf-8", "surrogatepass")
            position += 1
            continue
        digits = text[position + 1 : position + 3]
        if len(digits) != 2 or digits[0] not in _HEX or digits[1] not in _HEX:
            raise _Fault(at + position, "malformed percent-encoding")
        if glob and digits in {"2A", "2a"}:
            raise _Fault(at + position, "a glob cannot mean a literal `*`")
        made.append(int(digits, 16))
        position += 3
    try:
        return made.decode("utf-8")
    except UnicodeDecodeError as e:
        raise _Fault(at, "percent-encoding is not UTF-8") from e


def _condition(text: str, at: int, tools: list[str], policy: Policy | None) -> Clause:
    start = next((i for i, char in enumerate(text) if char in _MARKS), -1)
    if start < 0:
        raise _Fault(at, "a condition has no operator" if text else "a condition is missing")
    path = _decode(text[:start], at)
    if not path.startswith("args.") or len(path) < 6:
        raise _Fault(at, f"`{path}` is not an argument: a condition starts with `args.NAME`")
    mark, op = next(((m, o) for m, o in _OPERATORS if text.startswith(m, start)), ("", ""))
    if not mark:
        raise _Fault(at + start, f"no operator `{text[start : start + 2]}`")
    begin = at + start + len(mark)
    raw = text[start + len(mark) :]
    if raw[:1] and raw[0] in "=<>~^!":
        raise _Fault(begin, f"no operator `{mark}{raw[0]}`, and a value that starts with `{raw[0]}` is percent-encoded")
    several = raw.split("|") if op in {"in", "not_in"} else [raw]
    if "|" in raw and len(several) == 1:
        raise _Fault(begin + raw.index("|"), f"`{mark}` takes one value")
    values = [_decode(value, begin, glob=op == "glob") for value in several]
    if op in {"in", "not_in"} and len(values) == 1:
        op = "eq" if op == "in" else "ne"
    if values == [""] and op not in {"eq", "ne"}:
        raise _Fault(begin, "a value is missing")
    types = types_of(path, tools, policy)
    if not types:
        raise _Fault(at, f"none of these tools declares `{path}`")
    op, operand = _typed(path, op, values, begin, types)
    return path, op, operand, mark == "?="


def _typed(path: str, op: str, values: list[str], at: int, types: list[ArgType]) -> tuple[str, Any]:
    """Give the values the argument's type, and `^` the operator it means there."""
    made: tuple[str, Any] = (op, None)
    try:
        for of in types:
            element = of.item or of
            plain_text = op in {"glob", "under"} or element.kind not in {"untyped", "number", "integer", "boolean"}
            texts = [checked_text(value) for value in values]
            read = [
                v if plain_text else json_scalar(v) if element.kind == "untyped" else typed_value(element, v)
                for v in texts
            ]
            actual = _prefix_operator(element.kind, read[0]) if op == "under" else op
            operand = json_operand(read if op in {"in", "not_in"} else read[0])
            Condition(path, actual, operand, of)
            if of is not types[0] and (made != (actual, operand) or type(made[1]) is not type(operand)):
                raise Refused(f"`{path}` has different types in these tools: write a box for each")
            made = (actual, operand)
    except Refused as e:
        raise _Fault(at, str(e)) from e
    return made


def _prefix_operator(kind: str, value: str) -> str:
    """`^` is `under` by whole segments wherever segments are, and starts-with on plain strings."""
    if kind in {"string", "folded"}:
        return "starts_with"
    if kind == "untyped" and "://" not in value and not value.startswith("/"):
        return "starts_with"
    return "under"
