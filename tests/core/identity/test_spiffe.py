"""SPIFFE IDs: one row a rule of the specification's grammar, each beside the ID it was made from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.identity import spiffe

LONGEST = "spiffe://example.org/" + "a" * (2048 - 21)

GOOD: dict[str, tuple[str, str]] = {
    "spiffe://example.org": ("example.org", ""),
    "spiffe://example.org/agent/pay-bot": ("example.org", "/agent/pay-bot"),
    "spiffe://a": ("a", ""),
    "spiffe://my_td-1.example/x": ("my_td-1.example", "/x"),
    "spiffe://10.0.0.1/x": ("10.0.0.1", "/x"),
    "spiffe://example.org/A-Za-z0-9._-": ("example.org", "/A-Za-z0-9._-"),
    "spiffe://example.org/...": ("example.org", "/..."),
    "spiffe://example.org/.hidden": ("example.org", "/.hidden"),
    "spiffe://" + "a" * 255: ("a" * 255, ""),
    LONGEST: ("example.org", LONGEST[20:]),
}


@pytest.mark.parametrize("value", GOOD, ids=lambda v: v[:40])
def test_accepted(value: str) -> None:
    assert spiffe.parse(value) == GOOD[value]


BAD: dict[str, tuple[str, str]] = {
    "nothing": ("", "does not begin"),
    "no scheme": ("example.org/agent/x", "does not begin"),
    "another scheme": ("https://example.org/agent/x", "does not begin"),
    "scheme in upper case": ("SPIFFE://example.org/agent/x", "does not begin"),
    "one slash": ("spiffe:/example.org/agent/x", "does not begin"),
    "space before": (" spiffe://example.org/agent/x", "does not begin"),
    "no trust domain": ("spiffe:///agent/x", "1 to 255"),
    "nothing after the scheme": ("spiffe://", "1 to 255"),
    "trust domain too long": ("spiffe://" + "a" * 256, "1 to 255"),
    "trust domain in upper case": ("spiffe://Example.org/agent/x", "trust domain is"),
    "port": ("spiffe://example.org:8443/agent/x", "trust domain is"),
    "userinfo": ("spiffe://me@example.org/agent/x", "trust domain is"),
    "percent-encoded trust domain": ("spiffe://example%2eorg/agent/x", "trust domain is"),
    "trust domain not ASCII": ("spiffe://exämple.org/agent/x", "trust domain is"),
    "ipv6": ("spiffe://[::1]/agent/x", "trust domain is"),
    "query on the trust domain": ("spiffe://example.org?x", "trust domain is"),
    "trailing slash": ("spiffe://example.org/", "ends in a slash"),
    "trailing slash after a path": ("spiffe://example.org/agent/", "empty, `.` or `..`"),
    "empty segment": ("spiffe://example.org/agent//x", "empty, `.` or `..`"),
    "dot segment": ("spiffe://example.org/agent/./x", "empty, `.` or `..`"),
    "dot-dot segment": ("spiffe://example.org/agent/../x", "empty, `.` or `..`"),
    "dot-dot at the end": ("spiffe://example.org/agent/..", "empty, `.` or `..`"),
    "query": ("spiffe://example.org/agent/x?y", "a path segment is"),
    "fragment": ("spiffe://example.org/agent/x#y", "a path segment is"),
    "percent-encoding": ("spiffe://example.org/agent/%78", "a path segment is"),
    "path not ASCII": ("spiffe://example.org/agent/ñ", "a path segment is"),
    "colon in the path": ("spiffe://example.org/agent:x", "a path segment is"),
    "space in the path": ("spiffe://example.org/agent x", "a path segment is"),
    "line feed at the end": ("spiffe://example.org/agent/x\n", "a path segment is"),
    "NUL": ("spiffe://example.org/agent/x\0", "a path segment is"),
    "backslash": ("spiffe://example.org/agent\\x", "a path segment is"),
    "too long": (LONGEST + "a", "longer than 2,048"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    value, why = BAD[name]
    found = spiffe.fault(value)
    assert found is not None
    assert why in found
    with pytest.raises(ValueError, match=r".") as caught:
        spiffe.parse(value)
    assert str(caught.value) == found


@given(st.text(max_size=60))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    value = "spiffe://" + text
    if spiffe.fault(value) is None:
        domain, path = spiffe.parse(value)
        assert f"spiffe://{domain}{path}" == value
        assert value.isascii()


NAMES = ("a", "0", "pay-bot", "a.b_c-d", "a" * 64, "x9")
NO_NAMES = ("", "a" * 65, "-a", "a-", ".a", "a.", "_a", "a_", "Pay", "a b", "a/b", "ä", "a\n", "a..b/..")


@pytest.mark.parametrize("name", NAMES)
def test_names_go_there_and_back(name: str) -> None:
    assert spiffe.name_fault(name) is None
    full = spiffe.agent_id("example.org", name)
    assert spiffe.fault(full) is None
    assert spiffe.agent_name(full, "example.org") == name
    assert spiffe.agent_name(full, "example.com") is None


@pytest.mark.parametrize("name", NO_NAMES)
def test_no_names(name: str) -> None:
    assert spiffe.name_fault(name) is not None
    assert spiffe.agent_name(f"spiffe://example.org/agent/{name}", "example.org") is None


@pytest.mark.parametrize(
    "value", ["spiffe://example.org/agent", "spiffe://example.org/task/x", "spiffe://example.org/agent/x/y", "x"]
)
def test_what_is_no_agent_has_no_name(value: str) -> None:
    assert spiffe.agent_name(value, "example.org") is None


@pytest.mark.parametrize("text", ["x", "prod", "host.1a2b.42", "a" * 128, "a/b:c~!"])
def test_labels(text: str) -> None:
    assert spiffe.label_fault(text, "a group") is None


@pytest.mark.parametrize("text", ["", "a" * 129, "a b", "é", "a\n", "\x7f", "\t", "\u202e"])
def test_no_labels(text: str) -> None:
    assert spiffe.label_fault(text, "a group") == "a group is 1 to 128 printable ASCII characters without spaces"
