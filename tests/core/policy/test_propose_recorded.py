"""Proposals on recorded runs of a public benchmark: learnt from benign runs of other pipelines, judged by the evaluator.

`python -m tests.bench.proposals` measures all pipelines; here a few are left out, so that it takes seconds. Skipped where
the runs are not at hand.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from nhictl.core.policy.propose.collect import collect
from tests.bench import proposals
from tests.core.policy.propose_help import permitted, rules

pytestmark = pytest.mark.skipif(not proposals.DEFAULT.is_dir(), reason="public runs are not at hand")
LEFT_OUT = ("gpt-4o-2024-05-13", "meta-llama_Llama-3-70b-chat-hf")


@pytest.fixture(scope="module")
def runs() -> list[proposals.Run]:
    """Benign runs of all pipelines, and attacks on the ones that are left out."""
    found = proposals.load(
        proposals.DEFAULT / "dev-runs.jsonl.xz",
        proposals.DEFAULT / "dev-labels.jsonl.gz",
        wanted=lambda label: label["bucket"] == "benign_ok" or label["pipeline"] in LEFT_OUT,
    )
    assert {run.bucket for run in found} == {"attack_success", "benign_ok"}
    return found


@pytest.mark.parametrize("kind", ["scope", "rules"])
@pytest.mark.parametrize("pipeline", LEFT_OUT)
def test_attacks_are_blocked_and_benign_runs_kept(runs: list[proposals.Run], pipeline: str, kind: str) -> None:
    out: dict[str, Counter[str]] = defaultdict(Counter)
    wrong = proposals.leave_out(runs, pipeline, kind, None, out)
    total: Counter[str] = sum(out.values(), Counter())
    assert total["attacks"] >= 10
    assert total["benign"] >= 3
    assert wrong == []


def test_an_attack_in_the_training_runs_would_show(runs: list[proposals.Run]) -> None:
    """The measurement can fail: what is learnt from attacked runs lets the same attacks through."""
    attacked = [run for run in runs if run.bucket == "attack_success"]
    evidence = collect([event for run in attacked for event in run.events])
    allows = proposals.learn(evidence, "scope")
    out: dict[str, Counter[str]] = defaultdict(Counter)
    assert proposals.judge(attacked, allows, {}, out)


def test_a_proposal_covers_the_log_it_came_from(runs: list[proposals.Run]) -> None:
    benign = [run for run in runs if run.bucket == "benign_ok"]
    made = rules(collect([event for run in benign for event in run.events]))
    assert (made.left_out, made.covered) == ([], made.calls)
    assert made.calls > 300
    for run in benign[::25]:
        assert all(permitted(made, call.tool or "", call.args or {}, run.task) for call in run.calls)
