"""What `report controls` and `report review` are measured on, read from the home once for every question."""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core.controls import facts
from nhictl.core.controls.evidence import Detected, Evidence, PolicyFact
from nhictl.core.controls.tally import Tally
from nhictl.core.replay.authority.fold import Authority
from nhictl.core.replay.detect.run import Watch
from nhictl.core.replay.views.scope import scope_use
from nhictl.ops import agents, trusts
from nhictl.ops.evidence import Policies, gather
from nhictl.ops.house import House


class Gathered(NamedTuple):
    """The evidence, and the members that every answer from a log has: `integrity`, `source`, `unproven`."""

    evidence: Evidence
    summary: dict[str, Any]
    exit: int


def read(house: House, at_us: int | None = None) -> Gathered:
    """Read the home's log, as of a moment if one is given; files are looked at as they are, so only for now."""
    now = house.clock() if at_us is None else at_us
    below = None if at_us is None else agents.below_of(house, at_us)
    policies = Policies(house)
    source = gather(house, (), None, below=below)
    watch = Watch(policies)
    tally = Tally(lambda digest: facts.running(policies(digest)))
    for step in source.steps():
        tally.take(step, watch.world)
        watch.take(step)
    watch.scene.second = source.second
    watch.end()
    source.close()
    world = watch.world
    scopes = scope_use(gather(house, (), None, below=below).steps(), policies)
    believed = [one for one in trusts.everything(house, at_us) if one["state"] == "in_force"]
    summary = source.summary()
    evidence = Evidence(
        now, facts.agents(world, tally, (one["agent"] for one in believed), now), facts.tokens(world, now),
        facts.tasks(world, tally, scopes, now), tally.approvals(world), _policy(world, policies),
        tuple(facts.trust(one) for one in believed), tally.calls(), _detected(watch), tally.records,
        tuple(tally.secrets), None if at_us is not None else _loose(house), tuple(tally.revocations), tally.refusals(),
        len(tally.tools), tuple(tally.drift),
        verdict=summary["integrity"]["verdict"], unproven=tuple(summary["unproven"]),
    )  # fmt: skip
    return Gathered(evidence, summary, source.exit)


def _policy(world: Authority, policies: Policies) -> PolicyFact | None:
    if world.policy is None:
        return None
    digest, mark = world.policy
    found = policies(digest)
    return facts.policy(found, mark.seq) if found is not None else None


def _detected(watch: Watch) -> dict[str, Detected]:
    records: dict[str, list[dict[str, Any]]] = {}
    for item in watch.items():
        records.setdefault(item["id"], []).extend(item["records"])
    times: dict[str, int] = {}
    for item in watch.items():
        times[item["id"]] = times.get(item["id"], 0) + item["count"]
    return {
        rule["id"]: Detected(
            rule["state"], times.get(rule["id"], 0), tuple(records.get(rule["id"], ())),
            tuple(gap["what"] for gap in rule["missing"]),
        )
        for rule in watch.rules()
    }  # fmt: skip


def _loose(house: House) -> tuple[str, ...]:
    """The files of the home that others could get at, by name."""
    from nhictl.ops.doctor.files import known_files
    from nhictl.ops.doctor.report import Patient

    return tuple(check.id.removeprefix("file:") for check in known_files(Patient(house)) if check.status == "bad")
