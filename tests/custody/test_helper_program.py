"""Helper programs: what they are given and what is taken from them, and which are not run at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nhictl.errors import InputError, NhictlError, UnavailableError, UnsafeError
from nhictl.store import custody, helper
from nhictl.store.custody import Custody
from nhictl.store.keys import Keys
from tests.custody.keepers import PASSPHRASE, Watcher, house_with, opened, program
from tests.harness import ROOT

KEY = bytes(range(32))
ECHO = '#!/bin/sh\nprintf "%s|" "$#" "$@" >"$0.args"\ncat >"$0.in"\necho answer\n'


def script(tmp_path: Path, body: str) -> list[str]:
    return [str(program(tmp_path, "#!/bin/sh\n" + body))]


def test_what_it_is_given(tmp_path: Path) -> None:
    path = program(tmp_path, ECHO)
    assert helper.ask([str(path), "a b", "$(touch x)", "*"], "get", "nhictl-1") == "answer"
    assert Path(f"{path}.args").read_text() == "4|a b|$(touch x)|*|get|", "no shell has seen it"
    assert Path(f"{path}.in").read_text() == "nhictl-1\n"
    helper.ask([str(path)], "store", "nhictl-1", "secret")
    assert Path(f"{path}.in").read_text() == "nhictl-1\nsecret\n"


def test_it_learns_nothing_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NHICTL_PASSPHRASE_FILE", "NHICTL_TOKEN", "NHICTL_HOME"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("KEPT", "y")
    helper.ask(script(tmp_path, 'env >"$0.env"\n'), "get", "nhictl-1")
    told = (tmp_path / "bin" / "helper.env").read_text().splitlines()
    assert "KEPT=y" in told
    assert [line for line in told if line.startswith("NHICTL")] == []


def test_it_gets_no_descriptor_of_ours(tmp_path: Path, home: Path) -> None:
    house = house_with(home, "file")
    assert house.meta
    said = helper.ask(script(tmp_path, "ls -l /proc/self/fd | grep -c nhictl.db; true\n"), "get", "nhictl-1")
    assert said == "0"
    house.close()


def test_what_it_says_goes_to_the_person(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    helper.ask(script(tmp_path, "echo touch the card >&2; echo s\n"), "get", "nhictl-1")
    assert capfd.readouterr().err == "touch the card\n"


FAILURES: dict[str, tuple[str, str]] = {
    "a status": ("echo no >&2; exit 3\n", "ended with status 3 when asked to get"),
    "a signal": ("kill -9 $$\n", "was ended by signal 9"),
    "too much": ("yes | head -c 5000\n", "printed over 4096 bytes"),
    "without end": ("yes\n", "printed over 4096 bytes"),
    "two lines": ("echo a; echo b\n", "more than one line"),
    "not ASCII": ("printf '\\377\\n'\n", "more than one line"),
    "too late": ("exec sleep 60\n", "did not end within 0.3 s"),
    "too late by a child": ("sleep 2\n", "did not end within 0.3 s"),
    "its output closed and then too late": ("exec >&-; exec sleep 60\n", "did not end within 0.3 s"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, why = FAILURES[name]
    monkeypatch.setattr(helper, "TIMEOUT_S", 0.3 if "late" in name else 20.0)
    with pytest.raises(UnavailableError) as caught:
        helper.ask(script(tmp_path, body), "get", "nhictl-1")
    assert why in caught.value.message
    assert (caught.value.code, caught.value.exit) == ("custody_unavailable", 7)


def test_one_that_leaves_something_running_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper, "TIMEOUT_S", 20.0)
    assert helper.ask(script(tmp_path, "sleep 30 &\necho $!\n"), "get", "nhictl-1").isdigit()
    os.kill(int(helper.ask(script(tmp_path, "sleep 30 &\necho $!\n"), "get", "nhictl-1")), 9)


def test_one_that_does_not_read_its_input(tmp_path: Path) -> None:
    assert helper.ask(script(tmp_path, "exec <&-; echo s\n"), "store", "nhictl-1", "x") == "s"


def replaceable(path: Path) -> None:
    path.parent.chmod(0o777)


def further_up(path: Path) -> None:
    path.parent.parent.chmod(0o777)


def linked(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("real")))


def in_a_linked_folder(path: Path) -> None:
    path.parent.symlink_to(path.parent.rename(path.parent.with_name("real")))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, 65534, 65534)


UNSAFE: dict[str, tuple[Callable[[Path], object], type[NhictlError]]] = {
    "writable by the group": (lambda p: p.chmod(0o775), UnsafeError),
    "writable by all": (lambda p: p.chmod(0o757), UnsafeError),
    "in a folder for all": (replaceable, UnsafeError),
    "in a sticky folder for all": (lambda p: p.parent.chmod(0o1777), UnsafeError),
    "in a folder of the group": (lambda p: p.parent.chmod(0o775), UnsafeError),
    "below a folder for all": (further_up, UnsafeError),
    "somebody else's": (foreign, UnsafeError),
    "not executable": (lambda p: p.chmod(0o644), UnavailableError),
    "missing": (lambda p: p.unlink(), UnavailableError),
    "a folder": (a_folder, UnavailableError),
    "a link since": (linked, UnsafeError),
    "in a linked folder since": (in_a_linked_folder, UnsafeError),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_programs_that_are_not_run(home: Path, watcher: Watcher, name: str) -> None:
    house_with(home, "helper", command=watcher.command).close()
    assert opened(home).unlocked()
    watcher.forget()
    change, error = UNSAFE[name]
    change(watcher.program)
    with pytest.raises(error):
        opened(home).unlocked()
    if "since" not in name:
        with pytest.raises(error):
            helper.declared(watcher.command)
    assert watcher.calls() == []


def test_how_it_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, ECHO)
    assert helper.declared(f"{path} 'a b' c") == [str(path), "a b", "c"]
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    assert helper.declared("helper")[0] == str(path)
    monkeypatch.chdir(tmp_path)
    assert helper.declared("bin/helper")[0] == str(path)
    (tmp_path / "link").symlink_to(path)
    assert helper.declared(str(tmp_path / "link"))[0] == str(path)
    for command in ("", "  ", "'", "no-such-program-anywhere", f"{path} 'a\nb'", f"{path} " + "x " * 40):
        with pytest.raises(InputError):
            helper.declared(command)


@pytest.mark.parametrize("said", ["", "x", "A" * 42, "A" * 44, "ä"])
def test_a_secret_that_is_none(home: Path, watcher: Watcher, said: str) -> None:
    house_with(home, "helper", command=watcher.command).close()
    (name,) = watcher.secrets()
    (watcher.folder / name).write_text(said)
    with pytest.raises(UnavailableError):
        opened(home).unlocked()


def test_a_secret_that_is_another(home: Path, watcher: Watcher) -> None:
    house_with(home, "helper", command=watcher.command).close()
    (name,) = watcher.secrets()
    (watcher.folder / name).write_text("A" * 43)
    with pytest.raises(UnsafeError, match="what the helper gave does not open"):
        opened(home).unlocked()


@pytest.mark.parametrize("body", ["exit 0\n", 'test "$1" = get && echo AAAA; exit 0\n', 'test "$1" != get\n'])
def test_one_that_does_not_keep_the_secret_begins_no_custody(home: Path, tmp_path: Path, body: str) -> None:
    with pytest.raises(UnavailableError):
        house_with(home, "helper", command=script(tmp_path, body + "\n")[0])
    assert not home.exists() or list(home.iterdir()) == []


@pytest.fixture
def gpg() -> Iterator[dict[str, str]]:
    """A keyring of gpg's with one key, in a folder whose name is short enough for its sockets."""
    if shutil.which("gpg") is None:
        pytest.skip("there is no gpg here")
    with tempfile.TemporaryDirectory(prefix="g", dir="/tmp") as name:
        environment = {"GNUPGHOME": name, "PATH": os.environ["PATH"]}
        make = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "ops@example.org", "rsa2048"]
        subprocess.run([*make, "encrypt"], env=environment, check=True, capture_output=True)
        try:
            yield environment
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True)


