"""What an exchange makes and records, that it is good once, what ends it, and that refusals never fill the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.core.token import b64
from nhictl.errors import ConflictError, InputError, NotFoundError, UnsafeError
from nhictl.ops import act, audit_log, exchange_token, instances, tasks, tokens, trusts
from nhictl.ops.change_agent import change
from nhictl.ops.house import LOCK
from nhictl.ops.issue_token import issue_token
from nhictl.store.lock import WriteLock
from tests.ops.agent_house import MINUTE
from tests.ops.ci_issuer import (
    EC_JWK,
    GITHUB,
    GITLAB,
    NOON,
    TARGET,
    github,
    gitlab,
    gitlab_trust,
    sign,
    trust,
)  # fmt: skip
from tests.ops.exchange_house import Exchange, fresh


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path)
    yield made
    made.house.close()


def claims_of(token: str) -> dict[str, object]:
    """The claims of one of our tokens."""
    found: dict[str, object] = json.loads(b64.decode(token.split(".")[1]))
    return found


def test_one_act_opens_the_task_issues_the_token_and_says_on_whose_proof(home: Exchange) -> None:
    before = home.size()
    made = home.good(sign(github()), purpose="release 7")
    kinds = [record["type"] for record in home.records()[before:]]
    assert kinds == ["task.opened", "token.issued", "token.exchanged"]
    for record in home.records()[before:]:
        assert (record["agent"], record["task"]) == ("deploy-bot", made.issued.task)
        assert record["inst"] == "verified.github.1658821493.2.48213906551"
        assert record["actor"]["kind"] == "ci"
        assert record["actor"]["ci"] == {"iss": GITHUB, "run_id": "1658821493"}
        assert record["actor"]["id"].startswith("uid:")
    assert home.records()[before]["ext"]["instance_from"] == "verified"
    exchanged = home.last()
    assert exchanged["jti"] == made.issued.jti
    assert exchanged["ext"] == {
        "trust": "deploy-main", "iss": GITHUB, "run_id": "1658821493", "attempt": "2", "job_id": "48213906551",
        "ids": {"repository_id": "456789", "repository_owner_id": "123456"}, "trust_seq": 4,
        "subject": exchanged["ext"]["subject"],
    }  # fmt: skip
    assert list(exchanged["c"]) == ["claims"]
    assert audit_log.verify_home(home.house, ()).exit == 0


def test_the_task_is_what_the_trust_says(home: Exchange) -> None:
    made = home.good(sign(github()))
    shown = tasks.show(home.house, made.issued.task)
    assert shown == made.task
    assert (shown["intent"], shown["max_tokens"], shown["tokens"]) == ("deploy", 1, 1)
    assert shown["deadline"] == "2026-06-01T12:30:00.000000Z"
    assert shown["scope"] == trusts.everything(home.house)[0]["scope"]
    claims = claims_of(made.issued.token)
    assert (claims["aud"], claims["exp"], claims["txn"]) == (TARGET, NOON + 300, made.issued.task)
    assert home.verdict(made.issued.token)[0] == "aud_mismatch"


def test_a_narrower_task(home: Exchange) -> None:
    made = home.good(sign(github()), allow=["deploy.status"], ttl_s=60, deadline_s=120)
    assert made.task["scope"] == [{"tools": ["deploy.status"]}]
    assert made.task["deadline"] == "2026-06-01T12:02:00.000000Z"
    assert claims_of(made.issued.token)["exp"] == NOON + 60


def test_one_token_of_a_job_is_one_token_here(home: Exchange) -> None:
    made = home.good(sign(github()))
    with pytest.raises(ConflictError) as caught:
        issue_token(home.house, made.issued.task, TARGET)
    assert caught.value.code == "task_tokens_exhausted"


def test_a_token_is_good_once(home: Exchange) -> None:
    token = sign(github())
    home.good(token)
    again = home.refused(token)
    assert (again.reason, again.step) == ("jti_replayed", 18)
    assert "record 5" in again.message
    other_job = sign(github(check_run_id="2"))
    assert home.refused(other_job).reason == "jti_replayed", "it is the jti that is spent, whatever else is said"
    home.good(fresh())


def test_it_is_spent_for_every_trust_of_the_issuer_and_outlives_the_trust(home: Exchange) -> None:
    token = sign(github())
    home.good(token)
    home.trust(name="second")
    assert home.refused(token, "second").reason == "jti_replayed"
    trusts.remove(home.house, "deploy-main", None)
    home.trust()
    assert home.refused(token).reason == "jti_replayed"


def test_what_was_refused_was_not_spent(home: Exchange) -> None:
    token = sign(github())
    assert home.refused(token, intent="destroy").reason == "intent_not_listed"
    home.good(token)


def test_it_is_remembered_as_long_as_any_clock_takes_it_for_good(home: Exchange) -> None:
    token = sign(github())
    home.good(token)
    for minutes in (1, 4):
        home.now += minutes * MINUTE
        home.good(fresh(iat=home.now // 10**6, exp=home.now // 10**6 + 300))
        assert home.refused(token).reason == "jti_replayed"
    home.now += 30 * 10**6  # with the leeway it has expired now; a clock that is half a minute behind may still come
    home.good(fresh(iat=home.now // 10**6, exp=home.now // 10**6 + 300))
    home.now -= 29 * 10**6
    assert home.refused(token).reason == "jti_replayed"
    home.now += 3 * MINUTE
    home.good(fresh(iat=home.now // 10**6, exp=home.now // 10**6 + 300))
    spent = home.house.db.execute("SELECT count(*) FROM spent WHERE until < ?", (home.now // 10**6,)).fetchone()
    assert spent == (0,), "and then it is forgotten"
    assert home.refused(token).reason == "token_expired"


def test_jobs_of_a_matrix_are_instances_of_their_own(home: Exchange) -> None:
    one, two = (home.good(fresh(check_run_id=job)) for job in ("11", "12"))
    assert one.task["instance"] != two.task["instance"]
    instances.change(home.house, "deploy-bot", str(one.task["instance"]), "suspend", "it loops")
    answer = home.refused(fresh(check_run_id="11"))
    assert (answer.reason, answer.step) == ("agent_suspended", 14)
    assert "verified.github" in answer.message
    home.good(fresh(check_run_id="12"))


@pytest.mark.parametrize(("verb", "reason"), [("suspend", "agent_suspended"), ("retire", "agent_retired")])
def test_an_agent_that_may_not_act(home: Exchange, verb: str, reason: str) -> None:
    change(home.house, "deploy-bot", verb, None)
    token = sign(github())
    answer = home.refused(token)
    assert (answer.reason, answer.step, answer.recorded) == (reason, 14, True)
    if verb == "suspend":
        change(home.house, "deploy-bot", "resume", None)
        home.good(token)


def test_an_agent_whose_registration_expired(tmp_path: Path) -> None:
    home = Exchange(tmp_path)
    home.add("short-bot", expires_s=60)
    home.trust(name="short", agent="short-bot")
    home.good(fresh(), "short")
    home.now += MINUTE
    assert home.refused(fresh(), "short").reason == "agent_retired"


def test_a_trust_that_was_removed(home: Exchange) -> None:
    trusts.remove(home.house, "deploy-main", None)
    before = home.size()
    answer = home.refused(sign(github()))
    assert (answer.reason, answer.step, answer.recorded) == ("trust_removed", 8, True)
    assert home.size() == before + 1
    with pytest.raises(NotFoundError) as caught:
        home.ask(sign(github()), "never-was")
    assert (caught.value.code, home.size()) == ("trust_unknown", before + 1)


def test_keys_are_renewed_without_a_gap(home: Exchange) -> None:
    assert home.refused(sign(github(), "ES256")).reason == "alg_not_allowed"
    home.trust(replace=True, jwks={"keys": [EC_JWK]})
    home.good(sign(github(), "ES256"))
    assert home.refused(fresh()).reason == "alg_not_allowed"


def test_a_trust_that_is_replaced_meanwhile(home: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the lock another trust takes its place: what was prepared for the old one is not granted."""
    real = act.transact

    def late(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(exchange_token, "transact", real)
        home.trust(replace=True, ttl="1m")
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(exchange_token, "transact", late)
    with pytest.raises(ConflictError) as caught:
        home.ask(sign(github()))
    assert caught.value.code == "trust_changed"
    assert claims_of(home.good(sign(github())).issued.token)["exp"] == NOON + 60


def test_gitlab(home: Exchange) -> None:
    value = gitlab_trust()
    trusts.add(home.house, "t", json.dumps(value).encode())
    made = home.good(sign(gitlab()), "gitlab-main")
    assert made.task["ci"] == {
        "trust": "gitlab-main", "iss": GITLAB, "run_id": "574", "job_id": "302", "ids": {"project_id": "20"},
    }  # fmt: skip
    assert made.task["instance"].startswith("verified.gitlab-")
    assert made.task["instance"].endswith(".302")
    for change_of, reason in (
        ({"project_id": "21"}, "claim_mismatch:project_id"),
        ({"ref_protected": "false"}, "claim_mismatch:ref_protected"),
        ({"ref_protected": True}, "claim_mismatch:ref_protected"),
        ({"namespace_id": "73"}, "claim_mismatch:namespace_id"),
        ({"pipeline_source": "merge_request_event"}, "claim_mismatch:pipeline_source"),
        ({"exp": NOON + 3601}, "lifetime_too_long"),
        ({"iss": GITHUB}, "iss_untrusted"),
    ):
        assert home.refused(sign(gitlab(jti=reason, **change_of)), "gitlab-main").reason == reason
    home.good(sign(gitlab(jti="renamed", project_path="new/name", namespace_path="new")), "gitlab-main")


def test_any_other_issuer(home: Exchange) -> None:
    value = trust(
        name="other", provider="other", issuer="https://ci.example.org", match={"sub": "team-a", "branch": "main"}
    )
    trusts.add(home.house, "t", json.dumps(value).encode())
    claims = github(iss="https://ci.example.org", sub="team-a", branch="main", email="a@example.org")
    made = home.good(sign(claims), "other")
    assert made.task["ci"] == {"trust": "other", "iss": "https://ci.example.org"}
    assert home.refused(sign(claims | {"jti": "b", "sub": "team-b"}), "other").reason == "claim_mismatch:sub"


def test_found_by_the_run(home: Exchange) -> None:
    one, two = home.good(fresh(check_run_id="1")), home.good(fresh(check_run_id="2"))
    home.good(fresh(run_id="777"))
    wanted = [one.issued.task, two.issued.task]
    assert [task["id"] for task in tasks.everything(home.house, None, ci_run="1658821493")] == wanted
    found = tokens.everything(home.house, task=None, agent=None, live=True, ci_run="1658821493")
    assert [token["task"] for token in found] == wanted
    assert tasks.everything(home.house, None, ci_run="1") == []
    assert tasks.everything(home.house, None, home.now - 1, ci_run="1658821493") == []


def test_nobody_appears_in_the_log_and_no_token_either(home: Exchange) -> None:
    people = {"actor": "mona-lisa", "actor_id": "99887766", "sub": "repo:octo-org/octo-repo:sealed"}
    good, bad = fresh(**people), fresh(**people, ref="refs/heads/dev")
    made = home.good(good)
    home.refused(bad)
    lines = json.dumps(home.records())
    secrets = [*people.values(), made.issued.token, good.decode(), bad.decode(), good.decode().split(".")[1][:40]]
    for secret in (*secrets, "octo-org/octo-repo", "refs/heads"):
        assert secret not in lines
    assert "mona-lisa" not in json.dumps([home.explained(good), home.explained(bad)])


def test_a_clock_that_went_back_grants_nothing(home: Exchange) -> None:
    home.now -= MINUTE
    with pytest.raises(UnsafeError) as caught:
        home.ask(sign(github(NOON - 60)))
    assert caught.value.code == "clock_regressed"


@pytest.mark.parametrize(
    "asked",
    [{"intent": ""}, {"intent": "a b"}, {"audience": ""}, {"audience": "a b"}, {"purpose": ""}, {"purpose": "\x00"}],
)
def test_what_nobody_could_mean_is_the_askers_fault(home: Exchange, asked: dict[str, str]) -> None:
    before = home.size()
    with pytest.raises(InputError):
        home.ask(sign(github()), **asked)
    assert home.size() == before


class TestFlood:
    """Refusals are recorded, and never without bound: strangers cannot fill the log, nor hide what is about ourselves."""

    def test_garbage_is_recorded_up_to_a_limit_that_the_log_names(self, home: Exchange) -> None:
        before = home.size()
        answers = [home.refused(f"garbage-{n}".encode()) for n in range(60)]
        assert {answer.reason for answer in answers} == {"token_bad_segments"}
        assert [answer.recorded for answer in answers] == [True] * 20 + [False] * 40
        assert home.size() == before + 20
        quiet = [record["ext"].get("quiet_until") for record in home.records()[before:]]
        assert quiet == [None] * 19 + ["2026-06-01T13:00:00.000000Z"]
        home.now += 60 * MINUTE
        assert home.refused(b"garbage-0").recorded

    def test_the_same_refusal_of_the_same_token_is_recorded_once(self, home: Exchange) -> None:
        token = sign(github(ref="refs/heads/dev"))
        before = home.size()
        assert [home.refused(token).recorded for _ in range(5)] == [True] + [False] * 4
        assert [home.refused(token, intent="x").recorded for _ in range(2)] == [False, False]
        assert home.size() == before + 1

    def test_strangers_do_not_crowd_out_ones_own(self, home: Exchange) -> None:
        for n in range(30):
            home.refused(f"garbage-{n}".encode())
            home.refused(fresh(repository_id="1"))
        assert not home.refused(b"one more").recorded
        assert not home.refused(fresh(repository_id="1")).recorded
        before = home.size()
        answer = home.refused(fresh(ref="refs/heads/dev"))
        assert (answer.recorded, home.size(), home.last()["agent"]) == (True, before + 1, "deploy-bot")
        assert home.last()["ext"]["proved"] == "own"

    def test_what_concerns_ones_own_is_bounded_too(self, home: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exchange_token, "RECORDED", {"own": 3, "foreign": 1, "unproven": 1})
        assert [home.refused(fresh(ref="x")).recorded for _ in range(5)] == [True] * 3 + [False] * 2
        home.good(fresh())

    def test_what_proved_what(self, home: Exchange) -> None:
        for token, proved in (
            (b"garbage", "unproven"),
            (sign(github(), kid="other"), "unproven"),
            (fresh(repository_id="1"), "foreign"),
            (fresh(repository_owner_id=None), "foreign"),
            (fresh(aud="x"), "own"),
            (fresh(event_name="pull_request"), "own"),
        ):
            home.refused(token)
            assert home.last()["ext"]["proved"] == proved
            assert home.last()["actor"]["kind"] == ("operator" if proved == "unproven" else "ci")

    def test_what_is_not_recorded_takes_no_lock(self, home: Exchange) -> None:
        token = sign(github(ref="refs/heads/dev"))
        home.refused(token)
        home.house.lock_timeout = 0.05
        held = WriteLock(home.house.home / LOCK)
        held.acquire(1)
        try:
            assert not home.refused(token).recorded
        finally:
            held.release()

    def test_forgotten_rows_go(self, home: Exchange) -> None:
        for n in range(10):
            home.refused(f"garbage-{n}".encode())
        home.now += 61 * MINUTE
        home.refused(b"later")
        assert home.house.db.execute("SELECT count(*) FROM refusal").fetchone() == (1,)
