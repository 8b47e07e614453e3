"""A treasury for tests of limits and approvals: a policy in force in a copy of an authority, one task, one token."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from nhictl.core.identity import approver_key
from nhictl.core.policy.box import Box, parse_box
from nhictl.core.token.verdict import Verdict
from nhictl.ops import approvals, decide_approval
from nhictl.ops.activate_policy import activate
from nhictl.ops.check_policy import Bench, Call
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from tests.harness import Clock
from tests.ops.token_home import Authority

AUDIENCE: Final = "https://bank.example.org"
CFO: Final = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
CISO: Final = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
STRANGER: Final = Ed25519PrivateKey.from_private_bytes(b"x" * 32)


def policy(**parts: Any) -> dict[str, Any]:
    """Payments beyond 500 and all secrets take an approval; memos are of low impact."""
    return {
        "nhictl_policy": 1,
        "tools": {
            "pay.send": {
                "args": {"amount": "number", "currency": "string"},
                "cost": {"amount": "args.amount", "currency": "args.currency"},
            },
            "vault.read": {"args": {}, "resource": "uri"},
            "memo.send": {"args": {"text": "string"}},
        },
        "classes": {
            "money": {"tools": ["pay.send"], "impact": "high", "requires": "guardrail_or_approval"},
            "secrets": {"tools": ["vault.read"], "requires": "approval"},
            "memos": {"tools": ["memo.send"], "impact": "low", "requires": "approval"},
        },
        "guardrails": {
            "G": {
                "class": "money",
                "approved_by": "cfo",
                "expires": "2030-01-01",
                "within": {"args.amount": {"lte": 500}},
            }
        },
        "rules": [{"id": "P", "effect": "permit"}],
        "approvers": [
            {"name": "cfo", "key": approver_key.public_of(CFO), "classes": ["money"]},
            {"name": "ciso", "key": approver_key.public_of(CISO), "classes": ["secrets"], "acts": ["unfreeze"]},
        ],
        **parts,
    }


class Treasury:
    """One house with the policy in force; `call` asks live."""

    def __init__(self, house: House, clock: Clock, document: dict[str, Any]) -> None:
        self.house = house
        self.clock = clock
        self.activate(document)
        self.task = self.open()
        self.token = self.issue(self.task)

    def activate(self, document: dict[str, Any]) -> None:
        activate(self.house, [("p.yaml", json.dumps(document).encode())])

    def open(self, agent: str = "report-bot", scope: tuple[str, ...] = ("*",), **more: Any) -> str:
        boxes: tuple[Box, ...] = tuple(parse_box(text) for text in scope)
        given: dict[str, Any] = {"instance": "one", "deadline_s": 86400} | more
        order = Order(agent, "pay", "paying", boxes, **given)
        return str(open_task(self.house, order)[0]["id"])

    def issue(self, task: str, **more: Any) -> bytes:
        return issue_token(self.house, task, AUDIENCE, **({"ttl_s": 900} | more))[0].token.encode()

    def question(self, amount: Any = 900, token: bytes | None = None, **more: Any) -> Question:
        given: dict[str, Any] = {"tool": "pay.send", "args": {"amount": amount, "currency": "EUR"}, **more}
        return Question(token or self.token, AUDIENCE, **given)

    def live(self, amount: Any = 900, token: bytes | None = None, **more: Any) -> Verdict:
        return consume(self.house, self.question(amount, token, **more))[0]

    def plain(self, amount: Any = 900, token: bytes | None = None, **more: Any) -> Verdict:
        return verify(self.house, self.question(amount, token, **more))

    def call(self, amount: Any = 900, token: bytes | None = None, **more: Any) -> str:
        return self.live(amount, token, **more).reason

    def dry(self, amount: Any = 900, task: str | None = None, **more: Any) -> str:
        bench = Bench(self.house, None, None)
        args = {"amount": amount, "currency": "EUR"}
        return bench.decide(Call("pay.send", task=task or self.task, args=args, **more)).reason

    def wanted(self, amount: Any = 900, **more: Any) -> str:
        """Ask live for what needs an approval; the id of the access request."""
        verdict = self.live(amount, **more)
        assert verdict.reason == "approval_required"
        assert verdict.decision is not None
        return str(verdict.decision["access_request"]["id"])

    def grant(self, request: str, key: Ed25519PrivateKey | None = CFO) -> dict[str, Any]:
        signer = None if key is None else lambda text: approver_key.sign(key, text).encode()
        return decide_approval.grant(self.house, decide_approval.show(self.house, request), signer)[0]

    def state(self, request: str) -> str:
        return approvals.state(approvals.find(self.house, request), self.clock())


@contextlib.contextmanager
def treasury(authority: Authority, **parts: Any) -> Iterator[Treasury]:
    """A treasury of its own in memory."""
    clock = Clock(authority.clock.now_us)
    with authority.copy(clock) as house:
        house.uid = os.geteuid
        yield Treasury(house, clock, policy(**parts))
