"""`trust publish` and `--profile` on the command line: replies, messages, exit statuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nhictl.cli.main import main

Run = Callable[..., tuple[int, str, str]]
AUDIENCE = "https://api.example.org"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NHICTL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NHICTL_OUTPUT", raising=False)
    monkeypatch.delenv("NHICTL_STORE", raising=False)

    def call(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(argv))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def authority(run: Run) -> Run:
    assert run("init", "--trust-domain", "example.org", "--issuer", "https://nhi.example.org")[0] == 0
    assert run("agent", "register", "bot", "--owner", "o@example.org", "--purpose", "p")[0] == 0
    return run


def issue(run: Run, *more: str) -> str:
    task = run("task", "open", "--agent", "bot", "--intent", "x", "--purpose", "p", "--allow", "crm.read")[1].strip()
    code, out, err = run("token", "issue", "--task", task, "--audience", AUDIENCE, *more)
    assert code == 0, err
    return out


def test_the_reply(authority: Run, tmp_path: Path) -> None:
    code, out, err = authority("trust", "publish", "--out", "pub", "--json")
    reply = json.loads(out)
    assert (code, err, reply["schema"]) == (0, "", "nhictl.publication/v1")
    assert set(reply) == {"schema", "out", "files", "spiffe_sequence", "notes", "log"}
    assert reply["out"] == str(tmp_path / "pub")
    assert [set(file) for file in reply["files"]] == [{"path", "sha256", "changed"}] * 6
    for file in reply["files"]:
        assert file["sha256"] == sha256((tmp_path / "pub" / file["path"]).read_bytes()).hexdigest()
    assert set(reply["log"]) == {"chain", "seq", "size", "root"}
    again = json.loads(authority("trust", "publish", "--out", "pub", "--json")[1])
    assert again["log"] == reply["log"]
    assert [file["changed"] for file in again["files"]] == [False] * 6


def test_in_words(authority: Run) -> None:
    code, out, _ = authority("trust", "publish", "--out", "pub")
    assert code == 0
    assert out.count("written") == 6
    assert "spiffe_sequence 1" in out
    assert authority("trust", "publish", "--out", "pub")[1].count("unchanged") == 6


def test_an_issuer_that_is_no_url_is_said(run: Run) -> None:
    run("init", "--trust-domain", "example.org")
    code, out, _ = run("trust", "publish", "--out", "pub")
    assert code == 0
    assert "is no https URL, so there is nothing under .well-known" in out


@pytest.mark.parametrize(
    ("out", "status", "message"),
    [
        ("link", 2, "it is a symbolic link"),
        ("file", 2, "it is not a folder"),
        ("home/pub", 2, "it is inside the home"),
        (".", 2, "the home is inside it"),
        ("loose", 6, "has mode 0777"),
        ("", 2, "it has no name"),
    ],
)
def test_folders_that_are_refused(authority: Run, tmp_path: Path, out: str, status: int, message: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("")
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose").chmod(0o777)
    code, said, err = authority("trust", "publish", "--out", out)
    assert (code, said) == (status, "")
    assert message in err


def test_without_a_home(run: Run) -> None:
    code, _, err = run("trust", "publish", "--out", "pub")
    assert code == 7
    assert "no authority in" in err


def test_a_jwt_svid_from_issue_to_verify(authority: Run, tmp_path: Path) -> None:
    (tmp_path / "svid").write_text(issue(authority, "--profile", "jwt-svid"))
    (tmp_path / "at").write_text(issue(authority))
    ask = ("token", "verify", "--audience", AUDIENCE)
    code, out, _ = authority(*ask, "--token-file", "svid", "--profile", "jwt-svid")
    assert code == 0
    assert out.startswith("valid: spiffe://example.org/agent/bot, token good until ")

    def reason(*more: str) -> tuple[int, Any]:
        code, out, _ = authority(*ask, *more, "--json")
        return code, json.loads(out)["reason"]

    assert reason("--token-file", "svid", "--profile", "jwt-svid", "--consume") == (0, "valid")
    assert reason("--token-file", "svid") == (1, "typ_mismatch")
    assert reason("--token-file", "at", "--profile", "jwt-svid") == (1, "typ_mismatch")
    assert reason("--token-file", "at", "--profile", "at+jwt") == (0, "valid")
    assert reason("--token-file", "svid", "--profile", "jwt-svid", "--tool", "crm.read") == (1, "not_permitted")


@pytest.mark.parametrize("verb", ["issue", "verify"])
def test_a_profile_that_does_not_exist(authority: Run, tmp_path: Path, verb: str) -> None:
    (tmp_path / "at").write_text(issue(authority))
    more = ["--task", "T"] if verb == "issue" else ["--token-file", "at"]
    code, _, err = authority("token", verb, *more, "--audience", AUDIENCE, "--profile", "id+jwt")
    assert code == 2
    assert "no token profile `id+jwt`" in err
    code, _, err = authority("token", verb, *more, "--audience", AUDIENCE, "--profile", "generic")
    assert code == 2
    assert "for tokens of other issuers" in err


def test_a_jwt_svid_lives_five_minutes_at_most(authority: Run) -> None:
    issue(authority, "--profile", "jwt-svid", "--ttl", "5m")
    code, _, err = authority(
        "token", "issue", "--task", "T", "--audience", AUDIENCE, "--profile", "jwt-svid", "--ttl", "6m"
    )
    assert code == 2
    assert "1 to 300 s" in err
