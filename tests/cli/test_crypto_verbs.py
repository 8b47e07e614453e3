"""`nhictl crypto …` as it is typed: what stands on which stream, exit statuses, batches, and that no home is needed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from nhictl.cli.main import main

KEY: Final = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
JWS: Final = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
FORGED: Final = JWS[:-3] + "AAg"
MARK: Final = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
SET: Final = {"keys": [{**KEY, "kid": "a", "alg": "EdDSA"}]}
ID: Final = "spiffe://example.org/agent/report-bot"


class Said(NamedTuple):
    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Ask = Callable[..., Said]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """`ask("crypto", …, stdin=…)` runs the program in this process and in an empty folder, with a home that is not there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NHICTL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NHICTL_OUTPUT", raising=False)
    (tmp_path / "key.json").write_text(json.dumps(KEY))
    (tmp_path / "set.json").write_text(json.dumps(SET))

    def run(*argv: str, stdin: str | bytes = b"") -> Said:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = io.BytesIO(), io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
            patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="utf-8", newline=""))
            patch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding="utf-8", newline=""))
            code = main(list(argv))
            sys.stdout.flush()
            sys.stderr.flush()
            said = Said(code, out.getvalue(), err.getvalue().decode())
        assert not (tmp_path / "home").exists()
        return said

    return run


def test_a_signature_holds(ask: Ask) -> None:
    verify = ("crypto", "jws-verify", "--jwk", "key.json")
    assert ask(*verify, stdin=JWS + "\n") == (0, b"valid: signed by this key with EdDSA\n", "")
    Path("m.jws").write_text(JWS)
    expected = {"schema": "nhictl.jws/v1", "valid": True, "reason": "valid", "alg": "EdDSA"}
    assert ask(*verify, "m.jws", "--json").json == expected
    from_stdin = ask("crypto", "jws-verify", "--jwk", "-", "m.jws", "--json", stdin=json.dumps(KEY))
    assert (from_stdin.code, from_stdin.json) == (0, expected)


def test_a_signature_does_not_hold(ask: Ask) -> None:
    verify = ("crypto", "jws-verify", "--jwk", "key.json")
    assert ask(*verify, stdin=FORGED) == (1, b"refused: signature_invalid\n", "")
    done = ask(*verify, "--json", stdin=FORGED)
    assert (done.code, done.json["valid"], done.json["reason"]) == (1, False, "signature_invalid")
    garbage = ask(*verify, "--json", stdin=b"\xff\x00")
    assert (garbage.code, garbage.json["reason"]) == (1, "token_bad_charset")


def test_raw_prints_the_payload_and_nothing_but_it(ask: Ask) -> None:
    verify = ("crypto", "jws-verify", "--jwk", "key.json", "--raw")
    assert ask(*verify, stdin=JWS) == (0, b"Example of Ed25519 signing", "")
    assert ask(*verify, stdin=FORGED) == (1, b"", "nhictl: refused: signature_invalid\n")


def test_a_thumbprint_is_printed_alone(ask: Ask) -> None:
    assert ask("crypto", "jwk-thumbprint", "key.json") == (0, MARK.encode() + b"\n", "")
    assert ask("crypto", "jwk-thumbprint", "-", stdin=json.dumps(KEY)).out == MARK.encode() + b"\n"
    assert ask("crypto", "jwk-thumbprint", "key.json", "--json").json == {
        "schema": "nhictl.thumbprint/v1", "valid": True, "reason": "valid", "thumbprint": MARK,
    }  # fmt: skip
    private = json.dumps({**KEY, "d": "AA"})
    refused = ask("crypto", "jwk-thumbprint", "-", stdin=private)
    assert (refused.code, refused.out) == (1, b"")
    assert refused.err.startswith("nhictl: refused: key_private: ")
    told = ask("crypto", "jwk-thumbprint", "-", "--json", stdin=private)
    assert (told.code, told.json["valid"], told.json["reason"]) == (1, False, "key_private")


def test_a_set_is_linted(ask: Ask) -> None:
    assert ask("crypto", "jwks-lint", "set.json") == (0, b"valid\n", "")
    two = {"keys": [*SET["keys"], {"kty": "oct", "k": "AA", "kid": "a"}]}
    done = ask("crypto", "jwks-lint", "-", "--json", stdin=json.dumps(two))
    assert done.code == 1
    assert list(done.json) == ["schema", "valid", "findings"]
    assert [f["code"] for f in done.json["findings"]] == ["key_private", "kid_ambiguous", "set_mixed"]
    assert list(done.json["findings"][0]) == ["code", "severity", "message", "key", "kid"]
    lines = ask("crypto", "jwks-lint", "-", stdin=json.dumps(two)).out.decode().splitlines()
    assert lines[0].startswith("error   key 1 (a): key_private: ")
    assert lines[-1] == "3 errors"


def test_a_bundle_is_linted(ask: Ask) -> None:
    done = ask(
        "crypto", "spiffe-bundle", "-", "--json", stdin='{"keys":[],"spiffe_sequence":1,"spiffe_refresh_hint":5}'
    )
    assert (done.code, done.json["valid"]) == (0, True)
    assert [f["code"] for f in done.json["findings"]] == ["bundle_empty"]
    assert ask("crypto", "spiffe-bundle", "set.json").code == 1


