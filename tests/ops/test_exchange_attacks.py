"""Every way a CI job's token can be no good, each one change away from one that is; and each leaves its record."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nhictl.core.token import b64
from nhictl.ops.exchange_token import Exchanged
from tests.core.token.crypto_keys import compact as jws_of
from tests.core.token.crypto_keys import edit_signature, raw_ecdsa
from tests.ops.ci_issuer import AUDIENCE, EC_JWK, GITHUB, NOON, RSA, RSA_JWK, github, sign
from tests.ops.exchange_house import Exchange

FORK: dict[str, Any] = {
    "event_name": "pull_request", "ref": "refs/pull/7/merge", "head_ref": "patch", "base_ref": "main",
    "ref_protected": "false",
}  # fmt: skip
"""What differs in a job that somebody's proposal runs: the ids are those of the repository it is made to."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    made = Exchange(tmp_path_factory.mktemp("attacks"), jwks={"keys": [RSA_JWK, EC_JWK]})
    yield made
    made.house.close()


@pytest.fixture
def home(template: Exchange) -> Iterator[Exchange]:
    made = template.copy()
    made.__class__ = Exchange
    yield made  # type: ignore[misc]
    made.house.close()


def tampered(token: bytes, **changes: Any) -> bytes:
    """The same token with other claims under the old signature."""
    head, payload, signature = token.split(b".")
    claims = json.loads(b64.decode(payload)) | changes
    return b".".join((head, b64.encode(json.dumps(claims).encode()).encode(), signature))


def hs256(claims: dict[str, Any]) -> bytes:
    """Signed with HMAC, the pinned RSA key's public text being the secret."""
    secret = RSA.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = {"alg": "HS256", "typ": "JWT", "kid": RSA_JWK["kid"]}
    return jws_of(head, json.dumps(claims).encode(), lambda data: hmac.new(secret, data, sha256).digest())


def foreign(claims: dict[str, Any], *, claim_kid: bool) -> bytes:
    """Signed by a key nobody pinned, under its own name or under the pinned one's."""
    key = ec.generate_private_key(ec.SECP256R1())
    kid = EC_JWK["kid"] if claim_kid else "somebody-else"
    head = {"alg": "ES256", "typ": "JWT", "kid": kid}
    return jws_of(head, json.dumps(claims).encode(), lambda data: raw_ecdsa(data, "ES256", key))


