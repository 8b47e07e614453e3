"""Steps 11 to 16 as data, and the claims of steps 17 to 19."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nhictl.core.token import b64
from tests.ops.token_home import AUDIENCE, DOMAIN, Case
from tests.ops.token_vectors import Vector, claims, each, segment, text, without
from tests.ops.token_vectors_keys import ORDER, rs

YEAR_10000: Final = 253402300800
_TOUCHED: Final = {
    "exp": "times", "iat": "times", "nbf": "times", "aud": "aud", "sub": "agent", "jti": "jti", "txn": "task",
    "client_id": "client_id", "scope": "scope", "authorization_details": "details", "nhictl": "nhictl", "act": "act",
    "cnf": "cnf",
}  # fmt: skip
_NOT_TIMES: Final[tuple[Any, ...]] = (
    "1795460300", True, False, None, 1795460300.0, 1.5, 1e308, -1, -(10**30), YEAR_10000, 2**63, 10**400, [], {},
)  # fmt: skip
_NOT_TEXTS: Final[tuple[Any, ...]] = ("", None, True, 0, 5, 1.5, {}, ["x"])

_TYPES: Final = [
    *((name, value) for name in ("exp", "iat", "nbf") for value in _NOT_TIMES),
    *((name, value) for name in ("sub", "client_id", "jti", "txn") for value in _NOT_TEXTS),
    *(("aud", value) for value in _NOT_TEXTS if not isinstance(value, list)),
    *(("scope", value) for value in _NOT_TEXTS if value != ""),
    *(("authorization_details", value) for value in each("", None, {}, 1)),
    *((name, value) for name in ("act", "cnf", "nhictl") for value in each("", None, [], True)),
]


def times(iat: float = 0, exp: float = 300, nbf: float | None = None) -> Callable[[Case], None]:
    """Set the times, in seconds from the case's now."""

    def change(case: Case) -> None:
        start = case.now_s + (iat if nbf is None else nbf)
        case.claims.update(iat=case.now_s + iat, exp=case.now_s + exp, nbf=start)

    return change


def own(**members: Any) -> Callable[[Case], None]:
    """Change members of `nhictl.log`; `...` drops one."""

    def change(case: Case) -> None:
        named = case.claims["nhictl"]["log"] | members
        case.claims["nhictl"]["log"] = {k: v for k, v in named.items() if v is not ...}

    return change


def detail(**members: Any) -> Callable[[Case], None]:
    """Change members of the first of `authorization_details`."""
    return lambda case: case.claims["authorization_details"][0].update(members)


def log_is(value: Any) -> Callable[[Case], None]:
    """Replace `nhictl.log`."""
    return lambda case: case.claims["nhictl"].update(log=value)


def details(value: list[Any]) -> Callable[[Case], None]:
    """Replace `authorization_details`."""
    return claims(authorization_details=value)


def unlinked(change: Callable[[Case], None]) -> Callable[[Case], None]:
    """A token that the authority's key signed, and the authority did not issue."""

    def both(case: Case) -> None:
        change(case)
        case.linked = False

    return both


def _other(name: str) -> Callable[[Case], None]:
    """Name what belongs to another token of the authority."""

    def change(case: Case) -> None:
        home = case.authority
        named = {"jti": home.other_token.jti, "txn": home.other_task, "foreign txn": home.foreign_task}[name]
        case.claims[name.rpartition(" ")[2]] = named

    return change


def _twin(part: bytes) -> bytes:
    """The other signature that verifies: it is another token by its digest."""
    return b64.encode(rs(lambda r, s: (r, ORDER - s))(b64.decode(part))).encode()


