"""Policies and requests at random: every type, operator, fact and quantifier, values in many spellings, any of them absent."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from tests.core.policy.policy_help import MONDAY_NOON_US

OPT: dict[str, Any] = {"optional": True}
TYPES = {
    "n": "number", "i": "integer", "b": "boolean", "s": "string", "f": "folded", "u": "uri", "p": "path", "h": "host",
    "e": "email", "w": "timestamp", "l": "string[]", "k": "number[]", "m": "email[]", "o.a": "string", "o.c": "number",
}  # fmt: skip
ARGS: dict[str, Any] = {
    **{name: {"type": TYPES[name], **OPT} for name in "nbupehws"}, "i": "integer", "f": {"type": "string", "fold": True, **OPT},
    "l": {"type": ["string"], **OPT}, "k": {"type": ["number"], **OPT}, "m": {"type": ["email"], **OPT},
    "o": {"type": {"a": "string", "c": {"type": "number", **OPT}}, **OPT},
}  # fmt: skip
TOOLS: dict[str, Any] = {
    "t.all": {"args": ARGS, "resource": "uri"},
    "t.some": {"args": {"n": "number", "s": "string"}, "resource": "s3://{args.s}"},
    "t.none": {},
}
VALUES: dict[str, list[Any]] = {
    "number": [0, 1, 1.0, 2.5, -1, 0.1], "integer": [0, 1, 2, -3], "boolean": [True, False],
    "string": ["", "a", "ab", "b", "a/b", "A", "é", 'q"\\*'], "folded": [" A ", "a", "ß", "SS", "b"],
    "uri": ["s3://a", "S3://A/b/", "s3://a/b/c?x=1", "s3://ab", "https://X.example:443/y", "https://x.example"],
    "path": ["/a", "/a/b/", "b/c", "/ab", "/"], "host": ["x.example", "A.X.example", "xx.example", "example"],
    "email": ["A@x.example", " a@X.EXAMPLE", "b@y.example"],
    "timestamp": [
        "2026-11-23T12:00:00Z", "2026-11-23T13:00:00+01:00", "2026-11-23T12:00:00.000001Z", "2027-01-01T00:00:00Z"
    ],
    "sensitivity": ["public", "internal", "confidential", "restricted"], "any": [1, 1.0, "1", True, "a", "ab", 2.5, False],
    "resource": ["s3://a", "s3://a/b", "s3://a/b/c", "s3://ab", "https://x.example/y"],
}  # fmt: skip
GLOBS = {
    "string": ["*", "a*", "*b", "a/*", "a*b*", "é"], "folded": ["a*", "*S"], "uri": ["s3://a/*", "s3://a", "s3://*"],
    "path": ["/a/*", "b/*", "/*"], "host": ["*.example", "X*"], "email": ["*@x.example", "A@*"], "any": ["*", "a*"],
    "resource": ["s3://a/*", "s3://*/b"],
}  # fmt: skip
PREFIXES = {
    "uri": ["s3://a", "s3://a/b", "https://x.example", "s3://"], "path": ["/a", "b", "/"], "host": ["x.example", "example"],
    "resource": ["s3://a", "s3://a/b/", "s3://", "https://x.example"],
}  # fmt: skip
EQUAL, ORDER = ["eq", "ne", "in", "not_in"], ["lt", "lte", "gt", "gte"]
FACTS = {
    "agent.name": "string", "agent.owner": "string", "agent.env": "string", "env": "string", "agent.trust": "integer",
    "agent.groups": "string[]", "agent.attested": "boolean", "agent.state": "string", "agent.labels.mail": "string",
    "agent.labels.team": "string", "task.intent": "string", "task.principal": "string", "task.delegation_depth": "integer",
    "task.id": "string", "token.ttl_s": "integer", "token.bound": "boolean", "tool": "string", "resource": "resource",
    "data.sensitivity": "sensitivity", "class": "string[]", "context.k": "any", "context.j": "any",
}  # fmt: skip
SAME = {
    "args.e": ["agent.labels.mail", "context.k"], "args.s": ["agent.owner", "context.k", "args.o.a"],
    "args.l": ["agent.labels.team", "args.s"], "args.m": ["agent.labels.mail"], "args.n": ["args.o.c", "context.k", "args.i"],
    "args.i": ["token.ttl_s"], "args.f": ["agent.labels.team"], "context.k": ["context.j", "agent.name", "args.n", "args.b"],
    "args.b": ["agent.attested", "context.k"], "agent.groups": ["agent.labels.team"],
}  # fmt: skip
SHARED = ("n", "s")
ZONES = ("UTC", "Europe/Berlin", "America/New_York")


def operators(of: str) -> list[str]:
    """The operators of a type, by the reference: equality for all, order, texts, prefixes."""
    made = [*EQUAL]
    if of in {"number", "integer", "timestamp", "sensitivity", "any"}:
        made += ORDER
    if of in GLOBS:
        made.append("glob")
    if of in {"string", "folded", "any"}:
        made.append("starts_with")
    if of in PREFIXES:
        made.append("under")
    return made


def operand(r: Random, of: str, op: str) -> Any:
    """A right-hand side."""
    if op == "glob":
        return r.choice(GLOBS[of])
    if op == "under":
        return r.choice(PREFIXES[of])
    values = VALUES[of]
    if op == "starts_with":
        return r.choice(["a", "ab", "é", 'q"\\*'] if of != "folded" else ["a", " A", "s"])
    if of == "any" and op in ORDER:
        return r.choice([0, 1, 2.5])
    return r.sample(values, r.randint(1, min(3, len(values)))) if op in {"in", "not_in"} else r.choice(values)


def condition(r: Random, path: str, of: str, args: list[str]) -> dict[str, Any]:
    """One or two operators on a fact, perhaps presence beside them."""
    if r.random() < 0.15 and (wanted := [o for o in SAME.get(path, ()) if not o.startswith("args.") or o[5:] in args]):
        body: dict[str, Any] = {"same_as": r.choice(wanted)}
    else:
        base = of.removesuffix("[]")
        body = {op: operand(r, base, op) for op in r.sample(operators(base), r.choice([1, 1, 2]))}
    extra = r.random()
    if extra < 0.1:
        body["has"] = r.random() < 0.7
    elif extra < 0.2:
        body["absent_ok"] = True
    return body


def box(r: Random, args: list[str]) -> dict[str, Any]:
    """One to three conditions on different facts."""
    paths = {**{f"args.{name}": TYPES[name] for name in args}, **FACTS}
    made = {path: condition(r, path, paths[path], args) for path in r.sample(sorted(paths), r.randint(1, 3))}
    if r.random() < 0.15:
        low, high = sorted(r.sample(["00:00", "06:30", "12:00", "13:00", "18:00", "24:00"], 2))
        days = r.sample(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], r.randint(1, 6))
        made["time"] = {"days": days, "from": low, "to": high}
    return made


def rule(r: Random, ident: str, classes: list[str]) -> dict[str, Any]:
    """A permit or a forbid, over some tools, with conditions on what all of them declare."""
    tools = r.choice([["t.all"], ["t.all"], ["t.all", "t.some"], ["t.*"], ["t.none"]])
    args = list(TYPES) if tools == ["t.all"] else list(SHARED) if tools == ["t.all", "t.some"] else []
    match: dict[str, Any] = {"tools": tools}
    for key, choices in (
        ("agents", [["bot"], ["b*"], ["other", "x*"]]), ("groups", [["g"], ["g", "h"]]), ("intents", [["pay*"], ["pay", "a"]]),
        ("env", [["prod"]]), ("min_trust", [1, 2]),
    ):  # fmt: skip
        if r.random() < 0.15:
            match[key] = r.choice(choices)
    if classes and tools == ["t.*"] and r.random() < 0.5:
        match["classes"] = [r.choice(classes)]
    made: dict[str, Any] = {"id": ident, "effect": r.choice(["permit", "permit", "permit", "forbid"]), "match": match}
    if r.random() < 0.85:
        made["when"] = box(r, args)
        if r.random() < 0.3:
            made["when"]["any"] = [box(r, args) for _ in range(r.randint(1, 3))]
    return made


def document(r: Random) -> dict[str, Any]:
    """A whole policy."""
    made: dict[str, Any] = {"nhictl_policy": 1, "timezone": r.choice(ZONES), "tools": TOOLS}
    if r.random() < 0.7:
        prefixes = r.sample(["s3://a", "s3://a/b", "s3://A/b/c/", "https://x.example", "s3://"], r.randint(1, 3))
        made["data"] = {prefix: r.choice(VALUES["sensitivity"]) for prefix in prefixes}
    classes: list[str] = []
    if r.random() < 0.4:
        classes = ["C", "D"][: r.randint(1, 2)]
        made["classes"] = {
            name: {
                "tools": r.choice([["t.all"], ["t.all", "t.some"], ["t.none"]]),
                **({"requires": one} if (one := r.choice([None, "guardrail", "guardrail_or_approval", "approval"])) else {}),
            }
            for name in classes
        }  # fmt: skip
        rails = {}
        for name in classes:
            for number in range(r.randint(0, 2)):
                args = {"t.all": list(TYPES), "t.all,t.some": list(SHARED)}.get(
                    ",".join(made["classes"][name]["tools"]), []
                )
                expires = r.choice(["2026-11-23T12:00:00Z", "2027-06-01T00:00:00Z"])
                within = box(r, args)
                rails[f"G{name}{number}"] = {"class": name, "approved_by": "cfo", "expires": expires, "within": within}
        if rails:
            made["guardrails"] = rails
    made["rules"] = [rule(r, f"R{number}", classes) for number in range(r.randint(2, 7))]
    return made


def agents(r: Random) -> list[Agent]:
    """Three agents with different attributes."""
    made = []
    for name in ("bot", "other", "xylo"):
        labels = {
            key: r.choice(values)
            for key, values in (("mail", ["a@x.example", "A@X.example", "b"]), ("team", ["a", "A", "ss"]))
            if r.random() < 0.7
        }
        made.append(
            Agent(
                name, r.choice(["a", "o@x.example"]), "p", r.choice(["prod", "dev", None]), r.randint(0, 3),
                r.sample(["g", "h", "a"], r.randint(0, 2)), labels, attested=r.random() < 0.5,
            )
        )  # fmt: skip
    return made


def maybe(r: Random, value: Any, chance: float = 0.6) -> dict[str, Any]:
    """A member that may be left out."""
    return value if r.random() < chance else {}


def request(r: Random, agent: Agent) -> Request:
    """A call that is valid, whatever is left out."""
    tool = r.choice(["t.all", "t.all", "t.some", "t.none"])
    args: dict[str, Any] = {}
    resource = None
    if tool == "t.all":
        resource = r.choice(VALUES["uri"])
        args = {"i": r.choice(VALUES["integer"])}
        for name in "nbsfuphew":
            args |= maybe(r, {name: r.choice(VALUES[TYPES[name]])})
        for name in "lkm":
            args |= maybe(r, {name: [r.choice(VALUES[TYPES[name][:-2]]) for _ in range(r.randint(0, 3))]})
        args |= maybe(r, {"o": {"a": r.choice(VALUES["string"]), **maybe(r, {"c": r.choice(VALUES["number"])})}})
    elif tool == "t.some":
        args = {"n": r.choice(VALUES["number"]), "s": r.choice(["a", "ab", "b", "a/b", "a-b"])}
    intent = r.choice([None, "pay", "play", "a"])
    task = (
        maybe(r, {"intent": intent, "principal": r.choice(["a", "p"]), "delegation_depth": r.randint(0, 3), "id": "a"})
        or None
    )
    token = maybe(r, {"ttl_s": r.choice([0, 1, 2, 900]), "bound": r.random() < 0.5}) or None
    context = {key: r.choice([*VALUES["any"], [1], {"x": 1}]) for key in ("k", "j") if r.random() < 0.6}
    later = r.randint(-200, 200) * 3_600_000_000 + r.randint(0, 59) * 60_000_000
    now = MONDAY_NOON_US + r.choice([0, -1, 3_599_000_000, later])
    return Request(agent.name, tool, args, resource, intent, now, context, task, token)


def facts_of(document_: dict[str, Any], agent: Agent, request_: Request) -> dict[str, Any]:
    """Every fact as it was given, with its type, as the reference wants it."""
    args, task, token = request_.args, request_.task or {}, request_.token or {}
    made: dict[str, Any] = {}
    for path, of in TYPES.items():
        head, _, rest = path.partition(".")
        value = args.get(head)
        made[f"args.{path}"] = (of, value.get(rest) if rest and value is not None else value)
    made.update({f"context.{key}": ("any", request_.context.get(key)) for key in ("k", "j")})
    classes = sorted(n for n, c in document_.get("classes", {}).items() if request_.tool in c["tools"])
    resource = request_.resource if request_.tool != "t.some" else f"s3://{args['s']}"
    given = {
        "agent.name": agent.name, "agent.owner": agent.owner, "agent.env": agent.env, "env": agent.env,
        "agent.trust": agent.trust,
        "agent.groups": list(agent.groups), "agent.attested": agent.attested, "agent.state": "active",
        "agent.labels.mail": agent.labels.get("mail"), "agent.labels.team": agent.labels.get("team"),
        "task.intent": request_.intent, "task.principal": task.get("principal"),
        "task.delegation_depth": task.get("delegation_depth"), "task.id": task.get("id"), "token.ttl_s": token.get("ttl_s"),
        "token.bound": token.get("bound"), "tool": request_.tool, "resource": resource, "class": classes,
    }  # fmt: skip
    made.update({path: (FACTS[path], value) for path, value in given.items()})
    made["resource"] = ("uri", resource)
    return {**made, "now": request_.now_us, "zone": document_["timezone"]}


def as_bytes(document_: dict[str, Any]) -> bytes:
    """The document as it is read."""
    return json.dumps(document_).encode()
