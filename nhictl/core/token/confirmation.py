"""`cnf` (RFC 7800): the key a token is bound to, by its JWK thumbprint (RFC 9449 §6) or a certificate's (RFC 8705 §3.1)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core.token import b64
from nhictl.core.token.verdict import RejectedError

JKT: Final = "jkt"
X5T: Final = "x5t#S256"


class Confirmation(NamedTuple):
    """What a token is bound to: `jkt`, proven by DPoP, or `x5t#S256`, by mutual TLS; and the SHA-256 thumbprint."""

    member: str
    thumbprint: str

    def to_json(self) -> dict[str, str]:
        """The value of `cnf`."""
        return {self.member: self.thumbprint}


def of(cnf: dict[str, Any]) -> Confirmation:
    """What `cnf` says; RejectedError `cnf_unsupported` for anything but one thumbprint of one of the two kinds."""
    member = next(iter(cnf), "")
    if len(cnf) != 1 or member not in (JKT, X5T) or not is_thumbprint(cnf[member]):
        raise RejectedError(16, "cnf_unsupported", f"only the thumbprint of a key is understood: `{JKT}` or `{X5T}`")
    return Confirmation(member, cnf[member])


def is_thumbprint(text: Any) -> bool:
    """Whether a value can be a SHA-256 thumbprint: 32 bytes in base64url."""
    try:
        return isinstance(text, str) and len(b64.decode(text)) == 32
    except ValueError:
        return False


def of_certificate(der: bytes) -> Confirmation:
    """The confirmation of a certificate: SHA-256 over its DER (RFC 8705 §3.1)."""
    return Confirmation(X5T, b64.encode(sha256(der).digest()))


def check_certificate(held: Confirmation, der: bytes | None) -> None:
    """Step 16 for a token that is bound to a certificate: the one the TLS connection was authenticated with is that one.

    That whoever presented it holds its key was shown by the TLS handshake; nothing of the certificate is judged here.
    """
    if der is None:
        raise RejectedError(16, "pop_required", "the token is bound to a certificate: say which one the client showed")
    if of_certificate(der) != held:
        raise RejectedError(16, "mtls_mismatch", "the client's certificate is not the one the token is bound to")
