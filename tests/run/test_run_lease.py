"""SIGKILL of the supervisor ends the task: at the next check, for good, and with one record, whoever looks."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nhictl.errors import ConflictError
from nhictl.ops.check_policy import Call, bench
from nhictl.ops.house import LOCK
from tests.run.run_home import AUDIENCE, OPEN, Runs, eventually


def killed(runs: Runs, script: str = "exec sleep 60") -> tuple[str, str, int]:
    """Token, task and the moment before the end of a run whose supervisor was killed."""
    for left in runs.folder.glob("tok*"):
        left.unlink()
    process, token = runs.waiting(script=script)
    assert runs.reason(token) == "valid"
    before = time.time_ns() // 1000
    process.kill()
    process.wait()
    return token, runs.newest_task(), before


def test_the_next_check_refuses_and_kills_the_task_once(own: Runs) -> None:
    token, task, before = killed(own)
    left = own.home / "leases" / task
    assert left.exists()
    checks = [
        subprocess.Popen(
            [sys.executable, "-m", "nhictl", "token", "verify", "--audience", AUDIENCE], env=own.env(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for check in checks:
        assert check.stdin is not None
        check.stdin.write(token)
    said = [check.communicate()[0] for check in checks]
    assert [check.returncode for check in checks] == [1] * 4
    assert all("lease_lost" in line or "task_killed" in line for line in said), said
    assert any("lease_lost" in line for line in said)
    assert own.kinds(task) == ["task.opened", "lease.taken", "token.issued", "lease.lost", "task.killed"]
    lost = own.records(task)[3]
    assert own.records()[lost["ext"]["taken"]] == own.records(task)[1]
    assert own.reason(token) == own.reason(token, live=True) == "task_killed"
    assert not left.exists()
    assert own.reason(token, at_us=before) == "valid", "at that moment it was"


def test_the_live_check_refuses_records_and_kills_in_one_act(runs: Runs) -> None:
    token, task, _ = killed(runs)
    assert runs.reason(token, live=True) == "lease_lost"
    assert runs.kinds(task)[-3:] == ["lease.lost", "task.killed", "token.denied"]
    assert runs.records(task)[-1]["dec"]["reason"] == "lease_lost"


def test_nothing_is_issued_or_permitted_any_more(runs: Runs) -> None:
    _, task, _ = killed(runs)
    decided = bench(runs.house, [], None).decide(Call("a.b", task=task))
    assert (decided.allowed, decided.reason) == (False, "lease_lost")
    with pytest.raises(ConflictError) as caught:
        runs.token(task)
    assert caught.value.code == "lease_lost"
    assert runs.kinds(task)[-2:] == ["lease.lost", "task.killed"]
    assert bench(runs.house, [], None).decide(Call("a.b", task=task)).reason == "task_killed"


def test_a_check_is_not_kept_waiting_by_what_cannot_be_written(runs: Runs) -> None:
    token, task, _ = killed(runs)
    with (runs.home / LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [runs.reason(token) for _ in range(2)] == ["lease_lost"] * 2
        assert "lease.lost" not in runs.kinds(task)
    assert runs.reason(token) == "lease_lost"
    assert runs.kinds(task).count("lease.lost") == 1


def test_a_command_that_lives_on_has_no_authority_and_holds_nothing_of_ours(runs: Runs) -> None:
    """It ignores SIGTERM, and inherited every descriptor there was to inherit."""
    script = "trap '' TERM; (trap '' TERM; sleep 60 & echo $! >grandchild; wait) & echo $$ >pid; wait"
    token, _, _ = killed(runs, script)
    child = int((runs.folder / "pid").read_text())
    grandchild = int(eventually((runs.folder / "grandchild").read_text, "it started"))
    try:
        open_files = [os.readlink(each) for each in Path(f"/proc/{child}/fd").iterdir()]
        assert not any(str(runs.home) in name for name in open_files), open_files
        assert Path(f"/proc/{grandchild}").exists()
        assert runs.reason(token) == "lease_lost"
    finally:
        for pid in (child, grandchild):
            os.kill(pid, signal.SIGKILL)


def test_the_command_is_told(runs: Runs) -> None:
    killed(runs, "trap 'touch told; exit' TERM; while :; do sleep 0.05; done")
    eventually((runs.folder / "told").exists, "the command got its signal")


def test_a_stopped_supervisor_still_holds_it(runs: Runs) -> None:
    (runs.folder / "tok").unlink(missing_ok=True)
    process, token = runs.waiting()
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: "\nState:\tT" in Path(f"/proc/{process.pid}/status").read_text(), "it is stopped")
    assert runs.reason(token) == "valid"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert runs.reason(token) == "lease_lost"


def test_another_run_cannot_take_a_task_that_is_held(runs: Runs) -> None:
    (runs.folder / "tok").unlink(missing_ok=True)
    process, token = runs.waiting()
    again = runs.run("true", options=("--task", runs.newest_task()))
    assert (again.rc, "bound to another run" in again.err) == (125, True)
    assert runs.reason(token) == "valid"
    process.terminate()
    assert process.wait() == 143
    assert runs.reason(token) == "task_closed"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_from_another_pid_namespace_nothing_is_decided_and_nothing_killed(own: Runs) -> None:
    process, token = own.waiting()
    size = len(own.records())
    inside = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "nhictl"]
    argv = [*inside, "token", "verify"]
    call = [*inside, "policy", "check", "--task", own.newest_task(), "--tool", "a.b"]
    decided = subprocess.run(call, env=own.env(), capture_output=True, text=True)
    assert (decided.returncode, "indeterminate" in decided.stdout) == (3, True), decided
    done = subprocess.run([*argv, "--audience", AUDIENCE], input=token, env=own.env(), capture_output=True, text=True)
    assert (done.returncode, "indeterminate" in done.stdout) == (3, True), done
    assert len(own.records()) == size
    assert own.reason(token) == "valid"
    process.kill()
    process.wait()
    done = subprocess.run([*argv, "--audience", AUDIENCE], input=token, env=own.env(), capture_output=True, text=True)
    assert (done.returncode, "lease_lost" in done.stdout) == (1, True), "that nobody holds it can be seen from anywhere"


def test_runs_within_runs_are_each_their_own(own: Runs) -> None:
    """The inner one sees its own token; when the outer is killed the inner goes on, and the other way round."""
    inner = own.argv(
        "sh",
        "-c",
        'cat "$NHICTL_TOKEN_FILE" >inner.new; mv inner.new inner; exec sleep 60',
        options=(*OPEN, "--deliver", "file"),
    )
    script = "trap : TERM; " + " ".join(f"'{word}'" for word in inner) + " & echo $! >pid; wait"
    process, outer_token = own.waiting(script=script)
    eventually((own.folder / "inner").exists, "the inner token is there")
    inner_token = (own.folder / "inner").read_text().strip()
    assert inner_token != outer_token
    process.kill()
    process.wait()
    assert (own.reason(outer_token), own.reason(inner_token)) == ("lease_lost", "valid")
    os.kill(int((own.folder / "pid").read_text()), signal.SIGTERM)
    eventually(lambda: own.reason(inner_token) == "task_closed", "the inner run ends")
