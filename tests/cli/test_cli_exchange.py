"""`token exchange` and `trust explain` as a CI job runs them: what is printed where, and where the job's token comes from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import Program, check_error
from tests.cli.test_imports import heavy, imported
from tests.harness import ROOT
from tests.ops.ci_issuer import TARGET, github, gitlab, gitlab_trust, sign, trust, write
from tests.ops.fake_runner import BEARER, running

CI = ("GITHUB_ACTIONS", "GITLAB_CI", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
ASK = ("--trust", "deploy-main", "--intent", "deploy", "--audience", TARGET)


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests themselves may run in a CI job."""
    for name in CI:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(program: Program) -> Program:
    program.ok("init", "--trust-domain", "example.org")
    program.ok("agent", "register", "deploy-bot", "--owner", "ops@example.org", "--purpose", "deployments")
    program.ok("trust", "add", write(program.folder, trust()))
    return program


def job(**changes: Any) -> bytes:
    """The token of a job that runs now."""
    return sign(github(int(time.time()), **changes))


def test_the_token_alone_is_printed_and_is_good(home: Program) -> None:
    token = home("token", "exchange", *ASK, "--subject-token-file", "-", stdin=job()).thing
    done = home("token", "verify", "--audience", TARGET, "--json", stdin=token)
    assert (done.code, done.json["claims"]["client_id"]) == (0, "deploy-bot")
    assert home("token", "list", "--ci-run", "1658821493", "-o", "jsonl").lines[0]["state"] == "live"
    assert home("task", "list", "--ci-run", "1658821494", "-o", "jsonl").lines == []


def test_in_json(home: Program) -> None:
    (home.folder / "job.jwt").write_bytes(job())
    told = home.ok("token", "exchange", *ASK, "--subject-token-file", "job.jwt", "--purpose", "release 7")
    assert list(told) == [
        "schema", "token", "jti", "task", "expires", "trust", "instance", "deadline", "ci", "log",
    ]  # fmt: skip
    assert told["schema"] == "nhictl.token/v1"
    assert told["ci"]["run_id"] == "1658821493"
    shown = home.ok("task", "show", told["task"])["task"]
    assert (shown["ci"], shown["purpose"], shown["instance"]) == (told["ci"], "release 7", told["instance"])


def test_a_refusal_prints_nothing_where_a_token_would_be(home: Program) -> None:
    done = home("token", "exchange", *ASK, "--subject-token-file", "-", stdin=job(ref="refs/heads/dev"))
    assert (done.code, done.out) == (1, "")
    said = 'refused at step 14: claim_mismatch:ref: expected "refs/heads/main", got "refs/heads/dev"'
    assert done.err.startswith(f"nhictl: {said}\n  hint: nhictl trust explain deploy-main")


def test_a_refusal_in_json(home: Program) -> None:
    bad = job(repository_id="1")
    done = home("token", "exchange", *ASK, "--subject-token-file", "-", "--json", stdin=bad)
    assert (done.code, done.err) == (1, "")
    assert done.json["schema"] == "nhictl.verdict/v1"
    assert {k: done.json[k] for k in ("valid", "reason", "step", "trust", "recorded")} == {
        "valid": False, "reason": "claim_mismatch:repository_id", "step": 14, "trust": "deploy-main", "recorded": True,
    }  # fmt: skip
    again = home("token", "exchange", *ASK, "--subject-token-file", "-", "--json", stdin=bad).json
    assert (again["recorded"], "log" in again) == (False, False)


def test_a_box_less(home: Program) -> None:
    told = home.ok("token", "exchange", *ASK, "--allow", "deploy.status", "--subject-token-file", "-", stdin=job())
    assert home.ok("task", "show", told["task"])["task"]["scope"] == [{"tools": ["deploy.status"]}]
    done = home("token", "exchange", *ASK, "--allow", "deploy.*", "--subject-token-file", "-", stdin=job(jti="b"))
    assert (done.code, "scope_exceeds_trust" in done.err) == (1, True)
    done = home("token", "exchange", *ASK, "--allow", "deploy.run?", "--subject-token-file", "-", stdin=job(jti="c"))
    assert (done.code, done.out) == (2, "")


@pytest.mark.parametrize("option", [("--ttl", "0s"), ("--ttl", "x"), ("--deadline", "-1m"), ("--audience", "a b")])
def test_what_the_caller_got_wrong(home: Program, option: tuple[str, str]) -> None:
    done = home("token", "exchange", *ASK, *option, "--subject-token-file", "-", "--json", stdin=job())
    assert done.code == 2
    check_error(done.err)


def test_the_runner_is_asked_for_the_trusts_audience(home: Program) -> None:
    with running(lambda audience: job(aud=audience)) as runner:
        done = home("token", "exchange", *ASK, "--json", env=runner.env)
        assert (done.code, done.err) == (0, "")
        assert "audience=https%3A%2F%2Fnhi.example.org" in runner.asked[0][0]
        told = home("trust", "explain", "deploy-main", "--json", env=runner.env)
        assert (told.code, told.json["verified"]) == (1, True), "the same jti once more"
        given = home("token", "exchange", *ASK, "--subject-token-file", "-", stdin=job(jti="own"), env=runner.env)
        assert (given.code, len(runner.asked)) == (0, 2), "what is named is taken, and nobody asked"


