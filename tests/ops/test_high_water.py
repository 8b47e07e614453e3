"""A database that was put back grants nothing and verifies nothing; an honest history never alarms."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nhictl.errors import ConflictError, NhictlError, UnavailableError, UnsafeError
from nhictl.ops import audit_log, change_agent, end_task, high_water, import_logs, revoke_token
from nhictl.ops.accept_restore import accept
from nhictl.ops.audit_log import parse_anchor, verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.publish_trust import publish
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.revoke_token import Selector
from nhictl.ops.verify_token import verify
from nhictl.store import mark_file
from tests.harness import ROOT
from tests.ops.agent_house import Agents
from tests.ops.high_water_home import Traveller, records, traveller
from tests.store.schema_home import old_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Traveller]:
    with traveller(tmp_path) as made:
        yield made


@pytest.fixture
def rolled_back(home: Traveller) -> Traveller:
    """One token of today, one of a tomorrow that was rolled back."""
    home.save()
    home.later = home.issue()
    home.put_back()
    return home


GRANTS: dict[str, Callable[[Traveller], object]] = {
    "token issue": lambda t: t.issue(),
    "token verify": lambda t: t.reason(),
    "token verify --consume": lambda t: t.use(),
    "policy check": lambda t: t.agents.decision(),
    "policy check --task": lambda t: t.agents.decision(None, t.task),
    "agent register": lambda t: t.agents.add("other"),
    "task open": lambda t: t.agents.task(),
    "agent resume": lambda t: change_agent.change(t.house, "bot", "resume", None),
    "trust publish": lambda t: publish(t.house, str(t.home.parent / "public")),
    "audit import": lambda t: import_logs.import_logs(t.house, [str(ROOT / "samples" / "runs")], None),
}
REVOKES: dict[str, Callable[[Traveller], object]] = {
    "token revoke --agent": lambda t: revoke_token.revoke(t.house, Selector(agent="bot"), None),
    "token revoke --token-file": lambda t: revoke_token.revoke(t.house, Selector(token=t.token.encode()), None),
    "task kill": lambda t: end_task.end_task(t.house, t.task, "killed", None),
    "agent suspend": lambda t: change_agent.change(t.house, "bot", "suspend", None),
    "agent retire": lambda t: change_agent.change(t.house, "bot", "retire", None),
}


def refused(what: Callable[[], object], code: str = "store_rolled_back") -> UnsafeError:
    with pytest.raises(UnsafeError) as caught:
        what()
    assert (caught.value.code, caught.value.exit) == (code, 6), caught.value.message
    assert "--accept-restore" in str(caught.value.hint)
    return caught.value


@pytest.mark.parametrize("name", GRANTS)
def test_nothing_is_granted_from_an_older_database(rolled_back: Traveller, name: str) -> None:
    before = rolled_back.size()
    error = refused(lambda: GRANTS[name](rolled_back))
    assert error.details["mark"]["size"] == before + 1
    assert rolled_back.size() == before
    assert not (rolled_back.home.parent / "public").exists() or not list((rolled_back.home.parent / "public").iterdir())


@pytest.mark.parametrize("name", REVOKES)
def test_authority_can_still_be_taken_away(rolled_back: Traveller, name: str) -> None:
    seen = rolled_back.mark()
    REVOKES[name](rolled_back)
    assert rolled_back.mark() == seen, "the mark goes on saying what was here"
    refused(rolled_back.issue)


def test_as_many_records_as_before_do_not_hide_it(rolled_back: Traveller) -> None:
    for name in ("token revoke --token-file", "task kill", "agent suspend"):
        REVOKES[name](rolled_back)
        refused(rolled_back.reason)
    assert rolled_back.size() > rolled_back.mark().size


def test_what_is_not_granted_can_be_read(rolled_back: Traveller) -> None:
    assert rolled_back.agents.show()["state"] == "active"
    assert len(records(rolled_back.house)) == rolled_back.size()
    found = verify_home(rolled_back.house, ())
    assert (found.verdict, found.kind, found.exit) == ("TAMPERED", "truncated", 1)
    assert "high-water" in found.message


def test_accepted_it_works_and_nothing_from_before_is_trusted(rolled_back: Traveller) -> None:
    was, before = rolled_back.mark(), rolled_back.size()
    done, head = accept(rolled_back.house)
    assert (done.code, done.tokens, head.size) == ("store_rolled_back", 1, before + 1)
    last = records(rolled_back.house)[-1]
    assert last["type"] == "log.restored"
    assert (last["ext"]["was"]["size"], last["ext"]["found"]["size"]) == (was.size, before)
    assert last["ext"]["why"] == "store_rolled_back"
    assert rolled_back.reason() == "token_revoked"
    assert rolled_back.use() == "token_revoked"
    with pytest.raises(NhictlError, match="no token to end"):
        revoke_token.revoke(rolled_back.house, Selector(agent="bot"), None)
    assert rolled_back.reason(rolled_back.later) == "token_unknown"
    fresh = rolled_back.issue()
    assert (rolled_back.reason(fresh), rolled_back.use(fresh)) == ("valid", "valid")
    assert verify_home(rolled_back.house, ()).exit == 0
    assert rolled_back.mark().size == rolled_back.size()
    with pytest.raises(ConflictError, match="nothing was put back"):
        accept(rolled_back.house)
    rolled_back.reopen()
    assert rolled_back.reason(fresh) == "valid"


def test_the_cut_off_is_kept_as_of_then(rolled_back: Traveller) -> None:
    rolled_back.agents.now += 1_000_000
    accept(rolled_back.house)
    earlier = rolled_back.agents.now - 500_000
    question = rolled_back.question()._replace(at_us=earlier)
    assert verify(rolled_back.house, question).reason == "valid"
    assert rolled_back.reason() == "token_revoked"


def test_a_token_of_a_lost_tomorrow_can_be_named_by_nobody(rolled_back: Traveller) -> None:
    with pytest.raises(NhictlError) as caught:
        revoke_token.revoke(rolled_back.house, Selector(token=rolled_back.later.encode()), None)
    assert caught.value.code == "token_unknown"


def test_accepting_is_not_for_a_home_in_order(home: Traveller) -> None:
    before = home.size()
    with pytest.raises(ConflictError) as caught:
        accept(home.house)
    assert (caught.value.code, caught.value.exit, home.size()) == ("nothing_restored", 5, before)


def test_a_fork_put_in_its_place(home: Traveller, tmp_path: Path) -> None:
    """Two copies of one home go on by themselves; the clone's database comes back with as many records, or more."""
    home.save()
    clone_home = tmp_path / "clone"
    home.house.close()
    shutil.copytree(home.home, clone_home)
    home.reopen()
    here = home.issue()
    clone = House(clone_home, clone_home / DATABASE, clock=lambda: home.agents.now)
    register(clone, Registration("a", "o@example.org", "p"))
    register(clone, Registration("b", "o@example.org", "p"))
    assert verify(clone, home.question(here)).reason == "token_unknown", "each knows its own tokens only"
    anchor = parse_anchor(audit_log.newest(home.house)[0].encode(), "the other")
    assert verify_home(clone, [anchor]).verdict == "FORKED"
    clone.close()
    home.put_back(clone_home / DATABASE)
    assert home.size() == home.mark().size + 1
    error = refused(home.issue)
    assert "are not those that were here" in error.message
    found = verify_home(home.house, ())
    assert (found.verdict, found.kind) == ("FORKED", "forked")


