"""What the program itself issues and publishes, as files: what relying parties in other languages are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness import ROOT, SETTINGS

DOMAIN: Final = "example.org"
ISSUER: Final = "https://nhi.example.org"
AUDIENCE: Final = "https://api.example.org/reports"
AGENTS: Final = ("report-bot", "billing-bot")


class Issued:
    """Two agents with an X.509-SVID each (`NAME.pem`, `NAME.key`), the tokens of the first, and the published folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pub = folder / "pub"
        self.anchors = folder / "bundle.pem"
        self.nhictl("init", "--trust-domain", DOMAIN, "--issuer", ISSUER)
        for name in AGENTS:
            self.nhictl("agent", "register", name, "--owner", "o@example.org", "--purpose", "p")
        self.nhictl("trust", "publish", "--out", self.pub)
        for name in AGENTS:
            more = ("--key-out", self.key(name), "--bundle-out", self.anchors, "--ttl", "10m")
            self.leaf(name).write_text(self.nhictl("agent", "svid", name, *more))
        work = ("--agent", AGENTS[0], "--intent", "reports", "--purpose", "p", "--allow", "reports.read")
        task = self.nhictl("task", "open", *work).strip()
        for profile in ("at+jwt", "jwt-svid"):
            token = self.nhictl("token", "issue", "--task", task, "--audience", AUDIENCE, "--profile", profile)
            self.token(profile).write_text(token.strip())

    def leaf(self, name: str) -> Path:
        """The certificate of an agent."""
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Its private key."""
        return self.folder / f"{name}.key"

    def token(self, profile: str) -> Path:
        """The token of a profile."""
        return self.folder / profile.replace("+", "-")

    def nhictl(self, *arguments: str | Path) -> str:
        """What the program prints; it has to succeed."""
        env = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        env |= {"NHICTL_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "nhictl", *map(str, arguments)], env=env, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def bundle(self) -> dict[str, Any]:
        """The published SPIFFE bundle."""
        value: dict[str, Any] = json.loads((self.pub / "spiffe-bundle.json").read_bytes())
        return value

    def spoiled(self, name: str) -> Path:
        """The certificate with one bit of its signature turned: as well formed as the good one."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        found = x509.load_pem_x509_certificate(self.leaf(name).read_bytes())
        der = bytearray(found.public_bytes(Encoding.DER))
        der[-5] ^= 1
        out = self.folder / f"{name}.spoiled.pem"
        out.write_bytes(x509.load_der_x509_certificate(bytes(der)).public_bytes(Encoding.PEM))
        return out

    def strange(self) -> Path:
        """The certificate of another authority of the same trust domain, which nobody published."""
        out = self.folder / "strange.pem"
        if not out.exists():
            other = object.__new__(Issued)
            other.folder = self.folder / "other"
            other.folder.mkdir()
            other.nhictl("init", "--trust-domain", DOMAIN, "--issuer", ISSUER)
            other.nhictl("agent", "register", AGENTS[0], "--owner", "o@example.org", "--purpose", "p")
            made = ("--key-out", self.folder / "strange.key", "--bundle-out", self.folder / "strange-bundle.pem")
            out.write_text(other.nhictl("agent", "svid", AGENTS[0], *made))
        return out


@pytest.fixture(scope="package")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """Made once a run, by processes of the program, with the real clock."""
    return Issued(tmp_path_factory.mktemp("issued"))
