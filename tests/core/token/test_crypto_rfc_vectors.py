"""The examples of RFC 7515 (A.1 to A.4), RFC 7638 (3.1) and RFC 8037 (A.1 to A.6): each verdict is the RFC's own."""

from __future__ import annotations

from typing import Any

import pytest

from nhictl.core.token import b64
from nhictl.ops.crypto_checks import lint_jwks, thumbprint, verify_jws

JOE = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
A1_JWS = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
A1_KEY = {
    "kty": "oct",
    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
}
A2_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
    "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS"
    "-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et"
    "hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
A2_JWS = (
    f"eyJhbGciOiJSUzI1NiJ9.{JOE}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb"
    "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383"
    "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy"
    "wlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
A3_JWS = (
    f"eyJhbGciOiJFUzI1NiJ9.{JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
A4_KEY = {
    "kty": "EC",
    "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
}
A4_JWS = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgo"
    "XD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
ED_PRIVATE = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
ED_KEY = {name: value for name, value in ED_PRIVATE.items() if name != "d"}
ED_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
X25519_KEY = {"kty": "OKP", "crv": "X25519", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}
RSA_7638 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZg"
    "nYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw"
    "0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}

GOOD: dict[str, tuple[dict[str, Any], str, str]] = {
    "7515 A.2": (A2_KEY, A2_JWS, "RS256"),
    "7515 A.3": (A3_KEY, A3_JWS, "ES256"),
    "7515 A.4": (A4_KEY, A4_JWS, "ES512"),
    "8037 A.4 and A.5": (ED_KEY, ED_JWS, "EdDSA"),
}


@pytest.mark.parametrize("name", GOOD)
def test_signatures_hold(name: str) -> None:
    key, jws, alg = GOOD[name]
    body, payload = verify_jws(key, jws.encode())
    assert body == {"valid": True, "reason": "valid", "alg": alg}
    assert payload == b64.decode(jws.split(".")[1])


@pytest.mark.parametrize("name", GOOD)
def test_every_bit_of_the_signature_counts(name: str) -> None:
    key, jws, _ = GOOD[name]
    signed, _, signature = jws.rpartition(".")
    for at in (0, len(b64.decode(signature)) // 2, -1):
        raw = bytearray(b64.decode(signature))
        raw[at] ^= 1
        body, payload = verify_jws(key, f"{signed}.{b64.encode(bytes(raw))}".encode())
        assert (body["valid"], body["reason"], payload) == (False, "signature_invalid", b"")


def test_a_symmetric_signature_is_refused() -> None:
    """RFC 7515 A.1 is good for who shares the key; nothing here checks what it could have made."""
    assert verify_jws(A1_KEY, A1_JWS.encode())[0]["reason"] == "alg_not_allowed"
    assert verify_jws(A1_KEY, A3_JWS.encode())[0]["reason"] == "key_private"
    assert verify_jws(A3_KEY, A1_JWS.encode())[0]["reason"] == "alg_not_allowed"


def test_the_private_key_of_8037_is_refused() -> None:
    assert verify_jws(ED_PRIVATE, ED_JWS.encode())[0]["reason"] == "key_private"
    assert thumbprint(ED_PRIVATE)["reason"] == "key_private"
    (finding,) = lint_jwks({"keys": [{**ED_PRIVATE, "kid": "a", "alg": "EdDSA"}]})["findings"]
    assert (finding["code"], finding["key"], finding["kid"]) == ("key_private", 0, "a")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (RSA_7638, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ED_KEY, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ],
    ids=["7638 3.1", "8037 A.3"],
)
def test_thumbprints(key: dict[str, Any], expected: str) -> None:
    assert thumbprint(key) == {"valid": True, "reason": "valid", "thumbprint": expected}
    extra = dict(reversed({**key, "use": "sig", "key_ops": ["verify"], "x5t": "é"}.items()))
    assert thumbprint(extra)["thumbprint"] == expected, "only the required members count, in their own order"


def test_a_key_agreement_key_has_a_thumbprint_and_verifies_nothing() -> None:
    """The key of RFC 8037 A.6."""
    assert thumbprint(X25519_KEY)["valid"]
    assert verify_jws(X25519_KEY, ED_JWS.encode())[0]["reason"] == "key_alg_mismatch"
    codes = {f["code"] for f in lint_jwks({"keys": [{**X25519_KEY, "kid": "Bob"}]})["findings"]}
    assert codes == {"key_unsupported"}


def test_the_public_keys_make_a_valid_set() -> None:
    keys = [
        {**A2_KEY, "kid": "a2", "alg": "RS256"}, {**A3_KEY, "kid": "a3", "alg": "ES256"},
        {**A4_KEY, "kid": "a4", "alg": "ES512"}, {**ED_KEY, "kid": "ed", "alg": "EdDSA"}, RSA_7638,
    ]  # fmt: skip
    assert lint_jwks({"keys": keys}) == {"valid": True, "findings": []}
