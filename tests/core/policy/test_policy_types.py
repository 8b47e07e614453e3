"""One normal form per type: what is accepted, what it becomes, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nhictl.core.policy.resource import host_under, normal_prefix, normal_resource, under
from nhictl.core.policy.types import ArgType, Refused, exact, plain

ACCEPTED: list[tuple[str, Any, Any]] = [
    ("string", "", ""), ("string", "a b\nc\t", "a b\nc\t"), ("string", "Zürich", "Zürich"), ("string", " A ", " A "),
    ("string", "1", "1"), ("string", "C:\\temp", "C:\\temp"), ("folded", "  StraSSe ", "strasse"),
    ("folded", "Straße", "strasse"),
    ("number", 1, 1), ("number", 1.0, 1), ("number", Decimal("1.00"), 1), ("number", 0.1, Decimal("0.1")), ("number", -0.0, 0),
    ("number", Decimal("1E+3"), 1000), ("number", 10**40 - 1, 10**40 - 1), ("number", 1e-40, Decimal("1E-40")),
    ("integer", 7, 7), ("integer", -7, -7), ("boolean", True, True), ("boolean", False, False),
    ("uri", "HTTPS://Example.COM/Path", "https://example.com/Path"), ("uri", "https://example.com:443/", "https://example.com"),
    ("uri", "http://example.com:8080/a/", "http://example.com:8080/a"), ("uri", "https://e.com/a#frag", "https://e.com/a"),
    ("uri", "https://e.com/a?x=%2F&y=1", "https://e.com/a?x=%2F&y=1"), ("uri", "s3://crm/Key", "s3://crm/Key"),
    ("uri", "http://[2001:DB8:0::1]/x", "http://[2001:db8::1]/x"), ("uri", "http://10.0.0.1/", "http://10.0.0.1"),
    ("uri", "file:///etc/passwd", "file:///etc/passwd"), ("uri", "http://e.com:80", "http://e.com"),
    ("uri", "file:///", "file:///"),
    ("host", "API.Example.com", "api.example.com"), ("host", "127.0.0.1", "127.0.0.1"), ("host", "x_1-2", "x_1-2"),
    ("path", "/etc/passwd", "/etc/passwd"), ("path", "/etc/", "/etc"), ("path", "/", "/"), ("path", "a/b c.txt", "a/b c.txt"),
    ("path", "..a/b..", "..a/b.."), ("email", " Bob@Corp.Example\n", "bob@corp.example"), ("email", "a+b@x.y", "a+b@x.y"),
    ("timestamp", "2026-11-23T12:00:00Z", "2026-11-23T12:00:00.000000Z"),
    ("timestamp", "2026-11-23t13:30:00.5+01:30", "2026-11-23T12:00:00.500000Z"),
    ("any", "x", "x"), ("any", 1.0, 1), ("any", True, True),
]  # fmt: skip
REFUSED: list[tuple[str, Any]] = [
    ("string", 1), ("string", None), ("string", ["a"]), ("string", "a\x00b"), ("string", "a\x9bb"), ("string", "e\u0301"),
    ("string", "\ud800"), ("folded", 1),
    ("number", "1"), ("number", True), ("number", None), ("number", float("nan")), ("number", float("inf")), ("number", 10**40),
    ("number", 1e300), ("number", 1e-300), ("number", Decimal("sNaN")), ("number", Decimal("1e99999")), ("number", [1]),
    ("integer", 1.0), ("integer", True), ("integer", "1"), ("integer", Decimal("1.0")), ("integer", 10**40),
    ("boolean", 1), ("boolean", 0), ("boolean", "true"), ("boolean", None),
    ("uri", "example.com/a"), ("uri", "mailto:a@b.c"), ("uri", "https://user@e.com/"), ("uri", "https://u:p@e.com/"),
    ("uri", "https://e.com\\@evil.com/"), ("uri", "https://e.com/a/../b"), ("uri", "https://e.com/./a"),
    ("uri", "https://e.com//a"),
    ("uri", "https://e.com/%2e%2e/a"), ("uri", "https://e%2ecom/"), ("uri", "https://e.com/a b"), ("uri", "https://e.com/\n"),
    ("uri", "https://"), ("uri", "https:///evil.com"), ("uri", "https://e.com:/"), ("uri", "https://e.com:0443/"),
    ("uri", "https://e.com:99999/"), ("uri", "http://2130706433/"), ("uri", "http://0x7f.1/"), ("uri", "http://127.1/"),
    ("uri", "http://010.0.0.1/"), ("uri", "http://[::1"), ("uri", "http://[fe80::1%25eth0]/"), ("uri", "https://еxample.com/"),
    ("uri", "https://e..com/"), ("uri", "https://e.com./"), ("uri", "s3://crm/e\u0301"),
    ("uri", "https://e.com/a?x=%zz"), ("uri", 1),
    ("uri", "1http://e.com"), ("uri", "s3://a/\u202eb"), ("uri", "https://e.com/a//"),
    ("host", "e.com/"), ("host", "e.com:80"), ("host", ""), ("host", ".e.com"), ("host", "a b"), ("host", "1.2.3"),
    ("host", "e.com."),
    ("path", ""), ("path", "/a/../b"), ("path", "./a"), ("path", ".."), ("path", "/a//b"), ("path", "a\\b"), ("path", "/a\x00"),
    ("path", "/a\n"), ("path", "//"), ("path", "/a/."), ("path", "/a\u200b"),
    ("email", "a@b@c"), ("email", "Bob <b@x.y>"), ("email", "a@x.y,b@x.y"), ("email", "a@x.y;b@x.y"), ("email", "@x.y"),
    ("email", "a@"),
    ("email", "a@x.y\nBcc: b@x.y"), ("email", '"a b"@x.y'), ("email", "a..b@x.y"), ("email", "a@exаmple.com"), ("email", 1),
    ("timestamp", "2026-11-23"), ("timestamp", "2026-11-23T12:00:00"), ("timestamp", "2026-02-30T12:00:00Z"),
    ("timestamp", "2026-11-23T12:00:60Z"), ("timestamp", "2026-11-23 12:00:00Z"), ("timestamp", "2026-11-23T12:00:00+1:00"),
    ("timestamp", "0001-01-01T00:00:00+23:00"), ("timestamp", 1795435200), ("timestamp", "2026-11-23T12:00:00.1234567Z"),
    ("any", None), ("any", [1]), ("any", {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "wanted"), ACCEPTED)
def test_normal_form(kind: str, value: Any, wanted: Any) -> None:
    made = ArgType(kind).normalise(value)
    assert made == wanted
    assert type(made) is type(wanted)
    if kind != "folded":
        assert ArgType(kind).normalise(made) == made, "a normal form is its own normal form"


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_refused(kind: str, value: Any) -> None:
    with pytest.raises(Refused):
        ArgType(kind).normalise(value)


def test_lists_and_objects() -> None:
    emails = ArgType("list", item=ArgType("email"))
    assert emails.normalise(["A@x.y", "b@x.y"]) == ["a@x.y", "b@x.y"]
    assert emails.normalise([]) == []
    with pytest.raises(Refused, match="element 1"):
        emails.normalise(["a@x.y", "b"])
    with pytest.raises(Refused, match="not a list"):
        emails.normalise("a@x.y")
    thing = ArgType("object", fields={"n": (ArgType("integer"), False), "s": (ArgType("string"), True)})
    assert thing.normalise({"n": 1}) == {"n": 1}
    assert thing.normalise({"n": 1, "s": None}) == {"n": 1}
    for bad, reason in (
        ({}, "lacks"),
        ({"n": "x"}, "member `n`"),
        ({"n": 1, "z": 1}, "undeclared"),
        ([], "not an object"),
    ):
        with pytest.raises(Refused, match=reason):
            thing.normalise(bad)
    for kind in (emails, thing):
        assert ArgType.from_json(kind.to_json()).to_json() == kind.to_json()


def test_exact_and_plain_keep_every_digit() -> None:
    long = Decimal("0.1000000000000000055511151231257827")
    assert exact(long) == long
    assert plain(long) == "0.1000000000000000055511151231257827"
    assert plain(Decimal("0.1")) == 0.1
    assert plain([1, {"a": Decimal("2.5")}]) == [1, {"a": 2.5}]


UNDER: list[tuple[str, str, bool]] = [
    ("s3://crm", "s3://crm", True), ("s3://crm/x/y", "s3://crm", True), ("s3://crm/x", "s3://crm/", True),
    ("s3://crm-evil", "s3://crm", False), ("s3://crm-evil/x", "s3://crm/", False), ("s3://crm.evil", "s3://crm", False),
    ("s3://crm/x", "s3://crm/x/y", False), ("s3://crm/xy", "s3://crm/x", False), ("s3://other", "s3://", True),
    ("s3x://other", "s3://", False), ("https://e.com/a?q=1", "https://e.com/a", True),
    ("https://e.com.evil/a", "https://e.com", False),
    ("https://e.com:8443/a", "https://e.com", False), ("/etc/passwd", "/etc", True), ("/etcetera", "/etc", False),
    ("/etc", "/", True),
    ("a/b", "a", True), ("ab", "a", False), ("a/b", "/", False), ("/a/b", "a", False), ("file:///etc", "file:///", True),
]  # fmt: skip


@pytest.mark.parametrize(("value", "prefix", "wanted"), UNDER)
def test_under_compares_whole_segments(value: str, prefix: str, wanted: bool) -> None:
    assert under(normal_resource(value), normal_prefix(prefix)) is wanted


def test_hosts_lie_under_by_label() -> None:
    assert host_under("api.example.com", "example.com")
    assert host_under("example.com", "example.com")
    assert not host_under("evil-example.com", "example.com")
    assert not host_under("example.com.evil", "example.com")


@pytest.mark.parametrize(
    "value", ["s3://crm/%2e%2e/x", "/a%2fb", "a//b", "../a", "a/..", "", "a/", "s3://crm?%41=1", 7]
)
def test_resources_that_are_not_normal(value: Any) -> None:
    with pytest.raises(Refused):
        normal_resource(value)
