"""`python -m tests.core.policy.differential [--policies N] [--requests N] [--first SEED]`: the engine against two others.

Every seed makes a policy and requests. A naive evaluator decides them all, and so does Cedar, on the part of the policy that
can be exported; each has to agree with the engine on every one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from random import Random
from typing import Any

from nhictl.core.policy.decide import decide, gather
from nhictl.core.policy.document import parse_policy
from nhictl.formats import cedar, cedar_request
from tests.core.policy import generated, reference_typed

CEDAR = importlib.util.find_spec("cedarpy") is not None


def disagreements(
    r: Random, requests: int, *, cedar_too: bool = CEDAR, counts: dict[str, int] | None = None
) -> list[str]:
    """Make one policy and its requests, and say on which of them somebody disagrees with the engine."""
    document = generated.document(r)
    agents = generated.agents(r)
    asked = [(agent, generated.request(r, agent)) for agent in (r.choice(agents) for _ in range(requests))]
    policy = parse_policy([("generated", generated.as_bytes(document))])
    said = []
    for agent, request in asked:
        made = decide(policy, agent, request)
        expected = reference_typed.decide(document, generated.facts_of(document, agent, request))
        if counts is not None:
            counts[made.reason] = counts.get(made.reason, 0) + 1
        if (made.reason, made.rules) != expected:
            said.append(
                f"reference: {expected}, engine: {made.reason} {made.rules} {made.message}: {_show(agent, request)}"
            )
    if cedar_too:
        said += against_cedar(document, agents, asked, counts)
    return [f"{one}\n  {json.dumps(document)}" for one in said[:3]]


def against_cedar(
    document: dict[str, Any], agents: list[Any], asked: list[Any], counts: dict[str, int] | None
) -> list[str]:
    """Drop the rules and guardrails that cannot be said in Cedar, and ask Cedar the same about what is left."""
    import cedarpy

    exported, policy = _expressible(document)
    pairs = [(decide(policy, agent, request), gather(policy, agent, request)[0]) for agent, request in asked]
    answers = cedarpy.is_authorized_batch(
        [cedar_request.request_of(policy, facts) for _, facts in pairs],
        cedarpy.PolicySet.from_str(exported.text),
        cedarpy.Entities.from_json_str(json.dumps(cedar_request.entities(agents))),
    )
    said = []
    for (made, _), answer, (agent, request) in zip(pairs, answers, asked, strict=True):
        if counts is not None:
            counts["cedar"] = counts.get("cedar", 0) + 1
        if answer.allowed is not made.allowed or answer.diagnostics.errors:
            why = f"{made.reason} {made.rules}: {_show(agent, request)}"
            said.append(f"cedar: {answer.decision} {answer.diagnostics.errors}, engine: {why}")
    return said


def _expressible(document: dict[str, Any]) -> tuple[Any, Any]:
    left = dict(document)
    while True:
        policy = parse_policy([("generated", generated.as_bytes(left))])
        exported = cedar.export(policy)
        if not exported.refused:
            return exported, policy
        gone = {one["where"] for one in exported.refused}
        left["rules"] = [rule for rule in left["rules"] if f"rule {rule['id']}" not in gone] or [
            {"id": "R", "effect": "permit"}
        ]
        rails = {k: v for k, v in left.get("guardrails", {}).items() if f"class {v['class']}" not in gone}
        left.pop("guardrails", None)
        left |= {"guardrails": rails} if rails else {}


def _show(agent: Any, request: Any) -> str:
    return json.dumps([agent.to_mapping(), {name: getattr(request, name) for name in request.__slots__}])


def main() -> int:
    """Run many seeds; 1 if anybody disagrees anywhere."""
    parser = argparse.ArgumentParser()
    for name, default in (("policies", 500), ("requests", 200), ("first", 0), ("jobs", len(os.sched_getaffinity(0)))):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    counts: dict[str, int] = {}
    began, bad = time.monotonic(), 0
    seeds = range(given.first, given.first + given.policies)
    with ProcessPoolExecutor(given.jobs) as pool:
        for seed, (said, seen) in zip(seeds, pool.map(_one, seeds, repeat(given.requests), chunksize=10), strict=True):
            for reason, count in seen.items():
                counts[reason] = counts.get(reason, 0) + count
            for one in said:
                print(f"seed {seed}: {one}")
                bad += 1
    print(f"{given.policies} policies, {given.requests} requests each, {time.monotonic() - began:.1f} s: {counts}")
    return 1 if bad else 0


def _one(seed: int, requests: int) -> tuple[list[str], dict[str, int]]:
    counts: dict[str, int] = {}
    return disagreements(Random(seed), requests, counts=counts), counts


if __name__ == "__main__":
    sys.exit(main())
