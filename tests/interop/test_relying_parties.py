"""Libraries that other people use take what we issue and publish, and refuse the same with a forged signature.

Each is a development dependency; a test skips where its library is missing.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nhictl.core.policy.box import parse_box
from nhictl.core.token import b64
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.publish_trust import publish
from nhictl.ops.register_agent import Registration, register

DOMAIN, ISSUER, AUDIENCE = "example.org", "https://nhi.example.org", "https://api.example.org/reports"
SUBJECT = "spiffe://example.org/agent/report-bot"

# What these libraries warn of when they are imported is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


class Case(NamedTuple):
    """A token of either profile, and the published folder."""

    at: str
    svid: str
    folder: Path

    def jwks(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.folder / "jwks.json").read_bytes())
        return value

    def bundle(self) -> bytes:
        return (self.folder / "spiffe-bundle.json").read_bytes()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Two keys are published, as during a rotation; the real clock, since no library lets itself be told the time."""
    folder = tmp_path_factory.mktemp("authority")
    house = House(folder / "home", folder / "home" / DATABASE)
    initialise(house, DOMAIN, ISSUER)
    register(house, Registration("report-bot", "owner@example.org", "reading reports"), None, None)
    order = Order("report-bot", "reports", "the monthly report", (parse_box("reports.read", None),))
    task = str(open_task(house, order)[0]["id"])
    at = issue_token(house, task, AUDIENCE)[0].token
    svid = issue_token(house, task, AUDIENCE, kind="jwt-svid")[0].token
    _another_key(house)
    publish(house, str(folder / "pub"))
    yield Case(at, svid, folder / "pub")
    house.close()


def _another_key(house: House) -> None:
    from nhictl.core.token import jws
    from nhictl.store import agents

    bare = jws.public_jwk(jws.private_from_bytes(jws.new_private(b"another" * 6)))
    kid = jws.thumbprint(bare)
    agents.add_key(house.db, "token", kid, json.dumps({**bare, "kid": kid}), b"", "prepared", 1)


