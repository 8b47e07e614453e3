"""A TLS client's certificate with its key, made here, and a connection that is authenticated with it on both sides."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_YEARS = (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2090, 1, 1, tzinfo=dt.UTC))
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def self_signed(private: Private, name: str = "client") -> bytes:
    """A certificate of its own for a key, in PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(subject, subject, private.public_key(), 7, *_YEARS)
    digest = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(private, digest).public_bytes(Encoding.PEM)


def shown_by(folder: Path, private: Private, pem: bytes) -> bytes:
    """The certificate (DER) that a TLS server sees of a client which has proven that it holds the key of it."""
    key, certificate = folder / "tls.key", folder / "tls.pem"
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(pem)
    server, client = (ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    for context in (server, client):
        context.check_hostname = False
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    ours, theirs = socket.socketpair()

    def connect() -> None:
        with client.wrap_socket(theirs) as connection:
            connection.recv(1)

    there = threading.Thread(target=connect)
    there.start()
    with server.wrap_socket(ours, server_side=True) as connection:
        found = connection.getpeercert(binary_form=True)
        connection.send(b"x")
        there.join(10)
    assert found is not None
    return found
