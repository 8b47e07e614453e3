"""A whole call from what was chosen for each fact: the witness that the evaluator is then asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.cells import ABSENT, ODD, SAME
from nhictl.core.policy.catalogue import split_template
from nhictl.core.policy.types import plain

if TYPE_CHECKING:
    from nhictl.core.policy.algebra.rooms import Shape
    from nhictl.core.policy.types import ArgType

__all__ = ["Call", "invalid_call", "liken", "make"]

_SAMPLES: dict[str, tuple[Any, Any]] = {
    "number": (1, 2),
    "integer": (1, 2),
    "boolean": (True, False),
    "uri": ("https://example.org/x", "https://example.org/y"),
    "host": ("x.example.org", "y.example.org"),
    "path": ("/x", "/y"),
    "email": ("x@example.org", "y@example.org"),
    "timestamp": ("2030-01-01T00:00:00.000000Z", "2031-01-01T00:00:00.000000Z"),
}
_RESOURCES = {"uri": "https://example.org/x", "path": "/x", "string": "x"}


class Call:
    """A call: tool, arguments, resource. `to_json` is how it is shown, `args` what an evaluator takes."""

    __slots__ = ("args", "resource", "tool")

    def __init__(self, tool: str, args: dict[str, Any], resource: str | None) -> None:
        self.tool = tool
        self.args = args
        self.resource = resource

    def to_json(self) -> dict[str, Any]:
        """`{tool, args, resource}`, the resource only if there is one; as `policy check --request` takes it."""
        made: dict[str, Any] = {"tool": self.tool, "args": plain(self.args)}
        return made if self.resource is None else made | {"resource": self.resource}

    def __repr__(self) -> str:
        return f"Call({self.tool!r}, {self.args!r}, {self.resource!r})"


def make(name: str, shape: Shape, chosen: dict[str, Any], same: dict[tuple[str, str], Any]) -> Call:
    """The call to `name` with the values `chosen` by fact, and `same` by pairs of facts that are to be alike or not."""
    values = dict(chosen)
    for (path, other), wanted in same.items():
        liken(shape, values, path, other, wanted)
    resource = values.pop("resource", None)
    resource = None if resource is ABSENT else resource
    if shape.tool is None:
        args = {path[5:]: {} if value is ODD else value for path, value in values.items() if value is not ABSENT}
        return Call(name, args, resource)
    if shape.derived:
        if resource is not None:
            _underive(values, split_template(shape.tool.resource or ""), resource)
        resource = None
    elif resource is None and shape.tool.resource is not None:
        resource = _RESOURCES.get(shape.tool.resource)
    return Call(name, _fill(shape, shape.tool.args, values, ""), resource)


def invalid_call(name: str, shape: Shape) -> Call:
    """A call that no catalogue and no normal form allows; a box without any condition lets even that through."""
    made = make(name, shape, {}, {})
    wants = shape.tool is None or shape.tool.resource is not None
    return Call(name, made.args, "/../x" if wants else "x")


def liken(shape: Shape, values: dict[str, Any], path: str, other: str, wanted: Any) -> None:
    """Give two facts values that are alike, or not, as far as nothing else chose them; or leave them out."""
    if wanted is ABSENT:
        return
    chosen = [values[each] for each in (path, other) if each in values and values[each] not in (ABSENT, ODD)]
    first = chosen[0][0] if chosen and isinstance(chosen[0], list) else chosen[0] if chosen else None
    choices = _SAMPLES.get(shape.kind_of(path), ("x", "y"))
    known = choices[0] if first is None else first
    another = known if wanted is SAME else next(each for each in choices if each != known)
    values.setdefault(path, known)
    values.setdefault(other, another)


def _underive(values: dict[str, Any], parts: list[str], resource: str) -> None:
    """Give the arguments of a template the values that make up `resource`, as far as nothing else chose them."""
    rest = resource
    for at in range(1, len(parts), 2):
        rest = rest.removeprefix(parts[at - 1])
        after = parts[at + 1]
        piece = rest if not after and at == len(parts) - 2 else rest.partition(after or "/")[0]
        rest = rest[len(piece) :]
        values.setdefault(f"args.{parts[at]}", piece)


def _fill(shape: Shape, fields: dict[str, tuple[ArgType, bool]], values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """The arguments, with samples for what is required and was not chosen; depth is what the catalogue declares."""
    made: dict[str, Any] = {}
    for name, (of, optional) in fields.items():
        path = f"{prefix}{name}"
        if of.fields is not None:
            wanted = path in shape.objects or any(
                key.startswith(f"args.{path}.") and value is not ABSENT for key, value in values.items()
            )
            if wanted or not optional:
                made[name] = _fill(shape, of.fields, values, f"{path}.")
            continue
        value = values.get(f"args.{path}")
        if value is ABSENT:
            if of.item is not None and not optional:
                made[name] = []
        elif value is not None:
            made[name] = [value] if of.item is not None and not isinstance(value, list) else value
        elif not optional:
            made[name] = [_sample(of.item)] if of.item is not None else _sample(of)
    return made


def _sample(of: ArgType) -> Any:
    return _SAMPLES.get(of.kind, ("x",))[0]
