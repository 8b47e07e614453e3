"""Policy: decisions a second in process, loading from YAML and from the compiled form."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.counters import Tally
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
    found = [_decisions(200), _decisions(10_000), _limited(rounds)]
    if importlib.util.find_spec("yaml") is not None:
        import yaml

        if hasattr(yaml, "CSafeLoader"):
            for count, most in ((2_000, rounds), (10_000, min(rounds, 5))):
                data = document(count)
                compiled = parse_policy([("bench", data)]).to_json()
                peer = partial(yaml.load, data, Loader=yaml.CSafeLoader)
                cold = pairs(partial(parse_policy, [("bench", data)]), peer, most)
                found.append(at_most(f"load {count:,} rules cold, against CSafeLoader", cold, 0.25))
            warm = pairs(lambda: Policy.from_json(compiled), peer, min(rounds, 5))
            found.append(at_most(f"load {count:,} rules compiled, against CSafeLoader", warm, 0.05))
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


def _limited(rounds: int) -> Row:
    """Allowed calls under two limits with counters of a thousand entries, against the same calls without limits."""
    limits = (
        b"\nlimits:\n  - {id: L-1, per: task, calls: 100000}\n  - {id: L-2, per: agent, window: 1h, calls: 100000}\n"
    )
    free, held = (parse_policy([("bench", document(200) + more)]) for more in (b"\n", limits))
    agent, request = (
        Agent("agent0", "o", "p"),
        Request("agent0", "tool0.run", {"amount": 1, "currency": "EUR"}, None, "work"),
    )
    tally = Tally()
    for number in range(1_000):
        tally.reserve(number, decide(held, agent, request, counters=tally).charges, number)

    def ask(policy: Policy) -> None:
        for _ in range(2_000):
            decide(policy, agent, request, counters=tally)

    ours, floor, ratio = pairs(lambda: ask(held), lambda: ask(free), rounds)
    return Row(
        "a decision under two limits, against none",
        f"{ours / 2:.3f} ms",
        f"{floor / 2:.3f} ms",
        f"{ratio:.2f}",
        "–",
        None,
    )
