"""Approvals: the exact call passes exactly once, and everything else that looks like it does not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nhictl.core.identity import approver_key
from nhictl.core.policy.box import parse_box
from nhictl.core.token.confirmation import JKT, Confirmation
from nhictl.errors import ConflictError, NhictlError, NotFoundError, RefusedError
from nhictl.ops import approvals, audit_log, decide_approval, instances, people, separation
from nhictl.ops.delegate_token import Delegated, delegate
from nhictl.ops.delegation_checks import Wanted
from nhictl.ops.end_task import end_task
from nhictl.store import freezes
from tests.core.token.dpop_proofs import ADDRESS, METHOD, Key, proof
from tests.ops.token_home import Authority, records
from tests.ops.treasury import CFO, CISO, STRANGER, Treasury, policy, treasury


@pytest.fixture
def desk(authority: Authority) -> Iterator[Treasury]:
    with treasury(authority) as made:
        yield made


def newest(desk: Treasury, kind: str) -> dict[str, Any]:
    return [record for record in records(desk.house) if record["type"] == kind][-1]


def test_the_exact_call_passes_exactly_once(desk: Treasury) -> None:
    request = desk.wanted()
    assert newest(desk, "token.denied")["ext"]["request"] == request
    assert desk.state(request) == "requested"
    made = desk.grant(request)
    assert (made["state"], made["grants"]) == ("granted", [{"approver": "cfo", "classes": ["money"], "signed": True}])
    assert desk.plain().reason == "valid"  # asking uses nothing up
    verdict = desk.live(900.00)  # the same number
    assert verdict.valid
    assert verdict.decision is not None
    assert verdict.decision["approvals"] == [request]
    used, call = newest(desk, "approval.used"), newest(desk, "token.used")
    assert (used["ext"]["request"], call["ext"]["approvals"], call["ext"]["classes"]) == (request, [request], ["money"])
    assert desk.state(request) == "used"
    again = desk.live()
    assert (again.reason, desk.plain().reason) == ("approval_required", "approval_required")
    assert again.decision is not None
    assert again.decision["access_request"]["id"] != request
    assert [r["type"] for r in records(desk.house)][-1] == "token.denied"


def test_a_guardrail_needs_no_approval_and_says_so(desk: Treasury) -> None:
    assert desk.call(500) == "valid"
    assert newest(desk, "token.used")["ext"]["guardrails"] == ["G"]


def _policy(desk: Treasury) -> None:
    desk.activate(policy(owner="someone else"))


def _tool(desk: Treasury) -> None:
    changed = policy()
    changed["tools"]["pay.send"]["args"]["memo"] = {"type": "string", "optional": True}
    desk.activate(changed)


def _and_back(desk: Treasury) -> None:
    _policy(desk)
    desk.activate(policy())


def _expired(desk: Treasury) -> None:
    desk.clock.advance(3600)
    desk.token = desk.issue(desk.task)


def _denied(desk: Treasury) -> None:
    decide_approval.deny(desk.house, approvals.everything(desk.house)[0]["id"], "no")


def _other_task(desk: Treasury) -> None:
    desk.token = desk.issue(desk.open())


def _other_instance(desk: Treasury) -> None:
    desk.token = desk.issue(desk.open(instance="two"))


def _other_principal(desk: Treasury) -> None:
    desk.token = desk.issue(desk.open(principal="mira@corp.example"))


def _other_agent(desk: Treasury) -> None:
    desk.token = desk.issue(desk.open("other-bot"))


def _scope(desk: Treasury) -> None:
    """The same token over a task whose scope somebody widened behind the log's back."""
    (doc,) = desk.house.db.execute("SELECT doc FROM task WHERE name = ?", (desk.task,)).fetchone()
    wider = json.loads(doc) | {"scope": [{"tools": ["*"]}, {"tools": ["**"]}]}
    desk.house.db.execute("UPDATE task SET doc = ? WHERE name = ?", (json.dumps(wider), desk.task))


CHANGES: list[tuple[Callable[[Treasury], None], str]] = [
    (_policy, "approval_required"), (_tool, "approval_required"), (_expired, "approval_required"),
    (_denied, "approval_required"), (_other_task, "approval_required"), (_other_instance, "approval_required"),
    (_other_principal, "approval_required"), (_other_agent, "approval_required"), (_scope, "approval_required"),
    (_and_back, "valid"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), CHANGES, ids=lambda value: getattr(value, "__name__", value))
def test_what_changes_in_between(desk: Treasury, change: Callable[[Treasury], None], reason: str) -> None:
    desk.grant(desk.wanted())
    change(desk)
    assert desk.plain().reason == reason
    assert desk.call() == reason


