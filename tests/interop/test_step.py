"""smallstep's `step` takes our tokens and certificates; skipped where it is not on the machine."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from nhictl.core.token import b64
from tests.interop.issued import AGENTS, AUDIENCE, DOMAIN, ISSUER, Issued

BOT = AGENTS[0]
BOT_ID = f"spiffe://{DOMAIN}/agent/{BOT}"


def step(*arguments: str | Path, stdin: str = "") -> tuple[int, str, str]:
    """Exit status, standard output and standard error; skipped where it is missing."""
    program = shutil.which("step")
    if program is None:
        pytest.skip("no step here")
    done = subprocess.run([program, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def jwt(issued: Issued, token: str, issuer: str = ISSUER, audience: str = AUDIENCE) -> tuple[int, str, str]:
    options = ("--jwks", issued.pub / "jwks.json", "--iss", issuer, "--aud", audience)
    return step("crypto", "jwt", "verify", *options, stdin=token)


def test_the_per_task_token(issued: Issued) -> None:
    token = issued.token("at+jwt").read_text()
    code, out, err = jwt(issued, token)
    assert code == 0, err
    assert json.loads(out)["payload"]["sub"] == BOT_ID


def test_what_it_refuses(issued: Issued) -> None:
    token = issued.token("at+jwt").read_text()
    head, _, signature = token.rpartition(".")
    raw = bytearray(b64.decode(signature))
    raw[20] ^= 1
    forged = f"{head}.{b64.encode(bytes(raw))}"
    assert jwt(issued, token)[0] == 0, "positive control"
    for given in (
        jwt(issued, forged),
        jwt(issued, token, issuer=ISSUER + ".org"),
        jwt(issued, token, audience=AUDIENCE + "/other"),
    ):
        assert given[0] != 0
        assert given[1] == ""


def test_the_certificate(issued: Issued) -> None:
    code, out, err = step("certificate", "verify", issued.leaf(BOT), "--roots", issued.anchors)
    assert (code, out, err) == (0, "", "")
    for leaf in (issued.spoiled(BOT), issued.strange()):
        assert step("certificate", "verify", leaf, "--roots", issued.anchors)[0] != 0
    code, out, err = step("certificate", "inspect", issued.leaf(BOT), "--format", "json")
    assert code == 0, err
    found = json.loads(out)["extensions"]
    assert found["subject_alt_name"] == {"uniform_resource_identifiers": [BOT_ID]}
    assert found["basic_constraints"] == {"is_ca": False}


def test_the_bundle_is_a_root(issued: Issued) -> None:
    code, out, err = step("certificate", "inspect", issued.anchors, "--format", "json")
    assert code == 0, err
    found = json.loads(out)["extensions"]
    assert found["basic_constraints"]["is_ca"] is True
    assert found["subject_alt_name"] == {"uniform_resource_identifiers": [f"spiffe://{DOMAIN}"]}


def test_step_makes_the_request(issued: Issued) -> None:
    ask, key = issued.folder / "step.csr", issued.folder / "step.key"
    made = step(
        "certificate", "create", "--csr", "--no-password", "--insecure", "--kty", "EC", "--curve", "P-256", "--san",
        BOT_ID, "report", ask, key,
    )  # fmt: skip
    assert made[0] == 0, made
    leaf = issued.folder / "step.pem"
    leaf.write_text(issued.nhictl("agent", "svid", BOT, "--csr", ask))
    assert step("certificate", "verify", leaf, "--roots", issued.anchors)[0] == 0
