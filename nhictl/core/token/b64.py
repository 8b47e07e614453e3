"""Canonical base64url without padding, RFC 7515 §2: one text for one value, everything else refused."""

from __future__ import annotations

import base64
import binascii
from typing import Final

_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

_URL: Final = bytes.maketrans(b"+/", b"-_")


def encode(data: bytes) -> str:
    """Unpadded base64url."""
    return binascii.b2a_base64(data, newline=False).translate(_URL, b"=").decode()


def decode(text: str | bytes) -> bytes:
    """The bytes of canonical text; ValueError for padding, foreign characters or stray bits in the last one."""
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text
    if len(raw) % 4 == 1 or not _ALPHABET.issuperset(raw):
        raise ValueError("not base64url")
    try:
        data = base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except binascii.Error as e:
        raise ValueError("not base64url") from e
    if base64.urlsafe_b64encode(data).rstrip(b"=") != raw:
        raise ValueError("not canonical base64url")
    return data
