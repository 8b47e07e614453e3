"""A home with a trust in the test's own CI system, and short forms for exchanging under it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from nhictl.core.policy.box import parse_box
from nhictl.ops import trusts
from nhictl.ops.exchange_checks import Asked
from nhictl.ops.exchange_token import Exchanged, Refused, exchange
from nhictl.ops.explain_trust import explain
from tests.ops.agent_house import Agents
from tests.ops.ci_issuer import TARGET, github, sign, trust

_NUMBERS = itertools.count()


def fresh(**changes: Any) -> bytes:
    """A token of a job that nobody has exchanged yet."""
    return sign(github(**{"jti": f"job-{next(_NUMBERS)}"} | changes))


class Exchange(Agents):
    """The home of `Agents` with the agent `deploy-bot` and the trust `deploy-main`."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        super().__init__(folder)
        self.add("deploy-bot")
        self.trust(**changes)

    def trust(self, *, replace: bool = False, **changes: Any) -> dict[str, Any]:
        """Add a trust."""
        made, _ = trusts.add(self.house, "t.yaml", json.dumps(trust(**changes)).encode(), replace=replace)
        assert not isinstance(made, trusts.Refused), made
        return made[0]

    def ask(self, token: bytes, name: str = "deploy-main", **asked: Any) -> Exchanged | Refused:
        """Exchange a token."""
        allow = tuple(parse_box(text, None) for text in asked.pop("allow", ()))
        wanted = Asked(**{"intent": "deploy", "audience": TARGET, "allow": allow} | asked)
        return exchange(self.house, name, token, wanted)[0]

    def good(self, token: bytes, name: str = "deploy-main", **asked: Any) -> Exchanged:
        """Exchange a token, which has to work."""
        answer = self.ask(token, name, **asked)
        assert isinstance(answer, Exchanged), answer
        return answer

    def refused(self, token: bytes, name: str = "deploy-main", **asked: Any) -> Refused:
        """Exchange a token, which has to be refused."""
        answer = self.ask(token, name, **asked)
        assert isinstance(answer, Refused), answer
        return answer

    def explained(self, token: bytes | None, at: int | None = None) -> dict[str, Any]:
        """What `trust explain` answers."""
        return explain(self.house, "deploy-main", token, at)
