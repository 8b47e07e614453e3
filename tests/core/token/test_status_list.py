"""Token status lists: the specification's vectors, every shape that is none, and each reason of step 17 offline."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.token import b64, claims, jws, status_list
from nhictl.core.token.status_list import ListFaultError, StatusList, pack, read
from nhictl.core.token.verdict import RejectedError

ISS = "https://nhi.example.org"
URI = f"{ISS}/status/1"
NOW = 1_795_460_000
PRIVATE = jws.private_from_bytes(b"\x01" * 32)
OTHER = jws.private_from_bytes(b"\x02" * 32)
ISSUER = claims.Issuer(
    ISS, (({**jws.public_jwk(PRIVATE), "kid": "k"}, False),), "example.org", frozenset({"ES256"})
)  # fmt: skip

# draft-ietf-oauth-status-list, §4.1 and §4.2: sixteen statuses in one bit each, twelve in two
ONE_BIT = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
TWO_BITS = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
PLACES = [0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345]


@pytest.mark.parametrize(
    ("bits", "statuses", "packed", "lst"),
    [(1, ONE_BIT, "b9a3", "eNrbuRgAAhcBXQ"), (2, TWO_BITS, "c944f9", "eNo76fITAAPfAgc")],
)
def test_the_examples_of_the_specification(bits: int, statuses: list[int], packed: str, lst: str) -> None:
    made = pack(len(statuses), bits, enumerate(statuses))
    assert made.packed.hex() == packed
    assert read(made.to_json()) == made
    found = read({"bits": bits, "lst": lst, "aggregation_uri": "ignored"})
    assert found == made
    assert [found.at(i) for i in range(found.size)] == statuses


# Appendix C.1: eleven entries of a million in one bit each, compressed
MILLION = (
    "78daeddc010dc0200c0041a88249400ad2903e0f4b"
    "ba00bd93f002beb7a2a2010000a91e09000000000000000000000000000000807296"
    "04000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000005c6f4800000000000000fc2c240000000000000000000000be1b12"
    "000000000000000000ecaa4b000000000000000000000000000000009b0b09000000"
    "00000000000038de9400000000000000002a30cc010000000080642f0bd8011b"
)


def test_appendix_c_a_million_entries_of_one_bit() -> None:
    found = read({"bits": 1, "lst": b64.encode(bytes.fromhex(MILLION))})
    assert found == pack(1 << 20, 1, ((place, 1) for place in PLACES))
    assert found.size == 1 << 20


@given(st.sampled_from(status_list.BITS), st.lists(st.tuples(st.integers(0, 299), st.integers(0, 255)), max_size=40))
def test_what_is_packed_is_what_is_read(bits: int, entries: list[tuple[int, int]]) -> None:
    fit = [(idx, status % (1 << bits)) for idx, status in entries]
    model = dict(fit)
    found = read(pack(300, bits, fit).to_json())
    assert found.size >= 300
    assert [found.at(i) for i in range(300)] == [model.get(i, 0) for i in range(300)]


@pytest.mark.parametrize(("idx", "status", "bits"), [(300, 0, 2), (-1, 0, 2), (0, 4, 2), (0, -1, 2), (0, 0, 3)])
def test_what_does_not_fit_is_not_packed(idx: int, status: int, bits: int) -> None:
    pack(300, 2, [(299, 3)])
    with pytest.raises(ValueError, match=r"fit|bits"):
        pack(300, bits, [(idx, status)])


GOOD = pack(16, 2, [(1, 1), (2, 2), (3, 3)])
LST = GOOD.to_json()["lst"]
BOMB = b64.encode(zlib.compress(bytes(64 << 20), 9))
NO_LISTS: list[tuple[str, Any]] = [
    ("no JSON object", []),
    ("no JSON object", None),
    ("`bits`", {"lst": LST}),
    ("`bits`", {"bits": 3, "lst": LST}),
    ("`bits`", {"bits": True, "lst": LST}),
    ("`bits`", {"bits": "2", "lst": LST}),
    ("`lst`", {"bits": 2}),
    ("`lst`", {"bits": 2, "lst": [1]}),
    ("base64url", {"bits": 2, "lst": LST + "="}),
    ("base64url", {"bits": 2, "lst": LST[:-1] + "é"}),
    ("zlib", {"bits": 2, "lst": "AAAA"}),
    ("zlib", {"bits": 2, "lst": b64.encode(zlib.compress(GOOD.packed, 9)[2:-4])}),
    ("zlib", {"bits": 2, "lst": b64.encode(zlib.compress(GOOD.packed)[:-1] + b"\x00")}),
    ("too early", {"bits": 2, "lst": ""}),
    ("too early", {"bits": 2, "lst": b64.encode(zlib.compress(GOOD.packed)[:-2])}),
    ("too early or too late", {"bits": 2, "lst": b64.encode(zlib.compress(GOOD.packed) + b"x")}),
    ("inflates", {"bits": 2, "lst": BOMB}),
]


@pytest.mark.parametrize(("why", "value"), NO_LISTS)
def test_what_is_no_list(why: str, value: Any) -> None:
    assert read({"bits": 2, "lst": LST}) == GOOD
    with pytest.raises(ListFaultError, match=why):
        read(value)


def test_a_bomb_costs_no_more_memory_than_a_list_may_have() -> None:
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(ListFaultError, match="inflates"):
        read({"bits": 2, "lst": BOMB})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * status_list.MAX_INFLATED


def token(header: dict[str, Any] | None = None, key: Any = PRIVATE, **changed: Any) -> bytes:
    """A signed status list token; a claim given as None is left out."""
    from nhictl.core import strict_json

    body = status_list.claims_of(URI, GOOD, NOW) | changed
    text = strict_json.dumps({name: value for name, value in body.items() if value is not None})
    return jws.sign({"alg": "ES256", "typ": "statuslist+jwt", "kid": "k"} | (header or {}), text.encode(), key).encode()


def ask(
    idx: int = 0, *, at_s: float = NOW + 1, lists: list[bytes] | None = None, stale: int = 60, **status: Any
) -> int:
    """The age of the list a token at `idx` was found VALID by."""
    found = [status_list.parse(each, ISSUER) for each in ([token()] if lists is None else lists)]
    named = {"status": {"status_list": {"idx": idx, "uri": URI} | status}}
    return status_list.status(named, found, int(at_s * 1_000_000), stale)


def test_a_valid_entry_and_the_age_of_its_list() -> None:
    assert ask() == 1
    assert ask(at_s=NOW + 60) == 60
    assert ask(at_s=NOW - 30) == 0
    assert ask(idx=15) == 1
    assert (
        ask(lists=[token(iat=NOW - 50, status_list=pack(16, 2, [(0, 1)]).to_json()), token()]) == 1
    )  # the newest counts


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("token_revoked", {"idx": 1}),
    ("token_suspended", {"idx": 2}),
    ("status_unknown_value", {"idx": 3}),
    ("status_index_out_of_range", {"idx": 16}),
    ("status_malformed", {"idx": -1}),
    ("status_malformed", {"idx": True}),
    ("status_malformed", {"idx": 1.0}),
    ("status_malformed", {"uri": ""}),
    ("status_malformed", {"uri": 7}),
    ("status_list_unavailable", {"lists": []}),
    ("status_list_unavailable", {"uri": URI + "/"}),
    ("status_list_unavailable", {"lists": [token(sub=f"{ISS}/status/2")]}),
    ("status_list_stale", {"at_s": NOW + 61}),
    ("status_list_stale", {"at_s": NOW + 31, "stale": 30}),
    ("status_list_expired", {"at_s": NOW + 900, "stale": 10_000}),
    ("status_list_invalid", {"at_s": NOW - 31}),
]


@pytest.mark.parametrize(("reason", "changed"), REFUSED)
def test_each_reason_of_step_17_offline(reason: str, changed: dict[str, Any]) -> None:
    assert ask() == 1
    with pytest.raises(RejectedError) as caught:
        ask(**changed)
    assert (caught.value.step, caught.value.reason) == (17, reason)


def test_a_token_without_a_status_and_one_with_a_strange_one() -> None:
    found = [status_list.parse(token(), ISSUER)]
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "status_missing"),
        ({"status": {}}, "status_malformed"),
        ({"status": 1}, "status_malformed"),
    ]
    for claims_, reason in cases:
        with pytest.raises(RejectedError) as caught:
            status_list.status(claims_, found, NOW * 1_000_000, 60)
        assert caught.value.reason == reason


INVALID = [
    token(key=OTHER),
    token({"typ": "at+jwt"}),
    token({"typ": "JWT"}),
    token({"kid": "other"}),
    token({"alg": "none"}),
    token({"jwk": jws.public_jwk(OTHER)}, OTHER),
    token({"crit": ["x"]}),
    token(sub=None),
    token(sub=7),
    token(iat=None),
    token(iat=True),
    token(exp="soon"),
    token(iss="https://other.example"),
    token(status_list=None),
    token(status_list={"bits": 2, "lst": BOMB}),
    token()[:-2],
    token() + b".x",
    b"",
    b"{}",
    b"a.b.c",
    b"x" * (status_list.MAX_LIST + 1),
]


@pytest.mark.parametrize("data", INVALID, ids=range(len(INVALID)))
def test_a_list_that_is_not_the_issuers_or_no_list(data: bytes) -> None:
    assert status_list.parse(token({"typ": "application/statuslist+jwt"}, exp=None), ISSUER).list == GOOD
    with pytest.raises(RejectedError) as caught:
        status_list.parse(data, ISSUER)
    assert (caught.value.step, caught.value.reason) == (17, "status_list_invalid")


def test_a_list_of_a_million_random_entries_is_still_read() -> None:
    chance = random.Random(7)
    made = StatusList(2, chance.randbytes(250_000))
    text = status_list.sign("k", PRIVATE, status_list.claims_of(URI, made, NOW)).encode()
    assert status_list.parse(text, ISSUER).list == made