def library(name: str) -> Any:
    """The module, or a skipped test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, exc_type=ImportError)


def forged(token: str) -> str:
    """The token with one bit of its signature turned: as well formed as the good one."""
    head, _, signature = token.rpartition(".")
    raw = bytearray(b64.decode(signature))
    raw[20] ^= 1
    return f"{head}.{b64.encode(bytes(raw))}"


def altered(token: str) -> str:
    """The token with another subject under the old signature."""
    head, body, signature = token.split(".")
    claims = json.loads(b64.decode(body)) | {"sub": "spiffe://example.org/agent/other-bot"}
    return f"{head}.{b64.encode(json.dumps(claims).encode())}.{signature}"


Accept = Callable[[Case, str], dict[str, Any]]


def by_pyjwt(case: Case, token: str) -> dict[str, Any]:
    jwt = library("jwt")
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [key for key in jwt.PyJWKSet.from_dict(case.jwks()).keys if key.key_id == kid]
    found: dict[str, Any] = jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)
    return found


def by_authlib(case: Case, token: str) -> dict[str, Any]:
    """The validator of RFC 9068, as a resource server has it."""
    base = library("authlib.oauth2.rfc9068").JWTBearerTokenValidator
    key_set = library("joserfc.jwk").KeySet

    class Validator(base):  # type: ignore[misc, valid-type]
        def get_jwks(self) -> Any:
            return key_set.import_key_set(case.jwks())

    validator = Validator(issuer=ISSUER, resource_server=AUDIENCE)
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, ["reports.read"], None)
    return dict(claims)


def by_joserfc(case: Case, token: str) -> dict[str, Any]:
    jwt, keys = library("joserfc.jwt"), library("joserfc.jwk").KeySet.import_key_set(case.jwks())
    claims = jwt.decode(token, keys).claims
    wanted = {"essential": True}
    jwt.JWTClaimsRegistry(iss=wanted | {"value": ISSUER}, aud=wanted | {"value": AUDIENCE}).validate(claims)
    return dict(claims)


def by_jwcrypto(case: Case, token: str) -> dict[str, Any]:
    keys = library("jwcrypto.jwk").JWKSet.from_json(json.dumps(case.jwks()))
    found = library("jwcrypto.jwt").JWT(jwt=token, key=keys, check_claims={"iss": ISSUER, "aud": AUDIENCE})
    claims: dict[str, Any] = json.loads(found.claims)
    return claims


def by_py_spiffe(case: Case, token: str) -> dict[str, Any]:
    spiffe = library("spiffe")
    bundle = spiffe.JwtBundle.parse(spiffe.TrustDomain(DOMAIN), case.bundle())
    svid = spiffe.JwtSvid.parse_and_validate(token, bundle, {AUDIENCE})
    return {"sub": str(svid.spiffe_id), "aud": sorted(svid.audience)}


OAUTH = [by_pyjwt, by_authlib, by_joserfc, by_jwcrypto]


@pytest.mark.parametrize("accept", OAUTH, ids=lambda f: f.__name__[3:])
def test_the_per_task_token_is_accepted(case: Case, accept: Accept) -> None:
    claims = accept(case, case.at)
    assert (claims["sub"], claims["iss"], claims["aud"]) == (SUBJECT, ISSUER, AUDIENCE)


def test_the_jwt_svid_is_accepted(case: Case) -> None:
    assert by_py_spiffe(case, case.svid) == {"sub": SUBJECT, "aud": [AUDIENCE]}


# What each says to a bad signature. jwcrypto has tried every key, and Authlib tells no reason: hence the control.
REFUSALS = [
    (by_pyjwt, "InvalidSignatureError"),
    (by_authlib, "InvalidTokenError"),
    (by_joserfc, "BadSignatureError"),
    (by_jwcrypto, "JWTMissingKey"),
    (by_py_spiffe, "InvalidTokenError"),
]


@pytest.mark.parametrize("spoil", [forged, altered])
@pytest.mark.parametrize(("accept", "name"), REFUSALS, ids=[row[0].__name__[3:] for row in REFUSALS])
def test_a_forged_one_is_refused(case: Case, accept: Accept, name: str, spoil: Callable[[str], str]) -> None:
    token = case.svid if accept is by_py_spiffe else case.at
    assert accept(case, token), "positive control"
    with pytest.raises(Exception, match=r".") as caught:
        accept(case, spoil(token))
    assert type(caught.value).__name__ == name


def test_the_two_key_files_are_not_for_each_other(case: Case) -> None:
    """Why there are two: the `use` of a bundle makes a JOSE library refuse it whole."""
    import_key_set = library("joserfc.jwk").KeySet.import_key_set
    assert len(import_key_set(case.jwks()).keys) == 2, "positive control"
    with pytest.raises(Exception, match="'use' must be one of"):
        import_key_set(json.loads(case.bundle()))


def test_the_per_task_token_is_no_svid(case: Case) -> None:
    assert by_py_spiffe(case, case.svid), "positive control"
    with pytest.raises(Exception, match=r"(?i)typ"):
        by_py_spiffe(case, case.at)


def test_every_published_key_is_read(case: Case) -> None:
    kids = {key["kid"] for key in case.jwks()["keys"]}
    assert len(kids) == 2
    assert {key.key_id for key in library("jwt").PyJWKSet.from_dict(case.jwks()).keys} == kids
    assert {key["kid"] for key in json.loads(case.bundle())["keys"]} == kids
    spiffe = library("spiffe")
    bundle = spiffe.JwtBundle.parse(spiffe.TrustDomain(DOMAIN), case.bundle())
    assert set(bundle.jwt_authorities) == kids


def test_the_metadata_is_read(case: Case) -> None:
    """Authlib checks it against RFC 8414 and OpenID Connect Discovery.

    Two of its rules are left out on purpose. It takes an empty `response_types_supported` for a missing one; and it wants
    RS256 among the algorithms, which we do not sign with and so do not claim.
    """
    documents = {
        "oauth-authorization-server": library("authlib.oauth2.rfc8414").AuthorizationServerMetadata,
        "openid-configuration": library("authlib.oidc.discovery").OpenIDProviderMetadata,
    }
    for name, metadata in documents.items():
        document = json.loads((case.folder / ".well-known" / name).read_bytes())
        found = metadata(document)
        found.validate_issuer()
        found.validate_jwks_uri()
        if name == "openid-configuration":
            found.validate_response_types_supported()
            found.validate_subject_types_supported()
        assert document["jwks_uri"] == f"{document['issuer']}/jwks.json"
