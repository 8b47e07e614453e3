"""The sample of a reverse proxy, word for word but for its names and places, in front of a served socket, with TLS."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
if shutil.which("nginx") is None:
    pytest.skip("no nginx here", allow_module_level=True)

from nhictl.ops.callers import FILE
from tests.enforce.served import Served, evaluation
from tests.harness import ROOT
from tests.ops import delegation_home

NAME = "nhi.example.org"
URL = f"https://{NAME}"
SECRET = "s" * 43
AUDIENCE = delegation_home.AUDIENCE


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of `NAME` for an hour, signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    forms = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key").write_bytes(key.private_bytes(*forms))
    return folder / "pem", folder / "key"


class Proxied:
    """A home with an agent's bound token and a listed caller, and nginx in front."""

    def __init__(self, folder: Path) -> None:
        self.chain = delegation_home.Chain(folder / "home")
        caller = {"name": "gateway", "secret_sha256": sha256(SECRET.encode()).hexdigest(), "may": ["evaluate"]}
        path = self.chain.house.home / FILE
        path.write_text(json.dumps({"nhictl_serve": 1, "callers": [caller]}))
        path.chmod(0o600)
        # the proxy is another user than the home's, as `www-data` is, which its peer would be; here both may be one
        self.served = Served(self.chain.house, folder / "s", base=URL, audience=AUDIENCE)
        pem, key = certificate(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        text = (ROOT / "samples" / "serve.nginx").read_text()
        for ours, theirs in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"), ("/etc/ssl/nhi.example.org.pem", str(pem)),
            ("/etc/ssl/private/nhi.example.org.key", str(key)), ("/run/nhictl/serve.sock", str(folder / "s")),
        ):  # fmt: skip
            assert text.count(ours) >= 1
            text = text.replace(ours, theirs)
        temps = "".join(
            f"{kind}_temp_path {folder}/t;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = folder / "nginx.conf"
        config.write_text(
            f"pid {folder}/pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off; {temps}\n{text}\n}}\n"
        )
        argv = ["nginx", "-p", str(folder), "-c", str(config), "-e", "stderr", "-g", "daemon off; master_process off;"]
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE)
        self.trust = ssl.create_default_context(cafile=str(pem))
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            time.sleep(0.05)
        raise AssertionError("nginx does not listen")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        with socket.create_connection(("127.0.0.1", self.port), 20) as plain:
            over = http.client.HTTPConnection(NAME, timeout=20)
            over.sock = self.trust.wrap_socket(plain, server_hostname=NAME)
            named = {"content-type": "application/json"} if body is not None else {}
            over.request(method, path, body if isinstance(body, bytes) else json.dumps(body), named | headers)
            found = over.getresponse()
            data = found.read()
            over.close()
        return found.status, json.loads(data) if data.startswith(b"{") else data

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)
        self.served.stop()
        self.chain.house.close()


@pytest.fixture
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    made = Proxied(tmp_path_factory.mktemp("p"))
    yield made
    made.close()


def test_the_sample_hands_on_who_asks_and_what(proxied: Proxied) -> None:
    """Secrets, tokens and proofs reach us: a proof names the address that the client used, which is not ours."""
    assert proxied.ask("GET", "/health/ready")[0] == 200
    plain = evaluation("one", "a.read", {"n": 1})
    assert proxied.ask("POST", "/access/v1/evaluation", plain, authorization=f"Bearer {SECRET}")[0] == 200
    assert proxied.ask("POST", "/access/v1/evaluation", plain, authorization="Bearer wrong")[0] == 401
    token = proxied.chain.chain("one")[1].token
    held = {"authorization": f"DPoP {token}"}
    said = proxied.ask("POST", "/access/v1/evaluation", plain, **held)[1]
    assert said["context"]["reason"] == "pop_required"
    proof = proxied.chain.proof(token, "one", htm="POST", htu=URL + "/access/v1/evaluation").decode()
    allowed = proxied.ask("POST", "/access/v1/evaluation", plain, **held, dpop=proof)[1]
    assert allowed["decision"], allowed
    told = {"record": allowed["context"]["record"], "outcome": "ok"}
    proof = proxied.chain.proof(token, "one", htm="POST", htu=URL + "/results").decode()
    assert proxied.ask("POST", "/results", told, **held, dpop=proof)[0] == 200


def test_what_is_large_or_nowhere_is_refused_as_without_it(proxied: Proxied) -> None:
    held = {"authorization": f"Bearer {SECRET}"}
    assert proxied.ask("POST", "/access/v1/evaluation", b"x" * (1 << 21), **held)[0] == 413
    assert proxied.ask("GET", "/nowhere", **held)[0] == 404
    assert proxied.ask("GET", "/access/v1/evaluation", **held)[0] == 405
