"""`token verify --offline` as a relying party far away uses it: published files, a token, and no home at all."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ops.token_foreign import AUD as FOREIGN_AUD
from tests.ops.token_foreign import ISS as FOREIGN_ISS
from tests.ops.token_foreign import Foreign

ISS = "https://nhi.example.org"
AUD = "https://api.example.org"


def nhictl(home: Path, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {"NHICTL_HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "nhictl", *argv]
    cwd = Path(__file__).parents[2]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A published folder, a token of each profile, and a token of another authority."""
    base = tmp_path_factory.mktemp("offline")
    found: dict[str, Any] = {"base": base}
    for name in ("home", "other"):
        home = base / name
        for line in (
            f"init --trust-domain example.org --issuer {ISS}",
            "agent register bot --owner a@example.org --purpose reports",
            f"trust publish --out {base / name}-public",
        ):
            done = nhictl(home, *line.split())
            assert done.returncode == 0, done.stderr
        opened = "task open --agent bot --intent report --purpose p --allow reports.read?args.limit<=100"
        task = nhictl(home, *opened.split()).stdout.strip()
        for profile in ("at+jwt", "jwt-svid"):
            issue = ["token", "issue", "--task", task, "--audience", AUD, "--profile", profile]
            found[f"{name} {profile}"] = nhictl(home, *issue).stdout
    found["keys"] = str(base / "home-public" / "jwks.json")
    found["bundle"] = str(base / "home-public" / "spiffe-bundle.json")
    return found


def ask(
    world: dict[str, Any], token: str, *more: str, issuer: str = ISS, keys: str = "keys", lists: bool = True
) -> Any:
    """The exit status and the verdict, asked for in a home that does not exist."""
    base = ["token", "verify", "--offline", "--json", "--jwks", world[keys], "--issuer", issuer]
    if "jwt-svid" not in token and lists:
        base += ["--status-list", str(world["base"] / "home-public/status/1.jwt")]
    given = more if "--audience" in more else ("--audience", AUD, *more)
    done = nhictl(world["base"] / "nowhere", *base, *given, stdin=world.get(token, token))
    assert not (world["base"] / "nowhere").exists()
    return done.returncode, json.loads(done.stdout) if done.stdout else json.loads(done.stderr)


def test_a_token_and_a_call(world: dict[str, Any]) -> None:
    code, said = ask(world, "home at+jwt")
    assert (code, said["reason"], said["step"], said["recorded"]) == (0, "valid", 17, False)
    assert said["status"]["source"] == "list"
    assert 0 <= said["status"]["age_s"] <= 60
    code, said = ask(world, "home at+jwt", "--tool", "reports.read", "--arg", "limit=100")
    assert (code, said["reason"], said["step"]) == (0, "valid", 19)
    code, said = ask(world, "home at+jwt", "--tool", "reports.read", "--arg", "limit=101")
    assert (code, said["reason"], said["step"]) == (1, "authz_insufficient", 19)
    code, said = ask(world, "home at+jwt", "--tool", "reports.write")
    assert (code, said["reason"]) == (1, "authz_insufficient")


def test_without_the_list_it_names_a_token_cannot_be_decided(world: dict[str, Any]) -> None:
    code, said = ask(world, "home at+jwt", lists=False)
    assert (code, said["reason"], said["step"]) == (3, "status_list_unavailable", 17)
    code, said = ask(world, "home jwt-svid", "--profile", "jwt-svid", issuer="spiffe://example.org", keys="bundle")
    assert (code, said["status"]["source"]) == (0, "none"), "it names no list"


def test_a_jwt_svid_by_the_bundle_says_who_and_nothing_about_calls(world: dict[str, Any]) -> None:
    how: dict[str, Any] = {"issuer": "spiffe://example.org", "keys": "bundle"}
    assert ask(world, "home jwt-svid", "--profile", "jwt-svid", **how)[1]["reason"] == "valid"
    code, said = ask(world, "home jwt-svid", "--profile", "jwt-svid", "--tool", "reports.read", **how)
    assert (code, said["reason"]) == (3, "indeterminate")
    how["issuer"] = "spiffe://other.org"
    assert ask(world, "home jwt-svid", "--profile", "jwt-svid", **how)[1]["reason"] == "iss_untrusted"
    code, said = ask(world, "home at+jwt", keys="bundle")
    assert (code, said["reason"]) == (1, "key_use_mismatch")