def test_another_authoritys_database(home: Traveller, tmp_path: Path) -> None:
    other = House(tmp_path / "other", tmp_path / "other" / DATABASE)
    initialise(other, "example.org", None)
    other.close()
    home.put_back(tmp_path / "other" / DATABASE)
    shutil.copy(tmp_path / "other" / "kek", home.home / "kek")
    home.reopen()
    assert "another authority" in refused(lambda: home.agents.add("x")).message


def test_a_database_swapped_under_a_process_that_has_it_open(home: Traveller, tmp_path: Path) -> None:
    home.save()
    home.saved.chmod(0o600)
    home.reason()
    os.replace(home.saved, home.home / DATABASE)
    for act in (home.issue, home.reason, lambda: home.agents.add("x")):
        with pytest.raises(UnsafeError) as caught:
            act()
        assert caught.value.code == "store_replaced"
    (home.home / DATABASE).unlink()
    with pytest.raises(UnsafeError):
        home.issue()


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (lambda p: p.unlink(), "high_water_missing"),
    "emptied": (lambda p: p.write_bytes(b""), "high_water_damaged"),
    "blanked": (lambda p: p.write_bytes(b"\n" * 512), "high_water_damaged"),
    "garbage": (lambda p: p.write_bytes(b"\xff" * 512), "high_water_damaged"),
    "huge size": (lambda p: p.write_bytes(b"nhictl/x\n" + b"9" * 400 + b"\nx\n"), "high_water_damaged"),
    "another root": (lambda p: p.write_bytes(_with_root(p.read_bytes())), "store_rolled_back"),
    "further ahead": (lambda p: p.write_bytes(_with_size(p.read_bytes(), 999)), "store_rolled_back"),
    "at nothing": (lambda p: p.write_bytes(_with_size(p.read_bytes(), 0)), "store_rolled_back"),
}


def _with_root(note: bytes) -> bytes:
    lines = note.split(b"\n")
    lines[2] = b"A" * 43 + b"="
    return b"\n".join(lines)


def _with_size(note: bytes, size: int) -> bytes:
    lines = note.split(b"\n")
    lines[1] = str(size).encode()
    return b"\n".join(lines)


@pytest.mark.parametrize("name", FAULTS)
def test_a_mark_that_was_tampered_with(home: Traveller, name: str) -> None:
    spoil, code = FAULTS[name]
    spoil(home.home / high_water.FILE)
    home.reopen()
    refused(home.issue, code)
    refused(home.reason, code)
    REVOKES["token revoke --agent"](home)
    accept(home.house)
    assert home.reason() == "token_revoked"
    assert home.reason(home.issue()) == "valid"


