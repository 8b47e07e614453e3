"""Round trip: what whoever played an incident knows is what detections, trace, state, scope and delegation say, exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.replay.select import instant_us
from nhictl.errors import InputError, NotFoundError
from nhictl.ops import authority_views as views
from nhictl.ops.audit_log import export_native
from nhictl.ops.detect import detect, failed
from nhictl.ops.evidence import Policies, gather
from nhictl.ops.replay import Filter, from_home
from nhictl.ops.state_check import hold
from tests.harness import ROOT
from tests.tools.incident import SCOPE, Incident


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Incident]:
    made = Incident(tmp_path_factory.mktemp("incident") / "home").play()
    yield made
    made.house.close()


@pytest.fixture(scope="module")
def exported(played: Incident) -> str:
    path = played.house.home.parent / "log.jsonl"
    with path.open("wb") as out:
        export_native(played.house, out)
    return str(path)


def detections(played: Incident, *files: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    return detect(gather(played.house, files, None), Policies(played.house), names).body


def by_rule(body: dict[str, Any]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for one in body["items"]:
        found.setdefault(one["id"], set()).update(ref["seq"] for ref in one["records"] if "seq" in ref)
    return found


def test_exactly_what_happened_is_found_with_the_records_that_decide_it(played: Incident) -> None:
    found = by_rule(detections(played))
    assert found.keys() == played.found.keys()
    for rule, seqs in played.found.items():
        assert seqs <= found[rule], rule


def test_what_was_erased_makes_no_answer_look_clean(played: Incident) -> None:
    states = {one["id"]: one for one in detections(played)["rules"]}
    for rule in ("SCOPE_VIOLATION", "DECISION_MISMATCH", "EXCESS_GRANT"):
        assert states[rule]["state"] == "unknown", rule
    assert states["TOKEN_AFTER_EXPIRY"]["state"] == "none"


def test_an_export_shows_what_needs_no_content_and_says_of_the_rest_what_is_missing(
    played: Incident, exported: str
) -> None:
    body = detections(played, exported)
    assert by_rule(body).keys() == {
        "TOKEN_AFTER_REVOKE", "SHARED_CREDENTIAL", "INACTIVE_AGENT", "DENY_THEN_BYPASS", "APPROVAL_GAP", "CALL_RESULT_MISMATCH",
    }  # fmt: skip
    states = {one["id"]: one["state"] for one in body["rules"]}
    assert states["TASK_DRIFT"] == states["UNTRUSTED_ARG"] == states["AMBIENT_CREDENTIAL"] == "unknown"


def test_the_export_with_its_trail_beside_it_shows_the_stranger_too(played: Incident, exported: str) -> None:
    trail = str(played.house.home.parent / "trail.json")
    assert "AMBIENT_CREDENTIAL" in by_rule(detections(played, exported, trail))


def test_replay_tells_every_call_as_it_was_made_and_ended(played: Incident) -> None:
    for wanted in (Filter(), Filter(task=played.task)):
        story = from_home(played.house, wanted)
        told = {
            event.seq: {
                "jti": event.jti, "agent": event.agent, "tool": event.tool, "args": event.args, "resource": event.resource,
                "result": event.result, "outcome": event.outcome, "reason": (event.decision or {}).get("reason"),
                "time": instant_us(event.time),
            }
            for event in story.events
            if event.seq is not None and event.tool is not None and event.task == played.task
        }  # fmt: skip
        assert told == played.calls
        assert story.exit == 0
        assert [event.n for event in story.events if event.n is not None and event.task == played.task] == list(
            range(sum(event.type == "tool.called" and event.task == played.task for event in story.events))
        )


def test_replay_says_what_was_erased_and_that_a_call_never_returned(played: Incident) -> None:
    story = from_home(played.house, Filter(task=played.old))
    (call,) = (event for event in story.events if event.tool is not None)
    assert (call.tool, call.outcome, call.args) == ("crm.read", "unknown", None)
    assert any(f"arguments erased or not at hand: record {call.seq}" in gap for gap in story.unproven)
    assert any("calls without a result" in gap and str(call.seq) in gap for gap in story.unproven)


def test_trace_tells_every_use_what_was_written_and_the_child(played: Incident) -> None:
    body = views.trace(gather(played.house, (), None), Policies(played.house), played.leaked.jti, None)
    assert body["token"]["revoked"]["seq"] == played.revoked
    hosts = [one["host"] for one in body["uses"]]
    assert (body["use_count"], hosts.count("laptop-of-nobody")) == (5, 1)
    assert [(one["resource"], one["written"]) for one in body["resources"]] == [
        ("s3://crm/7", False),
        ("s3://crm/all", False),
    ]
    assert [one["jti"] for one in body["descendants"]] == [played.child.jti]
    assert body["minted"] == []
    reach = {one["jti"]: one for one in body["reach"]}
    assert reach[played.leaked.jti]["seconds"] == 201  # issued at 100, revoked at 301
    assert reach[played.leaked.jti]["scope"] == list(SCOPE_LINES)
    assert reach[played.child.jti]["scope"] == ["crm.read@s3://crm/7"]


SCOPE_LINES = ("crm.export,crm.read@s3://crm", SCOPE[1])


def test_trace_since_leaves_the_time_before_out_of_reach(played: Incident) -> None:
    since = played.times["leak"]
    body = views.trace(gather(played.house, (), None), Policies(played.house), played.leaked.jti, since)
    assert {one["jti"]: one["seconds"] for one in body["reach"]}[played.leaked.jti] == 101
    assert body["agents"] == ["planner"]


def test_trace_of_a_token_nobody_knows(played: Incident) -> None:
    with pytest.raises(NotFoundError):
        views.trace(gather(played.house, (), None), Policies(played.house), "none", None)


def state(played: Incident, name: str, *files: str) -> dict[str, Any]:
    return views.state(gather(played.house, files, None), played.times[name])


def test_state_at_each_moment(played: Incident) -> None:
    before = state(played, "before_revocation")
    assert {one["jti"] for one in before["tokens"]} == {played.leaked.jti, played.other.jti, played.child.jti}
    assert {one["jti"]: one["remaining_s"] for one in before["tokens"]}[played.leaked.jti] == 700
    assert [one["state"] for one in before["agents"]] == ["active", "active"]
    assert [one["task"] for one in before["tasks"]] == [played.task]
    assert before["records"] == played.revoked
    after = state(played, "after_suspension")
    assert after["tokens"] == []
    assert [(one["name"], one["state"]) for one in after["agents"]] == [("planner", "suspended"), ("worker", "active")]
    opened = state(played, "opened")
    assert [one["scope"] for one in opened["tasks"]] == [list(SCOPE_LINES)]


def test_state_from_an_export_is_the_same_but_for_what_is_sealed(played: Incident, exported: str) -> None:
    home, file = state(played, "before_revocation"), state(played, "before_revocation", exported)
    assert [one["jti"] for one in file["tokens"]] == [one["jti"] for one in home["tokens"]]
    assert {one["jti"]: one["scope"] for one in file["tokens"]}[played.child.jti] is None


def test_scope_says_what_was_used_and_what_went_outside(played: Incident) -> None:
    found = views.scope_view(gather(played.house, (), None), Policies(played.house), Filter(task=played.task))
    (one,) = found
    assert [(used["text"], used["calls"]) for used in one["used"]] == [(SCOPE_LINES[0], 3), (SCOPE_LINES[1], 1)]
    assert one["unused"] == []
    assert [outside["tool"] for outside in one["outside"]] == ["shell.run"]
    with pytest.raises(InputError):
        views.scope_view(gather(played.house, (), None), Policies(played.house), Filter(tool="crm.read"))


def test_delegation_says_what_the_hop_narrowed(played: Incident) -> None:
    (one,) = views.delegation_view(gather(played.house, (), None), Filter())
    first, second = one["hops"]
    assert (first["jti"], second["jti"], second["agent"]) == (played.leaked.jti, played.child.jti, "worker")
    assert (second["narrowed"]["inside"], second["narrowed"]["added"]) == (True, None)
    assert second["narrowed"]["taken"]["tool"] in ("crm.export", "crm.read", "pay.send")
    assert second["narrowed"]["shorter_s"] == 590


def test_the_tables_agree_with_the_log_after_all_of_it(played: Incident) -> None:
    held = hold(played.house)
    assert (held.differences, held.unknown) == ([], None)


def test_fail_on(played: Incident) -> None:
    body = detections(played)
    assert failed(body, "any") == failed(body, "SHARED_CREDENTIAL") == 1
    assert failed(body, "TOKEN_AFTER_EXPIRY") == 0
    assert failed(body, "SCOPE_VIOLATION") == 3
    with pytest.raises(InputError):
        failed(detections(played, names=("TASK_DRIFT",)), "UNKNOWN_JTI")


COMMANDS = (
    ("audit", "detect", "-o", "json"), ("audit", "replay", "--view", "scope", "-o", "json"),
    ("audit", "replay", "--view", "delegation"), ("audit", "state", "--at", "2026-11-18T11:12:00Z"),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[1] + c[-1])
def test_output_is_the_same_whatever_the_hash_seed_locale_and_time_zone(
    played: Incident, command: tuple[str, ...]
) -> None:
    def said(seed: str, zone: str, locale: str) -> bytes:
        env = {"PATH": os.environ["PATH"], "NHICTL_HOME": str(played.house.home), "PYTHONPATH": str(ROOT),
               "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale}  # fmt: skip
        done = subprocess.run([sys.executable, "-m", "nhictl", *command], capture_output=True, env=env, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert said("1", "UTC", "C.UTF-8") == said("4242", "Asia/Tokyo", "C")


def test_played_again_it_is_the_same_log(played: Incident, tmp_path: Path, exported: str) -> None:
    again = Incident(tmp_path / "home").play()
    assert again.found == played.found
    assert again.records == played.records
    again.house.close()
