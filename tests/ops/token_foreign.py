"""A token of somebody else's issuer and what a verifier far from it knows; cases differ from the good one in one thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from nhictl.core.token import b64, profile
from nhictl.core.token.status_list import claims_of, pack
from nhictl.core.token.verdict import Verdict
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_offline import Known, verify_offline
from tests.core.token.crypto_keys import pair
from tests.core.token.dpop_proofs import NOW_S
from tests.harness import NOON_US

ISS: Final = "https://login.example.com/tenant"
AUD: Final = "https://api.example.org"
URI: Final = "https://login.example.com/status/1"
Edit = Callable[[bytes], bytes]


class Foreign:
    """The parts of a case; `verify` puts them together. `...` as a value drops a member."""

    def __init__(self, alg: str = "RS256") -> None:
        self.alg = alg
        made = pair(alg)
        self.header: dict[str, Any] = {"alg": alg, "typ": "JWT", "kid": "k1"}
        self.claims: dict[str, Any] = {
            "iss": ISS, "sub": "repo:octo/app:ref", "aud": AUD, "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 300, "jti": "j",
        }  # fmt: skip
        self.keys: list[Any] = [{**made.jwk, "kid": "k1"}]
        self.signer: Callable[[bytes], bytes] = made.sign
        self.raw_header: list[Edit] = []
        self.raw_claims: list[Edit] = []
        self.raw_signature: list[Edit] = []
        self.text: list[Edit] = []
        self.issuer = ISS
        self.lists: list[bytes] = []
        self.asked: dict[str, Any] = {}

    def jws(self, header: dict[str, Any], claims: dict[str, Any]) -> bytes:
        """What the issuer signs."""
        parts = [json.dumps({k: v for k, v in part.items() if v is not ...}).encode() for part in (header, claims)]
        for number, edits in enumerate((self.raw_header, self.raw_claims)):
            for edit in edits:
                parts[number] = edit(parts[number])
        signed = ".".join(map(b64.encode, parts)).encode()
        signature = self.signer(signed)
        for edit in self.raw_signature:
            signature = edit(signature)
        return signed + b"." + b64.encode(signature).encode()

    def token(self) -> bytes:
        """The token's text."""
        text = self.jws(self.header, self.claims)
        for edit in self.text:
            text = edit(text)
        return text

    def list_of(self, *statuses: int, **changed: Any) -> bytes:
        """A status list token of the issuer."""
        found = pack(16, 2, list(enumerate(statuses)))
        return Foreign(self.alg).jws(
            {"alg": self.alg, "typ": "statuslist+jwt", "kid": "k1"}, claims_of(URI, found, NOW_S) | changed
        )

    def verify(self) -> Verdict:
        """Judge it."""
        known = Known(self.issuer, {"keys": self.keys}, self.lists)
        token = self.token()
        given = {name: value(token) if callable(value) else value for name, value in self.asked.items()}
        asked = Question(token, **{"audience": AUD, "kind": profile.GENERIC} | given)
        return verify_offline(known, asked, NOON_US)