_SUBJECTS: Final = [
    *(
        (value, "sub_invalid")
        for value in each("report-bot", "SPIFFE://example.org/agent/report-bot", "spiffe://Example.org/agent/report-bot",
                      "spiffe://example.org/agent/report-bot/", "spiffe://example.org//agent/report-bot",
                      "spiffe://example.org:443/agent/report-bot", "spiffe://a@example.org/agent/report-bot",
                      "spiffe://example.org/agent/report%2dbot", "spiffe://example.org/agent/../agent/report-bot",
                      "spiffe://example.org/agent/report-bot?x", "spiffe://example.org/agent/" + "a" * 2048,
                      "spiffe:///agent/report-bot", " spiffe://example.org/agent/report-bot", "https://example.org")
    ),
    *(
        (f"spiffe://{domain}/agent/report-bot", "trust_domain_mismatch")
        for domain in ("evil.example", "example.org.evil.example", "sub.example.org", "example.orgx")
    ),
    *(
        (f"spiffe://{DOMAIN}{path}", "agent_unknown")
        for path in ("", "/agent/nobody", "/report-bot", "/agent/Report-Bot", "/agents/report-bot", "/agent",
                     "/agent/report-bot/x", "/agent/report-bot.", "/agent/" + "a" * 65)
    ),
]  # fmt: skip

