"""Who is certified, with which key, and for how long; what the log keeps of it, and what suspending has to say."""

from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.token import jws
from nhictl.errors import ConflictError, InputError, NhictlError, NotFoundError, UnavailableError, UnsafeError
from nhictl.ops import agent_keys, audit_log, instances, issue_svid, outstanding, x509_authority
from nhictl.ops.change_agent import change
from nhictl.ops.register_agent import Registration, register
from nhictl.store import agents, svids
from tests.core.identity.csr_requests import request, uri
from tests.ops.svid_home import SECOND, Svids, own, private, read, span

HOUR = 3600


@pytest.fixture
def home(tmp_path: Path) -> Svids:
    return Svids(tmp_path)


def refused(home: Svids, name: str = "bot", number: int = 1, **more: object) -> NhictlError:
    """The error of asking, after which the log is as it was, with no authority made for nothing."""
    before = home.size(), len(home.keys())
    with pytest.raises(NhictlError) as caught:
        home.issue(name, number, **more)
    assert (home.size(), len(home.keys())) == before
    return caught.value


def test_an_svid_and_its_record(home: Svids) -> None:
    made = home.issue(instance="host-1")
    now = home.now // SECOND
    assert span(made) == (now - 30, now + HOUR)
    assert read(made).public_key() == private(1).public_key()
    record = home.last()
    assert (record["type"], record["agent"], record["inst"]) == ("agent.svid_issued", "bot", "host-1")
    assert record["ext"] == {
        "serial": f"{read(made).serial_number:032x}",
        "not_before": "2026-06-01T11:59:30.000000Z",
        "not_after": "2026-06-01T13:00:00.000000Z",
        "kid": own(1).kid,
        "key": "csr",
        "authority": home.keys()[0].kid,
        "certificate": "sha256:" + sha256(read(made).public_bytes(Encoding.DER)).hexdigest(),
    }
    assert made.shown == {
        "spiffe_id": "spiffe://example.org/agent/bot", "agent": "bot", "instance": "host-1",
        **{name: record["ext"][name] for name in ("serial", "not_before", "not_after")}, "key": own(1).kid,
    }  # fmt: skip
    assert made.to_json()["chain"] == [made.certificate, made.authority]
    assert made.to_json()["bundle"] == made.anchors == [made.authority]
    assert audit_log.verify_home(home.house, []).exit == 0


def test_serial_numbers_are_128_bits_and_never_zero(home: Svids) -> None:
    serials = {read(home.issue()).serial_number for _ in range(8)}
    assert len(serials) == 8
    assert all(0 < number < 1 << 128 for number in serials)
    assert max(serials) > 1 << 96
    zeros = iter([bytes(16), bytes(15) + b"\1"])
    home.house.random = lambda _: next(zeros)
    assert x509_authority.serial(home.house) == 1
    home.house.random = bytes
    with pytest.raises(UnsafeError):
        x509_authority.serial(home.house)


@pytest.mark.parametrize(("ttl", "good"), [(0, False), (1, True), (86400, True), (86401, False), (-1, False)])
def test_how_long_may_be_asked_for(home: Svids, ttl: int, good: bool) -> None:
    if good:
        assert span(home.issue(ttl_s=ttl))[1] == home.now // SECOND + ttl
    else:
        assert refused(home, ttl_s=ttl).code == "invalid_ttl"


@settings(max_examples=40, deadline=None)
@given(
    expires=st.integers(1, 7200), into=st.integers(0, SECOND - 1), after=st.integers(0, 7300), ttl=st.integers(1, 7200)
)
def test_none_outlives_its_agent(template: Svids, expires: int, into: int, after: int, ttl: int) -> None:
    """The last second of a certificate counts to its end: there the agent is still active."""
    home = template.copied()
    home.now += into
    home.add("short", expires_s=expires)
    end = home.now + expires * SECOND
    home.now += after * SECOND
    if end // SECOND - 1 <= home.now // SECOND:  # no whole second is left
        assert refused(home, "short", 9, ttl_s=ttl).code == "agent_expired"
        return
    last = span(home.issue("short", 9, ttl_s=ttl))[1]
    assert (last + 1) * SECOND <= end
    assert last == home.now // SECOND + ttl or last + 2 > end // SECOND


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Svids:
    made = Svids(tmp_path_factory.mktemp("template"))
    made.issue()
    return made


@pytest.mark.parametrize(
    ("state", "exit_", "code"), [("suspend", 5, "agent_suspended"), ("retire", 5, "agent_retired")]
)
def test_inactive_agents_get_none(home: Svids, state: str, exit_: int, code: str) -> None:
    change(home.house, "bot", state, None)
    error = refused(home)
    assert (error.exit, error.code) == (exit_, code)