def test_a_runner_that_gives_none(home: Program) -> None:
    with running(lambda _: b"") as runner:
        done = home("token", "exchange", *ASK, "--json", env=runner.env | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "other"})
    assert (done.code, done.out) == (7, "")
    check_error(done.err, "subject_token_unavailable")
    assert BEARER not in done.err


@pytest.mark.parametrize(
    ("env", "hint"), [({"GITHUB_ACTIONS": "true"}, "id-token: write"), ({"GITLAB_CI": "true"}, "--subject-token-env")]
)
def test_a_job_without_a_token_is_told_how_to_get_one(home: Program, env: dict[str, str], hint: str) -> None:
    for verb in (("token", "exchange", *ASK), ("trust", "explain", "deploy-main")):
        done = home(*verb, "--json", env=env)
        assert (done.code, done.out) == (2, "")
        assert hint in check_error(done.err, "no_subject_token")["hint"]


def test_gitlabs_variable(home: Program) -> None:
    home.ok("trust", "add", write(home.folder, gitlab_trust()))
    ask = (
        "--trust",
        "gitlab-main",
        "--intent",
        "deploy",
        "--audience",
        TARGET,
        "--subject-token-env",
        "NHICTL_ID_TOKEN",
    )
    env = {"NHICTL_ID_TOKEN": sign(gitlab(int(time.time()))).decode(), "GITLAB_CI": "true"}
    assert home("token", "exchange", *ask, env=env).thing.count(".") == 2
    assert "jti_replayed" in home("token", "exchange", *ask, env=env).err


def test_a_token_as_an_option_is_refused_and_not_repeated(home: Program) -> None:
    secret = job().decode()
    done = home("token", "exchange", *ASK, "--subject-token-env", secret)
    assert done.code == 2
    assert secret[:20] not in done.out + done.err
    shown = home("token", "exchange", *ASK, "--subject-token-file", secret[:200])
    assert shown.code == 2


def test_explained_claim_by_claim(home: Program) -> None:
    token = job(ref="refs/heads/dev", environment="staging", actor="mona", jti="x")
    done = home("trust", "explain", "deploy-main", "--subject-token-file", "-", stdin=token)
    assert (done.code, done.err) == (1, "")
    lines = [line.strip() for line in done.out.splitlines()]
    assert 'ok  repository_id: "456789"' in lines
    assert 'NO  ref: expected "refs/heads/main", got "refs/heads/dev"' in lines
    assert '-  environment: "staging"' in lines
    assert lines[-1] == "would be refused"
    assert "NOT VERIFIED" not in done.out
    assert "mona" not in done.out
    forged = token[:-8] + b"AAAAAAAA"
    assert (
        "THE TOKEN IS NOT VERIFIED"
        in home("trust", "explain", "deploy-main", "--subject-token-file", "-", stdin=forged).out
    )


def test_explaining_takes_and_records_nothing(home: Program) -> None:
    before, token = home.size(), job()
    for _ in range(2):
        done = home("trust", "explain", "deploy-main", "--subject-token-file", "-", stdin=token)
        assert (done.code, done.out.splitlines()[-1]) == (0, "would be exchanged")
    assert home("trust", "explain", "deploy-main").code == 0
    assert home.size() == before
    assert home("token", "exchange", *ASK, "--subject-token-file", "-", stdin=token).thing


def test_explained_then(home: Program) -> None:
    home.ok("trust", "remove", "deploy-main")
    done = home("trust", "explain", "deploy-main", "--subject-token-file", "-", "--json", stdin=job())
    assert (done.code, done.json["checks"][0]["reason"]) == (1, "trust_removed")
    early = home("trust", "explain", "deploy-main", "--at", "-1h", "--subject-token-file", "-", stdin=job())
    assert early.code == 4


def test_a_token_that_cannot_be_printed_is_revoked(home: Program) -> None:
    env = os.environ | {"NHICTL_HOME": str(home.home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "nhictl", "token", "exchange", *ASK, "--subject-token-file", "-"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, input=job(), stdout=full, stderr=subprocess.PIPE, env=env, timeout=60)
    assert done.returncode == 7
    assert [token["state"] for token in home("token", "list", "-o", "jsonl").lines] == ["revoked"]


def test_what_a_process_shows_of_itself(home: Program) -> None:
    """Neither the job's token nor ours is in the log, whole or as its claims."""
    token = job()
    ours = home("token", "exchange", *ASK, "--subject-token-file", "-", stdin=token).thing
    log = home("audit", "export").out
    assert '"token.exchanged"' in log
    for secret in (ours, token.decode(), token.decode().split(".")[1], "mona", "refs/heads/main", "octo-org"):
        assert secret not in log
    told = json.dumps(home("audit", "replay", "-o", "jsonl").lines)
    assert "refs/heads/main" in told, "at home it is shown: it is sealed, not lost"
    assert "mona" not in told


def test_start_up(home: Program) -> None:
    """With a token at hand nothing is imported that only files or the network need."""
    done, names = imported(home, "token", "exchange", *ASK, "--subject-token-file", "-", stdin=job().decode())
    assert done.returncode == 0
    assert heavy(names) | (names & {"urllib.request", "ssl", "nhictl.core.trust.lint"}) == set()
