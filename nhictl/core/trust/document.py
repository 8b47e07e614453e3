"""A trust as it is written down: `{nhictl_trust: 1, name, issuer, jwks, audience, match, agent, intents, scope, …}`.

The reader refuses what is malformed, with its place. What is well-formed and yet too open is for `lint` to say, so that
a missing audience or an empty list of intents is read here as nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import spiffe
from nhictl.core.policy import reading
from nhictl.core.trust import providers
from nhictl.core.trust.value import DEFAULT_DEADLINE_S, DEFAULT_TTL_S, Trust
from nhictl.errors import InputError

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.yaml_events import Node

FIELDS: Final = (
    "nhictl_trust", "name", "provider", "issuer", "jwks", "algorithms", "audience", "match", "agent", "intents", "scope",
    "token_audiences", "deadline", "ttl", "max_tokens", "max_calls", "max_lifetime",
)  # fmt: skip
KEY_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops")
MAX_ALTERNATIVES: Final = 64
MAX_VALUE: Final = 1024
MAX_BOXES: Final = 64
MAX_DEADLINE_S: Final = 30 * 86400
MAX_TTL_S: Final = 3600
MAX_LIFETIME_S: Final = 86400

ReadFile = Callable[[str], tuple[str, bytes]]
"""Reads the file that `jwks` names; returns how it is called in errors, and its content."""


class Source(NamedTuple):
    """A trust with what `lint` needs to say where something stands: its document, and the key set as it was given."""

    trust: Trust
    root: Node
    jwks: Any
    jwks_file: str | None


def read(file: str, data: bytes, read_file: ReadFile, policy: Policy | None = None) -> Source:
    """Read a trust; InputError at the first fault, with its place. Boxes are typed by the catalogue of `policy`."""
    root = reading.one_mapping(file, data, "a trust")
    reading.version(root, "nhictl_trust")
    fields = reading.entries(root, FIELDS, what="a trust")
    reading.require(root, ("name", "issuer", "jwks", "agent"), what="a trust")
    name, agent = (reading.text(fields[key], what=f"`{key}`", limit=64) for key in ("name", "agent"))
    for key, value in (("name", name), ("agent", agent)):
        if why := spiffe.name_fault(value):
            raise fields[key].error(f"`{value}`: {why}")
    issuer = reading.name(fields["issuer"], what="`issuer`", limit=512)
    provider = _provider(root, issuer)
    jwks, jwks_file = _jwks(fields["jwks"], read_file)
    keys = _public(jwks)
    trust = Trust(
        name, provider.name, issuer, keys, _algorithms(fields.get("algorithms"), keys),
        reading.name(fields["audience"], what="`audience`", limit=512) if "audience" in fields else "",
        _match(fields.get("match")), agent, _intents(fields.get("intents")), _scope(fields.get("scope"), policy),
        _names(fields.get("token_audiences"), "token_audiences"),
        _seconds(fields.get("deadline"), "deadline", DEFAULT_DEADLINE_S, MAX_DEADLINE_S),
        _seconds(fields.get("ttl"), "ttl", DEFAULT_TTL_S, MAX_TTL_S),
        _count(fields.get("max_tokens"), "max_tokens") or 1, _count(fields.get("max_calls"), "max_calls"),
        _seconds(fields.get("max_lifetime"), "max_lifetime", provider.lifetime_s, MAX_LIFETIME_S),
    )  # fmt: skip
    return Source(trust, root, jwks, jwks_file)


def _provider(root: Node, issuer: str) -> providers.Provider:
    given = root.value.get("provider")
    if given is None:
        found = providers.of_issuer(issuer)
        if found is None:
            raise root.value["issuer"].error(
                "what kind of issuer this is has to be said", hint="provider: github, gitlab or other"
            )
        return found
    word = reading.text(given, what="`provider`", limit=64)
    if word not in providers.PROVIDERS:
        raise given.error(f"no provider `{word}`", hint=f"one of {', '.join(providers.PROVIDERS)}")
    return providers.PROVIDERS[word]


def _jwks(node: Node, read_file: ReadFile) -> tuple[Any, str | None]:
    """The key set: inline, or in a file of its own."""
    if isinstance(node.value, dict):
        try:
            return strict_json.loads(strict_json.dumps(node.data())), None
        except TypeError as e:  # a Decimal
            raise node.error("a key set holds no numbers with a fraction") from e
    file, data = read_file(reading.text(node, what="`jwks`"))
    try:
        return strict_json.loads(data), file
    except strict_json.StrictJSONError as e:
        raise InputError(str(e), file=file, line=e.line, column=e.column, code="invalid_json") from e


def _public(jwks: Any) -> list[dict[str, Any]]:
    """The keys with what verifying takes; certificates and whatever else came along are not kept."""
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [{name: key[name] for name in KEY_MEMBERS if name in key} for key in found]


def _algorithms(node: Node | None, keys: list[dict[str, Any]]) -> list[str]:
    """The algorithms accepted: those named, else those the keys are for; RSA keys that do not say are for RS256."""
    from nhictl.core.token.algorithms import ALGORITHMS, kind_of_key

    if node is None:
        kinds = [(key.get("alg"), kind_of_key(key.get("kty"), key.get("crv"))) for key in keys]
        found = {alg if alg in kind.algorithms else kind.algorithms[0] for alg, kind in kinds if kind is not None}
        return sorted(found)
    for item in reading.items(node, what="`algorithms`"):
        if not isinstance(item.value, str) or item.value not in ALGORITHMS:
            hint = "one of " + ", ".join(sorted(ALGORITHMS))
            raise item.error(f"`{item.value}` is no algorithm with public keys that is known here", hint=hint)
    return reading.names(node, what="`algorithms`")


def _match(node: Node | None) -> dict[str, list[Any]]:
    if node is None:
        return {}
    fields = reading.entries(node, None, what="`match`")
    found = {}
    for claim, value in fields.items():
        if not 1 <= len(claim) <= 128 or not claim.isprintable():
            raise node.key_error(claim, "a claim's name is 1 to 128 printable characters")
        several = reading.items(value, what=f"`{claim}`") if isinstance(value.value, list) else [value]
        if len(several) > MAX_ALTERNATIVES:
            raise value.error(f"`{claim}` has over {MAX_ALTERNATIVES} alternatives")
        found[claim] = [_scalar(item, claim) for item in several]
    return found


def _scalar(node: Node, claim: str) -> Any:
    if isinstance(node.value, str):
        return reading.text(node, what=f"`{claim}`", limit=MAX_VALUE)
    if type(node.value) is int or isinstance(node.value, bool):
        return node.value
    raise node.error(f"`{claim}` is matched by a string, a whole number, true or false, or a list of those")


def _intents(node: Node | None) -> list[str]:
    found = _names(node, "intents")
    for intent in found:
        if node is not None and (why := spiffe.label_fault(intent, "an intent")):
            raise node.error(f"`{intent}`: {why}")
    return found


def _names(node: Node | None, what: str) -> list[str]:
    return reading.names(node, what=f"`{what}`") if node is not None and node.value != [] else []


def _scope(node: Node | None, policy: Policy | None) -> list[dict[str, Any]]:
    """`{allow: […]}` as in a scope file, or the list by itself; a box is a mapping or its one-line form."""
    if node is None:
        return []
    if isinstance(node.value, dict):
        reading.entries(node, ("allow",), what="`scope`")
        reading.require(node, ("allow",), what="`scope`")
        node = node.value["allow"]
    if node.value == []:
        return []
    boxes = reading.items(node, what="`scope`")
    if len(boxes) > MAX_BOXES:
        raise node.error(f"a scope has at most {MAX_BOXES} boxes")
    return [_box(item, policy) for item in boxes]


def _box(node: Node, policy: Policy | None) -> dict[str, Any]:
    from nhictl.core.policy.box_file import box_from_node
    from nhictl.core.policy.box_text import parse_box

    if not isinstance(node.value, str):
        return box_from_node(node, policy).to_mapping()
    try:
        return parse_box(node.value, policy).to_mapping()
    except InputError as e:
        raise node.error(e.bare_message, hint=e.hint) from e


def _seconds(node: Node | None, what: str, default: int, most: int) -> int:
    if node is None:
        return default
    try:
        value = times.parse_duration(reading.text(node, what=f"`{what}`", limit=32))
    except ValueError as e:
        raise node.error(f"`{what}`: {e}") from e
    if not 1 <= value <= most:
        raise node.error(f"`{what}` is more than nothing and at most {times.duration(most)}")
    return value


def _count(node: Node | None, what: str) -> int | None:
    if node is None:
        return None
    if type(node.value) is not int or not 1 <= node.value <= 1_000_000_000:
        raise node.error(f"`{what}` is a whole number from 1 to 1000000000")
    return int(node.value)
