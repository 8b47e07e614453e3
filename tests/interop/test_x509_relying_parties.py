"""OpenSSL, Python's TLS, py-spiffe and cryptography's path validation take our X.509-SVIDs, and nobody else's.

OpenSSL is a program and py-spiffe a development dependency; their tests skip where they are missing.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tests.interop.issued import AGENTS, AUDIENCE, DOMAIN, Issued

BOT, OTHER = AGENTS
BOT_ID, OTHER_ID = (f"spiffe://{DOMAIN}/agent/{name}" for name in AGENTS)

pytestmark = pytest.mark.filterwarnings("ignore")  # what these libraries warn of when they are imported


def openssl(*arguments: str | Path) -> tuple[int, str]:
    """Exit status and what it said; skipped where it is missing."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl here")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
@pytest.mark.parametrize("name", AGENTS)
def test_openssl_verifies_it_strictly(issued: Issued, name: str, purpose: str) -> None:
    verify = ("verify", "-x509_strict", "-purpose", purpose, "-CAfile", issued.anchors)
    assert openssl(*verify, issued.leaf(name)) == (0, f"{issued.leaf(name)}: OK\n")


def refusals(issued: Issued) -> dict[str, tuple[list[str | Path], Path, str]]:
    leaf = x509.load_pem_x509_certificate(issued.leaf(BOT).read_bytes())
    end = int(leaf.not_valid_after_utc.timestamp())
    begin = int(leaf.not_valid_before_utc.timestamp())
    strange = issued.strange()
    return {
        "over": (["-attime", str(end + 1), "-CAfile", issued.anchors], issued.leaf(BOT), "has expired"),
        "not yet": (["-attime", str(begin - 1), "-CAfile", issued.anchors], issued.leaf(BOT), "not yet valid"),
        "altered": (["-CAfile", issued.anchors], issued.spoiled(BOT), "signature failure"),
        "of another authority": (["-CAfile", issued.anchors], strange, "unable to get local issuer"),
        "by another bundle": (
            ["-CAfile", issued.folder / "strange-bundle.pem"], issued.leaf(BOT), "unable to get local issuer",
        ),
        "for mail": (["-purpose", "smimesign", "-CAfile", issued.anchors], issued.leaf(BOT), "purpose"),
        "as an authority": (["-CAfile", issued.anchors, "-untrusted", issued.leaf(BOT)], _child(issued), "verification failed"),
    }  # fmt: skip


def _child(issued: Issued) -> Path:
    """A certificate that the holder of an SVID signed with it."""
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    from nhictl.core.identity import x509_svid
    from nhictl.core.token import jws

    leaf = x509.load_pem_x509_certificate(issued.leaf(BOT).read_bytes())
    key: Any = load_pem_private_key(issued.key(BOT).read_bytes(), None)
    by = x509_svid.load(base64.b64encode(leaf.public_bytes(Encoding.DER)).decode())
    asked = x509_svid.Svid(OTHER_ID, jws.public_jwk(key), 5, by.not_before_s, by.not_after_s)
    made = x509_svid.sign(asked, by, key)
    out = issued.folder / "child.pem"
    out.write_text(x509_svid.pem(made))
    return out


CONTROLS = ["over", "not yet", "altered", "of another authority", "by another bundle", "for mail", "as an authority"]


@pytest.mark.parametrize("name", CONTROLS)
def test_openssl_refuses(issued: Issued, name: str) -> None:
    options, leaf, why = refusals(issued)[name]
    code, said = openssl("verify", "-x509_strict", *options, leaf)
    assert code != 0
    assert why in said


def test_openssl_says_what_it_is(issued: Issued) -> None:
    code, text = openssl("x509", "-in", issued.leaf(BOT), "-noout", "-text")
    assert code == 0
    plain = re.sub(r"\s+", " ", text)
    for said in (
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "X509v3 Basic Constraints: critical CA:FALSE",
        "X509v3 Key Usage: critical Digital Signature X509v3",
        "X509v3 Extended Key Usage: TLS Web Server Authentication, TLS Web Client Authentication",
        f"X509v3 Subject Alternative Name: critical URI:{BOT_ID} X509v3",
        "X509v3 Authority Key Identifier:",
    ):
        assert said in plain
    assert re.search(r"Subject: Subject Public Key Info", plain), "the subject is empty"
    _, text = openssl("x509", "-in", issued.anchors, "-noout", "-text")
    plain = re.sub(r"\s+", " ", text)
    for said in (
        "X509v3 Basic Constraints: critical CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical Certificate Sign X509v3",
        f"X509v3 Subject Alternative Name: URI:spiffe://{DOMAIN} X509v3",
    ):
        assert said in plain


def test_openssl_makes_the_request(issued: Issued) -> None:
    """From `openssl req` to a certificate that fits its key; one that asks for an authority is refused."""
    key, ask, leaf = (issued.folder / f"made.{end}" for end in ("key", "csr", "pem"))
    assert openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)[0] == 0
    new = ("req", "-new", "-key", key, "-subj", "/CN=billing", "-out", ask)
    assert openssl(*new, "-addext", f"subjectAltName=URI:{OTHER_ID}")[0] == 0
    leaf.write_text(issued.nhictl("agent", "svid", OTHER, "--csr", ask))
    assert openssl("verify", "-x509_strict", "-CAfile", issued.anchors, leaf)[0] == 0
    assert openssl("pkey", "-in", key, "-pubout")[1] == openssl("x509", "-in", leaf, "-noout", "-pubkey")[1]
    assert openssl(*new, "-addext", "basicConstraints=critical,CA:TRUE")[0] == 0
    with pytest.raises(AssertionError, match="CA:TRUE"):
        issued.nhictl("agent", "svid", OTHER, "--csr", ask)


