"""The recipes for CI systems do what they say: their own commands run against a CI system of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.yaml_events import read_yaml
from nhictl.ops import trusts
from tests.harness import ROOT, SETTINGS
from tests.ops.ci_issuer import EC_JWK, RSA_JWK, github, gitlab, sign
from tests.ops.fake_runner import running

SAMPLES = ROOT / "samples" / "ci"
DEPLOY = """\
#!/bin/sh
# what is deployed to asks nhictl about the token it is shown
nhictl token verify --token-file "$1" --audience https://deploy.example.org
"""


def sample(name: str) -> Any:
    """A recipe as a plain value."""
    return read_yaml(name, (SAMPLES / name).read_bytes()).data()


class Runner:
    """A machine with a home, on which jobs run: `nhictl` and `deploy.sh` are there, and the trusts are in force."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        self.program(folder / "bin" / "nhictl", f'#!/bin/sh\nexec "{sys.executable}" -m nhictl "$@"\n')
        self.program(folder / "deploy.sh", DEPLOY)
        known = {
            k: v for k, v in os.environ.items() if k not in SETTINGS and not k.startswith(("GITHUB_", "ACTIONS_", "CI"))
        }
        self.env = known | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "NHICTL_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(folder),
        }  # fmt: skip
        for name, keys in (("github", [RSA_JWK]), ("gitlab", [RSA_JWK, EC_JWK])):
            (folder / f"{name}-jwks.json").write_text(json.dumps({"keys": keys}))
            (folder / f"{name}.trust.yaml").write_bytes((SAMPLES / f"{name}.trust.yaml").read_bytes())
        setup = "nhictl init --trust-domain example.org; nhictl agent register deploy-bot --owner o --purpose p;"
        done = self.job(setup + "nhictl trust lint github.trust.yaml gitlab.trust.yaml;"
                        "nhictl trust add github.trust.yaml; nhictl trust add gitlab.trust.yaml")  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr

    @staticmethod
    def program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def job(self, script: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script as a runner does."""
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script], cwd=self.folder, env=self.env | env, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip

    def states(self, run: str) -> list[str]:
        """How the tokens of a CI run stand."""
        done = self.job(f"nhictl token list --ci-run {run} -o jsonl")
        return [json.loads(line)["state"] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("runner"))


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_nothing_is_to_be_said_of_the_sample_trusts(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}-jwks.json").write_text(json.dumps({"keys": [RSA_JWK]}))
    path = tmp_path / f"{name}.trust.yaml"
    assert trusts.look(str(path), (SAMPLES / path.name).read_bytes()).to_json()["findings"] == []


def test_recipes_and_trusts_speak_of_the_same() -> None:
    for recipe, trust in (("github-actions.yml", "github.trust.yaml"), ("gitlab-ci.yml", "gitlab.trust.yaml")):
        text, meant = (SAMPLES / recipe).read_text(), sample(trust)
        assert f"--trust {meant['name']} --intent {meant['intents'][0]}" in text
        assert f"--audience {meant['token_audiences'][0]} " in text
    assert (
        sample("gitlab-ci.yml")["deploy"]["id_tokens"]["NHICTL_ID_TOKEN"]["aud"]
        == sample("gitlab.trust.yaml")["audience"]
    )
    job = sample("github-actions.yml")["jobs"]["deploy"]
    assert job["permissions"]["id-token"] == "write"
    assert job["environment"] == sample("github.trust.yaml")["match"]["environment"]


def test_github(runner: Runner) -> None:
    steps = sample("github-actions.yml")["jobs"]["deploy"]["steps"]
    with running(lambda audience: sign(github(int(time.time()), aud=audience, run_id="501"))) as ci:
        env = ci.env | {"GITHUB_RUN_ID": "501", "GITHUB_ACTIONS": "true"}
        exchange, deploy, end = (step["run"] for step in steps)
        done = runner.job(exchange, **env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (runner.folder / "nhictl-token").stat().st_mode & 0o077 == 0
        assert runner.job(deploy, **env).stdout.startswith("valid: deploy-bot for task t-")
        assert runner.states("501") == ["live"]
        assert runner.job(end, **env).returncode == 0
    assert runner.states("501") == ["revoked"]
    assert not (runner.folder / "nhictl-token").exists()


def test_github_on_another_branch(runner: Runner) -> None:
    steps = sample("github-actions.yml")["jobs"]["deploy"]["steps"]
    numbers = iter("ab")
    changes = {"run_id": "502", "ref": "refs/heads/dev", "ref_protected": "false"}
    with running(lambda aud: sign(github(int(time.time()), aud=aud, jti=next(numbers), **changes))) as ci:
        env = ci.env | {"GITHUB_RUN_ID": "502", "GITHUB_ACTIONS": "true"}
        done = runner.job(steps[0]["run"], **env)
        assert done.returncode == 1
        assert 'NO  ref: expected "refs/heads/main", got "refs/heads/dev"' in done.stdout
        assert "refused at step 14: claim_mismatch:ref" in done.stderr
        assert runner.job(steps[2]["run"], **env).returncode == 0
    assert runner.states("502") == []


def test_gitlab(runner: Runner) -> None:
    job = sample("gitlab-ci.yml")["deploy"]
    token = sign(gitlab(int(time.time()), pipeline_id="601"), "ES256").decode()
    env = {"GITLAB_CI": "true", "NHICTL_ID_TOKEN": token, "CI_PIPELINE_ID": "601", "CI_JOB_ID": "302"}
    done = runner.job("\n".join(job["script"]), **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("valid: deploy-bot for task t-")
    assert runner.states("601") == ["live"]
    assert runner.job("\n".join(job["after_script"]), **env).returncode == 0
    assert runner.states("601") == ["revoked"]
    again = runner.job("\n".join(job["script"]), **env)
    assert again.returncode == 1
    assert "jti_replayed" in again.stderr + again.stdout
    assert token not in again.stderr + again.stdout
