"""Whole processes: what somebody waits for who types the command, or whose hook runs it before every call."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import Row, at_most, pairs

ROOT = Path(__file__).parent.parent.parent
AUDIENCE = "https://api.bench.example"
FLOOR = """
import base64, hashlib, json, os, sqlite3, sys, time
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("pragma journal_mode=wal"); c.execute("pragma synchronous=full"); c.execute("create table if not exists t(a,b)")
k = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
m = base64.urlsafe_b64encode(json.dumps({"jti": os.urandom(16).hex(), "iat": int(time.time())}).encode())
s = k.sign(m, ec.ECDSA(hashes.SHA256()))
if sys.argv[2] == "commit":
    c.execute("begin immediate")
    c.execute("insert into t values(?,?)", (hashlib.sha256(m).hexdigest(), m))
    c.execute("commit")
print(m.decode(), s.hex())
"""


class Installed:
    """The program as an installation would have it: compiled, started by a console script, its home beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "nhictl", folder / "lib" / "nhictl", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder / "lib", quiet=2)
        (folder / "start.py").write_text("import sys\nfrom nhictl.__main__ import main\nsys.exit(main())\n")
        (folder / "floor.py").write_text(FLOOR)
        gone = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "NHICTL_STORE", "NHICTL_OUTPUT"}
        self.env = {k: v for k, v in os.environ.items() if k not in gone}
        self.env |= {"PYTHONPATH": str(folder / "lib"), "NHICTL_HOME": str(folder / "home")}

    def run(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run a command to success and return what it printed."""
        argv = [sys.executable, str(self.folder / "start.py"), *arguments]
        return subprocess.run(argv, input=stdin, capture_output=True, check=True, env=self.env).stdout.decode().strip()

    def floor(self, mode: str) -> Callable[[], object]:
        """The bare script."""
        argv = [sys.executable, str(self.folder / "floor.py"), str(self.folder / "floor.db"), mode]
        return lambda: subprocess.run(argv, capture_output=True, check=True, env=self.env)


def rows(folder: Path, rounds: int) -> list[Row]:
    """`token issue`, `policy check` and `token verify` against the bare script."""
    program = Installed(folder)
    program.run("init", "--trust-domain", "bench.example")
    program.run("policy", "activate", str(ROOT / "samples" / "payments.policy.yaml"))
    who = [
        "--owner",
        "o@bench.example",
        "--purpose",
        "p",
        "--env",
        "prod",
        "--trust",
        "2",
        "--group",
        "accounts-payable",
    ]
    program.run("agent", "register", "invoice-bot", *who)
    what = ["--intent", "pay-invoice", "--purpose", "p", "--allow", "pay.status", "--max-tokens", "100000"]
    task = program.run("task", "open", "--agent", "invoice-bot", *what)
    issue = ["token", "issue", "--task", task, "--audience", AUDIENCE]
    token = program.run(*issue, "--ttl", "1h").encode()
    check = ["policy", "check", "--task", task, "--tool", "pay.status", "--arg", "payment_id=p-1"]
    verify = ["token", "verify", "--audience", AUDIENCE, "--tool", "pay.status", "--arg", "payment_id=p-1"]
    return [
        at_most("token issue, whole process", pairs(lambda: program.run(*issue), program.floor("commit"), rounds), 2.4),
        at_most("policy check, whole process", pairs(lambda: program.run(*check), program.floor("read"), rounds), 2.4),
        at_most(
            "token verify with a call, whole process",
            pairs(lambda: program.run(*verify, stdin=token), program.floor("read"), rounds),
            2.4,
        ),
    ]
