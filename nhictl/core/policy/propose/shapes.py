"""What a single value looks like, told by parsing it, and which other spellings mean the same.

A spelling is offered only where every reader takes it for the same thing: a web address with or without its scheme and
last slash, an email address in lower case, a moment with `T` or a space, with or without seconds that are zero.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from nhictl.core.policy.resource import Refused, normal_host, normal_uri
from nhictl.core.policy.types import ArgType, exact, scalar_kind

__all__ = ["ACCOUNT", "ADDRESS", "FLAG", "LONG", "MOMENT", "NAME", "NUMBER", "PATH", "PLACE", "TEXT", "day", "key", "shape",
           "spellings", "web"]  # fmt: skip

ADDRESS, PLACE, PATH, ACCOUNT, MOMENT, NUMBER, FLAG, NAME, TEXT = (
    "address", "place", "path", "account", "moment", "number", "flag", "name", "text",
)  # fmt: skip
LONG: Final = 80
"""A text of more characters, of several lines, or of more than `WORDS` words is prose."""
WORDS: Final = 8
_EMAIL = ArgType("email")
_HOST_ENDS = frozenset("abcdefghijklmnopqrstuvwxyz")
_WEB = ("http://", "https://")
_FORMS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_FILE_ENDS = 5


def shape(value: Any) -> str:
    """Say what a scalar looks like; texts that look like nothing else are `name` if short and `text` if long."""
    kind = scalar_kind(value)
    if kind == "boolean":
        return FLAG
    if kind == "number":
        return NUMBER
    text: str = value
    if len(text) > 4096 or "\n" in text:
        return TEXT
    for found, test in ((ADDRESS, _address), (PLACE, _place), (MOMENT, _moment), (ACCOUNT, _account), (PATH, _path)):
        if test(text):
            return found
    return TEXT if len(text) > LONG or len(text.split()) > WORDS else NAME


def _address(text: str) -> bool:
    if "@" not in text or text.startswith("@"):
        return False
    try:
        _EMAIL.normal(text)
    except Refused:
        return False
    return "." in text.rpartition("@")[2]


def _place(text: str) -> bool:
    return ("://" in text and _normal(text) is not None) or web(text) is not None


def _normal(text: str) -> str | None:
    try:
        return normal_uri(text)
    except Refused:
        return None


def web(text: str) -> str | None:
    """What a web address names, whatever its scheme: host, path and query in normal form; None if it is none.

    Without a scheme only `www.` and names with a path are taken for one: `report.pdf` is a file.
    """
    lowered = text[:8].lower()
    bare = text
    for scheme in _WEB:
        if lowered.startswith(scheme):
            bare = text[len(scheme) :]
            break
    else:
        host, slash, _ = text.partition("/")
        if "://" in text or not (lowered.startswith("www.") or (slash and _is_domain(host))):
            return None
    made = _normal("https://" + bare)
    return None if made is None else made.removeprefix("https://")


def _is_domain(text: str) -> bool:
    labels = text.lower().split(".")
    if len(labels) < 2 or len(labels[-1]) < 2 or not _HOST_ENDS.issuperset(labels[-1]):
        return False
    try:
        normal_host(text)
    except Refused:
        return False
    return True


def _moment(text: str) -> bool:
    return day(text) is not None


def _instant(text: str) -> datetime | None:
    if not 10 <= len(text) <= 35 or not text[:4].isdigit() or text[4] != "-" or text[7] != "-":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def day(text: Any) -> str | None:
    """The date that a moment begins with, `YYYY-MM-DD`; None if it is none. Other notations stay names."""
    return text[:10] if isinstance(text, str) and _instant(text) is not None else None


def _account(text: str) -> bool:
    """Account numbers, keys, hashes, UUIDs, phone numbers: eight letters and digits or more, a quarter of them digits, and
    no spaces but in groups of digits alone or in an IBAN whose check digits are right.
    """
    packed = text.strip("+").replace("-", "").replace("_", "").replace("(", "").replace(")", "")
    if " " in packed:
        packed = packed.replace(" ", "")
        if not packed.isdigit() and not _iban(packed):
            return False
    digits = sum(letter.isdigit() for letter in packed)
    return packed.isascii() and packed.isalnum() and len(packed) >= 8 and digits >= 4 and digits * 4 >= len(packed)


def _iban(text: str) -> bool:
    """ISO 13616: country, two check digits, up to 30 more; as a number, letters from 10, it leaves 1 modulo 97."""
    if not (15 <= len(text) <= 34 and text.isascii() and text.isalnum() and text[:2].isalpha() and text[2:4].isdigit()):
        return False
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1


def _path(text: str) -> bool:
    """What begins as a path does, or names without spaces whose last one has a short ending."""
    if "//" in text or text.strip() != text:
        return False
    if text.startswith(("/", "./", "../", "~/")):
        return True
    stem, dot, end = text.rpartition("/")[2].rpartition(".")
    short = 1 <= len(end) <= _FILE_ENDS and end.isascii() and end.isalnum() and not end.isdigit()
    return bool(stem and dot and short and " " not in text)


def key(value: Any) -> Any:
    """What all spellings of a value have in common. A number and its digits in quotes share it, as agents give either."""
    kind = scalar_kind(value)
    if kind == "number":
        return kind, exact(value)
    if kind != "string":
        return kind, value
    if (number := _digits(value)) is not None:
        return "number", number
    if (found := web(value)) is not None:
        return "web", found
    if (at := _instant(value)) is not None:
        return "moment", (at.isoformat() if len(value) > 10 else value)
    return "string", value.lower() if _address(value) else value


def _digits(text: str) -> Any:
    """The number that plain decimal digits are, without signs, exponents or leading zeros; None for all else."""
    whole, dot, rest = text.partition(".")
    if len(text) > 20 or not text.isascii() or not whole.isdigit() or (dot and not rest.isdigit()):
        return None
    return None if len(whole) > 1 and whole[0] == "0" else exact(Decimal(text))


def spellings(value: Any) -> list[Any]:
    """The value and its other spellings, the value first."""
    made = [value]
    if not isinstance(value, str):
        return made
    if (found := web(value)) is not None:
        host_only = "/" not in found and "?" not in found
        for scheme in ("", *_WEB):
            made += [scheme + found, scheme + found + "/"] if host_only else [scheme + found]
    elif _address(value):
        made.append(value.lower())
    elif len(value) > 10 and (at := _instant(value)) is not None and at.tzinfo is None and not at.microsecond:
        made += [at.strftime(form) for form in _FORMS if at.second == 0 or form.endswith("%S")]
    return list(dict.fromkeys(made))
