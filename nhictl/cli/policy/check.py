"""`nhictl policy check`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.batch import answers
from nhictl.cli.call_options import Arg, Context, Resource, Supported, Tool, obligations, pairs
from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.policy.inputs import Policy, Registry, read_files, read_registry
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops import reading
from nhictl.ops.check_policy import Bench, Call, bench, from_mapping
from nhictl.render import Result
from nhictl.render.json_text import compact

SCHEMA = "nhictl.decision/v1"
REQUESTS = ("nhictl", "authzen")


def command(
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="who calls")] = None,
    intent: Annotated[str | None, typer.Option("--intent", metavar="S", help="what for")] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="T", help="the task it belongs to, instead of --agent")
    ] = None,
    tool: Tool = None,
    arg: Arg = None,
    resource: Resource = None,
    context: Context = None,
    supported: Supported = None,
    at: At = None,
    policy: Policy = None,
    registry: Registry = None,
    request: Annotated[
        str | None, typer.Option("--request", metavar="FILE", help="one request as JSON; - for stdin")
    ] = None,
    batch: Annotated[str | None, typer.Option("--batch", metavar="FILE", help="requests as JSONL; - for stdin")] = None,
    format: Annotated[
        str, typer.Option("--format", metavar="|".join(REQUESTS), help="shape of --request and --batch, and of answers")
    ] = "nhictl",
    explain: Annotated[bool, typer.Option("--explain", help="show every rule with the values it saw")] = False,
) -> Reply:
    """Ask what a policy decides about a call. Never writes. Exit 0 would allow, 1 would deny.

    With --policy and --registry no home is needed.

    Example: nhictl policy check --agent invoice-bot --intent pay-invoice --tool pay.status --arg payment_id=P-1 --explain
    """
    files = read_files(policy)
    house = session().house()
    place = bench(house, files, read_registry(registry))
    described = any(x is not None for x in (agent, intent, task, tool, resource, supported)) or arg or context
    if (batch is not None) + (request is not None) + bool(described) != 1:
        raise InputError("ask one thing: a call (--agent, --tool …), --request FILE, or --batch FILE", code="usage")
    if format != "nhictl":
        return _authzen(place, format, request, batch, explain=explain, at=at)
    if batch is not None:
        if explain or at is not None:
            raise InputError("--explain and --at go with a single call; a batch line has its own `at`", code="usage")
        return Reply(None, answers(batch, SCHEMA, lambda line: _answer(place, from_mapping(line, house.clock()))))
    if request is not None:
        call = _from_file(request, house.clock())
    else:
        call = _described(place, agent, intent, task, tool, arg, resource, reading.context(pairs("--context", context)))
    moment = session().at(at)
    if supported is not None:
        call = call._replace(supported=obligations(supported))
    if moment is not None:
        call = call._replace(at_us=moment)
    decision = place.decide(call)
    body = decision.to_json()
    if call.at_us is not None:
        body["hypothetical"] = True
    table = place.explain(call) if explain else None
    if table is not None:
        body["explanation"] = table
    status = 0 if decision.allowed else 3 if decision.reason == "indeterminate" else 1
    return Reply(Result(SCHEMA, body, text=_lines(body, table)), status)


def _authzen(
    place: Bench, chosen: str, request: str | None, batch: str | None, *, explain: bool, at: str | None
) -> Reply:  # fmt: skip
    if chosen not in REQUESTS:
        raise InputError(f"no format `{chosen}`", code="usage", hint=f"one of {', '.join(REQUESTS)}")
    if request is None and batch is None:
        raise InputError("--format goes with --request or --batch", code="usage")
    if explain:
        raise InputError("--explain is not for AuthZEN", code="usage")
    from nhictl.ops.authzen import SCHEMA as AUTHZEN
    from nhictl.ops.authzen import evaluate

    moment = session().at(at)
    if batch is not None:
        return Reply(None, answers(batch, AUTHZEN, lambda line: evaluate(place, line, moment)[0]))
    assert request is not None  # noqa: S101 - one of both, see above
    body, status = evaluate(place, reading.json_value(read_input(request, 10_000_000), request), moment)
    return Reply(Result(AUTHZEN, body, plain=compact(body)), status)


def _answer(place: Bench, call: Call) -> dict[str, Any]:
    body = place.decide(call).to_json()
    return {**body, "hypothetical": True} if call.at_us is not None else body


def _from_file(name: str, now_us: int) -> Call:
    value = reading.json_value(read_input(name, 1_000_000), name)
    if isinstance(value, dict):
        value.pop("id", None)
    return from_mapping(value, now_us)


def _described(
    place: Bench, agent: str | None, intent: str | None, task: str | None, tool: str | None, arg: list[str] | None,
    resource: str | None, context: dict[str, Any],
) -> Call:  # fmt: skip
    if tool is None or (agent is None) == (task is None):
        raise InputError("a call names its --tool, and either --agent or --task", code="usage")
    if task is not None and intent is not None:
        raise InputError("a task has its own intent: --intent goes with --agent", code="usage")
    arguments = reading.arguments(place.policy(), tool, pairs("--arg", arg)) if arg else {}
    return Call(tool, agent, intent, task, arguments, resource, context)


def _lines(body: dict[str, Any], table: list[dict[str, Any]] | None) -> Iterator[str]:
    verb = "would allow" if body["decision"] == "allow" else "would deny"
    rules = f" by {', '.join(body['rules'])}" if body["rules"] else ""
    why = f": {body['message']}" if body.get("message") else ""
    yield f"{verb}: {body['reason']}{rules}{why}"
    for one in body["obligations"]:
        yield f"  obligation {compact(one)}"
    for rail in body.get("guardrails", ()):
        yield f"  inside guardrail {rail}"
    for gate in body.get("gates", ()):
        yield f"  class {gate['class']} requires {gate['requires'].replace('_', ' ')}"
        for rail in gate["guardrails"]:
            failed = "; ".join(_condition(one) for one in rail["failed"])
            yield f"    outside guardrail {rail['guardrail']}: {'expired' if rail['expired'] else failed}"
    for miss in body["near_misses"] if table is None else ():
        failed = "; ".join(_condition(one) for one in miss.get("failed", ()))
        yield f"  near miss {miss.get('rule', '?')}: {failed}" if failed else f"  near miss {compact(miss)}"
    for row in table or ():
        yield f"  {row['effect']} {row['rule']}: {row['result']}"
        for seen in row["conditions"]:
            yield f"    {seen['result']:<7} {_condition(seen)}"


def _condition(seen: dict[str, Any]) -> str:
    """A condition with the value it saw, in words: `args.amount lte 500, saw 900`; other shapes as they are."""
    if "any" in seen:
        boxes = (" and ".join(f"{_condition(c)} ({c['result']})" for c in box) for box in seen["any"])
        return "any of: " + "; or ".join(boxes)
    if seen.keys() >= {"fact", "op", "operand", "value"}:
        value = "nothing" if seen["value"] is None else compact(seen["value"])
        return f"{seen['fact']} {seen['op']} {compact(seen['operand'])}, saw {value}"
    return compact({key: value for key, value in seen.items() if key != "result"})
