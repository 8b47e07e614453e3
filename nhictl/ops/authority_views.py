"""`audit replay --view scope|delegation`: the same evidence as detections, seen as authority granted and used."""

from __future__ import annotations

from typing import Any

from nhictl.core.replay.authority.fold import Authority
from nhictl.core.replay.views.delegation import delegation_chains
from nhictl.core.replay.views.scope import scope_use
from nhictl.errors import InputError
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
