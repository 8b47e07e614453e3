"""The PostgreSQL helper in samples/, against a real server: a login made for a run, and dropped with it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.ops import credentials
from tests.harness import ROOT
from tests.run.run_home import OPEN, Runs, eventually

HELPER = ROOT / "samples" / "credentials" / "postgres-role"


def binaries() -> Path | None:
    """Where PostgreSQL's programs are."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def server_user() -> str | None:
    """Who runs the server: never root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


class Server:
    """A PostgreSQL of its own on a Unix socket, with passwords required of everybody but its administrator."""

    def __init__(self, folder: Path, bin_: Path, user: str) -> None:
        self.folder = folder
        self.env = {"PATH": f"{bin_}:{os.environ['PATH']}", "PGHOST": str(folder), "PGPORT": "5999", "PGDATABASE": "postgres",
                    "PGUSER": "admin", "LC_ALL": "C"}  # fmt: skip
        more: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid} if os.geteuid() == 0 else {}
        if more:
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        data = str(folder / "data")
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        subprocess.run(
            [bin_ / "initdb", "-D", data, "-U", "admin", "-A", "trust", "--no-sync"], check=True, **quiet, **more
        )
        (folder / "data" / "pg_hba.conf").write_text("local all admin trust\nlocal all all scram-sha-256\n")
        self.process = subprocess.Popen(
            [bin_ / "postgres", "-D", data, "-k", str(folder), "-h", "", "-p", "5999", "-c", "fsync=off"],
            **quiet,
            **more,
        )
        eventually(lambda: self.psql("SELECT 1").returncode == 0, "the server answers")

    def psql(self, statement: str, *target: str) -> subprocess.CompletedProcess[str]:
        """Run one statement."""
        argv = ["psql", "-X", "-w", "-At", *target, "-c", statement]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def logins(self) -> str:
        """The logins that runs were given."""
        return self.psql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'nhictl%'").stdout.strip()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    bin_, user = binaries(), server_user()
    if bin_ is None or user is None or not shutil.which("psql"):
        pytest.skip("no PostgreSQL server programs here")
    with tempfile.TemporaryDirectory(prefix="nhictl-pg-") as name:
        found = Server(Path(name), bin_, user)
        found.psql("CREATE ROLE reader")
        found.psql("CREATE TABLE report (n int)")
        found.psql("INSERT INTO report VALUES (47)")
        found.psql("GRANT SELECT ON report TO reader")
        yield found
        found.close()


@pytest.fixture
def operator(own: Runs) -> Runs:
    file = own.home / credentials.FILE
    file.write_text(
        "nhictl_credentials: 1\ncredentials:\n"
        f"  - {{name: db, acquire: [{HELPER}, acquire, reader], revoke: [{HELPER}, revoke], agents: [bot]}}\n"
    )
    file.chmod(0o600)
    return own


ASK = """
conn=$(cat /dev/fd/$NHICTL_CRED_DB_FD)
psql -X -w -At "$conn" -c 'SELECT n FROM report' -c 'SELECT current_user'
psql -X -w -At "$conn" -c 'INSERT INTO report VALUES (1)' 2>&1 | grep -c 'permission denied'
printf %s "$conn" >conn
"""


def test_a_login_for_one_run(operator: Runs, server: Server) -> None:
    own = operator
    done = own.run("sh", "-c", ASK, options=(*OPEN, "--credential", "db"), env=server.env)
    assert done.rc == 0, done
    role = "nhictl_" + own.newest_task()[2:]
    assert done.out.split() == ["47", role, "1"]
    assert (own.folder / "conn").read_text().count(role) == 1
    assert server.logins() == ""
    late = server.psql("SELECT 1", (own.folder / "conn").read_text())
    assert (late.returncode, "authentication failed" in late.stderr) == (2, True)
    assert own.kinds(own.newest_task())[-2:] == ["task.closed", "credential.revoked"]


def test_open_sessions_end_and_a_killed_run_is_tidied(operator: Runs, server: Server) -> None:
    own = operator
    script = 'psql -X -q -w "$(cat "$NHICTL_CRED_DB_FILE")" -c "SELECT pg_sleep(60)" 2>/dev/null & exec sleep 60'
    # the helper's environment is that of the run
    os.environ.update(server.env)
    try:
        process, _ = own.waiting("--credential", "db", script=script)
        role = "nhictl_" + own.newest_task()[2:]
        busy = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'"
        eventually(lambda: server.psql(busy).stdout.strip() == "1", "it is connected")
        process.kill()
        process.wait()
        assert server.logins() == role, "nobody has looked yet"
        assert own.call("credential", "revoke").rc == 0
    finally:
        for name in server.env:
            if name.startswith("PG"):
                del os.environ[name]
    assert server.logins() == ""
    assert server.psql(busy).stdout.strip() == "0"
