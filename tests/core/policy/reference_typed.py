"""The naive reference, extended to every type, fact and operator of the document: written from its prose, sharing no code
with the engine. A fact is a pair of its type's name and its value as it was given; normal forms are made here once more.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.core.policy.reference import RANKS, F, T, U, every, glob, kind, negate, number, some

Fact = tuple[str, Any]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class MistypedError(Exception):
    """A value that cannot be brought into the form asked for."""


def normal(of: str, value: Any) -> Any:
    """What is compared: a pair of a kind and a value, so that `1` is neither `"1"` nor true."""
    if of == "any":
        if kind(value) == "other":
            raise MistypedError
        return (kind(value), number(value) if kind(value) == "number" else value)
    if of in {"number", "integer"}:
        if kind(value) != "number" or (of == "integer" and isinstance(value, float)):
            raise MistypedError
        return ("number", number(value))
    if of == "boolean":
        if not isinstance(value, bool):
            raise MistypedError
        return ("boolean", value)
    if not isinstance(value, str):
        raise MistypedError
    if of == "sensitivity":
        return ("number", Fraction(RANKS.index(value)))
    if of == "timestamp":
        moment = datetime.fromisoformat(value)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return ("number", Fraction(since.days * 86400 + since.seconds) + Fraction(since.microseconds, 10**6))
    return ("string", text(of, value))


def text(of: str, value: str) -> str:
    """Normal forms of texts."""
    if of == "folded":
        return value.strip().casefold()
    if of == "host":
        return value.lower()
    if of == "email":
        if value.count("@") != 1:
            raise MistypedError
        return value.strip().lower()
    if of == "path":
        return value if value == "/" else value.rstrip("/")
    if of == "uri":
        scheme, rest = value.split("://")
        where, mark, query = rest.partition("?")
        authority, *segments = where.rstrip("/").split("/")
        authority = authority.lower().removesuffix(":443" if scheme.lower() == "https" else ":none")
        return f"{scheme.lower()}://{'/'.join([authority, *segments])}{mark}{query}"
    return value


def under(of: str, value: str, prefix: str) -> bool:
    """By whole segments from the front, for hosts by labels from the end."""
    if of == "host":
        mine, wanted = value.split(".")[::-1], prefix.lower().split(".")[::-1]
        return mine[: len(wanted)] == wanted
    bare = value.partition("?")[0] if "://" in value else value
    wanted = prefix.rstrip("/").split("/") if not prefix.endswith("://") else prefix[:-2].split("/")[:2]
    return bare.split("/")[: len(wanted)] == wanted


def one(op: str, operand: Any, value: Any, of: str) -> str:
    """One operator on one present value."""
    try:
        mine = normal(of, value)
        if op in {"under", "starts_with", "glob"}:
            if mine[0] != "string":
                return U
            if op == "under":
                return T if under(of, mine[1], operand) else F
            pattern = text(of, operand) if op == "starts_with" or of in {"host", "email", "folded"} else operand
            return T if (mine[1].startswith(pattern) if op == "starts_with" else glob(pattern, mine[1])) else F
        wanted = [normal(of, item) for item in (operand if op in {"in", "not_in"} else [operand])]
    except MistypedError:
        return U
    if op in {"lt", "lte", "gt", "gte"}:
        a, b = mine, wanted[0]
        if a[0] != "number":
            return U
        return T if {"lt": a[1] < b[1], "lte": a[1] <= b[1], "gt": a[1] > b[1], "gte": a[1] >= b[1]}[op] else F
    if mine[0] not in {item[0] for item in wanted}:
        return U
    found = T if mine in wanted else F
    return found if op in {"eq", "in"} else negate(found)


def same(value: Any, of: str, other: Fact) -> str:
    """Two facts: the other is brought into the form of the one that is asked about."""
    if other[1] is None:
        return U
    try:
        if other[0] == "any":
            normal("any", other[1])
        mine, against = (
            normal(of, value),
            normal(of, text(other[0], other[1]) if isinstance(other[1], str) else other[1]),
        )
    except MistypedError:
        return U
    return U if mine[0] != against[0] else T if mine == against else F


def condition(path: str, body: dict[str, Any], facts: dict[str, Any], effect: str) -> list[str]:
    """All operators on one fact."""
    if path == "time":
        return [window(body, facts)]
    of, value = facts.get(path) or ("any", None)
    many = of.endswith("[]")
    absent = value is None or (many and value == [])
    results = []
    for op, operand in body.items():
        if op == "absent_ok":
            continue
        if op == "has":
            results.append(T if operand is not absent else F)
        elif absent:
            results.append(T if body.get("absent_ok") else U)
        else:
            other = (facts.get(operand) or ("any", None)) if op == "same_as" else None
            base = of.removesuffix("[]")
            each = [
                same(item, base, other) if other is not None else one(op, operand, item, base)
                for item in (list(value or ()) if many else [value])
            ]
            results.append(some(each) if effect == "forbid" else every(each))
    return results


def window(body: dict[str, Any], facts: dict[str, Any]) -> str:
    """The local day, and minutes from `from` up to but without `to`."""
    here = datetime.fromtimestamp(facts["now"] // 10**6, ZoneInfo(facts["zone"]))
    clock = f"{here.hour:02}:{here.minute:02}"
    inside = DAYS[here.weekday()] in body.get("days", DAYS)
    return T if inside and body.get("from", "00:00") <= clock < body.get("to", "24:00") else F


def box(when: dict[str, Any], facts: dict[str, Any], effect: str) -> str:
    """A conjunction."""
    return every([r for path, body in when.items() if path != "any" for r in condition(path, body, facts, effect)])


def rule_result(rule: dict[str, Any], facts: dict[str, Any]) -> str:
    """Match and conditions of one rule."""
    match, when, results = rule.get("match", {}), rule.get("when", {}), []
    for key, path in (("agents", "agent.name"), ("intents", "task.intent"), ("tools", "tool"), ("env", "agent.env")):
        if key in match:
            value = facts[path][1]
            results.append(U if value is None else T if any(glob(p, value) for p in match[key]) else F)
    if "groups" in match:
        results.append(T if set(match["groups"]) & set(facts["agent.groups"][1]) else F)
    if "min_trust" in match:
        results.append(T if facts["agent.trust"][1] >= match["min_trust"] else F)
    if "classes" in match:
        results.append(T if set(match["classes"]) & set(facts["class"][1]) else F)
    results.append(box(when, facts, rule["effect"]))
    if "any" in when:
        results.append(some([box(one_, facts, rule["effect"]) for one_ in when["any"]]))
    return every(results)


def decide(document: dict[str, Any], facts: dict[str, Any]) -> tuple[str, list[str]]:
    """Reason and determining rules of a valid request."""
    rules, data = document.get("rules", []), document.get("data", {})
    resource = facts["resource"][1]
    if resource is not None:
        at = text("uri", resource) if "://" in resource else resource
        covering = [prefix for prefix in data if under("uri", at, text("uri", prefix))]
        facts = {**facts, "data.sensitivity": ("sensitivity", data[max(covering, key=len)] if covering else RANKS[3])}
    results = {rule["id"]: rule_result(rule, facts) for rule in rules}
    forbids = sorted(r["id"] for r in rules if r["effect"] == "forbid" and results[r["id"]] != F)
    if forbids:
        return "forbidden", forbids
    permits = sorted(r["id"] for r in rules if r["effect"] == "permit" and results[r["id"]] == T)
    if not permits:
        return "not_permitted", []
    return ("permitted" if gates_open(document, facts) else "approval_required"), permits


def gates_open(document: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Every class of the tool that requires something is opened by a guardrail in force that contains the call."""
    for name in facts["class"][1]:
        requires = document["classes"][name].get("requires")
        if requires is None:
            continue
        rails = [rail for rail in document.get("guardrails", {}).values() if rail["class"] == name]
        inside = [
            rail for rail in rails
            if facts["now"] < normal("timestamp", rail["expires"])[1] * 10**6 and box(rail["within"], facts, "permit") == T
        ]  # fmt: skip
        if requires == "approval" or not inside:
            return False
    return True
