"""Policy: decisions a second in process, loading from YAML and from the compiled form."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from tests.bench.measure import Row, at_most, pairs, timed


def document(rules: int) -> bytes:
    """A policy of `rules` permits and forbids over a tenth as many tools and agents."""
    groups = max(10, rules // 10)
    lines = ["nhictl_policy: 1", "id: bench", "owner: bench", "default: deny", "timezone: UTC", "tools:"]
    arguments = "{amount: number, currency: string, memo: {type: string, optional: true}}"
    lines += [f"  tool{n}.run: {{args: {arguments}}}" for n in range(groups)]
    lines.append("rules:")
    for n in range(rules):
        effect = "forbid" if n % 10 == 9 else "permit"
        limit = "{gt: 100000}" if effect == "forbid" else f"{{lte: {100 + n}}}"
        lines += [
            f"  - id: R-{n}",
            f"    effect: {effect}",
            f"    description: rule number {n}",
            "    owner: bench",
            f"    match: {{agents: [agent{n % groups}], intents: [work], tools: [tool{n % groups}.run]}}",
            f"    when: {{args.amount: {limit}, args.currency: {{in: [EUR, USD]}}}}",
        ]
    return "\n".join(lines).encode()


def rows(folder: Path, rounds: int) -> list[Row]:
    """Decisions at 200 and 10,000 rules; loading against PyYAML."""
    del folder
    found = [_decisions(200), _decisions(10_000)]
    data = document(2_000)
    compiled = parse_policy([("bench", data)]).to_json()
    if importlib.util.find_spec("yaml") is not None:
        import yaml

        if hasattr(yaml, "CSafeLoader"):
            peer = lambda: yaml.load(data, Loader=yaml.CSafeLoader)  # noqa: E731
            cold = pairs(lambda: parse_policy([("bench", data)]), peer, rounds)
            warm = pairs(lambda: Policy.from_json(compiled), peer, rounds)
            found.append(at_most("load 2,000 rules cold, against CSafeLoader", cold, 0.25))
            found.append(at_most("load 2,000 rules compiled, against CSafeLoader", warm, 0.05))
    return found


def _decisions(count: int) -> Row:
    policy = parse_policy([("bench", document(count))])
    groups = max(10, count // 10)
    agents = [Agent(f"agent{n}", "o", "p") for n in range(groups)]
    asked = [
        (
            agents[n % groups],
            Request(f"agent{n % groups}", f"tool{n % groups}.run", {"amount": n, "currency": "EUR"}, None, "work"),
        )
        for n in range(2_000)
    ]

    def run() -> None:
        for agent, request in asked:
            decide(policy, agent, request)

    run()
    best = min(timed(run) for _ in range(5))
    return Row(f"decisions, {count} rules, in process", f"{2_000 / best:.0f}/s", "–", "–", "–", None)
