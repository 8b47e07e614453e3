"""A second, naive evaluator written from the prose of the policy reference alone, to disagree with the engine if it can.

It reads the document as plain data (the rules as written), knows numbers, strings, lists of strings, a uri resource and
untyped context, and shares no code with the engine.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

T, F, U = "true", "false", "unknown"
RANKS = ["public", "internal", "confidential", "restricted"]


def number(value: Any) -> Fraction:
    """The exact decimal that was written."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def kind(value: Any) -> str:
    """What sort of JSON scalar this is."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string" if isinstance(value, str) else "other"


def equal(one: Any, other: Any) -> str:
    """Three-valued equality: values of two kinds are not comparable."""
    if kind(one) != kind(other) or kind(one) == "other":
        return U
    same = number(one) == number(other) if kind(one) == "number" else one == other
    return T if same else F


def negate(result: str) -> str:
    """Not, in three values."""
    return {T: F, F: T, U: U}[result]


def glob(pattern: str, text: str) -> bool:
    """Try every split: `*` eats any run without `/`."""
    if not pattern:
        return not text
    if pattern[0] != "*":
        return bool(text) and text[0] == pattern[0] and glob(pattern[1:], text[1:])
    stretch = len(list(itertools.takewhile(lambda char: char != "/", text)))
    return any(glob(pattern[1:], text[eaten:]) for eaten in range(stretch + 1))


def one_value(op: str, operand: Any, value: Any, path: str) -> str:
    """One operator on one present value."""
    if path == "data.sensitivity":
        value, operand = RANKS.index(value), RANKS.index(operand)
    if op == "eq":
        return equal(value, operand)
    if op == "ne":
        return negate(equal(value, operand))
    if op in {"in", "not_in"}:
        results = [equal(value, item) for item in operand]
        found = T if T in results else F if F in results else U
        return found if op == "in" else negate(found)
    if op in {"lt", "lte", "gt", "gte"}:
        if kind(value) != "number":
            return U
        a, b = number(value), number(operand)
        return T if {"lt": a < b, "lte": a <= b, "gt": a > b, "gte": a >= b}[op] else F
    if kind(value) != "string":
        return U
    if op == "under":
        a_parts, b_parts = value.rstrip("/").split("/"), operand.rstrip("/").split("/")
        return T if a_parts[: len(b_parts)] == b_parts else F
    if op == "starts_with":
        return T if value[: len(operand)] == operand else F
    return T if glob(operand, value) else F


def condition(path: str, body: dict[str, Any], facts: dict[str, Any], effect: str) -> list[str]:
    """All operators on one fact."""
    value = facts.get(path)
    absent = value is None or value == []
    results = []
    for op, operand in body.items():
        if op == "absent_ok":
            continue
        if op == "has":
            results.append(T if operand is not absent else F)
        elif absent:
            results.append(T if body.get("absent_ok") else U)
        elif isinstance(value, list) and path.startswith("args."):
            each = [one_value(op, operand, item, path) for item in value]
            results.append(some(each) if effect == "forbid" else every(each))
        else:
            results.append(one_value(op, operand, value, path))
    return results


def every(results: list[str]) -> str:
    """And."""
    return F if F in results else U if U in results else T


def some(results: list[str]) -> str:
    """Or."""
    return T if T in results else U if U in results else F


def box(when: dict[str, Any], facts: dict[str, Any], effect: str) -> str:
    """A conjunction."""
    return every([r for path, body in when.items() if path != "any" for r in condition(path, body, facts, effect)])


def rule_result(rule: dict[str, Any], facts: dict[str, Any]) -> str:
    """Match and conditions of one rule."""
    match, when, results = rule.get("match", {}), rule.get("when", {}), []
    for key, path in (("agents", "agent.name"), ("intents", "task.intent"), ("tools", "tool"), ("env", "env")):
        if key in match:
            value = facts.get(path)
            results.append(U if value is None else T if any(glob(p, value) for p in match[key]) else F)
    if "groups" in match:
        results.append(T if set(match["groups"]) & set(facts["groups"]) else F)
    if "min_trust" in match:
        results.append(T if facts["agent.trust"] >= match["min_trust"] else F)
    if "classes" in match:
        results.append(T if set(match["classes"]) & set(facts["class"]) else F)
    results.append(box(when, facts, rule["effect"]))
    if "any" in when:
        results.append(some([box(one, facts, rule["effect"]) for one in when["any"]]))
    return every(results)


def decide(rules: list[dict[str, Any]], data: dict[str, str], facts: dict[str, Any]) -> tuple[str, list[str]]:
    """Reason and determining rules of a valid request."""
    resource = facts.get("resource")
    if resource is not None:
        covering = [p for p in data if one_value("under", p, resource, "resource") == T]
        facts = {**facts, "data.sensitivity": data[max(covering, key=len)] if covering else "restricted"}
    results = {rule["id"]: rule_result(rule, facts) for rule in rules}
    forbids = sorted(r["id"] for r in rules if r["effect"] == "forbid" and results[r["id"]] != F)
    if forbids:
        return "forbidden", forbids
    permits = sorted(r["id"] for r in rules if r["effect"] == "permit" and results[r["id"]] == T)
    return ("permitted", permits) if permits else ("not_permitted", [])


def gated(
    classes: dict[str, Any], guardrails: dict[str, Any], facts: dict[str, Any], ends: dict[str, int], now: int
) -> tuple[list[str], list[str]]:
    """The guardrails that contain a call, and the classes that hold it back; `ends` is when each guardrail ends."""
    held, shut = [], []
    for name in sorted(classes):
        if facts["tool"] not in classes[name]["tools"] or "requires" not in classes[name]:
            continue
        inside = [
            key for key in sorted(guardrails)
            if guardrails[key]["class"] == name and classes[name]["requires"] != "approval" and now < ends[key]
            and box(guardrails[key]["within"], facts, "permit") == T
        ]  # fmt: skip
        held += inside
        shut += [] if inside else [name]
    return held, shut