def verified(leaf: Path, anchors: Path) -> list[x509.GeneralName] | None:
    store = Store(x509.load_pem_x509_certificates(anchors.read_bytes()))
    verifier = PolicyBuilder().store(store).build_client_verifier()
    return verifier.verify(x509.load_pem_x509_certificate(leaf.read_bytes()), []).subjects


def test_cryptography_verifies_it(issued: Issued) -> None:
    assert verified(issued.leaf(BOT), issued.anchors) == [x509.UniformResourceIdentifier(BOT_ID)]
    for leaf in (issued.spoiled(BOT), issued.strange()):
        with pytest.raises(VerificationError):
            verified(leaf, issued.anchors)


def library() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("spiffe", exc_type=ImportError)


def test_py_spiffe_reads_it(issued: Issued) -> None:
    spiffe = library()
    found = spiffe.X509Svid.parse(issued.leaf(BOT).read_bytes(), issued.key(BOT).read_bytes())
    assert str(found.spiffe_id) == BOT_ID
    assert found.private_key.public_key() == found.leaf.public_key()
    with pytest.raises(Exception, match=r"(?i)CA"):
        spiffe.X509Svid.parse(issued.anchors.read_bytes(), issued.key(BOT).read_bytes())


def test_py_spiffe_reads_the_bundle(issued: Issued) -> None:
    spiffe = library()
    domain = spiffe.TrustDomain(DOMAIN)
    (entry,) = [key for key in issued.bundle()["keys"] if key["use"] == "x509-svid"]
    bundle = spiffe.X509Bundle.parse_raw(domain, base64.b64decode(entry["x5c"][0]))
    assert bundle.x509_authorities == set(x509.load_pem_x509_certificates(issued.anchors.read_bytes()))
    assert spiffe.X509Bundle.parse(domain, issued.anchors.read_bytes()).x509_authorities == bundle.x509_authorities
    assert "kid" not in entry


def test_py_spiffe_takes_jwt_svids_beside_x509_keys(issued: Issued) -> None:
    """Its `JwtBundle` is the Workload API's key set, which has no X.509 keys: it reads jwks.json, not the bundle.

    Of the bundle (SPIFFE Trust Domain and Bundle §4), it takes the keys that are for JWT-SVIDs.
    """
    spiffe = library()
    domain, token = spiffe.TrustDomain(DOMAIN), issued.token("jwt-svid").read_text()
    keys = [key for key in issued.bundle()["keys"] if key["use"] == "jwt-svid"]
    for data in ((issued.pub / "jwks.json").read_bytes(), json.dumps({"keys": keys}).encode()):
        bundle = spiffe.JwtBundle.parse(domain, data)
        assert str(spiffe.JwtSvid.parse_and_validate(token, bundle, {AUDIENCE}).spiffe_id) == BOT_ID
    with pytest.raises(Exception, match="keyID"):
        spiffe.JwtBundle.parse(domain, (issued.pub / "spiffe-bundle.json").read_bytes())


def context(issued: Issued, name: str, *, server: bool, leaf: Path | None = None, key: Path | None = None) -> Any:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False  # SPIFFE: the peer is its SPIFFE ID, wherever it runs
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(issued.anchors)
    made.load_cert_chain(leaf or issued.leaf(name), key or issued.key(name))
    return made


def shake(client: Any, server: Any) -> tuple[str, str]:
    """A whole mutual handshake over a socket; the URIs that server and client see of one another."""
    seen: dict[str, Any] = {}
    one, two = socket.socketpair()

    def serve() -> None:
        with contextlib.suppress(ssl.SSLError, OSError), server.wrap_socket(two, server_side=True) as tls:
            seen["client"] = tls.getpeercert()["subjectAltName"]
            tls.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(one) as tls:
            assert tls.recv(5) == b"hello"
            seen["server"] = tls.getpeercert()["subjectAltName"]
    finally:
        one.close()
        thread.join(10)
        two.close()
    ((kind, server_id),), ((kind2, client_id),) = seen["server"], seen["client"]
    assert kind == kind2 == "URI"
    return client_id, server_id


def test_two_agents_shake_hands(issued: Issued) -> None:
    client, server = context(issued, BOT, server=False), context(issued, OTHER, server=True)
    assert shake(client, server) == (BOT_ID, OTHER_ID)


@pytest.mark.parametrize("stranger", ["client", "server"])
def test_a_strangers_hand_is_refused(issued: Issued, stranger: str) -> None:
    """A certificate for the very same SPIFFE ID, by an authority that is not in the bundle."""
    leaf, key = issued.strange(), issued.folder / "strange.key"
    kinds = {
        side: context(issued, BOT, server=side == "server", leaf=leaf, key=key)
        if side == stranger
        else context(issued, OTHER, server=side == "server")
        for side in ("client", "server")
    }
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        shake(kinds["client"], kinds["server"])


def test_the_key_of_another_does_not_fit(issued: Issued) -> None:
    with pytest.raises(ssl.SSLError):
        context(issued, BOT, server=False, key=issued.key(OTHER))
