"""Two users that exist only in a mount namespace: the home's owner, and an agent that may use sudo as the sample says.

Nothing of the machine is changed: copies of passwd, group, shadow and sudoers are mounted over the real ones for each
command, and so are readable copies of the way to Python where that lies in a folder that only root may enter.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT, Ran

OWNER, AGENT = "nhi-owner", "nhi-agent"
OWNER_UID, AGENT_UID = 64901, 64902
SUDOERS = ROOT / "samples" / "sudoers.nhictl"
NEEDED = ("unshare", "mount", "runuser", "sudo", "visudo")


class Stage:
    """Runs commands as one of the two users."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        self.home = folder / "owner" / "home"
        self.program = folder / "nhictl"
        self.home.parent.mkdir(mode=0o755)
        os.chown(self.home.parent, OWNER_UID, OWNER_UID)
        self.program.write_text(
            f"#!{sys.executable} -B\nimport sys\nsys.path[0:0] = {[str(ROOT)]!r}\n"
            "from nhictl.__main__ import main\nsys.exit(main())\n"
        )
        self.program.chmod(0o755)
        for name, lines in {
            "passwd": [f"{n}:x:{u}:{u}::/:/bin/sh" for n, u in ((OWNER, OWNER_UID), (AGENT, AGENT_UID))],
            "group": [f"{OWNER}:x:{OWNER_UID}:", f"{AGENT}:x:{AGENT_UID}:", f"agents:x:64903:{AGENT}"],
            "shadow": [f"{n}:*:19000:0:99999:7:::" for n in (OWNER, AGENT)],
        }.items():
            self._over(name, Path("/etc", name).read_text() + "\n".join(lines) + "\n")
        self._over("sudoers", "root ALL=(ALL) NOPASSWD: ALL\n" + self.rule())
        (folder / "sudoers").chmod(0o440)
        (folder / "enter").write_text(self._enter())

    def rule(self) -> str:
        """The sample, for the users and places here."""
        text = SUDOERS.read_text().replace("/var/lib/nhictl/home", str(self.home))
        return text.replace("/usr/local/bin/nhictl", str(self.program)).replace("(nhictl)", f"({OWNER})")

    def _over(self, name: str, text: str) -> None:
        real = Path("/etc", name).stat() if Path("/etc", name).exists() else None
        (self.folder / name).write_text(text)
        if real is not None:
            (self.folder / name).chmod(real.st_mode & 0o777)
            os.chown(self.folder / name, real.st_uid, real.st_gid)

    def _enter(self) -> str:
        """The script that sets the stage inside the namespace, then runs its arguments as the user `$1`."""
        lines = ["set -e"]
        lines += [f"mount --bind {self.folder / name} /etc/{name}" for name in ("passwd", "group", "shadow", "sudoers")]
        shut: dict[Path, list[Path]] = {}
        for wanted in {Path(sys.base_prefix), Path(sys.prefix), ROOT}:
            for above in reversed(wanted.parents):
                if above.stat().st_mode & 0o005 != 0o005:
                    shut.setdefault(above, []).append(wanted)
                    break
        for number, (above, inside) in enumerate(sorted(shut.items())):
            held = self.folder / f"held{number}"
            held.mkdir()
            lines += [f"mount --bind {shlex.quote(str(above))} {held}"]
            lines += [f"mount -t tmpfs -o mode=755 shown {shlex.quote(str(above))}"]
            for wanted in inside:
                place = shlex.quote(str(wanted))
                lines += [f"mkdir -p {place}", f"mount --bind {held}/{wanted.relative_to(above)} {place}"]
        lines += ["user=$1; shift", "cd /", 'runuser -u "$user" -- "$@"']
        return "\n".join(lines) + "\n"

    def run(self, user: str, *argv: str | Path, stdin: str = "") -> Ran:
        """Run a command as `user`, through a shell that stays, as an agent does."""
        command = ["unshare", "-m", "--propagation", "private", "sh", str(self.folder / "enter"), user]
        script = ["sh", "-c", '"$@"; rc=$?; exit $rc', "agent", *map(str, argv)]
        done = subprocess.run([*command, *script], input=stdin, capture_output=True, text=True, timeout=60)
        return Ran(done.returncode, done.stdout, done.stderr)

    def owner(self, *argv: str, stdin: str = "") -> Ran:
        """nhictl, as the home's owner."""
        return self.run(OWNER, self.program, "--home", self.home, *argv, stdin=stdin)

    def sudo(self, *argv: str | Path, stdin: str = "") -> Ran:
        """nhictl, as the agent through sudo."""
        return self.run(AGENT, "sudo", "-n", "-u", OWNER, self.program, "--home", self.home, *argv, stdin=stdin)


def stage() -> Iterator[Stage]:
    """A stage, taken down afterwards; skipped where it cannot be set."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and {', '.join(missing or NEEDED)}")
    folder = Path(tempfile.mkdtemp(prefix="nhictl-users-", dir="/tmp"))
    try:
        made = Stage(folder)
        tried = made.run(AGENT, sys.executable, "-c", "import cryptography")
        if tried.rc:
            pytest.skip(f"another user cannot be shown Python here: {tried.err[-200:]}")
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
