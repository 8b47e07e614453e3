"""Types of arguments and facts, each with one normal form that is taken before anything is compared.

Numbers are exact decimals with at most 40 digits on either side of the point: an integral one is an `int`, any other a
`Decimal` without trailing zeros, so `1` and `1.0` are one number, and neither is `"1"` or `true`. Timestamps become
RFC 3339 in UTC with six fractional digits, whose order as text is their order in time (reference `policy.md` §1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.resource import Refused, checked_text, normal_host, normal_path, normal_resource, normal_uri

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

__all__ = ["SCALARS", "SENSITIVITY", "ArgType", "Refused", "exact", "plain", "scalar_kind"]

MAX_DIGITS = 40
_LIMIT = 10**MAX_DIGITS
_NOT_IN_EMAIL = frozenset(' \\"(),:;<>[]')
SENSITIVITY = ("public", "internal", "confidential", "restricted")


def exact(value: Any) -> int | Decimal:
    """Return the normal form of a number: `int` if integral, else a `Decimal` without trailing zeros; raise `Refused`.

    A float stands for the shortest decimal that reads back as it, which is what JSON said.
    """
    if type(value) is int:
        whole: int = value
        if -_LIMIT < whole < _LIMIT:
            return whole
        raise Refused(f"has more than {MAX_DIGITS} digits")
    from decimal import Decimal

    if type(value) is float:
        value = Decimal(repr(value))
    if type(value) is not Decimal:
        raise Refused("is not a number")
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise Refused("is not a finite number")
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return 0
    exponent += len(text) - len(stripped)
    if len(stripped) > MAX_DIGITS or len(stripped) + exponent > MAX_DIGITS or exponent < -MAX_DIGITS:
        raise Refused(f"has more than {MAX_DIGITS} digits")
    if exponent >= 0:
        magnitude = int(stripped + "0" * exponent)
        return -magnitude if sign else magnitude
    return Decimal((sign, tuple(map(int, stripped)), exponent))


def plain(value: Any) -> Any:
    """Return a normal value as JSON: a decimal as a number where a double keeps it exactly, else as its digits in a
    string.
    """
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    near = float(value)
    return near if exact(near) == value else format(value, "f")


def scalar_kind(value: Any) -> str | None:
    """Say what an untyped JSON scalar is: `string`, `number` or `boolean`; None for everything else."""
    kind = type(value)
    if kind is str:
        return "string"
    if kind is bool:
        return "boolean"
    if kind is int or kind is float or kind.__name__ == "Decimal":
        return "number"
    return None


def _string(value: Any) -> Any:
    if type(value) is not str:
        raise Refused("is not a string")
    if value.isascii() and value.isprintable():
        return value
    return checked_text(value)


def _folded(value: Any) -> Any:
    text = _string(value).strip().casefold()
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", text)
    return text


def _number(value: Any) -> Any:
    if type(value) is int and -_LIMIT < value < _LIMIT:
        return value
    return exact(value)


def _integer(value: Any) -> Any:
    if type(value) is not int:
        raise Refused("is not an integer")
    return exact(value)


def _boolean(value: Any) -> Any:
    if type(value) is not bool:
        raise Refused("is not true or false")
    return value


def _texts(normal: Callable[[str], str]) -> Callable[[Any], Any]:
    def of_text(value: Any) -> Any:
        if type(value) is not str:
            raise Refused("is not a string")
        return normal(value)

    return of_text


def _email(value: str) -> str:
    text = value.strip(" \t\r\n")
    if not text.isprintable() or not _NOT_IN_EMAIL.isdisjoint(text):
        raise Refused("is not one plain email address")
    local, at, domain = checked_text(text).lower().partition("@")
    if not local or not at or "@" in domain or ".." in f".{local}.":
        raise Refused("is not one plain email address")
    return f"{local}@{normal_host(domain)}"


def _timestamp(value: str) -> str:
    from nhictl.core.policy.instant import instant_text, parse_instant

    return instant_text(parse_instant(value))


def _sensitivity(value: Any) -> Any:
    """Sensitivities are compared by rank; this one alone is no argument type."""
    if value in SENSITIVITY:
        return SENSITIVITY.index(value)
    raise Refused(f"is none of {', '.join(SENSITIVITY)}")


def _any(value: Any) -> Any:
    kind = scalar_kind(value)
    if kind is None:
        raise Refused("is not a string, number or boolean")
    return _string(value) if kind == "string" else exact(value) if kind == "number" else value


_NORMAL: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "folded": _folded,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "uri": _texts(normal_uri),
    "host": _texts(normal_host),
    "path": _texts(normal_path),
    "email": _texts(_email),
    "timestamp": _texts(_timestamp),
    "resource": normal_resource,
    "sensitivity": _sensitivity,
    "any": _any,
    "untyped": _any,
}
SCALARS = ("string", "number", "integer", "boolean", "uri", "host", "path", "email", "timestamp")


class ArgType:
    """A scalar kind, a list of one, or an object of named fields; `normal` maps a value to its normal form or raises
    `Refused`.

    Beside the document's scalars there are `folded` (a string with `fold: true`), and `resource`, `sensitivity` and
    `any` for facts that are no arguments. An object's `fields` map a name to its type and whether it may be absent.
    """

    __slots__ = ("fields", "item", "kind", "normal")

    def __init__(
        self, kind: str, item: ArgType | None = None, fields: dict[str, tuple[ArgType, bool]] | None = None
    ) -> None:
        self.kind = kind
        self.item = item
        self.fields = fields
        self.normal: Callable[[Any], Any] = (
            self._list if item is not None else self._object if fields is not None else _NORMAL[kind]
        )

    def normalise(self, value: Any) -> Any:
        """Return the normal form of `value`; raise `Refused` with the reason."""
        return self.normal(value)

    def _list(self, value: Any) -> Any:
        if type(value) is not list or self.item is None:
            raise Refused("is not a list")
        one = self.item.normal
        made = []
        for position, element in enumerate(value):
            try:
                made.append(one(element))
            except Refused as e:
                raise Refused(f"has an element {position} that {e}") from e
        return made

    def _object(self, value: Any) -> Any:
        if type(value) is not dict or self.fields is None:
            raise Refused("is not an object")
        for name in value:
            if name not in self.fields:
                raise Refused(f"has an undeclared member `{name}`")
        made = {}
        for name, (kind, optional) in self.fields.items():
            given = value.get(name)
            if given is None:
                if not optional:
                    raise Refused(f"lacks its member `{name}`")
                continue
            try:
                made[name] = kind.normal(given)
            except Refused as e:
                raise Refused(f"has a member `{name}` that {e}") from e
        return made

    def to_json(self) -> Any:
        """Return the canonical JSON form: a kind, a list of one form, or a mapping of fields to `[form, optional]`."""
        if self.item is not None:
            return [self.item.to_json()]
        if self.fields is not None:
            return {name: [kind.to_json(), optional] for name, (kind, optional) in self.fields.items()}
        return self.kind

    @classmethod
    def from_json(cls, form: Any) -> ArgType:
        """Read `to_json` back."""
        if isinstance(form, str):
            return cls(form)
        if isinstance(form, list):
            return cls("list", item=cls.from_json(form[0]))
        return cls("object", fields={name: (cls.from_json(kind), bool(opt)) for name, (kind, opt) in form.items()})

    def __str__(self) -> str:
        return f"list of {self.item}" if self.item else "string" if self.kind == "folded" else self.kind
