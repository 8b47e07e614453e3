"""Downstream secrets: declared by the operator, acquired for one run, ended with it, and never forgotten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.credential_file import parse
from nhictl.errors import InputError, UnavailableError, UnsafeError
from nhictl.ops import credentials, helper_program
from tests.run.run_home import OPEN, Runs, eventually

HELPER = """#!/bin/sh
cat >>"$0.asked"
case $1 in
acquire) cat "$0.answer"; exit $(cat "$0.acquire" 2>/dev/null || echo 0);;
revoke) exit $(cat "$0.revoke" 2>/dev/null || echo 0);;
esac
"""
ANSWER = {"secret": "s3cret-of-the-database", "expires": "2030-01-01T00:00:00Z", "handle": "role_7"}
WITH = (*OPEN, "--credential", "my-db")


class Operator:
    """A helper program in a home, and its declaration."""

    def __init__(self, runs: Runs, agents: str = "[bot]") -> None:
        self.program = runs.folder / "helper"
        self.program.write_text(HELPER)
        self.program.chmod(0o755)
        self.file = runs.home / credentials.FILE
        self.file.write_text(
            "nhictl_credentials: 1\ncredentials:\n"
            f"  - {{name: my-db, acquire: [{self.program}, acquire], revoke: [{self.program}, revoke], agents: {agents}}}\n"
        )
        self.file.chmod(0o600)
        self.answers(json.dumps(ANSWER))

    def answers(self, text: str) -> None:
        """What `acquire` prints."""
        self.program.with_name("helper.answer").write_text(text)

    def ends(self, which: str, status: int) -> None:
        """With what status `acquire` or `revoke` ends."""
        self.program.with_name(f"helper.{which}").write_text(str(status))

    def asked(self) -> list[dict[str, Any]]:
        """The requests it got."""
        path = self.program.with_name("helper.asked")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def operator(own: Runs) -> Operator:
    return Operator(own)


@pytest.mark.parametrize(
    ("deliver", "script"),
    [
        ("fd", "cat /dev/fd/$NHICTL_CRED_MY_DB_FD"),
        ("file", 'cat "$NHICTL_CRED_MY_DB_FILE"'),
        ("env", 'echo "$NHICTL_CRED_MY_DB"'),
    ],
)
def test_acquired_handed_over_and_revoked(own: Runs, operator: Operator, deliver: str, script: str) -> None:
    done = own.run("sh", "-c", script, options=(*WITH, "--deliver", deliver))
    assert (done.rc, done.out, done.err) == (0, ANSWER["secret"] + "\n", "")
    task = own.newest_task()
    assert own.kinds(task) == [
        "task.opened", "lease.taken", "token.issued", "credential.acquired", "task.closed", "credential.revoked",
    ]  # fmt: skip
    acquire, revoke = operator.asked()
    assert (acquire["do"], acquire["task"], acquire["agent"], acquire["intent"]) == ("acquire", task, "bot", "i")
    assert (revoke["do"], revoke["task"], revoke["handle"]) == ("revoke", task, "role_7")
    told = own.records(task)
    assert told[1]["ext"]["credentials"] == ["my-db"]
    assert told[3]["ext"] == {"credential": "my-db", "expires": "2030-01-01T00:00:00.000000Z"}
    assert ANSWER["secret"] not in json.dumps(told)
    assert own.call("credential", "revoke").rc == 4


WRONG = {
    "no JSON": ("secret", 0, "is not JSON"),
    "no object": ("[]", 0, "no JSON object"),
    "no secret": ("{}", 0, "no `secret`"),
    "an empty secret": ('{"secret": ""}', 0, "no `secret`"),
    "a secret that is no text": ('{"secret": {"a": 1}}', 0, "no `secret`"),
    "a time that is none": ('{"secret": "s", "expires": "soon"}', 0, "no RFC 3339 time"),
    "a handle that is no text": ('{"secret": "s", "handle": 7}', 0, "its `handle`"),
    "a failure": (json.dumps(ANSWER), 3, "ended with 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_is_none(own: Runs, operator: Operator, name: str) -> None:
    answer, status, said = WRONG[name]
    operator.answers(answer)
    operator.ends("acquire", status)
    with pytest.raises(UnavailableError) as caught:
        helper_program.acquire(credentials.chosen(own.house, ["my-db"])[0], {"task": "t-1"})
    assert caught.value.code == "credential_failed"
    assert said in caught.value.message
    assert "s3cret" not in caught.value.message


def test_a_helper_that_takes_too_long_is_ended(own: Runs, operator: Operator) -> None:
    operator.program.write_text('#!/bin/sh\necho $$ >"$0.pid"; exec sleep 60\n')
    declared = credentials.chosen(own.house, ["my-db"])[0]._replace(timeout_s=1)
    with pytest.raises(UnavailableError, match="not done within 1 s"):
        helper_program.acquire(declared, {"task": "t-1"})
    assert not Path(f"/proc/{operator.program.with_name('helper.pid').read_text().strip()}").exists()


def test_what_cannot_be_acquired_starts_nothing_and_is_revoked(own: Runs, operator: Operator) -> None:
    operator.ends("acquire", 3)
    done = own.run("touch", "ran", options=WITH)
    assert (done.rc, "ended with 3" in done.err, "s3cret" in done.err) == (125, True, False), done
    assert not (own.folder / "ran").exists()
    assert [each["do"] for each in operator.asked()] == ["acquire", "revoke"]
    assert own.kinds(own.newest_task())[-2:] == ["task.closed", "credential.revoked"]


def test_what_cannot_be_revoked_is_said_recorded_and_tried_again(own: Runs, operator: Operator) -> None:
    operator.ends("revoke", 9)
    done = own.run("sh", "-c", "exit 4", options=WITH)
    task = own.newest_task()
    assert (done.rc, "ended with 9" in done.err, f"credential revoke --task {task}" in done.err) == (4, True, True)
    assert own.kinds(task)[-1] == "credential.revoke_failed"
    assert own.records(task)[-1]["outcome"] == "error"
    again = own.call("credential", "revoke", "--json")
    assert again.rc == 7
    assert json.loads(again.out)["items"][0] == {
        "task": task, "credential": "my-db", "revoked": False, "error": "credential `my-db`: revoke: ended with 9",
    }  # fmt: skip
    operator.ends("revoke", 0)
    assert own.call("credential", "revoke").rc == 0
    assert own.kinds(task)[-1] == "credential.revoked"
    assert own.call("credential", "revoke").rc == 4


def test_what_a_killed_run_had_is_revoked_by_the_next_one_or_by_hand(own: Runs, operator: Operator) -> None:
    for by_hand in (True, False):
        process, _ = own.waiting("--credential", "my-db", name=f"tok{by_hand}")
        task = own.newest_task()
        assert own.call("credential", "revoke").rc == 4, "not while it runs"
        process.kill()
        process.wait()
        if by_hand:
            assert own.call("credential", "revoke").rc == 0
        else:
            assert own.run("true", options=WITH).rc == 0
        assert own.kinds(task)[-3:] == ["lease.lost", "task.killed", "credential.revoked"]
        assert {"task": task, "handle": "role_7"}.items() <= next(
            each for each in operator.asked() if each["do"] == "revoke" and each["task"] == task
        ).items()


def test_they_end_when_the_task_is_killed_though_the_command_runs_on(own: Runs, operator: Operator) -> None:
    process, _ = own.waiting(
        "--credential", "my-db", script='while [ -s "$NHICTL_CRED_MY_DB_FILE" ]; do sleep 0.1; done'
    )
    task = own.newest_task()
    assert own.call("task", "kill", task).rc == 0
    assert process.wait(60) == 0
    assert own.kinds(task)[-2:] == ["task.killed", "credential.revoked"]


def test_another_agent_may_not_have_it(own: Runs) -> None:
    operator = Operator(own, "[other]")
    done = own.run("true", options=WITH)
    assert (done.rc, "may not have credential `my-db`" in done.err) == (125, True)
    assert operator.asked() == []
    assert "task.opened" not in own.kinds(), "one act: the task was not opened either"
    assert list((own.home / "leases").iterdir()) == []


def test_a_file_that_others_can_change_declares_nothing(own: Runs, operator: Operator) -> None:
    operator.file.chmod(0o644)
    with pytest.raises(UnsafeError):
        credentials.chosen(own.house, ["my-db"])
    operator.file.chmod(0o600)
    operator.program.chmod(0o777)
    done = own.run("true", options=WITH)
    assert (done.rc, "could be changed by others" in done.err) == (125, True)
    assert operator.asked() == []


def test_ctrl_c_does_not_stop_a_helper(own: Runs, operator: Operator) -> None:
    """It is in a session of its own, and gets no blocked signals from us."""
    operator.program.write_text(
        HELPER.replace("case $1", 'ps -o sid= -p $$ >"$0.sid"; grep SigBlk /proc/self/status >"$0.mask"\ncase $1', 1)
    )
    assert own.run("true", options=WITH).rc == 0
    assert int(operator.program.with_name("helper.sid").read_text()) != os.getsid(0)
    assert operator.program.with_name("helper.mask").read_text().split()[1] == "0" * 16


GOOD = (
    b"nhictl_credentials: 1\ncredentials:\n  - {name: a, acquire: [/a], revoke: [/b, x], agents: [bot], timeout: 5s}\n"
)
BAD = {
    "no version": (GOOD.replace(b"nhictl_credentials", b"something"), "nhictl_credentials: 1"),
    "a relative program": (GOOD.replace(b"[/a]", b"[a]"), "absolute path"),
    "no program": (GOOD.replace(b"[/a]", b"[]"), "must not be empty"),
    "no agents": (GOOD.replace(b"agents: [bot], ", b""), "lacks `agents`"),
    "nobody": (GOOD.replace(b"[bot]", b"[]"), "must not be empty"),
    "no revoke": (GOOD.replace(b"revoke: [/b, x], ", b""), "lacks `revoke`"),
    "an unknown key": (GOOD.replace(b"timeout", b"tiemout"), "unknown key `tiemout`"),
    "a name that makes no variable": (GOOD.replace(b"name: a", b"name: A_B"), "`name` is"),
    "too long a time": (GOOD.replace(b"5s", b"2h"), "`timeout` is 1s to 300s"),
    "twice": (GOOD + GOOD.splitlines()[2] + b"\n", "duplicate `a`"),
    "no YAML": (b"{", ""),
}


def test_a_good_file() -> None:
    found = parse("f", GOOD)["a"]
    assert (found.acquire, found.revoke, found.agents, found.timeout_s) == (("/a",), ("/b", "x"), ("bot",), 5)
    assert parse("f", GOOD.replace(b"name: a", b"name: my-db"))["my-db"].variable == "NHICTL_CRED_MY_DB"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file(name: str) -> None:
    data, said = BAD[name]
    with pytest.raises(InputError) as caught:
        parse("f", data)
    assert said in caught.value.message


def test_the_sample_is_one(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "samples" / "credentials" / "credentials.yaml"
    assert list(parse(str(sample), sample.read_bytes())) == ["reports-db"]
    assert eventually(lambda: os.access(sample.with_name("postgres-role"), os.X_OK), "it can be run")