def test_an_expired_or_unknown_agent_gets_none(home: Svids) -> None:
    home.add("short", expires_s=60)
    assert home.issue("short", 2)
    home.now += 60 * SECOND
    assert refused(home, "short", 2).code == "agent_expired"
    assert isinstance(refused(home, "ghost"), NotFoundError)


def test_a_suspended_instance_gets_none_and_another_does(home: Svids) -> None:
    home.issue(instance="two")
    instances.change(home.house, "bot", "two", "suspend", None)
    assert refused(home, instance="two").code == "instance_suspended"
    assert home.issue(instance="three")
    instances.change(home.house, "bot", "two", "resume", None)
    assert home.issue(instance="two")


def test_the_clock_gone_back(home: Svids) -> None:
    home.issue()
    home.now -= 60 * SECOND
    error = refused(home)
    assert (error.exit, error.code) == (6, "clock_regressed")


def test_a_key_is_one_agents_only(home: Svids) -> None:
    """In either order, certified or registered: a name on another's key would hide who acted."""
    home.add("other")
    home.issue("bot", 1)
    error = refused(home, "other", 1)
    assert (error.code, "`bot`" in error.message) == ("key_taken", True)
    register(home.house, Registration("third", "o", "p"), own(2))
    assert refused(home, "bot", 2).code == "key_taken"
    with pytest.raises(ConflictError) as caught:
        register(home.house, Registration("fourth", "o", "p"), own(1))
    assert caught.value.code == "key_taken"
    with pytest.raises(ConflictError) as caught:
        agent_keys.rotate(home.house, "other", own(1), None)
    assert caught.value.code == "key_taken"
    assert agent_keys.rotate(home.house, "bot", own(1), None)[0]["kid"] == own(1).kid, "its own it may register"


def test_no_agent_gets_a_key_of_the_authority(home: Svids) -> None:
    home.issue()
    for row in (*home.keys(), *agents.keys(home.house.db, "token")):
        key = home.house.opened(row, jws.private_from_bytes)
        asked = issue_svid.requested(home.house, "bot", request(key=key), "r")
        with pytest.raises(ConflictError) as caught:
            issue_svid.issue_svid(home.house, "bot", asked, instance="one")
        assert (caught.value.code, "the authority itself" in caught.value.message) == ("key_taken", True)


def test_the_agents_own_key_while_it_is_good(home: Svids) -> None:
    with pytest.raises(ConflictError) as caught:
        issue_svid.own(home.house, "bot")
    assert caught.value.code == "no_own_key"
    agent_keys.rotate(home.house, "bot", own(1), None)
    key = issue_svid.own(home.house, "spiffe://example.org/agent/bot")
    made, _ = issue_svid.issue_svid(home.house, "bot", key, instance="one")
    assert read(made).public_key() == private(1).public_key()
    assert home.last()["ext"]["key"] == "own"
    agent_keys.rotate(home.house, "bot", own(2), None, 600)
    assert home.issue("bot", 1), "still in its overlap"
    home.now += 600 * SECOND
    assert refused(home, "bot", 1).code == "key_ended"
    agent_keys.rotate(home.house, "bot", own(3), None, 0)
    assert refused(home, "bot", 2).code == "key_ended"
    assert home.issue("bot", 3)


def test_a_key_that_is_rotated_away_meanwhile(home: Svids) -> None:
    """What was read before the lock is looked at again under it."""
    agent_keys.rotate(home.house, "bot", own(1), None)
    key = issue_svid.own(home.house, "bot")
    agent_keys.rotate(home.house, "bot", own(2), None, 0)
    with pytest.raises(ConflictError) as caught:
        issue_svid.issue_svid(home.house, "bot", key, instance="one")
    assert caught.value.code == "key_ended"


def test_a_request_of_another_agent_is_not_taken(home: Svids) -> None:
    with pytest.raises(InputError) as caught:
        issue_svid.requested(home.house, "bot", request(_named("other")), "r")
    assert caught.value.code == "csr_name_mismatch"
    for name in ("bot", "spiffe://example.org/agent/bot"):
        assert issue_svid.requested(home.house, name, request(_named("bot")), "r").kid


def _named(agent: str) -> x509.SubjectAlternativeName:
    return uri(f"spiffe://example.org/agent/{agent}")


def test_a_key_made_here_is_handed_out_once_and_kept_nowhere(home: Svids, tmp_path: Path) -> None:
    out, bundle = tmp_path / "key.pem", tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nof last week")
    key = issue_svid.made(home.house)
    made, _ = issue_svid.issue_svid(home.house, "bot", key, instance="one", target=out, bundle_out=bundle)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    loaded = load_pem_private_key(out.read_bytes(), None)
    assert loaded.public_key() == read(made).public_key()
    assert (bundle.read_text(), stat.S_IMODE(bundle.stat().st_mode)) == (made.authority, 0o644)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle.pem", "home", "key.pem"]
    secret = loaded.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    home.house.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database = home.house.database.read_bytes()
    assert key.kid.encode() in database, "the search has seen the record"
    for text in (secret, secret.hex().encode(), out.read_bytes().split(b"\n")[1]):
        assert text not in database


