"""JWT-SVIDs: exactly the profile's members, verified in the same order, and never allowed what an at+jwt is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.token import b64, jws
from nhictl.errors import InputError
from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.issue_token import Issued, issue_token
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume, verify
from tests.ops.trust_home import AUDIENCE, ISSUER, SUBJECT, StandingClock, new_home, records, with_task

SVID = "jwt-svid"
READ: dict[str, Any] = {"tool": "reports.read", "args": {"limit": 10}, "resource": AUDIENCE + "/2026"}


class Setting:
    """A home with a task and one token of either profile."""

    def __init__(self, folder: Path) -> None:
        self.clock = StandingClock()
        self.house: House = new_home(folder / "home", clock=self.clock)
        self.task = with_task(self.house)
        self.svid = self.issue()
        self.bearer = self.issue(kind="at+jwt")

    def issue(self, **more: Any) -> Issued:
        return issue_token(self.house, self.task, AUDIENCE, **({"kind": SVID} | more))[0]

    def ask(self, token: str, **more: Any) -> tuple[int, str]:
        verdict = verify(self.house, Question(token.encode(), **({"audience": AUDIENCE, "kind": SVID} | more)))
        return verdict.step, verdict.reason

    def forge(self, header: dict[str, Any], claims: dict[str, Any], *, known: bool = True) -> str:
        """Signed with the home's own key; the store takes it for the token it issued if it is `known`."""
        kid, sealed = self.house.db.execute("SELECT kid, sealed FROM signing_key WHERE use = 'token'").fetchone()
        private = jws.private_from_bytes(self.house.sealer.open(sealed, f"signing key:{kid}"))
        token = jws.sign(header, json.dumps(claims).encode(), private)
        if known:
            digest, jti = sha256(token.encode()).digest(), b64.decode(self.svid.jti)
            self.house.db.execute("UPDATE token SET digest = ? WHERE jti = ?", (digest, jti))
        return token


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    made = Setting(tmp_path)
    yield made
    made.house.close()


def decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body, _ = token.split(".")
    return json.loads(b64.decode(head)), json.loads(b64.decode(body))


