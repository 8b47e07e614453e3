"""The states of signing keys: what each verb may do in each, what is signed and refused in each, and when that was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.token import key_state
from nhictl.core.token.verdict import Verdict
from nhictl.errors import ConflictError, InputError, NotFoundError, UnsafeError
from nhictl.ops import act, audit_log, change_key, issue_token, keys, tokens
from nhictl.ops.end_task import end_task
from nhictl.ops.publish_trust import publish
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.store import cuts, key_states, work
from nhictl.store.cuts import Cut
from tests.ops.key_house import SETTLED, STATES, VERBS, Keys, signer
from tests.ops.trust_home import AUDIENCE

ALLOWED = {
    ("activate", "prepared"): "active",
    ("taint", "prepared"): "tainted",
    ("taint", "active"): "tainted",
    ("taint", "old"): "tainted",
    ("revoke", "tainted"): "revoked",
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Keys]:
    made = Keys(tmp_path)
    yield made
    made.house.close()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", STATES)
def test_every_verb_in_every_state(home: Keys, verb: str, state: str) -> None:
    kid = home.key(state)
    before, size, shown = home.states(), len(home.records()), home.shown()
    assert before[kid] == state
    if (wanted := ALLOWED.get((verb, state))) is not None:
        done = VERBS[verb](home.house, kid)
        assert (done.key["kid"], done.key["state"], home.states()[kid]) == (kid, wanted, wanted)
        return
    with pytest.raises(ConflictError) as caught:
        VERBS[verb](home.house, kid)
    assert (caught.value.exit, caught.value.code) == (5, f"key_{state}")
    assert caught.value.hint
    assert (home.states(), len(home.records()), home.shown()) == (before, size, shown), "nothing was done"


def test_the_table_is_the_program_s() -> None:
    told = {(verb, state): to for verb, row in key_state.BECOMES.items() for state, to in row.items()}
    assert told == ALLOWED
    order = STATES.index
    assert all(order(to) > order(state) for (_, state), to in told.items()), "a key never goes back"


@pytest.mark.parametrize("state", STATES)
def test_what_a_key_in_a_state_is_worth(home: Keys, state: str) -> None:
    kid = home.prepare()
    token = None
    if state != "prepared":
        change_key.activate(home.house, kid, now=True)
        token = home.token()
        assert signer(token) == kid
    if state in ("old", "tainted", "revoked"):
        change_key.activate(home.house, home.prepare(), now=True)
    if state in ("tainted", "revoked"):
        change_key.taint(home.house, kid)
    if state == "revoked":
        change_key.revoke(home.house, kid)
    if token is not None:
        assert home.reason(token) == ("key_revoked" if state == "revoked" else "valid")
    assert (signer(home.token()) == kid) == (state == "active"), "one key signs, and no other"
    publish(home.house, str(home.served))
    assert (kid in home.shown()[0]) == (kid in home.shown()[1]) == (state != "revoked")


def test_the_one_that_signs_is_not_tainted_by_mistake(home: Keys) -> None:
    with pytest.raises(ConflictError) as caught:
        change_key.taint(home.house, home.first)
    assert (caught.value.code, "--now" in str(caught.value.hint)) == ("key_active", True)
    home.prepare()
    with pytest.raises(ConflictError):
        change_key.taint(home.house, home.first)
    assert home.states()[home.first] == "active"


def test_a_stolen_key_can_be_ended_at_once(home: Keys) -> None:
    token = home.token()
    home.clock.advance(-3600)  # and with a clock that went back: it only takes away
    assert change_key.taint(home.house, home.first, now=True).dependent == 1
    ended = change_key.revoke(home.house, home.first, "stolen")
    assert ended.published[0].changed == 2
    assert home.shown() == ([], [], 2)
    home.clock.advance(3600)
    assert home.reason(token) == "key_revoked"
    with pytest.raises(ConflictError) as caught:
        home.token()
    assert (caught.value.exit, caught.value.code) == (5, "no_token_key")
    assert "key prepare" in str(caught.value.hint)
    kid = home.prepare()
    with pytest.raises(ConflictError, match="no key is active") as caught:
        home.token()
    assert caught.value.hint == f"nhictl key activate {kid}"
    change_key.activate(home.house, kid, now=True)
    assert home.reason(home.token()) == "valid"


def test_a_clock_that_went_back_makes_no_signer(home: Keys) -> None:
    kid = home.prepare()
    home.clock.advance(-31)
    with pytest.raises(UnsafeError) as caught:
        change_key.activate(home.house, kid, now=True)
    assert caught.value.code == "clock_regressed"
    change_key.taint(home.house, kid)
    with pytest.raises(UnsafeError) as caught:
        home.prepare()
    assert caught.value.code == "clock_regressed"
    assert home.states() == {home.first: "active", kid: "tainted"}


def test_one_key_is_prepared_at_a_time(home: Keys) -> None:
    kid = home.prepare()
    with pytest.raises(ConflictError) as caught:
        home.prepare()
    assert (caught.value.code, kid in str(caught.value.hint)) == ("key_prepared", True)
    change_key.taint(home.house, kid)
    assert home.prepare() != kid


def test_names_that_are_none(home: Keys) -> None:
    for verb in VERBS.values():
        with pytest.raises(NotFoundError) as caught:
            verb(home.house, "x" * 43)
        assert caught.value.code == "key_unknown"
    with pytest.raises(InputError) as refused:
        change_key.prepare(home.house, "x.509")
    assert "one of token" in str(refused.value.hint)


def test_the_log_key_is_shown_and_stays(home: Keys) -> None:
    log = keys.everything(home.house)[0]
    assert (log["use"], log["alg"], log["state"], log["signs"], log["live_tokens"]) == (
        "log", "Ed25519", "active", True, None,
    )  # fmt: skip
    for verb in VERBS.values():
        with pytest.raises(ConflictError) as caught:
            verb(home.house, log["kid"])
        assert caught.value.code == "log_key_fixed"
    with pytest.raises(InputError) as refused:
        change_key.prepare(home.house, "log")
    assert refused.value.code == "log_key_fixed"


def test_what_depends_on_a_key(home: Keys) -> None:
    """The live ones and no others: not the revoked, the expired, those of an ended task, those of another key."""
    lived = [home.token() for _ in range(3)]
    jtis = [row.jti for row in work.tokens(home.house.db)]
    home.token(ttl_s=1)
    revoke(home.house, Selector(token=home.token().encode()), None)
    home.clock.advance(35)  # the one of a second is out of date for everybody
    change_key.activate(home.house, home.prepare(), now=True)
    home.token()
    ident = key_states.by_kid(home.house.db, home.first)
    assert ident is not None
    assert cuts.some(home.house.db, Cut("kid", ident.id), home.clock.now_us, 2, 3) == jtis[:2]
    done = change_key.taint(home.house, home.first)
    assert (done.dependent, len(done.tokens)) == (3, 3)
    assert home.records()[-1]["ext"] == {"kid": home.first, "use": "token", "count": 3, "was": "old"}
    assert [home.reason(token) for token in lived] == ["valid"] * 3
    end_task(home.house, home.task, "closed", None)
    assert change_key.revoke(home.house, home.first).dependent == 0


def test_only_the_first_thousand_are_named(home: Keys) -> None:
    row = key_states.by_kid(home.house.db, home.first)
    assert row is not None
    (task,) = home.house.db.execute("SELECT id FROM task ORDER BY id DESC LIMIT 1").fetchone()
    born = home.clock.now_us // 1_000_000
    home.house.db.execute("BEGIN")
    for number in range(1002):
        jti = number.to_bytes(16, "big")
        work.add_token(home.house.db, (jti, task, "one", row.id, 5, born, born + 300, jti * 2, "a", None))
    home.house.db.execute("COMMIT")
    done = change_key.taint(home.house, home.first, now=True)
    assert (done.dependent, len(done.tokens), done.key["live_tokens"]) == (1002, 1000, 1002)
    ended = change_key.revoke(home.house, home.first)
    assert (ended.dependent, ended.tokens, ended.key["live_tokens"]) == (1002, done.tokens, 0)


def test_tokens_of_a_revoked_key_are_listed_so(home: Keys) -> None:
    home.token()
    jti = tokens.everything(home.house, task=None, agent=None, live=True)[0]["jti"]
    change_key.taint(home.house, home.first, now=True)
    assert tokens.show(home.house, jti)["state"] == "live"
    home.clock.advance(1)
    done = change_key.revoke(home.house, home.first)
    assert done.tokens == (jti,)
    shown = tokens.show(home.house, jti)
    assert (shown["state"], home.records()[shown["revoked_by"]]["type"]) == ("revoked", "key.revoked")
    assert tokens.show(home.house, jti, home.clock.now_us - 1)["state"] == "live"
    with pytest.raises(NotFoundError):
        revoke(home.house, Selector(agent="report-bot"), None)


def test_each_moment_has_its_keys(home: Keys) -> None:
    token = home.token(ttl_s=3600)
    moments: list[tuple[int, dict[str, str], str]] = []

    def note() -> None:
        moments.append((home.clock.now_us, home.states(), home.reason(token)))
        home.clock.advance(10)

    note()
    kid = home.prepare()
    note()
    home.clock.advance(SETTLED)
    change_key.activate(home.house, kid)
    note()
    change_key.taint(home.house, home.first)
    note()
    change_key.revoke(home.house, home.first)
    note()
    assert [states.get(kid) for _, states, _ in moments] == [None, "prepared", "active", "active", "active"]
    assert [states[home.first] for _, states, _ in moments] == ["active", "active", "old", "tainted", "revoked"]
    assert [reason for *_, reason in moments] == ["valid"] * 4 + ["key_revoked"]
    for at, states, reason in moments:
        assert (home.states(at), home.reason(token, at)) == (states, reason)
    assert home.states(moments[0][0] - 1) == {}, "before the home there was no key"
    later = home.token()
    assert signer(later) == kid
    assert home.reason(later, moments[0][0]) == "kid_unknown", "nobody knew that key then"
    found = [key["since"] for key in home.listed()]
    assert found == sorted(found, reverse=True)


def test_live_tokens_at_a_moment(home: Keys) -> None:
    begin = home.clock.now_us
    home.clock.advance(10)
    home.token()
    home.clock.advance(10)
    end_task(home.house, home.task, "killed", None)
    home.clock.advance(10)
    counts = [home.listed(begin + at * 1_000_000)[0]["live_tokens"] for at in (9, 10, 19, 20, 400)]
    assert counts == [0, 1, 1, 0, 0]


def test_records_and_history(home: Keys) -> None:
    kid = home.rotate()
    change_key.taint(home.house, home.first, "the laptop was lost")
    change_key.revoke(home.house, home.first, "all replaced")
    said = [one for one in home.records() if one["type"].startswith("key.")]
    assert [one["type"] for one in said] == [
        "key.activated", "key.prepared", "key.activated", "key.tainted", "key.revoked",
    ]  # fmt: skip
    assert [one["ext"]["kid"] for one in said] == [home.first, kid, kid, home.first, home.first]
    assert said[1]["ext"].keys() == {"kid", "use", "jwk"}
    assert said[2]["ext"] == {"kid": kid, "use": "token", "replaced": home.first}
    assert said[4]["ext"] == {"kid": home.first, "use": "token", "count": 0}
    assert all(set(one["c"]) == {"reason"} for one in said[3:])
    assert b"laptop" not in b"".join(line for (line,) in home.house.db.execute("SELECT line FROM log"))
    rows = home.house.db.execute("SELECT key, state FROM signing_key_version ORDER BY seq, key").fetchall()
    assert rows == [
        (1, "active"),
        (2, "active"),
        (3, "prepared"),
        (2, "old"),
        (3, "active"),
        (2, "tainted"),
        (2, "revoked"),
    ]
    assert audit_log.verify_home(home.house, []).exit == 0


def test_no_private_key_leaves(home: Keys, capfd: pytest.CaptureFixture[str]) -> None:
    kid = home.rotate()
    home.token()
    changed = [change_key.taint(home.house, home.first), change_key.revoke(home.house, home.first)]
    listed = repr((changed, home.listed(), home.records(), change_key.prepare(home.house)))
    for sealed, name in home.house.db.execute("SELECT sealed, kid FROM signing_key WHERE use = 'token'").fetchall():
        scalar = home.house.sealer.open(sealed, f"signing key:{name}")
        texts = {scalar.hex(), str(int.from_bytes(scalar, "big")), repr(scalar)[2:-1]}
        assert not any(text in listed for text in texts)
        files = [path for place in (home.house.home, home.served) for path in place.rglob("*") if path.is_file()]
        assert len(files) >= 6
        assert not any(scalar in path.read_bytes() or scalar.hex().encode() in path.read_bytes() for path in files)
    assert '"d"' not in listed
    assert kid in listed
    assert capfd.readouterr() == ("", "")


def test_a_token_in_flight_is_signed_by_the_new_key(home: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key changes after it was opened and before the lock is had."""
    kid, real = home.prepare(), act.transact

    def late(house: Any, decide: Any) -> Any:
        monkeypatch.setattr(issue_token, "transact", real)
        change_key.activate(home.again(), kid, now=True)
        return real(house, decide)

    monkeypatch.setattr(issue_token, "transact", late)
    token = home.token()
    assert (signer(token), home.reason(token)) == (kid, "valid")
    issued = [one["ext"]["kid"] for one in home.records() if one["type"] == "token.issued"]
    assert issued == [kid], "nothing was issued under the key that was looked up first"


