"""Who may accept access that a new policy gains: whoever the policy in force names, and nobody from inside a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.identity import approver_key
from nhictl.errors import ConflictError, RefusedError
from nhictl.ops.activate_policy import Change
from nhictl.ops.house import House
from tests.core.policy.policy_help import CATALOGUE, document
from tests.ops.token_home import Authority, records
from tests.ops.treasury import CISO, STRANGER

RULE = {"id": "P", "effect": "permit", "match": {"tools": ["crm.read"]}}
WIDER = {"id": "Q", "effect": "permit", "match": {"tools": ["pay.send"]}}
GUARD: dict[str, Any] = {"name": "ciso", "key": approver_key.public_of(CISO), "uid": [2001], "acts": ["accept_gained"]}


def change(house: House, **parts: Any) -> Change:
    return Change(house, [("p.yaml", document(tools=CATALOGUE, **parts))])


@contextlib.contextmanager
def guarded(authority: Authority) -> Iterator[House]:
    """A copy of the authority in which the policy in force names an approver of gained access."""
    with authority.copy() as house:
        change(house, rules=[RULE], approvers=[GUARD]).carry_out(house, accept_gained=True)
        yield house


def test_gained_access_takes_the_approver_whom_the_policy_names(authority: Authority) -> None:
    with guarded(authority) as house:
        wider: dict[str, Any] = {"rules": [RULE, WIDER], "approvers": [GUARD]}
        with pytest.raises(ConflictError, match="gained"):
            change(house, **wider).carry_out(house)
        for signer in (None, lambda text: approver_key.sign(STRANGER, text).encode()):
            with pytest.raises(RefusedError):
                change(house, **wider).carry_out(house, accept_gained=True, signer=signer)
        last = records(house)[-1]
        assert (last["type"], last["op"], last["outcome"]) == ("policy.evaluated", "policy.activate", "deny")
        change(house, **wider).carry_out(
            house, accept_gained=True, signer=lambda text: approver_key.sign(CISO, text).encode()
        )  # fmt: skip
        last = records(house)[-1]
        assert (last["type"], last["ext"]["gained"]) == ("policy.activated", 1)
        assert last["ext"]["accepted"]["approver"] == "ciso"


def test_the_gate_cannot_be_taken_away_first(authority: Authority) -> None:
    with guarded(authority) as house:
        for less in (
            {"rules": [RULE]},
            {"rules": [RULE], "approvers": [{**GUARD, "key": approver_key.public_of(STRANGER)}]},
            {"rules": [RULE], "approvers": [GUARD, {"name": "me", "uid": [0], "acts": ["accept_gained"]}]},
        ):
            with pytest.raises(ConflictError, match="gained"):
                change(house, **less).carry_out(house)
            with pytest.raises(RefusedError):
                change(house, **less).carry_out(house, accept_gained=True)


def test_what_takes_access_away_takes_nobody(authority: Authority) -> None:
    with guarded(authority) as house:
        change(house, approvers=[GUARD]).carry_out(house)
        assert "accepted" not in records(house)[-1]["ext"]


def test_an_approver_at_the_keyboard_is_known_by_user_id(authority: Authority) -> None:
    with guarded(authority) as house:
        house.uid = lambda: 2001
        change(house, rules=[RULE, WIDER], approvers=[GUARD]).carry_out(house, accept_gained=True)
        assert records(house)[-1]["ext"]["accepted"]["uid"] == 2001


def test_nobody_accepts_from_inside_a_run(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with authority.copy() as house:
        change(house, rules=[RULE]).carry_out(house, accept_gained=True)
        monkeypatch.setenv("NHICTL_TASK", "T-1")
        with pytest.raises(RefusedError, match="inside a run"):
            change(house, rules=[RULE, WIDER]).carry_out(house, accept_gained=True)
        change(house).carry_out(house)
