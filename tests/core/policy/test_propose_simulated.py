"""A proposal held against the log it came from: simulation denies nothing of it, lint finds no error in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.box_file import parse_scope_file
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.propose.collect import collect
from nhictl.core.policy.propose.proposal import Proposal
from nhictl.core.policy.side import Side
from nhictl.core.policy.simulate import Simulation
from nhictl.core.replay.event import Event
from nhictl.ops import sources
from tests.core.policy import propose_help as ph
from tests.core.policy.policy_help import MONDAY_NOON_US

SAMPLES = Path(__file__).parents[3] / "samples" / "runs"
WORDS = ["alice", "bob", "DE1", "DE2", "hello there", "x", "http://a.example/p", "C:/tmp", "../up", "1", "", "*", "ä"]


def simulated(made: Proposal, events: Iterable[Event]) -> dict[str, int]:
    """How many calls the proposed rules allow, deny, or leave open."""
    policy = parse_policy([("proposal.yaml", made.text.encode())])
    simulation = Simulation(None, Side(policy), lambda _name, _seq: None, assume=True)
    counts = {"allow": 0, "deny": 0, "unknown": 0}
    for row in simulation.batch(events):
        counts[row.new] += 1
    return counts


def errors(text: str) -> list[str]:
    policy = parse_policy([("proposal.yaml", text.encode())])
    return [
        one.message for one in lint(policy, None, MONDAY_NOON_US) if one.level == "error" or one.rule == "undecided"
    ]


def generated(r: Random) -> list[Event]:
    """A few runs of a few tools, with arguments of every kind, some left out, null or nested."""
    made = []
    for run in range(r.randint(1, 4)):
        for n in range(r.randint(1, 4)):
            args: dict[str, Any] = {}
            for name in r.sample(["to", "amount", "path", "ids", "opts", "flag", "text"], r.randint(0, 4)):
                args[name] = r.choice([
                    r.choice(WORDS), r.choice([0, 1, -3, 2.5, 10**12]), r.choice([True, False]), None,
                    [r.choice(WORDS) for _ in range(r.randint(0, 3))], {"a": r.choice(WORDS), "b": 1},
                ])  # fmt: skip
            tool = r.choice(["mail.send", "file.read", "db.get_rows", "pay.send"])
            made.append(ph.call(tool, args, run=f"r{run}", n=n, result=r.choice(["ok", None, "alice"])))
    return made


def check(events: list[Event]) -> int:
    """Nothing that a proposal says it covers is denied by it; how much that is."""
    evidence = collect(events)
    made = ph.rules(evidence)
    if not made.entries:
        return 0
    assert errors(made.text) == []
    counts = simulated(made, events)
    assert counts["allow"] == made.covered, (counts, made.text)
    assert counts["unknown"] == 0
    if not made.left_out:
        assert counts["deny"] == 0
    scope = ph.scope(evidence)
    if scope.entries:
        parse_scope_file("scope.yaml", scope.text.encode())
        calls = [event for event in events if any(entry.tool == event.tool for entry in scope.entries)]
        inside = sum(ph.in_scope(scope, str(event.tool), event.args) for event in calls)
        assert inside == scope.covered
    return made.covered


def test_on_generated_logs() -> None:
    covered = sum(check(generated(Random(seed))) for seed in range(60))
    assert covered > 150


def test_on_the_sample_runs() -> None:
    for source in sources.find([str(SAMPLES)]):
        events = sources.interpret(source, sources.read(source), None).events
        done = [event for event in events if event.outcome != "not_executed"]  # what was never done is not learnt
        assert simulated(ph.rules(events), done)["deny"] == 0
        assert check(done) > 0


def test_what_was_masked_is_not_learnt() -> None:
    event = ph.call("pay.send", {"iban": "[masked:named:abcdefghijkl]"})
    event.seq, event.ext = 3, {"masked": 1}
    made = ph.rules([event, ph.call("mail.send", {"to": "a@b.example"})])
    assert [entry.tool for entry in made.entries] == ["mail.send"]
    assert "masked" in made.left_out[0].why
    assert "[masked:" not in made.text
