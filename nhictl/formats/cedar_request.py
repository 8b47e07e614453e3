"""What Cedar is asked: a schema for what `cedar` exports, the agents as entities, and one request from validated facts.

Whoever asks Cedar has to validate a call first and bring it into normal form, as step 1 of a decision does: Cedar sees normal
values only, and `context.time` carries the day (0 for Monday) and minute in the policy's time zone, and the instant in µs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.instant import parse_instant
from nhictl.core.policy.time_window import local_time
from nhictl.core.policy.types import ArgType, scalar_kind
from nhictl.formats.cedar_terms import NAMESPACE, TAGS, cedar_kind, decimal_text, drift_forms, long, quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.facts import Facts
    from nhictl.core.policy.registry import Agent

__all__ = ["entities", "request_of", "schema"]

_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "String"}, "long": {"type": "Long"}, "bool": {"type": "Boolean"},
    "decimal": {"type": "Extension", "name": "decimal"},
}  # fmt: skip
_STRINGS = {"type": "Set", "element": {"type": "String"}}
_TAGGED = {
    "s": {"type": "String", "required": False}, "n": {**_TYPES["decimal"], "required": False},
    "b": {"type": "Boolean", "required": False},
}  # fmt: skip


def schema(policy: Policy) -> dict[str, Any]:
    """A Cedar schema in JSON: agents, one action a tool with its arguments as context, and resources."""
    labels, keys = set(), set()
    for clause in _clauses(policy):
        for path in (clause[0], clause[2] if clause[1] == "same_as" else ""):
            if path.startswith("agent.labels."):
                labels.add(path[13:])
            elif path.startswith("context."):
                keys.add(path[8:])
    agent = {
        "name": _TYPES["string"], "owner": _TYPES["string"], "env": _optional("string"), "trust": _TYPES["long"],
        "groups": _STRINGS, "attested": _TYPES["bool"], "state": _TYPES["string"], "expires": _optional("long"),
        "labels": _record({label: _optional("string") for label in sorted(labels)}),
    }  # fmt: skip
    common = {
        "resource": _optional("string"),
        "task": _record(
            {
                "delegation_depth": _optional("long"),
                **{name: _optional("string") for name in ("intent", "principal", "id")},
            }
        ),
        "token": _record({"ttl_s": _optional("long"), "bound": _optional("bool")}),
        "ctx": _record({key: {"type": "Record", "attributes": _TAGGED, "required": False} for key in sorted(keys)}),
        "time": _record(dict.fromkeys(("day", "minute", "now"), _TYPES["long"])),
    }
    actions = {}
    for name, tool in policy.tools.items():
        context = {"type": "Record", "attributes": {**common, "args": _record(_fields(tool.args))}}
        actions[name] = {"appliesTo": {"principalTypes": ["Agent"], "resourceTypes": ["Resource"], "context": context}}
    types = {"Agent": {"shape": {"type": "Record", "attributes": agent}}, "Resource": {}}
    return {NAMESPACE: {"entityTypes": types, "actions": actions}}


def _optional(kind: str) -> dict[str, Any]:
    return {**_TYPES[kind], "required": False}


def _record(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Record", "attributes": attributes}


def _fields(fields: dict[str, tuple[ArgType, bool]]) -> dict[str, Any]:
    made = {}
    for name, (of, optional) in fields.items():
        if of.fields is not None:
            one: dict[str, Any] = _record(_fields(of.fields))
        elif of.item is not None:
            one = {"type": "Set", "element": _TYPES[cedar_kind(of)]}
        else:
            one = _TYPES[cedar_kind(of)]
        made[name] = {**one, "required": False} if optional else one
    return made


def _clauses(policy: Policy) -> Iterable[list[Any]]:
    for rule in (*drift_forms(policy), *policy.form["rules"]):
        yield from rule["all"]
        for box in rule["any"]:
            yield from box
    for rail in policy.form.get("guardrails", {}).values():
        yield from rail["all"]


def entities(agents: Iterable[Agent]) -> list[dict[str, Any]]:
    """The agents of a registry in Cedar's JSON."""
    made = []
    for agent in agents:
        attrs: dict[str, Any] = {
            "name": agent.name, "owner": agent.owner, "trust": agent.trust, "groups": list(agent.groups),
            "attested": agent.attested, "state": agent.state, "labels": agent.labels,
        }  # fmt: skip
        if agent.env is not None:
            attrs["env"] = agent.env
        if agent.expires_us is not None:
            attrs["expires"] = agent.expires_us
        made.append({"uid": {"type": f"{NAMESPACE}::Agent", "id": agent.name}, "attrs": attrs, "parents": []})
    return made


def request_of(policy: Policy, facts: Facts) -> dict[str, Any]:
    """One request, out of the facts that `decide.gather` made; InexpressibleError for a value that Cedar cannot hold."""
    tool = policy.tools[facts.tool]
    day, minute = local_time(facts.now_us, policy.timezone)
    context: dict[str, Any] = {
        "args": {
            name: _value(tool.args[name][0], value) for name, value in facts.arguments.items() if name in tool.args
        },
        "task": _claims(facts, "task."),
        "token": _claims(facts, "token."),
        "ctx": {key: _tagged(value) for key, value in facts.context.items() if value is not None},
        "time": {"day": day, "minute": minute, "now": facts.now_us},
    }
    if facts.resource is not None:
        context["resource"] = facts.resource
    return {
        "principal": f"{NAMESPACE}::Agent::{quote(facts.agent.name)}",
        "action": f"{NAMESPACE}::Action::{quote(facts.tool)}",
        "resource": f"{NAMESPACE}::Resource::{quote(facts.resource or '')}",
        "context": context,
    }


def _claims(facts: Facts, head: str) -> dict[str, Any]:
    return {path.removeprefix(head): value for path, value in facts.claims.items() if path.startswith(head)}


def _value(of: ArgType, value: Any) -> Any:
    if of.fields is not None:
        return {name: _value(of.fields[name][0], inner) for name, inner in value.items()}
    if of.item is not None:
        return [_value(of.item, inner) for inner in value]
    kind = cedar_kind(of)
    if kind == "decimal":
        return {"__extn": {"fn": "decimal", "arg": decimal_text(value)}}
    if kind == "long":
        number = parse_instant(value) if of.kind == "timestamp" else value
        long(number)
        return number
    return value


def _tagged(value: Any) -> dict[str, Any]:
    """An untyped value with its kind; what is no scalar, or has no normal form, is of no kind."""
    from nhictl.core.policy.types import Refused

    kind = scalar_kind(value)
    if kind is None:
        return {}
    try:
        normal = ArgType("any").normal(value)
    except Refused:
        return {}
    of = ArgType("number" if kind == "number" else kind)
    return {TAGS[kind]: _value(of, normal)}
