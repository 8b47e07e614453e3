"""`policy export`: a policy in another engine's words, or what those cannot say. Writes nothing but its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.registry import Agent, parse_agents
from nhictl.errors import InputError
from nhictl.ops.house import House
from nhictl.ops.policy_files import File, active_files, at_home, parsed

TARGETS = ("cedar", "authzen")


def export_policy(house: House, target: str, files: Sequence[File], registry: File | None) -> dict[str, Any]:
    """`{"target", "policy": {"digest"}, "refused": [{where, why}], …}` and, by target, `cedar`, `cedar_schema`, `entities`, or
    `requests` of the shape that it decides. The policy is that of the files, else the one in force.
    """
    if target not in TARGETS:
        raise InputError(f"--to `{target}` is unknown", code="usage", hint=f"one of {', '.join(TARGETS)}")
    policy = _policy(house, files)
    body: dict[str, Any] = {"target": target, "policy": {"digest": policy.digest}}
    if target == "authzen":
        from nhictl.formats import authzen

        return {**body, "refused": [], "requests": authzen.shapes(policy)}
    from nhictl.formats import cedar, cedar_request

    made = cedar.export(policy)
    body["refused"] = made.refused
    if not made.refused:
        body["cedar"] = made.text
        body["cedar_schema"] = cedar_request.schema(policy)
        body["entities"] = cedar_request.entities(_agents(house, registry))
    return body


def _policy(house: House, files: Sequence[File]) -> Policy:
    if not files and not house.exists():
        raise InputError(f"there is no home at {house.home}", code="usage", hint="say which policy: --policy FILE")
    return parsed(files or active_files(house))


def _agents(house: House, registry: File | None) -> list[Agent]:
    if registry is not None:
        return parse_agents(*registry)
    return at_home(house) if house.exists() else []
