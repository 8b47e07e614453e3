"""Publishing: every file whole at every moment, untouched when nothing changed, and out of other people's reach."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nhictl.errors import NhictlError
from nhictl.ops import audit_log
from nhictl.ops.house import House
from nhictl.ops.publish_trust import Published, folders, publish
from nhictl.store import log
from tests.ops.trust_home import ISSUER, StandingClock, add_key, new_home, open_home, records, set_state

KEYS, BUNDLE = "jwks.json", "spiffe-bundle.json"
OAUTH, OPENID = ".well-known/oauth-authorization-server", ".well-known/openid-configuration"
FILES = [KEYS, BUNDLE, OAUTH, OPENID]
LISTS = ["status/1.jwt", "status/aggregation.json"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = new_home(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "pub"


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file with its inode, mtime and bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        found[str(path.relative_to(folder))] = (info.st_ino, info.st_mtime_ns, data)
    return found


def bundle(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / BUNDLE).read_bytes())
    return value


def kids(folder: Path) -> tuple[list[str], list[str]]:
    keys = json.loads((folder / KEYS).read_bytes())["keys"]
    return [key["kid"] for key in keys], [key["kid"] for key in bundle(folder)["keys"]]


def size(house: House) -> int:
    head = log.head(house.db)
    return head.size if head else 0


def refused(house: House, out: Path | str) -> NhictlError:
    """The error of publishing there, after which the log is as it was."""
    before = size(house)
    with pytest.raises(NhictlError) as caught:
        publish(house, str(out))
    assert size(house) == before
    assert folders(house) == []
    return caught.value


def test_what_is_published(house: House, out: Path) -> None:
    done, head = publish(house, str(out))
    assert [file["path"] for file in done.files] == FILES + LISTS
    assert (done.changed, done.sequence, done.out) == (6, 1, str(out))
    for file in done.files:
        assert file["sha256"] == sha256((out / file["path"]).read_bytes()).hexdigest()
    assert sorted(tree(out)) == sorted([*FILES, *LISTS, ".well-known", "status"])
    own = house.db.execute("SELECT kid FROM signing_key WHERE use = 'token'").fetchone()[0]
    assert kids(out) == ([own], [own])
    assert json.loads((out / OPENID).read_bytes())["issuer"] == ISSUER
    assert head.size == size(house)
    assert folders(house) == [str(out)]


def test_the_record(house: House, out: Path) -> None:
    done, _ = publish(house, str(out))
    (found,) = records(house, "trust.published")
    assert found["ext"]["files"] == {
        file["path"]: f"sha256:{file['sha256']}" for file in done.files if file["path"] in FILES
    }, "a list carries its own time and signature; what it says is in the log"
    assert found["ext"]["spiffe_sequence"] == 1
    assert list(found["c"]) == ["folder"], "a path may tell about people: it is content"
    assert str(out).encode() not in b"".join(line for _, line in log.lines(house.db))
    assert audit_log.verify_home(house, []).exit == 0


def test_again_nothing_is_touched_and_nothing_recorded(house: House, out: Path) -> None:
    publish(house, str(out))
    before, records_before = tree(out), size(house)
    mtime = out.stat().st_mtime_ns
    done, head = publish(house, str(out))
    assert (done.changed, done.sequence) == (0, 1)
    assert tree(out) == before
    assert out.stat().st_mtime_ns == mtime
    assert size(house) == head.size == records_before
    assert head == audit_log.newest(house)[1]


def test_another_folder_is_recorded_and_remembered(house: House, out: Path, tmp_path: Path) -> None:
    publish(house, str(out))
    other = tmp_path / "a" / "b" / "pub"
    done, _ = publish(house, str(other))
    assert (done.changed, done.sequence) == (4 + 2, 1)
    assert folders(house) == sorted([str(out), str(other)])
    assert (other / KEYS).read_bytes() == (out / KEYS).read_bytes()
    assert len(records(house, "trust.published")) == 2


def test_a_copied_folder_is_recorded_though_nothing_is_written(house: House, out: Path, tmp_path: Path) -> None:
    publish(house, str(out))
    out.rename(tmp_path / "moved")
    done, _ = publish(house, str(tmp_path / "moved"))
    assert done.changed == 0
    assert len(records(house, "trust.published")) == 2
    assert str(tmp_path / "moved") in folders(house)


def test_only_what_differs_is_written(house: House, out: Path) -> None:
    publish(house, str(out))
    before = tree(out)
    add_key(house)
    done, _ = publish(house, str(out))
    assert [file["path"] for file in done.files if file["changed"]] == [KEYS, BUNDLE]
    after = tree(out)
    assert {path for path in after if after[path] != before[path]} == {KEYS, BUNDLE}


def test_the_sequence_grows_exactly_with_the_content(house: House, out: Path, tmp_path: Path) -> None:
    first = house.db.execute("SELECT kid FROM signing_key WHERE use = 'token'").fetchone()[0]

    def sequence() -> int:
        done = publish(house, str(out))[0]
        again = publish(house, str(out))[0]
        assert (again.sequence, again.changed) == (done.sequence, 0)
        assert bundle(out)["spiffe_sequence"] == done.sequence
        return done.sequence

    assert (sequence(), kids(out)) == (1, ([first], [first]))
    second = add_key(house, "prepared")
    assert (sequence(), kids(out)) == (2, ([first, second], [first, second]))
    for states in (("active", "active"), ("tainted", "active"), ("prepared", "tainted")):
        set_state(house, first, states[0])
        set_state(house, second, states[1])
        assert sequence() == 2, "the same keys"
    set_state(house, first, "revoked")
    assert (sequence(), kids(out)) == (3, ([second], [second]))
    (out / BUNDLE).unlink()
    assert sequence() == 3, "the same content, put there again"
    assert publish(house, str(tmp_path / "other"))[0].sequence == 3
    set_state(house, first, "tainted")
    assert sequence() == 4, "a content that was there before is another one now"
    set_state(house, first, "revoked")
    set_state(house, second, "revoked")
    assert (sequence(), kids(out)) == (5, ([], [])), "no key: everything is revoked"
    add_key(house, "a state of a later version")
    assert sequence() == 5
    rows = house.db.execute("SELECT sequence FROM bundle ORDER BY sequence").fetchall()
    assert rows == [(n,) for n in range(1, 6)]


def test_a_restored_home_does_not_fall_behind_what_is_published(house: House, out: Path) -> None:
    for _ in range(3):
        publish(house, str(out))
        add_key(house)
    assert bundle(out)["spiffe_sequence"] == 3
    house.db.execute("DELETE FROM bundle WHERE sequence > 1")
    assert publish(house, str(out))[0].sequence == 4
    house.db.execute("DELETE FROM bundle WHERE sequence > 1")
    assert publish(house, str(out))[0].sequence == 4, "the content it has forgotten is the one of now"


def test_an_issuer_that_is_no_url(tmp_path: Path, out: Path) -> None:
    house = new_home(tmp_path / "spiffe", None)
    done, _ = publish(house, str(out))
    assert [file["path"] for file in done.files] == [KEYS, BUNDLE]
    assert sorted(tree(out)) == [KEYS, BUNDLE]
    assert any(".well-known" in note for note in done.notes)
    house.close()


def test_revoked_keys_go_even_when_the_clock_went_back(tmp_path: Path, out: Path) -> None:
    clock = StandingClock()
    house = new_home(tmp_path / "home2", clock=clock)
    kid = add_key(house, "active")
    publish(house, str(out))
    set_state(house, kid, "revoked")
    clock.now_us -= 3_600_000_000
    assert publish(house, str(out))[0].changed == 3, "both sets of keys, and the list, whose time is not good any more"
    assert kid not in kids(out)[0]
    house.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_are_for_everybody_to_read(house: House, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        publish(house, str(tmp_path / "x" / "pub"))
    finally:
        os.umask(before)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "x").rglob("*")}
    found[tmp_path / "x"] = stat.S_IMODE((tmp_path / "x").stat().st_mode)
    for path, mode in found.items():
        assert mode == (0o755 if path.is_dir() else 0o644), path


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o664, 0o755])
def test_a_file_of_another_mode_is_replaced(house: House, out: Path, mode: int) -> None:
    publish(house, str(out))
    (out / KEYS).chmod(mode)
    done, _ = publish(house, str(out))
    assert [file["path"] for file in done.files if file["changed"]] == [KEYS]
    assert stat.S_IMODE((out / KEYS).stat().st_mode) == 0o644


@pytest.mark.parametrize("data", [b"", b"{", b"x" * 3_000_000])
def test_a_file_that_was_altered_is_put_right(house: House, out: Path, data: bytes) -> None:
    publish(house, str(out))
    right = (out / BUNDLE).read_bytes()
    (out / BUNDLE).write_bytes(data)
    done, _ = publish(house, str(out))
    assert (done.changed, done.sequence) == (1, 1)
    assert (out / BUNDLE).read_bytes() == right


def test_a_damaged_key_stops_everything(house: House, out: Path) -> None:
    house.db.execute("UPDATE signing_key SET public = replace(public, '\"y\":', '\"d\":') WHERE use = 'token'")
    error = refused(house, out)
    assert (error.exit, error.code) == (6, "store_damaged")
    assert not out.exists(), "the folder that was made for it is gone again"


def test_no_private_part_is_published(house: House, out: Path) -> None:
    publish(house, str(out))
    for path in FILES:
        text = (out / path).read_text()
        assert '"d"' not in text
        assert '"k"' not in text


@pytest.mark.parametrize("name", ["pub", "./pub", "pub/", "x/../pub", "../work/pub"])
def test_the_folder_is_one_however_it_is_named(house: House, tmp_path: Path, name: str, monkeypatch: Any) -> None:
    (tmp_path / "work" / "x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    assert publish(house, name)[0].out == str(tmp_path / "work" / "pub")
    assert publish(house, str(tmp_path / "work" / "pub"))[0].changed == 0
    monkeypatch.chdir(tmp_path / "work" / "pub")
    assert publish(house, ".")[0].changed == 0
    assert publish(house, ".well-known/..")[0].changed == 0
    assert len(folders(house)) == 1


def test_another_process_sees_what_is_remembered(house: House, out: Path, tmp_path: Path) -> None:
    publish(house, str(out))
    fresh = open_home(tmp_path / "home")
    done: Published = publish(fresh, folders(fresh)[0])[0]
    assert done.changed == 0
    fresh.close()
