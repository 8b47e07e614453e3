"""Recognising credentials in text: where a secret stands, and of which kind. Scanners only, no regular expressions.

What is recognised, each by the form its issuer documents: compact JWS and JWE (RFC 7515 §7.1, RFC 7516 §7.1; our own
tokens among them), PEM private keys (RFC 7468 §10), `Bearer`, `DPoP` and `Basic` credentials (RFC 6750, 9449, 7617),
passwords in URLs (RFC 3986 §3.2.1), and the prefixed keys of `PREFIXED`. And, whatever it looks like, the value that a
secret's name stands before: `password=…`, `"api_key": "…"`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final, NamedTuple

from nhictl.core.ledger.secret_forms import (
    DIGIT,
    ENDS_VALUE,
    PLAIN_WORDS,
    PREFIXED,
    SCHEMES,
    SHORTEST,
    TOKEN68,
    UPPER,
    URL64,
    WORD,
    Form,
    names_a_secret,
)  # fmt: skip

MASK: Final = "[masked:"
"""How a mask begins; what is masked is not looked into again."""


class Found(NamedTuple):
    """A secret at `start:end` of a text, of this kind."""

    start: int
    end: int
    kind: str


def find(text: str) -> list[Found]:
    """Every secret in a text, in order and without overlaps; of two that overlap the one that begins first, then the longer."""
    if len(text) < SHORTEST and "=" not in text and ":" not in text and " " not in text:
        return []
    every = sorted(_all(text), key=lambda one: (one.start, -one.end))
    kept: list[Found] = []
    for one in every:
        if kept and one.start < kept[-1].end:
            if one.end > kept[-1].end:
                kept[-1] = kept[-1]._replace(end=one.end)
            continue
        kept.append(one)
    return kept


def _all(text: str) -> Iterator[Found]:
    if len(text) >= SHORTEST:
        if "-----BEGIN " in text:
            yield from _pem(text)
        if "eyJ" in text:
            yield from _jose(text)
        for prefix, form in PREFIXED.items():
            if prefix in text:
                yield from _prefixed(text, prefix, form)
    if " " in text:
        yield from _schemes(text)
    if "=" in text or ":" in text:
        yield from _urls(text)
        yield from _named(text)


def _at(text: str, what: str) -> Iterator[int]:
    place = text.find(what)
    while place >= 0:
        yield place
        place = text.find(what, place + 1)


def _run(text: str, start: int, alphabet: frozenset[str]) -> int:
    """Where the run of these characters ends that begins at `start`."""
    end, size = start, len(text)
    while end < size and text[end] in alphabet:
        end += 1
    return end


def _begins_word(text: str, place: int) -> bool:
    return place == 0 or text[place - 1] not in WORD


def _pem(text: str) -> Iterator[Found]:
    done = 0
    for place in _at(text, "-----BEGIN "):
        line = text[place : place + 80].partition("\n")[0]
        if place < done or "PRIVATE KEY-----" not in line:
            continue
        end = text.find("-----END ", place + 11)
        stop = text.find("-----", end + 9) if end >= 0 else -1
        done = stop + 5 if stop >= 0 else len(text)  # one that is cut off is masked to the end
        yield Found(place, done, "private-key")


def _jose(text: str) -> Iterator[Found]:
    done = 0
    for place in _at(text, "eyJ"):
        if place < done or not _begins_word(text, place):
            continue
        end = _run(text, place, URL64 | {"."})
        parts = text[place:end].rstrip(".").split(".")
        done = end
        if len(parts) in (3, 5) and len(parts[0]) >= 10 and len(parts[-1]) >= 8:
            yield Found(place, place + len(".".join(parts)), "token")


def _prefixed(text: str, prefix: str, form: Form) -> Iterator[Found]:
    done = 0
    for place in _at(text, prefix):
        if place < done or not _begins_word(text, place):
            continue
        begin = place + len(prefix)
        end = _run(text, begin, form.alphabet)
        size = end - begin
        done = end  # whatever it is, it is looked at once
        whole = size == form.least and (end == len(text) or text[end] not in WORD) if form.exact else size >= form.least
        if whole and any(letter in DIGIT or letter in UPPER for letter in text[begin:end]):
            yield Found(place, end, form.kind)


def _schemes(text: str) -> Iterator[Found]:
    lower = text.lower()
    if len(lower) != len(text):  # a letter whose small form is two: places would not agree
        lower = text
    for scheme in SCHEMES:
        if scheme not in lower:
            continue
        for place in _at(lower, scheme + " "):
            if not _begins_word(text, place):
                continue
            begin = _run(text, place + len(scheme), frozenset(" "))
            end = _run(text, begin, TOKEN68)
            value = text[begin:end]
            if (scheme == "basic" and _user_and_password(value)) or (scheme != "basic" and _is_dense(value)):
                yield Found(begin, end, scheme)


def _user_and_password(value: str) -> bool:
    try:
        return len(value) >= 4 and b":" in base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False


def _is_dense(value: str) -> bool:
    """Whether a word is a credential rather than prose: long, or of some length with digits or both cases in it."""
    if len(value) >= 24:
        return True
    inner = value[1:]
    return len(value) >= 8 and any(letter in DIGIT or letter in UPPER for letter in inner)


def _urls(text: str) -> Iterator[Found]:
    for place in _at(text, "://"):
        begin = place + 3
        end = begin
        while end < len(text) and text[end] not in "/?# \t\r\n\"'<>":
            end += 1
        authority = text[begin:end]
        user, mark, _ = authority.rpartition("@")
        name, colon, password = user.partition(":")
        if mark and colon and password and not password.startswith(MASK):
            at = begin + len(name) + 1
            yield Found(at, at + len(password), "url-password")


def _named(text: str) -> Iterator[Found]:
    """Values behind a secret's name and `=` or `:`, with quotes and spaces between, as in headers, files and JSON."""
    for separator in ("=", ":"):
        done = 0
        for place in _at(text, separator):
            if place < done:
                continue
            end = place
            while end > 0 and text[end - 1] in " \"'\\":
                end -= 1
            start = end
            while start > 0 and end - start < 64 and text[start - 1] in URL64:
                start -= 1
            masked = text[max(0, start - len(MASK)) : start] == MASK
            if start == end or masked or not names_a_secret(text[start:end]):
                continue
            begin = _run(text, place + 1, frozenset(" "))
            quoted = begin + (text[begin : begin + 1] == "\\")
            quote = text[quoted : quoted + 1]
            if quote and quote in "\"'":
                found = _quoted(text, quoted + 1, "\\" if quoted > begin else quote)
            else:
                found = _bare(text, begin)
            if found is not None:
                done = found.end
                yield found


def _quoted(text: str, begin: int, quote: str) -> Found | None:
    """The value up to its closing quote, or to the end of the line."""
    end = begin
    while end < len(text) and text[end] != quote and text[end] != "\n":
        end += 2 if text[end] == "\\" else 1
    end = min(end, len(text))
    return _found(text, begin, end)


def _bare(text: str, begin: int) -> Found | None:
    """The value up to what ends a word; behind a scheme's name the word after it."""
    end = begin
    while end < len(text) and text[end] not in ENDS_VALUE:
        end += 1
    return _found(text, begin, end)


def _found(text: str, begin: int, end: int) -> Found | None:
    word = text[begin:end]
    if word.lower() in SCHEMES:
        after = _run(text, end, frozenset(" "))
        stop = after
        while stop < len(text) and text[stop] not in ENDS_VALUE:
            stop += 1
        return Found(after, stop, "named") if stop > after else None
    if " " in word and word.partition(" ")[0].lower() in SCHEMES:
        begin += word.index(" ") + 1
    if word.lower() in PLAIN_WORDS or word.startswith((MASK, "//")) or len(word) < 3:
        return None
    return Found(begin, end, "named")
