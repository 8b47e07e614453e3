"""Homes under each custody, made cheaply, and a helper program that watches what is done to it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.key_custody import Wanted
from nhictl.store.passphrase import Cost, Source

PASSPHRASE: Final = b"correct horse battery staple"
CHEAP: Final = Cost(1 << 15, 8, 1)
"""The cheapest that is accepted: a quarter of what a home gets."""

WATCHER: Final = '''\
#!{python} -IS
"""helper FOLDER get|store|erase: secrets as files; notes what was asked, and what it should not have been able to see."""
import fcntl, glob, os, sys, time
folder, action = sys.argv[1:]
name = sys.stdin.readline().strip()
secret = sys.stdin.readline().strip()
path = os.path.join(folder, name)
busy = os.path.join(folder, "busy")

def note(*words):
    with open(os.path.join(folder, "calls"), "a") as file:
        print(*words, file=file)

note(action, name)
try:
    os.close(os.open(busy, os.O_CREAT | os.O_EXCL))
except FileExistsError:
    note("OVERLAP")
lock = os.path.join({home!r}, "lock")
if os.path.exists(lock):
    with open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("UNDER THE WRITE LOCK")
with open(os.path.join(folder, "seen"), "ab") as seen:
    for process in glob.glob("/proc/[0-9]*"):
        for what in ("cmdline", "environ"):
            try:
                with open(process + "/" + what, "rb") as file:
                    seen.write(file.read() + b"\\n")
            except OSError:
                pass
note("ENVIRONMENT", *sorted(key for key in os.environ if key.startswith("NHICTL")))
if action == "store":
    with open(path, "w") as file:
        file.write(secret)
elif action == "erase":
    os.unlink(path)
else:
    time.sleep({pause})
    with open(path) as file:
        print(file.read())
try:
    os.unlink(busy)
except FileNotFoundError:
    pass
'''


class Watcher:
    """The helper, in a folder of its own, with its secrets and its notes in another."""

    def __init__(self, folder: Path, home: Path, pause: float = 0) -> None:
        self.folder = folder / "secrets"
        self.folder.mkdir()
        self.program = program(folder, WATCHER.format(python=sys.executable, home=str(home), pause=pause))
        self.command = f"{shlex.quote(str(self.program))} {shlex.quote(str(self.folder))}"

    def calls(self, action: str | None = None) -> list[str]:
        """What it was asked, oldest first, with the faults it saw; of one action only if that is given."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line != "ENVIRONMENT" and (action is None or line.startswith(action))]

    def forget(self) -> None:
        """Begin the notes anew."""
        (self.folder / "calls").unlink(missing_ok=True)

    def secrets(self) -> dict[str, str]:
        """What it keeps, by id."""
        return {path.name: path.read_text() for path in self.folder.glob("nhictl-*")}


def program(folder: Path, text: str, name: str = "helper") -> Path:
    """A script that may be run, where only we write."""
    place = folder / "bin"
    place.mkdir(mode=0o755, exist_ok=True)
    path = place / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def secret_file(path: Path, content: bytes = PASSPHRASE + b"\n") -> Path:
    """A file of mode 0600."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def house_with(home: Path, kind: str, *, passphrase: bytes = PASSPHRASE, command: str | None = None) -> House:
    """A home under that custody, opened."""
    house = House(home, home / DATABASE)
    house.passphrase = Source(line=passphrase)
    initialise(house, "example.org", None, Wanted(kind, command, Source(line=passphrase)))
    return house


def opened(home: Path, passphrase: bytes | None = PASSPHRASE) -> House:
    """The home as another process would open it; without a passphrase there is none to be had."""
    house = House(home, home / DATABASE)
    if passphrase is not None:
        house.passphrase = Source(line=passphrase)
    return house
