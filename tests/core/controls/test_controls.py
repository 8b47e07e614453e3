"""Each control with evidence that meets it, evidence that does not, and none: a table, one difference a row."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl.core.controls.evidence import (
    DAY_US,
    AgentFact,
    ApprovalFact,
    Calls,
    Detected,
    Evidence,
    PolicyFact,
    TaskFact,
    TokenFact,
    TrustFact,
)
from nhictl.core.controls.frameworks import FRAMEWORKS, failed, report, resolve
from nhictl.core.controls.measure import MET, NO_DATA, NOT_MET
from nhictl.core.controls.review import review

NOW = 1_800_000_000_000_000
REF = {"seq": 7}
RULES = (
    "TASK_DRIFT", "SHARED_CREDENTIAL", "DELEGATION_AMPLIFIED", "ORPHAN_ACTION", "INACTIVE_AGENT", "TOKEN_AFTER_REVOKE",
    "UNKNOWN_JTI", "CLOCK_REGRESSION", "CALL_RESULT_MISMATCH",
)  # fmt: skip
QUIET = {name: Detected("none", 0, (), ()) for name in RULES}


def agent(**other: Any) -> AgentFact:
    return AgentFact(
        "a", "ann", "prod", 2, "active", NOW - DAY_US, 3, None, NOW - DAY_US, ("prod",), external=False
    )._replace(**other)


def token(**other: Any) -> TokenFact:
    return TokenFact("j", 5, "a", "t", "https://x", 300, bound=True, standing=True, depth=0, orphan=False)._replace(
        **other
    )


def task(**other: Any) -> TaskFact:
    return TaskFact("t", 4, "a", ended=True, granted=1, used=1, unused=(), unclear=0, wide=(), tokens=1, max_tokens=100,
                    calls=3, agents=1)._replace(**other)  # fmt: skip


def approval(**other: Any) -> ApprovalFact:
    return ApprovalFact("r", 9, NOW, NOW + 60_000_000, "ben", "ann")._replace(**other)


def policy(**other: Any) -> PolicyFact:
    return PolicyFact("sha256:x", 2, "deny", (), ("shell.run",), ("shell.run",))._replace(**other)


CALLS = Calls(allowed=10, denied=1, decided=11, seen=1, execution=2)
GOOD = Evidence(
    NOW, (agent(), agent(name="gone", state="retired"), agent(name="ext", external=True, expires_us=NOW + 99 * DAY_US)),
    (token(), token(jti="k", depth=1)), (task(),), (approval(),), policy(),
    (TrustFact("ci", 6, ("repository_id",), "https://nhi"),), CALLS, QUIET, 20, (), (),
    ({"seq": 8, "us": NOW - DAY_US},), ((2, REF),), 3, (), "VERIFIED", (),
)  # fmt: skip


def found(name: str) -> dict[str, Any]:
    return {"detected": {**QUIET, name: Detected("found", 2, (REF,), ())}}


def calls(**other: Any) -> dict[str, Any]:
    return {"calls": CALLS._replace(**other)}


# framework, control, what makes it not met, what leaves no data
TABLE: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("owasp-asi-2026", "ASI01", found("TASK_DRIFT"), {"calls": Calls()}),
    ("owasp-asi-2026", "ASI02", {"tasks": (task(wide=("*",)),)}, {"tasks": (task(granted=None),)}),
    ("owasp-asi-2026", "ASI02", calls(denied=3), {"calls": Calls()}),
    ("owasp-asi-2026", "ASI03", found("SHARED_CREDENTIAL"), {"tokens": ()}),
    ("owasp-asi-2026", "ASI03", found("DELEGATION_AMPLIFIED"), {"detected": {}}),
    ("owasp-asi-2026", "ASI04", {"tool_drift": (REF,)}, {"tool_digests": 0}),
    ("owasp-asi-2026", "ASI05", calls(unapproved=(REF,)), {"policy": policy(execution=())}),
    ("owasp-asi-2026", "ASI05", calls(unapproved=(REF,)), calls(execution=0)),
    ("owasp-asi-2026", "ASI07", {"tokens": (token(orphan=True),)}, {"tokens": (token(),)}),
    ("owasp-asi-2026", "ASI07", found("ORPHAN_ACTION"), {"tokens": ()}),
    ("owasp-asi-2026", "ASI08", {"tasks": (task(tokens=101),)}, {"tasks": (task(tokens=0),)}),
    ("owasp-asi-2026", "ASI08", {"tasks": (task(agents=11),)}, {"tasks": ()}),
    ("owasp-asi-2026", "ASI09", {"approvals": (approval(approver="ann"),)}, {"approvals": ()}),
    ("owasp-asi-2026", "ASI09", {"approvals": (approval(given_us=NOW + 4_999_999),)}, {"approvals": ()}),
    ("owasp-asi-2026", "ASI10", found("INACTIVE_AGENT"), {"calls": Calls()}),
    ("owasp-asi-2026", "ASI10", calls(strangers=(("x", REF),)), calls(allowed=0, denied=0)),
    ("owasp-nhi-2025", "NHI1", {"agents": (agent(state="suspended"),)}, {"agents": ()}),
    ("owasp-nhi-2025", "NHI1", {"agents": (agent(owner=""),)}, {"tokens": ()}),
    ("owasp-nhi-2025", "NHI1", {"agents": (agent(used_us=None, confirmed_us=NOW - 31 * DAY_US),)}, {"agents": ()}),
    ("owasp-nhi-2025", "NHI2", {"secrets": (REF,)}, {"records": 0}),
    ("owasp-nhi-2025", "NHI2", {"loose": ("kek",)}, {"loose": None}),
    ("owasp-nhi-2025", "NHI3", {"agents": (agent(external=True),)}, {"agents": (agent(),)}),
    ("owasp-nhi-2025", "NHI4", {"tokens": (token(bound=False),)}, {"tokens": (token(standing=False),)}),
    ("owasp-nhi-2025", "NHI5", {"tasks": (task(unused=("x",)),)}, {"tasks": (task(ended=False),)}),
    ("owasp-nhi-2025", "NHI5", {"tasks": (task(unused=("x",)),)}, {"tasks": (task(unused=("x",), unclear=1),)}),
    ("owasp-nhi-2025", "NHI6", {"trusts": (TrustFact("ci", 6, (), "https://nhi"),)}, {"trusts": ()}),
    ("owasp-nhi-2025", "NHI6", {"trusts": (TrustFact("ci", 6, ("sub",), None),)}, {"trusts": ()}),
    ("owasp-nhi-2025", "NHI7", {"tokens": (token(bound=False, ttl_s=3601),)}, {"tokens": (token(ttl_s=None),)}),
    ("owasp-nhi-2025", "NHI7", {"tokens": (token(ttl_s=14_401),)}, {"tokens": ()}),
    ("owasp-nhi-2025", "NHI8", {"agents": (agent(envs=("prod", "dev")),)}, {"agents": (agent(envs=()),)}),
    ("owasp-nhi-2025", "NHI9", {"tokens": (token(), token(audience="https://y"))}, {"tokens": (token(audience=None),)}),
    ("owasp-nhi-2025", "NHI10", calls(by_terminal=(REF,)), {}),
    ("maestro", "L3", {"tasks": (task(unused=("x",)),)}, {"tasks": ()}),
    ("maestro", "L4", {"agents": (agent(env=None),)}, {"agents": ()}),
    ("maestro", "L4", {"loose": ("kek",)}, {"loose": None}),
    ("maestro", "L5", {"verdict": "TAMPERED"}, {"records": 0}),
    ("maestro", "L5", found("CLOCK_REGRESSION"), {"detected": {}}),
    ("maestro", "L6", {"tokens": (token(ttl_s=99_999),)}, {"tokens": ()}),
    ("maestro", "L6", calls(strangers=(("x", REF),)), calls(seen=0)),
    ("maestro", "L6", {"approvals": (approval(approver="ann"),)}, {"tokens": (), "approvals": ()}),
    ("maestro", "L7", found("DELEGATION_AMPLIFIED"), {"tokens": (token(),)}),
    ("nist-ai-rmf", "GOVERN 1.3", {"tokens": (token(ttl_s=99_999),)}, {"tokens": ()}),
    ("nist-ai-rmf", "GOVERN 1.4", calls(undigested=(REF,)), calls(decided=0)),
    ("nist-ai-rmf", "GOVERN 1.5", {"agents": (agent(confirmed_us=NOW - 91 * DAY_US),)}, {"agents": ()}),
    ("nist-ai-rmf", "GOVERN 1.6", calls(strangers=(("x", REF),)), calls(seen=0)),
    ("nist-ai-rmf", "GOVERN 1.7", {"agents": (agent(state="retired"),)}, {"agents": (agent(),)}),
    ("nist-ai-rmf", "GOVERN 1.7", found("INACTIVE_AGENT"), {"agents": ()}),
    ("nist-ai-rmf", "GOVERN 2.1", {"agents": (agent(owner=None),)}, {"agents": ()}),
    ("nist-ai-rmf", "GOVERN 3.2", {"approvals": (approval(approver="ann"),)}, {"approvals": ()}),
    ("nist-ai-rmf", "GOVERN 4.1", {"policy": policy(wide=("R-1",))}, {"policy": None}),
    ("nist-ai-rmf", "GOVERN 4.1", {"policy": policy(default="permit")}, {"policy": None}),
    ("nist-ai-rmf", "GOVERN 4.3", found("TOKEN_AFTER_REVOKE"), {"refusals": ()}),
    ("nist-ai-rmf", "GOVERN 4.3", found("TOKEN_AFTER_REVOKE"), {"revocations": ()}),
    ("nist-ai-rmf", "GOVERN 6.1", {"agents": (agent(external=True, owner=""),)}, {"agents": (agent(),)}),
    ("nist-ai-rmf", "GOVERN 6.2", {"revocations": ({"seq": 8, "us": NOW - 91 * DAY_US},)}, {"tokens": ()}),
    ("nist-ai-rmf", "GOVERN 6.2", {"revocations": ()}, {"tokens": ()}),
]


def status(framework: str, control: str, evidence: Evidence) -> tuple[str | None, dict[str, Any]]:
    (item,) = report(FRAMEWORKS[framework], evidence, resolve(FRAMEWORKS[framework], control))
    return item["status"], item


@pytest.mark.parametrize(("framework", "control", "bad", "none"), TABLE)
def test_each_control(framework: str, control: str, bad: dict[str, Any], none: dict[str, Any]) -> None:
    good = GOOD if control != "NHI10" else GOOD._replace(calls=CALLS._replace(by_terminal=()))
    assert status(framework, control, good)[0] == MET
    found, item = status(framework, control, good._replace(**bad))
    assert found == NOT_MET
    assert item["rows"], "what is not met names the rows that decide it"
    found, item = status(framework, control, GOOD._replace(**none))
    assert (found, item["rows"]) == (NO_DATA, [])


def test_the_table_has_every_measured_control() -> None:
    every = {(name, one.id) for name, f in FRAMEWORKS.items() for one in f.controls if one.kind == "measured"}
    assert {(framework, control) for framework, control, *_ in TABLE} == every
    assert len(every) == 10 - 1 + 10 + 5 + 11


def test_nothing_measured_is_never_a_pass() -> None:
    for framework in FRAMEWORKS.values():
        for item in report(framework, Evidence(NOW), framework.controls):
            assert item["status"] == (NO_DATA if item["kind"] == "measured" else None), item["id"]
            assert item["says"]


def test_a_detection_that_could_not_be_decided_is_no_pass() -> None:
    gap: dict[str, Any] = {"detected": {**QUIET, "TASK_DRIFT": Detected("unknown", 0, (), ("the scope of the task",))}}
    found, item = status("owasp-asi-2026", "ASI01", GOOD._replace(**gap))
    assert found == NO_DATA
    assert "the scope of the task" in item["says"]


@pytest.mark.parametrize(
    ("framework", "name", "ids"),
    [
        ("owasp-asi-2026", "A2", ["ASI02"]),
        ("owasp-asi-2026", "a10", ["ASI10"]),
        ("owasp-asi-2026", "asi02", ["ASI02"]),
        ("owasp-asi-2026", "A11", []),
        ("maestro", "GOV", ["L6"]),
        ("maestro", "MAESTRO GOV", ["L6"]),
        ("maestro", "maestro-gov", ["L6"]),
        ("nist-ai-rmf", "1.3", ["GOVERN 1.3"]),
        ("nist-ai-rmf", "GOVERN-1.7", ["GOVERN 1.7"]),
        ("nist-ai-rmf", "GOVERN 9.9", []),
    ],
)
def test_names(framework: str, name: str, ids: list[str]) -> None:
    assert [one.id for one in resolve(FRAMEWORKS[framework], name)] == ids


def test_govern_is_the_whole_list() -> None:
    assert len(resolve(FRAMEWORKS["nist-ai-rmf"], "GOVERN")) == 19


@pytest.mark.parametrize(
    ("bad", "on", "code"),
    [
        ({}, ["any"], 0),
        (found("TASK_DRIFT"), ["any"], 1),
        (found("TASK_DRIFT"), [], 0),
        (found("TASK_DRIFT"), ["ASI01"], 1),
        (found("TASK_DRIFT"), ["ASI02"], 0),
        ({"calls": Calls()}, ["any"], 0),
        ({"calls": Calls()}, ["no-data"], 3),
        ({"calls": Calls()}, ["ASI01"], 3),
        ({"calls": Calls(), "tool_drift": (REF,)}, ["any", "no-data"], 1),
    ],
)
def test_fail_on(bad: dict[str, Any], on: list[str], code: int) -> None:
    framework = FRAMEWORKS["owasp-asi-2026"]
    assert failed(report(framework, GOOD._replace(**bad), framework.controls), on) == code


REASONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"owner": ""}, ["ownerless"]),
    ({"confirmed_us": NOW - 91 * DAY_US}, ["due"]),
    ({"confirmed_us": NOW - 90 * DAY_US}, []),
    ({"used_us": NOW - 31 * DAY_US, "confirmed_us": NOW - 31 * DAY_US}, ["idle"]),
    ({"used_us": NOW - 31 * DAY_US}, []),  # confirmed yesterday
    ({"used_us": NOW - 30 * DAY_US, "confirmed_us": NOW - 40 * DAY_US}, []),
    ({"expires_us": NOW + 14 * DAY_US}, ["expiring"]),
    ({"expires_us": NOW + 14 * DAY_US + 1}, []),
    ({"expires_us": NOW, "state": "expired"}, ["expiring"]),
    ({"owner": "", "state": "retired"}, []),
    ({"owner": "", "expires_us": NOW - 1}, ["ownerless", "expiring"]),
]


@pytest.mark.parametrize(("change", "reasons"), REASONS)
def test_reasons_for_a_review(change: dict[str, Any], reasons: list[str]) -> None:
    assert [item["reason"] for item in review(Evidence(NOW, (agent(**change),)))] == reasons


@pytest.mark.parametrize(
    ("change", "boxes"),
    [({}, []), ({"unused": ("x", "y")}, ["x", "y"]), ({"unused": ("x",), "unclear": 1}, []),
     ({"unused": ("x",), "ended": False}, []), ({"unused": ("x",), "calls": 0}, [])],
)  # fmt: skip
def test_granted_minus_used(change: dict[str, Any], boxes: list[str]) -> None:
    items = review(Evidence(NOW, (agent(),), tasks=(task(**change),)))
    assert [row["unused"] for item in items for row in item["rows"]] == ([boxes] if boxes else [])
    assert all(item["reason"] == "over_granted" for item in items)
