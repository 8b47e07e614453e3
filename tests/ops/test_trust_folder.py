"""Folders that are none to publish in: links, files, the home, and whatever others could change behind our back."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.errors import NhictlError
from nhictl.ops.house import House
from nhictl.ops.publish_trust import folders, publish
from nhictl.store import log
from tests.ops.trust_home import add_key, new_home

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
USERS_ONLY = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = new_home(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that somebody would like to have overwritten."""
    path = tmp_path / "victim"
    path.write_text("precious")
    path.chmod(0o600)
    return path


def head(house: House) -> log.HeadRow | None:
    return log.head(house.db)


def refused(house: House, out: Path | str, exit_status: int) -> NhictlError:
    """The error of publishing there: nothing is recorded or remembered."""
    before, known = head(house), folders(house)
    with pytest.raises(NhictlError) as caught:
        publish(house, str(out))
    assert caught.value.exit == exit_status, caught.value.message
    assert (head(house), folders(house)) == (before, known)
    return caught.value


def test_a_link(house: House, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "pub").symlink_to(tmp_path / "real")
    for name in ("pub", "pub/"):
        assert "symbolic link" in refused(house, f"{tmp_path}/{name}", 2).message
    assert list((tmp_path / "real").iterdir()) == []


def test_a_link_to_nothing(house: House, tmp_path: Path) -> None:
    (tmp_path / "pub").symlink_to(tmp_path / "not-there")
    assert "symbolic link" in refused(house, tmp_path / "pub", 2).message
    assert not (tmp_path / "not-there").exists()


def test_a_link_that_appears_when_it_was_looked_at(house: House, tmp_path: Path, monkeypatch: Any) -> None:
    """The look comes before the opening; what is opened is never a link all the same."""
    (tmp_path / "real").mkdir()
    (tmp_path / "pub").symlink_to(tmp_path / "real")
    looks = iter([False])
    real = Path.is_symlink
    monkeypatch.setattr(Path, "is_symlink", lambda self: next(looks, None) is not False and real(self))
    assert "symbolic link" in refused(house, tmp_path / "pub", 2).message
    assert list((tmp_path / "real").iterdir()) == []


