"""The published documents: exactly what each kind of reader takes, and never anything that is not public."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nhictl.core.token import jws, publish
from nhictl.core.token.algorithms import ALGORITHMS

ISSUER = "https://nhi.example.org"


def stored(seed: bytes) -> dict[str, Any]:
    """A public key as the database has it."""
    bare = jws.public_jwk(jws.private_from_bytes(jws.new_private(seed * 40)))
    return {**bare, "kid": jws.thumbprint(bare), "use": "sig", "alg": "ES256"}


FIRST, SECOND = stored(b"1"), stored(b"2")


def made(iss: str = ISSUER, sequence: int = 7) -> dict[str, Any]:
    keys = publish.public_keys([FIRST, SECOND])
    return {path: json.loads(data) for path, data in publish.documents(iss, ["ES256"], keys, sequence).items()}


def test_the_key_set() -> None:
    keys = made()["jwks.json"]["keys"]
    assert keys == [FIRST, SECOND]
    assert list(keys[0]) == ["kty", "crv", "x", "y", "kid", "use", "alg"]


def test_the_bundle() -> None:
    bundle = made()["spiffe-bundle.json"]
    assert (bundle.pop("spiffe_sequence"), bundle.pop("spiffe_refresh_hint")) == (7, 300)
    wanted = [
        {"kty": "EC", "crv": "P-256", "x": k["x"], "y": k["y"], "kid": k["kid"], "use": "jwt-svid"}
        for k in (FIRST, SECOND)
    ]
    assert bundle == {"keys": wanted}


def test_the_metadata_names_nothing_that_nothing_serves() -> None:
    found = made()
    where = {"issuer": ISSUER, "jwks_uri": ISSUER + "/jwks.json"}
    assert found[".well-known/oauth-authorization-server"] == where | {
        "response_types_supported": [],
        "authorization_details_types_supported": ["nhictl_resource_access"],
        "dpop_signing_alg_values_supported": sorted(ALGORITHMS),
        "status_list_aggregation_endpoint": ISSUER + "/status/aggregation.json",
    }
    assert found[".well-known/openid-configuration"] == where | {
        "id_token_signing_alg_values_supported": ["ES256"],
        "subject_types_supported": ["public"],
        "response_types_supported": ["id_token"],
    }


def test_an_issuer_that_is_no_url_has_no_metadata() -> None:
    assert list(made("spiffe://example.org")) == ["jwks.json", "spiffe-bundle.json"]
    assert ".well-known" in publish.notes("spiffe://example.org")[0]


def test_where_the_metadata_of_an_issuer_with_a_path_belongs() -> None:
    assert publish.notes(ISSUER) == [f"serve the folder as {ISSUER}/"]
    said = publish.notes(ISSUER + "/a/b")[1]
    assert said.endswith("https://nhi.example.org/.well-known/oauth-authorization-server/a/b too")
    assert made(ISSUER + "/a/b")[".well-known/openid-configuration"]["jwks_uri"] == ISSUER + "/a/b/jwks.json"


def test_no_key_is_a_document_too() -> None:
    found = publish.documents(ISSUER, ["ES256"], [], 1)
    assert json.loads(found["jwks.json"]) == {"keys": []}
    assert json.loads(found["spiffe-bundle.json"])["keys"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"},
        {"k": "AAAA"},
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"alg": "ES384"},
        {"use": "enc"},
        {"use": "jwt-svid"},
        {"key_ops": ["sign"]},
        {"x": SECOND["x"]},
        {"x": SECOND["x"], "y": SECOND["y"]},
        {"kid": SECOND["kid"]},
        {"kid": None},
    ],
    ids=str,
)
def test_a_stored_key_that_is_not_ours_is_refused(change: dict[str, Any]) -> None:
    assert publish.public_keys([FIRST])
    with pytest.raises(ValueError, match=r"."):
        publish.public_keys([FIRST | change])


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        publish.public_keys([FIRST, SECOND, dict(FIRST)])


def test_other_members_are_never_copied() -> None:
    assert publish.public_keys([FIRST | {"comment": "made by ops", "x5c": ["AAAA"]}]) == publish.public_keys([FIRST])


def test_the_digest_is_of_the_content_and_not_of_the_sequence() -> None:
    keys = publish.public_keys([FIRST, SECOND])
    for sequence in (1, 2):
        data = publish.documents(ISSUER, ["ES256"], keys, sequence)[publish.BUNDLE]
        assert publish.read_bundle(data) == (sequence, publish.bundle_digest(keys))
    assert publish.bundle_digest(keys) != publish.bundle_digest(keys[:1])
    assert publish.bundle_digest(keys) != publish.bundle_digest(keys[::-1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 5000,
        b"{}",
        b'{"keys":[]}',
        b'{"spiffe_sequence":true}',
        b'{"spiffe_sequence":"3"}',
        b'{"spiffe_sequence":0}',
        b'{"spiffe_sequence":-1}',
        b'{"spiffe_sequence":3.0}',
        b'{"spiffe_sequence":9007199254740992}',
        b'{"spiffe_sequence":1,"spiffe_sequence":2}',
        b'\xff{"spiffe_sequence":1}',
    ],
)
def test_what_is_no_bundle_has_no_sequence(data: bytes) -> None:
    assert publish.read_bundle(b'{"spiffe_sequence":3}')[0] == 3
    assert publish.read_bundle(data) == (0, "")
