"""What GitHub's runner offers a job: an endpoint on loopback, http or https, that hands out a token for an audience."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BEARER = "runner-secret-4711"
Answer = tuple[int, dict[str, str], bytes]


class Runner:
    """`answers` are given one after the other, the last one again and again; what was asked is kept."""

    def __init__(self, make: Callable[[str], bytes]) -> None:
        self.make = make
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str | None]] = []
        self.env: dict[str, str] = {}

    def answer(self, path: str, bearer: str | None) -> Answer:
        self.asked.append((path, bearer))
        if self.answers:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        query = parse_qs(urlsplit(path).query)
        if bearer != f"Bearer {BEARER}" or query.get("api-version") != ["2.0"]:
            return 401, {}, b"{}"
        token = self.make(query["audience"][0])
        return 200, {"Content-Type": "application/json"}, json.dumps({"count": 1, "value": token.decode()}).encode()


@contextlib.contextmanager
def running(make: Callable[[str], bytes], certificate: Path | None = None) -> Iterator[Runner]:
    """A runner whose variables are in `env`; https with the certificate and key in that file."""
    runner = Runner(make)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, headers, body = runner.answer(self.path, self.headers.get("Authorization"))
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    scheme = "http" if certificate is None else "https"
    url = f"{scheme}://127.0.0.1:{server.server_address[1]}/token?api-version=2.0"
    runner.env = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER}
    try:
        yield runner
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "runner of the tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "runner.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