CLAIMS: Final[list[Vector]] = [
    *(
        Vector(f"no {name}", without("claims", name), 11, f"claim_missing:{name}", _TOUCHED[name])
        for name in ("exp", "aud", "sub", "client_id", "iat", "jti", "txn")
    ),
    *(
        Vector(f"{name} {str(value)[:24]!r}", claims(**{name: value}), 11, f"claim_type:{name}", _TOUCHED[name])
        for name, value in _TYPES
    ),
    Vector("expired", times(-400, -31), 12, "token_expired", "times"),
    Vector("expired in 1970", claims(iat=0, nbf=0, exp=0), 12, "token_expired", "times"),
    Vector("not yet valid", times(0, 300, nbf=31), 12, "token_not_yet_valid", "times"),
    Vector("valid in 9999", lambda c: c.claims.update(nbf=YEAR_10000 - 1), 12, "token_not_yet_valid", "times"),
    Vector("iat in the future", times(31, 300, nbf=0), 12, "iat_in_future", "times"),
    Vector("exp before iat", times(20, 10, nbf=0), 12, "exp_before_iat", "times"),
    Vector("ten years", times(0, 315360000), 12, "lifetime_too_long", "times"),
    Vector("an hour and a second", times(0, 3601), 12, "lifetime_too_long", "times"),
    Vector("for ever", lambda case: case.claims.update(exp=YEAR_10000 - 1), 12, "lifetime_too_long", "times"),
    *(
        Vector(f"aud {value}", claims(aud=value), 13, "aud_multiple", "aud")
        for value in each([], [AUDIENCE], [AUDIENCE, "https://other.example"], [""], [None])
    ),
    *(
        Vector(f"aud {value!r}", claims(aud=value), 13, "aud_mismatch", "aud")
        for value in each("https://other.example", AUDIENCE + "/", AUDIENCE.upper(), AUDIENCE[:-1], " " + AUDIENCE, "*")
    ),
    Vector("another verifier", lambda c: c.asked.update(audience="https://other.example"), 13, "aud_mismatch", "aud"),
    *(Vector(f"sub {value[-50:]!r}", claims(sub=value), 14, reason, "agent") for value, reason in _SUBJECTS),
    Vector("an actor", claims(act={"sub": "spiffe://example.org/agent/other-bot"}), 15, "act_malformed", "act"),
    Vector("an empty actor", claims(act={}), 15, "act_malformed", "act"),
    Vector("may_act", claims(may_act={"sub": "x"}), 15, "may_act_violation", "may_act"),
    Vector("may_act null", claims(may_act=None), 15, "may_act_violation", "may_act"),
    Vector("bound to a DPoP key", claims(cnf={"jkt": "x"}), 16, "cnf_unsupported", "cnf"),
    Vector("bound to nothing", claims(cnf={}), 16, "cnf_unsupported", "cnf"),
    Vector("an unknown jti", claims(jti="A" * 22), 17, "token_unknown", "jti"),
    Vector("a jti that is no base64url", claims(jti="not base64url!"), 17, "token_unknown", "jti"),
    Vector("a long jti", claims(jti="A" * 4000), 17, "token_unknown", "jti"),
    Vector("a padded jti", lambda case: case.claims.update(jti=case.claims["jti"] + "=="), 17, "token_unknown", "jti"),
    Vector("a jti in capitals beyond ASCII", claims(jti="é" * 22), 17, "token_unknown", "jti"),
    Vector("the jti of another token", _other("jti"), 17, "token_unknown", "jti"),
    Vector("another scope than issued", unlinked(claims(scope="reports.read")), 17, "token_unknown", "scope link"),
    Vector("a claim more than issued", unlinked(claims(x=1)), 17, "token_unknown", "link"),
    Vector("a longer life than issued", unlinked(times(0, 3000)), 17, "token_unknown", "times link"),
    Vector("the signature's twin, (r, n - s)", text(segment(2, _twin)), 17, "token_unknown", "text signature"),
    Vector("no nhictl", without("claims", "nhictl"), 17, "token_unknown", "nhictl"),
    *(
        Vector(f"nhictl.log {value!r}", log_is(value), 17, "token_unknown", "nhictl")
        for value in each(None, [], "", 5, {})
    ),
    *(
        Vector(f"nhictl.log {members}", own(**members), 17, "token_unknown", "nhictl")
        for members in each({"chain": "x"}, {"chain": ...}, {"chain": None}, {"chain": ["x"]}, {"size": 10**6}, {"size": ...},
                        {"size": True}, {"size": "1"}, {"size": 1.0}, {"size": None}, {"size": 10**400})
    ),
    Vector("of another task", _other("txn"), 17, "token_unknown", "task"),
    Vector("of another agent's task", _other("foreign txn"), 17, "token_unknown", "task"),
    Vector("of an unknown task", claims(txn="t-0000000000000000"), 17, "token_unknown", "task"),
    Vector("of another agent", claims(sub=f"spiffe://{DOMAIN}/agent/other-bot"), 17, "token_unknown", "agent"),
    Vector("no authorization_details", without("claims", "authorization_details"), 19, "authz_insufficient", "details"),
    Vector("empty authorization_details", details([]), 19, "authz_insufficient", "details"),
    Vector("a narrower resource", detail(resource=AUDIENCE + "/2025"), 19, "authz_insufficient", "details"),
    Vector("another action", detail(actions=["reports.write"]), 19, "authz_insufficient", "details"),
    Vector("a narrower constraint", detail(constraints={"args.limit": {"lte": 9}}), 19, "authz_insufficient", "details"),
    Vector("a constraint on what is absent", detail(constraints={"args.x": {"eq": 1}}), 19, "authz_insufficient", "details"),
    *(
        Vector(f"details {value}", details(value), 19, "constraint_unknown", "details")
        for value in each([{"type": "payment_initiation"}], [{}], [None], ["reports.read"], [[]], [5],
                      [{"type": "nhictl_resource_access"}], [{"type": ["nhictl_resource_access"]}])
    ),
    *(
        Vector(f"detail {members}", detail(**members), 19, "constraint_unknown", "details")
        for members in each(
            {"locations": ["eu"]}, {"type": "Nhictl_resource_access"}, {"actions": []}, {"actions": None}, {"actions": {}},
            {"actions": ["reports.read", 5]}, {"resource": 5}, {"resource": [AUDIENCE]}, {"constraints": []},
            {"constraints": "args.limit<=100"}, {"constraints": {"agent.env": {"eq": "prod"}}},
            {"constraints": {"args.limit": {"at_most": 100}}}, {"constraints": {"args.limit": {}}},
            {"constraints": {"args.limit": 100}}, {"constraints": {"args.limit": {"lte": 100, "LTE": 1}}},
            {"constraints": {"args.limit": {"lte": 100, "absent_ok": 1}}}, {"constraints": {"limit": {"lte": 100}}},
        )
    ),
    Vector("an unknown detail beside a good one",
           lambda c: c.claims["authorization_details"].append({"type": "other"}), 19, "constraint_unknown", "details"),
    Vector("no scope", without("claims", "scope"), 19, "scope_insufficient", "scope"),
    *(
        Vector(f"scope {value!r}", claims(scope=value), 19, "scope_insufficient", "scope")
        for value in each("", " ", "reports.list", "reports", "reports.rea", "Reports.Read", "reports.read,", "reports.read\n",
                      "\treports.read", "reports/*")
    ),
]  # fmt: skip
