"""The catalogue: which tools there are, what arguments they take, and which resource a call touches.

Validation is step 1 of every decision (reference `policy.md` §2): what is undeclared, of another type, missing or not
in normal form is an `invalid_request` that names the field, and no rule rescues it. The JSON null of a declared argument
counts as absent; an undeclared name is refused whatever its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.resource import normal_resource
from nhictl.core.policy.types import ArgType, Refused

if TYPE_CHECKING:
    from nhictl.core.policy.cost import Cost

__all__ = ["InvalidRequestError", "Tool", "coerce_arguments"]


class InvalidRequestError(ValueError):
    """The request itself is not valid; `field` names what is wrong with it, the message says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"`{field}` {reason}")
        self.field = field


class Tool:
    """A declared tool. `args` maps a name to its type and whether it is optional; `resource` is None, the kind the
    caller names (`uri`, `path`, `string`), or a template over arguments such as `s3://{args.bucket}/{args.key}`; `cost`
    is what a call of it counts for under spending limits, `digest` that of the description it was declared from
    (`tool_digest`).
    """

    __slots__ = ("_nested", "_order", "_required", "_template", "args", "cost", "digest", "name", "open", "resource")

    def __init__(
        self, name: str, args: dict[str, tuple[ArgType, bool]], *, is_open: bool = False, resource: str | None = None,
        cost: Cost | None = None, digest: str | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.digest = digest
        self.args = args
        self.open = is_open
        self.resource = resource
        self.cost = cost
        self._order = {arg: kind.normal for arg, (kind, _) in args.items()}
        self._required = [arg for arg, (_, optional) in args.items() if not optional]
        self._nested = any(kind.fields is not None for kind, _ in args.values())
        self._template = split_template(resource) if resource is not None and "{" in resource else None

    def argument_type(self, path: str) -> ArgType | None:
        """Return the type at dotted `path` (`amount`, `to.name`), None if it is not declared or is a whole object."""
        head, *rest = path.split(".")
        found = self.args.get(head)
        for name in rest:
            if found is None or found[0].fields is None:
                return None
            found = found[0].fields.get(name)
        return None if found is None or found[0].fields is not None else found[0]

    def requires(self, path: str) -> bool:
        """Whether every valid call has a value at dotted `path`; an empty list counts as absent."""
        head, *rest = path.split(".")
        found = self.args.get(head)
        while found is not None and not found[1]:
            if not rest:
                return found[0].item is None
            found = (found[0].fields or {}).get(rest.pop(0))
        return False

    def validate(self, args: dict[str, Any], resource: str | None) -> tuple[dict[str, Any], dict[str, Any], str | None]:
        """Return arguments in normal form, the same flattened to dotted names, and the resource; raise
        `InvalidRequestError`.
        """
        normals, flat = self.arguments(args)
        return normals, flat, self._resource(flat, resource)

    def arguments(
        self, args: dict[str, Any], erased: frozenset[str] = frozenset()
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return arguments in normal form, and flattened; `erased` names those that were given but cannot be seen."""
        normals: dict[str, Any] = {}
        order = self._order
        for name, value in args.items():
            normal = order.get(name)
            if normal is None:
                if not self.open:
                    raise InvalidRequestError(f"args.{name}", "is not declared")
                normals[name] = value
            elif value is not None:
                try:
                    normals[name] = normal(value)
                except Refused as e:
                    raise InvalidRequestError(f"args.{name}", str(e)) from e
        for name in self._required:
            if name not in normals and name not in erased:
                raise InvalidRequestError(f"args.{name}", "is missing")
        # An undeclared name of an open tool must never pass for a declared one, `a.b` for the field `b` of `a`.
        flat = normals if not self._nested else _flatten({k: v for k, v in normals.items() if k in order})
        if self.cost is not None and (negative := self.cost.check(flat)) is not None:
            raise InvalidRequestError(f"args.{negative}", "is a negative cost")
        return normals, flat

    @property
    def derived_from(self) -> tuple[str, ...] | None:
        """The arguments, by dotted name, that a derived resource is made of; None where nothing is derived."""
        return None if self._template is None else tuple(self._template[1::2])

    def resource_of(self, flat: dict[str, Any], given: str | None) -> str | None:
        """Return the resource, given flattened arguments in normal form and the caller's word; raise `InvalidRequestError`."""
        return self._resource(flat, given)

    def _resource(self, flat: dict[str, Any], given: str | None) -> str | None:
        if self.resource is None:
            if given is not None:
                raise InvalidRequestError("resource", f"is not taken by `{self.name}`")
            return None
        try:
            named = None if given is None else normal_resource(given, None if self._template else self.resource)
            if self._template is None:
                if named is None:
                    raise InvalidRequestError("resource", "is missing")
                return named
            derived = derive(self._template, flat)
        except Refused as e:
            raise InvalidRequestError("resource", str(e)) from e
        if named is not None and named != derived:
            raise InvalidRequestError("resource", "differs from what the arguments say")
        return derived

    def to_json(self) -> dict[str, Any]:
        """Return the canonical JSON form."""
        args = {name: [kind.to_json(), optional] for name, (kind, optional) in self.args.items()}
        made = {"args": args, "open": self.open, "resource": self.resource}
        if self.cost is not None:
            made["cost"] = self.cost.form
        return made if self.digest is None else {**made, "digest": self.digest}

    @classmethod
    def from_json(cls, name: str, form: dict[str, Any]) -> Tool:
        """Read `to_json` back."""
        args = {arg: (ArgType.from_json(kind), bool(optional)) for arg, (kind, optional) in form["args"].items()}
        cost = None
        if "cost" in form:
            from nhictl.core.policy.cost import Cost

            cost = Cost(form["cost"])
        return cls(
            name, args, is_open=form["open"], resource=form["resource"], cost=cost, digest=form.get("digest")
        )  # fmt: skip


def _flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Map dotted names to leaves; depth is bounded by what the catalogue declares."""
    flat: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat.update(_flatten(item, f"{prefix}{name}."))
        else:
            flat[prefix + name] = item
    return flat


def split_template(text: str) -> list[str]:
    """Split a template into literal text and argument names in turn, literal first and last; raise `Refused`."""
    parts: list[str] = []
    rest = text
    while True:
        literal, brace, rest = rest.partition("{")
        if "}" in literal:
            raise Refused("has a `}` without `{`")
        parts.append(literal)
        if not brace:
            return parts
        name, closed, rest = rest.partition("}")
        if not closed or not name.startswith("args.") or len(name) < 6:
            raise Refused("has a placeholder that is not `{args.NAME}`")
        parts.append(name[5:])


def derive(parts: list[str], flat: dict[str, Any]) -> str | None:
    """Fill a template; a value may hold `/` only at the very end, and never what would start a query, fragment or
    escape.

    Absent arguments leave the resource unknown (None).
    """
    whole = len(parts) == 3 and not parts[0] and not parts[2]
    made = [parts[0]]
    for at in range(1, len(parts), 2):
        value = flat.get(parts[at])
        if value is None:
            return None
        text = str(value)
        last = at == len(parts) - 2 and not parts[-1]
        if not whole and ("?" in text or "#" in text or ("/" in text and not last)):
            raise Refused(f"cannot be derived: `args.{parts[at]}` holds a separator")
        made.append(text)
        made.append(parts[at + 1])
    return normal_resource("".join(made))


def coerce_arguments(policy: Any, tool: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Turn `--arg k=v` texts into JSON values (see `coerce`, which does the work)."""
    from nhictl.core.policy.coerce import coerce

    return coerce(None if policy is None else policy.tool(tool), pairs)
