"""`nhictl serve` as a process: how it starts, who its peers are, how it ends, and requests that nobody thought of."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from nhictl.ops.callers import FILE
from tests.enforce.served import Served, evaluation
from tests.harness import ROOT, SETTINGS, Program
from tests.ops.token_home import AUDIENCE, add_agent, add_task, policy_file, records

STRANGER = 64902
RESOURCE = AUDIENCE + "/2026"
ASK = """
import http.client, json, socket, sys
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.connect(sys.argv[1])
for line in sys.stdin:
    over = Unix("x", timeout=20); path, body = json.loads(line)
    over.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    found = over.getresponse(); print(json.dumps([found.status, json.loads(found.read())]))
"""


class Process:
    """The program, serving."""

    def __init__(self, home: Path, *options: str) -> None:
        env = {k: v for k, v in os.environ.items() if k not in SETTINGS}
        env |= {"NHICTL_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nhictl", "serve", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            text=True,
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        self.said = self.process.stdout.readline() if ready else ""

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and standard error after a signal."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with an agent, a policy and an open task, by the real clock."""
    from nhictl.ops.activate_policy import activate
    from nhictl.ops.house import DATABASE, House
    from nhictl.ops.init import initialise

    house = House(tmp_path / "home", tmp_path / "home" / DATABASE)
    initialise(house, "example.org", None)
    add_agent(house, "report-bot")
    activate(house, policy_file())
    yield tmp_path / "home"
    house.close()


def house_of(home: Path) -> Any:
    from nhictl.ops.house import DATABASE, House

    return House(home, home / DATABASE)


