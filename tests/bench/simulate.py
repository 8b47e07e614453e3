"""`policy simulate`: events a second, at ten and a hundred times the size of one log."""

from __future__ import annotations

import tracemalloc

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.side import Side
from nhictl.core.policy.simulate import Simulation
from nhictl.core.replay.event import Event
from tests.bench.measure import Row, timed
from tests.bench.policy import document

BASE = 200


def rows(rounds: int) -> list[Row]:
    """Two policies of 200 rules over calls of which every fifth lost its arguments; what grows is time alone, not memory."""
    old = parse_policy([("bench", document(200))])
    new = parse_policy([("bench", document(200).replace(b"{gt: 100000}", b"{gt: 300}"))])
    agents = {f"agent{n}": Agent(f"agent{n}", "o", "p") for n in range(20)}
    _run(old, new, agents, BASE)
    speed = {}
    for factor in (10, 100):
        best = min(timed(lambda count=BASE * factor: _run(old, new, agents, count)) for _ in range(3))  # type: ignore[misc]
        speed[factor] = BASE * factor / best
    memory = {}
    for factor in (10, 100):
        tracemalloc.start()
        _run(old, new, agents, BASE * factor)
        memory[factor] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    del rounds
    return [
        Row(
            "simulate, events a second at 100 × 200 events, against 10 ×", f"{speed[100]:.0f}/s", f"{speed[10]:.0f}/s",
            f"{speed[100] / speed[10]:.2f}", "≥ 0.8", speed[100] / speed[10] >= 0.8,
        ),
        Row(
            "simulate, peak memory at 100 × 200 events, against 10 ×", f"{memory[100] >> 10} KiB", f"{memory[10] >> 10} KiB",
            f"{memory[100] / memory[10]:.2f}", "≤ 1.5", memory[100] <= 1.5 * memory[10],
        ),
    ]  # fmt: skip


def _run(old: Policy, new: Policy, agents: dict[str, Agent], count: int) -> None:
    simulation = Simulation(Side(old), Side(new), lambda name, _seq: agents.get(name))
    seen: dict[str, int] = {}
    for n in range(count):
        args = None if n % 5 == 4 else {"amount": 50 + n % 400, "currency": "EUR"}
        event = Event(
            "tool.called", evidence="imported", n=n, run=f"r{n // 100}", agent=f"agent{n % 20}", tool=f"tool{n % 20}.run",
            args=args, span=f"s{n}", parent=f"s{n - 1}" if n % 3 else None,
        )  # fmt: skip
        event.intent = "work"
        if n % 100 == 0:
            list(simulation.batch([Event("task.closed", evidence="recorded", task=f"r{n // 100 - 1}")]))
        for row in simulation.batch([event]):
            seen[row.change] = seen.get(row.change, 0) + 1
    if sum(seen.values()) != count or len(seen) < 2:
        raise AssertionError(f"not what was to be measured: {seen}")