@pytest.mark.parametrize(
    "more",
    [
        {"amount": 899.99},
        {"amount": 900.01},
        {"args": {"amount": 900, "currency": "USD"}},
        {"args": {"amount": 900, "currency": "EUR "}},
    ],
)
def test_another_call_is_another_call(desk: Treasury, more: dict[str, Any]) -> None:
    desk.grant(desk.wanted())
    assert desk.call(**more) == "approval_required"
    assert desk.call() == "valid"


def test_it_is_not_trusted_because_it_stands_in_the_store(desk: Treasury) -> None:
    request = desk.wanted()
    desk.house.db.execute("UPDATE approval SET granted = 5 WHERE name = ?", (request,))
    query = "INSERT INTO approval_grant SELECT id, 5, 'cfo', '[\"money\"]', ? FROM approval WHERE name = ?"
    shown = decide_approval.show(desk.house, request)
    forged = [
        None, "", "x", approver_key.sign(STRANGER, shown.statement), approver_key.sign(CISO, shown.statement),
        approver_key.sign(CFO, shown.statement + b" "), approver_key.sign(CFO, shown.statement.replace(b"a-", b"b-")),
    ]  # fmt: skip
    for signature in forged:
        desk.house.db.execute("DELETE FROM approval_grant")
        desk.house.db.execute(query, (signature, request))
        assert desk.call() == "approval_required", signature
    desk.house.db.execute("DELETE FROM approval_grant")
    desk.house.db.execute(query, (approver_key.sign(CFO, shown.statement), request))
    assert desk.plain().reason == "valid"  # the positive control
    desk.house.db.execute("UPDATE approval SET expires = expires + 86400000000")
    assert desk.call() == "approval_required"  # the end is signed as well


def test_an_approval_of_one_request_is_none_of_another(desk: Treasury) -> None:
    first, second = desk.wanted(900), desk.wanted(901)
    signature = approver_key.sign(CFO, decide_approval.show(desk.house, first).statement).encode()
    with pytest.raises(RefusedError) as caught:
        decide_approval.grant(desk.house, decide_approval.show(desk.house, second), lambda _: signature)
    assert caught.value.code == "approver_unknown"
    assert [desk.call(901), desk.state(second)] == ["approval_required", "requested"]


@pytest.mark.parametrize(
    ("key", "code"),
    [(STRANGER, "approver_unknown"), (CISO, "approver_class"), (None, "signature_required")],
    ids=["stranger", "other class", "unsigned"],
)
def test_who_may_not_is_refused_and_recorded(desk: Treasury, key: Ed25519PrivateKey | None, code: str) -> None:
    request = desk.wanted()
    with pytest.raises(RefusedError) as caught:
        desk.grant(request, key)
    assert caught.value.code == code
    told = newest(desk, "policy.evaluated")
    assert (told["outcome"], told["op"], told["dec"]["reason"]) == ("deny", "approval.grant", code)
    assert told["ext"]["uid"] == os.geteuid()
    assert [desk.state(request), desk.call()] == ["requested", "approval_required"]
    desk.grant(request)
    assert desk.call() == "valid"


def test_the_key_of_an_agent_approves_nothing(desk: Treasury) -> None:
    kid = approver_key.thumbprint(approver_key.public_of(CFO))
    request = desk.wanted()
    desk.house.db.execute("INSERT INTO agent_key (kid, agent, seq) VALUES (?, 1, 2)", (kid,))
    with pytest.raises(RefusedError):
        desk.grant(request)
    desk.house.db.execute("DELETE FROM agent_key WHERE kid = ?", (kid,))
    desk.grant(request)
    desk.house.db.execute("INSERT INTO agent_key (kid, agent, seq) VALUES (?, 1, 2)", (kid,))
    assert desk.call() == "approval_required"


def test_nobody_approves_from_inside_a_run(desk: Treasury, monkeypatch: pytest.MonkeyPatch) -> None:
    request = desk.wanted()
    monkeypatch.setenv("NHICTL_TASK", desk.task)
    with pytest.raises(RefusedError) as caught:
        desk.grant(request)
    assert caught.value.code == "inside_run"
    monkeypatch.delenv("NHICTL_TASK")
    parent = separation.process(os.getpid())
    assert parent is not None
    holder = {"pid": parent.parent, "start": instances.start_of(Path("/proc"), parent.parent)}
    desk.house.db.execute("UPDATE task SET lease = ? WHERE name = ?", (json.dumps(holder), desk.task))
    assert people.inside_run(desk.house) == desk.task
    with pytest.raises(RefusedError):
        desk.grant(request)
    desk.house.db.execute("UPDATE task SET lease = ?", (json.dumps({**holder, "start": "1"}),))
    assert people.inside_run(desk.house) is None  # another process by that number


