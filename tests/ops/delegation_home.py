"""An authority with a chain of agents, keys of their own, and tokens made from tokens; the clock is set by hand."""

from __future__ import annotations

import json
import sqlite3
from itertools import count
from pathlib import Path
from typing import Any, Final

from nhictl.core.ledger import record
from nhictl.core.policy.box import parse_box
from nhictl.core.token.verdict import Verdict
from nhictl.ops import binding, policies
from nhictl.ops.activate_policy import activate
from nhictl.ops.agent_keys import given
from nhictl.ops.delegate_token import Delegated, delegate
from nhictl.ops.delegation_checks import Refused, Wanted
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import Issued, issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from nhictl.store import log
from tests.core.token.dpop_proofs import ADDRESS, METHOD, Key, proof
from tests.harness import NOON_US
from tests.ops.token_home import InMemory, decoded

AUDIENCE: Final = "https://api.example.org"
ISSUER: Final = "https://nhi.example.org"
NAMES: Final = ("boss", "one", "two", "three", "four", "five", "six")
ALLOWED: Final = ("a.read?args.n<=100&args.n>=0", "a.write")
POLICY: Final[dict[str, Any]] = {
    "nhictl_policy": 1,
    "tools": {
        "a.read": {"args": {"n": "integer"}},
        "a.write": {"args": {"n": "integer"}},
        "a.drop": {"args": {}},
        "a.mail": {"args": {"to": "string"}},
    },
    "rules": [
        {"id": "P", "effect": "permit", "match": {"tools": ["a.read", "a.write", "a.drop", "a.mail"]}},
        {
            "id": "DEEP",
            "effect": "forbid",
            "match": {"tools": ["a.write"]},
            "when": {"task.delegation_depth": {"gt": 2}},
        },
        {"id": "LOW", "effect": "forbid", "match": {"agents": ["two"], "tools": ["a.mail"]}},
        {"id": "HIGH", "effect": "forbid", "match": {"agents": ["boss"], "tools": ["a.drop"]}},
    ],
}


class Chain:
    """The home; every agent but `six` has a key, numbered like it."""

    def __init__(self, folder: Path | None) -> None:
        self.now = NOON_US
        self.ids = count()
        self.keys = {name: Key(number + 100) for number, name in enumerate(NAMES)}
        if folder is None:
            return
        self.house = House(folder / "home", folder / "home" / DATABASE, clock=lambda: self.now)
        initialise(self.house, "example.org", ISSUER)
        for name in NAMES:
            own = given(json.dumps(self.keys[name].jwk).encode(), "key") if name != "six" else None
            register(self.house, Registration(name, "o@example.org", "reading"), own, None)
        activate(self.house, [("p", json.dumps(POLICY).encode())])

    def copy(self) -> Chain:
        """The same with a copy of the database in memory."""
        made = Chain(None)
        made.now = self.now
        house = InMemory(self.house.home, self.house.database, clock=lambda: made.now)
        house.keeps_mark = False
        db = sqlite3.connect(":memory:", isolation_level=None)
        self.house.db.backup(db)
        house.adopt(db, self.house.sealer)
        made.house = house
        return made

    def task(self, *allow: str, to: tuple[str, ...] = NAMES[1:], depth: int = 5, **more: Any) -> str:
        """Open a task of `boss`, an hour long, that may be handed on."""
        boxes = tuple(parse_box(text, policies.active(self.house)) for text in allow or ALLOWED)
        order = Order("boss", "i", "p", boxes, instance="i0", delegates=to, max_depth=depth, **more)
        return str(open_task(self.house, order)[0]["id"])

    def root(self, task: str | None = None, **more: Any) -> Issued:
        """A token of `boss`."""
        return issue_token(self.house, task or self.task(), AUDIENCE, **more)[0]

    def ask(
        self, parent: str, to: str, *allow: str, by: str | None = None, proven: bytes | None = None, **more: Any
    ) -> Delegated | Refused:
        """Delegate; with `by` the proof is by that agent's key."""
        boxes = tuple(parse_box(text, policies.active(self.house)) for text in allow)
        wanted = Wanted(to, boxes, **({"bind": binding.OWN, "instance": f"i-{to}"} | more))
        shown = proven if by is None else self.delegating(parent, by)
        return delegate(self.house, parent.encode(), wanted, shown)[0]

    def made(self, parent: str, to: str, *allow: str, **more: Any) -> Issued:
        """A child, which has to be granted."""
        found = self.ask(parent, to, *(allow or ("a.read?args.n<=50&args.n>=0",)), **more)
        assert isinstance(found, Delegated), found
        return found.issued

    def refused(self, parent: str, to: str, *allow: str, **more: Any) -> str:
        """The reason of a refusal, which there has to be."""
        found = self.ask(parent, to, *(allow or ("a.read?args.n<=50&args.n>=0",)), **more)
        assert isinstance(found, Refused), found
        return found.reason

    def chain(self, *names: str, **more: Any) -> list[Issued]:
        """A token of boss and one made from it for each name in turn."""
        found = [self.root(**more)]
        for before, name in zip((None, *names), names, strict=False):
            found.append(self.made(found[-1].token, name, by=before))
        return found

    def proof(self, token: str, by: str, **more: Any) -> bytes:
        """A proof by an agent's key for a call at `ADDRESS`, each with an id of its own."""
        jti = {"jti": f"proof-{next(self.ids)}"}
        return proof(self.keys[by], token=token.encode(), **({"now_s": self.now // 1_000_000} | jti | more))

    def delegating(self, token: str, by: str, **more: Any) -> bytes:
        """A proof by an agent's key for delegating the token."""
        return self.proof(token, by, **({"htm": "DELEGATE", "htu": ISSUER} | more))

    def question(
        self, token: str, tool: str | None = "a.read", args: dict[str, Any] | None = None, *, by: str | None = None,
        proven: bytes | None = None, **more: Any,
    ) -> Question:  # fmt: skip
        """The question about a call; by default by whoever the token is for."""
        holder = by or decoded(token)[1]["client_id"]
        bound = "cnf" in decoded(token)[1]
        text = proven if proven is not None else self.proof(token, holder) if bound else None
        given = ({"n": 1} if args is None else args) if tool else None
        return Question(
            token.encode(), AUDIENCE, tool, given, proof=None if text is None else (text, METHOD, ADDRESS), **more
        )

    def verify(
        self, token: str, tool: str | None = "a.read", args: dict[str, Any] | None = None, **more: Any
    ) -> Verdict:
        """Judge a call, writing nothing."""
        return verify(self.house, self.question(token, tool, args, **more))

    def consume(
        self, token: str, tool: str | None = "a.read", args: dict[str, Any] | None = None, **more: Any
    ) -> Verdict:
        """Judge a call live."""
        return consume(self.house, self.question(token, tool, args, **more))[0]

    def records(self) -> list[dict[str, Any]]:
        """Every record of the log."""
        return [record.decode(line) for _, line in log.lines(self.house.db)]

    def last(self) -> dict[str, Any]:
        """The newest record."""
        return self.records()[-1]