def test_a_key_that_is_not_taken_changes_nothing(home: Svids, tmp_path: Path) -> None:
    home.issue()
    (tmp_path / "there").write_text("mine")
    for out, error in ((tmp_path / "there", ConflictError), (tmp_path / "no" / "key.pem", UnavailableError)):
        before = home.size()
        with pytest.raises(error):
            issue_svid.issue_svid(home.house, "bot", issue_svid.made(home.house), instance="one", target=out)
        assert home.size() == before
    assert (tmp_path / "there").read_text() == "mine"
    for out, exit_ in ((tmp_path / "no" / "bundle.pem", 7), (tmp_path, 7), (tmp_path / "there", 5)):
        assert refused(home, bundle_out=out).exit == exit_
    assert (tmp_path / "there").read_text() == "mine", "a key that was mistaken for a bundle is not lost"


def test_a_handed_out_key_is_taken_back_if_the_act_fails(
    home: Svids, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.issue()

    def full(self: object, key: object) -> None:
        assert (tmp_path / "key.pem").exists()
        raise UnavailableError("the disk is full")

    monkeypatch.setattr("nhictl.ops.act.Act.finish", full)
    with pytest.raises(UnavailableError):
        issue_svid.issue_svid(
            home.house, "bot", issue_svid.made(home.house), instance="one", target=tmp_path / "key.pem"
        )
    assert not (tmp_path / "key.pem").exists()
    monkeypatch.undo()
    assert outstanding.outstanding(home.house, "bot").number == 1


def test_what_suspending_does_not_end(home: Svids) -> None:
    home.issue(instance="one", ttl_s=600)
    home.issue(instance="two", ttl_s=1200)
    home.add("other")
    home.issue("other", 2, ttl_s=7200)
    found = outstanding.outstanding(home.house, "bot")
    assert tuple(found) == (2, "2026-06-01T12:20:00.000000Z")
    assert found.warning() == [
        "2 certificates that were issued stay good: nothing ends them before " + str(found.until)
    ]
    instances.change(home.house, "bot", "one", "suspend", None)
    assert home.last()["ext"] == {"live_tokens": 0, "live_svids": 1}
    assert outstanding.outstanding(home.house, "bot", "one") == (1, "2026-06-01T12:10:00.000000Z")
    home.now += 600 * SECOND
    assert outstanding.outstanding(home.house, "bot").number == 2, "its last second is good"
    home.now += SECOND
    change(home.house, "bot", "suspend", None)
    assert home.last()["ext"] == {"live_tokens": 0, "live_svids": 1}
    home.now += 600 * SECOND
    assert outstanding.outstanding(home.house, "bot") == (0, None)
    assert outstanding.outstanding(home.house, "bot").to_json() == {"live_svids": 0}
    change(home.house, "bot", "resume", None)
    change(home.house, "bot", "retire", None)
    assert home.last()["ext"] == {"live_tokens": 0}


def test_what_depends_on_an_authority(home: Svids) -> None:
    home.issue(ttl_s=600)
    home.issue(ttl_s=1200)
    now, row = home.now // SECOND, home.keys()[0]
    assert svids.live_under(home.house.db, row.id, now) == (2, now + 1200)
    assert svids.live_under(home.house.db, row.id, now + 601) == (1, now + 1200)
    assert svids.live_under(home.house.db, row.id + 1, now) == (0, None)
    assert svids.live_under(home.house.db, row.id, now, home.size() - 1) == (1, now + 600)


def test_replay_shows_it(home: Svids) -> None:
    from nhictl.core.replay.own import fold

    home.issue()
    events = fold(enumerate(home.records()), lambda *_: None).events
    made, issued = (
        [e for e in events if e.type == kind][-1].to_json() for kind in ("key.activated", "agent.svid_issued")
    )
    assert (issued["agent"], issued["inst"], issued["outcome"]) == ("bot", "one", "ok")
    assert issued["ext"]["kid"] == own(1).kid
    assert (made["ext"]["use"], made["ext"]["kid"]) == ("x509", issued["ext"]["authority"])


def test_instances_are_the_callers_own_unless_given(home: Svids) -> None:
    key = issue_svid.requested(home.house, "bot", request(key=private(1)), "r")
    made, _ = issue_svid.issue_svid(home.house, "bot", key)
    assert made.shown["instance"] == instances.this_instance().id
    with pytest.raises(InputError):
        issue_svid.issue_svid(home.house, "bot", key, instance="a b")