def test_a_spiffe_id_is_checked(ask: Ask) -> None:
    assert ask("crypto", "spiffe-id", ID) == (0, b"valid: trust domain example.org, path /agent/report-bot\n", "")
    from_stdin = ask("crypto", "spiffe-id", "-", "--json", stdin=ID + "\n").json
    assert from_stdin == {
        "schema": "nhictl.spiffe_id/v1", "valid": True, "reason": "valid", "trust_domain": "example.org",
        "path": "/agent/report-bot",
    }  # fmt: skip
    bad = ask("crypto", "spiffe-id", ID + "/", "--json")
    assert (bad.code, bad.json["reason"]) == (1, "trailing_slash")
    assert ask("crypto", "spiffe-id", "").code == 1
    for stdin in (b"\xff", ID + "\n\n", ID + "\r\n"):
        assert ask("crypto", "spiffe-id", "-", stdin=stdin).code == 1


BATCHES: Final[list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]] = [
    ("jws-verify", {"jwk": KEY, "jws": JWS}, {"valid": True, "reason": "valid"}, {"jwk": KEY, "jws": 5}),
    ("jws-verify", {"jwk": KEY, "jws": FORGED}, {"valid": False, "reason": "signature_invalid"}, {"jws": JWS}),
    ("jws-verify", {"jwk": {}, "jws": JWS}, {"valid": False, "reason": "key_alg_mismatch"}, {"jwk": KEY}),
    (
        "jws-verify",
        {"jwk": KEY, "jws": {}},
        {"valid": False, "reason": "token_json_serialization"},
        {"jwk": 1, "jws": JWS},
    ),
    ("jws-verify", {"jwk": KEY, "jws": "é"}, {"valid": False, "reason": "token_bad_charset"}, {"jwk": "k", "jws": JWS}),
    ("jwks-lint", {"jwks": SET}, {"valid": True, "findings": []}, {"jwks": []}),
    ("jwk-thumbprint", {"jwk": KEY}, {"valid": True, "thumbprint": MARK}, {"jwk": KEY, "jwks": SET}),
    ("jwk-thumbprint", {"jwk": {**KEY, "d": ""}}, {"valid": False, "reason": "key_private"}, {"jwk": None}),
    ("spiffe-id", {"value": ID}, {"valid": True, "reason": "valid"}, {"value": 5}),
    ("spiffe-id", {"value": ID + "?"}, {"valid": False, "reason": "query"}, {"ID": ID}),
    ("spiffe-bundle", {"bundle": {"keys": 5}}, {"valid": False}, {"bundle": None}),
]


@pytest.mark.parametrize(("verb", "good", "expected", "bad"), BATCHES)
def test_a_batch(ask: Ask, verb: str, good: dict[str, Any], expected: dict[str, Any], bad: dict[str, Any]) -> None:
    lines = [json.dumps({"id": "first", **good}), "no json", json.dumps({"id": [2], **bad}), "", json.dumps(good)]
    done = ask("crypto", verb, "--batch", "-", stdin="\n".join(lines))
    assert (done.code, done.err) == (2, "")
    first, broken, malformed, last = done.lines
    assert first.items() >= {"id": "first", **expected}.items()
    assert broken["error"]["code"] == "invalid_json"
    assert "id" not in broken
    assert (malformed["id"], malformed["error"]["code"]) == ([2], "invalid_request_line")
    assert last == {name: value for name, value in first.items() if name != "id"}
    Path("lines").write_text(lines[0] + "\n")
    alone = ask("crypto", verb, "--batch", "lines")
    assert (alone.code, alone.lines) == (0, [first]), "answered is 0, also where the answer is no"


@pytest.mark.parametrize(
    "argv",
    [
        ("jws-verify",),
        ("jws-verify", "m.jws"),
        ("jws-verify", "--jwk", "-"),
        ("jws-verify", "--jwk", "key.json", "--batch", "-"),
        ("jws-verify", "--raw", "--batch", "-"),
        ("jws-verify", "m.jws", "--batch", "-"),
        ("jws-verify", "--jwk", "absent.json"),
        ("jws-verify", "--jwk", "text"),
        ("jwks-lint",),
        ("jwks-lint", "set.json", "--batch", "-"),
        ("jwks-lint", "text"),
        ("jwk-thumbprint",),
        ("jwk-thumbprint", "absent.json"),
        ("spiffe-id",),
        ("spiffe-id", ID, "--batch", "-"),
        ("spiffe-bundle",),
        ("spiffe-bundle", "text"),
        ("spiffe-bundle", "--batch", "absent"),
    ],
    ids=" ".join,
)
def test_what_the_caller_got_wrong(ask: Ask, argv: tuple[str, ...]) -> None:
    Path("text").write_text('{"keys":[],\n"keys":[]}')
    done = ask("crypto", *argv, "--json")
    assert (done.code, done.out) == (2, b"")
    assert json.loads(done.err)["schema"] == "nhictl.error/v1"


def test_a_large_input_is_not_read(ask: Ask) -> None:
    Path("large.json").write_bytes(b" " * 1_000_001)
    done = ask("crypto", "jwks-lint", "large.json", "--json")
    assert (done.code, json.loads(done.err)["error"]["code"]) == (2, "too_large")


HOT: Final = (
    "nhictl.core.token.jws",
    "nhictl.core.token.claims",
    "nhictl.ops.issue_token",
    "nhictl.core.identity.spiffe",
)


@pytest.mark.parametrize("module", HOT)
def test_our_own_tokens_do_not_pay_for_it(module: str) -> None:
    """`token issue` is a whole process: what only foreign keys need is not imported there."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    ours = {f"nhictl.core.token.{name}" for name in ("jwk", "jwks", "algorithms", "any_jws")}
    assert not loaded & {*ours, "nhictl.ops.crypto_checks", "nhictl.core.identity.bundle"}
