"""Segments moved out of the log: everything that was proved before still is, and what is taken away otherwise shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.core.ledger import event_line
from nhictl.core.token import b64
from nhictl.errors import InputError, NotFoundError, UndecidableError, UnsafeError
from nhictl.ops import prune_log
from nhictl.ops.audit_log import export_native, newest, parse_anchor, verify_files, verify_home
from nhictl.ops.backup_home import backup
from nhictl.ops.erase import Wanted, redact
from nhictl.ops.export_log import Tail, lines, shaped, window
from nhictl.ops.house import House
from nhictl.ops.keys import everything as all_keys
from nhictl.ops.prove_log import prove_growth, prove_record
from nhictl.ops.prune_log import Pruned, plan, prune
from nhictl.ops.record_events import record_events
from nhictl.ops.replay import Filter, from_home
from nhictl.ops.restore_home import restore
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.rotate_log_key import rotate
from nhictl.ops.tasks import show
from nhictl.ops.verify_token import verify
from nhictl.store import log
from tests.ops.token_home import Authority, add_task, add_token, question, records


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    made = Authority(tmp_path / "home")
    yield made
    made.house.close()


def tell(house: House, task: str, number: int = 6) -> None:
    event = {"type": "message.added", "task": task, "content": "a word"}
    record_events(house, [event_line.read(event)] * number)


def cut(made: Authority, path: Path) -> Pruned:
    made.clock.advance(10)
    done, _ = prune(made.house, made.clock.now_us, str(path))
    return done


@pytest.fixture
def parts(authority: Authority, tmp_path: Path) -> list[Path]:
    """Two segments moved out, with a log key rotated in the first; some records are left."""
    found = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    rotate(authority.house)
    for path in found:
        tell(authority.house, authority.task)
        cut(authority, path)
    tell(authority.house, authority.task)
    return found


def test_one_log_at_every_stage(authority: Authority, tmp_path: Path) -> None:
    house = authority.house
    rotate(house)
    tell(house, authority.task)
    early = parse_anchor(newest(house)[0].encode(), "early")
    whole = [line for _, line in log.lines(house.db)]
    paths: list[Path] = []
    ends = [0]
    for number in range(3):
        path = tmp_path / f"{number}.jsonl"
        authority.clock.advance(10)
        planned = plan(house, authority.clock.now_us)
        done = cut(authority, path)
        paths.append(path)
        assert planned == done._replace(file=None, digest=None)
        assert done.start == ends[-1]
        ends.append(done.end)
        alone = verify_home(house, [early])
        assert (alone.verdict, alone.exit) == ("VERIFIED", 0)
        assert any("only their hashes are here" in text for text in alone.unproven)
        read = verify_home(house, [early], None, paths[::-1])
        assert read.verdict == "VERIFIED"
        assert not any("only their hashes" in text for text in read.unproven)
        some = verify_home(house, [early], None, paths[1:])
        assert any("only their hashes" in text for text in some.unproven)
        rest = tmp_path / "rest.jsonl"
        with rest.open("wb") as out:
            assert export_native(house, out)[0] == done.end
        assert verify_files([*paths, rest], house, [early], None).verdict == "VERIFIED"
        if number:
            with pytest.raises(UndecidableError):
                verify_files([path], house, [], None)
        tell(house, authority.task)
    assert verify_files(paths[:1], house, [early], None).verdict == "VERIFIED"
    assert verify_files(paths, house, [early], None).size == ends[-1]
    held = b"".join(path.read_bytes().rpartition(b"\n{")[0] + b"\n" for path in paths)
    assert held.split(b"\n")[: len(whole)] == whole


def test_proofs_and_questions_about_the_past_go_on(authority: Authority, tmp_path: Path) -> None:
    house = authority.house
    tell(house, authority.task)
    at = authority.clock.now_us
    old = prove_record(house, 3, newest(house)[1].size)
    size = newest(house)[1].size
    state = (show(house, authority.task, at), verify(house, question(authority.token.token, at_us=at)).to_json())
    cut(authority, tmp_path / "one.jsonl")
    assert log.line(house.db, 3) is None
    again = prove_record(house, 3)
    assert again.path[: len(old.path) - 3] == old.path[: len(old.path) - 3]
    assert prove_growth(house, size).path
    assert (
        show(house, authority.task, at),
        verify(house, question(authority.token.token, at_us=at)).to_json(),
    ) == state
    assert all_keys(house, at)
    task = add_task(house)
    assert verify_home(house, ()).exit == 0
    found = from_home(house, Filter(task=task))
    assert any("their lines are in one.jsonl" in text for text in found.unproven)


def _set(house: House, seq: int, line: bytes) -> None:
    assert house.db.execute("UPDATE log SET line = ? WHERE seq = ?", (line, seq)).rowcount == 1


def test_segments_may_be_named_for_each_other(authority: Authority, parts: list[Path]) -> None:
    one, other = (path.read_bytes() for path in parts)
    parts[0].write_bytes(other)
    parts[1].write_bytes(one)
    assert verify_home(authority.house, (), None, parts).exit == 0


def test_segment_cut_short_leaves_it_open_and_says_so(authority: Authority, parts: list[Path]) -> None:
    parts[1].write_bytes(b"\n".join(parts[1].read_bytes().split(b"\n")[:2]) + b"\n")
    found = verify_home(authority.house, (), None, parts[:1])
    assert found.exit == 0
    assert any("only their hashes" in text for text in found.unproven)


def test_killed_after_the_record_it_goes_on_later(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = authority.house
    tell(house, authority.task)
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(prune_log, "reduce", die)
        with pytest.raises(KeyboardInterrupt):
            cut(authority, tmp_path / "one.jsonl")
    assert (tmp_path / "one.jsonl").exists()
    assert verify_home(house, (), None, [tmp_path / "one.jsonl"]).exit == 0
    assert log.line(house.db, 3) is not None
    assert prune_log.reduce(house) > 0
    assert prune_log.reduce(house) == 0
    assert log.line(house.db, 3) is None
    assert log.line(house.db, 0) is not None
    assert verify_home(house, (), None, [tmp_path / "one.jsonl"]).exit == 0


def test_what_cannot_be_moved_out(authority: Authority, tmp_path: Path) -> None:
    house = authority.house
    with pytest.raises(NotFoundError):
        prune(house, authority.clock.now_us - 10**12, str(tmp_path / "x"))
    with pytest.raises(InputError):
        prune(house, authority.clock.now_us, str(house.home / "x"))
    (tmp_path / "there").write_text("mine")
    authority.clock.advance(10)
    with pytest.raises(InputError):
        prune(house, authority.clock.now_us, str(tmp_path / "there"))
    assert (tmp_path / "there").read_text() == "mine"
    before = records(house)
    (house.home / "high-water").unlink()
    with pytest.raises(UnsafeError):
        prune(house, authority.clock.now_us, str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()
    assert records(house) == before
    _set(house, 3, b"{}")
    with pytest.raises(UnsafeError) as refused:
        prune(house, authority.clock.now_us, str(tmp_path / "x"))
    assert refused.value.code == "log_tampered"


def test_backup_restore_and_erasure_go_on(authority: Authority, parts: list[Path], tmp_path: Path) -> None:
    house = authority.house
    saved = backup(house, str(tmp_path / "copy.db"), with_keys=False)
    assert saved.integrity.exit == 0
    restore(house, str(saved.path), keys_file=None, replace=True)
    house.close()
    assert verify_home(house, (), None, parts).exit == 0
    seq = house.db.execute("SELECT min(seq) FROM content WHERE label = 'prompt'").fetchone()[0]
    assert log.line(house.db, seq) is None
    answer, _ = redact(house, Wanted(record=seq), "x")
    assert (answer.pieces, answer.pending) == (1, [])
    assert verify_home(house, (), None, parts).exit == 0


def test_exports_and_followers_say_what_is_not_here(authority: Authority, parts: list[Path]) -> None:
    house = authority.house
    start, end = window(house, None, None)
    assert start == plan(house, authority.clock.now_us + 10**7).start
    assert [one["seq"] for one in shaped(house, "timesketch", lines(house, start, end))] == list(range(start, end))
    with pytest.raises(UndecidableError) as refused:
        Tail(house, 0, 10)
    assert refused.value.code == "records_moved_out"
    assert parts[1].name in refused.value.message
    assert [seq for seq, _ in Tail(house, start, 10).new()] == list(range(start, end))
    assert [seq for seq, _ in Tail(house, None, 1000).new()] == list(range(start, end))


def test_tokens_that_expired_are_let_go_of_and_none_becomes_good(authority: Authority, tmp_path: Path) -> None:
    house, clock = authority.house, authority.clock
    at, old = clock.now_us, authority.token
    revoke(house, Selector(jti=authority.other_token.jti), None)
    clock.advance(3 * 86400)
    late = add_token(house, add_task(house))
    clock.advance(2 * 86400)
    last = add_token(house, add_task(house))
    held = house.db.execute("SELECT count(*) FROM token").fetchone()[0]
    cut_at = clock.now_us - 86400 * 1_500_000
    prune(house, cut_at, str(tmp_path / "one.jsonl"))
    left = {row[0] for row in house.db.execute("SELECT jti FROM token")}
    assert left == {b64.decode(last.jti)}
    assert held == 4
    for token in (old, authority.other_token, late):
        assert not verify(house, question(token.token)).valid
    for moment in (at, clock.now_us - 10):
        found = verify(house, question(old.token, at_us=moment))
        assert found.reason in ("indeterminate", "token_expired"), found
    assert verify(house, question(old.token, at_us=at)).reason == "indeterminate"
    assert verify(house, question(last.token)).valid
    clock.now_us = at + 1
    assert verify(house, question(old.token)).reason == "clock_regressed"
    clock.now_us = cut_at + 86400 * 10**6 * 2
    fresh = add_token(house, add_task(house))
    assert verify(house, question(fresh.token)).valid
    assert house.db.execute("SELECT count(DISTINCT id) = count(*) AND max(id) = 5 FROM token").fetchone() == (1,)
    assert verify_home(house, ()).exit == 0


def test_what_expired_within_a_day_is_kept(authority: Authority, tmp_path: Path) -> None:
    held = authority.house.db.execute("SELECT count(*) FROM token").fetchone()
    authority.clock.advance(80_000)
    prune(authority.house, authority.clock.now_us, str(tmp_path / "one.jsonl"))
    assert authority.house.db.execute("SELECT count(*) FROM token").fetchone() == held
