"""Delegation and key binding as they are typed: options, streams, exits, JSON, batches."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import AUDIENCE, Program
from tests.core.identity.tls_client import self_signed
from tests.core.token.dpop_proofs import ADDRESS, METHOD, Key, proof

KEY, OTHER = Key(7), Key(9)
PROVEN = ("--htm", METHOD, "--htu", ADDRESS)


@pytest.fixture
def home(governed: Program) -> Program:
    """A governed home with a helper that has a key, and a file with another key."""
    governed.write("key.json", json.dumps(KEY.jwk))
    governed.write("other.json", json.dumps(OTHER.jwk))
    governed.ok("agent", "register", "helper", "--owner", "o@x.example", "--purpose", "p", "--public-key", "key.json")
    return governed


def proven(home: Program, token: str, by: Key = KEY, **changes: Any) -> Path:
    """A fresh proof in a file."""
    given: dict[str, Any] = {"now_s": int(time.time()), "jti": str(time.time_ns())} | changes
    made = proof(by, token=token.encode(), **given)
    return home.write("proof.jwt", made.decode() + "\n")


def root(home: Program, *more: str) -> str:
    return home.token(home.task("--delegate-to", "helper", *more, allow="reports.read?args.limit<=100"))


def delegate(home: Program, parent: str, *more: str | Path, box: str = "reports.read?args.limit<=10") -> Any:
    return home("token", "delegate", "--to", "helper", "--allow", box, *more, stdin=parent + "\n")


def test_a_chain_by_hand(home: Program) -> None:
    child = delegate(home, root(home), "--bind", "agent").thing
    call = ("--tool", "reports.read", "--arg", "limit=5")
    none = home.verify(child, *call)
    assert (none.code, none.json["reason"]) == (1, "pop_required")
    seen = home.verify(child, *call, "--dpop-proof", str(proven(home, child)), *PROVEN)
    # The policy permits report-bot alone: a delegate that may not itself gains nothing by delegation.
    assert (seen.code, seen.json["reason"]) == (1, "not_permitted")
    alone = home.verify(child, "--dpop-proof", str(proven(home, child)), *PROVEN)
    assert (alone.code, alone.json["claims"]["act"]["sub"]) == (0, "spiffe://example.org/agent/helper")
    shown = home("token", "list", "--agent", "helper", "--json").json["items"]
    assert [(one["act"], one["agent"]) for one in shown] == [(["helper"], "report-bot")]


def test_json_of_a_child(home: Program) -> None:
    done = delegate(home, root(home), "--bind", "other.json", "--ttl", "60s", "--instance", "copy-1", "--json")
    assert done.code == 0
    assert set(done.json) == {"schema", "token", "jti", "task", "expires", "act", "log"}
    assert (done.json["schema"], done.json["act"]) == ("nhictl.token/v1", ["helper"])


def test_wider_is_an_answer_with_its_witness(home: Program) -> None:
    parent = root(home)
    done = delegate(home, parent, "--bind", "agent", "--json", box="reports.read")
    assert (done.code, done.err) == (1, "")
    assert done.json["schema"] == "nhictl.verdict/v1"
    assert (done.json["valid"], done.json["reason"], done.json["step"], done.json["recorded"]) == (
        False,
        "scope_widened",
        19,
        True,
    )
    assert done.json["witness"] == {"tool": "reports.read", "args": {"limit": 101}}
    said = delegate(home, parent, "--bind", "agent", box="reports.read")
    assert (said.code, said.out) == (1, ""), "nothing that a script could take for a token"
    assert said.err.startswith("nhictl: refused at step 19: scope_widened: ")
    assert '{"tool":"reports.read","args":{"limit":101}}' in said.err
    garbage = delegate(home, "garbage", "--bind", "agent", "--json")
    assert (garbage.code, garbage.json["reason"], garbage.json["recorded"]) == (1, "token_bad_segments", False)
    assert "log" not in garbage.json


@pytest.mark.parametrize(
    ("argv", "code"),
    [(("--bind", "agent", "--ttl", "0s"), 2), ((), 2), (("--bind", "missing.json"), 2), (("--bind", "agent", "--uses", "0"), 2),
     (("--bind", "agent", "--dpop-proof", "-"), 2), (("--bind", "agent", "--instance", "a b"), 2)],
)  # fmt: skip
def test_usage(home: Program, argv: tuple[str, ...], code: int) -> None:
    parent, size = root(home), home.size()
    done = delegate(home, parent, *argv)
    assert (done.code, done.out) == (code, "")
    assert home.size() == size
    assert home("token", "delegate", "--to", "helper", "--bind", "agent", stdin=parent).code == 2


def test_task_open_says_who_may_be_handed_its_tokens(home: Program) -> None:
    task = home.task("--delegate-to", "helper", "--max-depth", "2")
    shown = home.ok("task", "show", task)["task"]["delegation"]
    assert shown == {"max_depth": 2, "allowed_delegates": ["spiffe://example.org/agent/helper"]}
    opening = (
        "task",
        "open",
        "--agent",
        "report-bot",
        "--intent",
        "report",
        "--purpose",
        "p",
        "--allow",
        "reports.read",
    )
    assert home(*opening, "--max-depth", "2").code == 2
    assert home(*opening, "--delegate-to", "nobody").code == 4
    assert home(*opening, "--delegate-to", "helper", "--max-depth", "6").code == 2
    assert home.ok("task", "show", home.task())["task"]["delegation"] is None


def test_a_bound_token_live_and_in_batches(home: Program) -> None:
    token = home.token(home.task(), "--bind", "key.json")
    call = ("--tool", "reports.read", "--arg", "limit=5")
    path = proven(home, token)
    first, second = (home.verify(token, *call, "--consume", "--dpop-proof", str(path), *PROVEN) for _ in range(2))
    assert (first.code, second.code, second.json["reason"]) == (0, 1, "dpop_replay")
    ask = {"token": token, "audience": AUDIENCE, "htm": METHOD, "htu": ADDRESS}
    fresh = proven(home, token).read_text().strip()
    lines = [{**ask, "id": 1, "dpop_proof": fresh}, {**ask, "id": 2}, {"id": 3, "token": token, "audience": AUDIENCE},
             {**ask, "id": 4, "dpop_proof": 5}]  # fmt: skip
    done = home("token", "verify", "--batch", "-", stdin="\n".join(map(json.dumps, lines)))
    found = done.lines
    assert done.code == 2
    assert [line.get("reason") for line in found] == ["valid", None, "pop_required", None]
    for argv in (("--dpop-proof", str(path)), ("--htm", "GET"), ("--dpop-proof", "-", *PROVEN)):
        assert home.verify(token, *argv).code == 2


def test_a_token_bound_to_a_certificate(home: Program) -> None:
    for name, key in (("client.pem", KEY), ("other.pem", OTHER)):
        home.write(name, self_signed(key.private).decode())
    token = home.token(home.task(), "--bind", "client.pem")
    assert list(home("token", "inspect", "--json", stdin=token).json["claims"]["cnf"]) == ["x5t#S256"]
    said = {name: home.verify(token, *argv) for name, argv in {
        "pop_required": (), "valid": ("--client-cert", "client.pem"), "mtls_mismatch": ("--client-cert", "other.pem"),
    }.items()}  # fmt: skip
    assert {name: (done.code, done.json["reason"]) for name, done in said.items()} == {
        name: (int(name != "valid"), name) for name in said
    }
    line = {"token": token, "audience": AUDIENCE}
    pem = {name: (home.folder / name).read_text() for name in ("client.pem", "other.pem")}
    lines = [line, line | {"client_cert": pem["client.pem"]}, line | {"client_cert": pem["other.pem"], "consume": True},
             line | {"client_cert": "client.pem"}, line | {"client_cert": 5}]  # fmt: skip
    done = home("token", "verify", "--batch", "-", stdin="\n".join(map(json.dumps, lines)))
    assert [each.get("reason") for each in done.lines] == ["pop_required", "valid", "mtls_mismatch", None, None]
    assert done.lines[3]["error"]["code"] == "certificate_malformed"
    assert home.verify(token, "--client-cert", "key.json").code == 2
    assert home.verify(token, "--client-cert", "-").code == 2
    parent = root(home)
    child = delegate(home, parent, "--bind", "client.pem").thing
    assert home.verify(child, "--client-cert", "client.pem").code == 0
    onward = delegate(home, child, "--bind", "agent", "--client-cert", "client.pem", "--json")
    assert (onward.code, onward.json["reason"]) == (1, "pop_required")


def test_dpop_verify(home: Program) -> None:
    token = home.token(home.task())
    home.write("token", token)
    path = proven(home, token)
    good = home("crypto", "dpop-verify", path, *PROVEN, "--jkt", KEY.jkt, "--token-file", "token")
    assert (good.code, good.out, good.err) == (0, f"valid: by the key {KEY.jkt}\n", "")
    for argv, reason in ((("--jkt", OTHER.jkt), "dpop_key_mismatch"), (("--at", "-10m"), "dpop_iat"),
                         (("--token-file", "key.json"), "dpop_ath"), (("--htm", "GET"), "dpop_htm")):  # fmt: skip
        done = home("crypto", "dpop-verify", path, *PROVEN, *argv, "--json")
        assert (done.code, done.json["valid"], done.json["reason"]) == (1, False, reason)
        assert done.json["schema"] == "nhictl.dpop/v1"
    assert home("crypto", "dpop-verify", path, "--htm", METHOD).code == 2
    text = path.read_text().strip()
    ask = {"proof": text, "htm": METHOD, "htu": ADDRESS}
    lines = [
        {**ask, "id": "a"},
        {**ask, "id": "b", "jkt": OTHER.jkt},
        {**ask, "token": "x"},
        {"proof": text},
        {**ask, "at": 5},
    ]
    done = home("crypto", "dpop-verify", "--batch", "-", stdin="\n".join(map(json.dumps, lines)))
    assert done.code == 2
    assert [line.get("reason") for line in done.lines] == ["valid", "dpop_key_mismatch", "dpop_ath", None, None]
    assert done.lines[0]["jkt"] == KEY.jkt
