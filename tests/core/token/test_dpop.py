"""DPoP proofs: one refusal a row, each beside a proof that differs in that one thing and is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.token import dpop
from nhictl.core.token.verdict import RejectedError
from tests.core.token.dpop_proofs import ADDRESS, GONE, METHOD, NOW_S, Key, OkpKey, proof
from tests.harness import NOON_US
from tests.ops.token_codes import CODES, generic

KEY, OTHER = Key(), Key(11)
TOKEN: Final = b"eyJ.a.token"
ASKED = dpop.Asked(METHOD, ADDRESS)
STEP_16: Final = set(CODES[16].split())


def reason(text: bytes, asked: dpop.Asked = ASKED, now_us: int = NOON_US, **more: Any) -> str:
    found = None
    try:
        dpop.check(text, asked, now_us, **{"token": TOKEN, "jkt": KEY.jkt, **more})
    except RejectedError as e:
        found = e
    if found is None:
        return "valid"
    assert found.step == 16
    assert generic(found.reason) in STEP_16
    return found.reason


def made(**changes: Any) -> bytes:
    return proof(KEY, token=TOKEN, **changes)


ROWS: Final[list[tuple[str, str, Callable[[], bytes]]]] = [
    ("nothing", "dpop_malformed", lambda: b""),
    ("garbage", "dpop_malformed", lambda: b"garbage"),
    ("two proofs", "dpop_malformed", lambda: made() + b"," + made()),
    ("padding", "dpop_malformed", lambda: made() + b"="),
    ("too large", "dpop_malformed", lambda: made(more="x" * 9000)),
    ("a key that is no key", "dpop_malformed", lambda: made(header={"jwk": {"kty": "EC"}})),
    ("a key that is a text", "dpop_malformed", lambda: made(header={"jwk": "key"})),
    ("no key", "dpop_malformed", lambda: made(header={"jwk": GONE})),
    ("a key for encryption", "dpop_malformed", lambda: made(header={"jwk": {**KEY.jwk, "use": "enc"}})),
    ("a key of another algorithm", "dpop_malformed", lambda: made(header={"jwk": OkpKey().jwk})),
    ("a point off the curve", "dpop_malformed", lambda: made(header={"jwk": {**KEY.jwk, "y": KEY.jwk["x"]}})),
    ("crit", "dpop_malformed", lambda: made(header={"crit": ["jti"]})),
    ("the key's address", "dpop_malformed", lambda: made(header={"jku": "https://evil.example"})),
    ("no typ", "dpop_typ", lambda: made(header={"typ": GONE})),
    ("an access token's typ", "dpop_typ", lambda: made(header={"typ": "at+jwt"})),
    ("JWT", "dpop_typ", lambda: made(header={"typ": "JWT"})),
    ("alg none", "dpop_alg", lambda: made(header={"alg": "none"})),
    ("alg HS256", "dpop_alg", lambda: made(header={"alg": "HS256"})),
    ("no alg", "dpop_alg", lambda: made(header={"alg": GONE})),
    ("a private key", "dpop_private_jwk", lambda: made(header={"jwk": {**KEY.jwk, "d": "AAAA"}})),
    ("a symmetric key", "dpop_private_jwk", lambda: made(header={"jwk": {"kty": "oct", "k": "AAAA"}})),
    ("another's signature", "dpop_signature", lambda: made(signer=OTHER)),
    *((f"no {name}", f"dpop_missing:{name}", lambda name=name: made(**{name: GONE})) for name in ("htm", "htu", "iat", "ath")),
    ("no jti", "dpop_missing:jti", lambda: made(jti=GONE)),
    *((f"a null {name}", "dpop_malformed", lambda name=name: made(**{name: None})) for name in ("htm", "htu", "iat", "ath")),
    ("an empty jti", "dpop_malformed", lambda: made(jti="")),
    ("iat as text", "dpop_malformed", lambda: made(iat=str(NOW_S))),
    ("iat true", "dpop_malformed", lambda: made(iat=True)),
    ("another method", "dpop_htm", lambda: made(htm="GET")),
    ("the method in small letters", "dpop_htm", lambda: made(htm="post")),
    ("another host", "dpop_htu", lambda: made(htu="https://evil.example/reports")),
    ("another path", "dpop_htu", lambda: made(htu=ADDRESS + "/x")),
    ("plain http", "dpop_htu", lambda: made(htu=ADDRESS.replace("https", "http"))),
    ("no address", "dpop_htu", lambda: made(htu="reports")),
    ("userinfo", "dpop_htu", lambda: made(htu="https://api.example.org@evil.example/reports")),
    ("a minute and a second ago", "dpop_iat", lambda: made(iat=NOW_S - 61)),
    ("a minute and a second ahead", "dpop_iat", lambda: made(iat=NOW_S + 61)),
    ("iat beyond all time", "dpop_iat", lambda: made(iat=10**400)),
    ("iat 1e308", "dpop_iat", lambda: made(iat=1e308)),
    ("another token's hash", "dpop_ath", lambda: proof(KEY, token=b"another")),
    ("another key", "dpop_key_mismatch", lambda: proof(OTHER, token=TOKEN)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), [(row[2], row[1]) for row in ROWS], ids=[row[0] for row in ROWS])
def test_refused(text: Callable[[], bytes], code: str) -> None:
    assert reason(made()) == "valid", "positive control"
    assert reason(text()) == code


def test_every_code_of_a_proof_has_a_row() -> None:
    given = {code for code in STEP_16 if code.startswith("dpop_")} - {"dpop_replay"}
    assert {generic(row[1]) for row in ROWS} == given


@pytest.mark.parametrize(
    "text",
    [lambda: made(iat=NOW_S - 60), lambda: made(iat=NOW_S + 60), lambda: made(iat=NOW_S + 0.5), lambda: made() + b"\n",
     lambda: made(nonce="n", more=[1]), lambda: made(header={"kid": "any", "jwk": {**KEY.jwk, "alg": "ES256", "use": "sig"}}),
     lambda: made(htu=ADDRESS + "?a=b#c"), lambda: made(htu="HTTPS://API.example.org:443/%72eports")],
)  # fmt: skip
def test_accepted(text: Callable[[], bytes]) -> None:
    assert reason(text()) == "valid"


def test_a_proof_by_another_kind_of_key() -> None:
    key = OkpKey()
    text = proof(key, token=TOKEN, header={"alg": "EdDSA"})
    assert reason(text, jkt=key.jkt) == "valid"
    assert reason(text) == "dpop_key_mismatch"


def test_what_a_proof_is_remembered_by() -> None:
    """By key and id: the same id of another key is another proof, the same id of the same key is not."""
    one, again, other = (
        dpop.check(text, ASKED, NOON_US).mark for text in (proof(KEY), proof(KEY, iat=NOW_S - 1), proof(OTHER))
    )
    assert one == again != other
    assert dpop.check(proof(KEY, jti="id-2"), ASKED, NOON_US).mark != one


RFC_HEAD = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQy"
    "VVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19."
)
RFC_FIGURE_2 = (
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijox"
    "NTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
RFC_FIGURE_13 = (
    "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNv"
    "dXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtN"
    "P86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)


def test_the_examples_of_the_specification() -> None:
    """RFC 9449, the proofs for a token and with one, and the thumbprint of their key."""
    jkt, now_us = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", 1562262616 * 1_000_000
    first, second = (RFC_HEAD + RFC_FIGURE_2).encode(), (RFC_HEAD + RFC_FIGURE_13).encode()
    assert dpop.check(first, dpop.Asked("POST", "https://server.example.com/token"), now_us).jkt == jkt
    asked, token = (
        dpop.Asked("GET", "https://resource.example.org/protectedresource"),
        b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
    )
    assert dpop.check(second, asked, now_us, token=token, jkt=jkt).jkt == jkt
    assert reason(second, asked, now_us, jkt=jkt) == "dpop_ath"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example", "https://a.example/", True),
        ("https://a.example:443/", "https://A.EXAMPLE/", True),
        ("http://a.example:80/x", "http://a.example/x", True),
        ("https://a.example/x?y", "https://a.example/x", True),
        ("https://a.example/%7ex", "https://a.example/~x", True),
        ("https://a.example/%2fx", "https://a.example/%2Fx", True),
        ("https://[::1]:443/", "https://[::1]/", True),
        ("spiffe://example.org", "spiffe://example.org/", True),
        ("https://a.example:80/", "https://a.example/", False),
        ("https://a.example/%2fx", "https://a.example//x", False),
        ("https://a.example/x/", "https://a.example/x", False),
        ("https://a.example/X", "https://a.example/x", False),
        ("https://a.example/a/../x", "https://a.example/x", False),
    ],
)
def test_addresses(one: str, other: str, same: bool) -> None:
    first, second = dpop.normal_address(one), dpop.normal_address(other)
    assert first is not None
    assert (first == second) is same


@pytest.mark.parametrize(
    "text", ["", "x", "https://", "https:///x", "//a", "https://a b/", "https://a/\n", "https://a/%g0", "https://ä/"]
)
def test_what_is_no_address(text: str) -> None:
    assert dpop.normal_address(text) is None


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), st.integers(0, 400), st.integers(0, 8)
)
def test_hostile_bytes_get_a_code_and_no_exception(data: bytes, at: int, cut: int) -> None:
    good = made()
    assert reason(data).startswith("dpop_")
    spliced = good[: at % len(good)] + data[:3] + good[at % len(good) + cut :]
    assert reason(spliced) in {"valid", *STEP_16} or reason(spliced).startswith("dpop_missing:")
