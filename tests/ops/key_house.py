"""A home whose clock is set by hand, with a task and a folder that is served: for the tests on signing keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nhictl.core.ledger import record
from nhictl.core.policy.box import parse_box
from nhictl.core.token.publish import SETTLE_S
from nhictl.ops import change_key, keys
from nhictl.ops.house import DATABASE, House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.publish_trust import publish
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import verify
from nhictl.store import log
from tests.harness import Clock
from tests.ops.token_home import decoded
from tests.ops.trust_home import AUDIENCE, new_home, with_task

STATES: Final = ("prepared", "active", "old", "tainted", "revoked")
SETTLED: Final = SETTLE_S


class Keys:
    """A home with one active token key, `first`; `served` is published in if asked."""

    def __init__(self, folder: Path, *, served: bool = True) -> None:
        self.clock = Clock()
        self.house: House = new_home(folder / "home", clock=self.clock)
        with_task(self.house)
        order = Order(
            "report-bot", "x", "p", (parse_box("a.b", None),), instance="one", deadline_s=86400, max_tokens=10**6
        )
        self.task = str(open_task(self.house, order)[0]["id"])
        self.served = folder / "served"
        if served:
            publish(self.house, str(self.served))
        self.first = self.kids("active")[0]

    def again(self) -> House:
        """The same home as another process has it."""
        return House(self.house.home, self.house.home / DATABASE, clock=self.clock)

    def listed(self, at_us: int | None = None) -> list[dict[str, Any]]:
        """The token keys as they are listed."""
        return [key for key in keys.everything(self.house, at_us) if key["use"] == "token"]

    def kids(self, *states: str, at_us: int | None = None) -> list[str]:
        """The kids of the token keys in those states."""
        return [key["kid"] for key in self.listed(at_us) if key["state"] in states]

    def states(self, at_us: int | None = None) -> dict[str, str]:
        """State by kid."""
        return {key["kid"]: key["state"] for key in self.listed(at_us)}

    def prepare(self) -> str:
        """Prepare a key."""
        return str(change_key.prepare(self.house).key["kid"])

    def rotate(self) -> str:
        """Prepare a key, wait and activate it."""
        kid = self.prepare()
        self.clock.advance(SETTLED)
        change_key.activate(self.house, kid)
        return kid

    def key(self, state: str) -> str:
        """A token key in that state; the home has another that signs, whichever it is."""
        kid = self.prepare()
        if state == "prepared":
            return kid
        change_key.activate(self.house, kid, now=True)
        if state == "active":
            return kid
        change_key.activate(self.house, self.prepare(), now=True)
        if state != "old":
            change_key.taint(self.house, kid)
        if state == "revoked":
            change_key.revoke(self.house, kid)
        return kid

    def token(self, **more: Any) -> str:
        """Issue a token."""
        return issue_token(self.house, self.task, AUDIENCE, **more)[0].token

    def reason(self, token: str, at_us: int | None = None) -> str:
        """What a plain check says of a token."""
        return verify(self.house, Question(token.encode(), AUDIENCE, at_us=at_us)).reason

    def records(self) -> list[dict[str, Any]]:
        """Every record of the log."""
        return [record.decode(line) for _, line in log.lines(self.house.db)]

    def shown(self, folder: Path | None = None) -> tuple[list[str], list[str], int]:
        """The kids in the key set and in the bundle of a folder, and the bundle's sequence."""
        where = folder or self.served
        sets = [json.loads((where / name).read_bytes()) for name in ("jwks.json", "spiffe-bundle.json")]
        first, second = ([key["kid"] for key in one["keys"]] for one in sets)
        return first, second, int(sets[1]["spiffe_sequence"])


def signer(token: str) -> str:
    """The kid in a token's header."""
    return str(decoded(token)[0]["kid"])


Verb = Callable[[House, str], change_key.Changed]
VERBS: Final[dict[str, Verb]] = {
    "activate": lambda house, kid: change_key.activate(house, kid, now=True),
    "taint": lambda house, kid: change_key.taint(house, kid, now=True),
    "revoke": change_key.revoke,
}
"""Each verb without what only asks to wait, so that the state alone decides."""
