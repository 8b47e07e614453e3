"""OpenID AuthZEN Authorization API 1.0: its requests as calls, our decisions as its answers.

`subject.id` names the agent, `action.name` the tool, `action.properties` its arguments, `resource.id` the resource;
`resource.type` and `resource.properties` are the argument `resource`, as far as the tool's catalogue entry declares it, and
`context` is the context. What is not declared there no rule can read, so it is left out, as unknown fields are (§5, §6).
A subject's properties are never read: attributes of an agent come from the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.decide import Decision
    from nhictl.core.policy.types import ArgType

__all__ = [
    "MAX_EVALUATIONS",
    "SEMANTICS",
    "Evaluation",
    "answer",
    "arguments",
    "batch",
    "evaluation",
    "failed",
    "in_order",
    "resource_id",
    "shapes",
]

SEMANTICS: Final = ("execute_all", "deny_on_first_deny", "permit_on_first_permit")
MAX_EVALUATIONS: Final = 10_000
_MEMBERS: Final = ("subject", "action", "resource", "context")


class Evaluation(NamedTuple):
    """One Access Evaluation request."""

    subject: str
    action: str
    properties: dict[str, Any]
    resource_type: str
    resource: str
    resource_properties: dict[str, Any]
    context: dict[str, Any]


def evaluation(value: Any) -> Evaluation:
    """Read one request; InputError names the member that is wrong. Members beyond the standard's are ignored."""
    if not isinstance(value, dict):
        raise InputError("an access evaluation request is an object", code="invalid_request_line")
    subject, action, resource = (_object(value, name, required=True) for name in ("subject", "action", "resource"))
    _text(subject, "subject", "type")
    return Evaluation(
        _text(subject, "subject", "id"),
        _text(action, "action", "name"),
        _object(action, "properties", "action."),
        _text(resource, "resource", "type"),
        _text(resource, "resource", "id"),
        _object(resource, "properties", "resource."),
        _object(value, "context"),
    )


def _object(value: dict[str, Any], name: str, within: str = "", *, required: bool = False) -> dict[str, Any]:
    found = value.get(name)
    if found is None and not required:
        return {}
    if not isinstance(found, dict):
        raise InputError(
            f"`{within}{name}` {'is missing' if found is None else 'is no object'}", code="invalid_request_line"
        )
    return found


def _text(value: dict[str, Any], within: str, name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise InputError(
            f"`{within}.{name}` {'is missing' if found is None else 'is no string'}", code="invalid_request_line"
        )
    return found


def arguments(asked: Evaluation, tool: Tool | None) -> dict[str, Any]:
    """The arguments of the call; InputError where the request says one thing of the resource twice, and differently."""
    given = dict(asked.properties)
    declared = tool.args.get("resource") if tool is not None else None
    if declared is None or declared[0].fields is None or "resource" in given:
        return given
    about = {"id": asked.resource, "type": asked.resource_type}
    for name, value in asked.resource_properties.items():
        if name in about and value != about[name]:
            raise InputError(f"`resource.properties.{name}` is not `resource.{name}`", code="invalid_request_line")
        about[name] = value
    kept = {name: about[name] for name in declared[0].fields if name in about}
    return {**given, "resource": kept} if kept else given


def resource_id(asked: Evaluation, tool: Tool | None) -> str | None:
    """The resource of the call: none where the tool touches none, since the standard makes every request name one."""
    return None if tool is not None and tool.resource is None else asked.resource


def answer(made: Decision) -> dict[str, Any]:
    """A decision as an Access Evaluation response: the reason code, rules and obligations stand in its context."""
    said = made.to_json()
    told = {
        name: said[name] for name in ("reason", "rules", "obligations", "message", "field", "policy") if name in said
    }
    return {"decision": made.allowed, "context": told}


def failed(error: InputError) -> dict[str, Any]:
    """The answer on one evaluation of several that is no request."""
    return {"decision": False, "context": {"error": {"status": 400, "message": error.message}}}


def batch(value: Any) -> tuple[list[dict[str, Any]], str] | None:
    """The requests of an Access Evaluations request, with the defaults filled in, and their semantic; None for a single one.

    A member that an evaluation has of its own replaces the default whole (§7.1). Without evaluations, or with none, the request
    is a single one. InputError for an unknown semantic, or for more than `MAX_EVALUATIONS`.
    """
    if not isinstance(value, dict) or not value.get("evaluations"):
        return None
    items = value["evaluations"]
    if not isinstance(items, list) or len(items) > MAX_EVALUATIONS:
        raise InputError(
            f"`evaluations` is {'longer than ' + str(MAX_EVALUATIONS) if isinstance(items, list) else 'no list'}",
            code="invalid_request_line",
        )
    semantic = _object(value, "options").get("evaluations_semantic", SEMANTICS[0])
    if semantic not in SEMANTICS:
        known = ", ".join(SEMANTICS)
        raise InputError(
            "`options.evaluations_semantic` is unknown", code="invalid_request_line", hint=f"one of {known}"
        )
    defaults = {name: value[name] for name in _MEMBERS if name in value}
    return [{**defaults, **item} if isinstance(item, dict) else item for item in items], semantic


def in_order(
    items: list[dict[str, Any]], semantic: str, ask: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The answers in order, up to the first that ends it; an evaluation that is no request is denied, and the rest go on."""
    for item in items:
        try:
            made = ask(item)
        except InputError as e:
            made = failed(e)
        yield made
        if semantic == ("permit_on_first_permit" if made["decision"] else "deny_on_first_deny"):
            return


def shapes(policy: Policy) -> list[dict[str, Any]]:
    """For every tool an evaluation request in the standard's shape, with the type in the place of each value."""
    made = []
    for name, tool in policy.tools.items():
        about = tool.args.get("resource")
        fields = about[0].fields if about is not None else None
        properties = {
            arg: _shape(of, optional) for arg, (of, optional) in tool.args.items() if arg != "resource" or not fields
        }
        resource: dict[str, Any] = {"type": "string", "id": tool.resource or "string"}
        if fields:
            resource["properties"] = {
                arg: _shape(of, optional) for arg, (of, optional) in fields.items() if arg not in {"id", "type"}
            }
        action: dict[str, Any] = {"name": name}
        if properties:
            action["properties"] = properties
        made.append({"subject": {"type": "agent", "id": "string"}, "action": action, "resource": resource})
    return made


def _shape(of: ArgType, optional: bool) -> Any:
    if of.fields is not None:
        return {name: _shape(kind, skip) for name, (kind, skip) in of.fields.items()}
    text = str(of.item or of)
    made = f"{text}, optional" if optional else text
    return [made] if of.item is not None else made