def test_the_sample_keeps_secrets_with_gpg(
    home: Path, tmp_path: Path, gpg: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = program(tmp_path, (ROOT / "samples" / "custody-gpg").read_text(), "custody-gpg")
    monkeypatch.setenv("GNUPGHOME", gpg["GNUPGHOME"])
    house = house_with(home, "helper", command=f"{sample} ops@example.org '{tmp_path}/a folder'")
    (kept,) = (tmp_path / "a folder").iterdir()
    assert b"BEGIN" not in kept.read_bytes()
    assert opened(home).unlocked() == house.unlocked()
    found = custody.described(home / "kek", (home / "kek").read_bytes())
    assert kept.name == f"{found.id}.gpg"
    custody.call(found, "erase")
    assert list((tmp_path / "a folder").iterdir()) == []
    with pytest.raises(UnavailableError):
        opened(home).unlocked()
    with pytest.raises(UnavailableError):
        custody.call(Custody("helper", "../x", found.detail), "get")


def test_the_library_is_asked_in_a_process_of_its_own_and_a_machine_without_it_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`keyring` is not there for a Python that cannot see its packages."""
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; print(sys.executable)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert bare.stdout.strip() == sys.executable
    monkeypatch.setattr(custody, "sys", type("Bare", (), {"executable": str(_without_packages(home.parent))}))
    with pytest.raises(UnavailableError, match="the library is not installed") as caught:
        custody.begin("keyring")
    assert "nhictl[keyring]" in (caught.value.hint or "")


def _without_packages(folder: Path) -> Path:
    return program(folder, f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n', "python")


def test_wrapped_keys_are_only_good_with_the_secret_of_their_id(watcher: Watcher) -> None:
    command = [str(watcher.program), str(watcher.folder)]
    one = custody.begin("helper", command=command)
    two = custody.begin("helper", command=command)
    assert len(set(watcher.secrets().values())) == 2
    swapped = custody.described(Path("kek"), one.wrap(Keys(KEY)))._replace(id=two.custody.id)
    with pytest.raises(UnsafeError):
        custody.unlock(watcher.folder / "kek", custody.encode(swapped), None)
    assert PASSPHRASE.decode() not in str(watcher.secrets())
