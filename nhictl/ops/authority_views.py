"""`audit replay --view scope|delegation`: the same evidence as detections, seen as authority granted and used."""

from __future__ import annotations

from typing import Any

from nhictl.core import times
from nhictl.core.replay.authority.fold import Authority
from nhictl.core.replay.views.delegation import delegation_chains
from nhictl.core.replay.views.scope import scope_use
from nhictl.core.replay.views.state import state_at, up_to
from nhictl.core.replay.views.trace import Trace
from nhictl.errors import InputError, NotFoundError
from nhictl.ops.evidence import Evidence, Policies
from nhictl.ops.replay import Filter


def scope_view(evidence: Evidence, policies: Policies, wanted: Filter) -> list[dict[str, Any]]:
    """A value a task; filters by task, agent and token, InputError (2) for others, which would make used look unused."""
    check(wanted)
    found = scope_use(evidence.steps(), policies, wanted.task)
    evidence.close()
    return [one for one in found if _wanted(one, wanted)]


def delegation_view(evidence: Evidence, wanted: Filter) -> list[dict[str, Any]]:
    """A value a chain of delegated tokens; filters by task, agent (any of the chain) and token (likewise)."""
    check(wanted)
    world = folded(evidence)
    return [one for one in delegation_chains(world) if _in_chain(one, wanted)]


def folded(evidence: Evidence) -> Authority:
    """Authority after all of the evidence."""
    world = Authority()
    for step in evidence.steps():
        world.take(step)
    evidence.close()
    return world


def _in_chain(one: dict[str, Any], wanted: Filter) -> bool:
    hops = one["hops"]
    return (
        wanted.task in (None, one["task"])
        and wanted.agent in (None, *(hop["agent"] for hop in hops))
        and wanted.token in (None, *(hop["jti"] for hop in hops))
    )


def check(wanted: Filter) -> None:
    """Refuse filters that a view of authority cannot answer."""
    for name, value in wanted._asdict().items():
        if value is not None and name not in ("task", "agent", "token"):
            raise InputError(f"this view is filtered by task, agent and token, not by {name}", code="usage")


def _wanted(one: dict[str, Any], wanted: Filter) -> bool:
    return wanted.agent in (None, one["agent"]) and (wanted.token is None or wanted.token in one["tokens"])


def state(evidence: Evidence, at_us: int) -> dict[str, Any]:
    """`nhictl.state/v1` at a moment, from the records alone."""
    world = Authority()
    count = up_to(world, evidence.steps(), at_us)
    evidence.close()
    return {"at": times.rfc3339(at_us), "records": count, **state_at(world, at_us), **evidence.summary()}


def trace(evidence: Evidence, policies: Policies, jti: str, since_us: int | None) -> dict[str, Any]:
    """`nhictl.trace/v1` of a token; NotFoundError (4) if no record names it."""
    found = Trace(jti, policies, since_us)
    for step in evidence.steps():
        found.take(step)
    evidence.close()
    made = found.to_json()
    if made is None:
        raise NotFoundError(f"no record of a token `{jti}`", code="token_unknown", hint="nhictl token list")
    return made | evidence.summary()
