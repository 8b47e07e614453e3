"""Public keys of other people, as JWKs (RFC 7517, 7518 §6, 8037): read strictly, for verifying and nothing else.

Step 9 of verification. Every fault has a reason code; `member_faults` finds those of the members, `public` those of
the numbers. Beyond the RFCs' own rules keys are refused that anybody could sign for: RSA below 2,048 bits or made by
the generator of CVE-2017-15361, and Ed25519 points of small order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from nhictl.core.token import jws
from nhictl.core.token.algorithms import CURVES, KIND_OF, PublicKey, kind_of_key
from nhictl.core.token.jws import KeyFaultError

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384
_OTHER_CURVES: Final = {"Ed25519": 32, "Ed448": 57, "X25519": 32, "X448": 56}
"""Bytes of `x` of an OKP key (RFC 8037 §2)."""
_P: Final = (1 << 255) - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER: Final = frozenset((0, 1, _P - 1, _ORDER_8, _P - _ORDER_8))
"""y of the eight points whose order divides 8: with one of them as key, a signature fits every message."""


def member_faults(jwk: dict[str, Any], alg: str | None = None, use: str = "sig") -> Iterator[tuple[str, str]]:
    """What is wrong with the members of a JWK that is to verify `alg`, or whatever its kind can: (code, sentence)."""
    if jwk.get("kty") == "oct":
        yield "key_private", "is symmetric: who can verify with it can sign"
        return
    if "keys" in jwk and "kty" not in jwk:
        yield "key_malformed", "is a set of keys, not one key"
        return
    kind = KIND_OF[alg] if alg is not None else kind_of_key(jwk.get("kty"), jwk.get("crv"))
    if kind is None:
        if not jws.SECRET.isdisjoint(jwk):
            yield "key_private", "holds a private or secret member"
        if isinstance(jwk.get("kty"), str):
            yield "key_unsupported", "is of no kind to verify with: RSA, P-256, P-384, P-521 or Ed25519"
        else:
            yield "key_malformed", "has no `kty`"
    else:
        yield from jws.faults(jwk, kind.kty, kind.crv, (alg,) if alg is not None else kind.algorithms, use)
    if not isinstance(jwk.get("kid", ""), str):
        yield "key_malformed", "has a `kid` that is no string"


def public(jwk: dict[str, Any]) -> PublicKey:
    """The key of a JWK of a known kind; KeyFaultError key_malformed, key_too_small or key_weak, by its numbers."""
    try:
        if jwk["kty"] == "EC":
            curve = CURVES[jwk["crv"]]
            return jws.point(jwk, curve.curve, curve.size)
        if jwk["kty"] == "OKP":
            return _ed25519(jws.octets(jwk, "x", 32))
        return _rsa(_integer(jwk, "n"), _integer(jwk, "e"))
    except KeyFaultError:
        raise
    except ValueError as e:
        raise KeyFaultError("key_malformed", f"is malformed: {e}") from e


def load(jwk: dict[str, Any], alg: str) -> PublicKey:
    """The public key of a JWK, for verifying `alg`; KeyFaultError with the first code of step 9 that applies."""
    for reason, message in member_faults(jwk, alg):
        raise KeyFaultError(reason, message)
    return public(jwk)


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638 SHA-256 thumbprint of a public key, whatever it is for and however long; KeyFaultError for others."""
    if jwk.get("kty") == "oct" or not jws.SECRET.isdisjoint(jwk):
        raise KeyFaultError("key_private", "holds a private or secret member: take the public part only")
    kty, crv = jwk.get("kty"), jwk.get("crv")
    try:
        if kty == "RSA":
            _integer(jwk, "n")
            _integer(jwk, "e")
        elif kty == "EC" and isinstance(crv, str) and crv in CURVES:
            jws.octets(jwk, "x", CURVES[crv].size)
            jws.octets(jwk, "y", CURVES[crv].size)
        elif kty == "OKP" and isinstance(crv, str) and crv in _OTHER_CURVES:
            jws.octets(jwk, "x", _OTHER_CURVES[crv])
        elif isinstance(kty, str):
            raise KeyFaultError("key_unsupported", "is no EC, OKP or RSA key of a known curve")
        else:
            raise KeyFaultError("key_malformed", "has no `kty`")
    except KeyFaultError:
        raise
    except ValueError as e:
        raise KeyFaultError("key_malformed", f"is malformed: {e}") from e
    return jws.thumbprint(jwk)


def _integer(jwk: dict[str, Any], name: str) -> int:
    """A Base64urlUInt (RFC 7518 §2): big-endian, in as few bytes as it takes."""
    data = jws.octets(jwk, name)
    if not data or data[0] == 0:
        raise ValueError(f"`{name}` is {'zero' if not any(data) else 'padded with zero bytes'}")
    if len(data) > MAX_RSA_BITS // 8:
        raise ValueError(f"`{name}` has over {MAX_RSA_BITS} bits")
    return int.from_bytes(data, "big")


def _rsa(n: int, e: int) -> rsa.RSAPublicKey:
    if n.bit_length() < MIN_RSA_BITS:
        raise KeyFaultError("key_too_small", f"has {n.bit_length()} bits, at least {MIN_RSA_BITS}")
    # Beyond 3,072 bits the library verifies with exponents of 64 bits only; saying so beats `signature_invalid`.
    longest = 256 if n.bit_length() <= 3072 else 64
    if n % 2 == 0 or e % 2 == 0 or e < 3 or e.bit_length() > longest:
        raise ValueError(f"the modulus is odd, the exponent odd, at least 3 and of at most {longest} bits")
    if _roca(n):
        raise KeyFaultError("key_weak", "has the mark of CVE-2017-15361: its factors can be found")
    return rsa.RSAPublicNumbers(e, n).public_key()


@cache
def _powers() -> tuple[tuple[int, frozenset[int]], ...]:
    """Each odd prime up to 167, with the powers of 65537 modulo it."""
    primes = [n for n in range(3, 168, 2) if all(n % d for d in range(3, n, 2))]
    return tuple((prime, frozenset(pow(65537, k, prime) for k in range(prime - 1))) for prime in primes)


def _roca(n: int) -> bool:
    """Whether n is a power of 65537 modulo every small prime, as the broken generator's moduli are; by chance 2^-27."""
    return all(n % prime in powers for prime, powers in _powers())


def _ed25519(data: bytes) -> ed25519.Ed25519PublicKey:
    """RFC 8032 §5.1.3: y below p, and a point of the curve with it; the library would look only when it verifies."""
    y = int.from_bytes(data, "little") & ((1 << 255) - 1)
    if y >= _P:
        raise ValueError("`x` is not a canonical point")
    if y in _SMALL_ORDER:
        raise KeyFaultError("key_weak", "is a point of small order: one signature would fit every message")
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(square, (_P - 1) // 2, _P) != 1:
        raise ValueError("`x` is not on the curve")
    return ed25519.Ed25519PublicKey.from_public_bytes(data)
