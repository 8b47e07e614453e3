"""A catalogue of tools out of what an MCP server lists (`tools/list`, Model Context Protocol).

JSON Schema types become catalogue types. What the catalogue cannot say exactly is not said loosely: the tool is refused, with
the place in its schema and the reason, or declared `args: open` where that is asked for. Bounds, patterns, lengths and the
values of an `enum` are no types: they are left to the server and to conditions of rules.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.policy.resource import Refused, checked_text
from nhictl.core.policy.tool_digest import tool_digest
from nhictl.errors import InputError

__all__ = ["MAX_BYTES", "Catalogue", "Listed", "read_tools", "to_yaml"]

MAX_BYTES: Final = 10_000_000
MAX_TOOLS: Final = 5_000
MAX_DEPTH: Final = 12
_FORMATS: Final = {
    "uri": "uri", "url": "uri", "email": "email", "date-time": "timestamp", "hostname": "host", "path": "path",
    "file-path": "path", "directory-path": "path",
}  # fmt: skip
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})
_COMBINED: Final = (
    "oneOf", "anyOf", "allOf", "not", "if", "then", "else", "patternProperties", "propertyNames", "dependentSchemas",
    "dependentRequired", "prefixItems", "contains", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef",
)  # fmt: skip


class Listed(NamedTuple):
    """One tool: its catalogue entry, or why it has none; `values` are those of its arguments' enums, by dotted name."""

    name: str
    entry: dict[str, Any] | None
    refused: str | None
    values: dict[str, list[Any]]


class Catalogue(NamedTuple):
    """The tools in the order of their names; `more` says that the server has further pages."""

    tools: list[Listed]
    more: bool


def read_tools(data: bytes, file: str, *, open_unmapped: bool = False, prefix: str = "") -> Catalogue:
    """Read a `tools/list` answer, whole or its result alone; InputError for what is none.

    `prefix` stands before each name in the catalogue, as an enforcement point before that server says it; a digest is over
    the name that the server gives.
    """
    try:
        value = strict_json.loads(data, max_depth=64)
    except strict_json.StrictJSONError as e:
        raise InputError(str(e), file=file, line=e.line, column=e.column, code="invalid_json") from e
    result = value.get("result", value) if isinstance(value, dict) else None
    if isinstance(value, dict) and "error" in value and "result" not in value:
        raise InputError("the server answered with an error", file=file, code="foreign_format")
    if not isinstance(result, dict) or not isinstance(result.get("tools"), list):
        raise InputError("no answer to `tools/list`: it has no list `tools`", file=file, code="foreign_format")
    items = result["tools"]
    if len(items) > MAX_TOOLS:
        raise InputError(f"lists more than {MAX_TOOLS} tools", file=file, code="too_large")
    found: dict[str, Listed] = {}
    for position, item in enumerate(items):
        one = _tool(item, position, prefix, open_unmapped=open_unmapped)
        if one.name in found:  # which of the two a call would reach, nobody knows
            one = Listed(one.name, None, "is listed more than once", {})
        found[one.name] = one
    return Catalogue([found[name] for name in sorted(found)], bool(result.get("nextCursor")))


def _tool(item: Any, position: int, prefix: str, *, open_unmapped: bool) -> Listed:
    given = item.get("name") if isinstance(item, dict) else None
    if not isinstance(given, str):
        return Listed(f"tools[{position}]", None, "has no name", {})
    name = prefix + given
    try:
        if not given or len(name) > 256 or not name.isprintable() or not {" ", "*"}.isdisjoint(name):
            raise Refused("has a name that no catalogue takes: 1 to 256 printable characters, no space or `*`")
        checked_text(name)
        description, schema = item.get("description"), item.get("inputSchema")
        if not isinstance(description, str | None):
            raise Refused("has a description that is no text")
        digest = tool_digest(given, description, schema)
    except (Refused, ValueError, RecursionError) as e:
        why = str(e) if isinstance(e, Refused) else "holds text that is not Unicode"
        return Listed(name, None, why, {})
    mapping = _Mapping(schema)
    try:
        args: Any = mapping.arguments()
    except Refused as e:
        if not open_unmapped:
            return Listed(name, None, str(e), {})
        return Listed(name, {"args": "open", "digest": digest}, None, {})
    return Listed(name, {"args": args, "digest": digest} if args else {"digest": digest}, None, mapping.values)


