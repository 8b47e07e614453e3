"""Normal forms of uris, paths, hosts and resource names, and what lies under what, by whole segments.

A value in normal form says by its look what it is: a uri holds `://`, an absolute path starts with `/`, anything else
is a relative path or a plain name. So one comparison serves all of them, and `s3://crm` covers `s3://crm/x` but never
`s3://crm-evil`. What could be read in two ways (userinfo, backslash, control characters, `..`, empty segments, text
not in NFC, numbers posing as hosts) is refused, not repaired (reference `policy.md` §1, §2 step 1).
"""

from __future__ import annotations

__all__ = [
    "Refused",
    "checked_text",
    "host_under",
    "normal_host",
    "normal_path",
    "normal_prefix",
    "normal_resource",
    "normal_uri",
    "under",
]

_CONTROLS = frozenset(chr(c) for c in (*range(32), *range(127, 160)))
_CONTROLS_IN_TEXT = _CONTROLS - {"\t", "\n", "\r"}
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "ssh": "22"}
_NEEDS_HOST = frozenset({"http", "https", "ws", "wss", "ftp", "ftps", "ssh"})
_SCHEME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+-.")
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_DIGITS = frozenset("0123456789")


class Refused(ValueError):  # noqa: N818 - it reads as what it says
    """The value has no normal form of the wanted type; the message says why."""


def checked_text(value: str) -> str:
    """Return `value` if it is NFC and free of control characters (tab and line breaks are text)."""
    if value.isascii():
        if not value.isprintable() and not _CONTROLS_IN_TEXT.isdisjoint(value):
            raise Refused("holds a control character")
        return value
    if not _CONTROLS_IN_TEXT.isdisjoint(value):
        raise Refused("holds a control character")
    return _unicode(value)


def _unicode(value: str) -> str:
    from unicodedata import is_normalized

    try:
        value.encode("utf-8")
    except UnicodeEncodeError as e:
        raise Refused("holds a lone surrogate") from e
    if not is_normalized("NFC", value):
        raise Refused("is not in Unicode normal form NFC")
    return value


def _name(value: str) -> str:
    """Text that names something: no control character, no backslash, and no space but the plain one."""
    if not value:
        raise Refused("is empty")
    if not _CONTROLS.isdisjoint(value):
        raise Refused("holds a control character")
    if "\\" in value:
        raise Refused("holds a backslash")
    if not value.isascii():
        _unicode(value)
        if not value.isprintable():
            raise Refused("holds an invisible character")
    return value


def _segments(path: str) -> None:
    """Refuse what a file system or server would resolve: empty, `.` and `..` segments."""
    for segment in path.split("/"):
        if not segment:
            raise Refused("holds an empty path segment")
        if segment in {".", ".."}:
            raise Refused(f"holds a `{segment}` segment")


def normal_host(value: str) -> str:
    """Lower-case ASCII labels, or an IP address in its shortest form; numbers that only some parsers call a host are
    refused.
    """
    value = _name(value)
    if not value.isascii():
        raise Refused("holds a host that is not ASCII")
    host = value.lower()
    if host.startswith("["):
        return _ipv6(host)
    labels = host.split(".")
    for label in labels:
        if not label:
            raise Refused("holds a host with an empty label")
        if not _HOST.issuperset(label):
            raise Refused("holds a character that no host has")
    last = labels[-1]
    if last[0] in _DIGITS and (_DIGITS.issuperset(last) or last.startswith("0x")):
        _ipv4(labels)
    return host


def _ipv4(labels: list[str]) -> None:
    ok = len(labels) == 4 and all(
        _DIGITS.issuperset(part) and len(part) <= 3 and int(part) < 256 and (part == "0" or part[0] != "0")
        for part in labels
    )
    if not ok:
        raise Refused("holds a number that is not a dotted IPv4 address")


def _ipv6(host: str) -> str:
    from ipaddress import AddressValueError, IPv6Address

    if not host.endswith("]") or "%" in host:
        raise Refused("holds a malformed IPv6 address")
    try:
        return f"[{IPv6Address(host[1:-1])}]"
    except AddressValueError as e:
        raise Refused("holds a malformed IPv6 address") from e


