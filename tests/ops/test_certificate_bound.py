"""Tokens bound to a client's certificate (RFC 8705): what a TLS server saw is what the token has to name."""

from __future__ import annotations

import json
import ssl
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from nhictl.core.token import b64
from nhictl.core.token.confirmation import Confirmation
from nhictl.errors import InputError
from nhictl.ops import binding
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_offline import Known, verify_offline
from nhictl.ops.verify_token import consume, verify
from tests.core.identity.tls_client import self_signed, shown_by
from tests.core.token.crypto_keys import rsa_private
from tests.core.token.dpop_proofs import Key
from tests.ops.delegation_home import AUDIENCE, ISSUER, Chain
from tests.ops.token_home import decoded

KEY, OTHER = Key(21), Key(22)
PEM, OTHER_PEM = self_signed(KEY.private), self_signed(OTHER.private)
BOUND = binding.given(PEM, "client.pem")


def asked(token: str, pem: bytes | None = PEM) -> Question:
    der = binding.certificate(pem, "c") if pem is not None else None
    return Question(token.encode(), AUDIENCE, certificate=der)


@pytest.mark.parametrize("private", [KEY.private, rsa_private(), ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))],
                         ids=["P-256", "RSA", "Ed25519"])  # fmt: skip
def test_what_a_tls_server_sees_of_its_client_is_what_the_token_names(
    chain: Chain, tmp_path: Path, private: ec.EllipticCurvePrivateKey
) -> None:
    pem = self_signed(private)
    token = chain.root(bind=binding.given(pem, "client.pem")).token
    wanted = {"x5t#S256": b64.encode(sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).digest())}
    assert decoded(token)[1]["cnf"] == wanted
    assert wanted.items() <= chain.last()["ext"].items()
    seen = shown_by(tmp_path, private, pem)
    assert verify(chain.house, Question(token.encode(), AUDIENCE, certificate=seen)).valid
    assert consume(chain.house, Question(token.encode(), AUDIENCE, certificate=seen))[0].valid
    other = shown_by(tmp_path, OTHER.private, OTHER_PEM)
    assert verify(chain.house, Question(token.encode(), AUDIENCE, certificate=other)).reason == "mtls_mismatch"
    assert consume(chain.house, Question(token.encode(), AUDIENCE, certificate=other))[0].reason == "mtls_mismatch"
    assert (chain.last()["type"], chain.last()["dec"]["reason"]) == ("token.denied", "mtls_mismatch")
    assert verify(chain.house, Question(token.encode(), AUDIENCE)).reason == "pop_required"


def test_a_child_bound_to_a_certificate(chain: Chain) -> None:
    child = chain.made(chain.root().token, "one", bind=BOUND)
    assert decoded(child.token)[1]["cnf"] == BOUND.to_json()
    assert BOUND.to_json().items() <= chain.last()["ext"].items()
    assert verify(chain.house, asked(child.token)).valid
    assert verify(chain.house, asked(child.token, OTHER_PEM)).reason == "mtls_mismatch"
    assert verify(chain.house, asked(child.token, None)).reason == "pop_required"
    shown = chain.proof(child.token, "one")
    assert chain.verify(child.token, proven=shown).reason == "pop_required", "the agent's own key is another one"


def test_handing_on_takes_a_proof_by_the_certificates_key(chain: Chain) -> None:
    """A certificate is public: with it alone, whoever stole the token could have it made out to himself."""
    from nhictl.core.policy.box import parse_box
    from nhictl.ops.delegate_token import Delegated, delegate
    from nhictl.ops.delegation_checks import Wanted

    child = chain.made(chain.root().token, "one", bind=BOUND)
    chain.keys |= {"certificate": KEY, "another": OTHER}
    wanted = Wanted("two", (parse_box("a.read?args.n<=5&args.n>=0"),), binding.OWN, instance="i-two")
    pem = {"certificate": PEM, "another": OTHER_PEM}

    def ask(by: str | None, shown: str | None) -> str:
        proof = chain.delegating(child.token, by) if by else None
        der = binding.certificate(pem[shown], "c") if shown else None
        found = delegate(chain.house, child.token.encode(), wanted, proof, der)[0]
        return "made" if isinstance(found, Delegated) else found.reason

    assert ask("certificate", "certificate") == "made"
    assert ask(None, "certificate") == "pop_required"
    assert ask("certificate", None) == "pop_required"
    assert ask("one", "certificate") == "dpop_key_mismatch"
    assert ask("another", "another") == "mtls_mismatch"


def test_far_from_the_authority(chain: Chain) -> None:
    token = chain.root(bind=BOUND).token
    public = chain.house.db.execute("SELECT public FROM signing_key WHERE use = 'token'").fetchone()[0]
    known = Known(ISSUER, {"keys": [json.loads(public)]}, trust_domain="example.org")
    for pem, reason in ((PEM, "valid"), (OTHER_PEM, "mtls_mismatch"), (None, "pop_required")):
        assert verify_offline(known, asked(token, pem), chain.now).reason == reason


def test_a_bearers_token_is_no_better_or_worse_for_a_certificate(chain: Chain) -> None:
    assert verify(chain.house, asked(chain.root().token)).valid


BAD: list[tuple[bytes, str]] = [
    (PEM + OTHER_PEM, "certificate_malformed"),
    (PEM.replace(b"MII", b"MIJ", 1), "certificate_malformed"),
    (PEM[:-40], "certificate_malformed"),
    (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "certificate_malformed"),
    (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "certificate_malformed"),
    (PEM + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key_private"),
]


@pytest.mark.parametrize(("data", "code"), BAD)
def test_files_that_nothing_is_bound_to(data: bytes, code: str) -> None:
    assert isinstance(binding.given(b"\n" + PEM, "c"), Confirmation), "positive control"
    with pytest.raises(InputError) as caught:
        binding.given(data, "client.pem")
    assert caught.value.code == code
    with pytest.raises(InputError):
        binding.certificate(data, "client.pem")


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xff" * 100])
def test_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(InputError, match="0 PEM blocks"):
        binding.certificate(data, "c")
