"""Step 16: whoever presents a key-bound token shows that it holds the key; a live check takes each proof once."""

from __future__ import annotations

from nhictl.core.token import compact, confirmation, dpop
from nhictl.core.token.verdict import RejectedError
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question
from nhictl.store import delegations


def check(house: House | None, asked: Question, parsed: compact.Parsed, now_us: int, *, take: bool) -> None:
    """RejectedError of step 16 unless the token's key signed the proof for this request. `take` remembers it.

    A check that writes nothing still refuses a proof that a live one took. Without a home there is no memory. A token that
    is bound to a certificate takes that certificate, and a proof only where one goes along: then by the certificate's key.
    """
    held = confirmation.of(parsed.claims["cnf"])
    jkt = held.thumbprint
    if held.member == confirmation.X5T:
        confirmation.check_certificate(held, asked.certificate)
        if asked.proof is None or asked.certificate is None:
            return
        jkt = _key_of(asked.certificate)
    if asked.proof is None:
        raise RejectedError(16, "pop_required", "the token is bound to a key: a proof of possession goes with it")
    text, method, address = asked.proof
    proof = dpop.check(text, dpop.Asked(method, address), now_us, token=parsed.text, jkt=jkt)
    if house is None:
        return
    now_s = now_us // 1_000_000
    if take:
        fresh = delegations.take(house.db, proof.mark, now_s, now_s + dpop.REMEMBER_S + 1)
    else:
        fresh = asked.at_us is not None or not delegations.taken(house.db, proof.mark, now_s)
    if not fresh:
        raise RejectedError(16, "dpop_replay", "the proof was used before")


def _key_of(certificate: bytes) -> str:
    """The thumbprint of a certificate's key; RejectedError for a kind of key that no proof could be by."""
    from nhictl.core.identity import certificate as x509
    from nhictl.core.token.jws import KeyFaultError

    try:
        return x509.key_thumbprint(certificate)
    except KeyFaultError as e:
        raise RejectedError(16, "mtls_mismatch", f"the certificate's key {e}") from e
