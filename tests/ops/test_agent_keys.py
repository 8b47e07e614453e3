"""An agent's own key: made here and handed out once, replaced with an overlap, never two agents' at once or in turn."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from nhictl.core.token import b64, jws
from nhictl.errors import ConflictError, InputError, NotFoundError, UnavailableError, UnsafeError
from nhictl.ops import agent_keys, agents
from nhictl.ops.change_agent import change
from nhictl.ops.register_agent import Registration, register
from nhictl.store.schema import MIGRATIONS
from tests.ops.agent_house import MINUTE, Agents

HOUR = 60 * MINUTE


def key(number: int) -> agent_keys.OwnKey:
    """A public key, the same for the same number."""
    jwk = jws.public_jwk(ec.derive_private_key(number, ec.SECP256R1()))
    return agent_keys.given(json.dumps(jwk).encode(), "k")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    register(made.house, Registration("bot", "o", "p"), key(1))
    register(made.house, Registration("bare", "o", "p"))
    yield made
    made.house.close()


def keys(home: Agents, at: int | None = None) -> list[tuple[str, str]]:
    """State and thumbprint of the keys of `bot`."""
    return [(k["state"], k["kid"]) for k in home.show(at=at)["keys"]]


def test_the_old_key_is_good_up_to_the_end_of_the_overlap_and_not_at_it(home: Agents) -> None:
    agent, head = agent_keys.rotate(home.house, "bot", key(2), None)
    end = home.now + HOUR
    assert agent["kid"] == key(2).kid
    assert agent["jwk"] == key(2).public
    assert agent["keys"] == [
        {"kid": key(2).kid, "state": "current", "until": None},
        {"kid": key(1).kid, "state": "overlap", "until": "2026-06-01T13:00:00.000000Z"},
    ]
    assert home.last()["type"] == "agent.key_rotated"
    assert home.last()["ext"] == {
        "kid": key(2).kid, "jwk": key(2).public, "replaces": key(1).kid, "overlap_until": "2026-06-01T13:00:00.000000Z",
    }  # fmt: skip
    assert head.size == home.size()
    for moment, state in ((end - 1, "overlap"), (end, "ended")):
        home.now = moment
        assert keys(home) == [("current", key(2).kid), (state, key(1).kid)]


def test_earlier_moments_keep_their_keys(home: Agents) -> None:
    then = home.now
    home.now += MINUTE
    agent_keys.rotate(home.house, "bot", key(2), None)
    assert keys(home, then) == [("current", key(1).kid)]


def test_a_later_overlap_never_makes_an_older_key_live_longer(home: Agents) -> None:
    agent_keys.rotate(home.house, "bot", key(2), None, 3600)
    agent_keys.rotate(home.house, "bot", key(3), None, 7200)
    ends = [k["until"] for k in home.show()["keys"]]
    assert ends == [None, "2026-06-01T14:00:00.000000Z", "2026-06-01T13:00:00.000000Z"]
    agent_keys.rotate(home.house, "bot", key(4), None, 0)
    assert keys(home) == [("current", key(4).kid), ("ended", key(3).kid), ("ended", key(2).kid), ("ended", key(1).kid)]
    agent_keys.rotate(home.house, "bot", key(5), None, 60)
    assert keys(home) == [("current", key(5).kid), ("overlap", key(4).kid)]


def test_a_first_key_replaces_none(home: Agents) -> None:
    agent, _ = agent_keys.rotate(home.house, "bare", key(2), None)
    assert [k["state"] for k in agent["keys"]] == ["current"]
    assert home.last()["ext"] == {"kid": key(2).kid, "jwk": key(2).public}


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (30 * 86400, True), (-1, False), (30 * 86400 + 1, False)])
def test_overlaps(home: Agents, seconds: int, good: bool) -> None:
    size = home.size()
    if good:
        agent_keys.rotate(home.house, "bot", key(2), None, seconds)
    else:
        with pytest.raises(InputError, match="an overlap is 0s to 30d"):
            agent_keys.rotate(home.house, "bot", key(2), None, seconds)
    assert home.size() == size + good


@pytest.mark.parametrize("state", ["current", "overlap", "ended", "retired"])
def test_a_key_is_one_agents_for_ever(home: Agents, state: str) -> None:
    if state in ("overlap", "ended"):
        agent_keys.rotate(home.house, "bot", key(2), None, 60 if state == "overlap" else 0)
    if state == "retired":
        change(home.house, "bot", "retire", None)
    size = home.size()
    with pytest.raises(ConflictError) as caught:
        agent_keys.rotate(home.house, "bare", key(1), None)
    assert caught.value.code == "key_taken"
    assert "agent `bot`" in caught.value.message
    with pytest.raises(ConflictError):
        register(home.house, Registration("new", "o", "p"), key(1))
    assert home.size() == size
    assert agents.known_as(home.house, "new") is None


def test_its_own_key_again_is_no_rotation(home: Agents) -> None:
    with pytest.raises(ConflictError, match="agent `bot`"):
        agent_keys.rotate(home.house, "bot", key(1), None)


def test_the_authoritys_key_is_nobodys(home: Agents) -> None:
    (public,) = home.house.db.execute("SELECT public FROM signing_key WHERE use = 'token'").fetchone()
    with pytest.raises(ConflictError, match="the authority itself"):
        agent_keys.rotate(home.house, "bot", agent_keys.given(public.encode(), "k"), None)


def test_unknown_and_retired(home: Agents) -> None:
    with pytest.raises(NotFoundError):
        agent_keys.rotate(home.house, "ghost", key(2), None)
    change(home.house, "bot", "retire", None)
    with pytest.raises(ConflictError) as caught:
        agent_keys.rotate(home.house, "bot", key(2), None)
    assert caught.value.code == "agent_retired"


def hand_over(home: Agents, verb: str, made: agent_keys.OwnKey, out: Path) -> None:
    """Register `new` with a made key, or give it to `bot`."""
    if verb == "register":
        register(home.house, Registration("new", "o", "p"), made, out)
    else:
        agent_keys.rotate(home.house, "bot", made, out)


@pytest.mark.parametrize("verb", ["register", "rotate"])
def test_a_made_key_goes_to_one_new_file_and_nowhere_else(home: Agents, tmp_path: Path, verb: str) -> None:
    made, out = agent_keys.made(home.house), tmp_path / "key.jwk"
    old = os.umask(0)
    try:
        hand_over(home, verb, made, out)
    finally:
        os.umask(old)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    body = json.loads(out.read_bytes())
    assert jws.public_jwk(jws.private_from_bytes(b64.decode(body["d"]))) == made.public
    home.house.close()
    raw = b"".join(path.read_bytes() for path in home.house.home.rglob("*") if path.is_file())
    assert made.kid.encode() in raw  # the search finds what is there
    assert body["d"].encode() not in raw
    assert b64.decode(body["d"]) not in raw


@pytest.mark.parametrize("verb", ["register", "rotate"])
def test_a_file_that_exists_is_not_touched_and_nothing_is_done(home: Agents, tmp_path: Path, verb: str) -> None:
    out, size = tmp_path / "key.jwk", home.size()
    out.write_bytes(b"precious")
    out.chmod(0o644)
    with pytest.raises(ConflictError) as caught:
        hand_over(home, verb, agent_keys.made(home.house), out)
    assert caught.value.code == "key_file_exists"
    assert (out.read_bytes(), stat.S_IMODE(out.stat().st_mode)) == (b"precious", 0o644)
    assert home.size() == size


def test_no_link_is_followed(home: Agents, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ConflictError):
        agent_keys.rotate(home.house, "bot", agent_keys.made(home.house), tmp_path / "link")
    assert not target.exists()


def test_a_key_that_cannot_be_written_changes_nothing(home: Agents, tmp_path: Path) -> None:
    size = home.size()
    with pytest.raises(UnavailableError):
        agent_keys.rotate(home.house, "bot", agent_keys.made(home.house), tmp_path / "no" / "key.jwk")
    assert (home.size(), keys(home)) == (size, [("current", key(1).kid)])


def test_a_key_written_for_an_act_that_fails_is_taken_back(
    home: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("the disk is full", code="unavailable")

    monkeypatch.setattr("nhictl.ops.act._commit", fail)
    with pytest.raises(UnavailableError):
        agent_keys.rotate(home.house, "bot", agent_keys.made(home.house), tmp_path / "key.jwk")
    assert not (tmp_path / "key.jwk").exists()


def test_a_key_is_kept_if_the_fate_of_the_act_is_unknown(
    home: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("who knows", code="outcome_unknown")

    monkeypatch.setattr("nhictl.ops.act._commit", fail)
    with pytest.raises(UnavailableError):
        agent_keys.rotate(home.house, "bot", agent_keys.made(home.house), tmp_path / "key.jwk")
    assert (tmp_path / "key.jwk").exists()


def test_a_descriptor_gets_the_key_once(home: Agents) -> None:
    read, write = os.pipe()
    made = agent_keys.made(home.house)
    agent_keys.rotate(home.house, "bot", made, agent_keys.descriptor(write))
    os.close(write)
    assert os.read(read, 65536) == made.private
    assert os.read(read, 1) == b""  # our copy is closed as well
    os.close(read)


def test_a_descriptor_without_a_reader_changes_nothing(home: Agents) -> None:
    read, write = os.pipe()
    os.close(read)
    size = home.size()
    with pytest.raises(UnavailableError):
        agent_keys.rotate(home.house, "bot", agent_keys.made(home.house), agent_keys.descriptor(write))
    os.close(write)
    assert home.size() == size


def test_a_reader_that_does_not_read_is_not_waited_for(home: Agents) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 65536)
    os.set_blocking(write, True)
    size = home.size()
    with pytest.raises(UnavailableError) as caught:
        agent_keys.rotate(home.house, "bot", agent_keys.made(home.house), agent_keys.descriptor(write))
    assert caught.value.code == "key_not_delivered"
    assert home.size() == size
    os.close(read)
    os.close(write)


def test_descriptors_that_will_not_do(tmp_path: Path) -> None:
    for number in (-1, 0, 1, 2, 987):
        with pytest.raises(InputError):
            agent_keys.descriptor(number)
    (tmp_path / "f").write_bytes(b"")
    with (tmp_path / "f").open("rb") as file, pytest.raises(InputError, match="not open for writing"):
        agent_keys.descriptor(file.fileno())
    with (tmp_path / "f").open("wb") as file:
        (tmp_path / "f").chmod(0o640)
        with pytest.raises(UnsafeError, match="0640"):
            agent_keys.descriptor(file.fileno())
        (tmp_path / "f").chmod(0o600)
        os.close(agent_keys.descriptor(file.fileno()))


def test_the_migration_knows_the_keys_there_were() -> None:
    import sqlite3

    mine = next(statements for statements in MIGRATIONS if any("CREATE TABLE agent_key" in s for s in statements))
    db = sqlite3.connect(":memory:")
    for statement in MIGRATIONS[0]:
        db.execute(statement)
    for ident, seq, kid in ((1, 2, "K1"), (1, 3, "K1"), (2, 4, None), (3, 5, "K1"), (4, 6, "K2")):
        doc = json.dumps({"kid": kid})
        db.execute("INSERT INTO agent_version (agent, seq, state, doc) VALUES (?, ?, 'active', ?)", (ident, seq, doc))
    for statement in mine:
        db.execute(statement)
    assert db.execute("SELECT kid, agent, seq FROM agent_key ORDER BY kid").fetchall() == [("K1", 1, 2), ("K2", 4, 6)]
    db.close()
