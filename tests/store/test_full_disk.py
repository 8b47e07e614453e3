"""A full disk: what only takes authority away is carried out all the same, with what the ballast keeps for it.

On real file systems: a tmpfs and an ext4 image, full to the last block, refilled after each act by somebody who takes
whatever becomes free. Skipped where none can be mounted.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.errors import UnavailableError
from nhictl.ops.house import DATABASE, House
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_token import verify
from nhictl.store import ballast
from tests.harness import ROOT, Program
from tests.ops.token_home import AUDIENCE, Authority, add_token, question

NOISE = ("home", "lost+found")


SMALL_BLOCKS = "ext4, blocks of 1024"


@pytest.fixture
def kind() -> str:
    """The file system, unless a test asks for several."""
    return "tmpfs"


@pytest.fixture
def disk(kind: str, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 12 MB."""
    tools = {name: shutil.which(name) or f"/usr/sbin/{name}" for name in ("mount", "umount", "mkfs.ext4")}
    if os.geteuid() != 0 or not all(Path(tool).exists() for tool in tools.values()):
        pytest.skip("only root can mount a file system")
    where, image = tmp_path / "disk", tmp_path / "image"
    where.mkdir()
    command = [tools["mount"], "-t", "tmpfs", "-o", "size=12m,mode=700", "small", str(where)]
    if kind != "tmpfs":
        with image.open("wb") as file:
            file.truncate(12 << 20)
        subprocess.run(
            [tools["mkfs.ext4"], "-q", "-b", "1024" if kind == SMALL_BLOCKS else "4096", str(image)], check=True
        )
        command = [tools["mount"], "-o", "loop", str(image), str(where)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no such file system can be mounted here")
    yield where
    subprocess.run([tools["umount"], "-l", str(where)], check=True)


def fill(disk: Path) -> None:
    """Take whatever is free."""
    number = len(list(disk.iterdir()))
    for size in (65536, 4096, 512):
        with (disk / f"noise-{number}-{size}").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


def clear(disk: Path) -> None:
    """Give it all back."""
    for path in disk.iterdir():
        if path.name not in NOISE:
            path.unlink()


@pytest.mark.parametrize("kind", ["tmpfs", "ext4", SMALL_BLOCKS])
def test_revocation_works_again_and_again(disk: Path, nhictl: Program) -> None:
    home = disk / "home"
    assert nhictl("init", "--trust-domain", "example.org", home=home).rc == 0
    kept = home / ballast.NAME
    info = kept.stat()
    assert (info.st_size, stat.S_IMODE(info.st_mode)) == (ballast.SIZE, 0o600)
    assert info.st_blocks * 512 >= ballast.SIZE, "room that is really had"
    nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p", "--group", "g", home=home)
    task = nhictl("task", "open", "--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "a.b", home=home).out
    issue = ("token", "issue", "--task", task.strip(), "--audience", AUDIENCE)
    tokens = [nhictl(*issue, home=home).out for _ in range(2)]
    fill(disk)
    refused = nhictl(*issue, home=home)
    assert (refused.rc in (7, -signal.SIGBUS), refused.out) == (True, ""), "nothing is granted"
    assert kept.stat().st_size == ballast.SIZE, "nor was the ballast touched for it"
    acts: list[tuple[str, ...]] = [
        *(("token", "revoke", "--token-file", "-", "--reason", "r" * 400) for _ in tokens),
        ("freeze", "--group", "g", "--reason", "r"),
        ("task", "kill", task.strip()),
        ("agent", "retire", "bot"),
    ]
    for number, act in enumerate(acts):
        done = nhictl(*act, stdin=tokens[number] if number < 2 else "", home=home)
        assert (done.rc, done.err) == (0, ""), act
        left = kept.stat().st_size
        assert 0 < left < ballast.SIZE
        if number == 0:
            said = nhictl("token", "verify", "--audience", AUDIENCE, "--json", stdin=tokens[number], home=home)
            assert (said.rc, '"reason":"token_revoked"' in said.out) == (1, True)
        fill(disk)
    clear(disk)
    assert nhictl("unfreeze", "--group", "g", home=home).rc == 0
    assert kept.stat().st_size == ballast.SIZE, "made whole by the next act"
    assert nhictl("audit", "verify", home=home).rc == 0


def test_without_a_ballast_it_says_so(disk: Path, nhictl: Program) -> None:
    home = disk / "home"
    assert nhictl("init", "--trust-domain", "example.org", home=home).rc == 0
    nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p", home=home)
    (home / ballast.NAME).unlink()
    fill(disk)
    done = nhictl("agent", "suspend", "bot", home=home)
    assert (done.rc, done.out) == (7, "")
    assert "hint: free space on the disk" in done.err
    assert "Traceback" not in done.err
    clear(disk)
    assert nhictl("agent", "suspend", "bot", home=home).rc == 0
    assert (home / ballast.NAME).stat().st_size == ballast.SIZE


def until_full(house: House, task: str) -> None:
    """Issue until it fails: the log of SQLite may have room for one more."""
    while True:
        add_token(house, task)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_process_that_has_the_database_open(disk: Path) -> None:
    """The disk fills up under an open connection: the act fails inside its transaction, not at the opening."""
    authority = Authority(disk / "home")
    house = authority.house
    tokens = [add_token(house, authority.task) for _ in range(3)]
    fill(disk)
    with pytest.raises(UnavailableError):
        until_full(house, authority.task)
    for token in tokens:
        fill(disk)
        revoke(house, Selector(jti=token.jti), "r" * 400)
        assert verify(house, question(token.token)).reason == "token_revoked"
    other = House(house.home, house.database, clock=authority.clock)
    assert [verify(other, question(token.token)).reason for token in tokens] == ["token_revoked"] * 3
    other.close()
    house.close()


def test_a_limit_that_no_ballast_can_lift(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: no file may grow, whatever is let go. Nothing is done, it says so, and it works without the limit."""
    authority = Authority(tmp_path / "home")
    authority.house.close()
    code = (
        "import resource,signal,sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from nhictl.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    argv = [
        sys.executable,
        "-c",
        code,
        "--home",
        str(tmp_path / "home"),
        "token",
        "revoke",
        "--jti",
        authority.token.jti,
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=60)
    assert (done.returncode, done.stdout) == (7, ""), done
    assert "Traceback" not in done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096
    assert signal.getsignal(signal.SIGXFSZ) is not None
    house = House(tmp_path / "home", tmp_path / "home" / DATABASE, clock=authority.clock)
    assert verify(house, question(authority.token.token)).reason == "valid"
    revoke(house, Selector(jti=authority.token.jti), None)
    assert (tmp_path / "home" / ballast.NAME).stat().st_size == ballast.SIZE, "what was let go in vain is there again"
    house.close()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "home")
    target = tmp_path / "precious"
    target.write_bytes(b"x" * 100)
    kept = ballast.beside(authority.house.database)
    kept.unlink()
    kept.symlink_to(target)
    add_token(authority.house, authority.task)
    assert not ballast.release(authority.house.database)
    ballast.take_back(authority.house.database)
    assert target.read_bytes() == b"x" * 100
    authority.house.close()


def test_a_piece_at_a_time(tmp_path: Path) -> None:
    database = tmp_path / DATABASE
    assert not ballast.release(database), "there is none"
    ballast.keep(database)
    path = ballast.beside(database)
    sizes = [path.stat().st_size]
    while ballast.release(database):
        sizes.append(path.stat().st_size)
    assert sizes == [ballast.SIZE - n * ballast.PIECE for n in range(5)]
    ballast.take_back(database)
    assert path.stat().st_size == ballast.SIZE
    path.write_bytes(b"")
    ballast.keep(database)
    assert path.stat().st_blocks * 512 >= ballast.SIZE
