"""Who may erase, and what approvals and counts of limits leave behind of a principal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.identity import approver_key
from nhictl.core.ledger import content
from nhictl.core.policy.counters import Result
from nhictl.core.policy.limits import Counter
from nhictl.errors import ConflictError, NotFoundError, RefusedError, UndecidableError
from nhictl.ops import approvals, decide_approval, limits
from nhictl.ops.act import transact
from nhictl.ops.audit_log import verify_home
from nhictl.ops.contents import Contents
from nhictl.ops.end_task import end_task
from nhictl.ops.erase import redact
from nhictl.ops.limits import StoredCounters
from nhictl.store import counters, erasure
from nhictl.store.erasure import Wanted
from tests.ops.token_home import Authority, records
from tests.ops.treasury import CFO, CISO, Treasury, policy

ALICE = "alice.zebra@example.org"
NEEDLE = "xylophone"
LIMIT = {
    "id": "a-day", "match": {"tools": ["pay.*"]}, "per": "principal", "calls": 3, "window": "1d",
    "spend": {"max": 2000, "unit": "EUR"},
}  # fmt: skip
PEOPLE: list[dict[str, Any]] = [
    {"name": "cfo", "key": approver_key.public_of(CFO), "classes": ["money"]},
    {"name": "dpo", "key": approver_key.public_of(CISO), "acts": ["redact"]},
]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Treasury]:
    """A house on disk, since its files are searched."""
    made = Authority(tmp_path / "home")
    made.house.uid = os.geteuid
    yield Treasury(made.house, made.clock, policy(limits=[LIMIT], approvers=PEOPLE))
    made.house.close()


def signs(key: Any) -> Any:
    return lambda text: approver_key.sign(key, text).encode()


def holding(desk: Treasury, *texts: bytes) -> list[str]:
    files = (path for path in sorted(desk.house.home.rglob("*")) if path.is_file())
    return [path.name for path in files if any(text in path.read_bytes() for text in texts)]


def test_only_an_approver_may_and_a_refusal_is_recorded(desk: Treasury) -> None:
    end_task(desk.house, desk.task, "closed", None)
    for signer, code in ((None, "approver_required"), (signs(CFO), "approver_unknown")):
        with pytest.raises(RefusedError) as refused:
            redact(desk.house, Wanted(tasks=(desk.task,)), "x", signer=signer)
        assert refused.value.code == code
        said = records(desk.house)[-1]
        assert (said["type"], said["op"], said["outcome"], said["dec"]["reason"]) == (
            "policy.evaluated", "redact", "deny", code,
        )  # fmt: skip
        assert erasure.pieces(desk.house.db, 1) > 0
    redact(desk.house, Wanted(tasks=(desk.task,)), "x", signer=signs(CISO))
    said = records(desk.house)[-1]
    assert said["type"] == "log.redacted"
    assert said["ext"]["authority"]["approver"] == "dpo"
    statement = Contents(desk.house).content(len(records(desk.house)) - 1, "statement").encode()
    assert approver_key.verify(PEOPLE[1]["key"], statement, said["ext"]["authority"]["signature"].encode())
    assert json.loads(statement)["about"] == {"by": "task", "record": None, "tasks": [desk.task]}
    assert verify_home(desk.house, ()).exit == 0


def test_never_from_inside_a_run(desk: Treasury, monkeypatch: pytest.MonkeyPatch) -> None:
    end_task(desk.house, desk.task, "closed", None)
    monkeypatch.setenv("NHICTL_TASK", desk.task)
    with pytest.raises(RefusedError) as refused:
        redact(desk.house, Wanted(tasks=(desk.task,)), "x", signer=signs(CISO))
    assert refused.value.code == "inside_run"
    assert records(desk.house)[-1]["dec"]["reason"] == "inside_run"


def test_a_signed_name_cannot_be_guessed_from_what_stays(desk: Treasury) -> None:
    task = desk.open(principal=ALICE)
    end_task(desk.house, task, "closed", None)
    redact(desk.house, Wanted(subject=ALICE), "x", signer=signs(CISO))
    seq = len(records(desk.house)) - 1
    about = json.loads(Contents(desk.house).content(seq, "statement"))["about"]
    assert about["subject"] != "sha256:" + sha256(content.canonical(ALICE)).hexdigest()
    assert holding(desk, ALICE.encode()) == []


def test_approvals_and_counts_are_erased_and_open_nothing(desk: Treasury) -> None:
    task = desk.open(principal=ALICE)
    token = desk.issue(task)
    call: dict[str, Any] = {"token": token, "args": {"amount": 900, "currency": "EUR", "memo": NEEDLE}}
    tool = policy(limits=[LIMIT], approvers=PEOPLE)
    tool["tools"]["pay.send"]["args"]["memo"] = {"type": "string", "optional": True}
    desk.activate(tool)
    request = desk.wanted(**call)
    desk.grant(request)
    row = approvals.find(desk.house, request)
    signature = desk.house.db.execute("SELECT signature FROM approval_grant").fetchone()[0].encode()
    mark = counters.digest_of(desk.house.meta["chain"], Counter("a-day", "principal", ALICE, "EUR"))
    assert desk.live(**call).valid
    assert erasure.counters_of(desk.house.db, ALICE) == [counters.find(desk.house.db, mark)] != [None]
    assert holding(desk, row.salt, row.digest, mark, signature) != []
    used = len(records(desk.house)) - 1
    end_task(desk.house, task, "closed", None)
    planned, _ = redact(desk.house, Wanted(subject=ALICE), "x", dry_run=True)
    done, _ = redact(desk.house, Wanted(subject=ALICE), "x", signer=signs(CISO))
    assert done == planned
    assert (done.pending, done.counters) == ([], 1)
    assert records(desk.house)[-1]["ext"]["counters"] == 1
    assert holding(desk, ALICE.encode(), NEEDLE.encode(), row.salt, row.digest, mark, signature) == []
    with pytest.raises(UndecidableError):
        decide_approval.show(desk.house, request)
    assert desk.state(request) == "used"
    assert approvals.to_json(desk.house, approvals.find(desk.house, request), 0)["grants"][0]["signed"]
    assert StoredCounters(desk.house).used(Counter("a-day", "principal", ALICE, "EUR"), None).calls == 0
    # a result that comes later settles nothing, and the others' counts are as they were
    transact(desk.house, lambda act: limits.settle(act, used, Result(False), act.record("tool.returned")))
    assert verify_home(desk.house, ()).exit == 0


def test_granted_and_erased_before_use_opens_nothing(desk: Treasury) -> None:
    request = desk.wanted()
    desk.grant(request)
    with pytest.raises(ConflictError):
        redact(desk.house, Wanted(tasks=(desk.task,)), "x", signer=signs(CISO))
    redact(desk.house, Wanted(tasks=(desk.task,)), "x", signer=signs(CISO), end_tasks=True)
    assert not desk.live().valid
    assert records(desk.house)[-1]["type"] != "approval.used"


def test_counts_alone_are_something_to_erase(desk: Treasury) -> None:
    task = desk.open(principal=ALICE)
    assert desk.call(1, desk.issue(task)) == "valid"
    end_task(desk.house, task, "closed", None)
    redact(desk.house, Wanted(tasks=(task,)), "x", signer=signs(CISO))
    assert redact(desk.house, Wanted(subject=ALICE), "x", signer=signs(CISO))[0].counters == 1
    with pytest.raises(NotFoundError):
        redact(desk.house, Wanted(subject=ALICE), "x", signer=signs(CISO))