def test_links_above_are_resolved(house: House, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert publish(house, str(tmp_path / "link" / "pub"))[0].out == str(tmp_path / "real" / "pub")


@pytest.mark.parametrize("below", ["", "/pub", "/a/b"])
def test_a_file(house: House, victim: Path, below: str) -> None:
    assert "not a folder" in refused(house, f"{victim}{below}", 2).message
    assert victim.read_text() == "precious"


def test_no_name(house: House) -> None:
    refused(house, "", 2)


def test_a_name_that_is_no_text(house: House, tmp_path: Path) -> None:
    refused(house, os.fsdecode(os.fsencode(tmp_path) + b"/\xff"), 2)


@pytest.mark.parametrize("name", ["home", "home/pub", "home/a/b", "elsewhere/pub", "", "elsewhere/../home/pub"])
def test_the_home_and_what_is_in_it_or_above(house: House, tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").symlink_to(tmp_path / "home")
    assert house.meta
    before = sorted(p.name for p in (tmp_path / "home").iterdir())
    assert "home" in refused(house, f"{tmp_path}/{name}", 2).message
    assert sorted(p.name for p in (tmp_path / "home").iterdir()) == before


def test_a_folder_whose_name_begins_like_the_home(house: House, tmp_path: Path) -> None:
    assert publish(house, str(tmp_path / "home-pub"))[0].changed == 6


def link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def hard_link(path: Path, victim: Path) -> None:
    os.link(victim, path)


def pipe(path: Path, victim: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("put", [link, hard_link, pipe])
@pytest.mark.parametrize("name", ["jwks.json", ".jwks.json.new", ".well-known/.openid-configuration.new"])
def test_traps_in_the_folder_are_replaced(
    house: House, tmp_path: Path, victim: Path, put: Callable[[Path, Path], None], name: str
) -> None:
    out = tmp_path / "pub"
    (out / ".well-known").mkdir(parents=True)
    put(out / name, victim)
    assert publish(house, str(out))[0].changed == 6
    assert victim.read_text() == "precious"
    assert victim.stat().st_mode & 0o777 == 0o600
    found = [path for path in out.rglob("*") if path.name not in (".well-known", "status")]
    assert len(found) == 6
    assert all(path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1 for path in found)


def test_a_link_in_the_place_of_a_folder_inside(house: House, tmp_path: Path) -> None:
    out, real = tmp_path / "pub", tmp_path / "real"
    out.mkdir()
    real.mkdir()
    (out / ".well-known").symlink_to(real)
    assert "symbolic link" in refused(house, out, 2).message
    assert list(real.iterdir()) == []
    assert [p.name for p in out.iterdir()] == [".well-known"], "nothing half done is left"


def test_a_file_in_the_place_of_a_folder_inside(house: House, tmp_path: Path) -> None:
    (tmp_path / "pub").mkdir()
    (tmp_path / "pub" / ".well-known").write_text("")
    assert "not a folder" in refused(house, tmp_path / "pub", 2).message


def test_a_folder_in_the_place_of_a_file(house: House, tmp_path: Path) -> None:
    (tmp_path / "pub" / "jwks.json").mkdir(parents=True)
    assert "`jwks.json` in it is a folder" in refused(house, tmp_path / "pub", 2).message


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
@pytest.mark.parametrize("name", ["", ".well-known"])
def test_others_may_write_there(house: House, tmp_path: Path, mode: int, name: str) -> None:
    (tmp_path / "pub" / ".well-known").mkdir(parents=True)
    loose = tmp_path / "pub" / name
    loose.chmod(mode)
    error = refused(house, tmp_path / "pub", 6)
    assert (error.code, error.hint) == ("loose_permissions", f"chmod go-w {loose}")
    loose.chmod(0o755)
    assert publish(house, str(tmp_path / "pub"))[0].changed == 6


def test_others_may_put_another_folder_in_its_place(house: House, tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(0o777)
    assert refused(house, above / "x" / "pub", 6).code == "loose_permissions"
    assert list(above.iterdir()) == []
    above.chmod(0o1777)  # as /tmp: what is in it is its owner's
    assert publish(house, str(above / "x" / "pub"))[0].changed == 6
    above.chmod(0o777)
    refused(house, above / "x" / "pub", 6)


def test_a_group_of_its_own_is_not_others(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "pub").mkdir(parents=True)
    (tmp_path / "a").chmod(0o775)
    (tmp_path / "a" / "pub").chmod(0o775)
    group = (tmp_path / "a").stat().st_gid
    monkeypatch.setattr(os, "getegid", lambda: group + 1)
    refused(house, tmp_path / "a" / "pub", 6)
    monkeypatch.setattr(os, "getegid", lambda: group)
    assert publish(house, str(tmp_path / "a" / "pub"))[0].changed == 6


@ROOT_ONLY
@pytest.mark.parametrize("name", ["a", "a/pub", "a/pub/.well-known"])
def test_somebody_elses_folder(house: House, tmp_path: Path, name: str) -> None:
    (tmp_path / "a" / "pub" / ".well-known").mkdir(parents=True)
    os.chown(tmp_path / name, 12345, -1)
    assert "12345" in refused(house, tmp_path / "a" / "pub", 6).message
    os.chown(tmp_path / name, 0, -1)
    assert publish(house, str(tmp_path / "a" / "pub"))[0].changed == 6


@ROOT_ONLY
def test_somebody_elses_file_is_replaced(house: House, tmp_path: Path) -> None:
    out = tmp_path / "pub"
    publish(house, str(out))
    os.chown(out / "jwks.json", 12345, -1)
    assert publish(house, str(out))[0].changed == 1
    assert (out / "jwks.json").stat().st_uid == 0


@USERS_ONLY
def test_a_folder_that_cannot_be_written(house: House, tmp_path: Path) -> None:
    (tmp_path / "pub").mkdir(mode=0o555)
    refused(house, tmp_path / "pub", 7)
    (tmp_path / "above").mkdir(mode=0o555)
    refused(house, tmp_path / "above" / "pub", 7)


def test_where_no_folder_can_be_made(house: House) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc")
    refused(house, "/proc/nhictl-cannot-be-made", 7)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "fchmod", "mkdir"])
@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
def test_a_full_disk_leaves_no_record_and_no_trace(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, before: bool
) -> None:
    out = tmp_path / "pub"
    if before:
        publish(house, str(out))
        (out / ".well-known" / "openid-configuration").unlink()
        (out / ".well-known" / "oauth-authorization-server").unlink()
        (out / ".well-known").rmdir()
        add_key(house)
    standing = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    real = getattr(os, call)

    def full(*args: Any, **named: Any) -> Any:
        wanted = str(args[0]).startswith(".oauth") or call in ("write", "fsync", "fchmod")
        if wanted or (call == "mkdir" and str(args[0]).endswith(".well-known")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        error = refused(house, out, 7)
    assert "no space left on device" in error.message
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == standing
    assert out.exists() == before
    assert publish(house, str(out))[0].changed == (4 if before else 6)


def test_a_move_that_fails_is_said_and_put_right(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "pub"
    real, moved = os.rename, []

    def third_fails(*args: Any, **named: Any) -> None:
        moved.append(args)
        if len(moved) == 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", third_fails)
        with pytest.raises(NhictlError) as caught:
            publish(house, str(out))
    assert (caught.value.exit, caught.value.code) == (7, "publish_incomplete")
    assert sorted(p.name for p in out.rglob("*")) == ["jwks.json", "spiffe-bundle.json"], (
        "no half file, no empty folder"
    )
    done, _ = publish(house, str(out))
    assert (done.changed, done.sequence) == (4, 1)
