"""Step 16: whoever presents a key-bound token shows that it holds the key; a live check takes each proof once."""

from __future__ import annotations

from nhictl.core.token import compact, dpop
from nhictl.core.token.verdict import RejectedError
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question
from nhictl.store import delegations


def check(house: House | None, asked: Question, parsed: compact.Parsed, now_us: int, *, take: bool) -> None:
    """RejectedError of step 16 unless the token's key signed the proof for this request. `take` remembers it.

    A check that writes nothing still refuses a proof that a live one took. Without a home there is no memory.
    """
    jkt = dpop.thumbprint_of(parsed.claims["cnf"])
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
