"""Steps 15 and 16 as data: chains of actors that the store knows, and tokens bound to a key with the proof that goes along."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from nhictl.core.token import b64
from nhictl.ops.change_agent import change
from tests.core.token.dpop_proofs import ADDRESS, GONE, METHOD, Key, proof
from tests.ops.token_home import DOMAIN, ISSUER, Case
from tests.ops.token_vectors import Vector, claims

KEY, OTHER = Key(7), Key(11)
CNF: Final = {"jkt": KEY.jkt}
CERTIFICATE, OTHER_CERTIFICATE = b"DER of a certificate", b"DER of another"
"""Nothing of a certificate is looked at but its digest: what it says was checked where the connection was made."""
CHAIN: Final = "act cnf nhictl"


def actor(name: str = "other-bot", **more: Any) -> dict[str, Any]:
    """An actor as the authority writes it."""
    return {"sub": f"spiffe://{DOMAIN}/agent/{name}", "iss": ISSUER, "sub_profile": "ai_agent"} | more


def chained(act: Any, **more: Any) -> Callable[[Case], None]:
    """A chain of actors in the claims, with the rest that goes with one."""

    def carry_out(case: Case) -> None:
        own = case.claims["nhictl"] | {"parent_jti": case.authority.other_token.jti}
        case.claims.update({"act": act, "cnf": CNF, "nhictl": own} | more)

    return carry_out


def _nested(depth: int) -> dict[str, Any]:
    made = actor()
    for _ in range(depth - 1):
        made = actor(act=made)
    return made


def delegated(case: Case) -> None:
    """The store knows the token as one that was delegated to other-bot, and it has its proof."""
    rows = [
        case.house.db.execute("SELECT id FROM token WHERE jti = ?", (b64.decode(jti),)).fetchone()[0]
        for jti in (case.authority.token.jti, case.authority.other_token.jti)
    ]
    bot = case.house.db.execute("SELECT id FROM agent WHERE name = 'other-bot'").fetchone()[0]
    case.sql('INSERT INTO delegation VALUES (?, ?, ?, 1, \'[{"tools": ["*"]}]\')', *rows, bot)
    chained(actor())(case)
    prove()(case)


def _of_no_chain(case: Case) -> None:
    """The claims tell of a chain, the store of none."""
    chained(actor())(case)
    prove()(case)


def _suspended(case: Case) -> None:
    delegated(case)
    change(case.house, "other-bot", "suspend", None)


def prove(by: Key = KEY, **changes: Any) -> Callable[[Case], None]:
    """Bind the token to `KEY`, and ask with a proof, parts of which are changed."""

    def carry_out(case: Case) -> None:
        case.claims["cnf"] = CNF
        case.asked["proof"] = lambda token: (
            proof(by, **({"token": token, "now_s": case.now_s, "jti": "vector"} | changes)), METHOD, ADDRESS,
        )  # fmt: skip

    return carry_out


def certified(shown: bytes | None = CERTIFICATE, bound: bytes = CERTIFICATE) -> Callable[[Case], None]:
    """Bind the token to a certificate, and ask with the one the client showed."""

    def carry_out(case: Case) -> None:
        case.claims["cnf"] = {"x5t#S256": b64.encode(sha256(bound).digest())}
        case.asked["certificate"] = shown

    return carry_out


def _asked_for(method: str, address: str) -> Callable[[Case], None]:
    def carry_out(case: Case) -> None:
        prove()(case)
        make = case.asked["proof"]
        case.asked["proof"] = lambda token: (make(token)[0], method, address)

    return carry_out


def _garbled(case: Case) -> None:
    prove()(case)
    case.asked["proof"] = (b"x", METHOD, ADDRESS)


def _unbound(case: Case) -> None:
    chained(actor())(case)
    del case.claims["cnf"]


def _replayed(case: Case) -> None:
    from nhictl.core.token import dpop

    prove()(case)
    text, method, address = case.asked["proof"](b"any")
    mark = dpop.check(text, dpop.Asked(method, address), case.clock.now_us).mark
    case.sql("INSERT INTO proof VALUES (?, ?)", mark, case.now_s + 60)


BOUND: Final[list[Vector]] = [
    Vector("an actor of another issuer", chained(actor(iss="https://evil.example")), 15, "act_malformed", CHAIN),
    Vector("an actor of another domain", chained(actor(sub="spiffe://evil.example/agent/x")), 15, "act_malformed", CHAIN),
    Vector("a person as an actor", chained(actor(sub_profile="user")), 15, "act_malformed", CHAIN),
    Vector("an actor with more in it", chained(actor(x=1)), 15, "act_malformed", CHAIN),
    Vector("an actor inside that is null", chained(actor(act=None)), 15, "act_malformed", CHAIN),
    Vector("an actor inside that is a text", chained(actor(act="x")), 15, "act_malformed", CHAIN),
    Vector("a chain without a key", _unbound, 15, "act_malformed", CHAIN),
    Vector("a chain without a parent", claims(act=actor(), cnf=CNF), 15, "act_malformed", CHAIN),
    Vector("six actors", chained(_nested(6)), 15, "act_depth", CHAIN),
    Vector("the actor is suspended", _suspended, 15, "actor_not_active", CHAIN + " link cut"),
    Vector("a chain the store knows nothing of", _of_no_chain, 17, "token_unknown", CHAIN),
    *(Vector(f"bound to {cnf}", claims(cnf=cnf), 16, "cnf_unsupported", "cnf")
      for cnf in ({"x5t#S256": "x" * 43}, {"jkt": "x" * 43, "x5t#S256": "x"}, {"jkt": 5}, {"jkt": "=" * 43}, {"kid": "k"})),
    Vector("no proof", claims(cnf=CNF), 16, "pop_required", "cnf"),
    Vector("no certificate", certified(None), 16, "pop_required", "cnf"),
    Vector("another certificate", certified(OTHER_CERTIFICATE), 16, "mtls_mismatch", "cnf"),
    Vector("a certificate where a proof is wanted",
           lambda c: (claims(cnf=CNF)(c), c.asked.update(certificate=CERTIFICATE))[0], 16, "pop_required", "cnf"),
    Vector("a proof where a certificate is wanted",
           lambda c: (prove()(c), certified(None)(c))[0], 16, "pop_required", "cnf"),
    Vector("a proof that is none", _garbled, 16, "dpop_malformed", "cnf"),
    Vector("a proof of another typ", prove(header={"typ": "jwt"}), 16, "dpop_typ", "cnf"),
    Vector("a proof by HS256", prove(header={"alg": "HS256"}), 16, "dpop_alg", "cnf"),
    Vector("a proof with a private key", prove(header={"jwk": {**KEY.jwk, "d": "AA"}}), 16, "dpop_private_jwk", "cnf"),
    Vector("a proof that another signed", prove(signer=OTHER), 16, "dpop_signature", "cnf"),
    Vector("a proof without ath", prove(ath=GONE), 16, "dpop_missing:ath", "cnf"),
    Vector("a proof for another method", _asked_for("GET", ADDRESS), 16, "dpop_htm", "cnf"),
    Vector("a proof for another address", _asked_for(METHOD, ADDRESS + "/x"), 16, "dpop_htu", "cnf"),
    Vector("an old proof", prove(now_s=1), 16, "dpop_iat", "cnf"),
    Vector("a proof for another token", prove(token=b"another"), 16, "dpop_ath", "cnf"),
    Vector("a proof by another key", prove(by=OTHER), 16, "dpop_key_mismatch", "cnf"),
    Vector("a proof that was taken", _replayed, 16, "dpop_replay", "cnf"),
]  # fmt: skip
