"""Keys of people who approve: an OpenSSH `ssh-ed25519` line or a JWK on Ed25519 or P-256, kept as the bare public JWK.

A signature over a statement is a compact JWS whose payload is the statement, or left out, or an SSH signature
(`ssh-keygen -Y sign`, OpenSSH PROTOCOL.sshsig), so that a key need not leave its holder's machine. Both are bound to
their purpose: the JWS by `typ`, the SSH signature by its namespace. Nothing signed for anything else can be used here.
"""

from __future__ import annotations

import base64
from hashlib import sha256, sha512
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from nhictl.core import strict_json
from nhictl.core.token import any_jws, b64, jwk, jws
from nhictl.core.token.jws import KeyFaultError
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError

NAMESPACE: Final = "nhictl-approval"
"""What `ssh-keygen -Y sign -n` has to be told."""
TYP: Final = "nhictl-approval"
MAX_KEY: Final = 16384
MAX_SIGNATURE: Final = 65536
_SSH: Final = b"ssh-ed25519"
_MAGIC: Final = b"SSHSIG"
_BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----"
_END: Final = b"-----END SSH SIGNATURE-----"
_HASHES: Final = {b"sha256": sha256, b"sha512": sha512}

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def parse_public(value: Any) -> dict[str, str]:
    """The bare public JWK of an OpenSSH line or a JWK; KeyFaultError says what is wrong with it."""
    if isinstance(value, dict):
        kind = (value.get("kty"), value.get("crv"))
        if kind not in (("OKP", "Ed25519"), ("EC", "P-256")) and "d" not in value and "k" not in value:
            raise KeyFaultError("key_alg_mismatch", "is on neither Ed25519 nor P-256")
        jwk.load(value, "EdDSA" if kind[0] == "OKP" else "ES256")
        return {name: value[name] for name in ("crv", "kty", "x", "y") if name in value}
    words = str(value).split(" ")
    if "PRIVATE KEY" in str(value):
        raise KeyFaultError("key_private", "is a private one")
    if words[0] != "ssh-ed25519" or len(words) < 2:
        raise KeyFaultError("key_alg_mismatch", "is no `ssh-ed25519` line and no JWK")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except ValueError as e:
        raise KeyFaultError("key_malformed", "is not base64") from e
    return _okp(_ssh_key(blob))


def _okp(raw: bytes) -> dict[str, str]:
    made = {"crv": "Ed25519", "kty": "OKP", "x": b64.encode(raw)}
    jwk.load(made, "EdDSA")
    return made


def _ssh_key(blob: bytes) -> bytes:
    """The 32 bytes in an SSH public key blob (RFC 8709 §4)."""
    fields = _strings(blob, 2)
    if fields is None or fields[0] != _SSH or len(fields[1]) != 32:
        raise KeyFaultError("key_malformed", "is no Ed25519 key of SSH's form")
    return fields[1]


def _strings(data: bytes, count: int) -> list[bytes] | None:
    """The length-prefixed strings (RFC 4251 §5) that `data` is made of; None if it is not exactly so many."""
    found: list[bytes] = []
    at = 0
    while at < len(data) and len(found) <= count:
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            return None
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found if len(found) == count and at == len(data) else None


def thumbprint(public: dict[str, str]) -> str:
    """RFC 7638."""
    return jwk.thumbprint(public)


def load_private(data: bytes, passphrase: bytes | None, file: str) -> Private:
    """The private key in an OpenSSH or PEM file; InputError (2) for none, another kind, or a wrong passphrase."""
    load: Any = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in data else load_pem_private_key
    try:
        key = load(data, passphrase)
    except TypeError as e:
        if passphrase is None:
            raise _locked(file) from e
        try:
            key = load(data, None)  # a passphrase that was not needed
        except (ValueError, TypeError, UnsupportedAlgorithm) as again:
            raise _unreadable(file) from again
    except UnsupportedAlgorithm as e:
        hint = "sign with ssh-keygen -Y sign and give --signature, or install nhictl[ssh]"
        raise InputError(
            "this kind of protection cannot be undone here", file=file, code="key_unsupported", hint=hint
        ) from e
    except ValueError as e:
        if passphrase is None and _is_protected_ssh(data):  # some versions of the library tell it no other way
            raise _locked(file) from e
        raise _unreadable(file, wrong=passphrase is not None) from e
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise InputError("the key is on neither Ed25519 nor P-256", file=file, code="key_alg_mismatch")