class _Mapping:
    """One input schema; every refusal names the place."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.values: dict[str, list[Any]] = {}

    def arguments(self) -> dict[str, Any]:
        """The `args` of the tool."""
        if not isinstance(self.schema, dict):
            raise Refused("has no `inputSchema`")
        schema, _ = self._resolve(self.schema, "inputSchema")
        if schema.get("type", "object") != "object":
            raise Refused("`inputSchema` is not of type `object`")
        return self._fields(schema, "inputSchema", "", 0)

    def _fields(self, schema: dict[str, Any], place: str, path: str, depth: int) -> dict[str, Any]:
        self._plain(schema, place)
        if isinstance(schema.get("additionalProperties"), dict):
            raise Refused(f"`{place}.additionalProperties` is a schema: names that nobody declares cannot be typed")
        declared, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(declared, dict) or not isinstance(required, list):
            raise Refused(f"`{place}` has `properties` or `required` of another type")
        if unknown := [one for one in required if one not in declared]:
            raise Refused(f"`{place}` requires `{unknown[0]}`, which it does not declare")
        made = {}
        for name, inner in declared.items():
            if not name or len(name) > 128 or not name.isprintable() or not set(" .*{}").isdisjoint(name):
                raise Refused(f"`{place}` has an argument with a name that no catalogue takes")
            checked_text(name)
            below = f"{place}.properties.{name}"
            kind, nullable = self._type(inner, below, f"{path}{name}", depth + 1)
            optional = nullable or name not in required
            made[name] = (
                {"type": kind, "optional": True} if optional else {"type": kind} if isinstance(kind, dict) else kind
            )
        return made

    def _type(self, schema: Any, place: str, path: str, depth: int) -> tuple[Any, bool]:
        """The catalogue's type, and whether null is allowed, which counts as absent."""
        if depth > MAX_DEPTH:
            raise Refused(f"`{place}` is nested deeper than {MAX_DEPTH}")
        if not isinstance(schema, dict):
            raise Refused(f"`{place}` allows anything")
        schema, nullable = self._resolve(schema, place)
        self._plain(schema, place)
        kind, null = self._kind(schema, place)
        nullable = nullable or null
        if kind in _SCALARS:
            if (values := schema.get("enum", [schema["const"]] if "const" in schema else None)) is not None:
                self.values[path] = values
            if kind == "string" and isinstance(schema.get("format"), str):
                return _FORMATS.get(schema["format"], "string"), nullable
            return kind, nullable
        if kind == "array":
            item, holes = self._type(schema.get("items"), f"{place}.items", path, depth + 1)
            if not isinstance(item, str) or holes:
                raise Refused(f"`{place}.items` is no plain type: a catalogue has lists of scalars alone")
            return [item], nullable
        if kind == "object":
            fields = self._fields(schema, place, f"{path}.", depth)
            if not fields:
                raise Refused(f"`{place}` is an object whose members nobody declares")
            return fields, nullable
        raise Refused(f"`{place}` has no type that a catalogue has")

    def _resolve(self, schema: dict[str, Any], place: str) -> tuple[dict[str, Any], bool]:
        """Follow references within the schema, and take a choice between a type and null for what it is."""
        nullable = False
        for _ in range(MAX_DEPTH):
            if "$ref" in schema:
                schema = self._target(schema, place)
                continue
            choice = next((key for key in ("anyOf", "oneOf") if isinstance(schema.get(key), list)), None)
            if choice is None:
                return schema, nullable
            options = [one for one in schema[choice] if one != {"type": "null"}]
            if len(options) != 1 or len(options) == len(schema[choice]) or not isinstance(options[0], dict):
                return schema, nullable  # refused as what it is
            others = {key: value for key, value in schema.items() if key != choice and key not in options[0]}
            schema, nullable = {**others, **options[0]}, True
        raise Refused(f"`{place}` refers to itself")

    def _target(self, schema: dict[str, Any], place: str) -> dict[str, Any]:
        ref = schema["$ref"]
        parts = ref.split("/") if isinstance(ref, str) else []
        if len(parts) != 3 or parts[0] != "#" or parts[1] not in {"$defs", "definitions"}:
            raise Refused(f"`{place}` refers to another schema by `$ref`")
        found = self.schema.get(parts[1])
        target = found.get(parts[2].replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        if not isinstance(target, dict):
            raise Refused(f"`{place}` refers to a definition that is not there")
        return target

    def _plain(self, schema: dict[str, Any], place: str) -> None:
        for key in _COMBINED:
            if key in schema:
                raise Refused(f"`{place}` uses `{key}`, which no catalogue type says")

    def _kind(self, schema: dict[str, Any], place: str) -> tuple[Any, bool]:
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = [one for one in kind if one != "null"]
            if len(kinds) != 1:
                raise Refused(f"`{place}` may be of several types")
            return kinds[0], "null" in kind
        if kind is None and ("enum" in schema or "const" in schema):
            values = schema.get("enum", [schema.get("const")])
            kinds = sorted({_named(value) for value in values}) if isinstance(values, list) else []
            if len(kinds) != 1:
                raise Refused(f"`{place}` enumerates values of several types")
            return kinds[0], False
        if kind is None and "properties" in schema:
            return "object", False
        return kind, False


def _named(value: Any) -> str:
    kind = type(value)
    return {str: "string", bool: "boolean", int: "integer", float: "number"}.get(kind, "null")


def to_yaml(found: Catalogue, ident: str) -> str:
    """The catalogue as a policy document of its own, tools alone; a JSON text is a YAML text, so that nothing needs quoting."""
    lines = ["nhictl_policy: 1", f"id: {json.dumps(ident)}", "tools:"]
    for tool in found.tools:
        if tool.entry is None:
            continue
        for path, values in tool.values.items():
            shown = json.dumps(values)
            lines.append(f"  # {json.dumps(path)[1:-1]}: one of {shown if len(shown) <= 200 else shown[:200] + '…'}")
        lines.append(f"  {json.dumps(tool.name, ensure_ascii=False)}: {json.dumps(tool.entry, ensure_ascii=False)}")
    if len(lines) == 3:
        lines[2] = "tools: {}"
    return "\n".join(lines) + "\n"
