"""The map of a generic log, read strictly: every refusal names line and column. The language: `formats.generic`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeGuard

from nhictl.core.policy import reading
from nhictl.core.policy.yaml_events import read_yaml
from nhictl.formats.moments import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.policy.yaml_events import Node

MAX_BYTES: Final = 65536
FIELDS: Final = (
    "time", "run", "agent", "task", "intent", "principal", "inst", "resource", "jti", "trace", "span", "parent", "tool",
    "call", "args", "result", "error", "outcome", "content",
)  # fmt: skip
OUTCOMES: Final = ("ok", "error", "denied", "not_executed", "unknown")
Path = tuple[str, ...]


class Field(NamedTuple):
    """Where a field comes from: a path, or a constant; how its text is read."""

    path: Path | None
    const: Any = None
    json: bool = False
    unit: str | None = None
    words: Mapping[str, str] | None = None


class Rule(NamedTuple):
    """Which records it is for, what events they are, and where the fields come from."""

    when: tuple[tuple[Path, tuple[Any, ...] | bool], ...]
    type: str
    fields: Mapping[str, Field]
    used: frozenset[str]

    def fits(self, value: Any) -> bool:
        """Whether every condition holds; numbers, texts and truth values are never equal to one another."""
        for path, wanted in self.when:
            found = at(value, path)
            if isinstance(wanted, bool):
                if (found is not None) is not wanted:
                    return False
            elif not any(type(found) is type(one) and found == one for one in wanted):
                return False
        return True


class Map(NamedTuple):
    """A whole map."""

    lists: tuple[str, ...]
    by_time: bool
    rules: tuple[Rule, ...]


def at(value: Any, path: Path) -> Any:
    """What stands at a path; None if nothing does."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 10:
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value


def parse(data: bytes) -> Map:
    """Read a map; InputError with its place where it is none."""
    root = read_yaml("the map", data[: MAX_BYTES + 1])
    if len(data) > MAX_BYTES:
        raise root.error(f"a map of more than {MAX_BYTES} bytes")
    found = reading.entries(root, ("nhictl_map", "list", "by_time", "fields", "rules"), what="a map")
    reading.require(root, ("nhictl_map", "rules"), what="a map")
    if found["nhictl_map"].value != 1 or isinstance(found["nhictl_map"].value, bool):
        raise found["nhictl_map"].error("`nhictl_map` must be 1: this version knows no other")
    common = _fields(found["fields"]) if "fields" in found else {}
    lists = (reading.text(found["list"], what="`list`"),) if "list" in found else ()
    by_time = reading.flag(found["by_time"], what="`by_time`") if "by_time" in found else False
    rules = tuple(_rule(node, common) for node in reading.items(found["rules"], what="`rules`"))
    return Map(lists, by_time, rules)


def _rule(node: Node, common: dict[str, Field]) -> Rule:
    found = reading.entries(node, ("when", "type", "fields"), what="a rule")
    reading.require(node, ("type",), what="a rule")
    kind = reading.name(found["type"], what="`type`")
    if kind not in ("tool.called", "tool.returned") and not kind.startswith(("message.", "note.")):
        raise found["type"].error(f"no type `{kind}`", hint="tool.called, tool.returned, message.… or note.…")
    fields = {**common, **(_fields(found["fields"]) if "fields" in found else {})}
    if kind == "tool.called" and "tool" not in fields:
        raise node.error("a rule for calls has to say where `tool` is")
    when = tuple(_condition(path, one) for path, one in _pairs(found["when"])) if "when" in found else ()
    used = {path[0] for path, _ in when if _whole(path)} | {
        field.path[0] for field in fields.values() if _whole(field.path)
    }
    return Rule(when, kind, fields, frozenset(used))


def _whole(path: Path | None) -> TypeGuard[Path]:
    """Whether a path takes all of a top-level member; of another the rest is still to be kept."""
    return path is not None and len(path) == 1


def _pairs(node: Node) -> list[tuple[str, Node]]:
    return list(reading.entries(node, None, what="`when`").items())


def _condition(path: str, node: Node) -> tuple[Path, tuple[Any, ...] | bool]:
    where = _path(path, node)
    if isinstance(node.value, dict):
        found = reading.entries(node, ("present",), what="a condition")
        reading.require(node, ("present",), what="a condition")
        return where, reading.flag(found["present"], what="`present`")
    wanted = [node] if not isinstance(node.value, list) else reading.items(node, what="a condition")
    for one in wanted:
        if not isinstance(one.value, str | int | bool):
            raise one.error("a condition compares with a text, a whole number or a truth value")
    return where, tuple(one.value for one in wanted)


def _fields(node: Node) -> dict[str, Field]:
    return {name: _field(name, one) for name, one in reading.entries(node, FIELDS, what="`fields`").items()}


def _field(name: str, node: Node) -> Field:
    unit = "rfc3339" if name == "time" else None
    same = {word: word for word in OUTCOMES} if name == "outcome" else None
    if not isinstance(node.value, dict):
        return Field(_any_path(node), unit=unit, words=same)
    found = reading.entries(node, ("path", "json", "const", "unit", "is"), what=f"`{name}`")
    kinds = [kind for kind in ("path", "json", "const") if kind in found]
    if len(kinds) != 1:
        raise node.error(f"`{name}` needs one of `path`, `json` and `const`")
    if ("unit" in found and (name != "time" or "path" not in found)) or ("is" in found and name != "outcome"):
        raise node.error("`unit` is for the path of `time`, `is` for `outcome`")
    if "const" in found:
        if not isinstance(found["const"].value, str | int | bool) or name == "time":
            raise found["const"].error("a constant is a text, a whole number or a truth value, and no time")
        if name == "outcome" and found["const"].value not in OUTCOMES:
            raise found["const"].error(f"no outcome `{found['const'].value}`", hint=f"one of {', '.join(OUTCOMES)}")
        return Field(None, const=found["const"].value)
    if "unit" in found:
        unit = found["unit"].value
        if unit not in UNITS:
            raise found["unit"].error(f"no unit `{unit}`", hint=f"one of {', '.join(UNITS)}; RFC 3339 needs none")
    words = _words(found["is"]) if "is" in found else same
    return Field(_any_path(found[kinds[0]]), json="json" in found, unit=unit, words=words)


def _words(node: Node) -> dict[str, str]:
    made = {}
    for word, one in reading.entries(node, None, what="`is`").items():
        if one.value not in OUTCOMES:
            raise one.error(f"no outcome `{one.value}`", hint=f"one of {', '.join(OUTCOMES)}")
        made[word] = one.value
    return made


def _any_path(node: Node) -> Path:
    if isinstance(node.value, list):
        return tuple(reading.text(part, what="a path") for part in reading.items(node, what="a path"))
    return _path(reading.text(node, what="a path"), node)


def _path(text: str, node: Node) -> Path:
    parts = tuple(text.split("."))
    if not all(parts):
        raise node.error(f"`{text}` is no path", hint="members separated by `.`")
    return parts