def test_a_token_in_flight_when_its_key_is_revoked(home: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    real = act.transact

    def late(house: Any, decide: Any) -> Any:
        monkeypatch.setattr(issue_token, "transact", real)
        other = home.again()
        change_key.taint(other, home.first, now=True)
        change_key.revoke(other, home.first)
        return real(house, decide)

    monkeypatch.setattr(issue_token, "transact", late)
    with pytest.raises(ConflictError) as caught:
        home.token()
    assert caught.value.code == "no_token_key"
    assert not any(one["type"] == "token.issued" for one in home.records())


def test_an_unopenable_key_is_not_activated(home: Keys) -> None:
    kid = home.prepare()
    home.clock.advance(SETTLED)
    home.house.db.execute("UPDATE signing_key SET sealed = zeroblob(60) WHERE kid = ?", (kid,))
    with pytest.raises(UnsafeError) as caught:
        change_key.activate(home.house, kid)
    assert caught.value.code == "seal_broken"
    assert signer(home.token()) == home.first


def test_a_kid_never_looks_like_an_option(home: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    from nhictl.core.token import jws
    from nhictl.ops.make_key import token_key

    real, left = jws.thumbprint, [3]

    def often(jwk: dict[str, Any]) -> str:
        left[0] -= 1
        return ("-" if left[0] >= 0 else "") + real(jwk)

    monkeypatch.setattr(jws, "thumbprint", often)
    assert not token_key(home.house).kid.startswith("-")
    left[0] = 1 << 30
    with pytest.raises(UnsafeError):
        token_key(home.house)


def test_a_live_check_refuses_and_records_it(home: Keys) -> None:
    from nhictl.ops.token_facts import Question
    from nhictl.ops.verify_token import consume

    token = home.token()
    change_key.taint(home.house, home.first, now=True)
    asked = Question(token.encode(), AUDIENCE)

    def live() -> Verdict:
        return consume(home.house, asked)[0]

    assert live().reason == "valid"
    change_key.revoke(home.house, home.first)
    verdict = live()
    assert (verdict.reason, verdict.step) == ("key_revoked", 9)
    assert home.records()[-1]["type"] == "token.denied"


@pytest.mark.parametrize("below", [1 << 62, 4])
def test_a_check_reads_the_keys_in_one_query(home: Keys, below: int) -> None:
    """House.issuer is on the way of every check: one statement, and the history by its index."""
    home.house.meta  # noqa: B018  # read once a process
    said: list[str] = []
    home.house.db.set_trace_callback(said.append)
    home.house.issuer(below)
    home.house.db.set_trace_callback(None)
    (statement,) = said
    plan = " ".join(str(row[-1]) for row in home.house.db.execute(f"EXPLAIN QUERY PLAN {statement}"))
    assert "SCAN signing_key_version" not in plan
    assert "SCAN v" not in plan
    assert ("USING PRIMARY KEY" in plan) == (below == 4)
