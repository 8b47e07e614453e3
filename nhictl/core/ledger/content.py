"""Content beside the line: what a commitment is over, and how it is salted.

commitment = `SHA-256("nhictl-c1\\0" ‖ label ‖ 0 ‖ salt ‖ canonical content)`, salt = the first 16 bytes of
`HMAC-SHA256(content key, label ‖ 0 ‖ content)`: equal content shows as equal within one task and nowhere else, and
guessing is useless without the key (reference/log.md §2).
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any

from nhictl.core.token import b64


def canonical(content: Any) -> bytes:
    """Bytes as they are; any other value as compact JSON with sorted members, UTF-8."""
    if isinstance(content, bytes):
        return content
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def salt(key: bytes, label: str, content: bytes) -> bytes:
    """16 bytes that nobody can guess without the key; given with the content to whoever shall check its commitment."""
    return hmac.digest(key, label.encode() + b"\0" + content, "sha256")[:16]


def commitment(key: bytes, label: str, content: bytes) -> str:
    """What the line carries for `content` (canonical bytes) under `label`: 43 characters of base64url."""
    salted = label.encode() + b"\0" + salt(key, label, content) + content
    return b64.encode(sha256(b"nhictl-c1\0" + salted).digest())