def malleable(token: bytes) -> bytes:
    """The other signature that the same ECDSA equation has."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return edit_signature(token, lambda s: s[:32] + (order - int.from_bytes(s[32:], "big")).to_bytes(32, "big"))


Token = Callable[[], bytes]
TOKENS: list[tuple[str, str, int, Token]] = [
    ("garbage", "token_bad_segments", 2, lambda: b"garbage"),
    ("nothing", "token_empty", 1, lambda: b"\n"),
    ("too long", "token_too_large", 1, lambda: b"x" * 16385),
    ("padding", "token_bad_base64", 2, lambda: sign(github()) + b"=="),
    ("duplicate member", "claims_duplicate_member", 7, lambda: sign(json.dumps(github()).encode()[:-1] + b',"ref":"x"}')),
    ("critical extension", "header_crit_unsupported", 4, lambda: sign(github(), crit=["x"])),
    ("brings its own key", "header_key_injection", 4, lambda: sign(github(), jwk=EC_JWK)),
    ("brings a certificate", "header_key_injection", 4, lambda: sign(github(), x5c=["MIIB"])),
    ("says where its key is", "header_key_injection", 4, lambda: sign(github(), jku="https://evil.example")),
    ("an access token", "typ_mismatch", 5, lambda: sign(github(), typ="at+jwt")),
    ("alg none", "alg_none", 6, lambda: sign(github(), alg="none")),
    ("alg None", "alg_none", 6, lambda: sign(github(), alg="NoNe")),
    ("HMAC with the public key", "alg_not_allowed", 6, lambda: hs256(github())),
    ("PS256 by an RS256 key", "alg_not_allowed", 6, lambda: sign(github(), alg="PS256")),
    ("RS256 by the EC key", "key_alg_mismatch", 9, lambda: sign(github(), kid=EC_JWK["kid"])),
    ("another issuer", "iss_untrusted", 8, lambda: sign(github(iss="https://gitlab.com"))),
    ("a slash more", "iss_untrusted", 8, lambda: sign(github(iss=GITHUB + "/"))),
    ("an enterprise's issuer", "iss_untrusted", 8, lambda: sign(github(iss=GITHUB + "/octo"))),
    ("issuer in capitals", "iss_untrusted", 8, lambda: sign(github(iss=GITHUB.upper()))),
    ("issuers", "iss_untrusted", 8, lambda: sign(github(iss=[GITHUB]))),
    ("no issuer", "iss_missing", 8, lambda: sign(github(iss=None))),
    ("no kid", "kid_missing", 9, lambda: sign(github(), kid="")),
    ("a key not pinned", "kid_unknown", 9, lambda: foreign(github(), claim_kid=False)),
    ("a key not pinned, by a pinned name", "signature_invalid", 10, lambda: foreign(github(), claim_kid=True)),
    ("claims changed", "signature_invalid", 10, lambda: tampered(sign(github(ref="refs/heads/x")), ref="refs/heads/main")),
    ("expiry changed", "signature_invalid", 10, lambda: tampered(sign(github()), exp=NOON + 301)),
    ("no jti", "claim_missing:jti", 11, lambda: sign(github(jti=None))),
    ("an empty jti", "claim_type:jti", 11, lambda: sign(github(jti=""))),
    ("a jti that is a number", "claim_type:jti", 11, lambda: sign(github(jti=7))),
    ("an endless jti", "claim_type:jti", 11, lambda: sign(github(jti="x" * 1025))),
    ("no expiry", "claim_missing:exp", 11, lambda: sign(github(exp=None))),
    ("expiry as text", "claim_type:exp", 11, lambda: sign(github(exp=str(NOON + 300)))),
    ("expiry beyond all years", "claim_type:exp", 11, lambda: sign(github(exp=1e308))),
    ("nbf true", "claim_type:nbf", 11, lambda: sign(github(nbf=True))),
    ("no iat", "claim_missing:iat", 11, lambda: sign(github(iat=None))),
    ("no sub", "claim_missing:sub", 11, lambda: sign(github(sub=None))),
    ("no audience", "claim_missing:aud", 11, lambda: sign(github(aud=None))),
    ("expired", "token_expired", 12, lambda: sign(github(NOON - 331))),
    ("expired by the leeway", "token_expired", 12, lambda: sign(github(exp=NOON - 30, iat=NOON - 330))),
    ("not yet", "token_not_yet_valid", 12, lambda: sign(github(nbf=NOON + 31))),
    ("of the future", "iat_in_future", 12, lambda: sign(github(iat=NOON + 31))),
    ("over before it began", "exp_before_iat", 12, lambda: sign(github(iat=NOON + 20, exp=NOON + 10))),
    ("living too long", "lifetime_too_long", 12, lambda: sign(github(exp=NOON + 901))),
    ("GitHub's own audience", "aud_mismatch", 13, lambda: sign(github(aud="https://github.com/octo-org"))),
    ("audience with a slash", "aud_mismatch", 13, lambda: sign(github(aud=AUDIENCE + "/"))),
    ("several audiences", "aud_multiple", 13, lambda: sign(github(aud=[AUDIENCE, "x"]))),
    ("one audience as a list", "aud_multiple", 13, lambda: sign(github(aud=[AUDIENCE]))),
    ("audience null", "claim_type:aud", 13, lambda: sign(json.dumps(github() | {"aud": None}).encode())),
    ("a new repository of the same name", "claim_mismatch:repository_id", 14, lambda: sign(github(repository_id="456790"))),
    ("a new owner of the same name", "claim_mismatch:repository_owner_id", 14, lambda: sign(
        github(repository_owner_id="123457"))),
    ("`sub` alone", "claim_missing:repository_id", 14, lambda: sign(
        github(repository_id=None, repository_owner_id=None, sub="repo:octo-org/octo-repo:ref:refs/heads/main"))),
    ("a proposal from a fork", "claim_mismatch:event_name", 14, lambda: sign(github(**FORK))),
    ("a fork's proposal, run as the target", "claim_mismatch:event_name", 14, lambda: sign(
        github(event_name="pull_request_target"))),
    ("another branch", "claim_mismatch:ref", 14, lambda: sign(github(ref="refs/heads/dev"))),
    ("a branch not protected", "claim_mismatch:ref_protected", 14, lambda: sign(github(ref_protected="false"))),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "step", "token"), [row[1:] for row in TOKENS], ids=[row[0] for row in TOKENS])
def test_a_token_that_is_no_good(home: Exchange, reason: str, step: int, token: Token) -> None:
    before, data = home.size(), token()
    answer = home.refused(data)
    assert (answer.reason, answer.step, answer.recorded) == (reason, step, True)
    assert home.size() == before + 1
    last = home.last()
    assert (last["type"], last["op"], last["outcome"]) == ("token.denied", "exchange", "deny")
    assert last["dec"] == {"effect": "deny", "reason": reason}
    assert last["tok"] == "sha256:" + sha256(data.strip()).hexdigest()
    assert home.house.db.execute("SELECT (SELECT count(*) FROM task), (SELECT count(*) FROM spent)").fetchone() == (
        0,
        0,
    )
    explained = home.explained(data)
    assert explained["would"] == "refuse"
    assert reason in [check["reason"] for check in explained["checks"]]


GOOD: list[tuple[str, Token]] = [
    ("as it is", lambda: sign(github())),
    ("by the EC key", lambda: sign(github(), "ES256")),
    ("with a newline", lambda: sign(github()) + b"\n"),
    ("no typ", lambda: jws_of({"alg": "RS256", "kid": RSA_JWK["kid"]}, json.dumps(github()).encode(), RSA.sign)),
    ("a header nobody knows", lambda: sign(github(), x5t="abc", nobody=1)),
    (
        "renamed repository and owner",
        lambda: sign(github(repository="new/name", repository_owner="new", sub="repo:new@1/n")),
    ),
    ("times with a fraction", lambda: sign(github(exp=NOON + 299.5, iat=NOON - 0.5))),
    ("expired within the leeway", lambda: sign(github(exp=NOON - 29, iat=NOON - 329))),
    ("no nbf", lambda: sign(github(nbf=None))),
    ("the longest life", lambda: sign(github(exp=NOON + 900))),
    ("another event of the trust", lambda: sign(github(event_name="workflow_dispatch"))),
    ("of another job", lambda: sign(github(check_run_id="1", actor="hubot"))),
]


@pytest.mark.parametrize("token", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
def test_a_token_that_is_good(home: Exchange, token: Token) -> None:
    assert home.explained(token())["would"] == "exchange"
    assert isinstance(home.ask(token()), Exchanged)


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("intent_not_listed", {"intent": "destroy"}),
    ("intent_not_listed", {"intent": "deploy,roll-back"}),
    ("audience_not_listed", {"audience": "https://bank.example.org"}),
    ("audience_not_listed", {"audience": "https://deploy.example.org/"}),
    ("ttl_exceeds_trust", {"ttl_s": 301}),
    ("deadline_exceeds_trust", {"deadline_s": 1801}),
    ("scope_exceeds_trust", {"allow": ["deploy.run"]}),
    ("scope_exceeds_trust", {"allow": ["deploy.*"]}),
    ("scope_exceeds_trust", {"allow": ["deploy.status", "deploy.destroy"]}),
    ("scope_exceeds_trust", {"allow": ["deploy.run?args.env=prod|staging|dev"]}),
    ("scope_exceeds_trust", {"allow": ["deploy.run?args.env?=prod|staging"]}),
]


@pytest.mark.parametrize(("reason", "asked"), REQUESTS)
def test_a_request_the_trust_does_not_cover(home: Exchange, reason: str, asked: dict[str, Any]) -> None:
    token = sign(github())
    answer = home.refused(token, **asked)
    assert (answer.reason, answer.step, answer.recorded) == (reason, 19, True)
    assert home.last()["agent"] == "deploy-bot"
    assert home.good(token).issued.task, "what was refused took nothing"


@pytest.mark.parametrize(
    "asked",
    [
        {"intent": "roll-back"},
        {"ttl_s": 1, "deadline_s": 1},
        {"ttl_s": 300, "deadline_s": 1800},
        {"allow": ["deploy.status"]},
        {"allow": ["deploy.run?args.env=staging|prod"]},
        {"allow": ["deploy.run?args.env=prod"]},
        {"allow": ["deploy.status", "deploy.run?args.env=prod|staging"], "purpose": "release 7"},
    ],
)
def test_a_request_the_trust_covers(home: Exchange, asked: dict[str, Any]) -> None:
    home.good(sign(github()), **asked)


def test_the_pinned_key_of_another_trust_does_not_count(tmp_path: Path) -> None:
    home = Exchange(tmp_path)  # the RSA key alone
    home.trust(name="other", jwks={"keys": [EC_JWK]})
    assert home.refused(sign(github(), "ES256")).reason == "alg_not_allowed"
    assert home.refused(sign(github(), "RS256"), "other").reason == "alg_not_allowed"
    home.good(sign(github(), "RS256"))


def test_one_token_spelt_twice_is_still_one(home: Exchange) -> None:
    """ECDSA lets anybody make a second signature of a first: what is remembered is issuer and `jti`, not the text."""
    token = sign(github(), "ES256")
    assert malleable(token) != token
    home.good(malleable(token))
    assert home.refused(token).reason == "jti_replayed"