def _second_name(path: Path) -> None:
    path.with_name("second").hardlink_to(path)


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


UNSAFE: dict[str, Callable[[Path], object]] = {
    "loose": lambda p: p.chmod(0o644),
    "a link": _linked,
    "two names": _second_name,
    "a pipe": _pipe,
}


@pytest.mark.parametrize("name", UNSAFE)
def test_a_mark_that_is_not_a_file_of_ours(home: Traveller, name: str) -> None:
    UNSAFE[name](home.home / high_water.FILE)
    for act in (home.issue, home.reason):
        with pytest.raises(UnsafeError):
            act()
    REVOKES["task kill"](home)
    assert records(home.house)[-1]["type"] == "task.killed"


def test_it_is_a_checkpoint_that_others_can_use(home: Traveller) -> None:
    raw = (home.home / high_water.FILE).read_bytes()
    assert len(raw) == mark_file.SECTOR
    anchor = parse_anchor(raw, "mark")
    assert (anchor.size, anchor.chain) == (home.size(), home.house.meta["chain"])
    assert verify_home(home.house, [anchor]).verdict == "VERIFIED"
    assert verify_home(home.house, ()).verdict == "VERIFIED_UNANCHORED", "by itself it is no witness"


def test_it_moves_with_every_act_and_with_nothing_else(home: Traveller) -> None:
    before = home.mark()
    home.reason()
    home.agents.decision()
    verify_home(home.house, ())
    assert home.mark() == before
    home.use()
    assert home.mark().size == before.size + 1 == home.size()


def test_it_may_lag(home: Traveller) -> None:
    """As after a kill between the commit and the writing of the mark: no alarm, and the next act catches up."""
    old = (home.home / high_water.FILE).read_bytes()
    home.issue()
    home.issue()
    (home.home / high_water.FILE).write_bytes(old)
    home.reopen()
    assert (home.reason(), home.use()) == ("valid", "valid")
    assert home.mark().size == home.size()


def test_a_mark_that_cannot_be_written_is_not_a_failure_of_the_act(
    home: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: object, _note: str) -> None:
        raise UnavailableError("full")

    before = home.mark()
    monkeypatch.setattr(mark_file.Slot, "write", full)
    home.issue()
    monkeypatch.undo()
    assert home.mark() == before
    assert home.reason() == "valid"


def test_half_written_is_looked_at_again(home: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = mark_file.read, []

    def torn(path: Path) -> bytes | None:
        seen.append(1)
        held = real(path)
        return held[:100] if held is not None and len(seen) == 1 else held

    monkeypatch.setattr(mark_file, "read", torn)
    assert home.reason() == "valid"
    assert len(seen) == 2


def test_a_home_of_before_there_were_marks(tmp_path: Path) -> None:
    """It works, gets a mark by its first act, and from then on a missing one is noticed."""
    home = old_home(tmp_path / "home")
    (home / high_water.FILE).unlink(missing_ok=True)
    house = House(home, home / DATABASE)
    house.db.execute("DELETE FROM meta WHERE key = ?", (high_water.KEPT,))
    house.close()
    house = House(home, home / DATABASE)
    high_water.refuse_put_back(house)
    assert not (home / high_water.FILE).exists()
    _, head = register(house, Registration("second", "o@example.org", "p"))
    assert parse_anchor((home / high_water.FILE).read_bytes(), "mark").size == head.size
    register(house, Registration("third", "o@example.org", "p"))
    (home / high_water.FILE).unlink()
    refused(lambda: register(house, Registration("fourth", "o@example.org", "p")), "high_water_missing")
    house.close()


def test_what_init_leaves_behind_of_an_authority_that_is_gone(home: Traveller) -> None:
    home.house.close()
    for name in ("kek", DATABASE):
        (home.home / name).unlink()
    with pytest.raises(UnsafeError, match="authority that is gone"):
        initialise(House(home.home, home.home / DATABASE), "example.org", None)
    assert [p.name for p in home.home.iterdir() if p.name not in ("lock", "ballast")] == [high_water.FILE]


def test_init_in_a_folder_that_cannot_be_renamed_over(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "keep").write_text("x")
    house = House(tmp_path / "home", tmp_path / "home" / DATABASE)
    initialise(house, "example.org", None)
    register(house, Registration("bot", "o@example.org", "p"))
    assert parse_anchor((tmp_path / "home" / high_water.FILE).read_bytes(), "m").size == 3
    house.close()


def test_a_copy_in_memory_has_none(home: Traveller) -> None:
    copy: Agents = home.agents.copy()
    before = home.mark()
    copy.add("other")
    assert home.mark() == before
    copy.house.close()


def test_the_chain_is_compared_too(home: Traveller) -> None:
    raw = mark_file.read(home.home / high_water.FILE)
    assert raw is not None
    assert high_water.fault(home.house, home.house.db, raw) is None
    other = raw.replace(home.house.meta["chain"].encode(), b"0" * 64)
    found = high_water.fault(home.house, home.house.db, other)
    assert found is not None
    assert found.code == "store_rolled_back"
    assert found.mark is not None
    assert found.mark["chain"] == "0" * 64
