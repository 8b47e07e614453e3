"""base64url: one text for one value, and no other text for anything."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.token import b64

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
steady = settings(derandomize=True, deadline=None, max_examples=200)


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"foob", "Zm9vYg"), (b"\xfb\xff", "-_8")],
)
def test_known_values(data: bytes, text: str) -> None:
    assert b64.encode(data) == text
    assert b64.decode(text) == b64.decode(text.encode()) == data


BAD = [
    "=", "Zg=", "Zg==", "Zm8=", "Z", "Zm9vY", "Zh", "Zm9", "Zm8 ", " Zm8", "Zm8\n", "Zm\n8", "+/8", "-/8", "Zm8\0", "Zé8",
    "Zg.", "\ud800AAA", "ＡＡＡＡ", "AAAA====", "A===",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=[ascii(text) for text in BAD])
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        b64.decode(text)


@steady
@given(st.binary(max_size=80))
def test_there_and_back(data: bytes) -> None:
    text = b64.encode(data)
    assert b64.decode(text) == data
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")


@steady
@given(st.one_of(st.text(max_size=12), st.text(alphabet=ALPHABET + "=+/", max_size=12)))
def test_what_is_accepted_is_what_would_be_written(text: str) -> None:
    try:
        data = b64.decode(text)
    except ValueError:
        return
    assert b64.encode(data) == text


def test_of_four_last_letters_one_is_canonical() -> None:
    """Two letters are twelve bits for eight: the four that are over have to be zero."""
    good = [last for last in ALPHABET if _accepts("A" + last)]
    assert good == ["A", "Q", "g", "w"]
    assert [last for last in ALPHABET if _accepts("AA" + last)] == list(ALPHABET[::4])


def _accepts(text: str) -> bool:
    try:
        b64.decode(text)
    except ValueError:
        return False
    return True