def connect(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(path)
    return sock


def test_a_stop_answers_what_was_begun_and_leaves_nothing_behind(home: Path, tmp_path: Path, nhictl: Program) -> None:
    path = str(tmp_path / "s")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()  # of one that was killed
    running = Process(home, "--socket", path)
    assert running.said == f"unix:{path}\n"
    assert os.stat(path).st_mode & 0o777 == 0o600
    again = nhictl("serve", "--socket", path)
    assert (again.rc, "serves" in again.err) == (5, True)
    body = json.dumps(evaluation("report-bot", "reports.read", {"limit": 1}, RESOURCE)).encode()
    with connect(path) as begun, connect(path) as idle:
        head = b"POST /access/v1/evaluation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        begun.sendall(head + f"content-length: {len(body)}\r\n\r\n".encode() + body[:9])
        idle.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        running.process.send_signal(signal.SIGTERM)
        while idle.recv(65536):  # until it is let go
            pass
        begun.sendall(body[9:])
        said = begun.recv(65536)
        while chunk := begun.recv(65536):
            said += chunk
        assert b'"decision":true' in said
    assert running.end()[0] == 0
    assert not os.path.lexists(path)
    house = house_of(home)
    assert records(house)[-1]["type"] == "policy.evaluated"
    house.close()


def test_another_user_is_told_apart_and_asks_and_tells_with_a_token_alone(home: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv")
    from nhictl.ops.issue_token import issue_token

    house = house_of(home)
    token = issue_token(house, add_task(house), AUDIENCE)[0].token
    outside = Path("/tmp", f"nhictl-serve-{os.getpid()}")
    outside.mkdir(mode=0o755)
    try:
        running = Process(home, "--socket", str(outside / "s"), "--open-to", "everyone")
        plain = evaluation("report-bot", "reports.read", {"limit": 1}, RESOURCE)
        shown = evaluation("report-bot", "reports.read", {"limit": 1}, RESOURCE, token=token, audience=AUDIENCE)
        lines = "".join(json.dumps(["/access/v1/evaluation", body]) + "\n" for body in (plain, shown))

        def as_user(text: str) -> list[Any]:
            become = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
            done = subprocess.run(
                [*become, "/usr/bin/python3", "-c", ASK, str(outside / "s")],
                input=text,
                capture_output=True,
                text=True,
                timeout=60,
            )
            if done.returncode:
                pytest.skip(f"another user cannot run Python here: {done.stderr[-200:]}")
            return [json.loads(line) for line in done.stdout.splitlines()]

        (refused, said), (allowed, decided) = as_user(lines)
        assert (refused, said["error"]["code"]) == (403, "caller_not_allowed")
        assert (allowed, decided["decision"]) == (200, True)
        last = records(house)[-1]
        assert (last["type"], last["ext"]["separation"], last["actor"]["id"]) == (
            "token.used",
            "user",
            f"uid:{STRANGER}",
        )
        told = {"record": decided["context"]["record"], "outcome": "ok", "result": ["r"]}
        lines = "".join(json.dumps(["/results", body]) + "\n" for body in (told, told | {"token": token}))
        (refused, said), (status, _) = as_user(lines)  # who it is does not tell that it asked
        assert (refused, said["error"]["code"], status) == (404, "call_unknown", 200)
        last = records(house)[-1]
        assert (last["type"], last["actor"]["id"], last["ext"]) == (
            "tool.returned",
            f"uid:{STRANGER}",
            {"called": told["record"]},
        )
        callers = home / FILE
        callers.write_text(f"nhictl_serve: 1\ncallers: [{{name: pep, uid: [{STRANGER}], may: [evaluate]}}]\n")
        callers.chmod(0o600)
        assert as_user(json.dumps(["/access/v1/evaluation", plain]))[0][1]["decision"] is True
        last = records(house)[-1]
        assert (last["ext"]["caller"], last["ext"]["separation"]) == ("pep", "user")
        assert running.end() == (0, "")
    finally:
        house.close()
        shutil.rmtree(outside, ignore_errors=True)


USAGE: list[tuple[tuple[str, ...], int, str]] = [
    ((), 2, "where to serve"),
    (("--socket", "s", "--listen", "127.0.0.1:0"), 2, "where to serve"),
    (("--listen", "0.0.0.0:0"), 2, "other machines"),
    (("--listen", "example.org:80"), 2, "other machines"),
    (("--listen", "8080"), 2, "no HOST:PORT"),
    (("--listen", "127.0.0.1:99999"), 2, "no HOST:PORT"),
    (("--socket", "s", "--open-to", "no-such-group"), 2, "no such group"),
    (("--socket", "x" * 120), 2, "too long"),
    (("--listen", "127.0.0.1:0", "--url", "ftp://x"), 2, "no http"),
    (("--socket", "nowhere/at/all"), 7, "no such file"),
]


@pytest.mark.parametrize(("options", "rc", "word"), USAGE, ids=range(len(USAGE)))
def test_what_cannot_be_served_is_said_before_anything_is(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    rc: int,
    word: str,
) -> None:
    from nhictl.cli.main import main

    assert main(["serve", *options, "--home", str(home)]) == rc
    assert word in capsys.readouterr().err


def test_a_socket_is_not_made_where_others_could_replace_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nhictl.cli.main import main

    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert main(["serve", "--socket", str(tmp_path / "open" / "s"), "--home", str(home)]) == 6
    assert "others could replace" in capsys.readouterr().err
    taken = tmp_path / "file"
    taken.write_text("mine")
    assert main(["serve", "--socket", str(taken), "--home", str(home)]) == 2
    assert taken.read_text() == "mine"
    capsys.readouterr()


def test_without_the_extra_it_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    from nhictl.cli.main import main

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["serve", "--socket", "s", "--home", str(home)]) == 7
    assert "nhictl[serve]" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_no_request_from_the_described_ones_is_too_much(home: Path, tmp_path: Path) -> None:
    """Schemathesis makes requests from the served document, good and bad: no answer is a 5xx, each holds to the document."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    house = house_of(home)
    served = Served(house, tmp_path / "s", tcp=True, base="http://127.0.0.1", audience=AUDIENCE)
    (home / FILE).write_text(
        "nhictl_serve: 1\ncallers: [{name: t, secret_sha256: "
        "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b, may: [evaluate, introspect, metrics], "
        f"audiences: ['{AUDIENCE}']}}]\n"
    )  # of the word `secret`
    (home / FILE).chmod(0o600)
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    held = (
        not_a_server_error, checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance,
    )  # fmt: skip
    base = f"http://127.0.0.1:{served.port}"
    asked: dict[str, set[int]] = {}

    def try_out(operation: Any) -> None:
        many = 8 if operation.method == "post" else 1

        @given(
            case=operation.as_strategy(), who=st.sampled_from(["Bearer secret", "Bearer secret", "Bearer other", ""])
        )
        @settings(
            max_examples=many, deadline=None, database=None, phases=[Phase.generate], derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def ask(case: Any, who: str) -> None:
            answer = case.call(base_url=base, headers={"authorization": who} if who else {})
            asked.setdefault(operation.path, set()).add(answer.status_code)
            case.validate_response(answer, checks=held)

        ask()

    try:
        for found in schemathesis.openapi.from_url(f"{base}/openapi.json").get_all_operations():
            try_out(found.ok())
    finally:
        served.stop()
        house.close()
    assert len(asked) == 9
    assert {200, 401} <= asked["/access/v1/evaluation"]
