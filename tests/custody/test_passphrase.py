"""Where a passphrase may come from, and where it may not."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.errors import InputError, NhictlError, UnavailableError, UnsafeError
from nhictl.store.passphrase import Cost, Source
from tests.cli.terminal import Terminal, shell
from tests.custody.keepers import CHEAP, PASSPHRASE, house_with, secret_file
from tests.harness import ROOT


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return secret_file(tmp_path / "passphrase")


def test_from_a_file(file: Path) -> None:
    assert Source(file=str(file)).present() == PASSPHRASE
    assert Source.of_environment({"NHICTL_PASSPHRASE_FILE": str(file)}).present() == PASSPHRASE


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_its_line_end_is_no_part_of_it(file: Path, end: bytes) -> None:
    file.write_bytes(PASSPHRASE + end)
    assert Source(file=str(file)).present() == PASSPHRASE


def test_from_a_descriptor(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    source = Source.of_environment({"NHICTL_PASSPHRASE_FD": str(handle), "NHICTL_PASSPHRASE_FILE": "/nowhere"})
    os.close(handle)
    assert source.present() == PASSPHRASE
    assert source.present() == PASSPHRASE, "read once"


def test_from_a_pipe_that_stays_open() -> None:
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE + b"\nand more that is not ours")
    source = Source(handle=reading)
    assert source.present() == PASSPHRASE
    assert os.read(reading, 100) == b"and more that is not ours"
    os.close(reading)
    os.close(writing)


def test_every_keyboard_spells_it_alike(tmp_path: Path) -> None:
    said = {
        Source(line=unicodedata.normalize(form, "fünfzehn Zeichen é").encode()).present() for form in ("NFC", "NFD")
    }
    assert len(said) == 1


REFUSED: dict[str, tuple[bytes, type[NhictlError], str]] = {
    "two lines": (PASSPHRASE + b"\nx", InputError, "more than one line"),
    "not UTF-8": (b"\xff" * 20, InputError, "not UTF-8"),
    "too long": (b"x" * 1025, InputError, "at most 1024 bytes"),
    "empty": (b"", UnavailableError, "is empty"),
    "an empty line": (b"\n", UnavailableError, "is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_contents_that_are_refused(file: Path, name: str) -> None:
    content, error, why = REFUSED[name]
    file.write_bytes(content)
    with pytest.raises(error, match=why) as caught:
        Source(file=str(file)).present()
    assert caught.value.__cause__ is None, "what it was is not shown by a traceback"


def test_files_that_others_could_read(file: Path) -> None:
    for mode in (0o640, 0o604, 0o622):
        file.chmod(mode)
        with pytest.raises(UnsafeError, match=f"has mode {mode:04o}"):
            Source(file=str(file)).present()
        with file.open("rb") as opened, pytest.raises(UnsafeError, match="the passphrase's descriptor"):
            Source(handle=opened.fileno()).present()
    file.chmod(0o400)
    assert Source(file=str(file)).present() == PASSPHRASE


def test_a_symbolic_link(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(UnsafeError, match="symbolic link"):
        Source(file=str(tmp_path / "link")).present()


def test_somebody_elses_file(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(file, 65534, 65534)
    with pytest.raises(UnsafeError, match="belongs to uid 65534"):
        Source(file=str(file)).present()


@pytest.mark.parametrize("number", ["0", "1", "2", "999", "-1", "x", "٣", "9" * 30])
def test_descriptors_that_are_none(number: str) -> None:
    with pytest.raises(InputError):
        Source.of_environment({"NHICTL_PASSPHRASE_FD": number})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Source(file=str(tmp_path / "none")).present()


def test_a_new_one_has_fifteen_characters_not_bytes() -> None:
    with pytest.raises(InputError, match="has 14 characters"):
        Source(line="é".encode() * 14).new()
    assert len(Source(line="é".encode() * 15).new()) == 30
    assert Source(line=b"short").present() == b"short", "one that exists may be anything"


def test_what_a_home_gets_is_what_is_recommended() -> None:
    assert Cost(1 << 17, 8, 1).fault() is None
    assert (Cost(1 << 17, 8, 1).mib(), CHEAP.mib()) == (128, 32)


def test_memory_that_is_not_to_be_had() -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))\n"
        "from nhictl.store.passphrase import Cost, derive\n"
        "from nhictl.errors import UnavailableError\n"
        "try: derive(b'x', b's' * 16, Cost(1 << 18, 8, 1))\n"
        "except UnavailableError as e: sys.exit(e.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.stderr == "the passphrase cannot be tried: scrypt needs 256 MiB of memory\n"


@pytest.fixture
def typed(tmp_path: Path, home: Path) -> Iterator[Terminal]:
    house_with(home, "passphrase").close()
    with shell(["bash", "--norc", "-i"], tmp_path, "true") as terminal:
        terminal.type(
            f'nhictl() {{ PYTHONPATH={ROOT} NHICTL_HOME={home} {sys.executable} -m nhictl "$@"; echo "=$?"; }}\r'
        )
        terminal.read("> ")
        yield terminal


def test_it_is_typed_unseen(typed: Terminal) -> None:
    typed.type("nhictl agent register bot --owner o --purpose p </dev/null | cat\r")
    assert "passphrase of " in typed.read("home: ")
    typed.type(PASSPHRASE.decode() + "\r")
    said = typed.read("=0")
    assert "spiffe://example.org/agent/bot" in said
    assert PASSPHRASE.decode() not in said
    typed.type("nhictl agent suspend bot\r")
    typed.read("home: ")
    typed.type("something else entirely\r")
    said = typed.read("=6")
    assert "the passphrase does not open" in said
    assert "something" not in said
    typed.type("nhictl agent suspend bot\r")
    typed.read("home: ")
    typed.type("\x03")
    assert "=130" in typed.read("=130")
    typed.type("ech''o shown again\r")
    assert "ech''o shown again" in typed.read("\r\nshown again"), "the terminal echoes as before"


def test_a_new_one_is_typed_twice(typed: Terminal) -> None:
    for again, status in (("another but not the same", 2), ("another that is long", 0)):
        typed.type("nhictl key custody passphrase\r")
        typed.read("home: ")
        typed.type(PASSPHRASE.decode() + "\r")
        typed.read("new passphrase: ")
        typed.type("another that is long\r")
        typed.read("once more: ")
        typed.type(again + "\r")
        assert f"={status}" in typed.read(f"={status}")
    typed.type("nhictl key custody file\r")
    typed.read("home: ")
    typed.type("another that is long\r")
    assert "changed from passphrase" in typed.read("=0")


def test_no_terminal_no_passphrase(home: Path) -> None:
    house_with(home, "passphrase").close()
    env = {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "nhictl", "agent", "register", "x", "--owner", "o", "--purpose", "p"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, start_new_session=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (7, "")
    assert "there is no terminal to ask at" in done.stderr
    assert "--passphrase-file" in done.stderr
