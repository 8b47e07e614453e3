"""Custody on the command line: what is said, what is asked for, and that no secret is where others could see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nhictl.ops.house import DATABASE, House
from nhictl.store.keys import KEK_FILE
from tests.cli.cli_help import POLICY
from tests.custody.keepers import PASSPHRASE, Watcher, house_with, secret_file
from tests.custody.test_change import worked_in
from tests.harness import ROOT, Program, Ran

AUDIENCE = "https://api.example.org"


def ok(ran: Ran) -> str:
    assert (ran.rc, ran.err) == (0, ""), ran
    return ran.out


def test_the_story(nhictl: Program, home: Path, watcher: Watcher, tmp_path: Path) -> None:
    one, two = secret_file(tmp_path / "one"), secret_file(tmp_path / "two", b"another passphrase altogether\n")
    said = ok(nhictl("init", "--trust-domain", "example.org", "--custody", "passphrase", "--passphrase-file", one))
    assert said.endswith("custody of its keys: passphrase\n")
    assert ok(nhictl("key", "custody")).splitlines() == [
        "custody: passphrase, since record 2", "scrypt: n 131072, r 8, p 1: 128 MiB a try",
    ]  # fmt: skip
    shown = json.loads(ok(nhictl("key", "custody", "--json")))
    assert shown == {
        "schema": "nhictl.custody/v1", "notes": [],
        "custody": {"kind": "passphrase", "recorded": True, "since": 2, "scrypt": {"n": 131072, "r": 8, "p": 1, "mib": 128}},
    }  # fmt: skip
    assert nhictl("key", "custody", "file", "--passphrase-file", two).rc == 6
    done = json.loads(
        ok(nhictl("key", "custody", "helper", "--custody-helper", watcher.command, "--new-key", "--json",
                  env={"NHICTL_PASSPHRASE_FILE": str(one)}))
    )  # fmt: skip
    assert done["changed"] == {"from": "passphrase", "to": "helper", "new_key": True, "resealed": 3}
    assert done["custody"]["helper"] == [str(watcher.program), str(watcher.folder)]
    assert set(done) == {"schema", "custody", "changed", "notes", "log"}
    assert done["log"]["seq"] == done["custody"]["since"] == 3
    assert ok(nhictl("audit", "replay", "-o", "jsonl")).count('"custody.changed"') == 2
    said = ok(nhictl("key", "custody", "file"))
    assert "whoever copies the home can sign" in said
    assert ok(nhictl("key", "custody")) == "custody: file, since record 4\n"
    ran = nhictl("key", "custody", "file")
    assert (ran.rc, "--new-key" in ran.err) == (5, True)


BAD = [
    (("init", "--trust-domain", "example.org", "--custody", "cloud"), 2, "no custody `cloud`"),
    (("init", "--trust-domain", "example.org", "--custody", "helper"), 2, "--custody-helper goes with"),
    (("init", "--trust-domain", "example.org", "--custody-helper", "/bin/sh"), 2, "--custody-helper goes with"),
    (
        ("init", "--trust-domain", "example.org", "--custody", "passphrase", "--passphrase-file", "-"),
        2,
        "not 15 or more",
    ),
    (("key", "custody", "--new-key"), 2, "KIND is missing"),
    (("key", "custody", "file", "--new-passphrase-file", "x"), 2, "goes with the custody `passphrase`"),
    (("key", "custody", "passphrase", "--new-passphrase-file", "none"), 2, "no such file"),
    (("key", "custody"), 7, "no authority in"),
]


@pytest.mark.parametrize(("arguments", "status", "why"), BAD)
def test_what_is_refused(nhictl: Program, home: Path, arguments: tuple[str, ...], status: int, why: str) -> None:
    if arguments[0] == "key" and status == 2:
        ok(nhictl("init", "--trust-domain", "example.org"))
    before = (home / KEK_FILE).read_bytes() if home.exists() else None
    ran = nhictl(*arguments, stdin="short\n")
    assert (ran.rc, ran.out) == (status, "")
    assert why in ran.err
    assert ((home / KEK_FILE).read_bytes() if (home / KEK_FILE).exists() else None) == before


def test_an_init_that_failed_leaves_no_secret_with_the_helper(nhictl: Program, watcher: Watcher) -> None:
    arguments = ("init", "--custody", "helper", "--custody-helper", watcher.command, "--trust-domain")
    assert nhictl(*arguments, "not a domain").rc == 2
    assert watcher.calls() == []
    ok(nhictl(*arguments, "example.org"))
    assert len(watcher.secrets()) == 1
    assert nhictl(*arguments, "example.org").rc == 5
    assert len(watcher.secrets()) == 1


def test_what_signs_nothing_asks_for_nothing_and_what_signs_asks_once(
    nhictl: Program, home: Path, watcher: Watcher, tmp_path: Path
) -> None:
    house = house_with(home, "helper", command=watcher.command)
    task = worked_in(house)
    house.close()
    (tmp_path / "policy.yaml").write_text(POLICY)
    ok(nhictl("policy", "activate", tmp_path / "policy.yaml"))
    watcher.forget()
    token = ok(nhictl("token", "issue", "--task", task, "--audience", AUDIENCE))
    assert len(watcher.calls()) == 1
    watcher.forget()
    assert nhictl("token", "verify", "--audience", AUDIENCE, stdin=token).rc == 0
    assert nhictl("policy", "check", "--task", task, "--tool", "reports.read").rc == 1
    for read in (
        ("audit", "verify"), ("audit", "checkpoint"), ("audit", "export"), ("agent", "list"), ("agent", "show", "bot"),
        ("task", "list"), ("task", "show", task), ("token", "list"), ("policy", "show"), ("key", "custody"),
    ):  # fmt: skip
        ok(nhictl(*read))
    assert watcher.calls() == []
    assert nhictl("token", "verify", "--consume", "--audience", AUDIENCE, stdin=token).rc == 0
    assert len(watcher.calls()) == 1


def test_the_first_line_of_standard_input_is_the_passphrase_and_the_rest_is_what_it_was(
    nhictl: Program, home: Path
) -> None:
    house = house_with(home, "passphrase")
    task = worked_in(house)
    house.close()
    phrase = PASSPHRASE.decode() + "\n"
    token = ok(nhictl("--passphrase-file", "-", "token", "issue", "--task", task, "--audience", AUDIENCE, stdin=phrase))
    verify = ("token", "verify", "--audience", AUDIENCE, "--passphrase-file", "-", "--consume")
    assert nhictl(*verify, stdin=phrase + token).rc == 0
    assert nhictl("token", "revoke", "--token-file", "-", "--passphrase-file", "-", stdin=phrase + token).rc == 0
    assert nhictl(*verify, stdin=phrase + token).rc == 1


def test_no_secret_is_in_arguments_environments_errors_or_the_log(
    nhictl: Program, home: Path, watcher: Watcher, tmp_path: Path
) -> None:
    """The helper looks at every process there is while it is asked, with the passphrase and the key in our memory."""
    one, two = secret_file(tmp_path / "one"), secret_file(tmp_path / "two", b"another passphrase altogether\n")
    house_with(home, "passphrase").close()
    said = []
    names = {"NHICTL_PASSPHRASE_FILE": str(one)}
    said.append(nhictl("key", "custody", "helper", "--custody-helper", watcher.command, "--debug", env=names))
    said.append(nhictl("agent", "register", "bot", "--owner", "o", "--purpose", "p", "--debug"))
    said.append(nhictl("key", "custody", "passphrase", "--new-passphrase-file", two, "--debug"))
    assert [ran.rc for ran in said] == [0] * 3
    wrong = (one, tmp_path / "none")
    said += [nhictl("agent", "suspend", "bot", "--debug", "--passphrase-file", file) for file in wrong]
    said.append(
        nhictl("agent", "suspend", "bot", "--debug", "--passphrase-file", "-", stdin=PASSPHRASE.decode() + "\xff")
    )
    assert [ran.rc for ran in said[3:]] == [6, 2, 6]
    assert sum("Traceback" in ran.err for ran in said) == 3
    house = House(home, home / DATABASE)
    house.passphrase = None
    secrets = [PASSPHRASE, b"another passphrase altogether", *(value.encode() for value in watcher.secrets().values())]
    assert len(secrets) == 3
    seen = (watcher.folder / "seen").read_bytes()
    assert seen.count(b"nhictl\0") >= 2, "our own processes are among them"
    assert b"custody" in seen
    log = b"".join(line for (line,) in house.db.execute("SELECT CAST(line AS BLOB) FROM log"))
    house.close()
    everything = {"processes": seen, "log": log, "output": repr(said).encode()}
    everything |= {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    for where, data in everything.items():
        for secret in secrets:
            assert secret not in data, where
    assert [line for line in watcher.calls() if line.startswith("ENVIRONMENT")] == [], "nothing of ours is handed on"


def test_eight_at_once_ask_in_turn(home: Path, tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, home, pause=0.02)
    house = house_with(home, "helper", command=watcher.command)
    task = worked_in(house)
    house.close()
    watcher.forget()
    command = [sys.executable, "-m", "nhictl", "token", "issue", "--task", task, "--audience", AUDIENCE]
    env = os.environ | {"PYTHONPATH": str(ROOT), "NHICTL_HOME": str(home)}
    running = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    ended = [(process.communicate(timeout=60), process.returncode) for process in running]
    assert [status for _, status in ended] == [0] * 8
    assert len({out for (out, _), _ in ended}) == 8
    assert (len(watcher.calls("get")), "OVERLAP" in watcher.calls()) == (8, False)
