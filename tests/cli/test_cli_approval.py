"""`nhictl approval`: from the denied call to the one that passes, by a key here and by a signature made elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from nhictl.core.identity import approver_key
from tests.cli.cli_help import AUDIENCE, Program, check_error
from tests.harness import ROOT

POLICY = """\
nhictl_policy: 1
tools: {{pay.send: {{args: {{amount: number}}}}}}
classes: {{money: {{tools: [pay.send], impact: high, requires: approval}}}}
rules: [{{id: R-1, effect: permit}}]
approvers: [{{name: cfo, key: {key}, classes: [money], acts: [unfreeze]}}]
"""
CALL = ("--consume", "--tool", "pay.send", "--arg")


class Bank:
    """A home with that policy, a task and a token."""

    def __init__(self, program: Program, key: str) -> None:
        self.program = program
        text = program.write("policy.yaml", POLICY.format(key=key))
        program.ok("policy", "activate", text, "--accept-gained")  # another approver is more access
        self.token = program.token(program.task(allow="pay.send"))

    def call(self, amount: int) -> tuple[int, Any]:
        done = self.program.verify(self.token, *CALL, f"amount={amount}")
        return done.code, done.json

    def wanted(self, amount: int) -> str:
        code, said = self.call(amount)
        assert (code, said["reason"]) == (1, "approval_required")
        return str(said["decision"]["access_request"]["id"])


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def bank(authority: Program, key: Ed25519PrivateKey) -> Bank:
    public = approver_key.public_of(key)
    for name, protection in (("cfo.pem", NoEncryption()), ("locked.pem", BestAvailableEncryption(b"long secret"))):
        data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
        authority.write(name, data.decode())
    return Bank(authority, "{" + ", ".join(f'{name}: "{value}"' for name, value in public.items()) + "}")


def test_a_key_here(bank: Bank) -> None:
    request = bank.wanted(900)
    done = bank.program("approval", "grant", request, "--key", "cfo.pem", "--json")
    assert done.code == 0
    assert '  call       {"args":{"amount":900},"resource":null,"tool":"pay.send"}' in done.err.splitlines()
    assert done.json["schema"] == "nhictl.approval/v1"
    assert set(done.json) == {"schema", "approval", "log"}
    assert done.json["approval"]["grants"] == [{"approver": "cfo", "classes": ["money"], "signed": True}]
    assert bank.call(901)[0] == 1
    code, said = bank.call(900)
    assert (code, said["decision"]["approvals"]) == (0, [request])
    assert bank.call(900)[0] == 1
    assert [one["state"] for one in bank.program.ok("approval", "list")["items"]] == ["used", "requested", "requested"]


def test_a_key_with_a_passphrase_from_standard_input(bank: Bank) -> None:
    request = bank.wanted(900)
    locked = ("approval", "grant", request, "--key", "locked.pem")
    assert check_error(bank.program(*locked, "--json").err, "key_locked")
    wrong = bank.program(*locked, "--key-passphrase-file", "-", "--json", stdin="wrong\n")
    assert (wrong.code, check_error(wrong.err, "key_malformed")["hint"]) == (2, None)
    done = bank.program(*locked, "--key-passphrase-file", "-", stdin="long secret\n")
    assert (done.code, done.out) == (0, f"{request} granted for money by cfo, signed\n")


def test_a_signature_made_elsewhere(bank: Bank, tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("no ssh-keygen")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "ssh"], check=True)
    ssh = Bank(bank.program, (tmp_path / "ssh.pub").read_text().strip())
    request = ssh.wanted(900)
    text = ssh.program("approval", "show", request, "--statement")
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(tmp_path / "ssh"), "-n", "nhictl-approval"]
    made = subprocess.run(command, input=text.out.encode(), check=True, capture_output=True).stdout
    other = ssh.wanted(901)
    refused = ssh.program("approval", "grant", other, "--signature", ssh.program.write("sig", made.decode()))
    assert (refused.code, "none of an approver's over this call" in refused.err) == (1, True)
    assert ssh.program("approval", "grant", request, "--signature", "sig").code == 0
    assert [ssh.call(901)[0], ssh.call(900)[0], ssh.call(900)[0]] == [1, 0, 1]
    ssh.program.write("sig", "x")
    junk = ssh.program("approval", "grant", other, "--signature", "sig", "--json")
    assert (junk.code, check_error(junk.err, "signature_malformed")["details"]) == (2, {"file": "sig"})


def test_no_without_a_key_and_then_never(bank: Bank) -> None:
    request = bank.wanted(900)
    done = bank.program("approval", "grant", request, "--json")
    assert done.code == 1
    error = done.err.splitlines()[-1]
    assert check_error(error + "\n", "signature_required")
    assert bank.program("approval", "deny", request, "--reason", "no").out == f"{request} denied\n"
    assert bank.wanted(900) == request
    late = bank.program("approval", "grant", request, "--key", "cfo.pem")
    assert (late.code, late.err.splitlines()[-1]) == (5, f"nhictl: access request `{request}` is denied")


def test_nobody_says_yes_from_inside_a_run_whatever_the_environment_says(bank: Bank) -> None:
    request = bank.wanted(900)
    grant = f"env -u NHICTL_TASK {sys.executable} -m nhictl approval grant {request} --key cfo.pem --json"
    run = (
        "run",
        "--agent",
        "report-bot",
        "--intent",
        "report",
        "--purpose",
        "p",
        "--allow",
        "pay.send",
        "--audience",
        AUDIENCE,
    )
    done = subprocess.run(
        [sys.executable, "-m", "nhictl", *run, "--", "sh", "-c", grant], cwd=bank.program.folder, capture_output=True,
        text=True, env=os.environ | {"NHICTL_HOME": str(bank.program.home), "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert check_error(done.stderr.splitlines()[-1] + "\n", "inside_run")
    assert bank.program.ok("approval", "list")["items"][0]["state"] == "requested"
    assert bank.program("approval", "grant", request, "--key", "cfo.pem").code == 0


def test_a_run_takes_an_opener(bank: Bank) -> None:
    text = bank.program.write("p.yaml", "nhictl_policy: 1\nopeners: [{uid: [4294967294]}]\n")
    bank.program.ok("policy", "activate", text, "--accept-gained")
    order = ("--agent", "report-bot", "--intent", "report", "--purpose", "p", "--allow", "pay.send")
    done = bank.program("run", *order, "--audience", AUDIENCE, "--json", "--", "true")
    assert (done.code, check_error(done.err, "opener_not_listed")["hint"]) == (125, None)
    opened = bank.program("task", "open", *order, "--json")
    assert (opened.code, opened.out, check_error(opened.err)["code"]) == (1, "", "opener_not_listed")


def test_a_freeze_is_lifted_by_its_approver(bank: Bank) -> None:
    bank.program.ok("freeze", "--all", "--reason", "incident")
    refused = bank.program("unfreeze", "--all", "--json")
    assert (refused.code, check_error(refused.err, "approver_required")["hint"]) == (1, "sign with --key FILE")
    assert bank.program.ok("unfreeze", "--all", "--key", "cfo.pem")["freeze"]["in_force"] is False


def test_a_batch_says_what_it_can_perform(authority: Program) -> None:
    text = (
        POLICY.format(key='"x"').split("classes")[0]
        + "rules: [{id: R-1, effect: permit, obligations: [{type: log}]}]\n"
    )
    authority.ok("policy", "activate", authority.write("policy.yaml", text))
    token = authority.token(authority.task(allow="pay.send"))
    lines = [
        f'{{"token":"{token}","audience":"https://api.example.org","tool":"pay.send","args":{{"amount":1}},"supported":{can}}}'
        for can in ('["log"]', "[]", "null", '"log"')
    ]
    done = authority("token", "verify", "--batch", "-", stdin="\n".join(lines) + "\n")
    assert [line.get("reason", line.get("error", {}).get("code")) for line in done.lines] == [
        "valid", "not_permitted", "valid", "invalid_request_line",
    ]  # fmt: skip
