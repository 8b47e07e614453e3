"""A home with an https issuer, an agent and a task, for the tests of publishing and of JWT-SVIDs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from nhictl.core.ledger import record
from nhictl.core.policy.box import box_from_mapping
from nhictl.core.token import jws
from nhictl.ops.activate_policy import activate
from nhictl.ops.house import DATABASE, House, real_clock
from nhictl.ops.init import initialise
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.store import agents, log

DOMAIN: Final = "example.org"
ISSUER: Final = "https://nhi.example.org"
AUDIENCE: Final = "https://api.example.org/reports"
SUBJECT: Final = "spiffe://example.org/agent/report-bot"
BOXES: Final[list[dict[str, Any]]] = [
    {"tools": ["reports.read"], "resource": AUDIENCE, "when": {"args.limit": {"lte": 100}}},
    {"tools": ["reports.purge", "reports.undeclared"]},
]
POLICY: Final[dict[str, Any]] = {
    "nhictl_policy": 1,
    "tools": {
        "reports.read": {"args": {"limit": {"type": "number", "optional": True}}, "resource": "uri"},
        "reports.purge": {"args": {}},
        "mail.send": {"args": {}},
    },
    "rules": [
        {"id": "READ", "effect": "permit", "match": {"tools": ["reports.read", "reports.purge", "mail.send"]}},
        {"id": "NEVER", "effect": "forbid", "match": {"tools": ["reports.purge"]}},
    ],
}


class StandingClock:
    """A clock that is set by hand, in microseconds."""

    def __init__(self, now_us: int = 1_780_315_200_000_000) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


def open_home(home: Path, clock: Any = real_clock) -> House:
    """The home, as a process of its own would open it."""
    return House(home, home / DATABASE, clock=clock)


def new_home(home: Path, issuer: str | None = ISSUER, clock: Any = real_clock) -> House:
    """A fresh authority."""
    house = open_home(home, clock)
    initialise(house, DOMAIN, issuer)
    return house


def with_task(house: House, agent: str = "report-bot") -> str:
    """Register the agent, put the policy in force, open a task and return its id."""
    register(house, Registration(agent, "owner@example.org", "reading reports"), None, None)
    activate(house, [("policy.yaml", json.dumps(POLICY).encode())])
    boxes = tuple(box_from_mapping(box) for box in BOXES)
    task, _ = open_task(house, Order(agent, "reports", "the monthly report", boxes, instance="one"))
    return str(task["id"])


def add_key(house: House, state: str = "prepared") -> str:
    """Put another token key into the store, as a rotation would, and return its kid."""
    scalar = jws.new_private(os.urandom(40))
    bare = jws.public_jwk(jws.private_from_bytes(scalar))
    kid = jws.thumbprint(bare)
    sealed = house.sealer.seal(scalar, f"signing key:{kid}", os.urandom(12))
    whole = json.dumps({**bare, "kid": kid, "use": "sig", "alg": "ES256"})
    agents.add_key(house.db, "token", kid, whole, sealed, state, 1)
    return kid


def set_state(house: House, kid: str, state: str) -> None:
    """Change a key's state behind the back of the log."""
    assert house.db.execute("UPDATE signing_key SET state = ? WHERE kid = ?", (state, kid)).rowcount == 1


def records(house: House, kind: str) -> list[dict[str, Any]]:
    """The records of one type."""
    every = (record.decode(line) for _, line in log.lines(house.db))
    return [one for one in every if one["type"] == kind]
