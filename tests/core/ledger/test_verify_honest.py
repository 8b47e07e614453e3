"""Honest histories never alarm: fresh, long, with failures in between, with several writers."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from nhictl.core.ledger import verify as ledger
from nhictl.errors import NhictlError
from nhictl.ops import audit_log
from nhictl.ops.act import Act, transact
from nhictl.ops.house import DATABASE, House
from nhictl.ops.register_agent import Registration, register
from tests.core.ledger.exported_log import anchor, export, honest_history, new_house, taken_from, text
from tests.harness import Clock, Program


def verdicts(house: House) -> set[str]:
    """The home's own view, and that of everybody it hands its log to."""
    path = house.home / "export.jsonl"
    path.write_bytes(export(house))
    size = len(taken_from(house).lines)
    return {
        audit_log.verify_home(house, ()).verdict,
        audit_log.verify_home(house, [anchor(taken_from(house).lines, n) for n in {1, size // 2, size}]).verdict,
        audit_log.verify_file(path, house, (), None).verdict,
    }


HONEST = {"VERIFIED", "VERIFIED_UNANCHORED"}


def test_fresh(house: House) -> None:
    assert verdicts(house) == HONEST


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 9, 17])
def test_every_head_on_the_way(house: House, count: int) -> None:
    seen = []
    for i in range(count):
        _, head = register(house, Registration(f"bot{i}", "o@example.org", "p"), None, None)
        seen.append(ledger.Anchor(*head, f"reply {i}"))
        assert verdicts(house) == HONEST
    assert [a.size for a in seen] == list(range(3, count + 3))
    assert audit_log.verify_home(house, seen).verdict == "VERIFIED"


def test_every_token_is_a_witness(house: House) -> None:
    tokens = honest_history(house)
    anchors = [audit_log.parse_anchor(token.encode(), "a token") for token in tokens]
    assert [a.size for a in anchors] == [5, 6, 7, 8, 9]
    assert audit_log.verify_home(house, anchors).verdict == "VERIFIED"


def test_a_clock_that_goes_back_a_little(house: House, clock: Clock) -> None:
    for seconds in (0, -29, 5, -1, 60):
        clock.advance(seconds)
        register(house, Registration(f"bot{abs(seconds)}", "o@example.org", "p"), None, None)
    assert verdicts(house) == HONEST


def test_several_records_in_one_act_have_one_checkpoint(house: House) -> None:
    def decide(act: Act) -> None:
        for _ in range(4):
            act.record("key.prepared")

    transact(house, decide)
    log = taken_from(house)
    assert len(log.lines) == 6
    assert verdicts(house) == HONEST


def test_after_acts_that_failed_half_way(house: House) -> None:
    def fails(act: Act) -> None:
        act.record("key.prepared")
        raise NhictlError("no")

    before = export(house)
    for _ in range(3):
        with pytest.raises(NhictlError, match="no"):
            transact(house, fails)
    assert export(house) == before
    assert verdicts(house) == HONEST


def _write(home: str, first: int) -> None:
    house = House(Path(home), Path(home) / DATABASE, clock=Clock())
    for i in range(first, first + 10):
        register(house, Registration(f"bot{i}", "o@example.org", "p"), None, None)
    house.close()


def test_after_three_writers_at_once(tmp_path: Path) -> None:
    house = new_house(tmp_path / "home")
    house.close()
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(str(house.home), 10 * n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(taken_from(house).lines) == 32
    assert verdicts(house) == HONEST
    house.close()


def test_an_export_taken_while_others_write_is_one_snapshot(house: House) -> None:
    honest_history(house)
    other = House(house.home, house.database, clock=house.clock)
    lines = iter(taken_from(house).lines)
    house.db.execute("BEGIN")
    assert house.db.execute("SELECT count(*) FROM log").fetchone() == (12,)
    register(other, Registration("late", "o@example.org", "p"), None, None)
    house.db.execute("COMMIT")
    assert len(list(lines)) == 12
    other.close()
    assert len(taken_from(house).lines) == 13
    assert verdicts(house) == HONEST


def test_what_the_program_prints_is_a_witness(tmp_path: Path, nhictl: Program) -> None:
    """A note, a token and a JSON reply, taken by the program and given back to it."""
    assert nhictl("init", "--trust-domain", "example.org").rc == 0
    reply = nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p", "-o", "json")
    task = nhictl("task", "open", "--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "a.b").out.strip()
    token = nhictl("token", "issue", "--task", task, "--audience", "https://a")
    note = nhictl("audit", "checkpoint")
    kept = {"reply": (reply.out, 3), "token": (token.out, 4), "note": (note.out, 5)}
    (tmp_path / "log").write_text(nhictl("audit", "export").out)
    for name, (content, size) in kept.items():
        (tmp_path / name).write_text(content)
        for file in ([], [tmp_path / "log"]):
            ran = nhictl("audit", "verify", *file, "--anchor", tmp_path / name, "-o", "json")
            body = json.loads(ran.out)
            assert (ran.rc, body["verdict"], body["schema"]) == (0, "VERIFIED", "nhictl.integrity/v1")
            assert bool(body["unproven"]) == (size < 5)
    lines = (tmp_path / "log").read_bytes().split(b"\n")
    (tmp_path / "cut").write_bytes(text(lines[:2], [lines[-2].decode()]))
    for name in kept:
        ran = nhictl("audit", "verify", tmp_path / "cut", "--anchor", tmp_path / name, "-o", "json")
        assert (ran.rc, json.loads(ran.out)["class"]) == (1, "truncated")


def test_a_file_for_somebody_without_a_home(house: House, tmp_path: Path, nhictl: Program) -> None:
    honest_history(house)
    log = taken_from(house)
    (tmp_path / "log").write_bytes(export(house))
    (tmp_path / "keys").write_text("# kept since the beginning\n\n" + log.keys[0] + "\n")
    (tmp_path / "junk").write_text("junk\n")
    away = tmp_path / "away"
    assert nhictl("audit", "verify", tmp_path / "log", home=away).rc == 3
    assert nhictl("audit", "verify", tmp_path / "log", "--keys", tmp_path / "keys", home=away).rc == 0
    assert nhictl("audit", "verify", tmp_path / "log", "--keys", tmp_path / "junk", home=away).rc == 2
    assert nhictl("audit", "verify", tmp_path / "log", "--anchor", tmp_path / "junk", home=away).rc == 2
    assert nhictl("audit", "verify", tmp_path / "nothing", home=away).rc == 2
    assert not away.exists()