def test_the_members_are_those_of_the_profile(setting: Setting) -> None:
    header, claims = decoded(setting.svid.token)
    kid = setting.house.db.execute("SELECT kid FROM signing_key WHERE use = 'token'").fetchone()[0]
    assert header == {"alg": "ES256", "typ": "JWT", "kid": kid}
    now = setting.clock.now_us // 1_000_000
    assert claims == {"sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 300, "jti": setting.svid.jti}


def test_the_record_names_the_profile(setting: Setting) -> None:
    assert [one["ext"]["profile"] for one in records(setting.house, "token.issued")] == [SVID, "at+jwt"]
    first = records(setting.house, "token.issued")[0]
    assert first["tok"] == "sha256:" + sha256(setting.svid.token.encode()).hexdigest()
    assert (first["agent"], first["task"], first["jti"]) == ("report-bot", setting.task, setting.svid.jti)


@pytest.mark.parametrize(("kind", "most"), [(SVID, 300), ("at+jwt", 3600)])
def test_the_longest_life(setting: Setting, kind: str, most: int) -> None:
    _, claims = decoded(setting.issue(kind=kind, ttl_s=60).token)
    assert claims["exp"] - claims["iat"] == 60
    setting.issue(kind=kind, ttl_s=min(most, 900))
    with pytest.raises(InputError) as caught:
        setting.issue(kind=kind, ttl_s=most + 1)
    assert caught.value.code == "invalid_ttl"


def test_a_profile_nobody_knows(setting: Setting) -> None:
    for kind in ("generic", "", "JWT-SVID", "at+jwt "):
        with pytest.raises(InputError) as caught:
            setting.issue(kind=kind)
        assert (caught.value.code, caught.value.exit) == ("usage", 2)


def test_it_is_valid(setting: Setting) -> None:
    assert setting.ask(setting.svid.token) == (19, "valid")
    assert setting.ask(setting.svid.token, **READ) == (20, "valid")
    assert setting.ask(setting.svid.token + "\n") == (19, "valid")


def test_no_token_is_of_both_profiles(setting: Setting) -> None:
    assert setting.ask(setting.bearer.token, kind="at+jwt") == (19, "valid")
    assert setting.ask(setting.bearer.token) == (5, "typ_mismatch")
    assert setting.ask(setting.svid.token, kind="at+jwt") == (5, "typ_mismatch")


def test_the_claims_of_one_under_the_typ_of_the_other(setting: Setting) -> None:
    header, claims = decoded(setting.svid.token)
    as_bearer = setting.forge(header | {"typ": "at+jwt"}, claims | {"iss": ISSUER})
    assert setting.ask(as_bearer, kind="at+jwt") == (11, "claim_missing:client_id")
    _, theirs = decoded(setting.bearer.token)
    as_svid = setting.forge(header, theirs, known=False)
    assert setting.ask(as_svid) == (17, "token_unknown"), "signed by us, but not what we issued"


CALLS: list[dict[str, Any]] = [
    READ,
    READ | {"args": {"limit": 100}},
    READ | {"args": {"limit": 101}},
    READ | {"args": {}},
    READ | {"args": None},
    READ | {"args": {"limit": "many"}},
    READ | {"args": {"limit": 1, "other": 2}},
    READ | {"resource": AUDIENCE},
    READ | {"resource": AUDIENCE + "-evil"},
    READ | {"resource": None},
    {"tool": "reports.purge"},
    {"tool": "reports.undeclared"},
    {"tool": "reports.other"},
    {"tool": "mail.send"},
    {"tool": "reports.read@x"},
    READ | {"context": {"agent.trust": 3}},
]


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no policy"])
def test_a_call_is_decided_as_for_an_at_jwt(setting: Setting, call: dict[str, Any], policy: bool) -> None:
    if not policy:
        setting.house.db.execute("DELETE FROM policy_version")
    found = setting.ask(setting.svid.token, **call)
    assert found == setting.ask(setting.bearer.token, kind="at+jwt", **call)
    assert (found == (20, "valid")) == (policy and call in (CALLS[0], CALLS[1], CALLS[7], CALLS[-1]))


def test_the_stored_scope_decides_whatever_the_token_says(setting: Setting) -> None:
    header, claims = decoded(setting.svid.token)
    wide = {"type": "nhictl_resource_access", "actions": ["mail.send"]}
    token = setting.forge(header, claims | {"scope": "mail.send", "authorization_details": [wide]})
    assert setting.ask(token, tool="mail.send") == (19, "authz_insufficient")


GOOD: list[Callable[[dict[str, Any], dict[str, Any]], object]] = [
    lambda h, c: h.pop("typ"),
    lambda h, c: h.update(typ="JOSE"),
    lambda h, c: h.update(typ="jwt"),
    lambda h, c: h.update(typ="application/JWT"),
    lambda h, c: c.update(iss=ISSUER),
    lambda h, c: c.update(nbf=c["iat"]),
    lambda h, c: c.update(client_id="report-bot", x=[1.5, None]),
    lambda h, c: c.update(exp=c["iat"] + 300),
]


@pytest.mark.parametrize("edit", GOOD)
def test_what_makes_no_difference(setting: Setting, edit: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    header, claims = copy.deepcopy(decoded(setting.svid.token))
    edit(header, claims)
    assert setting.ask(setting.forge(header, claims), **READ) == (20, "valid")


class _Delete:
    """A member that is to be left out."""

    def __repr__(self) -> str:
        return "DELETE"


DELETE = _Delete()
BAD: list[tuple[int, str, str, dict[str, Any]]] = [
    (4, "header_unexpected", "header", {"x": 1}),
    (4, "header_key_injection", "header", {"jwk": {}}),
    (5, "typ_mismatch", "header", {"typ": "at+jwt"}),
    (5, "typ_mismatch", "header", {"typ": "dpop+jwt"}),
    (5, "typ_mismatch", "header", {"typ": ""}),
    (5, "typ_mismatch", "header", {"typ": None}),
    (5, "typ_mismatch", "header", {"typ": ["JWT"]}),
    (5, "typ_mismatch", "header", {"typ": "application/"}),
    (6, "alg_none", "header", {"alg": "none"}),
    (6, "alg_not_allowed", "header", {"alg": "HS256"}),
    (6, "alg_not_allowed", "header", {"alg": "EdDSA"}),
    (8, "iss_missing", "claims", {"sub": DELETE}),
    (8, "iss_missing", "claims", {"sub": 5}),
    (8, "iss_missing", "claims", {"sub": "report-bot"}),
    (8, "iss_missing", "claims", {"sub": "SPIFFE://example.org/agent/report-bot"}),
    (8, "iss_untrusted", "claims", {"sub": "spiffe://other.example/agent/report-bot"}),
    (8, "iss_untrusted", "claims", {"sub": "spiffe://Example.org/agent/report-bot"}),
    (8, "iss_untrusted", "claims", {"sub": "spiffe:///agent/report-bot"}),
    (8, "iss_untrusted", "claims", {"iss": "https://evil.example"}),
    (8, "iss_untrusted", "claims", {"iss": ["https://nhi.example.org"]}),
    (9, "kid_missing", "header", {"kid": DELETE}),
    (9, "kid_unknown", "header", {"kid": "other"}),
    (11, "claim_missing:exp", "claims", {"exp": DELETE}),
    (11, "claim_missing:aud", "claims", {"aud": DELETE}),
    (11, "claim_missing:iat", "claims", {"iat": DELETE}),
    (11, "claim_missing:jti", "claims", {"jti": DELETE}),
    (11, "claim_type:exp", "claims", {"exp": "1795473172"}),
    (11, "claim_type:iat", "claims", {"iat": True}),
    (11, "claim_type:jti", "claims", {"jti": ""}),
    (12, "lifetime_too_long", "claims", {"exp": 1_780_315_200 + 301}),
    (12, "token_expired", "claims", {"iat": 1_780_315_000, "exp": 1_780_315_170}),
    (12, "lifetime_too_long", "claims", {"exp": 1_780_315_200 + 3600, "cnf": {"jkt": "x"}}),
    (13, "aud_multiple", "claims", {"aud": [AUDIENCE]}),
    (13, "aud_mismatch", "claims", {"aud": "https://other.example"}),
    (14, "sub_invalid", "claims", {"sub": "spiffe://example.org/agent//report-bot"}),
    (14, "sub_invalid", "claims", {"sub": "spiffe://example.org/agent/report-bot/"}),
    (14, "agent_unknown", "claims", {"sub": "spiffe://example.org/agent/nobody"}),
    (14, "agent_unknown", "claims", {"sub": "spiffe://example.org"}),
    (15, "act_malformed", "claims", {"act": {"sub": SUBJECT}}),
    (15, "may_act_violation", "claims", {"may_act": {}}),
    (16, "cnf_unsupported", "claims", {"cnf": {"jkt": "x"}}),
    (17, "token_unknown", "claims", {"jti": "AAAAAAAAAAAAAAAAAAAAAA"}),
]  # fmt: skip


@pytest.mark.parametrize(("step", "reason", "part", "edit"), BAD, ids=[f"{r[1]}-{r[3]}"[:60] for r in BAD])
@pytest.mark.parametrize("live", [False, True], ids=["plain", "live"])
def test_one_thing_wrong(setting: Setting, step: int, reason: str, part: str, edit: dict[str, Any], live: bool) -> None:
    header, claims = decoded(setting.svid.token)
    assert setting.ask(setting.forge(header, claims), **READ) == (20, "valid"), "positive control"
    changed = header if part == "header" else claims
    for name, value in edit.items():
        changed.pop(name, None) if value is DELETE else changed.update({name: value})
    token = setting.forge(header, claims)
    if not live:
        assert setting.ask(token, **READ) == (step, reason)
        return
    verdict, _ = consume(setting.house, Question(token.encode(), AUDIENCE, kind=SVID, **READ))
    assert (verdict.step, verdict.reason) == (step, reason)
    (last,) = records(setting.house, "token.denied")
    assert (last["dec"]["reason"], last["ext"]["profile"]) == (reason, SVID)


def test_the_signature_counts(setting: Setting) -> None:
    head, body, signature = setting.svid.token.split(".")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]
    assert setting.ask(f"{head}.{body}.{other}") == (10, "signature_invalid")


def test_it_is_not_another_agents(setting: Setting) -> None:
    from nhictl.ops.register_agent import Registration, register

    register(setting.house, Registration("other-bot", "owner@example.org", "reading"), None, None)
    header, claims = decoded(setting.svid.token)
    token = setting.forge(header, claims | {"sub": "spiffe://example.org/agent/other-bot"})
    assert setting.ask(token) == (17, "token_unknown")


def test_a_token_that_only_resembles_the_issued_one(setting: Setting) -> None:
    header, claims = decoded(setting.svid.token)
    assert setting.ask(setting.forge(header, claims | {"x": 1}, known=False)) == (17, "token_unknown")
    assert setting.ask(setting.svid.token) == (19, "valid")


@pytest.mark.parametrize(
    ("change_it", "wanted"),
    [
        (lambda s: revoke(s.house, Selector(jti=s.svid.jti), None), (17, "token_revoked")),
        (lambda s: revoke(s.house, Selector(token=s.svid.token.encode()), None), (17, "token_revoked")),
        (lambda s: revoke(s.house, Selector(task=s.task), None), (17, "token_revoked")),
        (lambda s: revoke(s.house, Selector(agent="report-bot"), None), (17, "token_revoked")),
        (lambda s: end_task(s.house, s.task, "killed", None), (19, "task_killed")),
        (lambda s: end_task(s.house, s.task, "closed", None), (19, "task_closed")),
        (lambda s: change(s.house, "report-bot", "suspend", None), (14, "agent_suspended")),
        (lambda s: change(s.house, "report-bot", "retire", None), (14, "agent_retired")),
        (lambda s: s.house.db.execute("UPDATE signing_key SET state = 'revoked'"), (9, "key_revoked")),
    ],
)
def test_it_ends_with_what_it_was_issued_for(
    setting: Setting, change_it: Callable[[Setting], object], wanted: tuple[int, str]
) -> None:
    assert setting.ask(setting.svid.token, **READ) == (20, "valid")
    change_it(setting)
    assert setting.ask(setting.svid.token, **READ) == wanted


def test_the_moment_asked_about(setting: Setting) -> None:
    issued = setting.clock.now_us
    setting.clock.now_us += 10_000_000
    end_task(setting.house, setting.task, "killed", None)
    assert setting.ask(setting.svid.token, at_us=issued + 1) == (19, "valid")
    assert setting.ask(setting.svid.token, at_us=issued - 1)[1] == "kid_unknown"  # nor was there a key
    setting.clock.now_us += 321_000_000
    assert setting.ask(setting.svid.token) == (12, "token_expired")


def test_uses_and_calls_are_counted(setting: Setting) -> None:
    once = setting.issue(uses=1)
    asked = Question(once.token.encode(), AUDIENCE, kind=SVID, **READ)
    assert verify(setting.house, asked).reason == "use_required"
    assert consume(setting.house, asked)[0].reason == "valid"
    assert consume(setting.house, asked)[0].reason == "uses_exhausted"
    (used,) = records(setting.house, "token.used")
    assert (used["jti"], used["task"], used["ext"]["profile"]) == (once.jti, setting.task, SVID)
    assert setting.house.db.execute("SELECT calls FROM task").fetchone() == (1,)