def test_without_a_policy_a_freeze_is_the_owners_to_lift_but_not_from_inside_a_run(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nhictl.ops.freeze import freeze, unfreeze

    with treasury(authority) as desk:
        desk.house.db.execute("DELETE FROM policy_version")
        freeze(desk.house, "all", "", "incident")
        monkeypatch.setenv("NHICTL_TASK", "t-1")
        with pytest.raises(RefusedError) as caught:
            unfreeze(desk.house, "all", "", None)
        assert caught.value.code == "inside_run"
        assert newest(desk, "policy.evaluated")["dec"] == {"effect": "deny", "reason": "inside_run"}
        monkeypatch.delenv("NHICTL_TASK")
        unfreeze(desk.house, "all", "", None)
        assert newest(desk, "authority.unfrozen")["ext"]["authority"] == {"by": "owner"}


def test_nobody_approves_their_own_call(desk: Treasury) -> None:
    desk.house.uid = lambda: 2000
    request = desk.wanted()
    with pytest.raises(RefusedError) as caught:
        desk.grant(request)
    assert caught.value.code == "self_approval"
    desk.house.uid = lambda: 2001
    desk.grant(request)
    assert desk.call() == "valid"


MEMO: dict[str, Any] = {"tool": "memo.send", "args": {"text": "hello"}}


def test_an_unsigned_yes_is_claimed_and_does_for_low_impact_only(desk: Treasury) -> None:
    request = desk.wanted(**MEMO)
    assert desk.grant(request, None)["grants"] == [{"approver": None, "classes": ["memos"], "signed": False}]
    assert newest(desk, "approval.granted")["ext"] == {
        "request": request, "classes": ["memos"], "signed": False, "claimed": True, "by": "owner",
    }  # fmt: skip
    assert desk.call(**MEMO) == "valid"
    secret = desk.wanted(
        tool="vault.read", args={}, resource="vault://prod/a"
    )  # a class that does not say counts as high
    with pytest.raises(RefusedError):
        desk.grant(secret, None)
    desk.grant(secret, CISO)
    assert desk.call(tool="vault.read", args={}, resource="vault://prod/b") == "approval_required"
    assert desk.call(tool="vault.read", args={}, resource="vault://prod/a") == "valid"


def test_an_unsigned_yes_is_of_an_approver_by_user_id_where_one_is_named(authority: Authority) -> None:
    people_ = [*policy()["approvers"], {"name": "desk", "uid": [2001], "classes": ["memos"]}]
    with treasury(authority, approvers=people_) as desk:
        request = desk.wanted(**MEMO)
        with pytest.raises(RefusedError) as caught:
            desk.grant(request, None)
        assert caught.value.code == "approver_required"
        desk.house.uid = lambda: 2001
        assert desk.grant(request, None)["grants"][0]["approver"] == "desk"
        assert desk.call(**MEMO) == "valid"


def test_every_class_needs_its_own_yes(authority: Authority) -> None:
    document = policy()
    document["classes"]["secrets"]["tools"] = ["vault.read", "pay.send"]
    with treasury(authority, classes=document["classes"]) as desk:
        request = desk.wanted()
        assert desk.grant(request)["state"] == "requested"
        assert desk.call() == "approval_required"
        assert desk.grant(request, CISO)["state"] == "granted"
        assert desk.call() == "valid"
        # where one class is met by its guardrail, the other alone is asked for
        assert desk.grant(desk.wanted(400), CISO)["state"] == "granted"
        assert desk.call(400) == "valid"


def test_asking_again_asks_nobody_again(desk: Treasury) -> None:
    first = desk.wanted()
    assert desk.wanted() == first
    assert sum(record["type"] == "approval.requested" for record in records(desk.house)) == 1
    decide_approval.deny(desk.house, first, "no")
    verdict = desk.live()
    assert verdict.decision is not None
    assert verdict.decision["access_request"] == {
        "id": first,
        "state": "denied",
        "expires": "2026-06-01T13:00:00.000000Z",
    }
    for number in range(approvals.MAX_WAITING):
        desk.wanted(1000 + number)
    flooded = desk.live(2000)
    assert flooded.decision is not None
    assert (flooded.reason, "access_request" in flooded.decision) == ("approval_required", False)


def test_what_was_decided_stays_decided(desk: Treasury) -> None:
    with pytest.raises(NotFoundError):
        decide_approval.deny(desk.house, "a-0000000000000000", None)
    request = desk.wanted()
    shown = decide_approval.show(desk.house, request)
    decide_approval.deny(desk.house, request, None)
    for act in (lambda: desk.grant(request), lambda: decide_approval.deny(desk.house, request, None)):
        with pytest.raises(ConflictError):
            act()
    late = desk.wanted(901)
    desk.clock.advance(3600)
    with pytest.raises(ConflictError) as caught:
        desk.grant(late)
    assert caught.value.code == "request_expired"
    desk.activate(policy(owner="other"))
    assert shown.row.name == request


def test_whose_no_it_was(desk: Treasury) -> None:
    request = desk.wanted()
    with pytest.raises(RefusedError):
        decide_approval.deny(desk.house, request, None, lambda text: approver_key.sign(STRANGER, text).encode())
    assert desk.state(request) == "requested"
    decide_approval.deny(desk.house, request, None, lambda text: approver_key.sign(CISO, text).encode())
    assert newest(desk, "approval.denied")["ext"]["approver"] == "ciso"


def test_a_policy_that_was_replaced_approves_nothing(desk: Treasury) -> None:
    request = desk.wanted()
    desk.activate(policy(owner="other"))
    with pytest.raises(ConflictError) as caught:
        desk.grant(request)
    assert caught.value.code == "policy_changed"


def test_a_yes_ends_with_its_task(desk: Treasury) -> None:
    desk.grant(desk.wanted())
    end_task(desk.house, desk.task, "killed", None)
    assert desk.call() == "task_killed"


def test_earlier_moments_have_their_own_state(desk: Treasury) -> None:
    moments: list[int] = []
    request = desk.wanted()
    for act in (None, desk.grant, None):
        if act is not None:
            act(request)
        elif moments:
            assert desk.call() == "valid"
        moments.append(desk.clock())
        desk.clock.advance(60)
    states = [approvals.everything(desk.house, moment)[0]["state"] for moment in moments]
    assert states == ["requested", "granted", "used"]
    assert approvals.everything(desk.house, moments[0] - 1) == []


def test_the_call_that_is_shown_is_escaped_and_nothing_of_it_stands_in_the_open(desk: Treasury) -> None:
    text = "pay \u202e\x1b[2J mira"
    request = desk.wanted(tool="memo.send", args={"text": text.replace("\x1b", "")})
    shown = decide_approval.show(desk.house, request)
    assert decide_approval.canonical_call(shown) == (
        '{"args":{"text":"pay \\u202e[2J mira"},"resource":null,"tool":"memo.send"}'
    )
    dump = "\n".join(desk.house.db.iterdump())
    desk.grant(desk.wanted())
    assert "mira" not in dump
    assert "[2J" not in dump


def test_a_delegate_calls_for_itself(desk: Treasury) -> None:
    key = Key()
    parent = desk.issue(desk.open(delegates=("other-bot",)))
    child = delegate(desk.house, parent, Wanted("other-bot", (parse_box("pay.send"),), Confirmation(JKT, key.jkt)))[0]
    assert isinstance(child, Delegated)
    token = child.issued.token.encode()

    def shown(number: int) -> dict[str, Any]:
        made = proof(key, token=token, now_s=desk.clock() // 1_000_000, jti=f"id-{number}")
        return {"token": token, "proof": (made, METHOD, ADDRESS)}

    desk.grant(desk.wanted(token=parent))
    assert desk.call(**shown(1)) == "approval_required"
    request = desk.wanted(**shown(2))
    assert decide_approval.show(desk.house, request).binding["actors"] == ["other-bot"]
    desk.grant(request)
    assert [desk.call(**shown(3)), desk.call(**shown(4))] == ["valid", "approval_required"]
    assert desk.call(token=parent) == "valid"


def test_the_log_verifies_with_all_of_it(desk: Treasury) -> None:
    desk.grant(desk.wanted())
    assert desk.call() == "valid"
    assert audit_log.verify_home(desk.house, []).exit == 0


def test_lifting_a_freeze_takes_its_approver(desk: Treasury) -> None:
    from nhictl.ops.freeze import freeze, unfreeze

    freeze(desk.house, "agent", "report-bot", "incident")
    for key in (None, CFO, STRANGER):
        signer = None if key is None else (lambda text, key=key: approver_key.sign(key, text).encode())
        with pytest.raises(RefusedError):
            unfreeze(desk.house, "agent", "report-bot", None, signer)
        assert newest(desk, "policy.evaluated")["op"] == "unfreeze"
    assert len(freezes.in_force(desk.house.db)) == 1
    said: list[bytes] = []

    def sign(text: bytes) -> bytes:
        said.append(text)
        return approver_key.sign(CISO, text).encode()

    unfreeze(desk.house, "agent", "report-bot", None, sign)
    told = newest(desk, "authority.unfrozen")["ext"]["authority"]
    assert (told["by"], told["approver"]) == ("approver", "ciso")
    assert approver_key.verify(approver_key.public_of(CISO), said[0], told["signature"].encode())
    assert json.loads(said[0])["about"] == {"selector": "agent", "value": "report-bot"}
    freeze(desk.house, "agent", "report-bot", "again")
    with pytest.raises(NhictlError):  # what was signed then is not good now
        unfreeze(desk.house, "agent", "report-bot", None, lambda _: told["signature"].encode())
