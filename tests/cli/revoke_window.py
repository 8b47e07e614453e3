"""Long-lived `token verify --batch -` processes that are asked while, and again after, something is revoked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nhictl.core.policy.box import parse_box
from nhictl.ops.end_task import end_task
from nhictl.ops.freeze import freeze, unfreeze
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import Issued, issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.revoke_token import Selector, revoke
from tests.harness import ROOT, SETTINGS

AUDIENCE: Final = "https://api.example.org"


class Round:
    """One token with names of its own, and the house it is of."""

    def __init__(self, house: House, number: int) -> None:
        self.house = house
        self.agent, self.run, self.principal = f"bot-{number % 20}", str(1000 + number), f"p{number}@example.org"
        self.instance = f"claimed.github.{self.run}.1.job"
        order = Order(self.agent, "i", "p", (parse_box("a.b", None),), self.principal, instance=self.instance)
        self.task = str(open_task(house, order)[0]["id"])
        self.token: Issued = issue_token(house, self.task, AUDIENCE)[0]

    def revoke(self, **given: Any) -> None:
        """Revoke by a selector."""
        assert revoke(self.house, Selector(**given), None)[0].total >= 1

    def kid(self) -> str:
        """The key that signed it."""
        return str(self.house.db.execute("SELECT kid FROM signing_key WHERE use = 'token'").fetchone()[0])


def _around(house: House) -> tuple[int, int]:
    now = house.clock()
    return now - 60_000_000, now + 1_000_000


WAYS: Final[list[tuple[str, str, Callable[[Round], object]]]] = [
    ("jti", "token_revoked", lambda r: r.revoke(jti=r.token.jti)),
    ("token", "token_revoked", lambda r: r.revoke(token=r.token.token.encode())),
    ("task", "token_revoked", lambda r: r.revoke(task=r.task)),
    ("agent", "token_revoked", lambda r: r.revoke(agent=r.agent)),
    ("instance", "token_revoked", lambda r: r.revoke(instance=r.instance)),
    ("principal", "token_revoked", lambda r: r.revoke(principal=r.principal)),
    ("kid", "token_revoked", lambda r: r.revoke(kid=r.kid())),
    ("issued", "token_revoked", lambda r: r.revoke(issued=_around(r.house))),
    ("ci run", "token_revoked", lambda r: r.revoke(ci_run=r.run)),
    ("agent, issued", "token_revoked", lambda r: r.revoke(agent=r.agent, issued=_around(r.house))),
    ("freeze agent", "frozen", lambda r: freeze(r.house, "agent", r.agent, "r")),
    ("freeze group", "frozen", lambda r: freeze(r.house, "group", "all-of-them", "r")),
    ("freeze all", "frozen", lambda r: freeze(r.house, "all", "", "r")),
    ("kill", "task_killed", lambda r: end_task(r.house, r.task, "killed", None)),
]
"""How a token is ended, and what a check says from then on."""


class Verifiers:
    """Processes that answer a line each."""

    def __init__(self, home: Path, count: int) -> None:
        env = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        argv = [
            sys.executable,
            "-m",
            "nhictl",
            "--home",
            str(home),
            "token",
            "verify",
            "--batch",
            "-",
            "--audience",
            AUDIENCE,
        ]
        self.processes = [
            subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env | {"PYTHONPATH": str(ROOT)}, cwd=ROOT
            )
            for _ in range(count)
        ]

    def ask(self, token: str) -> None:
        """Put the question to all of them."""
        line = json.dumps({"token": token}).encode() + b"\n"
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(line)
            process.stdin.flush()

    def answers(self) -> set[str]:
        """What they say to the oldest question that is not answered."""
        found = set()
        for process in self.processes:
            assert process.stdout is not None
            found.add(str(json.loads(process.stdout.readline())["reason"]))
        return found

    def close(self) -> None:
        """End them."""
        for process in self.processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()
            process.wait(30)


def windows(folder: Path, rounds: int, verifiers: int = 8) -> Counter[tuple[str, str]]:
    """How often they said what to a question that was put after the revocation had returned, by the way it was revoked.

    Before it everybody accepts, and a question is on its way while it is carried out.
    """
    house = House(folder / "home", folder / "home" / DATABASE)
    initialise(house, "example.org", None)
    for number in range(20):
        register(house, Registration(f"bot-{number}", "o@example.org", "p", groups=("all-of-them",)))
    crowd = Verifiers(house.home, verifiers)
    said: Counter[tuple[str, str]] = Counter()
    try:
        for number in range(rounds):
            name, wanted, act = WAYS[number % len(WAYS)]
            mine = Round(house, number)
            crowd.ask(mine.token.token)
            assert crowd.answers() == {"valid"}, (number, name)
            crowd.ask(mine.token.token)
            act(mine)
            crowd.ask(mine.token.token)
            assert crowd.answers() <= {"valid", wanted}
            said.update((name, reason) for reason in crowd.answers())
            if wanted == "frozen":
                kind = name.split()[1]
                unfreeze(house, kind, {"agent": mine.agent, "group": "all-of-them"}.get(kind, ""), None)
    finally:
        crowd.close()
        house.close()
    return said
