"""What the command inherits, and what it does not."""

from __future__ import annotations

import pytest

from nhictl.errors import InputError
from nhictl.ops.run_environment import STRIPPED, stripped, summary
from tests.run.run_home import OPEN, Runs

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwcm9qZWN0In0.c2lnbmF0dXJl"
GONE = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", "GITHUB_TOKEN": "x", "GH_TOKEN": "x",
    "CI_JOB_TOKEN": "x", "CI_JOB_JWT_V2": "x", "CI_REPOSITORY_URL": "https://gitlab-ci-token:x@h", "MY_ID_TOKEN": JWT,
    "AWS_SECRET_ACCESS_KEY": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/f", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://x",
    "AZURE_FEDERATED_TOKEN_FILE": "/f", "IDENTITY_ENDPOINT": "x", "GOOGLE_APPLICATION_CREDENTIALS": "/f",
    "SSH_AUTH_SOCK": "/s", "SPIFFE_ENDPOINT_SOCKET": "unix:///s", "VAULT_TOKEN": "x", "KUBECONFIG": "/k",
    "NHICTL_TOKEN": "of another run", "NHICTL_TOKEN_FD": "9", "NHICTL_CRED_DB_FILE": "/c", "NHICTL_TASK": "t-other",
    "NHICTL_PASSPHRASE": "x",
}  # fmt: skip
STAYS = {
    "PATH": "/bin:/usr/bin", "AWS_REGION": "eu-central-1", "VAULT_ADDR": "https://v", "MY_DATABASE_PASSWORD": "x",
    "GITHUB_REPOSITORY": "a/b", "CI": "true", "NHICTL_OUTPUT": "json", "DOTTED": "one.two.three", "AWSOME": "yes",
    "VERSION": "1.2.3", "SSH_CONNECTION": "1 2 3 4",
}  # fmt: skip


def test_each_kind() -> None:
    assert stripped(GONE | STAYS, ()) == STAYS


@pytest.mark.parametrize("name", GONE)
def test_what_is_kept_by_name_stays(name: str) -> None:
    assert stripped(GONE | STAYS, (name,)) == STAYS | {name: GONE[name]}


def test_a_store_stays_if_it_is_a_file_and_may_hold_no_password() -> None:
    assert stripped({"NHICTL_STORE": "sqlite:///a@b"}, ()) == {"NHICTL_STORE": "sqlite:///a@b"}
    assert stripped({"NHICTL_STORE": "postgresql://u:p@h/db"}, ()) == {}


@pytest.mark.parametrize("name", ["", "A=B"])
def test_no_name(name: str) -> None:
    with pytest.raises(InputError):
        stripped({}, (name,))


def test_the_table_is_in_the_help() -> None:
    assert all(name in summary() for kind in STRIPPED for name in kind.names)


def test_the_command_really_is_without(runs: Runs) -> None:
    options = (*OPEN, "--keep-env", "SSH_AUTH_SOCK", "--keep-env", "NOT_THERE")
    done = runs.run("env", options=options, env=GONE | STAYS | {"NHICTL_OUTPUT": "json"})
    assert done.rc == 0
    got = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    assert {name for name in GONE if got.get(name) == GONE[name]} == {"SSH_AUTH_SOCK"}
    assert {name: got.get(name) for name in STAYS} == STAYS
    assert got["NHICTL_HOME"] == str(runs.home), "nested commands find the home"
    assert got["NHICTL_TASK"] == runs.newest_task()
    taken = runs.records(runs.newest_task())[1]
    assert taken["ext"]["kept"] == ["NOT_THERE", "SSH_AUTH_SOCK"]
