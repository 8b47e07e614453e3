"""The X.509 authority: made once, at first use, whole or not at all, and published before its first certificate is out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from nhictl.core.identity import bundle, x509_svid
from nhictl.core.token import publish as documents
from nhictl.errors import ConflictError, NhictlError, UnsafeError
from nhictl.ops import agent_keys, audit_log, issue_svid, x509_authority
from nhictl.ops.house import DATABASE, House
from nhictl.ops.publish_trust import folders, publish
from nhictl.store import agents
from tests.harness import ROOT
from tests.ops.svid_home import SECOND, Svids, own, read

Row = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Svids:
    return Svids(tmp_path)


def read_bundle(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / documents.BUNDLE).read_bytes())
    return value


def authorities(folder: Path) -> list[str]:
    return [key["x5c"][0] for key in read_bundle(folder)["keys"] if key["use"] == "x509-svid"]


def test_it_is_made_at_first_use_and_once(home: Svids) -> None:
    assert home.keys() == []
    home.issue()
    (row,) = home.keys()
    (made,) = [one for one in home.of_type("key.activated") if one["ext"]["use"] == "x509"]
    jwk = json.loads(row.public)
    der = x509_authority.ready(home.house).own.der()
    assert made["ext"] == {
        "kid": row.kid, "use": "x509", "jwk": {name: jwk[name] for name in ("kty", "crv", "x", "y")},
        "certificate": "sha256:" + sha256(der).hexdigest(), "not_after": "2027-06-01T12:00:00.000000Z",
    }  # fmt: skip
    assert [r["type"] for r in home.records()[-2:]] == ["key.activated", "agent.svid_issued"]
    home.issue()
    assert home.keys() == [row]
    assert audit_log.verify_home(home.house, []).exit == 0


def test_what_is_refused_makes_none(home: Svids) -> None:
    for name, ttl in (("ghost", 60), ("bot", 10**9)):
        with pytest.raises(NhictlError):
            home.issue(name, ttl_s=ttl)
    assert home.keys() == []


def test_the_private_key_opens_in_its_place_only(home: Svids) -> None:
    home.issue()
    (row,) = home.keys()
    with pytest.raises(UnsafeError):
        home.house.sealer.open(row.sealed, "signing key:another")


def test_make_is_for_others_too(home: Svids) -> None:
    """What a rotation stores, as `ready` does, is an authority like the first."""
    home.issue()
    made = x509_authority.make(home.house)
    home.set_state("tainted")
    agents.add_key(home.house.db, "x509", made.kid, made.public, made.sealed, "active", 1)
    issued = home.issue()
    assert x509.load_pem_x509_certificate(issued.authority.encode()).subject == read(issued).issuer
    assert issued.anchors[1] == issued.authority
    assert len(issued.anchors) == 2, "a tainted one still has certificates out"
    home.set_state("revoked")
    assert x509_authority.anchors(home.house) == []


def test_the_bundle(home: Svids, tmp_path: Path) -> None:
    out = tmp_path / "pub"
    publish(home.house, str(out))
    before = read_bundle(out)
    assert before["spiffe_sequence"] == 1
    home.issue()
    after = read_bundle(out)
    assert after["spiffe_sequence"] == 2
    assert after["keys"][:-1] == before["keys"]
    key = after["keys"][-1]
    (row,) = home.keys()
    stored = json.loads(row.public)
    assert key == {**{n: stored[n] for n in ("kty", "crv", "x", "y")}, "x5c": stored["x5c"], "use": "x509-svid"}
    assert bundle.lint(after) == []
    assert "x5c" not in (out / documents.KEY_SET).read_text()
    kinds = [one["type"] for one in home.records()[-3:]]
    assert kinds == ["key.activated", "trust.published", "agent.svid_issued"]
    home.issue()
    assert publish(home.house, str(out))[0].changed == 0
    assert read_bundle(out) == after


@pytest.mark.parametrize(("state", "shown"), [("prepared", 1), ("active", 1), ("tainted", 1), ("revoked", 0)])
def test_the_sequence_grows_exactly_when_the_content_does(home: Svids, tmp_path: Path, state: str, shown: int) -> None:
    out = tmp_path / "pub"
    home.issue()
    assert publish(home.house, str(out))[0].sequence == 1
    home.set_state(state)
    done, _ = publish(home.house, str(out))
    assert len(authorities(out)) == shown
    assert done.sequence == (1 if shown else 2)
    assert publish(home.house, str(out))[0].sequence == done.sequence


def test_every_folder_has_it_before_the_certificate_is_out(home: Svids, tmp_path: Path) -> None:
    one, two, gone = tmp_path / "one", tmp_path / "two", tmp_path / "gone"
    for folder in (one, two, gone):
        publish(home.house, str(folder))
    for path in gone.iterdir():
        path.unlink()
    gone.rmdir()
    (two / documents.BUNDLE).unlink()
    key, seen = issue_svid.made(home.house), []
    real = x509_svid.sign

    def signing(*given: Any) -> Any:
        seen.append([len(authorities(folder)) for folder in (one, two)])
        return real(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(x509_svid, "sign", signing)
        issue_svid.issue_svid(home.house, "bot", key, instance="one", target=tmp_path / "k")
    assert seen == [[1, 1]]
    assert not gone.exists(), "a folder that was taken away is not made again"
    assert len(folders(home.house)) == 3
    (one / documents.BUNDLE).write_text("{}")
    home.issue()
    assert len(authorities(one)) == 1, "what a killed publisher left is made up for"


def test_where_it_cannot_be_published_nothing_is_certified(home: Svids, tmp_path: Path) -> None:
    publish(home.house, str(tmp_path / "pub"))
    (tmp_path / "pub").chmod(0o777)
    with pytest.raises(UnsafeError) as caught:
        home.issue()
    assert caught.value.code == "loose_permissions"
    assert home.of_type("agent.svid_issued") == []
    (tmp_path / "pub").chmod(0o755)
    assert home.issue()
    assert len(home.keys()) == 1


@pytest.mark.parametrize("state", ["prepared", "tainted", "revoked"])
def test_no_other_is_made_in_the_place_of_one_that_was_ended(home: Svids, state: str) -> None:
    """Whoever revoked it would not thank us for another; that is for who holds the keys to decide."""
    home.issue()
    home.set_state(state)
    with pytest.raises(ConflictError) as caught:
        home.issue()
    assert caught.value.code == "no_x509_authority"
    assert len(home.keys()) == 1


def test_it_ends_and_so_do_its_certificates(home: Svids) -> None:
    home.issue()
    end = home.now + x509_authority.LIFE_S * SECOND
    home.now = end - 100 * SECOND
    assert read(home.issue()).not_valid_after_utc.timestamp() == end // SECOND
    home.now = end
    assert home.issue(), "its last second"
    home.now = end + SECOND
    with pytest.raises(ConflictError) as caught:
        home.issue()
    assert caught.value.code == "x509_authority_expired"


def test_it_is_taken_away_meanwhile(home: Svids, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening the key and the act somebody revokes it: nothing is signed with it."""
    home.issue()
    real = x509_authority.ready

    def late(house: House) -> x509_authority.Authority:
        found = real(house)
        home.set_state("revoked")
        return found

    monkeypatch.setattr(x509_authority, "ready", late)
    with pytest.raises(ConflictError) as caught:
        home.issue()
    assert caught.value.code == "key_changed"