@pytest.mark.parametrize(
    ("token", "more", "reason"),
    [
        ("other at+jwt", (), "kid_unknown"),
        ("home at+jwt", ("--audience", "https://elsewhere.example"), "aud_mismatch"),
        ("home at+jwt", ("--profile", "jwt-svid"), "typ_mismatch"),
        ("home at+jwt", ("--at", "2019-01-01T00:00:00Z"), "token_not_yet_valid"),
        ("home at+jwt", ("--at", "2090-01-01T00:00:00Z"), "token_expired"),
        ("", (), "token_empty"),
        ("garbage", (), "token_bad_segments"),
    ],
)
def test_refusals(world: dict[str, Any], token: str, more: tuple[str, ...], reason: str) -> None:
    assert ask(world, "home at+jwt")[0] == 0
    code, said = ask(world, token, *more)
    assert (code, said["reason"]) == (1, reason)


def test_another_issuers_tokens(world: dict[str, Any], tmp_path: Path) -> None:
    """Profile generic as it is typed, alone and in a batch, in no home at all."""
    case = Foreign()
    now = int(time.time())
    case.claims |= {"iat": now, "nbf": now, "exp": now + 300}
    token = case.token().decode()
    (tmp_path / "keys.json").write_text(json.dumps({"keys": case.keys}))
    base = ("token", "verify", "--offline", "--json", "--jwks", str(tmp_path / "keys.json"), "--issuer", FOREIGN_ISS)
    whole = (*base, "--audience", FOREIGN_AUD, "--profile", "generic")
    done = nhictl(tmp_path / "none", *whole, stdin=token)
    said = json.loads(done.stdout)
    assert (done.returncode, said["reason"], said["claims"]["sub"]) == (0, "valid", case.claims["sub"])
    text = nhictl(tmp_path / "none", *(part for part in whole if part != "--json"), stdin=token).stdout
    assert text.startswith(f"valid: {case.claims['sub']}, token good until ")
    done = nhictl(tmp_path / "none", *whole, stdin=world["home at+jwt"])
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (1, "iss_untrusted")
    own = {"jwks": json.loads(Path(world["keys"]).read_text()), "issuer": ISS, "profile": "at+jwt", "audience": AUD}
    lists = [(world["base"] / "home-public/status/1.jwt").read_text()]
    lines: list[dict[str, Any]] = [
        {"token": token}, {"token": token, "audience": "https://x.example"}, {"token": token, "at": "+2h"},
        {"token": world["home at+jwt"].strip(), **own}, {"token": world["home at+jwt"].strip(), **own, "status_list": lists},
        {"token": token, "profile": "at+jwt"}, {"token": token, "consume": True}, {"token": token, "max_stale": "soon"},
    ]  # fmt: skip
    argv = (*whole, "--batch", "-")
    done = nhictl(tmp_path / "none", *argv, stdin="\n".join(map(json.dumps, lines)))
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each.get("reason", each.get("error", {}).get("code")) for each in found] == [
        "valid", "aud_mismatch", "token_expired", "status_list_unavailable", "valid", "typ_mismatch",
        "invalid_request_line", "usage",
    ]  # fmt: skip
    assert (done.returncode, found[0]["offline"], found[2]["hypothetical"]) == (2, True, True)
    assert not (tmp_path / "none").exists()


def test_the_issuer_binds(world: dict[str, Any]) -> None:
    assert ask(world, "home at+jwt", issuer=ISS + "/")[1]["reason"] == "iss_untrusted"


@pytest.mark.parametrize(
    "argv",
    [
        ("--offline", "--jwks", "{keys}"),
        ("--offline", "--issuer", ISS),
        ("--offline", "--jwks", "{keys}", "--issuer", ISS, "--consume"),
        ("--jwks", "{keys}"),
        ("--max-stale", "60s"),
        ("--profile", "generic"),
        ("--offline", "--jwks", "-", "--issuer", ISS),
        ("--offline", "--batch", "-", "--jwks", "{keys}"),
        ("--offline", "--jwks", "{set}", "--issuer", ISS),
        ("--offline", "--jwks", "{mixed}", "--issuer", ISS),
        ("--offline", "--jwks", "{keys}", "--issuer", ISS, "--max-stale", "soon"),
    ],
)
def test_what_the_caller_got_wrong_is_exit_2(world: dict[str, Any], argv: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "set").write_text('{"kty":"EC"}')
    keys = json.loads(Path(world["keys"]).read_text())["keys"]
    (tmp_path / "mixed").write_text(json.dumps({"keys": [*keys, {"kty": "oct", "k": "AAAA", "kid": "s"}]}))
    places = {"keys": world["keys"], "set": str(tmp_path / "set"), "mixed": str(tmp_path / "mixed")}
    named = [part.format(**places) for part in argv]
    done = nhictl(tmp_path / "none", "token", "verify", "--audience", AUD, *named, stdin=world["home at+jwt"])
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("nhictl: ")
    assert "Traceback" not in done.stderr
