"""go-spiffe, which SPIRE and most Go workloads are built on, takes what the program issues and publishes.

The program under `go_spiffe` is built once. The tests skip where there is no Go, or its modules are not to be had; a
program that does not compile is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.token import b64
from tests.interop.issued import AGENTS, AUDIENCE, DOMAIN, Issued

BOT, OTHER = AGENTS
BOT_ID, OTHER_ID = (f"spiffe://{DOMAIN}/agent/{name}" for name in AGENTS)
SOURCE = Path(__file__).with_name("go_spiffe")
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """`ask(question, …)` runs the program and returns its answer."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go here")
    folder = tmp_path_factory.mktemp("go")
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(SOURCE / name, folder)
    env = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)

    if (fetched := run(go, "mod", "download")).returncode != 0:
        pytest.skip(f"go-spiffe is not to be had: {fetched.stderr[-200:]}")
    built = run(go, "build", "-o", "ask", ".")
    assert built.returncode == 0, built.stderr

    def ask(*question: str | Path) -> dict[str, Any]:
        done = run(str(folder / "ask"), *map(str, question))
        assert (done.returncode, done.stderr) == (0, "")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return ask


def bundle(issued: Issued) -> Path:
    return issued.pub / "spiffe-bundle.json"


def test_the_bundle(ask: Ask, issued: Issued) -> None:
    kids = [key["kid"] for key in issued.bundle()["keys"] if key["use"] == "jwt-svid"]
    assert ask("bundle", bundle(issued)) == {
        "sequence": issued.bundle()["spiffe_sequence"], "hint": 300, "jwt": sorted(kids), "x509": 1,
    }  # fmt: skip


def test_the_x509_svid(ask: Ask, issued: Issued) -> None:
    for name in AGENTS:
        found = ask("x509", bundle(issued), issued.leaf(name))
        assert found == {"id": f"spiffe://{DOMAIN}/agent/{name}", "chains": 1, "length": 2}
        assert ask("pair", issued.leaf(name), issued.key(name)) == {"id": found["id"]}


def test_an_x509_svid_that_is_not_ours(ask: Ask, issued: Issued) -> None:
    for leaf in (issued.spoiled(BOT), issued.strange()):
        assert "certificate signed by unknown authority" in ask("x509", bundle(issued), leaf)["error"]
    assert "CA" in ask("x509", bundle(issued), issued.anchors)["error"]
    assert "error" in ask("pair", issued.leaf(BOT), issued.key(OTHER))


def test_the_jwt_svid(ask: Ask, issued: Issued, tmp_path: Path) -> None:
    token = issued.token("jwt-svid")
    assert ask("jwt", bundle(issued), token, AUDIENCE) == {"id": BOT_ID, "audience": [AUDIENCE]}
    assert "audience" in ask("jwt", bundle(issued), token, AUDIENCE + "/other")["error"]
    head, _, signature = token.read_text().rpartition(".")
    raw = bytearray(b64.decode(signature))
    raw[20] ^= 1
    (tmp_path / "forged").write_text(f"{head}.{b64.encode(bytes(raw))}")
    assert "error in cryptographic primitive" in ask("jwt", bundle(issued), tmp_path / "forged", AUDIENCE)["error"]


def test_the_per_task_token_is_no_svid(ask: Ask, issued: Issued) -> None:
    assert "typ" in ask("jwt", bundle(issued), issued.token("at+jwt"), AUDIENCE)["error"]


def test_mutual_tls(ask: Ask, issued: Issued) -> None:
    pairs = (issued.leaf(BOT), issued.key(BOT), issued.leaf(OTHER), issued.key(OTHER))
    assert ask("tls", bundle(issued), *pairs, OTHER_ID) == {"client": BOT_ID, "server": OTHER_ID}
    assert "unexpected ID" in ask("tls", bundle(issued), *pairs, BOT_ID)["error"]
    strange = (issued.strange(), issued.folder / "strange.key")
    assert "unknown authority" in ask("tls", bundle(issued), *pairs[:2], *strange, BOT_ID)["error"]
    assert "error" in ask("tls", bundle(issued), *strange, *pairs[2:], OTHER_ID)
