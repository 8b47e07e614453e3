"""The token of a run: always a live one while it lasts, and nowhere that it should not be."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.token import b64
from nhictl.ops.run_handover import ByDescriptor, ByFile, Handover, Handovers
from tests.ops.token_home import decoded
from tests.run.run_home import OPEN, Runs, eventually

SECONDS = 2.2


def newest(path: Path) -> str:
    """What is there; read again if it is being replaced."""
    return str(eventually(lambda: path.read_text().strip(), "a token"))


@pytest.mark.parametrize("deliver", ["fd", "file"])
def test_it_is_renewed_before_it_expires(runs: Runs, deliver: str) -> None:
    where = 'echo "/proc/$$/fd/$NHICTL_TOKEN_FD"' if deliver == "fd" else 'echo "$NHICTL_TOKEN_FILE"'
    process = runs.start(
        "sh", "-c", f"{where}; exec sleep 60", options=(*OPEN, "--deliver", deliver, "--ttl", "1s"), stderr=None
    )
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    seen: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        token = newest(path)
        now = time.time()
        claims = decoded(token)[1]
        assert now < claims["exp"] + 0.5, "what is read has not expired, but for a scheduler's whim"
        if token not in seen:
            assert runs.reason(token) == "valid"
        seen[token] = claims
        time.sleep(0.02)
    assert len(seen) >= 3
    assert len({claims["txn"] for claims in seen.values()}) == 1
    process.terminate()
    assert process.wait() == 143
    assert {runs.reason(token) for token in seen} == {"task_closed"}
    assert not path.exists()


def test_never_past_the_deadline_of_the_task(runs: Runs) -> None:
    script = (
        'while [ -s "$NHICTL_TOKEN_FILE" ]; do cat "$NHICTL_TOKEN_FILE"; sleep 0.1; done & sleep 2.2; kill $!; exit 0'
    )
    done = runs.run("sh", "-c", script, options=(*OPEN, "--deliver", "file", "--ttl", "1s", "--deadline", "2s"))
    assert (done.rc, done.err) == (0, "")
    tokens = dict.fromkeys(done.out.split())
    opened = next(each for each in runs.records(runs.newest_task()) if each["type"] == "task.opened")
    from nhictl.core import times

    deadline = times.parse_time(opened["ext"]["deadline"], 0) / 1_000_000
    assert len(tokens) >= 2
    assert all(decoded(token)[1]["exp"] <= deadline for token in tokens)


def test_when_the_task_is_killed_the_command_is_left_without(runs: Runs) -> None:
    process = runs.start(
        "sh", "-c", 'echo $NHICTL_TASK; while [ -s "$NHICTL_TOKEN_FILE" ]; do sleep 0.05; done; exit 9',
        options=(*OPEN, "--deliver", "file", "--ttl", "1s"),
    )  # fmt: skip
    assert process.stdout is not None
    task = process.stdout.readline().strip()
    assert runs.call("task", "kill", task).rc == 0
    done = runs.end(process)
    assert (done.rc, "could not be renewed" in done.err, "is killed" in done.err) == (9, True, True)
    assert "task.closed" not in runs.kinds(task)


def test_it_is_in_no_command_line_environment_or_log(runs: Runs) -> None:
    (runs.folder / "tok").unlink(missing_ok=True)
    process, token = runs.waiting()
    signature = token.rsplit(".", 1)[1]
    found = []
    for name in ("cmdline", "environ"):
        for path in Path("/proc").glob(f"[0-9]*/{name}"):
            try:
                if signature.encode() in path.read_bytes():
                    found.append(path)
            except OSError:
                continue
    assert found == []
    process.terminate()
    process.wait()
    # in another process: to open and close the database here would drop SQLite's locks on it
    data = subprocess.run(["sh", "-c", f"cat {runs.home}/nhictl.db*"], stdout=subprocess.PIPE, check=True).stdout
    assert runs.newest_task().encode() in data
    assert signature.encode() not in data
    assert b64.decode(signature) not in data


def test_in_the_environment_if_that_was_asked_for(runs: Runs) -> None:
    done = runs.run("sh", "-c", "env", options=(*OPEN, "--deliver", "env"))
    token = dict(line.split("=", 1) for line in done.out.splitlines() if line.startswith("NHICTL_"))["NHICTL_TOKEN"]
    assert runs.reason(token) == "task_closed"
    assert "NHICTL_TOKEN_FD" not in done.out


def test_the_file_is_private_and_gone_afterwards(runs: Runs) -> None:
    done = runs.run(
        "sh", "-c", 'stat -c %a "$NHICTL_TOKEN_FILE" "$(dirname "$NHICTL_TOKEN_FILE")"; echo "$NHICTL_TOKEN_FILE"',
        options=(*OPEN, "--deliver", "file"),
    )  # fmt: skip
    mode, folder, path = done.out.split()
    assert (mode, folder) == ("600", "700")
    assert not Path(path).parent.exists()


def test_the_descriptor_reads_the_same_again_and_cannot_be_written(runs: Runs) -> None:
    script = (
        "cat <&$NHICTL_TOKEN_FD; cat /dev/fd/$NHICTL_TOKEN_FD; cat /dev/fd/$NHICTL_TOKEN_FD; "
        "echo x 2>/dev/null >&$NHICTL_TOKEN_FD || echo refused"
    )
    done = runs.run("sh", "-c", script)
    first, second, third, last = done.out.splitlines()
    assert first == second == third
    assert last == "refused"


def raced(handover: Handover, path: str, values: list[str], turns: int) -> set[bytes]:
    """What readers got while the values were replaced in turn, as fast as can be."""
    handover.put(values[0])
    found: set[bytes] = set()
    running = True

    def read() -> None:
        while running:
            handle = os.open(path, os.O_RDONLY)
            found.add(os.read(handle, 16384))
            os.close(handle)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(turns):
        handover.put(values[turn % len(values)])
        time.sleep(0)  # the readers' turn
    running = False
    for reader in readers:
        reader.join()
    handover.close()
    return found


def test_a_reader_of_the_file_gets_the_old_or_the_new_one(tmp_path: Path) -> None:
    handover = ByFile("NHICTL_TOKEN", tmp_path)
    found = raced(handover, handover.value(), ["a" * 900, "b" * 1200], 200)
    assert found
    assert found <= {b"a" * 900 + b"\n", b"b" * 1200 + b"\n"}


def test_a_reader_of_the_descriptor_gets_a_whole_first_line_or_nothing() -> None:
    handover = ByDescriptor("NHICTL_TOKEN")
    found = raced(handover, f"/proc/self/fd/{handover.value()}", ["a" * 900, "b" * 1200, "c" * 1200], 1000)
    lines = {data.split(b"\n")[0].strip(b"\0") for data in found}
    assert lines - {b""}
    assert lines - {b""} <= {b"a" * 900, b"b" * 1200, b"c" * 1200}


def test_what_a_killed_run_left_is_swept(runs: Runs) -> None:
    (runs.folder / "tok").unlink(missing_ok=True)
    process, token = runs.waiting(script='dirname "$NHICTL_TOKEN_FILE" >where; exec sleep 60')
    where = eventually(
        lambda: (runs.folder / "where").exists() and (runs.folder / "where").read_text().strip(), "where"
    )
    process.kill()
    process.wait()
    assert Path(where).exists()
    assert runs.reason(token) == "lease_lost"
    assert not Path(where).exists()


def test_the_folder_is_where_memory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    handovers = Handovers("file", tmp_path, "t-1")
    handovers.add("NHICTL_TOKEN", "x")
    assert handovers.environment() == {"NHICTL_TOKEN_FILE": str(runtime / "nhictl-t-1" / "token")}
    handovers.close()
    assert list(runtime.iterdir()) == []
    runtime.chmod(0o755)
    loose = Handovers("file", tmp_path, "t-1")
    loose.add("NHICTL_TOKEN", "x")
    assert "/dev/shm/nhictl-t-1/token" in loose.environment().values()
    loose.close()
    assert not Path("/dev/shm/nhictl-t-1").exists()
