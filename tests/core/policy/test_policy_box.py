"""Boxes: the one-line grammar, mappings and scope files, and what a scope covers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.policy.box import Box, box_from_mapping, parse_box, parse_scope_file, scope_verdict
from nhictl.core.policy.compiled import Policy
from nhictl.errors import InputError
from tests.core.policy.policy_help import make_policy

POLICY: Policy = make_policy(
    [],
    tools={
        "pay.send": {"args": {"amount": "number", "iban": "string", "to": {"type": ["email"], "optional": True}}},
        "pay.refund": {"args": {"amount": "string"}},
        "net.get": {"args": {"url": "uri", "host": {"type": "host", "optional": True}}},
        "crm.read": {"args": {"q": {"type": "string", "optional": True}}, "resource": "uri"},
        "s3.get": {"args": {"bucket": "string", "key": "string"}, "resource": "s3://{args.bucket}/{args.key}"},
        "shell.run": {"args": "open"},
    },
)

GRAMMAR: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [  # text, without a policy, with (None: the same)
    ("crm.read", {"tools": ["crm.read"]}, None),
    ("b,a,a", {"tools": ["a", "b"]}, None),
    ("*", {"tools": ["*"]}, None),
    ("crm.read@S3://CRM/x/", {"tools": ["crm.read"], "resource": "s3://crm/x"}, None),
    ("crm.read@s3://a%3Fb", {}, {}),
    ("pay.send?args.amount<=500", {"tools": ["pay.send"], "when": {"args.amount": {"lte": 500}}}, None),
    ("pay.send?args.amount<5.50", {"tools": ["pay.send"], "when": {"args.amount": {"lt": 5.5}}}, None),
    ("pay.send?args.amount>=1&args.amount<9", {"tools": ["pay.send"], "when": {"args.amount": {"gte": 1, "lt": 9}}}, None),
    ("pay.send?args.amount>1.0", {"tools": ["pay.send"], "when": {"args.amount": {"gt": 1}}}, None),
    ("pay.send?args.iban=12", {"tools": ["pay.send"], "when": {"args.iban": {"eq": 12}}},
     {"tools": ["pay.send"], "when": {"args.iban": {"eq": "12"}}}),
    ("pay.send?args.iban=b|a", {"tools": ["pay.send"], "when": {"args.iban": {"in": ["a", "b"]}}}, None),
    ("pay.send?args.iban?=a", {"tools": ["pay.send"], "when": {"args.iban": {"eq": "a", "absent_ok": True}}}, None),
    ("pay.send?args.iban!=a|b", {"tools": ["pay.send"], "when": {"args.iban": {"not_in": ["a", "b"]}}}, None),
    ("pay.send?args.iban!=a", {"tools": ["pay.send"], "when": {"args.iban": {"ne": "a"}}}, None),
    ("pay.send?args.iban~DE*", {"tools": ["pay.send"], "when": {"args.iban": {"glob": "DE*"}}}, None),
    ("pay.send?args.iban^DE", {"tools": ["pay.send"], "when": {"args.iban": {"starts_with": "DE"}}}, None),
    ("net.get?args.url^https://e.com/a", {"tools": ["net.get"], "when": {"args.url": {"under": "https://e.com/a"}}}, None),
    ("pay.send?args.iban=a%26b%7Cc%3D%25", {"tools": ["pay.send"], "when": {"args.iban": {"eq": "a&b|c=%"}}}, None),
    ("pay.send?args.iban=%C3%BC", {"tools": ["pay.send"], "when": {"args.iban": {"eq": "ü"}}}, None),
    ("x%2Cy?args.a%3Db=1", {"tools": ["x,y"], "when": {"args.a=b": {"eq": 1}}}, None),
    ('x?args.a=true|"1"|1', {"tools": ["x"], "when": {"args.a": {"in": [True, 1, "1"]}}}, None),
    ("x?args.a=", {"tools": ["x"], "when": {"args.a": {"eq": ""}}}, None),
    ("x?args.a.b=c", {"tools": ["x"], "when": {"args.a.b": {"eq": "c"}}}, None),
    ("x?args.a?=1&args.a<5", {"tools": ["x"], "when": {"args.a": {"eq": 1, "lt": 5}}}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "free", "bound"), [row for row in GRAMMAR if row[1]], ids=lambda v: v if isinstance(v, str) else ""
)
def test_grammar(text: str, free: dict[str, Any], bound: dict[str, Any] | None) -> None:
    assert parse_box(text).to_mapping() == free
    assert parse_box(text, POLICY).to_mapping() == (free if bound is None else bound)


BAD: list[tuple[str, str, int]] = [
    ("", "a tool is missing", 1), ("a,", "a tool is missing", 3), ("a b", "must not hold spaces", 1),
    ("a?", "a condition is missing", 3),
    ("a=1", "`=` in a tool", 2), ("a?args.x", "no operator", 3), ("a?x=1", "not an argument", 3),
    ("a?agent.trust=1", "not an argument", 3),
    ("a?args.=1", "not an argument", 3), ("a?args.x==1", "no operator `==`", 10), ("a?args.x!1", "no operator `!1`", 9),
    ("a?args.x<", "a value is missing", 10), ("a?args.x<1|2", "takes one value", 11), ("a?args.x=%4", "malformed percent", 10),
    ("a?args.x=b&", "a condition is missing", 12), ("a?args.x=%ff", "not UTF-8", 10), ("a@", "resource prefix is empty", 3),
    ("a@s3://x/../y", "`..` segment", 3), ("a@s3://x%3Fy", "query", 3), ("a@s3://x/%252e", "percent", 3),
    ("a%2A", "literal `*`", 2),
    ("a?args.x~b%2ac", "literal `*`", 11), ("a?args.x<=1&args.x<=2", "two conditions", 13),
    ("a?args.x<=b", "wants a number", 11),
    ("a?args.x=null", "is not a string", 10), ("a?args.x=%00", "control character", 10), ("a?args.x=e%CC%81", "NFC", 10),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "column"), BAD)
def test_bad_boxes_say_where(text: str, message: str, column: int) -> None:
    with pytest.raises(InputError) as caught:
        parse_box(text)
    assert message in caught.value.message
    assert caught.value.details["column"] == column


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pay.send?args.amount<=x", "`x` is not a number"), ("pay.send?args.nope=1", "none of these tools declares"),
        ("pay.*?args.amount=5", "different types"), ("net.get?args.url^/etc", "is not a uri"),
        ("net.get?args.url=e.com", "not a uri"), ("pay.send?args.iban<5", "does not fit a string"),
        ("pay.send?args.to=x", "not one plain email"), ("shell.run?args.cmd=ls", "none of these tools declares"),
    ],
)  # fmt: skip
def test_bad_under_a_catalogue(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_box(text, POLICY)
    assert parse_box("pay.send?args.to~*@corp.example", POLICY).clauses


COVERS: list[tuple[str, str, dict[str, Any], str | None, bool, bool]] = [  # box, tool, args, resource, without, with a policy
    ("pay.send", "pay.send", {"amount": 1, "iban": "a"}, None, True, True),
    ("pay.*", "pay.send", {"amount": 1, "iban": "a"}, None, True, True),
    ("pay.send", "pay.sendx", {}, None, False, False),
    ("pay.send?args.amount<=500", "pay.send", {"amount": 500.0, "iban": "a"}, None, True, True),
    ("pay.send?args.amount<=500", "pay.send", {"amount": 500.01, "iban": "a"}, None, False, False),
    ("pay.send?args.amount<=500", "pay.send", {"amount": "1", "iban": "a"}, None, False, False),
    ("pay.send?args.amount<=500", "pay.send", {"amount": True, "iban": "a"}, None, False, False),
    ("pay.send?args.amount<=500", "pay.send", {"iban": "a"}, None, False, False),
    ("pay.send?args.amount<=500", "pay.send", {"amount": [1], "iban": "a"}, None, True, False),
    ("pay.send?args.amount<=500", "pay.send", {"amount": {"x": 1}, "iban": "a"}, None, False, False),
    ("pay.send?args.to~*@c.d", "pay.send", {"amount": 1, "iban": "a", "to": ["x@c.d"]}, None, True, True),
    ("pay.send?args.to~*@c.d", "pay.send", {"amount": 1, "iban": "a", "to": ["x@c.d", "x@e.f"]}, None, False, False),
    ("pay.send?args.to~*@c.d", "pay.send", {"amount": 1, "iban": "a", "to": []}, None, False, False),
    ("pay.send?args.to?=x@c.d", "pay.send", {"amount": 1, "iban": "a", "to": []}, None, True, True),
    ("pay.send?args.to?=x@c.d", "pay.send", {"amount": 1, "iban": "a"}, None, True, True),
    ("net.get?args.url^https://e.com/a", "net.get", {"url": "https://E.com/a/b"}, None, True, True),
    ("net.get?args.url^https://e.com/a", "net.get", {"url": "https://e.com/ab"}, None, False, False),
    ("net.get?args.url^https://e.com/a", "net.get", {"url": "https://e.com/a/../b"}, None, False, False),
    ("net.get?args.url^https://e.com", "net.get", {"url": "https://e.com.evil/"}, None, False, False),
    ("net.get?args.url^https://e.com", "net.get", {"url": "https://e.com@evil/"}, None, False, False),
    ("crm.read@s3://crm", "crm.read", {}, "s3://crm/x", True, True),
    ("crm.read@s3://crm", "crm.read", {}, "s3://crm-evil/x", False, False),
    ("crm.read@s3://crm", "crm.read", {}, "s3://crm/../x", False, False),
    ("crm.read@s3://crm", "crm.read", {}, None, False, False),
    ("s3.get@s3://crm/pub", "s3.get", {"bucket": "crm", "key": "pub/1"}, None, False, True),
    ("s3.get@s3://crm/pub", "s3.get", {"bucket": "crm", "key": "priv"}, "s3://crm/pub/1", True, False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tool", "args", "resource", "free", "bound"), COVERS)
def test_what_a_scope_covers(
    text: str, tool: str, args: dict[str, Any], resource: str | None, free: bool, bound: bool
) -> None:
    box = parse_box(text)
    for policy, wanted in ((None, free), (POLICY, bound)):
        verdict = scope_verdict([box], policy, tool, args, resource)
        assert verdict.covered is wanted, policy
        assert verdict.reason == (None if wanted else "authz_insufficient")
        json.dumps(verdict.near)


def test_an_undeclared_argument_of_an_open_tool_covers_nothing() -> None:
    box = box_from_mapping({"tools": ["shell.run"], "when": {"args.cmd": {"eq": "ls", "absent_ok": True}}})
    assert scope_verdict([box], None, "shell.run", {"cmd": "ls"}).covered
    assert not scope_verdict([box], POLICY, "shell.run", {"cmd": "rm"}).covered
    assert not scope_verdict([box], POLICY, "shell.run", {}).covered


def test_two_ways_to_one_dotted_name_cover_nothing() -> None:
    box = parse_box("x?args.a.b=1")
    assert scope_verdict([box], None, "x", {"a": {"b": 1}}).covered
    assert scope_verdict([box], None, "x", {"a.b": 1}).covered
    assert not scope_verdict([box], None, "x", {"a": {"b": 1}, "a.b": 2}).covered


UNKNOWN: list[Any] = [
    {"tools": ["x"], "when": {"args.a": {"matches": ".*"}}}, {"tools": ["x"], "until": "2030"},
    {"tools": ["x"], "when": {"env": {"eq": "p"}}},
    {"tools": ["x"], "when": []}, {"tools": ["x"], "resource": 1}, {"tools": ["x"], "when": {"args.a": {}}}, "x",
    {"tools": ["x"], "when": {"args.a": {"eq": 1, "absent_ok": "yes"}}}, {},
]  # fmt: skip


@pytest.mark.parametrize("stored", UNKNOWN)
def test_what_a_stored_box_says_beyond_this_version_denies(stored: Any) -> None:
    verdict = scope_verdict([box_from_mapping(stored, stored=True)], None, "x", {"a": 1})
    assert (verdict.covered, verdict.reason) == (False, "constraint_unknown")
    good = parse_box("x")
    assert scope_verdict([box_from_mapping(stored, stored=True), good], None, "x", {}).box == 1
    with pytest.raises(InputError):
        box_from_mapping(stored)


def test_scope_files() -> None:
    text = b"nhictl_scope: 1\nallow:\n  - {tools: [pay.send], when: {args.amount: {lte: 5.5}}}\n"
    text += b"  - tools: crm.read\n    resource: s3://crm/\n"
    boxes = parse_scope_file("s.yaml", text, POLICY)
    assert boxes == [parse_box("pay.send?args.amount<=5.5"), parse_box("crm.read@s3://crm")]
    for bad, message, line, column in [
        (b"nhictl_scope: 1\nallow: []\n", "must not be empty", 2, 8),
        (b"nhictl_scope: 1\nallow: [{resource: s3://a}]\n", "lacks `tools`", 2, 9),
        (b"nhictl_scope: 1\nallow: [{tools: [x], when: {env: {eq: p}}}]\n", "a scope reads `args.NAME`", 2, 29),
        (b"nhictl_scope: 1\nallow: [{tools: [x], when: {args.a: {lt: b}}}]\n", "wants a number", 2, 42),
        (b"nhictl_scope: 1\nallow: [{tools: [x], resource: /a/../b}]\n", "`..` segment", 2, 32),
        (
            b"nhictl_scope: 1\nallow: [{tools: [x], when: {args.a: {eq: 0.1000000000000000055}}}]\n",
            "more digits than JSON",
            2,
            42,
        ),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            parse_scope_file("s.yaml", bad)
        assert caught.value.details == {"file": "s.yaml", "line": line, "column": column}


scalars = st.one_of(st.booleans(), st.integers(-(10**9), 10**9), st.text("aü|&=%<>~^!?@, *1.", min_size=1, max_size=6))


@given(st.sampled_from(["eq", "ne"]), scalars, st.booleans())
def test_mappings_read_back_as_the_same_box(op: str, value: Any, absent_ok: bool) -> None:
    below: dict[str, Any] = {op: value}
    if absent_ok:
        below["absent_ok"] = True
    box = box_from_mapping({"tools": ["x", "y.*"], "resource": "/a/b", "when": {"args.a": below}})
    again = json.loads(json.dumps(box.to_mapping()))
    assert box_from_mapping(again) == box_from_mapping(again, stored=True) == box
    assert json.dumps(box_from_mapping(again).to_mapping()) == json.dumps(box.to_mapping())


@given(st.text(max_size=40))
def test_any_text_is_a_box_or_an_input_error(text: str) -> None:
    caught: InputError | None = None
    try:
        assert isinstance(parse_box(text), Box)
    except InputError as e:
        caught = e
    assert caught is None or caught.details["column"] >= 1


@given(st.text('aü|&=%<>~^!?@, 1.*"', min_size=1, max_size=8))
def test_percent_encoding_carries_any_value(value: str) -> None:
    from urllib.parse import quote

    box = parse_box(f"x?args.a={quote(json.dumps(value), safe='')}")
    assert box.to_mapping()["when"] == {"args.a": {"eq": value}}
