"""An authority for token tests: one agent, task, policy and token; and cases, which differ from the good one in a few things.

A case works on a copy of the database in memory. It signs whatever it holds with the home's own key, and tells the
store the digest of what it signed, so that a test fails at the step it means and at no other.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sqlite3
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from nhictl.core.ledger import record
from nhictl.core.policy.box import Box, box_from_mapping
from nhictl.core.token import b64, jws
from nhictl.core.token.verdict import Verdict
from nhictl.ops.activate_policy import activate
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import Issued, issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from nhictl.store import log
from tests.harness import Clock

DOMAIN: Final = "example.org"
ISSUER: Final = "https://nhi.example.org"
AUDIENCE: Final = "https://api.example.org/reports"
TTL_S: Final = 300
READ: Final = {"tool": "reports.read", "args": {"limit": 10}, "resource": AUDIENCE + "/2026"}
BOXES: Final[list[dict[str, Any]]] = [
    {"tools": ["reports.read"], "resource": AUDIENCE, "when": {"args.limit": {"lte": 100}}},
    {"tools": ["reports.audit", "reports.count", "reports.purge", "reports.undeclared"]},
]
POLICY: Final[dict[str, Any]] = {
    "nhictl_policy": 1,
    "tools": {
        "reports.read": {"args": {"limit": {"type": "number", "optional": True}}, "resource": "uri"},
        "reports.purge": {"args": {}},
        "reports.audit": {"args": {}},
        "reports.count": {"args": {}},
        "mail.send": {"args": {}},
    },
    "rules": [
        {
            "id": "READ",
            "effect": "permit",
            "match": {"tools": ["reports.read", "reports.count", "reports.purge", "mail.send"]},
        },
        {"id": "NEVER", "effect": "forbid", "match": {"tools": ["reports.purge"]}},
    ],
}
Edit = Callable[[bytes], bytes]


def policy_file() -> list[tuple[str, bytes]]:
    """The policy as `activate` takes it."""
    return [("policy.yaml", json.dumps(POLICY).encode())]


def boxes() -> tuple[Box, ...]:
    """The scope of the tasks here."""
    return tuple(box_from_mapping(box) for box in BOXES)


def add_agent(house: House, name: str, **more: Any) -> None:
    """Register an agent."""
    register(house, Registration(name, "owner@example.org", "reading reports", **more), None, None)


def add_task(house: House, agent: str = "report-bot", **more: Any) -> str:
    """Open a task and return its id."""
    task, _ = open_task(house, Order(agent, "reports", "the monthly report", boxes(), instance="one", **more))
    return str(task["id"])


def add_token(house: House, task: str, **more: Any) -> Issued:
    """Issue a token for `AUDIENCE`."""
    return issue_token(house, task, AUDIENCE, **({"ttl_s": TTL_S} | more))[0]


def signing_key(house: House) -> ec.EllipticCurvePrivateKey:
    """The home's token key, opened."""
    kid, sealed = house.db.execute("SELECT kid, sealed FROM signing_key WHERE use = 'token'").fetchone()
    return jws.private_from_bytes(house.sealer.open(sealed, f"signing key:{kid}"))


def decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token."""
    head, body, _ = token.split(".")
    return json.loads(b64.decode(head)), json.loads(b64.decode(body))


def records(house: House) -> list[dict[str, Any]]:
    """Every record of the log."""
    return [record.decode(line) for _, line in log.lines(house.db)]


def question(token: str | bytes, **more: Any) -> Question:
    """The question whether a token is good for reading a report, or for what `more` says."""
    raw = token.encode() if isinstance(token, str) else token
    given: dict[str, Any] = {"audience": AUDIENCE, **READ} | more
    return Question(raw, **given)


class InMemory(House):
    """A home whose database is a copy in memory: there is no second connection to it."""

    def reader(self) -> House:
        """There is one connection to a database in memory."""
        return self


class Authority:
    """A home on disk with everything a token needs; `case` copies it."""

    def __init__(self, home: Path) -> None:
        self.clock = Clock()
        self.house = House(home, home / DATABASE, clock=self.clock)
        initialise(self.house, DOMAIN, ISSUER)
        for name in ("report-bot", "other-bot"):
            add_agent(self.house, name)
        activate(self.house, policy_file())
        self.task = add_task(self.house)
        self.other_task = add_task(self.house)
        self.foreign_task = add_task(self.house, "other-bot")
        self.other_token = add_token(self.house, self.task)
        self.token = add_token(self.house, self.task)
        self.private = signing_key(self.house)

    @contextlib.contextmanager
    def copy(self, clock: Clock | None = None) -> Iterator[House]:
        """The same home with a copy of the database in memory."""
        db = sqlite3.connect(":memory:", isolation_level=None)
        self.house.db.backup(db)
        house = InMemory(self.house.home, self.house.database, clock=clock or Clock(self.clock.now_us))
        house.keeps_mark = False
        house.adopt(db, self.house.sealer)
        try:
            yield house
        finally:
            house.close()

    @contextlib.contextmanager
    def case(self) -> Iterator[Case]:
        """A good token with a good question."""
        clock = Clock(self.clock.now_us)
        with self.copy(clock) as house:
            yield Case(self, house, clock)


class Case:
    """One token and one question about it. Mutations change the parts; `verify` and `consume` put them together."""

    def __init__(self, authority: Authority, house: House, clock: Clock) -> None:
        self.authority = authority
        self.house = house
        self.clock = clock
        self.header, self.claims = copy.deepcopy(decoded(authority.token.token))
        self.jti = b64.decode(authority.token.jti)
        self.now_s = clock.now_us // 1_000_000
        self.signer: Edit = lambda signed: sign(signed, authority.private)
        self.raw_header: list[Edit] = []
        self.raw_claims: list[Edit] = []
        self.raw_signature: list[Edit] = []
        self.text: list[Edit] = []
        self.linked = True
        """Whether the store knows the digest of this very token, before the edits of its text."""
        self.asked: dict[str, Any] = {}

    def sql(self, statement: str, *values: Any) -> None:
        """Change the store behind the back of the log."""
        assert self.house.db.execute(statement, values).rowcount != 0, statement

    def parts(self) -> tuple[bytes, bytes]:
        """What is signed, and the signature."""
        head, body = loose_json(self.header), loose_json(self.claims)
        for edit in self.raw_header:
            head = edit(head)
        for edit in self.raw_claims:
            body = edit(body)
        signed = f"{b64.encode(head)}.{b64.encode(body)}".encode()
        signature = self.signer(signed)
        for edit in self.raw_signature:
            signature = edit(signature)
        return signed, signature

    def token(self) -> bytes:
        """The token's text; the store learns its digest if it is `linked`."""
        signed, signature = self.parts()
        text = signed + b"." + b64.encode(signature).encode()
        if self.linked:
            self.sql("UPDATE token SET digest = ? WHERE jti = ?", sha256(text).digest(), self.jti)
        for edit in self.text:
            text = edit(text)
        return text

    def question(self) -> Question:
        """The question about the token as it is now."""
        token = self.token()
        given = {name: value(token.strip()) if callable(value) else value for name, value in self.asked.items()}
        return question(token, **given)

    def verify(self) -> Verdict:
        """Judge it, writing nothing."""
        return verify(self.house, self.question())

    def consume(self) -> Verdict:
        """Judge it live."""
        return consume(self.house, self.question())[0]


def loose_json(value: Any) -> bytes:
    """JSON as the authority writes it, except that what is not JSON (NaN, lone surrogates) is written as well."""
    return json.dumps(value, separators=(",", ":")).encode()


def sign(signed: bytes, private: ec.EllipticCurvePrivateKey) -> bytes:
    """The ES256 signature, r ‖ s, made without the code under test."""
    r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