def _authority(scheme: str, text: str) -> str:
    if "@" in text:
        raise Refused("holds userinfo")
    if not text:
        if scheme in _NEEDS_HOST:
            raise Refused("has no host")
        return ""
    head, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        return normal_host(text)
    if not _DIGITS.issuperset(port) or not port or port[0] == "0" or len(port) > 5 or int(port) > 65535:
        raise Refused("holds a malformed port")
    host = normal_host(head)
    return host if _DEFAULT_PORTS.get(scheme) == port else f"{host}:{port}"


def _check_query(query: str) -> None:
    for triplet in query.split("%")[1:]:
        if len(triplet) < 2 or not all(c in "0123456789abcdefABCDEF" for c in triplet[:2]):
            raise Refused("holds a malformed percent-encoding")


def normal_uri(value: str) -> str:
    """`scheme://host[:port]/path[?query]`: scheme and host in lower case; default port, fragment and trailing `/`
    dropped.

    A percent sign is refused in host and path, where it could hide a separator; a query may hold encodings.
    """
    value = _name(value)
    if " " in value:
        raise Refused("holds a space")
    scheme, mark, rest = value.partition("://")
    scheme = scheme.lower()
    if not mark or not scheme or not _SCHEME.issuperset(scheme) or not "a" <= scheme[0] <= "z":
        raise Refused("is not a uri of the form scheme://…")
    rest = rest.partition("#")[0]
    rest, question, query = rest.partition("?")
    if "%" in rest:
        raise Refused("holds a percent-encoding")
    authority, slash, path = rest.partition("/")
    authority = _authority(scheme, authority)
    path = path.removesuffix("/")
    if path:
        _segments(path)
    elif not authority:
        if not slash:
            raise Refused("has neither host nor path")
        return f"{scheme}:///"
    if question:
        _check_query(query)
    return f"{scheme}://{authority}{'/' + path if path else ''}{question}{query}"


def normal_path(value: str) -> str:
    """A path without empty, `.` or `..` segments; one trailing `/` is dropped. Relative paths stay relative."""
    value = _name(value)
    if value == "/":
        return value
    body = value.removeprefix("/")
    _segments(body.removesuffix("/"))
    return value.removesuffix("/")


def _plain_name(value: str) -> str:
    value = _name(value)
    _segments(value)
    return value


_BY_KIND = {"uri": normal_uri, "path": normal_path, "string": _plain_name}


def normal_resource(value: object, kind: str | None = None) -> str:
    """Return the normal form of a resource of `kind` uri, path or string; without one, its look decides.

    Stricter than an argument of the same type: a percent sign is refused anywhere.
    """
    if type(value) is not str:
        raise Refused("is not a string")
    if "%" in value:
        raise Refused("holds a percent-encoding")
    if kind is None:
        kind = "uri" if "://" in value else "path" if value.startswith("/") else "string"
    return _BY_KIND[kind](value)


def normal_prefix(value: object) -> str:
    """Return the normal form of what `under`, a data entry or `@PREFIX` names: a resource without query, or
    `scheme://`.
    """
    if type(value) is not str:
        raise Refused("is not a string")
    if "?" in value and "://" in value:
        raise Refused("holds a query")
    if value.endswith("://") and _SCHEME.issuperset(value[:-3].lower()) and value[:1].isalpha():
        return value.lower()
    if "://" not in value and not value.startswith("/"):
        value = value.removesuffix("/")
    return normal_resource(value)


def under(value: str, prefix: str) -> bool:
    """Whether `value` is `prefix` or lies below it by whole segments; both in normal form."""
    if not value.startswith(prefix):
        return False
    if len(value) == len(prefix) or prefix.endswith("/"):
        return True
    after = value[len(prefix)]
    return after == "/" or (after == "?" and "://" in prefix)


def host_under(value: str, prefix: str) -> bool:
    """Whether host `value` is `prefix` or a name below it; `evil-example.com` is not below `example.com`."""
    return value == prefix or value.endswith("." + prefix)
