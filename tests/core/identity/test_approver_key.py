"""Approvers' keys and signatures: what ssh-keygen makes is taken, and nothing that was signed for anything else."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from nhictl.core.identity import approver_key
from nhictl.core.token import b64, jws
from nhictl.core.token.jws import KeyFaultError
from nhictl.errors import InputError

STATEMENT = b'{"nhictl_approval":1,"request":"a-1"}'
ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"a" * 32)
P256 = ec.derive_private_key(12345, ec.SECP256R1())
Edit = Callable[[bytes], bytes]


def ssh_keygen(*words: str, data: bytes = b"") -> bytes:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen")
    return subprocess.run(["ssh-keygen", *words], input=data, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """An OpenSSH key pair and what we make of its public half."""
    path = tmp_path_factory.mktemp("ssh") / "key"
    ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", "mira@corp.example", "-f", str(path))
    return path, approver_key.parse_public(path.with_suffix(".pub").read_text().strip())


@pytest.mark.parametrize("key", [ED, P256], ids=["ed25519", "p256"])
def test_what_is_signed_here_is_taken_with_its_payload_or_without(key: approver_key.Private) -> None:
    public = approver_key.public_of(key)
    made = approver_key.sign(key, STATEMENT).encode()
    assert made.split(b".")[1] == b""  # a statement is content
    head, _, tail = made.partition(b"..")
    whole = b".".join((head, b64.encode(STATEMENT).encode(), tail))
    assert approver_key.verify(public, STATEMENT, made)
    assert approver_key.verify(public, STATEMENT, whole + b"\n")
    assert approver_key.detached(whole) == made
    assert not approver_key.verify(public, STATEMENT + b" ", made)
    assert not approver_key.verify(public, STATEMENT + b" ", whole)
    assert not approver_key.verify(approver_key.public_of(ed25519.Ed25519PrivateKey.generate()), STATEMENT, made)


def test_what_ssh_keygen_signs_is_taken_also_with_the_line_end_of_a_pipe(ssh: tuple[Path, dict[str, str]]) -> None:
    path, public = ssh
    for text in (STATEMENT, STATEMENT + b"\n"):
        made = ssh_keygen("-q", "-Y", "sign", "-f", str(path), "-n", approver_key.NAMESPACE, data=text)
        assert approver_key.verify(public, STATEMENT, made)
        assert not approver_key.verify(public, STATEMENT.replace(b"a-1", b"a-2"), made)
        assert not approver_key.verify(approver_key.public_of(ED), STATEMENT, made)
    sha256 = ssh_keygen(
        "-q", "-Y", "sign", "-O", "hashalg=sha256", "-f", str(path), "-n", approver_key.NAMESPACE, data=STATEMENT
    )  # fmt: skip
    assert approver_key.verify(public, STATEMENT, sha256)
    other = ssh_keygen("-q", "-Y", "sign", "-f", str(path), "-n", "git", data=STATEMENT)
    assert not approver_key.verify(public, STATEMENT, other)


def _in_blob(old: bytes, new: bytes) -> Edit:
    def edit(text: bytes) -> bytes:
        body = b"".join(text.split(b"\n")[1:-2])
        changed = base64.b64decode(body).replace(old, new)
        return b"-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(changed) + b"\n-----END SSH SIGNATURE-----\n"

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(b"-----END", b"----END"),
        lambda text: text + b"more",
        lambda text: text.replace(b"U1NIU0lH", b"U1NIU0l!"),
        lambda text: text[:100] + text[140:],
        _in_blob(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2"),
        _in_blob(b"sha512", b"sha256"),
        _in_blob(b"nhictl-approval", b"nhictl-approvam"),
        _in_blob(b"sha512", b"sha1\0\0"),
        lambda _: b"-----BEGIN SSH SIGNATURE-----",
        lambda _: b"",
        lambda _: b"..",
        lambda _: b"x" * 70000,
        lambda _: b"eyJhbGciOiJub25lIn0..",
    ],
)
def test_a_signature_that_was_touched_is_none(ssh: tuple[Path, dict[str, str]], edit: Edit) -> None:
    path, public = ssh
    made = ssh_keygen("-q", "-Y", "sign", "-f", str(path), "-n", approver_key.NAMESPACE, data=STATEMENT)
    assert _in_blob(b"zzzzzz", b"")(made) != b""
    assert approver_key.verify(public, STATEMENT, _in_blob(b"zzzzzz", b"")(made))  # the edit alone harms nothing
    assert not approver_key.verify(public, STATEMENT, edit(made))


def test_a_token_signed_with_the_same_key_approves_nothing() -> None:
    made = jws.sign({"alg": "ES256", "typ": "at+jwt"}, STATEMENT, P256).encode()
    assert not approver_key.verify(approver_key.public_of(P256), STATEMENT, made)


def test_private_keys_of_every_form_are_opened(ssh: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    path, public = ssh
    opened = approver_key.load_private(path.read_bytes(), None, "key")
    assert approver_key.public_of(opened) == public
    for key in (ED, P256):
        for protection, secret in ((NoEncryption(), None), (BestAvailableEncryption(b"long secret"), b"long secret")):
            data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
            found = approver_key.load_private(data, secret, "key")
            assert approver_key.public_of(found) == approver_key.public_of(key)
    data = ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    approver_key.load_private(data, b"not needed", "key")


def test_a_protected_openssh_key_is_opened(tmp_path: Path) -> None:
    pytest.importorskip("bcrypt")
    path = tmp_path / "key"
    ssh_keygen("-q", "-t", "ed25519", "-a", "1", "-N", "long secret", "-f", str(path))
    data = path.read_bytes()
    assert approver_key.load_private(data, b"long secret", "key")
    for secret, code in ((None, "key_locked"), (b"wrong", "key_malformed")):
        with pytest.raises(InputError) as caught:
            approver_key.load_private(data, secret, "key")
        assert caught.value.code == code


@pytest.mark.parametrize("data", [b"", b"x", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                                  b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                                  ec.derive_private_key(7, ec.SECP384R1()).private_bytes(
                                      Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())])  # fmt: skip
def test_what_is_no_key_is_refused_without_its_text(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        approver_key.load_private(data, None, "key")
    assert caught.value.code in ("key_malformed", "key_alg_mismatch")
    assert "AAAA" not in caught.value.message


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({**approver_key.public_of(ED), "d": "AAAA"}, "key_private"),
        ({"kty": "oct", "k": "AAAA"}, "key_private"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "key_alg_mismatch"),
        ({**approver_key.public_of(ED), "use": "enc"}, "key_use_mismatch"),
        ({}, "key_alg_mismatch"),
        ("ssh-ed25519", "key_alg_mismatch"),
        ("ssh-ed25519 ????", "key_malformed"),
        ("ssh-dss AAAA", "key_alg_mismatch"),
    ],
)
def test_public_keys_that_are_refused(value: object, code: str) -> None:
    with pytest.raises(KeyFaultError) as caught:
        approver_key.parse_public(value)
    assert caught.value.reason == code
