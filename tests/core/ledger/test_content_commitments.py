"""Commitments: equality shows under one key and one label and nowhere else."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from typing import Any

import pytest

from nhictl.core.ledger import content

KEY = bytes(range(32))


def test_a_commitment_by_hand() -> None:
    salt = hmac.new(KEY, b"args\0" + b'{"a":1}', "sha256").digest()[:16]
    digest = sha256(b"nhictl-c1\0" + b"args" + b"\0" + salt + b'{"a":1}').digest()
    expected = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert content.commitment(KEY, "args", b'{"a":1}') == expected
    assert len(expected) == 43


def test_key_label_and_content_all_count() -> None:
    made = content.commitment(KEY, "args", b"x")
    assert made == content.commitment(KEY, "args", b"x")
    others = {
        content.commitment(KEY[::-1], "args", b"x"),
        content.commitment(KEY, "result", b"x"),
        content.commitment(KEY, "args", b"y"),
        content.commitment(KEY, "args\0", b"x"),
        content.commitment(KEY, "args", b"\0x"),
    }
    assert len(others | {made}) == 6


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\xff raw", b"\xff raw"),
        ("text", b'"text"'),
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
        ("é", '"é"'.encode()),
        ("\ud800", b'"\xed\xa0\x80"'),
    ],
)
def test_canonical(value: Any, expected: bytes) -> None:
    assert content.canonical(value) == expected


def test_what_has_no_canonical_form_is_refused() -> None:
    assert content.canonical(1.5) == b"1.5"
    with pytest.raises(ValueError, match="JSON"):
        content.canonical(float("nan"))