def _locked(file: str) -> InputError:
    hint = "--key-passphrase-file FILE, or - for standard input"
    return InputError("the key is protected by a passphrase", file=file, code="key_locked", hint=hint)


def _is_protected_ssh(data: bytes) -> bool:
    """Whether an OpenSSH private key names a cipher (PROTOCOL.key in OpenSSH: the magic, then the cipher's name)."""
    body = b"".join(line for line in data.splitlines() if not line.startswith(b"-----"))
    try:
        blob = base64.b64decode(body, validate=True)
    except ValueError:
        return False
    magic = b"openssh-key-v1\0"
    return blob.startswith(magic) and not blob.startswith(magic + b"\0\0\0\x04none")


def _unreadable(file: str, *, wrong: bool = False) -> InputError:
    why = "the passphrase is wrong, or it is no private key" if wrong else "no private key in OpenSSH or PEM form"
    return InputError(why, file=file, code="key_malformed")


def public_of(key: Private) -> dict[str, str]:
    """The public JWK that belongs to a private key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _okp(key.public_key().public_bytes_raw())
    return {name: value for name, value in jws.public_jwk(key.public_key()).items() if name in ("crv", "kty", "x", "y")}


def sign(key: Private, statement: bytes) -> str:
    """A compact JWS over a statement, with the payload left out (RFC 7515 appendix F): a statement is content."""
    alg = "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else "ES256"
    header = {"alg": alg, "typ": TYP, "kid": thumbprint(public_of(key))}
    head = b64.encode(strict_json.dumps(header).encode())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return f"{head}..{b64.encode(key.sign(f'{head}.{b64.encode(statement)}'.encode()))}"
    made = jws.sign(header, statement, key).split(".")
    return f"{made[0]}..{made[2]}"


def detached(signature: bytes) -> bytes:
    """A signature as it is kept: a JWS without its payload, anything else as it is."""
    parts = signature.strip().split(b".")
    return b"..".join((parts[0], parts[2])) if len(parts) == 3 else signature.strip()


def verify(public: dict[str, str], statement: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's over that very statement, for this purpose. Never raises for what is malformed."""
    text = signature.strip()
    if len(text) > MAX_SIGNATURE:
        return False
    if text.startswith(_BEGIN):  # over what was printed, whose line end a pipe keeps
        return _verify_ssh(public, statement, text) or _verify_ssh(public, statement + b"\n", text)
    head, _, tail = text.partition(b"..")
    if tail:
        text = b".".join((head, b64.encode(statement).encode(), tail))
    try:
        header, payload = any_jws.verify(text, public, MAX_SIGNATURE)
    except RejectedError:
        return False
    return header.get("typ") == TYP and payload == statement


def _verify_ssh(public: dict[str, str], statement: bytes, text: bytes) -> bool:
    """PROTOCOL.sshsig: the blob names key, namespace and hash; what is signed repeats them with the message's hash."""
    body, mark, rest = text.removeprefix(_BEGIN).partition(_END)
    if not mark or rest or public.get("kty") != "OKP":
        return False
    try:
        blob = base64.b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        return False
    fields = _strings(blob[10:], 5) if blob[:10] == _MAGIC + (1).to_bytes(4, "big") else None
    if fields is None:
        return False
    key, namespace, reserved, name, inner = fields
    made, digest = _strings(inner, 2), _HASHES.get(name)
    raw = b64.decode(public["x"])
    if made is None or made[0] != _SSH or digest is None or namespace != NAMESPACE.encode() or reserved:
        return False
    if _strings(key, 2) != [_SSH, raw]:
        return False
    signed = _MAGIC + b"".join(
        len(part).to_bytes(4, "big") + part for part in (namespace, b"", name, digest(statement).digest())
    )
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(made[1], signed)
    except (InvalidSignature, ValueError):
        return False
    return True
