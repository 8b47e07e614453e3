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


BAD: dict[str, tuple[str, str, str]] = {
    "nothing": ("", "scheme", "does not begin"),
    "no scheme": ("example.org/agent/x", "scheme", "does not begin"),
    "another scheme": ("https://example.org/agent/x", "scheme", "does not begin"),
    "scheme in upper case": ("SPIFFE://example.org/agent/x", "scheme", "does not begin"),
    "one slash": ("spiffe:/example.org/agent/x", "scheme", "does not begin"),
    "space before": (" spiffe://example.org/agent/x", "scheme", "does not begin"),
    "no trust domain": ("spiffe:///agent/x", "trust_domain", "1 to 255"),
    "nothing after the scheme": ("spiffe://", "trust_domain", "1 to 255"),
    "a query and nothing else": ("spiffe://?x", "trust_domain", "1 to 255"),
    "trust domain too long": ("spiffe://" + "a" * 256, "trust_domain", "1 to 255"),
    "trust domain in upper case": ("spiffe://Example.org/agent/x", "trust_domain", "trust domain is"),
    "trust domain not ASCII": ("spiffe://exämple.org/agent/x", "trust_domain", "trust domain is"),
    "ipv6": ("spiffe://[::1]/agent/x", "trust_domain", "trust domain is"),
    "port": ("spiffe://example.org:8443/agent/x", "port", "a port"),
    "port that is empty": ("spiffe://example.org:", "port", "a port"),
    "userinfo": ("spiffe://me@example.org/agent/x", "userinfo", "user information"),
    "userinfo with a password": ("spiffe://me:x@example.org/agent/x", "userinfo", "user information"),
    "userinfo that is empty": ("spiffe://@example.org/agent/x", "userinfo", "user information"),
    "percent-encoded trust domain": ("spiffe://example%2eorg/agent/x", "percent", "percent"),
    "query on the trust domain": ("spiffe://example.org?x", "query", "a query"),
    "fragment on the trust domain": ("spiffe://example.org#", "fragment", "a fragment"),
    "trailing slash": ("spiffe://example.org/", "trailing_slash", "ends in a slash"),
    "trailing slash after a path": ("spiffe://example.org/agent/", "trailing_slash", "ends in a slash"),
    "empty segment": ("spiffe://example.org/agent//x", "empty_segment", "empty path segment"),
    "empty first segment": ("spiffe://example.org//x", "empty_segment", "empty path segment"),
    "dot segment": ("spiffe://example.org/agent/./x", "dot_segment", "`.` or `..`"),
    "dot-dot segment": ("spiffe://example.org/agent/../x", "dot_segment", "`.` or `..`"),
    "dot-dot at the end": ("spiffe://example.org/agent/..", "dot_segment", "`.` or `..`"),
    "query": ("spiffe://example.org/agent/x?y", "query", "a query"),
    "query with slashes": ("spiffe://example.org/agent/x?y=//", "query", "a query"),
    "query that is empty": ("spiffe://example.org/agent/x?", "query", "a query"),
    "fragment": ("spiffe://example.org/agent/x#y", "fragment", "a fragment"),
    "fragment with a question mark": ("spiffe://example.org/agent/x#?", "fragment", "a fragment"),
    "percent-encoding": ("spiffe://example.org/agent/%78", "percent", "percent"),
    "path not ASCII": ("spiffe://example.org/agent/ñ", "path_character", "a path segment is"),
    "colon in the path": ("spiffe://example.org/agent:x", "path_character", "a path segment is"),
    "at sign in the path": ("spiffe://example.org/a@b", "path_character", "a path segment is"),
    "space in the path": ("spiffe://example.org/agent x", "path_character", "a path segment is"),
    "line feed at the end": ("spiffe://example.org/agent/x\n", "path_character", "a path segment is"),
    "NUL": ("spiffe://example.org/agent/x\0", "path_character", "a path segment is"),
    "backslash": ("spiffe://example.org/agent\\x", "path_character", "a path segment is"),
    "too long": (LONGEST + "a", "too_long", "longer than 2,048"),
}
CODES = {
    "too_long", "scheme", "userinfo", "port", "percent", "trust_domain", "trailing_slash", "empty_segment",
    "dot_segment", "path_character", "query", "fragment",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    value, code, why = BAD[name]
    found = spiffe.reason(value)
    assert found is not None
    assert found[0] == code
    assert why in found[1]
    assert spiffe.fault(value) == found[1]
    with pytest.raises(ValueError, match=r".") as caught:
        spiffe.parse(value)
    assert str(caught.value) == found[1]


def test_every_rule_has_a_row() -> None:
    assert {code for _, code, _ in BAD.values()} == CODES


@given(st.text(max_size=60))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    value = "spiffe://" + text
    found = spiffe.reason(value)
    if found is not None:
        assert found[0] in CODES
    else:
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