def test_the_agents_key_ends_meanwhile(home: Svids, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at before the lock is looked at again under it."""
    agent_keys.rotate(home.house, "bot", own(1), None)
    real = x509_authority.ready

    def late(house: House) -> x509_authority.Authority:
        found = real(house)
        agent_keys.rotate(home.house, "bot", own(2), None, 0)
        return found

    monkeypatch.setattr(x509_authority, "ready", late)
    with pytest.raises(ConflictError) as caught:
        home.issue(number=1)
    assert caught.value.code == "key_ended"
    assert home.of_type("agent.svid_issued") == []


def test_a_damaged_certificate_is_said(home: Svids, tmp_path: Path) -> None:
    home.issue()
    home.house.db.execute("UPDATE signing_key SET public = json_set(public, '$.x5c[0]', 'AAAA') WHERE use = 'x509'")
    for act in (home.issue, lambda: publish(home.house, str(tmp_path / "pub"))):
        with pytest.raises(UnsafeError) as caught:
            act()
        assert caught.value.code == "store_damaged"


def test_another_key_under_the_certificate_is_not_published(home: Svids, tmp_path: Path) -> None:
    home.issue()
    home.house.db.execute(
        "UPDATE signing_key SET public = json_set(public, '$.x', ?, '$.y', ?) WHERE use = 'x509'",
        (own(1).public["x"], own(1).public["y"]),
    )
    with pytest.raises(UnsafeError) as caught:
        publish(home.house, str(tmp_path / "pub"))
    assert caught.value.code == "store_damaged"


FIRST = """
import sys, time
from pathlib import Path
from nhictl.ops import issue_svid
from nhictl.ops.house import DATABASE, House

house = House(Path(sys.argv[1]), Path(sys.argv[1]) / DATABASE)
key = issue_svid.made(house)
while time.time() < float(sys.argv[2]):
    pass
issue_svid.issue_svid(house, "bot", key, instance="one", target=Path(sys.argv[3]))
"""


def real_home(folder: Path) -> House:
    """A home with the real clock, an agent `bot`, and a folder it published in."""
    from nhictl.ops.init import initialise
    from nhictl.ops.register_agent import Registration, register

    house = House(folder / "home", folder / "home" / DATABASE)
    initialise(house, "example.org", None)
    register(house, Registration("bot", "o@example.org", "p"))
    publish(house, str(folder / "pub"))
    return house


def test_two_processes_make_one(tmp_path: Path) -> None:
    house = real_home(tmp_path)
    env, start = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}, time.time() + 1.5
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST, tmp_path / "home", str(start), tmp_path / f"{n}.pem"], env=env,
            stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]  # fmt: skip
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0] * 4, ended
    assert house.db.execute("SELECT count(*) FROM signing_key WHERE use = 'x509'").fetchone() == (1,)
    assert house.db.execute("SELECT count(*) FROM svid").fetchone() == (4,)
    assert len(authorities(tmp_path / "pub")) == 1
    assert read_bundle(tmp_path / "pub")["spiffe_sequence"] == 2
    assert audit_log.verify_home(house, []).exit == 0
    house.close()


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """One row a point of death; the last is the act undisturbed."""
    folder = tmp_path_factory.mktemp("crash")
    real_home(folder).close()
    driver = [sys.executable, "-W", "error", "-m", "tests.ops.svid_crash_driver", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(driver, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (ran.returncode, ran.stderr) == (0, "")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_undisturbed(deaths: list[Row]) -> None:
    last = deaths[-1]
    assert (last["signal"], last["exit"], last["authorities"], last["issued"]) == (0, 0, 1, 1)
    assert last["printed"]


def test_killed_anywhere_there_is_none_or_one(deaths: list[Row]) -> None:
    died = Counter(row["kind"] for row in deaths if row["signal"] == 9)
    assert died["sqlite"] >= 20
    assert died["disk"] >= 20
    stages = Counter(
        (row["authorities"], row["published"] and row["authorities"] == 1, row["issued"]) for row in deaths
    )
    assert set(stages) == {(0, False, 0), (1, False, 0), (1, True, 0), (1, True, 1)}, "before, between, and after"
    for row in deaths:
        assert row["verdict"] == "VERIFIED_UNANCHORED", row
        assert row["same"], row
        assert row["rows"] == row["issued"], row
        if row["printed"]:
            assert row["issued"] == 1, row
            assert row["published"], row
        if row["issued"]:
            assert row["key"], row


def test_the_next_one_is_certified_by_the_one_there_is(deaths: list[Row]) -> None:
    for row in deaths:
        after = row["next"]
        assert (after["authorities"], after["same"], after["published"]) == (1, True, True), row
        assert after["issued"] == after["rows"] == row["issued"] + 1, row
        assert after["verdict"] == "VERIFIED_UNANCHORED", row
