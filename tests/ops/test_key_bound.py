"""Tokens bound to a key: whose, for how long, and that each proof is good once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nhictl.errors import ConflictError, InputError
from nhictl.ops import binding
from nhictl.ops.issue_token import issue_token
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_offline import Known, verify_offline
from nhictl.ops.verify_token import verify
from tests.core.token.dpop_proofs import ADDRESS, METHOD, Key, OkpKey
from tests.ops.delegation_home import AUDIENCE, ISSUER, Chain
from tests.ops.token_home import decoded

OTHER = Key(5)


def test_a_token_bound_to_its_agents_key(chain: Chain) -> None:
    token = chain.root(bind=binding.OWN).token
    assert decoded(token)[1]["cnf"] == {"jkt": chain.keys["boss"].jkt}
    assert chain.last()["ext"]["jkt"] == chain.keys["boss"].jkt
    assert chain.verify(token).valid
    assert chain.verify(token, by="one").reason == "dpop_key_mismatch"
    assert verify(chain.house, Question(token.encode(), AUDIENCE)).reason == "pop_required"


def test_a_token_bound_to_a_key_of_its_own(chain: Chain) -> None:
    for key in (OTHER, OkpKey()):
        jkt = binding.given(json.dumps(key.jwk).encode(), "key")
        assert decoded(chain.root(bind=jkt).token)[1]["cnf"] == {"jkt": key.jkt}


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"x", "key_malformed"), (b"[]", "key_malformed"), (b"{}", "key_malformed"),
     (json.dumps({**OTHER.jwk, "d": "AA"}).encode(), "key_private"), (b'{"kty":"oct","k":"AA"}', "key_private"),
     (json.dumps({**OTHER.jwk, "use": "enc"}).encode(), "key_use_mismatch"),
     (json.dumps({**OTHER.jwk, "y": OTHER.jwk["x"]}).encode(), "key_malformed"),
     (json.dumps({**OkpKey().jwk, "crv": "X25519"}).encode(), "key_unsupported")],
)  # fmt: skip
def test_keys_that_nothing_is_bound_to(data: bytes, code: str) -> None:
    with pytest.raises(InputError) as caught:
        binding.given(data, "key.json")
    assert caught.value.code == code


def test_a_bound_token_may_live_longer_than_a_bearers(chain: Chain) -> None:
    task = chain.task(deadline_s=20_000)
    assert chain.verify(chain.root(task, bind=binding.OWN, ttl_s=14_400).token).valid
    for bind, ttl in ((binding.OWN, 14_401), (None, 3601)):
        with pytest.raises(InputError, match="lives"):
            chain.root(task, bind=bind, ttl_s=ttl)


def test_what_cannot_be_bound(chain: Chain) -> None:
    with pytest.raises(InputError, match="bound to no key"):
        chain.root(bind=binding.OWN, kind="jwt-svid")
    task = chain.task()
    chain.house.db.execute("UPDATE agent_version SET doc = json_set(doc, '$.kid', NULL, '$.jwk', NULL)")
    with pytest.raises(ConflictError, match="no key") as caught:
        issue_token(chain.house, task, AUDIENCE, bind=binding.OWN)
    assert caught.value.code == "agent_key_missing"


def test_a_live_check_takes_a_proof_once(chain: Chain) -> None:
    token = chain.root(bind=binding.OWN).token
    shown = chain.proof(token, "boss")
    assert [chain.verify(token, proven=shown).reason for _ in range(2)] == ["valid", "valid"], "looking takes nothing"
    assert chain.consume(token, proven=shown).valid
    assert chain.verify(token, proven=shown).reason == "dpop_replay"
    assert chain.consume(token, proven=shown).reason == "dpop_replay"
    assert (chain.last()["type"], chain.last()["dec"]["reason"]) == ("token.denied", "dpop_replay")
    assert chain.consume(token).valid, "with a new proof"


def test_a_proof_is_taken_even_by_a_call_that_is_denied(chain: Chain) -> None:
    token = chain.root(bind=binding.OWN).token
    shown = chain.proof(token, "boss")
    assert chain.consume(token, "a.drop", {}, proven=shown).reason == "authz_insufficient"
    assert chain.consume(token, proven=shown).reason == "dpop_replay"


def test_proofs_are_remembered_as_long_as_they_could_come_again_and_no_longer(chain: Chain) -> None:
    token = chain.root(chain.task(), bind=binding.OWN).token
    shown = chain.proof(token, "boss", iat=chain.now // 1_000_000 + 60)
    assert chain.consume(token, proven=shown).valid
    chain.now += 120 * 1_000_000
    assert chain.consume(token, proven=shown).reason == "dpop_replay", "the last moment at which it is fresh"
    chain.now += 1_000_001
    assert chain.consume(token, proven=shown).reason == "dpop_iat"
    chain.consume(token)
    assert chain.house.db.execute("SELECT count(*) FROM proof").fetchone()[0] == 1


def test_a_proof_for_delegating_is_taken_too_and_no_other_is_one(chain: Chain) -> None:
    child = chain.chain("one")[1].token
    shown = chain.delegating(child, "one")
    assert chain.made(child, "two", proven=shown)
    assert chain.refused(child, "three", proven=shown) == "dpop_replay"
    assert chain.refused(child, "three", proven=chain.proof(child, "one")) == "dpop_htm"
    assert chain.verify(child, proven=chain.delegating(child, "one")).reason == "dpop_htm"


def test_an_unbound_token_needs_no_proof_and_a_bad_one_does_not_help_or_harm(chain: Chain) -> None:
    token = chain.root().token
    asked = Question(token.encode(), AUDIENCE, proof=(b"garbage", METHOD, ADDRESS))
    assert verify(chain.house, asked).valid


def test_far_from_the_authority_the_proof_is_checked_and_not_remembered(chain: Chain, tmp_path: Path) -> None:
    _, child = chain.chain("one")
    keys = {
        "keys": [json.loads(chain.house.db.execute("SELECT public FROM signing_key WHERE use = 'token'").fetchone()[0])]
    }
    known = Known(ISSUER, keys, trust_domain="example.org")
    asked = chain.question(child.token)
    assert [verify_offline(known, asked, chain.now).reason for _ in range(2)] == ["valid", "valid"]
    assert verify_offline(known, chain.question(child.token, by="two"), chain.now).reason == "dpop_key_mismatch"
    assert verify_offline(known, asked._replace(proof=None), chain.now).reason == "pop_required"
    wide = chain.question(child.token, args={"n": 51})
    assert verify_offline(known, wide, chain.now).reason == "authz_insufficient"
