"""SPIFFE IDs and the names they are made of, by the strict grammar of the SPIFFE-ID specification §2.

Lower-case scheme and trust domain, no port, userinfo, query, fragment, percent-encoding, empty or dot segment, no
trailing slash, at most 2,048 bytes.
"""

from __future__ import annotations

from typing import Final

_DOMAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
_SEGMENT: Final = _DOMAIN | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_ALNUM: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_INSTANCE: Final = _SEGMENT | frozenset(":/@+=")
_SCHEME: Final = "spiffe://"


def domain_fault(name: str) -> str | None:
    """Why `name` is no trust domain name, or None."""
    if not 1 <= len(name) <= 255:
        return "a trust domain has 1 to 255 characters"
    if bad := set(name) - _DOMAIN:
        return f"a trust domain is lower-case letters, digits, `.`, `-` and `_`, not {sorted(bad)}"
    return None


def fault(value: str) -> str | None:
    """Why `value` is no SPIFFE ID, or None."""
    found = reason(value)
    return found[1] if found is not None else None


def reason(value: str) -> tuple[str, str] | None:
    """The rule that `value` breaks first, as (reason code, sentence), or None if it is a SPIFFE ID.

    Codes: `too_long scheme userinfo port percent trust_domain trailing_slash empty_segment dot_segment path_character
    query fragment`.
    """
    if len(value) > 2048:
        return "too_long", "longer than 2,048 bytes"
    if not value.startswith(_SCHEME):
        return "scheme", "does not begin with spiffe:// in lower case"
    rest = value[len(_SCHEME) :]
    end = min((at for at in (rest.find("?"), rest.find("#")) if at >= 0), default=len(rest))
    domain, slash, path = rest[:end].partition("/")
    if found := _domain_reason(domain) or (_path_reason(path) if slash else None):
        return found
    if end == len(rest):
        return None
    return ("query", "has a query") if rest[end] == "?" else ("fragment", "has a fragment")


def _domain_reason(domain: str) -> tuple[str, str] | None:
    if "@" in domain:
        return "userinfo", "has user information before the trust domain"
    why = domain_fault(domain)
    if why is None:
        return None
    if domain_fault(domain.partition(":")[0]) is None:
        return "port", "has a port"
    return ("percent", "has percent-encoding") if "%" in domain else ("trust_domain", why)


def _path_reason(path: str) -> tuple[str, str] | None:
    if path[-1:] in ("", "/"):
        return "trailing_slash", "ends in a slash"
    for segment in path.split("/"):
        if segment == "":
            return "empty_segment", "has an empty path segment"
        if segment in (".", ".."):
            return "dot_segment", "has a `.` or `..` path segment"
        if "%" in segment:
            return "percent", "has percent-encoding"
        if set(segment) - _SEGMENT:
            return "path_character", "a path segment is letters, digits, `.`, `-` and `_`"
    return None


def parse(value: str) -> tuple[str, str]:
    """Return (trust domain, path with its leading slash or empty); ValueError says what is wrong."""
    if why := fault(value):
        raise ValueError(why)
    domain, slash, path = value[len(_SCHEME) :].partition("/")
    return domain, slash + path


def agent_id(domain: str, name: str) -> str:
    """The SPIFFE ID of a registered agent."""
    return f"{_SCHEME}{domain}/agent/{name}"


def agent_name(value: str, domain: str) -> str | None:
    """The agent's name if `value` is the SPIFFE ID of an agent of `domain`, else None."""
    prefix = f"{_SCHEME}{domain}/agent/"
    name = value.removeprefix(prefix)
    return name if value.startswith(prefix) and name_fault(name) is None else None


def name_fault(name: str) -> str | None:
    """Why `name` is no agent name, or None: 1 to 64 of `a-z 0-9 . _ -`, letter or digit at both ends."""
    if not 1 <= len(name) <= 64 or set(name) - _NAME or name[0] not in _ALNUM or name[-1] not in _ALNUM:
        return "a name is 1 to 64 of a-z, 0-9, `.`, `_` and `-`, with a letter or digit at both ends"
    return None


def label_fault(text: str, what: str, limit: int = 128) -> str | None:
    """Why `text` is no short printable label (instance, environment, group, intent), or None."""
    if not 1 <= len(text) <= limit or not text.isprintable() or " " in text or not text.isascii():
        return f"{what} is 1 to {limit} printable ASCII characters without spaces"
    return None


def instance_fault(text: str) -> str | None:
    """Why `text` is no instance id, or None: 1 to 128 of letters, digits and `. _ : / @ + = -`, letter or digit first.

    Strict, because it is what one suspends a running copy by: no two that look alike.
    """
    if not 1 <= len(text) <= 128 or set(text) - _INSTANCE or text[0].lower() not in _ALNUM:
        return "an instance is 1 to 128 letters, digits and `._:/@+=-`, beginning with a letter or digit"
    return None
