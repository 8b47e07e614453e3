"""Secrets masked before content is sealed, deny by default: what is not a JSON value of a known type is masked, not passed.

A mask is `[masked:KIND:MARK]`; MARK is a keyed digest under the content key of the task, so that the same secret shows as
the same within one task and nowhere else, and guessing is useless without the key. With the key erased the mark says
nothing at all. Which secrets are recognised: `core/ledger/secrets.py`; sealed is what is left, under a commitment as ever.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any, Final

from nhictl.core.ledger import secrets
from nhictl.core.ledger.secret_forms import names_a_secret
from nhictl.core.token import b64

WHOLE: Final = frozenset({"source", "scope", "trust", "folder", "helper", "witness", "principal", "binding"})
"""Labels of content that is sealed as it is: an imported file's very bytes, whose digest the record names, and what the
operator declared, or is compared word for word: `binding` has ids and digests alone."""

_DEPTH: Final = 200


def holds(value: Any) -> bool:
    """Whether a mask stands anywhere in a JSON value, names included: what is judged by it is not what was there."""
    open_ = [value]
    while open_:
        item = open_.pop()
        if isinstance(item, str):
            if "[masked:" in item:
                return True
        elif isinstance(item, dict):
            open_ += item.keys()
            open_ += item.values()
        elif isinstance(item, list):
            open_ += item
    return False


class Masker:
    """Masks under one content key; `count` is how many secrets it has masked."""

    __slots__ = ("_key", "count")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.count = 0

    def mark(self, kind: str, secret: str) -> str:
        """What stands in the place of a secret."""
        self.count += 1
        digest = hmac.digest(self._key, b"nhictl-mask\0" + secret.encode("utf-8", "surrogatepass"), "sha256")
        return f"[masked:{kind}:{b64.encode(digest[:9])}]"

    def text(self, text: str) -> str:
        """A text with every secret in it masked."""
        found = secrets.find(text)
        if not found:
            return text
        made, done = [], 0
        for one in found:
            made += [text[done : one.start], self.mark(one.kind, text[one.start : one.end])]
            done = one.end
        return "".join((*made, text[done:]))

    def value(self, value: Any, *, secret: bool = False, depth: int = 0) -> Any:
        """A JSON value with every secret masked, at any depth; `secret` for what stands under a secret's name."""
        if value is None or value is True or value is False or value == "":
            return value
        if depth > _DEPTH:
            return self.mark("depth", "")
        kind = type(value)
        if kind is str:
            return self.mark("named", value) if secret else self.text(value)
        if kind is int or kind is float:
            return self.mark("named", repr(value)) if secret else value
        if kind is list or kind is tuple:
            return [self.value(one, secret=secret, depth=depth + 1) for one in value]
        if kind is dict and all(type(name) is str for name in value):
            return self._members(value, secret, depth)
        return self.mark("type", repr(kind))

    def _members(self, value: dict[str, Any], secret: bool, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, one in value.items():
            inside = secret or names_a_secret(name)
            plain = self.text(name)
            while plain in made:  # two names that mask to one: neither is dropped
                plain += "'"
            made[plain] = self.value(one, secret=inside, depth=depth + 1)
        return made

    def paths(self, value: Any, paths: Iterable[str]) -> Any:
        """A call's arguments with what the dotted `paths` name masked, as an obligation asks; a path that is not there is none.

        `args.iban` names the member of the arguments; lists on the way are gone into one by one.
        """
        for path in paths:
            parts = path.split(".")
            value = self._path(value, parts[1:] if parts[0] == "args" else parts)
        return value

    def _path(self, value: Any, parts: list[str]) -> Any:
        if not parts:
            return self.value(value, secret=True)
        if isinstance(value, list):
            return [self._path(one, parts) for one in value]
        if not isinstance(value, dict):
            return value
        whole = ".".join(parts)
        if whole in value:
            return {**value, whole: self.value(value[whole], secret=True)}
        if parts[0] in value:
            return {**value, parts[0]: self._path(value[parts[0]], parts[1:])}
        return value
