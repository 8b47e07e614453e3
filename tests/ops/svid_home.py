"""Short forms for the tests on X.509-SVIDs, over a home whose clock is set by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from nhictl.ops import agent_keys, issue_svid
from nhictl.ops.issue_svid import Issued
from nhictl.store import agents
from tests.core.identity.csr_requests import request
from tests.ops.agent_house import Agents

SECOND: Final = 1_000_000


class Svids(Agents):
    """A home with an agent `bot` that has no key of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.add("bot")

    def issue(self, name: str = "bot", number: int = 1, **more: Any) -> Issued:
        """Certify the key of that number by a request."""
        data = request(key=private(number))
        key = issue_svid.requested(self.house, name, data, "r.csr")
        return issue_svid.issue_svid(self.house, name, key, instance=more.pop("instance", "one"), **more)[0]

    def copied(self) -> Svids:
        """The same with a copy of the database in memory."""
        made = self.copy()
        made.__class__ = Svids
        return cast(Svids, made)

    def keys(self) -> list[agents.KeyRow]:
        """The X.509 authorities there are."""
        return agents.keys(self.house.db, "x509")

    def set_state(self, state: str) -> None:
        """Change the state of every authority behind the back of the log."""
        self.house.db.execute("UPDATE signing_key SET state = ? WHERE use = 'x509'", (state,))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The records of one type."""
        return [one for one in self.records() if one["type"] == kind]


def private(number: int) -> ec.EllipticCurvePrivateKey:
    """A key, the same for the same number."""
    return ec.derive_private_key(number, ec.SECP256R1())


def own(number: int) -> agent_keys.OwnKey:
    """The same as an agent's own key."""
    import json

    from nhictl.core.token import jws

    return agent_keys.given(json.dumps(jws.public_jwk(private(number))).encode(), "k")


def read(issued: Issued) -> x509.Certificate:
    """The certificate."""
    return x509.load_pem_x509_certificate(issued.certificate.encode())


def span(issued: Issued) -> tuple[int, int]:
    """First and last second."""
    found = read(issued)
    return int(found.not_valid_before_utc.timestamp()), int(found.not_valid_after_utc.timestamp())
